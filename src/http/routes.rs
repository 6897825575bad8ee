//! The table of routes: what the router serves and what the OpenAPI document describes are both made from it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use axum::{RequestExt as _, Router};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{Answer, Wants};
use super::hub::Hub;
use super::keys::{Access, Keys, Pass};
use super::{events, openapi, orders, questions, webhooks};
use crate::asked::Refusal;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Health,
    Readiness,
    Metrics,
    Document,
    Status,
    Stack,
    Service,
    Plan,
    History,
    PassOf,
    Events,
    Reconcile,
    Hold,
    Unhold,
    Retry,
    Rollback,
    GitHook,
    RegistryHook,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub does: Does,
    pub method: Method,
    /// As axum and OpenAPI write it.
    pub path: &'static str,
    pub access: Access,
    /// How long it may take to answer.
    pub within: Duration,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

const fn get(does: Does, path: &'static str, access: Access, seconds: u64) -> Route {
    Route { does, method: Method::Get, path, access, within: Duration::from_secs(seconds) }
}

/// What waits for a turn waits half a minute for it.
const fn post(does: Does, path: &'static str) -> Route {
    let (method, within) = (Method::Post, Duration::from_secs(60));
    Route { does, method, path, access: Access::Write, within }
}

/// Who sends a webhook shows a secret of its own, and waits for no work.
const fn hook(does: Does, path: &'static str) -> Route {
    Route {
        does,
        method: Method::Post,
        path,
        access: Access::Open,
        within: Duration::from_secs(10),
    }
}

/// All routes.
pub(super) const ROUTES: &[Route] = &[
    get(Does::Health, "/healthz", Access::Open, 5),
    get(Does::Readiness, "/readyz", Access::Open, 5),
    get(Does::Metrics, "/metrics", Access::Read, 5),
    get(Does::Document, "/api/v1/openapi.json", Access::Open, 5),
    get(Does::Status, "/api/v1/status", Access::Read, 60),
    get(Does::Stack, "/api/v1/stacks/{stack}", Access::Read, 60),
    get(Does::Service, "/api/v1/stacks/{stack}/{service}", Access::Read, 60),
    // It asks git servers and registries.
    get(Does::Plan, "/api/v1/plan", Access::Read, 300),
    get(Does::History, "/api/v1/history", Access::Read, 60),
    get(Does::PassOf, "/api/v1/passes/{pass}", Access::Read, 5),
    get(Does::Events, "/api/v1/events", Access::Read, 5),
    post(Does::Reconcile, "/api/v1/reconcile"),
    post(Does::Hold, "/api/v1/hold"),
    post(Does::Unhold, "/api/v1/unhold"),
    post(Does::Retry, "/api/v1/retry"),
    post(Does::Rollback, "/api/v1/rollback"),
    hook(Does::GitHook, "/hooks/git"),
    hook(Does::RegistryHook, "/hooks/registry"),
];

/// Who asks.
#[derive(Clone)]
pub(super) struct Caller {
    pub hub: Arc<Hub>,
    pub door: Door,
}

/// By which way somebody came in.
#[derive(Clone)]
pub(super) enum Door {
    /// The unix socket: who may open it may do everything.
    Socket,
    /// TCP.
    Tcp { peer: IpAddr, keys: Arc<Keys> },
}

/// The routes for one caller.
pub(super) fn router(caller: &Caller) -> Router {
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        let caller = caller.clone();
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        router.route(route.path, on(filter, move |request: Request| handle(route, caller, request)))
    });
    let hint = Some("`/api/v1/openapi.json` describes all there is");
    routes
        .fallback(move || async move {
            Response::from(Answer::error(StatusCode::NOT_FOUND, "there is nothing here", hint))
        })
        .method_not_allowed_fallback(move || async move {
            let error = "this cannot be asked in this way";
            Response::from(Answer::error(StatusCode::METHOD_NOT_ALLOWED, error, hint))
        })
}

async fn handle(route: &'static Route, caller: Caller, request: Request) -> Response {
    if let Err(refused) = caller.door.admit(&caller.hub, request.headers(), route.access) {
        return *refused;
    }
    let answered = tokio::time::timeout(route.within, answer(route, &caller, request)).await;
    if route.access == Access::Write {
        caller.hub.shared.forget_all();
    }
    match answered {
        Ok(response) => response,
        Err(_) => {
            let error = format!("no answer within {} s", route.within.as_secs());
            Answer::error(StatusCode::SERVICE_UNAVAILABLE, error, None).later(10).into()
        }
    }
}

impl Door {
    /// Lets who shows `headers` in, or says why not.
    fn admit(&self, hub: &Hub, headers: &HeaderMap, access: Access) -> Result<(), Box<Response>> {
        let Self::Tcp { peer, keys } = self else { return Ok(()) };
        if let Err(wait) = hub.manners.may_ask(*peer, Instant::now()) {
            let answer = Answer::error(StatusCode::TOO_MANY_REQUESTS, "this asks too often", None);
            return Err(Box::new(answer.later(wait.as_secs() + 1).into()));
        }
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        match keys.check(shown, access) {
            Pass::Good => Ok(()),
            Pass::ReadOnly => {
                let hint = Some("show the token of `http.token_file`");
                let error = "this token only reads";
                Err(Box::new(Answer::error(StatusCode::FORBIDDEN, error, hint).into()))
            }
            Pass::Nobody => Err(Box::new(unknown_caller())),
        }
    }
}

fn unknown_caller() -> Response {
    let error = "a token is missing, or it is another";
    let hint = Some("send `Authorization: Bearer …` with the token of `http.token_file`");
    let mut response = Response::from(Answer::error(StatusCode::UNAUTHORIZED, error, hint));
    let bearer = HeaderValue::from_static("Bearer realm=\"evenkeel\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    response
}

async fn answer(route: &Route, caller: &Caller, mut request: Request) -> Response {
    let hub = &caller.hub;
    let names = match request.extract_parts::<RawPathParams>().await {
        Ok(names) => names.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>().join("/"),
        Err(error) => return Answer::error(error.status(), error.body_text(), None).into(),
    };
    let (wants, uri) = (Wants::of(request.headers()), request.uri().clone());
    let question = format!("{uri} {wants:?}");
    let world = hub.desk.world();
    match route.does {
        Does::Health => questions::health().into(),
        Does::Readiness => questions::readiness(hub).into(),
        Does::Metrics => questions::metrics(&world, jiff::Timestamp::now()).into(),
        Does::Document => Answer::json(StatusCode::OK, &openapi::document()).into(),
        Does::Events => events::events(hub),
        Does::Status => {
            let ask = async move || questions::status(&world, &uri, wants).await;
            hub.shared.answer(&question, apart(hub, ask)).await.into()
        }
        Does::Stack | Does::Service => {
            let ask = async move || questions::stack(&world, &names, &uri, wants).await;
            hub.shared.answer(&question, apart(hub, ask)).await.into()
        }
        Does::Plan => {
            let ask = async move || questions::plan(&world, &uri, wants).await;
            hub.shared.answer(&question, apart(hub, ask)).await.into()
        }
        Does::History => {
            let ask = async move || questions::history(&world, &uri, wants);
            hub.shared.answer(&question, apart(hub, ask)).await.into()
        }
        Does::PassOf => settled(questions::pass(hub, &names, &uri, wants)).into(),
        Does::Reconcile => match orders::body(request).await {
            Ok(wish) => settled(orders::reconcile(hub, &wish)).into(),
            Err(answer) => answer.into(),
        },
        Does::Hold => match orders::body(request).await {
            Ok(wish) => {
                apart(hub, async move || orders::hold(&world, &wish, wants).await).await.into()
            }
            Err(answer) => answer.into(),
        },
        Does::Unhold => match orders::body(request).await {
            Ok(wish) => {
                let done = apart(hub, async move || orders::unhold(&world, &wish, wants).await);
                waking(hub, done.await).into()
            }
            Err(answer) => answer.into(),
        },
        Does::Retry => match orders::body(request).await {
            Ok(wish) => {
                let done = apart(hub, async move || orders::retry(&world, &wish, wants).await);
                waking(hub, done.await).into()
            }
            Err(answer) => answer.into(),
        },
        Does::Rollback => match orders::body(request).await {
            Ok(wish) => settled(orders::rollback(hub, &wish)).into(),
            Err(answer) => answer.into(),
        },
        Does::GitHook => match webhooks::Told::read(&world, request).await {
            Ok(told) => webhooks::git(hub, &world, &told).into(),
            Err(answer) => answer.into(),
        },
        Does::RegistryHook => match webhooks::Told::read(&world, request).await {
            Ok(told) => {
                let there = Arc::clone(hub);
                apart(hub, async move || webhooks::registry(&there, &world, &told)).await.into()
            }
            Err(answer) => answer.into(),
        },
    }
}

/// Makes an answer on a thread of the API's own: what somebody asks takes no turn from the loop there. It is given up
/// when whoever asked goes away.
async fn apart<W, F>(hub: &Hub, work: W) -> Answer
where
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<Answer, Refusal>> + 'static,
{
    match AbortOnDropHandle::new(hub.threads.spawn_pinned(work)).await {
        Ok(answered) => settled(answered),
        Err(error) => {
            let error = format!("evenkeel itself failed, please report it: {error}");
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, error, None)
        }
    }
}

/// The next pass goes on with what `answer` allows.
fn waking(hub: &Hub, answer: Answer) -> Answer {
    if answer.is_good() {
        hub.desk.wake().notify_one();
    }
    answer
}

fn settled(answered: Result<Answer, Refusal>) -> Answer {
    answered.unwrap_or_else(Answer::from)
}
