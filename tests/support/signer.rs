//! Keys that sign images as `cosign sign --key` does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

/// What stands before the key itself in a SubjectPublicKeyInfo (RFC 5480, RFC 8410).
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const EDWARDS: &str = "302a300506032b6570032100";

/// A key pair.
pub enum Signer {
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A new key as `cosign generate-key-pair` makes it.
    pub fn p256() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        Self::P256(Box::new(pair))
    }

    /// A new Ed25519 key.
    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    /// The public key.
    pub fn pem(&self) -> String {
        let (prefix, key) = match self {
            Self::P256(pair) => (P256, pair.public_key().as_ref()),
            Self::Ed25519(pair) => (EDWARDS, pair.public_key().as_ref()),
        };
        let digits = (0..prefix.len()).step_by(2).map(|at| &prefix[at..at + 2]);
        let prefix = digits.map(|two| u8::from_str_radix(two, 16).unwrap());
        let bytes: Vec<u8> = prefix.chain(key.iter().copied()).collect();
        let text = STANDARD.encode(bytes);
        let lines: Vec<String> =
            text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The signature of these bytes, as it stands in the annotation.
    pub fn sign(&self, payload: &[u8]) -> String {
        STANDARD.encode(match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), payload).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(payload).as_ref().to_vec(),
        })
    }
}

/// What is signed: the image of this repository (not said where it is empty) and digest.
pub fn payload(repository: &str, digest: &str) -> Vec<u8> {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{repository}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
    .into_bytes()
}
