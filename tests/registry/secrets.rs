//! Who is told a secret, and who is not.

use super::token_server::TokenServer;
use super::*;

/// Someone with a command that prints what stands in a file, and notes each run in another.
fn commanded(host: &str, directory: &std::path::Path) -> Distribution {
    registry::install_crypto();
    let script = r#"echo x >>"$0/runs"; cat "$0/printed""#;
    let command = ["sh", "-c", script, directory.to_str().expect("text")].map(str::to_owned);
    let credential_command = Some(command.to_vec());
    let settings = HostSettings { credential_command, ..HostSettings::default() };
    Distribution::new(None, BTreeMap::from([(host.to_owned(), settings)]))
}

fn print(directory: &std::path::Path, password: &str) {
    let printed = serde_json::json!({"username": USER, "password": password}).to_string();
    std::fs::write(directory.join("printed"), printed).expect("the directory is ours");
}

fn runs(directory: &std::path::Path) -> usize {
    let runs = std::fs::read_to_string(directory.join("runs")).unwrap_or_default();
    runs.lines().count()
}

#[tokio::test]
async fn a_command_s_credentials_are_kept_until_the_registry_refuses_them() {
    let registry = Registry::start(Auth::Basic);
    let digest = registry.push("acme/web", "1", Kind::OciManifest);
    let home = tempfile::tempdir().expect("a directory");
    print(home.path(), "yesterday's");
    let asking = commanded(registry.host(), home.path());
    let refused = check(&asking, registry.host(), "acme/web:1").await;
    assert!(matches!(refused, Err(RegistryError::Denied { .. })), "{refused:?}");
    assert_eq!(runs(home.path()), 1);

    // What it prints by now is asked for in the same question, and kept.
    print(home.path(), PASSWORD);
    for _ in 0..3 {
        let answer = check(&asking, registry.host(), "acme/web:1").await;
        assert_eq!(answer, Ok(digest.clone()));
    }
    assert_eq!(runs(home.path()), 2);
}

#[tokio::test]
async fn a_token_server_that_refuses_is_asked_again_with_what_the_command_prints_by_now() {
    let tokens = TokenServer::start().await;
    let open = Registry::start(Auth::None);
    let digest = open.push("acme/web", "1", Kind::OciManifest);
    let registry = open.guarded_by(&tokens);
    let home = tempfile::tempdir().expect("a directory");
    print(home.path(), "yesterday's");
    let asking = commanded(registry.host(), home.path());
    // Whoever asks for a login, as a pull does, has it kept.
    let image = ImageRef::parse(&format!("{}/acme/web:1", registry.host())).expect("a reference");
    assert!(asking.login(&image).await.expect("a login").is_some());
    print(home.path(), PASSWORD);
    assert_eq!(check(&asking, registry.host(), "acme/web:1").await, Ok(digest));
    assert_eq!((runs(home.path()), tokens.log().len()), (2, 2));
}

#[tokio::test]
async fn who_a_redirect_leads_to_is_not_told_a_secret_even_when_it_asks() {
    let registry = Registry::start(Auth::Basic);
    let front = Gateway::start(registry.host(), Door::Open).await;
    let elsewhere = Gateway::start(registry.host(), Door::Token { realm: None }).await;
    let (asking, _home) = logged_in(&docker_config(&front.host(), USER, PASSWORD));
    front.fail(Fault::Redirect(elsewhere.host()));
    let answer = check(&asking, &front.host(), "acme/web:1").await;
    assert!(matches!(answer, Err(RegistryError::Denied { .. })), "{answer:?}");
    assert_eq!(elsewhere.log(), [PLAIN], "no token is asked for");
    assert!(asking.memory().is_empty(), "and nothing is learnt from it");
}

#[tokio::test]
async fn a_client_certificate_lets_in_and_without_it_nobody_is() {
    let (certificate, client) = (Certificate::make(), Certificate::make());
    let registry = Registry::start_tls_for(&certificate, &client);
    let trusting = HostSettings { ca_file: Some(certificate.file()), ..HostSettings::default() };
    let showing = HostSettings {
        client_cert_file: Some(client.file()),
        client_key_file: Some(client.key()),
        ..trusting.clone()
    };
    let ask = async |settings: HostSettings| {
        let hosts = BTreeMap::from([(registry.host().to_owned(), settings)]);
        registry::install_crypto();
        check(&Distribution::new(None, hosts), registry.host(), "acme/web:1").await
    };
    let answer = ask(trusting).await;
    assert!(matches!(answer, Err(RegistryError::Unknown { .. })), "{answer:?}");
    let answer = ask(showing.clone()).await;
    assert!(matches!(answer, Err(RegistryError::NoSuchImage { .. })), "{answer:?}");

    let missing = HostSettings { client_key_file: Some("/nonexistent/key.pem".into()), ..showing };
    let error = ask(missing).await.expect_err("unusable");
    assert!(error.to_string().contains("client_key_file /nonexistent/key.pem"), "{error}");
}
