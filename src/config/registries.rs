//! Registries as written to registries as asked: hosts, logins, Docker's own file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::load::Ambient;
use super::resolve::{Problems, absolute, wrong};
use super::{ClientCertificate, Registry, RegistryCredentials, RegistryHost, file};

const INTERVAL: Duration = Duration::from_secs(300);

/// Registries and how to log in to them.
pub(super) fn registry(
    written: file::Registry,
    ambient: &Ambient,
    problems: &mut Problems,
) -> Registry {
    let mut hosts = BTreeMap::new();
    for (name, host) in written.hosts.unwrap_or_default() {
        let path = format!("registry.hosts.{name}");
        if name.is_empty() || name.contains('/') {
            problems.push(
                wrong(&path, format!("`{name}` is not a registry's host"))
                    .hint("write the host, and the port where there is one: `registry.lan:5000`"),
            );
        }
        hosts.insert(name, registry_host(host, &path, problems));
    }
    Registry {
        interval: written.interval.unwrap_or(INTERVAL),
        docker_config: docker_config(written.docker_config, ambient, problems),
        hosts,
    }
}

fn registry_host(written: file::RegistryHost, path: &str, problems: &mut Problems) -> RegistryHost {
    let credentials = match (written.username, written.password_file, written.credential_command) {
        (None, None, None) => None,
        (Some(username), Some(file), None) => {
            let password_file = absolute(file, &format!("{path}.password_file"), problems);
            Some(RegistryCredentials::Password { username, password_file })
        }
        (None, None, Some(command)) if !command.is_empty() => {
            Some(RegistryCredentials::Command(command))
        }
        (_, _, _) => {
            problems.push(
                wrong(path, "these keys do not make up a login")
                    .hint("write `username` and `password_file`, or `credential_command`"),
            );
            None
        }
    };
    let client = (written.client_cert_file, written.client_key_file);
    RegistryHost {
        credentials,
        plain_http: written.plain_http,
        ca_file: written.ca_file.map(|file| absolute(file, &format!("{path}.ca_file"), problems)),
        client_certificate: client_certificate(client, path, problems),
    }
}

fn client_certificate(
    written: (Option<PathBuf>, Option<PathBuf>),
    path: &str,
    problems: &mut Problems,
) -> Option<ClientCertificate> {
    match written {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(ClientCertificate {
            cert_file: absolute(cert, &format!("{path}.client_cert_file"), problems),
            key_file: absolute(key, &format!("{path}.client_key_file"), problems),
        }),
        (Some(_), None) | (None, Some(_)) => {
            problems.push(
                wrong(path, "a certificate needs its key")
                    .hint("write both `client_cert_file` and `client_key_file`"),
            );
            None
        }
    }
}

/// The only path in which `~` is known: Docker's own file belongs to a user.
fn docker_config(
    written: Option<PathBuf>,
    ambient: &Ambient,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let is_written = written.is_some();
    let path = written.unwrap_or_else(|| "~/.docker/config.json".into());
    match (path.strip_prefix("~"), &ambient.home) {
        (Ok(rest), Some(home)) => Some(home.join(rest)),
        (Ok(_), None) => {
            if is_written {
                problems.push(
                    wrong("registry.docker_config", "the home of this user is not known")
                        .hint("write the whole path"),
                );
            }
            None
        }
        (Err(_), _) => Some(absolute(path, "registry.docker_config", problems)),
    }
}
