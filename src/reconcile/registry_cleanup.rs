//! A repository at a registry is looked at, and what nothing needs is deleted from it.
//!
//! What goes is decided in [`crate::plan::registry_retention`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::model::Digest;
use crate::model::stored::{Contents, Stored};
use crate::plan::registry_retention::{Fate, Judged, Policy, judge};
use crate::registry::{Repository, RepositoryError};

/// What lies in a repository, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Look {
    /// What lies in it.
    pub contents: Contents,
    /// What becomes of each manifest, in the order in which they are deleted.
    pub judged: Vec<Judged>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Cleaned {
    /// How it was seen last before anything was deleted.
    pub look: Look,
    /// What was deleted, or was to be, with what was in the way.
    pub deleted: BTreeMap<Digest, Option<String>>,
    /// What ended it before its time.
    pub ended_by: Option<RepositoryError>,
}

/// Looks at a repository, and at what speaks of that which goes.
pub async fn look(
    repository: &mut Repository<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Look, RepositoryError> {
    let mut look = look_once(repository, policy, now).await?;
    while repository.find_referrers(look.going()).await? {
        look = look_once(repository, policy, now).await?;
    }
    Ok(look)
}

/// Looks at it and deletes what nothing needs. Tags are looked at once more right before: what was pushed or moved
/// since the first look is not deleted. `None` where it was stopped before anything was deleted.
pub async fn clean(
    repository: &mut Repository<'_>,
    policy: &Policy,
    now: Timestamp,
    stop: &CancellationToken,
) -> Result<Option<Cleaned>, RepositoryError> {
    let look = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(None),
        look = look_twice(repository, policy, now) => look?,
    };
    let mut cleaned = Cleaned { look, deleted: BTreeMap::new(), ended_by: None };
    cleaned.delete(repository, stop).await;
    Ok(Some(cleaned))
}

async fn look_twice(
    repository: &mut Repository<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Look, RepositoryError> {
    let first = look(repository, policy, now).await?;
    if first.going().next().is_none() {
        return Ok(first);
    }
    look_once(repository, policy, now).await
}

async fn look_once(
    repository: &mut Repository<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Look, RepositoryError> {
    let needed = policy.needed.iter().flat_map(|needed| needed.of(repository.image()));
    let needed = needed.cloned().collect();
    let contents = repository.look(&needed).await?;
    let judged = judge(&contents, policy, now);
    Ok(Look { contents, judged })
}

impl Look {
    /// What goes.
    pub fn going(&self) -> impl Iterator<Item = &Digest> {
        let going = self.judged.iter().filter(|one| matches!(one.fate, Fate::Goes(_)));
        going.map(|one| &one.digest)
    }

    /// What is of no use without `digest`, or `digest` without it.
    fn with(&self, digest: &Digest) -> BTreeSet<Digest> {
        let manifests = &self.contents.manifests;
        let mut with: BTreeSet<Digest> =
            manifests.get(digest).into_iter().flat_map(|stored| stored.children.clone()).collect();
        let judged = self.judged.iter().filter(|one| one.with.as_ref() == Some(digest));
        with.extend(judged.map(|one| one.digest.clone()));
        let speaks =
            |stored: &Stored| stored.about().is_some_and(|subject| with.contains(&subject));
        let speakers = manifests.iter().filter(|(_, stored)| speaks(stored));
        let speakers: Vec<Digest> = speakers.map(|(digest, _)| digest.clone()).collect();
        with.extend(speakers);
        with
    }
}

impl Cleaned {
    /// Deletes images, each with its parts behind it. One that could not be deleted keeps its parts.
    async fn delete(&mut self, repository: &Repository<'_>, stop: &CancellationToken) {
        let mut in_use: BTreeMap<Digest, String> = BTreeMap::new();
        let going: Vec<&Judged> =
            self.look.judged.iter().filter(|one| matches!(one.fate, Fate::Goes(_))).collect();
        for judged in going {
            // What has begun to go is finished, so that no part is left that nothing leads to.
            if stop.is_cancelled() && judged.with.is_none() {
                return;
            }
            let digest = &judged.digest;
            let Some(stored) = self.look.contents.manifests.get(digest) else { continue };
            if let Some(error) = in_use.get(digest) {
                self.deleted.insert(digest.clone(), Some(error.clone()));
                continue;
            }
            match repository.delete(digest, stored).await {
                Ok(()) => {
                    self.deleted.insert(digest.clone(), None);
                }
                Err(error @ RepositoryError::Refused { .. }) => {
                    let why = format!("{} could not be deleted", digest.short());
                    let with = self.look.with(digest).into_iter();
                    in_use.extend(with.map(|one| (one, why.clone())));
                    self.deleted.insert(digest.clone(), Some(error.to_string()));
                }
                Err(
                    error @ (RepositoryError::Registry(_) | RepositoryError::NotDeletable { .. }),
                ) => {
                    self.deleted.insert(digest.clone(), Some(error.to_string()));
                    self.ended_by = Some(error);
                    return;
                }
            }
        }
    }
}
