//! What forges are told of the commits that they hold: found in a pass, and put into the outbox. Nothing here can fail
//! a pass, and nobody is spoken to.

use jiff::Timestamp;

use crate::apply::Outcome;
use crate::config::commit_status::forge_of;
use crate::history::{History, HistoryError, Letter};
use crate::model::desired::{Deployment, DesiredStack, StackContent};
use crate::model::{CommitId, SourceName, Subject};
use crate::notify::commit_status::{Finding, State, message, news};
use crate::plan::Plan;
use crate::reconcile::sources::SourceSeen;
use crate::reconcile::standing;
use crate::reconcile::telling::notices::Done;
use crate::reconcile::view::View;
use crate::reconcile::world::World;

/// Before `plan` is carried out: that something is under way.
pub fn begin(
    world: &World,
    history: &History,
    sources: &[SourceSeen],
    view: &View,
    plan: &Plan,
    now: Timestamp,
) {
    let followed = told_of(world, sources).filter(|(seen, _)| seen.report.refused.is_none());
    let findings = followed.filter_map(|(seen, commit)| {
        let is_own = |desired: &&DesiredStack| desired.source == seen.name;
        let stacks = view.desired.stacks.values().filter(is_own);
        let is_changed =
            |desired: &DesiredStack| plan.steps.iter().any(|step| step.stack == desired.name);
        let names: Vec<String> =
            stacks.filter(|it| is_changed(it)).map(|it| it.name.to_string()).collect();
        let why = format!("changing {}", names.join(", "));
        let found = Finding { commit, state: State::Pending, why, directory: None };
        (!names.is_empty()).then(|| (seen.name.clone(), found))
    });
    tell(world, history, findings.collect(), now);
}

/// After a pass: how each source's commit fares. One that another has passed may be about older commits than that.
pub fn record(world: &World, history: &History, done: &Done<'_>, now: Timestamp) {
    if done.only.is_some() {
        return;
    }
    let findings = told_of(world, done.sources);
    let findings = findings.map(|(seen, commit)| (seen.name.clone(), found(seen, commit, done)));
    tell(world, history, findings.collect(), now);
}

/// The sources whose forge is told, with their newest commit, be it refused. Of one that could not be read nothing is
/// known.
fn told_of<'a>(
    world: &'a World,
    sources: &'a [SourceSeen],
) -> impl Iterator<Item = (&'a SourceSeen, CommitId)> {
    let configured = world.config.sources.iter().filter(|it| it.commit_status.is_some());
    configured.filter_map(|configured| {
        let seen = sources.iter().find(|seen| seen.name == configured.name)?;
        let refused = seen.report.refused.as_ref().map(|refused| refused.commit.clone());
        Some((seen, refused.or_else(|| seen.report.commit.clone())?))
    })
}

/// Puts what is news into the outbox. What goes wrong is only logged: the next pass tells it.
fn tell(world: &World, history: &History, found: Vec<(SourceName, Finding)>, now: Timestamp) {
    if found.is_empty() {
        return;
    }
    match try_tell(world, history, found, now) {
        Ok(()) => world.mail.notify_one(),
        Err(error) => tracing::warn!("what forges are to be told cannot be written down: {error}"),
    }
}

fn try_tell(
    world: &World,
    history: &History,
    found: Vec<(SourceName, Finding)>,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let mut told = history.told()?;
    let mut letters = Vec::new();
    for (source, finding) in found {
        let configured = world.config.sources.iter().find(|it| it.name == source);
        let Some(status) = configured.and_then(|it| it.commit_status.as_ref()) else { continue };
        let parts = told.entry(Subject::Commit(source.clone())).or_default();
        let Some(known) = news(parts.get(&status.context), &finding) else { continue };
        // One context only: another name of this host begins anew.
        parts.clear();
        parts.insert(status.context.clone(), known);
        let message = message(status, &world.config.host, &source, &finding, now);
        // Serialising texts and numbers into memory cannot fail.
        let message = serde_json::to_string(&message).unwrap_or_default();
        letters.push(Letter { recipient: forge_of(&source), message });
    }
    if letters.is_empty() { Ok(()) } else { history.record_told(&told, &letters, now) }
}

/// What the stacks of a source come to.
#[derive(Default)]
struct Tally {
    well: usize,
    held: usize,
    /// What waits, and what failed: the first of each with the directory it is in.
    waits: Option<(String, Option<String>)>,
    failed: Option<(String, Option<String>)>,
    failures: usize,
}

impl Tally {
    fn fail(&mut self, why: String, directory: Option<String>) {
        self.failures += 1;
        self.failed.get_or_insert((why, directory));
    }
}

fn found(seen: &SourceSeen, commit: CommitId, done: &Done<'_>) -> Finding {
    if let Some(refused) = &seen.report.refused {
        let why = format!("refused: {}", refused.reason);
        return Finding { commit, state: State::Failure, why, directory: None };
    }
    let mut tally = Tally::default();
    if let Some(problem) = seen.problems.first() {
        tally.fail(problem.to_string(), None);
    }
    let stacks = done.view.desired.stacks.values();
    for desired in stacks.filter(|desired| desired.source == seen.name) {
        match &desired.content {
            StackContent::Invalid(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                tally.fail(format!("{}: {first}", desired.name), None);
            }
            StackContent::Usable(deployment) => add(&mut tally, desired, deployment, done),
        }
    }
    let Tally { well, held, waits, failed, failures } = tally;
    let (state, (why, directory)) = match (failed, waits) {
        (Some((why, directory)), _) if failures > 1 => {
            (State::Failure, (format!("{why} (and {} more)", failures - 1), directory))
        }
        (Some(failed), _) => (State::Failure, failed),
        (None, Some(waits)) => (State::Pending, waits),
        (None, None) if held > 0 => {
            (State::Success, (format!("{well} services are as it says, {held} held"), None))
        }
        (None, None) => (State::Success, (format!("{well} services are as it says"), None)),
    };
    Finding { commit, state, why, directory }
}

fn add(tally: &mut Tally, desired: &DesiredStack, deployment: &Deployment, done: &Done<'_>) {
    let Done { plan, outcome, .. } = done;
    let Outcome { services: results, .. } = outcome;
    let directory = || Some(deployment.stack.directory.clone());
    let masks = &deployment.stack.masks;
    for service in deployment.services.keys() {
        let of_service = |it: &&crate::plan::Change| {
            it.service.stack == desired.name && it.service.service == *service
        };
        let Some(change) = plan.changes.iter().find(of_service) else {
            tally.waits.get_or_insert((format!("{}/{service} was left out", desired.name), None));
            continue;
        };
        let (state, why) = standing::standing(change, results.get(&change.service), masks);
        let says =
            |otherwise: &str| why.unwrap_or_else(|| format!("{} {otherwise}", change.service));
        match state {
            "in-sync" => tally.well += 1,
            "held" => tally.held += 1,
            "pending" => drop(tally.waits.get_or_insert((says("waits"), directory()))),
            _ => tally.fail(says("is not as it says"), directory()),
        }
    }
}
