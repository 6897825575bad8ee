//! Who may read what is secret: the server's env files, and the files that hold logins.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::{Config, GitCredentials, RegistryCredentials};

/// How deep below `env_dir` files are looked at: a stack's directory, and what a stack keeps in it.
const DEEPEST: usize = 4;

/// Env files, and the files of logins.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = env_dir(&config.env_dir);
    findings.extend(logins(config).into_iter().map(|(what, path)| login(&what, &path)));
    findings
}

/// Env files hold secrets: nobody else should read them, and certainly not write them.
fn env_dir(path: &Path) -> Vec<Finding> {
    let (what, shown) = ("env_dir", path.display());
    match fs::read_dir(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let remedy =
                format!("`install -d -m 0700 {shown}`, once a stack wants values from here");
            return vec![Finding::warning(what, format!("{shown} does not exist"), remedy)];
        }
        Err(error) => {
            let remedy = "run evenkeel as root, or let its user read the directory";
            return vec![Finding::failed(what, format!("{shown}: {error}"), remedy)];
        }
    }
    let mut findings = Vec::new();
    below(path, 0, &mut findings);
    findings.sort_by(|a: &Finding, b| a.says.cmp(&b.says));
    if findings.is_empty() {
        findings.push(Finding::ok(what, format!("{shown}, readable by nobody else")));
    }
    findings
}

fn below(directory: &Path, depth: usize, findings: &mut Vec<Finding>) {
    // Where others cannot enter, they read nothing, whatever the files' own permissions are.
    let closed = mode(directory).is_some_and(|mode| mode & 0o001 == 0);
    let Ok(entries) = fs::read_dir(directory) else {
        let says = format!("{} cannot be read", directory.display());
        let remedy = "run evenkeel as root, or let its user read the directory";
        return findings.push(Finding::failed("env_dir", says, remedy));
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && depth < DEEPEST {
            if !closed {
                below(&path, depth + 1, findings);
            }
        } else if !is_directory && !closed {
            findings.extend(open_to_others("env_dir", &path));
        }
    }
}

/// What is wrong with the permissions of a file that holds secrets.
fn open_to_others(what: &str, path: &Path) -> Option<Finding> {
    let (mode, shown) = (mode(path)?, path.display());
    let remedy = format!("chmod 0600 {shown}");
    if mode & 0o002 != 0 {
        return Some(Finding::failed(what, format!("{shown} can be changed by everybody"), remedy));
    }
    let says = || format!("{shown} can be read by everybody");
    (mode & 0o004 != 0).then(|| Finding::warning(what, says(), remedy))
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|about| about.permissions().mode())
}

/// The files that the configuration names as holding a secret, and what for.
fn logins(config: &Config) -> Vec<(String, PathBuf)> {
    let sources = config.sources.iter().filter_map(|source| {
        let path = match source.credentials.as_ref()? {
            GitCredentials::Password { password_file, .. } => password_file,
            GitCredentials::Ssh { key_file, .. } => key_file,
            GitCredentials::Command(_) => return None,
        };
        Some((format!("login of source {}", source.name), path.clone()))
    });
    let registries = config.registry.hosts.iter().filter_map(|(host, settings)| {
        match settings.credentials.as_ref()? {
            RegistryCredentials::Password { password_file, .. } => {
                Some((format!("login of registry {host}"), password_file.clone()))
            }
            RegistryCredentials::Command(_) => None,
        }
    });
    sources.chain(registries).collect()
}

fn login(what: &str, path: &Path) -> Finding {
    let remedy = "put the password or key there, readable by the user that evenkeel runs as";
    secret_file(what, path, remedy)
}

/// A file that evenkeel reads and that nobody else should; `remedy` is for one that cannot be read.
pub(super) fn secret_file(what: &str, path: &Path, remedy: &str) -> Finding {
    let shown = path.display();
    if let Err(error) = fs::File::open(path) {
        return Finding::failed(what, format!("{shown}: {error}"), remedy);
    }
    let fine = || Finding::ok(what, format!("{shown}, readable by nobody else"));
    open_to_others(what, path).unwrap_or_else(fine)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    /// A directory with these files and directories, each with its mode.
    fn check(entries: &[(&str, u32)], expected: &[(State, &str)]) {
        let root = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(root.path(), 0o755);
        for (name, mode) in entries {
            let path = root.path().join(name);
            match name.strip_suffix('/') {
                Some(_) => fs::create_dir_all(&path).unwrap(),
                None => fs::write(&path, "A=1").unwrap(),
            }
            set(&path, *mode);
        }
        let found = env_dir(root.path());
        let shown = root.path().display().to_string() + "/";
        let found: Vec<(State, String)> =
            found.iter().map(|found| (found.state, found.says.replace(&shown, ""))).collect();
        let expected: Vec<(State, String)> =
            expected.iter().map(|(state, says)| (*state, (*says).to_owned())).collect();
        match expected.as_slice() {
            [] => assert!(matches!(found.as_slice(), [(State::Ok, _)]), "{found:?}"),
            _ => assert_eq!(found, expected),
        }
    }

    #[test]
    fn an_env_file_that_everybody_can_read_is_a_warning_wherever_it_lies() {
        check(
            &[("a.env", 0o644), ("shop/", 0o755), ("shop/api.env", 0o604), ("b.env", 0o640)],
            &[
                (State::Warning, "a.env can be read by everybody"),
                (State::Warning, "shop/api.env can be read by everybody"),
            ],
        );
    }

    #[test]
    fn an_env_file_that_everybody_can_change_is_a_failure() {
        check(&[("a.env", 0o666)], &[(State::Failed, "a.env can be changed by everybody")]);
    }

    #[test]
    fn where_nobody_else_can_enter_nothing_is_open() {
        check(&[("shop/", 0o755), ("shop/api.env", 0o644), ("shop/", 0o700)], &[]);
    }

    #[test]
    fn a_missing_directory_is_only_a_warning() {
        let found = env_dir(Path::new("/nonexistent/env"));
        assert_eq!((found.len(), found[0].state), (1, State::Warning));
        assert!(found[0].remedy.as_ref().unwrap().contains("install -d -m 0700"));
    }
}
