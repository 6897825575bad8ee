//! Verdicts on bytes that were really signed.

use proptest::prelude::*;
use signer::{Signer, payload};

use super::*;

#[path = "../../tests/support/signer.rs"]
pub mod signer;

const REPOSITORY: &str = "ghcr.io/acme/api";

fn digest(digit: char) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
}

fn keys(signers: &[&Signer]) -> Keys {
    let text: String = signers.iter().map(|signer| signer.pem()).collect();
    Keys::read(text.as_bytes()).unwrap()
}

pub fn attached(signer: &Signer, payload: Vec<u8>) -> Attached {
    Attached { signature: signer.sign(&payload), payload }
}

/// How the image `a` of the repository stands with these signatures.
fn check(keys: &Keys, attached: &[Attached]) -> Result<String, Refusal> {
    let repository = ImageRef::parse(&format!("{REPOSITORY}:1.4.2")).unwrap();
    verify(keys, &repository, &digest('a'), attached).map(|key| key.id().to_owned())
}

fn good(signer: &Signer) -> Attached {
    attached(signer, payload(REPOSITORY, digest('a').as_str()))
}

#[test]
fn a_signature_by_one_of_the_keys_is_good() {
    let (old, new, edwards) = (Signer::p256(), Signer::p256(), Signer::ed25519());
    for signer in [&old, &new, &edwards] {
        check(&keys(&[&old, &new, &edwards]), &[good(signer)]).unwrap();
        check(&keys(&[signer]), &[good(signer)]).unwrap();
    }
    let id = |signer| keys(&[signer]).iter().next().unwrap().id().to_owned();
    let all = keys(&[&old, &new, &edwards]);
    assert_eq!(check(&all, &[good(&new)]).unwrap(), id(&new), "the key is told");
    assert_ne!(id(&old), id(&new));
}

#[test]
fn without_a_signature_or_by_another_key_it_is_refused() {
    let (ours, other) = (Signer::p256(), Signer::ed25519());
    assert_eq!(check(&keys(&[&ours]), &[]), Err(Refusal::NotSigned));
    let both = [good(&other), good(&other)];
    assert_eq!(check(&keys(&[&ours]), &both), Err(Refusal::OtherKey(2)));
    check(&keys(&[&ours]), &[good(&other), good(&ours)]).unwrap();
    check(&keys(&[&ours]), &[good(&ours), good(&other)]).unwrap();
}

#[test]
fn what_is_signed_has_to_be_this_image() {
    let ours = Signer::p256();
    let (a, b) = (digest('a'), digest('b'));
    for (named, of, expected) in [
        (REPOSITORY, &a, None),
        ("", &a, None),
        ("GHCR.io/acme/api", &a, None),
        (REPOSITORY, &b, Some(Refusal::OtherImage(b.to_string()))),
        ("", &b, Some(Refusal::OtherImage(b.to_string()))),
        ("ghcr.io/acme/web", &a, Some(Refusal::OtherImage("ghcr.io/acme/web".into()))),
        ("evil.example/acme/api", &a, Some(Refusal::OtherImage("evil.example/acme/api".into()))),
        ("not a name", &a, Some(Refusal::OtherImage("not a name".into()))),
    ] {
        let signed = attached(&ours, payload(named, of.as_str()));
        assert_eq!(check(&keys(&[&ours]), &[signed]).err(), expected, "{named} {of}");
    }
    let hub = ImageRef::parse("nginx:1").unwrap();
    let signed = attached(&ours, payload("index.docker.io/library/nginx", a.as_str()));
    verify(&keys(&[&ours]), &hub, &a, &[signed]).unwrap();
}

#[test]
fn one_byte_less_or_another_is_no_signature() {
    let ours = Signer::p256();
    let sound = good(&ours);
    for place in 0..sound.payload.len() {
        let mut other = sound.clone();
        other.payload[place] ^= 1;
        assert_eq!(check(&keys(&[&ours]), &[other]), Err(Refusal::OtherKey(1)), "{place}");
    }
    let mut shorter = sound.clone();
    shorter.payload.pop();
    assert_eq!(check(&keys(&[&ours]), &[shorter]), Err(Refusal::OtherKey(1)));
}

#[test]
fn what_is_not_understood_is_not_relied_on() {
    let ours = Signer::p256();
    let sound = String::from_utf8(payload(REPOSITORY, digest('a').as_str())).unwrap();
    for (from, to) in [
        ("cosign container image signature", "atomic container signature"),
        (r#""type":"#, r#""kind":"#),
        (r#""critical":{"#, r#""critical":{"more":1,"#),
        (r#""identity":{"#, r#""identity":{"more":1,"#),
        (r#""image":{"#, r#""image":{"more":1,"#),
        (r#""critical":{"#, r#""critical":{"type":"x","#),
        (r#"{"critical""#, r#"[{"critical""#),
        (r#""optional":null}"#, ""),
    ] {
        let other = sound.replacen(from, to, 1);
        assert_ne!(other, sound, "{from}");
        let found = check(&keys(&[&ours]), &[attached(&ours, other.into_bytes())]);
        assert!(matches!(found, Err(Refusal::Strange(_))), "{from} → {to}: {found:?}");
    }
    let more = sound.replace("null", r#"{"creator":"ci","timestamp":1}"#);
    check(&keys(&[&ours]), &[attached(&ours, more.into_bytes())]).unwrap();
}

#[test]
fn a_signature_of_another_image_says_more_than_one_by_another_key() {
    let (ours, other) = (Signer::p256(), Signer::p256());
    let elsewhere = attached(&ours, payload(REPOSITORY, digest('b').as_str()));
    let refusal = check(&keys(&[&ours]), &[good(&other), elsewhere, good(&other)]).unwrap_err();
    assert!(matches!(refusal, Refusal::OtherImage(_)), "{refusal}");
}

#[test]
fn garbage_in_place_of_a_signature_is_none() {
    let ours = Signer::p256();
    for signature in ["", "=", "äöü", "AAAA", &"A".repeat(4096), &STANDARD.encode([0_u8; 64])] {
        let one = Attached { signature: signature.to_owned(), ..good(&ours) };
        assert_eq!(check(&keys(&[&ours]), std::slice::from_ref(&one)), Err(Refusal::OtherKey(1)));
        check(&keys(&[&ours]), &[one, good(&ours)]).unwrap();
    }
}

#[test]
fn a_file_holds_public_keys_and_nothing_else() {
    let (one, other) = (Signer::p256(), Signer::ed25519());
    let text = format!("the key of 2026\n{}\nof 2027\n{}", one.pem(), other.pem());
    assert_eq!(Keys::read(text.as_bytes()).unwrap().iter().count(), 2);
    let label = |word: &str| one.pem().replace("PUBLIC KEY", word);
    let rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMv7\n-----END PUBLIC KEY-----\n";
    for (text, says) in [
        (String::new(), "no public key"),
        ("hello".to_owned(), "no public key"),
        (label("CERTIFICATE"), "a certificate"),
        (label("PRIVATE KEY"), "something else"),
        (format!("{}{}", one.pem(), label("PRIVATE KEY")), "something else"),
        (one.pem().replace("-----END PUBLIC KEY-----", ""), "sound PEM"),
        (one.pem().replace("MFkw", "MF!w"), "sound PEM"),
        (one.pem().replace("MFkw", "MFkx"), "neither ECDSA P-256 nor Ed25519"),
        (rsa.to_owned(), "neither ECDSA P-256 nor Ed25519"),
        (one.pem().repeat(65), "more than 64"),
    ] {
        let why = Keys::read(text.as_bytes()).unwrap_err();
        assert!(why.contains(says), "{text}: {why}");
    }
}

#[test]
fn the_same_keys_in_another_order_are_the_same() {
    let (one, other) = (Signer::p256(), Signer::ed25519());
    assert_eq!(keys(&[&one, &other]).id(), keys(&[&other, &one, &one]).id());
    assert_ne!(keys(&[&one, &other]).id(), keys(&[&one]).id());
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,120}") {
        let ours = Signer::ed25519();
        let one = Attached { payload: bytes.clone(), signature: text };
        prop_assert!(check(&keys(&[&ours]), &[one]).is_err());
        prop_assert!(check(&keys(&[&ours]), &[attached(&ours, bytes.clone())]).is_err());
        prop_assert!(Keys::read(&bytes).is_err());
    }
}
