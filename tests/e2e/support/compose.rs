//! Docker Compose on the same engine, as the yardstick for what a manifest means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::docker::{docker, docker_lines};
use super::stdout_of;

/// One project of Compose's.
pub struct Compose {
    program: PathBuf,
    project: String,
    directory: PathBuf,
}

impl Compose {
    /// The project `project` in `directory`.
    pub fn new(project: &str, directory: &Path) -> Self {
        let script = format!("{}/benches/find-compose", env!("CARGO_MANIFEST_DIR"));
        let program = stdout_of(&mut Command::new(script)).into();
        Self { program, project: project.to_owned(), directory: directory.to_owned() }
    }

    /// Runs a command of Compose's; panics when it fails.
    pub fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        command.args(["-p", &self.project]).args(arguments).current_dir(&self.directory);
        stdout_of(&mut command);
    }

    /// What the engine shows of the project's containers, by service and number, without what differs from
    /// container to container.
    pub fn containers(&self) -> BTreeMap<String, BTreeSet<String>> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let ids = docker_lines(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
        let names = self.names();
        ids.iter()
            .map(|id| {
                let shown: Value = serde_json::from_str(&docker(&["inspect", id])).unwrap();
                let label = |name: &str| {
                    let labels = &shown[0]["Config"]["Labels"];
                    let label = labels[format!("com.docker.compose.{name}")].as_str();
                    label.unwrap().to_owned()
                };
                let key = format!("{}-{}", label("service"), label("container-number"));
                (key, facts(&shown[0], &names))
            })
            .collect()
    }

    /// Ids of the project's containers, with names that stay the same when the containers are made anew.
    fn names(&self) -> BTreeMap<String, String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let format = "{{.ID}} {{.Names}}";
        docker_lines(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", format])
            .iter()
            .filter_map(|line| line.split_once(' '))
            .flat_map(|(id, name)| [(id, name), (id.get(..12).unwrap_or(id), name)])
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect()
    }
}

/// What differs from container to container, or is written in two ways that mean the same.
const LEFT_OUT: [&str; 37] = [
    "Id",
    "Created",
    "State",
    "Image",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "RestartCount",
    "GraphDriver",
    "ExecIDs",
    "AppArmorProfile",
    // Who listened when it was started.
    "Config.AttachStderr",
    "Config.AttachStdout",
    "Config.Image",
    // Anonymous volumes, which are among the mounts too.
    "Config.Volumes",
    "HostConfig.Binds",
    "HostConfig.Mounts",
    "HostConfig.ConsoleSize",
    "HostConfig.ContainerIDFile",
    "NetworkSettings.Bridge",
    "NetworkSettings.SandboxID",
    "NetworkSettings.SandboxKey",
    "NetworkSettings.Ports",
    "NetworkSettings.EndpointID",
    "NetworkSettings.Gateway",
    "NetworkSettings.GlobalIPv6Address",
    "NetworkSettings.GlobalIPv6PrefixLen",
    "NetworkSettings.IPAddress",
    "NetworkSettings.IPPrefixLen",
    "NetworkSettings.IPv6Gateway",
    "NetworkSettings.MacAddress",
    "NetworkSettings.HairpinMode",
    "NetworkSettings.LinkLocalIPv6Address",
    "NetworkSettings.LinkLocalIPv6PrefixLen",
    "NetworkSettings.SecondaryIPAddresses",
    "NetworkSettings.SecondaryIPv6Addresses",
];

/// The same for an attachment to a network.
const LEFT_OUT_OF_NETWORKS: [&str; 10] = [
    "NetworkID",
    "EndpointID",
    "Gateway",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "MacAddress",
    "DNSNames",
];

/// Every setting of an inspected container as `path = value`.
fn facts(shown: &Value, names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    add_facts("", shown, &mut facts);
    let short = shown["Id"].as_str().and_then(|id| id.get(..12)).unwrap_or("?").to_owned();
    facts.retain(|fact| !fact.ends_with(&format!("= {short}")));
    let named = |fact: String| {
        // A whole id goes before its beginning.
        names.iter().rev().fold(fact, |fact, (id, name)| fact.replace(id.as_str(), name))
    };
    facts.into_iter().map(named).map(usual).filter(|fact| !is_needless_link(fact)).collect()
}

/// What can be written in two ways, in one of them.
fn usual(fact: String) -> String {
    fact.replace("= CAP_", "= ").replace("no-new-privileges:true", "no-new-privileges")
}

/// Compose links a container under its own names too, under which it is found anyway.
fn is_needless_link(fact: &str) -> bool {
    let Some((_, link)) = fact.split_once(".Links = ") else { return false };
    let (container, alias) = link.split_once(':').unwrap();
    let service = container.rsplit_once('-').unwrap().0;
    let ends = |name: &str| name.ends_with(&format!("-{alias}"));
    container == alias || ends(container) || ends(service)
}

fn add_facts(path: &str, value: &Value, facts: &mut BTreeSet<String>) {
    let is_left_out = LEFT_OUT.contains(&path)
        || path.strip_prefix("NetworkSettings.Networks.").is_some_and(|rest| {
            LEFT_OUT_OF_NETWORKS.iter().any(|name| rest.ends_with(&format!(".{name}")))
        })
        || path.starts_with("Config.Labels.com.docker.compose.")
        || path.starts_with("Config.Labels.evenkeel.");
    if is_left_out {
        return;
    }
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        // Nothing, and nothing written in another way, are the same.
        Value::Null | Value::Bool(false) => {}
        Value::Number(number) if number.as_i64() == Some(0) => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) if text == "no" && path == "HostConfig.RestartPolicy.Name" => {}
        Value::Bool(_) | Value::Number(_) => {
            facts.insert(format!("{path} = {value}"));
        }
        Value::String(text) => {
            facts.insert(format!("{path} = {text}"));
        }
        // What the program is given is in order; everything else is a set.
        Value::Array(items) if ["Args", "Config.Cmd", "Config.Entrypoint"].contains(&path) => {
            facts.insert(format!("{path} = {items:?}"));
        }
        Value::Array(items) if path == "Mounts" => {
            facts.extend(items.iter().map(mount));
        }
        Value::Array(items) => items.iter().for_each(|item| {
            if item.is_object() {
                facts.insert(format!("{path} = {item}"));
            } else {
                add_facts(path, item, facts);
            }
        }),
        Value::Object(ports) if path == "Config.ExposedPorts" => {
            facts.extend(ports.keys().flat_map(|port| exposed(port)));
        }
        Value::Object(targets) if path == "HostConfig.Tmpfs" => {
            facts.extend(targets.keys().map(|target| format!("Mounts = tmpfs at {target}")));
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                // A key alone says something where the keys are data.
                let is_empty = field.as_object().is_some_and(serde_json::Map::is_empty);
                if is_empty && ["Healthcheck", "IPAMConfig"].iter().all(|name| key != name) {
                    facts.insert(format!("{} is there", inside(key)));
                }
                add_facts(&inside(key), field, facts);
            }
        }
    }
}

/// `9001-9003` is what Compose makes of a range, and the engine keeps it.
fn exposed(port: &str) -> Vec<String> {
    let (ports, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().unwrap(), last.parse().unwrap());
    (first..=last).map(|port| format!("exposes {port}/{protocol}")).collect()
}

/// A mount; the engine makes up the names of anonymous volumes.
fn mount(mount: &Value) -> String {
    let text = |key: &str| mount[key].as_str().unwrap_or("").to_owned();
    let name = text("Name");
    let is_anonymous = name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit());
    let source = match (is_anonymous, name.is_empty()) {
        (true, _) => "anonymous".to_owned(),
        (false, true) => text("Source"),
        (false, false) => name,
    };
    if text("Type") == "tmpfs" {
        return format!("Mounts = tmpfs at {}", text("Destination"));
    }
    let (kind, target, writable) = (text("Type"), text("Destination"), &mount["RW"]);
    format!("Mounts = {kind} {source} at {target}, writable: {writable}, {}", text("Propagation"))
}

/// What one side shows and the other does not, by container.
pub fn differences(
    theirs: &BTreeMap<String, BTreeSet<String>>,
    ours: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let nothing = BTreeSet::new();
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let of = |name: &String| {
        let (theirs, ours) =
            (theirs.get(name).unwrap_or(&nothing), ours.get(name).unwrap_or(&nothing));
        let lost = theirs.difference(ours).map(|fact| format!("{name} - {fact}"));
        let gained = ours.difference(theirs).map(|fact| format!("{name} + {fact}"));
        lost.chain(gained).collect::<Vec<_>>()
    };
    names.into_iter().flat_map(of).collect()
}
