//! One repository as a whole, for whoever cleans it up: what lies in it, and deleting that (OCI Distribution
//! Specification, "Content Management"; GitHub's packages by their own interface).
//!
//! What goes is decided in `plan`. A list is whole, or an error.

mod github;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::content::LARGEST_CONFIG;
use super::distribution::scope;
use super::exchange::{Question, judge, unknown};
use super::host::PER_HOST;
use super::tags::next_link;
use super::{Distribution, Polled, Registry as _, RegistryError, manifest};
use crate::model::stored::{Contents, Kind, Stored};
use crate::model::{Digest, ImageRef};
pub use github::GithubApi;
use github::Versions;
use links::{Links, date};

/// The most manifests of one repository that are looked at.
const MOST_MANIFESTS: usize = 200_000;
/// The most pages of referrers of one manifest that are followed.
const MOST_PAGES: usize = 20;

/// One repository of a registry. What was read once behind a digest is not asked for again.
pub struct Repository<'a> {
    registry: &'a Distribution,
    image: ImageRef,
    /// Who keeps the list of all that there is; `None` where only tags are listed.
    versions: Option<Versions>,
    /// What stands behind digests; `None` behind those that the registry does not have.
    read: BTreeMap<Digest, Option<Read>>,
    referrers: BTreeSet<Digest>,
    referrers_of: BTreeSet<Digest>,
    lists_referrers: bool,
}

#[derive(Clone, Debug, Default)]
struct Read {
    links: Links,
    /// When it was built, where nobody says when it was pushed.
    created: Option<Timestamp>,
}

/// Why a repository cannot be cleaned up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// The registry gave no answer that can be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry lets nobody delete anything (405).
    #[error("{registry} does not allow to delete anything")]
    NotDeletable {
        /// The registry's host.
        registry: String,
    },
    /// The registry does not want to delete this one; others it may.
    #[error("{registry} refuses to delete it: {why}")]
    Refused {
        /// The registry's host.
        registry: String,
        /// What it said.
        why: String,
    },
}

impl<'a> Repository<'a> {
    /// The repository of `image`. For `ghcr.io`, GitHub is asked which versions there are.
    pub fn new(registry: &'a Distribution, image: &ImageRef) -> Self {
        let api = (image.registry() == "ghcr.io").then(GithubApi::default);
        Self::of(registry, image, api)
    }

    /// The same, with versions as `api` tells of them, whatever the registry is called.
    pub fn of(registry: &'a Distribution, image: &ImageRef, api: Option<GithubApi>) -> Self {
        let image = image.without_tag().without_digest();
        Self {
            registry,
            versions: api.map(|api| Versions::new(api, &image)),
            image,
            read: BTreeMap::new(),
            referrers: BTreeSet::new(),
            referrers_of: BTreeSet::new(),
            lists_referrers: true,
        }
    }

    /// Its name.
    pub fn image(&self) -> &ImageRef {
        &self.image
    }

    /// What lies in it. `needed` is looked for, too: a host may need what has no tag any more.
    pub async fn look(&mut self, needed: &BTreeSet<Digest>) -> Result<Contents, RepositoryError> {
        let tags = self.registry.tags(&self.image).await?;
        let mut manifests = match &self.versions {
            Some(versions) => {
                let login = self.registry.login(&self.image).await?;
                let listed = versions.list(login.as_ref()).await?;
                let known: BTreeSet<&String> =
                    listed.values().flat_map(|stored| &stored.tags).collect();
                if let Some(tag) = tags.iter().find(|tag| !known.iter().any(|one| one == tag)) {
                    let why = format!("its list of versions lacks the tag `{tag}`; try again");
                    return Err(unknown(self.image.registry(), why).into());
                }
                listed
            }
            None => self.tagged(tags.iter()).await?,
        };
        let tagged = manifests.iter().filter(|(_, stored)| !stored.tags.is_empty());
        let mut roots: BTreeSet<Digest> = tagged.map(|(digest, _)| digest.clone()).collect();
        roots.extend(needed.iter().chain(&self.referrers).cloned());
        self.explore(roots.clone()).await?;
        if self.versions.is_some() {
            // Those that nothing leads to may themselves lead somewhere.
            let found: BTreeSet<Digest> =
                roots.iter().flat_map(|root| self.parts(root)).chain(roots.clone()).collect();
            let loose = manifests.keys().filter(|digest| !found.contains(*digest));
            self.explore(loose.cloned().collect()).await?;
        }
        loop {
            self.fill(&mut manifests, &roots);
            let subjects: BTreeSet<Digest> = manifests.values().filter_map(Stored::about).collect();
            let unknown = |digest: &Digest| {
                !manifests.contains_key(digest) && !self.read.contains_key(digest)
            };
            let subjects_to_read: BTreeSet<Digest> =
                subjects.iter().filter(|digest| unknown(digest)).cloned().collect();
            if subjects_to_read.is_empty() && subjects.iter().all(|one| roots.contains(one)) {
                let gone = |digest: &Digest| {
                    !manifests.contains_key(digest) && matches!(self.read.get(digest), Some(None))
                };
                let absent = subjects.into_iter().filter(gone).collect();
                return Ok(Contents { manifests, absent });
            }
            self.explore(subjects_to_read).await?;
            roots.extend(subjects);
        }
    }

    /// Finds what says something about `subjects`, where the registry lists that (OCI Distribution Specification,
    /// "Listing Referrers"). Whether there is anything new: the next [`Repository::look`] has it.
    pub async fn find_referrers(
        &mut self,
        subjects: impl Iterator<Item = &Digest>,
    ) -> Result<bool, RepositoryError> {
        let before = self.referrers.len();
        for subject in subjects {
            if self.versions.is_some() || !self.lists_referrers {
                break;
            }
            if self.referrers_of.insert(subject.clone()) {
                self.find_referrers_of(subject).await?;
            }
        }
        Ok(self.referrers.len() > before)
    }

    async fn find_referrers_of(&mut self, subject: &Digest) -> Result<(), RepositoryError> {
        let mut page = Some(format!("/v2/{}/referrers/{subject}", self.image.path()));
        for _ in 0..MOST_PAGES {
            let Some(path) = page else { break };
            let Some((found, next)) = self.ask_referrers(path).await? else {
                self.lists_referrers = false;
                break;
            };
            self.referrers.extend(found);
            page = next;
        }
        Ok(())
    }

    /// Deletes a manifest, and with it every tag that points at it. One that is gone already is as good.
    pub async fn delete(&self, digest: &Digest, stored: &Stored) -> Result<(), RepositoryError> {
        match &self.versions {
            Some(versions) => {
                let login = self.registry.login(&self.image).await?;
                versions.delete(login.as_ref(), stored.version).await
            }
            None => self.delete_manifest(digest).await,
        }
    }

    /// Adds to `manifests` what `roots` lead to, and says of all where they lead.
    fn fill(&self, manifests: &mut BTreeMap<Digest, Stored>, roots: &BTreeSet<Digest>) {
        // Where versions are listed, what is not one of them cannot be deleted and is not told of.
        if self.versions.is_none() {
            let is_there = |digest: &Digest| !matches!(self.read.get(digest), Some(None));
            let parts = roots.iter().flat_map(|root| self.parts(root));
            for digest in roots.iter().cloned().chain(parts).filter(is_there) {
                manifests.entry(digest).or_default();
            }
        }
        for (digest, stored) in manifests.iter_mut() {
            stored.children = self.parts(digest);
            match self.read.get(digest) {
                Some(Some(read)) => {
                    stored.kind = read.links.kind;
                    stored.subject.clone_from(&read.links.subject);
                }
                Some(None) => stored.kind = Kind::Strange,
                None => {}
            }
            if self.versions.is_none() {
                let all = std::iter::once(digest).chain(&stored.children);
                let read = all.filter_map(|one| self.read.get(one)?.as_ref());
                stored.pushed = read.filter_map(|read| read.created).max();
            }
        }
    }

    /// All that `digest` is made of, as far as it was read.
    fn parts(&self, digest: &Digest) -> BTreeSet<Digest> {
        let (mut found, mut waiting) = (BTreeSet::new(), vec![digest]);
        while let Some(digest) = waiting.pop() {
            let Some(Some(read)) = self.read.get(digest) else { continue };
            waiting.extend(read.links.children.iter().filter(|one| found.insert((*one).clone())));
        }
        found
    }

    /// What tags point at.
    async fn tagged(
        &self,
        tags: impl Iterator<Item = &str>,
    ) -> Result<BTreeMap<Digest, Stored>, RegistryError> {
        let asked = tags.map(async |tag| {
            match self.registry.poll(&self.image.with_tag(tag), None).await {
                Ok(Polled::Now { digest, .. }) => Ok(Some((tag.to_owned(), digest))),
                Ok(Polled::Same) => Err(unknown(self.image.registry(), "no digest".to_owned())),
                // It has gone since the list was made.
                Err(RegistryError::NoSuchImage { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let found: Vec<_> =
            futures_util::stream::iter(asked).buffer_unordered(PER_HOST).try_collect().await?;
        let mut manifests: BTreeMap<Digest, Stored> = BTreeMap::new();
        for (tag, digest) in found.into_iter().flatten() {
            manifests.entry(digest).or_default().tags.insert(tag);
        }
        Ok(manifests)
    }

    /// Reads what stands behind `digests`, and what that leads to.
    async fn explore(&mut self, digests: BTreeSet<Digest>) -> Result<(), RegistryError> {
        let mut waiting = digests;
        loop {
            waiting.retain(|digest| !self.read.contains_key(digest));
            if waiting.is_empty() {
                return Ok(());
            }
            if self.read.len() + waiting.len() > MOST_MANIFESTS {
                let why = format!("it has more than {MOST_MANIFESTS} manifests");
                return Err(unknown(self.image.registry(), why));
            }
            let asked = std::mem::take(&mut waiting).into_iter().map(async |digest| {
                let read = self.read_manifest(&digest).await?;
                Ok::<_, RegistryError>((digest, read))
            });
            let found: Vec<_> =
                futures_util::stream::iter(asked).buffer_unordered(PER_HOST).try_collect().await?;
            for (digest, read) in found {
                if let Some(Read { links, .. }) = &read {
                    waiting.extend(links.leading.iter().cloned());
                    if self.versions.is_none() {
                        waiting.extend(links.dated.iter().cloned());
                    }
                }
                self.read.insert(digest, read);
            }
        }
    }

    async fn read_manifest(&self, digest: &Digest) -> Result<Option<Read>, RegistryError> {
        let question = Question::manifest(Method::GET, &self.image, digest.as_str());
        let Some(body) = self.body(&question, digest, manifest::LARGEST).await? else {
            return Ok(None);
        };
        let links = Links::read(&body).map_err(|why| unknown(self.image.registry(), why))?;
        let created = match &links.config {
            Some(config) if self.versions.is_none() => self.read_created(config).await?,
            Some(_) | None => None,
        };
        Ok(Some(Read { created: created.max(links.created), links }))
    }

    /// When an image says it was built; other things have other configurations, or none.
    async fn read_created(&self, config: &Digest) -> Result<Option<Timestamp>, RegistryError> {
        #[derive(Deserialize)]
        struct Config {
            created: Option<String>,
        }
        let question = Question::get(format!("/v2/{}/blobs/{config}", self.image.path()));
        let Some(blob) = self.body(&question, config, LARGEST_CONFIG).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice::<Config>(&blob).ok();
        Ok(read.and_then(|config| date(&config.created?)))
    }

    /// The bytes behind `digest`; `None` where the registry does not have it.
    async fn body(
        &self,
        question: &Question<'_>,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let host = self.registry.host(&self.image)?;
        let _interest = host.tokens.interest(scope(&self.image));
        let body = self.registry.body(&host, &self.image, question, digest, limit);
        match self.registry.in_turn(&host, body).await {
            Ok(body) => Ok(Some(body)),
            Err(RegistryError::NoSuchImage { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of referrers and the next one's path; `None` where the registry does not list any.
    async fn ask_referrers(
        &self,
        path: String,
    ) -> Result<Option<(BTreeSet<Digest>, Option<String>)>, RegistryError> {
        let (registry, image) = (self.registry, &self.image);
        let host = registry.host(image)?;
        let _interest = host.tokens.interest(scope(image));
        let asking = async {
            let response = registry.ask(&host, image, &Question::get(path)).await?;
            if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
                return Ok(None);
            }
            let response = judge(&host, image, response)?;
            let links = response.headers().get_all(reqwest::header::LINK).iter();
            let links: Vec<&str> = links.filter_map(|value| value.to_str().ok()).collect();
            let next = next_link(&links).and_then(|link| host.own_path(response.url(), link));
            let body = host.read(response, manifest::LARGEST).await?;
            let links = Links::read(&body).map_err(|why| unknown(&host.registry, why))?;
            Ok(Some((links.children, next)))
        };
        registry.in_turn(&host, asking).await
    }

    async fn delete_manifest(&self, digest: &Digest) -> Result<(), RepositoryError> {
        let (registry, image) = (self.registry, &self.image);
        let host = registry.host(image)?;
        let question = Question::manifest(Method::DELETE, image, digest.as_str());
        let _interest = host.tokens.interest(question.scope(image));
        let asking = async { registry.ask(&host, image, &question).await };
        let response = registry.in_turn(&host, asking).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(()),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(RepositoryError::NotDeletable { registry: host.registry.clone() })
            }
            _ => Ok(judge(&host, image, response).map(|_| ())?),
        }
    }
}
