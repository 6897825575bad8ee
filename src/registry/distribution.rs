//! Asking real registries (OCI Distribution Specification): which digest a tag points at.
//!
//! Nothing is remembered about images; [`crate::resolve`] asks once per reference and pass. What is
//! remembered per registry is how to approach it: scheme, challenge, tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::host::{Clients, HostSettings, bases, canonical, causes, is_private};
use super::token::{Request, TokenError, Tokens};
use super::{Registry, RegistryError, answer};
use crate::model::login::Login;
use crate::model::spec::hex;
use crate::model::{Digest, Hidden, ImageRef};

/// All four: without an index type a registry answers 404 or one platform's digest.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// The largest manifest that is read, bytes; what registries accept (OCI Distribution Specification).
const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;
/// One question, with all that it takes.
const WHOLE: Duration = Duration::from_secs(20);
/// Questions at one registry at a time.
const PER_HOST: usize = 8;

/// Registries, spoken to over HTTP.
pub struct Distribution {
    credentials: Credentials,
    settings: BTreeMap<String, HostSettings>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    within: Duration,
}

/// One registry, and how to approach it.
struct Host {
    registry: String,
    settings: HostSettings,
    clients: Clients,
    places: Semaphore,
    /// Where it answered last.
    base: Mutex<Option<String>>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Tokens,
}

/// What goes into the `Authorization` header.
enum Approach {
    Anonymous,
    Basic(Login),
    Bearer(Hidden),
}

impl Distribution {
    /// Registries with the credentials of `docker_config` (Docker's `config.json`, which need not exist)
    /// and `settings` by registry. Nothing is read before it is needed.
    pub fn new(docker_config: Option<PathBuf>, settings: BTreeMap<String, HostSettings>) -> Self {
        let settings = settings
            .into_iter()
            .map(|(host, value)| (canonical(&host).to_owned(), value))
            .collect();
        Self {
            credentials: Credentials::new(docker_config),
            settings,
            hosts: Mutex::default(),
            within: WHOLE,
        }
    }

    /// The same, with another limit than 20 s for one question.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { within: limit, ..self }
    }

    fn host(&self, image: &ImageRef) -> Result<Arc<Host>, RegistryError> {
        let registry = canonical(image.registry());
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(registry) {
            return Ok(Arc::clone(host));
        }
        let settings = self.settings.get(registry).cloned().unwrap_or_default();
        let clients = Clients::new(registry, settings.ca_file.as_deref())
            .map_err(|why| unknown(registry, why))?;
        let host = Arc::new(Host {
            registry: registry.to_owned(),
            settings,
            clients,
            places: Semaphore::new(PER_HOST),
            base: Mutex::default(),
            challenge: Mutex::default(),
            tokens: Tokens::default(),
        });
        hosts.insert(registry.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    async fn ask_digest(&self, host: &Host, image: &ImageRef) -> Result<Digest, RegistryError> {
        let head = self.manifest(host, image, Method::HEAD).await?;
        if let Some(digest) = content_digest(&head) {
            return Ok(digest);
        }
        let manifest = self.manifest(host, image, Method::GET).await?;
        if let Some(digest) = content_digest(&manifest) {
            return Ok(digest);
        }
        let body = answer::read(manifest, LARGEST_MANIFEST)
            .await
            .map_err(|why| unknown(&host.registry, why))?;
        Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(&body))))
            .ok_or_else(|| unknown(&host.registry, "no digest".to_owned()))
    }

    /// Asks for the manifest; where the registry wants to know who asks, a second time with an answer.
    async fn manifest(
        &self,
        host: &Host,
        image: &ImageRef,
        method: Method,
    ) -> Result<Response, RegistryError> {
        let path = format!("/v2/{}/manifests/{}", image.path(), image.tag_or_latest());
        let approach = self.approach(host, image).await?;
        let response = host.send(&method, &path, &approach).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return judge(host, image, response);
        }
        let Some(challenge) = challenge_of(&response) else { return judge(host, image, response) };
        *lock(&host.challenge) = Some(challenge);
        self.forget(host, image, &approach).await;
        let approach = self.approach(host, image).await?;
        if matches!(approach, Approach::Anonymous) {
            return Err(denied(
                host,
                image,
                "it asks for credentials, and there are none".to_owned(),
            ));
        }
        let response = host.send(&method, &path, &approach).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.forget(host, image, &approach).await;
        }
        judge(host, image, response)
    }

    /// How to approach the registry, from what it last asked for.
    async fn approach(&self, host: &Host, image: &ImageRef) -> Result<Approach, RegistryError> {
        let challenge = lock(&host.challenge).clone();
        match challenge {
            None => Ok(Approach::Anonymous),
            Some(Challenge::Basic) => {
                Ok(self.credentials_for(host).await?.map_or(Approach::Anonymous, Approach::Basic))
            }
            Some(Challenge::Bearer { realm, service }) => {
                self.bearer(host, image, &realm, service.as_deref()).await
            }
        }
    }

    async fn bearer(
        &self,
        host: &Host,
        image: &ImageRef,
        realm: &Url,
        service: Option<&str>,
    ) -> Result<Approach, RegistryError> {
        let scope = scope(image);
        if let Some(token) = host.tokens.at_hand(&scope).await {
            return Ok(Approach::Bearer(token));
        }
        let login = self.credentials_for(host).await?;
        let request = Request { realm, service, scope: &scope, login: login.as_ref() };
        match host.tokens.get(&host.clients.token, &request).await {
            Ok(token) => Ok(Approach::Bearer(token)),
            Err(TokenError::Denied(why)) => {
                self.credentials.forget(&host.registry).await;
                Err(denied(host, image, why))
            }
            Err(TokenError::Unknown(why)) => Err(unknown(&host.registry, why)),
        }
    }

    /// The credentials, unless somebody on the way could have written the challenge or read the answer.
    async fn credentials_for(&self, host: &Host) -> Result<Option<Login>, RegistryError> {
        let login = self.credentials.of(&host.registry, &host.settings).await?;
        let private = lock(&host.base)
            .as_deref()
            .is_some_and(|base| Url::parse(base).is_ok_and(|url| is_private(&url)));
        if login.is_some() && !private {
            let why =
                "they are not sent over plain http; give the registry a certificate".to_owned();
            return Err(RegistryError::Credentials { registry: host.registry.clone(), why });
        }
        Ok(login)
    }

    async fn forget(&self, host: &Host, image: &ImageRef, refused: &Approach) {
        match refused {
            Approach::Anonymous => {}
            Approach::Basic(_) => self.credentials.forget(&host.registry).await,
            Approach::Bearer(token) => host.tokens.forget(&scope(image), token).await,
        }
    }
}

#[async_trait]
impl Registry for Distribution {
    async fn digest(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        let host = self.host(image)?;
        // Waiting for a place is not the registry's fault, so the time starts behind it.
        let _place = host.places.acquire().await;
        match tokio::time::timeout(self.within, self.ask_digest(&host, image)).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = format!("no answer within {} s", self.within.as_secs_f32());
                Err(unknown(&host.registry, why))
            }
        }
    }

    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError> {
        let registry = canonical(image.registry());
        let settings = self.settings.get(registry).cloned().unwrap_or_default();
        self.credentials.of(registry, &settings).await
    }
}

impl Host {
    /// Sends one request to where the registry answered last, else to each address it may have.
    async fn send(
        &self,
        method: &Method,
        path: &str,
        approach: &Approach,
    ) -> Result<Response, RegistryError> {
        // Where it answered last, and once more: a connection that was kept may be dead by now.
        let mut addresses: Vec<String> = lock(&self.base).iter().cloned().collect();
        addresses.extend(bases(&self.registry, self.settings.plain_http));
        let mut failures = Vec::new();
        for base in addresses {
            match self.send_to(&base, method, path, approach).await {
                Ok(response) => {
                    *lock(&self.base) = Some(base);
                    return Ok(response);
                }
                Err(error) => failures.push(causes(&error.without_url())),
            }
        }
        *lock(&self.base) = None;
        failures.dedup();
        Err(unknown(&self.registry, failures.join("; then ")))
    }

    async fn send_to(
        &self,
        base: &str,
        method: &Method,
        path: &str,
        approach: &Approach,
    ) -> Result<Response, reqwest::Error> {
        let request = self
            .clients
            .ask
            .request(method.clone(), format!("{base}{path}"))
            .header(ACCEPT, MANIFEST_TYPES);
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
}

/// What the registry's answer means.
fn judge(host: &Host, image: &ImageRef, response: Response) -> Result<Response, RegistryError> {
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
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = after.map(|after| format!(" (retry after {after})")).unwrap_or_default();
            Err(unknown(&host.registry, format!("it answers {status}{wait}")))
        }
    }
}

fn challenge_of(response: &Response) -> Option<Challenge> {
    let values = response.headers().get_all(WWW_AUTHENTICATE);
    Challenge::read(values.iter().filter_map(|value| value.to_str().ok()))
}

fn content_digest(response: &Response) -> Option<Digest> {
    Digest::parse(response.headers().get("docker-content-digest")?.to_str().ok()?)
}

fn scope(image: &ImageRef) -> String {
    format!("repository:{}:pull", image.path())
}

fn denied(host: &Host, image: &ImageRef, why: String) -> RegistryError {
    RegistryError::Denied { registry: host.registry.clone(), image: image.to_string(), why }
}

fn unknown(registry: &str, why: String) -> RegistryError {
    RegistryError::Unknown { registry: registry.to_owned(), why }
}

/// A panic elsewhere leaves plain values behind, nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
