//! A real web server in front of `git http-backend`, with basic authentication, that counts requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdout, Command};

/// Serves the repositories below a directory until dropped.
pub struct WebServer {
    pub port: u16,
    state: Arc<Site>,
    task: tokio::task::JoinHandle<()>,
}

struct Site {
    root: std::path::PathBuf,
    password: Mutex<Option<String>>,
    /// A path prefix that is redirected to another place.
    redirect: Mutex<Option<(String, String)>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request, as far as tests ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub what: &'static str,
    pub with_credentials: bool,
}

impl WebServer {
    pub async fn start(root: &Path) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Site {
            root: root.to_owned(),
            password: Mutex::default(),
            redirect: Mutex::default(),
            seen: Mutex::default(),
        });
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/repo.git", self.port)
    }

    /// From now on, only `user` with this password is let in.
    pub fn require(&self, password: &str) {
        *self.state.password.lock().unwrap() = Some(password.to_owned());
    }

    /// From now on, what starts with `from` is sent to `to` followed by the rest.
    pub fn redirect(&self, from: &str, to: &str) {
        *self.state.redirect.lock().unwrap() = Some((from.to_owned(), to.to_owned()));
    }

    /// The requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }

    /// The kinds of the requests since the last call. A fetch takes one request or, as far as the protocol
    /// for shallow repositories has it, two; it counts as one.
    pub fn take_kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.take_seen().into_iter().map(|seen| seen.what).collect();
        kinds.dedup_by(|second, first| *first == "fetch" && second == first);
        kinds
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(site): State<Arc<Site>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let what = if path.ends_with("/info/refs") { "list" } else { "fetch" };
    let with_credentials = authorization.is_some();
    site.seen.lock().unwrap().push(Seen { what, with_credentials });
    if let Some((from, to)) = site.redirect.lock().unwrap().clone()
        && let Some(rest) = path.strip_prefix(&from)
    {
        let target = format!("{to}{rest}?{}", request.uri().query().unwrap_or_default());
        return (StatusCode::FOUND, [(header::LOCATION, target)]).into_response();
    }
    let wanted = site.password.lock().unwrap().clone().map(|password| {
        base64::engine::general_purpose::STANDARD.encode(format!("user:{password}"))
    });
    if let Some(wanted) = wanted
        && authorization
            .is_none_or(|given| given.as_bytes() != format!("Basic {wanted}").as_bytes())
    {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic")]).into_response();
    }
    run_backend(&site.root, &path, request).await
}

/// The Common Gateway Interface (RFC 3875), as far as git needs it.
async fn run_backend(root: &Path, path: &str, request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let variables = BTreeMap::from([
        ("GIT_PROJECT_ROOT", root.to_str().unwrap().to_owned()),
        ("GIT_HTTP_EXPORT_ALL", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("PATH_INFO", path.to_owned()),
        ("QUERY_STRING", request.uri().query().unwrap_or_default().to_owned()),
        ("REQUEST_METHOD", request.method().to_string()),
        ("CONTENT_TYPE", content_type.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()),
    ]);
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&body).await.unwrap();
    drop(stdin);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (status, headers) = read_head(&mut stdout).await;
    tokio::spawn(async move { child.wait().await });
    (status, headers, Body::from_stream(chunks(stdout))).into_response()
}

async fn read_head(stdout: &mut BufReader<ChildStdout>) -> (StatusCode, HeaderMap) {
    let (mut status, mut headers) = (StatusCode::OK, HeaderMap::new());
    let mut line = String::new();
    while stdout.read_line(&mut line).await.unwrap() > 0 {
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name == "Status" {
            status = value[..3].parse().unwrap();
        } else {
            headers.insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        line.clear();
    }
    (status, headers)
}

fn chunks(
    stdout: BufReader<ChildStdout>,
) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> {
    futures_util::stream::try_unfold(stdout, async |mut stdout| {
        let mut buffer = vec![0; 16 * 1024];
        let count = stdout.read(&mut buffer).await?;
        buffer.truncate(count);
        Ok((count > 0).then_some((buffer, stdout)))
    })
}
