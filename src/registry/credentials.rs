//! Credentials: the operator's settings per registry, else Docker's `config.json` and its helpers.
//!
//! Whether they may be sent somewhere is decided by the one who sends.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::RegistryError;
use super::host::{HostSettings, canonical};
use crate::model::Hidden;
use crate::model::login::Login;

/// The key of Docker Hub in `config.json`.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(10);
/// How long an answer is used again. Short, since some helpers give out what expires.
const FRESH: Duration = Duration::from_secs(60);

/// The credentials of all registries; asked for only when one is needed.
pub(super) struct Credentials {
    docker_config: Option<PathBuf>,
    known: std::sync::Mutex<BTreeMap<String, Arc<Mutex<Option<Known>>>>>,
}

/// What was found, when, and what the files looked like then.
struct Known {
    /// A failure too: a helper that hangs is not waited for by every service in turn.
    login: Result<Option<Login>, String>,
    at: Instant,
    stamp: Stamp,
}

/// When the files that credentials come from were last changed.
type Stamp = [Option<SystemTime>; 2];

impl Credentials {
    pub fn new(docker_config: Option<PathBuf>) -> Self {
        Self { docker_config, known: std::sync::Mutex::default() }
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
        let login = match known.as_ref() {
            Some(known) if known.stamp == stamp && known.at.elapsed() < FRESH => {
                known.login.clone()
            }
            Some(_) | None => {
                let login = self.look(registry, settings).await;
                *known = Some(Known { login: login.clone(), at: Instant::now(), stamp });
                login
            }
        };
        login.map_err(|why| RegistryError::Credentials { registry: registry.to_owned(), why })
    }

    /// Looks again next time: the registry refused what was found.
    pub async fn forget(&self, registry: &str) {
        *self.slot(canonical(registry)).lock().await = None;
    }

    fn slot(&self, registry: &str) -> Arc<Mutex<Option<Known>>> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(known.entry(registry.to_owned()).or_default())
    }

    fn stamp(&self, settings: &HostSettings) -> Stamp {
        [self.docker_config.as_deref(), settings.password_file.as_deref()]
            .map(|file| std::fs::metadata(file?).and_then(|metadata| metadata.modified()).ok())
    }

    async fn look(&self, registry: &str, settings: &HostSettings) -> Result<Option<Login>, String> {
        match configured(registry, settings)? {
            Some(login) => Ok(Some(login)),
            None => self.docker_login(registry).await,
        }
    }

    async fn docker_login(&self, registry: &str) -> Result<Option<Login>, String> {
        let Some(file) = self.docker_config.clone() else { return Ok(None) };
        let key = if registry == "docker.io" { DOCKER_HUB } else { registry }.to_owned();
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own: the runtime would wait for a helper that hangs before it ends.
        std::thread::Builder::new()
            .name("credentials".to_owned())
            .spawn(move || tell.send(look_up(&file, &key)))
            .map_err(|error| format!("no thread to ask for them: {error}"))?;
        let found = tokio::time::timeout(HELPER, told)
            .await
            .map_err(|_| format!("the credential helper took longer than {} s", HELPER.as_secs()))?
            .map_err(|_| "the credential helper could not be asked".to_owned())??;
        Ok(found.map(|credential| login(registry, credential)))
    }
}

fn configured(registry: &str, settings: &HostSettings) -> Result<Option<Login>, String> {
    let (Some(username), Some(file)) = (&settings.username, &settings.password_file) else {
        return Ok(None);
    };
    let password = std::fs::read_to_string(file)
        .map_err(|error| format!("password_file {}: {}", file.display(), error.kind()))?;
    let pair = DockerCredential::UsernamePassword(username.clone(), password.trim_end().to_owned());
    Ok(Some(login(registry, pair)))
}

fn login(registry: &str, credential: DockerCredential) -> Login {
    let (username, password, identity_token) = match credential {
        DockerCredential::UsernamePassword(name, password) => (name, Hidden::new(password), None),
        DockerCredential::IdentityToken(token) => {
            (String::new(), Hidden::default(), Some(Hidden::new(token)))
        }
    };
    Login { registry: registry.to_owned(), username, password, identity_token }
}

/// Reads `file` and asks the helper it names, if it names one. Blocks.
fn look_up(file: &Path, key: &str) -> Result<Option<DockerCredential>, String> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {}", file.display(), error.kind())),
    };
    match docker_credential::get_credential_from_reader(text.as_slice(), key) {
        Ok(credential) => Ok(Some(credential)),
        Err(error) => explain(file, error),
    }
}

/// What a failure means. A helper's own words are not repeated: they may hold what it should keep.
fn explain(
    file: &Path,
    error: CredentialRetrievalError,
) -> Result<Option<DockerCredential>, String> {
    use CredentialRetrievalError as E;
    let file = file.display();
    match error {
        E::NoCredentialConfigured | E::ConfigNotFound => Ok(None),
        // What helpers say where Docker means "none" (docker-credential-helpers, `credentials/error.go`).
        E::HelperFailure { stdout, .. } if stdout.contains("credentials not found") => Ok(None),
        E::HelperFailure { helper, .. } => {
            Err(format!("`{helper} get` failed; run it by hand as this user to see why"))
        }
        E::HelperCommunicationError => Err(format!(
            "the credential helper that {file} names cannot be run; is it installed and in PATH?"
        )),
        E::MalformedHelperResponse => {
            Err(format!("the credential helper that {file} names gives an unreadable answer"))
        }
        E::CredentialDecodingError => {
            Err(format!("`auth` in {file} is not base64 of `user:password`"))
        }
        E::CredentialMismatchError => {
            Err(format!("`auth` in {file} contradicts `username` and `password` beside it"))
        }
        E::ConfigReadError => Err(format!("{file} is not what Docker writes (JSON)")),
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
}
