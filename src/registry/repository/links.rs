//! Where a manifest leads: what it is made of, and what it speaks of.
//!
//! OCI Image Specification, `image-index` and `manifest`; Docker's own formats have the same fields.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::super::content::is_a_date;
use super::super::manifest::{ATTESTATION, MOST_ENTRIES};
use crate::model::Digest;
use crate::model::stored::Kind;

/// When it was made, as an annotation says (OCI Image Specification, "Annotations").
const CREATED: &str = "org.opencontainers.image.created";

/// What one manifest says of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub kind: Kind,
    /// What it lists.
    pub children: BTreeSet<Digest>,
    /// Those that may lead further: all that are not called an image.
    pub leading: BTreeSet<Digest>,
    /// Those that say when they were built: images that are no attestations.
    pub dated: BTreeSet<Digest>,
    pub subject: Option<Digest>,
    pub config: Option<Digest>,
    pub created: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: Digest,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Links {
    /// Reads a manifest. What is neither an index nor an image leads nowhere; one that may lead somewhere and cannot
    /// be read is an error for people.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let strange = Self { kind: Kind::Strange, ..Self::default() };
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Ok(strange);
        };
        let is_index = value.get("manifests").is_some_and(|manifests| !manifests.is_null());
        if !is_index && value.get("config").is_none() {
            return Ok(strange);
        }
        let document: Document = serde_json::from_value(value)
            .map_err(|_| "one of its manifests cannot be read".to_owned())?;
        let listed = document.manifests.unwrap_or_default();
        if listed.len() > MOST_ENTRIES {
            return Err(format!("one of its indexes has more than {MOST_ENTRIES} entries"));
        }
        let digests = |which: &dyn Fn(&Descriptor) -> bool| {
            listed.iter().filter(|one| which(one)).map(|one| one.digest.clone()).collect()
        };
        Ok(Self {
            kind: Kind::Known,
            leading: digests(&|one| !one.is_image()),
            dated: digests(&|one| one.is_image() && !one.is_attestation()),
            children: digests(&|_| true),
            subject: document.subject.map(|subject| subject.digest),
            config: document.config.map(|config| config.digest),
            created: document.annotations.and_then(|mut all| date(&all.remove(CREATED)?)),
        })
    }
}

impl Descriptor {
    fn is_image(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.manifest.v1+json"
                | "application/vnd.docker.distribution.manifest.v2+json"
        )
    }

    fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|all| all.contains_key(ATTESTATION))
    }
}

/// A date that an image can have been made on.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|date| is_a_date(*date))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(letter: char) -> Digest {
        Digest::parse(&format!("sha256:{}", String::from(letter).repeat(64))).unwrap()
    }

    #[test]
    fn an_index_leads_to_all_it_lists_and_attestations_say_no_date() {
        let image = "application/vnd.oci.image.manifest.v1+json";
        let index = json!({
            "manifests": [
                {"digest": digest('a'), "mediaType": image},
                {"digest": digest('b'), "mediaType": image, "annotations": {ATTESTATION: "x"}},
                {"digest": digest('c'), "annotations": {ATTESTATION: "x"}},
            ],
            "subject": {"digest": digest('d')},
            "annotations": {CREATED: "2026-01-02T03:04:05Z"},
        });
        let links = Links::read(index.to_string().as_bytes()).unwrap();
        assert_eq!(links.children, ['a', 'b', 'c'].map(digest).into());
        assert_eq!(links.dated, ['a'].map(digest).into());
        assert_eq!(links.leading, ['c'].map(digest).into());
        assert_eq!(links.subject, Some(digest('d')));
        assert_eq!(links.created.unwrap().to_string(), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn what_leads_nowhere_is_strange_and_what_cannot_be_followed_an_error() {
        for body in ["", "[]", "{}", r#"{"fsLayers": []}"#, r#"{"manifests": null}"#] {
            assert_eq!(Links::read(body.as_bytes()).unwrap().kind, Kind::Strange, "{body}");
        }
        let many = json!({"manifests": vec![json!({"digest": digest('a')}); MOST_ENTRIES + 1]});
        for body in [
            r#"{"manifests": {}}"#.to_owned(),
            r#"{"manifests": [{"digest": "sha256:12"}]}"#.to_owned(),
            r#"{"manifests": [{}]}"#.to_owned(),
            many.to_string(),
        ] {
            assert!(Links::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
