//! Asking real registries (OCI Distribution Specification): what a tag points at, and what stands behind it.
//!
//! Nothing is remembered about tags; [`crate::resolve`] asks once per reference and pass. What is remembered
//! per registry is how to approach it: scheme, challenge, tokens, and how much it bears.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::exchange::{
    Approach, Host, Question, content_digest, denied, etag, judge, lock, unknown,
};
use super::host::{HostSettings, canonical};
use super::manners::Trouble;
use super::token::{self, Request, Token, TokenError};
use super::{
    Beside, Etag, Left, Listener, Memory, Polled, Registry, RegistryError, TagList, manifest,
};
use crate::model::fingerprint::hex;
use crate::model::login::Login;
use crate::model::proofs::Signatures;
use crate::model::{Digest, ImageRef, PinnedImage, Platform};

/// One question, with all that it takes.
const WHOLE: Duration = Duration::from_secs(20);

/// Registries, spoken to over HTTP.
pub struct Distribution {
    credentials: Credentials,
    settings: BTreeMap<String, HostSettings>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    memory: Memory,
    listener: Option<Listener>,
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
            memory: Memory::default(),
            listener: None,
            within: WHOLE,
        }
    }

    /// The same, with another limit than 20 s for one question.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { within: limit, ..self }
    }

    /// The same, with what an earlier life knew ([`Registry::memory`]).
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// The same, with somebody who hears of each request.
    #[must_use]
    pub fn heard_by(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// The registry of `image`; made anew where a file that its connections are made with has changed.
    pub(super) fn host(&self, image: &ImageRef) -> Result<Arc<Host>, RegistryError> {
        let registry = canonical(image.registry());
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(registry).filter(|host| host.stamp == host.settings.stamp()) {
            return Ok(Arc::clone(host));
        }
        let settings = self.settings.get(registry).cloned().unwrap_or_default();
        let challenge = self.memory.challenge(registry);
        let host = Host::new(registry, settings, challenge);
        let host = host.map_err(|why| unknown(registry, why))?.heard_by(self.listener.clone());
        let host = Arc::new(host);
        hosts.insert(registry.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    async fn ask_tag(
        &self,
        host: &Host,
        image: &ImageRef,
        known: Option<&Etag>,
    ) -> Result<Polled, RegistryError> {
        let about = |method| Question::manifest(method, image, image.tag_or_latest());
        let head = self.ask(host, image, &about(Method::HEAD).unless(known)).await?;
        if head.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Polled::Same);
        }
        let head = judge(host, image, head)?;
        if let Some(digest) = content_digest(&head) {
            return Ok(Polled::Now { digest, etag: etag(&head) });
        }
        let answer = judge(host, image, self.ask(host, image, &about(Method::GET)).await?)?;
        let etag = etag(&answer);
        if let Some(digest) = content_digest(&answer) {
            return Ok(Polled::Now { digest, etag });
        }
        let body = host.read(answer, manifest::LARGEST).await?;
        let digest = Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(&body))))
            .ok_or_else(|| unknown(&host.registry, "no digest".to_owned()))?;
        Ok(Polled::Now { digest, etag })
    }

    /// Does the asking with a place among those that ask, and within the time for one question.
    pub(super) async fn in_turn<T>(
        &self,
        host: &Host,
        asking: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let first = host.meet().await?;
        // Waiting for a place is not the registry's fault, so the time starts behind it.
        let _place = host.places.acquire().await;
        let answer = match tokio::time::timeout(self.within, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                host.troubled(Trouble::Failed, None);
                let why = format!("no answer within {} s", self.within.as_secs_f32());
                Err(unknown(&host.registry, why))
            }
        };
        if let Some(first) = first {
            host.met(first, answer.as_ref().err());
        }
        answer
    }

    /// Asks; where the registry wants to know who asks, again with an answer to that.
    pub(super) async fn ask(
        &self,
        host: &Host,
        image: &ImageRef,
        question: &Question<'_>,
    ) -> Result<Response, RegistryError> {
        let mut challenge = lock(&host.challenge).clone();
        let mut refused: Option<(Approach, Response)> = None;
        loop {
            let scope = question.scope(image);
            let approach = self.approach(host, image, &scope, challenge.as_ref()).await?;
            match refused {
                Some(_) if matches!(approach, Approach::Anonymous) => {
                    let why = "it asks for credentials, and there are none".to_owned();
                    return Err(denied(host, image, why));
                }
                // The same password again would only bring the account nearer to being locked.
                Some((before, response)) if before.is_same_password(&approach) => {
                    return Ok(response);
                }
                Some(_) | None => {}
            }
            let is_first = refused.is_none();
            let response = host.send(question, &approach).await?;
            // A token for several repositories may lack this one.
            let may_lack = match &approach {
                Approach::Bearer(token) => host.tokens.is_shared(&scope, token),
                Approach::Anonymous | Approach::Basic(_) => false,
            };
            match response.status() {
                StatusCode::UNAUTHORIZED => match host.challenge_of(&response) {
                    Some(asked) => {
                        *lock(&host.challenge) = Some(asked.clone());
                        challenge = Some(asked);
                    }
                    None => return Ok(response),
                },
                StatusCode::FORBIDDEN if may_lack => {}
                _ => return Ok(response),
            }
            self.forget(host, &scope, &approach).await;
            if !is_first && !may_lack {
                return Ok(response);
            }
            refused = Some((approach, response));
        }
    }

    /// How to approach the registry, from what it asked for.
    async fn approach(
        &self,
        host: &Host,
        image: &ImageRef,
        scope: &str,
        challenge: Option<&Challenge>,
    ) -> Result<Approach, RegistryError> {
        let approach = match challenge {
            None => Ok(Approach::Anonymous),
            Some(Challenge::Basic) => {
                let login = self.credentials_for(host).await;
                login.map(|login| login.map_or(Approach::Anonymous, Approach::Basic))
            }
            Some(Challenge::Bearer { realm, service }) => {
                self.bearer(host, image, scope, realm, service.as_deref()).await
            }
        };
        if let Err(RegistryError::Denied { .. } | RegistryError::Unknown { .. }) = &approach {
            // It may ask for something else by now, or for nothing.
            *lock(&host.challenge) = None;
        }
        approach
    }

    async fn bearer(
        &self,
        host: &Host,
        image: &ImageRef,
        scope: &str,
        realm: &Url,
        service: Option<&str>,
    ) -> Result<Approach, RegistryError> {
        if let Some(token) = host.tokens.at_hand(scope) {
            return Ok(Approach::Bearer(token));
        }
        let _turn = host.tokens.turn.lock().await;
        if let Some(token) = host.tokens.at_hand(scope) {
            return Ok(Approach::Bearer(token));
        }
        // Who came in the same moment is heard first, so that one token is fetched for all.
        tokio::task::yield_now().await;
        let batch = host.tokens.batch(scope);
        let request = |scopes| Request { realm, service, scopes, login: None };
        let token = match self.token(host, image, request(&batch)).await {
            Err(RegistryError::Denied { .. }) if batch.len() > 1 => {
                host.tokens.refuse_batch(&batch);
                self.token(host, image, request(&batch[..1])).await?
            }
            token => token?,
        };
        Ok(Approach::Bearer(token.text))
    }

    /// Fetches a token and keeps it. Where the credentials are refused and there are others by now, with those.
    async fn token(
        &self,
        host: &Host,
        image: &ImageRef,
        request: Request<'_>,
    ) -> Result<Token, RegistryError> {
        let mut login = self.credentials_for(host).await?;
        let mut is_last = false;
        loop {
            host.admit_token().await?;
            let request = Request { login: login.as_ref(), ..request };
            match token::fetch(&host.clients.token, &request).await {
                Ok(token) => {
                    host.token_heard(None);
                    host.tokens.keep(request.scopes, &token);
                    return Ok(token);
                }
                Err(TokenError::Denied(why)) => {
                    host.token_heard(None);
                    self.credentials.forget(&host.registry, login.as_ref()).await;
                    let other = self.credentials_for(host).await?;
                    if is_last || other == login {
                        return Err(denied(host, image, why));
                    }
                    (login, is_last) = (other, true);
                }
                Err(TokenError::Unknown { why, trouble, retry_after }) => {
                    host.token_heard(Some((trouble, retry_after)));
                    let registry = host.registry.clone();
                    return Err(RegistryError::Unknown { registry, why, retry_after });
                }
            }
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

    async fn forget(&self, host: &Host, scope: &str, refused: &Approach) {
        match refused {
            Approach::Anonymous => {}
            Approach::Basic(login) => self.credentials.forget(&host.registry, Some(login)).await,
            Approach::Bearer(token) => host.tokens.forget(scope, token),
        }
    }
}

#[async_trait]
impl Registry for Distribution {
    async fn poll(&self, image: &ImageRef, known: Option<&Etag>) -> Result<Polled, RegistryError> {
        if let Some(digest) = image.digest() {
            return Ok(Polled::Now { digest: digest.clone(), etag: None });
        }
        let host = self.host(image)?;
        let _interest = host.tokens.interest(scope(image));
        self.in_turn(&host, self.ask_tag(&host, image, known)).await
    }

    async fn tags(&self, image: &ImageRef) -> Result<TagList, RegistryError> {
        let host = self.host(image)?;
        let _interest = host.tokens.interest(scope(image));
        self.ask_tags(&host, image).await
    }

    async fn child(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Digest, RegistryError> {
        let host = self.host(&image.reference())?;
        let _interest = host.tokens.interest(scope(&image.reference()));
        self.ask_child(&host, image, platform).await
    }

    async fn created(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let host = self.host(&image.reference())?;
        let _interest = host.tokens.interest(scope(&image.reference()));
        self.ask_created(&host, image, platform).await
    }

    async fn layers(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<BTreeMap<Digest, u64>, RegistryError> {
        let host = self.host(&image.reference())?;
        let _interest = host.tokens.interest(scope(&image.reference()));
        self.ask_layers(&host, image, platform).await
    }

    async fn signatures(
        &self,
        image: &PinnedImage,
        place: Beside,
    ) -> Result<Signatures, RegistryError> {
        let host = self.host(&image.reference())?;
        let _interest = host.tokens.interest(scope(&image.reference()));
        self.ask_signatures(&host, image, place).await
    }

    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError> {
        let registry = canonical(image.registry());
        let settings = self.settings.get(registry).cloned().unwrap_or_default();
        self.credentials.of(registry, &settings).await
    }

    fn left(&self, image: &ImageRef) -> Option<Left> {
        let host = lock(&self.hosts).get(canonical(image.registry())).cloned()?;
        let level = host.level()?;
        Some(Left { remaining: level.remaining, limit: level.limit, window: level.window })
    }

    fn memory(&self) -> Memory {
        let mut memory = self.memory.clone();
        for (registry, host) in lock(&self.hosts).iter() {
            // One that did not answer has not said anything else either.
            if host.is_met() {
                memory.set(registry, lock(&host.challenge).clone());
            }
        }
        memory
    }
}

pub(super) fn scope(image: &ImageRef) -> String {
    format!("repository:{}:pull", image.path())
}
