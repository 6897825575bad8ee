//! What people are told about an image whose digest was not learnt the usual way.
//!
//! An image line may hold a value of the server: it is named as [`Service::image_shown`], and what others
//! wrote about it is masked.

use super::choose;
use crate::model::desired::ImageTrouble;
use crate::model::{ImageRef, ObservedState, Service, Stack};
use crate::registry::RegistryError;

/// The next move for an image that only this host has.
const PUSH: &str = "push it to a registry that this host reaches, and name it by that registry";

/// `pull_policy: never`, and no image on the host that could be pinned.
pub(super) fn not_here(service: &Service, observed: &ObservedState) -> ImageTrouble {
    let image = &service.image_shown;
    if is_built_here(service, observed) {
        return ImageTrouble {
            message: format!("image `{image}` was built on this host and has no digest to pin"),
            hint: Some(PUSH.to_owned()),
            waits: None,
        };
    }
    ImageTrouble {
        message: format!(
            "image `{image}` is not on this host, and `pull_policy: never` forbids to pull it"
        ),
        hint: Some(
            "pull it on the host (`docker pull`), or take `pull_policy: never` away".to_owned(),
        ),
        waits: None,
    }
}

/// Offline, and no digest on the host.
pub(super) fn offline(service: &Service) -> ImageTrouble {
    ImageTrouble {
        message: format!(
            "the digest of image `{}` is not known on this host, and no registry is asked offline",
            service.image_shown
        ),
        hint: Some(
            "run again without `--offline`, or write the digest into the manifest".to_owned(),
        ),
        waits: None,
    }
}

/// Neither the registry nor the host gives a digest.
pub(super) fn no_digest(
    stack: &Stack,
    service: &Service,
    error: &RegistryError,
    observed: &ObservedState,
) -> ImageTrouble {
    let said = said(stack, service, error);
    if is_built_here(service, observed) {
        return ImageTrouble {
            message: format!(
                "{said}; the image on this host was built here and has no digest to pin"
            ),
            hint: Some(PUSH.to_owned()),
            waits: None,
        };
    }
    ImageTrouble { message: said, hint: Some(hint(service, error)), waits: None }
}

/// The registry is silent, and the image on the host is used.
pub(super) fn went_on(stack: &Stack, service: &Service, error: &RegistryError) -> String {
    format!("{}; going on with the image on this host", said(stack, service, error))
}

/// No registry was asked, and the image on the host is used.
pub(super) fn went_on_offline(service: &Service) -> String {
    format!("offline: image `{}` is taken as it is on this host", service.image_shown)
}

/// Whether the image is here, but has never been at a registry.
fn is_built_here(service: &Service, observed: &ObservedState) -> bool {
    choose::is_tagged_here(&service.image, observed)
        && choose::on_host(&service.image, observed).is_none()
}

/// The error in one line, with the image as people may see it.
fn said(stack: &Stack, service: &Service, error: &RegistryError) -> String {
    let image = &service.image_shown;
    let registry = registry_shown(service).unwrap_or("the registry");
    let text = match error {
        RegistryError::NoSuchImage { .. } => format!("{registry} has no image `{image}`"),
        RegistryError::Denied { why, .. } => {
            format!("{registry} refuses access to `{image}`: {why}")
        }
        RegistryError::Unknown { why, .. } => {
            format!("{registry} gives no answer about `{image}`: {why}")
        }
        RegistryError::NotForPlatform { platform, .. } => {
            format!("`{image}` at {registry} has nothing for {platform}")
        }
        RegistryError::NotAsked { why, retry_after, .. } => format!(
            "{registry} is not asked about `{image}` now: {why}; again in {} s",
            retry_after.as_secs() + 1
        ),
        RegistryError::Credentials { why, .. } => {
            format!("credentials for {registry}, to ask for `{image}`: {why}")
        }
    };
    stack.masks.mask(&text)
}

/// The error as it stands behind the registry's name, without a name of the image: what is remembered of it.
pub(super) fn of_registry(error: &RegistryError) -> String {
    match error {
        RegistryError::NoSuchImage { .. } => "has no such image".to_owned(),
        RegistryError::Denied { why, .. } => format!("refuses access: {why}"),
        RegistryError::Unknown { why, .. } => format!("gives no answer: {why}"),
        RegistryError::NotForPlatform { platform, .. } => format!("has nothing for {platform}"),
        RegistryError::NotAsked { why, .. } => format!("is not asked now: {why}"),
        RegistryError::Credentials { why, .. } => {
            format!("is not asked, for want of credentials: {why}")
        }
    }
}

/// The registry's host; `None` where it is part of what must not be shown.
pub(super) fn registry_shown(service: &Service) -> Option<&str> {
    let shown = ImageRef::parse(&service.image_shown).ok()?;
    (shown.registry() == service.image.registry()).then(|| service.image.registry())
}

fn hint(service: &Service, error: &RegistryError) -> String {
    match error {
        RegistryError::NoSuchImage { .. } => {
            "correct the image line, or push the image to the registry".to_owned()
        }
        RegistryError::Denied { .. } => format!(
            "check the image line (many registries answer so where there is no such image), then {}",
            log_in(service)
        ),
        RegistryError::Credentials { .. } => log_in(service),
        RegistryError::NotForPlatform { .. } => {
            "name an image that is built for this host".to_owned()
        }
        RegistryError::Unknown { .. } | RegistryError::NotAsked { .. } => {
            "nothing to do if the registry comes back: it is asked again at the next pass"
                .to_owned()
        }
    }
}

fn log_in(service: &Service) -> String {
    let registry = registry_shown(service).unwrap_or("REGISTRY");
    format!(
        "log in as the user that evenkeel runs as (`docker login {registry}`), or set username and \
         password_file for {registry} under `registry.hosts`"
    )
}
