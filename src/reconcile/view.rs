//! What is wanted and what is there, side by side: all that a plan is made from.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use super::World;
use crate::engine::EngineError;
use crate::model::desired::Pins;
use crate::model::memory::{HoldScope, Memory};
use crate::model::polls::Polls;
use crate::model::proofs::Proofs;
use crate::model::{
    DesiredState, Masks, ObservedContainer, ObservedState, Platform, ServiceId, SpecHash, StackName,
};
use crate::plan::{self, Retries, Rules, Situation};
use crate::resolve::{self, Asks, Context, Following, Gate, Loaded, Resolved, Tries};

/// Images asked about at a time.
const AT_ONCE: usize = 8;

/// One look at the host.
pub struct View {
    /// What should be.
    pub desired: DesiredState,
    /// What is.
    pub observed: ObservedState,
    /// Digests learnt just now.
    pub new_pins: Pins,
    /// What registries said, with what they said just now; `None` where nobody follows them.
    pub polls: Option<Polls>,
    /// What was found out about images that something is asked of; `None` where nothing is.
    pub proofs: Option<Proofs>,
    /// When asking again may lead to something else, though nothing else happens.
    pub next_poll: Option<Timestamp>,
    /// Values to be masked in what others write.
    pub masks: Masks,
}

/// How old a look taken while the sources were read may be.
const FRESH: Duration = Duration::from_secs(2);

/// A look at the engine that was taken before it was known which stacks there are.
pub struct Early {
    observed: ObservedState,
    taken: Instant,
}

/// Looks at the engine beforehand.
pub async fn look_early(world: &World) -> Result<Early, EngineError> {
    let taken = Instant::now();
    let observed = world.engine.observe(&[]).await?;
    Ok(Early { observed, taken })
}

impl Early {
    /// What it shows: every container that evenkeel did not make is foreign in it.
    pub fn observed(&self) -> &ObservedState {
        &self.observed
    }

    /// Whether it shows all there is of `stacks`: containers that Compose made are inspected only when
    /// their project is asked for.
    fn suffices(&self, stacks: &[StackName]) -> bool {
        let is_wanted = |project: &StackName| stacks.contains(project);
        let mut projects = self.observed.foreign.iter().filter_map(|one| one.project.as_ref());
        self.taken.elapsed() < FRESH && !projects.any(is_wanted)
    }
}

/// A scene, and what happened there before.
#[derive(Clone, Copy)]
pub struct Background<'a> {
    scene: &'a Scene<'a>,
    memory: &'a Memory,
}

/// What a look is taken with, but for what happened before.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// What the sources ask for.
    pub loaded: &'a Loaded,
    /// Digests decided on before.
    pub pins: &'a Pins,
    /// What registries said before; `None` where nobody follows them, and what was decided before stands.
    pub polls: Option<&'a Polls>,
    /// What was found out about images before.
    pub proofs: &'a Proofs,
    /// Who may be asked about images that do not run yet.
    pub asks: Asks,
    /// Whether images are those of an earlier generation.
    pub goes_back: bool,
    /// What the operator allows.
    pub rules: &'a Rules,
    /// Ask no registry.
    pub offline: bool,
    /// Now.
    pub now: Timestamp,
}

impl Scene<'_> {
    /// The scene with what is remembered of it.
    pub fn with<'a>(&'a self, memory: &'a Memory) -> Background<'a> {
        Background { scene: self, memory }
    }

    /// What the operator asks of images; `None` for nothing.
    fn gate<'a>(&'a self, world: &'a World) -> Option<Gate<'a>> {
        let rules = world.config.images.as_slice();
        (!rules.is_empty()).then_some(Gate {
            rules,
            proofs: self.proofs,
            asks: self.asks,
            programs: &world.programs,
            tries: match self.rules.retries {
                Retries::WhenDue => Tries::WhenDue,
                Retries::AtOnce => Tries::AtOnce,
                Retries::Never => Tries::Never,
            },
            goes_back: self.goes_back,
            interval: world.config.registry.interval,
            now: self.now,
        })
    }
}

/// Looks at the engine, pins images and learns what a comparison needs.
pub async fn look(
    world: &World,
    early: Option<Early>,
    background: &Background<'_>,
) -> Result<View, EngineError> {
    let Background { scene, memory } = *background;
    let Scene { loaded, pins, polls, rules, offline, now, .. } = *scene;
    let stacks: Vec<StackName> = loaded.stacks.iter().map(|stack| stack.name.clone()).collect();
    let observed = match early.filter(|early| early.suffices(&stacks)) {
        Some(early) => early.observed,
        None => world.engine.observe(&stacks).await?,
    };
    let waits = |service: &ServiceId, about: &str| {
        let trouble = memory.trouble(service, about)?;
        rules.retries.waits(trouble, now).then(|| trouble.clone())
    };
    let rejected = |service: &ServiceId, spec: &SpecHash| {
        memory.rejected.contains_key(&(service.clone(), spec.clone()))
    };
    let following = polls.map(|polls| Following {
        polls,
        interval: world.config.registry.interval,
        rejected: &rejected,
        now,
    });
    let gate = scene.gate(world);
    let asks_for_age = gate.is_some_and(|gate| gate.rules.iter().any(|it| it.min_age.is_some()));
    let platform = match loaded.follows() || asks_for_age {
        true => world.engine.info().await?.platform(),
        false => Platform(String::new()),
    };
    let context = Context {
        registry: &*world.registry,
        pins,
        observed: &observed,
        offline,
        waits: &waits,
        platform: &platform,
        following,
        gate,
    };
    let resolved = resolve::resolve(loaded.clone(), &context).await;
    let mut masks = Masks::default();
    for deployment in resolved.desired.deployments() {
        masks.extend(&deployment.stack.masks);
    }
    let Resolved { desired, new_pins, polls, proofs, next_poll } = resolved;
    let mut view = View { desired, observed, new_pins, polls, proofs, next_poll, masks };
    let images = plan::images_to_inspect(&view.situation(memory, rules, now));
    if images.is_empty() {
        return Ok(view);
    }
    let asking = images.into_iter().map(|image| async move {
        let defaults = world.engine.image_defaults(&image).await;
        (image, defaults)
    });
    let answers = futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect();
    let (engine, answers): (_, Vec<_>) = tokio::join!(world.engine.defaults(), answers);
    let engine = engine?;
    view.observed.without_defaults(&engine);
    for (image, defaults) in answers {
        match defaults {
            Ok(mut defaults) => {
                engine.add_to(&mut defaults);
                view.observed.image_defaults.insert(image, defaults);
            }
            // An image that was removed from under its container: compared without its defaults.
            Err(EngineError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(view)
}

impl View {
    /// The view as a plan takes it.
    pub fn situation<'a>(
        &'a self,
        memory: &'a Memory,
        rules: &'a Rules,
        now: Timestamp,
    ) -> Situation<'a> {
        Situation { desired: &self.desired, observed: &self.observed, memory, rules, now }
    }

    /// Whether git or the engine has anything of `scope`. Of a stack that cannot be used, any service may be.
    pub fn knows(&self, scope: &HoldScope) -> bool {
        let runs = self.observed.containers.iter().filter_map(ObservedContainer::service);
        let is_wanted = match scope {
            HoldScope::Host => true,
            HoldScope::Stack(stack) => self.desired.stacks.contains_key(stack),
            HoldScope::Service(id) => match self.desired.deployment(&id.stack) {
                Some(deployment) => deployment.services.contains_key(&id.service),
                None => self.desired.stacks.contains_key(&id.stack),
            },
        };
        is_wanted || runs.into_iter().any(|service| scope.covers(service))
    }

    /// The ids of all containers of ours.
    pub fn containers(&self) -> BTreeSet<crate::model::ContainerId> {
        self.observed.containers.iter().map(|container| container.id.clone()).collect()
    }
}
