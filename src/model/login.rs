//! Credentials for a registry.

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
