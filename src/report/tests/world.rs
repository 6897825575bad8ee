//! A hand-made world: what the tests of this room know of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::apply::{Failure, Outcome, ServiceResult};
use crate::model::desired::{Deployment, PinOrigin, Pinned};
use crate::model::memory::HeldBy;
use crate::model::observed::ObservedContainer;
use crate::model::stack::{FailureAction, Order, Rollout, StackRecord};
use crate::model::{
    CommitId, ContainerId, ContainerName, ContainerSpec, ContainerState, DesiredService,
    DesiredStack, DesiredState, Digest, Health, HostName, ImageId, ImageRef, Masks, ObservedState,
    PinnedImage, Place, Problem, Service, ServiceId, ServiceName, ServiceOutcome, SourceName,
    SpecHash, Stack, StackContent, StackName, labels,
};
use crate::plan::windows::{Owner, Waiting};
use crate::plan::{
    Block, Change, Difference, Held, Plan, PlannedStep, Step, StepId, Target, Verdict,
};

/// A value of the server that must never show.
pub const SECRET: &str = "hunter2-hunter2";

pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub fn id(text: &str) -> ServiceId {
    let (stack, service) = text.split_once('/').unwrap();
    ServiceId { stack: stack.into(), service: service.into() }
}

pub fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "ab".repeat(32))).unwrap()
}

/// Usable stacks of these services (`shop/api`), all from the source `infra`.
pub fn desired(services: &[&str]) -> DesiredState {
    let mut stacks: IndexMap<StackName, DesiredStack> = IndexMap::new();
    for name in services {
        let id = id(name);
        let entry = stacks.entry(id.stack.clone()).or_insert_with(|| usable(&id.stack));
        let StackContent::Usable(deployment) = &mut entry.content else { continue };
        let wanted = service(&id.service);
        deployment.stack.services.insert(id.service.clone(), wanted.service.clone());
        deployment.services.insert(id.service.clone(), wanted);
    }
    let sources: BTreeSet<SourceName> = ["infra".into()].into();
    DesiredState {
        host: HostName::new("web-1"),
        stacks,
        sources_read: sources.clone(),
        sources_configured: sources,
    }
}

/// The same with a stack that cannot be used.
pub fn with_invalid(mut desired: DesiredState, name: &str, problems: Vec<Problem>) -> DesiredState {
    let stack = DesiredStack { content: StackContent::Invalid(problems), ..usable(&name.into()) };
    desired.stacks.insert(name.into(), stack);
    desired
}

fn commit() -> CommitId {
    CommitId::new("0123456789abcdef0123456789abcdef01234567")
}

fn usable(name: &StackName) -> DesiredStack {
    let mut masks = Masks::default();
    masks.add(SECRET);
    // A database called like its stack must not cost the containers their names.
    masks.add("storefront");
    let stack = Stack {
        name: name.clone(),
        source: "infra".into(),
        commit: commit(),
        directory: name.to_string(),
        files: vec![format!("{name}/compose.yaml")],
        working_dir: PathBuf::from("/srv").join(name.as_str()),
        services: IndexMap::new(),
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
    };
    let deployment = Deployment { stack, services: IndexMap::new() };
    DesiredStack {
        name: name.clone(),
        source: "infra".into(),
        commit: commit(),
        content: StackContent::Usable(Box::new(deployment)),
    }
}

fn service(name: &ServiceName) -> DesiredService {
    let image = ImageRef::parse("ghcr.io/acme/app:1.4.2").unwrap();
    let pinned = PinnedImage::new(&image, digest());
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
    let service = Service {
        name: name.clone(),
        place: Place { file: "compose.yaml".into(), line: 2, column: 3 },
        image,
        image_shown: "ghcr.io/acme/app:${TAG}".to_owned(),
        image_place: Place { file: "compose.yaml".into(), line: 3, column: 12 },
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
    };
    let pinned = Pinned {
        image: pinned,
        hash: SpecHash::new("1:abc"),
        origin: PinOrigin::Record,
        remark: None,
        followed: None,
        barred: None,
        unverified: None,
    };
    DesiredService { service, image: Ok(pinned) }
}

/// A plan of these verdicts, without steps.
pub fn plan(verdicts: impl IntoIterator<Item = (&'static str, Verdict)>) -> Plan {
    let changes = verdicts
        .into_iter()
        .map(|(name, verdict)| Change {
            service: id(name),
            verdict,
            spec: None,
            way_back: Vec::new(),
            way_back_networks: BTreeSet::new(),
            has_way_back: false,
            pauses: false,
            bears: 0,
            together: Vec::new(),
            mates: Vec::new(),
            follows: Vec::new(),
            tries_spec: true,
            tries_other: BTreeMap::new(),
            was_stopped: false,
            remarks: Vec::new(),
        })
        .collect();
    Plan { changes, ..Plan::default() }
}

/// `plan` with these steps of one service, one after the other.
pub fn with_steps(mut plan: Plan, service: &str, steps: Vec<Step>) -> Plan {
    for step in steps {
        let number = u32::try_from(plan.steps.len()).unwrap() + 1;
        plan.steps.push(PlannedStep {
            id: StepId(number),
            stack: id(service).stack,
            service: Some(id(service)),
            replica: None,
            step,
            because: "image changed".to_owned(),
            after: if number == 1 { Vec::new() } else { vec![StepId(number - 1)] },
            behind: Vec::new(),
            section: None,
            networks: BTreeSet::new(),
        });
    }
    plan
}

pub fn target(name: &str) -> Target {
    Target::Name(ContainerName::new(name))
}

pub fn create(name: &str) -> Step {
    Step::CreateContainer(Box::new(crate::engine::ContainerRequest {
        name: name.into(),
        image: PinnedImage::new(&ImageRef::parse("acme/app:1").unwrap(), digest()),
        settings: ContainerSpec::default(),
        labels: BTreeMap::new(),
        own_alias: name.into(),
        inherited_volumes: BTreeMap::new(),
        numbered: Default::default(),
        joined: BTreeMap::new(),
    }))
}

pub fn image_update() -> Verdict {
    Verdict::Update(vec![
        Difference::shown("image", "app:1.4.1", "app:1.4.2"),
        Difference::hidden("env.TOKEN"),
    ])
}

pub fn held(by: HeldBy, desired: bool) -> Verdict {
    Verdict::Held(Held {
        by,
        since: Some(now()),
        until: None,
        why: "held until the move is done".to_owned(),
        hint: None,
        desired,
        in_sync: false,
        differences: Vec::new(),
    })
}

pub fn waiting() -> Verdict {
    Verdict::Blocked(Block::Window(Waiting {
        behind: None,
        window: "Sat,Sun 02:00-05:00".to_owned(),
        owner: Owner::Host,
        until: Some("2026-11-28T02:00:00Z".parse().unwrap()),
        differences: vec![Difference::shown("image", "app:1", "app:2")],
    }))
}

pub fn rejected() -> Verdict {
    Verdict::Rejected {
        since: now(),
        error: format!("it said {SECRET}"),
        differences: vec![Difference::shown("image", "app:1", "app:2")],
    }
}

pub fn outcome(results: &[(&str, ServiceOutcome)]) -> Outcome {
    let services = results.iter().map(|(name, outcome)| {
        let is_trouble = matches!(outcome, ServiceOutcome::Failed | ServiceOutcome::RolledBack);
        let failure = is_trouble.then(|| Failure {
            message: "shop-api-1 ended with exit code 1".to_owned(),
            logs: vec!["starting".to_owned(), "no \u{1b}[31mdatabase".to_owned()],
            hint: Some("see `docker logs shop-api-1`".to_owned()),
            blames_spec: true,
            other_spec: None,
            blames_another: false,
            half_done: true,
        });
        (
            id(name),
            ServiceResult { outcome: *outcome, failure, took: Duration::from_millis(12_345) },
        )
    });
    Outcome { services: services.collect(), ..Outcome::default() }
}

/// A running, healthy container of `service`, made by the source `infra`.
pub fn container(service: &str) -> ObservedContainer {
    let id = id(service);
    let labels: BTreeMap<String, String> = [
        (labels::COMPOSE_PROJECT, id.stack.as_str()),
        (labels::COMPOSE_SERVICE, id.service.as_str()),
        (labels::SOURCE, "infra"),
        (labels::GENERATION, "7"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    ObservedContainer {
        id: ContainerId::new("c0ffee".repeat(10)),
        name: ContainerName::new(format!("{}-{}-1", id.stack, id.service)),
        image: format!("ghcr.io/acme/app:{SECRET}@{}", digest()),
        image_id: ImageId::new("sha256:1"),
        labels: labels.into(),
        created_at: Some(now()),
        state: ContainerState::Running,
        health: Health::Healthy,
        restarts: 0,
        started_at: Some("2026-11-21T09:00:00Z".parse().unwrap()),
        settings: Arc::default(),
        attached: BTreeMap::new(),
        anonymous_volumes: BTreeMap::new(),
    }
}

pub fn observed(containers: Vec<ObservedContainer>) -> ObservedState {
    ObservedState { containers, ..ObservedState::default() }
}

pub fn problem() -> Problem {
    Problem::new(
        "missing-file",
        "service `web` wants env file `api.env`, which this server does not have",
    )
    .at(Place { file: "hosts/web-1/shop/compose.yaml".into(), line: 14, column: 15 })
    .excerpt("    env_file: [api.env]")
    .path("services.web.env_file[0]")
    .note("looked in /etc/evenkeel/env/shop/ and in the repository")
    .hint("put it at /etc/evenkeel/env/shop/api.env (mode 0600), or mark it `required: false`")
}

/// What a text function writes, as text.
pub fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A report as JSON; nothing in it may hold a server value.
pub fn json(report: &impl serde::Serialize) -> String {
    let json = serde_json::to_string_pretty(report).unwrap();
    assert!(!json.contains(SECRET), "a server value shows: {json}");
    json
}
