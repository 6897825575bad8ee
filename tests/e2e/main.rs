//! Scenarios: the program on a real engine, seen from outside as an operator sees it.
//!
//! Each test has a host of its own (`support/host.rs`) on the one engine, so that all can run at once. What one
//! room does alone is tested in that room.
#![cfg(feature = "engine-tests")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a set-up that does not work is a failed test"
)]

mod support;

#[path = "../support/markdown.rs"]
#[expect(dead_code, reason = "tests of pages alone ask more of it")]
mod markdown;
#[path = "../support/cosign.rs"]
mod cosign;
#[path = "../support/signer.rs"]
mod signer;
#[path = "../support/gateway.rs"]
#[expect(dead_code, reason = "tests of registries alone ask more of it")]
mod gateway;
#[path = "../source/ssh_server.rs"]
mod ssh_server;
#[path = "../source/web_server.rs"]
#[expect(dead_code, reason = "tests of sources alone ask more of it")]
mod web_server;

mod api;
mod bad_input;
mod bad_release;
mod command_line;
mod daemon;
mod doctor;
mod docs;
mod service;
mod drift;
mod endpoints;
mod failed_update;
mod feature_examples;
mod following;
mod holds;
mod import;
mod interrupted;
#[cfg(feature = "crash-points")]
mod killed;
mod labels;
mod logins;
mod look;
mod notifications;
mod outages;
mod policy;
mod relations;
mod removal;
mod retention;
mod rollback;
mod sbom;
mod secrets;
mod secrets_in_git;
mod seed;
mod stamp;
mod start_first;
mod state;
mod takeover;
mod terminal;
mod tour;
mod turns;
mod verified;
mod verified_images;
mod vocabulary;
mod windows;
mod write_back;
