//! `evenkeel.prune/v1`: what becomes of the images on this host; `evenkeel.images/v1`: which ones it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Digest, Disk, HostName, ImageId, ImageName, ImageRef, Masks};
use crate::plan::retention::{Fate, Judged, Why};

/// What becomes of the images on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// `evenkeel.prune/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// Whether it only tells what would be done.
    pub dry_run: bool,
    /// The engine's disk, as it is afterwards; null where it cannot be measured.
    pub disk: Option<WireDisk>,
    /// What is wrong with a disk that is too full.
    pub pressure: Option<String>,
    /// Exported files that no container mounted, removed.
    pub files: usize,
    /// Bytes of the build cache, freed.
    pub build_cache: u64,
    /// Every image; those that go first, as they go.
    pub images: Vec<PruneImage>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WireDisk {
    /// A directory on it.
    pub path: String,
    /// Bytes that can be used.
    pub total: u64,
    /// Bytes that are free.
    pub free: u64,
    /// How much is used.
    pub used_percent: u8,
}

impl From<&Disk> for WireDisk {
    fn from(disk: &Disk) -> Self {
        let Disk { path, total, free } = disk.clone();
        Self { path, total, free, used_percent: disk.used_percent() }
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PruneImage {
    /// Its id.
    pub id: String,
    /// Its names, without the server's values.
    pub names: Vec<String>,
    /// Bytes, layers shared with others included.
    pub size: u64,
    /// What becomes of it.
    pub fate: PruneFate,
    /// Why.
    pub because: String,
    /// What kept the engine from letting it go.
    pub error: Option<String>,
}

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PruneFate {
    /// It goes, or is gone.
    Goes,
    /// It loses the names that evenkeel gave it, and stays by those that others did.
    Unnamed,
    /// It stays, and is the next to go on a disk that is too full.
    Spare,
    /// It stays.
    Stays,
    /// evenkeel did not pull it, and nobody uses it: it stays unless somebody asks.
    Foreign,
}

impl PruneFate {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Goes => "goes",
            Self::Unnamed => "unnamed",
            Self::Spare => "spare",
            Self::Stays => "stays",
            Self::Foreign => "foreign",
        }
    }
}

/// All that the report is made from.
#[derive(Clone, Copy)]
pub struct Pruned<'a> {
    /// This host.
    pub host: &'a HostName,
    /// What becomes of every image.
    pub judged: &'a [Judged],
    /// Those that are the next to go on a disk that is too full.
    pub spare: &'a BTreeSet<ImageId>,
    /// Whether those go too that evenkeel did not pull.
    pub foreign_go: bool,
    /// Images that were let go of, with what kept the engine from it; `None` for a dry run.
    pub gone: Option<&'a BTreeMap<ImageId, Option<String>>>,
    /// The engine's disk.
    pub disk: Option<&'a Disk>,
    /// What is wrong with a disk that is too full.
    pub pressure: Option<&'a str>,
    /// Exported files that were removed.
    pub files: usize,
    /// Bytes of the build cache that were freed.
    pub build_cache: u64,
    /// The server's values.
    pub masks: &'a Masks,
}

/// What becomes of every image, or became of it.
pub fn prune(pruned: &Pruned<'_>) -> PruneReport {
    let mut images: Vec<PruneImage> =
        pruned.judged.iter().map(|judged| image(pruned, judged)).collect();
    images.sort_by(|a, b| (a.fate, &a.names, &a.id).cmp(&(b.fate, &b.names, &b.id)));
    PruneReport {
        schema: "evenkeel.prune/v1",
        host: pruned.host.to_string(),
        dry_run: pruned.gone.is_none(),
        disk: pruned.disk.map(WireDisk::from),
        pressure: pruned.pressure.map(str::to_owned),
        files: pruned.files,
        build_cache: pruned.build_cache,
        images,
    }
}

/// What is told of an image that was to go and is still there.
const NOT_REACHED: &str = "it was not reached before the program was stopped";

fn image(pruned: &Pruned<'_>, judged: &Judged) -> PruneImage {
    let gone = pruned.gone.and_then(|gone| gone.get(&judged.image));
    let fate = match &judged.fate {
        Fate::Goes { others, .. } if others.is_empty() => PruneFate::Goes,
        Fate::Goes { .. } => PruneFate::Unnamed,
        Fate::Stays { .. } if gone.is_some() => PruneFate::Goes,
        Fate::Stays { .. } if pruned.spare.contains(&judged.image) => PruneFate::Spare,
        Fate::Stays { .. } => PruneFate::Stays,
        Fate::Foreign { names } if pruned.foreign_go && !names.is_empty() => PruneFate::Goes,
        Fate::Foreign { .. } => PruneFate::Foreign,
    };
    let was_to_go = matches!(fate, PruneFate::Goes | PruneFate::Unnamed);
    let error = match gone {
        Some(error) => error.as_deref(),
        None if was_to_go && pruned.gone.is_some() => Some(NOT_REACHED),
        None => None,
    };
    PruneImage {
        id: judged.image.to_string(),
        names: judged.names.iter().map(|name| masked(pruned.masks, name)).collect(),
        size: judged.size,
        fate,
        because: pruned.masks.mask(&judged.fate.to_string()),
        error: error.map(|error| pruned.masks.mask(error)),
    }
}

/// A name without the server's values; its digest is nobody's secret.
fn masked(masks: &Masks, name: &str) -> String {
    match name.split_once('@') {
        Some((repository, digest)) => format!("{}@{digest}", masks.mask(repository)),
        None => masks.mask(name),
    }
}

/// The images that this host needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImagesReport {
    /// `evenkeel.images/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// By digest.
    pub images: Vec<NeededImage>,
}

/// An image that this host needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeededImage {
    /// Its repository, without the server's values; null where it is not known.
    pub repository: Option<String>,
    /// Its digest.
    pub digest: String,
    /// Further digests of the same image, as far as this host knows them: those of its platforms among them.
    pub children: Vec<String>,
    /// Why it is needed.
    pub because: String,
}

impl NeededImage {
    /// As a line for programs: `repository@digest`, or the digest alone.
    pub fn lines(&self) -> Vec<String> {
        let own = std::iter::once(&self.digest).chain(&self.children);
        own.map(|digest| match &self.repository {
            Some(repository) => format!("{repository}@{digest}"),
            None => digest.clone(),
        })
        .collect()
    }
}

/// The images that this host needs: `needed` with the repositories that `judged`, the engine's list, has them in,
/// or that `shown` says they are from.
pub fn images(
    host: &HostName,
    needed: &BTreeMap<Digest, Why>,
    judged: &[Judged],
    shown: &BTreeMap<Digest, String>,
    masks: &Masks,
) -> ImagesReport {
    let names: Vec<Vec<ImageName>> = judged
        .iter()
        .map(|one| one.names.iter().filter_map(|name| ImageName::parse(name)).collect())
        .collect();
    let mut images: Vec<NeededImage> = needed
        .iter()
        .flat_map(|(digest, why)| {
            let because = masks.mask(&why.to_string());
            places(digest, &names, shown).into_iter().map(move |(repository, children)| {
                NeededImage {
                    repository: repository.map(|repository| masks.mask(&repository)),
                    digest: digest.to_string(),
                    children: children.iter().map(ToString::to_string).collect(),
                    because: because.clone(),
                }
            })
        })
        .collect();
    images.sort_by(|a, b| (&a.repository, &a.digest).cmp(&(&b.repository, &b.digest)));
    ImagesReport { schema: "evenkeel.images/v1", host: host.to_string(), images }
}

impl ImagesReport {
    /// With what registries told of the platforms of images, by digest.
    #[must_use]
    pub fn with_children(mut self, children: &BTreeMap<Digest, BTreeSet<Digest>>) -> Self {
        for image in &mut self.images {
            let told = Digest::parse(&image.digest).and_then(|digest| children.get(&digest));
            let known: BTreeSet<String> = std::mem::take(&mut image.children).into_iter().collect();
            let told = told.into_iter().flatten().map(ToString::to_string);
            image.children =
                known.into_iter().chain(told).collect::<BTreeSet<_>>().into_iter().collect();
        }
        self
    }
}

/// The repositories in which an image is known by `digest`, each with its other digests there.
fn places(
    digest: &Digest,
    names: &[Vec<ImageName>],
    shown: &BTreeMap<Digest, String>,
) -> BTreeMap<Option<String>, BTreeSet<Digest>> {
    let mut places: BTreeMap<Option<String>, BTreeSet<Digest>> = BTreeMap::new();
    for names in names {
        for own in names.iter().filter(|name| name.digest() == Some(digest)) {
            let twins = names.iter().filter(|name| name.repository() == own.repository());
            let twins = twins.filter_map(ImageName::digest).filter(|twin| *twin != digest);
            places.entry(Some(own.repository().to_owned())).or_default().extend(twins.cloned());
        }
    }
    if places.is_empty() {
        let reference = shown.get(digest).and_then(|shown| ImageRef::parse(shown).ok());
        places.insert(reference.map(|reference| reference.name().to_owned()), BTreeSet::new());
    }
    places
}
