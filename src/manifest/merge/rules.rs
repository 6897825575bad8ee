//! Which values merge in a way of their own: Compose Specification, chapter "Merge".
//!
//! A path that is not in the table merges by its shape alone.

/// How two values of a path become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// The later one counts.
    Replaced,
    /// A mapping, or a list of `KEY=value`: merged by key.
    Pairs,
    /// A mapping, or a list of its keys: merged by key.
    Named,
    /// As `Named`; a name alone means `condition: service_started`, whatever the base says.
    Dependencies,
    /// Host names with one or more addresses each.
    Hosts,
    /// A list, or its only entry: appended; of entries with the same identity the later one counts.
    Items(Identity),
    /// A mapping whose options belong to its driver.
    Logging,
}

/// What makes two entries of a list the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Identity {
    /// The text before `=`.
    Key,
    /// The whole text.
    Text,
    /// Address, published and target port, protocol.
    Port,
    /// Where it is mounted in the container.
    Target,
    /// As `Target`; a short entry is mounted in this directory by its name.
    MountedIn(&'static str),
    /// The path of an env file.
    File,
}

/// The table; `*` is any key. The first match counts.
const RULES: &[(&str, Rule)] = &[
    ("services.*.annotations", Rule::Pairs),
    ("services.*.build.additional_contexts", Rule::Pairs),
    ("services.*.build.args", Rule::Pairs),
    ("services.*.build.extra_hosts", Rule::Hosts),
    ("services.*.build.labels", Rule::Pairs),
    ("services.*.build.platform", Rule::Items(Identity::Text)),
    ("services.*.build.platforms", Rule::Items(Identity::Text)),
    ("services.*.build.tags", Rule::Items(Identity::Text)),
    ("services.*.cap_add", Rule::Items(Identity::Text)),
    ("services.*.cap_drop", Rule::Items(Identity::Text)),
    ("services.*.command", Rule::Replaced),
    ("services.*.configs", Rule::Items(Identity::MountedIn(""))),
    ("services.*.depends_on", Rule::Dependencies),
    ("services.*.deploy.labels", Rule::Pairs),
    ("services.*.devices", Rule::Items(Identity::Target)),
    ("services.*.dns", Rule::Items(Identity::Text)),
    ("services.*.dns_opt", Rule::Items(Identity::Text)),
    ("services.*.dns_search", Rule::Items(Identity::Text)),
    ("services.*.entrypoint", Rule::Replaced),
    ("services.*.env_file", Rule::Items(Identity::File)),
    ("services.*.environment", Rule::Pairs),
    ("services.*.expose", Rule::Items(Identity::Text)),
    ("services.*.extra_hosts", Rule::Hosts),
    ("services.*.healthcheck.test", Rule::Replaced),
    ("services.*.label_file", Rule::Items(Identity::Text)),
    ("services.*.labels", Rule::Pairs),
    ("services.*.links", Rule::Items(Identity::Key)),
    ("services.*.logging", Rule::Logging),
    ("services.*.models", Rule::Named),
    ("services.*.networks", Rule::Named),
    ("services.*.networks.*.aliases", Rule::Items(Identity::Text)),
    ("services.*.networks.*.link_local_ips", Rule::Items(Identity::Text)),
    ("services.*.ports", Rule::Items(Identity::Port)),
    ("services.*.profiles", Rule::Items(Identity::Text)),
    ("services.*.secrets", Rule::Items(Identity::MountedIn("/run/secrets"))),
    ("services.*.sysctls", Rule::Pairs),
    ("services.*.tmpfs", Rule::Items(Identity::Key)),
    ("services.*.ulimits.*", Rule::Replaced),
    ("services.*.volumes", Rule::Items(Identity::Target)),
    ("networks.*.labels", Rule::Pairs),
    ("volumes.*.labels", Rule::Pairs),
    ("configs.*.labels", Rule::Pairs),
    ("secrets.*.labels", Rule::Pairs),
];

/// The rule of the value below these keys.
pub(super) fn rule_of(keys: &[String]) -> Option<Rule> {
    let root = keys.first()?;
    let found = RULES
        .iter()
        .find(|(pattern, _)| pattern.starts_with(root.as_str()) && matches(pattern, keys));
    found.map(|(_, rule)| *rule)
}

fn matches(pattern: &str, keys: &[String]) -> bool {
    let mut parts = pattern.split('.');
    keys.iter().all(|key| parts.next().is_some_and(|part| part == "*" || part == key))
        && parts.next().is_none()
}
