//! One day: what is wanted, what happens to it, and a pass after each.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bugs::Bug;
use super::chance::Chance;
use super::checks::{self, Before, Specs};
use super::trouble;
use crate::apply::tests::bench::*;
use crate::engine::fake::{HealthStory, ImageBehaviour, Process};
use crate::model::PinnedImage;
use crate::model::stack::{Condition, FailureAction, Order};

/// Passes in which a quiet host has to come to rest.
const PASSES: usize = 8;

/// How long a gate is waited for.
const DEADLINE: Duration = Duration::from_secs(12);

/// One day.
pub struct Day {
    host: Bench,
    chance: Chance,
    images: Vec<PinnedImage>,
    wishes: Vec<Wish>,
    specs: Specs,
    /// Whether things only go wrong as they are wished for.
    clean: bool,
    /// Whether the stack is changed as a whole or not at all.
    atomic: bool,
    told: Told,
    /// Whether what happens is put in words, which takes most of the time.
    wordy: bool,
}

/// What happened.
#[derive(Clone, Default)]
pub struct Told {
    /// In words, in order, where somebody wants to read them.
    pub lines: Vec<String>,
    /// Kinds of trouble, each as often as it came.
    pub kinds: Vec<String>,
}

/// What is wanted of one service.
#[derive(Clone, Debug)]
pub struct Wish {
    pub name: &'static str,
    image: usize,
    value: usize,
    pub replicas: u32,
    pub order: Order,
    pub parallelism: u32,
    action: FailureAction,
    ratio: u32,
    monitored: bool,
    checked: bool,
    needs: Option<(&'static str, Condition, bool)>,
    published: bool,
    data: bool,
}

impl Wish {
    /// Whether it needs one of these.
    pub fn needs_any(&self, others: &BTreeSet<&str>) -> bool {
        self.needs.is_some_and(|(name, ..)| others.contains(name))
    }

    /// Whether it is started again when the one it needs is replaced.
    pub fn is_restarted(&self) -> bool {
        self.needs.is_some_and(|(_, _, restarts)| restarts)
    }
}

/// The first is good; the others go wrong, each in its way, or are slow.
fn images(host: &Bench) -> Vec<PinnedImage> {
    let until = |healthy: u32, unhealthy: u32| HealthStory::HealthyUntil {
        healthy_after: SECOND * healthy,
        unhealthy_after: SECOND * unhealthy,
    };
    let behaviours = [
        ImageBehaviour::default(),
        ImageBehaviour {
            health: HealthStory::HealthyAfter(SECOND * 2),
            ..ImageBehaviour::default()
        },
        ImageBehaviour::process(Process::ExitsThenRuns { times: 2, after: SECOND / 2, code: 1 }),
        ImageBehaviour { health: HealthStory::Never, ..ImageBehaviour::default() },
        ImageBehaviour { health: until(1, 3), ..ImageBehaviour::default() },
        ImageBehaviour::exits(SECOND / 2, 1),
        ImageBehaviour::exits(SECOND * 3, 1),
        ImageBehaviour::process(Process::CannotStart("exec format error".into())),
        ImageBehaviour { out_of_memory: true, ..ImageBehaviour::exits(SECOND / 2, 137) },
    ];
    let numbered = behaviours.into_iter().enumerate();
    numbered.map(|(number, behaviour)| host.image(&format!("app{number}"), behaviour)).collect()
}

/// How many of the images are good.
const GOOD: usize = 3;

/// Those that do not pass a gate.
const BAD: [usize; 3] = [5, 7, 8];

/// The one that does not pass where it is checked.
const NEVER_HEALTHY: usize = 3;

/// Those whose process does not end by itself.
const STEADY: [usize; 4] = [0, 1, 3, FALLS_SICK];

/// The one that is healthy at first, where it is checked.
const FALLS_SICK: usize = 4;

impl Day {
    pub fn new(seed: u64, bug: Option<Bug>, wordy: bool) -> Self {
        let mut host = Bench::new();
        host.tamper = bug.map(|bug| bug.plant);
        host.rules.deadline = DEADLINE;
        let mut chance = Chance::new(seed);
        let clean = chance.once_in(3);
        let (images, wishes, specs) = (Vec::new(), Vec::new(), Specs::default());
        let told = Told::default();
        // Apart from chance, so that a day is otherwise what it was.
        let atomic = seed.is_multiple_of(3);
        Self { host, chance, images, wishes, specs, clean, atomic, told, wordy }
    }

    pub fn told(self) -> Told {
        self.told
    }

    fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.wordy {
            let line = line(self);
            self.told.lines.push(line);
        }
    }

    pub async fn live(&mut self) -> Result<(), String> {
        self.images = images(&self.host);
        self.host.world.load(&self.images[0]);
        trouble::stranger(&self.host, &self.images[0]);
        self.host.world.film();
        self.wishes = self.first_wishes();
        self.wish();
        self.pass(true).await?;
        for _ in 0..1 + self.chance.below(5) {
            let mut calm = true;
            for _ in 0..1 + self.chance.below(3) {
                calm &= self.happen();
            }
            self.pass(calm).await?;
            let pause = SECOND * u32::try_from(self.chance.below(30)).unwrap();
            tokio::time::sleep(pause).await;
        }
        self.come_to_rest().await
    }

    /// Something is wished for, or goes wrong; whether it was a wish.
    fn happen(&mut self) -> bool {
        if self.clean || self.chance.once_in(2) {
            self.change_a_wish();
            self.wish();
            return true;
        }
        let kind = trouble::strike(&self.host, &mut self.chance, &self.images);
        self.tell(|_| kind.clone());
        self.told.kinds.push(kind);
        false
    }

    fn first_wishes(&mut self) -> Vec<Wish> {
        let mut wishes: Vec<Wish> = Vec::new();
        let names = ["db", "api", "web"];
        for name in names.into_iter().take(1 + self.chance.below(3)) {
            let beside = self.chance.once_in(2);
            let needs = wishes.last().filter(|_| self.chance.once_in(2)).map(|other: &Wish| {
                let healthy = other.checked && self.chance.once_in(2);
                let condition = if healthy { Condition::Healthy } else { Condition::Started };
                (other.name, condition, self.chance.once_in(3))
            });
            let single = !beside && self.chance.once_in(3);
            wishes.push(Wish {
                name,
                image: self.chance.below(GOOD),
                value: 0,
                replicas: if single { 1 } else { 1 + u32::try_from(self.chance.below(3)).unwrap() },
                order: if beside { Order::StartFirst } else { Order::StopFirst },
                parallelism: u32::try_from(self.chance.below(3)).unwrap(),
                action: *self.chance.one_of(&[
                    FailureAction::Rollback,
                    FailureAction::Rollback,
                    FailureAction::Continue,
                    FailureAction::Pause,
                ]),
                ratio: if self.chance.once_in(3) { 400_000 } else { 0 },
                monitored: !self.chance.once_in(4),
                checked: self.chance.once_in(2),
                needs,
                published: single,
                data: !beside && self.chance.once_in(2),
            });
        }
        wishes
    }

    fn change_a_wish(&mut self) {
        let images = self.images.len();
        let place = self.chance.below(self.wishes.len());
        let what = self.chance.below(6);
        let number = self.chance.below(images);
        let is_last = place > 0 && place + 1 == self.wishes.len();
        let wish = &mut self.wishes[place];
        match what {
            0 | 1 => wish.image = number,
            2 | 3 => wish.value += 1,
            4 if !wish.published => wish.replicas = 1 + wish.replicas % 3,
            4 | 5 if is_last && self.chance.once_in(4) => {
                self.wishes.pop();
            }
            _ => wish.image = 0,
        }
    }

    fn wish(&mut self) {
        let wanted: Vec<Wanted> = self.wishes.iter().map(|wish| self.wanted(wish)).collect();
        self.tell(|day| format!("wished for: {:?}", day.wishes));
        self.host.want_all("shop", wanted).atomic = self.atomic;
        for wish in &self.wishes {
            let spec = self.host.hash(&format!("shop/{}", wish.name)).to_string();
            if !STEADY.contains(&wish.image) || wish.image == FALLS_SICK && wish.checked {
                self.specs.ending.insert(spec.clone());
            }
            if BAD.contains(&wish.image) || wish.image == NEVER_HEALTHY && wish.checked {
                self.specs.bad.insert(spec);
            }
        }
    }

    fn wanted(&self, wish: &Wish) -> Wanted {
        let mut wanted = service(wish.name, &self.images[wish.image])
            .env("V", &wish.value.to_string())
            .replicas(wish.replicas)
            .with(|service| {
                // Short, since most of the time goes into looking at containers that wait.
                (service.rollout.stable, service.rollout.monitor) = (SECOND, SECOND * 3);
                service.rollout.order = wish.order;
                service.rollout.parallelism = wish.parallelism;
                service.rollout.failure_action = wish.action;
                service.rollout.max_failure_ratio = wish.ratio;
                if !wish.monitored {
                    service.rollout.monitor = Duration::ZERO;
                }
            });
        if wish.checked {
            wanted = wanted.checked();
        }
        if wish.published {
            let place = self.wishes.iter().position(|one| one.name == wish.name).unwrap();
            wanted = wanted.port(&format!("800{place}"));
        }
        if wish.data {
            wanted = wanted.volume(&format!("shop_{}", wish.name));
        }
        match wish.needs {
            Some((other, _, true)) => wanted.restarts_with(other),
            Some((other, condition, false)) => wanted.needs(other, condition),
            None => wanted,
        }
    }

    /// One pass, looked at call by call. `calm`: nothing but wishes came before it.
    async fn pass(&mut self, calm: bool) -> Result<(), String> {
        let calm = calm && self.host.world.is_calm();
        let before = Before::of(&self.host, &self.wishes, &self.specs, calm);
        let pass = self.host.try_pass().await;
        self.host.world.revive();
        let scenes = self.host.world.take_scenes();
        self.tell(|_| format!("a pass{}", if pass.is_some() { "" } else { ", and death in it" }));
        for scene in &scenes {
            let of = scene.containers.iter().find(|seen| Some(&seen.id) == scene.of.as_ref());
            let name = of.map_or("", |seen| seen.name.as_str());
            self.tell(|_| format!("    {:?} {name}", scene.verb));
        }
        for (service, result) in pass.iter().flat_map(|pass| &pass.outcome.services) {
            let why = result.failure.as_ref().map_or("", |failure| failure.message.as_str());
            self.tell(|_| format!("  {service}: {:?} {why}", result.outcome));
        }
        checks::during(&before, &scenes)?;
        if !self.clean {
            return Ok(());
        }
        if let Some(pass) = pass.filter(|_| self.atomic) {
            checks::as_a_whole(&before, &pass, &self.host)?;
        }
        checks::afterwards(&before, &self.host)
    }

    /// Nothing happens any more: the host comes to rest, and there it is as git says.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        self.tell(|_| "nothing happens any more".to_owned());
        self.host.world.calm_down();
        for _ in 0..PASSES {
            self.host.world.forget_calls();
            self.pass(false).await?;
            if self.host.calls().is_empty() {
                return self.at_rest().await;
            }
            tokio::time::sleep(SECOND * 20).await;
        }
        let plan = self.host.plan().await;
        let changes =
            plan.changes.iter().map(|change| format!("{}: {:?}", change.service, change.verdict));
        let changes: Vec<String> = changes.collect();
        let host = self.host.world.normalised();
        Err(format!("it did not come to rest: {:#?}, {changes:#?}\n{host}", self.host.calls()))
    }

    async fn at_rest(&self) -> Result<(), String> {
        let plan = self.host.plan().await;
        let observed = self.host.observe().await.ok_or("the host cannot be seen")?;
        checks::networks(&observed)?;
        checks::at_rest(&self.host, &plan, &self.wishes)
    }
}
