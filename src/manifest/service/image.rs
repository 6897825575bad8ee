//! `image`, `build`, `platform`, `pull_policy`: what is run.

use std::time::Duration;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::manifest::units;
use crate::model::{ImageRef, Platform, PullPolicy};

/// `image`
pub fn image(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(image) = at.parse(ImageRef::parse) else { return };
    let shown = match at.node.sensitive {
        true => at.node.written.as_deref().unwrap_or("•••").to_owned(),
        false => image.to_string(),
    };
    draft.image = Some((image, shown, at.place().clone()));
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
    let day = Duration::from_secs(24 * 60 * 60);
    let every = text.strip_prefix("every_").map(units::duration);
    draft.pull_policy = match (text, every) {
        // Beside an image, `build` is what Compose takes for "missing": the server never builds.
        ("missing" | "if_not_present" | "build", _) => PullPolicy::Missing,
        ("never", _) => PullPolicy::Never,
        ("always", _) => PullPolicy::Always,
        ("daily", _) => PullPolicy::Every(day),
        ("weekly", _) => PullPolicy::Every(day * 7),
        (_, Some(Ok(period))) if !period.is_zero() => PullPolicy::Every(period),
        (_, Some(_)) => return at.wrong("gives no time between two looks, as `every_12h` does"),
        (_, None) => {
            let known = ["missing", "never", "always", "daily", "weekly", "every_<time>"];
            return at.other_than(&known, "is no pull policy");
        }
    };
}
