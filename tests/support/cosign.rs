//! Signatures beside images, put there byte by byte as `cosign sign` does (`SIGNATURE_SPEC.md` of cosign).

use evenkeel::model::fingerprint::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::signer::{Signer, payload};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// A repository of a registry that speaks plain HTTP and lets everybody in.
pub struct Cosign {
    /// `127.0.0.1:5000`, where it is spoken to.
    pub registry: String,
    /// `acme/web`.
    pub path: String,
    /// What it is called in what is signed.
    pub repository: String,
}

/// A signature to be put somewhere.
#[derive(Clone)]
pub struct Layer {
    pub payload: Vec<u8>,
    pub signature: String,
}

impl Layer {
    /// A signature of these bytes.
    pub fn of(signer: &Signer, payload: Vec<u8>) -> Self {
        Self { signature: signer.sign(&payload), payload }
    }
}

impl Cosign {
    /// The repository `path` of `registry`.
    pub fn new(registry: &str, path: &str) -> Self {
        let repository = format!("{registry}/{path}");
        Self { registry: registry.to_owned(), path: path.to_owned(), repository }
    }

    /// A good signature of the image behind `digest`.
    pub fn good(&self, signer: &Signer, digest: &str) -> Layer {
        Layer::of(signer, payload(&self.repository, digest))
    }

    /// Signs the image: the signature is all there is under its tag.
    pub fn sign(&self, signer: &Signer, digest: &str) {
        self.put(digest, &[self.good(signer, digest)]);
    }

    /// Puts signatures under the image's tag, in place of what was there.
    pub fn put(&self, digest: &str, layers: &[Layer]) {
        let manifest = self.manifest(layers);
        self.put_manifest(&format!("{}.sig", digest.replace(':', "-")), MANIFEST, &manifest);
    }

    /// Puts a manifest with signatures beside the image that says that it is about `subject`, and gives what the list of
    /// referrers says of it.
    pub fn refer(&self, subject: &str, layers: &[Layer]) -> Value {
        let mut manifest = self.manifest(layers);
        manifest["config"]["mediaType"] = SIGNATURE.into();
        manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        let bytes = manifest.to_string();
        let digest = digest_of(bytes.as_bytes());
        self.put_manifest(&digest, MANIFEST, &manifest);
        json!({
            "mediaType": MANIFEST, "digest": digest, "size": bytes.len(), "artifactType": SIGNATURE,
        })
    }

    /// Lists what is about the image where registries do that which have no such list of their own.
    pub fn list(&self, digest: &str, entries: &[Value]) {
        self.put_manifest(&digest.replace(':', "-"), INDEX, &index(entries));
    }

    fn manifest(&self, layers: &[Layer]) -> Value {
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| {
                let digest = self.put_blob(&layer.payload);
                json!({
                    "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                    "digest": digest,
                    "size": layer.payload.len(),
                    "annotations": {"dev.cosignproject.cosign/signature": layer.signature},
                })
            })
            .collect();
        let config = self.put_blob(b"{}");
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2,
            },
            "layers": layers,
        })
    }

    /// Uploads bytes and gives their digest.
    pub fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        let uploads = format!("http://{}/v2/{}/blobs/uploads/", self.registry, self.path);
        let (bytes, query) = (bytes.to_vec(), digest.clone());
        aside(move |client| {
            let started = client.post(uploads).send().unwrap();
            let location = started.headers()["location"].to_str().unwrap().to_owned();
            let put = client.put(location).query(&[("digest", query)]).body(bytes);
            assert_eq!(put.send().unwrap().status(), 201, "the registry takes the blob");
        });
        digest
    }

    /// Puts a manifest under a tag or its digest.
    pub fn put_manifest(&self, name: &str, kind: &'static str, manifest: &Value) {
        let url = format!("http://{}/v2/{}/manifests/{name}", self.registry, self.path);
        let body = manifest.to_string();
        aside(move |client| {
            let put = client.put(url).header("content-type", kind).body(body);
            let done = put.send().unwrap();
            let status = done.status();
            assert_eq!(status, 201, "{}", done.text().unwrap_or_default());
        });
    }
}

/// A list of referrers.
pub fn index(entries: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
}

pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// Blocking HTTP on a thread of its own, so that tests with and without a runtime can call it.
fn aside(talk: impl FnOnce(reqwest::blocking::Client) + Send + 'static) {
    // The second call in one process fails, and nothing is wrong with that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let thread = std::thread::spawn(|| {
        talk(reqwest::blocking::Client::builder().no_proxy().build().unwrap());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
