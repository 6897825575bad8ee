//! How long planning takes for very many services: nothing to do, and everything new.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use evenkeel::model::desired::{Deployment, PinOrigin, Pinned};
use evenkeel::model::memory::Memory;
use evenkeel::model::observed::{AttachedNetwork, ObservedImage, ObservedNetwork};
use evenkeel::model::spec::{Attachment, Endpoint, RestartPolicy};
use evenkeel::model::stack::{FailureAction, Network, Order, Rollout, StackRecord};
use evenkeel::model::{
    ContainerId, ContainerSpec, ContainerState, DesiredService, DesiredStack, DesiredState, Digest,
    Health, HostName, ImageId, ImageRef, Masks, NetworkId, ObservedContainer, ObservedState,
    PinnedImage, Place, Service, ServiceName, Stack, StackContent, StackName, labels,
};
use evenkeel::plan::{MostRemovals, Rules, Situation, Verdict, plan};

const PER_STACK: usize = 20;

fn image() -> PinnedImage {
    let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
    PinnedImage::new(&ImageRef::parse("registry.test/app:1").unwrap(), digest)
}

fn settings(stack: &str, service: &str) -> ContainerSpec {
    let endpoint = Endpoint {
        aliases: [service.to_owned()].into(),
        ..Endpoint::plain(format!("{stack}_default").as_str().into())
    };
    ContainerSpec {
        restart: RestartPolicy::UnlessStopped,
        network: Attachment::Networks(vec![endpoint]),
        ..ContainerSpec::default()
    }
}

fn service(stack: &str, name: &str) -> DesiredService {
    let rollout = Rollout {
        order: Order::StopFirst,
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: Duration::from_secs(10),
        max_failure_ratio: 0,
        failure_action: FailureAction::Rollback,
        stable: Duration::from_secs(10),
        deadline: None,
        restarts: 5,
        shared_writers: false,
    };
    let image = image();
    let service = Service {
        name: ServiceName::new(name),
        place: Place::file("compose.yaml"),
        image: image.reference(),
        image_shown: "registry.test/app:1".into(),
        image_place: Place::file("compose.yaml"),
        pull_policy: Default::default(),
        settings: settings(stack, name),
        sensitive: BTreeSet::new(),
        container_name: None,
        replicas: 1,
        depends_on: Default::default(),
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
    let hash = service.settings.hash(&image);
    let pinned = Pinned {
        image,
        hash,
        origin: PinOrigin::Registry,
        remark: None,
        followed: None,
        barred: None,
        unverified: None,
    };
    DesiredService { service, image: Ok(pinned) }
}

fn stack(name: &str) -> DesiredStack {
    let services = (0..PER_STACK).map(|number| service(name, &format!("s{number}")));
    let services: indexmap::IndexMap<ServiceName, DesiredService> =
        services.map(|one| (one.service.name.clone(), one)).collect();
    let network = Network::plain(format!("{name}_default").as_str().into());
    let stack = Stack {
        name: name.into(),
        source: "git".into(),
        commit: "c1".into(),
        directory: name.to_owned(),
        files: vec!["compose.yaml".into()],
        working_dir: "/srv".into(),
        services: services.iter().map(|(n, one)| (n.clone(), one.service.clone())).collect(),
        networks: [("default".to_owned(), network)].into_iter().collect(),
        volumes: Default::default(),
        after: Vec::new(),
        after_at: Default::default(),
        atomic: false,
        window: None,
        suspended: None,
        remarks: Vec::new(),
        masks: Masks::default(),
        record: StackRecord::default(),
    };
    let content = StackContent::Usable(Box::new(Deployment { stack, services }));
    DesiredStack { name: name.into(), source: "git".into(), commit: "c1".into(), content }
}

fn desired(count: usize) -> DesiredState {
    let stacks = (0..count / PER_STACK).map(|number| stack(&format!("stack{number}")));
    DesiredState {
        host: HostName::new("here"),
        stacks: stacks.map(|stack| (stack.name.clone(), stack)).collect(),
        sources_read: ["git".into()].into(),
        sources_configured: ["git".into()].into(),
    }
}

fn container(stack: &StackName, wanted: &DesiredService, number: usize) -> ObservedContainer {
    let hash = wanted.image.as_ref().unwrap().hash.to_string();
    let labels = [
        (labels::COMPOSE_PROJECT, stack.to_string()),
        (labels::COMPOSE_SERVICE, wanted.service.name.to_string()),
        (labels::COMPOSE_NUMBER, "1".into()),
        (labels::SOURCE, "git".into()),
        (labels::SPEC, hash),
    ];
    let name = wanted.service.container(stack, 1);
    let attached = wanted.service.settings.network.endpoints().iter().map(|endpoint| {
        let id = Some(NetworkId::new(endpoint.network.as_str()));
        let aliases = endpoint.aliases.clone();
        (endpoint.network.clone(), AttachedNetwork { id, aliases, address: None })
    });
    ObservedContainer {
        id: ContainerId::new(format!("{number:064x}")),
        name,
        image: image().to_string(),
        image_id: ImageId::new("sha256:b"),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        created_at: None,
        state: ContainerState::Running,
        health: Health::None,
        restarts: 0,
        started_at: None,
        settings: wanted.service.settings.clone().into(),
        attached: attached.collect(),
        anonymous_volumes: BTreeMap::new(),
    }
}

/// The host on which all of `desired` runs.
fn converged(desired: &DesiredState) -> ObservedState {
    let mut observed = ObservedState::default();
    let digest = format!("registry.test/app@{}", image().digest());
    let id = "sha256:b".to_owned();
    observed.images.push(ObservedImage { id, digests: vec![digest], ..Default::default() });
    for deployment in desired.deployments() {
        let name = format!("{}_default", deployment.stack.name);
        let (id, driver) = (name.clone(), "bridge".to_owned());
        observed.networks.push(ObservedNetwork { id, name, driver, ..Default::default() });
        for wanted in deployment.services.values() {
            let number = observed.containers.len();
            observed.containers.push(container(&deployment.stack.name, wanted, number));
        }
    }
    observed
}

fn planning(criterion: &mut Criterion) {
    let rules = Rules {
        windows: Default::default(),
        removals_max: MostRemovals::Percent(50),
        allow_removals: false,
        deadline: Duration::from_secs(300),
        only: Vec::new(),
        busy: std::collections::BTreeSet::new(),
        retries: evenkeel::plan::Retries::WhenDue,
    };
    let memory = Memory::default();
    for count in [1_000, 10_000] {
        let desired = desired(count);
        for (word, observed) in
            [("in-sync", converged(&desired)), ("all-new", ObservedState::default())]
        {
            let situation = Situation {
                desired: &desired,
                observed: &observed,
                memory: &memory,
                rules: &rules,
                now: jiff::Timestamp::UNIX_EPOCH,
            };
            let all = plan(&situation).changes;
            let wanted = if word == "in-sync" { Verdict::InSync } else { Verdict::Create };
            assert!(all.len() == count && all.iter().all(|change| change.verdict == wanted));
            criterion.bench_function(&format!("plan/{word}/{count}"), |bencher| {
                bencher.iter(|| black_box(plan(black_box(&situation))));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = planning
}
criterion_main!(benches);
