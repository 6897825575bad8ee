//! Names and passwords from files and programs.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::model::Hidden;
use crate::program::{self, Call, Complaints, Environment, Failure, Output};
use crate::source::{Credentials, Login};

/// How long a credential program may take.
const PROGRAM: Duration = Duration::from_secs(30);
/// The most that such a program prints, bytes.
const LARGEST: u64 = 64 * 1024;
/// The user's name where only a token is known; hosting services take any.
const TOKEN_USER: &str = "x-access-token";
/// How long before its end what a program printed is not used any more; a tenth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest life believed, seconds.
const LONGEST_LIFE: u64 = 30 * 24 * 3600;

/// The credentials of a source. Files are read at each use; a program's answer is kept until it expires or is refused.
pub struct Wallet {
    credentials: Credentials,
    printed: Mutex<Option<Printed>>,
}

/// What a program printed.
#[derive(Clone, Debug)]
struct Printed {
    login: Login,
    /// `None`: for as long as it is not refused.
    life: Option<Duration>,
    since: Instant,
}

impl Printed {
    fn is_good(&self) -> bool {
        self.life.is_none_or(|life| self.since.elapsed() < life)
    }
}

impl Wallet {
    /// A wallet of `credentials`.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, printed: Mutex::default() }
    }

    /// What was configured.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A name and password for http, if there are any. The error says what is wrong, without a secret.
    pub async fn login(&self) -> Result<Option<Login>, String> {
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Password { username, password_file } => {
                let password = read_password(password_file).await?;
                Ok(Some(Login { username: username.clone(), password }))
            }
            Credentials::SshKey { .. } => Err("an ssh key cannot be used over http".into()),
            Credentials::Command(command) => {
                let kept = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match kept.filter(Printed::is_good) {
                    Some(kept) => Ok(Some(kept.login)),
                    None => self.ask(command).await.map(Some),
                }
            }
        }
    }

    /// Forgets what a program printed. `true` if asking again may give something else.
    pub fn refused(&self) -> bool {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    async fn ask(&self, command: &[String]) -> Result<Login, String> {
        let printed = run(command).await?;
        let login = printed.login.clone();
        *self.printed.lock().unwrap_or_else(PoisonError::into_inner) = Some(printed);
        Ok(login)
    }
}

async fn read_password(file: &Path) -> Result<Hidden, String> {
    let shown = file.display();
    let text =
        tokio::fs::read_to_string(file).await.map_err(|error| format!("{shown}: {error}"))?;
    match text.trim_end() {
        "" => Err(format!("{shown} is empty")),
        password => Ok(Hidden::new(password)),
    }
}

async fn run(command: &[String]) -> Result<Printed, String> {
    let Some(program) = command.first() else {
        return Err("`credential_command` is empty".into());
    };
    // Neither its output nor its messages are shown: both may hold the secret.
    let call = Call {
        command,
        environment: Environment::Own,
        input: b"",
        output: Output::Kept(LARGEST),
        complaints: Complaints::Dropped,
        within: Some(PROGRAM),
    };
    let printed = program::run(call).await.map_err(|failure| match failure {
        Failure::TooSlow => format!("`{program}` did not end within {} s", PROGRAM.as_secs()),
        Failure::NotRun(error) => format!("`{program}` cannot be run: {error}"),
        Failure::TooMuch => format!("`{program}` printed far more than a password"),
    })?;
    if !printed.status.success() {
        return Err(format!("`{program}` failed ({})", printed.status));
    }
    parse(&printed.text()).ok_or_else(|| format!("`{program}` printed no password"))
}

/// JSON with `password` (and `username`, and `expires_in`, seconds), lines as git's helpers print them
/// (gitcredentials(7)), or a token on a line of its own.
fn parse(printed: &str) -> Option<Printed> {
    #[derive(Deserialize)]
    struct Answer {
        username: Option<String>,
        password: String,
        expires_in: Option<u64>,
    }
    let value = |key: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned())
    };
    let bare = || printed.lines().next().filter(|line| !line.starts_with("username="));
    let (username, password, life) = if printed.trim_start().starts_with('{') {
        let answer: Answer = serde_json::from_str(printed).ok()?;
        let life = answer.expires_in.map(|seconds| Duration::from_secs(seconds.min(LONGEST_LIFE)));
        (answer.username, answer.password, life)
    } else {
        let password = value("password=").or_else(|| Some(bare()?.trim().to_owned()))?;
        (value("username="), password, None)
    };
    let username = username.unwrap_or_else(|| TOKEN_USER.to_owned());
    let life = life.map(|life| life.saturating_sub(MARGIN.min(life / 10)));
    let login = Login { username, password: Hidden::new(&password) };
    (!password.is_empty()).then(|| Printed { login, life, since: Instant::now() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, expected: Option<(&str, &str)>) {
        let login = parse(printed).map(|printed| printed.login);
        let found = login.as_ref().map(|login| (login.username.as_str(), login.password.reveal()));
        assert_eq!(found, expected, "{printed:?}");
    }

    #[test]
    fn a_program_may_print_a_token_or_lines_as_git_helpers_do() {
        check("tok\n", Some(("x-access-token", "tok")));
        check("protocol=https\nusername=me\npassword=a=b\n", Some(("me", "a=b")));
        check("password=p\r\n", Some(("x-access-token", "p")));
        check("{\"password\": \"tok\"}", Some(("x-access-token", "tok")));
        check(
            "{\"username\": \"me\", \"password\": \"p q\", \"expires_in\": 9}\n",
            Some(("me", "p q")),
        );
        check("{\"password\": \"\"}", None);
        check("{\"token\": \"tok\"}", None);
        check("username=me\n", None);
        check("\n", None);
        check("", None);
    }

    #[tokio::test]
    async fn a_program_is_run_again_shortly_before_its_answer_expires_and_when_that_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let count = directory.path().join("count");
        let asked = async |life: &str| {
            let script = format!(
                "echo x >>{0}; printf '{{\"password\": \"%s\"{life}}}' $(wc -l <{0})",
                count.display()
            );
            let words = ["sh", "-c", &script].map(str::to_owned).to_vec();
            let wallet = Wallet::new(Credentials::Command(words));
            let password = async || {
                let login = wallet.login().await.unwrap().unwrap();
                login.password.reveal().to_owned()
            };
            let first = [password().await, password().await];
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(3541)).await;
            tokio::time::resume();
            let late = password().await;
            assert!(wallet.refused());
            (first, late, password().await)
        };
        let texts = |first: [&str; 2], late: &str, refused: &str| {
            (first.map(str::to_owned), late.to_owned(), refused.to_owned())
        };
        assert_eq!(asked(", \"expires_in\": 3600").await, texts(["1", "1"], "2", "3"));
        assert_eq!(asked("").await, texts(["4", "4"], "4", "5"));
    }
}
