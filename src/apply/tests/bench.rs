//! A host, what is wanted on it, and passes as the program does them. The only place here that knows the
//! rooms' interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::apply::{self, Event, Hands, Journal, Outcome, Superseded, Watcher};
use crate::engine::fake::{FakeEngine, ImageBehaviour};
use crate::engine::{Engine, Labels};
use crate::model::desired::{Deployment, PinOrigin, Pinned};
use crate::model::memory::{HeldBy, Hold, HoldScope, Memory, Rejection};
use crate::model::spec::{
    Attachment, Endpoint, ExposedPort, Healthcheck, Mount, MountSource, PortBinding, Protocol,
    RestartPolicy,
};
use crate::model::stack::{
    Condition, Dependency, FailureAction, Network, Order, Rollout, StackRecord, Volume,
};
use crate::model::{
    ContainerId, ContainerSpec, DesiredService, DesiredStack, DesiredState, Hidden, Masks,
    ObservedContainer, ObservedState, PinnedImage, Place, Service, ServiceId, ServiceName,
    ServiceOutcome, Stack, StackContent, StackName,
};
use crate::plan::{self, MostRemovals, Plan, Retries, Rules, Situation, Verdict};
use crate::probe::{Answer, Prober};

pub const SECOND: Duration = Duration::from_secs(1);

/// A host with what is wanted on it and what it remembers.
pub struct Bench {
    pub world: FakeEngine,
    pub desired: DesiredState,
    pub memory: Arc<Mutex<Memory>>,
    /// Images that were written down before they were pulled.
    pub pulls: Arc<Mutex<BTreeSet<PinnedImage>>>,
    /// Bytes to be fetched, by image, where they are known.
    pub layers: BTreeMap<PinnedImage, u64>,
    pub rules: Rules,
    pub now: Timestamp,
    /// What a newer commit changes meanwhile.
    pub superseded: Arc<Superseded>,
    /// What containers answer by HTTP, by image: status and body.
    pub answers: BTreeMap<PinnedImage, (u16, String)>,
    /// What is done to every plan before it is carried out.
    pub tamper: Option<fn(&mut Plan)>,
}

/// One pass.
pub struct Pass {
    pub repair: Plan,
    pub plan: Plan,
    pub outcome: Outcome,
}

/// A service to be wanted.
#[derive(Clone)]
pub struct Wanted {
    pub service: Service,
    image: PinnedImage,
    networks: Vec<String>,
}

/// `stack/service`
pub fn id(text: &str) -> ServiceId {
    let (stack, service) = text.split_once('/').unwrap();
    ServiceId::new(&stack.into(), &service.into())
}

/// A service on the stack's default network that restarts unless stopped.
pub fn service(name: &str, image: &PinnedImage) -> Wanted {
    let rollout = Rollout {
        order: Order::StopFirst,
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: SECOND * 5,
        max_failure_ratio: 0,
        failure_action: FailureAction::Rollback,
        stable: SECOND * 3,
        deadline: None,
        restarts: 2,
        shared_writers: false,
    };
    let service = Service {
        name: name.into(),
        place: Place { file: "compose.yaml".into(), line: 1, column: 1 },
        image: image.reference(),
        image_shown: image.reference().without_digest().to_string(),
        image_place: Place { file: "compose.yaml".into(), line: 1, column: 1 },
        pull_policy: crate::model::PullPolicy::default(),
        settings: ContainerSpec {
            restart: RestartPolicy::UnlessStopped,
            ..ContainerSpec::default()
        },
        sensitive: BTreeSet::new(),
        container_name: None,
        replicas: 1,
        depends_on: IndexMap::new(),
        rollback: Rollout { failure_action: FailureAction::Pause, ..rollout.clone() },
        rollout,
        probe: None,
        update: None,
        stamps: Default::default(),
        exports: Vec::new(),
        secret_files: Vec::new(),
        directories: Vec::new(),
        server_files: Default::default(),
        keep: None,
    };
    Wanted { service, image: image.clone(), networks: vec!["default".into()] }
}

impl Wanted {
    pub fn with(mut self, change: impl FnOnce(&mut Service)) -> Self {
        change(&mut self.service);
        self
    }

    pub fn env(self, name: &str, value: &str) -> Self {
        self.with(|service| {
            service.settings.environment.insert(name.into(), Some(Hidden::new(value)));
        })
    }

    pub fn restart(self, policy: RestartPolicy) -> Self {
        self.with(|service| service.settings.restart = policy)
    }

    pub fn checked(self) -> Self {
        let test = vec!["CMD".into(), "check".into()];
        let interval = Some(SECOND);
        let check = Healthcheck {
            test,
            interval,
            timeout: interval,
            start_period: None,
            start_interval: None,
            retries: Some(2),
        };
        self.with(|service| service.settings.healthcheck = Some(check))
    }

    pub fn needs(self, other: &str, condition: Condition) -> Self {
        let dependency = Dependency { condition, restart: false, required: true };
        self.with(|service| {
            service.depends_on.insert(other.into(), dependency);
        })
    }

    /// In the network of the first container of that service.
    pub fn within(self, other: &str) -> Self {
        let dependency =
            Dependency { condition: Condition::Started, restart: true, required: true };
        self.with(|service| {
            service.settings.network = Attachment::Mode(format!("service:{other}"));
            service.depends_on.insert(other.into(), dependency);
        })
    }

    /// Restarted when that service is replaced.
    pub fn restarts_with(self, other: &str) -> Self {
        let dependency =
            Dependency { condition: Condition::Started, restart: true, required: true };
        self.with(|service| {
            service.depends_on.insert(other.into(), dependency);
        })
    }

    pub fn likes(self, other: &str, condition: Condition) -> Self {
        let dependency = Dependency { condition, restart: false, required: false };
        self.with(|service| {
            service.depends_on.insert(other.into(), dependency);
        })
    }

    pub fn replicas(self, replicas: u32) -> Self {
        self.with(|service| service.replicas = replicas)
    }

    pub fn called(self, name: &str) -> Self {
        self.with(|service| service.container_name = Some(name.into()))
    }

    pub fn port(self, published: &str) -> Self {
        let target = ExposedPort { port: 80, protocol: Protocol::Tcp };
        let binding = PortBinding { target, host_ip: String::new(), published: published.into() };
        self.with(|service| service.settings.ports.push(binding))
    }

    pub fn memory(self, bytes: i64) -> Self {
        self.with(|service| service.settings.resources.memory = bytes)
    }

    pub fn volume(self, name: &str) -> Self {
        self.mount(MountSource::volume(name))
    }

    pub fn mount(self, source: MountSource) -> Self {
        let mount = Mount::new("/data", source, false);
        self.with(|service| service.settings.mounts = vec![mount])
    }

    pub fn networks(mut self, keys: &[&str]) -> Self {
        self.networks = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        let rules = Rules {
            removals_max: MostRemovals::Percent(100),
            allow_removals: true,
            deadline: SECOND * 60,
            windows: plan::Windows::default(),
            only: Vec::new(),
            busy: std::collections::BTreeSet::new(),
            retries: Retries::WhenDue,
        };
        let desired = DesiredState {
            host: crate::model::HostName::new("here"),
            stacks: IndexMap::new(),
            sources_read: ["git".into()].into(),
            sources_configured: ["git".into()].into(),
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        Self {
            world: FakeEngine::new(),
            desired,
            memory: Arc::default(),
            pulls: Arc::default(),
            layers: BTreeMap::new(),
            rules,
            now,
            superseded: Arc::default(),
            answers: BTreeMap::new(),
            tamper: None,
        }
    }

    /// The same host, wishes and memory, to go on from separately.
    pub fn fork(&self) -> Self {
        Self {
            world: self.world.snapshot(),
            desired: self.desired.clone(),
            memory: Arc::new(Mutex::new(self.memory())),
            pulls: Arc::default(),
            layers: self.layers.clone(),
            rules: self.rules.clone(),
            now: self.now,
            superseded: self.superseded.clone(),
            answers: self.answers.clone(),
            tamper: self.tamper,
        }
    }

    /// An image in the registry.
    pub fn image(&self, name: &str, behaviour: ImageBehaviour) -> PinnedImage {
        let digest = self.world.add_image(&format!("registry.test/{name}"), "1", behaviour);
        let text = format!("registry.test/{name}:1");
        PinnedImage::new(&crate::model::ImageRef::parse(&text).unwrap(), digest)
    }

    /// An image whose containers simply run.
    pub fn app(&self) -> PinnedImage {
        self.image("app", ImageBehaviour::default())
    }

    /// Wants a stack of these services, in dependency order.
    pub fn want<const N: usize>(&mut self, stack: &str, services: [Wanted; N]) -> &mut Stack {
        self.want_all(stack, services.to_vec())
    }

    pub fn want_all(&mut self, stack: &str, services: Vec<Wanted>) -> &mut Stack {
        let name = StackName::new(stack);
        let content = StackContent::Usable(Box::new(deployment(&name, services)));
        let desired =
            DesiredStack { name: name.clone(), source: "git".into(), commit: "c1".into(), content };
        self.desired.stacks.insert(name.clone(), desired);
        self.stack(stack)
    }

    pub fn stack(&mut self, stack: &str) -> &mut Stack {
        match &mut self.desired.stacks[&StackName::new(stack)].content {
            StackContent::Usable(deployment) => &mut deployment.stack,
            StackContent::Invalid(_) => panic!("{stack} is invalid"),
        }
    }

    pub fn forget(&mut self, stack: &str) {
        self.desired.stacks.shift_remove(&StackName::new(stack));
    }

    /// Holds `shop/web` from now on.
    pub fn hold_web(&self, by: HeldBy, reason: Option<&str>) {
        let scope = HoldScope::Service(id("shop/web"));
        let reason = reason.map(str::to_owned);
        let hold =
            Hold { scope, by, since: self.now, until: None, reason, image: None, going_to: None };
        self.memory.lock().unwrap().holds.push(hold);
    }

    pub fn memory(&self) -> Memory {
        self.memory.lock().unwrap().clone()
    }

    /// The hash that is wanted of a service.
    pub fn hash(&self, service: &str) -> crate::model::SpecHash {
        let id = id(service);
        let deployment = self.desired.deployment(&id.stack).unwrap();
        deployment.services[&id.service].image.as_ref().unwrap().hash.clone()
    }

    pub async fn observe(&self) -> Option<ObservedState> {
        let stacks: Vec<StackName> = self.desired.stacks.keys().cloned().collect();
        let mut observed = self.world.observe(&stacks).await.ok()?;
        let memory = self.memory();
        let engine = self.world.defaults().await.ok()?;
        observed.without_defaults(&engine);
        for image in plan::images_to_inspect(&self.situation(&observed, &memory)) {
            // An image that was removed has nothing to tell.
            if let Ok(mut defaults) = self.world.image_defaults(&image).await {
                engine.add_to(&mut defaults);
                observed.image_defaults.insert(image, defaults);
            }
        }
        Some(observed)
    }

    pub fn situation<'a>(
        &'a self,
        observed: &'a ObservedState,
        memory: &'a Memory,
    ) -> Situation<'a> {
        Situation { desired: &self.desired, observed, memory, rules: &self.rules, now: self.now }
    }

    /// The plan of now; nothing is carried out.
    pub async fn plan(&self) -> Plan {
        let observed = self.observe().await.unwrap();
        plan::plan(&self.situation(&observed, &self.memory()))
    }

    /// One pass that nobody interrupts.
    pub async fn pass(&self) -> Pass {
        self.try_pass().await.expect("the pass was interrupted")
    }

    /// One pass; `None` where the program died in it.
    pub async fn try_pass(&self) -> Option<Pass> {
        let mut observed = self.observe().await?;
        let mut repair = plan::repair::repair(&self.situation(&observed, &self.memory()));
        self.tampered(&mut repair);
        if !repair.steps.is_empty() {
            self.carry_out(&repair).await;
            observed = self.observe().await?;
        }
        let there: BTreeSet<&ContainerId> = observed.containers.iter().map(|c| &c.id).collect();
        {
            let mut memory = self.memory.lock().unwrap();
            memory.set_aside.retain(|container, _| there.contains(container));
            memory.matched.retain(|(container, _)| there.contains(container));
        }
        let mut plan = plan::plan(&self.situation(&observed, &self.memory()));
        self.tampered(&mut plan);
        {
            let mut memory = self.memory.lock().unwrap();
            memory.matched.extend(plan.matches.iter().cloned());
            memory.completed_jobs.extend(plan.completed.iter().cloned());
        }
        let outcome = self.carry_out(&plan).await;
        if self.world.crashed() {
            return None;
        }
        self.remember(&plan, &outcome);
        Some(Pass { repair, plan, outcome })
    }

    fn tampered(&self, plan: &mut Plan) {
        if let Some(tamper) = self.tamper {
            tamper(plan);
        }
    }

    pub async fn carry_out(&self, plan: &Plan) -> Outcome {
        let journal = Notes {
            memory: self.memory.clone(),
            pulls: self.pulls.clone(),
            world: self.world.clone(),
        };
        let hands = Hands {
            engine: &self.world,
            prober: &Answers { world: self.world.clone(), of: self.answers.clone() },
            logins: &BTreeMap::new(),
            layers: &self.layers,
            journal: &journal,
            watcher: &journal,
            masks: &Masks::default(),
            parallel: 4,
            stop: &CancellationToken::new(),
            superseded: &self.superseded,
            networks: &apply::Networks::default(),
        };
        apply::apply(plan, &hands).await
    }

    fn remember(&self, plan: &Plan, outcome: &Outcome) {
        let mut memory = self.memory.lock().unwrap();
        for (service, deployed) in outcome.deployed(plan, &self.desired) {
            match deployed {
                Some(deployed) => drop(memory.deployed.insert(service, deployed)),
                None => drop(memory.deployed.remove(&service)),
            }
        }
        for change in &plan.changes {
            let (Some(result), Some(spec)) = (outcome.services.get(&change.service), &change.spec)
            else {
                continue;
            };
            if outcome.completed.contains(&change.service) {
                memory.completed_jobs.insert((change.service.clone(), spec.clone()));
            }
            let Some(failure) = &result.failure else { continue };
            if let Some(spec) = failure.rejects(change) {
                let (paused, error) = (failure.pauses(change), failure.message.clone());
                let rejection = Rejection { since: self.now, error, paused };
                memory.rejected.insert((change.service.clone(), spec.clone()), rejection);
            }
        }
    }

    /// A pass that must end well, followed by one that must find nothing to do.
    pub async fn converge(&self) -> Pass {
        let pass = self.pass().await;
        for (service, result) in &pass.outcome.services {
            assert_eq!(result.outcome, ServiceOutcome::Done, "{service}: {:?}", result.failure);
        }
        assert!(pass.outcome.shared_failures.is_empty(), "{:?}", pass.outcome.shared_failures);
        self.assert_quiet().await;
        pass
    }

    /// Nothing is left to do, and a pass calls nothing that changes anything.
    pub async fn assert_quiet(&self) {
        self.world.forget_calls();
        let pass = self.pass().await;
        let steps: Vec<_> = pass.repair.steps.iter().chain(&pass.plan.steps).collect();
        assert!(steps.is_empty(), "{steps:#?}");
        assert_eq!(self.world.mutating_calls(), []);
    }

    pub fn container(&self, name: &str) -> ObservedContainer {
        let found = self.world.container(name);
        found.unwrap_or_else(|| panic!("no container {name} among {:?}", self.world.names()))
    }

    pub fn container_id(&self, name: &str) -> ContainerId {
        self.container(name).id
    }

    pub fn address(&self, name: &str, network: &str) -> Option<String> {
        self.container(name).attached[&network.into()].address.clone()
    }

    /// Mutating calls so far, as `verb subject`.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.world.mutating_calls();
        calls.iter().map(|call| format!("{:?} {}", call.verb, call.subject)).collect()
    }
}

impl Pass {
    pub fn verdict(&self, service: &str) -> &Verdict {
        verdict(&self.plan, service)
    }

    pub fn outcome(&self, service: &str) -> ServiceOutcome {
        self.outcome.services[&id(service)].outcome
    }
}

pub fn verdict<'p>(plan: &'p Plan, service: &str) -> &'p Verdict {
    let id = id(service);
    &plan.changes.iter().find(|change| change.service == id).unwrap().verdict
}

/// What is written down while a plan is carried out.
struct Notes {
    memory: Arc<Mutex<Memory>>,
    pulls: Arc<Mutex<BTreeSet<PinnedImage>>>,
    world: FakeEngine,
}

impl Journal for Notes {
    fn set_aside(
        &self,
        _: &StackName,
        container: &ContainerId,
        had: RestartPolicy,
    ) -> Result<(), String> {
        if self.world.crashed() {
            return Err("died".into());
        }
        self.memory.lock().unwrap().set_aside.insert(container.clone(), had);
        Ok(())
    }

    fn pulls(&self, image: &PinnedImage, _: &str) {
        self.pulls.lock().unwrap().insert(image.clone());
    }

    fn restored(&self, container: &ContainerId) -> Result<(), String> {
        self.memory.lock().unwrap().set_aside.remove(container);
        Ok(())
    }
}

impl Watcher for Notes {
    fn event(&self, _: &Event<'_>) {}
}

fn deployment(stack: &StackName, services: Vec<Wanted>) -> Deployment {
    let mut networks = IndexMap::new();
    let mut volumes = IndexMap::new();
    let mut pinned: IndexMap<ServiceName, DesiredService> = IndexMap::new();
    for mut wanted in services {
        let name = wanted.service.name.clone();
        if wanted.service.settings.network == Attachment::default() {
            let endpoints = wanted.networks.iter().map(|key| {
                let network = network(&format!("{stack}_{key}"));
                networks.entry(key.clone()).or_insert(network.clone());
                Endpoint { aliases: [name.to_string()].into(), ..Endpoint::plain(network.name) }
            });
            let endpoints: Vec<Endpoint> = endpoints.collect();
            wanted.service.settings.network = Attachment::Networks(endpoints);
        }
        for mount in &wanted.service.settings.mounts {
            if let MountSource::Volume { name, .. } = &mount.source {
                volumes.entry(name.to_string()).or_insert(volume(name.as_str()));
            }
        }
        let hash = wanted.service.settings.hash(&wanted.image);
        let image = Ok(Pinned {
            image: wanted.image,
            hash,
            origin: PinOrigin::Registry,
            remark: None,
            followed: None,
            barred: None,
            unverified: None,
        });
        pinned.insert(name, DesiredService { service: wanted.service, image });
    }
    let services = pinned.iter().map(|(name, one)| (name.clone(), one.service.clone())).collect();
    let stack = Stack {
        name: stack.clone(),
        source: "git".into(),
        commit: "c1".into(),
        directory: stack.to_string(),
        files: vec![format!("{stack}/compose.yaml")],
        working_dir: format!("/srv/{stack}").into(),
        services,
        networks,
        volumes,
        after: Vec::new(),
        after_at: Default::default(),
        atomic: false,
        window: None,
        suspended: None,
        remarks: Vec::new(),
        masks: Masks::default(),
        record: StackRecord::default(),
    };
    Deployment { stack, services: pinned }
}

pub fn network(name: &str) -> Network {
    Network::plain(name.into())
}

fn volume(name: &str) -> Volume {
    Volume {
        name: name.into(),
        external: false,
        driver: None,
        driver_opts: BTreeMap::new(),
        labels: Labels::new(),
    }
}

/// Answers for the containers of a host, each at its own address: what runs at an address depends on the image.
struct Answers {
    world: FakeEngine,
    of: BTreeMap<PinnedImage, (u16, String)>,
}

impl Answers {
    fn at(&self, address: &str) -> Result<Answer, String> {
        let (host, port) = address.rsplit_once(':').unwrap();
        let containers =
            self.world.names().into_iter().filter_map(|one| self.world.container(&one));
        let is_there = |container: &ObservedContainer| {
            let mut addresses = container.attached.values();
            container.is_running() && addresses.any(|one| one.address.as_deref() == Some(host))
        };
        let image = containers.into_iter().find(is_there).map(|container| container.image);
        let known = self.of.iter().find(|(known, _)| Some(known.to_string()) == image);
        let (_, (status, body)) = known.filter(|_| port == "80").ok_or("connection refused")?;
        Ok(Answer { status: *status, body: body.as_bytes().to_vec() })
    }
}

#[async_trait::async_trait]
impl Prober for Answers {
    async fn get(&self, url: &str) -> Result<Answer, String> {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert_eq!(path, "health");
        self.at(address)
    }

    async fn connect(&self, address: &str) -> Result<(), String> {
        self.at(address).map(drop)
    }
}
