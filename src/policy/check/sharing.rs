//! Namespaces of the host, and those of other containers.

use std::collections::BTreeSet;

use super::Judge;
use crate::model::ServiceName;
use crate::model::spec::{Attachment, Namespaces, Peer};
use crate::model::stack::Service;
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// Whom a container's words for another one lead to in the end.
enum Leads<'a> {
    /// To a mode of the host or of its own.
    Mode(&'a str),
    /// To a container by its name, which may be anybody's; by way of this service.
    Foreign(&'a str, Option<&'a ServiceName>),
    /// To a service of this stack with a namespace of its own, or to nowhere.
    Inside,
}

pub fn namespaces<'a>(
    service: &Service,
    namespaces: &'a Namespaces,
    network: &'a Attachment,
    judge: &mut Judge<'a>,
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
fn shared<'a>(
    service: &Service,
    mode: Option<&'a str>,
    word: &str,
    keys: &'static [&'static str],
    judge: &mut Judge<'a>,
) {
    let Some(mode) = mode else { return };
    match leads(judge, mode, word) {
        Leads::Mode("host") => host(&service.name, word, keys, judge),
        Leads::Mode(_) | Leads::Inside => {}
        Leads::Foreign(words, by_way_of) => {
            let mut spotted = judge.places.find(Some(&service.name), &Spot::Key(keys));
            if let Some(other) = by_way_of {
                spotted.hidden |= judge.places.find(Some(other), &Spot::Key(keys)).hidden;
            }
            let spot = Spot::Known(spotted);
            judge.word(&service.name, Rule::HostNamespaces, words, &spot, |it| {
                format!("asks to be in the {word} namespace of a container that it names: {it}")
            });
        }
    }
}

fn leads<'a>(judge: &Judge<'a>, mode: &'a str, word: &str) -> Leads<'a> {
    let (mut mode, mut by_way_of) = (mode, None);
    let mut passed = BTreeSet::new();
    loop {
        let Some(peer) = Peer::parse(mode) else { return Leads::Mode(mode) };
        let name = match peer {
            // Whose container has that name is the engine's to say, whatever this manifest calls its own.
            Peer::Container(_) => return Leads::Foreign(mode, by_way_of),
            Peer::Service(name) => name,
        };
        let Some(service) = judge.stack.services.get(&name) else { return Leads::Inside };
        let Namespaces { ipc, pid, .. } = &service.settings.namespaces;
        let next = match (word, &service.settings.network) {
            ("network", Attachment::Mode(mode)) => Some(mode),
            ("pid", _) => pid.as_ref(),
            ("ipc", _) => ipc.as_ref(),
            _ => None,
        };
        match next.filter(|_| passed.insert(&service.name)) {
            Some(next) => (mode, by_way_of) = (next, Some(&service.name)),
            None => return Leads::Inside,
        }
    }
}
