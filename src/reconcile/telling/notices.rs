//! What a pass means to people: what it found, in the terms of [`crate::notify::news`], and what follows from it put
//! into the outbox. Nothing here can fail a pass, and nobody is spoken to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::apply::{Outcome, ServiceResult};
use crate::config::Recipient;
use crate::history::{
    Filter, GenerationRow, History, HistoryError, Letter, SourceState, StackReport,
};
use crate::model::desired::{Barred, StackContent};
use crate::model::event::Told;
use crate::model::polls::{Polls, Repository};
use crate::model::{DesiredStack, Event, Masks, ServiceOutcome, StackName, Subject, Trigger};
use crate::notify::news::{Attempt, Condition, Ill, News, Seen, Sight, news};
use crate::plan::{Block, Change, Plan, Rules, Verdict};
use crate::reconcile::record::{Generations, without_steps};
use crate::reconcile::sources::SourceSeen;
use crate::reconcile::view::View;
use crate::reconcile::world::World;

/// Sources and registries may be out of reach for so long before anybody is told.
const PATIENCE: Duration = Duration::from_secs(300);

/// A question that was to be asked again so many seconds ago, and was not, is nobody's any more.
pub(super) const FORGOTTEN: i64 = 3600;

/// What a pass did and found.
pub struct Done<'a> {
    /// How the sources stand.
    pub sources: &'a [SourceSeen],
    /// What was wanted and what was there.
    pub view: &'a View,
    /// What was planned.
    pub plan: &'a Plan,
    /// How that went.
    pub outcome: &'a Outcome,
    /// The generation of each stack that was changed.
    pub generations: &'a Generations,
    /// What it was to keep to.
    pub rules: &'a Rules,
    /// Where another pass has passed it, the stacks that it had in hand: of all the rest that one knows more.
    pub only: Option<BTreeSet<StackName>>,
}

impl Done<'_> {
    /// Whether the pass can tell how `stack` stands.
    pub fn sees(&self, stack: &StackName) -> bool {
        let has = |only: &BTreeSet<StackName>| only.contains(stack);
        self.rules.concerns(stack) && self.only.as_ref().is_none_or(has)
    }

    /// Those among the `recorded` stacks that stand as they stood: the pass cannot tell, or their source was not read.
    pub fn unseen(&self, recorded: &[StackReport]) -> BTreeSet<StackName> {
        let read = &self.view.desired.sources_read;
        let is_unseen =
            |report: &&StackReport| !read.contains(&report.source) || !self.sees(&report.stack);
        recorded.iter().filter(is_unseen).map(|report| report.stack.clone()).collect()
    }
}

/// Puts into the outbox what there is to tell; of a pass that another one has passed, only what it had in hand. What
/// goes wrong is only logged: the next pass tells it.
pub fn record(world: &World, history: &History, done: &Done<'_>, now: Timestamp) {
    if let Err(error) = try_record(world, history, done, now) {
        tracing::warn!("what is to be told cannot be written down: {error}");
    }
}

fn try_record(
    world: &World,
    history: &History,
    done: &Done<'_>,
    now: Timestamp,
) -> Result<(), HistoryError> {
    // What forges were told is none of it, and stays.
    let is_status = |subject: &Subject| matches!(subject, Subject::Commit(_));
    let is_in_hand = |subject: &Subject, only: &BTreeSet<StackName>| {
        subject.stack().is_some_and(|stack| only.contains(stack))
    };
    let is_own = |subject: &Subject| {
        !is_status(subject) && done.only.as_ref().is_none_or(|only| is_in_hand(subject, only))
    };
    let before = history.told()?;
    let (own, others): (Told, Told) =
        before.clone().into_iter().partition(|(subject, _)| is_own(subject));
    let mut sight = sight(world, history, done, now)?;
    sight.seen.retain(|subject, _| is_own(subject));
    let (mut after, found) = news(&own, &sight);
    after.extend(others);
    if after == before && found.is_empty() {
        return Ok(());
    }
    let letters: Vec<Letter> =
        found.iter().flat_map(|news| letters(news, &world.config.notify)).collect();
    history.record_told(&after, &letters, now)
}

/// One letter for each recipient that wants to hear it, called by the first event that it wants.
fn letters<'a>(news: &'a News, recipients: &'a [Recipient]) -> impl Iterator<Item = Letter> + 'a {
    recipients.iter().filter(|one| one.cares_for(&news.subject)).filter_map(|recipient| {
        let event = news.events.iter().find(|event| recipient.events.contains(event))?;
        let message = news.message.called(*event);
        // Serialising texts and numbers into memory cannot fail.
        let message = serde_json::to_string(&message).unwrap_or_default();
        Some(Letter { recipient: recipient.name.clone(), message })
    })
}

fn sight(
    world: &World,
    history: &History,
    done: &Done<'_>,
    now: Timestamp,
) -> Result<Sight, HistoryError> {
    let mut seen = BTreeMap::new();
    for (name, desired) in &done.view.desired.stacks {
        let row = match done.generations.get(name) {
            Some(_) => last_generation(history, name)?,
            None => None,
        };
        seen.insert(Subject::Stack(name.clone()), stack(desired, row, done));
    }
    for source in done.sources {
        seen.insert(
            Subject::Source(source.name.clone()),
            whole(self::source(history, source, now)?),
        );
    }
    let polls = match &done.view.polls {
        Some(polls) => polls,
        None => &history.polls()?,
    };
    for (host, condition) in registries(polls, &named(done.view), now) {
        seen.insert(Subject::Registry(host), whole(condition));
    }
    if let Some(retained) = history.retained()? {
        let full = retained.pressure.map(|pressure| ill(Event::Disk, "", pressure.says));
        seen.insert(Subject::Disk, whole(full.map_or(Condition::Well, Condition::Ill)));
    }
    let unseen = done.unseen(&history.stacks()?);
    Ok(Sight { host: world.config.host.clone(), at: now, seen, unseen })
}

pub(super) fn last_generation(
    history: &History,
    stack: &StackName,
) -> Result<Option<GenerationRow>, HistoryError> {
    let filter = Filter { stack: Some(stack.clone()), limit: Some(1), ..Filter::default() };
    Ok(history.generations(&filter)?.pop())
}

fn whole(condition: Condition) -> Seen {
    Seen { parts: BTreeMap::from([(String::new(), condition)]), attempt: None }
}

fn ill(event: Event, about: impl Into<String>, why: impl Into<String>) -> Ill {
    Ill { event, about: about.into(), why: why.into(), logs: Vec::new() }
}

fn source(history: &History, seen: &SourceSeen, now: Timestamp) -> Result<Condition, HistoryError> {
    if let Some(problem) = seen.problems.first() {
        let why = problem.to_string();
        return Ok(Condition::Ill(ill(Event::Failed, why.clone(), why)));
    }
    if let (Some(refused), Some(error)) = (&seen.report.refused, &seen.report.error) {
        return Ok(Condition::Ill(ill(Event::Failed, refused.commit.as_str(), error.clone())));
    }
    if let (SourceState::Ok, Some(alarm)) = (seen.report.state, &seen.report.alarm) {
        return Ok(Condition::Ill(ill(Event::Stale, "max_age", alarm.clone())));
    }
    if seen.report.state == SourceState::Ok {
        return Ok(Condition::Well);
    }
    let recorded = history.sources()?.into_iter().find(|(name, _)| *name == seen.name);
    let since = recorded.and_then(|(_, report)| report.fetched_at);
    if since.is_some_and(|since| now.duration_since(since).unsigned_abs() < PATIENCE) {
        return Ok(Condition::Open);
    }
    let why = seen.report.error.clone().unwrap_or_default();
    Ok(Condition::Ill(ill(Event::Stale, "", why)))
}

/// A repository as people may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub registry: String,
    pub path: String,
}

/// The repositories that git names.
pub(super) fn named(view: &View) -> BTreeMap<Repository, Named> {
    let services = view.desired.deployments().flat_map(|deployment| deployment.services.values());
    let images = services.map(|desired| &desired.service.image);
    let named = images.map(|image| {
        let (registry, path) = (view.masks.mask(image.registry()), view.masks.mask(&image.path()));
        (Repository::from(image), Named { registry, path })
    });
    named.collect()
}

/// Registries that are asked for tags: one is stale while it has not answered a question for some time. What git does not
/// name any more is no longer followed.
fn registries(
    polls: &Polls,
    named: &BTreeMap<Repository, Named>,
    now: Timestamp,
) -> BTreeMap<String, Condition> {
    let mut found: BTreeMap<String, Condition> = BTreeMap::new();
    let tags = polls.tags.iter().map(|((repository, _), heard)| (repository, &heard.unknown));
    let lists = polls.lists.iter().map(|(repository, heard)| (repository, &heard.unknown));
    for (repository, unknown) in tags.chain(lists) {
        let Some(Named { registry, path }) = named.get(repository) else { continue };
        let condition = match unknown {
            None => Condition::Well,
            // What is not asked again when it is time is no longer followed.
            Some(unknown) if now.duration_since(unknown.again).as_secs() > FORGOTTEN => continue,
            Some(unknown) if now.duration_since(unknown.since).unsigned_abs() < PATIENCE => {
                Condition::Open
            }
            Some(unknown) => {
                let why = format!("{path}: {}", unknown.why);
                Condition::Ill(ill(Event::Stale, "", why))
            }
        };
        let known = found.entry(registry.clone()).or_insert(Condition::Well);
        if badness(&condition) > badness(known) {
            *known = condition;
        }
    }
    found
}

fn badness(condition: &Condition) -> u8 {
    match condition {
        Condition::Well | Condition::Deployed => 0,
        Condition::Repaired(_) | Condition::Open => 1,
        Condition::Ill(_) | Condition::StillIll(_) => 2,
    }
}

fn stack(desired: &DesiredStack, row: Option<GenerationRow>, done: &Done<'_>) -> Seen {
    let deployment = match &desired.content {
        StackContent::Invalid(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let why = all.join("\n");
            return whole(Condition::Ill(ill(Event::Failed, why.clone(), why)));
        }
        StackContent::Usable(deployment) => deployment,
    };
    let trigger = row.as_ref().map(|row| row.trigger);
    // What this pass had nothing to do with is as it was.
    let services = deployment.services.keys();
    let mut parts: BTreeMap<String, Condition> =
        services.map(|name| (name.to_string(), Condition::Open)).collect();
    for change in done.plan.changes.iter().filter(|change| change.service.stack == desired.name) {
        let result = done.outcome.services.get(&change.service);
        let condition = condition(change, result, trigger, &deployment.stack.masks);
        parts.insert(change.service.service.to_string(), condition);
    }
    let attempt = row.map(|row| Attempt {
        generation: row.number,
        trigger: row.trigger,
        commit: row.commit,
        words: row.words,
    });
    Seen { parts, attempt }
}

fn condition(
    change: &Change,
    result: Option<&ServiceResult>,
    trigger: Option<Trigger>,
    masks: &Masks,
) -> Condition {
    let about = change.spec.as_ref().map_or("", |spec| spec.as_str());
    if let Some(held) = change.verdict.held() {
        let why = masks.mask(&held.why);
        return Condition::Ill(ill(Event::Held, why.clone(), why));
    }
    let outcome = result.map_or_else(|| without_steps(&change.verdict), |result| result.outcome);
    let failure = result.and_then(|result| result.failure.as_ref());
    let failed = |event| {
        let why = failure.map(|failure| masks.mask(&failure.message)).unwrap_or_default();
        let logs = failure.map(|failure| failure.logs.clone()).unwrap_or_default();
        Condition::Ill(Ill { logs, ..ill(event, about, why) })
    };
    match outcome {
        ServiceOutcome::Unchanged => Condition::Well,
        ServiceOutcome::Done if trigger == Some(Trigger::Drift) => {
            let reasons = change.verdict.reasons();
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            let why = masks.mask(&reasons.join(", "));
            Condition::Repaired(ill(Event::Drift, "", why))
        }
        ServiceOutcome::Done => Condition::Deployed,
        ServiceOutcome::RolledBack => failed(Event::RolledBack),
        ServiceOutcome::Failed if failure.is_some_and(|failure| failure.blames_another) => {
            Condition::Open
        }
        ServiceOutcome::Failed => failed(Event::Failed),
        ServiceOutcome::Held | ServiceOutcome::Skipped => Condition::Open,
        ServiceOutcome::Blocked => blocked(&change.verdict, about, masks),
    }
}

/// A service that nothing was done for, and that is not as it is to be.
fn blocked(verdict: &Verdict, about: &str, masks: &Masks) -> Condition {
    let failed = |why: &str| ill(Event::Failed, about, masks.mask(why));
    match verdict {
        Verdict::Rejected { error, .. } => Condition::StillIll(failed(error)),
        Verdict::Blocked(Block::Trouble(trouble)) => Condition::StillIll(failed(&trouble.error)),
        Verdict::Blocked(Block::Image { message, .. } | Block::World { message, .. }) => {
            Condition::Ill(failed(message))
        }
        Verdict::Blocked(Block::Barred(barred)) => match barred {
            Barred::Refused { why, .. } | Barred::Unknown { why, .. } => {
                Condition::Ill(failed(why))
            }
            Barred::Young { .. } => Condition::Open,
        },
        // Whatever it waits for has a message of its own, or an hour.
        Verdict::Blocked(
            Block::On(_)
            | Block::OnStack(_)
            | Block::OnWhole(_)
            | Block::RunningJob
            | Block::Window(_),
        )
        | Verdict::InSync
        | Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove
        | Verdict::Held(_) => Condition::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageRef;
    use crate::model::polls::{Heard, Unknown};

    #[test]
    fn a_registry_is_stale_once_a_question_has_been_open_for_some_time_and_is_still_asked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let repository =
            |path: &str| Repository::from(&ImageRef::parse(&format!("ghcr.io/{path}")).unwrap());
        let named = ["a", "b"].map(|path| {
            let named = Named { registry: "ghcr.io".to_owned(), path: path.to_owned() };
            (repository(path), named)
        });
        let named = BTreeMap::from(named);
        let unknown = Unknown { since: at(1000), again: at(1600), why: "no answer".into() };
        let mut polls = Polls::default();
        polls.lists.insert(repository("a"), Heard::answered(Vec::new(), at(1000)));
        polls.lists.insert(repository("b"), Heard::failed(None, unknown.clone(), at(1000)));
        polls.lists.insert(repository("gone"), Heard::failed(None, unknown, at(1000)));
        let check = |second, expected: Condition| {
            let found = registries(&polls, &named, at(second));
            assert_eq!(found, BTreeMap::from([("ghcr.io".to_owned(), expected)]), "{second}");
        };
        check(1299, Condition::Open);
        check(1300, Condition::Ill(ill(Event::Stale, "", "b: no answer")));
        check(1600 + FORGOTTEN + 1, Condition::Well);
    }
}
