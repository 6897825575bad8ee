//! `x-evenkeel` at the top of a manifest.

use globset::GlobBuilder;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::manifest::findings::Findings;
use crate::manifest::names;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::service::{strict, window};
use crate::model::stack::Suspension;
use crate::model::{HostName, Place, StackName, Window};

/// What stands under `x-evenkeel`, but for `hosts`.
#[derive(Debug, Default)]
pub struct TopSettings {
    /// Stacks that must be in sync first.
    pub after: Vec<(StackName, Place)>,
    /// The services are changed as a whole or not at all.
    pub atomic: bool,
    /// When deployments of this stack may start.
    pub window: Option<Window>,
    /// Nothing of this stack is changed.
    pub suspended: Option<Suspension>,
}

/// Reads `x-evenkeel` of the stack `own`.
pub fn read(top: &At<'_>, own: &StackName) -> TopSettings {
    let Some(at) = top.value("x-evenkeel") else { return TopSettings::default() };
    if !at.is_mapping() {
        at.expected("a mapping");
        return TopSettings::default();
    }
    strict(&at, &["after", "hosts", "rollout", "suspend", "window"], &[]);
    TopSettings {
        after: at.value("after").map(|at| after(&at, own)).unwrap_or_default(),
        window: at.value("window").and_then(|at| window(&at)),
        atomic: at.value("rollout").is_some_and(|at| is_atomic(&at)),
        suspended: at.value("suspend").and_then(|at| suspend(&at)),
    }
}

fn after(at: &At<'_>, own: &StackName) -> Vec<(StackName, Place)> {
    let mut stacks: Vec<(StackName, Place)> = Vec::new();
    for item in at.one_or_more() {
        let Some(name) = item.filled() else { continue };
        match names::check_project(name) {
            Err(why) => item.invalid(&why),
            Ok(()) if name == own.as_str() => {
                let problem = item.trouble("wrong-value", "a stack cannot wait for itself");
                item.report(problem.hint("take it out"));
            }
            Ok(()) if stacks.iter().any(|(stack, _)| stack.as_str() == name) => {}
            Ok(()) => stacks.push((StackName::new(name), item.place().clone())),
        }
    }
    stacks
}

fn is_atomic(at: &At<'_>) -> bool {
    if !at.is_mapping() {
        at.expected("a mapping");
        return false;
    }
    strict(at, &["atomic"], &[]);
    at.value("atomic").and_then(|at| at.boolean()).unwrap_or(false)
}

fn suspend(at: &At<'_>) -> Option<Suspension> {
    if at.is_scalar() {
        return at.boolean()?.then_some(Suspension { until: None, reason: None });
    }
    strict(at, &["until", "reason"], &[]);
    let until = at.value("until").and_then(|at| at.parse(instant));
    let reason = at.value("reason").and_then(|at| at.text()).map(str::to_owned);
    Some(Suspension { until, reason })
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse().ok().or_else(day).ok_or_else(|| {
        format!("`{text}` is no point in time, such as `2026-03-01` or `2026-03-01T08:00:00Z`")
    })
}

/// Whether a manifest is for `host`: without `x-evenkeel.hosts` it is for every one.
///
/// What is wrong with the globs is told when the manifest is read, which it then is.
pub fn is_for(tree: &Node, host: &HostName) -> bool {
    let unheard = Findings::default();
    let top = At::root(tree, &unheard);
    let hosts = top.value("x-evenkeel").and_then(|at| at.value("hosts"));
    let Some(hosts) = hosts.map(|at| at.one_or_more()).filter(|hosts| !hosts.is_empty()) else {
        return true;
    };
    hosts.iter().any(|at| at.text().is_none_or(|glob| matches(glob, host).unwrap_or(true)))
}

/// The globs that name the hosts a manifest is for, in order; none where it is for every one.
pub fn hosts(tree: &Node) -> Vec<String> {
    let unheard = Findings::default();
    let hosts = At::root(tree, &unheard).value("x-evenkeel").and_then(|at| at.value("hosts"));
    let items = hosts.map(|at| at.one_or_more()).unwrap_or_default();
    let mut globs: Vec<String> = items.iter().filter_map(|at| at.text()).map(Into::into).collect();
    globs.sort_unstable();
    globs
}

/// Says which of the globs are none.
pub fn check_hosts(top: &At<'_>, host: &HostName) {
    let hosts = top.value("x-evenkeel").and_then(|at| at.value("hosts"));
    for at in hosts.map(|at| at.one_or_more()).unwrap_or_default() {
        if let Some(glob) = at.filled()
            && matches(glob, host).is_none()
        {
            at.wrong("is no pattern for host names, such as `web-*`");
        }
    }
}

fn matches(glob: &str, host: &HostName) -> Option<bool> {
    Some(GlobBuilder::new(glob).build().ok()?.compile_matcher().is_match(host.as_str()))
}
