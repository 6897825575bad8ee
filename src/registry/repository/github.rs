//! GitHub's packages: the versions of a container image, by GitHub's REST interface (docs.github.com, "REST API
//! endpoints for packages"). Its registry, `ghcr.io`, deletes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, LINK, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::super::host::{Clients, HostSettings, causes, is_private};
use super::super::tags::next_link;
use super::super::{RegistryError, answer};
use super::RepositoryError;
use crate::model::login::Login;
use crate::model::stored::Stored;
use crate::model::{Digest, ImageRef};

/// The most versions that GitHub lists at a time.
const PER_PAGE: u32 = 100;
/// The most pages that are followed.
const MOST_PAGES: usize = 1000;
/// The largest answer that is read, bytes.
const LARGEST: usize = 8 * 1024 * 1024;
/// The time for one answer.
const WITHIN: Duration = Duration::from_secs(20);
/// What a token needs.
const SCOPES: &str = "a token needs the scopes `read:packages` and `delete:packages`";

/// Where GitHub is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubApi {
    /// The address, without a slash at its end.
    pub base: String,
    /// The pause before each deletion (docs.github.com, "Best practices for using the REST API").
    pub pause: Duration,
}

impl Default for GithubApi {
    fn default() -> Self {
        Self { base: "https://api.github.com".to_owned(), pause: Duration::from_secs(1) }
    }
}

/// The versions of one package.
pub(super) struct Versions {
    api: GithubApi,
    /// The image, for messages.
    image: ImageRef,
    /// `orgs/acme` or `users/acme`.
    owner: OnceCell<String>,
    client: OnceCell<Client>,
}

#[derive(Deserialize)]
struct Version {
    id: u64,
    /// A digest.
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    container: Container,
}

#[derive(Deserialize)]
struct Container {
    tags: BTreeSet<String>,
}

impl Versions {
    pub fn new(api: GithubApi, image: &ImageRef) -> Self {
        Self { api, image: image.clone(), owner: OnceCell::new(), client: OnceCell::new() }
    }

    /// All versions: the whole list or an error.
    pub async fn list(
        &self,
        login: Option<&Login>,
    ) -> Result<BTreeMap<Digest, Stored>, RegistryError> {
        let mut versions = BTreeMap::new();
        let (owner, first) = self.first_page(login).await?;
        let mut response = first;
        for _ in 0..MOST_PAGES {
            let next = self.next(&response)?;
            for version in self.read::<Vec<Version>>(response).await? {
                let (digest, stored) = self.stored(version)?;
                versions.insert(digest, stored);
            }
            let Some(next) = next else {
                // What was found out holds for deleting too.
                let _ = self.owner.set(owner);
                return Ok(versions);
            };
            response = self.judge(self.ask(Method::GET, &next, login).await?).await?;
        }
        Err(self.unknown("its list of versions does not come to an end".to_owned()))
    }

    /// Deletes a version; one that is gone already is as good.
    pub async fn delete(
        &self,
        login: Option<&Login>,
        version: Option<u64>,
    ) -> Result<(), RepositoryError> {
        let (Some(version), Some(owner)) = (version, self.owner.get()) else {
            return Err(self.refused("GitHub has told no version of it".to_owned()));
        };
        tokio::time::sleep(self.api.pause).await;
        let (_, package) = self.package()?;
        let path = format!("/{owner}/packages/container/{package}/versions/{version}");
        let url = format!("{}{path}", self.api.base);
        let response = self.ask(Method::DELETE, &url, login).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            // So it answers too where a token may read and not delete.
            StatusCode::NOT_FOUND => {
                let still = self.ask(Method::GET, &url, login).await?;
                match still.status() {
                    StatusCode::NOT_FOUND => Ok(()),
                    _ => Err(self.judge(still).await.map_or_else(
                        |error| error,
                        |_| self.denied(format!("it does not let this token delete: {SCOPES}")),
                    ))?,
                }
            }
            // The last one that has a tag, or one that is public and was pulled very often.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(self.refused(self.said(response).await))
            }
            _ => Ok(self.judge(response).await.map(|_| ())?),
        }
    }

    /// Whose the package is, an organisation's or a user's, and the first page of its versions.
    async fn first_page(&self, login: Option<&Login>) -> Result<(String, Response), RegistryError> {
        let (name, package) = self.package()?;
        for kind in ["orgs", "users"] {
            let owner = format!("{kind}/{name}");
            let path = format!("/{owner}/packages/container/{package}/versions");
            let url = format!("{}{path}?per_page={PER_PAGE}", self.api.base);
            let response = self.ask(Method::GET, &url, login).await?;
            if response.status() != StatusCode::NOT_FOUND {
                return Ok((owner, self.judge(response).await?));
            }
        }
        Err(self.denied(format!("GitHub knows no such package, or does not show it: {SCOPES}")))
    }

    /// The owner and the package's name as an address has it.
    fn package(&self) -> Result<(String, String), RegistryError> {
        let path = self.image.path();
        let (owner, name) = path
            .split_once('/')
            .ok_or_else(|| self.unknown("a package is called ghcr.io/<owner>/<name>".to_owned()))?;
        Ok((owner.to_owned(), name.replace('/', "%2F")))
    }

    fn stored(&self, version: Version) -> Result<(Digest, Stored), RegistryError> {
        let digest = Digest::parse(&version.name)
            .ok_or_else(|| self.unknown(format!("its version {} has no digest", version.id)))?;
        let stored = Stored {
            tags: version.metadata.container.tags,
            // Which one a new tag changes is not documented.
            pushed: Some(version.created_at.max(version.updated_at)),
            version: Some(version.id),
            ..Stored::default()
        };
        Ok((digest, stored))
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        login: Option<&Login>,
    ) -> Result<Response, RegistryError> {
        let login = login.ok_or_else(|| RegistryError::Credentials {
            registry: self.image.registry().to_owned(),
            why: format!("there are none, and GitHub tells nobody else; {SCOPES}"),
        })?;
        let url = Url::parse(url).map_err(|error| self.unknown(error.to_string()))?;
        if !is_private(&url) {
            return Err(self.unknown("its token is not sent over plain http".to_owned()));
        }
        let request = self
            .client(&url)
            .await?
            .request(method, url)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header(AUTHORIZATION, format!("Bearer {}", login.password.reveal()));
        match tokio::time::timeout(WITHIN, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.unknown(causes(&error.without_url()))),
            Err(_) => Err(self.unknown(format!("no answer within {} s", WITHIN.as_secs()))),
        }
    }

    async fn client(&self, url: &Url) -> Result<&Client, RegistryError> {
        let host = url.host_str().unwrap_or_default();
        let make = async || Ok(Clients::new(host, &HostSettings::default())?.ask);
        self.client.get_or_try_init(make).await.map_err(|why: String| self.unknown(why))
    }

    /// The next page, at the same place only: a token goes there.
    fn next(&self, response: &Response) -> Result<Option<String>, RegistryError> {
        let links = response.headers().get_all(LINK).iter();
        let links: Vec<&str> = links.filter_map(|value| value.to_str().ok()).collect();
        let Some(link) = next_link(&links) else { return Ok(None) };
        let next = response.url().join(link).ok();
        let next = next.filter(|next| next.origin() == response.url().origin());
        match next {
            Some(next) => Ok(Some(next.to_string())),
            None => Err(self.unknown("its list of versions goes on at another host".to_owned())),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        response: Response,
    ) -> Result<T, RegistryError> {
        let body = tokio::time::timeout(WITHIN, answer::read(response, LARGEST)).await;
        let body = body.unwrap_or_else(|_| Err("its answer does not come to an end".to_owned()));
        let body = body.map_err(|why| self.unknown(why))?;
        serde_json::from_slice(&body)
            .map_err(|_| self.unknown("its list of versions cannot be read".to_owned()))
    }

    /// What an answer means (docs.github.com, "Rate limits for the REST API").
    async fn judge(&self, response: Response) -> Result<Response, RegistryError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if let Some(wait) = limited(&response) {
            let error = RegistryError::Unknown {
                registry: self.place(),
                why: format!(
                    "it was asked too often (it answers {status}); again in {} s",
                    wait.as_secs()
                ),
                retry_after: Some(wait),
            };
            return Err(error);
        }
        let said = self.said(response).await;
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                self.denied(format!("{said}; {SCOPES}"))
            }
            _ => self.unknown(said),
        })
    }

    /// GitHub's own words.
    async fn said(&self, response: Response) -> String {
        #[derive(Deserialize)]
        struct Said {
            message: String,
        }
        let status = response.status();
        let said = self.read::<Said>(response).await;
        said.map_or_else(|_| format!("it answers {status}"), |said| said.message)
    }

    /// Who is asked, for messages.
    fn place(&self) -> String {
        let url = Url::parse(&self.api.base).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    fn unknown(&self, why: String) -> RegistryError {
        RegistryError::Unknown { registry: self.place(), why, retry_after: None }
    }

    fn denied(&self, why: String) -> RegistryError {
        RegistryError::Denied { registry: self.place(), image: self.image.to_string(), why }
    }

    fn refused(&self, why: String) -> RepositoryError {
        RepositoryError::Refused { registry: self.place(), why }
    }
}

/// How long to wait where GitHub was asked too often; `None` for any other answer.
fn limited(response: &Response) -> Option<Duration> {
    let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok();
    let number = |name: &'static str| -> Option<i64> {
        text(&HeaderName::from_static(name))?.trim().parse().ok()
    };
    let status = response.status();
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    if let Some(seconds) = text(&RETRY_AFTER).and_then(|after| after.trim().parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        // Both by GitHub's clock, so that no two have to agree.
        let now = text(&reqwest::header::DATE)
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
            .map(|date| date.timestamp().as_second());
        let wait = number("x-ratelimit-reset").zip(now).map(|(reset, now)| reset - now);
        let wait = wait.and_then(|wait| u64::try_from(wait).ok());
        return Some(Duration::from_secs(wait.unwrap_or(60)));
    }
    (status == StatusCode::TOO_MANY_REQUESTS).then_some(Duration::from_secs(60))
}
