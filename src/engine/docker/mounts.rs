//! Mounts: ours → `Binds`, `Mounts` and `Volumes` of a create request, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bollard::models::{
    HostConfig, Mount as EngineMount, MountBindOptions, MountBindOptionsPropagationEnum,
    MountPoint, MountTmpfsOptions, MountType, MountVolumeOptions,
};

use crate::model::VolumeName;
use crate::model::spec::{Mount, MountSource};

/// The three places of a create request that mounts go to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Requested {
    /// `HostConfig.Binds`.
    pub(super) binds: Vec<String>,
    /// `HostConfig.Mounts`.
    pub(super) mounts: Vec<EngineMount>,
    /// `Config.Volumes`.
    pub(super) volumes: Vec<String>,
}

/// Distributes `mounts`, with the anonymous volumes among them taken from `inherited`.
///
/// Plain binds and volumes are written as `Binds`, as Compose does: the engine then makes a missing
/// directory. `Mounts` is for what those strings cannot say.
pub(super) fn request(mounts: &[Mount], inherited: &BTreeMap<String, VolumeName>) -> Requested {
    let mut requested = Requested::default();
    for mount in mounts {
        match &mount.source {
            MountSource::Anonymous => match inherited.get(&mount.target) {
                Some(volume) => requested.binds.push(bind_string(volume.as_str(), mount, &[])),
                None => requested.volumes.push(mount.target.clone()),
            },
            MountSource::Bind { path, propagation, selinux, create_host_path } => {
                let source = path.to_string_lossy();
                if *create_host_path && fits_a_string(&source, &mount.target) {
                    let selinux = selinux.map(String::from);
                    let options = [selinux.as_deref(), propagation.as_deref()];
                    requested.binds.push(bind_string(&source, mount, &options));
                } else {
                    requested.mounts.push(bind_object(mount, path, propagation.as_deref()));
                }
            }
            MountSource::Volume { name, copy } if fits_a_string(name.as_str(), &mount.target) => {
                let options = [(!copy).then_some("nocopy")];
                requested.binds.push(bind_string(name.as_str(), mount, &options));
            }
            MountSource::Volume { name, copy } => {
                requested.mounts.push(volume_object(mount, name, *copy));
            }
        }
    }
    requested
}

/// `volume:target`, as `Binds` takes it.
pub(super) fn volume_bind(volume: &VolumeName, target: &str) -> String {
    format!("{volume}:{target}")
}

fn fits_a_string(source: &str, target: &str) -> bool {
    !source.contains(':') && !target.contains(':')
}

fn bind_string(source: &str, mount: &Mount, options: &[Option<&str>]) -> String {
    let read_only = mount.read_only.then_some("ro");
    let options: Vec<&str> =
        std::iter::once(read_only).chain(options.iter().copied()).flatten().collect();
    let separator = if options.is_empty() { "" } else { ":" };
    format!("{source}:{}{separator}{}", mount.target, options.join(","))
}

fn bind_object(mount: &Mount, path: &Path, propagation: Option<&str>) -> EngineMount {
    let create = matches!(mount.source, MountSource::Bind { create_host_path: true, .. });
    EngineMount {
        target: Some(mount.target.clone()),
        source: Some(path.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(mount.read_only),
        bind_options: Some(MountBindOptions {
            propagation: propagation.and_then(propagation_word),
            create_mountpoint: create.then_some(true),
            ..MountBindOptions::default()
        }),
        ..EngineMount::default()
    }
}

fn volume_object(mount: &Mount, name: &VolumeName, copy: bool) -> EngineMount {
    EngineMount {
        target: Some(mount.target.clone()),
        source: Some(name.as_str().to_owned()),
        typ: Some(MountType::VOLUME),
        read_only: Some(mount.read_only),
        volume_options: (!copy)
            .then(|| MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..EngineMount::default()
    }
}

fn propagation_word(word: &str) -> Option<MountBindOptionsPropagationEnum> {
    word.parse().ok()
}

/// What a container mounts, as [`request`] would have been asked for it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Observed {
    /// Sorted by target.
    pub(super) mounts: Vec<Mount>,
    /// `HostConfig.Tmpfs` and what of `HostConfig.Mounts` says the same.
    pub(super) tmpfs: BTreeMap<String, String>,
    /// Volumes by a name the engine made up, by target.
    pub(super) anonymous: BTreeMap<String, VolumeName>,
}

/// Reads `HostConfig`, `Config.Volumes` and `Mounts` of an inspected container.
///
/// A volume that was inherited stands under `Binds` by its made-up name; it stays anonymous, or the next
/// container would not inherit it.
pub(super) fn observe(host: &HostConfig, declared: &[String], shown: &[MountPoint]) -> Observed {
    let mut observed = Observed {
        tmpfs: host.tmpfs.clone().unwrap_or_default().into_iter().collect(),
        anonymous: anonymous_volumes(shown),
        mounts: Vec::new(),
    };
    observed.mounts.extend(host.binds.iter().flatten().filter_map(|bind| parse_bind(bind)));
    for mount in host.mounts.iter().flatten() {
        if mount.typ == Some(MountType::TMPFS) {
            let options = tmpfs_options(mount.tmpfs_options.as_ref());
            observed.tmpfs.insert(normal(mount.target.as_deref().unwrap_or_default()), options);
        } else {
            observed.mounts.extend(parse_object(mount));
        }
    }
    if host.volumes_from.as_ref().is_some_and(|others| !others.is_empty()) {
        // The others' volumes are shown among its own.
        let mounts = &observed.mounts;
        let own = |target: &String| {
            mounts.iter().any(|mount| mount.target == *target)
                || declared.iter().any(|declared| normal(declared) == *target)
        };
        observed.anonymous.retain(|target, _| own(target));
    }
    let taken: BTreeSet<String> =
        observed.mounts.iter().map(|mount| mount.target.clone()).collect();
    let declared = declared.iter().map(|target| normal(target));
    let anonymous: BTreeSet<String> = declared.chain(observed.anonymous.keys().cloned()).collect();
    observed.mounts.extend(
        anonymous
            .into_iter()
            .filter(|target| !taken.contains(target) && !observed.tmpfs.contains_key(target))
            .map(anonymous_mount),
    );
    observed.mounts.sort();
    observed
}

/// A mount without a source of its own.
pub(super) fn anonymous_mount(target: String) -> Mount {
    Mount { target, source: MountSource::Anonymous, read_only: false }
}

fn anonymous_volumes(shown: &[MountPoint]) -> BTreeMap<String, VolumeName> {
    shown
        .iter()
        .filter_map(|point| {
            let name = point.name.as_deref().filter(|name| is_made_up(name))?;
            Some((normal(point.destination.as_deref()?), VolumeName::new(name)))
        })
        .collect()
}

fn parse_bind(bind: &str) -> Option<Mount> {
    let mut parts = bind.splitn(3, ':');
    let (source, target) = (parts.next()?, parts.next());
    let Some(target) = target else { return Some(anonymous_mount(normal(source))) };
    let options: Vec<&str> = parts.next().unwrap_or_default().split(',').collect();
    let source = if source.starts_with('/') {
        MountSource::Bind {
            path: PathBuf::from(source),
            propagation: options
                .iter()
                .find(|word| {
                    word.ends_with("private") || word.ends_with("shared") || word.ends_with("slave")
                })
                .map(|word| (*word).to_owned()),
            selinux: options.iter().find_map(|word| match *word {
                "z" => Some('z'),
                "Z" => Some('Z'),
                _ => None,
            }),
            create_host_path: true,
        }
    } else {
        volume_source(source, !options.contains(&"nocopy"))
    };
    Some(Mount { target: normal(target), source, read_only: options.contains(&"ro") })
}

fn parse_object(mount: &EngineMount) -> Option<Mount> {
    let source = match mount.typ? {
        MountType::BIND => {
            let options = mount.bind_options.as_ref();
            MountSource::Bind {
                path: PathBuf::from(mount.source.as_deref()?),
                propagation: options
                    .and_then(|options| options.propagation)
                    .map(|word| word.to_string())
                    .filter(|word| !word.is_empty()),
                selinux: None,
                create_host_path: options
                    .and_then(|options| options.create_mountpoint)
                    .unwrap_or(false),
            }
        }
        MountType::VOLUME => {
            let no_copy = mount.volume_options.as_ref().and_then(|options| options.no_copy);
            volume_source(mount.source.as_deref().unwrap_or_default(), !no_copy.unwrap_or(false))
        }
        MountType::CLUSTER | MountType::IMAGE | MountType::NPIPE | MountType::TMPFS => return None,
    };
    let target = normal(mount.target.as_deref()?);
    Some(Mount { target, source, read_only: mount.read_only.unwrap_or(false) })
}

fn volume_source(name: &str, copy: bool) -> MountSource {
    if name.is_empty() || is_made_up(name) {
        MountSource::Anonymous
    } else {
        MountSource::Volume { name: VolumeName::new(name), copy }
    }
}

fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A target without trailing slashes, as [`Mount::target`] has it.
pub(super) fn normal(target: &str) -> String {
    match target.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn tmpfs_options(options: Option<&MountTmpfsOptions>) -> String {
    let Some(options) = options else { return String::new() };
    let size = options.size_bytes.filter(|size| *size > 0).map(|size| format!("size={size}"));
    let mode = options.mode.filter(|mode| *mode > 0).map(|mode| format!("mode={mode:o}"));
    size.into_iter().chain(mode).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(path: &str, target: &str) -> Mount {
        let source = MountSource::Bind {
            path: path.into(),
            propagation: None,
            selinux: None,
            create_host_path: true,
        };
        Mount { target: target.into(), source, read_only: false }
    }

    /// Asks for `mount`, and reads the answer of an engine that shows what it was asked for.
    fn check(mount: Mount, expected: &[&str]) {
        let requested = request(std::slice::from_ref(&mount), &BTreeMap::new());
        assert_eq!(requested.binds, expected);
        let host = HostConfig {
            binds: Some(requested.binds),
            mounts: Some(requested.mounts),
            ..HostConfig::default()
        };
        assert_eq!(observe(&host, &requested.volumes, &[]).mounts, [mount]);
    }

    #[test]
    fn plain_mounts_are_strings_and_the_rest_are_objects() {
        check(bind("/srv/a", "/a"), &["/srv/a:/a"]);
        check(Mount { read_only: true, ..bind("/srv/a", "/a") }, &["/srv/a:/a:ro"]);
        check(bind("/srv/a:b", "/a"), &[]);
        let mut strict = bind("/srv/a", "/a");
        strict.source = MountSource::Bind {
            path: "/srv/a".into(),
            propagation: Some("rslave".into()),
            selinux: None,
            create_host_path: false,
        };
        check(strict.clone(), &[]);
        strict.source = MountSource::Bind {
            path: "/srv/a".into(),
            propagation: Some("rslave".into()),
            selinux: Some('Z'),
            create_host_path: true,
        };
        check(strict, &["/srv/a:/a:Z,rslave"]);
        let source = MountSource::Volume { name: "data".into(), copy: false };
        check(Mount { source, ..bind("", "/a") }, &["data:/a:nocopy"]);
        check(anonymous_mount("/a".into()), &[]);
    }

    #[test]
    fn an_inherited_volume_stays_anonymous() {
        let volume = VolumeName::new("0a".repeat(32));
        let inherited = BTreeMap::from([("/a".to_owned(), volume.clone())]);
        let requested = request(&[anonymous_mount("/a".into())], &inherited);
        assert_eq!(requested.binds, [volume_bind(&volume, "/a")]);
        let host = HostConfig { binds: Some(requested.binds), ..HostConfig::default() };
        assert_eq!(observe(&host, &[], &[]).mounts, [anonymous_mount("/a".into())]);
    }

    #[test]
    fn a_volume_of_the_image_that_is_mounted_by_name_is_not_anonymous() {
        let host = HostConfig { binds: Some(vec!["data:/a/".to_owned()]), ..HostConfig::default() };
        let observed = observe(&host, &["/a".to_owned()], &[]);
        let source = MountSource::Volume { name: "data".into(), copy: true };
        assert_eq!(observed.mounts, [Mount { source, ..bind("", "/a") }]);
    }
}
