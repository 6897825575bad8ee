//! Scenarios: the program on a real engine, seen from outside as an operator sees it.
//!
//! Each test has a host of its own (`support/host.rs`) on the one engine, so that all can run at once. What one
//! room does alone is tested in that room.
#![cfg(feature = "engine-tests")]
#![expect(clippy::unwrap_used, reason = "a set-up that does not work is a failed test")]

mod support;

mod bad_input;
mod daemon;
mod drift;
mod failed_update;
mod feature_examples;
mod interrupted;
#[cfg(feature = "crash-points")]
mod killed;
mod labels;
mod outages;
mod removal;
mod secrets;
mod seed;
mod takeover;
mod tour;
