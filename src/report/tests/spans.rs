use std::time::Duration;

use super::world::*;
use crate::report::span::{ago, at, since, took, took_seconds};

#[test]
fn spans_are_said_in_two_units_at_most() {
    let said: Vec<String> = [0, 400, 12_000, 120_000, 125_400, 12_000_000, 187_200_000, 9_999]
        .map(|millis| took(Duration::from_millis(millis)))
        .into();
    assert_eq!(said, ["0s", "0.4s", "12s", "2m", "2m 5s", "3h 20m", "2d 4h", "10.0s"]);
}

#[test]
fn ages_are_said_in_one_unit_and_the_future_is_now() {
    let said: Vec<String> = [-50, 0, 40, 125, 10_800, 200_000].map(ago).into();
    assert_eq!(said, ["just now", "just now", "40 s ago", "2 min ago", "3 h ago", "2 d ago"]);
    assert_eq!(since("2026-11-21T09:00:00Z".parse().unwrap(), now()), "3 h ago");
    assert_eq!(at(now()), "2026-11-21 12:00 UTC");
}

#[test]
fn a_nonsensical_number_of_seconds_is_no_panic() {
    assert_eq!(took_seconds(-1.0), "0s");
    assert_eq!(took_seconds(f64::NAN), "0s");
}
