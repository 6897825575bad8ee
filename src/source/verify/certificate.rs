//! Certificates of SSH keys (PROTOCOL.certkeys of OpenSSH): a key, and an authority's word for whose it is.

use super::key::{Key, Unusable};
use super::wire::{Malformed, Reader, put_string};

/// A user's certificate whose signature is the authority's that it names. Whether that is believed is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The key it is about.
    pub key: Key,
    /// The authority.
    pub authority: Key,
    /// Whose the key is; nobody's where none is named.
    pub principals: Vec<String>,
    /// When it begins to hold, in seconds since 1970.
    pub valid_after: u64,
    /// When it no longer holds.
    pub valid_before: u64,
}

const SUFFIX: &str = "-cert-v01@openssh.com";
/// A certificate for a person, as against a machine.
const USER: u32 = 1;

/// The kinds of keys, as certificates begin with them, as keys do, and how many fields each has.
const KINDS: &[(&str, &str, usize)] = &[
    ("ssh-ed25519", "ssh-ed25519", 1),
    ("ssh-rsa", "ssh-rsa", 2),
    // Which hash the authority is to be asked for; the key is the same.
    ("rsa-sha2-256", "ssh-rsa", 2),
    ("rsa-sha2-512", "ssh-rsa", 2),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519", "sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256", "sk-ecdsa-sha2-nistp256@openssh.com", 3),
];

/// Whether the bytes of a key are those of a certificate.
pub fn is_certificate(bytes: &[u8]) -> bool {
    Reader(bytes).text().is_ok_and(|kind| kind.ends_with(SUFFIX))
}

impl Certificate {
    /// Reads a certificate and verifies its own signature.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let mut reader = Reader(bytes);
        let malformed = |_: Malformed| Unusable::Malformed;
        let kind = reader.text().map_err(malformed)?;
        let known = kind.strip_suffix(SUFFIX);
        let known = KINDS.iter().find(|(name, _, _)| Some(*name) == known);
        let Some((_, plain, fields)) = known else { return Err(Unusable::Kind(kind.to_owned())) };
        let _nonce = reader.string().map_err(malformed)?;
        let mut key = Vec::new();
        put_string(&mut key, plain.as_bytes());
        for _ in 0..*fields {
            put_string(&mut key, reader.string().map_err(malformed)?);
        }
        let key = Key::from_bytes(&key)?;
        Self::rest(key, bytes, reader).map_err(malformed)?
    }

    fn rest(
        key: Key,
        bytes: &[u8],
        mut reader: Reader<'_>,
    ) -> Result<Result<Self, Unusable>, Malformed> {
        let _serial = reader.u64()?;
        let kind = reader.u32()?;
        let _key_id = reader.string()?;
        let mut names = Reader(reader.string()?);
        let mut principals = Vec::new();
        while names.end().is_err() {
            principals.push(names.text()?.to_owned());
        }
        let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
        let critical = reader.string()?;
        let _extensions = reader.string()?;
        let _reserved = reader.string()?;
        let authority = reader.string()?;
        let signed = bytes.get(..bytes.len() - reader.0.len()).ok_or(Malformed)?;
        let signature = reader.string()?;
        reader.end()?;
        let authority = match Key::from_bytes(authority) {
            Ok(authority) => authority,
            Err(why) => return Ok(Err(why)),
        };
        // What is critical and not understood makes a certificate void.
        let is_sound = kind == USER && critical.is_empty();
        if !is_sound || !authority.has_signed(signed, signature) {
            return Err(Malformed);
        }
        Ok(Ok(Self { key, authority, principals, valid_after, valid_before }))
    }

    /// Whether it holds at that time, in seconds since 1970.
    pub fn holds_at(&self, time: u64) -> bool {
        self.valid_after <= time && time < self.valid_before
    }
}
