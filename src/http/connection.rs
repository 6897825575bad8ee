//! Connections: so many at a time, and none that dawdles.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::patient::Patient;
use super::routes::{Caller, router};

/// Connections at once at one place; who comes later waits.
const MOST_CONNECTIONS: usize = 512;
/// How long a request's head may take, and a connection be kept without one.
const HEAD: Duration = Duration::from_secs(10);
/// How long nothing of an answer may get through.
const READING: Duration = Duration::from_secs(30);
/// The most bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;

/// Serves who comes in at `listener`, until it is dropped; then all of them are left.
pub(super) async fn serve<L: Listener>(mut listener: L, caller: impl Fn(&L::Addr) -> Caller) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, address) = listener.accept().await;
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream, caller(&address), place));
    }
}

async fn converse<S>(stream: S, caller: Caller, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router(&caller));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LONGEST_HEAD);
    let stream = TokioIo::new(Patient::new(stream, READING));
    if let Err(error) = http.serve_connection(stream, service).await {
        tracing::debug!("a connection to the API ended: {error}");
    }
}
