//! Which files are encrypted, told by what they hold; and what is said of one that cannot be opened.
//!
//! Opening them is another room's work ([`Opener`](crate::model::sealed::Opener)). A file whose name says that it is
//! encrypted and that is not is an error: its secret would be in git for all to read.

use super::options::Options;
use crate::model::Problem;
use crate::model::sealed::{Seal, Sealed, SopsFormat};

/// The first line of a file of age's (<https://c2sp.org/age>, "Header").
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// The same, armoured.
const ARMOURED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// How a value begins that SOPS has encrypted; every file has one, the code that holds it together (`mac`).
const SOPS_VALUE: &str = "ENC[";

/// What the file at `path` is encrypted with; `None` where it is not.
pub fn seal_of(path: &str, bytes: &[u8]) -> Option<Seal> {
    if bytes.starts_with(AGE) || bytes.trim_ascii_start().starts_with(ARMOURED) {
        return Some(Seal::Age);
    }
    sops(path, std::str::from_utf8(bytes).ok()?).map(Seal::Sops)
}

fn sops(path: &str, text: &str) -> Option<SopsFormat> {
    if text.trim_start().starts_with('{') {
        return sops_json(path, text);
    }
    let mut sections = text.lines().skip_while(|line| line.trim_end() != "sops:");
    let is_yaml = sections.next().is_some()
        && sections
            .take_while(|line| line.is_empty() || line.starts_with([' ', '-']))
            .any(|line| has_code(line, "mac", ':'));
    if is_yaml {
        return Some(SopsFormat::Yaml);
    }
    let mut section = text.lines().skip_while(|line| line.trim() != "[sops]");
    if section.next().is_some() && section.any(|line| has_code(line, "mac", '=')) {
        return Some(SopsFormat::Ini);
    }
    text.lines().any(|line| has_code(line, "sops_mac", '=')).then_some(SopsFormat::Dotenv)
}

/// SOPS wraps what it has no format for into JSON, whatever the file is called.
fn sops_json(path: &str, text: &str) -> Option<SopsFormat> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let code = value.pointer("/sops/mac")?.as_str()?;
    if !code.starts_with(SOPS_VALUE) {
        return None;
    }
    let is_wrapped = value.as_object().is_some_and(|fields| fields.len() == 2)
        && value.get("data").is_some_and(serde_json::Value::is_string)
        && !path.ends_with(".json");
    Some(if is_wrapped { SopsFormat::Binary } else { SopsFormat::Json })
}

fn has_code(line: &str, name: &str, between: char) -> bool {
    let value = line.trim_start().strip_prefix(name).map(str::trim_start);
    let value = value.and_then(|rest| rest.strip_prefix(between));
    value.is_some_and(|value| value.trim_start_matches([' ', '"', '\'']).starts_with(SOPS_VALUE))
}

/// What the name of a file says it is encrypted with; `None` where it says nothing.
fn promised(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        _ if name.ends_with(".age") => Some("age"),
        _ if name.contains(".sops.") || name.ends_with(".sops") => Some("SOPS"),
        _ => None,
    }
}

/// The file, if it holds something.
pub enum Content {
    /// It is not encrypted.
    Plain(Vec<u8>),
    /// It was, and this is what it holds.
    Opened {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether they are JSON, as was wished.
        is_json: bool,
    },
    /// It is, and nobody here can open it; a remark says so.
    Closed(String),
}

/// What the file at `path` of the repository holds, `bytes` being what git has of it. Of a SOPS file that is YAML or
/// JSON, the JSON where `as_json`.
///
/// # Errors
/// It cannot be opened, or its name says that it is encrypted and it is not. A place is left to who asks.
pub fn content(
    path: &str,
    bytes: Vec<u8>,
    as_json: bool,
    options: &Options<'_>,
) -> Result<Content, Box<Problem>> {
    let Some(seal) = seal_of(path, &bytes) else {
        return match promised(path) {
            None => Ok(Content::Plain(bytes)),
            Some(seal) => Err(Box::new(not_sealed(path, seal))),
        };
    };
    if options.server.is_offline() {
        return Ok(Content::Closed(format!(
            "`{path}` is encrypted with {seal}; what it holds is known on the server only"
        )));
    }
    let is_json = as_json && matches!(seal, Seal::Sops(SopsFormat::Yaml | SopsFormat::Json));
    let sealed = Sealed { seal, bytes: &bytes, as_json: is_json };
    let opened = options.opener.open(&sealed, options.limits.file_bytes);
    opened.map(|bytes| Content::Opened { bytes, is_json }).map_err(|unopened| {
        let message = format!("`{path}` is encrypted with {seal}, and {}", unopened.why);
        Box::new(Problem::new("unopened-file", message).hint(unopened.hint))
    })
}

fn not_sealed(path: &str, seal: &str) -> Problem {
    let message =
        format!("`{path}` is named like a file that {seal} has encrypted, and is not one");
    Problem::new("not-encrypted", message).note("whoever can read the repository can read it").hint(
        "encrypt it, and change the secret in it: git keeps what it was; or give it another name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: Option<Seal>) {
        assert_eq!(seal_of(path, text.as_bytes()), expected, "{path}: {text}");
    }

    #[test]
    fn what_is_encrypted_is_told_by_what_it_holds() {
        use SopsFormat::{Binary, Dotenv, Ini, Json, Yaml};
        check("x", "age-encryption.org/v1\n-> X25519 abc\n", Some(Seal::Age));
        check("x", "\n-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", Some(Seal::Age));
        let sops = |format| Some(Seal::Sops(format));
        check("a.env", "A=ENC[x]\nsops_mac=ENC[AES256_GCM,data:x]\nsops_version=3\n", sops(Dotenv));
        let yaml = "a: ENC[x]\nsops:\n    age:\n        - recipient: age1\n    mac: ENC[y]\n";
        check("a.yaml", yaml, sops(Yaml));
        check("a.json", r#"{"a": "ENC[x]", "sops": {"mac": "ENC[y]"}}"#, sops(Json));
        check("a.json", r#"{"data": "ENC[x]", "sops": {"mac": "ENC[y]"}}"#, sops(Json));
        check("tls.key", r#"{"data": "ENC[x]", "sops": {"mac": "ENC[y]"}}"#, sops(Binary));
        check("a.ini", "[a]\nb = ENC[x]\n\n[sops]\nmac = ENC[y]\n", sops(Ini));
    }

    #[test]
    fn what_only_speaks_of_it_is_not() {
        check("x", "see age-encryption.org/v1\n", None);
        check("x.yaml", "sops:\n  mac: none\nother:\n  mac: ENC[x]\n", None);
        check("x.env", "SOPS_MAC=ENC[x]\n", None);
        check("x.json", r#"{"sops": {"mac": 1}}"#, None);
        check("x.json", "{ENC[", None);
        check("x", "", None);
        assert_eq!(seal_of("x", b"\xff\xfesops_mac=ENC["), None);
    }
}
