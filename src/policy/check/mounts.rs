//! What a container sees of the host's files.

use std::collections::BTreeSet;
use std::path::Path;

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
    let other = match Peer::parse(words) {
        // Whose container has that name is the engine's to say.
        Some(Peer::Container(_)) => {
            return judge.word(&service.name, Rule::HostBinds, words, spot, |it| {
                format!("asks for all that another container mounts: {it}")
            });
        }
        Some(Peer::Service(name)) => judge.stack.services.get(&name),
        None => None,
    };
    let Some(other) = other else { return };
    for mount in &other.settings.mounts {
        let (of_other, target) = (other.name.clone(), mount.target.clone());
        let through = Spot::Through(Box::new(spot.clone()), of_other, target);
        one(service, other, mount, &through, judge);
        if let MountSource::Volume { name, .. } = &mount.source {
            judge.borrowed.push((name, service.name.clone()));
        }
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
    let Named { value, way } = named(&seen, judge);
    let what = match socket {
        Socket::Is => Some("mounts the socket of an engine"),
        Socket::Contains => Some("mounts a directory that leads to the engine's socket"),
        Socket::No => None,
    };
    if let Some(what) = what {
        judge.find(Some(service), Rule::DockerSocket, &value, spot, |it| format!("{what}: {it}"));
    }
    // Whoever may have the socket asks for nothing else with it.
    if socket == Socket::Is || (seen.is_harmless() && read_only) || is_own(&seen, judge) {
        return;
    }
    judge.find(Some(service), Rule::HostBinds, &value, spot, |it| match way {
        _ if seen.real.is_none() => {
            format!("mounts {it} of the host, of which it cannot be told where it leads")
        }
        // What is not shown of the one is not shown of the other.
        Some(way) if it.starts_with('`') => {
            format!("mounts `{way}`, from where a symbolic link leads to {it} of the host")
        }
        Some(_) | None => format!("mounts {it} of the host"),
    });
}

/// Whether it is in the stack's own directory, also behind all links.
fn is_own(seen: &Seen, judge: &Judge<'_>) -> bool {
    let own = &judge.stack.working_dir;
    let home = judge.disk.real(own).unwrap_or_else(|| own.clone());
    let real = seen.real.as_deref();
    is_below(seen, own, judge) && real.is_some_and(|real| real.starts_with(home))
}

fn is_below(seen: &Seen, own: &Path, judge: &Judge<'_>) -> bool {
    judge.host.owns_working_dir && seen.text.starts_with(own)
}

/// What a path is called in an exception.
struct Named {
    value: Value,
    /// How it is written, where that is not what it is called.
    way: Option<String>,
}

/// A way that a container can have laid is called by where it leads, lest an exception allow another end later on.
fn named(seen: &Seen, judge: &Judge<'_>) -> Named {
    let listed = judge.policy.allowed(Rule::HostBinds);
    let is_laid = is_below(seen, &judge.stack.working_dir, judge)
        || listed.iter().any(|prefix| seen.text.starts_with(prefix));
    match seen.real.clone().filter(|real| is_laid && *real != seen.text) {
        Some(real) => Named {
            value: Value::Path(Seen { text: real.clone(), real: Some(real) }),
            way: Some(seen.text.display().to_string()),
        },
        None => Named { value: Value::Path(seen.clone()), way: None },
    }
}
