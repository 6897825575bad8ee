//! A gateway before a registry: keeps a log of what is asked, can ask for tokens, and can misbehave.
//!
//! Its token server gives a token to everybody; one whose tokens a registry checks is in `token_server`.

#![expect(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use futures_util::StreamExt as _;

/// Whom the gateway lets through.
#[derive(Clone, PartialEq, Eq)]
pub enum Door {
    /// Everybody; the registry behind it decides.
    Open,
    /// Who has a token from the realm, by default the gateway's own `/token`.
    Token {
        /// Another realm.
        realm: Option<String>,
    },
}

/// What goes wrong with every further answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Fault {
    /// `Docker-Content-Digest` is missing.
    NoDigestHeader,
    /// An answer with this status and `Retry-After: 60`.
    Status(u16),
    /// Everybody is sent to this host.
    Redirect(String),
    /// 429, and nothing more is to be asked for so many seconds.
    TooMany(u64),
    /// No answer, ever.
    Silence,
    /// The connection breaks in the middle of each body.
    Halfway,
    /// The same for what images are made of alone: whoever pulls is left half-way.
    HalfwayBlobs,
    /// So many requests are left of 100 in an hour.
    Left(u64),
    /// Lists of tags come in pages of so many, with relative links …
    Pages(usize),
    /// … and the second page does not come.
    BrokenPages(usize),
    /// … and each page leads to the same next one.
    EndlessPages(usize),
    /// So many manifests are deleted, then no more.
    Deletes(usize),
    /// This index is the list of what speaks of a digest.
    Referrers(String, String),
}

/// A running gateway; it ends with this value.
pub struct Gateway {
    address: SocketAddr,
    world: Arc<World>,
    _end: tokio::sync::oneshot::Sender<()>,
}

struct World {
    address: SocketAddr,
    behind: String,
    door: Door,
    client: reqwest::Client,
    connections: AtomicUsize,
    state: Mutex<Mutable>,
}

#[derive(Default)]
struct Mutable {
    log: Vec<String>,
    tokens_given: u32,
    revoked: u32,
    fault: Option<Fault>,
    deletes: usize,
    opened: bool,
}

/// Serves until what comes back is dropped.
pub fn serve<L>(listener: L, service: Router) -> tokio::sync::oneshot::Sender<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let (end, ended) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let serving = axum::serve(listener, service);
        tokio::select! { _ = async { serving.await } => {}, _ = ended => {} }
    });
    end
}

impl Gateway {
    /// A gateway to the registry at `behind` (host and port).
    pub async fn start(behind: &str, door: Door) -> Self {
        // What `main` does once for the program; the second time in one process is in vain.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (behind, state) = (behind.to_owned(), Mutex::default());
        let connections = AtomicUsize::new(0);
        let world = Arc::new(World { address, behind, door, client, connections, state });
        let counting = Arc::clone(&world);
        let listener = listener.tap_io(move |_| {
            counting.connections.fetch_add(1, Ordering::Relaxed);
        });
        let service = Router::new().fallback(answer).with_state(Arc::clone(&world));
        Self { address, world, _end: serve(listener, service) }
    }

    /// Host and port, as image references name it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked since the last call: method, path and who asked.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.world.state().log)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.world.connections.load(Ordering::Relaxed)
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.world.state().fault = None;
    }

    /// From now on, this goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.world.state().fault = Some(fault);
    }

    /// From now on, everybody is let through.
    pub fn open(&self) {
        self.world.state().opened = true;
    }

    /// No token given so far is good any more.
    pub fn revoke_tokens(&self) {
        let mut state = self.world.state();
        state.revoked = state.tokens_given;
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, Mutable> {
        self.state.lock().expect("no test panics while it holds this")
    }

    fn lets_through(&self, who: &str) -> bool {
        let number =
            who.strip_prefix("Bearer token-").and_then(|number| number.parse::<u32>().ok());
        let state = self.state();
        self.door == Door::Open
            || state.opened
            || number.is_some_and(|number| number > state.revoked && number <= state.tokens_given)
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let who = who(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    world.state().log.push(format!("{method} {path} {}", readable(&who)).trim_end().to_owned());
    if path == "/token" {
        return give_token(&world, request).await;
    }
    let fault = world.state().fault.clone();
    match &fault {
        Some(Fault::Status(status)) => return status_only(*status, ("retry-after", "60")),
        Some(Fault::Redirect(host)) => {
            return status_only(307, ("location", &format!("http://{host}{path}")));
        }
        Some(Fault::TooMany(seconds)) => {
            return status_only(429, ("retry-after", &seconds.to_string()));
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Deletes(most)) if method == axum::http::Method::DELETE => {
            let mut state = world.state();
            state.deletes += 1;
            if state.deletes > *most {
                return status_only(503, ("retry-after", "60"));
            }
        }
        Some(Fault::Referrers(of, list)) if path.contains("/referrers/") => {
            let list = if path.ends_with(of) { list } else { r#"{"manifests": []}"# };
            return Response::new(Body::from(list.to_owned()));
        }
        Some(
            Fault::NoDigestHeader
            | Fault::Halfway
            | Fault::HalfwayBlobs
            | Fault::Left(_)
            | Fault::Pages(_)
            | Fault::BrokenPages(_)
            | Fault::EndlessPages(_)
            | Fault::Deletes(_)
            | Fault::Referrers(_, _),
        )
        | None => {}
    }
    if !world.lets_through(&who) {
        return status_only(401, ("www-authenticate", &challenge(&world)));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = forward(&world, request).await;
    let is_list = path.ends_with("/tags/list");
    let is_blob = path.contains("/blobs/");
    match fault {
        Some(Fault::NoDigestHeader) => without_digest(response),
        Some(Fault::Halfway) => halfway(response).await,
        Some(Fault::HalfwayBlobs) if is_blob => halfway(response).await,
        Some(Fault::Left(left)) => with_level(response, left),
        Some(Fault::BrokenPages(_)) if query.contains("last=") => {
            status_only(500, ("retry-after", "60"))
        }
        Some(Fault::Pages(size) | Fault::BrokenPages(size)) if is_list => {
            page(response, &path, &query, size).await
        }
        Some(Fault::EndlessPages(size)) if is_list => page(response, &path, "", size).await,
        Some(
            Fault::Status(_)
            | Fault::TooMany(_)
            | Fault::Redirect(_)
            | Fault::Silence
            | Fault::HalfwayBlobs
            | Fault::Pages(_)
            | Fault::BrokenPages(_)
            | Fault::EndlessPages(_)
            | Fault::Deletes(_)
            | Fault::Referrers(_, _),
        )
        | None => response,
    }
}

fn without_digest(mut response: Response) -> Response {
    response.headers_mut().remove("docker-content-digest");
    response
}

fn with_level(mut response: Response, left: u64) -> Response {
    let headers = response.headers_mut();
    headers.insert("ratelimit-limit", "100;w=3600".parse().expect("a header"));
    let left = format!("{left};w=3600");
    headers.insert("ratelimit-remaining", left.parse().expect("a header"));
    response
}

/// The first half of the body, then the connection breaks.
async fn halfway(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.expect("a small body");
    parts.headers.insert("content-length", body.len().into());
    let first = body.slice(..body.len() / 2);
    let broken = std::io::Error::other("the registry was killed");
    // What was written goes out only when the rest lets wait for itself.
    let rest = futures_util::stream::once(async {
        tokio::task::yield_now().await;
        Err(broken)
    });
    let pieces = futures_util::stream::iter([Ok(first)]).chain(rest);
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Those of the tags that come behind `last`, at most `size`, and where to find the rest.
async fn page(response: Response, path: &str, query: &str, size: usize) -> Response {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    let list: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let mut tags: Vec<String> = serde_json::from_value(list["tags"].clone()).expect("tags");
    tags.sort();
    let mut fields = url::form_urlencoded::parse(query.as_bytes());
    let last = fields.find(|(key, _)| key == "last").map(|(_, last)| last.into_owned());
    let rest = tags.into_iter().filter(|tag| last.as_ref().is_none_or(|last| tag > last));
    let rest: Vec<String> = rest.collect();
    let shown = &rest[..size.min(rest.len())];
    let answer = Response::builder().header("content-type", "application/json");
    let answer = match shown.last() {
        Some(last) if rest.len() > size => {
            answer.header("link", format!("<{path}?last={last}&n={size}>; rel=\"next\""))
        }
        Some(_) | None => answer,
    };
    let body = serde_json::json!({"name": list["name"], "tags": shown}).to_string();
    answer.body(Body::from(body)).expect("a response")
}

fn challenge(world: &World) -> String {
    let own = format!("http://{}/token", world.address);
    let realm = match &world.door {
        Door::Token { realm: Some(realm) } => realm.clone(),
        Door::Token { realm: None } | Door::Open => own,
    };
    format!(r#"Bearer realm="{realm}",service="gateway",scope="repository:any:pull""#)
}

/// Gives a token to everybody; what was sent is in the log.
async fn give_token(world: &World, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 10_000).await.expect("a small body");
    let sent = format!("{query}{}", String::from_utf8_lossy(&body));
    let fields = url::form_urlencoded::parse(sent.as_bytes());
    let shown: Vec<String> = fields.map(|(key, value)| format!("{key}={value}")).collect();
    let mut state = world.state();
    state.log.push(format!("  {}", shown.join(" ")));
    state.tokens_given += 1;
    let token =
        serde_json::json!({"token": format!("token-{}", state.tokens_given), "expires_in": 300});
    Response::new(Body::from(token.to_string()))
}

async fn forward(world: &World, request: Request) -> Response {
    let url = format!("http://{}{}", world.behind, request.uri());
    let mut headers = request.headers().clone();
    headers.remove("host");
    if world.door != Door::Open {
        headers.remove("authorization");
    }
    let sent = world.client.request(request.method().clone(), url).headers(headers).send().await;
    let Ok(answer) = sent else { return status_only(502, ("retry-after", "1")) };
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().expect("nothing is wrong yet") = answer.headers().clone();
    response.body(Body::from(answer.bytes().await.expect("a body"))).expect("a response")
}

fn status_only(status: u16, (name, value): (&str, &str)) -> Response {
    Response::builder().status(status).header(name, value).body(Body::empty()).expect("a response")
}

fn who(request: &Request) -> String {
    let value = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// `Bearer token-1` as it is, Basic decoded.
fn readable(who: &str) -> String {
    let Some(encoded) = who.strip_prefix("Basic ") else { return who.to_owned() };
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    format!("Basic {}", String::from_utf8_lossy(&decoded))
}
