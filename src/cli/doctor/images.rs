//! Whether what `policy.images` needs is on this server: keys and programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Finding, setting};
use crate::config::Config;
use crate::model::image_policy::ImageRule;
use crate::signature::Keys;

/// The largest file with keys, bytes.
const LARGEST: u64 = 64 * 1024;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let path: OsString = setting::variable("PATH").unwrap_or_default().into();
    let rules = config.images.iter().enumerate();
    rules.flat_map(|(at, rule)| of_rule(&format!("policy.images[{at}]"), rule, &path)).collect()
}

fn of_rule(what: &str, rule: &ImageRule, path: &OsStr) -> Vec<Finding> {
    let keys = rule.cosign_key.as_deref().map(|file| keys(what, file));
    let cosign = rule.keyless.as_ref().map(|_| program(what, "cosign", path));
    let check = rule.check.as_ref().and_then(|command| command.first());
    let check = check.map(|name| program(what, name, path));
    keys.into_iter().chain(cosign).chain(check).collect()
}

fn keys(what: &str, file: &Path) -> Finding {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|it| it.take(LARGEST).read_to_end(&mut bytes));
    let keys = read.map_err(|error| error.to_string()).and_then(|_| Keys::read(&bytes));
    let shown = file.display();
    match keys.map(|keys| keys.iter().count()) {
        Ok(1) => Finding::ok(what, format!("1 key in {shown}")),
        Ok(many) => Finding::ok(what, format!("{many} keys in {shown}")),
        Err(why) => Finding::failed(
            what,
            format!("the keys in {shown}: {why}"),
            "put public keys there that this user may read (PEM): nothing new of these images runs before",
        ),
    }
}

fn program(what: &str, name: &str, path: &OsStr) -> Finding {
    let places: Vec<PathBuf> = match name.contains('/') {
        true => vec![PathBuf::from(name)],
        false => std::env::split_paths(path).map(|directory| directory.join(name)).collect(),
    };
    let may_be_run = |place: &&PathBuf| {
        place.is_file() && rustix::fs::access(*place, rustix::fs::Access::EXEC_OK).is_ok()
    };
    match places.iter().find(may_be_run) {
        Some(place) => Finding::ok(what, format!("{} looks at its images", place.display())),
        None => Finding::failed(
            what,
            format!("`{name}` is not here, or may not be run"),
            "install it, or write its whole path: nothing new of these images runs before",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn keys_and_programs_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cosign.pub");
        let path = OsString::from("/usr/bin:/bin");
        assert_eq!(keys("x", &file).state, State::Failed);
        std::fs::write(&file, "no key").unwrap();
        assert_eq!(keys("x", &file).state, State::Failed);
        let key = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
        std::fs::write(&file, pem.repeat(2)).unwrap();
        let found = keys("x", &file);
        assert_eq!(found.state, State::Ok);
        assert!(found.says.starts_with("2 keys in "), "{}", found.says);
        for (name, state) in [
            ("sh", State::Ok),
            ("/bin/sh", State::Ok),
            ("evenkeel-no-such-program", State::Failed),
            ("/etc/passwd", State::Failed),
        ] {
            assert_eq!(program("x", name, &path).state, state, "{name}");
        }
    }
}
