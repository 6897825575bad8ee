//! Mounts: ours → `Binds`, `Mounts` and `Volumes` of a create request, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bollard::models::{
    HostConfig, Mount as EngineMount, MountBindOptions, MountBindOptionsPropagationEnum,
    MountImageOptions, MountPoint, MountTmpfsOptions, MountType, MountVolumeOptions,
};

use crate::model::spec::{Mount, MountSource, Recursion};
use crate::model::{ImageRef, PinnedImage, VolumeName};

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
                None if mount.labels.is_empty() => requested.volumes.push(mount.target.clone()),
                None => requested.mounts.push(volume_object(mount, None, true, None)),
            },
            MountSource::Bind { path, propagation, selinux, create_host_path, recursive } => {
                let source = path.to_string_lossy();
                let is_plain = *create_host_path && recursive.is_none();
                if is_plain && fits_a_string(&source, &mount.target) {
                    let selinux = selinux.map(String::from);
                    let options = [selinux.as_deref(), propagation.as_deref()];
                    requested.binds.push(bind_string(&source, mount, &options));
                } else {
                    let options = bind_options(propagation.as_deref(), *recursive);
                    requested.mounts.push(bind_object(mount, path, options));
                }
            }
            MountSource::Volume { name, copy, subpath } => {
                let is_plain = subpath.is_none() && mount.labels.is_empty();
                if is_plain && fits_a_string(name.as_str(), &mount.target) {
                    let options = [(!copy).then_some("nocopy")];
                    requested.binds.push(bind_string(name.as_str(), mount, &options));
                } else {
                    let object = volume_object(mount, Some(name), *copy, subpath.as_deref());
                    requested.mounts.push(object);
                }
            }
            MountSource::Image { image, subpath } => {
                requested.mounts.push(image_object(mount, image, subpath.as_deref()));
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

fn object(kind: MountType, mount: &Mount, source: Option<String>) -> EngineMount {
    EngineMount {
        target: Some(mount.target.clone()),
        source,
        typ: Some(kind),
        read_only: Some(mount.read_only),
        ..EngineMount::default()
    }
}

fn bind_object(mount: &Mount, path: &Path, options: MountBindOptions) -> EngineMount {
    let create = matches!(mount.source, MountSource::Bind { create_host_path: true, .. });
    let options = MountBindOptions { create_mountpoint: create.then_some(true), ..options };
    let source = path.to_string_lossy().into_owned();
    EngineMount { bind_options: Some(options), ..object(MountType::BIND, mount, Some(source)) }
}

/// `recursive` as Compose has the words for these options.
fn bind_options(propagation: Option<&str>, recursive: Option<Recursion>) -> MountBindOptions {
    let asks = |wanted: Recursion| (recursive == Some(wanted)).then_some(true);
    MountBindOptions {
        propagation: propagation.and_then(propagation_word),
        non_recursive: asks(Recursion::Disabled),
        read_only_non_recursive: asks(Recursion::Writable),
        read_only_force_recursive: asks(Recursion::ReadOnly),
        create_mountpoint: None,
    }
}

fn recursion(options: &MountBindOptions) -> Option<Recursion> {
    let asked = [
        (options.non_recursive, Recursion::Disabled),
        (options.read_only_non_recursive, Recursion::Writable),
        (options.read_only_force_recursive, Recursion::ReadOnly),
    ];
    asked.into_iter().find(|(is_asked, _)| *is_asked == Some(true)).map(|(_, word)| word)
}

/// Without a name, the engine makes one up.
fn volume_object(
    mount: &Mount,
    name: Option<&VolumeName>,
    copy: bool,
    subpath: Option<&str>,
) -> EngineMount {
    let options = MountVolumeOptions {
        no_copy: (!copy).then_some(true),
        labels: (!mount.labels.is_empty()).then(|| mount.labels.clone().into_iter().collect()),
        subpath: subpath.map(str::to_owned),
        driver_config: None,
    };
    let is_set = options != MountVolumeOptions::default();
    let source = name.map(|name| name.as_str().to_owned());
    EngineMount {
        volume_options: is_set.then_some(options),
        ..object(MountType::VOLUME, mount, source)
    }
}

fn image_object(mount: &Mount, image: &PinnedImage, subpath: Option<&str>) -> EngineMount {
    let options = subpath.map(|subpath| MountImageOptions { subpath: Some(subpath.to_owned()) });
    EngineMount {
        image_options: options,
        ..object(MountType::IMAGE, mount, Some(image.pull_reference()))
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
    Mount::new(target, MountSource::Anonymous, false)
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
            recursive: None,
        }
    } else {
        volume_source(source, !options.contains(&"nocopy"), None)
    };
    Some(Mount::new(normal(target), source, options.contains(&"ro")))
}

fn parse_object(mount: &EngineMount) -> Option<Mount> {
    let volume = mount.volume_options.as_ref();
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
                recursive: options.and_then(recursion),
            }
        }
        MountType::VOLUME => {
            let no_copy = volume.and_then(|options| options.no_copy);
            let subpath = volume.and_then(|options| options.subpath.as_deref());
            let name = mount.source.as_deref().unwrap_or_default();
            volume_source(name, !no_copy.unwrap_or(false), subpath)
        }
        MountType::IMAGE => {
            // By a tag alone, nobody can tell which image that was: such a mount equals no other.
            let image = ImageRef::parse(mount.source.as_deref()?).ok()?;
            let options = mount.image_options.as_ref();
            MountSource::Image {
                image: PinnedImage::try_from(&image).ok()?,
                subpath: options.and_then(|options| options.subpath.as_deref()).and_then(filled),
            }
        }
        MountType::CLUSTER | MountType::NPIPE | MountType::TMPFS => return None,
    };
    let labels = volume.and_then(|options| options.labels.clone()).unwrap_or_default();
    Some(Mount {
        labels: labels.into_iter().collect(),
        ..Mount::new(normal(mount.target.as_deref()?), source, mount.read_only.unwrap_or(false))
    })
}

fn volume_source(name: &str, copy: bool, subpath: Option<&str>) -> MountSource {
    if name.is_empty() || is_made_up(name) {
        return MountSource::Anonymous;
    }
    MountSource::Volume { name: VolumeName::new(name), copy, subpath: subpath.and_then(filled) }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
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
        Mount::new(target, MountSource::bind(path), false)
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
            recursive: None,
        };
        check(strict.clone(), &[]);
        strict.source = MountSource::Bind {
            path: "/srv/a".into(),
            propagation: Some("rslave".into()),
            selinux: Some('Z'),
            create_host_path: true,
            recursive: None,
        };
        check(strict, &["/srv/a:/a:Z,rslave"]);
        let source = MountSource::Volume { name: "data".into(), copy: false, subpath: None };
        check(Mount { source, ..bind("", "/a") }, &["data:/a:nocopy"]);
        check(anonymous_mount("/a".into()), &[]);
    }

    #[test]
    fn what_only_newer_engines_know_is_an_object() {
        for recursive in [Recursion::Disabled, Recursion::Writable, Recursion::ReadOnly] {
            let mut mount = Mount { read_only: true, ..bind("/srv/a", "/a") };
            if let MountSource::Bind { recursive: asked, .. } = &mut mount.source {
                *asked = Some(recursive);
            }
            check(mount, &[]);
        }
        let subpath = Some("a/b".to_owned());
        let source =
            MountSource::Volume { name: "data".into(), copy: false, subpath: subpath.clone() };
        check(Mount { source, ..bind("", "/a") }, &[]);
        let reference = ImageRef::parse(&format!("acme/site@sha256:{}", "a".repeat(64))).unwrap();
        let image = PinnedImage::try_from(&reference).unwrap();
        let source = MountSource::Image { image: image.clone(), subpath: None };
        check(Mount { source, ..bind("", "/a") }, &[]);
        check(Mount { source: MountSource::Image { image, subpath }, ..bind("", "/a") }, &[]);
    }

    #[test]
    fn a_labelled_volume_is_an_object_until_it_is_inherited() {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let labelled = |source| Mount { source, labels: labels.clone(), ..bind("", "/a") };
        check(labelled(MountSource::volume("data")), &[]);
        let anonymous = labelled(MountSource::Anonymous);
        check(anonymous.clone(), &[]);
        let volume = VolumeName::new("0a".repeat(32));
        let inherited = BTreeMap::from([("/a".to_owned(), volume.clone())]);
        assert_eq!(request(&[anonymous], &inherited).binds, [volume_bind(&volume, "/a")]);
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
        let source = MountSource::volume("data");
        assert_eq!(observed.mounts, [Mount { source, ..bind("", "/a") }]);
    }
}
