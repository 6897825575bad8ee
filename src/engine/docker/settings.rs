//! `Config` and `HostConfig`, as the engine shows them → [`ContainerSpec`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::models::{
    ContainerConfig, HealthConfig, HostConfig, HostConfigLogConfig, ImageConfig, PortMap,
    RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum,
};

use super::mounts::{anonymous_mount, normal};
use super::{devices, resources, surroundings};
use crate::model::spec::{
    ExposedPort, Healthcheck, Hooks, Logging, PortBinding, Protocol, RestartPolicy, VolumesFrom,
};
use crate::model::{ContainerSpec, Hidden, labels};

/// What an image brings along.
pub(super) fn of_image(image: ImageConfig) -> ContainerSpec {
    let volumes = image.volumes.unwrap_or_default();
    let config = ContainerConfig {
        user: image.user,
        exposed_ports: image.exposed_ports,
        env: image.env,
        cmd: image.cmd,
        healthcheck: image.healthcheck,
        working_dir: image.working_dir,
        entrypoint: image.entrypoint,
        labels: image.labels,
        stop_signal: image.stop_signal,
        ..ContainerConfig::default()
    };
    let mut spec = of_config(&config);
    spec.mounts = volumes.iter().map(|target| anonymous_mount(normal(target))).collect();
    spec.mounts.sort();
    spec
}

/// The part of the settings that `Config` holds; host name and volumes aside, which need more than it.
pub(super) fn of_config(config: &ContainerConfig) -> ContainerSpec {
    let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    ContainerSpec {
        command: config.cmd.clone(),
        entrypoint: config.entrypoint.clone(),
        environment: config.env.iter().flatten().map(|entry| variable(entry)).collect(),
        labels: manifest_labels(config),
        hooks: Hooks::from_label(
            config.labels.as_ref().and_then(|all| all.get(labels::HOOKS)).map(String::as_str),
        ),
        user: written(&config.user),
        working_dir: written(&config.working_dir),
        healthcheck: config.healthcheck.as_ref().map(healthcheck),
        expose: config
            .exposed_ports
            .iter()
            .flatten()
            .filter_map(|port| parse_ports(port))
            .flatten()
            .collect(),
        stop_grace_period: config.stop_timeout.and_then(seconds),
        stop_signal: written(&config.stop_signal),
        domainname: written(&config.domainname),
        stdin_open: config.open_stdin.unwrap_or(false),
        tty: config.tty.unwrap_or(false),
        ..ContainerSpec::default()
    }
}

/// Adds the part that `HostConfig` holds; mounts and networks aside.
pub(super) fn add_host_config(spec: &mut ContainerSpec, host: &HostConfig) {
    spec.ports = ports(host.port_bindings.as_ref());
    spec.expose.retain(|port| !spec.ports.iter().any(|binding| binding.target == *port));
    spec.volumes_from = host.volumes_from.iter().flatten().map(|from| volumes_from(from)).collect();
    spec.extra_hosts = host.extra_hosts.clone().unwrap_or_default();
    spec.restart = host.restart_policy.as_ref().map(restart).unwrap_or_default();
    spec.init = host.init;
    spec.read_only = host.readonly_rootfs.unwrap_or(false);
    spec.privileged = host.privileged.unwrap_or(false);
    spec.cap_add = capabilities(host.cap_add.as_deref());
    spec.cap_drop = capabilities(host.cap_drop.as_deref());
    spec.logging = host.log_config.as_ref().and_then(logging);
    spec.resources = resources::observe(host);
    spec.devices = devices::observe(host);
    surroundings::observe(host, spec);
}

fn variable(entry: &str) -> (String, Option<Hidden>) {
    match entry.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(Hidden::new(value))),
        None => (entry.to_owned(), None),
    }
}

fn manifest_labels(config: &ContainerConfig) -> BTreeMap<String, String> {
    config
        .labels
        .iter()
        .flatten()
        .filter(|(name, _)| !labels::is_bookkeeping(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn healthcheck(config: &HealthConfig) -> Healthcheck {
    Healthcheck {
        test: config.test.clone().unwrap_or_default(),
        interval: config.interval.and_then(nanoseconds),
        timeout: config.timeout.and_then(nanoseconds),
        start_period: config.start_period.and_then(nanoseconds),
        start_interval: config.start_interval.and_then(nanoseconds),
        retries: config
            .retries
            .and_then(|retries| u32::try_from(retries).ok())
            .filter(|retries| *retries > 0),
    }
}

/// The engine writes 0 for what is not set.
fn nanoseconds(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().filter(|ns| *ns > 0).map(Duration::from_nanos)
}

/// 0 is a grace period like any other; a negative one is "without end", which manifests cannot say.
fn seconds(seconds: i64) -> Option<Duration> {
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn parse_port(text: &str) -> Option<ExposedPort> {
    parse_ports(text)?.next()
}

/// `8000/tcp`; Compose has the engine write `8000` and `8000-8010` as well.
fn parse_ports(text: &str) -> Option<impl Iterator<Item = ExposedPort> + use<>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    Some((first..=last).map(move |port| ExposedPort { port, protocol }))
}

fn ports(bindings: Option<&PortMap>) -> Vec<PortBinding> {
    let mut ports = Vec::new();
    for (target, bindings) in bindings.into_iter().flatten() {
        let Some(target) = parse_port(target) else { continue };
        ports.extend(bindings.iter().flatten().map(|binding| PortBinding {
            target,
            host_ip: binding.host_ip.clone().unwrap_or_default(),
            published: binding.host_port.clone().unwrap_or_default(),
        }));
    }
    ports.sort();
    ports
}

fn restart(policy: &EngineRestartPolicy) -> RestartPolicy {
    match policy.name {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => {
            RestartPolicy::Unset
        }
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => {
            let times = policy.maximum_retry_count.unwrap_or(0);
            RestartPolicy::OnFailure(u32::try_from(times).unwrap_or(0))
        }
    }
}

/// `<id>[:mode]`
fn volumes_from(text: &str) -> VolumesFrom {
    let (id, mode) = text.split_once(':').unwrap_or((text, "rw"));
    VolumesFrom { from: format!("container:{id}"), read_only: mode == "ro" }
}

fn capabilities(names: Option<&[String]>) -> BTreeSet<String> {
    let bare = |name: &String| name.strip_prefix("CAP_").unwrap_or(name).to_owned();
    names.unwrap_or_default().iter().map(bare).collect()
}

fn logging(config: &HostConfigLogConfig) -> Option<Logging> {
    let driver = config.typ.clone().unwrap_or_default();
    let options: BTreeMap<String, String> =
        config.config.clone().unwrap_or_default().into_iter().collect();
    (!driver.is_empty() || !options.is_empty()).then_some(Logging { driver, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_exposed_ports_is_each_of_them() {
        let ports = |text| parse_ports(text).into_iter().flatten().map(|port| port.to_string());
        assert_eq!(ports("9001-9003").collect::<Vec<_>>(), ["9001/tcp", "9002/tcp", "9003/tcp"]);
        assert_eq!(ports("53/udp").collect::<Vec<_>>(), ["53/udp"]);
        assert_eq!(ports("dream").count() + ports("1/dream").count(), 0);
    }

    #[test]
    fn bookkeeping_labels_are_not_compared() {
        let labels = ["a", "evenkeel.spec", "com.docker.compose.project"];
        let config = ContainerConfig {
            labels: Some(labels.map(|name| (name.to_owned(), String::new())).into()),
            ..ContainerConfig::default()
        };
        assert_eq!(of_config(&config).labels.into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
