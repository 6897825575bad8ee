//! A record is planned for in place of what is wanted today, and carried out.

use jiff::Timestamp;

use super::again::Again;
use crate::apply::Outcome;
use crate::model::memory::{HoldScope, Memory};
use crate::model::{GenerationNumber, ServiceId, ServiceOutcome};
use crate::plan::{self, Plan, Retries, Step};
use crate::reconcile::backoff;
use crate::reconcile::pass::{Crew, PassError, Request};
use crate::reconcile::record::{self, Generations, Why};
use crate::reconcile::view::{self, Early, Scene, View};
use crate::resolve::{Asks, Loaded};

/// A record that was deployed again, well or not.
pub struct Deployed {
    /// What was wanted and there, with the record in place of what git says.
    pub view: View,
    /// What was to be done.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
    /// The generations that were begun for it.
    pub generations: Generations,
    /// Things worth saying.
    pub notices: Vec<String>,
}

impl Deployed {
    /// Whether the service runs what it was to run.
    pub fn is_well(&self, id: &ServiceId) -> bool {
        let change = self.plan.changes.iter().find(|change| change.service == *id);
        let done = self.outcome.services.get(id).map(|result| result.outcome);
        let done = done.or_else(|| Some(record::without_steps(&change?.verdict)));
        matches!(done, Some(ServiceOutcome::Done | ServiceOutcome::Unchanged))
    }

    /// What went wrong with the service, after a colon; nothing where nothing is known.
    pub fn why_not(&self, id: &ServiceId) -> String {
        let failure = self.outcome.services.get(id).and_then(|result| result.failure.as_ref());
        failure.map(|failure| format!(": {}", failure.message)).unwrap_or_default()
    }
}

/// What is wanted, there and remembered today.
pub struct Today {
    /// What git says.
    pub loaded: Loaded,
    /// A look at the engine that was taken already.
    pub early: Option<Early>,
    /// What is known of the past.
    pub memory: Memory,
}

/// Plans for the record in place of what is wanted today, and carries that out.
pub async fn deploy(
    crew: &Crew<'_>,
    again: &Again,
    today: Today,
    retries: Retries,
) -> Result<Deployed, PassError> {
    let (world, history, now) = (crew.world, crew.history, Timestamp::now());
    let Today { loaded, early, mut memory } = today;
    let loaded = again.in_place_of(loaded);
    let mut pins = history.pins()?;
    again.pin(&mut pins);
    let services = again.ids();
    let only = services.iter().cloned().map(HoldScope::Service).collect();
    let rules = world.rules(&Request { only, retries, now: true, ..Request::default() });
    // What was decided then stands, whatever registries say today.
    let (proofs, asks) = (history.proofs()?, Asks::All);
    let scene = Scene {
        loaded: &loaded,
        pins: &pins,
        polls: None,
        proofs: &proofs,
        asks,
        goes_back: true,
        rules: &rules,
        offline: true,
        now,
    };
    let mut view = view::look(world, early, &scene.with(&memory)).await?;
    let found = view.proofs.clone().unwrap_or_default();
    if view.proofs.is_some() {
        history.record_proofs(&proofs, &found, now)?;
    }
    let scene = Scene { proofs: &found, ..scene };
    let mut notices = crew.put_in_order(&scene, &mut memory, &mut view).await?;
    free(&mut memory, &services);
    let mut plan = plan::plan(&view.situation(&memory, &rules, now));
    let missing = missing_images(&plan);
    let why = Why::Rollback(&again.target.row);
    let generations = record::begin(history, &view, why, &mut plan, now)?;
    let mut outcome = crew.carry_out(&plan, &view, &generations).await;
    for result in outcome.services.values_mut().filter(|_| !missing.is_empty()) {
        if let Some(failure) = result.failure.as_mut().filter(|failure| !failure.blames_spec) {
            failure.hint = Some(where_to_have_images(again.target.row.number));
        }
    }
    notices.extend(missing);
    let ended = Timestamp::now();
    record::finish(history, &view, &plan, &outcome, &generations, ended)?;
    backoff::record(history, &view, &plan, &outcome, &memory, ended)?;
    record::deployed(history, &view, &plan, &outcome, &memory)?;
    Ok(Deployed { view, plan, outcome, generations, notices })
}

fn where_to_have_images(number: GenerationNumber) -> String {
    format!(
        "the image of generation {number} has to be on this host or at its registry; `--to` names another generation"
    )
}

/// Nothing stands against an operator's word to go back: neither holds nor an earlier rejection.
fn free(memory: &mut Memory, services: &[ServiceId]) {
    memory.holds.clear();
    memory.rejected.retain(|(id, _), _| !services.contains(id));
}

/// Images that have to be pulled again.
fn missing_images(plan: &Plan) -> Vec<String> {
    let pulls = plan.steps.iter().filter_map(|planned| {
        let Step::PullImage { shown, .. } = &planned.step else { return None };
        Some(shown)
    });
    pulls
        .map(|shown| format!("{shown} is not on this host any more: its registry is asked"))
        .collect()
}
