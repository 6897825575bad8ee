//! Whether the text layer of `manifest` understands what Compose understands: recorded inputs with what Compose
//! makes of them.
//!
//! The records are third-party data and lie outside the repository: in `EVENKEEL_CONFORMANCE_DIR`, or else in
//! `../shared/compose` beside it. A directory that is not there is a failure. Every set prints one line,
//! `passed/total`, and what differs.
#![expect(clippy::unwrap_used, reason = "a record that cannot be read is a failed test")]
#![expect(clippy::print_stdout, reason = "each set says how many of its records are understood")]

mod dotenv;
mod import;
mod interpolation;
mod loads;
mod merging;
mod normal;
mod oracle;
mod reasons;
mod records;
mod rejected;
mod schema;
mod short_forms;
mod table;
mod units;
mod whole;
mod words;
mod world;
#[path = "../support/yaml_json.rs"]
mod yaml_json;
