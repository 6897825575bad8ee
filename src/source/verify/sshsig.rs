//! Signatures that ssh-keygen makes (PROTOCOL.sshsig of OpenSSH).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::certificate::{Certificate, is_certificate};
use super::key::{Key, Unusable};
use super::wire::{Malformed, Reader, put_string};

/// What a signature in SSH's format begins with.
pub const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// A signature with the key that made it. Whose key that is, is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    /// Who made it.
    pub signer: Signer,
    /// What it is for; git's signatures are for `git`.
    pub namespace: String,
    reserved: Vec<u8>,
    hash: String,
    signature: Vec<u8>,
}

/// The key that has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// By itself.
    Key(Key),
    /// With a certificate.
    Certified(Box<Certificate>),
}

impl Signer {
    /// The key itself.
    pub fn key(&self) -> &Key {
        match self {
            Self::Key(key) => key,
            Self::Certified(certificate) => &certificate.key,
        }
    }
}

impl SshSignature {
    /// Reads a signature in its armour.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let bytes = dearmoured(text).ok_or(Unusable::Malformed)?;
        Self::from_bytes(&bytes).map_err(|_| Unusable::Malformed)?
    }

    fn from_bytes(bytes: &[u8]) -> Result<Result<Self, Unusable>, Malformed> {
        let mut reader = Reader(bytes);
        if reader.bytes(MAGIC.len())? != MAGIC || reader.u32()? != VERSION {
            return Err(Malformed);
        }
        let key = reader.string()?;
        let namespace = reader.text()?.to_owned();
        let reserved = reader.string()?.to_vec();
        let hash = reader.text()?.to_owned();
        let signature = reader.string()?.to_vec();
        reader.end()?;
        let signer = match is_certificate(key) {
            true => Certificate::from_bytes(key).map(|it| Signer::Certified(Box::new(it))),
            false => Key::from_bytes(key).map(Signer::Key),
        };
        Ok(signer.map(|signer| Self { signer, namespace, reserved, hash, signature }))
    }

    /// Whether it is over `message`.
    pub fn is_of(&self, message: &[u8]) -> bool {
        let digest = match self.hash.as_str() {
            "sha256" => Sha256::digest(message).to_vec(),
            "sha512" => Sha512::digest(message).to_vec(),
            _ => return false,
        };
        let mut signed = MAGIC.to_vec();
        put_string(&mut signed, self.namespace.as_bytes());
        put_string(&mut signed, &self.reserved);
        put_string(&mut signed, self.hash.as_bytes());
        put_string(&mut signed, &digest);
        self.signer.key().has_signed(&signed, &self.signature)
    }
}

/// The bytes between the first line and the last; nothing may stand before or after these.
fn dearmoured(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(BEGIN)?.trim_end().strip_suffix(END)?;
    let base64: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(base64).ok()
}
