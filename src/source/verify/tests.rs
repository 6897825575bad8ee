//! Signatures and who may sign, held against ssh-keygen itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use sha2::{Digest as _, Sha256, Sha512};

use super::certificate::Certificate;
use super::commit::take_apart;
use super::signers::Signers;
use super::sshsig::SshSignature;
use super::wire::put_string;

const MESSAGE: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
/// 2026-06-01T12:00:00Z
const NOON: i64 = 1_780_315_200;

/// A directory with keys, certificates and signatures, made by ssh-keygen.
struct Desk {
    directory: tempfile::TempDir,
    /// The public keys, by name, as files of signers have them.
    keys: BTreeMap<&'static str, String>,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("message"), MESSAGE).unwrap();
        Self { directory, keys: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn keygen(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("ssh-keygen");
        command.current_dir(self.directory.path()).args(arguments).env("TZ", "UTC");
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    fn does(&self, arguments: &[&str]) {
        assert!(self.keygen(arguments).0, "{arguments:?}");
    }

    fn key(&mut self, name: &'static str, kind: &[&str]) {
        self.does(&[&["-q", "-N", "", "-C", "", "-f", name, "-t"], kind].concat());
        let public = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        self.keys.insert(name, public.trim().to_owned());
    }

    /// Signs the message with what is in the file `with`, for `namespace`.
    fn sign(&self, with: &str, namespace: &str) -> String {
        let message = std::fs::File::open(self.path("message")).unwrap();
        let mut command = Command::new("ssh-keygen");
        command
            .current_dir(self.directory.path())
            .args(["-Y", "sign", "-f", with, "-n", namespace]);
        let output = command.stdin(message).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What ssh-keygen says of a signature: the principals it finds, and whether each of `asked` may sign for git.
    fn real(
        &self,
        signers: &str,
        signature: &str,
        time: i64,
        asked: &[String],
    ) -> (Vec<String>, Vec<bool>) {
        std::fs::write(self.path("signers"), signers).unwrap();
        std::fs::write(self.path("signature"), signature).unwrap();
        let time = jiff::Timestamp::from_second(time).unwrap();
        let time = format!("-Overify-time={}", time.strftime("%Y%m%d%H%M%SZ"));
        let find = ["-Y", "find-principals", "-s", "signature", "-f", "signers", time.as_str()];
        let (found, names) = self.keygen(&find);
        let names = names.lines().filter(|_| found).map(str::to_owned).collect();
        let verify = |principal: &String| {
            let message = std::fs::File::open(self.path("message")).unwrap();
            let mut command = Command::new("ssh-keygen");
            command.current_dir(self.directory.path()).env("TZ", "UTC");
            command.args(["-Y", "verify", "-n", "git", "-s", "signature", "-f", "signers"]);
            command.arg(&time).args(["-I", principal]);
            command.stdin(message).output().unwrap().status.success()
        };
        (names, asked.iter().map(verify).collect())
    }
}

/// The same of ours.
fn ours(signers: &str, signature: &str, time: i64, asked: &[String]) -> (Vec<String>, Vec<bool>) {
    let signers = Signers::parse(signers.as_bytes(), &TimeZone::UTC);
    let Ok(signature) = SshSignature::parse(signature) else {
        return (Vec::new(), vec![false; asked.len()]);
    };
    let is_sound = signature.namespace == "git" && signature.is_of(MESSAGE);
    let allowed = |name: &String| is_sound && signers.allow(name, &signature, time);
    (signers.principals(&signature, time), asked.iter().map(allowed).collect())
}

/// File of signers (`KEY` is the key that signs, `OTHER` another one), and the time if it is not noon.
const SIGNERS: &[(&str, i64)] = &[
    ("alice@acme.org KEY", 0),
    ("alice@acme.org KEY a comment \"with quotes\"", 0),
    ("alice@acme.org OTHER", 0),
    ("", 0),
    ("# alice@acme.org KEY", 0),
    ("\n\n  # x\n\t alice@acme.org\t KEY\n", 0),
    ("alice@acme.org KEY\r\nbob OTHER\r\n", 0),
    ("alice@acme.org,bob KEY", 0),
    ("*@acme.org KEY", 0),
    ("*@acme.org,!alice@acme.org KEY", 0),
    ("!bob,* KEY", 0),
    ("?lice@acme.org KEY", 0),
    ("Alice@acme.org KEY", 0),
    ("\"alice@acme.org\" KEY", 0),
    ("\"alice@acme.org,bob\" KEY", 0),
    ("\"alice@acme.org KEY", 0),
    ("bob OTHER\nalice@acme.org KEY", 0),
    ("alice@acme.org OTHER\nalice@acme.org KEY", 0),
    ("carol KEY\nalice@acme.org KEY", 0),
    ("alice@acme.org namespaces=\"git\" KEY", 0),
    ("alice@acme.org namespaces=\"file\" KEY", 0),
    ("alice@acme.org namespaces=\"file,git\" KEY", 0),
    ("alice@acme.org namespaces=\"*,!git\" KEY", 0),
    ("alice@acme.org namespaces=\"g?t\" KEY", 0),
    ("alice@acme.org NameSpaces=\"git\" KEY", 0),
    ("alice@acme.org namespaces=git KEY", 0),
    ("alice@acme.org namespaces=\"git KEY", 0),
    ("alice@acme.org namespaces=\"git\",namespaces=\"git\" KEY", 0),
    ("carol namespaces=\"file\" KEY\nalice@acme.org KEY", 0),
    ("alice@acme.org valid-after=\"20260601\" KEY", 0),
    ("alice@acme.org valid-after=\"20260602\" KEY", 0),
    ("alice@acme.org valid-after=\"20260601120000Z\" KEY", 0),
    ("alice@acme.org valid-after=\"20260601120001Z\" KEY", 0),
    ("alice@acme.org valid-before=\"20260601120000Z\" KEY", 0),
    ("alice@acme.org valid-before=\"20260601115959Z\" KEY", 0),
    ("alice@acme.org valid-before=\"202606011200UTC\" KEY", 0),
    ("alice@acme.org valid-before=\"202606011159\" KEY", 0),
    ("alice@acme.org valid-after=\"20260101\",valid-before=\"20270101\" KEY", 0),
    ("alice@acme.org valid-after=\"20270101\",valid-before=\"20260101\" KEY", 0),
    ("alice@acme.org valid-after=\"20260101\",valid-after=\"20260101\" KEY", 0),
    ("alice@acme.org valid-before=\"2026-12-31\" KEY", 0),
    ("alice@acme.org valid-before=\"20261332\" KEY", 0),
    ("alice@acme.org valid-before=\"20270230\" KEY", -1),
    ("alice@acme.org valid-before=\"\" KEY", 0),
    ("alice@acme.org valid-before=\"20261231\"KEY", 0),
    ("alice@acme.org verified-by=\"x\" KEY", 0),
    ("alice@acme.org no-touch-required KEY", 0),
    ("alice@acme.org namespaces=\"git\", KEY", 0),
    ("alice@acme.org namespaces=\"git\",x KEY", 0),
    ("alice@acme.org cert-authority KEY", 0),
    ("alice@acme.org CERT-AUTHORITY,namespaces=\"git\" KEY", 0),
    ("alice@acme.org", 0),
    ("alice@acme.org KIND", 0),
    ("alice@acme.org KIND AAAA", 0),
    ("alice@acme.org ssh-rsa BASE64", 0),
    ("alice@acme.org ssh-unknown BASE64", 0),
    ("alice@acme.org BASE64", 0),
    ("alice@acme.org bad option KEY\nbob KEY", 0),
    ("alice@acme.org,,bob KEY", 0),
    (",alice@acme.org KEY", 0),
    ("alice@acme.org KEY\nalice@acme.org valid-before=\"20200101\" KEY", 0),
    ("alice@acme.org valid-before=\"20200101\" KEY\nbob KEY", 0),
    ("ä@acme.org KEY", 0),
];

#[test]
fn files_of_signers_mean_what_they_mean_to_ssh_keygen() {
    let mut desk = Desk::new();
    desk.key("key", &["ed25519"]);
    desk.key("other", &["ed25519"]);
    let (key, other) = (desk.keys["key"].clone(), desk.keys["other"].clone());
    let base64 = key.split(' ').nth(1).unwrap();
    let asked =
        ["alice@acme.org", "bob", "carol", "ä@acme.org", "*@acme.org", ""].map(str::to_owned);
    let signatures = [desk.sign("key", "git"), desk.sign("key", "file")];
    let (mut found, mut allowed) = (0, 0);
    for (text, stricter) in SIGNERS {
        let text = text.replace("KEY", &key).replace("OTHER", &other);
        let text = text.replace("BASE64", base64).replace("KIND", "ssh-ed25519");
        for signature in &signatures {
            let real = desk.real(&text, signature, NOON, &asked);
            let ours = ours(&text, signature, NOON, &asked);
            if *stricter == -1 {
                // A day that no calendar has, which ssh-keygen takes for another one.
                assert_eq!(ours, (Vec::new(), vec![false; asked.len()]), "{text}");
                assert_ne!(real, ours, "{text}");
                continue;
            }
            assert_eq!(ours, real, "{text}");
            found += usize::from(!real.0.is_empty());
            allowed += usize::from(real.1.contains(&true));
        }
    }
    assert!(found > 40 && allowed > 20, "the table says something: {found}, {allowed}");
}

#[test]
fn keys_of_every_kind_verify_and_nothing_else_does() {
    let mut desk = Desk::new();
    desk.key("ed25519", &["ed25519"]);
    desk.key("p256", &["ecdsa", "-b", "256"]);
    desk.key("p384", &["ecdsa", "-b", "384"]);
    desk.key("p521", &["ecdsa", "-b", "521"]);
    desk.key("rsa", &["rsa", "-b", "2048"]);
    let asked = ["alice".to_owned()];
    for (name, key) in &desk.keys {
        let (good, signers) = (desk.sign(name, "git"), format!("alice {key}"));
        assert_eq!(ours(&signers, &good, NOON, &asked), (asked.to_vec(), vec![true]), "{name}");
        assert_eq!(desk.real(&signers, &good, NOON, &asked), (asked.to_vec(), vec![true]));
        let signature = SshSignature::parse(&good).unwrap();
        assert!(!signature.is_of(b"something else"), "{name}");
        // Every bit counts.
        let body: String = good.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(body).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let (names, allowed) = ours(&signers, &armoured(&changed), NOON, &asked);
            assert_eq!(allowed, [false], "{name}: byte {at} of {} {names:?}", bytes.len());
        }
    }
    desk.key("short", &["rsa", "-b", "1024"]);
    let (key, short) = (desk.keys["short"].clone(), desk.sign("short", "git"));
    assert_eq!(ours(&format!("alice {key}"), &short, NOON, &asked).1, [false]);
    let unusable = Signers::parse(format!("alice {key}").as_bytes(), &TimeZone::UTC).unusable;
    assert!(unusable[0].1.contains("less than 2048 bits"), "{unusable:?}");
}

fn armoured(bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes);
    format!("-----BEGIN SSH SIGNATURE-----\n{base64}\n-----END SSH SIGNATURE-----\n")
}

/// A signature for git over the message, made by `sign` of what a security key is given.
fn by_security_key(key: &[u8], kind: &str, flags: u8, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let mut blob = b"SSHSIG".to_vec();
    put_string(&mut blob, b"git");
    put_string(&mut blob, b"");
    put_string(&mut blob, b"sha512");
    put_string(&mut blob, &Sha512::digest(MESSAGE));
    let trailer = [flags, 0, 0, 0, 7];
    let signed = [&Sha256::digest(b"ssh:")[..], &trailer, &Sha256::digest(&blob)[..]].concat();
    let mut signature = Vec::new();
    put_string(&mut signature, kind.as_bytes());
    put_string(&mut signature, &sign(&signed));
    signature.extend(trailer);
    let mut all = b"SSHSIG\0\0\0\x01".to_vec();
    for part in [key, b"git", b"", b"sha512", &signature] {
        put_string(&mut all, part);
    }
    armoured(&all)
}

#[test]
fn security_keys_verify_as_they_do_with_ssh_keygen() {
    let desk = Desk::new();
    let random = SystemRandom::new();
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed25519 = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let p256 =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap();
    let number = |out: &mut Vec<u8>, bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap();
        let bytes = &bytes[first..];
        let padding: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
        put_string(out, &[padding, bytes].concat());
    };
    let kinds = ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"];
    let asked = ["alice".to_owned()];
    for kind in kinds {
        let mut key = Vec::new();
        put_string(&mut key, kind.as_bytes());
        if kind == kinds[0] {
            put_string(&mut key, ed25519.public_key().as_ref());
        } else {
            put_string(&mut key, b"nistp256");
            put_string(&mut key, p256.public_key().as_ref());
        }
        put_string(&mut key, b"ssh:");
        let sign = |message: &[u8]| match kind == kinds[0] {
            true => ed25519.sign(message).as_ref().to_vec(),
            false => {
                let signature = p256.sign(&random, message).unwrap();
                let mut out = Vec::new();
                number(&mut out, &signature.as_ref()[..32]);
                number(&mut out, &signature.as_ref()[32..]);
                out
            }
        };
        let signers = format!("alice {kind} {}", STANDARD.encode(&key));
        for flags in [1, 5, 0] {
            let signature = by_security_key(&key, kind, flags, sign);
            let real = desk.real(&signers, &signature, NOON, &asked);
            assert_eq!(ours(&signers, &signature, NOON, &asked), real, "{kind} {flags}");
            assert_eq!(real.1, [true], "{kind} {flags}");
        }
        let bad = by_security_key(&key, kind, 1, |message| sign(&[message, b"x"].concat()));
        assert_eq!(desk.real(&signers, &bad, NOON, &asked).1, [false]);
        assert_eq!(ours(&signers, &bad, NOON, &asked).1, [false], "{kind}");
    }
}

#[test]
fn authorities_vouch_as_they_do_with_ssh_keygen() {
    let mut desk = Desk::new();
    desk.key("key", &["ed25519"]);
    desk.key("ca", &["ed25519"]);
    desk.key("rsaca", &["rsa", "-b", "2048"]);
    desk.key("stranger", &["ecdsa"]);
    let make = |name: &str, ca: &str, more: &[&str]| {
        std::fs::copy(desk.path("key"), desk.path(name)).unwrap();
        std::fs::copy(desk.path("key.pub"), desk.path(&format!("{name}.pub"))).unwrap();
        let public = format!("{name}.pub");
        desk.does(&[&["-q", "-s", ca, "-I", name], more, &[public.as_str()]].concat());
        desk.sign(&format!("{name}-cert.pub"), "git")
    };
    let always = make("always", "ca", &["-n", "alice@acme.org,bob"]);
    let signatures = [
        ("always", always.clone()),
        ("rsa", make("rsa", "rsaca", &["-n", "alice@acme.org"])),
        ("past", make("past", "ca", &["-n", "alice@acme.org", "-V", "20200101:20210101"])),
        ("now", make("now", "ca", &["-n", "alice@acme.org", "-V", "20260101:20270101"])),
        ("future", make("future", "ca", &["-n", "alice@acme.org", "-V", "20300101:20310101"])),
        ("nobody", make("nobody", "ca", &[])),
        ("machine", make("machine", "ca", &["-h", "-n", "alice@acme.org"])),
        ("strange", make("strange", "stranger", &["-n", "alice@acme.org"])),
        ("plain", desk.sign("key", "git")),
    ];
    let files = [
        "alice@acme.org cert-authority CA",
        "*@acme.org cert-authority CA",
        "*@acme.org cert-authority,namespaces=\"git\" CA",
        "*@acme.org cert-authority,namespaces=\"file\" CA",
        "*@acme.org cert-authority,valid-before=\"20200101\" CA",
        "*@acme.org,bob cert-authority CA\nalice@acme.org cert-authority RSA",
        "bob cert-authority CA\n* cert-authority RSA",
        "alice@acme.org CA",
        "alice@acme.org KEY",
        "carol cert-authority CA",
    ];
    let asked = ["alice@acme.org", "bob", "carol"].map(str::to_owned);
    let mut allowed = 0;
    for file in files {
        let text = file.replace("CA", &desk.keys["ca"]).replace("RSA", &desk.keys["rsaca"]);
        let text = text.replace("KEY", &desk.keys["key"]);
        for (name, signature) in &signatures {
            let real = desk.real(&text, signature, NOON, &asked);
            assert_eq!(ours(&text, signature, NOON, &asked), real, "{name} by {file}");
            allowed += usize::from(real.1.contains(&true));
        }
    }
    assert!(allowed > 8, "the table says something: {allowed}");

    // An authority may ask for what is understood by servers only, and a certificate that was tampered with is none.
    let forced = make("forced", "ca", &["-n", "alice@acme.org", "-O", "force-command=x"]);
    let text = format!("alice@acme.org cert-authority {}", desk.keys["ca"]);
    assert_eq!(ours(&text, &forced, NOON, &asked).1, [false; 3]);
    let body: String = always.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = STANDARD.decode(body).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(ours(&text, &armoured(&changed), NOON, &asked).1, [false; 3], "byte {at}");
    }
}

#[test]
fn times_without_a_zone_are_those_of_the_server() {
    let mut desk = Desk::new();
    desk.key("key", &["ed25519"]);
    let signature = SshSignature::parse(&desk.sign("key", "git")).unwrap();
    let text = format!("alice valid-before=\"202606011000\" {}", desk.keys["key"]);
    let zone = TimeZone::get("America/New_York").unwrap();
    let allows = |zone: &TimeZone, time| {
        Signers::parse(text.as_bytes(), zone).allow("alice", &signature, time)
    };
    // Ten o'clock in New York is two in the afternoon of UTC.
    assert!(allows(&zone, NOON + 2 * 3600) && !allows(&zone, NOON + 2 * 3600 + 1));
    assert!(!allows(&TimeZone::UTC, NOON));
}

#[test]
fn lines_that_match_nobody_are_told_with_the_reason() {
    let text = "a namespaces=git x y\n\nb unknown=\"x\" y\nc ssh-dss AAAA\n\u{1b}[31m \"\n";
    let signers = Signers::parse(&[text.as_bytes(), b"d \xff\n"].concat(), &TimeZone::UTC);
    let told: Vec<String> =
        signers.unusable.iter().map(|(line, why)| format!("{line}: {why}")).collect();
    assert_eq!(
        told,
        [
            "1: a value has to stand in quotes",
            "3: there is no option `unknown`",
            "4: there is no option `ssh-dss`",
            "5: there is no option `\"`",
            "6: it is no text",
        ]
    );
    assert_eq!(signers.count(), 0);
}

fn is_a_test_of_panics(text: &str, bytes: &[u8]) {
    let signers = Signers::parse(text.as_bytes(), &TimeZone::UTC);
    Signers::parse(bytes, &TimeZone::UTC);
    if let Ok(signature) = SshSignature::parse(text) {
        signers.principals(&signature, NOON);
        signature.is_of(bytes);
    }
    let _ = SshSignature::parse(&armoured(bytes));
    let _ = SshSignature::parse(&armoured(&[b"SSHSIG\0\0\0\x01".as_slice(), bytes].concat()));
    let _ = Certificate::from_bytes(bytes);
    let mut certificate = Vec::new();
    put_string(&mut certificate, b"ssh-ed25519-cert-v01@openssh.com");
    certificate.extend(bytes);
    let _ = Certificate::from_bytes(&certificate);
    let _ = take_apart(bytes);
    let _ = take_apart(text.as_bytes());
}

/// Pieces that lead into every corner, and junk between them.
fn pieces() -> impl Strategy<Value = String> {
    let known = [
        "alice",
        " ",
        "\t",
        "\n",
        ",",
        "\"",
        "\\\"",
        "!",
        "*",
        "?",
        "#",
        "\r",
        "namespaces=\"git\"",
        "valid-after=\"20260101\"",
        "valid-before=\"2026",
        "Z\"",
        "UTC",
        "cert-authority",
        "ssh-ed25519",
        "AAAAC3NzaC1lZDI1NTE5AAAAIILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti",
        "-----BEGIN SSH SIGNATURE-----",
        "-----END SSH SIGNATURE-----",
        "tree ",
        "parent ",
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "author A <a> 1 +0",
        "committer B <b> 1 +0",
        "gpgsig ",
        "\n\n",
        "ä",
        "\u{0}",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,4}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_breaks(
        text in pieces(),
        bytes in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200),
    ) {
        is_a_test_of_panics(&text, &bytes);
    }
}
