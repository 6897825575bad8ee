//! Pure: what stays in a repository of a registry, what goes, and why.
//!
//! Whatever somebody may need stays: what hosts need, what is new, what is protected, all that those are made of,
//! and what speaks of it. Of what is not known enough is said: it stays. A manifest goes as a whole, with every tag
//! that points at it. Deleting belongs in `registry`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use globset::{Glob, GlobMatcher};
use jiff::Timestamp;

use crate::model::stored::{Contents, Kind, Stored};
use crate::model::{Digest, Needed};

/// What the operator wants to keep.
#[derive(Clone, Debug)]
pub struct Policy {
    /// So many images, the newest ones, each with all its tags.
    pub keep: usize,
    /// Tags like these.
    pub protect: Vec<Protect>,
    /// What is younger.
    pub min_age: Duration,
    /// What hosts need; `None` where nobody said it.
    pub needed: Option<Needed>,
}

impl Policy {
    fn needed_by(&self, digest: &Digest) -> Option<String> {
        self.needed.as_ref()?.by(digest).map(str::to_owned)
    }
}

/// A glob on tags.
#[derive(Clone, Debug)]
pub struct Protect(GlobMatcher);

impl Protect {
    /// Reads `latest` or `v1.*`; the error is for people.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let glob = Glob::new(pattern).map_err(|error| error.kind().to_string())?;
        Ok(Self(glob.compile_matcher()))
    }

    /// Whether `tag` is one of these.
    pub fn covers(&self, tag: &str) -> bool {
        self.0.is_match(tag)
    }
}

impl fmt::Display for Protect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob().glob())
    }
}

/// A manifest and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The manifest.
    pub digest: Digest,
    /// What it comes and goes with: the image that it is a part of or speaks of.
    pub with: Option<Digest>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays(Why),
    /// It goes.
    Goes(Cause),
}

/// Why a manifest stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// By whom.
    Needed(String),
    /// A part of it is needed, by whom.
    PartNeeded(String),
    /// A tag of it matches a pattern.
    Protected {
        /// The tag.
        tag: String,
        /// The pattern.
        pattern: String,
    },
    /// It is one of so many.
    Newest(usize),
    /// It is younger than that.
    Young(Duration),
    /// Nobody says how old it is.
    AgeUnknown,
    /// It is in a format that is not understood.
    Strange,
    /// What stays is made of it.
    PartOf(String),
    /// It speaks of what stays.
    About(String),
    /// It has no tag, and nobody has said what hosts need.
    NobodyAsked,
    /// It is not known what it belongs to.
    Unclear,
    /// Nothing else is there.
    Last,
}

/// Why a manifest goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many are newer.
    Old(usize),
    /// It has no tag, and no host needs it.
    Untagged,
    /// What goes is made of it, and nothing else is.
    PartOf(String),
    /// It speaks of what goes.
    About(String),
    /// It speaks of what is gone.
    AboutNothing,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays(why) => why.fmt(f),
            Self::Goes(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needed(who) => write!(f, "{who} needs it"),
            Self::PartNeeded(who) => write!(f, "{who} needs a part of it"),
            Self::Protected { tag, pattern } => write!(f, "--protect {pattern} covers {tag}"),
            Self::Newest(1) => f.write_str("the newest"),
            Self::Newest(keep) => write!(f, "one of the {keep} newest"),
            Self::Young(age) => {
                write!(f, "younger than {}", humantime::format_duration(*age))
            }
            Self::AgeUnknown => f.write_str("it does not say how old it is"),
            Self::Strange => f.write_str("its format is not understood"),
            Self::PartOf(whole) => write!(f, "a part of {whole}, which stays"),
            Self::About(subject) => write!(f, "speaks of {subject}, which stays"),
            Self::NobodyAsked => f.write_str("no tag, and without --needed a host may need it"),
            Self::Unclear => f.write_str("it is not known what it belongs to"),
            Self::Last => f.write_str("the last one"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old(1) => f.write_str("not the newest, and not needed"),
            Self::Old(keep) => write!(f, "not one of the {keep} newest, and not needed"),
            Self::Untagged => f.write_str("no tag, and no host needs it"),
            Self::PartOf(whole) => write!(f, "a part of {whole}, which goes"),
            Self::About(subject) => write!(f, "speaks of {subject}, which goes"),
            Self::AboutNothing => f.write_str("what it speaks of is gone"),
        }
    }
}

/// What becomes of each manifest: images newest first, each with what goes or stays with it behind it.
///
/// Deleted in this order, at no moment a part is missing of what can be found by a tag.
pub fn judge(contents: &Contents, policy: &Policy, now: Timestamp) -> Vec<Judged> {
    let repository = Repository::of(contents);
    let kept = keep(&repository, policy, now);
    let going = let_go(&repository, policy, &kept);
    let fate = |digest: &Digest| match (kept.get(digest), going.get(digest)) {
        (Some(why), _) => Fate::Stays(why.clone()),
        (None, Some(cause)) => Fate::Goes(cause.clone()),
        (None, None) => Fate::Stays(Why::Unclear),
    };
    let goes = |digest: &Digest| !kept.contains_key(digest) && going.contains_key(digest);
    let mut seen = BTreeSet::new();
    let mut groups: Vec<Vec<Judged>> = Vec::new();
    // The oldest first, so that what several are made of goes with the last of them.
    let roots = repository.roots.iter().rev().copied();
    for root in roots.chain(contents.manifests.keys()) {
        let (mut group, mut waiting) = (Vec::new(), vec![root]);
        while let Some(digest) = waiting.pop() {
            if goes(digest) != goes(root) || !seen.insert(digest) {
                continue;
            }
            let with = (digest != root).then(|| root.clone());
            group.push(Judged { digest: digest.clone(), with, fate: fate(digest) });
            waiting.extend(repository.below(digest).into_iter().rev().map(|(below, _)| below));
        }
        groups.push(group);
    }
    wholes_first(contents, groups.into_iter().rev().flatten().collect())
}

/// The same, with nothing that goes before what is made of it and goes, too: what is made of an image may have come
/// to stand behind it as one that belongs to what speaks of the image.
fn wholes_first(contents: &Contents, judged: Vec<Judged>) -> Vec<Judged> {
    let order: Vec<Digest> = judged.iter().map(|one| one.digest.clone()).collect();
    let mut wholes: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
    for one in judged.iter().filter(|one| matches!(one.fate, Fate::Goes(_))) {
        let Some((whole, stored)) = contents.manifests.get_key_value(&one.digest) else { continue };
        for part in &stored.children {
            wholes.entry(part).or_default().push(whole);
        }
    }
    let mut left: BTreeMap<Digest, Judged> =
        judged.into_iter().map(|one| (one.digest.clone(), one)).collect();
    let mut sorted = Vec::new();
    for digest in &order {
        place(digest, &wholes, &mut left, &mut sorted);
    }
    sorted
}

fn place(
    digest: &Digest,
    wholes: &BTreeMap<&Digest, Vec<&Digest>>,
    left: &mut BTreeMap<Digest, Judged>,
    sorted: &mut Vec<Judged>,
) {
    // Taken out first, so that what leads to itself is placed once.
    let Some(one) = left.remove(digest) else { return };
    // A part that stays waits for nothing, and pulls nothing out of its group.
    if matches!(one.fate, Fate::Goes(_)) {
        for whole in wholes.get(digest).into_iter().flatten() {
            place(whole, wholes, left, sorted);
        }
    }
    sorted.push(one);
}

/// The contents with what leads from one manifest to the other.
struct Repository<'a> {
    contents: &'a Contents,
    /// What nothing else leads to, newest first.
    roots: Vec<&'a Digest>,
    /// The same.
    is_root: BTreeSet<&'a Digest>,
    /// What speaks of a manifest.
    speakers: BTreeMap<&'a Digest, Vec<&'a Digest>>,
}

/// How one manifest leads to another.
#[derive(Clone, Copy)]
enum Link {
    Part,
    Speaker,
}

impl<'a> Repository<'a> {
    fn of(contents: &'a Contents) -> Self {
        let mut speakers: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
        let mut parts: BTreeSet<&Digest> = BTreeSet::new();
        for (digest, stored) in &contents.manifests {
            parts.extend(&stored.children);
            let subject = about(digest, stored);
            if let Some((subject, _)) =
                subject.and_then(|subject| contents.manifests.get_key_value(&subject))
            {
                speakers.entry(subject).or_default().push(digest);
            }
        }
        let is_root = |(digest, stored): &(&Digest, &Stored)| match about(digest, stored) {
            Some(subject) => contents.absent.contains(&subject),
            None => !stored.tags.is_empty() || !parts.contains(digest),
        };
        let mut roots: Vec<(&Digest, &Stored)> =
            contents.manifests.iter().filter(is_root).collect();
        roots.sort_by_key(|(_, stored)| {
            (stored.tags.is_empty(), Reverse(stored.pushed), Reverse(&stored.tags))
        });
        let roots: Vec<&Digest> = roots.into_iter().map(|(digest, _)| digest).collect();
        let is_root = roots.iter().copied().collect();
        Self { contents, roots, is_root, speakers }
    }

    fn stored(&self, digest: &Digest) -> Option<&'a Stored> {
        self.contents.manifests.get(digest)
    }

    /// Its parts, then what speaks of it.
    fn below(&self, digest: &Digest) -> Vec<(&'a Digest, Link)> {
        let manifests = &self.contents.manifests;
        let parts = self.stored(digest).into_iter().flat_map(|stored| &stored.children);
        let parts = parts.filter_map(|part| manifests.get_key_value(part));
        let parts = parts.map(|(part, _)| (part, Link::Part));
        let speakers = self.speakers.get(digest).into_iter().flatten();
        parts.chain(speakers.map(|speaker| (*speaker, Link::Speaker))).collect()
    }

    /// All that `digest` is made of, itself included.
    fn parts(&self, digest: &'a Digest) -> BTreeSet<&'a Digest> {
        let (mut found, mut waiting) = (BTreeSet::new(), vec![digest]);
        while let Some(digest) = waiting.pop() {
            if found.insert(digest) {
                waiting.extend(self.stored(digest).into_iter().flat_map(|stored| &stored.children));
            }
        }
        found
    }

    /// All that a root leads to: what else there is belongs to something that is not known.
    fn reached(&self) -> BTreeSet<&'a Digest> {
        let (mut reached, mut waiting) = (BTreeSet::new(), self.roots.clone());
        while let Some(digest) = waiting.pop() {
            if reached.insert(digest) {
                waiting.extend(self.below(digest).into_iter().map(|(below, _)| below));
            }
        }
        reached
    }

    /// What people call it.
    fn name(&self, digest: &Digest) -> String {
        let tag = self.stored(digest).and_then(|stored| stored.tags.first());
        tag.cloned().unwrap_or_else(|| digest.short().to_owned())
    }
}

/// What it speaks of, unless that is itself.
fn about(digest: &Digest, stored: &Stored) -> Option<Digest> {
    stored.about().filter(|subject| subject != digest)
}

/// All that stays: what has a reason of its own, what that is made of, and what speaks of it.
fn keep(repository: &Repository<'_>, policy: &Policy, now: Timestamp) -> BTreeMap<Digest, Why> {
    let tagged = repository.roots.iter().copied().filter(|digest| {
        repository.stored(digest).is_some_and(|stored| {
            !stored.tags.is_empty() && about(digest, stored).is_none() && stored.pushed.is_some()
        })
    });
    let newest: BTreeSet<&Digest> = tagged.take(policy.keep).collect();
    let reasons = repository.contents.manifests.iter().filter_map(|(digest, stored)| {
        let why = own_reason(repository, policy, digest, stored, now)
            .or_else(|| newest.contains(digest).then_some(Why::Newest(policy.keep)));
        Some((digest, why?))
    });
    let mut waiting: Vec<(&Digest, Why)> = reasons.collect();
    let reached = repository.reached();
    let lost = repository.contents.manifests.keys().filter(|digest| !reached.contains(digest));
    waiting.extend(lost.map(|digest| (digest, Why::Unclear)));
    if waiting.is_empty() {
        waiting.extend(repository.roots.first().map(|digest| (*digest, Why::Last)));
    }
    let mut kept = BTreeMap::new();
    spread(repository, &mut kept, waiting);
    let wholes = wholes_needed(repository, policy, &kept);
    spread(repository, &mut kept, wholes);
    kept
}

/// Keeps `waiting`, what they are made of, and what speaks of them. What has a reason of its own is told that one.
fn spread<'a>(
    repository: &Repository<'a>,
    kept: &mut BTreeMap<Digest, Why>,
    mut waiting: Vec<(&'a Digest, Why)>,
) {
    for (digest, why) in &waiting {
        kept.entry((*digest).clone()).or_insert_with(|| why.clone());
    }
    while let Some((digest, _)) = waiting.pop() {
        for (below, link) in repository.below(digest) {
            let why = match link {
                Link::Part => Why::PartOf(repository.name(digest)),
                Link::Speaker => Why::About(repository.name(digest)),
            };
            if !kept.contains_key(below) {
                kept.insert(below.clone(), why.clone());
                waiting.push((below, why));
            }
        }
    }
}

/// For each part that is needed, and that nothing which stays is made of, the newest image that has it: a part that
/// nothing leads to is not safe from the registry's own collection.
fn wholes_needed<'a>(
    repository: &Repository<'a>,
    policy: &Policy,
    kept: &BTreeMap<Digest, Why>,
) -> Vec<(&'a Digest, Why)> {
    let stays = repository.roots.iter().copied().filter(|digest| kept.contains_key(*digest));
    let mut held: BTreeSet<&Digest> = stays.flat_map(|digest| repository.parts(digest)).collect();
    let mut wholes = Vec::new();
    for root in repository.roots.iter().copied() {
        let parts = repository.parts(root);
        let mut missing = parts.iter().filter(|part| !held.contains(*part));
        if let Some(who) = missing.find_map(|part| policy.needed_by(part)) {
            wholes.push((root, Why::PartNeeded(who)));
            held.extend(parts);
        }
    }
    wholes
}

fn own_reason(
    repository: &Repository<'_>,
    policy: &Policy,
    digest: &Digest,
    stored: &Stored,
    now: Timestamp,
) -> Option<Why> {
    if let Some(who) = policy.needed_by(digest) {
        return Some(Why::Needed(who));
    }
    if let Some((tag, pattern)) = protected(policy, stored) {
        return Some(Why::Protected { tag, pattern });
    }
    if stored.pushed.is_some_and(|pushed| is_young(pushed, policy.min_age, now)) {
        return Some(Why::Young(policy.min_age));
    }
    if stored.kind == Kind::Strange {
        return Some(Why::Strange);
    }
    let is_root = repository.is_root.contains(digest) && about(digest, stored).is_none();
    if is_root && stored.tags.is_empty() && policy.needed.is_none() {
        return Some(Why::NobodyAsked);
    }
    (is_root && stored.pushed.is_none()).then_some(Why::AgeUnknown)
}

fn protected(policy: &Policy, stored: &Stored) -> Option<(String, String)> {
    stored.tags.iter().find_map(|tag| {
        let pattern = policy.protect.iter().find(|pattern| pattern.covers(tag))?;
        Some((tag.clone(), pattern.to_string()))
    })
}

/// A clock that is ahead makes nothing old.
fn is_young(pushed: Timestamp, min_age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(pushed)).map_or(true, |age| age < min_age)
}

/// All that goes: roots that do not stay, and below them what does not.
fn let_go(
    repository: &Repository<'_>,
    policy: &Policy,
    kept: &BTreeMap<Digest, Why>,
) -> BTreeMap<Digest, Cause> {
    let cause = |digest: &Digest| match repository.stored(digest) {
        Some(stored) if about(digest, stored).is_some() => Cause::AboutNothing,
        Some(stored) if !stored.tags.is_empty() => Cause::Old(policy.keep),
        Some(_) | None => Cause::Untagged,
    };
    let roots = repository.roots.iter().copied().filter(|digest| !kept.contains_key(*digest));
    let mut waiting: Vec<(&Digest, Cause)> = roots.map(|digest| (digest, cause(digest))).collect();
    let mut going: BTreeMap<Digest, Cause> =
        waiting.iter().map(|(digest, cause)| ((*digest).clone(), cause.clone())).collect();
    while let Some((digest, _)) = waiting.pop() {
        for (below, link) in repository.below(digest) {
            let cause = match link {
                Link::Part => Cause::PartOf(repository.name(digest)),
                Link::Speaker => Cause::About(repository.name(digest)),
            };
            if !kept.contains_key(below) && !going.contains_key(below) {
                going.insert(below.clone(), cause.clone());
                waiting.push((below, cause));
            }
        }
    }
    going
}

#[cfg(test)]
mod tests;
