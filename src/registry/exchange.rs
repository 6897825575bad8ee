//! One registry and one exchange with it: a request, and what the answer means.
//!
//! Who asks, and whether a second request is worth it, is decided in [`super::distribution`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{ACCEPT, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::RegistryError;
use super::challenge::Challenge;
use super::host::{Clients, HostSettings, bases, causes, is_private};
use super::token::Tokens;
use crate::model::login::Login;
use crate::model::{Digest, Hidden, ImageRef};

/// All four: without an index type a registry answers 404 or one platform's digest.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// Questions at one registry at a time.
const PER_HOST: usize = 8;

/// One registry, and how to approach it.
pub(super) struct Host {
    pub registry: String,
    pub settings: HostSettings,
    pub clients: Clients,
    pub places: Semaphore,
    /// Where it answered last.
    pub base: Mutex<Option<String>>,
    pub challenge: Mutex<Option<Challenge>>,
    pub tokens: Tokens,
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
    /// A registry that was not spoken to yet; the error is for people.
    pub fn new(registry: &str, settings: HostSettings) -> Result<Self, String> {
        Ok(Self {
            registry: registry.to_owned(),
            clients: Clients::new(registry, settings.ca_file.as_deref())?,
            settings,
            places: Semaphore::new(PER_HOST),
            base: Mutex::default(),
            challenge: Mutex::default(),
            tokens: Tokens::default(),
        })
    }

    /// Whether nobody on the way can read what is sent, or make up what is answered.
    pub fn is_private(&self) -> bool {
        bases(&self.registry, self.settings.plain_http)
            .iter()
            .all(|base| Url::parse(base).is_ok_and(|url| is_private(&url)))
    }

    /// Sends one request to where the registry answered last, else to each address it may have.
    pub async fn send(
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
                // What a server says that expects TLS; nothing else here could be a bad request.
                Ok(response) if response.status() == StatusCode::BAD_REQUEST => {
                    failures.push(format!("{base} answers {}", response.status()));
                }
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
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = after.map(|after| format!(" (retry after {after})")).unwrap_or_default();
            Err(unknown(&host.registry, format!("it answers {status}{wait}")))
        }
    }
}

pub(super) fn challenge_of(response: &Response) -> Option<Challenge> {
    let values = response.headers().get_all(WWW_AUTHENTICATE);
    Challenge::read(values.iter().filter_map(|value| value.to_str().ok()))
}

pub(super) fn content_digest(response: &Response) -> Option<Digest> {
    Digest::parse(response.headers().get("docker-content-digest")?.to_str().ok()?)
}

pub(super) fn denied(host: &Host, image: &ImageRef, why: String) -> RegistryError {
    RegistryError::Denied { registry: host.registry.clone(), image: image.to_string(), why }
}

pub(super) fn unknown(registry: &str, why: String) -> RegistryError {
    RegistryError::Unknown { registry: registry.to_owned(), why }
}

/// A panic elsewhere leaves plain values behind, nothing half-done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_another_machine_without_tls_is_told_no_secret() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (registry, plain_http, private) in [
            ("ghcr.io", false, true),
            ("registry.lan:5000", true, false),
            ("127.0.0.1:5000", true, true),
            ("localhost:5000", false, true),
        ] {
            let settings = HostSettings { plain_http, ..HostSettings::default() };
            let host = Host::new(registry, settings).unwrap();
            assert_eq!(host.is_private(), private, "{registry}");
        }
    }
}
