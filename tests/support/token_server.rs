//! A token server for real registries: it signs what they check (Distribution's token authentication
//! specification).

#![expect(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::gateway::serve;
use super::registry::{Certificate, PASSWORD, USER};

/// How the server behaves.
#[derive(Clone, Default)]
pub struct Rules {
    /// What it says of a token's life, seconds.
    pub life: u64,
    /// Refuses a request for several repositories.
    pub one_at_a_time: bool,
    /// Repositories that it gives no token for, alone or among others.
    pub refused: BTreeSet<String>,
    /// Repositories that it leaves out of a token for several, without a word.
    pub left_out: BTreeSet<String>,
}

/// A running token server; it ends with this value.
pub struct TokenServer {
    world: Arc<World>,
    _end: tokio::sync::oneshot::Sender<()>,
}

struct World {
    address: SocketAddr,
    certificate: Certificate,
    state: Mutex<(Rules, Vec<String>)>,
}

impl TokenServer {
    /// A server whose tokens live for five minutes, for [`USER`] with [`PASSWORD`].
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let rules = Rules { life: 300, ..Rules::default() };
        let state = Mutex::new((rules, Vec::new()));
        let world = Arc::new(World { address, certificate: Certificate::make_rsa(), state });
        let service = Router::new().fallback(answer).with_state(Arc::clone(&world));
        Self { world, _end: serve(listener, service) }
    }

    /// Where it gives out tokens.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.world.address)
    }

    /// What registries check its signatures with.
    pub fn certificate(&self) -> PathBuf {
        self.world.certificate.file()
    }

    /// Changes how it behaves.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.world.state().0);
    }

    /// The repositories that tokens were asked for since the last call, a line for each request.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.world.state().1)
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, (Rules, Vec<String>)> {
        self.state.lock().expect("no test panics while it holds this")
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let fields = url::form_urlencoded::parse(query.as_bytes());
    let scopes = fields.filter(|(key, _)| key == "scope").map(|(_, scope)| scope.into_owned());
    let scopes: Vec<String> = scopes.collect();
    let part = |of: &str, at: usize| of.split(':').nth(at).map(str::to_owned);
    let repositories: Vec<String> = scopes.iter().filter_map(|scope| part(scope, 1)).collect();
    let actions: BTreeMap<String, String> =
        scopes.iter().filter_map(|scope| Some((part(scope, 1)?, part(scope, 2)?))).collect();
    let rules = {
        let mut state = world.state();
        state.1.push(repositories.join(" "));
        state.0.clone()
    };
    let login = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let several = repositories.len() > 1;
    let is_refused = sent != Some(login.as_str())
        || (rules.one_at_a_time && several)
        || repositories.iter().any(|one| rules.refused.contains(one));
    if is_refused {
        return Response::builder().status(401).body(Body::empty()).expect("a response");
    }
    let granted = repositories.iter().filter(|one| !(several && rules.left_out.contains(*one)));
    let access: Vec<Value> = granted
        .map(|name| {
            let actions = actions.get(name).map_or("", String::as_str);
            let actions: Vec<&str> = actions.split(',').filter(|_| !actions.is_empty()).collect();
            json!({"type": "repository", "name": name, "actions": actions})
        })
        .collect();
    let token = sign(&world.certificate, &access);
    Response::new(Body::from(json!({"token": token, "expires_in": rules.life}).to_string()))
}

/// A JSON Web Token (RFC 7519) with its certificate in the header.
fn sign(certificate: &Certificate, access: &[Value]) -> String {
    let pem = std::fs::read_to_string(certificate.file()).expect("it was made");
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let now = jiff::Timestamp::now().as_second();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
    let claims = json!({
        "iss": "test", "sub": USER, "aud": "registry", "jti": now.to_string(),
        "iat": now, "nbf": now - 10, "exp": now + 3600, "access": access,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(certificate.key())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    openssl.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let signature = openssl.wait_with_output().expect("it ends").stdout;
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
