//! Numbers with units, modes, booleans and names.

use std::time::Duration;

use evenkeel::manifest::{names, units};
use proptest::prelude::*;

use super::{any_text, config, mixed, quick};

const PIECES: &[&str] = &[
    "1",
    "0",
    "9",
    "99999999999",
    ".",
    "-",
    "+",
    "e",
    "E",
    "_",
    " ",
    "s",
    "m",
    "h",
    "ms",
    "us",
    "µs",
    "ns",
    "d",
    "w",
    "k",
    "kb",
    "KiB",
    "g",
    "b",
    "t",
    "p",
    "0x",
    "0o",
    "0b",
    "07",
    "true",
    "no",
    "inf",
    "nan",
    "²",
    "\u{212a}",
];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![6 => mixed(PIECES, 7), 1 => any_text()]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_duration_that_is_accepted_is_written_and_read_again(text in number()) {
        let found = quick(|| units::nanoseconds(&text));
        prop_assert_eq!(units::duration(&text).is_ok(), found.as_ref().is_ok_and(|found| *found >= 0));
        if let Ok(found) = found {
            prop_assert_eq!(units::nanoseconds(&format!("{found}ns")), Ok(found));
        }
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts(
        parts in proptest::collection::vec((0..1_000_u64, 0..8_usize), 1..6),
    ) {
        let units = [
            ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
            ("h", 3_600_000_000_000), ("d", 86_400_000_000_000), ("w", 604_800_000_000_000_u64),
        ];
        let text: String = parts.iter().map(|(count, unit)| format!("{count}{}", units[*unit].0)).collect();
        let sum: u64 = parts.iter().map(|(count, unit)| count * units[*unit].1).sum();
        prop_assert_eq!(units::duration(&text), Ok(Duration::from_nanos(sum)), "{}", text);
    }

    #[test]
    fn a_number_of_bytes_that_is_accepted_is_written_and_read_again(text in number()) {
        if let Ok(found) = quick(|| units::bytes(&text)) {
            prop_assert!(found >= 0);
            for again in [format!("{found}"), format!("{found}b"), format!("{found} B")] {
                prop_assert_eq!(units::bytes(&again), Ok(found), "{}", text);
            }
        }
    }

    #[test]
    fn bytes_count_by_1024(count in 0..1_000_000_i64, power in 0..5_usize) {
        let unit = ["k", "m", "g", "t", "p"][power];
        let exact = 1024_i64.checked_pow(u32::try_from(power).unwrap() + 1).and_then(|unit| unit.checked_mul(count));
        for text in [format!("{count}{unit}"), format!("{count}.0 {}iB", unit.to_uppercase())] {
            prop_assert_eq!(units::bytes(&text).ok(), exact, "{}", text);
        }
    }

    #[test]
    fn other_numbers_that_are_accepted_are_written_and_read_again(text in number()) {
        if let Ok(found) = quick(|| units::integer(&text)) {
            prop_assert_eq!(units::integer(&found.to_string()), Ok(found));
        }
        if let Ok(found) = quick(|| units::nano_cpus(&text)) {
            let again = format!("{}.{:09}", found / 1_000_000_000, found % 1_000_000_000);
            prop_assert_eq!(units::nano_cpus(&again), Ok(found));
        }
        if let Ok(found) = quick(|| units::float(&text)) {
            prop_assert!(found.is_finite());
        }
        for plain in [false, true] {
            if let Ok(found) = quick(|| units::mode(&text, plain)) {
                prop_assert_eq!(units::mode(&format!("0{found:o}"), plain), Ok(found));
            }
        }
        if let Ok(found) = units::boolean(&text) {
            prop_assert_eq!(units::boolean(&found.to_string()), Ok(found));
        }
    }

    #[test]
    fn what_a_directory_becomes_is_a_project_name_or_nothing(
        text in prop_oneof![any_text(), "[-_A-Za-z0-9. ]{0,12}"],
    ) {
        let name = quick(|| names::normalise_project(&text));
        prop_assert!(name.is_empty() || names::check_project(&name).is_ok());
        prop_assert_eq!(names::normalise_project(&name), name);
        let _ = (names::check_key(&text), names::check_container(&text));
    }
}
