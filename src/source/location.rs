//! What a source's `repo` means: the address, taken apart and checked.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{Login, SourceError};
use crate::model::Hidden;

/// Where a repository or directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine.
    Disk(PathBuf),
    /// A smart http(s) server.
    Http {
        /// The repository's address, without user information.
        url: Url,
        /// The user information that was in it.
        login: Option<Login>,
    },
    /// A server behind the `ssh` program.
    Ssh(SshAddress),
}

/// An address for the `ssh` program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAddress {
    /// The user, where one is named.
    pub user: Option<String>,
    /// A host name, an address or an alias of `ssh`'s configuration.
    pub host: String,
    /// The port, where one is named.
    pub port: Option<u16>,
    /// The path on the server; relative to the user's home without a leading slash.
    pub path: String,
}

impl Location {
    /// Takes `repo` apart.
    pub fn parse(repo: &str) -> Result<Self, SourceError> {
        if repo.is_empty() || repo.chars().any(char::is_control) {
            return Err(unusable(repo, "it is empty or holds control characters"));
        }
        if repo.contains("://") {
            return from_url(repo);
        }
        match repo.split_once(':') {
            Some((host, path)) if !host.contains('/') => from_scp(repo, host, path),
            Some(_) | None => Ok(Self::Disk(PathBuf::from(repo))),
        }
    }
}

impl fmt::Display for Location {
    /// The address without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "{}", path.display()),
            Self::Http { url, .. } => write!(f, "{url}"),
            Self::Ssh(address) => write!(f, "{}:{}", address.destination(), address.path),
        }
    }
}

impl SshAddress {
    /// `user@host`, as `ssh` takes it.
    pub fn destination(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

fn unusable(repo: &str, why: &str) -> SourceError {
    SourceError::Address { repo: without_user_information(repo), why: why.into() }
}

/// `repo` without what stands between `://` and `@`, whether it can be parsed or not.
pub fn without_user_information(repo: &str) -> String {
    let Some((scheme, rest)) = repo.split_once("://") else { return repo.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn from_url(repo: &str) -> Result<Location, SourceError> {
    let url = Url::parse(repo).map_err(|error| unusable(repo, &error.to_string()))?;
    match url.scheme() {
        "http" | "https" => from_http(repo, url),
        "ssh" => from_ssh_url(repo, &url),
        "file" => match url.to_file_path() {
            Ok(path) => Ok(Location::Disk(path)),
            Err(()) => Err(unusable(repo, "a file:// address has no host")),
        },
        scheme => Err(unusable(repo, &format!("`{scheme}` is not supported"))),
    }
}

fn from_http(repo: &str, mut url: Url) -> Result<Location, SourceError> {
    let login = user_information(&url);
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    if stripped.is_err() || url.host_str().is_none_or(str::is_empty) {
        return Err(unusable(repo, "it names no host"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(Location::Http { url, login })
}

fn user_information(url: &Url) -> Option<Login> {
    let (username, password) = (decoded(url.username()), url.password().map(decoded));
    match password {
        Some(password) => Some(Login { username, password: Hidden::new(password) }),
        // A lone user name is how tokens are often written.
        None if !username.is_empty() => Some(Login { username, password: Hidden::default() }),
        None => None,
    }
}

fn from_ssh_url(repo: &str, url: &Url) -> Result<Location, SourceError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let path = decoded(url.path());
    // `ssh://host/~user/x` means a home directory, as git reads it.
    let path = path.strip_prefix('/').filter(|rest| rest.starts_with('~')).unwrap_or(&path);
    let user = Some(decoded(url.username())).filter(|user| !user.is_empty());
    ssh(repo, user, &decoded(host), url.port(), path)
}

fn from_scp(repo: &str, host: &str, path: &str) -> Result<Location, SourceError> {
    let (user, host) = match host.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, host),
    };
    ssh(repo, user, host, None, path)
}

fn ssh(
    repo: &str,
    user: Option<String>,
    host: &str,
    port: Option<u16>,
    path: &str,
) -> Result<Location, SourceError> {
    let parts = [user.as_deref().unwrap_or("git"), host, path];
    if parts.iter().any(|part| part.is_empty()) {
        return Err(unusable(repo, "an ssh address needs a host and a path"));
    }
    // Such a part would be read as an option by `ssh` here or by git on the server.
    if parts.iter().any(|part| part.starts_with('-') || part.chars().any(char::is_control)) {
        return Err(unusable(repo, "no part of an ssh address may start with `-`"));
    }
    let (host, path) = (host.to_owned(), path.to_owned());
    Ok(Location::Ssh(SshAddress { user, host, port, path }))
}

/// `text` with its percent signs decoded; what is not UTF-8 then is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            Some(_) | None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(repo: &str, expected: &str) {
        let shown = match Location::parse(repo) {
            Ok(Location::Ssh(address)) => format!("ssh {address:?}"),
            Ok(location @ Location::Http { .. }) => format!("http {location}"),
            Ok(location @ Location::Disk(_)) => format!("disk {location}"),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(expected), "{repo}: {shown}");
        assert!(!shown.contains("s3cret"), "{repo}: {shown}");
    }

    #[test]
    fn every_way_to_write_an_address_is_understood() {
        check("https://u:s3cret@example.org/a/b.git/", "http https://example.org/a/b.git");
        check("http://127.0.0.1:80/x", "http http://127.0.0.1/x");
        check("file:///srv/a%20b", "disk /srv/a b");
        check("/srv/x", "disk /srv/x");
        check("./with:colon", "disk ./with:colon");
        check(
            "git@host:a/b.git",
            r#"user: Some("git"), host: "host", port: None, path: "a/b.git""#,
        );
        check("ssh://git@host:22/a/b", r#"port: Some(22), path: "/a/b""#);
        check("ssh://[::1]/~git/b", r#"user: None, host: "::1", port: None, path: "~git/b""#);
    }

    #[test]
    fn options_and_foreign_schemes_are_refused() {
        check("ssh://-oProxyCommand=x/y", "is not an address");
        check("-oProxyCommand=x:y", "start with `-`");
        check("git@host:--upload-pack=x", "start with `-`");
        check("ssh://git@host/-x", "ssh ");
        check("git://u:s3cret@host/x", "`git` is not supported");
        check("ext::sh -c x", "ssh ");
        check("https://u:s3cret@[bad/x", "is not an address");
        check("", "empty");
    }
}
