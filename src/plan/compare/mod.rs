//! What differs between the settings a service wants and those a container was made with.
//!
//! Only what needs a new container; what can be changed in place is in [`super::drift`]. Values are shown
//! where they can hold no secret: never those of environment variables, never those of a field that an
//! interpolated server value went into.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Difference;
use crate::model::desired::Pinned;
use crate::model::labels;
use crate::model::memory::Memory;
use crate::model::observed::ObservedImage;
use crate::model::spec::{Attachment, Healthcheck, Mount, MountSource};
use crate::model::{ContainerSpec, ImageRef, ObservedContainer, Service, SpecHash};

/// Whether `container` is known to be made from the spec `hash`: by its label, or because it was once
/// compared and found to match.
pub fn is_known_to_match(container: &ObservedContainer, hash: &SpecHash, memory: &Memory) -> bool {
    container.label(labels::SPEC) == Some(hash.as_str())
        || memory.matched.contains(&(container.id.clone(), hash.clone()))
}

/// Whether the hash on `container` can be compared with `hash` at all: same version of hashing.
pub fn has_comparable_hash(container: &ObservedContainer, hash: &SpecHash) -> bool {
    let version = |text: &str| text.split_once(':').map(|(version, _)| version.to_owned());
    container.label(labels::SPEC).and_then(version) == version(hash.as_str())
}

/// Everything in which `container` differs from what `service` wants, sorted by field.
///
/// `defaults` is what the container's own image brings along: a field that the manifest leaves open is as
/// the image has it.
pub fn differences(
    service: &Service,
    pinned: &Pinned,
    container: &ObservedContainer,
    defaults: &ContainerSpec,
    images: &[ObservedImage],
) -> Vec<Difference> {
    let mut found = Found { sensitive: &service.sensitive, differences: Vec::new() };
    compare_image(service, pinned, container, images, &mut found);
    let (wanted, has) = (&service.settings, &container.settings);
    compare_program(wanted, has, defaults, &mut found);
    compare_maps(wanted, has, defaults, &mut found);
    compare_surroundings(wanted, has, defaults, &mut found);
    compare_mounts(wanted, has, defaults, &mut found);
    compare_endpoints(wanted, has, &mut found);
    found.differences.sort();
    found.differences
}

struct Found<'a> {
    sensitive: &'a BTreeSet<String>,
    differences: Vec<Difference>,
}

impl Found<'_> {
    fn hidden(&mut self, field: &str, differs: bool) {
        if differs {
            self.differences.push(Difference::hidden(field));
        }
    }

    fn shown(&mut self, field: &str, from: &str, to: &str) {
        if from == to {
            return;
        }
        match self.sensitive.contains(field) {
            true => self.differences.push(Difference::hidden(field)),
            false => self.differences.push(Difference::shown(field, from, to)),
        }
    }
}

fn compare_image(
    service: &Service,
    pinned: &Pinned,
    container: &ObservedContainer,
    images: &[ObservedImage],
    found: &mut Found<'_>,
) {
    let wanted = pinned.image.digest();
    let created_from = ImageRef::parse(&container.image).ok();
    let digest_of_reference = created_from.as_ref().and_then(ImageRef::digest);
    if digest_of_reference == Some(wanted) {
        return;
    }
    let repository = format!("@{wanted}");
    let same_image = images
        .iter()
        .filter(|image| image.digests.iter().any(|digest| digest.ends_with(&repository)))
        .any(|image| image.id == container.image_id.as_str());
    if same_image {
        return;
    }
    let from = created_from.map_or_else(
        || container.image.clone(),
        |reference| match reference.digest() {
            Some(digest) => format!("{} ({})", reference.without_digest(), digest.short()),
            None => reference.to_string(),
        },
    );
    found.shown("image", &from, &format!("{} ({})", service.image_shown, wanted.short()));
}

fn compare_program(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    // Setting the entrypoint clears the image's command (Docker Engine API, `Entrypoint`).
    let command_of_image = if wanted.entrypoint.is_some() { &None } else { &image.command };
    let empty = Vec::new();
    let differs =
        |wanted: &Option<Vec<String>>, image: &Option<Vec<String>>, has: &Option<Vec<String>>| {
            wanted.as_ref().or(image.as_ref()).unwrap_or(&empty) != has.as_ref().unwrap_or(&empty)
        };
    found.hidden("command", differs(&wanted.command, command_of_image, &has.command));
    found.hidden("entrypoint", differs(&wanted.entrypoint, &image.entrypoint, &has.entrypoint));

    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let or_image = |wanted: &Option<String>, image: &Option<String>| {
        text(if wanted.is_some() { wanted } else { image })
    };
    found.shown("user", &text(&has.user), &or_image(&wanted.user, &image.user));
    found.shown(
        "working_dir",
        &text(&has.working_dir),
        &or_image(&wanted.working_dir, &image.working_dir),
    );
    found.shown(
        "stop_signal",
        &text(&has.stop_signal),
        &or_image(&wanted.stop_signal, &image.stop_signal),
    );
    let seconds = |spec: &ContainerSpec| {
        spec.stop_grace_period.map_or(String::new(), |d| format!("{}s", d.as_secs()))
    };
    found.shown("stop_grace_period", &seconds(has), &seconds(wanted));
    found.hidden(
        "healthcheck",
        effective_check(wanted.healthcheck.as_ref(), image.healthcheck.as_ref())
            != effective_check(has.healthcheck.as_ref(), None),
    );
}

/// The health check that results from what is written and what the image has; `None` where there is none.
fn effective_check(
    written: Option<&Healthcheck>,
    image: Option<&Healthcheck>,
) -> Option<Healthcheck> {
    let mut check = written.or(image)?.clone();
    // A written check without a test takes the image's, field by field (Docker Engine, health check merge).
    if let Some(image) = image {
        if check.test.is_empty() {
            check.test.clone_from(&image.test);
        }
        check.interval = check.interval.or(image.interval);
        check.timeout = check.timeout.or(image.timeout);
        check.start_period = check.start_period.or(image.start_period);
        check.retries = check.retries.or(image.retries);
    }
    for time in [&mut check.interval, &mut check.timeout, &mut check.start_period] {
        *time = time.filter(|time| !time.is_zero());
    }
    check.retries = check.retries.filter(|retries| *retries != 0);
    if check.is_none() || check.test.is_empty() {
        return check.is_none().then(|| Healthcheck { test: check.test, ..Healthcheck::default() });
    }
    Some(check)
}

fn compare_maps(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let mut environment = image.environment.clone();
    environment.extend(wanted.environment.clone());
    for name in changed_keys(&environment, &has.environment) {
        found.hidden(&format!("env.{name}"), true);
    }
    let mut all_labels = image.labels.clone();
    all_labels.extend(wanted.labels.clone());
    all_labels.retain(|name, _| !labels::is_bookkeeping(name));
    let has_labels: BTreeMap<_, _> = has
        .labels
        .iter()
        .filter(|(name, _)| !labels::is_bookkeeping(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    for name in changed_keys(&all_labels, &has_labels) {
        found.hidden(&format!("labels.{name}"), true);
    }
}

fn changed_keys<'a, V: PartialEq>(
    wanted: &'a BTreeMap<String, V>,
    has: &'a BTreeMap<String, V>,
) -> BTreeSet<&'a String> {
    wanted.keys().chain(has.keys()).filter(|key| wanted.get(*key) != has.get(*key)).collect()
}

fn compare_surroundings(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    if wanted.platform.is_some() && has.platform.is_some() {
        found.hidden("platform", wanted.platform != has.platform);
    }
    let on_host_network = wanted.network == Attachment::Mode("host".to_owned());
    if !on_host_network {
        found.hidden("hostname", wanted.hostname != has.hostname);
    }
    let sorted =
        |ports: &[crate::model::spec::PortBinding]| ports.iter().cloned().collect::<BTreeSet<_>>();
    let text = |spec: &ContainerSpec| {
        let ports: Vec<String> = sorted(&spec.ports).iter().map(show_port).collect();
        if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
    };
    found.shown("ports", &text(has), &text(wanted));
    let bound: BTreeSet<_> =
        wanted.ports.iter().chain(&has.ports).map(|port| port.target).collect();
    let wanted_exposed: BTreeSet<_> =
        wanted.expose.union(&image.expose).filter(|port| !bound.contains(port)).collect();
    let has_exposed: BTreeSet<_> = has.expose.iter().filter(|port| !bound.contains(port)).collect();
    found.hidden("expose", wanted_exposed != has_exposed);
    found.hidden("extra_hosts", wanted.extra_hosts != has.extra_hosts);
    found.hidden("init", wanted.init.unwrap_or(false) != has.init.unwrap_or(false));
    let word = |value: bool| value.to_string();
    found.shown("read_only", &word(has.read_only), &word(wanted.read_only));
    found.shown("privileged", &word(has.privileged), &word(wanted.privileged));
    found.hidden("cap_add", wanted.cap_add != has.cap_add);
    found.hidden("cap_drop", wanted.cap_drop != has.cap_drop);
    found.hidden("logging", logging_differs(wanted, has));
}

fn logging_differs(wanted: &ContainerSpec, has: &ContainerSpec) -> bool {
    match (&wanted.logging, &has.logging) {
        (Some(wanted), Some(has)) => {
            wanted.options != has.options
                || (!wanted.driver.is_empty() && wanted.driver != has.driver)
        }
        (Some(wanted), None) => {
            !wanted.options.is_empty() || !matches!(wanted.driver.as_str(), "" | "json-file")
        }
        // The engine's own default options (`daemon.json`) show on every container. Options that the manifest
        // dropped change the hash.
        (None, Some(_) | None) => false,
    }
}

fn show_port(port: &crate::model::spec::PortBinding) -> String {
    match (port.host_ip.as_str(), port.published.as_str()) {
        ("", "") => port.target.to_string(),
        ("", published) => format!("{published}:{}", port.target),
        (ip, published) => format!("{ip}:{published}:{}", port.target),
    }
}

fn compare_mounts(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let by_target = |spec: &ContainerSpec| -> BTreeMap<String, Mount> {
        spec.mounts.iter().map(|mount| (mount.target.clone(), mount.clone())).collect()
    };
    let mut expected = by_target(image);
    expected.extend(by_target(wanted));
    expected.retain(|target, _| wanted.tmpfs.keys().all(|tmpfs| tmpfs != target));
    let has_mounts = by_target(has);
    let targets: BTreeSet<&String> = expected.keys().chain(has_mounts.keys()).collect();
    for target in targets {
        let differs = match (expected.get(target), has_mounts.get(target)) {
            (Some(wanted), Some(has)) => !shows_the_same(wanted, has),
            // An image's volume may be shadowed by a mount above it, which then leaves no trace.
            (Some(wanted), None) => wanted.source != MountSource::Anonymous,
            (None, Some(_)) => true,
            (None, None) => false,
        };
        found.hidden(&format!("volumes.{target}"), differs);
    }
    found.hidden("tmpfs", wanted.tmpfs != has.tmpfs);
}

fn shows_the_same(wanted: &Mount, has: &Mount) -> bool {
    wanted.read_only == has.read_only && same_source(&wanted.source, &has.source)
}

/// Whether two mounts show the same data.
pub fn same_source(a: &MountSource, b: &MountSource) -> bool {
    match (a, b) {
        (MountSource::Bind { path: a, .. }, MountSource::Bind { path: b, .. }) => a == b,
        (MountSource::Volume { name: a, .. }, MountSource::Volume { name: b, .. }) => a == b,
        (MountSource::Anonymous, MountSource::Anonymous) => true,
        // An anonymous volume that followed from the container before is mounted by its name.
        (MountSource::Anonymous, MountSource::Volume { name, .. })
        | (MountSource::Volume { name, .. }, MountSource::Anonymous) => is_made_up(name.as_str()),
        (MountSource::Bind { .. }, MountSource::Volume { .. } | MountSource::Anonymous)
        | (MountSource::Volume { .. } | MountSource::Anonymous, MountSource::Bind { .. }) => false,
    }
}

/// Whether the engine made up this volume name: 64 hex digits.
fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first target where the new container would see other data than the old one, with both sources
/// (interface: data first). Files that evenkeel itself writes may change their path freely.
pub fn data_conflict(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
) -> Option<(String, String, String)> {
    wanted.mounts.iter().find_map(|new| {
        let old = has.mounts.iter().find(|mount| mount.target == new.target)?;
        if same_source(&new.source, &old.source) {
            return None;
        }
        let both_written_by_us = is_managed(&new.source) && is_managed(&old.source);
        let nothing_to_lose = old.read_only && !is_managed(&new.source) && !is_managed(&old.source);
        (!both_written_by_us && !nothing_to_lose)
            .then(|| (new.target.clone(), show_source(&old.source), show_source(&new.source)))
    })
}

/// The first target where a container that takes over from another stack's would see other data than that
/// one wrote.
pub fn left_behind(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
) -> Option<(String, String, String)> {
    wanted.mounts.iter().find_map(|new| {
        let old = has.mounts.iter().find(|mount| mount.target == new.target && !mount.read_only)?;
        (!same_source(&new.source, &old.source))
            .then(|| (new.target.clone(), show_source(&old.source), show_source(&new.source)))
    })
}

/// Whether evenkeel itself writes this path: an exported file, a secret or a config.
fn is_managed(source: &MountSource) -> bool {
    let MountSource::Bind { path, .. } = source else { return false };
    let exported = path.components().any(|part| part.as_os_str() == ".exported");
    let in_secrets = path.parent().and_then(Path::file_name).is_some_and(|name| name == "secrets");
    let hashed = path.file_name().is_some_and(|name| is_made_up(&name.to_string_lossy()));
    exported || (in_secrets && hashed)
}

fn show_source(source: &MountSource) -> String {
    match source {
        MountSource::Bind { path, .. } => path.display().to_string(),
        MountSource::Volume { name, .. } => format!("volume {name}"),
        MountSource::Anonymous => "an anonymous volume".to_owned(),
    }
}

fn compare_endpoints(wanted: &ContainerSpec, has: &ContainerSpec, found: &mut Found<'_>) {
    match (&wanted.network, &has.network) {
        (Attachment::Mode(wanted), Attachment::Mode(has)) => {
            found.hidden("network_mode", wanted != has)
        }
        (Attachment::Mode(_), Attachment::Networks(_))
        | (Attachment::Networks(_), Attachment::Mode(_)) => {
            found.hidden("network_mode", true);
        }
        (Attachment::Networks(wanted), Attachment::Networks(has)) => {
            for endpoint in wanted {
                let same = has.iter().find(|other| other.network == endpoint.network);
                // A missing network is mended in place; addresses and names are given at create.
                let differs = same.is_some_and(|same| {
                    same.ipv4_address != endpoint.ipv4_address
                        || same.ipv6_address != endpoint.ipv6_address
                        || !endpoint.aliases.is_subset(&same.aliases)
                });
                found.hidden(&format!("networks.{}", endpoint.network), differs);
            }
        }
    }
}
