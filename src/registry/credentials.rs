//! Credentials: the operator's settings per registry, else Docker's `config.json` and its helpers.
//!
//! Whether they may be sent somewhere is decided by the one who sends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::RegistryError;
use super::docker_config::{self, Kept};
use super::host::{HostSettings, canonical};
use crate::model::Hidden;
use crate::model::login::Login;
use crate::program::{self, Call, Complaints, Environment, Failure, Output, Printed};

/// How long a helper or a command may take.
const PROGRAM: Duration = Duration::from_secs(10);
/// The most that a helper or a command prints, bytes.
const LARGEST: u64 = 64 * 1024;
/// How long an answer is used again. Short, since some helpers give out what expires.
const FRESH: Duration = Duration::from_secs(60);
/// How long before its end what a command printed is not used any more; a tenth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest life believed.
const LONGEST_LIFE: u64 = 30 * 24 * 3600;
/// The user's name where a command prints a token alone; registries take any.
const TOKEN_USER: &str = "x-access-token";
/// The user's name with which helpers say that it is an identity token (docker/docker-credential-helpers).
const IDENTITY: &str = "<token>";

/// The credentials of all registries; asked for only when one is needed.
pub(super) struct Credentials {
    docker_config: Option<PathBuf>,
    within: Duration,
    known: std::sync::Mutex<BTreeMap<String, Arc<Mutex<Option<Known>>>>>,
}

/// What was found, until when it is good, and what the files looked like then.
struct Known {
    /// A failure too: a helper that hangs is not waited for by every service in turn.
    login: Result<Option<Login>, String>,
    /// `None`: until it is refused.
    until: Option<Instant>,
    /// The registry refused it, and looking again gave the same.
    is_refused: bool,
    stamp: Stamp,
}

/// When the files that credentials come from were last changed.
type Stamp = [Option<SystemTime>; 2];

/// Credentials and for how long they are good.
type Found = (Option<Login>, Option<Duration>);

impl Credentials {
    pub fn new(docker_config: Option<PathBuf>) -> Self {
        Self { docker_config, within: PROGRAM, known: std::sync::Mutex::default() }
    }

    /// The credentials for `registry`; `None` where there are none.
    pub async fn of(
        &self,
        registry: &str,
        settings: &HostSettings,
    ) -> Result<Option<Login>, RegistryError> {
        let registry = canonical(registry);
        let slot = self.slot(registry);
        // Held while asking: many services of one registry ask its helper once.
        let mut known = slot.lock().await;
        let stamp = self.stamp(settings);
        let good = known.as_ref().filter(|known| known.is_good(&stamp, Instant::now()));
        let login = match good {
            Some(known) => known.login.clone(),
            None => {
                let login = self.look_again(registry, settings, &mut known, stamp).await;
                login.map(|(login, _)| login)
            }
        };
        login.map_err(|why| RegistryError::Credentials { registry: registry.to_owned(), why })
    }

    /// Looks again next time: the registry refused `login`. Only once for the same: a program is not run, nor a
    /// keyring opened, for every service that is refused.
    pub async fn forget(&self, registry: &str, login: Option<&Login>) {
        let slot = self.slot(canonical(registry));
        let mut known = slot.lock().await;
        if let Some(known) = known.as_mut()
            && !known.is_refused
            && known.login.as_ref().is_ok_and(|known| known.as_ref() == login)
        {
            known.is_refused = true;
            known.until = Some(Instant::now());
        }
    }

    async fn look_again(
        &self,
        registry: &str,
        settings: &HostSettings,
        known: &mut Option<Known>,
        stamp: Stamp,
    ) -> Result<Found, String> {
        let refused = known.take().filter(|known| known.is_refused);
        let found = self.look(registry, settings).await;
        let login = found.clone().map(|(login, _)| login);
        let is_refused = refused.is_some_and(|refused| refused.login == login);
        let life = match &found {
            Ok((_, life)) if !is_refused => *life,
            Ok(_) | Err(_) => Some(FRESH),
        };
        let until = life.map(|life| Instant::now() + life);
        *known = Some(Known { login, until, is_refused, stamp });
        found
    }

    fn slot(&self, registry: &str) -> Arc<Mutex<Option<Known>>> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(known.entry(registry.to_owned()).or_default())
    }

    fn stamp(&self, settings: &HostSettings) -> Stamp {
        [self.docker_config.as_deref(), settings.password_file.as_deref()]
            .map(|file| std::fs::metadata(file?).and_then(|metadata| metadata.modified()).ok())
    }

    async fn look(&self, registry: &str, settings: &HostSettings) -> Result<Found, String> {
        if let Some(command) = &settings.credential_command {
            let (login, life) = self.command(registry, command).await?;
            return Ok((Some(login), life));
        }
        if let (Some(username), Some(file)) = (&settings.username, &settings.password_file) {
            return Ok((Some(password_file(registry, username, file)?), Some(FRESH)));
        }
        let Some(file) = &self.docker_config else { return Ok((None, Some(FRESH))) };
        let login = match docker_config::look_up(file, registry)? {
            Kept::Nowhere => None,
            Kept::Password(name, password) => Some(with_password(registry, name, password)),
            Kept::Identity(token) => Some(with_identity(registry, token)),
            Kept::Helper { program, key } => self.helper(registry, &program, &key).await?,
        };
        Ok((login, Some(FRESH)))
    }

    /// Asks a helper by its protocol (docker/docker-credential-helpers, `get`).
    async fn helper(
        &self,
        registry: &str,
        program: &str,
        key: &str,
    ) -> Result<Option<Login>, String> {
        let command = [program.to_owned(), "get".to_owned()];
        let printed = self.run(&command, key).await.map_err(|failure| {
            let why = failed(failure, self.within);
            format!("the credential helper `{program}` that Docker's config.json names {why}")
        })?;
        // What helpers say where Docker means "none" (`credentials/error.go`).
        let is_well = printed.status.success();
        let text = printed.text();
        if !is_well && text.contains("credentials not found") {
            return Ok(None);
        }
        if !is_well {
            return Err(format!("`{program} get` failed; run it by hand as this user to see why"));
        }
        let answer: HelperAnswer = serde_json::from_str(&text)
            .map_err(|_| format!("the credential helper `{program}` gives an unreadable answer"))?;
        Ok(Some(with_name(registry, answer.username, answer.secret)))
    }

    async fn command(
        &self,
        registry: &str,
        command: &[String],
    ) -> Result<(Login, Option<Duration>), String> {
        let shown = command.first().map_or("", String::as_str);
        let printed = self.run(command, "").await.map_err(|failure| {
            format!("credential_command `{shown}` {}", failed(failure, self.within))
        })?;
        if !printed.status.success() {
            return Err(format!(
                "credential_command `{shown}` failed; run it by hand as this user to see why"
            ));
        }
        read_printed(registry, &printed.text()).ok_or_else(|| {
            format!(
                "credential_command `{shown}` prints neither a token nor JSON with username and password"
            )
        })
    }

    /// Neither what it prints nor what it complains about is ever shown: both may hold the secret.
    async fn run(&self, command: &[String], input: &str) -> Result<Printed, Failure> {
        let call = Call {
            command,
            environment: Environment::Own,
            input: input.as_bytes(),
            output: Output::Kept(LARGEST),
            complaints: Complaints::Dropped,
            within: Some(self.within),
        };
        program::run(call).await
    }
}

impl Known {
    fn is_good(&self, stamp: &Stamp, now: Instant) -> bool {
        self.stamp == *stamp && self.until.is_none_or(|until| now < until)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: Hidden,
}

/// What a `credential_command` prints as JSON.
#[derive(Deserialize)]
struct CommandAnswer {
    username: String,
    password: Hidden,
    /// Seconds.
    expires_in: Option<u64>,
}

/// JSON with `username` and `password` (and `expires_in`, seconds), or a token on a line of its own.
fn read_printed(registry: &str, printed: &str) -> Option<(Login, Option<Duration>)> {
    let printed = printed.trim();
    if printed.starts_with('{') {
        let answer: CommandAnswer = serde_json::from_str(printed).ok()?;
        let life = answer.expires_in.map(|seconds| Duration::from_secs(seconds.min(LONGEST_LIFE)));
        let life = life.map(|life| life.saturating_sub(MARGIN.min(life / 10)));
        let is_whole = !answer.password.reveal().is_empty();
        return is_whole.then(|| (with_name(registry, answer.username, answer.password), life));
    }
    let is_token = !printed.is_empty() && !printed.contains(char::is_whitespace);
    let token = || Hidden::new(printed);
    is_token.then(|| (with_password(registry, TOKEN_USER.to_owned(), token()), None))
}

fn failed(failure: Failure, within: Duration) -> String {
    match failure {
        Failure::NotRun(error) => {
            format!("cannot be run ({}); is it installed and in PATH?", error.kind())
        }
        Failure::TooSlow => {
            format!("took longer than {} s and was ended", within.as_secs_f32())
        }
        Failure::TooMuch => "printed far more than a login and was ended".to_owned(),
    }
}

fn password_file(registry: &str, username: &str, file: &Path) -> Result<Login, String> {
    let password = std::fs::read_to_string(file)
        .map_err(|error| format!("password_file {}: {}", file.display(), error.kind()))?;
    Ok(with_password(registry, username.to_owned(), Hidden::new(password.trim_end())))
}

/// A name and what belongs to it, which may be an identity token.
fn with_name(registry: &str, name: String, secret: Hidden) -> Login {
    if name == IDENTITY {
        return with_identity(registry, secret);
    }
    with_password(registry, name, secret)
}

fn with_password(registry: &str, username: String, password: Hidden) -> Login {
    Login { registry: registry.to_owned(), username, password, identity_token: None }
}

fn with_identity(registry: &str, token: Hidden) -> Login {
    Login {
        registry: registry.to_owned(),
        username: String::new(),
        password: Hidden::default(),
        identity_token: Some(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(config: &str, registry: &str) -> Result<Option<Login>, RegistryError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        Credentials::new(Some(file)).of(registry, &HostSettings::default()).await
    }

    #[tokio::test]
    async fn docker_s_own_login_is_used() {
        let config = r#"{"auths": {"ghcr.io": {"auth": "bWU6aHVudGVyMg=="},
            "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
            "id.example": {"identitytoken": "refresh"}}}"#;
        let login = check(config, "ghcr.io").await.unwrap().unwrap();
        assert_eq!((login.username.as_str(), login.password.reveal()), ("me", "hunter2"));
        assert_eq!(check(config, "docker.io").await.unwrap().unwrap().username, "hub");
        let login = check(config, "id.example").await.unwrap().unwrap();
        assert_eq!(login.identity_token.unwrap().reveal(), "refresh");
        assert_eq!(check(config, "quay.io").await.unwrap(), None);
    }

    #[tokio::test]
    async fn without_docker_s_file_there_are_no_credentials() {
        let credentials = Credentials::new(Some("/nonexistent/config.json".into()));
        assert_eq!(credentials.of("ghcr.io", &HostSettings::default()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_broken_file_is_said_and_not_shown() {
        let error = check(r#"{"auths": {"ghcr.io": {"auth": "hunter2!"}}}"#, "ghcr.io").await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("ghcr.io") && text.contains("config.json"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn a_missing_helper_is_named_as_the_cause() {
        let config = r#"{"credHelpers": {"ghcr.io": "evenkeel-test-is-not-there"}}"#;
        let text = check(config, "ghcr.io").await.unwrap_err().to_string();
        assert!(text.contains("helper"), "{text}");
        assert_eq!(check(config, "quay.io").await.unwrap(), None, "a helper is for its registry");
    }

    #[tokio::test]
    async fn a_password_file_goes_before_docker_s_login_and_is_read_again_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "first\n").unwrap();
        let settings = HostSettings {
            username: Some("bot".into()),
            password_file: Some(file.clone()),
            ..HostSettings::default()
        };
        let credentials = Credentials::new(None);
        let login = credentials.of("ghcr.io", &settings).await.unwrap().unwrap();
        assert_eq!(login.password.reveal(), "first");

        std::fs::write(&file, "second").unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(later).unwrap();
        let login = credentials.of("ghcr.io", &settings).await.unwrap().unwrap();
        assert_eq!(login.password.reveal(), "second");
    }

    /// A program. Another process writes it: what is open for writing here while a test beside this one forks
    /// cannot be run.
    fn script(dir: &Path, name: &str, text: &str) -> String {
        let file = dir.join(name);
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
        let mut writing = std::process::Command::new("sh");
        let written = writing.args(["-c", write]).arg(&file).arg(text).status();
        assert!(written.unwrap().success());
        file.to_str().unwrap().to_owned()
    }

    async fn later(seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }

    fn commanded(command: &[&str]) -> HostSettings {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        HostSettings { credential_command: Some(command), ..HostSettings::default() }
    }

    /// A command that counts its runs in what it prints.
    fn counting(dir: &Path, print: &str) -> HostSettings {
        let count = dir.join("count");
        let text = format!("echo x >>{0}; n=$(wc -l <{0}); {print}", count.display());
        commanded(&[&script(dir, "command", &text)])
    }

    #[tokio::test]
    async fn a_command_prints_a_name_and_a_password_or_a_token() {
        let check = async |print: &str| {
            let settings = commanded(&["printf", "%s", print]);
            Credentials::new(None).of("ghcr.io", &settings).await
        };
        let login = check(r#"{"username": "me", "password": "pw"}"#).await.unwrap().unwrap();
        assert_eq!((login.username.as_str(), login.password.reveal()), ("me", "pw"));
        let login = check("ghs_token\n").await.unwrap().unwrap();
        assert_eq!((login.username.as_str(), login.password.reveal()), (TOKEN_USER, "ghs_token"));
        let login = check(r#"{"username": "<token>", "password": "id"}"#).await.unwrap().unwrap();
        assert_eq!(login.identity_token.unwrap().reveal(), "id");
        for wrong in ["", "hunter2 and more", r#"{"password": "hunter2"}"#, r#"{"hunter2"#] {
            let text = check(wrong).await.unwrap_err().to_string();
            assert!(text.contains("printf") && !text.contains("hunter2"), "{text}");
        }
        let failing = Credentials::new(None).of("ghcr.io", &commanded(&["false"])).await;
        assert!(failing.unwrap_err().to_string().contains("run it by hand"));
    }

    #[tokio::test]
    async fn a_command_is_run_again_when_its_answer_is_refused_and_no_more_while_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        // The second and the third answer are the same.
        let settings = counting(dir.path(), "[ $n -lt 3 ] || n=2; echo token-$n");
        let credentials = Credentials::new(None);
        let ask = async || credentials.of("ghcr.io", &settings).await.unwrap();
        let first = ask().await;
        assert_eq!(ask().await, first, "without an end it is kept");
        credentials.forget("ghcr.io", first.as_ref()).await;
        let second = ask().await;
        assert_eq!(second.as_ref().unwrap().password.reveal(), "token-2");
        credentials.forget("ghcr.io", first.as_ref()).await;
        assert_eq!(ask().await, second, "another one was refused");
        for _ in 0..3 {
            credentials.forget("ghcr.io", second.as_ref()).await;
            assert_eq!(ask().await, second);
        }
        let runs = std::fs::read_to_string(dir.path().join("count")).unwrap().lines().count();
        assert_eq!(runs, 3);
    }

    #[tokio::test]
    async fn a_command_is_run_again_shortly_before_its_answer_expires() {
        let dir = tempfile::tempdir().unwrap();
        let print = r#"echo "{\"username\": \"me\", \"password\": \"$n\", \"expires_in\": 3600}""#;
        let settings = counting(dir.path(), print);
        let credentials = Credentials::new(None);
        let ask = async || {
            let login = credentials.of("ghcr.io", &settings).await.unwrap();
            login.unwrap().password.reveal().to_owned()
        };
        assert_eq!(ask().await, "1");
        later(3500).await;
        assert_eq!(ask().await, "1");
        later(50).await;
        assert_eq!(ask().await, "2");
    }

    #[tokio::test]
    async fn a_command_or_a_helper_that_hangs_is_ended_and_not_waited_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let credentials =
            Credentials { within: Duration::from_millis(200), ..Credentials::new(None) };
        let settings = counting(dir.path(), "sleep 1000");
        for _ in 0..3 {
            let text = credentials.of("ghcr.io", &settings).await.unwrap_err().to_string();
            assert!(text.contains("took longer than 0.2 s"), "{text}");
        }
        let runs = std::fs::read_to_string(dir.path().join("count")).unwrap().lines().count();
        assert_eq!(runs, 1);
    }

    #[tokio::test]
    async fn a_helper_is_asked_by_docker_s_protocol() {
        let dir = tempfile::tempdir().unwrap();
        let program = script(
            dir.path(),
            "helper",
            r#"read key; [ "$1" = get ] || exit 2
            case $key in
            ghcr.io) echo '{"ServerURL": "ghcr.io", "Username": "me", "Secret": "pw"}' ;;
            id.example) echo '{"Username": "<token>", "Secret": "refresh"}' ;;
            broken.example) echo 'hunter2' ;;
            *) echo 'credentials not found in native keychain'; exit 1 ;;
            esac"#,
        );
        let credentials = Credentials::new(None);
        let ask = async |key: &str| credentials.helper(key, &program, key).await;
        let login = ask("ghcr.io").await.unwrap().unwrap();
        assert_eq!((login.username.as_str(), login.password.reveal()), ("me", "pw"));
        let login = ask("id.example").await.unwrap().unwrap();
        assert_eq!(login.identity_token.unwrap().reveal(), "refresh");
        assert_eq!(ask("quay.io").await, Ok(None));
        let text = ask("broken.example").await.unwrap_err();
        assert!(text.contains("unreadable") && !text.contains("hunter2"), "{text}");
    }
}
