//! What a registry keeps under a digest, as far as it matters here: an index of manifests, or one image.
//!
//! OCI Image Specification, `image-index` and `manifest`; Docker's own formats have the same fields.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::platform::Machine;
use crate::model::Digest;

/// The largest manifest that is read, bytes; what registries accept (OCI Distribution Specification).
pub(super) const LARGEST: usize = 4 * 1024 * 1024;
/// The most entries of an index that are looked at.
pub(super) const MOST_ENTRIES: usize = 1000;
/// On descriptors that say something about another one (Docker's `buildx`).
pub(super) const ATTESTATION: &str = "vnd.docker.reference.type";

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// Several, to choose from.
    Index(Vec<Entry>),
    /// One image.
    Image {
        /// Of the blob that describes it.
        config: Digest,
        /// Its layers, with the bytes that they take on the way.
        layers: BTreeMap<Digest, u64>,
    },
}

/// An image, or a further index, in an index. Attestations are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub digest: Digest,
    pub is_index: bool,
    pub platform: Option<Machine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Layer>>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<PlatformFields>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct PlatformFields {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Manifest {
    /// Reads a manifest; the error is for people.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(body)
            .map_err(|_| "what it keeps under the digest is no manifest".to_owned())?;
        match (document.manifests, document.config) {
            // Read one way by one program and another way by the next, it could be two images.
            (Some(_), Some(_)) => Err("its manifest is an index and an image at once".to_owned()),
            (Some(_), None) if document.layers.is_some() => {
                Err("its manifest is an index and an image at once".to_owned())
            }
            (Some(entries), None) if entries.len() > MOST_ENTRIES => {
                Err(format!("its index has more than {MOST_ENTRIES} entries"))
            }
            (Some(entries), None) => Ok(Self::Index(entries.iter().filter_map(entry).collect())),
            (None, Some(config)) => {
                let config = Digest::parse(&config.digest);
                let config = config.ok_or("its manifest names no configuration".to_owned())?;
                let layers = document.layers.unwrap_or_default();
                let layers =
                    layers.iter().filter_map(|it| Some((Digest::parse(&it.digest)?, it.size)));
                Ok(Self::Image { config, layers: layers.collect() })
            }
            (None, None) => Err("its manifest is neither an index nor an image".to_owned()),
        }
    }
}

fn entry(descriptor: &Descriptor) -> Option<Entry> {
    let annotated =
        |annotations: &std::collections::BTreeMap<_, _>| annotations.contains_key(ATTESTATION);
    if descriptor.annotations.as_ref().is_some_and(annotated) {
        return None;
    }
    let named = descriptor
        .platform
        .as_ref()
        .filter(|one| !one.os.is_empty() || !one.architecture.is_empty());
    let platform = named.map(|one| {
        Machine::new(&one.os, &one.architecture, one.variant.as_deref().unwrap_or_default())
    });
    if platform.as_ref().is_some_and(Machine::is_unknown) {
        return None;
    }
    let is_index = matches!(
        descriptor.media_type.as_str(),
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    );
    Some(Entry { digest: Digest::parse(&descriptor.digest)?, is_index, platform })
}

/// The entries that may hold an image for `host`, best first. One that names no platform may be for any, and
/// comes last, as with the engine.
pub(super) fn candidates(entries: &[Entry], host: &Machine) -> Vec<Entry> {
    let rank = |entry: &Entry| match &entry.platform {
        Some(platform) => host.rank(platform),
        None => Some(usize::MAX),
    };
    let mut ranked: Vec<(usize, &Entry)> =
        entries.iter().filter_map(|entry| Some((rank(entry)?, entry))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Platform;

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn digest(digit: char) -> Digest {
        Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
    }

    fn described(digit: char, kind: &str, rest: serde_json::Value) -> serde_json::Value {
        let mut one = serde_json::json!({"mediaType": kind, "digest": digest(digit).as_str()});
        one.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        one
    }

    /// The digits of the entries that a host of `host` looks at, in this order.
    fn check(host: &str, entries: &[serde_json::Value], expected: &str) {
        let body = serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string();
        let Manifest::Index(entries) = Manifest::read(body.as_bytes()).unwrap() else { panic!() };
        let host = Machine::parse(&Platform(host.to_owned())).unwrap();
        let found = candidates(&entries, &host);
        let found: String =
            found.iter().map(|entry| entry.digest.short()[..1].to_owned()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_this_platform_s_child_decides_and_attestations_are_no_images() {
        let platform = |os: &str, architecture: &str| serde_json::json!({"platform": {"os": os, "architecture": architecture}});
        let attestation = serde_json::json!({
            "platform": {"os": "linux", "architecture": "amd64"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        });
        let entries = [
            described('1', IMAGE, attestation),
            described('2', IMAGE, platform("linux", "arm64")),
            described('3', IMAGE, platform("unknown", "unknown")),
            described('4', IMAGE, serde_json::json!({})),
            described('5', INDEX, serde_json::json!({"platform": {"os": "", "architecture": ""}})),
            described('6', IMAGE, platform("linux", "amd64")),
        ];
        check("linux/amd64", &entries, "645");
        check("linux/arm64", &entries, "245");
        check("linux/riscv64", &entries, "45");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            assert!(Manifest::read(&bytes).is_err());
        }
    }

    #[test]
    fn what_is_two_things_at_once_or_none_is_refused() {
        let config = described('1', IMAGE, serde_json::json!({}));
        for body in [
            serde_json::json!({"manifests": [], "config": config}),
            serde_json::json!({"manifests": [], "layers": []}),
            serde_json::json!({"schemaVersion": 1, "fsLayers": []}),
            serde_json::json!({"config": {"digest": "sha256:12"}}),
            serde_json::json!([]),
        ] {
            assert!(Manifest::read(body.to_string().as_bytes()).is_err(), "{body}");
        }
        let layer = serde_json::json!({"digest": digest('2').as_str(), "size": 7});
        let body = serde_json::json!({"config": config, "layers": [layer, layer]}).to_string();
        let layers = BTreeMap::from([(digest('2'), 7)]);
        let image = Manifest::Image { config: digest('1'), layers };
        assert_eq!(Manifest::read(body.as_bytes()), Ok(image));
    }
}
