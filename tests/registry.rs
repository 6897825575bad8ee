//! [`Distribution`] against the reference registry, straight and through a gateway that keeps a log.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what a test cannot do without ends it"
)]

#[path = "support/cosign.rs"]
mod cosign;
#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "whole hosts are shown other faults")]
mod gateway;
#[path = "support/registry.rs"]
mod registry;
#[path = "support/said.rs"]
mod said;
#[path = "support/signer.rs"]
mod signer;
#[path = "support/token_server.rs"]
mod token_server;
#[path = "support/versions.rs"]
mod versions;

#[path = "registry/cleanup.rs"]
mod cleanup;
#[path = "registry/content.rs"]
mod content;
#[path = "registry/floor.rs"]
mod floor;
#[path = "registry/github.rs"]
mod github;
#[path = "registry/manners.rs"]
mod manners;
#[path = "registry/secrets.rs"]
mod secrets;
#[path = "registry/signatures.rs"]
mod signatures;

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel::model::{Digest, ImageRef};
use evenkeel::registry::{Distribution, HostSettings, Registry as _, RegistryError};

use gateway::{Door, Fault, Gateway};
use registry::{Auth, Certificate, Kind, PASSWORD, Registry, USER, docker_config, media_type};

const PLAIN: &str = "HEAD /v2/acme/web/manifests/1";

/// The digest of `host/image`.
async fn check(of: &Distribution, host: &str, image: &str) -> Result<Digest, RegistryError> {
    let image = ImageRef::parse(&format!("{host}/{image}")).expect("a reference");
    evenkeel::registry::digest(of, &image).await
}

/// An image in an index.
fn entry(digest: &Digest, architecture: Option<&str>) -> serde_json::Value {
    let mut entry = serde_json::json!({
        "digest": digest.as_str(), "mediaType": media_type(Kind::OciManifest), "size": 1,
    });
    if let Some(architecture) = architecture {
        entry["platform"] = serde_json::json!({"architecture": architecture, "os": "linux"});
    }
    entry
}

fn anonymous() -> Distribution {
    registry::install_crypto();
    Distribution::new(None, BTreeMap::new())
}

/// Someone with this `config.json`; the file lives as long as the directory.
fn logged_in(config: &str) -> (Distribution, tempfile::TempDir) {
    registry::install_crypto();
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("config.json");
    std::fs::write(&file, config).expect("the directory is ours");
    (Distribution::new(Some(file), BTreeMap::new()), home)
}

#[tokio::test]
async fn every_kind_of_manifest_is_found_with_one_head() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let asking = anonymous();
    for kind in [Kind::OciManifest, Kind::OciIndex, Kind::DockerManifest, Kind::DockerList] {
        let digest = registry.push("acme/web", "1", kind);
        assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest), "{kind:?}");
        assert_eq!(gateway.log(), [PLAIN]);
    }
}

#[tokio::test]
async fn a_missing_tag_and_a_missing_repository_are_no_image() {
    let registry = Registry::start(Auth::None);
    registry.push("acme/web", "1", Kind::OciManifest);
    for image in ["acme/web:2", "acme/api:1"] {
        let error = check(&anonymous(), registry.host(), image).await.expect_err("no image");
        assert!(matches!(error, RegistryError::NoSuchImage { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_password_goes_with_the_first_request_once_the_registry_has_asked_for_it() {
    let registry = Registry::start(Auth::Basic);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    let (asking, _home) = logged_in(&docker_config(&gateway.host(), USER, PASSWORD));
    let with_password = format!("{PLAIN} Basic {USER}:{PASSWORD}");

    assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest.clone()));
    assert_eq!(gateway.log(), [PLAIN, &with_password]);
    assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest));
    assert_eq!(gateway.log(), [with_password]);
}

#[tokio::test]
async fn a_password_file_logs_in_without_docker_s_configuration() {
    let registry = Registry::start(Auth::Basic);
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    registry::install_crypto();
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).expect("the directory is ours");
    let settings = HostSettings {
        username: Some(USER.to_owned()),
        password_file: Some(file),
        ..HostSettings::default()
    };
    let asking = Distribution::new(None, BTreeMap::from([(registry.host().to_owned(), settings)]));
    assert_eq!(check(&asking, registry.host(), "acme/web:1").await, Ok(digest));
}

#[tokio::test]
async fn without_or_with_wrong_credentials_access_is_denied_and_nothing_leaks() {
    let registry = Registry::start(Auth::Basic);
    registry.push("acme/web", "1", Kind::OciManifest);
    let (wrong, _home) = logged_in(&docker_config(registry.host(), USER, "wrong-horse"));
    for asking in [anonymous(), wrong] {
        let error = check(&asking, registry.host(), "acme/web:1").await.expect_err("no access");
        assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-horse"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_per_question() {
    let registry = Registry::start(Auth::Basic);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let (asking, _home) = logged_in(&docker_config(&gateway.host(), USER, "wrong-horse"));
    assert!(check(&asking, &gateway.host(), "acme/web:1").await.is_err());
    gateway.log();
    assert!(check(&asking, &gateway.host(), "acme/web:1").await.is_err());
    assert_eq!(gateway.log(), [format!("{PLAIN} Basic {USER}:wrong-horse")]);
}

#[tokio::test]
async fn a_login_that_was_corrected_is_used_at_once() {
    let registry = Registry::start(Auth::Basic);
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    let (asking, home) = logged_in(&docker_config(registry.host(), USER, "wrong-horse"));
    assert!(check(&asking, registry.host(), "acme/web:1").await.is_err());
    let config = docker_config(registry.host(), USER, PASSWORD);
    std::fs::write(home.path().join("config.json"), config).expect("the directory is ours");
    assert_eq!(check(&asking, registry.host(), "acme/web:1").await, Ok(digest));
}

#[tokio::test]
async fn a_token_is_fetched_once_per_repository_and_sent_at_once() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Token { realm: None }).await;
    let digest = registry.push("acme/web", "1", Kind::OciIndex);
    registry.push("acme/web", "2", Kind::OciIndex);
    registry.push("acme/api", "1", Kind::OciIndex);
    let asking = anonymous();

    assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest));
    let token = ["GET /token", "  scope=repository:acme/web:pull service=gateway"];
    let first = format!("{PLAIN} Bearer token-1");
    assert_eq!(gateway.log(), [PLAIN, token[0], token[1], &first]);

    assert!(check(&asking, &gateway.host(), "acme/web:2").await.is_ok());
    assert_eq!(gateway.log(), ["HEAD /v2/acme/web/manifests/2 Bearer token-1"]);

    // The challenge is known by now, the token of another repository is not.
    assert!(check(&asking, &gateway.host(), "acme/api:1").await.is_ok());
    let other = "  scope=repository:acme/api:pull service=gateway";
    let asked = "HEAD /v2/acme/api/manifests/1 Bearer token-2";
    assert_eq!(gateway.log(), ["GET /token", other, asked]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Token { realm: None }).await;
    let digest = registry.push("acme/web", "1", Kind::OciIndex);
    let asking = anonymous();
    assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest.clone()));
    gateway.revoke_tokens();
    assert_eq!(check(&asking, &gateway.host(), "acme/web:1").await, Ok(digest));
}

#[tokio::test]
async fn many_questions_at_once_fetch_one_token() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Token { realm: None }).await;
    let digest = registry.push("acme/web", "1", Kind::OciIndex);
    let (asking, host) = (anonymous(), gateway.host());
    let answers =
        futures_util::future::join_all((0..20).map(|_| check(&asking, &host, "acme/web:1"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(&digest)), "{answers:?}");
    let log = gateway.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("GET /token")).count(), 1, "{log:?}");
}

#[tokio::test]
async fn the_token_server_is_told_who_asks() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Token { realm: None }).await;
    registry.push("acme/web", "1", Kind::OciIndex);

    let (asking, _home) = logged_in(&docker_config(&gateway.host(), USER, PASSWORD));
    assert!(check(&asking, &gateway.host(), "acme/web:1").await.is_ok());
    assert_eq!(gateway.log()[1], format!("GET /token Basic {USER}:{PASSWORD}"));

    let identity = serde_json::json!({"auths": {gateway.host(): {"identitytoken": "long-lived"}}});
    let (asking, _home) = logged_in(&identity.to_string());
    assert!(check(&asking, &gateway.host(), "acme/web:1").await.is_ok());
    let log = gateway.log();
    assert_eq!(log[1], "POST /token");
    assert!(log[2].contains("grant_type=refresh_token"), "{log:?}");
    assert!(log[2].contains("refresh_token=long-lived"), "{log:?}");
}

#[tokio::test]
async fn credentials_never_go_over_plain_http_to_another_machine() {
    let registry = Registry::start(Auth::None);
    let realm = Some("http://token.invalid/token".to_owned());
    let gateway = Gateway::start(registry.host(), Door::Token { realm }).await;
    let (asking, _home) = logged_in(&docker_config(&gateway.host(), USER, PASSWORD));
    let error = check(&asking, &gateway.host(), "acme/web:1").await.expect_err("refused");
    assert!(error.to_string().contains("plain http"), "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_carry_the_password() {
    let registry = Registry::start(Auth::Basic);
    let front = Gateway::start(registry.host(), Door::Open).await;
    let open = Registry::start(Auth::None);
    let elsewhere = Gateway::start(open.host(), Door::Open).await;
    let digest = open.push("acme/web", "1", Kind::OciManifest);
    let (asking, _home) = logged_in(&docker_config(&front.host(), USER, PASSWORD));
    // Learns that a password is wanted.
    assert!(check(&asking, &front.host(), "acme/web:1").await.is_err());
    front.log();

    front.fail(Fault::Redirect(elsewhere.host()));
    assert_eq!(check(&asking, &front.host(), "acme/web:1").await, Ok(digest));
    assert_eq!(front.log(), [format!("{PLAIN} Basic {USER}:{PASSWORD}")]);
    assert_eq!(elsewhere.log(), [PLAIN]);
}

#[tokio::test]
async fn without_the_digest_header_the_manifest_itself_is_hashed() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let digest = registry.push("acme/web", "1", Kind::DockerList);
    gateway.fail(Fault::NoDigestHeader);
    assert_eq!(check(&anonymous(), &gateway.host(), "acme/web:1").await, Ok(digest));
    assert_eq!(gateway.log(), [PLAIN, "GET /v2/acme/web/manifests/1"]);
}

#[tokio::test]
async fn trouble_at_the_registry_is_unknown_and_not_absent() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    registry.push("acme/web", "1", Kind::OciManifest);
    for status in [429, 500, 503] {
        gateway.fail(Fault::Status(status));
        let error = check(&anonymous(), &gateway.host(), "acme/web:1").await.expect_err("trouble");
        assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains("retry after 60"), "{error}");
    }
    gateway.fail(Fault::Silence);
    let impatient = anonymous().within(Duration::from_millis(100));
    let error = check(&impatient, &gateway.host(), "acme/web:1").await.expect_err("no answer");
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_went_away_is_unknown_until_it_is_back() {
    let mut registry = Registry::start(Auth::Basic);
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    let host = registry.host().to_owned();
    let (asking, _home) = logged_in(&docker_config(&host, USER, PASSWORD));
    assert_eq!(check(&asking, &host, "acme/web:1").await, Ok(digest.clone()));
    registry.stop();
    for _ in 0..2 {
        let error = check(&asking, &host, "acme/web:1").await.expect_err("nobody there");
        assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains("refused"), "the cause is told: {error}");
    }
    registry.resume();
    assert_eq!(check(&asking, &host, "acme/web:1").await, Ok(digest));
}

#[tokio::test]
async fn a_registry_that_stops_asking_for_a_token_is_asked_without_one() {
    let registry = Registry::start(Auth::None);
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    let realm = Some("http://127.0.0.1:1/token".to_owned());
    let gateway = Gateway::start(registry.host(), Door::Token { realm }).await;
    let asking = anonymous();
    let error = check(&asking, &gateway.host(), "acme/web:1").await.expect_err("no token server");
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    gateway.open();
    assert!(check(&asking, &gateway.host(), "acme/web:1").await == Ok(digest));
}

#[tokio::test]
async fn a_certificate_is_checked_and_a_ca_file_is_trusted() {
    let certificate = Certificate::make();
    let registry = Registry::start_tls(&certificate);
    let error = check(&anonymous(), registry.host(), "acme/web:1").await.expect_err("untrusted");
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "the cause is told: {error}");

    let settings = HostSettings { ca_file: Some(certificate.file()), ..HostSettings::default() };
    let asking = Distribution::new(None, BTreeMap::from([(registry.host().to_owned(), settings)]));
    let answer = check(&asking, registry.host(), "acme/web:1").await;
    assert!(matches!(answer, Err(RegistryError::NoSuchImage { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    registry::install_crypto();
    let settings =
        HostSettings { ca_file: Some("/nonexistent/ca.pem".into()), ..HostSettings::default() };
    let asking = Distribution::new(None, BTreeMap::from([("127.0.0.1:1".to_owned(), settings)]));
    let error = check(&asking, "127.0.0.1:1", "acme/web:1").await.expect_err("unusable");
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
}
