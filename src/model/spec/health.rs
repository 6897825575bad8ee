//! Whether a container works.

use std::time::Duration;

use serde::Serialize;

/// `Config.Healthcheck`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`; empty takes the image's.
    pub test: Vec<String>,
    /// Time between checks; the engine's default is 30 s.
    pub interval: Option<Duration>,
    /// Time one check may take; the engine's default is 30 s.
    pub timeout: Option<Duration>,
    /// Time in which failures do not count; the engine's default is 0.
    pub start_period: Option<Duration>,
    /// Time between checks within `start_period`; the engine's default is 5 s. Since API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Duration>,
    /// Failures in a row that make it unhealthy; the engine's default is 3.
    pub retries: Option<u32>,
}

impl Healthcheck {
    /// Whether it switches the image's check off.
    pub fn is_none(&self) -> bool {
        self.test.first().is_some_and(|word| word == "NONE")
    }
}
