//! `decrypt`: with which identity and which programs encrypted files in git are opened.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::resolve::{Problems, absolute, wrong};

/// How encrypted files in git are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypt {
    /// Holds the host's age identities; `None` where it has none.
    pub age_identity_file: Option<PathBuf>,
    /// The age program: a name, or an absolute path.
    pub age_program: String,
    /// Holds the age identities that SOPS is given; those of the host where nothing else is written.
    pub sops_identity_file: Option<PathBuf>,
    /// The SOPS program: a name, or an absolute path.
    pub sops_program: String,
    /// Whether the operator has written anything of SOPS, and so will need it.
    pub uses_sops: bool,
}

/// How encrypted files in git are opened: with the identity of this host, by programs of this host.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Files that age has encrypted.
    pub(super) age: Option<Age>,
    /// Files that SOPS has encrypted for an age identity.
    pub(super) sops: Option<Sops>,
}

/// Files that age has encrypted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Age {
    /// Holds the identity of this host, as `age-keygen` makes it; more than one while keys are changed.
    pub(super) identity_file: Option<PathBuf>,
    /// The program: a name, or an absolute path.
    #[schemars(extend("default" = "age"))]
    pub(super) program: Option<String>,
}

/// Files that SOPS has encrypted for an age identity.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sops {
    /// Holds the age identity; `decrypt.age.identity_file` where it is left out.
    pub(super) age_identity_file: Option<PathBuf>,
    /// The program: a name, or an absolute path.
    #[schemars(extend("default" = "sops"))]
    pub(super) program: Option<String>,
}

/// What is written, with its defaults. Without an identity nothing can be opened.
pub(super) fn decrypt(written: Written, problems: &mut Problems) -> Decrypt {
    let (age, sops) = (written.age, written.sops);
    if age.as_ref().is_some_and(|age| age.identity_file.is_none()) {
        let hint = "make one with `age-keygen -o /etc/evenkeel/age.key`, and name it here";
        problems.push(
            wrong("decrypt.age", "`identity_file` is missing: the key of this host").hint(hint),
        );
    }
    let (age, has_sops) = (age.unwrap_or_default(), sops.is_some());
    let sops = sops.unwrap_or_default();
    let mut file = |path: Option<PathBuf>, key| path.map(|path| absolute(path, key, problems));
    let age_identity_file = file(age.identity_file, "decrypt.age.identity_file");
    let own = file(sops.age_identity_file, "decrypt.sops.age_identity_file");
    let sops_identity_file = own.or_else(|| age_identity_file.clone());
    if has_sops && sops_identity_file.is_none() {
        let hint = "name the file with the age identity of this host";
        problems.push(wrong("decrypt.sops", "`age_identity_file` is missing").hint(hint));
    }
    let mut program = |name: Option<String>, default: &str, key: &str| {
        let name = name.unwrap_or_else(|| default.to_owned());
        if name.is_empty() || (name.contains('/') && !name.starts_with('/')) {
            let message = format!("`{name}` is neither the name of a program nor an absolute path");
            problems
                .push(wrong(key, message).hint(format!("write `{default}`, or its whole path")));
        }
        name
    };
    Decrypt {
        age_identity_file,
        age_program: program(age.program, "age", "decrypt.age.program"),
        sops_identity_file,
        uses_sops: has_sops,
        sops_program: program(sops.program, "sops", "decrypt.sops.program"),
    }
}
