//! The seam to people elsewhere: what they are told, and how it gets to them.
//!
//! What follows from how things stood and how they stand now is pure ([`news`]), and so is what each kind of
//! recipient gets to see ([`body`]). When something is tried again is decided in [`retry`]; what waits is kept by
//! [`crate::reconcile`]. Nothing here can fail a pass: it knows of none.

pub mod news;
pub mod commit_status;
pub mod message;
pub mod retry;
pub mod body;
mod template;
mod secret;
mod email;
pub mod network;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

pub use message::Message;

use crate::config::Recipient;

/// Someone who delivers messages.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Hands `message` to `recipient`, or says why that was not possible. Takes [`PATIENCE`] at most.
    async fn deliver(&self, recipient: &Recipient, message: &Message) -> Result<(), Undelivered>;
}

/// The time for one delivery.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Why a message was not delivered. Holds neither an address nor a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// In one line.
    pub why: String,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Undelivered {
    /// For a reason that says nothing of when to try again.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None }
    }
}
