//! The seam to what programs in containers answer: one question, one answer.
//!
//! Nothing is decided here: what an answer means is told in [`crate::apply`].

pub mod network;

use async_trait::async_trait;

/// Someone who can ask. An error is one line for people, in the end of the asking as a whole.
#[async_trait]
pub trait Prober: Send + Sync {
    /// The answer to `GET` of `url`, whatever its status. Redirects are answers.
    async fn get(&self, url: &str) -> Result<Answer, String>;

    /// Whether `address` (`host:port`) takes a TCP connection.
    async fn connect(&self, address: &str) -> Result<(), String>;
}

/// An answer by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}
