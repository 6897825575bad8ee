//! Credentials for a registry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::Hidden;

/// Credentials for a registry, as `X-Registry-Auth` carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The registry's host.
    pub registry: String,
    /// User name; empty with an identity token.
    pub username: String,
    /// Password or token.
    pub password: Hidden,
    /// Identity token, in place of a password.
    pub identity_token: Option<Hidden>,
}

/// When `token` expires, where it is a JSON Web Token that says so (RFC 7519, section 4.1.4). Its signature is nobody's
/// business here.
pub fn expiry(token: &str) -> Option<Timestamp> {
    let mut parts = token.trim().split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_says_when_it_expires_is_read_and_nothing_else() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let at = |second| Timestamp::from_second(second).ok();
        assert_eq!(expiry(&token(r#"{"exp": 1796126400}"#)), at(1_796_126_400));
        for other in [&token("{}"), &token("no"), "a.b.c", "ghp_0123456789", "a.b", "a.b.c.d", ""] {
            assert_eq!(expiry(other), None, "{other}");
        }
    }
}
