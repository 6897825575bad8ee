//! A connection to the engine: the socket, the version agreed on, and what every request needs.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemInfoCgroupVersionEnum as CgroupVersion;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use hyperlocal::UnixConnector;

use super::errors::explain;
use crate::engine::EngineError;
use crate::model::fingerprint::hex;
use crate::model::observed::{EngineDefaults, EngineInfo, EngineVersion};

/// The oldest API there is a test for (Engine 20.10).
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };
/// From here on a create request may name several networks.
const SEVERAL_ENDPOINTS: ClientVersion = ClientVersion { major_version: 1, minor_version: 44 };
/// How long the engine may take to begin its answer to a question.
const READING: Duration = Duration::from_secs(120);
/// How long it may take to change something: creating copies an image's files into empty volumes.
const CHANGING: Duration = Duration::from_secs(600);
/// Connections that are kept while nothing is asked.
const KEPT: usize = 16;

/// What was agreed on with the engine that answered.
#[derive(Clone)]
pub(super) struct Session {
    client: bollard::Docker,
    version: ClientVersion,
    release: String,
}

/// How an engine introduces itself, in the headers of every answer.
struct Greeting {
    /// The newest version of the API it speaks.
    api: Option<ClientVersion>,
    /// `20.10.24`
    release: String,
}

impl Greeting {
    /// From `Api-Version: 1.41` and `Server: Docker/20.10.24 (linux)` (Docker Engine API, `GET /_ping`).
    fn new(api: Option<&str>, server: Option<&str>) -> Self {
        let release = server.and_then(|server| server.strip_prefix("Docker/"));
        let release = release.and_then(|server| server.split_whitespace().next()).unwrap_or("?");
        Self { api: api.and_then(parse_version), release: release.to_owned() }
    }
}

impl Session {
    /// Connects to `host` and agrees on a version.
    ///
    /// By the headers of a ping: to name its version in full, the engine asks programs of its own.
    pub(super) async fn open(host: &str) -> Result<Self, EngineError> {
        let failed = |error| at_host(explain(&error), host);
        let greeting = Arc::new(OnceLock::new());
        let client = dial(host, &greeting).map_err(failed)?;
        client.ping().await.map_err(failed)?;
        let version = agree(greeting.get())?;
        let prefix = format!("/v{version}");
        let client = client.with_request_modifier(move |request| prepare(request, &prefix));
        let release = greeting.get().map(|greeting| greeting.release.clone()).unwrap_or_default();
        Ok(Self { client, version, release })
    }

    /// For questions.
    pub(super) fn reading(&self) -> &bollard::Docker {
        &self.client
    }

    /// For changes.
    pub(super) fn changing(&self) -> bollard::Docker {
        self.client.clone().with_timeout(CHANGING)
    }

    /// For a change that takes `time` by itself.
    pub(super) fn changing_for(&self, time: Duration) -> bollard::Docker {
        self.client.clone().with_timeout(time.saturating_add(READING))
    }

    /// How the engine introduced itself.
    pub(super) fn engine_version(&self) -> EngineVersion {
        EngineVersion { release: self.release.clone(), api: self.version.to_string() }
    }

    /// What the engine is.
    pub(super) async fn engine(&self) -> Result<EngineInfo, Error> {
        let engine = self.client.version().await?;
        Ok(EngineInfo {
            version: engine.version.unwrap_or_default(),
            api_version: self.version.to_string(),
            os: engine.os.unwrap_or_default(),
            architecture: engine.arch.unwrap_or_default(),
        })
    }

    /// What the engine gives containers that say nothing of their own.
    pub(super) async fn defaults(&self) -> Result<EngineDefaults, Error> {
        let info = self.client.info().await?;
        Ok(EngineDefaults {
            storage_driver: info.driver,
            cgroup_version: info.cgroup_version.map(|version| version.to_string()),
            live_restore: info.live_restore_enabled.unwrap_or(false),
            log_driver: info.logging_driver.unwrap_or_default(),
            runtime: info.default_runtime,
            cgroup: info.cgroup_version.and_then(usual_cgroup).map(str::to_owned),
            host_name: info.name.unwrap_or_default(),
            root: info.docker_root_dir,
        })
    }

    /// Whether a create request may name several networks.
    pub(super) fn takes_several_endpoints(&self) -> bool {
        self.version >= SEVERAL_ENDPOINTS
    }
}

/// What `daemon.json` says of it is not told; where it says nothing, this holds.
fn usual_cgroup(version: CgroupVersion) -> Option<&'static str> {
    match version {
        CgroupVersion::_1 => Some("host"),
        CgroupVersion::_2 => Some("private"),
        CgroupVersion::EMPTY => None,
    }
}

fn dial(host: &str, greeting: &Arc<OnceLock<Greeting>>) -> Result<bollard::Docker, Error> {
    match host.strip_prefix("unix://") {
        Some(path) if !Path::new(path).exists() => Err(Error::SocketNotFoundError(path.to_owned())),
        // The connector reads the socket's path from the host, in hex.
        Some(path) => speak(UnixConnector, format!("unix://{}", hex(path.as_bytes())), greeting),
        None => speak(HttpConnector::new(), host.replacen("tcp://", "http://", 1), greeting),
    }
}

/// Speaks on connections that are kept: bollard's own would make one for every request, and a pass asks
/// about every container.
fn speak<C: Connect + Clone + Send + Sync + 'static>(
    connector: C,
    address: String,
    greeting: &Arc<OnceLock<Greeting>>,
) -> Result<bollard::Docker, Error> {
    let client: Client<C, _> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(KEPT).build(connector);
    let greeting = Arc::clone(greeting);
    let transport = move |request: BollardRequest| {
        let (client, greeting) = (client.clone(), Arc::clone(&greeting));
        async move {
            let answer = client.request(request).await.map_err(Error::from)?;
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            greeting.get_or_init(|| Greeting::new(header("api-version"), header("server")));
            Ok(answer)
        }
    };
    let timeout = READING.as_secs();
    bollard::Docker::connect_with_custom_transport(
        transport,
        Some(address),
        timeout,
        API_DEFAULT_VERSION,
    )
}

/// Adds the place to what went wrong there.
pub(super) fn at_host(error: EngineError, host: &str) -> EngineError {
    if let EngineError::Unreachable(words) = &error {
        return EngineError::Unreachable(format!("{words} ({host})"));
    }
    error
}

/// The newest version of the API that both sides speak. An engine that speaks only newer ones says so at
/// the first question.
fn agree(greeting: Option<&Greeting>) -> Result<ClientVersion, EngineError> {
    let release = greeting.map_or("?", |greeting| greeting.release.as_str());
    let Some(spoken) = greeting.and_then(|greeting| greeting.api.as_ref()) else {
        return Err(EngineError::Version(format!("Docker {release} names no version of its API")));
    };
    let known = API_DEFAULT_VERSION;
    let agreed =
        if spoken < known { ClientVersion { ..*spoken } } else { ClientVersion { ..*known } };
    if agreed < OLDEST {
        return Err(EngineError::Version(format!(
            "Docker {release} speaks API {agreed}; evenkeel needs {OLDEST} (Docker 20.10) or newer"
        )));
    }
    Ok(agreed)
}

fn parse_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// Mends two things on the way out: bollard leaves the version out of the path, so that an engine newer
/// than its models would answer in words they do not know; and it writes the login in plain base64, where
/// the engine reads the URL-safe alphabet and takes anything else for no login at all.
fn prepare(mut request: BollardRequest, prefix: &str) -> BollardRequest {
    let uri = request.uri();
    if let (Some(scheme), Some(authority), Some(path)) =
        (uri.scheme_str(), uri.authority(), uri.path_and_query())
        && !path.as_str().starts_with("/v1.")
        && let Ok(versioned) = format!("{scheme}://{authority}{prefix}{path}").parse()
    {
        *request.uri_mut() = versioned;
    }
    if let Some(login) = request.headers_mut().get_mut("x-registry-auth") {
        let safe = login.to_str().ok().map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(Ok(mut safe)) = safe.map(|text| text.parse()) {
            std::mem::swap(login, &mut safe);
            login.set_sensitive(true);
        }
    }
    request
}
