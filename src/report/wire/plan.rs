//! `evenkeel.plan/v1`: what a pass would do, and why.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::{joined, masks_of, name_masked, problems_of, wired};
use super::{WireProblem, WireReason, WireRemark};
use crate::model::{DesiredState, Masks, ServiceId, StackName};
use crate::plan::{Change, Plan, PlannedStep, Step};
use crate::report::state::{self, State};

/// What a pass would do.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanReport {
    /// `evenkeel.plan/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// Every stack, also those that stay.
    pub stacks: Vec<PlanStack>,
    /// Services with something to do.
    pub changes: usize,
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanStack {
    /// Its name.
    pub stack: String,
    /// Where it comes from; null where git no longer names it.
    pub source: Option<String>,
    /// The revision; null where git no longer names it.
    pub commit: Option<String>,
    /// The worst of its services.
    pub state: State,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// The same, one by one.
    pub problems: Vec<WireProblem>,
    /// Things worth saying.
    pub remarks: Vec<WireRemark>,
    /// Its services, in dependency order.
    pub services: Vec<PlanService>,
    /// The work.
    pub steps: Vec<PlanStep>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanService {
    /// Its name.
    pub service: String,
    /// What happens.
    pub verdict: &'static str,
    /// Which goes first where a container takes over from another.
    pub order: Option<&'static str>,
    /// What differs.
    pub reasons: Vec<WireReason>,
    /// How it stands now.
    pub state: State,
    /// Who holds it.
    pub held_by: Option<&'static str>,
    /// Why it is left as it is.
    pub note: Option<String>,
    /// The next move.
    pub hint: Option<String>,
    /// Whether it counts as it should be.
    #[serde(skip)]
    pub desired: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanStep {
    /// Its place in the whole plan, from 1.
    pub id: u32,
    /// What is done.
    #[serde(rename = "do")]
    pub does: &'static str,
    /// What it is done to.
    pub subject: String,
    /// Steps that must have succeeded.
    pub after: Vec<u32>,
    /// Why.
    pub because: String,
    /// The service it serves; null for what a whole stack needs.
    pub service: Option<String>,
}

impl PlanReport {
    /// How many steps there are to do.
    pub fn steps(&self) -> usize {
        self.stacks.iter().map(|stack| stack.steps.len()).sum()
    }
}

/// What a pass would do, stack by stack.
pub fn plan(desired: &DesiredState, plan: &Plan) -> PlanReport {
    let mut stacks: Vec<PlanStack> =
        desired.stacks.keys().map(|name| wanted(desired, plan, name)).collect();
    let mut gone: Vec<&StackName> = plan
        .changes
        .iter()
        .map(|change| &change.service.stack)
        .chain(plan.steps.iter().map(|step| &step.stack))
        .filter(|name| !desired.stacks.contains_key(*name))
        .collect();
    gone.sort();
    gone.dedup();
    stacks.extend(gone.into_iter().map(|name| stack(desired, plan, name)));
    PlanReport {
        schema: "evenkeel.plan/v1",
        host: desired.host.to_string(),
        stacks,
        changes: plan.changes.iter().filter(|change| state::is_change(&change.verdict)).count(),
    }
}

fn wanted(desired: &DesiredState, plan: &Plan, name: &StackName) -> PlanStack {
    let found = &desired.stacks[name];
    let problems = problems_of(&found.content);
    let stack = stack(desired, plan, name);
    PlanStack {
        source: Some(found.source.to_string()),
        commit: Some(found.commit.to_string()),
        state: if problems.is_some() { State::Invalid } else { stack.state },
        error: problems.map(joined),
        problems: wired(problems),
        ..stack
    }
}

/// What the plan knows of a stack.
fn stack(desired: &DesiredState, plan: &Plan, name: &StackName) -> PlanStack {
    let masks = masks_of(desired, name);
    let changes: Vec<&Change> =
        plan.changes.iter().filter(|change| change.service.stack == *name).collect();
    let services: Vec<PlanService> =
        changes.iter().map(|change| service(plan, change, &masks)).collect();
    PlanStack {
        stack: name.to_string(),
        source: None,
        commit: None,
        state: services.iter().map(|service| service.state).max().unwrap_or_default(),
        error: None,
        problems: Vec::new(),
        remarks: remarks(desired, name, &changes, &masks),
        services,
        steps: plan
            .steps
            .iter()
            .filter(|planned| planned.stack == *name)
            .map(|planned| step(planned, &masks))
            .collect(),
    }
}

fn remarks(
    desired: &DesiredState,
    name: &StackName,
    changes: &[&Change],
    masks: &Masks,
) -> Vec<WireRemark> {
    let of_manifest =
        desired.deployment(name).into_iter().flat_map(|deployment| &deployment.stack.remarks);
    let of_changes = changes.iter().flat_map(|change| {
        change.remarks.iter().map(|remark| {
            WireRemark::of_service(change.service.service.as_str(), masks.mask(remark))
        })
    });
    of_manifest.map(WireRemark::from).chain(of_changes).collect()
}

fn service(plan: &Plan, change: &Change, masks: &Masks) -> PlanService {
    let (note, hint) = state::why(change, masks);
    PlanService {
        service: change.service.service.to_string(),
        verdict: change.verdict.word(),
        order: order(plan, &change.service),
        reasons: change.verdict.reasons().iter().map(WireReason::from).collect(),
        state: State::of_verdict(&change.verdict),
        held_by: state::held_by(&change.verdict),
        note,
        hint,
        desired: state::is_desired(&change.verdict),
    }
}

fn step(planned: &PlannedStep, masks: &Masks) -> PlanStep {
    let subject = planned.step.subject();
    PlanStep {
        id: planned.id.0,
        does: planned.step.word(),
        // An image comes as people may see it.
        subject: if matches!(planned.step, Step::PullImage { .. }) {
            subject
        } else {
            name_masked(masks, &planned.stack, &subject)
        },
        after: planned.after.iter().map(|id| id.0).collect(),
        because: planned.because.clone(),
        service: planned.service.as_ref().map(|id| id.service.to_string()),
    }
}

/// Read off the steps: what the plan does counts, not what the manifest prefers.
fn order(plan: &Plan, service: &ServiceId) -> Option<&'static str> {
    let mut first: BTreeMap<&'static str, u32> = BTreeMap::new();
    for planned in plan.steps.iter().filter(|step| step.service.as_ref() == Some(service)) {
        first.entry(planned.step.word()).or_insert(planned.id.0);
    }
    first.get("create-container").filter(|_| first.contains_key("remove-container"))?;
    match (first.get("start-container"), first.get("stop-container")) {
        (Some(start), Some(stop)) if start < stop => Some("start-first"),
        (Some(_) | None, Some(_) | None) => Some("stop-first"),
    }
}
