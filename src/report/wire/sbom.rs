//! What runs on this host, as a CycloneDX 1.6 document: images as components, services as services.
//!
//! The same host gives the same document but for `timestamp` and `serialNumber`. An image into whose name a value of
//! the server went has no purl, since that would have to spell it out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{StatusReport, StatusService, StatusStack};
use crate::model::fingerprint::hex;
use crate::model::{Digest, ImageRef, ObservedContainer, ObservedState, labels};

/// A CycloneDX document (ECMA-424).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SbomReport {
    /// Where its schema is.
    #[serde(rename = "$schema")]
    pub schema: &'static str,
    /// `CycloneDX`
    pub bom_format: &'static str,
    /// `1.6`
    pub spec_version: &'static str,
    /// One for each document.
    pub serial_number: String,
    /// The first of this serial number.
    pub version: u32,
    /// What it is about, and who made it when.
    pub metadata: SbomMetadata,
    /// Images, by name and digest.
    pub components: Vec<SbomComponent>,
    /// Services of stacks, by name.
    pub services: Vec<SbomService>,
    /// Which service runs which image.
    pub dependencies: Vec<SbomDependency>,
}

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SbomMetadata {
    /// When it was made.
    pub timestamp: Timestamp,
    /// Who made it.
    pub tools: SbomTools,
    /// This host.
    pub component: SbomComponent,
}

/// Who made a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SbomTools {
    /// evenkeel.
    pub components: Vec<SbomComponent>,
}

/// A piece of software, or a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SbomComponent {
    /// `container`, `application`, `device`
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// By what others in the document name it.
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub bom_ref: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version; of an image its tag, or else its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<SbomHash>,
    /// Its package URL (`pkg:oci/…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// A digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SbomHash {
    /// `SHA-256`
    pub alg: &'static str,
    /// In hex.
    pub content: String,
}

/// A service of a stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SbomService {
    /// By what others in the document name it.
    #[serde(rename = "bom-ref")]
    pub bom_ref: String,
    /// Its stack.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The tag that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `evenkeel:source`, `evenkeel:commit`, `evenkeel:generation`, `evenkeel:container`.
    pub properties: Vec<SbomProperty>,
}

/// A fact that CycloneDX has no word for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SbomProperty {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// What something is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SbomDependency {
    /// What.
    #[serde(rename = "ref")]
    pub of: String,
    /// Of these.
    pub depends_on: Vec<String>,
}

/// What runs of the stacks of `status`, with what `observed` shows of it.
pub fn sbom(status: &StatusReport, observed: &ObservedState, now: Timestamp) -> SbomReport {
    let host = format!("host:{}", status.host);
    let mut components = BTreeMap::new();
    let mut services = Vec::new();
    let mut dependencies = Vec::new();
    for stack in &status.stacks {
        for service in &stack.services {
            let running = Running { stack, service, observed };
            let images = running.images();
            if images.is_empty() {
                continue;
            }
            let named = running.service(images.values().next());
            let refs: BTreeSet<String> = images.keys().cloned().collect();
            let depends_on = refs.into_iter().collect();
            dependencies.push(SbomDependency { of: named.bom_ref.clone(), depends_on });
            components.extend(images);
            services.push(named);
        }
    }
    services.sort_by(|a: &SbomService, b| a.bom_ref.cmp(&b.bom_ref));
    let all = services.iter().map(|service| service.bom_ref.clone()).collect();
    dependencies.push(SbomDependency { of: host.clone(), depends_on: all });
    dependencies.sort_by(|a, b| a.of.cmp(&b.of));
    let report = SbomReport {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: SbomMetadata {
            timestamp: now,
            tools: SbomTools { components: vec![maker()] },
            component: SbomComponent { bom_ref: Some(host), ..plain("device", &status.host) },
        },
        components: components.into_values().collect(),
        services,
        dependencies,
    };
    SbomReport { serial_number: serial_number(&report), ..report }
}

fn plain(kind: &'static str, name: &str) -> SbomComponent {
    SbomComponent {
        kind,
        bom_ref: None,
        name: name.to_owned(),
        version: None,
        hashes: Vec::new(),
        purl: None,
    }
}

fn maker() -> SbomComponent {
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    SbomComponent { version, ..plain("application", "evenkeel") }
}

/// A UUID of this very document (RFC 9562, version 8): its time is part of it.
fn serial_number(report: &SbomReport) -> String {
    // Plain structs with string keys can be serialised into memory.
    let bytes = serde_json::to_vec(report).unwrap_or_default();
    let mut digits: Vec<char> = hex(&Sha256::digest(&bytes)).chars().take(32).collect();
    (digits[12], digits[16]) = ('8', 'a');
    let text: String = digits.into_iter().collect();
    let (a, b, c, d, e) = (&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}

/// One service, and what the engine shows of it.
struct Running<'a> {
    stack: &'a StatusStack,
    service: &'a StatusService,
    observed: &'a ObservedState,
}

impl<'a> Running<'a> {
    /// The containers that are up.
    fn containers(&self) -> impl Iterator<Item = &'a ObservedContainer> {
        let ids: BTreeSet<&str> =
            self.service.containers.iter().map(|one| one.id.as_str()).collect();
        let all = self.observed.containers.iter();
        all.filter(move |one| one.is_up() && ids.contains(one.id.as_str()))
    }

    /// The images that run, by what the document calls them.
    fn images(&self) -> BTreeMap<String, SbomComponent> {
        self.containers().map(|one| self.image(one)).collect()
    }

    fn image(&self, container: &ObservedContainer) -> (String, SbomComponent) {
        let digest = self.digest(container);
        let shown = self.service.image.as_deref().map(readable);
        let (name, tag) = shown.unwrap_or((None, None));
        let by_digest = digest.as_ref().map(|digest| digest.as_str().to_owned());
        // One that came from no registry has an id alone.
        let id = by_digest.unwrap_or_else(|| container.image_id.to_string());
        let purl = name.as_ref().zip(digest.as_ref());
        let purl = purl.map(|(name, digest)| purl_of(name, digest, tag.as_deref()));
        let bom_ref = match &purl {
            Some(purl) => purl.clone(),
            None => format!("image:{id}"),
        };
        let hashes = digest.iter().map(|digest| SbomHash {
            alg: "SHA-256",
            content: digest.as_str().trim_start_matches("sha256:").to_owned(),
        });
        let component = SbomComponent {
            bom_ref: Some(bom_ref.clone()),
            version: Some(tag.unwrap_or_else(|| id.clone())),
            hashes: hashes.collect(),
            purl,
            ..plain("container", name.as_ref().map_or(id.as_str(), |name| name.name()))
        };
        (bom_ref, component)
    }

    /// The digest it was created with; of what Compose made, that of its image at a registry.
    fn digest(&self, container: &ObservedContainer) -> Option<Digest> {
        let created = ImageRef::parse(&container.image).ok();
        if let Some(digest) = created.as_ref().and_then(|image| image.digest()) {
            return Some(digest.clone());
        }
        let images = self.observed.images.iter();
        let mut image = images.filter(|image| image.id == container.image_id.as_str());
        let digests = &image.next()?.digests;
        let of_repository = |name: &&String| {
            let same = ImageRef::parse(name).ok().zip(created.as_ref());
            same.is_some_and(|(name, created)| name.same_repository(created))
        };
        let found = digests.iter().find(of_repository).or(digests.first())?;
        Digest::parse(found.split_once('@')?.1)
    }

    fn service(&self, image: Option<&SbomComponent>) -> SbomService {
        let (stack, name) = (&self.stack.stack, &self.service.service);
        let mut properties = BTreeSet::new();
        let mut add = |name, value: &str| {
            properties.insert(SbomProperty { name, value: value.to_owned() });
        };
        for container in self.containers() {
            let label = |name| container.label(name);
            for (property, value) in [
                ("evenkeel:source", label(labels::SOURCE)),
                ("evenkeel:commit", label(labels::COMMIT)),
                ("evenkeel:generation", label(labels::GENERATION)),
            ] {
                value.into_iter().for_each(|value| add(property, value));
            }
        }
        let up: BTreeSet<&str> = self.containers().map(|one| one.id.as_str()).collect();
        let containers = self.service.containers.iter();
        containers
            .filter(|one| up.contains(one.id.as_str()))
            .for_each(|one| add("evenkeel:container", &one.name));
        SbomService {
            bom_ref: format!("service:{stack}/{name}"),
            group: stack.clone(),
            name: name.clone(),
            version: image.and_then(|image| image.version.clone()),
            properties: properties.into_iter().collect(),
        }
    }
}

/// Repository and tag of an image as people may see it; neither where a value of the server is in it.
fn readable(shown: &str) -> (Option<ImageRef>, Option<String>) {
    if let Ok(image) = ImageRef::parse(shown) {
        let tag = image.tag().map(str::to_owned);
        return (Some(image.without_tag().without_digest()), tag);
    }
    // Only the tag may be the server's.
    let name = shown.rsplit_once(':').map(|(name, _)| name);
    (name.and_then(|name| ImageRef::parse(name).ok()), None)
}

/// A package URL of type `oci` (purl specification): the last word of the repository, its digest, where it is.
fn purl_of(repository: &ImageRef, digest: &Digest, tag: Option<&str>) -> String {
    let (registry, path) = (repository.registry(), repository.path());
    let name = path.rsplit('/').next().unwrap_or_default();
    let tag = tag.map(|tag| format!("&tag={tag}")).unwrap_or_default();
    let digest = digest.as_str().replace(':', "%3A");
    format!("pkg:oci/{name}@{digest}?repository_url={registry}/{path}{tag}")
}
