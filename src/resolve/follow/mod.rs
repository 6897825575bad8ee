//! Following the registry: questions are asked until for each service it is clear which image it takes.
//!
//! [`judge`] says what is to be known next, this file asks and remembers the answer. A question that brings none
//! leaves everything as it is; it is asked again later.

mod judge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;

use super::verify::{self, Inquiry, Subject};
use super::{AT_ONCE, Context, LoadedStack, choose, words};
use crate::model::desired::{Chosen, PinOrigin};
use crate::model::polls::{Built, Heard, Polls, Repository, TagKey, TagState, Unknown};
use crate::model::pull_policy::PullPolicy;
use crate::model::{
    Digest, ImageRef, Masks, PinnedImage, Platform, Service, ServiceId, SpecHash, Stack,
};
use crate::registry::{Etag, Polled, Registry, RegistryError};
pub(super) use judge::Judgement;

/// What following the registry takes.
#[derive(Clone, Copy)]
pub struct Following<'a> {
    /// What registries said before.
    pub polls: &'a Polls,
    /// How often they are asked where the manifest does not say.
    pub interval: Duration,
    /// Whether this spec has failed here.
    pub rejected: &'a (dyn Fn(&ServiceId, &SpecHash) -> bool + Sync),
    /// Now.
    pub now: Timestamp,
}

/// A service that follows its registry.
pub(super) struct Follower<'a> {
    pub id: ServiceId,
    pub service: &'a Service,
    pub repository: Repository,
    /// How often it looks.
    pub every: Duration,
    pub platform: Platform,
    /// What it stands at: what it was pinned to last, else what runs.
    pub base: Option<Base>,
    /// The images that its containers run, each as its digests.
    pub runs: Vec<BTreeSet<Digest>>,
    /// What is blotted out of what others say.
    pub masks: &'a Masks,
}

impl Follower<'_> {
    /// An image that it may take.
    fn subject(&self, tag: &str, digest: &Digest) -> Subject<'_> {
        Subject {
            id: self.id.clone(),
            image: PinnedImage::new(&self.service.image.with_tag(tag), digest.clone()),
            shown: format!("{} ({})", self.service.shown_tag(tag), digest.short()),
            platform: self.platform.clone(),
            masks: self.masks,
        }
    }
}

/// An image that a service stands at.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub tag: String,
    pub digest: Digest,
    pub origin: PinOrigin,
    /// How it came to be chosen, where it was.
    pub chosen: Option<Chosen>,
}

/// What has to be known of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// What a tag points at.
    Tag(String),
    /// Which tags there are.
    List,
    /// Which manifest of an image is for this platform.
    Child(Digest, Platform),
    /// When an image was built.
    Built(Digest, Platform),
    /// Whether an image, under one of its tags, has what the operator asks of it.
    Proof(String, Digest, verify::Question),
}

/// An answer, as it is remembered.
enum Answer {
    Tag(Heard<TagState>),
    List(Heard<Vec<String>>),
    Child(Option<Digest>),
    Built(Built),
    Nothing(Unknown),
    Proof(verify::Answer),
}

/// What came of following for one service.
pub(super) struct Follows {
    pub judgement: Judgement,
    pub base: Option<Base>,
    /// When something is to be asked again, or an image is old enough.
    pub again: Option<Timestamp>,
}

/// What came of following.
#[derive(Default)]
pub(super) struct Followed {
    pub polls: Polls,
    pub services: BTreeMap<ServiceId, Follows>,
    /// When something is to be asked again, or an image is old enough.
    pub next: Option<Timestamp>,
}

impl Followed {
    /// What was heard of a tag just now.
    pub fn heard(&self, image: &ImageRef, now: Timestamp) -> Option<Digest> {
        let key = (Repository::from(image), TagKey::of(image.tag_or_latest()));
        let heard = self.polls.tags.get(&key).filter(|heard| heard.asked_at == now)?;
        let is_known = heard.unknown.is_none();
        heard.answer.as_ref().filter(|_| is_known).map(|state| state.digest.clone())
    }
}

/// Asks all that is due, and judges each service that follows.
pub(super) async fn follow(
    stacks: &[LoadedStack],
    context: &Context<'_>,
    following: &Following<'_>,
    inquiry: &mut Option<Inquiry<'_>>,
) -> Followed {
    let followers: Vec<Follower<'_>> = super::services(stacks)
        .filter_map(|(stack, service)| follower(stack, service, context, following))
        .collect();
    let mut polls = following.polls.clone();
    // Every answer is remembered, a failure too, so that no question comes twice.
    loop {
        let mut questions: BTreeMap<(Repository, Question), &Follower<'_>> = BTreeMap::new();
        let mut services = BTreeMap::new();
        let mut next: Option<Timestamp> = None;
        for follower in &followers {
            let asking = (following, inquiry.as_ref());
            match judge::judge(follower, &polls, asking, context.offline) {
                Err(question) => {
                    let key = (follower.repository.clone(), question);
                    questions.insert(key, follower);
                }
                Ok((judgement, again)) => {
                    next = next.into_iter().chain(again).min();
                    let base = follower.base.clone();
                    services.insert(follower.id.clone(), Follows { judgement, base, again });
                }
            }
        }
        if questions.is_empty() {
            return Followed { polls, services, next };
        }
        let asking = questions.into_iter().map(|((repository, question), follower)| {
            let (registry, before, inquiry) = (context.registry, &polls, inquiry.as_ref());
            let now = following.now;
            async move {
                let answer = match (&question, inquiry) {
                    (Question::Proof(tag, digest, question), Some(inquiry)) => {
                        let subject = follower.subject(tag, digest);
                        Answer::Proof(inquiry.ask(registry, before, &subject, *question).await)
                    }
                    _ => ask(registry, follower, &repository, &question, before, now).await,
                };
                (repository, question, follower, answer)
            }
        });
        let answers: Vec<_> =
            futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await;
        for (repository, question, follower, answer) in answers {
            match (question, answer, inquiry.as_mut()) {
                (Question::Proof(tag, digest, _), Answer::Proof(answer), Some(inquiry)) => {
                    inquiry.take(answer, &mut polls, &follower.subject(&tag, &digest));
                }
                (question, answer, _) => {
                    remember(&mut polls, repository, question, answer, following.now);
                }
            }
        }
    }
}

/// The service, if it follows its registry.
fn follower<'a>(
    stack: &'a Stack,
    service: &'a Service,
    context: &Context<'_>,
    following: &Following<'_>,
) -> Option<Follower<'a>> {
    if !service.follows_its_registry() {
        return None;
    }
    let id = ServiceId::new(&stack.name, &service.name);
    let every = match service.pull_policy {
        PullPolicy::Every(every) => every,
        PullPolicy::Always | PullPolicy::Missing | PullPolicy::Never => following.interval,
    };
    Some(Follower {
        repository: Repository::from(&service.image),
        every,
        platform: service.settings.platform.clone().unwrap_or_else(|| context.platform.clone()),
        base: base(&id, service, context),
        runs: choose::images_running(&id, &service.image, context.observed),
        masks: &stack.masks,
        service,
        id,
    })
}

fn base(id: &ServiceId, service: &Service, context: &Context<'_>) -> Option<Base> {
    let image = &service.image;
    let written = image.tag_or_latest();
    if let Some(pin) = super::recorded(id, service, context) {
        let newer = pin.chosen.as_ref().and_then(|chosen| chosen.tag.as_deref());
        let tag = newer.unwrap_or(written);
        let (tag, digest) = (tag.to_owned(), pin.digest.clone());
        let chosen = pin.chosen.clone();
        return Some(Base { tag, digest, origin: PinOrigin::Record, chosen });
    }
    let origin = PinOrigin::Running;
    if let Some(digest) = choose::running(id, image, context.observed) {
        return Some(Base { tag: written.to_owned(), digest, origin, chosen: None });
    }
    // Where another line was pinned git has changed it, and git's word goes before what runs.
    let is_known = context.pins.0.keys().any(|(service, _)| service == id);
    let rule = service.tag_rule().filter(|_| !is_known)?;
    let (tag, digest) = choose::running_by(rule, id, image, context.observed)?;
    Some(Base { tag, digest, origin, chosen: None })
}

async fn ask(
    registry: &dyn Registry,
    follower: &Follower<'_>,
    repository: &Repository,
    question: &Question,
    before: &Polls,
    now: Timestamp,
) -> Answer {
    let (image, every) = (&follower.service.image, follower.every);
    let unknown = |error: &RegistryError| {
        Unknown::new(words::of_registry(error), error.retry_after(), every, now)
    };
    match question {
        Question::Tag(tag) => {
            let heard = before.tags.get(&(repository.clone(), TagKey::of(tag))).cloned();
            let state = heard.as_ref().and_then(|heard| heard.answer.as_ref());
            let etag = state.and_then(|state| Etag::new(state.etag.as_deref()?));
            Answer::Tag(match registry.poll(&image.with_tag(tag), etag.as_ref()).await {
                Ok(Polled::Now { digest, etag }) => {
                    let etag = etag.map(|etag| etag.as_str().to_owned());
                    Heard::answered(TagState { digest, etag }, now)
                }
                Ok(Polled::Same) => match heard {
                    Some(heard) => heard.confirmed(now),
                    None => Heard { answer: None, asked_at: now, unknown: None },
                },
                Err(error) => Heard::failed(heard, unknown(&error), now),
            })
        }
        Question::List => {
            let heard = before.lists.get(repository).cloned();
            Answer::List(match registry.tags(image).await {
                Ok(tags) => Heard::answered(tags.iter().map(str::to_owned).collect(), now),
                Err(error) => Heard::failed(heard, unknown(&error), now),
            })
        }
        Question::Child(digest, platform) => {
            let image = PinnedImage::new(image, digest.clone());
            match registry.child(&image, platform).await {
                Ok(child) => Answer::Child(Some(child)),
                // One that is gone has nothing for anybody.
                Err(RegistryError::NotForPlatform { .. } | RegistryError::NoSuchImage { .. }) => {
                    Answer::Child(None)
                }
                Err(error) => Answer::Nothing(unknown(&error)),
            }
        }
        Question::Built(digest, platform) => {
            let image = PinnedImage::new(image, digest.clone());
            match registry.created(&image, platform).await {
                Ok(Some(built)) => Answer::Built(Built::At(built)),
                Ok(None) => Answer::Built(Built::Unsaid),
                Err(error) => Answer::Nothing(unknown(&error)),
            }
        }
        // Asked by the inquiry alone.
        Question::Proof(..) => Answer::Proof(verify::Answer::Proofs(Vec::new())),
    }
}

fn remember(
    polls: &mut Polls,
    repository: Repository,
    question: Question,
    answer: Answer,
    now: Timestamp,
) {
    match (question, answer) {
        (Question::Tag(tag), Answer::Tag(heard)) => {
            if let Some(state) = &heard.answer {
                polls.facts((repository.clone(), state.digest.clone()), now);
            }
            polls.tags.insert((repository, TagKey::of(&tag)), heard);
        }
        (Question::List, Answer::List(heard)) => {
            polls.lists.insert(repository, heard);
        }
        (Question::Child(digest, platform), Answer::Child(child)) => {
            let facts = polls.facts((repository, digest), now);
            facts.children.insert(platform, child);
            facts.unknown = None;
        }
        (Question::Built(digest, _), Answer::Built(built)) => {
            let facts = polls.facts((repository, digest), now);
            (facts.built, facts.unknown) = (Some(built), None);
        }
        (Question::Child(digest, _) | Question::Built(digest, _), Answer::Nothing(unknown)) => {
            let facts = polls.facts((repository, digest), now);
            facts.unknown = Some(unknown.following(facts.unknown.as_ref()));
        }
        // Each question has its own kind of answer.
        (
            Question::Tag(_)
            | Question::List
            | Question::Child(..)
            | Question::Built(..)
            | Question::Proof(..),
            Answer::Tag(_)
            | Answer::List(_)
            | Answer::Child(_)
            | Answer::Built(_)
            | Answer::Nothing(_)
            | Answer::Proof(_),
        ) => {}
    }
}
