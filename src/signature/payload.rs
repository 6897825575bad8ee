//! What is signed: the simple-signing payload (containers/image, `containers-signature(5)`).

use serde::Deserialize;

use super::Refusal;
use crate::model::image_policy::full_name;
use crate::model::{Digest, ImageRef};

/// What cosign signs.
const TYPE: &str = "cosign container image signature";

/// What is `optional` beside it says nothing that counts.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

/// All of it has to be understood, so anything else in it is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(default, rename = "docker-reference")]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Whether the payload speaks of the image of this repository and digest.
pub(super) fn check(bytes: &[u8], repository: &ImageRef, digest: &Digest) -> Result<(), Refusal> {
    let Payload { critical } = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::Strange(format!("what is signed cannot be read: {error}")))?;
    if critical.r#type != TYPE {
        return Err(Refusal::Strange("it is no signature of an image".to_owned()));
    }
    if critical.image.digest != digest.as_str() {
        return Err(Refusal::OtherImage(shown(&critical.image.digest)));
    }
    let named = critical.identity.reference.filter(|reference| !reference.is_empty());
    match named {
        // Nothing is said of where it may lie.
        None => Ok(()),
        Some(named) => match ImageRef::parse(&named) {
            Ok(image) if full_name(&image) == full_name(repository) => Ok(()),
            Ok(_) | Err(_) => Err(Refusal::OtherImage(shown(&named))),
        },
    }
}

/// As it may be shown: signed by whoever it is, it is still a text of somebody else.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
