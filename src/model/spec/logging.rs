//! What becomes of a container's output.

use std::collections::BTreeMap;

use serde::Serialize;

/// `HostConfig.LogConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Logging {
    /// The driver; empty is the engine's default with `options`.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}
