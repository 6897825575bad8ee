//! What people and programs get to see: wire types for `--output json`, texts, messages, progress and exit
//! codes (`interface`: command line, JSON).
//!
//! Nothing is decided or looked up here, and no clock is read: everything shown is handed in. Texts are made
//! from the wire types, so that the two cannot disagree. No server value gets in: images are shown as
//! [`crate::model::Service::image_shown`], differences as the plan gives them, and free texts are masked.

pub mod exit;
pub mod state;
pub mod wire;
pub mod style;
pub mod span;
pub mod problems;
pub mod text;
pub mod progress;

#[cfg(test)]
mod tests;

pub use exit::ExitCode;
pub use style::Style;
