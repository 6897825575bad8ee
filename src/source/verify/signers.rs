//! Who may sign: the file that ssh-keygen(1) describes under ALLOWED SIGNERS, read and asked as ssh-keygen does.
//!
//! A line that cannot be read, that asks for something unknown or whose kind of key is not verified here, matches
//! nobody; [`Signers::unusable`] tells of it.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

use super::key::{Key, Unusable};
use super::patterns::{list_matches, matches};
use super::sshsig::{Signer, SshSignature};

/// The lines of the file that can be used.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    lines: Vec<Line>,
    /// The lines that cannot be used, by number, each with the reason.
    pub unusable: Vec<(usize, String)>,
}

/// One line: whose key it is, which key, and what it is good for.
#[derive(Clone, Debug)]
struct Line {
    principals: String,
    key: Key,
    options: Options,
}

#[derive(Clone, Debug, Default)]
struct Options {
    is_authority: bool,
    namespaces: Option<String>,
    /// In seconds since 1970; both are part of the time in which the key is good.
    after: Option<i64>,
    before: Option<i64>,
}

impl Signers {
    /// Reads the file. Times in it without a `Z` are those of `zone`.
    pub fn parse(bytes: &[u8], zone: &TimeZone) -> Self {
        let mut signers = Self::default();
        for (index, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
            match std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned()) {
                Ok(text) => match line(text, zone) {
                    Ok(Some(line)) => signers.lines.push(line),
                    Ok(None) => {}
                    Err(why) => signers.unusable.push((index + 1, why)),
                },
                Err(why) => signers.unusable.push((index + 1, why)),
            }
        }
        signers
    }

    /// How many lines can be used.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// The principals that the key of `signature` is known by, as `ssh-keygen -Y find-principals` tells them: those of
    /// the first line whose key it is and that is good at `time`, in seconds since 1970.
    pub fn principals(&self, signature: &SshSignature, time: i64) -> Vec<String> {
        let found = self.lines.iter().filter(|line| line.options.is_good_at(time));
        let mut found = found.filter_map(|line| line.principals_of(&signature.signer, time));
        found.next().unwrap_or_default()
    }

    /// Whether one of the lines lets `principal` sign with that key in the signature's namespace at `time`, as
    /// `ssh-keygen -Y verify` has it. What is signed is not looked at.
    pub fn allow(&self, principal: &str, signature: &SshSignature, time: i64) -> bool {
        self.lines.iter().any(|line| {
            let namespaces = line.options.namespaces.as_ref();
            list_matches(principal, &line.principals)
                && line.is_of(principal, &signature.signer, time)
                && namespaces.is_none_or(|list| list_matches(&signature.namespace, list))
                && line.options.is_good_at(time)
        })
    }

    /// Whose the file says the key is, be it good or not, and whatever for.
    pub fn known_as(&self, signer: &Signer) -> Option<&str> {
        let is_known = |line: &&Line| match signer {
            Signer::Key(key) => !line.options.is_authority && *key == line.key,
            Signer::Certified(it) => line.options.is_authority && it.authority == line.key,
        };
        self.lines.iter().find(is_known).map(|line| line.principals.as_str())
    }

    /// When keys stop to be good, with whose they are.
    pub fn ends(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.lines.iter().filter_map(|line| {
            let end = Timestamp::from_second(line.options.before?).ok()?;
            Some((line.principals.as_str(), end))
        })
    }
}

impl Line {
    /// The principals by which the line knows a signer; `None` where the key is another's.
    fn principals_of(&self, signer: &Signer, time: i64) -> Option<Vec<String>> {
        let written = self.principals.split(',').take_while(|one| !one.is_empty());
        match signer {
            Signer::Key(key) if !self.options.is_authority && *key == self.key => {
                Some(written.map(str::to_owned).collect())
            }
            Signer::Certified(certificate)
                if self.options.is_authority && certificate.authority == self.key =>
            {
                let holds = u64::try_from(time).is_ok_and(|time| certificate.holds_at(time));
                let named = |pattern: &str| {
                    let names = certificate.principals.iter().filter(|_| holds);
                    let is_named = |name: &&String| matches(name.as_bytes(), pattern.as_bytes());
                    names.filter(is_named).cloned().collect::<Vec<String>>()
                };
                let names: Vec<String> = written.flat_map(named).collect();
                (!names.is_empty()).then_some(names)
            }
            Signer::Key(_) | Signer::Certified(_) => None,
        }
    }

    fn is_of(&self, principal: &str, signer: &Signer, time: i64) -> bool {
        match signer {
            Signer::Key(key) => !self.options.is_authority && *key == self.key,
            Signer::Certified(certificate) => {
                self.options.is_authority
                    && certificate.authority == self.key
                    && u64::try_from(time).is_ok_and(|time| certificate.holds_at(time))
                    && certificate.principals.iter().any(|name| name == principal)
            }
        }
    }
}

impl Options {
    fn is_good_at(&self, time: i64) -> bool {
        self.after.is_none_or(|after| time >= after)
            && self.before.is_none_or(|before| time <= before)
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn line(text: &str, zone: &TimeZone) -> Result<Option<Line>, String> {
    let text = text.trim_end_matches('\r').trim_start_matches(BLANKS);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (principals, rest) = first_word(text)?;
    let (options, key) = match key(rest) {
        Ok(key) => (Options::default(), key),
        Err(Unusable::Kind(kind)) => return Err(not_verified(&kind)),
        Err(Unusable::Malformed) => {
            let (options, rest) = options(rest, zone)?;
            let key = key(rest).map_err(|why| match why {
                Unusable::Malformed => "there is no key that can be read".to_owned(),
                Unusable::Kind(kind) => not_verified(&kind),
            })?;
            (options, key)
        }
    };
    Ok(Some(Line { principals, key, options }))
}

fn not_verified(kind: &str) -> String {
    format!("signatures of keys of the kind {kind} are not verified")
}

/// The principals, perhaps in quotes, and what follows.
fn first_word(text: &str) -> Result<(String, &str), String> {
    let blank = |c: char| c.is_ascii_whitespace();
    let end = text.find(|c: char| blank(c) || c == '"').ok_or("there is no key")?;
    let (word, rest) = text.split_at(end);
    let Some(quoted) = rest.strip_prefix('"') else {
        return Ok((word.to_owned(), rest.trim_start_matches(blank)));
    };
    let (inner, rest) = quoted.split_once('"').ok_or("a quote is not closed")?;
    Ok((format!("{word}{inner}"), rest.trim_start_matches(blank)))
}

fn key(text: &str) -> Result<Key, Unusable> {
    let (kind, rest) = text.split_once(BLANKS).ok_or(Unusable::Malformed)?;
    let rest = rest.trim_start_matches(BLANKS);
    let base64 = rest.split(BLANKS).next().unwrap_or_default();
    Key::from_words(kind, base64)
}

/// The options at the beginning of `text`, and what follows.
fn options<'a>(text: &'a str, zone: &TimeZone) -> Result<(Options, &'a str), String> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        if let Some(after) = strip_word(rest, "cert-authority") {
            options.is_authority = true;
            rest = after;
        } else if let Some(after) = strip_word(rest, "namespaces=") {
            let (list, after) = quoted(after)?;
            once(&mut options.namespaces, list, "namespaces")?;
            rest = after;
        } else if let Some(after) = strip_word(rest, "valid-after=") {
            let (text, after) = quoted(after)?;
            once(&mut options.after, time(&text, zone)?, "valid-after")?;
            rest = after;
        } else if let Some(after) = strip_word(rest, "valid-before=") {
            let (text, after) = quoted(after)?;
            once(&mut options.before, time(&text, zone)?, "valid-before")?;
            rest = after;
        }
        match rest.strip_prefix(',') {
            Some(more) if !more.is_empty() && !more.starts_with(BLANKS) => rest = more,
            Some(_) => return Err("an option is missing after a comma".to_owned()),
            None if rest.starts_with(BLANKS) => break,
            None => {
                let unknown = rest.split([',', ' ', '\t', '=']).next().unwrap_or_default();
                return Err(format!("there is no option `{}`", shown(unknown)));
            }
        }
    }
    if let (Some(after), Some(before)) = (options.after, options.before)
        && before <= after
    {
        return Err("valid-before is not later than valid-after".to_owned());
    }
    Ok((options, rest.trim_start_matches(BLANKS)))
}

/// What stands there, not at its full length and without what a terminal would act on.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(word.len())?;
    begin.eq_ignore_ascii_case(word).then_some(rest)
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` stands there twice")),
    }
}

/// A value in quotes, in which `\"` is a quote.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let inner = text.strip_prefix('"').ok_or("a value has to stand in quotes")?;
    let mut value = String::new();
    let mut characters = inner.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, inner.get(at + 1..).unwrap_or_default())),
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                characters.next();
                value.push('"');
            }
            c => value.push(c),
        }
    }
    Err("a quote is not closed".to_owned())
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, of the zone or, with `Z` or `UTC` behind it, in UTC.
fn time(text: &str, zone: &TimeZone) -> Result<i64, String> {
    let utc = ["z", "utc"].into_iter().find_map(|end| {
        let at = text.len().checked_sub(end.len()).filter(|at| *at > 0)?;
        let (digits, tail) = text.split_at_checked(at)?;
        tail.eq_ignore_ascii_case(end).then_some(digits)
    });
    let (digits, zone) = match utc {
        Some(digits) => (digits, &TimeZone::UTC),
        None => (text, zone),
    };
    let seconds = civil(digits).and_then(|at| at.to_zoned(zone.clone()).ok());
    let seconds = seconds.map(|at| at.timestamp().as_second()).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| format!("`{}` is no time", shown(text)))
}

fn civil(digits: &str) -> Option<DateTime> {
    if ![8, 12, 14].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).unwrap_or("0").parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let (year, month, day) = (number(0, 4)?, small(4)?, small(6)?);
    // Checked beforehand: a date that does not exist is none.
    jiff::civil::Date::new(year, month, day).ok()?;
    let (hour, minute, second) = (small(8)?, small(10)?, small(12)?);
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    Some(date(year, month, day).to_datetime(time))
}
