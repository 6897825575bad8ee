//! What lies beside an image as its signature: where cosign puts it (`SIGNATURE_SPEC.md` of cosign; OCI Distribution
//! Specification, "Listing Referrers" and "Referrers Tag Schema").
//!
//! Whether it is worth anything is decided in [`crate::signature`]; here nothing is believed, and nothing is read that
//! is larger than a signature has to be.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::exchange::{Host, Question, judge, unknown};
use super::tags::next_link;
use super::{Distribution, RegistryError, manifest};
use crate::model::proofs::{Attached, Signatures};
use crate::model::{Digest, ImageRef, PinnedImage};

/// The largest payload that is read, bytes: cosign's have some 300.
const LARGEST_PAYLOAD: usize = 64 * 1024;
/// The most signatures of one place that are looked at, the newest first: who signs appends. Each is a question, of which
/// a registry is asked few in a second.
const MOST: usize = 16;
/// The most manifests with signatures that are looked at, of those that speak of an image.
const MOST_REFERRERS: usize = 8;
/// The most pages of such a list that are followed.
const MOST_PAGES: usize = 8;
/// A simple-signing payload.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A manifest whose layers are signatures.
const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// What the types of Sigstore's bundles begin with: they are not read.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// Where the signature of a layer's bytes stands.
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// Where signatures are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Under the tag `sha256-<hex>.sig`.
    Tag,
    /// Among the manifests that say of themselves that they are about the image (OCI 1.1).
    Referrers,
}

/// A manifest, as far as it is of interest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Distribution {
    pub(super) async fn ask_signatures(
        &self,
        host: &Host,
        image: &PinnedImage,
        place: Beside,
    ) -> Result<Signatures, RegistryError> {
        let (reference, digest) = (image.reference(), image.digest());
        let tag = digest.as_str().replace(':', "-");
        match place {
            Beside::Tag => {
                let found = self.document(host, &reference, &format!("{tag}.sig")).await?;
                let layers = found.map(|it| it.layers).unwrap_or_default();
                let attached = self.layers(host, &reference, layers).await?;
                Ok(Signatures { attached, has_others: false })
            }
            Beside::Referrers => {
                let found = match self.referrers(host, &reference, digest).await? {
                    Some(found) => found,
                    None => {
                        let index = self.document(host, &reference, &tag).await?;
                        index.map(|index| index.manifests).unwrap_or_default()
                    }
                };
                let is_one = |it: &Descriptor| it.artifact_type.as_deref() == Some(SIGNATURE);
                let is_other = |it: &Descriptor| {
                    it.artifact_type.as_ref().is_some_and(|kind| kind.starts_with(BUNDLE))
                };
                let mut all =
                    Signatures { has_others: found.iter().any(is_other), ..Signatures::default() };
                for one in found.into_iter().filter(is_one).rev().take(MOST_REFERRERS) {
                    let layers = self.signed_layers(host, &reference, &one.digest, digest).await?;
                    all.attached.extend(self.layers(host, &reference, layers).await?);
                }
                Ok(all)
            }
        }
    }

    /// The layers of a manifest with signatures of `subject`; none where it is something else.
    async fn signed_layers(
        &self,
        host: &Host,
        image: &ImageRef,
        digest: &Digest,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let question = Question::manifest(Method::GET, image, digest.as_str());
        let body = self.body(host, image, &question, digest, manifest::LARGEST);
        let body = match self.in_turn(host, body).await {
            Err(RegistryError::NoSuchImage { .. }) => return Ok(Vec::new()),
            body => body?,
        };
        let Ok(found) = serde_json::from_slice::<Document>(&body) else { return Ok(Vec::new()) };
        let config = found.config.as_ref().map(|config| config.media_type.as_str());
        let is_one = found.artifact_type.as_deref().or(config) == Some(SIGNATURE);
        let is_about = found.subject.is_some_and(|it| it.digest == *subject);
        Ok(if is_one && is_about { found.layers } else { Vec::new() })
    }

    /// The payloads of `layers`, the newest first. What cannot be one is left out.
    async fn layers(
        &self,
        host: &Host,
        image: &ImageRef,
        layers: Vec<Descriptor>,
    ) -> Result<Vec<Attached>, RegistryError> {
        let mut all = Vec::new();
        for layer in layers.into_iter().rev().take(MOST) {
            let signature = layer.annotations.and_then(|mut all| all.remove(ANNOTATION));
            let (Some(signature), PAYLOAD) = (signature, layer.media_type.as_str()) else {
                continue;
            };
            if layer.size > LARGEST_PAYLOAD as u64 {
                continue;
            }
            let question = Question::get(format!("/v2/{}/blobs/{}", image.path(), layer.digest));
            let blob = self.body(host, image, &question, &layer.digest, LARGEST_PAYLOAD);
            match self.in_turn(host, blob).await {
                Ok(payload) => all.push(Attached { payload, signature }),
                Err(RegistryError::NoSuchImage { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The manifest under a tag; `None` where there is none, or something else.
    async fn document(
        &self,
        host: &Host,
        image: &ImageRef,
        tag: &str,
    ) -> Result<Option<Document>, RegistryError> {
        let question = Question::manifest(Method::GET, image, tag);
        let asking = async {
            let response = judge(host, image, self.ask(host, image, &question).await?)?;
            host.read(response, manifest::LARGEST).await
        };
        match self.in_turn(host, asking).await {
            Ok(body) => Ok(serde_json::from_slice(&body).ok()),
            Err(RegistryError::NoSuchImage { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What says that it is about `digest`; `None` where the registry does not list that.
    async fn referrers(
        &self,
        host: &Host,
        image: &ImageRef,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let mut all = Vec::new();
        let mut page = Some(format!("/v2/{}/referrers/{digest}", image.path()));
        for _ in 0..MOST_PAGES {
            let Some(path) = page else { break };
            let question = Question::get(path);
            let asking = async {
                let response = self.ask(host, image, &question).await?;
                // What older registries say to a question that they do not know.
                if matches!(
                    response.status(),
                    StatusCode::NOT_FOUND
                        | StatusCode::METHOD_NOT_ALLOWED
                        | StatusCode::BAD_REQUEST
                ) {
                    return Ok(None);
                }
                let response = judge(host, image, response)?;
                let links = response.headers().get_all(reqwest::header::LINK).iter();
                let links: Vec<&str> = links.filter_map(|value| value.to_str().ok()).collect();
                let next = next_link(&links).and_then(|link| host.own_path(response.url(), link));
                let body = host.read(response, manifest::LARGEST).await?;
                let index: Document = serde_json::from_slice(&body).map_err(|_| {
                    unknown(&host.registry, "its list of referrers cannot be read".to_owned())
                })?;
                Ok(Some((index.manifests, next)))
            };
            let Some((found, next)) = self.in_turn(host, asking).await? else { return Ok(None) };
            all.extend(found);
            page = next;
        }
        Ok(Some(all))
    }
}
