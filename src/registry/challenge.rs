//! What a registry asks for when it answers 401: the `WWW-Authenticate` header (RFC 9110, section 11).

use url::Url;

/// How a registry wants to be approached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token, fetched at `realm` (Distribution's token authentication specification).
    Bearer {
        /// Where tokens are given out.
        realm: Url,
        /// The name of the registry there.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads all `WWW-Authenticate` values of an answer. Bearer goes before Basic; `None` where neither is
    /// offered in a way that can be used.
    pub fn read<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offers: Vec<Self> = values.filter_map(read_one).collect();
        let bearer = offers.iter().find(|offer| matches!(offer, Self::Bearer { .. }));
        bearer.or(offers.first()).cloned()
    }
}

fn read_one(value: &str) -> Option<Challenge> {
    let value = value.trim();
    let (scheme, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest);
    let value_of = |name: &str| {
        parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let realm = Url::parse(value_of("realm")?).ok()?;
    Some(Challenge::Bearer { realm, service: value_of("service").cloned() })
}

/// `name="value", name=value`; a quoted value may hold commas and escaped quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']).to_owned();
        let (value, left) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, left) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), left)
            }
        };
        found.push((name, value));
        rest = left;
    }
    found
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, &text[index + 1..]),
            other => {
                value.push(other);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<Challenge>) {
        assert_eq!(Challenge::read(values.iter().copied()), expected, "{values:?}");
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: Url::parse(realm).unwrap(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn a_token_server_is_found_in_the_challenge() {
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push""#,
            ],
            bearer("https://auth.docker.io/token", Some("registry.docker.io")),
        );
        check(&[r#"bearer scope="a,b" , Realm=https://x.y/t"#], bearer("https://x.y/t", None));
        check(
            &[r#"Bearer realm="https://x.y/t",service="a\"b""#],
            bearer("https://x.y/t", Some("a\"b")),
        );
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        check(&["Basic realm=x", r#"Bearer realm="https://x.y/t""#], bearer("https://x.y/t", None));
        check(&["Basic"], Some(Challenge::Basic));
    }

    #[test]
    fn what_cannot_be_used_is_no_challenge() {
        for value in [
            "",
            "Negotiate",
            "Bearer",
            r#"Bearer realm="no url""#,
            r#"Bearer realm="#,
            "Bearer =,=\"\"",
        ] {
            check(&[value], None);
        }
    }
}
