//! A tag read as a version: what is compared, and what has to stay as it is written.
//!
//! Nothing is chosen here; which of several tags a service follows is decided in [`crate::resolve`].

use std::cmp::Ordering;
use std::fmt;

use semver::{Prerelease, Version as Semver};

/// How the versions of tags are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionOrder {
    /// One to three numbers, a prerelease before its release (Semantic Versioning 2.0).
    #[default]
    Semver,
    /// As many numbers as there are.
    Numeric,
    /// The text, byte by byte.
    Alphabetical,
}

/// A tag read as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagVersion {
    reading: Reading,
    /// What stands around the version, its numbers left out; empty where the tag is the version.
    around: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reading {
    Semver {
        prefix: String,
        numbers: Vec<Number>,
        prerelease: Prerelease,
        suffix: String,
    },
    /// `between` is the text with `#` for each number.
    Numbers {
        numbers: Vec<Number>,
        between: String,
    },
    Text(String),
}

/// A number, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    value: u64,
    digits: usize,
    /// It begins with a zero that does not count.
    is_padded: bool,
}

/// In what one tag is written otherwise than another, so that neither is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// `v1.4` and `1.4`.
    Prefix,
    /// `1.4-alpine` and `1.4`.
    Suffix,
    /// `1.4` and `1.4.2`.
    Precision,
    /// `22.04` and `22.4`.
    Padding,
    /// `2021.12.16` and `10.10.7`: one counts days, the other releases.
    Date,
}

impl fmt::Display for Otherwise {
    /// Completes "it has …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "another prefix",
            Self::Suffix => "another suffix",
            Self::Precision => "another number of parts",
            Self::Padding => "numbers of another width",
            Self::Date => "a date for a version where the other has none",
        })
    }
}

/// Words that make a prerelease of what stands before them.
const PRERELEASES: [&str; 5] = ["alpha", "beta", "rc", "pre", "preview"];
/// The same, where a number stands right behind: `3.14.0b2`.
const SHORT_PRERELEASES: [&str; 2] = ["a", "b"];

impl TagVersion {
    /// Reads `text`, which is all of a tag or the part of it that `around` is left of; `asked` are further words that
    /// make a prerelease.
    pub fn read(text: &str, order: VersionOrder, asked: &[String], around: String) -> Option<Self> {
        let reading = match order {
            VersionOrder::Semver if is_hash(text) => None,
            VersionOrder::Semver => semver(text, asked),
            VersionOrder::Numeric | VersionOrder::Alphabetical
                if is_hash(text) && !begins_with_a_day(text) =>
            {
                None
            }
            VersionOrder::Numeric => numeric(text),
            VersionOrder::Alphabetical => {
                (text != "latest" && !text.is_empty()).then(|| Reading::Text(text.to_owned()))
            }
        };
        Some(Self { reading: reading?, around })
    }

    /// In what `other` is written otherwise, so that they cannot be compared.
    pub fn otherwise(&self, other: &Self) -> Option<Otherwise> {
        if self.around != other.around {
            return Some(Otherwise::Suffix);
        }
        match (&self.reading, &other.reading) {
            (
                Reading::Semver { prefix, numbers, suffix, .. },
                Reading::Semver { prefix: p, numbers: n, suffix: s, .. },
            ) => {
                if prefix != p {
                    return Some(Otherwise::Prefix);
                }
                if suffix != s {
                    return Some(Otherwise::Suffix);
                }
                numbers_otherwise(numbers, n)
            }
            (
                Reading::Numbers { numbers, between },
                Reading::Numbers { numbers: n, between: b },
            ) => match numbers_otherwise(numbers, n) {
                None if between != b => Some(Otherwise::Suffix),
                otherwise => otherwise,
            },
            (Reading::Text(_), Reading::Text(_)) => None,
            (Reading::Semver { .. } | Reading::Numbers { .. } | Reading::Text(_), _) => {
                Some(Otherwise::Suffix)
            }
        }
    }

    /// Which of both is newer, however they are written.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (&self.reading, &other.reading) {
            (Reading::Semver { .. }, Reading::Semver { .. }) => self.semver().cmp(&other.semver()),
            (Reading::Numbers { .. }, Reading::Numbers { .. }) => self.values().cmp(other.values()),
            (Reading::Text(text), Reading::Text(other)) => text.cmp(other),
            (Reading::Semver { .. } | Reading::Numbers { .. } | Reading::Text(_), _) => {
                Ordering::Equal
            }
        }
    }

    /// As Semantic Versioning has it, with 0 for what is not written; `None` for a text.
    pub fn semver(&self) -> Option<Semver> {
        let mut numbers = self.values().chain(std::iter::repeat(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (major, minor, patch) = (next(), next(), next());
        match &self.reading {
            Reading::Semver { prerelease, .. } => {
                Some(Semver { pre: prerelease.clone(), ..Semver::new(major, minor, patch) })
            }
            Reading::Numbers { .. } => Some(Semver::new(major, minor, patch)),
            Reading::Text(_) => None,
        }
    }

    /// Whether it comes before the release of the same version.
    pub fn is_prerelease(&self) -> bool {
        matches!(&self.reading, Reading::Semver { prerelease, .. } if !prerelease.is_empty())
    }

    /// Its numbers, most important first; a text has none.
    pub fn values(&self) -> impl Iterator<Item = u64> {
        self.numbers().iter().map(|number| number.value)
    }

    /// What has to stay behind the numbers, as it is written: `-alpine`.
    pub fn suffix(&self) -> &str {
        match &self.reading {
            Reading::Semver { suffix, .. } => suffix,
            Reading::Numbers { .. } | Reading::Text(_) => "",
        }
    }

    fn numbers(&self) -> &[Number] {
        match &self.reading {
            Reading::Semver { numbers, .. } | Reading::Numbers { numbers, .. } => numbers,
            Reading::Text(_) => &[],
        }
    }
}

/// Whether `text` is what git or a digest gives a build for a name: 7 to 40 hex digits and nothing else.
pub fn is_hash(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `text` with `#` for each of its numbers.
pub fn without_numbers(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if shape.ends_with('#') => {}
            true => shape.push('#'),
            false => shape.push(c),
        }
    }
    shape
}

/// The name of a prerelease with a point between word and number, so that `rc10` comes behind `rc9`.
pub fn dotted(prerelease: &str) -> String {
    let parts = prerelease.split('.').map(|part| {
        let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &part[letters.len()..];
        let is_word = !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic());
        match is_word && !digits.is_empty() {
            true => format!("{letters}.{}", unpadded(digits)),
            false => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

fn numbers_otherwise(ours: &[Number], others: &[Number]) -> Option<Otherwise> {
    if ours.len() != others.len() {
        return Some(Otherwise::Precision);
    }
    let is_date = |numbers: &[Number]| numbers.first().is_some_and(|first| is_date(first.value));
    if is_date(ours) != is_date(others) {
        return Some(Otherwise::Date);
    }
    let same_width = |(ours, others): (&Number, &Number)| {
        ours.digits == others.digits || !(ours.is_padded || others.is_padded)
    };
    (!ours.iter().zip(others).all(same_width)).then_some(Otherwise::Padding)
}

/// Whether the first number of a version counts years, months, days or seconds: no release is the 1,970th.
fn is_date(number: u64) -> bool {
    let is_year = |year: u64| (1970..2200).contains(&year);
    is_year(number)
        || (is_year(number / 100) && (1..=12).contains(&(number % 100)))
        || number >= 10_000_000
}

/// Whether `text` is digits alone, the first eight of them a day: `20211216`, `20211216093000`.
fn begins_with_a_day(text: &str) -> bool {
    let number = |range| text.get(range).and_then(|part: &str| part.parse::<u64>().ok());
    let day = (number(0..4), number(4..6), number(6..8));
    text.bytes().all(|b| b.is_ascii_digit())
        && matches!(day, (Some(1970..2200), Some(1..=12), Some(1..=31)))
}

/// `v`, one to three numbers, a prerelease, a suffix.
fn semver(text: &str, asked: &[String]) -> Option<Reading> {
    let (prefix, mut rest) = match text.strip_prefix(['v', 'V']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text),
    };
    let mut numbers = Vec::new();
    loop {
        let (number, behind) = leading_number(rest)?;
        numbers.push(number);
        rest = behind;
        match rest.strip_prefix('.') {
            Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
            Some(_) | None => break,
        }
    }
    if numbers.len() > 3 {
        return None;
    }
    let (prerelease, suffix) = prerelease(rest, asked).unwrap_or((String::new(), rest));
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let is_apart = suffix.is_empty()
        || suffix.starts_with(['-', '_'])
        || suffix.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_letter));
    let reading = Reading::Semver {
        prefix: prefix.to_owned(),
        numbers,
        prerelease: Prerelease::new(&prerelease).ok()?,
        suffix: suffix.to_owned(),
    };
    is_apart.then_some(reading)
}

/// The prerelease that `text` begins with, and what stands behind it.
fn prerelease<'t>(text: &'t str, asked: &[String]) -> Option<(String, &'t str)> {
    // What stands behind `_` is what Semantic Versioning puts behind `+`, which no tag can hold.
    let begin = text.strip_prefix(['-', '.']).unwrap_or(text);
    let (word, mut rest) = split_where(begin, |c| c.is_ascii_alphabetic());
    let word = word.to_ascii_lowercase();
    let is_numbered = rest.starts_with(|c: char| c.is_ascii_digit());
    let is_known = PRERELEASES.contains(&word.as_str())
        || (SHORT_PRERELEASES.contains(&word.as_str()) && is_numbered)
        || asked.contains(&word);
    if !is_known {
        return None;
    }
    let mut parts = vec![word];
    let numbered = rest.strip_prefix(['.', '-']).unwrap_or(rest);
    let (digits, behind) = split_where(numbered, |c| c.is_ascii_digit());
    if !digits.is_empty() {
        parts.push(unpadded(digits).to_owned());
        rest = behind;
    }
    while let Some(next) = rest.strip_prefix('.') {
        let (part, behind) = split_where(next, |c| c.is_ascii_alphanumeric());
        if part.is_empty() {
            break;
        }
        let is_number = part.bytes().all(|b| b.is_ascii_digit());
        parts.push(if is_number { unpadded(part) } else { part }.to_owned());
        rest = behind;
    }
    Some((parts.join("."), rest))
}

fn numeric(text: &str) -> Option<Reading> {
    let mut numbers = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (number, behind) = leading_number(&rest[begin..])?;
        numbers.push(number);
        rest = behind;
    }
    let between = without_numbers(text);
    (!numbers.is_empty()).then_some(Reading::Numbers { numbers, between })
}

/// The number that `text` begins with, and what stands behind it.
fn leading_number(text: &str) -> Option<(Number, &str)> {
    let (digits, rest) = split_where(text, |c| c.is_ascii_digit());
    let value = digits.parse().ok()?;
    let is_padded = digits.len() > 1 && digits.starts_with('0');
    Some((Number { value, digits: digits.len(), is_padded }, rest))
}

fn unpadded(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

/// `text` parted where `belongs` first says no.
fn split_where(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, order: VersionOrder) -> Option<TagVersion> {
        TagVersion::read(text, order, &[], String::new())
    }

    /// What a tag is to Semantic Versioning, with its suffix behind a blank; `-` where it is no version.
    fn check(text: &str, expected: &str) {
        let version = read(text, VersionOrder::Semver);
        let told = version.map(|it| format!("{} {}", it.semver().unwrap(), it.suffix()));
        let told = told.as_deref().map_or("-", str::trim_end);
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn a_tag_is_numbers_a_prerelease_and_a_suffix() {
        check("1", "1.0.0");
        check("v1.4", "1.4.0");
        check("1.4.2", "1.4.2");
        check("1.4.2-alpine", "1.4.2 -alpine");
        check("1.27-alpine3.20", "1.27.0 -alpine3.20");
        check("1.4.2-rc.1", "1.4.2-rc.1");
        check("1.4.2-rc10", "1.4.2-rc.10");
        check("1.4.2-RC-3", "1.4.2-rc.3");
        check("17beta1", "17.0.0-beta.1");
        check("3.14.0b2-slim", "3.14.0-b.2 -slim");
        check("3.14-rc-alpine", "3.14.0-rc -alpine");
        check("10.0.0-preview.1.25080.05", "10.0.0-preview.1.25080.5");
        check("1.4.2.Final", "1.4.2 .Final");
        check("1.4.2_5", "1.4.2 _5");
        check("1.4.2-1", "1.4.2 -1");
        check("1.4.2-dev", "1.4.2 -dev");
        check("1.4.2-b", "1.4.2 -b");
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in [
            "",
            "latest",
            "v",
            "alpine",
            "release-1.4",
            "1.2.3.4",
            "1.1.1k",
            "1..2",
            "1.4.2rc1x",
            "1234567",
            "20211216",
            "1a2b3c4",
            "deadbeef",
            "v1a2b3c4d",
            "1.4.2+5",
            "99999999999999999999.1",
        ] {
            check(text, "-");
        }
        check(&"1".repeat(40), "-");
        check("123456", "123456.0.0");
    }

    #[test]
    fn numbers_are_counted_wherever_they_stand_and_a_day_is_no_hash() {
        let check = |text: &str, expected: Option<&[u64]>| {
            let version = read(text, VersionOrder::Numeric);
            let values = version.map(|version| version.values().collect::<Vec<_>>());
            assert_eq!(values.as_deref(), expected, "{text}");
        };
        check("r125", Some(&[125]));
        check("2021-12-16", Some(&[2021, 12, 16]));
        check("4.0.12.2823", Some(&[4, 0, 12, 2823]));
        check("20211216", Some(&[20_211_216]));
        check("20211216093000", Some(&[20_211_216_093_000]));
        check("20211316", None);
        check("12345678", None);
        check("1a2b3c4", None);
        check("latest", None);
    }

    #[test]
    fn two_tags_are_compared_only_where_they_are_written_alike() {
        let check = |one: &str, other: &str, expected| {
            let (one, other) = (read(one, VersionOrder::Semver), read(other, VersionOrder::Semver));
            assert_eq!(one.unwrap().otherwise(&other.unwrap()), expected);
        };
        check("1.4.2", "1.4.10", None);
        check("v1.4.2", "1.4.3", Some(Otherwise::Prefix));
        check("1.4.2-alpine", "1.4.3", Some(Otherwise::Suffix));
        check("1.4", "1.4.3", Some(Otherwise::Precision));
        check("22.04", "24.04", None);
        check("22.10", "24.04", None);
        check("22.04", "24.4", Some(Otherwise::Padding));
        check("1.9", "1.10", None);
        check("10.10.7", "2021.12.16", Some(Otherwise::Date));
        check("2021.12.16", "2022.1.5", None);
        check("1.4.2", "202112.1.0", Some(Otherwise::Date));
        check("9999", "10000", None);
    }

    #[test]
    fn a_prereleases_number_is_a_number() {
        assert_eq!(dotted("rc10"), "rc.10");
        assert_eq!(dotted("rc.1.beta02"), "rc.1.beta.2");
        assert_eq!(dotted("rc"), "rc");
        assert_eq!(dotted("7"), "7");
        let newer = |one, other| {
            let (one, other) = (read(one, VersionOrder::Semver), read(other, VersionOrder::Semver));
            one.unwrap().compare(&other.unwrap()) == Ordering::Greater
        };
        assert!(newer("1.4.2-rc10", "1.4.2-rc9") && newer("1.4.2", "1.4.2-rc10"));
        assert!(newer("10.0.0", "9.9.9") && newer("1.10.0", "1.9.9"));
    }

    proptest::proptest! {
        #[test]
        fn no_tag_makes_it_panic_and_each_is_like_itself(text in "[v0-9a-z_.-]{0,24}") {
            for order in [VersionOrder::Semver, VersionOrder::Numeric, VersionOrder::Alphabetical] {
                if let Some(version) = read(&text, order) {
                    proptest::prop_assert_eq!(version.otherwise(&version), None);
                    proptest::prop_assert_eq!(version.compare(&version), Ordering::Equal);
                }
            }
        }
    }
}
