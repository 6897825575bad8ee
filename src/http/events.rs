//! What happens in passes, as server-sent events (WHATWG HTML, "Server-sent events").

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::hub::Hub;
use super::shared::too_many;

/// After so long without an event a line is sent that says nothing, so that nobody on the way thinks it is over.
const QUIET: Duration = Duration::from_secs(15);

struct Listener {
    events: broadcast::Receiver<Arc<str>>,
    hub: Arc<Hub>,
    is_new: bool,
    _place: OwnedSemaphorePermit,
}

/// Events from now on. Ends for a reader that is too far behind; it may ask again.
pub(super) fn events(hub: &Arc<Hub>) -> Response {
    let Ok(place) = Arc::clone(&hub.listeners).try_acquire_owned() else {
        return too_many().into();
    };
    let (events, hub) = (hub.listen(), Arc::clone(hub));
    let listener = Listener { events, hub, is_new: true, _place: place };
    let body = stream::unfold(listener, |mut listener| async {
        let line = listener.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), listener))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Listener {
    async fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.is_new) {
            return Some(": events follow\n\n".to_owned());
        }
        tokio::select! {
            () = self.hub.stop.cancelled() => None,
            heard = tokio::time::timeout(QUIET, self.events.recv()) => match heard {
                Ok(Ok(event)) => Some(format!("data: {event}\n\n")),
                Ok(Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed)) => None,
                Err(_) => Some(":\n\n".to_owned()),
            }
        }
    }
}
