//! One service of a Compose file: a table of its keys, and a family of readers for each kind of key.
//!
//! A key that is to be supported gets a reader in its family's file and a line in [`KEYS`].

mod block_io;
mod deploy;
mod depends;
mod devices;
mod dns;
mod draft;
mod environment;
mod evenkeel;
mod files;
mod from_server;
mod health;
mod hooks;
mod hosts;
mod image;
mod kernel;
mod label_file;
mod limits;
mod mac_address;
mod mounts;
mod namespaces;
mod networks;
mod ports;
mod probe;
mod process;
mod rollout;
mod runtime;
mod security;
mod sensitive;
mod settings;
mod sharing;
pub mod shorthand;
mod update;

pub use devices::{how_many, parts as device_parts};
pub use draft::Draft;
pub use environment::of_files as env_files;
pub use evenkeel::strict;
pub use hosts::{HostEntry, entries as host_entries};
pub use kernel::{ULIMITS, WrittenLimit, limit};
pub use limits::microseconds;
pub use ports::short as short_port;
pub use process::split;
pub use settings::{label_map, options};
pub use sharing::Link;
pub use shorthand::{ShortVolume, volume as short_volume};
pub use update::window;

use super::node::Value;
use super::read::At;
use super::scene::Scene;
use crate::model::ServiceName;

type Reader = for<'a> fn(&At<'a>, &mut Draft<'a>, &Scene<'_>);

/// What becomes of a key.
#[derive(Clone, Copy)]
enum Rule {
    /// It is read.
    Read(Reader),
    /// It means nothing on a server.
    Ignore,
    /// It cannot be used, for this reason.
    Refuse(&'static str),
}

const WINDOWS: &str = "it is for Windows only";

/// Every key of the Compose Specification's services, in its order.
const KEYS: &[(&str, Rule)] = {
    use Rule::{Ignore, Read, Refuse};
    &[
        ("annotations", Read(runtime::annotations)),
        ("attach", Ignore),
        ("blkio_config", Read(block_io::blkio_config)),
        ("build", Read(image::build)),
        ("cap_add", Read(security::cap_add)),
        ("cap_drop", Read(security::cap_drop)),
        ("cgroup", Read(namespaces::cgroup)),
        ("cgroup_parent", Read(runtime::cgroup_parent)),
        ("command", Read(process::command)),
        ("configs", Read(files::configs)),
        ("container_name", Read(process::container_name)),
        ("cpu_count", Refuse(WINDOWS)),
        ("cpu_percent", Refuse(WINDOWS)),
        ("cpu_period", Read(limits::cpu_period)),
        ("cpu_quota", Read(limits::cpu_quota)),
        ("cpu_rt_period", Read(limits::cpu_rt_period)),
        ("cpu_rt_runtime", Read(limits::cpu_rt_runtime)),
        ("cpu_shares", Read(limits::cpu_shares)),
        ("cpus", Read(limits::cpus)),
        ("cpuset", Read(limits::cpuset)),
        ("credential_spec", Refuse(WINDOWS)),
        ("depends_on", Read(depends::depends_on)),
        ("deploy", Read(deploy::deploy)),
        ("develop", Ignore),
        ("device_cgroup_rules", Read(devices::device_cgroup_rules)),
        ("devices", Read(devices::devices)),
        ("dns", Read(dns::dns)),
        ("dns_opt", Read(dns::dns_opt)),
        ("dns_search", Read(dns::dns_search)),
        ("domainname", Read(process::domainname)),
        ("entrypoint", Read(process::entrypoint)),
        ("env_file", Read(environment::env_file)),
        ("environment", Read(environment::environment)),
        ("expose", Read(ports::expose)),
        // Followed before a service is read.
        ("extends", Ignore),
        ("external_links", Read(sharing::external_links)),
        ("extra_hosts", Read(hosts::extra_hosts)),
        ("gpus", Read(devices::gpus)),
        ("group_add", Read(security::group_add)),
        ("healthcheck", Read(health::healthcheck)),
        ("hostname", Read(process::hostname)),
        ("image", Read(image::image)),
        ("init", Read(process::init)),
        ("ipc", Read(namespaces::ipc)),
        ("isolation", Refuse(WINDOWS)),
        ("label_file", Read(label_file::label_file)),
        ("labels", Read(settings::labels)),
        ("links", Read(sharing::links)),
        ("logging", Read(settings::logging)),
        ("mac_address", Read(mac_address::mac_address)),
        ("mem_limit", Read(limits::mem_limit)),
        ("mem_reservation", Read(limits::mem_reservation)),
        ("mem_swappiness", Read(limits::mem_swappiness)),
        ("memswap_limit", Read(limits::memswap_limit)),
        ("models", Refuse("evenkeel runs containers only")),
        ("network_mode", Read(networks::network_mode)),
        ("networks", Read(networks::networks)),
        ("oom_kill_disable", Read(kernel::oom_kill_disable)),
        ("oom_score_adj", Read(kernel::oom_score_adj)),
        ("pid", Read(namespaces::pid)),
        ("pids_limit", Read(limits::pids_limit)),
        ("platform", Read(image::platform)),
        ("ports", Read(ports::ports)),
        ("post_start", Read(hooks::post_start)),
        (
            "pre_start",
            Refuse("write a service of its own and await it with `service_completed_successfully`"),
        ),
        ("pre_stop", Read(hooks::pre_stop)),
        ("privileged", Read(security::privileged)),
        // Read before everything else: it says whether the service is there at all.
        ("profiles", Ignore),
        ("provider", Refuse("it would run a program of the host")),
        ("pull_policy", Read(image::pull_policy)),
        ("pull_refresh_after", Ignore),
        ("read_only", Read(security::read_only)),
        ("restart", Read(settings::restart)),
        ("runtime", Read(runtime::runtime)),
        ("scale", Read(deploy::scale)),
        ("secrets", Read(files::secrets)),
        ("security_opt", Read(security::security_opt)),
        ("shm_size", Read(kernel::shm_size)),
        ("stdin_open", Read(process::stdin_open)),
        ("stop_grace_period", Read(process::stop_grace_period)),
        ("stop_signal", Read(process::stop_signal)),
        ("storage_opt", Read(runtime::storage_opt)),
        ("sysctls", Read(kernel::sysctls)),
        ("tmpfs", Read(mounts::tmpfs)),
        ("tty", Read(process::tty)),
        ("ulimits", Read(kernel::ulimits)),
        ("use_api_socket", Refuse("it would hand the engine and its credentials to the container")),
        ("user", Read(process::user)),
        ("userns_mode", Read(namespaces::userns_mode)),
        ("uts", Read(namespaces::uts)),
        (
            "volume_driver",
            Refuse("it is no part of Compose any more; write `driver` on the volume"),
        ),
        ("volumes", Read(mounts::volumes)),
        ("volumes_from", Read(sharing::volumes_from)),
        ("working_dir", Read(process::working_dir)),
        ("x-evenkeel", Read(evenkeel::evenkeel)),
    ]
};

/// Keys of the Compose Specification that cannot be used, and why.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().filter_map(|(key, rule)| match rule {
        Rule::Refuse(why) => Some((*key, *why)),
        Rule::Read(_) | Rule::Ignore => None,
    })
}

/// The profiles a service is written for.
pub fn profiles<'a>(at: &At<'a>) -> Vec<&'a str> {
    let Some(profiles) = at.value("profiles") else { return Vec::new() };
    let profiles = match &profiles.node.value {
        Value::Sequence(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(profiles.node),
    };
    let texts = profiles.iter().filter_map(|profile| match &profile.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    });
    texts.collect()
}

/// Whether a service is there at all, by `profiles:` and what this host has active.
pub fn is_active(at: &At<'_>, active: &[String]) -> bool {
    let Some(profiles) = at.value("profiles") else { return true };
    let profiles = profiles.one_or_more();
    let is_active = |profile: &At<'_>| {
        profile.text().is_some_and(|name| active.iter().any(|a| a == name || a == "*"))
    };
    profiles.is_empty() || profiles.iter().any(is_active)
}

/// Reads every key of a service; what is wrong with it ends up in the findings.
pub fn read<'a>(name: ServiceName, at: &At<'a>, scene: &Scene<'_>) -> Draft<'a> {
    let mut draft = Draft::new(name, at, scene);
    for (key, value) in at.fields() {
        match KEYS.iter().find(|(known, _)| *known == key) {
            Some((_, Rule::Read(reader))) if !value.is_null() => reader(&value, &mut draft, scene),
            Some((_, Rule::Read(_) | Rule::Ignore)) => {}
            Some((_, Rule::Refuse(why))) => value.unsupported(key, why),
            None if key.starts_with("x-") => {}
            None => value.unknown(key, KEYS.iter().map(|(known, _)| *known)),
        }
    }
    draft
}
