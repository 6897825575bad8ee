//! `image`, `build`, `platform`, `pull_policy`: what is run.

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::{ImageRef, Platform};

/// `image`
pub fn image(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    let Some(image) = at.parse(ImageRef::parse) else { return };
    let shown = match at.node.sensitive {
        true => scene.image_as_written(&draft.name),
        false => image.to_string(),
    };
    draft.image = Some((image, shown));
}

/// `build` is left alone beside an image; without one it is a problem, told when all keys are read.
pub fn build(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.build = Some(at.key_place().clone());
}

/// `platform`
pub fn platform(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(text) = at.filled() else { return };
    let platform = normalised(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    match platform.chars().all(is_plain) {
        true => draft.settings.platform = Some(Platform(platform)),
        false => at.wrong("is no platform, such as `linux/amd64`"),
    }
}

/// The name images carry for what people also call `x86_64` or `aarch64`.
fn normalised(text: &str) -> String {
    let text = text.to_lowercase();
    let (system, machine) = match text.split_once('/') {
        Some(parts) => parts,
        None if text == "linux" => return text,
        None => ("linux", text.as_str()),
    };
    let machine = match machine {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" | "arm64/v8" => "arm64",
        "armhf" | "arm" => "arm/v7",
        "armel" => "arm/v6",
        "i386" => "386",
        other => other,
    };
    format!("{system}/{machine}")
}

/// `pull_policy`
pub fn pull_policy(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(text) = at.filled() else { return };
    match text {
        "missing" | "if_not_present" => {}
        "never" => draft.pull_never = true,
        "build" => at.unsupported("pull_policy: build", "the server never builds"),
        "always" | "daily" | "weekly" => later(at),
        text if text.starts_with("every_") => later(at),
        _ => at.other_than(&["missing", "never"], "is no pull policy"),
    }
}

fn later(at: &At<'_>) {
    at.unsupported(
        &format!("pull_policy: {}", at.shown().trim_matches('`')),
        "following a tag at the registry comes later; until then a tag stays with the digest it had",
    );
}
