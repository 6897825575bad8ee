//! Whether a request was made by somebody who knows the secret.
//!
//! Everything is compared in constant time. One good proof suffices, and a second that is none does not spoil it: Gitea
//! signs in three headers at once, GitLab may send its token beside a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::hmac::{self, HMAC_SHA256, Key};

use super::{Refused, once};

/// HMAC-SHA256 of the body in hexadecimal: GitHub, Gitea, Forgejo, anybody.
const SIGNATURES: [&str; 4] =
    ["x-hub-signature-256", "x-forgejo-signature", "x-gitea-signature", "x-signature-256"];
/// GitLab's secret token, which is the secret itself.
const TOKEN: &str = "x-gitlab-token";

/// Refuses a request that neither is signed with `secret` nor shows it, as the forges do. An empty secret is nobody's.
pub(super) fn signed(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), Refused> {
    let mut is_good = false;
    for name in SIGNATURES {
        if let Some(given) = once(headers, name)? {
            is_good |= is_signature(given, body, secret);
        }
    }
    if let Some(given) = once(headers, TOKEN)? {
        is_good |= is_secret(given, secret);
    }
    is_good |= has_standard_signature(headers, body, secret)?;
    if is_good && !secret.is_empty() { Ok(()) } else { Err(Refused::Unproven) }
}

/// The same, or the secret in `Authorization: Bearer …` or in the query as `secret=…`, for senders that cannot sign.
pub(super) fn signed_or_shown(
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
    secret: &str,
) -> Result<(), Refused> {
    let bearer = once(headers, "authorization")?.and_then(bearer);
    let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut shown = parameters.filter(|(name, _)| name == "secret").map(|(_, value)| value);
    let (parameter, other) = (shown.next(), shown.next());
    if other.is_some() {
        return Err(Refused::Twice("secret"));
    }
    let is_shown = bearer.is_some_and(|given| is_secret(given, secret))
        || parameter.is_some_and(|given| is_secret(given.as_bytes(), secret));
    if is_shown && !secret.is_empty() { Ok(()) } else { signed(headers, body, secret) }
}

/// The token of `Bearer …` (RFC 6750, section 2.1; the scheme in any case).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn is_signature(given: &[u8], body: &[u8], secret: &str) -> bool {
    let digits = given.strip_prefix(b"sha256=").unwrap_or(given);
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    unhex(digits).is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
}

/// Compares what neither side signed, by signing both: the time says nothing of where they differ.
fn is_secret(given: &[u8], secret: &str) -> bool {
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, secret.as_bytes(), hmac::sign(&key, given).as_ref()).is_ok()
}

/// GitLab's signed webhooks (Standard Webhooks 1.0): `v1,` and the base64 of the HMAC-SHA256 of
/// `<id>.<timestamp>.<body>`, one or several with blanks between them. The key is what stands behind `whsec_`, decoded.
/// How old it is does not matter: a webhook that is played again leads to nothing but a look.
fn has_standard_signature(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<bool, Refused> {
    let (id, time) = (once(headers, "webhook-id")?, once(headers, "webhook-timestamp")?);
    let (Some(id), Some(time), Some(given)) = (id, time, once(headers, "webhook-signature")?)
    else {
        return Ok(false);
    };
    let text = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
    let key = Key::new(HMAC_SHA256, &key);
    let signed = [id, b".", time, b".", body].concat();
    let tags = given.split(|byte| *byte == b' ').filter_map(|one| one.strip_prefix(b"v1,"));
    let mut tags = tags.filter_map(|tag| STANDARD.decode(tag).ok());
    Ok(tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()))
}

/// The bytes that pairs of hexadecimal digits stand for.
fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GitHub's documentation, "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn check(headers: &[(&'static str, &str)], secret: &str, expected: Result<(), Refused>) {
        let body = b"Hello, World!";
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        assert_eq!(signed(&map, body, secret), expected, "{headers:?}");
        let shown = signed_or_shown(&map, None, body, secret);
        assert_eq!(shown, expected, "{headers:?}");
    }

    #[test]
    fn a_signature_counts_in_each_of_its_headers() {
        check(&[("X-Hub-Signature-256", SIGNATURE)], SECRET, Ok(()));
        check(&[("X-Signature-256", SIGNATURE)], SECRET, Ok(()));
        let bare = SIGNATURE.trim_start_matches("sha256=");
        check(&[("X-Gitea-Signature", bare)], SECRET, Ok(()));
        check(&[("X-Forgejo-Signature", &bare.to_uppercase())], SECRET, Ok(()));
        check(&[("X-Gitea-Signature", bare), ("X-Gitlab-Token", "other")], SECRET, Ok(()));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        check(&[], SECRET, Err(Refused::Unproven));
        check(&[("X-Hub-Signature-256", SIGNATURE)], "another", Err(Refused::Unproven));
        let (short, _) = SIGNATURE.split_at(SIGNATURE.len() - 1);
        for bad in [short, "", "sha256=", "sha256=zz", "sha1=757107"] {
            check(&[("X-Hub-Signature-256", bad)], SECRET, Err(Refused::Unproven));
        }
        let header = "x-hub-signature-256";
        check(
            &[(header, SIGNATURE), (header, SIGNATURE)],
            SECRET,
            Err(Refused::Twice("x-hub-signature-256")),
        );
    }

    #[test]
    fn an_empty_secret_is_nobodys() {
        check(&[("X-Gitlab-Token", "")], "", Err(Refused::Unproven));
        let key = Key::new(HMAC_SHA256, b"");
        let tag = hmac::sign(&key, b"Hello, World!");
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        check(&[("X-Hub-Signature-256", &hex)], "", Err(Refused::Unproven));
    }

    #[test]
    fn gitlab_shows_its_token_or_signs() {
        check(&[("X-Gitlab-Token", SECRET)], SECRET, Ok(()));
        check(&[("X-Gitlab-Token", "It's a Secret")], SECRET, Err(Refused::Unproven));
        // From the reference implementation of Standard Webhooks, with our body.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let key = Key::new(HMAC_SHA256, &STANDARD.decode(&secret[6..]).unwrap());
        let tag = hmac::sign(&key, b"msg_1.1614265330.Hello, World!");
        let good = format!("v1,AAAA v1,{}", STANDARD.encode(tag.as_ref()));
        let id = ("webhook-id", "msg_1");
        let time = ("webhook-timestamp", "1614265330");
        check(&[id, time, ("webhook-signature", &good)], secret, Ok(()));
        let other = ("webhook-timestamp", "1614265331");
        check(&[id, other, ("webhook-signature", &good)], secret, Err(Refused::Unproven));
        check(&[id, ("webhook-signature", &good)], secret, Err(Refused::Unproven));
    }

    #[test]
    fn the_signature_of_a_known_message_is_the_published_one() {
        // The example of the specification of Standard Webhooks.
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
        headers.insert("webhook-timestamp", "1614265330".parse().unwrap());
        let given = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        headers.insert("webhook-signature", given.parse().unwrap());
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(signed(&headers, br#"{"test": 2432232314}"#, secret), Ok(()));
        assert_eq!(signed(&headers, br#"{"test": 2432232315}"#, secret), Err(Refused::Unproven));
    }

    #[test]
    fn whoever_cannot_sign_shows_the_secret() {
        let none = HeaderMap::new();
        let shown = |query| signed_or_shown(&none, query, b"", "a b");
        assert_eq!(shown(Some("x=1&secret=a%20b")), Ok(()));
        assert_eq!(shown(Some("secret=a")), Err(Refused::Unproven));
        assert_eq!(shown(Some("secret=a+b&secret=a+b")), Err(Refused::Twice("secret")));
        assert_eq!(signed_or_shown(&none, Some("secret="), b"", ""), Err(Refused::Unproven));
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "bearer a b".parse().unwrap());
        assert_eq!(signed_or_shown(&headers, None, b"", "a b"), Ok(()));
        assert_eq!(signed_or_shown(&headers, None, b"", "ab"), Err(Refused::Unproven));
        assert_eq!(signed(&headers, b"", "a b"), Err(Refused::Unproven), "no forge does that");
    }
}
