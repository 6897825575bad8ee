//! Namespaces of the host, and those of other containers.

use std::collections::BTreeSet;

use super::Judge;
use crate::model::spec::{Attachment, Namespaces, Peer};
use crate::model::stack::Service;
use crate::model::{ServiceName, Stack};
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// Whom a container's words for another one lead to in the end.
enum Leads<'a> {
    /// To a mode of the host or of its own.
    Mode(&'a str),
    /// To a container that is not of this stack.
    Foreign(&'a str),
    /// To a service of this stack with a namespace of its own, or to nowhere.
    Inside,
}

pub fn namespaces(
    service: &Service,
    namespaces: &Namespaces,
    network: &Attachment,
    judge: &mut Judge<'_>,
) {
    let Namespaces { cgroup, ipc, pid, user, uts } = namespaces;
    let network = match network {
        Attachment::Mode(mode) => Some(mode.as_str()),
        // The engine's network of that name is none of ours to describe; see `network`.
        Attachment::Networks(_) => None,
    };
    shared(service, network, "network", &["network_mode"], judge);
    shared(service, pid.as_deref(), "pid", &["pid"], judge);
    shared(service, ipc.as_deref(), "ipc", &["ipc"], judge);
    let single: [(&Option<String>, &str, &'static [&'static str]); 3] = [
        (cgroup, "cgroup", &["cgroup"]),
        (user, "userns", &["userns_mode"]),
        (uts, "uts", &["uts"]),
    ];
    for (mode, word, keys) in single {
        if mode.as_deref() == Some("host") {
            host(&service.name, word, keys, judge);
        }
    }
}

fn host(service: &ServiceName, word: &str, keys: &'static [&'static str], judge: &mut Judge<'_>) {
    judge.word(service, Rule::HostNamespaces, word, &Spot::Key(keys), |it| {
        format!("asks for a namespace of the host: {it}")
    });
}

/// A namespace that may be another container's.
fn shared(
    service: &Service,
    mode: Option<&str>,
    word: &str,
    keys: &'static [&'static str],
    judge: &mut Judge<'_>,
) {
    let Some(mode) = mode else { return };
    match leads(judge.stack, mode, word, &mut BTreeSet::new()) {
        Leads::Mode("host") => host(&service.name, word, keys, judge),
        Leads::Mode(_) | Leads::Inside => {}
        Leads::Foreign(words) => {
            judge.word(&service.name, Rule::HostNamespaces, words, &Spot::Key(keys), |it| {
                format!("asks to be in the {word} namespace of a container of others: {it}")
            });
        }
    }
}

fn leads<'a>(
    stack: &'a Stack,
    mode: &'a str,
    word: &str,
    passed: &mut BTreeSet<&'a ServiceName>,
) -> Leads<'a> {
    let Some(peer) = Peer::parse(mode) else { return Leads::Mode(mode) };
    let Some(service) = of_stack(stack, &peer) else {
        return match peer {
            Peer::Container(_) => Leads::Foreign(mode),
            Peer::Service(_) => Leads::Inside,
        };
    };
    if !passed.insert(&service.name) {
        return Leads::Inside;
    }
    let Namespaces { ipc, pid, .. } = &service.settings.namespaces;
    let mode = match (word, &service.settings.network) {
        ("network", Attachment::Mode(mode)) => Some(mode),
        ("pid", _) => pid.as_ref(),
        ("ipc", _) => ipc.as_ref(),
        _ => None,
    };
    mode.map_or(Leads::Inside, |mode| leads(stack, mode, word, passed))
}

/// The service of `stack` whose container `peer` is.
pub fn of_stack<'a>(stack: &'a Stack, peer: &Peer) -> Option<&'a Service> {
    match peer {
        Peer::Service(name) => stack.services.get(name),
        Peer::Container(name) => stack.services.values().find(|service| {
            let most = service.replicas.max(1);
            (1..=most).any(|number| service.container(&stack.name, number) == *name)
        }),
    }
}
