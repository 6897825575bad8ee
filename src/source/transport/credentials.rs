//! Names and passwords from files and programs.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::Hidden;
use crate::source::{Credentials, Login};

/// How long a credential program may take.
const PROGRAM: Duration = Duration::from_secs(30);
/// The user's name where only a token is known; hosting services take any.
const TOKEN_USER: &str = "x-access-token";

/// The credentials of a source. Files are read at each use; a program's answer is kept until refused.
pub struct Wallet {
    credentials: Credentials,
    printed: Mutex<Option<Login>>,
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
                match kept {
                    Some(login) => Ok(Some(login)),
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
        let login = run(command).await?;
        *self.printed.lock().unwrap_or_else(PoisonError::into_inner) = Some(login.clone());
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

async fn run(command: &[String]) -> Result<Login, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("`credential_command` is empty".into());
    };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROGRAM, output)
        .await
        .map_err(|_| format!("`{program}` did not end within {} s", PROGRAM.as_secs()))?
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{program}` failed ({})", output.status));
    }
    // Neither its output nor its messages are shown: both may hold the secret.
    parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("`{program}` printed no password"))
}

fn parse(printed: &str) -> Option<Login> {
    let value = |key: &str| printed.lines().find_map(|line| line.strip_prefix(key));
    let username = value("username=").unwrap_or(TOKEN_USER).trim_end();
    let bare = || printed.lines().next().filter(|line| !line.starts_with("username="));
    let password = value("password=").or_else(bare)?.trim();
    let login = Login { username: username.to_owned(), password: Hidden::new(password) };
    (!password.is_empty()).then_some(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, expected: Option<(&str, &str)>) {
        let login = parse(printed);
        let found = login.as_ref().map(|login| (login.username.as_str(), login.password.reveal()));
        assert_eq!(found, expected, "{printed:?}");
    }

    #[test]
    fn a_program_may_print_a_token_or_lines_as_git_helpers_do() {
        check("tok\n", Some(("x-access-token", "tok")));
        check("protocol=https\nusername=me\npassword=a=b\n", Some(("me", "a=b")));
        check("password=p\r\n", Some(("x-access-token", "p")));
        check("username=me\n", None);
        check("\n", None);
        check("", None);
    }
}
