//! What forges and registries send.

use evenkeel::http::hooks::{Refused, git, registry};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use proptest::sample::select;

use super::{any_text, config, mixed, quick};

const SECRET: &str = "whsec_c2VjcmV0";

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "1e999",
    "\\ud800",
    "\"ref\":\"refs/heads/main\"",
    "\"repository\":",
    "\"project\":",
    "\"clone_url\":\"https://u:p@[::1/a.git\"",
    "\"git_ssh_url\":\"git@h:a/b\"",
    "\"full_name\":\"a/b\"",
    "\"events\":[",
    "\"action\":\"push\"",
    "\"target\":{\"repository\":\"a/../b\",\"tag\":\"@\"}",
    "\"request\":{\"host\":\"é:1\"}",
    "\"push_data\":{\"tag\":\"1\"}",
    "\"package\":",
    "\"package_version\":{\"package_url\":\":\"}",
    "payload=",
    "%7B",
    "&",
];

const HEADERS: &[&str] = &[
    "x-hub-signature-256",
    "x-gitea-signature",
    "x-forgejo-signature",
    "x-signature-256",
    "x-gitlab-token",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "x-github-event",
    "x-gitlab-event",
    "content-type",
];

const VALUES: &[&str] = &[
    "push",
    "package",
    "System Hook",
    "Bearer ",
    "Bearer é",
    "sha256=",
    "sha256=0g",
    "sha256=é",
    "v1,",
    "v1,AAAA v1,",
    "1",
    "application/x-www-form-urlencoded",
    "whsec_",
    "",
    " ",
];

fn headers(shows: bool) -> impl Strategy<Value = HeaderMap> {
    let header = (select(HEADERS), select(VALUES));
    proptest::collection::vec(header, 0..6).prop_map(move |all| {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            // One that holds what HTTP forbids does not get here.
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
            map.append(HeaderName::from_static(name), value);
        }
        if shows {
            map.insert("x-gitlab-token", HeaderValue::from_static(SECRET));
        }
        map
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_webhook_is_read_or_refused(
        headers in headers(true),
        body in prop_oneof![4 => mixed(PIECES, 24), 1 => any_text()],
        query in proptest::option::of(any_text()),
    ) {
        let body = body.as_bytes();
        match quick(|| git::check(&headers, body, SECRET)) {
            Ok(push) => prop_assert!(push.addresses.len() < 20),
            Err(refused) => prop_assert!(refused != Refused::Unproven, "it shows the secret"),
        }
        if let Ok(moved) = quick(|| registry::check(&headers, query.as_deref(), body, SECRET)) {
            for one in moved {
                prop_assert!(one.repository.tag().is_none() && one.repository.digest().is_none());
                one.key();
            }
        }
    }

    #[test]
    fn whoever_does_not_know_the_secret_is_refused(
        headers in headers(false),
        body in mixed(PIECES, 8),
        query in proptest::option::of(any_text()),
    ) {
        let body = body.as_bytes();
        let refused = quick(|| git::check(&headers, body, SECRET)).unwrap_err();
        prop_assert!(matches!(refused, Refused::Unproven | Refused::Twice(_)), "{refused:?}");
        let refused = quick(|| registry::check(&headers, query.as_deref(), body, SECRET)).unwrap_err();
        prop_assert!(matches!(refused, Refused::Unproven | Refused::Twice(_)), "{refused:?}");
    }
}
