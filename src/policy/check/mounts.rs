//! What a container sees of the host's files.

use std::collections::BTreeSet;
use std::path::Path;

use super::sharing::of_stack;
use super::{Judge, image, see};
use crate::model::ServiceName;
use crate::model::spec::{Mount, MountSource, Peer, VolumesFrom};
use crate::model::stack::Service;
use crate::policy::matching::Value;
use crate::policy::paths::{Seen, Socket};
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// What `service` mounts itself.
pub fn check(service: &Service, mounts: &[Mount], judge: &mut Judge<'_>) {
    for mount in mounts {
        let spot = Spot::Mount(mount.target.clone());
        one(service, service, mount, &spot, judge);
    }
}

/// What others mount and `service` with them: of a service of this stack, as if it asked for it itself.
pub fn from_others<'a>(service: &Service, others: &'a [VolumesFrom], judge: &mut Judge<'a>) {
    for VolumesFrom { from, read_only: _ } in others {
        let named = from.split_once(':').map_or(from.as_str(), |(_, name)| name);
        let spot = Spot::Entry("volumes_from", named.to_owned());
        follow(service, from, &spot, &mut BTreeSet::new(), judge);
    }
}

fn follow<'a>(
    service: &Service,
    words: &'a str,
    spot: &Spot,
    passed: &mut BTreeSet<&'a str>,
    judge: &mut Judge<'a>,
) {
    if !passed.insert(words) {
        return;
    }
    let stack = judge.stack;
    let peer = Peer::parse(words);
    let Some(other) = peer.as_ref().and_then(|peer| of_stack(stack, peer)) else {
        if let Some(Peer::Container(_)) = peer {
            judge.word(&service.name, Rule::HostBinds, words, spot, |it| {
                format!("asks for all that another container mounts: {it}")
            });
        }
        return;
    };
    for mount in &other.settings.mounts {
        one(service, other, mount, spot, judge);
    }
    for VolumesFrom { from, read_only: _ } in &other.settings.volumes_from {
        follow(service, from, spot, passed, judge);
    }
}

/// A mount of `owner` that `service` sees.
fn one(service: &Service, owner: &Service, mount: &Mount, spot: &Spot, judge: &mut Judge<'_>) {
    let Mount { target: _, source, read_only, labels: _ } = mount;
    match source {
        MountSource::Bind {
            path,
            propagation,
            // They reach no further than the bind itself.
            selinux: _,
            create_host_path: _,
            recursive: _,
        } => {
            let is_written = owner.exports.iter().any(|export| export.target == *path)
                || owner.secret_files.iter().any(|file| file.target == *path);
            if !is_written {
                bind(&service.name, path, *read_only, spot, judge);
            }
            if let Some(how) = propagation.as_deref().filter(|it| it.ends_with("shared")) {
                let word = format!("{}:{how}", path.display());
                judge.word(&service.name, Rule::HostBinds, word, spot, |it| {
                    format!("asks for what it mounts itself to be mounted on the host: {it}")
                });
            }
        }
        // Those that the stack declares are looked at where they are declared.
        MountSource::Volume { name: _, copy: _, subpath: _ } | MountSource::Anonymous => {}
        MountSource::Image { image, subpath: _ } => {
            image::registry(&service.name, &image.reference(), spot, judge);
        }
    }
}

/// A path of the host that `service` sees.
pub fn bind(
    service: &ServiceName,
    path: &Path,
    read_only: bool,
    spot: &Spot,
    judge: &mut Judge<'_>,
) {
    let seen = see(path, judge.disk);
    let socket = seen.socket(&judge.sockets);
    match socket {
        Socket::Is => {
            judge.find(Some(service), Rule::DockerSocket, &Value::Path(seen.clone()), spot, |it| {
                format!("mounts the socket of an engine: {it}")
            })
        }
        Socket::Contains => {
            judge.find(Some(service), Rule::DockerSocket, &Value::Path(seen.clone()), spot, |it| {
                format!("mounts a directory that leads to the engine's socket: {it}")
            })
        }
        Socket::No => {}
    }
    // Whoever may have the socket asks for nothing else with it.
    if socket == Socket::Is || (seen.is_harmless() && read_only) {
        return;
    }
    host_path(service, seen, spot, judge);
}

fn host_path(service: &ServiceName, seen: Seen, spot: &Spot, judge: &mut Judge<'_>) {
    let own = &judge.stack.working_dir;
    let is_below_own = judge.host.owns_working_dir && seen.text.starts_with(own);
    let Some(real) = seen.real.clone() else {
        return judge.find(Some(service), Rule::HostBinds, &Value::Path(seen), spot, |it| {
            format!("mounts {it} of the host, of which it cannot be told where it leads")
        });
    };
    if is_below_own {
        let home = judge.disk.real(own).unwrap_or_else(|| own.clone());
        if real.starts_with(&home) {
            return;
        }
    }
    // A way that a container can have laid is named by where it leads, lest an exception allow another end.
    let listed = judge.policy.allowed(Rule::HostBinds);
    let leads_out = is_below_own || listed.iter().any(|prefix| seen.text.starts_with(prefix));
    let text = seen.text.display().to_string();
    let (value, way) = match leads_out {
        true => (Seen { text: real.clone(), real: Some(real) }, Some(text)),
        false => (seen, None),
    };
    judge.find(Some(service), Rule::HostBinds, &Value::Path(value), spot, |it| match way {
        // `way` may hold a value of the server's as `it` does, which is then not shown.
        Some(way) if it.starts_with('`') => {
            format!("mounts `{way}`, from where a symbolic link leads to {it} of the host")
        }
        Some(_) | None => format!("mounts {it} of the host"),
    });
}
