//! What no single key can tell: whether the services of a stack fit together.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::service::Draft;
use crate::model::ServiceName;
use crate::model::spec::Endpoint;
use crate::model::stack::Condition;

use super::order::Edges;

/// Checks all active services against each other; `inactive` are left out by their profiles.
pub fn check(drafts: &mut [Draft<'_>], inactive: &BTreeSet<ServiceName>) {
    dependencies(drafts, inactive);
    drafts.iter().for_each(replicas);
    same_names(drafts);
    same_ports(drafts);
}

/// Who waits for whom.
pub fn edges(drafts: &[Draft<'_>]) -> Edges {
    let edge = |draft: &Draft<'_>| (draft.name.clone(), draft.depends_on.keys().cloned().collect());
    drafts.iter().map(edge).collect()
}

/// Reports a circle.
pub fn report_circle(drafts: &[Draft<'_>], circle: &[ServiceName]) {
    let names: Vec<&str> = circle.iter().map(ServiceName::as_str).collect();
    let Some(first) = drafts.iter().find(|draft| circle.first() == Some(&draft.name)) else {
        return;
    };
    let message = format!("services depend on each other in a circle: {}", names.join(" → "));
    let at = first.at.value("depends_on").unwrap_or_else(|| first.at.clone());
    let problem = at.trouble("circle", message).at(at.key_place().clone());
    at.report(problem.hint("take one of these dependencies out"));
}

fn dependencies(drafts: &mut [Draft<'_>], inactive: &BTreeSet<ServiceName>) {
    let names: BTreeSet<ServiceName> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let unchecked: BTreeSet<ServiceName> = drafts
        .iter()
        .filter(|draft| draft.settings.healthcheck.as_ref().is_some_and(|check| check.is_none()))
        .map(|draft| draft.name.clone())
        .collect();
    for draft in drafts {
        for (wanted, (dependency, at)) in &draft.depends_on {
            if !names.contains(wanted) && dependency.required {
                undefined(draft, wanted, at, inactive.contains(wanted), &names);
            } else if !names.contains(wanted) {
                let text = format!("`{wanted}`, which it may depend on, is not there");
                at.remark(Some(&draft.name), text);
            } else if dependency.condition == Condition::Healthy && unchecked.contains(wanted) {
                let message = format!(
                    "service `{}` waits for `{wanted}` to be healthy, whose health check is disabled",
                    draft.name
                );
                at.problem("no-health-check", message);
            }
        }
        draft.depends_on.retain(|wanted, _| names.contains(wanted));
    }
}

fn undefined(
    draft: &Draft<'_>,
    wanted: &ServiceName,
    at: &crate::manifest::read::At<'_>,
    inactive: bool,
    names: &BTreeSet<ServiceName>,
) {
    let (name, shown) = (&draft.name, at.quoted(wanted.as_str()));
    let place = at.key_place().clone();
    if inactive {
        let message =
            format!("service `{name}` depends on {shown}, whose profiles are not active here");
        let problem = at.trouble("undefined-service", message).at(place);
        return at.report(problem.hint(
            "add one of its profiles to the stack's `profiles`, or write `required: false`",
        ));
    }
    let message = format!("service `{name}` depends on {shown}, which is not there");
    let problem = at.trouble("undefined-service", message).at(place);
    let known = names.iter().map(ServiceName::as_str).filter(|known| *known != name.as_str());
    at.undefined(problem, wanted.as_str(), known, "write that service, or take the dependency out");
}

/// What cannot be there more than once.
fn replicas(draft: &Draft<'_>) {
    let count = draft.replica_count();
    let Some((_, place)) = draft.replicas.first().filter(|_| count > 1) else { return };
    let complain = |message: String, hint: &str| {
        let problem = draft.at.trouble("too-many-replicas", message).at(place.clone());
        draft.at.report(problem.hint(hint));
    };
    if let Some(name) = &draft.container_name {
        let name = draft.quoted(&["container_name"], name.as_str());
        let message = format!("{count} replicas cannot all be called {name}");
        complain(message, "take `container_name` out, or run one replica");
    }
    for port in draft.settings.ports.iter().filter(|port| room(&port.published) < count) {
        let port = draft.quoted(&["ports"], &port.published);
        let message = format!("{count} replicas cannot share port {port} of the host");
        complain(message, "publish a range as long as there are replicas, or run one replica");
    }
    if draft.settings.network.endpoints().iter().any(Endpoint::has_own_address) {
        complain(format!("{count} replicas cannot share one address"), "run one replica");
    }
}

/// How many containers can publish on these ports of the host.
fn room(published: &str) -> u32 {
    if matches!(published, "" | "0") {
        return u32::MAX;
    }
    let Some((first, last)) = published.split_once('-') else { return 1 };
    match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) => last.saturating_sub(first) + 1,
        _ => 1,
    }
}

fn same_names(drafts: &[Draft<'_>]) {
    let mut owners = BTreeMap::new();
    for draft in drafts {
        let Some(name) = &draft.container_name else { continue };
        if let Some(other) = owners.insert(name.clone(), &draft.name) {
            let at = draft.at.value("container_name").unwrap_or_else(|| draft.at.clone());
            let message =
                format!("service `{other}` already has the container name {}", at.shown());
            at.problem("two-names", message);
        }
    }
}

/// Two services may mean to share a port only where one of them does not run; so it is no error.
fn same_ports(drafts: &[Draft<'_>]) {
    let mut owners = BTreeMap::new();
    for draft in drafts {
        for port in draft.settings.ports.iter().filter(|port| room(&port.published) == 1) {
            let key = (port.host_ip.clone(), port.published.clone(), port.target.protocol);
            if let Some(other) = owners.insert(key, &draft.name)
                && *other != draft.name
            {
                let text = format!("it publishes the same port of the host as service `{other}`");
                draft.at.remark(Some(&draft.name), text);
            }
        }
    }
}
