//! What else on this host would change the containers, and whose logs grow without end.

use super::Finding;
use crate::model::observed::ObservedState;
use crate::model::{ObservedContainer, SourceName, StackName};
use crate::reconcile::World;

/// A program that changes containers by itself.
struct Rival {
    /// What its image is called, behind the registry.
    image: &'static str,
    /// Whether it replaces any container, as against those it was given.
    takes_all: bool,
}

const RIVALS: [Rival; 11] = [
    Rival { image: "containrrr/watchtower", takes_all: true },
    Rival { image: "nicholas-fedor/watchtower", takes_all: true },
    Rival { image: "beatkind/watchtower", takes_all: true },
    Rival { image: "pyouroboros/ouroboros", takes_all: true },
    Rival { image: "getwud/wud", takes_all: false },
    Rival { image: "fmartinou/whats-up-docker", takes_all: false },
    Rival { image: "kimdre/doco-cd", takes_all: false },
    Rival { image: "moghtech/komodo-core", takes_all: false },
    Rival { image: "portainer/portainer-ce", takes_all: false },
    Rival { image: "portainer/portainer-ee", takes_all: false },
    Rival { image: "louislam/dockge", takes_all: false },
];

/// The label by which a container is none of Watchtower's business.
const SPARED: &str = "com.centurylinklabs.watchtower.enable";

/// More names than this make a line that nobody reads.
const MOST_NAMED: usize = 5;

/// Rivals, and logs.
pub(super) async fn look(world: &World) -> Vec<Finding> {
    let stacks: &[StackName] = &[];
    // That the engine does not answer is said elsewhere.
    let Ok(mut observed) = world.engine.observe(stacks).await else { return Vec::new() };
    let configured: Vec<&SourceName> =
        world.config.sources.iter().map(|source| &source.name).collect();
    let is_ours =
        |one: &ObservedContainer| one.source().is_some_and(|source| configured.contains(&source));
    observed.containers.retain(is_ours);
    let mut findings = rivals(&observed);
    findings.push(logs(&observed.containers));
    findings
}

/// Who else would change containers; one line that all is well where nobody would.
fn rivals(observed: &ObservedState) -> Vec<Finding> {
    let foreign = observed.foreign.iter().filter(|one| one.running).map(|one| {
        let name = one.names.first().map(ToString::to_string).unwrap_or_else(|| one.id.clone());
        // The name it was created from may be an id by now; the image's own names are then asked.
        let tags = observed.images.iter().filter(|image| image.id == one.image_id);
        let mut images = vec![one.image.clone()];
        images.extend(tags.flat_map(|image| image.tags.iter().chain(&image.digests)).cloned());
        (name, images)
    });
    let ours = observed.containers.iter().filter(|one| one.is_up());
    let ours = ours.map(|one| (one.name.to_string(), vec![one.image.clone()]));
    let found: Vec<Finding> = foreign
        .chain(ours)
        .filter_map(|(name, images)| {
            let rival =
                RIVALS.iter().find(|rival| images.iter().any(|it| is_of(it, rival.image)))?;
            Some(fight(rival, &name, &observed.containers))
        })
        .collect();
    if found.is_empty() {
        let says = "nothing else that is known to change containers runs here";
        return vec![Finding::ok("other updaters", says)];
    }
    found
}

fn fight(rival: &Rival, name: &str, ours: &[ObservedContainer]) -> Finding {
    let (what, image) = ("other updaters", rival.image);
    let spared = |one: &&ObservedContainer| one.label(SPARED) != Some("false");
    let disputed = ours.iter().filter(spared).count();
    match rival.takes_all {
        true if disputed > 0 || ours.is_empty() => Finding::failed(
            what,
            format!(
                "{name} ({image}) replaces containers by itself, and would fight over {}",
                match disputed {
                    0 => "what is deployed here".to_owned(),
                    1 => "1 of evenkeel's".to_owned(),
                    many => format!("{many} of evenkeel's"),
                }
            ),
            format!("remove {name}, or label what evenkeel deploys `{SPARED}: \"false\"`"),
        ),
        true => Finding::ok(what, format!("{name} ({image}) leaves evenkeel's containers alone")),
        false => Finding::warning(
            what,
            format!("{name} ({image}) can change containers too"),
            "see that no stack of evenkeel's is among those it updates",
        ),
    }
}

/// Whether a reference, whatever its registry, tag and digest, is of the repository `image`.
fn is_of(reference: &str, image: &str) -> bool {
    let name = reference.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => name,
    };
    name == image || name.strip_suffix(image).is_some_and(|before| before.ends_with('/'))
}

/// Containers whose output is kept in a file that grows as long as they live.
fn logs(containers: &[ObservedContainer]) -> Finding {
    let what = "logs";
    let grows = |one: &&ObservedContainer| {
        let logging = one.settings.logging.as_ref();
        logging.is_some_and(|logging| {
            logging.driver == "json-file" && !logging.options.contains_key("max-size")
        })
    };
    let names: Vec<String> =
        containers.iter().filter(grows).map(|one| one.name.to_string()).collect();
    if names.is_empty() {
        return Finding::ok(what, "no container's log grows without end");
    }
    let more = match names.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    Finding::warning(
        what,
        format!("the log of {shown}{more} is kept in full for as long as the container lives"),
        "set `\"log-opts\": {\"max-size\": \"10m\", \"max-file\": \"3\"}` in /etc/docker/daemon.json for new containers, or `logging.options` in the manifest",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::State;
    use super::*;
    use crate::model::observed::{ForeignContainer, ObservedImage};
    use crate::model::spec::Logging;
    use crate::model::{ContainerName, ContainerSpec, ContainerState, Health};

    fn ours(logging: Option<(&str, &str)>, label: &str) -> ObservedContainer {
        let option = |value: &str| [("max-size".to_owned(), value.to_owned())].into();
        let logging = logging.map(|(driver, size)| Logging {
            driver: driver.to_owned(),
            options: if size.is_empty() { Default::default() } else { option(size) },
        });
        let labels: std::collections::BTreeMap<String, String> =
            [(SPARED.to_owned(), label.to_owned())].into();
        ObservedContainer {
            id: "c1".into(),
            name: ContainerName::new("shop-web-1"),
            image: "acme/web:1".to_owned(),
            image_id: crate::model::ImageId::new("i1"),
            labels: labels.into(),
            created_at: None,
            state: ContainerState::Running,
            health: Health::None,
            restarts: 0,
            started_at: None,
            settings: Arc::new(ContainerSpec { logging, ..ContainerSpec::default() }),
            attached: Default::default(),
            anonymous_volumes: Default::default(),
        }
    }

    fn check(image: &str, running: bool, containers: Vec<ObservedContainer>, state: State) {
        let foreign = ForeignContainer {
            names: vec![ContainerName::new("tower")],
            image: image.to_owned(),
            image_id: "i9".to_owned(),
            running,
            ..ForeignContainer::default()
        };
        let images = vec![ObservedImage {
            id: "i9".to_owned(),
            tags: vec!["ghcr.io/containrrr/watchtower:1.7".to_owned()],
            ..ObservedImage::default()
        }];
        let images = if image.starts_with("sha256:") { images } else { Vec::new() };
        let observed = ObservedState {
            foreign: vec![foreign],
            containers,
            images,
            ..ObservedState::default()
        };
        let found = rivals(&observed);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, state, "{image}: {}", found[0].says);
    }

    #[test]
    fn a_watchtower_that_would_take_our_containers_is_a_failure() {
        let disputed = || vec![ours(None, "true")];
        check("containrrr/watchtower", true, disputed(), State::Failed);
        check(
            "localhost:5000/containrrr/watchtower:latest@sha256:ab",
            true,
            disputed(),
            State::Failed,
        );
        check("sha256:0123", true, disputed(), State::Failed);
        check("containrrr/watchtower", true, Vec::new(), State::Failed);
        check("containrrr/watchtower", false, disputed(), State::Ok);
        check("acme/mycontainrrr/watchtower-exporter", true, disputed(), State::Ok);
        check("containrrr/watchtower", true, vec![ours(None, "false")], State::Ok);
        check("portainer/portainer-ce:2.21", true, disputed(), State::Warning);
    }

    #[test]
    fn a_log_without_a_limit_is_a_warning() {
        let check = |logging, state| assert_eq!(logs(&[ours(logging, "")]).state, state);
        check(Some(("json-file", "")), State::Warning);
        check(Some(("json-file", "10m")), State::Ok);
        check(Some(("local", "")), State::Ok);
        check(None, State::Ok);
    }
}
