//! Where a registry is reached: address, schemes, the clients that speak to it.
//!
//! No credentials here; those are in [`super::credentials`] and [`super::token`].

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity};
use url::Url;

/// What the operator configured for one registry (`registry.hosts`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// User name; used only together with `password_file`.
    pub username: Option<String>,
    /// A file that holds the password or token; white space at its end is ignored.
    pub password_file: Option<PathBuf>,
    /// A program that prints credentials, with its arguments.
    pub credential_command: Option<Vec<String>>,
    /// Speak plain HTTP, whatever the host is.
    pub plain_http: bool,
    /// Certificates (PEM) trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate (PEM, with its chain) that the registry is shown; used only together with the key.
    pub client_cert_file: Option<PathBuf>,
    /// Its key (PEM).
    pub client_key_file: Option<PathBuf>,
}

/// When the files that a registry's connections are made with were last changed.
pub(super) type Stamp = [Option<SystemTime>; 3];

impl HostSettings {
    /// See [`Stamp`].
    pub(super) fn stamp(&self) -> Stamp {
        [&self.ca_file, &self.client_cert_file, &self.client_key_file].map(|file| {
            std::fs::metadata(file.as_deref()?).and_then(|metadata| metadata.modified()).ok()
        })
    }
}

/// The time to establish a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Redirects followed for one request.
const REDIRECTS: usize = 5;
/// Questions at one registry at a time, and with HTTP/1.1 connections that are kept.
pub(super) const PER_HOST: usize = 8;

/// The name under which settings and credentials of a registry are kept: Docker Hub has several.
pub(super) fn canonical(registry: &str) -> &str {
    match registry {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

/// The URLs at which `registry` is tried, best first.
///
/// A loopback registry is tried by HTTPS, then by plain HTTP, as the engine does.
pub(super) fn bases(registry: &str, plain_http: bool) -> Vec<String> {
    let address = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let schemes: &[&str] = match (plain_http, is_loopback(address)) {
        (true, _) => &["http"],
        (false, true) => &["https", "http"],
        (false, false) => &["https"],
    };
    schemes.iter().map(|scheme| format!("{scheme}://{address}")).collect()
}

/// Whether `address` (host, perhaps with a port) is this very machine.
pub(super) fn is_loopback(address: &str) -> bool {
    Url::parse(&format!("http://{address}")).is_ok_and(|url| names_loopback(&url))
}

/// Whether a secret may be sent to `url`: only where nobody on the way can read it.
pub(super) fn is_private(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => names_loopback(url),
        _ => false,
    }
}

fn names_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The HTTP clients for one registry.
pub(super) struct Clients {
    /// For questions: follows redirects, without credentials as soon as they lead to another host.
    pub ask: Client,
    /// For tokens: follows no redirect, since the body of a POST would be sent along.
    pub token: Client,
}

impl Clients {
    /// Clients for `registry`; the error is for people.
    pub fn new(registry: &str, settings: &HostSettings) -> Result<Self, String> {
        let certificates = settings.ca_file.as_deref().map(read_certificates).transpose()?;
        let certificates = certificates.unwrap_or_default();
        let identity = match (&settings.client_cert_file, &settings.client_key_file) {
            (Some(certificate), Some(key)) => Some(read_identity(certificate, key)?),
            (_, _) => None,
        };
        let build = |redirects: Policy| {
            let mut builder = Client::builder()
                .user_agent(concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(PER_HOST)
                .redirect(redirects)
                .tls_certs_merge(certificates.iter().cloned());
            if let Some(identity) = &identity {
                builder = builder.identity(identity.clone());
            }
            if is_loopback(registry) {
                // A proxy's loopback is not ours.
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| causes(&error))
        };
        Ok(Self { ask: build(stay_encrypted())?, token: build(Policy::none())? })
    }
}

fn read_certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    let pem =
        std::fs::read(file).map_err(|error| format!("ca_file {}: {error}", file.display()))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|error| format!("ca_file {}: {}", file.display(), causes(&error)))?;
    if certificates.is_empty() {
        return Err(format!("ca_file {} holds no certificate", file.display()));
    }
    Ok(certificates)
}

fn read_identity(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let mut pem = Vec::new();
    for (name, file) in [("client_cert_file", certificate), ("client_key_file", key)] {
        let text =
            std::fs::read(file).map_err(|error| format!("{name} {}: {error}", file.display()))?;
        pem.extend_from_slice(&text);
        pem.push(b'\n');
    }
    // The library's own words may show a part of the key.
    Identity::from_pem(&pem).map_err(|_| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("client_cert_file {certificate} and client_key_file {key} do not hold a certificate and its key (PEM)")
    })
}

/// Follows redirects, but never from HTTPS to plain HTTP: the answer would no longer be the registry's.
fn stay_encrypted() -> Policy {
    Policy::custom(|attempt| {
        let encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
        if encrypted && attempt.url().scheme() != "https" {
            return attempt.error("it redirects from https to plain http");
        }
        if attempt.previous().len() > REDIRECTS {
            return attempt.error("too many redirects");
        }
        attempt.follow()
    })
}

/// `error` with all its causes: reqwest's own text hides them.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_registry_is_tried_without_tls() {
        for (registry, plain, expected) in [
            ("docker.io", false, vec!["https://registry-1.docker.io"]),
            ("ghcr.io", false, vec!["https://ghcr.io"]),
            ("registry.lan:5000", true, vec!["http://registry.lan:5000"]),
            ("localhost:5000", false, vec!["https://localhost:5000", "http://localhost:5000"]),
            ("127.1.2.3:80", false, vec!["https://127.1.2.3:80", "http://127.1.2.3:80"]),
            ("[::1]:5000", false, vec!["https://[::1]:5000", "http://[::1]:5000"]),
            ("localhost.example.com", false, vec!["https://localhost.example.com"]),
            ("10.0.0.1:5000", false, vec!["https://10.0.0.1:5000"]),
        ] {
            assert_eq!(bases(registry, plain), expected, "{registry}");
        }
    }

    #[test]
    fn secrets_travel_encrypted_or_not_at_all() {
        for (url, private) in [
            ("https://auth.docker.io/token", true),
            ("http://127.0.0.1:5001/token", true),
            ("http://auth.docker.io/token", false),
            ("ftp://localhost/token", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), private, "{url}");
        }
    }
}
