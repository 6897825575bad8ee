//! The keys of SSH: read from where they are written, and asked whether a signature is theirs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Algorithm, HashAlg, PublicKey, Signature};

use super::wire::{Malformed, Reader};

/// A key that signatures can be verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(KeyData);

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is none.
    Malformed,
    /// Signatures of its kind are not verified here.
    Kind(String),
}

/// The shortest RSA key that is believed, in bits.
const SHORTEST_RSA: usize = 2048;

impl Key {
    /// Reads a key as it is written: its kind and, in base64, itself.
    pub fn from_words(kind: &str, base64: &str) -> Result<Self, Unusable> {
        let bytes = STANDARD.decode(base64).map_err(|_| Unusable::Malformed)?;
        match Reader(&bytes).text() {
            Ok(named) if named == kind => Self::from_bytes(&bytes),
            Ok(_) | Err(_) => Err(Unusable::Malformed),
        }
    }

    /// Reads a key as signatures hold it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let key = PublicKey::from_bytes(bytes).map_err(|_| Unusable::Malformed)?;
        // The library takes a length that is wrong for one that is right.
        if key.to_bytes().ok().as_deref() != Some(bytes) {
            return Err(Unusable::Malformed);
        }
        let data = KeyData::from(key);
        let is_usable = match &data {
            KeyData::Ed25519(_)
            | KeyData::Ecdsa(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_) => true,
            KeyData::Rsa(rsa) => bits(rsa) >= SHORTEST_RSA,
            // DSA, what is not known yet, and whatever the library may add.
            KeyData::Dsa(_) | KeyData::Other(_) | _ => false,
        };
        match is_usable {
            true => Ok(Self(data)),
            false if matches!(data, KeyData::Rsa(_)) => {
                Err(Unusable::Kind(format!("ssh-rsa of less than {SHORTEST_RSA} bits")))
            }
            false => Err(Unusable::Kind(data.algorithm().as_str().to_owned())),
        }
    }

    /// What people compare: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether `signature`, as the formats of SSH hold it, is this key's over `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.check(message, signature).is_ok()
    }

    fn check(&self, message: &[u8], bytes: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader(bytes);
        let algorithm = Algorithm::new(reader.text()?).map_err(|_| Malformed)?;
        let mut data = reader.string()?.to_vec();
        if matches!(algorithm, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256) {
            // What the security key counted, and whether somebody was there.
            data.extend_from_slice(reader.bytes(5)?);
        }
        reader.end()?;
        if let (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(hash) }) = (&self.0, &algorithm) {
            let parameters = match hash {
                HashAlg::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                HashAlg::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                _ => return Err(Malformed),
            };
            return rsa(key, parameters, message, &data);
        }
        if algorithm != self.0.algorithm() {
            return Err(Malformed);
        }
        let signature = Signature::new(algorithm, data).map_err(|_| Malformed)?;
        signature::Verifier::verify(&self.0, message, &signature).map_err(|_| Malformed)
    }
}

fn bits(key: &RsaPublicKey) -> usize {
    let bytes = key.n.as_positive_bytes().unwrap_or_default();
    let unset = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (bytes.len() * 8).saturating_sub(unset)
}

fn rsa(
    key: &RsaPublicKey,
    parameters: &'static RsaParameters,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Malformed> {
    let n = key.n.as_positive_bytes().ok_or(Malformed)?;
    let e = key.e.as_positive_bytes().ok_or(Malformed)?;
    // SSH leaves out zeros in front.
    let missing = n.len().checked_sub(signature.len()).ok_or(Malformed)?;
    let padded = [vec![0; missing].as_slice(), signature].concat();
    let components = RsaPublicKeyComponents { n, e };
    components.verify(parameters, message, &padded).map_err(|_| Malformed)
}
