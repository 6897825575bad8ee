//! Whether encrypted files in git can be opened: the identity of this host, and the programs.

use std::path::Path;

use super::Finding;
use super::permissions::secret_file;
use crate::config::Decrypt;
use crate::program;

/// Nothing, where the operator has not written that there are such files.
pub(super) fn look(settings: &Decrypt) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(file) = &settings.age_identity_file {
        findings.push(identity(file));
        findings.push(found("age", "decrypt.age.program", &settings.age_program));
    }
    if settings.uses_sops {
        let own = settings.sops_identity_file.as_ref();
        let own = own.filter(|file| settings.age_identity_file.as_ref() != Some(*file));
        findings.extend(own.map(|file| identity(file)));
        findings.push(found("sops", "decrypt.sops.program", &settings.sops_program));
    }
    findings
}

fn identity(file: &Path) -> Finding {
    let remedy = "`age-keygen -o` makes one; encrypt the files in git for its recipient";
    secret_file("decrypt: identity", file, remedy)
}

fn found(package: &str, key: &str, name: &str) -> Finding {
    let what = format!("decrypt: {package}");
    match program::find(name) {
        Some(path) => Finding::ok(what, path.display().to_string()),
        None => Finding::failed(
            what,
            format!("the program `{name}` is not on this server, or may not be run"),
            format!("install `{package}`, or name the program in `{key}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::State;
    use super::*;

    #[test]
    fn an_identity_is_there_and_nobody_elses_and_the_programs_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("age.key");
        let settings = |program: &str| Decrypt {
            age_identity_file: Some(file.clone()),
            age_program: program.to_owned(),
            sops_identity_file: Some(file.clone()),
            sops_program: "/nonexistent/sops".to_owned(),
            uses_sops: program == "sh",
        };
        let states = |program: &str| {
            let found = look(&settings(program)).into_iter();
            found.map(|found| (found.what, found.state)).collect::<Vec<_>>()
        };
        let (identity, age) = ("decrypt: identity".to_owned(), "decrypt: age".to_owned());
        assert_eq!(
            states("/nonexistent/age"),
            [(identity.clone(), State::Failed), (age.clone(), State::Failed)]
        );
        std::fs::write(&file, "AGE-SECRET-KEY-1").unwrap();
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, permissions).unwrap();
        };
        mode(0o644);
        assert_eq!(
            states("sh"),
            [
                (identity.clone(), State::Warning),
                (age.clone(), State::Ok),
                ("decrypt: sops".to_owned(), State::Failed),
            ]
        );
        mode(0o600);
        assert_eq!(states("cat"), [(identity, State::Ok), (age, State::Ok)]);
        let none = Decrypt { age_identity_file: None, ..settings("cat") };
        assert!(look(&none).is_empty());
    }
}
