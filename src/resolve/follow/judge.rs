//! Which image a service takes that follows its registry, from what is remembered; or what has to be known first.
//!
//! Pure. What is not known is never taken for "nothing new": it leaves the service as it is and is said.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use jiff::{Timestamp, Unit};

use super::{Base, Follower, Following, Question};
use crate::model::polls::{Built, Heard, ImageFacts, Polls, TagKey, TagState, Unknown};
use crate::model::update::Update;
use crate::model::{Digest, PinnedImage};
use crate::resolve::tags::{self, Choice};
use crate::resolve::verify::{Inquiry, Standing};
use crate::resolve::words;

/// What becomes of a service that follows its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Judgement {
    /// It stays as it is; why there may be something newer all the same.
    Stays(Option<String>),
    /// It takes this image.
    Takes {
        /// Its tag.
        tag: String,
        /// Its digest.
        digest: Digest,
        /// Why.
        why: String,
        /// Why it is none that is newer still.
        waits: Option<String>,
    },
}

/// What is said of a candidate.
enum Verdict {
    Good,
    /// It is what runs.
    Same,
    No(String),
}

/// Judges `follower`, and says when that is to be done again though nothing else happens; the error is what has to
/// be known first.
pub(super) fn judge(
    follower: &Follower<'_>,
    polls: &Polls,
    (following, inquiry): (&Following<'_>, Option<&Inquiry<'_>>),
    offline: bool,
) -> Result<(Judgement, Option<Timestamp>), Question> {
    let look = Look { follower, polls, following, inquiry, offline, next: Cell::default() };
    let judgement = look.judge()?;
    Ok((judgement, look.next.get()))
}

fn join(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

struct Look<'a> {
    follower: &'a Follower<'a>,
    polls: &'a Polls,
    following: &'a Following<'a>,
    /// What is asked of images before they run.
    inquiry: Option<&'a Inquiry<'a>>,
    offline: bool,
    /// The first time at which something that was looked at is another.
    next: Cell<Option<Timestamp>>,
}

impl Look<'_> {
    fn judge(&self) -> Result<Judgement, Question> {
        let newer = self.newer_tag()?;
        let follows_its_tag = self.follower.service.pull_policy.follows_the_registry();
        let waits = match newer {
            Judgement::Stays(waits) if follows_its_tag => waits,
            newer @ (Judgement::Stays(_) | Judgement::Takes { .. }) => return Ok(newer),
        };
        Ok(match self.same_tag()? {
            Judgement::Stays(other) => Judgement::Stays(join(waits, other)),
            Judgement::Takes { tag, digest, why, waits: other } => {
                Judgement::Takes { tag, digest, why, waits: join(waits, other) }
            }
        })
    }

    /// By the rule under `x-evenkeel.update`.
    fn newer_tag(&self) -> Result<Judgement, Question> {
        let service = self.follower.service;
        let Some(rule) = service.tag_rule() else {
            return Ok(Judgement::Stays(None));
        };
        let list = self.polls.lists.get(&self.follower.repository);
        self.ask(list, Question::List)?;
        let Some(list) = list else { return Ok(Judgement::Stays(None)) };
        let unknown =
            list.unknown.as_ref().map(|unknown| self.say("which tags there are", unknown));
        let Some(all) = &list.answer else { return Ok(Judgement::Stays(unknown)) };
        let written = service.image.tag_or_latest();
        let applied = self.follower.base.as_ref().map_or(written, |base| base.tag.as_str());
        let candidates = match tags::choose(rule, written, applied, all.iter().map(String::as_str))
        {
            Choice::Newer(tags) => tags,
            Choice::Nothing(_) => return Ok(Judgement::Stays(unknown)),
        };
        let mut waits = unknown;
        for tag in candidates {
            match self.candidate(tag)? {
                Judgement::Takes { tag, digest, .. } => {
                    let why = format!("{tag} is the newest that git allows");
                    return Ok(Judgement::Takes { tag, digest, why, waits });
                }
                // The newest is what runs already: what is older is no step forward.
                Judgement::Stays(None) => break,
                Judgement::Stays(why) => waits = waits.or(why),
            }
        }
        Ok(Judgement::Stays(waits))
    }

    /// By `pull_policy`: the tag it stands at, wherever it points by now.
    fn same_tag(&self) -> Result<Judgement, Question> {
        // Without anything to compare with there is nothing newer; the image line is resolved as usual, and the
        // answer is remembered.
        let Some(base) = &self.follower.base else {
            self.ask_tag(self.follower.service.image.tag_or_latest())?;
            return Ok(Judgement::Stays(None));
        };
        Ok(match self.candidate(&base.tag)? {
            Judgement::Takes { tag, digest, waits, .. } => {
                let shown = self.follower.service.shown_tag(&tag);
                let why = format!("the registry has another image for {shown}");
                Judgement::Takes { tag, digest, why, waits }
            }
            stays @ Judgement::Stays(_) => stays,
        })
    }

    fn candidate(&self, tag: &str) -> Result<Judgement, Question> {
        let Some(heard) = self.ask_tag(tag)? else { return Ok(Judgement::Stays(None)) };
        let shown = self.follower.service.shown_tag(tag);
        let unknown = heard.unknown.as_ref();
        let unknown = unknown.map(|unknown| self.say(&format!("what {shown} is"), unknown));
        // What runs already was chosen when the registry still answered.
        let runs = |digest| self.follower.runs.iter().any(|image| image.contains(digest));
        let state = heard.answer.as_ref();
        let state = state.filter(|state| unknown.is_none() || runs(&state.digest));
        let Some(state) = state else { return Ok(Judgement::Stays(unknown)) };
        Ok(match self.verdict(tag, &state.digest)? {
            Verdict::Same => Judgement::Stays(unknown),
            Verdict::No(why) => Judgement::Stays(Some(why)),
            Verdict::Good => Judgement::Takes {
                tag: tag.to_owned(),
                digest: state.digest.clone(),
                why: String::new(),
                waits: unknown,
            },
        })
    }

    fn ask_tag(&self, tag: &str) -> Result<Option<&Heard<TagState>>, Question> {
        let heard = self.polls.tags.get(&(self.follower.repository.clone(), TagKey::of(tag)));
        self.ask(heard, Question::Tag(tag.to_owned()))?;
        Ok(heard)
    }

    fn verdict(&self, tag: &str, digest: &Digest) -> Result<Verdict, Question> {
        let Follower { id, service, base, runs, .. } = self.follower;
        let is_base = |base: &Base| {
            let is_one =
                |image: &BTreeSet<_>| image.contains(digest) && image.contains(&base.digest);
            base.digest == *digest || runs.iter().any(is_one)
        };
        if base.as_ref().is_some_and(is_base) {
            return Ok(Verdict::Same);
        }
        let image = PinnedImage::new(&service.image.with_tag(tag), digest.clone());
        let written = tag;
        let tag = service.shown_tag(tag);
        if (self.following.rejected)(id, &service.settings.hash(&image)) {
            return Ok(Verdict::No(format!("{tag} ({}) has failed here", digest.short())));
        }
        if let Some(verdict) = self.for_this_platform(tag, digest, base.as_ref())? {
            return Ok(verdict);
        }
        let min_age = service.update.as_ref().filter(|update| update.min_age.is_some());
        let young =
            min_age.map(|update| self.too_young(tag, digest, update)).transpose()?.flatten();
        match young {
            Some(young) => Ok(Verdict::No(young)),
            None => self.proven(written, digest),
        }
    }

    /// Whether the operator lets it run.
    fn proven(&self, tag: &str, digest: &Digest) -> Result<Verdict, Question> {
        let Some(inquiry) = self.inquiry else { return Ok(Verdict::Good) };
        let standing = inquiry.judge(self.polls, &self.follower.subject(tag, digest));
        let asks = |question| Question::Proof(tag.to_owned(), digest.clone(), question);
        Ok(match standing.map_err(asks)? {
            // What is left open is said once it is known which image is taken.
            Standing::Good | Standing::Open(_) => Verdict::Good,
            Standing::Barred(barred) => {
                self.again_at(barred.again());
                Verdict::No(barred.why().to_owned())
            }
        })
    }

    /// An index that changed for other platforms is nothing new for this one.
    fn for_this_platform(
        &self,
        tag: &str,
        digest: &Digest,
        base: Option<&Base>,
    ) -> Result<Option<Verdict>, Question> {
        let platform = &self.follower.platform;
        let new = match self.child(digest)? {
            Child::Unknown(unknown) => {
                return Ok(Some(Verdict::No(
                    self.say(&format!("what {tag} is made of"), &unknown),
                )));
            }
            Child::Unasked => return Ok(Some(Verdict::No(format!("{tag} was not looked into")))),
            Child::None => {
                return Ok(Some(Verdict::No(format!("{tag} has nothing for {platform}"))));
            }
            Child::Is(child) => child,
        };
        let Some(base) = base else { return Ok(None) };
        // What an old image was made of may not be told any more; then the new one is another.
        let is_same = matches!(self.child(&base.digest)?, Child::Is(old) if old == new);
        Ok(is_same.then_some(Verdict::Same))
    }

    fn child(&self, digest: &Digest) -> Result<Child, Question> {
        let platform = &self.follower.platform;
        let facts = self.facts(digest);
        if let Some(child) = facts.and_then(|facts| facts.children.get(platform)) {
            return Ok(child.clone().map_or(Child::None, Child::Is));
        }
        self.unless_unknown(facts, Question::Child(digest.clone(), platform.clone()))
            .map(|unknown| unknown.map_or(Child::Unasked, Child::Unknown))
    }

    fn too_young(
        &self,
        tag: &str,
        digest: &Digest,
        update: &Update,
    ) -> Result<Option<String>, Question> {
        let (facts, now) = (self.facts(digest), self.following.now);
        let built = match facts.and_then(|facts| facts.built) {
            Some(Built::At(at)) => Some(at),
            Some(Built::Unsaid) => None,
            None => {
                let question = Question::Built(digest.clone(), self.follower.platform.clone());
                let unknown = self.unless_unknown(facts, question)?;
                let why = match unknown {
                    Some(unknown) => self.say(&format!("how old {tag} is"), &unknown),
                    None => format!("how old {tag} is was not asked"),
                };
                return Ok(Some(why));
            }
        };
        let first_seen = facts.map_or(now, |facts| facts.first_seen);
        let ripe = update.ripe_at(built, first_seen);
        self.again_at(Some(ripe));
        Ok((ripe > now).then(|| format!("{tag} is too young until {}", minute(ripe))))
    }

    fn facts(&self, digest: &Digest) -> Option<&ImageFacts> {
        self.polls.images.get(&(self.follower.repository.clone(), digest.clone()))
    }

    /// Asks what is due, unless nobody is to be asked.
    fn ask<T>(&self, heard: Option<&Heard<T>>, question: Question) -> Result<(), Question> {
        let due_at = heard.map(|heard| heard.due_at(self.follower.every));
        let is_due = due_at.is_none_or(|due_at| self.following.now >= due_at);
        if is_due && !self.offline {
            return Err(question);
        }
        self.again_at(due_at);
        Ok(())
    }

    /// Why something about an image is not known, where it is not to be asked now; `None` where nobody was.
    fn unless_unknown(
        &self,
        facts: Option<&ImageFacts>,
        question: Question,
    ) -> Result<Option<Unknown>, Question> {
        let unknown = facts.and_then(|facts| facts.unknown.clone());
        let again = unknown.as_ref().map(|unknown| unknown.again);
        let waits = again.is_some_and(|again| self.following.now < again);
        self.again_at(again);
        if waits || self.offline { Ok(unknown) } else { Err(question) }
    }

    /// Another look is due at `at`, unless that is over.
    fn again_at(&self, at: Option<Timestamp>) {
        let ahead = at.filter(|at| *at > self.following.now);
        self.next.set(self.next.get().into_iter().chain(ahead).min());
    }

    fn say(&self, what: &str, unknown: &Unknown) -> String {
        let Unknown { since, why, .. } = unknown;
        let registry = words::registry_shown(self.follower.service).unwrap_or("the registry");
        format!("unknown since {} {what}: {registry} {why}", minute(*since))
    }
}

enum Child {
    Is(Digest),
    None,
    Unknown(Unknown),
    Unasked,
}

/// A time as people read it, to the minute.
fn minute(at: Timestamp) -> impl fmt::Display {
    at.round(Unit::Minute).unwrap_or(at)
}
