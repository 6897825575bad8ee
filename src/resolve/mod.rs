//! Stacks and what the registries say become the desired state.
//!
//! This file is the story; `choose` knows which digest counts, `tags` which newer tag, `words` what people are
//! told. What follows from a digest is decided in [`crate::plan`].

mod choose;
pub mod tags;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use crate::model::desired::{Deployment, ImageTrouble, PinOrigin, Pinned, Pins};
use crate::model::fingerprint::hex;
use crate::model::memory::Trouble;
use crate::model::{
    CommitId, DesiredService, DesiredStack, DesiredState, Digest, HostName, ImageRef,
    ObservedState, PinnedImage, Problem, Service, ServiceId, SourceName, Stack, StackContent,
    StackName,
};
use crate::registry::{self, Registry, RegistryError};
use choose::Choice;

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

/// The desired state, and what has to be recorded so that it stays the same.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What this host should run.
    pub desired: DesiredState,
    /// Digests learnt from a running container or a registry. Those of an image that merely lies on the
    /// host are not among them, so that the registry is asked again.
    pub new_pins: Pins,
}

/// Pins every image, each tag as it was resolved before, else as the registry has it now.
///
/// Every distinct tag is asked for once. A failure concerns the services with that tag alone.
pub async fn resolve(loaded: Loaded, context: &Context<'_>) -> Resolved {
    let answers = ask(questions(&loaded.stacks, context), context).await;
    let mut new_pins = Pins::default();
    let mut stacks = IndexMap::new();
    for stack in loaded.stacks {
        let content = match stack.content {
            Err(problems) => StackContent::Invalid(problems),
            Ok(manifest) => {
                let deployment = deployment(manifest, &answers, context, &mut new_pins);
                StackContent::Usable(Box::new(deployment))
            }
        };
        let LoadedStack { name, source, commit, .. } = stack;
        stacks.insert(name.clone(), DesiredStack { name, source, commit, content });
    }
    let Loaded { host, sources_read, sources_configured, .. } = loaded;
    Resolved { desired: DesiredState { host, stacks, sources_read, sources_configured }, new_pins }
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
fn questions(stacks: &[LoadedStack], context: &Context<'_>) -> BTreeMap<Tag, ImageRef> {
    if context.offline {
        return BTreeMap::new();
    }
    let usable = stacks.iter().filter_map(|stack| stack.content.as_ref().ok());
    let services = usable.flat_map(|stack| stack.services.values().map(move |it| (stack, it)));
    services
        .filter(|(stack, service)| choice(stack, service, context) == Choice::Ask)
        .filter(|(stack, service)| waits(stack, service, context).is_none())
        .map(|(_, service)| (tag_of(&service.image), service.image.clone()))
        .collect()
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
    let recorded = context.pins.0.get(&(id.clone(), pin_key(&service.image)));
    choose::choose(&id, service, recorded, context.observed)
}

fn deployment(
    stack: Stack,
    answers: &Answers,
    context: &Context<'_>,
    new_pins: &mut Pins,
) -> Deployment {
    let mut services = IndexMap::new();
    for (name, service) in &stack.services {
        let image = pin(&stack, service, answers, context);
        if let Ok(Pinned { image, origin: PinOrigin::Running | PinOrigin::Registry, .. }) = &image {
            let key = (ServiceId::new(&stack.name, name), pin_key(&service.image));
            new_pins.0.insert(key, image.digest().clone());
        }
        services.insert(name.clone(), DesiredService { service: service.clone(), image });
    }
    Deployment { stack, services }
}

fn pin(
    stack: &Stack,
    service: &Service,
    answers: &Answers,
    context: &Context<'_>,
) -> Result<Pinned, ImageTrouble> {
    match choice(stack, service, context) {
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
    Pinned { image, hash, origin, remark }
}
