//! Webhooks: who knows their secret wakes what follows the repository or the image; what there is now is asked there.

use std::collections::BTreeSet;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::hooks::registry::ImageMoved;
use super::hooks::{self, Refused};
use super::hub::Hub;
use super::keys;
use crate::asked::Refusal;
use crate::history::History;
use crate::reconcile::{PassError, World};

/// What a webhook led to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WokenReport {
    /// `evenkeel.woken/v1`
    pub schema: &'static str,
    /// The sources, or the image repositories, that are asked now; empty where none of what the webhook names is
    /// followed here.
    pub woken: Vec<String>,
}

/// A webhook as it came.
pub(super) struct Told {
    headers: HeaderMap,
    query: Option<String>,
    body: Bytes,
    secret: String,
}

impl Told {
    /// Takes the body in, and the secret from its file.
    pub async fn read(world: &World, request: Request) -> Result<Self, Answer> {
        let secret = secret(world)?;
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, hooks::LARGEST).await else {
            return Err(refused(&Refused::TooLarge));
        };
        let query = parts.uri.query().map(str::to_owned);
        Ok(Self { headers: parts.headers, query, body, secret })
    }
}

/// A push: the sources that follow what was pushed are asked now.
pub(super) fn git(hub: &Hub, world: &World, told: &Told) -> Answer {
    let push = match hooks::git::check(&told.headers, &told.body, &told.secret) {
        Ok(push) => push,
        Err(why) => return refused(&why),
    };
    let sources = hooks::git::wakes(&push, &world.config);
    for source in &sources {
        world.rounds.forget(source);
    }
    woken(hub, sources.iter().map(ToString::to_string).collect())
}

/// An image that has moved: the registry is asked now, where somebody follows it.
pub(super) fn registry(hub: &Hub, world: &World, told: &Told) -> Result<Answer, Refusal> {
    let Told { headers, query, body, secret } = told;
    let moved = match hooks::registry::check(headers, query.as_deref(), body, secret) {
        Ok(moved) => moved,
        Err(why) => return Ok(refused(&why)),
    };
    let now = Timestamp::now();
    let history = History::open(&world.config.state_dir, now).map_err(PassError::from)?.history;
    let keys: Vec<_> = moved.iter().map(ImageMoved::key).collect();
    let is_followed = history.record_moved(&keys, now).map_err(PassError::from)?;
    let images = moved.iter().zip(is_followed).filter(|(_, is_followed)| *is_followed);
    let names: BTreeSet<String> = images.map(|(image, _)| image.repository.to_string()).collect();
    Ok(woken(hub, names.into_iter().collect()))
}

fn woken(hub: &Hub, woken: Vec<String>) -> Answer {
    if !woken.is_empty() {
        hub.desk.wake().notify_one();
    }
    Answer::json(StatusCode::ACCEPTED, &WokenReport { schema: "evenkeel.woken/v1", woken })
}

/// The secret that webhooks are proved with. Without one nobody can prove anything.
fn secret(world: &World) -> Result<String, Answer> {
    let file = world.config.http.as_ref().and_then(|http| http.webhook_secret_file.as_deref());
    let Some(file) = file else {
        let hint = Some("set `http.webhook_secret_file` in the server's configuration");
        return Err(Answer::error(StatusCode::FORBIDDEN, "webhooks are not taken here", hint));
    };
    keys::token(file).map_err(|why| {
        tracing::error!("webhooks are not taken: {why}");
        let hint = Some("see the daemon's log");
        Answer::error(StatusCode::SERVICE_UNAVAILABLE, "webhooks are not taken at the moment", hint)
    })
}

fn refused(why: &Refused) -> Answer {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Answer::error(status, why.to_string(), None)
}
