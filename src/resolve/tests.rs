//! One service at a time: given what the host and the registry know, which digest runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::*;
use crate::model::observed::ObservedImage;
use crate::model::stack::{FailureAction, Order, Rollout, StackRecord};
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, ContainerState, Health, ImageId, Masks,
    ObservedContainer, Place, ServiceName, labels,
};
use crate::registry::FakeRegistry;

/// What the host knows.
#[derive(Default)]
pub(super) struct World {
    pub registry: FakeRegistry,
    pub pins: Pins,
    pub observed: ObservedState,
    pub offline: bool,
    trouble: Option<Trouble>,
}

impl World {
    pub fn at_registry(self, image: &str, digit: char) -> Self {
        self.registry.put(&reference(image), digest(digit));
        self
    }

    pub fn failing(self, image: &str, error: RegistryError) -> Self {
        self.registry.fail(&reference(image), error);
        self
    }

    pub fn recorded(mut self, image: &str, digit: char) -> Self {
        self.pins.0.insert((id("web"), pin_key(&reference(image))), digest(digit).into());
        self
    }

    /// A container of `web`, made from `image`, created at `second`.
    pub fn container(mut self, image: &str, state: ContainerState, second: i64) -> Self {
        self.observed.containers.push(container(image, state, second));
        self
    }

    /// An image on the host; the containers here run the one with id `image-id`.
    pub fn image(mut self, id: &str, tags: &[&str], digests: &[String]) -> Self {
        self.observed.images.push(ObservedImage {
            id: id.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            digests: digests.to_vec(),
            size: 1,
            created_at: None,
        });
        self
    }

    fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    async fn resolve(&self, services: Vec<Service>) -> Resolved {
        self.resolve_with(services, None).await
    }

    pub async fn resolve_with(
        &self,
        services: Vec<Service>,
        following: Option<Following<'_>>,
    ) -> Resolved {
        self.resolve_behind(services, following, None).await
    }

    /// The same, where something is asked of images.
    pub async fn resolve_behind(
        &self,
        services: Vec<Service>,
        following: Option<Following<'_>>,
        gate: Option<Gate<'_>>,
    ) -> Resolved {
        let name = StackName::new("shop");
        let stack = LoadedStack {
            name: name.clone(),
            source: "infra".into(),
            commit: "c0ffee".into(),
            content: Ok(stack(services)),
        };
        let loaded = Loaded {
            host: "web-1".into(),
            stacks: vec![stack],
            sources_read: BTreeSet::new(),
            sources_configured: BTreeSet::new(),
        };
        let context = Context {
            registry: &self.registry,
            pins: &self.pins,
            observed: &self.observed,
            offline: self.offline,
            waits: &|_, about| self.trouble.clone().filter(|trouble| trouble.about == about),
            platform: &Platform("linux/arm64".into()),
            following,
            gate,
        };
        resolve(loaded, &context).await
    }
}

/// What becomes of one service with this image line: digest and origin, or the trouble's message.
async fn check(world: &World, service: Service) -> Result<(Digest, PinOrigin), String> {
    let resolved = world.resolve(vec![service]).await;
    let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
    match &deployment.services[0].image {
        Ok(pinned) => Ok((pinned.image.digest().clone(), pinned.origin)),
        Err(trouble) => Err(trouble.message.clone()),
    }
}

pub(super) fn digest(digit: char) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
}

pub(super) fn by_digest(repository: &str, digit: char) -> String {
    format!("{repository}@{}", digest(digit))
}

pub(super) fn reference(image: &str) -> ImageRef {
    ImageRef::parse(image).unwrap()
}

pub(super) fn id(service: &str) -> ServiceId {
    ServiceId::new(&"shop".into(), &service.into())
}

pub(super) fn silent() -> RegistryError {
    RegistryError::Unknown {
        registry: "ghcr.io".into(),
        why: "connection refused".into(),
        retry_after: None,
    }
}

pub(super) fn service(image: &str) -> Service {
    named("web", image)
}

pub(super) fn named(name: &str, image: &str) -> Service {
    let rollout = Rollout {
        order: Order::StopFirst,
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: Duration::ZERO,
        max_failure_ratio: 0,
        failure_action: FailureAction::Rollback,
        stable: Duration::ZERO,
        deadline: None,
        restarts: 0,
        shared_writers: false,
    };
    Service {
        name: name.into(),
        place: Place::file("compose.yaml"),
        image: reference(image),
        image_shown: image.to_owned(),
        image_place: Place::file("compose.yaml"),
        pull_policy: crate::model::PullPolicy::default(),
        settings: ContainerSpec::default(),
        sensitive: BTreeSet::new(),
        container_name: None,
        replicas: 1,
        depends_on: IndexMap::new(),
        rollback: rollout.clone(),
        rollout,
        probe: None,
        update: None,
        stamps: Default::default(),
        exports: Vec::new(),
        secret_files: Vec::new(),
        directories: Vec::new(),
        server_files: Default::default(),
        keep: None,
    }
}

fn never(image: &str) -> Service {
    Service { pull_policy: crate::model::PullPolicy::Never, ..service(image) }
}

fn stack(services: Vec<Service>) -> Stack {
    let mut masks = Masks::default();
    masks.add("hunter2");
    Stack {
        name: "shop".into(),
        source: "infra".into(),
        commit: "c0ffee".into(),
        directory: String::new(),
        files: Vec::new(),
        working_dir: PathBuf::new(),
        services: services.into_iter().map(|it| (it.name.clone(), it)).collect(),
        networks: IndexMap::new(),
        volumes: IndexMap::new(),
        after: Vec::new(),
        after_at: Default::default(),
        atomic: false,
        window: None,
        suspended: None,
        remarks: Vec::new(),
        masks,
        record: StackRecord::default(),
    }
}

fn container(image: &str, state: ContainerState, second: i64) -> ObservedContainer {
    let labels = [(labels::COMPOSE_PROJECT, "shop"), (labels::COMPOSE_SERVICE, "web")];
    ObservedContainer {
        id: ContainerId::new(format!("id-{second}")),
        name: ContainerName::new("shop-web-1"),
        image: image.to_owned(),
        image_id: ImageId::new("image-id"),
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        created_at: Timestamp::from_second(second).ok(),
        state,
        health: Health::None,
        restarts: 0,
        started_at: None,
        settings: Arc::default(),
        attached: BTreeMap::new(),
        anonymous_volumes: BTreeMap::new(),
    }
}

const EXITED: ContainerState = ContainerState::Exited { code: 0, oom_killed: false };

#[test]
fn the_key_of_a_pin_never_changes_and_leaves_the_digest_out() {
    let key = "ea996a051ac10cd365fd9c754b6fd92220b8a7976eb415e47f2a26560aef5434";
    assert_eq!(pin_key(&reference("nginx:1")), key, "recorded pins are found by it");
    assert_eq!(pin_key(&reference(&format!("nginx:1@{}", digest('a')))), key);
}

#[tokio::test]
async fn a_written_digest_is_what_runs_and_no_registry_is_asked() {
    let world =
        World::default().at_registry("ghcr.io/a/web:1", 'b').recorded("ghcr.io/a/web:1", 'c');
    let line = format!("ghcr.io/a/web:1@{}", digest('a'));
    assert_eq!(check(&world, service(&line)).await, Ok((digest('a'), PinOrigin::Manifest)));
    assert!(world.registry.asked().is_empty());
}

#[tokio::test]
async fn a_recorded_pin_goes_before_what_runs_and_what_the_registry_says() {
    let world = World::default()
        .at_registry("nginx:1", 'a')
        .container(&format!("nginx:1@{}", digest('b')), ContainerState::Running, 1)
        .recorded("nginx:1", 'c');
    assert_eq!(check(&world, service("nginx:1")).await, Ok((digest('c'), PinOrigin::Record)));
    assert!(world.registry.asked().is_empty());
    assert_eq!(world.resolve(vec![service("nginx:1")]).await.new_pins, Pins::default());
}

#[tokio::test]
async fn a_lost_record_is_read_off_the_running_container() {
    let world = World::default().at_registry("nginx:1", 'a').container(
        &format!("docker.io/library/nginx:1@{}", digest('b')),
        ContainerState::Running,
        1,
    );
    assert_eq!(check(&world, service("nginx:1")).await, Ok((digest('b'), PinOrigin::Running)));
    assert!(world.registry.asked().is_empty());
    let pins = world.resolve(vec![service("nginx:1")]).await.new_pins;
    assert_eq!(pins.0.get(&(id("web"), pin_key(&reference("nginx:1")))), Some(&digest('b').into()));
}

#[tokio::test]
async fn what_compose_started_is_adopted_with_the_digest_of_its_image() {
    let digests = [by_digest("ghcr.io/other/copy", 'c'), by_digest("nginx", 'b')];
    let world = World::default()
        .at_registry("nginx:1", 'a')
        .container("nginx:1", ContainerState::Running, 1)
        // The tag has moved on this host; the container still runs what it was made from.
        .image("newer", &["nginx:1"], &[by_digest("nginx", 'd')])
        .image("image-id", &[], &digests);
    assert_eq!(check(&world, service("nginx:1")).await, Ok((digest('b'), PinOrigin::Running)));
}

#[tokio::test]
async fn a_running_container_goes_before_a_newer_one_that_stands_still() {
    let made_from = |digit| format!("nginx:1@{}", digest(digit));
    let world = World::default()
        .container(&made_from('a'), ContainerState::Running, 1)
        .container(&made_from('b'), ContainerState::Running, 2)
        .container(&made_from('c'), EXITED, 3);
    assert_eq!(check(&world, service("nginx:1")).await, Ok((digest('b'), PinOrigin::Running)));
}

#[tokio::test]
async fn a_changed_line_is_resolved_anew() {
    let world = World::default().at_registry("nginx:2", 'a').recorded("nginx:1", 'c').container(
        &format!("nginx:1@{}", digest('b')),
        ContainerState::Running,
        1,
    );
    assert_eq!(check(&world, service("nginx:2")).await, Ok((digest('a'), PinOrigin::Registry)));
    let pins = world.resolve(vec![service("nginx:2")]).await.new_pins;
    assert_eq!(pins.0.get(&(id("web"), pin_key(&reference("nginx:2")))), Some(&digest('a').into()));
}

#[tokio::test]
async fn a_container_made_by_digest_alone_says_nothing_about_latest() {
    let world = World::default().at_registry("nginx", 'a').container(
        &by_digest("nginx", 'b'),
        ContainerState::Running,
        1,
    );
    assert_eq!(check(&world, service("nginx")).await, Ok((digest('a'), PinOrigin::Registry)));
}

#[tokio::test]
async fn one_tag_is_asked_for_once_however_it_is_written() {
    let world = World::default().at_registry("nginx:1", 'a');
    let services =
        vec![named("a", "nginx:1"), named("b", "docker.io/nginx:1"), named("c", "nginx:1")];
    let resolved = world.resolve(services).await;
    let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
    assert!(deployment.services.values().all(|it| it.image.is_ok()));
    assert_eq!(deployment.services.keys().map(ServiceName::as_str).collect::<String>(), "abc");
    assert_eq!(world.registry.asked(), ["docker.io/library/nginx:1"]);
    assert_eq!(resolved.new_pins.0.len(), 3);
}

#[tokio::test]
async fn a_silent_registry_and_an_image_on_the_host_go_on_and_say_so() {
    let world = World::default().failing("ghcr.io/a/web:1", silent()).image(
        "any",
        &["ghcr.io/a/web:1"],
        &[by_digest("ghcr.io/a/web", 'a')],
    );
    let line = service("ghcr.io/a/web:1");
    assert_eq!(check(&world, line.clone()).await, Ok((digest('a'), PinOrigin::Host)));
    let resolved = world.resolve(vec![line]).await;
    let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
    let remark = deployment.services[0].image.as_ref().unwrap().remark.clone().unwrap();
    assert!(remark.contains("ghcr.io") && remark.contains("connection refused"), "{remark}");
    assert_eq!(resolved.new_pins, Pins::default(), "the registry is asked again next time");
}

#[tokio::test]
async fn a_registry_s_no_is_no_silence() {
    let world = World::default().image("any", &["nginx:1"], &[by_digest("nginx", 'a')]);
    let message = check(&world, service("nginx:1")).await.unwrap_err();
    assert_eq!(message, "docker.io has no image `nginx:1`");
}

#[tokio::test]
async fn a_silent_registry_and_no_image_is_trouble_of_that_service_alone() {
    let world = World::default().at_registry("nginx:1", 'a').failing("ghcr.io/a/web:1", silent());
    let services = vec![named("bad", "ghcr.io/a/web:1"), named("good", "nginx:1")];
    let resolved = world.resolve(services).await;
    let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
    assert!(deployment.services[0].image.is_err());
    assert!(deployment.services[1].image.is_ok());
}

#[tokio::test]
async fn an_image_built_on_the_host_has_to_be_pushed() {
    let world = World::default().image("any", &["shop/web:dev"], &[]);
    for line in [service("shop/web:dev"), never("shop/web:dev")] {
        let resolved = world.resolve(vec![line]).await;
        let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
        let trouble = deployment.services[0].image.as_ref().unwrap_err();
        assert!(trouble.message.contains("built"), "{trouble:?}");
        assert!(trouble.hint.as_ref().unwrap().contains("push"), "{trouble:?}");
    }
}

#[tokio::test]
async fn pull_policy_never_takes_what_is_on_the_host_and_asks_nobody() {
    let world = World::default().at_registry("nginx:1", 'a').recorded("nginx:1", 'c').image(
        "any",
        &["nginx:1"],
        &[by_digest("nginx", 'b')],
    );
    assert_eq!(check(&world, never("nginx:1")).await, Ok((digest('b'), PinOrigin::Host)));
    let written = |digit| never(&by_digest("nginx", digit));
    assert_eq!(check(&world, written('b')).await, Ok((digest('b'), PinOrigin::Manifest)));
    for absent in [written('d'), never("nginx:2")] {
        let message = check(&world, absent).await.unwrap_err();
        assert!(message.contains("pull_policy: never"), "{message}");
    }
    assert!(world.registry.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_failed_is_not_asked_again_before_its_time() {
    let mut world = World::default().at_registry("nginx:1", 'a').at_registry("nginx:2", 'b');
    let trouble = Trouble {
        about: pin_key(&reference("nginx:1")),
        since: Timestamp::UNIX_EPOCH,
        times: 1,
        next_try: Timestamp::UNIX_EPOCH,
        error: "it does not answer".into(),
    };
    world.trouble = Some(trouble.clone());
    let resolved = world.resolve(vec![service("nginx:1")]).await;
    let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
    let told = deployment.services[0].image.as_ref().unwrap_err();
    assert_eq!(told.waits.as_deref(), Some(&trouble));
    assert!(world.registry.asked().is_empty());
    // Another line is another matter.
    assert_eq!(check(&world, service("nginx:2")).await, Ok((digest('b'), PinOrigin::Registry)));
}

#[tokio::test]
async fn offline_no_registry_is_asked() {
    let world = World::default()
        .at_registry("nginx:1", 'a')
        .image("any", &["redis:7"], &[by_digest("redis", 'b')])
        .offline();
    let message = check(&world, service("nginx:1")).await.unwrap_err();
    assert!(message.contains("offline"), "{message}");
    assert_eq!(check(&world, service("redis:7")).await, Ok((digest('b'), PinOrigin::Host)));
    assert!(world.registry.asked().is_empty());
}

#[tokio::test]
async fn a_server_s_value_in_an_image_line_is_never_told() {
    for error in [
        RegistryError::NoSuchImage { registry: "hunter2.io".into(), image: "hunter2.io/a".into() },
        RegistryError::Denied {
            registry: "hunter2.io".into(),
            image: "hunter2.io/a".into(),
            why: "hunter2.io says no".into(),
        },
        RegistryError::Unknown {
            registry: "hunter2.io".into(),
            why: "hunter2.io is not found".into(),
            retry_after: None,
        },
        RegistryError::NotAsked {
            registry: "hunter2.io".into(),
            why: "hunter2.io failed".into(),
            retry_after: std::time::Duration::from_secs(1),
        },
        RegistryError::NotForPlatform {
            registry: "hunter2.io".into(),
            image: "hunter2.io/a".into(),
            platform: crate::model::Platform("linux/arm64".into()),
        },
    ] {
        let world = World::default().failing("hunter2.io/a", error);
        let line = Service { image_shown: "${HOST}/a".into(), ..service("hunter2.io/a") };
        let resolved = world.resolve(vec![line]).await;
        let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
        let told = format!("{:?}", deployment.services[0].image.as_ref().unwrap_err());
        assert!(told.contains("${HOST}/a") && !told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_stack_that_cannot_be_used_stays_known_with_its_problems() {
    let world = World::default();
    let context = Context {
        registry: &world.registry,
        pins: &world.pins,
        observed: &world.observed,
        offline: false,
        waits: &|_, _| None,
        platform: &Platform("linux/amd64".into()),
        following: None,
        gate: None,
    };
    let broken = LoadedStack {
        name: "shop".into(),
        source: "infra".into(),
        commit: "c0ffee".into(),
        content: Err(vec![Problem::new("unknown-key", "no such key")]),
    };
    let loaded = Loaded {
        host: "web-1".into(),
        stacks: vec![broken],
        sources_read: BTreeSet::from([SourceName::new("infra")]),
        sources_configured: BTreeSet::new(),
    };
    let desired = resolve(loaded, &context).await.desired;
    assert!(matches!(desired.stacks[0].content, StackContent::Invalid(_)));
    assert!(desired.sources_read.contains(&SourceName::new("infra")));
}
