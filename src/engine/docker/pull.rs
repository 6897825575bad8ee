//! Downloads an image by digest.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;

use super::errors::{explain, explain_pull, is_not_found};
use super::session::Session;
use crate::engine::{EngineError, PullProgress};
use crate::model::image::{PinnedImage, Platform};
use crate::model::login::Login;

/// How long a pull may say nothing.
const SILENCE: Duration = Duration::from_secs(120);

/// Pulls `image` and makes sure that it is there.
pub(super) async fn pull(
    session: &Session,
    image: &PinnedImage,
    platform: Option<&Platform>,
    login: Option<&Login>,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<(), EngineError> {
    let options = CreateImageOptions {
        from_image: Some(image.reference().name().to_owned()),
        tag: Some(image.digest().to_string()),
        platform: platform.map(ToString::to_string).unwrap_or_default(),
        ..CreateImageOptions::default()
    };
    let mut said =
        Box::pin(session.changing().create_image(Some(options), None, login.map(credentials)));
    let mut layers = Layers::default();
    loop {
        match tokio::time::timeout(SILENCE, said.next()).await {
            Err(_) => {
                let seconds = SILENCE.as_secs();
                return Err(EngineError::Other(format!("no progress for {seconds} seconds")));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(explain_pull(&error)),
            Ok(Some(Ok(info))) => {
                layers.take(&info);
                progress(layers.sum());
            }
        }
    }
    must_be_there(session, image).await
}

async fn must_be_there(session: &Session, image: &PinnedImage) -> Result<(), EngineError> {
    match session.reading().inspect_image(&image.pull_reference()).await {
        Ok(_) => Ok(()),
        Err(error) if is_not_found(&error) => Err(EngineError::Other(format!(
            "the engine pulled {image} without a complaint, but does not have it"
        ))),
        Err(error) => Err(explain(&error)),
    }
}

pub(super) fn credentials(login: &Login) -> DockerCredentials {
    let written = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DockerCredentials {
        username: written(&login.username),
        password: written(login.password.reveal()),
        serveraddress: Some(login.registry.clone()),
        identitytoken: login.identity_token.as_ref().map(|token| token.reveal().to_owned()),
        ..DockerCredentials::default()
    }
}

/// Bytes by layer.
#[derive(Default)]
struct Layers(BTreeMap<String, PullProgress>);

impl Layers {
    /// Only downloading counts: extracting begins at 0 again.
    fn take(&mut self, info: &CreateImageInfo) {
        let (Some(layer), Some(status)) = (&info.id, info.status.as_deref()) else { return };
        let bytes = |count: Option<i64>| count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        match status {
            "Downloading" => {
                let Some(detail) = &info.progress_detail else { return };
                let (current, total) = (bytes(detail.current), bytes(detail.total));
                let known = PullProgress { current, total: total.max(current) };
                self.0.insert(layer.clone(), known);
            }
            "Download complete" | "Pull complete" => {
                if let Some(known) = self.0.get_mut(layer) {
                    known.current = known.total;
                }
            }
            _ => {}
        }
    }

    fn sum(&self) -> PullProgress {
        self.0.values().fold(PullProgress::default(), |sum, layer| PullProgress {
            current: sum.current.saturating_add(layer.current),
            total: sum.total.saturating_add(layer.total),
        })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn said(layer: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(layer.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_is_the_sum_of_what_is_downloaded() {
        let mut layers = Layers::default();
        layers.take(&said("a", "Downloading", 10, 100));
        layers.take(&said("b", "Downloading", 5, 50));
        layers.take(&said("b", "Downloading", 20, 50));
        assert_eq!(layers.sum(), PullProgress { current: 30, total: 150 });
        layers.take(&said("a", "Download complete", 0, 0));
        layers.take(&said("a", "Extracting", 1, 300));
        assert_eq!(layers.sum(), PullProgress { current: 120, total: 150 });
    }
}
