//! A connection to the engine: the socket, the version agreed on, and what every request needs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use hyperlocal::UnixConnector;
use tokio::sync::OnceCell;

use super::errors::explain;
use crate::engine::EngineError;
use crate::model::fingerprint::hex;
use crate::model::observed::EngineInfo;

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
    /// The engine as it was met.
    pub(super) engine: EngineInfo,
    defaults: Arc<OnceCell<Defaults>>,
}

/// What the engine gives containers that say nothing of their own.
pub(super) struct Defaults {
    /// The log driver.
    pub(super) log_driver: String,
    /// The host's name, which containers in the host's network carry.
    pub(super) host_name: String,
}

impl Session {
    /// Connects to `host` and agrees on a version.
    pub(super) async fn open(host: &str) -> Result<Self, EngineError> {
        let failed = |error| at_host(explain(&error), host);
        let client = dial(host).map_err(failed)?;
        let engine = client.version().await.map_err(failed)?;
        let version = agree(&engine)?;
        let prefix = format!("/v{version}");
        let client = client.with_request_modifier(move |request| prepare(request, &prefix));
        Ok(Self {
            client,
            engine: engine_info(engine, &version),
            version,
            defaults: Arc::default(),
        })
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

    /// Asked once, and beside other questions: the engine takes its time over it.
    pub(super) async fn defaults(&self) -> Result<&Defaults, Error> {
        let ask = || async {
            let info = self.client.info().await?;
            Ok(Defaults {
                log_driver: info.logging_driver.unwrap_or_default(),
                host_name: info.name.unwrap_or_default(),
            })
        };
        self.defaults.get_or_try_init(ask).await
    }

    /// The engine as it is now: of the same address, another one may answer.
    pub(super) async fn ask_engine(&self) -> Result<EngineInfo, Error> {
        Ok(engine_info(self.client.version().await?, &self.version))
    }

    /// Whether a create request may name several networks.
    pub(super) fn takes_several_endpoints(&self) -> bool {
        self.version >= SEVERAL_ENDPOINTS
    }
}

fn dial(host: &str) -> Result<bollard::Docker, Error> {
    match host.strip_prefix("unix://") {
        Some(path) => dial_socket(path),
        None => bollard::Docker::connect_with_http(host, READING.as_secs(), API_DEFAULT_VERSION),
    }
}

/// Speaks over the socket at `path` on connections that are kept: bollard's own would make one for every
/// request, and a pass asks about every container.
fn dial_socket(path: &str) -> Result<bollard::Docker, Error> {
    if !Path::new(path).exists() {
        return Err(Error::SocketNotFoundError(path.to_owned()));
    }
    let client: Client<UnixConnector, _> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(KEPT).build(UnixConnector);
    let transport = move |request: BollardRequest| {
        let client = client.clone();
        async move { client.request(request).await.map_err(Error::from) }
    };
    // The connector reads the socket's path from the host, in hex.
    let address = format!("unix://{}", hex(path.as_bytes()));
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

/// The newest version of the API that both sides speak.
fn agree(engine: &SystemVersion) -> Result<ClientVersion, EngineError> {
    let release = engine.version.as_deref().unwrap_or("?");
    let Some(spoken) = engine.api_version.as_deref().and_then(parse_version) else {
        return Err(EngineError::Version(format!("Docker {release} names no version of its API")));
    };
    let known = ClientVersion { ..*API_DEFAULT_VERSION };
    let agreed = if spoken < known { spoken } else { known };
    if agreed < OLDEST {
        return Err(EngineError::Version(format!(
            "Docker {release} speaks API {agreed}; evenkeel needs {OLDEST} (Docker 20.10) or newer"
        )));
    }
    match engine.min_api_version.as_deref().and_then(parse_version) {
        Some(oldest) if oldest > agreed => Err(EngineError::Version(format!(
            "Docker {release} wants API {oldest} or newer; this evenkeel speaks {agreed} at most"
        ))),
        Some(_) | None => Ok(agreed),
    }
}

fn engine_info(engine: SystemVersion, agreed: &ClientVersion) -> EngineInfo {
    EngineInfo {
        version: engine.version.unwrap_or_default(),
        api_version: agreed.to_string(),
        os: engine.os.unwrap_or_default(),
        architecture: engine.arch.unwrap_or_default(),
    }
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
