//! What is asked of images before they run (`policy.images`): as it is written, and read.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::resolve::{Problems, absolute, wrong};
use super::scalar;
use crate::model::image_policy::{DEADLINE, ImagePattern, ImageRule, Keyless};

/// What is asked of some images. What is written has to hold, all of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Registry and repository, as in `ghcr.io/acme/*`: `*` is any text, slashes included. Of several entries the
    /// first that an image matches counts for it; one that matches none is not asked for anything.
    #[serde(rename = "match")]
    pub(super) pattern: String,
    /// Holds public keys (PEM; ECDSA P-256 or Ed25519), as `cosign generate-key-pair` writes them: one of them has to
    /// have signed the image. Read anew in each pass.
    #[serde(default)]
    pub(super) cosign_key: Option<PathBuf>,
    /// Who has to have signed the image without a key of their own. Needs the `cosign` program.
    #[serde(default)]
    pub(super) keyless: Option<WrittenKeyless>,
    /// How old the image has to be: since it was built, and since this host first saw it.
    #[serde(default, deserialize_with = "scalar::optional_duration")]
    #[schemars(with = "Option<scalar::Length>")]
    pub(super) min_age: Option<Duration>,
    /// A program with its arguments, run without a shell, that has to end with 0; 1 to 125 refuse the image. `{image}`
    /// and `{digest}` are filled in, and it gets JSON with `image`, `digest`, `stack` and `service` on its standard
    /// input.
    #[serde(default)]
    pub(super) check: Option<Vec<String>>,
    /// How long `check`, or `cosign`, may take.
    #[serde(default, deserialize_with = "scalar::optional_duration")]
    #[schemars(with = "Option<scalar::Length>", extend("default" = "5m"))]
    pub(super) deadline: Option<Duration>,
}

/// An identity that Sigstore vouches for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKeyless {
    /// As it stands in the certificate, whole: the address of a workflow, or of a person.
    pub(super) identity: String,
    /// Who has established it: `https://token.actions.githubusercontent.com` for GitHub Actions.
    pub(super) issuer: String,
}

/// Reads the entries; the problems name paths.
pub(super) fn image_rules(written: Vec<Written>, problems: &mut Problems) -> Vec<ImageRule> {
    let rules = written.into_iter().enumerate();
    rules.filter_map(|(at, one)| rule(one, &format!("policy.images[{at}]"), problems)).collect()
}

fn rule(written: Written, path: &str, problems: &mut Problems) -> Option<ImageRule> {
    let Written { pattern, cosign_key, keyless, min_age, check, deadline } = written;
    let asks = cosign_key.is_some() || keyless.is_some() || min_age.is_some() || check.is_some();
    if !asks {
        problems.push(wrong(path, "it asks nothing of the images that it matches").hint(
            "add `cosign_key`, `keyless`, `min_age` or `check`; `min_age: 0s` lets them all in",
        ));
    }
    if check.as_ref().is_some_and(|check| check.first().is_none_or(String::is_empty)) {
        problems.push(wrong(format!("{path}.check"), "there is no program").hint(
            "write it with its arguments: `[trivy, image, --exit-code, \"1\", \"{image}\"]`",
        ));
    }
    if deadline.is_some_and(|deadline| deadline.is_zero()) {
        problems.push(wrong(format!("{path}.deadline"), "a program needs time"));
    }
    let keyless = keyless.map(|WrittenKeyless { identity, issuer }| {
        for (key, value) in [("identity", &identity), ("issuer", &issuer)] {
            if value.is_empty() || value.starts_with('-') {
                let path = format!("{path}.keyless.{key}");
                problems.push(wrong(path, format!("`{value}` is no {key}")));
            }
        }
        Keyless { identity, issuer }
    });
    let cosign_key = cosign_key.map(|file| absolute(file, &format!("{path}.cosign_key"), problems));
    let pattern = ImagePattern::parse(&pattern).map_err(|why| {
        let path = format!("{path}.match");
        problems.push(wrong(path, why).hint(
            "write registry and repository: `ghcr.io/acme/*`, `docker.io/library/nginx`; `*` is any text",
        ));
    });
    let deadline = deadline.unwrap_or(DEADLINE);
    Some(ImageRule { pattern: pattern.ok()?, cosign_key, keyless, min_age, check, deadline })
}
