//! A stand-in for GitHub's packages (docs.github.com, "REST API endpoints for packages"): versions of one package, in
//! pages, and deleting them. Written to the documentation; nothing here was compared with GitHub itself.

#![expect(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use evenkeel::model::Digest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::gateway::serve;

/// The only token that is let in.
pub const TOKEN: &str = "ghp_correct-horse";
/// Whose package it is, and what it is called.
pub const PACKAGE: &str = "/users/acme/packages/container/tools%2Fweb/versions";
/// Versions on a page, whatever is asked for.
const PER_PAGE: usize = 2;

/// How a version refuses to be deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// GitHub does not want to (400).
    NotThisOne,
    /// The token may only read (404).
    NotYou,
}

/// What goes wrong from now on, with every answer or from the second page on.
#[derive(Clone, Default)]
pub struct Trouble {
    /// This status and these headers.
    pub answer: Option<(u16, Vec<(&'static str, String)>)>,
    /// Only for what follows the first page.
    pub spares_first: bool,
}

/// A running stand-in; it ends with this value.
pub struct GithubVersions {
    world: Arc<World>,
    _end: tokio::sync::oneshot::Sender<()>,
}

struct World {
    address: SocketAddr,
    state: Mutex<Mutable>,
}

#[derive(Default)]
struct Mutable {
    versions: Vec<(u64, Value)>,
    refusals: Vec<(u64, Refusal)>,
    trouble: Trouble,
    stop: Option<CancellationToken>,
    log: Vec<String>,
}

impl GithubVersions {
    /// One without any version.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let world = Arc::new(World { address, state: Mutex::default() });
        let service = Router::new().fallback(answer).with_state(Arc::clone(&world));
        Self { world, _end: serve(listener, service) }
    }

    /// Where it is asked.
    pub fn base(&self) -> String {
        format!("http://{}", self.world.address)
    }

    /// Adds a version, pushed at `created`; its number.
    pub fn add(&self, digest: &Digest, tags: &[&str], created: &str) -> u64 {
        let mut state = self.world.state();
        let id = 100 + state.versions.len() as u64;
        let version = json!({
            "id": id, "name": digest.as_str(), "created_at": created, "updated_at": created,
            "package_html_url": "x", "license": "MIT",
            "metadata": {"package_type": "container", "container": {"tags": tags}},
        });
        state.versions.push((id, version));
        id
    }

    /// The numbers of what is left.
    pub fn left(&self) -> Vec<u64> {
        self.world.state().versions.iter().map(|(id, _)| *id).collect()
    }

    /// From now on, this version is not deleted.
    pub fn refuse(&self, id: u64, refusal: Refusal) {
        self.world.state().refusals.push((id, refusal));
    }

    /// Stops somebody while the first version is deleted.
    pub fn stop_at_the_first_deletion(&self, stop: &CancellationToken) {
        self.world.state().stop = Some(stop.clone());
    }

    /// From now on, this goes wrong.
    pub fn fail(&self, trouble: Trouble) {
        self.world.state().trouble = trouble;
    }

    /// What was asked since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.world.state().log)
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, Mutable> {
        self.state.lock().expect("no test panics while it holds this")
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let mut state = world.state();
    state.log.push(format!("{} {path} {query}", request.method()).trim_end().to_owned());
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if text("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return say(401, "Bad credentials");
    }
    let is_as_documented = text("accept") == Some("application/vnd.github+json")
        && text("x-github-api-version") == Some("2022-11-28")
        && text("user-agent").is_some();
    assert!(is_as_documented, "{:?}", request.headers());
    let Some(rest) = path.strip_prefix(PACKAGE) else { return say(404, "Not Found") };
    let page = url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "page")
        .map_or(1, |(_, page)| page.parse().expect("a number"));
    if let Some((status, headers)) = state.trouble.answer.clone()
        && (page > 1 || !state.trouble.spares_first)
    {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        return answer.body(Body::from(r#"{"message": "no"}"#)).expect("a response");
    }
    match (request.method().as_str(), rest.trim_start_matches('/').parse::<u64>()) {
        ("GET", Err(_)) => list(&world, &state, page),
        ("GET", Ok(id)) if state.versions.iter().any(|(one, _)| *one == id) => say(200, "here"),
        ("DELETE", Ok(id)) => delete(&mut state, id),
        (_, _) => say(404, "Not Found"),
    }
}

fn list(world: &World, state: &Mutable, page: usize) -> Response {
    let versions: Vec<&Value> = state.versions.iter().rev().map(|(_, version)| version).collect();
    let shown: Vec<&Value> =
        versions.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).copied().collect();
    let mut answer = Response::builder().status(200);
    if versions.len() > page * PER_PAGE {
        let url = format!("http://{}{PACKAGE}?per_page=100&page={}", world.address, page + 1);
        answer = answer.header("link", format!("<{url}>; rel=\"next\", <{url}>; rel=\"last\""));
    }
    answer.body(Body::from(json!(shown).to_string())).expect("a response")
}

fn delete(state: &mut Mutable, id: u64) -> Response {
    if let Some(stop) = &state.stop {
        stop.cancel();
    }
    match state.refusals.iter().find(|(one, _)| *one == id) {
        Some((_, Refusal::NotThisOne)) => {
            say(400, "You cannot delete the last tagged version of a package.")
        }
        Some((_, Refusal::NotYou)) => say(404, "Not Found"),
        None if state.versions.iter().any(|(one, _)| *one == id) => {
            state.versions.retain(|(one, _)| *one != id);
            Response::builder().status(204).body(Body::empty()).expect("a response")
        }
        None => say(404, "Not Found"),
    }
}

fn say(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "documentation_url": "x"}).to_string();
    Response::builder().status(status).body(Body::from(body)).expect("a response")
}
