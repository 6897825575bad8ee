//! Which http servers are one and the same, and which may be told a password.

use std::net::IpAddr;

use url::{Host, Url};

/// Where a redirect of the listing leads, without the listing's own part.
pub fn redirected(base: &Url, target: Url) -> Result<Url, String> {
    let path = target.path().strip_suffix("/info/refs");
    let path = path.ok_or("it redirects to something that is not a git repository")?.to_owned();
    if base.scheme() == "https" && target.scheme() != "https" {
        return Err("it redirects from https to plain http".into());
    }
    let mut moved = target;
    moved.set_query(None);
    moved.set_fragment(None);
    moved.set_path(&path);
    // A server has no say in who we are.
    let cleared = moved.set_username("").and_then(|()| moved.set_password(None));
    cleared.map_err(|()| "it redirects to something without a host".to_owned())?;
    Ok(moved)
}

/// The same server for credentials: the same host and port, or the same host's https.
pub fn same_host(configured: &Url, asked: &Url) -> bool {
    let same_port = configured.port_or_known_default() == asked.port_or_known_default();
    let to_https = configured.port().is_none() && asked.port().is_none();
    configured.host() == asked.host() && (same_port || (to_https && asked.scheme() == "https"))
}

/// Whether `url` is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn check(from: &str, to: &str, expected: Result<(&str, bool), &str>) {
        let moved = redirected(&url(from), url(to));
        let found = moved.as_ref().map(|moved| (moved.as_str(), same_host(&url(from), moved)));
        assert_eq!(found.map_err(String::as_str), expected, "{from} -> {to}");
    }

    #[test]
    fn a_redirect_may_move_the_repository_and_upgrade_but_not_downgrade() {
        let listing = "/info/refs?service=git-upload-pack";
        let to = |base: &str| format!("{base}{listing}");
        check("https://a/x", &to("https://a/y.git"), Ok(("https://a/y.git", true)));
        check("https://a/x", &to("https://me:pw@b/x"), Ok(("https://b/x", false)));
        check("https://a/x", &to("https://a:8443/x"), Ok(("https://a:8443/x", false)));
        check("http://a/x", &to("https://a/x"), Ok(("https://a/x", true)));
        check("https://a/x", &to("http://a/x"), Err("it redirects from https to plain http"));
        let elsewhere = Err("it redirects to something that is not a git repository");
        check("https://a/x", "https://a/login?next=x", elsewhere);
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for here in ["http://localhost/x", "http://127.0.0.2:80/", "http://[::1]/"] {
            assert!(is_loopback(&url(here)), "{here}");
        }
        for elsewhere in
            ["http://localhost.example.org/", "http://10.0.0.1/", "http://127.0.0.1.nip.io/"]
        {
            assert!(!is_loopback(&url(elsewhere)), "{elsewhere}");
        }
    }
}
