//! What has to hold for every text whatever: nothing panics or takes long, places lie within the text, and what is
//! accepted is written down and read again as the same.
//!
//! The inputs are valid pieces and junk, put together at random: `EVENKEEL_FUZZ_CASES` of them for each test, 1,000
//! by default; `just fuzz` tries a million. What was found that way has a test of its own beside the code.
#![expect(clippy::unwrap_used, reason = "an answer that is not there is a failed test")]

mod commands;
mod env_files;
mod hooks;
mod images;
mod merging;
mod short_forms;
mod stacks;
mod trees;
mod units;
mod variables;

use std::time::{Duration, Instant};

use evenkeel::manifest::interpolate::{Lookup, Variable};
use evenkeel::model::{Hidden, Problem};
use proptest::prelude::*;
use proptest::sample::select;

/// Far longer than any of these texts takes, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(20);

/// How many inputs are tried.
fn config() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows the number")]
    let cases = std::env::var("EVENKEEL_FUZZ_CASES").ok();
    let cases = cases.map_or(1_000, |cases| cases.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What `work` comes to, in reasonable time.
fn quick<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());
    result
}

/// Up to `most` of `pieces`, with other text between them.
fn mixed(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => select(pieces).prop_map(str::to_owned),
        2 => "[a-z0-9]{1,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Any text at all.
fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter)
}

/// Whether `problem` stands somewhere in `text`.
fn is_within(problem: &Problem, text: &str) -> bool {
    let Some(place) = &problem.place else { return true };
    place.line == 0 || is_in(place.line, place.column, text)
}

/// Whether there is such a line in `text`, and such a column in it or just behind it.
fn is_in(line: u32, column: u32, text: &str) -> bool {
    // Either character ends a line, and both together.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').map(|line| line.chars().count());
    let length = lines.nth(line as usize - 1);
    length.is_some_and(|length| (1..=length + 1).contains(&(column as usize)))
}

/// Variables of the stack and of the server.
struct World;

/// What the server's variables hold; it must never be shown.
const SECRET: &str = "s3cr$t-${A}'\"\\";

impl Lookup for World {
    fn get(&self, name: &str) -> Option<Variable> {
        let (value, from_server) = match name {
            "A" => ("a", false),
            "EMPTY" => ("", false),
            "MONEY" => ("$A ${B", false),
            "S" => (SECRET, true),
            _ => return None,
        };
        Some(Variable { value: Hidden::new(value), from_server })
    }
}
