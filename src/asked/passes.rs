//! How passes and rollbacks went.

use crate::model::{GenerationNumber, ServiceId, SourceName};
use crate::reconcile::Pass;
use crate::reconcile::rollback::RolledBack;
use crate::reconcile::sources::SourceSeen;
use crate::report::wire::{self, PassReport};

/// What a pass did.
pub fn report(done: &Pass) -> PassReport {
    wire::pass(&wire::Pass {
        desired: &done.view.desired,
        observed: &done.view.observed,
        plan: &done.plan,
        outcome: &done.outcome,
        generations: &done.generations,
        failed_sources: &failed(&done.sources),
        took: done.took,
    })
}

/// What is held after a rollback, and what is still to come of it, a line for each service.
pub fn held(done: &RolledBack) -> Vec<String> {
    let held = done.held.iter().map(|service| held_line(service, done.to));
    held.chain(done.going.iter().map(|service| going_line(service, done.to))).collect()
}

fn going_line(service: &ServiceId, to: GenerationNumber) -> String {
    format!(
        "{service} is still on its way back to generation {to}: the next pass goes on, unless \
         `evenkeel unhold {service}` ends it"
    )
}

fn held_line(service: &ServiceId, to: GenerationNumber) -> String {
    format!(
        "{service} runs what generation {to} ran, and is held until git changes its image line or \
         `evenkeel unhold {service}`"
    )
}

/// The sources that failed, each with its reason in one line.
fn failed(sources: &[SourceSeen]) -> Vec<(SourceName, String)> {
    let ill = sources.iter().filter(|seen| !seen.is_well());
    ill.map(|seen| {
        let problems = seen.problems.iter().map(ToString::to_string);
        let reasons: Vec<String> = problems.chain(seen.report.error.clone()).collect();
        (seen.name.clone(), reasons.join("; "))
    })
    .collect()
}
