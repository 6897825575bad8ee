//! What registries said about the tags that services follow, as it is remembered from one asking to the next.
//!
//! Nothing is asked or chosen here; both is done in [`crate::resolve`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fingerprint::hex;
use super::{Digest, ImageRef, Masks, Platform};

/// A failed question is asked again after so long at the latest.
const PATIENCE: Duration = Duration::from_secs(300);

/// A repository at a registry, as a hash: a value of the server may be part of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository(String);

impl From<&ImageRef> for Repository {
    fn from(image: &ImageRef) -> Self {
        Self(hashed(&format!("{}/{}", image.registry(), image.path())))
    }
}

impl Repository {
    /// One that was written down.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tag, as a hash: it may be a value of the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagKey(String);

impl TagKey {
    /// That of `tag`.
    pub fn of(tag: &str) -> Self {
        Self(hashed(tag))
    }

    /// One that was written down.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hashed(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polls {
    /// What tags point at.
    pub tags: BTreeMap<(Repository, TagKey), Heard<TagState>>,
    /// Which tags there are, all of them.
    pub lists: BTreeMap<Repository, Heard<Vec<String>>>,
    /// What is known of images.
    pub images: BTreeMap<(Repository, Digest), ImageFacts>,
}

/// What was heard last about one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard<T> {
    /// The last answer. It stands until there is another.
    pub answer: Option<T>,
    /// When it was asked last; the epoch where it is due before its time.
    pub asked_at: Timestamp,
    /// Why that brought no answer, if it did not.
    pub unknown: Option<Unknown>,
}

/// Something that could not be learnt: neither "as before" nor "gone".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Since when.
    pub since: Timestamp,
    /// Not asked again before.
    pub again: Timestamp,
    /// What went wrong last, to stand behind the registry's name.
    pub why: String,
}

/// What a tag points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagState {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// What the registry calls this state of the tag.
    pub etag: Option<String>,
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// When this host first saw its digest.
    pub first_seen: Timestamp,
    /// When it says that it was built, for the platform that was asked for: `None` before anybody asked.
    pub built: Option<Built>,
    /// The manifest for each platform that was asked for; `None` where it has nothing for it.
    pub children: BTreeMap<Platform, Option<Digest>>,
    /// Why the rest is not known.
    pub unknown: Option<Unknown>,
}

/// When an image says that it was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Built {
    /// Then.
    At(Timestamp),
    /// It does not say.
    Unsaid,
}

impl<T> Heard<T> {
    /// Whether it is to be asked again, where that is done `every` so often.
    pub fn is_due(&self, every: Duration, now: Timestamp) -> bool {
        now >= self.due_at(every)
    }

    /// When that is.
    pub fn due_at(&self, every: Duration) -> Timestamp {
        match &self.unknown {
            Some(unknown) => unknown.again,
            None => later(self.asked_at, every),
        }
    }

    /// With an answer that was given now.
    pub fn answered(answer: T, now: Timestamp) -> Self {
        Self { answer: Some(answer), asked_at: now, unknown: None }
    }

    /// With the same answer as before, given again now.
    #[must_use]
    pub fn confirmed(self, now: Timestamp) -> Self {
        Self { asked_at: now, unknown: None, ..self }
    }

    /// To be asked again at once, however long ago that was done and whatever came of it.
    fn make_due(&mut self) {
        self.asked_at = Timestamp::UNIX_EPOCH;
        if let Some(unknown) = &mut self.unknown {
            unknown.again = Timestamp::UNIX_EPOCH;
        }
    }

    /// After a question without an answer; `before` is what was heard until then.
    pub fn failed(before: Option<Self>, unknown: Unknown, now: Timestamp) -> Self {
        let (answer, earlier) =
            before.map_or((None, None), |before| (before.answer, before.unknown));
        Self { answer, asked_at: now, unknown: Some(unknown.following(earlier.as_ref())) }
    }
}

impl Unknown {
    /// A question that brought no answer now. It is asked again when the registry wants that, else as usual,
    /// but soon.
    pub fn new(
        why: String,
        retry_after: Option<Duration>,
        every: Duration,
        now: Timestamp,
    ) -> Self {
        let wait = retry_after.unwrap_or_else(|| every.min(PATIENCE));
        Self { since: now, again: later(now, wait), why }
    }

    /// The same, as the last of a row that `earlier` belongs to.
    #[must_use]
    pub fn following(self, earlier: Option<&Self>) -> Self {
        let since = earlier.map_or(self.since, |earlier| earlier.since);
        Self { since, ..self }
    }
}

impl Polls {
    /// The same, with the values of the server masked in what registries said.
    #[must_use]
    pub fn masked(mut self, masks: &Masks) -> Self {
        let of_tags = self.tags.values_mut().map(|heard| &mut heard.unknown);
        let of_lists = self.lists.values_mut().map(|heard| &mut heard.unknown);
        let of_images = self.images.values_mut().map(|facts| &mut facts.unknown);
        for unknown in of_tags.chain(of_lists).chain(of_images).flatten() {
            unknown.why = masks.mask(&unknown.why);
        }
        self
    }

    /// Makes what is remembered of `tag` (of each tag where it is `None`), and which tags there are, due: something
    /// is another there. The answers stand until there are others. Whether any was known.
    pub fn make_due(&mut self, repository: &Repository, tag: Option<&TagKey>) -> bool {
        let is_meant =
            |(of, its): &(Repository, TagKey)| of == repository && tag.is_none_or(|tag| tag == its);
        let mut is_any = false;
        for (_, heard) in self.tags.iter_mut().filter(|(key, _)| is_meant(key)) {
            heard.make_due();
            is_any = true;
        }
        if let Some(heard) = self.lists.get_mut(repository) {
            heard.make_due();
            is_any = true;
        }
        is_any
    }

    /// The facts about an image; it was seen now, if not before.
    pub fn facts(&mut self, image: (Repository, Digest), now: Timestamp) -> &mut ImageFacts {
        self.images.entry(image).or_insert_with(|| ImageFacts {
            first_seen: now,
            built: None,
            children: BTreeMap::new(),
            unknown: None,
        })
    }
}

impl Polls {
    /// The manifests for single platforms that images are known to have, by the digest of the whole.
    pub fn children(&self) -> BTreeMap<Digest, BTreeSet<Digest>> {
        let mut all: BTreeMap<Digest, BTreeSet<Digest>> = BTreeMap::new();
        for ((_, digest), facts) in &self.images {
            let children = facts.children.values().flatten().filter(|child| *child != digest);
            all.entry(digest.clone()).or_default().extend(children.cloned());
        }
        all
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_failure_keeps_the_answer_and_the_beginning_of_the_row() {
        let every = Duration::from_secs(3600);
        let answered = Heard::answered(7, at(0));
        let no = |second| Unknown::new("no".into(), None, every, at(second));
        let once = Heard::failed(Some(answered), no(10), at(10));
        let twice = Heard::failed(Some(once.clone()), no(400), at(400));
        assert_eq!((twice.answer, twice.unknown.as_ref().unwrap().since), (Some(7), at(10)));
        assert!(!once.is_due(every, at(309)) && once.is_due(every, at(310)), "soon");
        assert!(!twice.is_due(every, at(699)) && twice.is_due(every, at(700)));
        let again = twice.confirmed(at(700));
        assert_eq!((again.answer, again.unknown.clone()), (Some(7), None));
        assert!(!again.is_due(every, at(4299)) && again.is_due(every, at(4300)));
    }

    #[test]
    fn a_registry_says_when_it_wants_to_be_asked_again() {
        let wait = Some(Duration::from_secs(900));
        let unknown = Unknown::new("too many".into(), wait, Duration::from_secs(60), at(0));
        assert_eq!(unknown.again, at(900));
    }

    #[test]
    fn what_moved_is_due_and_nothing_else() {
        let (now, every) = (at(1_700_000_000), Duration::from_secs(300));
        let key = |text: &str| {
            let image = ImageRef::parse(text).unwrap();
            (Repository::from(&image), TagKey::of(image.tag_or_latest()))
        };
        let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
        let state = || TagState { digest: digest.clone(), etag: None };
        let mut polls = Polls::default();
        polls.tags.insert(key("r.lan/a:1"), Heard::answered(state(), now));
        let unknown = Unknown::new("no".into(), Some(Duration::from_secs(900)), every, now);
        let failed = Heard::failed(Some(Heard::answered(state(), now)), unknown, now);
        polls.tags.insert(key("r.lan/a:2"), failed);
        polls.tags.insert(key("r.lan/b:1"), Heard::answered(state(), now));
        polls.lists.insert(key("r.lan/a").0, Heard::answered(Vec::new(), now));
        let due = |polls: &Polls| {
            let is_due = |text: &str| polls.tags[&key(text)].is_due(every, now);
            [is_due("r.lan/a:1"), is_due("r.lan/a:2"), is_due("r.lan/b:1")]
        };

        let (repository, tag) = key("r.lan/a:1");
        let mut one = polls.clone();
        assert!(one.make_due(&repository, Some(&tag)));
        assert_eq!(due(&one), [true, false, false]);
        assert!(one.lists[&repository].is_due(every, now), "there may be a new tag");
        assert_eq!(one.tags[&key("r.lan/a:1")].answer, Some(state()), "it stands until then");

        let mut any = polls.clone();
        assert!(any.make_due(&repository, None));
        assert_eq!(due(&any), [true, true, false], "a failed question does not wait either");

        let mut none = polls.clone();
        assert!(!none.make_due(&key("r.lan/c").0, None));
        assert_eq!(none, polls);
    }
}
