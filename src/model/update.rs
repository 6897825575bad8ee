//! `x-evenkeel.update`: which newer tags a service follows, when, and where that is written down.
//!
//! Nothing is chosen here; which of a registry's tags it is, [`crate::resolve`] says.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use semver::{Version as Semver, VersionReq};

use super::version::{self, TagVersion, VersionOrder};
use super::{ImageRef, Window};

/// How a service follows its registry. It is no part of the spec: another rule makes no new container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which tags; `None` follows the written tag alone, as `pull_policy` says.
    pub rule: Option<TagRule>,
    /// How old an image has to be.
    pub min_age: Option<Duration>,
    /// When one that was found may be deployed.
    pub window: Option<Window>,
    /// Whether what was found is written to git.
    pub write_back: bool,
    /// Whether a value of the server's is part of it: then its rule may not be shown.
    pub hidden: bool,
}

/// Which tags are newer versions of the written one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRule {
    /// Those whose version is in a range.
    Semver {
        /// The range.
        range: Range,
        /// How far one goes from what is written.
        allow: Option<Allow>,
    },
    /// Those that a pattern matches.
    Match {
        /// The pattern.
        pattern: Pattern,
        /// How they are ordered.
        order: VersionOrder,
        /// How far one goes from what is written.
        allow: Option<Allow>,
    },
}

/// How far a version may be from the one that is written in git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Only what comes behind the second number.
    Patch,
    /// All but the first number.
    Minor,
    /// Any.
    Major,
}

/// A range of versions, in the words that cargo and npm share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    text: String,
    alternatives: Vec<VersionReq>,
    /// Words that the range itself uses for prereleases.
    asked: Vec<String>,
}

/// A regular expression for a whole tag. Matching takes time in proportion to the tag.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a range or a pattern is none, or why a rule does not fit an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// What is wrong.
    pub message: String,
    /// The next move.
    pub hint: String,
}

impl RuleError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The group of a pattern that is the version.
const VERSION: &str = "version";
/// Longer than any tag, in bytes.
const LONGEST_PATTERN: usize = 500;
/// What a compiled pattern may take, in bytes.
const LARGEST_PATTERN: usize = 1 << 18;
const DEEPEST_PATTERN: u32 = 50;

impl Update {
    /// From when on an image may be deployed that was made at `created`, where it says so, and whose digest this
    /// host first saw at `first_seen`: as old as `min_age` says by the later of both.
    pub fn ripe_at(&self, created: Option<Timestamp>, first_seen: Timestamp) -> Timestamp {
        ripe_at(self.min_age.unwrap_or_default(), created, first_seen)
    }
}

impl TagRule {
    /// The tag as this rule reads it; `None` where it is no version to it.
    pub fn read(&self, tag: &str) -> Option<TagVersion> {
        match self {
            Self::Semver { range, .. } => {
                TagVersion::read(tag, VersionOrder::Semver, &range.asked, String::new())
            }
            Self::Match { pattern, order, .. } => {
                let (version, around) = pattern.version(tag)?;
                let is_hash = *order == VersionOrder::Semver && version::is_hash(tag);
                if is_hash { None } else { TagVersion::read(version, *order, &[], around) }
            }
        }
    }

    /// Whether a version is in the range. A pattern has said so by matching, but for prereleases: whoever wants those
    /// has written one.
    pub fn takes(&self, from: &TagVersion, to: &TagVersion) -> bool {
        match self {
            Self::Semver { range, .. } => to.semver().is_some_and(|it| range.holds(&it)),
            Self::Match { .. } => !to.is_prerelease() || from.is_prerelease(),
        }
    }

    /// How far a version may be from the written one.
    pub fn allow(&self) -> Option<Allow> {
        match self {
            Self::Semver { allow, .. } | Self::Match { allow, .. } => *allow,
        }
    }

    /// Whether `to` is no farther from `from`, the written one, than allowed.
    pub fn allows(&self, from: &TagVersion, to: &TagVersion) -> bool {
        let same = match self.allow() {
            Some(Allow::Patch) => 2,
            Some(Allow::Minor) => 1,
            Some(Allow::Major) | None => 0,
        };
        from.values().take(same).eq(to.values().take(same))
    }

    /// Checks that the rule has something to start from in `image`.
    ///
    /// # Errors
    /// The image has no tag, its tag is no version to this rule, or nothing could ever come behind it.
    pub fn fits(&self, image: &ImageRef) -> Result<(), RuleError> {
        let Some(tag) = image.tag() else {
            return Err(RuleError::new(
                "the image has no tag, and so no version to start from",
                "write the tag that runs now: `image: repository:1.4.2`",
            ));
        };
        let Some(version) = self.read(tag) else { return Err(self.unread(tag)) };
        let parts = version.values().count();
        let (allow, least) = match self.allow() {
            Some(Allow::Patch) => ("patch", 3),
            Some(Allow::Minor) => ("minor", 2),
            Some(Allow::Major) | None => return Ok(()),
        };
        if parts < least {
            let many =
                if parts == 1 { "one number".to_owned() } else { format!("{parts} numbers") };
            return Err(RuleError::new(
                format!(
                    "`allow: {allow}` lets nothing through: `{tag}` has {many}, and keeps as many"
                ),
                "write the tag with more numbers, or allow more",
            ));
        }
        Ok(())
    }

    fn unread(&self, tag: &str) -> RuleError {
        if version::is_hash(tag) {
            let message = format!("the tag `{tag}` is a hash: nothing tells which is newer");
            return RuleError::new(message, "name a version, or follow the tag by `pull_policy`");
        }
        match self {
            Self::Semver { .. } => RuleError::new(
                format!("the tag `{tag}` is no version to start from"),
                "name one such as `1.4.2`, or say with `match` which part of a tag is the version",
            ),
            Self::Match { pattern, .. } if pattern.version(tag).is_none() => RuleError::new(
                format!("the pattern does not match the tag `{tag}` that is written"),
                "it has to match the whole tag; the version can be a group: `(?<version>…)`",
            ),
            Self::Match { order, .. } => RuleError::new(
                format!("the pattern finds no version in the tag `{tag}` that is written"),
                match order {
                    VersionOrder::Semver => {
                        "with `order: semver` it is one to three numbers; `numeric` takes any"
                    }
                    VersionOrder::Numeric => "with `order: numeric` it has at least one number",
                    VersionOrder::Alphabetical => {
                        "with `order: alphabetical` it is any text but `latest`"
                    }
                },
            ),
        }
    }
}

impl fmt::Display for TagRule {
    /// Completes "tags …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semver { range, .. } => write!(f, "in the range `{range}`")?,
            Self::Match { pattern, order, .. } => {
                let order = match order {
                    VersionOrder::Semver => "as versions",
                    VersionOrder::Numeric => "by their numbers",
                    VersionOrder::Alphabetical => "as texts",
                };
                write!(f, "that match `{pattern}`, ordered {order}")?;
            }
        }
        match self.allow() {
            Some(Allow::Patch) => f.write_str(", patches only"),
            Some(Allow::Minor) => f.write_str(", no other first number"),
            Some(Allow::Major) | None => Ok(()),
        }
    }
}

impl Range {
    /// Reads a range: `~1.4`, `^2`, `>=1.4 <3`, `1.x`, `1.2 - 1.6`, alternatives parted by `||`.
    ///
    /// # Errors
    /// What is no range; also a bare version, which means one thing to cargo and another to npm.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let alternatives: Vec<VersionReq> =
            text.split("||").map(alternative).collect::<Result<_, _>>()?;
        let comparators = alternatives.iter().flat_map(|one| &one.comparators);
        let words = comparators.filter_map(|one| one.pre.split('.').next());
        let asked = words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
        Ok(Self { text: text.trim().to_owned(), alternatives, asked })
    }

    /// Whether a version is in the range; a prerelease only where the range names one of the same version.
    pub fn holds(&self, version: &Semver) -> bool {
        self.alternatives.iter().any(|one| one.matches(version))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn alternative(text: &str) -> Result<VersionReq, RuleError> {
    let like = "write it such as `~1.4` (1.4.x), `^1.4` (1.4 and later, below 2) or `>=1.4 <3`";
    let words: Vec<&str> = text.split([' ', ',', '\t']).filter(|word| !word.is_empty()).collect();
    let comparators = match words[..] {
        [] => return Err(RuleError::new("the range is empty", like)),
        [from, "-", to] => vec![format!(">={from}"), format!("<={to}")],
        _ => comparators(&words)?,
    };
    let comparators: Vec<String> = comparators.iter().map(|one| with_dots(one)).collect();
    VersionReq::parse(&comparators.join(", ")).map_err(|error| {
        RuleError::new(format!("`{}` is no range of versions: {error}", text.trim()), like)
    })
}

/// The comparators, each in one word.
fn comparators(words: &[&str]) -> Result<Vec<String>, RuleError> {
    let mut comparators: Vec<String> = Vec::new();
    let mut operator = String::new();
    for word in words {
        operator += word;
        if word.bytes().all(|b| b"<>=^~".contains(&b)) {
            continue;
        }
        let comparator = std::mem::take(&mut operator);
        let is_bare = comparator.starts_with(|c: char| c.is_ascii_digit());
        if is_bare && !comparator.contains(['x', 'X', '*']) {
            let npm = match comparator.matches('.').count() {
                0 | 1 => format!("{comparator}.x"),
                _ => format!("={comparator}"),
            };
            return Err(RuleError::new(
                format!("`{comparator}` is `^{comparator}` to cargo and `{npm}` to npm"),
                format!("say which: `^{comparator}`, `~{comparator}` or `={comparator}`"),
            ));
        }
        comparators.push(comparator);
    }
    if !operator.is_empty() {
        comparators.push(operator);
    }
    Ok(comparators)
}

/// A comparator with a point between word and number of a prerelease.
fn with_dots(comparator: &str) -> String {
    match comparator.split_once('-') {
        Some((version, prerelease)) => format!("{version}-{}", version::dotted(prerelease)),
        None => comparator.to_owned(),
    }
}

impl Pattern {
    /// Reads a regular expression. It has to match a tag from its first to its last character.
    ///
    /// # Errors
    /// What is none, and where; one that is too large; a named group other than `version`.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > LONGEST_PATTERN {
            return Err(RuleError::new(
                format!("the pattern is longer than {LONGEST_PATTERN} bytes"),
                "a tag has 128 characters at most",
            ));
        }
        if let Err(error) =
            regex_syntax::ParserBuilder::new().nest_limit(DEEPEST_PATTERN).build().parse(text)
        {
            return Err(not_read(text, &error));
        }
        let built = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(LARGEST_PATTERN)
            .dfa_size_limit(LARGEST_PATTERN)
            .nest_limit(DEEPEST_PATTERN + 2)
            .build();
        let regex = built.map_err(|error| {
            if matches!(error, regex::Error::CompiledTooBig(_)) {
                return RuleError::new(
                    "the pattern is too large once its repetitions are written out",
                    "repeat less: `{1,40}` where `{1,4000}` stands",
                );
            }
            RuleError::new(
                "the pattern does not end where it seems to",
                "take the `(?x)` and its comments out",
            )
        })?;
        let other = regex.capture_names().flatten().find(|name| *name != VERSION);
        if let Some(other) = other {
            return Err(RuleError::new(
                format!("the group `{other}` means nothing"),
                "the version is the group `(?<version>…)`; others need no name: `(?:…)`",
            ));
        }
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The version in `tag`, and what stands around it without its numbers; `None` where it does not match.
    fn version<'t>(&self, tag: &'t str) -> Option<(&'t str, String)> {
        let found = self.regex.captures(tag)?;
        match self.regex.capture_names().flatten().next() {
            None => Some((tag, String::new())),
            Some(name) => {
                let version = found.name(name)?;
                let around = format!("{}*{}", &tag[..version.start()], &tag[version.end()..]);
                Some((version.as_str(), version::without_numbers(&around)))
            }
        }
    }
}

/// What is wrong with a pattern, and at which of its characters.
fn not_read(text: &str, error: &regex_syntax::Error) -> RuleError {
    let found = if let regex_syntax::Error::Parse(error) = error {
        Some((error.span(), error.kind().to_string()))
    } else if let regex_syntax::Error::Translate(error) = error {
        Some((error.span(), error.kind().to_string()))
    } else {
        None
    };
    let message = match found {
        Some((span, what)) => {
            let place = text.get(..span.start.offset).map_or(0, |begin| begin.chars().count()) + 1;
            let part = text.get(span.start.offset..span.end.offset).unwrap_or_default();
            let part = if part.is_empty() { String::new() } else { format!(" (`{part}`)") };
            format!("the pattern is no regular expression: at character {place}{part}: {what}")
        }
        None => "the pattern is no regular expression".to_owned(),
    };
    let message = message.replace('\n', " ");
    RuleError::new(message, r"write it such as `^v(?<version>\d+\.\d+\.\d+)-alpine$`")
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// When an image that was built at `created`, where it says so, and that this host first saw at `first_seen` is
/// `min_age` old: by the later of both.
pub fn ripe_at(min_age: Duration, created: Option<Timestamp>, first_seen: Timestamp) -> Timestamp {
    let born = created.map_or(first_seen, |created| created.max(first_seen));
    born.checked_add(min_age).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_cargo_and_npm_both_say_it_holds() {
        let check = |range: &str, inside: &[&str], outside: &[&str]| {
            let range = Range::parse(range).unwrap_or_else(|error| panic!("{range}: {error}"));
            let holds = |version: &&&str| range.holds(&Semver::parse(version).unwrap());
            assert_eq!(inside.iter().filter(holds).count(), inside.len(), "{range}: {inside:?}");
            assert_eq!(outside.iter().filter(holds).count(), 0, "{range}: {outside:?}");
        };
        check("~1.4", &["1.4.0", "1.4.9"], &["1.3.9", "1.5.0", "2.0.0", "1.4.9-rc.1"]);
        check("~1", &["1.0.0", "1.9.0"], &["2.0.0"]);
        check("^1.4", &["1.4.0", "1.9.0"], &["1.3.0", "2.0.0"]);
        check("^0.2", &["0.2.0", "0.2.9"], &["0.3.0"]);
        check(">=1.4 <3", &["1.4.0", "2.9.9"], &["3.0.0", "1.3.9"]);
        check(">= 1.4, < 3", &["1.4.0", "2.9.9"], &["3.0.0"]);
        check("1.x", &["1.0.0", "1.9.9"], &["2.0.0"]);
        check("1.4.*", &["1.4.7"], &["1.5.0"]);
        check("*", &["0.1.0", "9.0.0"], &["9.0.0-rc.1"]);
        check("1.2 - 1.6", &["1.2.0", "1.6.9"], &["1.7.0", "1.1.9"]);
        check("^1.4 || ^3", &["1.4.1", "3.1.0"], &["2.0.0"]);
        check(">=2.0.0-rc9", &["2.0.0-rc.10", "2.0.0"], &["2.0.0-rc.8", "2.1.0-rc.1"]);
    }

    #[test]
    fn what_is_no_range_is_told_with_the_way_out() {
        let check = |text: &str, message: &str, hint: &str| {
            let error = Range::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(error.hint.contains(hint), "{text}: {}", error.hint);
        };
        check("", "is empty", "~1.4");
        check("^1 ||", "is empty", "~1.4");
        check("1.4", "`1.4` is `^1.4` to cargo and `1.4.x` to npm", "`~1.4`");
        check("1.4.2", "`1.4.2` is `^1.4.2` to cargo and `=1.4.2` to npm", "`=1.4.2`");
        check("latest", "`latest` is no range of versions", "^1.4");
        check("^1.2.3.4", "is no range of versions", "^1.4");
        check(">=", "is no range of versions", "^1.4");
        check("~1.04", "is no range of versions", "^1.4");
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        let check = |text: &str, message: &str, hint: &str| {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(error.hint.contains(hint), "{text}: {}", error.hint);
        };
        check(r"v(\d+", "at character 2 (`(`): unclosed group", "(?<version>");
        check(r"v\d+)", "at character 5 (`)`): unopened group", "(?<version>");
        check("ü[z-a]", "at character 3 (`z-a`): invalid character class range", "(?<version>");
        check(r"(?<vresion>\d+)", "the group `vresion` means nothing", "(?<version>…)");
        check(r"(?=\d)x", "look-around", "(?<version>");
        check(&"a".repeat(501), "longer than 500 bytes", "128");
        check(r"(\d{1,900}){1,900}", "too large", "{1,40}");
        check(&format!("{}a{}", "(".repeat(60), ")".repeat(60)), "nest", "(?<version>");
        check("(?x) a # b", "does not end where it seems to", "(?x)");
    }

    #[test]
    fn a_pattern_matches_a_whole_tag() {
        let check = |pattern: &str, tag: &str, expected: Option<&str>| {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.version(tag).map(|(version, _)| version),
                expected,
                "{pattern}, {tag}"
            );
        };
        check(r"\d+\.\d+", "1.4", Some("1.4"));
        check(r"\d+\.\d+", "1.4.2", None);
        check("a|ab", "ab", Some("ab"));
        check(r"^v(?<version>\d+)-x$", "v12-x", Some("12"));
        check(r"v(?P<version>\d+)?", "v", None);
    }

    #[test]
    fn an_image_ripens_by_the_later_of_both_times() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ripe = |min_age, created: Option<i64>, seen| {
            let min_age = Some(Duration::from_secs(min_age));
            let update =
                Update { rule: None, min_age, window: None, write_back: false, hidden: false };
            update.ripe_at(created.map(at), at(seen)).as_second()
        };
        assert_eq!(ripe(60, Some(1000), 5000), 5060, "pushed late");
        assert_eq!(ripe(60, Some(9000), 5000), 9060, "a clock that goes ahead");
        assert_eq!(ripe(60, None, 5000), 5060, "an image that does not say");
        assert_eq!(ripe(60, Some(0), 5000), 5060, "one that says 1970");
        let none =
            Update { rule: None, min_age: None, window: None, write_back: false, hidden: false };
        assert_eq!(none.ripe_at(Some(at(1)), at(7)), at(7));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_them_panic(text in ".{0,60}") {
            let _ = Range::parse(&text);
            let _ = Pattern::parse(&text);
        }
    }
}
