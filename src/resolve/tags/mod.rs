//! Pure: which of a registry's tags a service follows. Whether and when it is deployed is decided elsewhere.
//!
//! A tag is a newer version of the written one where it is written alike (same `v`, same suffix, as many numbers),
//! the rule takes it, and it is above what was last applied. All else is no step forward.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::model::update::TagRule;
use crate::model::version::{Otherwise, TagVersion};

/// Which tag comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'t> {
    /// Newer ones, the newest first: who may not take one takes the next.
    Newer(Vec<&'t str>),
    /// None, and why.
    Nothing(Nothing<'t>),
}

/// Why there is no newer tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing<'t> {
    /// The written tag is no version to the rule.
    NoVersion,
    /// The repository has no tags at all.
    NoTags,
    /// No tag is above what was last applied.
    UpToDate,
    /// There is one above it, and the rule does not take it.
    Barred {
        /// The newest of them.
        tag: &'t str,
        /// What keeps it from being taken.
        why: Bar,
    },
}

/// What keeps a newer tag from being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It is written otherwise than the tag in git.
    Otherwise(Otherwise),
    /// A prerelease, which the rule does not ask for.
    Prerelease,
    /// It is outside the range.
    Range,
    /// It is farther from the tag in git than `allow` says.
    Allow,
}

impl fmt::Display for Nothing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVersion => f.write_str("the tag in git is no version to compare with"),
            Self::NoTags => f.write_str("the repository has no tags"),
            Self::UpToDate => f.write_str("there is no newer tag"),
            Self::Barred { tag, why } => write!(f, "`{tag}` is newer, but {why}"),
        }
    }
}

impl fmt::Display for Bar {
    /// Completes "it …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otherwise(otherwise) => write!(f, "has {otherwise}"),
            Self::Prerelease => f.write_str("is a prerelease that nobody asks for"),
            Self::Range => f.write_str("is outside the range"),
            Self::Allow => f.write_str("is farther away than `allow` says"),
        }
    }
}

/// The tags that are newer versions of `written`, the tag in git, than `applied`, the one last deployed here for
/// this very image line.
///
/// `tags` has to be all there are: what is missing of a list says nothing about what is newest, so whoever could
/// not read all of it must not ask.
pub fn choose<'t>(
    rule: &TagRule,
    written: &str,
    applied: &str,
    tags: impl IntoIterator<Item = &'t str>,
) -> Choice<'t> {
    let Some(from) = rule.read(written) else { return Choice::Nothing(Nothing::NoVersion) };
    let mut tags = tags.into_iter().peekable();
    if tags.peek().is_none() {
        return Choice::Nothing(Nothing::NoTags);
    }
    // What was applied under another rule may not be comparable; what git says is.
    let applied = rule.read(applied).filter(|applied| from.otherwise(applied).is_none());
    let floor = applied.filter(|it| it.compare(&from).is_gt()).unwrap_or_else(|| from.clone());
    let mut newer: Vec<(TagVersion, &str)> = tags
        .filter_map(|tag| Some((rule.read(tag)?, tag)))
        .filter(|(version, _)| version.compare(&floor).is_gt())
        .collect();
    newer.sort_by(|(one, tag), (other, other_tag)| {
        other.compare(one).then_with(|| other_tag.cmp(tag))
    });
    newer.dedup_by_key(|(_, tag)| *tag);
    let taken = newer.iter().filter(|(version, _)| bar(rule, &from, version).is_none());
    let taken: Vec<&str> = taken.map(|(_, tag)| *tag).collect();
    if !taken.is_empty() {
        return Choice::Newer(taken);
    }
    let barred = newer.first().and_then(|(version, tag)| Some((*tag, bar(rule, &from, version)?)));
    Choice::Nothing(barred.map_or(Nothing::UpToDate, |(tag, why)| Nothing::Barred { tag, why }))
}

fn bar(rule: &TagRule, from: &TagVersion, to: &TagVersion) -> Option<Bar> {
    if let Some(otherwise) = from.otherwise(to) {
        return Some(Bar::Otherwise(otherwise));
    }
    if !rule.takes(from, to) {
        return Some(if to.is_prerelease() { Bar::Prerelease } else { Bar::Range });
    }
    (!rule.allows(from, to)).then_some(Bar::Allow)
}
