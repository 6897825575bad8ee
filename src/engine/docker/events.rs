//! What the engine tells of containers while it goes on (`GET /events`).

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;

use super::session::Session;
use crate::engine::{Incident, Mishap};
use crate::model::{ContainerId, StackName, labels};

/// How long nothing may be heard before the engine is asked anew: a connection over a network can be gone without
/// a word. Nothing is lost by that, for the engine tells again what has happened since.
const SILENCE: Duration = Duration::from_secs(600);

/// Tells `heard` of every incident from `since` on, until the engine ends the stream.
pub(super) async fn watch(
    session: &Session,
    since: Timestamp,
    heard: &(dyn Fn(Incident) + Send + Sync),
) -> Result<(), Error> {
    let mut since = since;
    loop {
        let asked = Timestamp::now();
        let mut told = Box::pin(session.reading().events(Some(options(since))));
        loop {
            match tokio::time::timeout(SILENCE, told.next()).await {
                Err(_) => break,
                Ok(None) => return Ok(()),
                Ok(Some(message)) => message.map(|message| incident(message).map(heard))?,
            };
        }
        since = asked;
    }
}

fn options(since: Timestamp) -> EventsOptions {
    let events = ["die", "pause", "destroy", "health_status"];
    let filters = [
        ("type".to_owned(), vec!["container".to_owned()]),
        ("event".to_owned(), events.map(str::to_owned).to_vec()),
        ("label".to_owned(), vec![labels::COMPOSE_PROJECT.to_owned()]),
    ];
    let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
    EventsOptions { since: Some(since), until: None, filters: Some(filters.into()) }
}

fn incident(message: EventMessage) -> Option<Incident> {
    let mishap = match message.action.as_deref()? {
        "die" => Mishap::Died,
        "pause" => Mishap::Paused,
        "destroy" => Mishap::Removed,
        "health_status: unhealthy" => Mishap::Unhealthy,
        _ => return None,
    };
    let actor = message.actor?;
    let stack = actor.attributes?.remove(labels::COMPOSE_PROJECT)?;
    Some(Incident { container: ContainerId::new(actor.id?), stack: StackName::new(stack), mishap })
}
