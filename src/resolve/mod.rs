//! Stacks and what the registries say become the desired state.
//!
//! This file is the story; `choose` knows which digest counts, `follow` asks registries for newer images, `tags`
//! knows which tag is newer, `verify` whether an image may run here, `words` what people are told. What follows from a digest is decided in [`crate::plan`].

mod choose;
mod follow;
pub mod tags;
#[cfg(test)]
mod tests;
mod verify;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use indexmap::IndexMap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::model::desired::{
    Chosen, Deployment, Followed as FollowedImage, ImageTrouble, Pin, PinOrigin, Pinned, Pins,
};
use crate::model::fingerprint::hex;
use crate::model::memory::Trouble;
use crate::model::polls::Polls;
use crate::model::proofs::Proofs;
use crate::model::{
    CommitId, DesiredService, DesiredStack, DesiredState, Digest, HostName, ImageRef,
    ObservedState, PinnedImage, Platform, Problem, Service, ServiceId, SourceName, Stack,
    StackContent, StackName,
};
use crate::registry::{self, Registry, RegistryError};
use choose::Choice;
pub use follow::Following;
use follow::{Base, Followed, Follows, Judgement};
use verify::Inquiry;
pub use verify::{Asks, Gate, Tries};

/// Questions at all registries at a time.
const AT_ONCE: usize = 32;

/// What digests are taken from.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Whom to ask for what is not known here.
    pub registry: &'a dyn Registry,
    /// What was decided in earlier passes.
    pub pins: &'a Pins,
    /// What runs and which images are here.
    pub observed: &'a ObservedState,
    /// Ask no registry (`--offline`).
    pub offline: bool,
    /// The trouble with an image line, while nobody is to be asked about it again.
    pub waits: &'a (dyn Fn(&ServiceId, &str) -> Option<Trouble> + Sync),
    /// The engine's platform.
    pub platform: &'a Platform,
    /// What following the registry takes; `None` where nobody follows it, and what was decided before stands.
    pub following: Option<Following<'a>>,
    /// What is asked of images before they run; `None` where nothing is.
    pub gate: Option<Gate<'a>>,
}

/// One stack as it was read.
#[derive(Clone, Debug)]
pub struct LoadedStack {
    /// Its name.
    pub name: StackName,
    /// The source it was read from.
    pub source: SourceName,
    /// The revision it was read from.
    pub commit: CommitId,
    /// The stack, or why it cannot be used.
    pub content: Result<Stack, Vec<Problem>>,
}

/// Everything that was read for this host in one pass.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// This host.
    pub host: HostName,
    /// All stacks, usable or not, in the order they are to be shown.
    pub stacks: Vec<LoadedStack>,
    /// See [`DesiredState::sources_read`].
    pub sources_read: BTreeSet<SourceName>,
    /// See [`DesiredState::sources_configured`].
    pub sources_configured: BTreeSet<SourceName>,
}

impl Loaded {
    /// Whether a service follows its registry.
    pub fn follows(&self) -> bool {
        services(&self.stacks).any(|(_, service)| service.follows_its_registry())
    }
}

/// The desired state, and what has to be recorded so that it stays the same.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What this host should run.
    pub desired: DesiredState,
    /// Digests learnt from a running container or a registry. Those of an image that merely lies on the
    /// host are not among them, so that the registry is asked again.
    pub new_pins: Pins,
    /// What registries said, with what they said just now; `None` where nobody follows them.
    pub polls: Option<Polls>,
    /// What was found out about images that something is asked of; `None` where nothing is.
    pub proofs: Option<Proofs>,
    /// When asking again may lead to something else, though nothing else happens.
    pub next_poll: Option<Timestamp>,
}

/// Pins every image, each tag as it was resolved before, else as the registry has it now.
///
/// Every distinct tag is asked for once. A failure concerns the services with that tag alone.
pub async fn resolve(loaded: Loaded, context: &Context<'_>) -> Resolved {
    let mut inquiry = match context.gate {
        Some(gate) => Some(Inquiry::new(gate).await),
        None => None,
    };
    let followed = match &context.following {
        Some(following) => follow::follow(&loaded.stacks, context, following, &mut inquiry).await,
        None => Followed::default(),
    };
    let mut answers = ask(questions(&loaded.stacks, &followed, context), context).await;
    answers.extend(heard(&loaded.stacks, &followed, context));
    let mut new_pins = Pins::default();
    let mut stacks = IndexMap::new();
    for stack in loaded.stacks {
        let content = match stack.content {
            Err(problems) => StackContent::Invalid(problems),
            Ok(manifest) => {
                let deployment = deployment(manifest, &answers, &followed, context, &mut new_pins);
                StackContent::Usable(Box::new(deployment))
            }
        };
        let LoadedStack { name, source, commit, .. } = stack;
        stacks.insert(name.clone(), DesiredStack { name, source, commit, content });
    }
    let (mut polls, mut next_poll) = (followed.polls, followed.next);
    if let Some(inquiry) = &mut inquiry {
        let next = verify::verify(&mut stacks, inquiry, &mut polls, context).await;
        next_poll = next_poll.into_iter().chain(next).min();
    }
    let Loaded { host, sources_read, sources_configured, .. } = loaded;
    let desired = DesiredState { host, stacks, sources_read, sources_configured };
    let polls = context.following.is_some().then_some(polls);
    Resolved { desired, new_pins, polls, proofs: inquiry.map(Inquiry::into_proofs), next_poll }
}

/// The second half of a pin's key: a hash of the reference as written, without a digest. A hash, because an
/// interpolated reference may hold a value of the server.
pub fn pin_key(image: &ImageRef) -> String {
    hex(&Sha256::digest(image.without_digest().to_string().as_bytes()))
}

/// A tag however it is written: registry, path, tag.
type Tag = (String, String, String);
type Answers = BTreeMap<Tag, Result<Digest, RegistryError>>;

fn tag_of(image: &ImageRef) -> Tag {
    (image.registry().to_owned(), image.path(), image.tag_or_latest().to_owned())
}

/// The tags that only a registry knows the digest of.
fn questions(
    stacks: &[LoadedStack],
    followed: &Followed,
    context: &Context<'_>,
) -> BTreeMap<Tag, ImageRef> {
    if context.offline {
        return BTreeMap::new();
    }
    let is_known = |stack: &Stack, service: &Service| {
        let id = ServiceId::new(&stack.name, &service.name);
        let heard = context.following.and_then(|it| followed.heard(&service.image, it.now));
        let found = followed.services.get(&id);
        let takes = |it: &Judgement| matches!(it, Judgement::Takes { .. }) && !writes_back(service);
        let is_at_one = found.is_some_and(|it| it.base.is_some() || takes(&it.judgement));
        heard.is_some() || is_at_one
    };
    services(stacks)
        .filter(|(stack, service)| choice(stack, service, context) == Choice::Ask)
        .filter(|(stack, service)| !is_known(stack, service))
        .filter(|(stack, service)| waits(stack, service, context).is_none())
        .map(|(_, service)| (tag_of(&service.image), service.image.clone()))
        .collect()
}

/// What was heard of tags while it was asked for newer images.
fn heard(stacks: &[LoadedStack], followed: &Followed, context: &Context<'_>) -> Answers {
    let Some(now) = context.following.map(|following| following.now) else { return Answers::new() };
    let images = services(stacks).map(|(_, service)| &service.image);
    images.filter_map(|image| Some((tag_of(image), Ok(followed.heard(image, now)?)))).collect()
}

fn services(stacks: &[LoadedStack]) -> impl Iterator<Item = (&Stack, &Service)> {
    let usable = stacks.iter().filter_map(|stack| stack.content.as_ref().ok());
    usable.flat_map(|stack| stack.services.values().map(move |it| (stack, it)))
}

async fn ask(questions: BTreeMap<Tag, ImageRef>, context: &Context<'_>) -> Answers {
    let asking = questions
        .into_iter()
        .map(|(tag, image)| async move { (tag, registry::digest(context.registry, &image).await) });
    futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await
}

fn waits(stack: &Stack, service: &Service, context: &Context<'_>) -> Option<Trouble> {
    let id = ServiceId::new(&stack.name, &service.name);
    (context.waits)(&id, &pin_key(&service.image))
}

fn choice(stack: &Stack, service: &Service, context: &Context<'_>) -> Choice {
    let id = ServiceId::new(&stack.name, &service.name);
    let recorded = recorded(&id, service, context);
    choose::choose(&id, service, recorded, context.observed)
}

/// The pin of the service's image line. A newer tag counts as long as git asks for newer tags.
fn recorded<'a>(id: &ServiceId, service: &Service, context: &Context<'a>) -> Option<&'a Pin> {
    let pin = context.pins.0.get(&(id.clone(), pin_key(&service.image)))?;
    let is_written = pin.chosen.as_ref().is_none_or(|chosen| chosen.tag.is_none());
    // What was not let in has never run: the line may mean something else by now.
    let was_let_in = context.gate.is_none_or(|gate| !gate.doubts(&service.image, &pin.digest));
    (was_let_in && (service.tag_rule().is_some() || is_written)).then_some(pin)
}

fn deployment(
    stack: Stack,
    answers: &Answers,
    followed: &Followed,
    context: &Context<'_>,
    new_pins: &mut Pins,
) -> Deployment {
    let mut services = IndexMap::new();
    for (name, service) in &stack.services {
        let id = ServiceId::new(&stack.name, name);
        let image = match followed.services.get(&id) {
            Some(Follows { judgement, base, again }) => {
                let (pinned, followed) = follow_pinned(service, judgement, base.as_ref());
                let followed = FollowedImage { again: *again, ..followed };
                let pinned = pinned.map_or_else(|| pin(&stack, service, answers, context), Ok);
                pinned.map(|pinned| Pinned { followed: Some(followed), ..pinned })
            }
            None => pin(&stack, service, answers, context),
        };
        if let Ok(Pinned { image, origin: PinOrigin::Running | PinOrigin::Registry, .. }) = &image {
            new_pins.0.insert((id, pin_key(&service.image)), new_pin(service, image, context));
        }
        services.insert(name.clone(), DesiredService { service: service.clone(), image });
    }
    Deployment { stack, services }
}

/// What following the registry came to, and the pin that follows from it, unless the service stands at nothing yet.
fn follow_pinned(
    service: &Service,
    judgement: &Judgement,
    base: Option<&Base>,
) -> (Option<Pinned>, FollowedImage) {
    let before = base.and_then(|base| base.chosen.clone());
    let at_base = base.map(|base| pinned_at(service, &base.tag, base.digest.clone(), base.origin));
    match judgement {
        // What is written back is deployed from git.
        Judgement::Takes { tag, .. } if writes_back(service) => {
            let waits = Some(format!("{tag} goes into git first"));
            let to_write = Some(service.image.with_tag(tag));
            (at_base, FollowedImage { before, waits, to_write, ..FollowedImage::default() })
        }
        Judgement::Takes { tag, digest, why, waits } => {
            let (chosen, waits) = (Some(why.clone()), waits.clone());
            let pinned = pinned_at(service, tag, digest.clone(), PinOrigin::Followed);
            (Some(pinned), FollowedImage { chosen, waits, ..FollowedImage::default() })
        }
        Judgement::Stays(waits) => {
            let waits = waits.clone();
            (at_base, FollowedImage { before, waits, ..FollowedImage::default() })
        }
    }
}

/// The service's image with another tag.
fn pinned_at(service: &Service, tag: &str, digest: Digest, origin: PinOrigin) -> Pinned {
    let image = match service.image.tag() {
        // Nothing written is shown as nothing written.
        None if tag == service.image.tag_or_latest() => service.image.clone(),
        Some(_) | None => service.image.with_tag(tag),
    };
    let image = PinnedImage::new(&image, digest);
    let hash = service.settings.hash(&image);
    made(image, hash, origin, None)
}

/// Whether newer tags go into git. A tag that means another image by now is the same text there.
fn writes_back(service: &Service) -> bool {
    service.update.as_ref().is_some_and(|update| update.write_back && update.rule.is_some())
}

/// A pin to record: where it has another tag than git, with how that came to be.
fn new_pin(service: &Service, image: &PinnedImage, context: &Context<'_>) -> Pin {
    let reference = image.reference();
    let chosen = context.following.filter(|_| !reference.same_tag(&service.image)).map(|it| {
        let why = "it ran when nothing was recorded".to_owned();
        Chosen { tag: reference.tag().map(str::to_owned), why, at: it.now }
    });
    Pin { digest: image.digest().clone(), chosen }
}

fn pin(
    stack: &Stack,
    service: &Service,
    answers: &Answers,
    context: &Context<'_>,
) -> Result<Pinned, ImageTrouble> {
    match choice(stack, service, context) {
        Choice::Known(digest, PinOrigin::Record) => {
            let recorded = recorded(&ServiceId::new(&stack.name, &service.name), service, context);
            let chosen = recorded.and_then(|pin| pin.chosen.as_ref()?.tag.as_deref());
            let tag = chosen.unwrap_or(service.image.tag_or_latest());
            Ok(pinned_at(service, tag, digest, PinOrigin::Record))
        }
        Choice::Known(digest, origin) => Ok(pinned(service, digest, origin, None)),
        Choice::NotHere => Err(words::not_here(service, context.observed)),
        Choice::Ask => match answers.get(&tag_of(&service.image)) {
            Some(Ok(digest)) => Ok(pinned(service, digest.clone(), PinOrigin::Registry, None)),
            Some(Err(error)) => without_answer(stack, service, error, context.observed),
            None => without_asking(service, context.observed).map_err(|offline| {
                match waits(stack, service, context) {
                    Some(trouble) => ImageTrouble { waits: Some(Box::new(trouble)), ..offline },
                    None => offline,
                }
            }),
        },
    }
}

/// The registry did not give a digest: where it is merely silent, an image that is here will do.
fn without_answer(
    stack: &Stack,
    service: &Service,
    error: &RegistryError,
    observed: &ObservedState,
) -> Result<Pinned, ImageTrouble> {
    let here = choose::on_host(&service.image, observed).filter(|_| is_silence(error));
    match here {
        Some(digest) => {
            let remark = words::went_on(stack, service, error);
            Ok(pinned(service, digest, PinOrigin::Host, Some(remark)))
        }
        None => Err(words::no_digest(stack, service, error, observed)),
    }
}

fn without_asking(service: &Service, observed: &ObservedState) -> Result<Pinned, ImageTrouble> {
    match choose::on_host(&service.image, observed) {
        Some(digest) => {
            let remark = words::went_on_offline(service);
            Ok(pinned(service, digest, PinOrigin::Host, Some(remark)))
        }
        None => Err(words::offline(service)),
    }
}

/// Whether the registry said nothing about the image, as against "no".
fn is_silence(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unknown { .. }
        | RegistryError::NotAsked { .. }
        | RegistryError::Credentials { .. } => true,
        RegistryError::NoSuchImage { .. }
        | RegistryError::NotForPlatform { .. }
        | RegistryError::Denied { .. } => false,
    }
}

fn pinned(service: &Service, digest: Digest, origin: PinOrigin, remark: Option<String>) -> Pinned {
    let image = PinnedImage::new(&service.image, digest);
    let hash = service.settings.hash(&image);
    made(image, hash, origin, remark)
}

fn made(
    image: PinnedImage,
    hash: crate::model::SpecHash,
    origin: PinOrigin,
    remark: Option<String>,
) -> Pinned {
    Pinned { image, hash, origin, remark, followed: None, barred: None, unverified: None }
}
