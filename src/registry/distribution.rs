//! Asking real registries (OCI Distribution Specification): which digest a tag points at.
//!
//! Nothing is remembered about images; [`crate::resolve`] asks once per reference and pass. What is
//! remembered per registry is how to approach it: scheme, challenge, tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::exchange::{Approach, Host, challenge_of, content_digest, denied, judge, lock, unknown};
use super::host::{HostSettings, canonical};
use super::token::{Request, TokenError};
use super::{Registry, RegistryError, answer};
use crate::model::fingerprint::hex;
use crate::model::login::Login;
use crate::model::{Digest, ImageRef};

/// The largest manifest that is read, bytes; what registries accept (OCI Distribution Specification).
const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;
/// One question, with all that it takes.
const WHOLE: Duration = Duration::from_secs(20);

/// Registries, spoken to over HTTP.
pub struct Distribution {
    credentials: Credentials,
    settings: BTreeMap<String, HostSettings>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    within: Duration,
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
        let host = Host::new(registry, settings).map_err(|why| unknown(registry, why))?;
        let host = Arc::new(host);
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
        let first = self.approach(host, image).await?;
        let response = host.send(&method, &path, &first).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return judge(host, image, response);
        }
        let Some(challenge) = challenge_of(&response) else { return judge(host, image, response) };
        *lock(&host.challenge) = Some(challenge);
        self.forget(host, image, &first).await;
        let second = self.approach(host, image).await?;
        if matches!(second, Approach::Anonymous) {
            let why = "it asks for credentials, and there are none".to_owned();
            return Err(denied(host, image, why));
        }
        // The same password again would only bring the account nearer to being locked.
        if first.is_same_password(&second) {
            return judge(host, image, response);
        }
        let response = host.send(&method, &path, &second).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.forget(host, image, &second).await;
        }
        judge(host, image, response)
    }

    /// How to approach the registry, from what it last asked for.
    async fn approach(&self, host: &Host, image: &ImageRef) -> Result<Approach, RegistryError> {
        let challenge = lock(&host.challenge).clone();
        let approach = match challenge {
            None => Ok(Approach::Anonymous),
            Some(Challenge::Basic) => {
                let login = self.credentials_for(host).await;
                login.map(|login| login.map_or(Approach::Anonymous, Approach::Basic))
            }
            Some(Challenge::Bearer { realm, service }) => {
                self.bearer(host, image, &realm, service.as_deref()).await
            }
        };
        // It may ask for something else by now, or for nothing.
        approach.inspect_err(|_| *lock(&host.challenge) = None)
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
        if login.is_some() && !host.is_private() {
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

fn scope(image: &ImageRef) -> String {
    format!("repository:{}:pull", image.path())
}
