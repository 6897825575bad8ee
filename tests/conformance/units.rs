//! Numbers with units, and names.

use evenkeel::manifest::{names, units};
use serde_json::json;

use super::records::{Verdict, check, check_by, input};

#[test]
fn bytes_are_read_as_compose_reads_them() {
    check("bytes", |record| units::bytes(input(record)).map(|bytes| json!(bytes)));
}

#[test]
fn durations_are_read_as_compose_reads_them() {
    check_by("duration", |record| {
        let expected = match record.get("error") {
            Some(_) => None,
            None => record["expected_ns"].as_i64(),
        };
        match units::nanoseconds(input(record)) {
            found if found.as_ref().ok() == expected.as_ref() => Verdict::Same,
            found => {
                let input = input(record);
                Verdict::Differs(format!("{input}: expected {expected:?}, found {found:?}"))
            }
        }
    });
}

#[test]
fn a_project_name_is_made_as_compose_makes_it() {
    let answer = |record: &_| Ok(json!(names::normalise_project(input(record))));
    check("project_name_normalize", answer);
}
