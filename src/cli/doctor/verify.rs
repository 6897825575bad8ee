//! Whether it is known who may sign commits, for how long, and by whose word.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::Finding;
use crate::config::{Config, Source};
use crate::report::span;
use crate::source::verify::{gpgv, read_signers};

/// Somebody should have this long to make a new key.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 3600);

/// The files of those who may sign.
pub(super) fn look(config: &Config, now: Timestamp) -> Vec<Finding> {
    config.sources.iter().flat_map(|source| of_source(source, now)).collect()
}

fn of_source(source: &Source, now: Timestamp) -> Vec<Finding> {
    let Some(verify) = source.demands() else { return Vec::new() };
    let what = format!("verify of {}", source.name);
    let mut findings = Vec::new();
    if let Some(path) = &verify.allowed_signers {
        findings.extend(signers(&what, path, now));
        findings.extend(open_to_others(&what, path));
    }
    if let Some(path) = &verify.keyring {
        findings.extend(keyring(&what, path));
        findings.extend(open_to_others(&what, path));
    }
    findings
}

fn signers(what: &str, path: &Path, now: Timestamp) -> Vec<Finding> {
    let signers = match read_signers(path) {
        Ok(signers) => signers,
        Err(why) => {
            let remedy =
                "write the keys of those who may sign into it (`ssh-keygen`, ALLOWED SIGNERS)";
            return vec![Finding::failed(what, why, remedy)];
        }
    };
    let shown = path.display();
    let mut findings = vec![match signers.count() {
        0 => Finding::failed(what, format!("{shown} has no key that can be used"), "add one"),
        many => Finding::ok(what, format!("{shown}, {many} keys")),
    }];
    for (line, why) in &signers.unusable {
        let says = format!("line {line} of {shown} matches nobody: {why}");
        findings.push(Finding::warning(what, says, "correct the line, or take it out"));
    }
    for (whose, end) in signers.ends() {
        let left = end.duration_since(now);
        if left.is_negative() || left.unsigned_abs() < AHEAD {
            let word = if left.is_negative() { "expired" } else { "expires" };
            let says = format!("the key of {whose} {word} at {}", span::at(end));
            findings.push(Finding::warning(what, says, "add the key that takes its place in time"));
        }
    }
    findings
}

fn keyring(what: &str, path: &Path) -> Vec<Finding> {
    if let Err(error) = std::fs::File::open(path) {
        let says = format!("{} cannot be read: {error}", path.display());
        return vec![Finding::failed(what, says, "write it with `gpg --export KEY… > FILE`")];
    }
    if !gpgv::is_installed() {
        let remedy = "install it: `apt-get install gpgv`";
        return vec![Finding::failed(what, "there is no program `gpgv`", remedy)];
    }
    vec![Finding::ok(what, format!("{}, by gpgv", path.display()))]
}

/// Whoever may write such a file decides who may sign.
fn open_to_others(what: &str, path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let shown = path.display();
    let says = format!("{shown} can be changed by others than its owner");
    (mode & 0o022 != 0).then(|| Finding::warning(what, says, format!("chmod go-w {shown}")))
}
