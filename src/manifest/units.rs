//! Texts that mean a number of something: durations, bytes, CPUs, booleans, modes.
//!
//! The errors say what is expected, not where: the caller knows the place. They do not repeat the text,
//! which may come from a server's env file.

use std::time::Duration;

/// Nanoseconds per unit of a duration; the longest spelling of a prefix first.
const DURATION_UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const WEEK: u64 = 7 * 86_400_000_000_000;

const DURATION: &str = "expected a duration such as `30s`, `1m30s` or `2d`";

/// A duration in Go's units and `d`, `w`: `1m30s`, `1.5h`, `2d`. The only bare number is `0`.
///
/// # Errors
/// A sentence for people; a negative duration is one, and one of more than 292 years.
pub fn duration(text: &str) -> Result<Duration, String> {
    match nanoseconds(text)? {
        ..0 => Err("a duration cannot be negative".to_owned()),
        positive => Ok(Duration::from_nanos(positive.unsigned_abs())),
    }
}

/// A number of nanoseconds, written as a [`duration`] with or without a sign.
///
/// # Errors
/// A sentence for people; more than 292 years are one.
pub fn nanoseconds(text: &str) -> Result<i64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    match unsigned {
        "0" => return Ok(0),
        "" => return Err(DURATION.to_owned()),
        _ => {}
    }
    let mut rest = unsigned;
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanoseconds, after) = duration_part(rest)?;
        total = total.saturating_add(nanoseconds);
        rest = after;
    }
    match i64::try_from(total) {
        Ok(total) => Ok(sign * total),
        Err(_) => Err("the duration is too long".to_owned()),
    }
}

/// The nanoseconds of the first number with its unit, and what follows.
fn duration_part(text: &str) -> Result<(u128, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale = match unit {
        "" => return Err(format!("{DURATION}; the unit is missing")),
        "w" => WEEK,
        _ => {
            let known = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
            known.ok_or_else(|| format!("{DURATION}; the unit is unknown"))?.1
        }
    };
    Ok((scaled(number, scale).ok_or(DURATION)?, rest))
}

/// `number`, digits with at most one dot, times `scale`, rounded down.
fn scaled(number: &str, scale: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut total = match whole {
        "" => 0,
        _ => u128::from(whole.parse::<u64>().ok()?) * u128::from(scale),
    };
    let mut place = u128::from(scale);
    let mut rest = 0_u128;
    // Eighteen digits are more than any unit resolves.
    for digit in fraction.bytes().take(18) {
        rest = rest * 10 + u128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        place *= 10;
    }
    total += rest * u128::from(scale) / (place / u128::from(scale).max(1));
    Some(total)
}

/// A duration as Go prints it: `1h0m0s`, `1m30s`, `1.5s`, `20ms`, `0s`.
pub fn printed_duration(duration: Duration) -> String {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        let (scale, unit) = match nanoseconds {
            0 => return "0s".to_owned(),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{unit}", decimal(u64::from(nanoseconds), scale));
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let rest = decimal(seconds % 60 * 1_000_000_000 + u64::from(nanoseconds), 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{}m{rest}s", minutes % 60),
    }
}

/// `number` parted by `scale`, a power of ten, without zeros at its end.
fn decimal(number: u64, scale: u64) -> String {
    let whole = number / scale;
    let digits = scale.ilog10() as usize;
    let fraction = format!("{:0digits$}", number % scale);
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
}

const BYTES: &str = "expected a number of bytes such as `512m` or `1.5g`";

/// A number of bytes; units count by 1024, in either case: `512m`, `1.5GiB`, `64 kb`, `1e3k`.
///
/// # Errors
/// A sentence for people. A negative number is an error: where `-1` means "no limit", the caller asks
/// first.
pub fn bytes(text: &str) -> Result<i64, String> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |last| last + 1);
    let (number, suffix) = text.split_at(end);
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_lowercase();
    let scale = byte_scale(&suffix).ok_or_else(|| format!("{BYTES}; the unit is unknown"))?;
    let number = number.strip_prefix('+').unwrap_or(number);
    let total = match number.split_once(['e', 'E']) {
        None => digits(number).and_then(|number| scaled(number, scale)),
        Some(_) => scientific(number, scale),
    };
    i64::try_from(total.ok_or(BYTES)?).map_err(|_| "that many bytes do not exist".to_owned())
}

/// `text`, where it is digits and dots only.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then_some(text)
}

/// `number`, with an exponent of ten, times `scale`, rounded down.
fn scientific(number: &str, scale: u64) -> Option<u128> {
    let plain = number.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = number.parse::<f64>().ok().filter(|number| plain && number.is_finite())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    #[expect(clippy::cast_precision_loss, reason = "powers of two are exact")]
    let total = (number * scale as f64) as u128;
    Some(total)
}

fn byte_scale(suffix: &str) -> Option<u64> {
    let mut letters = suffix.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some(_) => return None,
    };
    let known = matches!((power, letters.as_str()), (_, "") | (1.., "b" | "ib"));
    known.then(|| 1024_u64.pow(power))
}

/// A number of CPUs, in billionths of one: `0.5` is 500,000,000. `0` means no limit.
///
/// # Errors
/// A sentence for people.
pub fn nano_cpus(text: &str) -> Result<i64, String> {
    let total = digits(text).and_then(|text| scaled(text, 1_000_000_000));
    let total = total.ok_or("expected a number of CPUs such as `0.5` or `2`")?;
    i64::try_from(total).map_err(|_| "that many CPUs do not exist".to_owned())
}

/// `true` or `false`, or one of the words Compose takes for them: `yes`, `no`, `on`, `off`, `y`, `n`,
/// `1`, `0`, `t`, `f`, in any case.
///
/// # Errors
/// A sentence for people.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

const INTEGER: &str = "expected a whole number";

/// A whole number; `0x`, `0b`, `0o` and a leading `0` change the base, and `_` may part digits, as in Go.
///
/// # Errors
/// A sentence for people.
pub fn integer(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = based(digits);
    let number = parse_unsigned(digits, base).ok_or(INTEGER)?;
    let number = i128::from(number);
    i64::try_from(if negative { -number } else { number })
        .map_err(|_| "the number is too large".to_owned())
}

/// The base that the beginning of a number names, and its digits.
fn based(text: &str) -> (u32, &str) {
    let Some(rest) = text.strip_prefix('0').filter(|rest| !rest.is_empty()) else {
        return (10, text);
    };
    match rest.chars().next() {
        Some('x' | 'X') => (16, &rest[1..]),
        Some('o' | 'O') => (8, &rest[1..]),
        Some('b' | 'B') => (2, &rest[1..]),
        Some(_) | None => (8, rest),
    }
}

fn parse_unsigned(digits: &str, base: u32) -> Option<u64> {
    let digits = digits.replace('_', "");
    let signed = digits.starts_with(['+', '-']);
    if signed { None } else { u64::from_str_radix(&digits, base).ok() }
}

/// A number with a fraction: `0.5`, `1e3`. Neither infinite nor "not a number".
///
/// # Errors
/// A sentence for people.
pub fn float(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "expected a number".to_owned())
}

/// A file mode: octal if it begins with `0` or `0o`; else octal in quotes and decimal without them.
///
/// # Errors
/// A sentence for people; a mode beyond `07777` is one.
pub fn mode(text: &str, plain: bool) -> Result<u32, String> {
    let (base, digits) = based(text);
    let base = if base == 10 && !plain { 8 } else { base };
    let number = parse_unsigned(digits, base).filter(|number| *number <= 0o7777);
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| "expected a file mode such as `0440`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<u128> {
        duration(text).ok().map(|duration| duration.as_nanos())
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts() {
        assert_eq!(found("1h2m3s4ms5us6ns"), Some(3_723_004_005_006));
        assert_eq!(found("1w2d"), Some(9 * 86_400_000_000_000));
        assert_eq!(found("1.5h"), Some(5_400_000_000_000));
        assert_eq!(found(".5s"), Some(500_000_000));
        assert_eq!(found("0"), Some(0));
    }

    #[test]
    fn a_duration_is_printed_as_go_prints_it() {
        let printed = |text| printed_duration(duration(text).unwrap());
        for text in ["0s", "1ns", "1.5µs", "20ms", "1.5s", "1m30s", "1h0m0s", "26h0m0.001s"] {
            assert_eq!(printed(text), text);
        }
        assert_eq!(printed("1d"), "24h0m0s");
        assert_eq!(printed("90s"), "1m30s");
        assert_eq!(printed("1500us"), "1.5ms");
    }

    #[test]
    fn a_duration_needs_a_unit_it_knows() {
        for wrong in ["", "5", "5y", "5 s", "5S", "s", "1.2.3s", ".s", "-1s", "1s5", "1e3s"] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_number_of_nanoseconds_can_be_negative() {
        assert_eq!(nanoseconds("-1.5s"), Ok(-1_500_000_000));
        assert_eq!(nanoseconds("+2ms"), Ok(2_000_000));
        assert_eq!(duration("-0"), Ok(Duration::ZERO));
        for wrong in ["-", "+", "--1s", "-1"] {
            assert!(nanoseconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_beyond_all_bounds_is_refused() {
        assert_eq!(found("99999999999999999999s"), None);
        assert_eq!(found("300000h300000h3000000h"), None);
    }

    #[test]
    fn bytes_count_by_1024_in_either_case() {
        for text in ["2048", "2k", "2K", "2kb", "2KiB", "2 kb", "2048b"] {
            assert_eq!(bytes(text), Ok(2048), "{text}");
        }
        assert_eq!(bytes("0.5g"), Ok(512 * 1024 * 1024));
        assert_eq!(bytes("1p"), Ok(1 << 50));
        assert_eq!((bytes("1e3"), bytes("1.5e1k"), bytes("+8")), (Ok(1000), Ok(15 * 1024), Ok(8)));
    }

    #[test]
    fn bytes_of_an_unknown_unit_are_refused() {
        for wrong in [
            "", "m", "1e", "1x", "1kk", "-1", "1.2.3m", "0x10", "8192p", "1  k", "1bib", "1e99",
            "e3",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cpus_are_counted_in_billionths() {
        assert_eq!(nano_cpus("0.25"), Ok(250_000_000));
        assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
        assert!(nano_cpus("two").is_err());
        assert!(nano_cpus("-1").is_err());
    }

    #[test]
    fn a_boolean_takes_composes_words() {
        assert_eq!(boolean("Yes"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert!(boolean("").is_err());
        assert!(boolean("maybe").is_err());
    }

    #[test]
    fn an_integer_is_read_as_go_reads_it() {
        assert_eq!(integer("0440"), Ok(0o440));
        assert_eq!(integer("0x1F"), Ok(31));
        assert_eq!(integer("1_000"), Ok(1000));
        assert_eq!(integer("-1"), Ok(-1));
        assert_eq!(integer("0"), Ok(0));
        for wrong in ["", "08", "1.0", "-", "--1", "99999999999999999999", "0x"] {
            assert!(integer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mode_is_octal_unless_a_bare_number_says_otherwise() {
        assert_eq!(mode("0440", true), Ok(0o440));
        assert_eq!(mode("440", false), Ok(0o440));
        assert_eq!(mode("288", true), Ok(0o440));
        assert!(mode("0888", true).is_err());
        assert!(mode("010000", true).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_number_panic(text in "\\PC*") {
            let _ = (duration(&text), bytes(&text), nano_cpus(&text));
            let _ = (integer(&text), mode(&text, true), boolean(&text));
        }

        #[test]
        fn whole_seconds_survive(seconds in 0..1_000_000_u64) {
            proptest::prop_assert_eq!(duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
