//! Our requests → the engine's bodies. Nothing is asked of the engine here.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, HealthConfig, HostConfig, HostConfigLogConfig, Ipam,
    IpamConfig, NetworkCreateRequest, NetworkingConfig, PortBinding as EnginePortBinding, PortMap,
    RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};

use super::mounts::{self, volume_bind};
use super::networks::endpoint_settings;
use super::{devices, resources, surroundings};
use crate::engine::{ContainerRequest, ContainerUpdate, Labels};
use crate::model::ContainerSpec;
use crate::model::spec::{
    Attachment, Endpoint, Healthcheck, Logging, PortBinding, RestartPolicy, VolumesFrom,
};
use crate::model::stack::{Network, Volume};

/// The body of `POST /containers/create` (Docker Engine API), attached to `endpoints`.
///
/// `image_volumes` are the targets for which the image declares a volume: inherited volumes go there too.
pub(super) fn create_body(
    request: &ContainerRequest,
    endpoints: &[Endpoint],
    image_volumes: &[String],
) -> ContainerCreateBody {
    let settings = &request.settings;
    let mut mounted = mounts::request(&settings.mounts, &request.inherited_volumes);
    mounted.binds.extend(
        only_the_images(request)
            .filter(|target| image_volumes.contains(*target))
            .filter_map(|target| Some(volume_bind(request.inherited_volumes.get(target)?, target))),
    );
    ContainerCreateBody {
        image: Some(request.image.to_string()),
        cmd: settings.command.clone(),
        entrypoint: settings.entrypoint.clone(),
        env: Some(environment(settings)),
        labels: Some(request.labels.clone().into_iter().collect()),
        user: settings.user.clone(),
        working_dir: settings.working_dir.clone(),
        hostname: settings.hostname.clone(),
        domainname: settings.domainname.clone(),
        open_stdin: settings.stdin_open.then_some(true),
        tty: settings.tty.then_some(true),
        healthcheck: settings.healthcheck.as_ref().map(health_config),
        exposed_ports: Some(exposed_ports(settings)),
        volumes: Some(mounted.volumes),
        stop_signal: settings.stop_signal.clone(),
        stop_timeout: settings
            .stop_grace_period
            .map(|period| i64::try_from(period.as_secs()).unwrap_or(i64::MAX)),
        host_config: Some(HostConfig {
            binds: Some(mounted.binds),
            mounts: (!mounted.mounts.is_empty()).then_some(mounted.mounts),
            ..host_config(settings)
        }),
        networking_config: networking(request, endpoints),
        ..ContainerCreateBody::default()
    }
}

/// Targets of inherited volumes that the settings do not mention; the image may.
pub(super) fn only_the_images(request: &ContainerRequest) -> impl Iterator<Item = &String> {
    let mounts = &request.settings.mounts;
    request.inherited_volumes.keys().filter(move |target| {
        !mounts.iter().any(|mount| mount.target == **target)
            && !request.settings.tmpfs.contains_key(*target)
    })
}

fn environment(settings: &ContainerSpec) -> Vec<String> {
    let entry = |(name, value): (&String, &Option<crate::model::Hidden>)| match value {
        Some(value) => format!("{name}={}", value.reveal()),
        None => name.clone(),
    };
    settings.environment.iter().map(entry).collect()
}

fn exposed_ports(settings: &ContainerSpec) -> Vec<String> {
    let mut ports = settings.expose.clone();
    ports.extend(settings.ports.iter().map(|binding| binding.target));
    ports.iter().map(ToString::to_string).collect()
}

fn host_config(settings: &ContainerSpec) -> HostConfig {
    let mut host = HostConfig {
        port_bindings: Some(port_map(&settings.ports)),
        tmpfs: Some(settings.tmpfs.clone().into_iter().collect()),
        network_mode: network_mode(&settings.network),
        volumes_from: (!settings.volumes_from.is_empty())
            .then(|| settings.volumes_from.iter().map(volumes_from).collect()),
        extra_hosts: Some(settings.extra_hosts.clone()),
        restart_policy: Some(restart_policy(settings.restart)),
        init: settings.init,
        readonly_rootfs: Some(settings.read_only),
        privileged: Some(settings.privileged),
        cap_add: Some(settings.cap_add.iter().cloned().collect()),
        cap_drop: Some(settings.cap_drop.iter().cloned().collect()),
        log_config: settings.logging.as_ref().map(log_config),
        ..resources::request(&settings.resources)
    };
    devices::request(&settings.devices, &mut host);
    surroundings::request(settings, &mut host);
    host
}

/// `<id>[:ro]`
fn volumes_from(volumes: &VolumesFrom) -> String {
    let id = volumes.from.trim_start_matches("container:");
    if volumes.read_only { format!("{id}:ro") } else { id.to_owned() }
}

fn network_mode(attachment: &Attachment) -> Option<String> {
    match attachment {
        Attachment::Mode(mode) => Some(mode.clone()),
        Attachment::Networks(endpoints) => {
            endpoints.first().map(|endpoint| endpoint.network.as_str().to_owned())
        }
    }
}

fn networking(request: &ContainerRequest, endpoints: &[Endpoint]) -> Option<NetworkingConfig> {
    let own_alias = request.own_alias.as_str();
    let config = endpoints
        .iter()
        .map(|endpoint| {
            (endpoint.network.as_str().to_owned(), endpoint_settings(endpoint, [own_alias]))
        })
        .collect();
    (!endpoints.is_empty()).then_some(NetworkingConfig { endpoints_config: Some(config) })
}

fn port_map(ports: &[PortBinding]) -> PortMap {
    let mut by_target: BTreeMap<String, Vec<EnginePortBinding>> = BTreeMap::new();
    for port in ports {
        by_target.entry(port.target.to_string()).or_default().push(EnginePortBinding {
            host_ip: Some(port.host_ip.clone()),
            host_port: Some(port.published.clone()),
        });
    }
    by_target.into_iter().map(|(target, bindings)| (target, Some(bindings))).collect()
}

fn health_config(check: &Healthcheck) -> HealthConfig {
    let nanoseconds =
        |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    HealthConfig {
        test: Some(check.test.clone()),
        interval: check.interval.map(nanoseconds),
        timeout: check.timeout.map(nanoseconds),
        start_period: check.start_period.map(nanoseconds),
        retries: check.retries.map(i64::from),
        start_interval: check.start_interval.map(nanoseconds),
    }
}

fn log_config(logging: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some(logging.driver.clone()),
        config: Some(logging.options.clone().into_iter().collect()),
    }
}

fn restart_policy(policy: RestartPolicy) -> EngineRestartPolicy {
    let (name, times) = match policy {
        RestartPolicy::Unset | RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure(times) => {
            (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(times)))
        }
    };
    EngineRestartPolicy { name: Some(name), maximum_retry_count: times }
}

/// The body of `POST /containers/{id}/update`.
pub(super) fn update_body(update: &ContainerUpdate) -> ContainerUpdateBody {
    let limits = update.resources.as_ref().map(resources::update).unwrap_or_default();
    ContainerUpdateBody { restart_policy: update.restart.map(restart_policy), ..limits }
}

/// The body of `POST /networks/create`.
pub(super) fn network_body(network: &Network, labels: &Labels) -> NetworkCreateRequest {
    let subnets: Vec<IpamConfig> = network
        .subnets
        .iter()
        .map(|subnet| IpamConfig {
            subnet: subnet.subnet.clone(),
            ip_range: subnet.ip_range.clone(),
            gateway: subnet.gateway.clone(),
            auxiliary_addresses: (!subnet.aux_addresses.is_empty())
                .then(|| subnet.aux_addresses.clone().into_iter().collect()),
        })
        .collect();
    let is_managed =
        !subnets.is_empty() || network.ipam_driver.is_some() || !network.ipam_options.is_empty();
    NetworkCreateRequest {
        name: network.name.as_str().to_owned(),
        driver: network.driver.clone(),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: Some(network.enable_ipv6),
        options: Some(network.driver_opts.clone().into_iter().collect()),
        labels: Some(labels.clone().into_iter().collect()),
        ipam: is_managed.then(|| Ipam {
            driver: network.ipam_driver.clone(),
            config: Some(subnets),
            options: Some(network.ipam_options.clone().into_iter().collect()),
        }),
        ..NetworkCreateRequest::default()
    }
}

/// The body of `POST /volumes/create`.
pub(super) fn volume_body(volume: &Volume, labels: &Labels) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(volume.name.as_str().to_owned()),
        driver: volume.driver.clone(),
        driver_opts: Some(volume.driver_opts.clone().into_iter().collect()),
        labels: Some(labels.clone().into_iter().collect()),
        ..VolumeCreateRequest::default()
    }
}
