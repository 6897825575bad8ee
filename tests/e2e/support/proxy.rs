//! A unix socket in front of the engine that remembers every request that changes something.
//!
//! It can also stop answering at a chosen change, so that the program can be killed there, and refuse what is not on a
//! list. Every endpoint that was asked for is remembered. Bytes go through as they
//! are. Upgraded connections (`exec`, `attach`) are not followed.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The socket, open as long as the process lives.
pub struct CountingSocket {
    path: PathBuf,
    traffic: Arc<Mutex<Traffic>>,
}

/// A request that may change something.
pub struct Mutation {
    /// When it came, before the engine had it, by the host's uptime in seconds.
    pub at: f64,
    /// Such as `POST /containers/create`.
    pub request: String,
}

/// Says of a method and a path, as they are asked for, whether they may pass.
pub type AllowList = Box<dyn Fn(&str, &str) -> bool + Send>;

#[derive(Default)]
struct Traffic {
    mutations: Vec<Mutation>,
    allowed: Option<usize>,
    hangs: bool,
    endpoints: BTreeSet<String>,
    list: Option<AllowList>,
    refused: Vec<String>,
}

impl CountingSocket {
    /// Listens at `path` and hands everything on to the engine at `engine`.
    pub fn open(path: PathBuf, engine: &'static Path) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let seen = traffic.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = seen.clone();
                std::thread::spawn(move || serve(client, engine, &seen));
            }
        });
        Self { path, traffic }
    }

    /// As `DOCKER_HOST` takes it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// The requests since the last call that may change something, such as `POST /containers/create`.
    pub fn take_mutations(&self) -> Vec<String> {
        self.take_timed().into_iter().map(|mutation| mutation.request).collect()
    }

    /// The same, each with its time.
    pub fn take_timed(&self) -> Vec<Mutation> {
        std::mem::take(&mut self.traffic.lock().unwrap().mutations)
    }

    /// From now on lets `changes` requests that change something through, and never answers the next one.
    pub fn hang_after(&self, changes: usize) {
        *self.traffic.lock().unwrap() = Traffic { allowed: Some(changes), ..Traffic::default() };
    }

    /// Whether a request waits for an answer that it will not get.
    pub fn hangs(&self) -> bool {
        self.traffic.lock().unwrap().hangs
    }

    /// The endpoints that were asked for so far, as the Engine's documentation writes them, without the version.
    pub fn endpoints(&self) -> BTreeSet<String> {
        self.traffic.lock().unwrap().endpoints.clone()
    }

    /// From now on only what is on `list` gets through.
    pub fn allow_only(&self, list: AllowList) {
        self.traffic.lock().unwrap().list = Some(list);
    }

    /// What did not get through because it was not on the list.
    pub fn refused(&self) -> Vec<String> {
        self.traffic.lock().unwrap().refused.clone()
    }

    /// Lets new requests through again.
    pub fn go_on(&self) {
        *self.traffic.lock().unwrap() = Traffic::default();
    }
}

impl Traffic {
    /// Notes what is asked for; `false` where it is not on the list.
    fn is_allowed(&mut self, head: &str) -> bool {
        let mut words = head.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return true };
        let path = target.split('?').next().unwrap_or(target);
        self.endpoints.insert(format!("{method} {}", endpoint(unversioned(path))));
        let is_allowed = self.list.as_ref().is_none_or(|list| list(method, path));
        if !is_allowed {
            self.refused.push(format!("{method} {path}"));
        }
        is_allowed
    }

    /// Notes a change; `false` where it must not get through.
    fn lets_through(&mut self, request: String) -> bool {
        self.hangs |= self.allowed == Some(self.mutations.len());
        if !self.hangs {
            self.mutations.push(Mutation { at: uptime(), request });
        }
        !self.hangs
    }
}

/// Since the host was started, in seconds; containers read the same clock.
fn uptime() -> f64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn serve(client: UnixStream, engine: &Path, seen: &Mutex<Traffic>) -> io::Result<()> {
    let mut engine = UnixStream::connect(engine)?;
    let (mut answers, mut back) = (engine.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut requests = BufReader::new(client);
    while let Some(head) = read_head(&mut requests)? {
        if !seen.lock().unwrap().is_allowed(&head) {
            let answer =
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            requests.get_mut().write_all(answer)?;
            return engine.shutdown(Shutdown::Both);
        }
        if mutation(&head).is_some_and(|request| !seen.lock().unwrap().lets_through(request)) {
            // Until the client dies: it gets neither an answer nor a closed connection.
            return io::copy(&mut requests, &mut io::sink()).map(drop);
        }
        engine.write_all(head.as_bytes())?;
        forward_body(&head, &mut requests, &mut engine)?;
    }
    engine.shutdown(Shutdown::Write)
}

fn read_head(requests: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    while requests.read_line(&mut head)? > 0 {
        if head.ends_with("\r\n\r\n") {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// `METHOD /path` without API version and query, of a request that may change something.
fn mutation(head: &str) -> Option<String> {
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    let path = unversioned(path);
    // These two are POSTs that only ask.
    let asks = method == "GET" || method == "HEAD" || path == "/auth" || path.ends_with("/wait");
    (!asks).then(|| format!("{method} {path}"))
}

fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.");
    rest.and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap_or(path)
}

/// Puts `{id}` or `{name}` in the place of what differs from one request to the next. Names of images have slashes.
fn endpoint(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        [_] | [_, "json" | "create" | "prune"] | ["system", _] => path.to_owned(),
        [kind @ ("containers" | "networks" | "exec"), _] => format!("/{kind}/{{id}}"),
        [kind @ ("containers" | "networks" | "exec"), _, verb] => format!("/{kind}/{{id}}/{verb}"),
        ["images", .., "json"] => "/images/{name}/json".to_owned(),
        ["images", .., "tag"] => "/images/{name}/tag".to_owned(),
        ["images", ..] => "/images/{name}".to_owned(),
        ["distribution", ..] => "/distribution/{name}/json".to_owned(),
        _ => path.to_owned(),
    }
}

fn forward_body(head: &str, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let headers = head.to_ascii_lowercase();
    if headers.contains("\r\ntransfer-encoding: chunked") {
        return forward_chunks(from, to);
    }
    let length = headers.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    io::copy(&mut from.take(length), to).map(drop)
}

fn forward_chunks(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        to.write_all(line.as_bytes())?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        // The line's end after a chunk; after the last one, the end of the (empty) trailer.
        io::copy(&mut from.take(size + 2), to)?;
        if size == 0 {
            return Ok(());
        }
    }
}
