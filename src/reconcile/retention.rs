//! Images that nothing needs any more are let go of, and room is made on a disk that fills up.
//!
//! What goes, and why, is decided in [`crate::plan::retention`]. Only names are taken away, one at a time, none by
//! force; the engine itself refuses where a container still needs one. Nothing here can fail a pass. Volumes have no
//! place here.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::leftovers;
use super::pass::PassError;
use super::world::World;
use crate::apply::Outcome;
use crate::engine::EngineError;
use crate::history::{History, HistoryError};
use crate::metrics::ImageFigures;
use crate::model::disk::shown;
use crate::model::retention::{GivenNames, Past, PulledImages, pull_key};
use crate::model::{
    DesiredState, Digest, Disk, GenerationNumber, ImageId, ImageName, ObservedState, ServiceOutcome,
};
use crate::plan::retention::{self, Fate, Inventory, Judged, LEAST};

/// A pull that left no image behind is forgotten after this time: one that goes on for longer is none.
const PULL: Duration = Duration::from_secs(24 * 3600);

/// All that looking through images needs.
#[derive(Clone, Copy)]
pub struct Keeper<'a> {
    /// The host.
    pub world: &'a World,
    /// Its memory. Written only by [`Keeper::free`] and [`Keeper::make_room`].
    pub history: &'a History,
    /// What git asks for.
    pub desired: &'a DesiredState,
    /// Ends it between two removals.
    pub stop: &'a CancellationToken,
    /// Now.
    pub now: Timestamp,
}

/// One look at the images.
pub struct Look {
    /// All images, with what becomes of them.
    pub judged: Vec<Judged>,
    /// Those that stay for now and are the next to go on a disk that is too full.
    pub spare: BTreeSet<ImageId>,
    /// The digests that this host needs.
    pub needed: BTreeMap<Digest, retention::Why>,
    /// The engine's disk; `None` where it cannot be measured.
    pub disk: Option<Disk>,
    observed: ObservedState,
    memory: Memory,
}

/// What the history says of images.
struct Memory {
    past: Past,
    pulled: PulledImages,
    given: GivenNames,
    mentioned: BTreeMap<Digest, GenerationNumber>,
}

/// What was let go of.
#[derive(Default)]
pub struct Freed {
    /// Images that lost names.
    pub gone: Vec<Gone>,
    /// Files and directories that no container mounts any more.
    pub files: usize,
    /// Bytes of the build cache.
    pub build_cache: u64,
    /// The engine's disk afterwards.
    pub disk: Option<Disk>,
    /// What is to be told of a disk that is still too full.
    pub pressure: Option<String>,
}

/// An image that lost names.
pub struct Gone {
    /// The image.
    pub image: ImageId,
    /// The names it had.
    pub names: Vec<String>,
    /// Bytes, layers shared with others included.
    pub size: u64,
    /// Whether others named it, so that it is still there.
    pub stays: bool,
    /// What kept the engine from letting it go.
    pub error: Option<String>,
}

/// Whether images go that evenkeel did not pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// They stay.
    Stay,
    /// Those go that nobody uses: somebody asked for it.
    Go,
}

impl Keeper<'_> {
    /// Looks at the images. Changes nothing.
    pub async fn look(&self) -> Result<Look, PassError> {
        let observed = self.world.engine.observe(&[]).await?;
        let disk = self.disk().await;
        let (past, pulled) = (self.history.past_images()?, self.history.pulled()?);
        let (given, mentioned) = (self.history.given_names()?, BTreeMap::new());
        let mut memory = Memory { past, pulled, given, mentioned };
        memory.mentioned = self.mentioned(&self.inventory(&observed, &memory))?;
        let inventory = self.inventory(&observed, &memory);
        let judged = retention::judge(&inventory, None);
        let lean = retention::judge(&inventory, Some(LEAST));
        let going = |judged: &[Judged]| -> BTreeSet<ImageId> {
            retention::going(judged).into_iter().map(|(one, _)| one.image.clone()).collect()
        };
        let spare = going(&lean).difference(&going(&judged)).cloned().collect();
        let needed = retention::needed(&inventory);
        Ok(Look { judged, spare, needed, disk, observed, memory })
    }

    /// Lets go of what nothing needs, and makes room where the disk is too full.
    pub async fn free(&self, foreign: Foreign) -> Result<Freed, PassError> {
        let look = self.look().await?;
        self.give_names(&look).await?;
        let high = self.world.config.retention.disk.high.0;
        let is_full = look.disk.as_ref().is_some_and(|disk| disk.is_above(high));
        let mut freed = Freed::default();
        self.drop_all(retention::going(&look.judged), &mut freed).await?;
        if foreign == Foreign::Go {
            self.drop_all(strangers(&look.judged), &mut freed).await?;
        }
        if is_full {
            self.shrink(&mut freed).await?;
        }
        freed.files = leftovers::remove(&self.world.config, &look.observed, self.desired).await;
        self.note_use(&look)?;
        freed.disk = self.disk().await;
        if let Some(disk) = freed.disk.as_ref().filter(|disk| disk.is_above(high)) {
            let judged = self.look().await?.judged;
            freed.pressure = Some(retention::pressure(&judged, disk, high));
        }
        self.history.record_retained(self.now, freed.pressure.as_deref())?;
        self.count(&freed, Some(look.judged.len()));
        Ok(freed)
    }

    /// Before something is pulled: lets go of what nothing needs where the disk is too full. Says nothing of how
    /// that left it.
    pub async fn make_room(&self) -> Result<(), PassError> {
        let high = self.world.config.retention.disk.high.0;
        if self.disk().await.is_none_or(|disk| !disk.is_above(high)) {
            return Ok(());
        }
        let look = self.look().await?;
        self.give_names(&look).await?;
        let mut freed = Freed::default();
        self.drop_all(retention::going(&look.judged), &mut freed).await?;
        self.shrink(&mut freed).await?;
        freed.disk = self.disk().await;
        self.count(&freed, None);
        tell(&freed);
        Ok(())
    }

    /// After a pass: lets go of what nothing needs once something new is good, and now and then.
    pub async fn after_pass(&self, outcome: &Outcome) {
        if outcome.stopped || self.stop.is_cancelled() {
            return;
        }
        let is_good = |outcome| outcome == ServiceOutcome::Done;
        let is_new = outcome.services.values().any(|result| is_good(result.outcome));
        match self.is_due() {
            Ok(is_due) if is_new || is_due => {}
            Ok(_) => return,
            Err(error) => return tracing::warn!("images are not looked through: {error}"),
        }
        match self.free(Foreign::Stay).await {
            Ok(freed) => tell(&freed),
            Err(error) => tracing::warn!("no image is removed: {error}"),
        }
    }

    /// Counts what went; of `looked_at` images, where that was all of them, the others stayed.
    fn count(&self, freed: &Freed, looked_at: Option<usize>) {
        let is_gone = |gone: &&Gone| gone.error.is_none() && !gone.stays;
        let gone: Vec<&Gone> = freed.gone.iter().filter(is_gone).collect();
        let kept = looked_at.map(|many| many.saturating_sub(gone.len()));
        self.world.metrics.looked_through(&ImageFigures {
            kept: kept.map(|many| many as u64),
            removed: gone.len() as u64,
            removed_bytes: gone.iter().map(|gone| gone.size).sum(),
            build_cache_bytes: freed.build_cache,
            disk: freed.disk.clone(),
        });
    }

    fn is_due(&self) -> Result<bool, HistoryError> {
        let interval = self.world.config.retention.interval;
        let last = self.history.retained()?;
        // A clock that was set back makes it due.
        Ok(last.is_none_or(|last| {
            let since = self.now.duration_since(last.at);
            since.is_negative() || since.unsigned_abs() >= interval
        }))
    }

    fn inventory<'a>(&'a self, observed: &'a ObservedState, memory: &'a Memory) -> Inventory<'a> {
        Inventory {
            desired: self.desired,
            observed,
            past: &memory.past,
            pulled: &memory.pulled,
            given: &memory.given,
            mentioned: &memory.mentioned,
            keep: self.world.config.retention.keep,
        }
    }

    /// The digests of images that would go and that a record names: it is looked for in the files of the
    /// generations that can be gone back to.
    fn mentioned(
        &self,
        inventory: &Inventory<'_>,
    ) -> Result<BTreeMap<Digest, GenerationNumber>, HistoryError> {
        let generations = retention::kept_generations(inventory);
        let judged = retention::judge(inventory, None);
        let names = retention::going(&judged).into_iter().flat_map(|(_, names)| names);
        let digests: BTreeSet<&Digest> = names.filter_map(ImageName::digest).collect();
        let mut mentioned = BTreeMap::new();
        for digest in digests {
            if let Some(generation) = self.history.mentions(digest, &generations)? {
                mentioned.insert(digest.clone(), generation);
            }
        }
        Ok(mentioned)
    }

    /// The engine's disk. Not knowing it is no reason to stop.
    async fn disk(&self) -> Option<Disk> {
        match self.world.engine.disk().await {
            Ok(disk) => disk,
            Err(error) => {
                tracing::warn!("the engine's disk cannot be measured: {error}");
                None
            }
        }
    }

    /// Names what can be gone back to, so that nobody's `docker image prune` takes it for left over.
    async fn give_names(&self, look: &Look) -> Result<(), PassError> {
        for one in &look.judged {
            let Fate::Stays { to_give, .. } = &one.fate else { continue };
            for name in to_give {
                // Written down first: a name that is not known to be ours stays for ever.
                self.history.record_given_name(name, &one.image)?;
                match self.world.engine.name_image(&one.image, name).await {
                    Ok(()) => {}
                    Err(error @ EngineError::Unreachable(_)) => return Err(error.into()),
                    Err(error) => tracing::warn!("an image did not get the name {name}: {error}"),
                }
            }
        }
        Ok(())
    }

    async fn drop_all(
        &self,
        going: Vec<(&Judged, &[ImageName])>,
        freed: &mut Freed,
    ) -> Result<(), PassError> {
        for (judged, names) in going {
            if self.stop.is_cancelled() {
                break;
            }
            freed.gone.push(self.drop_one(judged, names).await?);
        }
        Ok(())
    }

    /// Takes names from an image, ours by tag first: with the last one the engine looks whether it may go.
    async fn drop_one(&self, judged: &Judged, names: &[ImageName]) -> Result<Gone, PassError> {
        let stays = match &judged.fate {
            Fate::Goes { others, .. } => !others.is_empty(),
            Fate::Stays { .. } | Fate::Foreign { .. } => false,
        };
        let (image, size) = (judged.image.clone(), judged.size);
        let mut gone = Gone { image, names: judged.names.clone(), size, stays, error: None };
        for name in names {
            match self.world.engine.drop_image_name(name).await {
                Ok(()) | Err(EngineError::NotFound(_)) => self.history.forget_given_name(name)?,
                Err(error @ EngineError::Unreachable(_)) => return Err(error.into()),
                Err(error) => {
                    gone.error = Some(error.to_string());
                    break;
                }
            }
        }
        Ok(gone)
    }

    /// Makes room on a disk that was found too full, until it is well below that: services keep less to go back
    /// to, and then the build cache goes, where the operator says so.
    async fn shrink(&self, freed: &mut Freed) -> Result<(), PassError> {
        let settings = &self.world.config.retention.disk;
        let look = self.look().await?;
        let inventory = self.inventory(&look.observed, &look.memory);
        let judged = retention::judge(&inventory, Some(LEAST));
        for (one, names) in retention::going(&judged) {
            if self.stop.is_cancelled() || !self.is_above(settings.low.0).await {
                return Ok(());
            }
            freed.gone.push(self.drop_one(one, names).await?);
        }
        if settings.build_cache && self.is_above(settings.low.0).await {
            match self.world.engine.prune_build_cache().await {
                Ok(bytes) => freed.build_cache = bytes,
                Err(error) => tracing::warn!("the build cache stays: {error}"),
            }
        }
        Ok(())
    }

    async fn is_above(&self, percent: u8) -> bool {
        self.disk().await.is_some_and(|disk| disk.is_above(percent))
    }

    /// Remembers which of the pulled images are in use, and forgets images and names that are gone.
    fn note_use(&self, look: &Look) -> Result<(), HistoryError> {
        let keys = |judged: &Judged| -> Vec<String> {
            let names = judged.names.iter().filter_map(|name| ImageName::parse(name));
            names.filter_map(|name| pull_key(name.reference())).collect()
        };
        let is_used = |judged: &&Judged| match &judged.fate {
            Fate::Stays { why: retention::Why::Used(_) | retention::Why::Wanted(_), .. } => true,
            Fate::Stays { .. } | Fate::Goes { .. } | Fate::Foreign { .. } => false,
        };
        let used: BTreeSet<String> = look.judged.iter().filter(is_used).flat_map(keys).collect();
        self.history.touch_pulls(&used, self.now)?;
        let there: BTreeSet<String> = look.judged.iter().flat_map(keys).collect();
        let is_old = |at: Timestamp| self.now.duration_since(at).unsigned_abs() >= PULL;
        let pulled = look.memory.pulled.iter();
        let gone = pulled.filter(|(key, pulled)| !there.contains(*key) && is_old(pulled.at));
        self.history.forget_pulls(&gone.map(|(key, _)| key.clone()).collect())?;
        for (name, image) in &look.memory.given {
            let has_it =
                |one: &Judged| one.image == *image && one.names.contains(&name.to_string());
            if !look.judged.iter().any(has_it) {
                self.history.forget_given_name(name)?;
            }
        }
        Ok(())
    }
}

/// Images that nobody uses and evenkeel did not pull, with their names.
fn strangers(judged: &[Judged]) -> Vec<(&Judged, &[ImageName])> {
    let mut found: Vec<(&Judged, &[ImageName])> = Vec::new();
    for one in judged {
        match &one.fate {
            Fate::Foreign { names } => found.push((one, names)),
            Fate::Stays { .. } | Fate::Goes { .. } => {}
        }
    }
    found
}

/// Logs what was let go of.
fn tell(freed: &Freed) {
    for gone in &freed.gone {
        let name = gone.names.first().map_or(gone.image.as_str(), String::as_str);
        match &gone.error {
            Some(error) => tracing::warn!("the image {name} stays: {error}"),
            None if gone.stays => {
                tracing::info!("the image {name} is left to those who named it, too");
            }
            None => tracing::info!("removed the image {name} ({})", shown(gone.size)),
        }
    }
    if freed.files > 0 {
        tracing::info!("removed {} exported files that no container mounts", freed.files);
    }
    if freed.build_cache > 0 {
        tracing::info!("emptied the build cache ({})", shown(freed.build_cache));
    }
    if let Some(pressure) = &freed.pressure {
        tracing::warn!("{pressure}");
    }
}
