//! `evenkeel.registry-prune/v1`: what becomes of a repository at a registry.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::stored::Contents;
use crate::model::{Digest, ImageRef};
use crate::plan::registry_retention::{Fate, Judged};

/// What becomes of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegistryPruneReport {
    /// `evenkeel.registry-prune/v1`
    pub schema: &'static str,
    /// The registry's host.
    pub registry: String,
    /// The repository, with its registry.
    pub repository: String,
    /// Whether it only tells what would be done.
    pub dry_run: bool,
    /// Manifests that were deleted.
    pub deleted: usize,
    /// Every manifest, in the order in which they are deleted: images, newest first, each with its parts and with
    /// what speaks of it.
    pub manifests: Vec<RegistryManifest>,
    /// What ended it before its time.
    pub error: Option<String>,
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegistryManifest {
    /// Its digest.
    pub digest: String,
    /// All its tags.
    pub tags: Vec<String>,
    /// When it was pushed, or where the registry does not say that, when it was built; null where nobody says.
    pub pushed: Option<Timestamp>,
    /// The image that it is a part of, or speaks of; null for an image.
    pub part_of: Option<String>,
    /// What becomes of it.
    pub verdict: RegistryFate,
    /// Why.
    pub because: String,
    /// Whether it was deleted.
    pub deleted: bool,
    /// What was in the way of deleting it.
    pub error: Option<String>,
}

/// What becomes of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryFate {
    /// It goes, or is gone.
    Goes,
    /// It stays.
    Stays,
}

impl RegistryFate {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Goes => "goes",
            Self::Stays => "stays",
        }
    }
}

/// All that the report is made from.
#[derive(Clone, Copy)]
pub struct RegistryPruned<'a> {
    /// The repository.
    pub image: &'a ImageRef,
    /// What lies in it.
    pub contents: &'a Contents,
    /// What becomes of each.
    pub judged: &'a [Judged],
    /// What was deleted, or was to be, with what was in the way; `None` for a dry run.
    pub deleted: Option<&'a BTreeMap<Digest, Option<String>>>,
    /// What ended it before its time.
    pub error: Option<&'a str>,
}

/// What is told of a manifest that was to go and is still there.
const NOT_REACHED: &str = "it was not reached";

/// What becomes of a repository, or became of it.
pub fn registry_prune(pruned: &RegistryPruned<'_>) -> RegistryPruneReport {
    let manifests: Vec<RegistryManifest> =
        pruned.judged.iter().map(|judged| manifest(pruned, judged)).collect();
    RegistryPruneReport {
        schema: "evenkeel.registry-prune/v1",
        registry: pruned.image.registry().to_owned(),
        repository: pruned.image.name().to_owned(),
        dry_run: pruned.deleted.is_none(),
        deleted: manifests.iter().filter(|manifest| manifest.deleted).count(),
        manifests,
        error: pruned.error.map(str::to_owned),
    }
}

fn manifest(pruned: &RegistryPruned<'_>, judged: &Judged) -> RegistryManifest {
    let verdict = match &judged.fate {
        Fate::Stays(_) => RegistryFate::Stays,
        Fate::Goes(_) => RegistryFate::Goes,
    };
    let was_to_go = verdict == RegistryFate::Goes && pruned.deleted.is_some();
    let (deleted, error) = match pruned.deleted.and_then(|deleted| deleted.get(&judged.digest)) {
        Some(None) => (true, None),
        Some(Some(error)) => (false, Some(error.clone())),
        None => (false, was_to_go.then(|| NOT_REACHED.to_owned())),
    };
    let stored = pruned.contents.manifests.get(&judged.digest).cloned().unwrap_or_default();
    RegistryManifest {
        digest: judged.digest.to_string(),
        tags: stored.tags.into_iter().collect(),
        pushed: stored.pushed,
        part_of: judged.with.as_ref().map(ToString::to_string),
        verdict,
        because: judged.fate.to_string(),
        deleted,
        error,
    }
}
