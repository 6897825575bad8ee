//! Images that a host runs because a registry had newer ones go back into git, and what is committed is what is
//! deployed.
//!
//! A person's word goes before it: where the image line says something else by now than when the image was chosen, and
//! where git has had that very image before and has gone on from it, nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::World;
use super::places::Places;
use super::sources::{Read, with_options};
use super::view::View;
use crate::config::{self, Config};
use crate::decrypt::Vault;
use crate::manifest::ServerFiles;
use crate::manifest::edit::{self, Change};
use crate::model::memory::Memory;
use crate::model::polls::Repository;
use crate::model::tree::Revision;
use crate::model::{CommitId, ImageRef, Problem, Service, ServiceId, SourceName, Stack};
use crate::plan::Rules;
use crate::source::push::{Author, Draft, Head, PushError};

/// How images went back into git.
#[derive(Clone, Debug)]
pub struct WrittenBack {
    /// What is to be deployed: the commit that was pushed, or what was found where there was nothing to write.
    pub revision: Revision,
    /// Whether a commit was pushed.
    pub is_new: bool,
    /// What became of each image, in the order they were named.
    pub pins: Vec<(ServiceId, Fate)>,
}

/// What became of an image that was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the commit.
    Written,
    /// Git says so already: another host was faster, or a person.
    Known,
    /// A person has decided otherwise meanwhile: the line says this now, or nothing any more.
    Overtaken {
        /// What it says.
        now: Option<ImageRef>,
    },
    /// Git has had this image before, and has gone on from it: it was taken back.
    TakenBack {
        /// The newest commit that had it.
        had_it: CommitId,
    },
    /// It cannot be written.
    Refused(Box<Problem>),
}

/// Why nothing went back into git.
#[derive(Debug, thiserror::Error)]
pub enum WriteBackError {
    /// The source is not configured.
    #[error("no source is called {0}")]
    NoSource(crate::model::SourceName),
    /// Not pushed.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The revision cannot be read as one of this host's.
    #[error("{0}")]
    Unreadable(Box<Problem>),
}

impl WriteBackError {
    /// The next move.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSource(_) => None,
            Self::Push(error) => Some(error.hint()),
            Self::Unreadable(problem) => problem.hint.clone(),
        }
    }
}

/// What is to be written into each source: newer tags of services that write back, where the registry has just told of
/// them, and nothing keeps the service from being deployed now.
pub fn due(view: &View, memory: &Memory, rules: &Rules, now: Timestamp) -> Due {
    let mut due = Due::new();
    for (stack, service, image) in wanted(view) {
        let id = ServiceId::new(&stack.name, &service.name);
        let window = service.update.as_ref().and_then(|update| update.window.as_ref());
        let is_open = window.is_none_or(|window| window.is_open(now, &rules.windows.zone));
        let may_be_deployed = rules.includes(&id)
            && memory.hold(&id, now).is_none()
            && stack.suspended.is_none()
            && (is_open || rules.windows.ignored);
        // Once for each answer: what was refused is not asked for again with every pass.
        if may_be_deployed && is_fresh(view, image, now) {
            due.entry(stack.source.clone()).or_default().push((id, image.clone()));
        }
    }
    due
}

/// What is to be written, by source.
pub type Due = BTreeMap<SourceName, Vec<(ServiceId, ImageRef)>>;

fn wanted(view: &View) -> impl Iterator<Item = (&Stack, &Service, &ImageRef)> {
    view.desired.deployments().flat_map(|deployment| {
        deployment.services.values().filter_map(|desired| {
            let followed = desired.image.as_ref().ok()?.followed.as_ref()?;
            Some((&deployment.stack, &desired.service, followed.to_write.as_ref()?))
        })
    })
}

fn is_fresh(view: &View, image: &ImageRef, now: Timestamp) -> bool {
    let list = view.polls.as_ref().and_then(|polls| polls.lists.get(&Repository::from(image)));
    list.is_some_and(|heard| heard.asked_at == now)
}

/// Writes all that is due; whether git is another one since, and what is to be said of it.
pub async fn write_all(
    world: &World,
    read: &Read,
    due: &Due,
    now: Timestamp,
) -> (bool, Vec<String>) {
    let (mut is_new, mut notices) = (false, Vec::new());
    for (source, pins) in due {
        let settings = world.config.sources.iter().find(|it| it.name == *source);
        if settings.is_some_and(|settings| settings.demands().is_some()) {
            // Told as a problem of the source: nobody would sign the commit.
            continue;
        }
        let Some(revision) = read.revisions.get(source) else { continue };
        match write_back(world, revision, &read.places, pins, now).await {
            Ok(written) => {
                is_new |= written.revision.commit != revision.commit;
                let said = written.pins.iter().zip(pins);
                notices.extend(said.map(|((service, fate), (_, image))| {
                    say(service, image.tag_or_latest(), fate, &written.revision.commit)
                }));
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                notices.push(format!("nothing is written back to {source}: {error}{hint}"));
            }
        }
    }
    (is_new, notices)
}

fn say(service: &ServiceId, tag: &str, fate: &Fate, commit: &CommitId) -> String {
    match fate {
        Fate::Written => format!("{service} goes to {tag} by commit {}", commit.short()),
        Fate::Known => format!("git has {tag} for {service} already"),
        Fate::Overtaken { now: Some(now) } => {
            format!(
                "{service} does not go to {tag}: git asks for {} meanwhile",
                now.tag_or_latest()
            )
        }
        Fate::Overtaken { now: None } => {
            format!("{service} does not go to {tag}: git has no such service any more")
        }
        Fate::TakenBack { had_it } => format!(
            "{service} does not go to {tag}: git had it in {} and has gone back from it",
            had_it.short()
        ),
        Fate::Refused(problem) => format!("{tag} is not written for {service}: {problem}"),
    }
}

/// Writes the images of `pins` into the branch that `chosen_at` is a revision of, as one commit.
///
/// `chosen_at` is the revision that the images were chosen for: where the newest one gives a service another image
/// than it did, somebody has decided, and that service is left alone. Asks nobody but the git server.
///
/// # Errors
/// Nothing was pushed.
pub async fn write_back(
    world: &World,
    chosen_at: &Revision,
    places: &Places,
    pins: &[(ServiceId, ImageRef)],
    now: Timestamp,
) -> Result<WrittenBack, WriteBackError> {
    let pairs = world.sources.iter().zip(&world.config.sources);
    let mut named = pairs.filter(|(source, _)| source.spec().name == chosen_at.source);
    let Some((source, settings)) = named.next() else {
        return Err(WriteBackError::NoSource(chosen_at.source.clone()));
    };
    let author = &world.config.write_back;
    let author = Author { name: author.name.clone(), email: author.email.clone() };
    let task = Arc::new(Task {
        config: world.config.clone(),
        vault: Arc::clone(&world.vault),
        settings: settings.clone(),
        places: places.clone(),
        pins: pins.to_vec(),
    });
    let (reading, at) = (Arc::clone(&task), chosen_at.clone());
    let before = tokio::task::spawn_blocking(move || reading.images(&at)).await;
    let before = before.unwrap_or_else(|error| {
        Err(Box::new(Problem::new("bug", format!("reading a revision did not end: {error}"))))
    });
    let before = before.map_err(WriteBackError::Unreadable)?;
    let pushed = source.push(&author, now, move |head| task.prepare(head, &before)).await?;
    let pins = pushed.said.map_err(WriteBackError::Unreadable)?;
    Ok(WrittenBack { revision: pushed.revision, is_new: pushed.is_new, pins })
}

/// What is to be written, and where it is read.
struct Task {
    config: Config,
    vault: Arc<Vault>,
    settings: config::Source,
    places: Places,
    pins: Vec<(ServiceId, ImageRef)>,
}

type Images = BTreeMap<ServiceId, ImageRef>;
type Fates = Vec<(ServiceId, Fate)>;

impl Task {
    /// The commit for `head`, if there is anything to be written, and what becomes of each image with it. `before`
    /// are the images that were in git when the new ones were chosen.
    fn prepare(
        &self,
        head: &Head<'_>,
        before: &Images,
    ) -> (Option<Draft>, Result<Fates, Box<Problem>>) {
        match self.try_prepare(head, before) {
            Ok((draft, fates)) => (draft, Ok(fates)),
            Err(problem) => (None, Err(problem)),
        }
    }

    fn try_prepare(
        &self,
        head: &Head<'_>,
        before: &Images,
    ) -> Result<(Option<Draft>, Fates), Box<Problem>> {
        let now = self.images(&head.revision)?;
        let mut fates: BTreeMap<&ServiceId, Fate> = BTreeMap::new();
        for (service, wanted) in &self.pins {
            let (now, before) = (now.get(service), before.get(service));
            if now.is_some_and(|now| is_same(now, wanted)) {
                fates.insert(service, Fate::Known);
            } else if now.is_none() || now != before {
                fates.insert(service, Fate::Overtaken { now: now.cloned() });
            }
        }
        self.find_taken_back(head, &mut fates);
        let open: Vec<_> =
            self.pins.iter().filter(|(service, _)| !fates.contains_key(service)).cloned().collect();
        let edited = self
            .with_options(&head.revision, |options| edit::edit(&head.revision, options, &open))??;
        for (service, problem) in edited.refused {
            if let Some((service, _)) = open.iter().find(|(one, _)| *one == service) {
                let known = self.pins.iter().find(|(one, _)| one == service);
                fates.extend(known.map(|(one, _)| (one, Fate::Refused(Box::new(problem)))));
            }
        }
        let fate = |service: &ServiceId| fates.get(service).cloned().unwrap_or(Fate::Written);
        let told = self.pins.iter().map(|(service, _)| (service.clone(), fate(service))).collect();
        let draft = (!edited.files.is_empty())
            .then(|| Draft { files: edited.files, message: self.message(&edited.changes) });
        Ok((draft, told))
    }

    /// Notes what git has had before. A revision that cannot be read says nothing.
    fn find_taken_back<'t>(&'t self, head: &Head<'_>, fates: &mut BTreeMap<&'t ServiceId, Fate>) {
        if self.pins.iter().all(|(service, _)| fates.contains_key(service)) {
            return;
        }
        for revision in head.earlier() {
            let Ok(had) = self.images(&revision) else { continue };
            for (service, wanted) in &self.pins {
                if had.get(service).is_some_and(|had| is_same(had, wanted)) {
                    let had_it = revision.commit.clone();
                    fates.entry(service).or_insert(Fate::TakenBack { had_it });
                }
            }
        }
    }

    fn images(&self, revision: &Revision) -> Result<Images, Box<Problem>> {
        let services: Vec<ServiceId> =
            self.pins.iter().map(|(service, _)| service.clone()).collect();
        self.with_options(revision, |options| edit::images(revision, options, &services))?
    }

    fn with_options<T>(
        &self,
        revision: &Revision,
        read: impl FnOnce(&crate::manifest::Options<'_>) -> T,
    ) -> Result<T, Box<Problem>> {
        let (include, exclude) = (&self.settings.include, &self.settings.exclude);
        let disk = ServerFiles::Disk;
        with_options(
            revision,
            &self.config,
            &self.places,
            (include, exclude),
            disk,
            &*self.vault,
            read,
        )
    }

    fn message(&self, changes: &[Change]) -> String {
        message(changes, &format!("evenkeel on {}", self.config.host))
    }
}

/// What a commit says: one line for each image, and who it was.
fn message(changes: &[Change], who: &str) -> String {
    let lines: Vec<String> = changes.iter().map(Change::line).collect();
    match lines.as_slice() {
        [line] => format!("{line} ({who})"),
        lines => format!("{} images ({who})\n\n{}", lines.len(), lines.join("\n")),
    }
}

/// Whether both are the same image, however its repository is spelled.
fn is_same(one: &ImageRef, other: &ImageRef) -> bool {
    one.same_repository(other) && one.tag() == other.tag() && one.digest() == other.digest()
}
