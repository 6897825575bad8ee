//! What a container sees at which path, and whether another container would see other data there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Found;
use crate::model::spec::{Mount, MountSource};
use crate::model::{ContainerSpec, ObservedContainer, labels};

pub(super) fn compare_mounts(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let by_target = |spec: &ContainerSpec| -> BTreeMap<String, Mount> {
        spec.mounts.iter().map(|mount| (mount.target.clone(), mount.clone())).collect()
    };
    let mut expected = by_target(image);
    expected.extend(by_target(wanted));
    expected.retain(|target, _| wanted.tmpfs.keys().all(|tmpfs| tmpfs != target));
    let has_mounts = by_target(has);
    let targets: BTreeSet<&String> = expected.keys().chain(has_mounts.keys()).collect();
    for target in targets {
        let differs = match (expected.get(target), has_mounts.get(target)) {
            (Some(wanted), Some(has)) => {
                !shows_the_same(wanted, has)
                    || (found.suspects() && is_set_up_otherwise(wanted, has))
            }
            // An image's volume may be shadowed by a mount above it, which then leaves no trace.
            (Some(wanted), None) => wanted.source != MountSource::Anonymous,
            (None, Some(_)) => true,
            (None, None) => false,
        };
        found.hidden(&format!("volumes.{target}"), differs);
    }
    found.hidden("tmpfs", wanted.tmpfs != has.tmpfs);
}

fn shows_the_same(wanted: &Mount, has: &Mount) -> bool {
    wanted.read_only == has.read_only && same_source(&wanted.source, &has.source)
}

/// Whether two mounts of the same data differ in propagation, relabelling or the like.
fn is_set_up_otherwise(wanted: &Mount, has: &Mount) -> bool {
    match (&wanted.source, &has.source) {
        (MountSource::Anonymous | MountSource::Image { .. }, _) | (_, MountSource::Anonymous) => {
            false
        }
        (MountSource::Bind { .. }, _) => wanted.source != has.source,
        (MountSource::Volume { .. }, _) => {
            wanted.source != has.source || wanted.labels != has.labels
        }
    }
}

/// Whether two mounts show the same data.
pub fn same_source(a: &MountSource, b: &MountSource) -> bool {
    match (a, b) {
        (MountSource::Bind { path: a, .. }, MountSource::Bind { path: b, .. }) => a == b,
        (
            MountSource::Volume { name: a, subpath: below_a, .. },
            MountSource::Volume { name: b, subpath: below_b, .. },
        ) => (a, below_a) == (b, below_b),
        (MountSource::Anonymous, MountSource::Anonymous) => true,
        (
            MountSource::Image { image: a, subpath: below_a },
            MountSource::Image { image: b, subpath: below_b },
        ) => (a.digest(), below_a) == (b.digest(), below_b),
        // An anonymous volume that followed from the container before is mounted by its name.
        (MountSource::Anonymous, MountSource::Volume { name, .. })
        | (MountSource::Volume { name, .. }, MountSource::Anonymous) => is_made_up(name.as_str()),
        (MountSource::Bind { .. }, MountSource::Volume { .. } | MountSource::Anonymous)
        | (MountSource::Volume { .. } | MountSource::Anonymous, MountSource::Bind { .. })
        | (MountSource::Image { .. }, _)
        | (_, MountSource::Image { .. }) => false,
    }
}

/// Whether the engine made up this volume name: 64 hex digits.
fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first target where the new container would see other data than the old one, with both sources
/// (interface: data first). Files that evenkeel itself writes may change their path freely.
pub fn data_conflict(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
) -> Option<(String, String, String)> {
    wanted.mounts.iter().find_map(|new| {
        let old = has.mounts.iter().find(|mount| mount.target == new.target)?;
        if same_source(&new.source, &old.source) {
            return None;
        }
        let both_written_by_us = is_managed(&new.source) && is_managed(&old.source);
        let nothing_to_lose = old.read_only && !is_managed(&new.source) && !is_managed(&old.source);
        (!both_written_by_us && !nothing_to_lose && !is_image(&old.source))
            .then(|| (new.target.clone(), show_source(&old.source), show_source(&new.source)))
    })
}

/// The first target whose source has kept its path below the stack's directory on the server, while
/// `directory` is another one than the container was made with. Nobody edited that path, so even what is only
/// read must not be empty all at once.
pub fn other_place(
    wanted: &ContainerSpec,
    has: &ObservedContainer,
    directory: &Path,
) -> Option<(String, String, String)> {
    let before = Path::new(has.label(labels::COMPOSE_WORKING_DIR)?);
    wanted.mounts.iter().filter(|_| before != directory).find_map(|new| {
        let old = has.settings.mounts.iter().find(|mount| mount.target == new.target)?;
        let (MountSource::Bind { path: from, .. }, MountSource::Bind { path: to, .. }) =
            (&old.source, &new.source)
        else {
            return None;
        };
        let kept = from.strip_prefix(before).ok()? == to.strip_prefix(directory).ok()?;
        kept.then(|| (new.target.clone(), show_source(&old.source), show_source(&new.source)))
    })
}

/// The first target where a container that takes over from another stack's would see other data than that
/// one wrote.
pub fn left_behind(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
) -> Option<(String, String, String)> {
    wanted.mounts.iter().find_map(|new| {
        let old = has.mounts.iter().find(|mount| mount.target == new.target && !mount.read_only)?;
        (!same_source(&new.source, &old.source) && !is_image(&old.source))
            .then(|| (new.target.clone(), show_source(&old.source), show_source(&new.source)))
    })
}

/// Whether evenkeel itself writes this path: an exported file, a secret or a config.
fn is_managed(source: &MountSource) -> bool {
    let MountSource::Bind { path, .. } = source else { return false };
    let exported = path.components().any(|part| part.as_os_str() == ".exported");
    let in_secrets = path.parent().and_then(Path::file_name).is_some_and(|name| name == "secrets");
    let hashed = path.file_name().is_some_and(|name| is_made_up(&name.to_string_lossy()));
    exported || (in_secrets && hashed)
}

/// What a container writes over an image's files goes with the container, as do its other files.
fn is_image(source: &MountSource) -> bool {
    matches!(source, MountSource::Image { .. })
}

fn show_source(source: &MountSource) -> String {
    match source {
        MountSource::Bind { path, .. } => path.display().to_string(),
        MountSource::Volume { name, subpath: None, .. } => format!("volume {name}"),
        MountSource::Volume { name, subpath: Some(path), .. } => format!("{path} in volume {name}"),
        MountSource::Anonymous => "an anonymous volume".to_owned(),
        MountSource::Image { .. } => "an image".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, ImageRef, PinnedImage};

    fn part_of(name: &str, path: &str) -> MountSource {
        let subpath = Some(path.to_owned());
        MountSource::Volume { name: name.into(), copy: true, subpath }
    }

    fn image(hex: &str, subpath: Option<&str>) -> MountSource {
        let digest = Digest::parse(&format!("sha256:{}", hex.repeat(64))).unwrap();
        let image = PinnedImage::new(&ImageRef::parse("acme/app:1").unwrap(), digest);
        MountSource::Image { image, subpath: subpath.map(str::to_owned) }
    }

    fn made_up() -> String {
        "0123456789abcdef".repeat(4)
    }

    /// Files that evenkeel writes: a secret's and an exported one.
    fn written_by_us() -> [MountSource; 2] {
        let secret = format!("/var/lib/evenkeel/secrets/{}", made_up());
        [MountSource::bind(secret), MountSource::bind("/srv/shop/.exported/app.conf")]
    }

    fn mounting(target: &str, source: &MountSource, read_only: bool) -> ContainerSpec {
        let mounts = vec![Mount::new(target, source.clone(), read_only)];
        ContainerSpec { mounts, ..ContainerSpec::default() }
    }

    #[test]
    fn two_mounts_show_the_same_data_where_the_source_is_the_same_in_every_part() {
        let sources = [
            MountSource::bind("/a"),
            MountSource::bind("/b"),
            MountSource::volume("a"),
            MountSource::volume("b"),
            part_of("a", "x"),
            part_of("a", "y"),
            image("1", None),
            image("2", None),
            image("1", Some("x")),
            MountSource::Anonymous,
        ];
        for (place, one) in sources.iter().enumerate() {
            for (other_place, other) in sources.iter().enumerate() {
                assert_eq!(same_source(one, other), place == other_place, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_volume_that_the_engine_named_is_an_anonymous_one() {
        let too_short = &made_up()[1..];
        let no_number = made_up().replace('0', "z");
        for (name, expected) in [(&*made_up(), true), (too_short, false), (&no_number, false)] {
            let volume = MountSource::volume(name);
            assert_eq!(same_source(&volume, &MountSource::Anonymous), expected, "{name}");
            assert_eq!(same_source(&MountSource::Anonymous, &volume), expected, "{name}");
        }
    }

    #[test]
    fn other_data_is_a_conflict_where_somebody_wrote_it_or_it_becomes_a_file_of_ours() {
        let (a, b) = (MountSource::bind("/a"), MountSource::volume("b"));
        let [secret, exported] = &written_by_us();
        let not_hashed = MountSource::bind("/var/lib/evenkeel/secrets/key");
        let elsewhere = MountSource::bind(format!("/var/lib/evenkeel/keys/{}", made_up()));
        for (has, wanted, read_only, expected) in [
            (&a, &a, false, false),
            (&a, &b, false, true),
            (&a, &b, true, false),
            (secret, exported, false, false),
            (secret, exported, true, false),
            (secret, &a, true, true),
            (&a, secret, true, true),
            (&a, secret, false, true),
            (&not_hashed, exported, false, true),
            (&elsewhere, exported, false, true),
            (&image("1", None), &a, false, false),
            (&a, &image("1", None), false, true),
        ] {
            let told = data_conflict(
                &mounting("/data", wanted, false),
                &mounting("/data", has, read_only),
            );
            let shown = ("/data".to_owned(), show_source(has), show_source(wanted));
            assert_eq!(told, expected.then_some(shown), "{has:?} → {wanted:?}, {read_only}");
        }
        assert_eq!(data_conflict(&mounting("/new", &a, false), &mounting("/old", &b, false)), None);
    }

    #[test]
    fn what_was_written_under_the_old_name_of_a_stack_is_left_behind_by_another_source() {
        let (a, b) = (MountSource::volume("a"), part_of("b", "x"));
        for (has, wanted, read_only, expected) in [
            (&a, &a, false, false),
            (&a, &b, false, true),
            (&a, &b, true, false),
            (&image("1", None), &b, false, false),
        ] {
            let told =
                left_behind(&mounting("/data", wanted, false), &mounting("/data", has, read_only));
            let shown = ("/data".to_owned(), show_source(has), show_source(wanted));
            assert_eq!(told, expected.then_some(shown), "{has:?} → {wanted:?}, {read_only}");
        }
        assert_eq!(left_behind(&mounting("/new", &a, false), &mounting("/old", &b, false)), None);
    }

    #[test]
    fn a_source_is_called_what_a_person_would_look_for() {
        for (source, called) in [
            (MountSource::bind("/srv/a"), "/srv/a"),
            (MountSource::volume("a"), "volume a"),
            (part_of("a", "x/y"), "x/y in volume a"),
            (MountSource::Anonymous, "an anonymous volume"),
            (image("1", None), "an image"),
        ] {
            assert_eq!(show_source(&source), called);
        }
    }
}
