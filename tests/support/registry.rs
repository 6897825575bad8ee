//! A real registry (`docker-registry`, the reference implementation) on a free loopback port.

#![expect(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use evenkeel::model::Digest;
use evenkeel::model::fingerprint::hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::token_server::TokenServer;

/// The user of a registry with [`Auth::Basic`].
pub const USER: &str = "me";
/// Its password.
pub const PASSWORD: &str = "correct-horse";

/// Whom the registry lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    None,
    /// [`USER`] with [`PASSWORD`].
    Basic,
}

/// What kind of manifest is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    OciManifest,
    OciIndex,
    DockerManifest,
    DockerList,
}

/// A running registry; it ends with this value.
pub struct Registry {
    process: Child,
    address: String,
    auth: Auth,
    storage: Arc<TempDir>,
    config: PathBuf,
}

/// A certificate for 127.0.0.1 that nobody trusts yet.
pub struct Certificate(TempDir);

impl Certificate {
    /// Makes a new one.
    pub fn make() -> Self {
        Self::with_key(&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// One whose signatures are as JSON Web Tokens have them.
    pub fn make_rsa() -> Self {
        Self::with_key(&["rsa:2048"])
    }

    fn with_key(kind: &[&str]) -> Self {
        let made = Self(tempfile::tempdir().expect("a directory for the certificate"));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-newkey"])
            .args(kind)
            .args(["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(made.key())
            .arg("-out")
            .arg(made.file())
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        made
    }

    /// The certificate, PEM.
    pub fn file(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    /// Its key, PEM.
    pub fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}

impl Registry {
    /// Starts a registry that speaks plain HTTP and waits until it listens.
    pub fn start(auth: Auth) -> Self {
        Self::launch(auth, "")
    }

    /// The same, where manifests can be deleted (`storage.delete.enabled`).
    pub fn start_deletable(auth: Auth) -> Self {
        let storage = tempfile::tempdir().expect("a directory for the registry");
        let config = storage.path().join("config.yml");
        write_config_with(
            &config,
            storage.path(),
            ", delete: {enabled: true}",
            "",
            &passwords(storage.path(), auth),
        );
        let (process, address) = serve(&config, "127.0.0.1:0");
        Self { process, address, auth, storage: Arc::new(storage), config }
    }

    /// The same with TLS. Nothing can be pushed: it answers, which is enough.
    pub fn start_tls(certificate: &Certificate) -> Self {
        Self::launch(Auth::None, &tls(certificate, ""))
    }

    /// The same, for those who show the certificate `client` alone.
    pub fn start_tls_for(certificate: &Certificate, client: &Certificate) -> Self {
        let only = format!(", clientcas: [{}]", client.file().display());
        Self::launch(Auth::None, &tls(certificate, &only))
    }

    /// Another registry with the same images, for those who have a token of `server`.
    pub fn guarded_by(&self, server: &TokenServer) -> Self {
        let auth = format!(
            "auth: {{token: {{realm: '{}', service: registry, issuer: test, rootcertbundle: {}}}}}\n",
            server.realm(),
            server.certificate().display()
        );
        let config = self.storage.path().join("guarded.yml");
        write_config_with(&config, self.storage.path(), ", delete: {enabled: true}", "", &auth);
        let (process, address) = serve(&config, "127.0.0.1:0");
        Self { process, address, auth: Auth::None, storage: Arc::clone(&self.storage), config }
    }

    fn launch(auth: Auth, tls: &str) -> Self {
        let storage = tempfile::tempdir().expect("a directory for the registry");
        let config = storage.path().join("config.yml");
        write_config(&config, storage.path(), tls, &passwords(storage.path(), auth));
        let (process, address) = serve(&config, "127.0.0.1:0");
        Self { process, address, auth, storage: Arc::new(storage), config }
    }

    /// Ends the registry: from now on nobody answers.
    pub fn stop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again after [`Registry::stop`], at the same address, with all that was pushed.
    pub fn resume(&mut self) {
        (self.process, self.address) = serve(&self.config, &self.address);
    }

    /// Host and port, as image references name it.
    pub fn host(&self) -> &str {
        &self.address
    }

    /// Uploads an image of its own kind of content under `path:tag`. The same arguments give the same digest.
    pub fn push(&self, path: &str, tag: &str, kind: Kind) -> Digest {
        match kind {
            Kind::OciManifest | Kind::DockerManifest => {
                let manifest = self.image(path, tag, kind);
                self.put_manifest(path, tag, kind, &manifest)
            }
            Kind::OciIndex => self.push_index(path, tag, kind, Kind::OciManifest),
            Kind::DockerList => self.push_index(path, tag, kind, Kind::DockerManifest),
        }
    }

    /// Uploads an image for one platform, without a tag.
    pub fn push_child(&self, path: &str, architecture: &str, created: Option<&str>) -> Digest {
        self.push_built(path, None, architecture, created)
    }

    /// Uploads an image for one platform under a tag. The same image may have several.
    pub fn push_built(
        &self,
        path: &str,
        tag: Option<&str>,
        architecture: &str,
        created: Option<&str>,
    ) -> Digest {
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "created": created,
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        let manifest = self.image_of(path, Kind::OciManifest, config.to_string().as_bytes());
        let digest = digest_of(&manifest);
        self.put_manifest(path, tag.unwrap_or(digest.as_str()), Kind::OciManifest, &manifest)
    }

    /// Uploads something that says something about `subject`, without a tag.
    pub fn push_about(&self, path: &str, subject: &Digest) -> Digest {
        let manifest = self.image_of(path, Kind::OciManifest, b"{}");
        let mut manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        manifest["subject"] = serde_json::json!({
            "mediaType": media_type(Kind::OciManifest), "size": 1, "digest": subject.as_str(),
        });
        let manifest = manifest.to_string().into_bytes();
        let digest = digest_of(&manifest);
        self.put_manifest(path, digest.as_str(), Kind::OciManifest, &manifest)
    }

    /// Uploads an index of what is there already: each entry needs `digest` and `mediaType`.
    pub fn push_entries(&self, path: &str, tag: Option<&str>, entries: &[Value]) -> Digest {
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type(Kind::OciIndex), "manifests": entries,
        });
        let index = index.to_string().into_bytes();
        let digest = digest_of(&index);
        self.put_manifest(path, tag.unwrap_or(digest.as_str()), Kind::OciIndex, &index)
    }

    fn push_index(&self, path: &str, tag: &str, kind: Kind, child: Kind) -> Digest {
        let manifest = self.image(path, tag, child);
        let digest = digest_of(&manifest);
        self.put_manifest(path, digest.as_str(), child, &manifest);
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type(kind),
            "manifests": [{
                "mediaType": media_type(child), "size": manifest.len(), "digest": digest.as_str(),
                "platform": {"architecture": "amd64", "os": "linux"},
            }],
        });
        self.put_manifest(path, tag, kind, index.to_string().as_bytes())
    }

    /// A manifest whose blobs are at the registry.
    fn image(&self, path: &str, tag: &str, kind: Kind) -> Vec<u8> {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Labels":{{"tag":"{tag}"}}}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        self.image_of(path, kind, config.as_bytes())
    }

    fn image_of(&self, path: &str, kind: Kind, config: &[u8]) -> Vec<u8> {
        let digest = self.put_blob(path, config);
        let config_type = match kind {
            Kind::OciManifest | Kind::OciIndex => "application/vnd.oci.image.config.v1+json",
            Kind::DockerManifest | Kind::DockerList => {
                "application/vnd.docker.container.image.v1+json"
            }
        };
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type(kind),
            "config": {"mediaType": config_type, "size": config.len(), "digest": digest.as_str()},
            "layers": [],
        });
        manifest.to_string().into_bytes()
    }

    fn put_blob(&self, path: &str, blob: &[u8]) -> Digest {
        let digest = digest_of(blob);
        let uploads = format!("http://{}/v2/{path}/blobs/uploads/", self.address);
        let (auth, blob, query) = (self.auth, blob.to_vec(), digest.to_string());
        aside(move |client| {
            let started = authorised(client.post(uploads), auth).send().expect("an answer");
            let location = started.headers()["location"].to_str().expect("text").to_owned();
            let put = client.put(location).query(&[("digest", query)]).body(blob);
            let done = authorised(put, auth).send().expect("an answer");
            assert_eq!(done.status(), 201, "the registry takes the blob");
        });
        digest
    }

    fn put_manifest(&self, path: &str, name: &str, kind: Kind, manifest: &[u8]) -> Digest {
        let url = format!("http://{}/v2/{path}/manifests/{name}", self.address);
        let (auth, body) = (self.auth, manifest.to_vec());
        aside(move |client| {
            let put = client.put(url).header("content-type", media_type(kind)).body(body);
            let done = authorised(put, auth).send().expect("an answer");
            let status = done.status();
            assert_eq!(status, 201, "{}", done.text().unwrap_or_default());
        });
        digest_of(manifest)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs the registry of `config`; returns once it listens, with the address it got.
fn serve(config: &Path, address: &str) -> (Child, String) {
    let mut process = Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .env("REGISTRY_HTTP_ADDR", address)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker-registry (Debian package `docker-registry`) runs");
    let log = BufReader::new(process.stderr.take().expect("a pipe"));
    let mut lines = log.lines().map_while(Result::ok);
    let address = lines.find_map(|line| listening(&line)).expect("the registry listens");
    // Whoever does not read its log stops it sooner or later.
    std::thread::spawn(move || lines.for_each(drop));
    (process, address)
}

fn write_config(file: &Path, storage: &Path, tls: &str, auth: &str) {
    write_config_with(file, storage, "", tls, auth);
}

fn write_config_with(file: &Path, storage: &Path, delete: &str, tls: &str, auth: &str) {
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}{delete}}}\nhttp: {{addr: '127.0.0.1:0'{tls}}}\n{auth}",
        storage.join("data").display()
    );
    std::fs::write(file, config).expect("the directory is ours");
}

fn tls(certificate: &Certificate, more: &str) -> String {
    let (certificate, key) = (certificate.file(), certificate.key());
    format!(", tls: {{certificate: {}, key: {}{more}}}", certificate.display(), key.display())
}

fn passwords(directory: &Path, auth: Auth) -> String {
    if auth == Auth::None {
        return String::new();
    }
    let users = directory.join("htpasswd");
    let made = Command::new("htpasswd").args(["-nbB", USER, PASSWORD]).output();
    let made = made.expect("htpasswd (Debian package `apache2-utils`) runs").stdout;
    std::fs::write(&users, made).expect("the directory is ours");
    format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display())
}

/// The address in a log line such as `msg="listening on 127.0.0.1:41234"`.
fn listening(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}

/// Blocking HTTP on a thread of its own, so that tests with and without a runtime can call it.
fn aside(talk: impl FnOnce(reqwest::blocking::Client) + Send + 'static) {
    install_crypto();
    let thread = std::thread::spawn(|| {
        let client = reqwest::blocking::Client::builder().no_proxy().build();
        talk(client.expect("a client"));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// What `main` does once for the program.
pub fn install_crypto() {
    // The second call in one process fails, and nothing is wrong with that.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn authorised(
    request: reqwest::blocking::RequestBuilder,
    auth: Auth,
) -> reqwest::blocking::RequestBuilder {
    match auth {
        Auth::None => request,
        Auth::Basic => request.basic_auth(USER, Some(PASSWORD)),
    }
}

/// `auths` of a `config.json` that logs in to `host`.
pub fn docker_config(host: &str, user: &str, password: &str) -> String {
    docker_configs(&[host], user, password)
}

/// The same for several.
pub fn docker_configs(hosts: &[&str], user: &str, password: &str) -> String {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let auths = hosts.iter().map(|host| ((*host).to_owned(), serde_json::json!({"auth": auth})));
    serde_json::json!({"auths": auths.collect::<serde_json::Map<_, _>>()}).to_string()
}

/// How the distribution protocol calls it.
pub fn media_type(kind: Kind) -> &'static str {
    match kind {
        Kind::OciManifest => "application/vnd.oci.image.manifest.v1+json",
        Kind::OciIndex => "application/vnd.oci.image.index.v1+json",
        Kind::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
        Kind::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(bytes)))).expect("a digest")
}
