//! Where in the file the value at a path stands.
//!
//! The YAML library tells places only in its errors; so the file is read once more by a visitor that
//! walks down the path and fails at its end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::{Place, Problem};

/// The same problem, at the place in `text` (the file called `name`) that its path names, or at the nearest
/// one that is written; without one at the whole file.
pub(super) fn placed(problem: Problem, name: &str, text: &str) -> Problem {
    let is_bare = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(is_bare) {
        return problem.at(Place::file(name));
    }
    let path = problem.path.clone().unwrap_or_default();
    let seek = Seek { path: &path, is_root: true };
    match seek.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Err(error) => at(problem, name, text, error.location()),
        Ok(()) => problem.at(Place::file(name)),
    }
}

/// The same problem, at `location`, with the line that stands there where it may be shown.
pub(super) fn at(
    problem: Problem,
    name: &str,
    text: &str,
    location: Option<serde_yaml::Location>,
) -> Problem {
    let Some(location) = location else { return problem.at(Place::file(name)) };
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (line, column) = (number(location.line()), number(location.column()));
    let problem = problem.at(Place { file: name.into(), line, column });
    match text.lines().nth(location.line().saturating_sub(1)).filter(|line| is_harmless(line)) {
        Some(line) => problem.excerpt(line),
        None => problem,
    }
}

/// Whether a key asks for a secret itself instead of a file that holds it.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "token", "secret"].iter().any(|word| key.contains(word))
        && !key.ends_with("_file")
}

/// Whether a line may be shown: it holds neither a secret in the wrong place nor a URL with a login.
fn is_harmless(line: &str) -> bool {
    let mut keys = line.split([',', '{', ' ', '"', '\'']).filter_map(|part| part.split_once(':'));
    let has_login = line
        .split("://")
        .skip(1)
        .any(|rest| rest.split('/').next().unwrap_or_default().contains('@'));
    !has_login && !keys.any(|(key, _)| is_secret(key))
}

struct Seek<'a> {
    path: &'a str,
    is_root: bool,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Scalars are left to the default methods: they fail where the scalar stands.
impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match below(self.path, &key) {
                Some(path) => map.next_value_seed(Seek { path, is_root: false })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.end()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let index = |text: &str| text.strip_prefix('[')?.split_once(']')?.0.parse::<usize>().ok();
        let wanted = index(self.path);
        let rest = self.path.split_once(']').map_or("", |(_, rest)| rest.trim_start_matches('.'));
        let mut position = 0;
        loop {
            let next = if wanted == Some(position) {
                sequence.next_element_seed(Seek { path: rest, is_root: false })?
            } else {
                sequence.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if next.is_none() {
                return self.end();
            }
            position += 1;
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.end()
    }
}

impl Seek<'_> {
    /// The path ends here, or leads on to something that is not written. What is missing at the top has no
    /// place at all.
    fn end<E: Error>(self) -> Result<(), E> {
        if self.is_root { Ok(()) } else { Err(E::custom("here")) }
    }
}

/// What is left of `path` below `key`; a key may contain dots itself (`ghcr.io`).
fn below<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(key)?;
    match rest.as_bytes().first() {
        None | Some(b'[') => Some(rest),
        Some(b'.') => rest.get(1..),
        Some(_) => None,
    }
}
