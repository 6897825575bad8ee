//! One registry and one exchange with it: a request, and what the answer means.
//!
//! Who asks, and whether a second request is worth it, is decided in [`super::distribution`].

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, DATE, ETAG, HeaderName, IF_NONE_MATCH, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::challenge::Challenge;
use super::content::Remembered;
use super::distribution::scope;
use super::host::{Clients, HostSettings, PER_HOST, Stamp, bases, causes, is_private};
use super::manners::{Level, Manners, NotNow, Trouble};
use super::token::Tokens;
use super::{Asked, Etag, Listener, RegistryError, answer};
use crate::model::login::Login;
use crate::model::{Digest, Hidden, ImageRef};

/// All four: without an index type a registry answers 404 or one platform's digest.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// One registry, and how to approach it.
pub(super) struct Host {
    pub registry: String,
    pub settings: HostSettings,
    /// What the files looked like that the clients were made with.
    pub stamp: Stamp,
    pub clients: Clients,
    pub places: Semaphore,
    /// Where it answered last.
    base: Mutex<Option<String>>,
    pub challenge: Mutex<Option<Challenge>>,
    pub tokens: Tokens,
    pub remembered: Mutex<Remembered>,
    manners: Mutex<Manners>,
    /// Those of its token server, which may be well while the registry is not, and the other way round.
    token_manners: Mutex<Manners>,
    is_met: AtomicBool,
    meeting: tokio::sync::Mutex<Meeting>,
    listener: Option<Listener>,
}

/// The first question, which goes alone: what it finds out (scheme, challenge, tokens) serves all others.
#[derive(Default)]
pub(super) struct Meeting {
    failed: Option<(Instant, RegistryError)>,
}

/// What is asked.
pub(super) struct Question<'a> {
    method: Method,
    /// With the query.
    path: String,
    accept: Option<&'static str>,
    known: Option<&'a Etag>,
}

impl<'a> Question<'a> {
    /// For a manifest, by tag or digest.
    pub fn manifest(method: Method, image: &ImageRef, reference: &str) -> Self {
        let path = format!("/v2/{}/manifests/{reference}", image.path());
        Self { method, path, accept: Some(MANIFEST_TYPES), known: None }
    }

    /// For anything else.
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, accept: None, known: None }
    }

    /// What a token has to be good for (Distribution's token scopes).
    pub fn scope(&self, image: &ImageRef) -> String {
        match self.method {
            Method::DELETE => format!("{},delete", scope(image)),
            _ => scope(image),
        }
    }

    /// Whether it is still what it was.
    pub fn unless(self, known: Option<&'a Etag>) -> Self {
        Self { known, ..self }
    }
}

/// What goes into the `Authorization` header.
pub(super) enum Approach {
    Anonymous,
    Basic(Login),
    Bearer(Hidden),
}

impl Approach {
    /// Whether both are the same user with the same password.
    pub fn is_same_password(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Basic(one), Self::Basic(other)) => one == other,
            (Self::Anonymous | Self::Bearer(_) | Self::Basic(_), _) => false,
        }
    }
}

impl Host {
    /// A registry that was not spoken to yet; `challenge` is what it asked for in an earlier life. The error is
    /// for people.
    pub fn new(
        registry: &str,
        settings: HostSettings,
        challenge: Option<Challenge>,
    ) -> Result<Self, String> {
        Ok(Self {
            registry: registry.to_owned(),
            stamp: settings.stamp(),
            clients: Clients::new(registry, &settings)?,
            settings,
            places: Semaphore::new(PER_HOST),
            base: Mutex::default(),
            challenge: Mutex::new(challenge),
            tokens: Tokens::default(),
            remembered: Mutex::default(),
            manners: Mutex::new(Manners::new(Instant::now())),
            token_manners: Mutex::new(Manners::new(Instant::now())),
            is_met: AtomicBool::new(false),
            meeting: tokio::sync::Mutex::default(),
            listener: None,
        })
    }

    /// The same, with somebody who hears of each request.
    pub fn heard_by(self, listener: Option<Listener>) -> Self {
        Self { listener, ..self }
    }

    /// Tells whoever listens of one request.
    fn tell(&self, answer: Option<&Response>) {
        let Some(listener) = &self.listener else { return };
        let remaining = answer.and_then(level).map(|level| level.remaining);
        let status = answer.map(|answer| answer.status().as_u16());
        listener(&Asked { registry: &self.registry, status, remaining });
    }

    /// Whether nobody on the way can read what is sent, or make up what is answered.
    pub fn is_private(&self) -> bool {
        bases(&self.registry, self.settings.plain_http)
            .iter()
            .all(|base| Url::parse(base).is_ok_and(|url| is_private(&url)))
    }

    /// Waits while another question is the first. What made that one fail is the answer to all that waited for
    /// it: a registry that does not answer is not waited for by each in turn. `Some` for whoever is the first.
    pub async fn meet(
        &self,
    ) -> Result<Option<tokio::sync::MutexGuard<'_, Meeting>>, RegistryError> {
        if self.is_met() {
            return Ok(None);
        }
        let came = Instant::now();
        let meeting = self.meeting.lock().await;
        if self.is_met() {
            return Ok(None);
        }
        match &meeting.failed {
            Some((at, error)) if came <= *at => Err(error.clone()),
            Some(_) | None => Ok(Some(meeting)),
        }
    }

    /// Whether it has answered.
    pub fn is_met(&self) -> bool {
        self.is_met.load(Ordering::Acquire)
    }

    /// How the first question ended.
    pub fn met(
        &self,
        mut meeting: tokio::sync::MutexGuard<'_, Meeting>,
        error: Option<&RegistryError>,
    ) {
        match error {
            Some(
                error @ (RegistryError::Unknown { .. }
                | RegistryError::NotAsked { .. }
                | RegistryError::Credentials { .. }),
            ) => meeting.failed = Some((Instant::now(), error.clone())),
            Some(
                RegistryError::NoSuchImage { .. }
                | RegistryError::NotForPlatform { .. }
                | RegistryError::Denied { .. },
            )
            | None => self.is_met.store(true, Ordering::Release),
        }
    }

    /// Waits until the next request to the registry may go out, where that is soon.
    async fn admit(&self) -> Result<(), RegistryError> {
        self.wait(&self.manners, "").await
    }

    /// The same for its token server.
    pub async fn admit_token(&self) -> Result<(), RegistryError> {
        self.wait(&self.token_manners, "its token server is left alone: ").await
    }

    async fn wait(&self, manners: &Mutex<Manners>, whom: &str) -> Result<(), RegistryError> {
        let admitted = lock(manners).admit(Instant::now());
        let wait = admitted.map_err(|NotNow { why, wait }| RegistryError::NotAsked {
            registry: self.registry.clone(),
            why: format!("{whom}{why}"),
            retry_after: wait,
        })?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// What it said last of what is left of what it allows.
    pub fn level(&self) -> Option<Level> {
        lock(&self.manners).level()
    }

    /// Takes note that no usable answer came.
    pub fn troubled(&self, trouble: Trouble, asked: Option<Duration>) {
        lock(&self.manners).troubled(Instant::now(), trouble, asked, luck());
    }

    /// Takes note of how a request to the token server ended.
    pub fn token_heard(&self, trouble: Option<(Trouble, Option<Duration>)>) {
        let mut manners = lock(&self.token_manners);
        match trouble {
            Some((trouble, asked)) => manners.troubled(Instant::now(), trouble, asked, luck()),
            None => manners.answered(Instant::now(), None),
        }
    }

    /// Takes note of what an answer says of the registry's patience.
    fn heard(&self, response: &Response) {
        match trouble_of(response) {
            Some(trouble) => self.troubled(trouble, retry_after(response)),
            None => lock(&self.manners).answered(Instant::now(), level(response)),
        }
    }

    /// Sends one request to where the registry answered last, else to each address it may have.
    pub async fn send(
        &self,
        question: &Question<'_>,
        approach: &Approach,
    ) -> Result<Response, RegistryError> {
        self.admit().await?;
        // Where it answered last, and once more: a connection that was kept may be dead by now.
        let mut addresses: Vec<String> = lock(&self.base).iter().cloned().collect();
        addresses.extend(bases(&self.registry, self.settings.plain_http));
        let mut failures = Vec::new();
        for base in addresses {
            match self.send_to(&base, question, approach).await {
                // What a server says that expects TLS; nothing else here could be a bad request.
                Ok(response)
                    if response.status() == StatusCode::BAD_REQUEST
                        && base.starts_with("http:") =>
                {
                    failures.push(format!("{base} answers {}", response.status()));
                }
                Ok(response) => {
                    *lock(&self.base) = Some(base);
                    self.heard(&response);
                    self.tell(Some(&response));
                    return Ok(response);
                }
                Err(error) => failures.push(causes(&error.without_url())),
            }
        }
        *lock(&self.base) = None;
        self.troubled(Trouble::Failed, None);
        self.tell(None);
        failures.dedup();
        Err(unknown(&self.registry, failures.join("; then ")))
    }

    async fn send_to(
        &self,
        base: &str,
        question: &Question<'_>,
        approach: &Approach,
    ) -> Result<Response, reqwest::Error> {
        let url = format!("{base}{}", question.path);
        let mut request = self.clients.ask.request(question.method.clone(), url);
        if let Some(types) = question.accept {
            request = request.header(ACCEPT, types);
        }
        if let Some(known) = question.known {
            request = request.header(IF_NONE_MATCH, known.as_str());
        }
        let request = match approach {
            Approach::Anonymous => request,
            Approach::Basic(login) => {
                request.basic_auth(&login.username, Some(login.password.reveal()))
            }
            Approach::Bearer(token) => {
                request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()))
            }
        };
        request.send().await
    }

    /// The body of an answer, at most `limit` bytes.
    pub async fn read(&self, response: Response, limit: usize) -> Result<Vec<u8>, RegistryError> {
        answer::read(response, limit).await.map_err(|why| {
            self.troubled(Trouble::Failed, None);
            unknown(&self.registry, why)
        })
    }

    /// What it asks for, if it is the registry itself that asks: who it has sent us on to is told no secret of it.
    pub fn challenge_of(&self, response: &Response) -> Option<Challenge> {
        let asks = response.url();
        let own = bases(&self.registry, self.settings.plain_http);
        let mut own = own.iter().filter_map(|base| Url::parse(base).ok());
        if !own.any(|own| own.origin() == asks.origin()) {
            return None;
        }
        let values = response.headers().get_all(WWW_AUTHENTICATE);
        Challenge::read(values.iter().filter_map(|value| value.to_str().ok()))
    }

    /// The path and query that `link`, in the answer from `asked`, leads to at this registry; `None` where it leads
    /// elsewhere. Its scheme does not count: a registry behind a proxy may not know that it is spoken to with TLS.
    pub fn own_path(&self, asked: &Url, link: &str) -> Option<String> {
        let target = asked.join(link).ok()?;
        let own = bases(&self.registry, self.settings.plain_http);
        let mut own = own.iter().filter_map(|base| Url::parse(base).ok());
        own.any(|own| own.host() == target.host() && own.port() == target.port()).then(|| {
            let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}{query}", target.path())
        })
    }
}

/// What the registry's answer means.
pub(super) fn judge(
    host: &Host,
    image: &ImageRef,
    response: Response,
) -> Result<Response, RegistryError> {
    let status = response.status();
    match status {
        status if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND => Err(RegistryError::NoSuchImage {
            registry: host.registry.clone(),
            image: image.to_string(),
        }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(denied(host, image, format!("it answers {status}")))
        }
        status => {
            let after = text_of(&response, &RETRY_AFTER);
            let wait = after.map(|after| format!(" (retry after {after})")).unwrap_or_default();
            Err(RegistryError::Unknown {
                registry: host.registry.clone(),
                why: format!("it answers {status}{wait}"),
                retry_after: retry_after(&response),
            })
        }
    }
}

/// What the registry says is left of what it allows.
fn level(response: &Response) -> Option<Level> {
    let text = |name: &'static str| text_of(response, &HeaderName::from_static(name));
    Level::read(text("ratelimit-remaining"), text("ratelimit-limit"), text("ratelimit-reset"))
}

/// What is wrong with an answer, beyond the question.
pub(super) fn trouble_of(response: &Response) -> Option<Trouble> {
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS => Some(Trouble::TooMany),
        status if status.is_server_error() => Some(Trouble::Failed),
        _ => None,
    }
}

/// When it wants to be asked again (RFC 9110, section 10.2.3). A date is counted from the one that the answer
/// itself bears, so that no two clocks have to agree.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    wait_until(text_of(response, &RETRY_AFTER)?, text_of(response, &DATE))
}

fn wait_until(after: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    Duration::try_from(date(after)?.duration_since(date(now?)?)).ok()
}

pub(super) fn content_digest(response: &Response) -> Option<Digest> {
    Digest::parse(text_of(response, &HeaderName::from_static("docker-content-digest"))?)
}

pub(super) fn etag(response: &Response) -> Option<Etag> {
    Etag::new(text_of(response, &ETAG)?)
}

fn text_of<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

pub(super) fn denied(host: &Host, image: &ImageRef, why: String) -> RegistryError {
    RegistryError::Denied { registry: host.registry.clone(), image: image.to_string(), why }
}

pub(super) fn unknown(registry: &str, why: String) -> RegistryError {
    RegistryError::Unknown { registry: registry.to_owned(), why, retry_after: None }
}

/// A panic elsewhere leaves plain values behind, nothing half-done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Anything between 0 and 1, so that many hosts do not come back at the same moment.
fn luck() -> f64 {
    // The seed of a hash map is as random as this needs to be.
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(registry: &str, plain_http: bool) -> Host {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Host::new(registry, HostSettings { plain_http, ..HostSettings::default() }, None).unwrap()
    }

    #[test]
    fn a_registry_of_another_machine_without_tls_is_told_no_secret() {
        for (registry, plain_http, private) in [
            ("ghcr.io", false, true),
            ("registry.lan:5000", true, false),
            ("127.0.0.1:5000", true, true),
            ("localhost:5000", false, true),
        ] {
            assert_eq!(host(registry, plain_http).is_private(), private, "{registry}");
        }
    }

    #[test]
    fn a_link_is_followed_at_the_registry_alone() {
        let check = |registry: &str, asked: &str, link: &str, expected: Option<&str>| {
            let path = host(registry, false).own_path(&Url::parse(asked).unwrap(), link);
            assert_eq!(path.as_deref(), expected, "{link} from {asked}");
        };
        let asked = "https://ghcr.io/v2/a/tags/list?n=1000";
        let next = Some("/v2/a/tags/list?last=b");
        check("ghcr.io", asked, "/v2/a/tags/list?last=b", next);
        check("ghcr.io", asked, "list?last=b", next);
        check("ghcr.io", asked, "?last=b", next);
        check("ghcr.io", asked, "https://ghcr.io/v2/a/tags/list?last=b", next);
        check("ghcr.io", asked, "http://ghcr.io/v2/a/tags/list?last=b", next);
        check("ghcr.io", asked, "https://evil.example/v2/a/tags/list?last=b", None);
        check("ghcr.io", asked, "//evil.example/v2", None);
        check("ghcr.io", asked, "https://ghcr.io:8443/v2", None);
        check("ghcr.io", "https://cdn.example/list", "?last=b", None);
        check("docker.io", "https://registry-1.docker.io/v2/a/tags/list", "?last=b", next);
    }

    #[test]
    fn a_date_to_come_back_at_is_counted_by_the_registry_s_own_clock() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let check = |after, now, seconds: Option<u64>| {
            assert_eq!(wait_until(after, now), seconds.map(Duration::from_secs), "{after}");
        };
        check("120", None, Some(120));
        check("Sun, 06 Nov 1994 08:50:37 GMT", now, Some(60));
        check("Sun, 06 Nov 1994 08:48:37 GMT", now, None);
        check("Sun, 06 Nov 1994 08:50:37 GMT", None, None);
        check("soon", now, None);
        check("-5", now, None);
    }
}
