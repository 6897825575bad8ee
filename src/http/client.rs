//! Whoever asks a daemon through its socket: the commands of people who may open it, and `reconcile --wait`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use hyperlocal::{UnixConnector, Uri};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{EXIT_CODE, TEXT};
use crate::report::wire::{EventKind, PassEvent};

/// Where a daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/evenkeel/evenkeel.sock";

/// The most bytes of an answer.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How often a pass is asked for that is no longer told of.
const PAUSE: Duration = Duration::from_secs(1);

/// Somebody who asks the daemon at a socket.
pub struct Asker {
    socket: PathBuf,
    client: Client<UnixConnector, Body>,
    accept: &'static str,
    text: String,
}

/// What a daemon answers.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is to be printed.
    pub body: Bytes,
    /// How the command ends.
    pub exit: u8,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there, or who asks may not.
    #[error("no daemon can be asked at {}: {why}", socket.display())]
    Nobody {
        /// The socket.
        socket: PathBuf,
        /// The system's own words.
        why: String,
    },
    /// The daemon says no.
    #[error("{error}")]
    Refused {
        /// What went wrong.
        error: String,
        /// The next move.
        hint: Option<String>,
    },
}

#[derive(Deserialize)]
struct Asked {
    pass: u64,
}

impl Asker {
    /// Asks at `socket`, for JSON or for texts with or without colours.
    pub fn at(socket: &Path, as_json: bool, colors: bool, verbose: bool) -> Self {
        let words = [(colors, "colors"), (verbose, "verbose")];
        let words: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        Self {
            socket: socket.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(UnixConnector),
            accept: if as_json { "application/json" } else { "text/plain" },
            text: words.join(","),
        }
    }

    /// Asks `path`, its query included.
    pub async fn get(&self, path: &str) -> Result<Told, AskError> {
        let (_, told) = self.settled(Method::GET, path, Body::empty()).await?;
        Ok(told)
    }

    /// Orders something.
    pub async fn post(&self, path: &str, wish: &Value) -> Result<Told, AskError> {
        let (_, told) = self.settled(Method::POST, path, Body::from(wish.to_string())).await?;
        Ok(told)
    }

    /// Orders something that takes a pass, shows what happens in it, and gives how it came out.
    ///
    /// Ends when the pass does; whether somebody follows it makes no difference to it.
    pub async fn follow(
        &self,
        path: &str,
        wish: &Value,
        mut show: impl FnMut(&PassEvent),
    ) -> Result<Told, AskError> {
        // Listened first, so that nothing of the pass is missed.
        let events = self.send(Method::GET, "/api/v1/events", Body::empty()).await?;
        let mut events = std::pin::pin!(self.events(events.into_body()));
        let (_, told) = self.settled(Method::POST, path, Body::from(wish.to_string())).await?;
        let Asked { pass } = serde_json::from_slice(&told.body).map_err(|_| self.strange())?;
        while let Some(event) = events.next().await {
            if event.pass == pass {
                show(&event);
                if event.event == EventKind::PassEnded {
                    break;
                }
            }
        }
        // Also where the daemon stopped telling, because this was too slow to listen.
        loop {
            let path = format!("/api/v1/passes/{pass}");
            match self.settled(Method::GET, &path, Body::empty()).await? {
                (StatusCode::ACCEPTED, _) => tokio::time::sleep(PAUSE).await,
                (_, told) => return Ok(told),
            }
        }
    }

    async fn settled(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<(StatusCode, Told), AskError> {
        let response = self.send(method, path, body).await?;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MOST_BYTES).await.map_err(|error| self.nobody(&error))?;
        if !parts.status.is_success() {
            return Err(refused(parts.status, &body));
        }
        Ok((parts.status, Told { body, exit: exit(&parts.headers) }))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<axum::http::Response<Body>, AskError> {
        let uri: axum::http::Uri = Uri::new(&self.socket, path).into();
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(HOST, "evenkeel")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, self.accept)
            .header(TEXT, &self.text)
            .body(body);
        let request = request.map_err(|error| self.nobody(&error))?;
        let response = self.client.request(request).await.map_err(|error| self.nobody(&error))?;
        Ok(response.map(Body::new))
    }

    /// The events in `body`, until it ends or makes no sense.
    fn events(&self, body: Body) -> impl Stream<Item = PassEvent> {
        let bytes = body.into_data_stream().map_err(std::io::Error::other);
        let lines = futures_util::stream::try_unfold(
            (Box::pin(bytes), Vec::<u8>::new()),
            |(mut bytes, mut rest)| async move {
                loop {
                    if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        return Ok::<_, std::io::Error>(Some((line, (bytes, rest))));
                    }
                    match bytes.try_next().await? {
                        Some(more) => rest.extend_from_slice(&more),
                        None => return Ok(None),
                    }
                }
            },
        );
        let lines = lines.take_while(|line| std::future::ready(line.is_ok()));
        lines.filter_map(|line| {
            let event = line.ok().and_then(|line| {
                serde_json::from_slice(line.strip_prefix(b"data: ")?.trim_ascii_end()).ok()
            });
            std::future::ready(event)
        })
    }

    fn nobody(&self, error: &(dyn std::error::Error + 'static)) -> AskError {
        let why = std::iter::successors(Some(error), |error| error.source()).last();
        let why = why.map(ToString::to_string).unwrap_or_default();
        AskError::Nobody { socket: self.socket.clone(), why }
    }

    fn strange(&self) -> AskError {
        let why = "what answers there is no evenkeel of this version".to_owned();
        AskError::Nobody { socket: self.socket.clone(), why }
    }
}

fn exit(headers: &HeaderMap) -> u8 {
    let exit = headers.get(EXIT_CODE).and_then(|value| value.to_str().ok());
    exit.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn refused(status: StatusCode, body: &[u8]) -> AskError {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| report[key].as_str().map(str::to_owned);
    let error = text("error").unwrap_or_else(|| format!("the daemon answers {status}"));
    AskError::Refused { error, hint: text("hint") }
}
