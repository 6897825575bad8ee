//! Whether a service whose new container is to start beside the old one has nothing that only one can have.

use std::collections::BTreeMap;

use crate::manifest::service::Draft;
use crate::model::ServiceName;
use crate::model::spec::Single;

/// Reports everything that stands against `order: start-first` where it is written.
pub fn check(drafts: &[Draft<'_>]) {
    let mut sharers: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    for draft in drafts {
        let providers = draft.shared.iter().filter(|shared| shared.follows);
        sharers.extend(providers.map(|shared| (&shared.service, &draft.name)));
    }
    for draft in drafts {
        for single in draft.settings.singles() {
            if !(single.is_data() && draft.rollout.shared_writers) {
                complain(draft, &described(draft, &single), hint(&single));
            }
        }
        remark_on_dependants(draft, drafts);
        if let Some(sharer) = sharers.get(&draft.name) {
            let why = format!("service `{sharer}` is in its network or a namespace of it");
            complain(draft, &why, "write `order: stop-first`");
        }
    }
}

/// A new container has another address, and whoever looked its name up only once goes on using the old one.
fn remark_on_dependants(draft: &Draft<'_>, drafts: &[Draft<'_>]) {
    let Some(at) = draft.start_first.first() else { return };
    let stay = |other: &&Draft<'_>| {
        other.depends_on.get(&draft.name).is_some_and(|(dependency, _)| !dependency.restart)
    };
    for other in drafts.iter().filter(stay) {
        let text = format!(
            "its address changes when it is replaced, and `{}` depends on it without `restart: true`: a program that looks the name up only once keeps the old address",
            other.name
        );
        at.remark(Some(&draft.name), text);
    }
}

fn complain(draft: &Draft<'_>, why: &str, hint: &str) {
    for at in &draft.start_first {
        let message = format!("service `{}` cannot start first: {why}", draft.name);
        at.report(at.trouble("cannot-start-first", message).hint(hint));
    }
}

fn described(draft: &Draft<'_>, single: &Single) -> String {
    let shown = |what: &str| draft.quoted(&[single.key()], what);
    match single {
        Single::Port(port) => {
            format!("only one container can have port {} of the host", shown(port))
        }
        Single::HostNetwork => {
            "two containers in the host's network want the same ports".to_owned()
        }
        Single::Shared(key) => format!("by `{key}` it is in another container's"),
        Single::Address(address) => {
            format!("only one container can have the address {}", shown(address))
        }
        Single::Writable(target) => {
            format!("two containers would write to what is mounted at {}", shown(target))
        }
        Single::Anonymous(target) => {
            format!("the anonymous volume at {} would be written to by two", shown(target))
        }
        Single::VolumesFrom(from) => {
            format!("two containers would write to the volumes of {}", shown(from))
        }
    }
}

fn hint(single: &Single) -> &'static str {
    match single {
        Single::Port(_) => {
            "write `order: stop-first`, or publish no fixed port and reach it by its name on a network"
        }
        Single::HostNetwork | Single::Shared(_) => "write `order: stop-first`",
        Single::Address(_) => "write `order: stop-first`, or take the address out",
        Single::Writable(_) | Single::Anonymous(_) | Single::VolumesFrom(_) => {
            "mount it read-only (`:ro`), write `order: stop-first`, or, if the program bears a second writer, `x-evenkeel: {rollout: {shared_writers: true}}`"
        }
    }
}
