//! Pure: which images stay on the host, which go, and why.
//!
//! An image stays while a container is made from it, in whatever state and whoever's; while git asks for it; and
//! while a service can go back to it. Of the others only those names are taken away that evenkeel gave: the
//! engine drops what nobody names any more. Taking them away belongs in `reconcile`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::model::fingerprint::sha256_hex;
use crate::model::observed::ObservedImage;
use crate::model::retention::{GivenNames, GoodImage, Past, PastImages, PulledImages, pull_key};
use crate::model::spec::MountSource;
use crate::model::{
    DesiredState, Digest, GenerationNumber, ImageId, ImageName, ObservedState, ServiceId,
};

/// All that it depends on.
#[derive(Clone, Copy)]
pub struct Inventory<'a> {
    /// What git asks for.
    pub desired: &'a DesiredState,
    /// Containers and images. It has to be complete: what is not known to be needed goes.
    pub observed: &'a ObservedState,
    /// What services were well with.
    pub past: &'a Past,
    /// What evenkeel pulled.
    pub pulled: &'a PulledImages,
    /// What evenkeel named.
    pub given: &'a GivenNames,
    /// Digests that a record names which can be gone back to: a container mounts that image.
    pub mentioned: &'a BTreeMap<Digest, GenerationNumber>,
    /// How many images of a service stay where its manifest says nothing.
    pub keep: u32,
}

/// The least that a service can go back to stays however full the disk is: what runs, and what ran before.
pub const LEAST: u32 = 2;

/// An image and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The image.
    pub image: ImageId,
    /// All its names.
    pub names: Vec<String>,
    /// Bytes, layers shared with others included.
    pub size: u64,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays {
        /// Why.
        why: Why,
        /// Names that it is to get, so that nobody takes it for left over.
        to_give: Vec<ImageName>,
    },
    /// The names go that evenkeel gave it.
    Goes {
        /// Those.
        names: Vec<ImageName>,
        /// When it was last seen to be used; `None` where evenkeel did not pull it.
        last_used: Option<Timestamp>,
        /// Names that others gave it: they stay, and the image with them.
        others: Vec<String>,
    },
    /// Nobody uses it, and evenkeel did not pull it: it is left alone.
    Foreign {
        /// Its names, as far as they can be told from ids.
        names: Vec<ImageName>,
    },
}

/// Why an image stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Containers are made from it.
    Used(Vec<String>),
    /// Git asks for it.
    Wanted(ServiceId),
    /// A service can go back to it.
    GoBack(ServiceId, GenerationNumber),
    /// The record of a generation that can be gone back to mounts it.
    Mentioned(GenerationNumber),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used(containers) => match containers.as_slice() {
                [] => f.write_str("a container is made from it"),
                [one] => write!(f, "the container {one} is made from it"),
                [one, more @ ..] => {
                    write!(f, "the container {one} and {} more are made from it", more.len())
                }
            },
            Self::Wanted(service) => write!(f, "git asks for it: {service}"),
            Self::GoBack(service, generation) => {
                write!(f, "{service} can go back to it (generation {generation})")
            }
            Self::Mentioned(generation) => {
                write!(f, "what generation {generation} ran mounts it")
            }
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays { why, .. } => why.fmt(f),
            Self::Goes { others, .. } if others.is_empty() => {
                f.write_str("evenkeel pulled it, and nothing that can be gone back to needs it")
            }
            Self::Goes { others, .. } => write!(
                f,
                "nothing that can be gone back to needs it; somebody else named it {}, so only evenkeel's \
                 names go",
                others.join(", ")
            ),
            Self::Foreign { .. } => f.write_str("nobody uses it, and evenkeel did not pull it"),
        }
    }
}

/// What becomes of every image. `most`: no service keeps more than so many to go back to.
pub fn judge(inventory: &Inventory<'_>, most: Option<u32>) -> Vec<Judged> {
    let needs = Needs::of(inventory, most);
    let images = inventory.observed.images.iter();
    images.map(|image| judge_one(inventory, &needs, image)).collect()
}

/// Those that go, the one first that was not used for the longest time.
pub fn going(judged: &[Judged]) -> Vec<(&Judged, &[ImageName])> {
    let mut going: Vec<(Option<Timestamp>, &Judged, &[ImageName])> = Vec::new();
    for one in judged {
        match &one.fate {
            Fate::Goes { names, last_used, .. } => going.push((*last_used, one, names)),
            Fate::Stays { .. } | Fate::Foreign { .. } => {}
        }
    }
    going.sort_by(|a, b| (a.0, &a.1.image).cmp(&(b.0, &b.1.image)));
    going.into_iter().map(|(_, judged, names)| (judged, names)).collect()
}

/// The generations that can be gone back to.
pub fn kept_generations(inventory: &Inventory<'_>) -> BTreeSet<GenerationNumber> {
    let kept = inventory.past.iter().flat_map(|(id, past)| kept(inventory, id, past, None));
    kept.map(|good| good.last).collect()
}

/// The digests that this host needs, each with the reason.
pub fn needed(inventory: &Inventory<'_>) -> BTreeMap<Digest, Why> {
    let needs = Needs::of(inventory, None);
    let mut needed = BTreeMap::new();
    for image in &inventory.observed.images {
        let names = image.digests.iter().filter_map(|name| ImageName::parse(name));
        let digests: Vec<Digest> = names.filter_map(|name| name.digest().cloned()).collect();
        if let Some(why) = needs.why(&image.id, &digests) {
            needed.extend(digests.into_iter().map(|digest| (digest, why.clone())));
        }
    }
    let known = needs.wanted.keys().chain(needs.past.keys()).chain(&needs.used_digests);
    for digest in known.chain(inventory.mentioned.keys()) {
        if let Some(why) = needs.why("", std::slice::from_ref(digest)) {
            needed.entry(digest.clone()).or_insert(why);
        }
    }
    needed
}

/// What is needed, and by whom.
struct Needs<'a> {
    used: BTreeMap<&'a str, Vec<String>>,
    /// Digests that containers of ours name: an engine may list an image under another id than they do.
    used_digests: BTreeSet<Digest>,
    wanted: BTreeMap<Digest, ServiceId>,
    past: BTreeMap<Digest, Vec<(&'a ServiceId, GenerationNumber)>>,
    mentioned: &'a BTreeMap<Digest, GenerationNumber>,
}

impl<'a> Needs<'a> {
    fn of(inventory: &Inventory<'a>, most: Option<u32>) -> Self {
        let observed = inventory.observed;
        let mut used: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut used_digests = BTreeSet::new();
        for container in &observed.containers {
            let name = container.name.to_string();
            used.entry(container.image_id.as_str()).or_default().push(name);
            let digest = container.image.split_once('@').and_then(|(_, it)| Digest::parse(it));
            used_digests.extend(digest);
            for mount in &container.settings.mounts {
                if let MountSource::Image { image, .. } = &mount.source {
                    used_digests.insert(image.digest().clone());
                }
            }
        }
        for container in &observed.foreign {
            let name = container.names.first().map_or(&*container.id, |name| name.as_str());
            used.entry(&container.image_id).or_default().push(name.to_owned());
        }
        let mut past: BTreeMap<Digest, Vec<_>> = BTreeMap::new();
        for (id, images) in inventory.past {
            for good in kept(inventory, id, images, most) {
                past.entry(good.digest.clone()).or_default().push((id, good.first));
            }
        }
        let wanted = wanted(inventory.desired);
        Self { used, used_digests, wanted, past, mentioned: inventory.mentioned }
    }

    fn why(&self, image: &str, digests: &[Digest]) -> Option<Why> {
        if let Some(containers) = self.used.get(image) {
            return Some(Why::Used(containers.clone()));
        }
        if digests.iter().any(|digest| self.used_digests.contains(digest)) {
            return Some(Why::Used(Vec::new()));
        }
        if let Some(service) = digests.iter().find_map(|digest| self.wanted.get(digest)) {
            return Some(Why::Wanted(service.clone()));
        }
        let past = digests.iter().find_map(|digest| self.past.get(digest)?.first());
        if let Some((service, generation)) = past {
            return Some(Why::GoBack((*service).clone(), *generation));
        }
        digests.iter().find_map(|digest| self.mentioned.get(digest)).copied().map(Why::Mentioned)
    }
}

/// The digests that git asks for.
fn wanted(desired: &DesiredState) -> BTreeMap<Digest, ServiceId> {
    let mut wanted = BTreeMap::new();
    for deployment in desired.deployments() {
        for (name, service) in &deployment.services {
            let id = ServiceId::new(&deployment.stack.name, name);
            if let Ok(pinned) = &service.image {
                wanted.insert(pinned.image.digest().clone(), id.clone());
            }
            for mount in &service.service.settings.mounts {
                if let MountSource::Image { image, .. } = &mount.source {
                    wanted.insert(image.digest().clone(), id.clone());
                }
            }
        }
    }
    wanted
}

/// The images of a service that can be gone back to, the newest first.
fn kept<'a>(
    inventory: &Inventory<'_>,
    id: &ServiceId,
    past: &'a PastImages,
    most: Option<u32>,
) -> &'a [GoodImage] {
    let keep = keep(inventory, id, past);
    let keep = most.map_or(keep, |most| keep.min(most));
    let many = usize::try_from(keep).unwrap_or(usize::MAX).min(past.good.len());
    past.good.get(..many).unwrap_or_default()
}

/// How many images of a service stay. All of one whose manifest cannot be read, for it may ask for more than
/// the host does; none of one that git no longer names.
fn keep(inventory: &Inventory<'_>, id: &ServiceId, past: &PastImages) -> u32 {
    let desired = inventory.desired;
    if let Some(deployment) = desired.deployment(&id.stack) {
        let service = deployment.stack.services.get(&id.service);
        return service.map_or(0, |service| service.keep.unwrap_or(inventory.keep));
    }
    let is_gone =
        !desired.stacks.contains_key(&id.stack) && desired.sources_read.contains(&past.source);
    if is_gone { 0 } else { u32::MAX }
}

fn judge_one(inventory: &Inventory<'_>, needs: &Needs<'_>, image: &ObservedImage) -> Judged {
    let id = ImageId::new(image.id.as_str());
    let all = || image.tags.iter().chain(&image.digests);
    let names: Vec<ImageName> = all().filter_map(|name| ImageName::parse(name)).collect();
    let digests: Vec<Digest> = names.iter().filter_map(|name| name.digest().cloned()).collect();
    let pulled = |name: &ImageName| inventory.pulled.get(&pull_key(name.reference())?);
    let is_ours = |name: &&ImageName| {
        inventory.given.get(*name).is_some_and(|given| *given == id) || pulled(name).is_some()
    };
    let ours: Vec<ImageName> = names.iter().filter(is_ours).cloned().collect();
    let fate = if let Some(why) = needs.why(&image.id, &digests) {
        Fate::Stays { why, to_give: to_give(inventory, needs, image, &digests) }
    } else if ours.is_empty() {
        Fate::Foreign { names }
    } else {
        let last_used = ours.iter().filter_map(pulled).map(|pulled| pulled.last_used).max();
        let is_others = |name: &&String| ours.iter().all(|own| own.to_string() != **name);
        Fate::Goes { last_used, others: all().filter(is_others).cloned().collect(), names: ours }
    };
    Judged { image: id, names: all().cloned().collect(), size: image.size, fate }
}

/// The names that an image is still to get. One that is taken already stays where it is.
fn to_give(
    inventory: &Inventory<'_>,
    needs: &Needs<'_>,
    image: &ObservedImage,
    digests: &[Digest],
) -> Vec<ImageName> {
    let services = digests.iter().filter_map(|digest| needs.past.get(digest)).flatten();
    let names: BTreeSet<ImageName> =
        services.filter_map(|(id, generation)| given_name(id, *generation)).collect();
    let is_taken = |name: &ImageName| {
        let text = name.to_string();
        inventory.observed.images.iter().any(|other| other.tags.contains(&text))
    };
    let missing = names.into_iter().filter(|name| !is_taken(name));
    // One without digests is no image that a service could go back to.
    missing.filter(|_| !image.digests.is_empty()).collect()
}

/// The name that an image gets that a service can go back to: `evenkeel/<stack>-<service>:g<generation>`.
///
/// Names of services may have letters that a repository cannot have: then a hash tells it from its likes.
pub fn given_name(service: &ServiceId, generation: GenerationNumber) -> Option<ImageName> {
    let plain = format!("{}-{}", service.stack, service.service);
    let part = match is_repository(&plain) {
        true => plain,
        false => {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let lower = plain.to_ascii_lowercase();
            let words: Vec<&str> =
                lower.split(|c| !is_plain(c)).filter(|word| !word.is_empty()).collect();
            let hash = sha256_hex(plain.as_bytes());
            format!("{}-{}", words.join("-"), hash.get(..8).unwrap_or_default())
        }
    };
    ImageName::parse(&format!("evenkeel/{part}:g{generation}"))
}

/// Whether `text` can be a part of a repository's path: letters and digits, between them `.`, `_`, `__` or any
/// number of `-` (distribution/reference).
fn is_repository(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends_well = text.starts_with(is_plain) && text.ends_with(is_plain);
    let mut between = text.split(is_plain).filter(|between| !between.is_empty());
    let is_separator = |between: &str| {
        matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
    };
    ends_well && between.all(is_separator)
}

/// A download that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it would not fit: it takes about {} ({} of layers to be fetched and unpacked), and of the {} that are free \
     in {path} {} are left for all else",
    crate::model::disk::shown(*needed), crate::model::disk::shown(*layers),
    crate::model::disk::shown(*free), crate::model::disk::shown(*reserve)
)]
pub struct NoRoom {
    /// Bytes of the layers that are not on the host, as they are fetched.
    pub layers: u64,
    /// Bytes that it takes up while it is unpacked.
    pub needed: u64,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes of it that are for all else.
    pub reserve: u64,
    /// The engine's directory.
    pub path: String,
}

/// Of a disk, this share in percent is left for all else, and this many bytes at the most.
const RESERVE_PERCENT: u64 = 2;
const LARGEST_RESERVE: u64 = 1 << 30;

/// Whether an image fits whose layers of `layers` bytes are still to be fetched: they are kept until they are
/// unpacked, and unpacked they are larger; half as large again is common.
///
/// How full the disk is besides does not matter: a hotfix must get through at 81 percent.
pub fn fits(layers: u64, disk: &crate::model::Disk) -> Result<(), NoRoom> {
    let needed = layers.saturating_mul(5) / 2;
    let reserve = (disk.total / 100 * RESERVE_PERCENT).min(LARGEST_RESERVE);
    match needed <= disk.free.saturating_sub(reserve) {
        true => Ok(()),
        false => Err(NoRoom { layers, needed, free: disk.free, reserve, path: disk.path.clone() }),
    }
}

/// What is to be said of a disk on which images have to stay, but for which there is too little room.
pub fn pressure(judged: &[Judged], disk: &crate::model::Disk, high: u8) -> String {
    let shown = crate::model::disk::shown;
    let (mut kept, mut foreign) = ((0, 0), (0, 0));
    for one in judged {
        let sum = match one.fate {
            Fate::Stays { .. } | Fate::Goes { .. } => &mut kept,
            Fate::Foreign { .. } => &mut foreign,
        };
        *sum = (sum.0 + 1, sum.1 + one.size);
    }
    let used = disk.total.saturating_sub(disk.free);
    let rest = used.saturating_sub(kept.1).saturating_sub(foreign.1);
    format!(
        "the disk of {} is {} % full ({high} % is the limit), {} are free: images that are needed take up {} \
         ({}), images that nobody uses and evenkeel did not pull {} ({}), containers, volumes, logs and all \
         else {}",
        disk.path,
        disk.used_percent(),
        shown(disk.free),
        shown(kept.1),
        kept.0,
        shown(foreign.1),
        foreign.0,
        shown(rest),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(service: &str) -> String {
        let id = ServiceId::new(&"shop".into(), &service.into());
        given_name(&id, GenerationNumber(3)).unwrap().to_string()
    }

    #[test]
    fn a_name_is_one_that_the_engine_takes_and_no_two_services_share_it() {
        assert_eq!(name("web"), "evenkeel/shop-web:g3");
        assert_eq!(name("a_b.c--d__e"), "evenkeel/shop-a_b.c--d__e:g3");
        let odd = ["a_b-", "a-b", "A-b", "a_-b", "a.b.", "a___b"].map(name);
        for (number, name) in odd.iter().enumerate() {
            let part = name.strip_prefix("evenkeel/").and_then(|name| name.strip_suffix(":g3"));
            assert!(is_repository(part.unwrap()), "{name}");
            assert!(!odd[..number].contains(name), "{name}");
        }
    }

    #[test]
    fn a_pull_is_refused_only_when_it_would_not_fit() {
        let disk = |free| crate::model::Disk { path: "/d".into(), total: 100 << 30, free };
        // At 81 percent there is room to spare.
        assert_eq!(fits(2 << 30, &disk(19 << 30)), Ok(()));
        assert_eq!(fits(2 << 30, &disk(6 << 30)), Ok(()));
        let error = fits(2 << 30, &disk((6 << 30) - 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it would not fit: it takes about 5.0 GiB (2.0 GiB of layers to be fetched and unpacked), and of \
             the 5.9 GiB that are free in /d 1.0 GiB are left for all else"
        );
        assert!(fits(u64::MAX, &disk(19 << 30)).is_err());
        // Of a small disk only a small part is left for all else.
        let small = crate::model::Disk { path: "/d".into(), total: 1 << 30, free: 100 << 20 };
        assert_eq!(fits(30 << 20, &small), Ok(()));
        assert!(fits(35 << 20, &small).is_err());
    }
}
