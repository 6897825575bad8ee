//! What can be ordered: the commands that change something, through the functions that the commands call.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Wants};
use super::hub::{Hub, Made};
use super::questions::asked;
use super::shared::too_many;
use super::wishes::{Hold, Reconcile, Retry, Rollback, Unhold};
use crate::apply::{Event, Watcher};
use crate::asked::{Kind, Refusal, holds, passes, release};
use crate::reconcile::daemon::Audience as _;
use crate::reconcile::daemon::desk::PassId;
use crate::reconcile::rollback::{self, Wish};
use crate::reconcile::{PassError, World};
use crate::report::exit::ExitCode;
use crate::report::wire::DoneReport;

/// The most bytes of a body.
const MOST_BYTES: usize = 64 * 1024;
/// Rollbacks that are under way, or wait for their turn, at once.
const MOST_ROLLBACKS: usize = 8;

/// A pass that was asked for.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(super) struct AskedReport {
    /// `evenkeel.asked/v1`
    pub schema: &'static str,
    /// Its number since the daemon has begun: `/api/v1/passes/{pass}` tells how it comes out.
    pub pass: u64,
    /// `waiting` or `under-way`
    pub state: &'static str,
}

/// Asks the loop for a pass.
pub(super) fn reconcile(hub: &Hub, wish: &Reconcile) -> Result<Answer, Refusal> {
    let request = wish.request()?;
    match hub.desk.ask(&request) {
        Ok(id) => {
            hub.asked(id, &request.only);
            Ok(asked(id, "waiting"))
        }
        Err(full) => Err(Refusal::new(Kind::Busy, full.to_string())),
    }
}

pub(super) async fn hold(world: &World, wish: &Hold, wants: Wants) -> Result<Answer, Refusal> {
    let done = holds::hold(world, &wish.wish()?, Timestamp::now()).await?;
    Ok(said(&done, wants))
}

pub(super) async fn unhold(world: &World, wish: &Unhold, wants: Wants) -> Result<Answer, Refusal> {
    let scope = wish.scope()?;
    let done = holds::unhold(&world.config.state_dir, &scope, Timestamp::now()).await?;
    Ok(said(&done, wants))
}

pub(super) async fn retry(world: &World, wish: &Retry, wants: Wants) -> Result<Answer, Refusal> {
    let scope = wish.scope()?;
    let done = release::retry(&world.config.state_dir, &scope, Timestamp::now()).await?;
    Ok(said(&done, wants))
}

fn said(done: &DoneReport, wants: Wants) -> Answer {
    Answer::report(wants, done, ExitCode::Good, |out| {
        done.says.iter().try_for_each(|line| writeln!(out, "{line}"))
    })
}

/// Begins a rollback, which goes on when whoever asked has gone.
pub(super) fn rollback(hub: &Arc<Hub>, wish: &Rollback) -> Result<Answer, Refusal> {
    let wish = wish.wish()?;
    if hub.tasks.len() >= MOST_ROLLBACKS {
        return Ok(too_many());
    }
    let id = hub.desk.number();
    hub.asked(id, &[]);
    let theirs = Arc::clone(hub);
    let going = hub.threads.spawn_pinned(move || go_back(theirs, id, wish));
    let theirs = Arc::clone(hub);
    hub.tasks.spawn(async move {
        if let Err(error) = going.await {
            theirs.refused(id, PassError::Broken(error.to_string()).into());
        }
    });
    Ok(asked(id, "waiting"))
}

async fn go_back(hub: Arc<Hub>, id: PassId, wish: Wish) {
    hub.begin(id);
    let (world, watched) = (hub.desk.world(), Watched { hub: &hub, id });
    match rollback::rollback(&world, &wish, &watched, &hub.stop).await {
        Ok(done) => hub.made(id, Made::of(passes::report(&done.pass), passes::held(&done))),
        Err(error) => hub.refused(id, error.into()),
    }
}

/// Who watches a pass that is not the loop's.
struct Watched<'a> {
    hub: &'a Hub,
    id: PassId,
}

impl Watcher for Watched<'_> {
    fn event(&self, event: &Event<'_>) {
        self.hub.event(self.id, event);
    }
}

/// The body as JSON; one without anything in it says nothing.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Answer> {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MOST_BYTES).await else {
        let error =
            format!("the body exceeds {} KiB, or did not come to its end", MOST_BYTES / 1024);
        return Err(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, error, None));
    };
    let is_json = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = is_json.is_some_and(|value| {
        value.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
    });
    if !bytes.is_empty() && !is_json {
        let hint = Some("send JSON, with `Content-Type: application/json`");
        return Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is no JSON", hint));
    }
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| Answer::error(StatusCode::BAD_REQUEST, format!("the body: {error}"), None))
}
