//! What services are to each other beyond `depends_on`: links, and networks and volumes that they share.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::service::{Draft, Link};
use crate::model::spec::{Attachment, Endpoint, Peer};
use crate::model::stack::{Condition, Dependency};
use crate::model::{ContainerName, NetworkName, ServiceName, StackName};

/// What one service has to know of another.
struct Other {
    containers: Vec<ContainerName>,
    networks: BTreeSet<NetworkName>,
}

/// Settles links and what is shared, once every service is read.
pub fn settle(drafts: &mut [Draft<'_>], stack: &StackName) {
    drafts.iter_mut().for_each(depend);
    let others: BTreeMap<ServiceName, Other> =
        drafts.iter().map(|draft| (draft.name.clone(), other(draft, stack))).collect();
    let is_shareable =
        |draft: &&Draft<'_>| draft.settings.namespaces.ipc.as_deref() == Some("shareable");
    let shareable = drafts.iter().filter(is_shareable).map(|draft| draft.name.clone()).collect();
    for draft in drafts {
        remark_on_memory(draft, &shareable);
        check_shared(draft, &others);
        link(draft, &others);
    }
}

fn other(draft: &Draft<'_>, stack: &StackName) -> Other {
    let endpoints = draft.settings.network.endpoints().iter();
    Other {
        containers: (1..=draft.replica_count()).map(|n| draft.container(stack, n)).collect(),
        networks: endpoints.map(|endpoint| endpoint.network.clone()).collect(),
    }
}

/// A service depends on whom it is linked to and on whose it shares, as with Compose.
fn depend(draft: &mut Draft<'_>) {
    let dependency =
        |restart| Dependency { condition: Condition::Started, restart, required: true };
    for link in &draft.links {
        let entry = draft.depends_on.entry(ServiceName::new(&link.target));
        entry.or_insert((dependency(true), link.at.clone()));
    }
    for shared in &draft.shared {
        let entry = draft.depends_on.entry(shared.service.clone());
        entry.or_insert((dependency(shared.follows), shared.at.clone())).0.required = true;
    }
}

fn check_shared(draft: &Draft<'_>, others: &BTreeMap<ServiceName, Other>) {
    for shared in &draft.shared {
        let Some(other) = others.get(&shared.service) else { continue };
        if other.containers.is_empty() {
            let message = format!(
                "service `{}` shares with {}, which has no replicas",
                draft.name,
                shared.at.quoted(shared.service.as_str())
            );
            let problem = shared.at.trouble("no-replicas", message);
            shared.at.report(problem.hint("give that service a replica, or none to this one"));
        }
    }
    in_anothers_network(draft);
}

/// Docker's own default keeps the memory of a container to itself.
fn remark_on_memory(draft: &Draft<'_>, shareable: &BTreeSet<ServiceName>) {
    let Some(words) = draft.settings.namespaces.ipc.as_deref() else { return };
    if let Some(Peer::Service(name)) = Peer::parse(words)
        && !shareable.contains(&name)
        && let Some(at) = draft.at.value("ipc")
    {
        let other = at.quoted(name.as_str());
        at.remark(Some(&draft.name), format!("{other} has to say `ipc: shareable` for that"));
    }
}

/// What belongs to the container whose network it is (Docker Engine, `validateNetContainerMode`).
fn in_anothers_network(draft: &Draft<'_>) {
    let Attachment::Mode(mode) = &draft.settings.network else { return };
    let Some(peer) = Peer::parse(mode) else { return };
    for key in ["ports", "expose", "hostname", "extra_hosts", "links", "dns", "mac_address"] {
        let Some(at) = draft.at.value(key) else { continue };
        let message =
            format!("`{key}` has no place on service `{}`: its network is another's", draft.name);
        let whose =
            match (&peer, draft.at.value("network_mode").is_some_and(|at| at.node.sensitive)) {
                (_, true) => "the other container".to_owned(),
                (Peer::Service(name), false) => format!("service `{name}`"),
                (Peer::Container(name), false) => format!("container `{name}`"),
            };
        let problem = at.trouble("contradiction", message).at(at.key_place().clone());
        at.report(problem.hint(format!("write it on {whose}")));
    }
}

fn link(draft: &mut Draft<'_>, others: &BTreeMap<ServiceName, Other>) {
    if draft.links.is_empty() && draft.external_links.is_empty() {
        return;
    }
    let mut complain = Vec::new();
    let endpoints = match &mut draft.settings.network {
        Attachment::Networks(endpoints) => endpoints,
        Attachment::Mode(mode) => {
            if Peer::parse(mode).is_none() {
                complain
                    .extend(draft.links.iter().chain(&draft.external_links).map(|link| &link.at));
            }
            for at in complain {
                let message =
                    format!("a link does not go with this `network_mode` of `{}`", draft.name);
                let problem = at.trouble("contradiction", message);
                at.report(
                    problem.hint("take `network_mode` out: links work on networks of the stack"),
                );
            }
            return;
        }
    };
    for link in &draft.links {
        let Some(other) = others.get(&ServiceName::new(&link.target)) else { continue };
        let shared = |endpoint: &&mut Endpoint| other.networks.contains(&endpoint.network);
        let mut joint: Vec<&mut Endpoint> = endpoints.iter_mut().filter(shared).collect();
        if joint.is_empty() {
            let text = format!("it has no network in common with {}", link.at.quoted(&link.target));
            link.at.remark(Some(&draft.name), text);
        }
        // By its own name a service is found without a link.
        let Some(alias) = link.alias.as_ref().filter(|alias| **alias != link.target) else {
            continue;
        };
        for endpoint in &mut joint {
            endpoint.links.extend(other.containers.iter().map(|name| format!("{name}:{alias}")));
        }
    }
    for Link { target, alias, .. } in &draft.external_links {
        let alias = alias.as_ref().unwrap_or(target);
        for endpoint in endpoints.iter_mut() {
            endpoint.links.insert(format!("{target}:{alias}"));
        }
    }
}
