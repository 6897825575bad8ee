//! Public keys, as `cosign generate-key-pair` writes them: PEM with a SubjectPublicKeyInfo (RFC 7468, RFC 5480,
//! RFC 8410).

use std::fmt;

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::pem::{self, SectionKind};
use sha2::{Digest as _, Sha256};

use crate::model::fingerprint::hex;

/// What stands before the 65 bytes of a point on P-256: both algorithm identifiers, and that the point is not
/// compressed.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// What stands before the 32 bytes of an Ed25519 key.
const EDWARDS: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The most keys of one file.
const MOST: usize = 64;

/// Keys, any of which will do.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    kind: Kind,
    bytes: Vec<u8>,
    id: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    Ed25519,
}

impl Keys {
    /// Reads all public keys of a PEM file; the error is for people. What stands between them is ignored, as PEM has
    /// it, but no part that is another kind of thing: a key that is left out by mistake would not be missed.
    pub fn read(mut text: &[u8]) -> Result<Self, String> {
        let mut keys = Vec::new();
        loop {
            let section =
                pem::from_buf(&mut text).map_err(|_| "it is no sound PEM file".to_owned())?;
            let Some((kind, bytes)) = section else { break };
            match kind {
                SectionKind::PublicKey => keys.push(Key::read(&bytes)?),
                SectionKind::Certificate => {
                    return Err("it holds a certificate; a public key is asked for".to_owned());
                }
                SectionKind::PrivateKey
                | SectionKind::RsaPrivateKey
                | SectionKind::EcPrivateKey
                | SectionKind::Crl
                | SectionKind::Csr
                | SectionKind::EchConfigList
                | _ => return Err("it holds something else than public keys".to_owned()),
            }
        }
        match keys.len() {
            0 => Err("it holds no public key (`-----BEGIN PUBLIC KEY-----`)".to_owned()),
            1..=MOST => Ok(Self(keys)),
            _ => Err(format!("it holds more than {MOST} keys")),
        }
    }

    /// The keys, as they stand in the file.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// What "signed by none of these" is remembered by.
    pub fn id(&self) -> String {
        let mut ids: Vec<&str> = self.0.iter().map(|key| key.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        format!("keys:{}", hex(&Sha256::digest(ids.join("\n").as_bytes())))
    }
}

impl Key {
    /// Reads a SubjectPublicKeyInfo. There is one way to write each kind of key that is known here.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let id = format!("key:{}", hex(&Sha256::digest(bytes)));
        let made = |kind, bytes: &[u8]| Self { kind, bytes: bytes.to_vec(), id };
        match (bytes.strip_prefix(P256), bytes.strip_prefix(EDWARDS)) {
            (Some(point), _) if point.len() == 65 && point.first() == Some(&4) => {
                Ok(made(Kind::P256, point))
            }
            (_, Some(key)) if key.len() == 32 => Ok(made(Kind::Ed25519, key)),
            (_, _) => Err("it holds a key that is neither ECDSA P-256 nor Ed25519".to_owned()),
        }
    }

    /// What a signature by it is remembered by: the same for the same key in any file.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::P256 => &ECDSA_P256_SHA256_ASN1,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
