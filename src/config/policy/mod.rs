//! `policy`: what git may ask of this host, as it is written, and whether it makes sense.

mod words;

use std::collections::BTreeMap;
use std::path::{Component, Path};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

use self::words::{Demand, Listed, Text, Word};
use super::images;
use super::resolve::{Problems, wrong};
use crate::model::{Problem, ServiceName, StackName};
use crate::policy::{Exception, Policy, Preset, Rule, Setting, Values};

/// Each rule is `deny`, `warn` or `allow`. Where there are values to tell apart, it is a list of those that are
/// fine, or both: `{level: warn, allow: […]}`. A list alone leaves the level as the preset has it, but that the rest
/// is denied where the preset allows everything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// What holds for every rule of which nothing is written here.
    #[schemars(extend("default" = "standard"))]
    pub(super) preset: Option<Preset>,
    /// Containers and hooks that are `privileged`.
    pub(super) privileged: Option<Word>,
    /// The socket of the engine, and directories that lead to it. A list names the paths that are fine.
    pub(super) docker_socket: Option<Listed>,
    /// Paths of the host that are mounted, also as volumes in disguise. A list names directories below which
    /// everything is fine. The stack's own directory always is.
    pub(super) host_binds: Option<Listed>,
    /// `network`, `pid`, `ipc`, `uts`, `userns` and `cgroup` of the host, and those of a container by its name
    /// (`container:<name>`). A list names those that are fine.
    pub(super) host_namespaces: Option<Listed>,
    /// Capabilities beyond those that Docker gives every container. A list names those that are fine.
    pub(super) cap_add: Option<Listed>,
    /// Devices of the host, and those that its drivers hand out. A list names those that are fine.
    pub(super) devices: Option<Listed>,
    /// Confinement other than the engine's own. A list names the options that are fine: `apparmor=web`.
    pub(super) security_opt: Option<Listed>,
    /// Runtimes other than the engine's own, and annotations for them (`annotation=<name>`). A list names those
    /// that are fine.
    pub(super) runtime: Option<Listed>,
    /// Parameters of the kernel. A list names those that are fine: `net.core.*`.
    pub(super) sysctls: Option<Listed>,
    /// Control groups other than the engine's own. A list names those that are fine.
    pub(super) cgroup_parent: Option<Listed>,
    /// Networks that reach into the host's own: drivers other than `bridge` (`driver=macvlan`), subnets that are
    /// somebody else's (`subnet=…`), options of bridges. A list names what is fine.
    pub(super) networks: Option<Listed>,
    /// Published ports below 1024; with a list, all that are not on it: `443`, `8000-8999`, `127.0.0.1:*`.
    pub(super) ports: Option<Listed>,
    /// Names for the addresses at which clouds hand out credentials, and probes (`x-evenkeel.probe`) of such an
    /// address or of a host by its name. A list names addresses and hosts that are fine.
    pub(super) extra_hosts: Option<Listed>,
    /// Drivers that send the output away. A list names those that are fine.
    pub(super) logging: Option<Listed>,
    /// Volumes and networks that are not named after the stack (`volume=<name>`, `network=<name>`). A list names
    /// those that are fine.
    pub(super) external: Option<Listed>,
    /// Files of the server that a manifest names by an absolute path, but for the stack's own below `env_dir`. A
    /// list names directories below which everything is fine.
    pub(super) env_files: Option<Listed>,
    /// Where images come from. A list names what is fine: `ghcr.io/acme/*`, `docker.io/library/**`.
    pub(super) registries: Option<Listed>,
    /// Images by the tag `latest`, or by none.
    pub(super) latest: Option<Word>,
    /// Images without a digest; `required` is another word for `deny`.
    pub(super) digest: Option<Demand>,
    /// Services without a health check; `required` is another word for `deny`.
    pub(super) healthcheck: Option<Demand>,
    /// Services without a memory limit; `required` is another word for `deny`.
    pub(super) limits: Option<Demand>,
    /// Variables in git whose names say that they are secrets. A list names variables that are none.
    pub(super) literal_secrets: Option<Listed>,
    /// What is asked of images before they run: signatures, an age, programs that look at them (`docs/verified-images.md`).
    pub(super) images: Option<Vec<images::Written>>,
    /// What single stacks may do all the same.
    pub(super) exceptions: Option<Vec<WrittenException>>,
}

/// One thing that one stack may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenException {
    /// The stack.
    pub(super) stack: String,
    /// The service; all of the stack, and what stands at the top of its manifest, where it is left out.
    pub(super) service: Option<String>,
    /// The rule that it need not hold to.
    pub(super) rule: String,
    /// For what alone: the paths, capabilities, … themselves; anything where it is left out.
    #[serde(default)]
    pub(super) values: Vec<Text>,
    /// Why it needs it.
    pub(super) reason: String,
    /// The last day on which this holds, in UTC: `2027-03-01`.
    pub(super) until: Option<String>,
}

/// What is written, checked.
pub(super) fn policy(written: Written, problems: &mut Problems) -> Policy {
    let preset = written.preset.unwrap_or_default();
    let exceptions = written.exceptions.as_deref().unwrap_or_default();
    let exceptions = exceptions.iter().enumerate().filter_map(|(index, written)| {
        exception(written, &format!("policy.exceptions[{index}]"), problems)
    });
    let exceptions = exceptions.collect();
    Policy { preset, rules: rules(&written, problems), exceptions }
}

fn rules(written: &Written, problems: &mut Problems) -> BTreeMap<Rule, Setting> {
    let mut rules = BTreeMap::new();
    for &rule in Rule::ALL {
        let Some(setting) = written.setting(rule) else { continue };
        for (index, value) in setting.allow.iter().enumerate() {
            let plain = format!("policy.{}[{index}]", rule.word());
            check_value(rule, value, &plain, true, problems);
        }
        rules.insert(rule, setting);
    }
    rules
}

impl Written {
    fn setting(&self, rule: Rule) -> Option<Setting> {
        let plain = |level| Setting { level: Some(level), allow: Vec::new() };
        let word = |word: &Option<Word>| word.map(|Word(level)| plain(level));
        let demand = |word: &Option<Demand>| word.map(|Demand(level)| plain(level));
        let list = |list: &Option<Listed>| list.as_ref().map(|Listed(setting)| setting.clone());
        match rule {
            Rule::Privileged => word(&self.privileged),
            Rule::DockerSocket => list(&self.docker_socket),
            Rule::HostBinds => list(&self.host_binds),
            Rule::HostNamespaces => list(&self.host_namespaces),
            Rule::CapAdd => list(&self.cap_add),
            Rule::Devices => list(&self.devices),
            Rule::SecurityOpt => list(&self.security_opt),
            Rule::Runtime => list(&self.runtime),
            Rule::CgroupParent => list(&self.cgroup_parent),
            Rule::Networks => list(&self.networks),
            Rule::ExtraHosts => list(&self.extra_hosts),
            Rule::EnvFiles => list(&self.env_files),
            Rule::Latest => word(&self.latest),
            Rule::LiteralSecrets => list(&self.literal_secrets),
            Rule::Sysctls => list(&self.sysctls),
            Rule::Ports => list(&self.ports),
            Rule::Logging => list(&self.logging),
            Rule::External => list(&self.external),
            Rule::Registries => list(&self.registries),
            Rule::Digest => demand(&self.digest),
            Rule::Healthcheck => demand(&self.healthcheck),
            Rule::Limits => demand(&self.limits),
        }
    }
}

fn exception(written: &WrittenException, path: &str, problems: &mut Problems) -> Option<Exception> {
    let at = |key: &str| format!("{path}.{key}");
    if written.stack.is_empty() {
        problems.push(wrong(at("stack"), "an exception is for one stack").hint("write its name"));
    }
    if written.reason.trim().is_empty() {
        let problem = Problem::new("missing-key", "an exception needs a `reason`").path(path);
        problems.push(problem.hint("write why it needs it: `reason: \"reads labels\"`"));
    }
    let until = written.until.as_ref().and_then(|text| match text.parse::<Date>() {
        Ok(date) => Some(date),
        Err(_) => {
            let message = format!("`{text}` is no day");
            problems.push(wrong(at("until"), message).hint("write it like `2027-03-01`"));
            None
        }
    });
    let Some(rule) = Rule::parse(&written.rule) else {
        problems.push(unknown_rule(&written.rule, &at("rule")));
        return None;
    };
    for (index, Text(value)) in written.values.iter().enumerate() {
        check_value(rule, value, &format!("{path}.values[{index}]"), false, problems);
    }
    Some(Exception {
        stack: StackName::new(&written.stack),
        service: written.service.as_ref().map(ServiceName::new),
        rule,
        values: written.values.iter().map(|Text(value)| value.clone()).collect(),
        reason: written.reason.clone(),
        until,
    })
}

fn unknown_rule(word: &str, path: &str) -> Problem {
    let near = Rule::ALL
        .iter()
        .map(|rule| (strsim::jaro_winkler(word, rule.word()), rule.word()))
        .filter(|(similarity, _)| *similarity >= super::parse::NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let known = || Rule::ALL.iter().map(|rule| rule.word()).collect::<Vec<_>>().join(", ");
    wrong(path, format!("there is no rule `{word}`")).hint(match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known()),
    })
}

/// A value that could mean nothing, or more than whoever wrote it can want.
fn check_value(rule: Rule, value: &str, path: &str, is_list: bool, problems: &mut Problems) {
    if !rule.has_values() {
        let message = format!("there are no values of `{}`: a service does it or not", rule.word());
        return problems.push(wrong(path, message).hint("take `values` out"));
    }
    if value.trim().is_empty() {
        return problems.push(wrong(path, "this is empty").hint("take it out"));
    }
    let is_path = match rule.values() {
        Values::Below if is_list => true,
        // An exception may name what is no path: a volume's options, a container.
        Values::Below | Values::Paths => value.starts_with(['/', '.', '~']),
        Values::None | Values::Words | Values::Capabilities | Values::Ports | Values::Patterns => {
            false
        }
    };
    if !is_path {
        return;
    }
    let written = Path::new(value);
    let shown = format!("`{value}`");
    if !written.is_absolute() {
        let message = format!("{shown} is not an absolute path");
        problems.push(wrong(path, message).hint("write it from the root: `/srv/…`"));
    } else if written.components().any(|part| part == Component::ParentDir) {
        let message = format!("{shown} has `..` in it");
        problems.push(wrong(path, message).hint("write where it leads"));
    } else if is_list && rule.values() == Values::Below && written.parent().is_none() {
        let word = rule.word();
        let message = "`/` is all of the host";
        problems.push(wrong(path, message).hint(format!("write `{word}: allow` if that is meant")));
    }
}
