//! Whether an image is signed: keys, payloads, and the verdict on the bytes that lie beside it.
//!
//! **Pure.** Nothing is fetched here ([`crate::registry`] does that), and what follows from a verdict is decided in
//! [`crate::resolve`]. The format is cosign's (`specs/SIGNATURE_SPEC.md` of cosign): a simple-signing payload, signed
//! byte by byte.

mod keys;
mod payload;
#[cfg(test)]
pub(crate) mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::proofs::Attached;
use crate::model::{Digest, ImageRef};
pub use keys::{Key, Keys};

/// The longest signature that is looked at, characters: ECDSA has about 100.
const LONGEST: usize = 1024;

/// Why an image does not count as signed; to stand behind its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is no signature beside it.
    #[error("is not signed")]
    NotSigned,
    /// There is nothing beside it but what is not read here.
    #[error(
        "is signed in a way that is not read here (a bundle): sign it with `cosign sign --new-bundle-format=false`"
    )]
    OtherWay,
    /// There are some, and none is by a key that counts.
    #[error("is signed by another key: none of {0} signatures is by one of those asked for")]
    OtherKey(usize),
    /// A good signature, of something that is not understood.
    #[error("has a signature by the right key that cannot be relied on: {0}")]
    Strange(String),
    /// A good signature, of something else.
    #[error("is signed for another image: the signature is of {0}")]
    OtherImage(String),
}

/// The key by which the image of this repository and digest is signed. One good signature by any of `keys` will do.
pub fn verify<'k>(
    keys: &'k Keys,
    repository: &ImageRef,
    digest: &Digest,
    attached: &[Attached],
) -> Result<&'k Key, Refusal> {
    let mut worst = match attached.len() {
        0 => Refusal::NotSigned,
        many => Refusal::OtherKey(many),
    };
    for one in attached {
        // Before the signature was verified, nothing of the payload is read.
        let Some(key) = signer(keys, one) else { continue };
        match payload::check(&one.payload, repository, digest) {
            Ok(()) => return Ok(key),
            Err(refusal) => worst = worst.max(refusal),
        }
    }
    Err(worst)
}

fn signer<'k>(keys: &'k Keys, attached: &Attached) -> Option<&'k Key> {
    let text = attached.signature.trim();
    let signature = (text.len() <= LONGEST).then(|| STANDARD.decode(text).ok()).flatten()?;
    keys.iter().find(|key| key.has_signed(&attached.payload, &signature))
}
