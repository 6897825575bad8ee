//! `status`: where everything stands, from the record and the engine.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::refusal::{Refusal, unknown};
use crate::history::{Filter, History, HistoryError};
use crate::model::memory::HoldScope;
use crate::model::{GenerationNumber, ObservedState, StackName};
use crate::plan::Retries;
use crate::reconcile::World;
use crate::reconcile::pass::{self, PassError, Request};
use crate::reconcile::sources::Freshness;
use crate::report::wire::{self, StatusReport};

/// Where everything stands, or `scope` alone. Asks neither git nor a registry.
pub async fn status(world: &World, scope: Option<&HoldScope>) -> Result<StatusReport, Refusal> {
    let history = History::read_only(&world.config.state_dir)?;
    let request = Request {
        only: scope.into_iter().cloned().collect(),
        offline: true,
        retries: Retries::Never,
        ..Request::default()
    };
    let preview = pass::preview(world, &request, Freshness::Recorded);
    let (preview, engine) = tokio::join!(preview, world.engine.info());
    let preview = match preview {
        Ok(preview) => Ok(preview),
        Err(PassError::Engine(error)) => Err(error),
        Err(error) => return Err(error.into()),
    };
    let nothing = ObservedState::default();
    let found = preview.as_ref().ok();
    let pressure = history.retained()?.and_then(|retained| retained.pressure);
    let pressure = match pressure {
        Some(pressure) if is_too_full(world).await => Some(pressure),
        Some(_) | None => None,
    };
    let sources = history.sources()?;
    let mut report = wire::status(&wire::Standing {
        host: &world.config.host,
        engine: preview.as_ref().and(engine.as_ref()),
        pressure: pressure.as_ref(),
        sources: &sources,
        desired: found.map(|preview| &preview.view.desired),
        observed: found.map_or(&nothing, |preview| &preview.view.observed),
        plan: found.map(|preview| &preview.plan),
        recorded: &history.stacks()?,
        generations: &generations(&history)?,
        now: Timestamp::now(),
    });
    if let Some(scope) = scope {
        let stacks: Vec<String> = report.stacks.iter().map(|stack| stack.stack.clone()).collect();
        report.narrow(scope);
        if report.stacks.is_empty() {
            return Err(unknown(scope, stacks.iter().map(String::as_str)));
        }
    }
    Ok(report)
}

/// Whether the engine's disk is still too full: somebody may have made room meanwhile. One that cannot be measured is
/// as it was.
async fn is_too_full(world: &World) -> bool {
    let high = world.config.retention.disk.high.0;
    world.engine.disk().await.ok().flatten().is_none_or(|disk| disk.is_above(high))
}

/// The last attempt at each stack.
pub fn generations(
    history: &History,
) -> Result<BTreeMap<StackName, GenerationNumber>, HistoryError> {
    let mut newest = BTreeMap::new();
    for row in history.generations(&Filter::default())? {
        newest.entry(row.stack).or_insert(row.number);
    }
    Ok(newest)
}
