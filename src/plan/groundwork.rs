//! What containers stand on and does not change with them: images, networks, volumes, files on the host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Verdict;
use super::builder::{Builder, For};
use super::change::{Judged, Need};
use super::index::Survey;
use super::step::{Step, StepId};
use crate::engine::Labels;
use crate::model::desired::Deployment;
use crate::model::spec::MountSource;
use crate::model::{NetworkName, PinnedImage, StackName, VolumeName, labels};

/// Steps already planned, so that two services share them.
#[derive(Default)]
pub struct Groundwork {
    images: BTreeMap<PinnedImage, StepId>,
    networks: BTreeMap<NetworkName, StepId>,
    volumes: BTreeMap<VolumeName, StepId>,
    files: BTreeMap<PathBuf, StepId>,
}

/// The steps that one service stands on.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// All that must be there before its containers are made.
    pub before_create: Vec<StepId>,
    /// Networks that must be there before a container is connected.
    pub before_connect: Vec<StepId>,
}

impl Groundwork {
    /// Plans what `service` stands on and is not there yet.
    pub fn lay(
        &mut self,
        builder: &mut Builder,
        situation: &Survey<'_>,
        service: &Judged<'_>,
    ) -> Ground {
        let mut ground = Ground::default();
        let needs_container = service
            .replicas
            .iter()
            .any(|replica| matches!(replica.need, Need::Create | Need::Replace(..)));
        let is_mended =
            service.replicas.iter().any(|replica| matches!(replica.need, Need::Mend(..)));
        if needs_container || is_mended {
            ground.before_connect = self.networks(builder, situation, service);
        }
        ground.before_create.extend(self.image(builder, situation, service, needs_container));
        if needs_container {
            ground.before_create.extend(self.mounted_images(builder, situation, service));
            ground.before_create.extend(self.volumes(builder, situation, service));
            ground.before_create.extend(self.files(builder, service));
            ground.before_create.extend(&ground.before_connect);
        } else if is_mended {
            // A file that was removed from the host would keep the container from starting.
            ground.before_connect.extend(self.files(builder, service));
        }
        ground
    }

    fn image(
        &mut self,
        builder: &mut Builder,
        situation: &Survey<'_>,
        service: &Judged<'_>,
        needs_container: bool,
    ) -> Option<StepId> {
        let pinned = service.desired.image.as_ref().ok()?;
        // What is in sync was seen to have its image.
        if service.verdict == Verdict::InSync
            || service.desired.service.pull_policy.is_never()
            || situation.has_image(&pinned.image)
        {
            return None;
        }
        let is_removed = super::change::lacks_image(situation, service);
        if !needs_container && !is_removed {
            return None;
        }
        let because =
            if needs_container { "not on this host yet" } else { "it was removed from this host" };
        let purpose = For { stack: &service.id.stack, service: Some(&service.id) };
        let step = Step::PullImage {
            image: pinned.image.clone(),
            platform: service.desired.service.settings.platform.clone(),
            shown: service.desired.service.shown_with(&pinned.image),
        };
        let known = self.images.get(&pinned.image).copied();
        let id = known.unwrap_or_else(|| builder.add(&purpose, step, because, Vec::new()));
        self.images.insert(pinned.image.clone(), id);
        Some(id)
    }

    fn mounted_images(
        &mut self,
        builder: &mut Builder,
        situation: &Survey<'_>,
        service: &Judged<'_>,
    ) -> Vec<StepId> {
        let wanted = &service.desired.service;
        let is_hidden = wanted.sensitive.contains("volumes");
        let purpose = For { stack: &service.id.stack, service: Some(&service.id) };
        let mut steps = Vec::new();
        for mount in &wanted.settings.mounts {
            let MountSource::Image { image, .. } = &mount.source else { continue };
            if wanted.pull_policy.is_never() || situation.has_image(image) {
                continue;
            }
            let shown = match is_hidden {
                true => format!("the image at {}", mount.target),
                false => image.to_string(),
            };
            let platform = wanted.settings.platform.clone();
            let step = Step::PullImage { image: image.clone(), platform, shown };
            let because = "a container mounts it";
            let known = self.images.get(image).copied();
            let id = known.unwrap_or_else(|| builder.add(&purpose, step, because, Vec::new()));
            self.images.insert(image.clone(), id);
            steps.push(id);
        }
        steps
    }

    fn networks(
        &mut self,
        builder: &mut Builder,
        situation: &Survey<'_>,
        service: &Judged<'_>,
    ) -> Vec<StepId> {
        let stack = &service.deployment.stack;
        let mut steps = Vec::new();
        for endpoint in service.desired.service.settings.network.endpoints() {
            let found = stack.networks.iter().find(|(_, network)| network.name == endpoint.network);
            let Some((key, network)) = found else { continue };
            if network.external || situation.network(&network.name).is_some() {
                continue;
            }
            let known = self.networks.get(&network.name).copied();
            let id = known.unwrap_or_else(|| {
                let mut all = network.labels.clone();
                all.extend(ownership(service.deployment));
                all.insert(labels::COMPOSE_NETWORK.to_owned(), key.clone());
                let step = Step::CreateNetwork { network: network.clone(), labels: all };
                builder.add(
                    &For { stack: &stack.name, service: None },
                    step,
                    "it does not exist",
                    Vec::new(),
                )
            });
            self.networks.insert(network.name.clone(), id);
            steps.push(id);
        }
        steps
    }

    fn volumes(
        &mut self,
        builder: &mut Builder,
        situation: &Survey<'_>,
        service: &Judged<'_>,
    ) -> Vec<StepId> {
        let stack = &service.deployment.stack;
        let mut steps = Vec::new();
        for mount in &service.desired.service.settings.mounts {
            let MountSource::Volume { name, .. } = &mount.source else { continue };
            let Some((key, volume)) = stack.volumes.iter().find(|(_, volume)| volume.name == *name)
            else {
                continue;
            };
            if volume.external || situation.observed.volumes.contains_key(name) {
                continue;
            }
            let known = self.volumes.get(name).copied();
            let id = known.unwrap_or_else(|| {
                let mut all = volume.labels.clone();
                all.extend(ownership(service.deployment));
                all.insert(labels::COMPOSE_VOLUME.to_owned(), key.clone());
                let step = Step::CreateVolume { volume: volume.clone(), labels: all };
                builder.add(
                    &For { stack: &stack.name, service: None },
                    step,
                    "it does not exist",
                    Vec::new(),
                )
            });
            self.volumes.insert(name.clone(), id);
            steps.push(id);
        }
        steps
    }

    fn files(&mut self, builder: &mut Builder, service: &Judged<'_>) -> Vec<StepId> {
        let wanted = &service.desired.service;
        let exports =
            wanted.exports.iter().map(|export| (&export.target, Step::ExportFiles(export.clone())));
        let secrets =
            wanted.secret_files.iter().map(|file| (&file.target, Step::WriteSecret(file.clone())));
        let directories = wanted.directories.iter();
        let directories = directories.map(|one| (&one.path, Step::MakeDirectory(one.clone())));
        let purpose = For { stack: &service.id.stack, service: Some(&service.id) };
        let mut steps = Vec::new();
        for (path, step) in exports.chain(secrets).chain(directories) {
            let known = self.files.get(path).copied();
            let id = known.unwrap_or_else(|| {
                builder.add(&purpose, step, "a container mounts it", Vec::new())
            });
            self.files.insert(path.clone(), id);
            steps.push(id);
        }
        steps
    }
}

/// The labels that say whose something is.
pub fn ownership(deployment: &Deployment) -> Labels {
    let stack = &deployment.stack;
    let name = |stack: &StackName| stack.as_str().to_owned();
    Labels::from([
        (labels::COMPOSE_PROJECT.to_owned(), name(&stack.name)),
        (labels::COMPOSE_WORKING_DIR.to_owned(), stack.working_dir.display().to_string()),
        (labels::COMPOSE_CONFIG_FILES.to_owned(), stack.files.join(",")),
        (labels::SOURCE.to_owned(), stack.source.as_str().to_owned()),
        (labels::COMMIT.to_owned(), stack.commit.as_str().to_owned()),
    ])
}
