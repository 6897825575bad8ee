//! OpenPGP signatures, verified by the program `gpgv`; what it says is believed word by word or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What a signature in OpenPGP's format begins with.
pub const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";

/// How long one signature may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The program, looked for in the `PATH`.
const PROGRAM: &str = "gpgv";

/// Whether the program is there.
pub fn is_installed() -> bool {
    let mut command = std::process::Command::new(PROGRAM);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Why a signature was not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The program is not there, does not end or cannot be used.
    Program(String),
    /// The signature is no good; what the program said of it.
    Signature(String),
}

/// Verifies `signature` over `payload` with the keys of `keyring`; who has signed. A file is made in `directory`
/// meanwhile.
pub async fn verify(
    keyring: &Path,
    payload: &[u8],
    signature: &str,
    directory: &Path,
) -> Result<String, Failure> {
    let unusable = |error: io::Error| Failure::Program(error.to_string());
    let file = Passing::new(directory, signature).map_err(unusable)?;
    let mut command = Command::new(PROGRAM);
    command.args(["--status-fd", "1", "--weak-digest", "SHA1", "--keyring"]).arg(keyring);
    command.arg(&file.0).arg("-");
    // Nobody's own settings and keys.
    command.env("GNUPGHOME", directory).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        Failure::Program(match error.kind() == io::ErrorKind::NotFound {
            true => format!("there is no program `{PROGRAM}`"),
            false => format!("`{PROGRAM}` cannot be run: {error}"),
        })
    })?;
    let input = child.stdin.take();
    let feeding = async {
        if let Some(mut input) = input {
            // Where it has heard enough, what it says tells why.
            let _ = input.write_all(payload).await;
        }
    };
    let ended =
        tokio::time::timeout(LIMIT, async { tokio::join!(feeding, child.wait_with_output()).1 });
    let output = match ended.await {
        Ok(output) => output.map_err(unusable)?,
        Err(_) => {
            let limit = LIMIT.as_secs();
            return Err(Failure::Program(format!("`{PROGRAM}` did not end within {limit} s")));
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    match (judge(&said), output.status.success()) {
        (Ok(signer), true) => Ok(signer),
        (Ok(_), false) => Err(Failure::Signature(first_line(&output.stderr))),
        (Err(why), _) if said.is_empty() => {
            Err(Failure::Program(format!("{why}: {}", first_line(&output.stderr))))
        }
        (Err(why), _) => Err(Failure::Signature(why)),
    }
}

fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Words of the program that make every signature void, whatever else it says.
const BAD: &[&str] =
    &["BAD", "ERR", "EXP", "REV", "KEYEXPIRED", "KEYREVOKED", "NO_", "NODATA", "FAIL"];

/// Who has signed, from the lines on the program's status descriptor.
fn judge(said: &str) -> Result<String, String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let words: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let named = |name: &str| words.iter().filter(|line| line.first() == Some(&name)).count();
    let is_bad = |line: &&Vec<&str>| {
        line.first().is_some_and(|word| BAD.iter().any(|bad| word.starts_with(bad)))
    };
    if let Some(bad) = words.iter().find(is_bad) {
        return Err(explained(bad));
    }
    let good = words.iter().find(|line| line.first() == Some(&"GOODSIG"));
    let valid = words.iter().find(|line| line.first() == Some(&"VALIDSIG"));
    let (Some(good), Some(valid)) = (good, valid) else {
        return Err("gpgv does not call it good".to_owned());
    };
    if ["NEWSIG", "GOODSIG", "VALIDSIG"].iter().any(|name| named(name) != 1) {
        return Err("there is more than one signature".to_owned());
    }
    let fingerprint = valid.get(1).copied().unwrap_or_default();
    let is_hex =
        fingerprint.len() >= 40 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Over the bytes as they are, and no text whose line ends do not count.
    if !is_hex || valid.get(9) != Some(&"00") {
        return Err("it is not a signature over the commit as it is".to_owned());
    }
    let name: String = good.get(2..).unwrap_or_default().join(" ");
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    Ok(format!("{name} ({fingerprint})"))
}

fn explained(words: &[&str]) -> String {
    let key = words.get(1).copied().unwrap_or_default();
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    match words.first().copied().unwrap_or_default() {
        "BADSIG" => format!("it is over something else, or was not made with key {key}"),
        "EXPKEYSIG" | "KEYEXPIRED" => format!("key {key} has expired"),
        "EXPSIG" => "it has expired".to_owned(),
        "REVKEYSIG" | "KEYREVOKED" => format!("key {key} was revoked"),
        "NO_PUBKEY" => format!("key {key} is not in the keyring"),
        "ERRSIG" if words.get(6) == Some(&"9") => format!("key {key} is not in the keyring"),
        word => format!("gpgv says {word}"),
    }
}

/// A file that is there as long as this.
struct Passing(PathBuf);

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Passing {
    fn new(directory: &Path, text: &str) -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("signature-{}-{number}.asc", std::process::id());
        let path = directory.join(name);
        // One that a process that died has left under this name is nobody's any more.
        let _ = std::fs::remove_file(&path);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let passing = Self(path);
        file?.write_all(text.as_bytes())?;
        Ok(passing)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str = "2F6E8C0B7D3A4E5F60718293A4B5C6D7E8F90A1B";

    fn check(lines: &[&str], expected: Result<&str, &str>) {
        let said: String = lines.iter().map(|line| format!("[GNUPG:] {line}\n")).collect();
        match (judge(&said), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, _) => panic!("{lines:?}: {found:?}"),
        }
    }

    #[test]
    fn only_one_good_and_valid_signature_counts() {
        let good = "GOODSIG A4B5C6D7E8F90A1B Alice <alice@acme.org>";
        let valid =
            &format!("VALIDSIG {FINGERPRINT} 2026-11-29 1790000000 0 4 0 22 8 00 {FINGERPRINT}");
        let text = &valid.replace(" 00 ", " 01 ");
        let signer = &format!("Alice <alice@acme.org> ({FINGERPRINT})");
        check(&["NEWSIG", good, valid], Ok(signer));
        check(&["NEWSIG", good], Err("does not call it good"));
        check(&["NEWSIG", valid], Err("does not call it good"));
        check(&["NEWSIG", good, text], Err("as it is"));
        check(&["NEWSIG", "NEWSIG", good, valid], Err("more than one"));
        check(&["NEWSIG", good, valid, good, valid], Err("more than one"));
        check(&[good, valid], Err("more than one"));
        check(&["NEWSIG", "EXPKEYSIG A4B5 Alice", valid], Err("has expired"));
        check(&["NEWSIG", "REVKEYSIG A4B5 Alice", valid], Err("was revoked"));
        check(&["NEWSIG", good, valid, "KEYREVOKED"], Err("was revoked"));
        check(&["NEWSIG", "BADSIG A4B5 Alice"], Err("something else"));
        check(
            &["NEWSIG", "ERRSIG A4B5 22 8 00 1790000000 9 -", "NO_PUBKEY A4B5"],
            Err("not in the"),
        );
        check(&[], Err("does not call it good"));
        let said = format!("NEWSIG\n{good}\n{valid}\n");
        assert!(judge(&said).is_err(), "lines without the mark are not the program's");
    }
}
