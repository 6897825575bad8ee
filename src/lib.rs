//! evenkeel keeps a Docker host exactly as a git repository of Compose files says.
//!
//! The rooms, in reading order; `ARCHITECTURE.md` tells the story.

pub mod apply;
pub mod asked;
pub mod cli;
pub mod config;
pub mod decrypt;
pub mod engine;
pub mod history;
pub mod http;
pub mod import;
pub mod inspector;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod notify;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod program;
pub mod reconcile;
pub mod registry;
pub mod report;
pub mod resolve;
pub mod signature;
pub mod source;
pub mod systemd;
