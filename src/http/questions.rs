//! What can be asked. Takes no turn and changes nothing.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::answer::{Answer, Wants};
use super::hub::{Hub, Made, Stage};
use super::wishes::{self, HistoryQuery, NoQuery, PlanQuery, StatusQuery};
use crate::asked::{Kind, Refusal, past, plan, refusal, standing};
use crate::metrics::Metrics;
use crate::model::memory::HoldScope;
use crate::reconcile::World;
use crate::reconcile::daemon::desk::PassId;
use crate::report::exit::{self, ExitCode};
use crate::report::text;

/// Generations in a text that nobody limited, as the command has it.
const SHOWN: u32 = 30;

type Answered = Result<Answer, Refusal>;

/// The process serves.
pub(super) fn health() -> Answer {
    Answer::plain(StatusCode::OK, "ok\n")
}

/// Whether passes end well.
pub(super) fn readiness(hub: &Hub) -> Answer {
    match hub.ready(Instant::now()) {
        Ok(()) => Answer::plain(StatusCode::OK, "ready\n"),
        Err(why) => Answer::plain(StatusCode::SERVICE_UNAVAILABLE, why + "\n").later(10),
    }
}

/// What a scraper reads.
pub(super) fn metrics(world: &World, now: Timestamp) -> Answer {
    Answer::plain(StatusCode::OK, world.metrics.text(now)).of_kind(Metrics::MEDIA_TYPE)
}

pub(super) async fn status(world: &World, uri: &Uri, wants: Wants) -> Answered {
    let query: StatusQuery = query(uri)?;
    standing(world, query.scope()?.as_ref(), wants).await
}

/// One stack or service; `scope` as it stands in the path.
pub(super) async fn stack(world: &World, scope: &str, uri: &Uri, wants: Wants) -> Answered {
    let NoQuery {} = query(uri)?;
    standing(world, Some(&wishes::scope("stack", scope)?), wants).await
}

async fn standing(world: &World, scope: Option<&HoldScope>, wants: Wants) -> Answered {
    let report = standing::status(world, scope).await?;
    let text = |out: &mut dyn std::io::Write| text::status(out, &report, wants.style());
    Ok(Answer::report(wants, &report, exit::of_status(&report), text))
}

pub(super) fn history(world: &World, uri: &Uri, wants: Wants) -> Answered {
    let query: HistoryQuery = query(uri)?;
    let mut filter = query.filter(Timestamp::now())?;
    if wants.text {
        filter.limit = filter.limit.or(Some(SHOWN));
    }
    let report = past::history(&world.config.state_dir, &filter)?;
    let scope = query.scope()?;
    Ok(Answer::report(wants, &report, ExitCode::Good, |out| match report.generations.is_empty() {
        true => writeln!(out, "{}", past::nothing(scope.as_ref(), &filter)),
        false => text::history(out, &report, wants.style()),
    }))
}

pub(super) async fn plan(world: &World, uri: &Uri, wants: Wants) -> Answered {
    let query: PlanQuery = query(uri)?;
    let request = query.request()?;
    let planned = match query.commit()? {
        None => plan::plan(world, &request).await?,
        Some(commit) => {
            let then = plan::at(&world.config, query.source.as_deref(), &commit)?;
            plan::plan(&then, &request).await?
        }
    };
    refusal::check_scopes(&planned.preview.view, &request.only)?;
    if query.commit()?.is_some() {
        was_read(&planned, query.source.as_deref())?;
    }
    let exit = planned.exit(query.exit_code);
    Ok(Answer::report(wants, &planned.report, exit, |out| {
        text::plan(out, &planned.report, wants.style(), wants.verbose)
    }))
}

/// A commit that cannot be had is no plan without changes.
fn was_read(planned: &plan::Planned, source: Option<&str>) -> Result<(), Refusal> {
    for seen in &planned.preview.sources {
        let is_asked = source.is_none_or(|name| name == seen.name.as_str());
        if let Some(error) = seen.report.error.as_ref().filter(|_| is_asked) {
            let refusal = Refusal::new(Kind::Unknown, format!("source {}: {error}", seen.name));
            return Err(Refusal { hint: seen.hint.clone(), ..refusal });
        }
    }
    Ok(())
}

/// How a pass came out.
pub(super) fn pass(hub: &Hub, id: &str, uri: &Uri, wants: Wants) -> Answered {
    let NoQuery {} = query(uri)?;
    let unknown = || {
        Refusal::new(Kind::Unknown, format!("no pass `{id}` is known"))
            .hint("the daemon knows its last ones; `history` knows what every pass changed")
    };
    let id: u64 = id.parse().map_err(|_| unknown())?;
    match hub.stage(PassId(id)).ok_or_else(unknown)? {
        Stage::Waiting => Ok(asked(PassId(id), "waiting")),
        Stage::UnderWay => Ok(asked(PassId(id), "under-way")),
        Stage::Made(pass) => Ok(made(&pass, wants)),
        Stage::Refused(refusal) => Err(Refusal::clone(&refusal)),
    }
}

fn made(pass: &Made, wants: Wants) -> Answer {
    let Made { report, says, exit } = pass;
    Answer::report(wants, report, *exit, |out| {
        text::pass(out, report, wants.style(), wants.verbose || !says.is_empty())?;
        says.iter().try_for_each(|line| writeln!(out, "{line}"))
    })
}

/// A pass that has not ended yet.
pub(super) fn asked(id: PassId, state: &'static str) -> Answer {
    let report = super::orders::AskedReport { schema: "evenkeel.asked/v1", pass: id.0, state };
    Answer::json(StatusCode::ACCEPTED, &report)
}

/// The query of `uri`.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    match Query::<T>::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(Refusal::new(Kind::Question, error.body_text())),
    }
}
