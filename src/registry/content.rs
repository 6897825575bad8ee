//! What stands behind a digest: manifests and the configuration of an image. It never changes, so what was read
//! once is not asked for again.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use super::exchange::{Host, Question, judge, lock, unknown};
use super::manifest::{self, Entry, Manifest, candidates};
use super::platform::Machine;
use super::{Distribution, RegistryError};
use crate::model::fingerprint::hex;
use crate::model::{Digest, ImageRef, PinnedImage, Platform};

/// The largest configuration of an image that is read, bytes.
pub(super) const LARGEST_CONFIG: usize = 4 * 1024 * 1024;
/// Manifests remembered of one registry.
const REMEMBERED: usize = 256;
/// How deep indexes may lie in indexes.
const DEEPEST: usize = 3;
/// The most indexes that are asked for to find one image.
const MOST_INDEXES: usize = 8;
/// Docker's first year. An image that says it was built before does not say when it was built: tools that make
/// the same bytes each time write 1970 or 1980.
const FIRST_YEAR: i16 = 2013;

/// The manifests of one registry that were read, oldest first.
#[derive(Default)]
pub(super) struct Remembered(VecDeque<(Digest, Manifest)>);

impl Remembered {
    fn get(&self, digest: &Digest) -> Option<Manifest> {
        let found = self.0.iter().find(|(known, _)| known == digest);
        found.map(|(_, manifest)| manifest.clone())
    }

    fn keep(&mut self, digest: &Digest, manifest: &Manifest) {
        if self.get(digest).is_none() {
            self.0.push_back((digest.clone(), manifest.clone()));
        }
        while self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }
}

#[derive(Deserialize)]
struct Config {
    created: Option<String>,
}

impl Distribution {
    /// The manifest for `platform` behind the digest of `image`.
    pub(super) async fn ask_child(
        &self,
        host: &Host,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Digest, RegistryError> {
        let reference = image.reference();
        let nothing = || RegistryError::NotForPlatform {
            registry: host.registry.clone(),
            image: reference.to_string(),
            platform: platform.clone(),
        };
        let first = self.manifest(host, &reference, image.digest()).await?;
        let Manifest::Index(entries) = first else { return Ok(image.digest().clone()) };
        let machine = Machine::parse(platform).ok_or_else(nothing)?;
        let mut waiting = best_last(&entries, &machine, 1);
        let mut asked = 1;
        while let Some((entry, depth)) = waiting.pop() {
            if !entry.is_index {
                return Ok(entry.digest);
            }
            if depth == DEEPEST || asked == MOST_INDEXES {
                return Err(unknown(&host.registry, "its indexes are nested too deep".to_owned()));
            }
            asked += 1;
            match self.manifest(host, &reference, &entry.digest).await? {
                Manifest::Image { .. } => return Ok(entry.digest),
                Manifest::Index(entries) => {
                    waiting.extend(best_last(&entries, &machine, depth + 1))
                }
            }
        }
        Err(nothing())
    }

    /// When the image for `platform` was built, as it says itself.
    pub(super) async fn ask_created(
        &self,
        host: &Host,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let child = self.ask_child(host, image, platform).await?;
        let reference = image.reference();
        let (config, _) = self.image(host, &reference, &child).await?;
        let question = Question::get(format!("/v2/{}/blobs/{config}", reference.path()));
        let blob = self.body(host, &reference, &question, &config, LARGEST_CONFIG);
        let blob = self.in_turn(host, blob).await?;
        let read: Config = serde_json::from_slice(&blob).map_err(|_| {
            unknown(&host.registry, "the image's configuration cannot be read".to_owned())
        })?;
        let created = read.created.and_then(|created| created.parse().ok());
        Ok(created.filter(|created| is_a_date(*created)))
    }

    /// The layers of the image for `platform`, with the bytes that they take on the way.
    pub(super) async fn ask_layers(
        &self,
        host: &Host,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<BTreeMap<Digest, u64>, RegistryError> {
        let child = self.ask_child(host, image, platform).await?;
        let (_, layers) = self.image(host, &image.reference(), &child).await?;
        Ok(layers)
    }

    async fn image(
        &self,
        host: &Host,
        image: &ImageRef,
        digest: &Digest,
    ) -> Result<(Digest, BTreeMap<Digest, u64>), RegistryError> {
        match self.manifest(host, image, digest).await? {
            Manifest::Image { config, layers } => Ok((config, layers)),
            Manifest::Index(_) => {
                Err(unknown(&host.registry, "its index calls an index an image".to_owned()))
            }
        }
    }

    async fn manifest(
        &self,
        host: &Host,
        image: &ImageRef,
        digest: &Digest,
    ) -> Result<Manifest, RegistryError> {
        if let Some(known) = lock(&host.remembered).get(digest) {
            return Ok(known);
        }
        let question = Question::manifest(reqwest::Method::GET, image, digest.as_str());
        let body = self.body(host, image, &question, digest, manifest::LARGEST);
        let body = self.in_turn(host, body).await?;
        let manifest = Manifest::read(&body).map_err(|why| unknown(&host.registry, why))?;
        lock(&host.remembered).keep(digest, &manifest);
        Ok(manifest)
    }

    /// The bytes behind `digest`, and no others.
    pub(super) async fn body(
        &self,
        host: &Host,
        image: &ImageRef,
        question: &Question<'_>,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let response = judge(host, image, self.ask(host, image, question).await?)?;
        let body = host.read(response, limit).await?;
        if !is_of(&body, digest) {
            let why = format!("what it sends is not what {digest} stands for");
            return Err(unknown(&host.registry, why));
        }
        Ok(body)
    }
}

/// For a stack from which the best is taken first.
fn best_last(entries: &[Entry], machine: &Machine, depth: usize) -> Vec<(Entry, usize)> {
    let best_first = candidates(entries, machine).into_iter();
    best_first.rev().map(|entry| (entry, depth)).collect()
}

/// Whether `digest` is of `bytes`; one by an algorithm that is not known here is of nothing.
fn is_of(bytes: &[u8], digest: &Digest) -> bool {
    match digest.as_str().split_once(':') {
        Some(("sha256", expected)) => hex(&Sha256::digest(bytes)) == expected,
        Some(("sha512", expected)) => hex(&Sha512::digest(bytes)) == expected,
        Some(_) | None => false,
    }
}

pub(super) fn is_a_date(created: Timestamp) -> bool {
    created.to_zoned(jiff::tz::TimeZone::UTC).year() >= FIRST_YEAR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_its_bytes_alone() {
        let check = |text: &str, expected| {
            assert_eq!(is_of(b"abc", &Digest::parse(text).unwrap()), expected, "{text}");
        };
        check("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", true);
        check("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae", false);
        check("md5:900150983cd24fb0d6963f7d28e17f72", false);
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        check(&format!("sha512:{sha512}"), true);
    }

    #[test]
    fn a_date_before_docker_is_none() {
        for (created, expected) in [
            ("0001-01-01T00:00:00Z", false),
            ("1970-01-01T00:00:00Z", false),
            ("1980-01-01T00:00:01Z", false),
            ("2026-11-29T08:00:00.123456789Z", true),
            ("2026-11-29T10:00:00+02:00", true),
        ] {
            assert_eq!(is_a_date(created.parse().unwrap()), expected, "{created}");
        }
    }

    #[test]
    fn only_so_many_manifests_are_remembered() {
        let digest = |number: usize| Digest::parse(&format!("sha256:{number:064x}")).unwrap();
        let mut remembered = Remembered::default();
        for number in 0..=REMEMBERED {
            remembered.keep(&digest(number), &Manifest::Index(vec![]));
        }
        assert_eq!(remembered.get(&digest(0)), None);
        assert_eq!(remembered.get(&digest(REMEMBERED)), Some(Manifest::Index(vec![])));
    }
}
