//! The real engine: what is asked for is what inspect shows, and every verb fails as promised.
//!
//! Needs a Docker engine, its command-line program and `docker-registry`. Everything made here carries a
//! label of its test and is removed at its end.
#![cfg(feature = "engine-tests")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use evenkeel::engine::fake::{FakeEngine, ImageBehaviour};
use evenkeel::engine::{
    ContainerRef, ContainerUpdate, Engine, EngineError, Incident, Mishap, PullProgress,
};
use evenkeel::model::observed::{ContainerState, Health, ObservedContainer};
use evenkeel::model::spec::{
    Attachment, BlockIo, Device, DeviceRequest, Devices, Dns, Endpoint, ExposedPort, Healthcheck,
    Kernel, Logging, Mount, MountSource, Namespaces, PortBinding, Protocol, Resources,
    RestartPolicy, Ulimit,
};
use evenkeel::model::stack::Volume;
use evenkeel::model::{
    ContainerId, ContainerName, ContainerSpec, Digest, Hidden, ImageRef, PinnedImage, StackName,
    VolumeName, labels,
};

#[path = "engine_docker/differential/mod.rs"]
mod differential;
#[path = "engine_docker/image_names.rs"]
mod image_names;
#[path = "engine_docker/world.rs"]
mod world;

use world::{LABEL, World, docker};

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

fn shell(script: &str) -> ContainerSpec {
    ContainerSpec { command: Some(words(&["sh", "-c", script])), ..ContainerSpec::default() }
}

fn port(port: u16, protocol: Protocol) -> ExposedPort {
    ExposedPort { port, protocol }
}

fn published(target: ExposedPort, host_ip: &str, published: &str) -> PortBinding {
    PortBinding { target, host_ip: host_ip.into(), published: published.into() }
}

fn volume(target: &str, name: &str, copy: bool) -> Mount {
    let source = MountSource::Volume { name: VolumeName::new(name), copy, subpath: None };
    Mount::new(target, source, false)
}

fn bind(target: &str, path: &Path, create_host_path: bool) -> Mount {
    let source = MountSource::Bind {
        path: path.to_owned(),
        propagation: Some("rprivate".into()),
        selinux: None,
        create_host_path,
        recursive: None,
    };
    Mount::new(target, source, true)
}

fn anonymous(target: &str) -> Mount {
    Mount::new(target, MountSource::Anonymous, false)
}

/// Keeps the engine from making the image's volume, which would outlive a container removed in a test.
fn no_volume() -> BTreeMap<String, String> {
    map(&[("/image-data", "")])
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// Something in every field.
fn everything(world: &World) -> ContainerSpec {
    let mut first = world.endpoint("front", &["web", "alias-a"]);
    first.ipv4_address = Some("10.214.7.9".into());
    let odd = world.directory.path().join("odd:name");
    std::fs::create_dir_all(&odd).unwrap();
    ContainerSpec {
        platform: None,
        command: Some(words(&["1000"])),
        entrypoint: Some(words(&["/bin/sleep"])),
        environment: BTreeMap::from([
            ("A".into(), Some(Hidden::new("b=c d"))),
            ("EMPTY".into(), Some(Hidden::new(""))),
            ("GONE".into(), None),
        ]),
        labels: map(&[("team", "shop"), ("empty", "")]),
        user: Some("1000:1000".into()),
        working_dir: Some("/tmp".into()),
        hostname: Some("web".into()),
        healthcheck: Some(Healthcheck {
            test: words(&["CMD", "echo"]),
            interval: Some(Duration::from_millis(1500)),
            timeout: Some(Duration::from_secs(2)),
            start_period: Some(Duration::from_secs(3)),
            // Since API 1.44.
            start_interval: None,
            retries: Some(4),
        }),
        ports: vec![
            published(port(80, Protocol::Tcp), "", ""),
            published(port(80, Protocol::Tcp), "127.0.0.1", "38471-38479"),
            published(port(53, Protocol::Udp), "127.0.0.1", ""),
        ],
        expose: BTreeSet::from([port(9000, Protocol::Tcp), port(9000, Protocol::Udp)]),
        mounts: vec![
            bind("/bound", &world.directory.path().join("made"), true),
            bind("/odd", &odd, false),
            anonymous("/scratch"),
            volume("/named", &world.named("data"), true),
            volume("/plain", &world.named("plain"), false),
        ],
        volumes_from: Vec::new(),
        tmpfs: map(&[("/run", "size=65536k"), ("/tmp", "")]),
        network: Attachment::Networks(vec![first, world.endpoint("back", &["web"])]),
        extra_hosts: words(&["peer:10.0.0.9", "other:10.0.0.8"]),
        restart: RestartPolicy::OnFailure(3),
        stop_grace_period: Some(Duration::from_secs(7)),
        stop_signal: Some("SIGUSR1".into()),
        init: Some(true),
        read_only: true,
        privileged: false,
        cap_add: BTreeSet::from(["NET_ADMIN".into(), "SYS_TIME".into()]),
        cap_drop: BTreeSet::from(["CHOWN".into()]),
        logging: Some(Logging {
            driver: "json-file".into(),
            options: map(&[("max-size", "1m"), ("max-file", "2")]),
        }),
        domainname: Some("example.org".into()),
        stdin_open: true,
        tty: true,
        group_add: BTreeSet::from(["1000".into(), "2000".into()]),
        security_opt: ["no-new-privileges", "systempaths=unconfined", "label=disable", SECCOMP]
            .map(String::from)
            .into(),
        namespaces: Namespaces {
            cgroup: Some("private".into()),
            ipc: Some("shareable".into()),
            pid: Some("host".into()),
            user: Some("host".into()),
            // Shared with the host, it could have no host name of its own.
            uts: None,
        },
        dns: Dns {
            servers: words(&["10.214.7.1", "fd00::53"]),
            options: words(&["ndots:2", "use-vc"]),
            search: words(&["b.example", "a.example"]),
        },
        devices: devices(),
        kernel: Kernel {
            shm_size: Some(128 << 20),
            sysctls: map(&[("net.core.somaxconn", "1024")]),
            ulimits: BTreeMap::from([
                ("nofile".into(), Ulimit { soft: 1000, hard: 2000 }),
                ("core".into(), Ulimit { soft: -1, hard: -1 }),
            ]),
            oom_score_adj: 300,
            // With cgroup v1 only.
            oom_kill_disable: false,
        },
        cgroup_parent: Some(world.named("parent")),
        runtime: Some("runc".into()),
        // Since API 1.43.
        annotations: BTreeMap::new(),
        // With few storage drivers only.
        storage_opt: BTreeMap::new(),
        resources: resources(),
        hooks: Default::default(),
        contents: BTreeMap::new(),
    }
}

/// As the engine keeps it.
const SECCOMP: &str = r#"seccomp={"defaultAction":"SCMP_ACT_ALLOW"}"#;

fn devices() -> Devices {
    let device = |target: &str, source: &str, permissions: &str| Device {
        target: target.into(),
        source: source.into(),
        permissions: permissions.into(),
    };
    Devices {
        mapped: vec![device("/dev/x1", "/dev/null", "rwm"), device("/dev/zero", "/dev/zero", "r")],
        cgroup_rules: words(&["c 1:3 mr", "a 7:* rmw"]),
        requests: Vec::new(),
    }
}

fn resources() -> Resources {
    Resources {
        memory: 64 << 20,
        memory_reservation: 32 << 20,
        memory_swap: 96 << 20,
        // With cgroup v1 only.
        memory_swappiness: None,
        nano_cpus: 500_000_000,
        cpu_shares: 512,
        // Beside a number of CPUs there is no quota.
        cpu_period: 0,
        cpu_quota: 0,
        // With a kernel that has real-time scheduling only.
        cpu_realtime_period: 0,
        cpu_realtime_runtime: 0,
        cpuset: "0".into(),
        pids_limit: 100,
        // Of block devices only, which not every machine has.
        block_io: BlockIo::default(),
    }
}

/// What a container can be made with on any machine, though not started on every one.
fn only_made() -> ContainerSpec {
    let devices = |limit: i64| BTreeMap::from([("/dev/null".to_owned(), limit)]);
    let request = |driver: &str, count: i64, ids: &[&str]| DeviceRequest {
        driver: driver.into(),
        count,
        device_ids: words(ids),
        capabilities: vec![words(&["gpu", "utility"])],
        options: map(&[("a", "b")]),
    };
    let mut spec = ContainerSpec {
        environment: BTreeMap::from([("GONE".into(), None)]),
        user: Some("0:0".into()),
        security_opt: ["apparmor=unconfined", "seccomp=unconfined", "label=disable"]
            .map(String::from)
            .into(),
        namespaces: Namespaces {
            cgroup: Some("host".into()),
            ipc: Some("host".into()),
            pid: None,
            user: None,
            uts: Some("host".into()),
        },
        resources: Resources {
            cpu_period: 50_000,
            cpu_quota: 25_000,
            memory: 64 << 20,
            memory_swap: -1,
            block_io: BlockIo {
                // With few kernels only.
                weight: 0,
                weight_device: BTreeMap::new(),
                device_read_bps: devices(1 << 20),
                device_write_bps: devices(2 << 20),
                device_read_iops: devices(30),
                device_write_iops: devices(40),
            },
            ..Resources::default()
        },
        runtime: Some("runc".into()),
        ..ContainerSpec::default()
    };
    spec.devices.requests = vec![request("", -1, &[]), request("nvidia", 0, &["0", "GPU-1"])];
    spec.kernel.shm_size = Some(1 << 20);
    spec
}

/// What inspect is to show: what was asked for, and what the image adds.
fn with_the_image(mut settings: ContainerSpec) -> ContainerSpec {
    settings.environment.insert("FROM_IMAGE".into(), Some(Hidden::new("1")));
    settings.labels.insert("from.image".into(), "yes".into());
    settings.expose.insert(port(7000, Protocol::Tcp));
    settings.mounts.push(anonymous("/image-data"));
    settings.mounts.sort();
    settings.ports.sort();
    settings
}

fn assert_same(observed: &ObservedContainer, expected: &ContainerSpec, when: &str) {
    let mut shown = (*observed.settings).clone();
    // The label that finds what a test made.
    shown.labels.remove(LABEL);
    macro_rules! same {
        ($($field:ident),*) => { $(
            assert_eq!(shown.$field, expected.$field, "{when}: {}", stringify!($field));
        )* };
    }
    assert_eq!(
        shown
            .environment
            .iter()
            .map(|(k, v)| (k, v.as_ref().map(Hidden::reveal)))
            .collect::<Vec<_>>(),
        expected
            .environment
            .iter()
            .map(|(k, v)| (k, v.as_ref().map(Hidden::reveal)))
            .collect::<Vec<_>>(),
    );
    same!(platform, command, entrypoint, labels, user, working_dir, hostname, healthcheck);
    same!(ports, expose, mounts, tmpfs, network, extra_hosts, restart, stop_grace_period);
    same!(stop_signal, init, read_only, privileged, cap_add, cap_drop, logging, resources);
    same!(domainname, stdin_open, tty, group_add, security_opt, namespaces, dns, devices, kernel);
    same!(cgroup_parent, runtime, annotations, storage_opt);
    assert!(shown == *expected, "{when}: a field that this table does not know");
}

#[tokio::test]
async fn what_is_asked_for_is_what_inspect_shows() {
    let world = World::new("round-trip");
    // Outside the range from which the engine takes those that nobody chooses (`tests/support/engine`).
    world.network("front", Some("10.214.7.0/24")).await;
    world.network("back", None).await;
    for name in ["data", "plain"] {
        let volume = Volume {
            name: world.named(name).as_str().into(),
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        world.engine.create_volume(&volume, &world.labels()).await.unwrap();
        world.engine.create_volume(&volume, &world.labels()).await.unwrap();
    }
    let expected = with_the_image(everything(&world));
    let container = world.create("all", everything(&world)).await;
    let created = world.inspect(&container).await;
    assert_same(&created, &expected, "created");
    assert_eq!(created.state, ContainerState::Created);
    assert_eq!(created.image, world.image.to_string());
    assert_eq!(created.started_at, None);
    assert!(created.created_at.is_some());
    assert_eq!(
        created.anonymous_volumes.keys().collect::<Vec<_>>(),
        ["/image-data", "/scratch"],
        "volumes that the engine named"
    );

    world.engine.start(&container).await.unwrap();
    let started = world.inspect(&container).await;
    assert_same(&started, &expected, "started");
    assert_eq!(started.state, ContainerState::Running);
    assert_ne!(started.health, Health::None);
    let front = &started.attached[&world.named("front").as_str().into()];
    assert_eq!(front.address.as_deref(), Some("10.214.7.9"));
    assert!(front.aliases.contains(&world.named("all")), "its own name is an alias");
    assert!(started.attached[&world.named("back").as_str().into()].aliases.contains("web"));

    docker(&["kill", container.as_str()]);
    assert_same(&world.inspect(&container).await, &expected, "killed");
}

#[tokio::test]
async fn what_this_machine_may_not_be_able_to_start_is_shown_all_the_same() {
    let world = World::new("only-made");
    let container = world.create("all", only_made()).await;
    let shown = world.inspect(&container).await;
    let mut expected = with_the_image(only_made());
    expected.command = Some(words(&["sleep", "1000"]));
    expected.network = Attachment::Mode("bridge".into());
    expected.hostname = shown.settings.hostname.clone();
    assert_same(&shown, &expected, "created");
}

#[tokio::test]
async fn a_container_that_asks_for_nothing_shows_only_what_the_image_brings() {
    let world = World::new("defaults");
    let container = world.create("plain", ContainerSpec::default()).await;
    let shown = world.inspect(&container).await;
    let image = world.engine.image_defaults(&shown.image_id).await.unwrap();
    assert_eq!(image.command, Some(words(&["sleep", "1000"])));
    let mut expected = image.clone();
    world.engine.defaults().await.unwrap().add_to(&mut expected);
    expected.network = Attachment::Mode("bridge".into());
    assert_same(&shown, &expected, "created");
    for (name, mode) in [("none", "none"), ("host", "host")] {
        let network = Attachment::Mode(mode.into());
        let container =
            world.create(name, ContainerSpec { network, ..ContainerSpec::default() }).await;
        expected.network = Attachment::Mode(mode.into());
        assert_same(&world.inspect(&container).await, &expected, mode);
    }
    let joined = Attachment::Mode(format!("container:{}", container.as_str()));
    let settings = ContainerSpec { network: joined.clone(), ..ContainerSpec::default() };
    let joining = world.create("joining", settings).await;
    expected.network = joined;
    assert_same(&world.inspect(&joining).await, &expected, "container");
    let privileged = ContainerSpec { privileged: true, ..ContainerSpec::default() };
    let privileged = world.create("privileged", privileged).await;
    assert!(world.inspect(&privileged).await.settings.privileged);
}

#[tokio::test]
async fn anonymous_volumes_follow_to_the_next_container_and_stay_when_it_goes() {
    let world = World::new("inherit");
    let settings =
        ContainerSpec { mounts: vec![anonymous("/scratch")], ..ContainerSpec::default() };
    let old = world.create("old", settings.clone()).await;
    let volumes = world.inspect(&old).await.anonymous_volumes;
    world.engine.remove_container(&old).await.unwrap();
    // Before the next one is made: it would be given empty volumes of the same names.
    let kept = world.engine.observe(&[]).await.unwrap().volumes;
    assert!(volumes.values().all(|volume| kept.contains_key(volume)), "the data is gone");
    let mut request = world.request("new", settings.clone());
    request.inherited_volumes = volumes.clone();
    request.inherited_volumes.insert("/not-declared".into(), VolumeName::new("a".repeat(64)));
    let new = ContainerRef::Id(world.engine.create_container(&request).await.unwrap());
    let shown = world.inspect(&new).await;
    assert_eq!(shown.anonymous_volumes, volumes);
    assert_eq!(shown.settings.mounts, [anonymous("/image-data"), anonymous("/scratch")]);
}

#[tokio::test]
async fn verbs_do_what_they_say() {
    let world = World::new("verbs");
    let engine = &world.engine;
    let stop_signal = Some("SIGKILL".into());
    let settings = ContainerSpec { stop_signal, tmpfs: no_volume(), ..shell("sleep 1000") };
    let container = world.create_and_start("a", settings).await;
    engine.start(&container).await.unwrap();

    docker(&["pause", container.as_str()]);
    assert_eq!(world.inspect(&container).await.state, ContainerState::Paused);
    engine.unpause(&container).await.unwrap();
    assert_eq!(world.inspect(&container).await.state, ContainerState::Running);

    let resources = Resources { memory: 48 << 20, pids_limit: 50, ..Resources::default() };
    let update =
        ContainerUpdate { restart: Some(RestartPolicy::Always), resources: Some(resources) };
    engine.update(&container, &update).await.unwrap();
    let larger = Resources { memory: 256 << 20, pids_limit: 50, ..Resources::default() };
    let update = ContainerUpdate { restart: None, resources: Some(larger.clone()) };
    engine.update(&container, &update).await.unwrap();
    let shown = world.inspect(&container).await.settings;
    assert_eq!(shown.resources, larger);
    assert_eq!(shown.restart, RestartPolicy::Always);
    let update = ContainerUpdate { restart: Some(RestartPolicy::No), ..ContainerUpdate::default() };
    engine.update(&container, &update).await.unwrap();
    assert_eq!(world.inspect(&container).await.settings.restart, RestartPolicy::Unset);

    engine.rename(&container, &world.named("b").as_str().into()).await.unwrap();
    assert_eq!(world.inspect(&container).await.name.as_str(), world.named("b"));
    engine.stop(&container).await.unwrap();
    engine.stop(&container).await.unwrap();
    let stopped = world.inspect(&container).await.state;
    assert_eq!(stopped, ContainerState::Exited { code: 137, oom_killed: false });
    engine.remove_container(&container).await.unwrap();
    assert!(engine.inspect(&container).await.unwrap().is_none());
}

#[tokio::test]
async fn every_limit_that_can_be_changed_in_place_is() {
    let world = World::new("limits");
    let few = Resources { memory: 32 << 20, cpu_quota: 30_000, ..Resources::default() };
    let stop_signal = Some("SIGKILL".into());
    let settings =
        ContainerSpec { resources: few, stop_signal, tmpfs: no_volume(), ..shell("sleep 1000") };
    let container = world.create_and_start("a", settings).await;
    let resources = Resources {
        memory: 64 << 20,
        memory_reservation: 16 << 20,
        memory_swap: 80 << 20,
        cpu_shares: 256,
        cpu_period: 50_000,
        cpu_quota: 25_000,
        cpuset: "0".into(),
        pids_limit: 40,
        ..Resources::default()
    };
    let update = ContainerUpdate { restart: None, resources: Some(resources.clone()) };
    world.engine.update(&container, &update).await.unwrap();
    assert_eq!(world.inspect(&container).await.settings.resources, resources);
    let usual = Resources { memory_swap: 0, ..resources };
    let update = ContainerUpdate { restart: None, resources: Some(usual.clone()) };
    world.engine.update(&container, &update).await.unwrap();
    assert_eq!(world.inspect(&container).await.settings.resources, usual);
}

#[tokio::test]
async fn a_container_is_attached_and_detached() {
    let world = World::new("attach");
    let (front, back) = (world.network("front", None).await, world.network("back", None).await);
    let front_only = Attachment::Networks(vec![world.endpoint("front", &["web"])]);
    // Its process knows no signals; waiting for its grace period would say nothing more.
    let stop_signal = Some("SIGKILL".into());
    let network = front_only.clone();
    let settings = ContainerSpec { network, stop_signal, ..ContainerSpec::default() };
    let container = world.create("a", settings).await;
    let endpoint = world.endpoint("back", &["late"]);
    world.engine.connect(&container, &endpoint, &[world.named("a")]).await.unwrap();
    let both = Attachment::Networks(vec![world.endpoint("front", &["web"]), endpoint.clone()]);
    assert_eq!(world.inspect(&container).await.settings.network, both);
    world.engine.start(&container).await.unwrap();
    let refused = world.engine.remove_network(&back.name).await;
    assert!(matches!(refused, Err(EngineError::Conflict(_))), "{refused:?}");
    let again = world.engine.connect(&container, &endpoint, &[]).await;
    assert!(matches!(again, Err(EngineError::Conflict(_))), "{again:?}");
    world.engine.disconnect(&container, &back.name).await.unwrap();
    assert_eq!(world.inspect(&container).await.settings.network, front_only);
    world.engine.remove_network(&back.name).await.unwrap();
    let gone = world.engine.remove_network(&back.name).await;
    assert!(matches!(gone, Err(EngineError::NotFound(_))), "{gone:?}");
    // A failure among the later endpoints takes the container back: no address without a subnet.
    world.network("back", None).await;
    let endpoint = Endpoint { ipv4_address: Some("10.214.8.9".into()), ..endpoint };
    let network = Attachment::Networks(vec![world.endpoint("front", &[]), endpoint]);
    let settings = ContainerSpec { network, tmpfs: no_volume(), ..ContainerSpec::default() };
    let failed = world.engine.create_container(&world.request("half", settings)).await;
    assert!(matches!(failed, Err(EngineError::Refused(_))), "{failed:?}");
    let half = ContainerRef::Name(world.named("half").as_str().into());
    assert!(world.engine.inspect(&half).await.unwrap().is_none());
    world.engine.stop(&container).await.unwrap();
    world.engine.disconnect(&container, &front.name).await.unwrap();
    let shown = world.inspect(&container).await.settings;
    assert_eq!(shown.network, Attachment::Networks(Vec::new()));
}

#[tokio::test]
async fn an_attachment_to_a_network_that_is_gone_can_be_dropped_and_made_anew() {
    let world = World::new("dangling");
    let network = world.network("front", None).await;
    let asked = Attachment::Networks(vec![world.endpoint("front", &["web"])]);
    let settings = ContainerSpec { network: asked.clone(), ..ContainerSpec::default() };
    let container = world.create_and_start("a", settings).await;
    docker(&["kill", container.as_str()]);
    world.engine.remove_network(&network.name).await.unwrap();
    let before = world.inspect(&container).await.attached;
    world.network("front", None).await;
    let failed = world.engine.start(&container).await;
    assert!(matches!(failed, Err(EngineError::NotFound(_))), "{failed:?}");
    world.engine.disconnect(&container, &network.name).await.unwrap();
    let endpoint = &asked.endpoints()[0];
    world.engine.connect(&container, endpoint, &[world.named("a")]).await.unwrap();
    world.engine.start(&container).await.unwrap();
    let after = world.inspect(&container).await;
    assert_eq!(after.settings.network, asked);
    assert_ne!(after.attached[&network.name].id, before[&network.name].id);
}

#[tokio::test]
async fn failures_say_what_kind_they_are() {
    let world = World::new("failures");
    let engine = &world.engine;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = taken.local_addr().unwrap().port().to_string();
    let ports = vec![published(port(80, Protocol::Tcp), "127.0.0.1", &number)];
    let container = world.create("port", ContainerSpec { ports, ..ContainerSpec::default() }).await;
    let failed = engine.start(&container).await;
    assert!(matches!(failed, Err(EngineError::PortTaken(_))), "{failed:?}");

    let missing = ContainerSpec { command: Some(words(&["nope"])), ..ContainerSpec::default() };
    let failed = engine.start(&world.create("missing", missing).await).await;
    assert!(matches!(failed, Err(EngineError::CannotStart(_))), "{failed:?}");
    let data = ContainerSpec { command: Some(words(&["/content"])), ..ContainerSpec::default() };
    let failed = engine.start(&world.create("data", data).await).await;
    assert!(matches!(failed, Err(EngineError::CannotStart(_))), "{failed:?}");

    let failed = engine.create_container(&world.request("data", ContainerSpec::default())).await;
    assert!(matches!(failed, Err(EngineError::Conflict(_))), "{failed:?}");
    let mounts = vec![bind("/a", Path::new("/t-docker/nowhere"), false)];
    let nowhere = ContainerSpec { mounts, ..ContainerSpec::default() };
    let failed = engine.create_container(&world.request("nowhere", nowhere)).await;
    assert!(matches!(failed, Err(EngineError::Refused(_))), "{failed:?}");
    let mut request = world.request("absent", ContainerSpec::default());
    let absent = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    request.image = PinnedImage::new(&world.image.reference(), absent);
    let failed = engine.create_container(&request).await;
    assert!(matches!(failed, Err(EngineError::NotFound(_))), "{failed:?}");

    let running = world.create_and_start("running", ContainerSpec::default()).await;
    let failed = engine.remove_container(&running).await;
    assert!(matches!(failed, Err(EngineError::Conflict(_))), "{failed:?}");
    let nobody = ContainerRef::Id(ContainerId::new("t-docker-nobody"));
    assert!(matches!(engine.start(&nobody).await, Err(EngineError::NotFound(_))));
    assert!(matches!(engine.stop(&nobody).await, Err(EngineError::NotFound(_))));
}

#[tokio::test]
async fn logs_are_the_last_lines_of_both_streams() {
    let world = World::new("logs");
    let script = "echo one; echo two >&2; printf 'bad \\377\\n'; printf '%03000d\\n' 7; printf end";
    let container = world.create_and_start("a", shell(script)).await;
    docker(&["wait", container.as_str()]);
    let mut written = world.engine.logs(&container, 100).await.unwrap();
    written.sort();
    let long = "0".repeat(2_000);
    assert_eq!(written, [long.as_str(), "bad \u{fffd}", "end", "one", "two"]);
    assert_eq!(world.engine.logs(&container, 1).await.unwrap().len(), 1);
    assert!(world.engine.logs(&container, 0).await.unwrap().is_empty());

    let name = world.named("tty");
    let label = format!("{LABEL}={}", world.name);
    let image = world.image.familiar();
    docker(&["run", "-t", "--label", &label, "--name", &name, &image, "echo", "on a terminal"]);
    let terminal = ContainerRef::Name(name.as_str().into());
    assert_eq!(world.engine.logs(&terminal, 5).await.unwrap(), ["on a terminal"]);
}

#[tokio::test]
async fn an_image_is_pulled_by_digest_and_is_enough_to_create_from() {
    let mut world = World::new("pull");
    docker(&["rmi", &world.image.familiar()]);
    let said = Mutex::new(Vec::new());
    let progress = |progress: PullProgress| said.lock().unwrap().push(progress);
    world.engine.pull(&world.image, None, None, &progress).await.unwrap();
    assert!(!said.lock().unwrap().is_empty());
    let container = world.create("a", ContainerSpec::default()).await;
    let listed = world.engine.observe(&[]).await.unwrap();
    let image_id = world.inspect(&container).await.image_id;
    let image = listed.images.iter().find(|image| image.id == image_id.as_str()).unwrap();
    assert_eq!(
        (&image.tags[..], &image.digests[..]),
        (&[][..], &[world.image.pull_reference()][..])
    );

    let absent = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let absent = PinnedImage::new(&world.image.reference(), absent);
    let failed = world.engine.pull(&absent, None, None, &|_| ()).await;
    assert!(matches!(failed, Err(EngineError::NotFound(_))), "{failed:?}");
    world.registry.0.kill().unwrap();
    world.registry.0.wait().unwrap();
    let failed = world.engine.pull(&absent, None, None, &|_| ()).await;
    assert!(matches!(failed, Err(EngineError::Other(_))), "{failed:?}");
}

/// What both engines come to when they are asked about the same images: whether one is there, and which.
async fn asked_about(engine: &dyn Engine, image: &PinnedImage) -> Vec<String> {
    let (reference, nothing) = (image.reference(), "0".repeat(64));
    let name = reference.name();
    let asked = [
        reference.without_digest().to_string(),
        image.pull_reference(),
        format!("{name}:2"),
        format!("{name}-gone:1"),
        format!("{name}@sha256:{nothing}"),
    ];
    let mut told = Vec::new();
    for asked in asked {
        let answer = engine.distribution(&ImageRef::parse(&asked).unwrap(), None).await;
        told.push(match answer {
            Ok(digest) if digest == *image.digest() => "this".to_owned(),
            Ok(digest) => digest.to_string(),
            Err(EngineError::NotFound(_)) => "not found".to_owned(),
            Err(EngineError::Other(_)) => "other".to_owned(),
            Err(error) => format!("{error:?}"),
        });
    }
    told
}

#[tokio::test]
async fn the_engine_and_the_fake_say_what_a_tag_points_at() {
    let mut world = World::new("distribution");
    let fake = FakeEngine::new();
    let of_fake = fake.load_image("registry.test/app", "1", ImageBehaviour::default());
    let expected = ["this", "this", "not found", "not found", "not found"];
    assert_eq!(asked_about(&world.engine, &world.image).await, expected);
    assert_eq!(asked_about(&fake, &of_fake).await, expected);

    world.registry.0.kill().unwrap();
    world.registry.0.wait().unwrap();
    fake.registry_down(true);
    assert_eq!(asked_about(&world.engine, &world.image).await, ["other"; 5]);
    assert_eq!(asked_about(&fake, &of_fake).await, ["other"; 5]);
}

#[tokio::test]
async fn the_disk_that_images_are_kept_on_is_measured() {
    let world = World::new("disk");
    let disk = world.engine.disk().await.unwrap().unwrap();
    let root = docker(&["info", "--format", "{{.DockerRootDir}}"]);
    assert_eq!(disk.path, root.trim());
    assert!(disk.free <= disk.total && disk.total > 1 << 20, "{disk:?}");
    world.engine.prune_build_cache().await.unwrap();
}

#[tokio::test]
async fn ours_are_inspected_and_all_others_only_listed() {
    let world = World::new("observe");
    let network = world.network("front", None).await;
    let front = Attachment::Networks(vec![world.endpoint("front", &[])]);
    world.create("ours", ContainerSpec { network: front, ..ContainerSpec::default() }).await;
    let label = format!("{LABEL}={}", world.name);
    let image = world.image.familiar();
    let made = |name: &str, labels: &[&str]| {
        let name = world.named(name);
        let mut arguments = vec!["create", "--name", &name, "--label", &label];
        labels.iter().for_each(|label| arguments.extend(["--label", label]));
        arguments.push(&image);
        docker(&arguments);
    };
    let stack = format!("{}={}", labels::COMPOSE_PROJECT, world.named("stack"));
    let one_off = format!("{}=True", labels::COMPOSE_ONEOFF);
    made("theirs", &[]);
    made("compose", &[&stack]);
    made("one-off", &[&stack, &one_off]);

    let asked = StackName::new(world.named("stack"));
    for (stacks, expected) in [(&[][..], &["ours"][..]), (&[asked][..], &["compose", "ours"][..])] {
        let observed = world.engine.observe(stacks).await.unwrap();
        let prefix = format!("{}-", world.name);
        let ours: Vec<&str> = observed
            .containers
            .iter()
            .filter_map(|container| container.name.as_str().strip_prefix(&prefix))
            .collect();
        assert_eq!(ours, expected);
        let theirs = ContainerName::new(world.named("theirs"));
        let foreign = observed.foreign.iter().find(|other| other.names.contains(&theirs)).unwrap();
        assert!(!foreign.running);
        let shown = observed.network(&network.name).unwrap();
        assert!(shown.internal && shown.driver == "bridge" && shown.subnets.len() == 1);
        assert_eq!(shown.ipam_options, network.ipam_options);
    }
    let info = world.engine.info().await.unwrap();
    assert!(!info.version.is_empty() && info.os == "linux" && info.api_version.starts_with("1."));
}

#[tokio::test]
async fn what_befalls_a_container_of_a_project_is_told_at_once() {
    let world = World::new("incidents");
    let check = Healthcheck {
        test: words(&["CMD", "sh", "-c", "test ! -e /ill"]),
        interval: Some(Duration::from_secs(1)),
        retries: Some(1),
        ..Healthcheck::default()
    };
    let settings = ContainerSpec {
        command: Some(words(&["sleep", "1000"])),
        healthcheck: Some(check),
        ..ContainerSpec::default()
    };
    let since = jiff::Timestamp::now();
    let container = world.create_and_start("web", settings).await;
    let name = world.named("web");
    let (told, mut telling) = tokio::sync::mpsc::unbounded_channel();
    let heard = |incident: Incident| {
        if incident.stack.as_str() == world.name {
            told.send(incident).unwrap();
        }
    };
    let scenario = async {
        let mut next = async || {
            let told = tokio::time::timeout(Duration::from_secs(60), telling.recv()).await;
            let incident = told.unwrap().unwrap();
            assert_eq!(incident.container.as_str(), container.as_str());
            incident.mishap
        };
        docker(&["exec", &name, "sh", "-c", "echo >/ill"]);
        assert_eq!(next().await, Mishap::Unhealthy);
        docker(&["pause", &name]);
        assert_eq!(next().await, Mishap::Paused);
        docker(&["unpause", &name]);
        docker(&["kill", &name]);
        assert_eq!(next().await, Mishap::Died);
        docker(&["rm", &name]);
        assert_eq!(next().await, Mishap::Removed);
    };
    tokio::select! {
        () = scenario => {}
        ended = world.engine.watch(since, &heard) => panic!("{ended:?}"),
    }
    // The engine remembers what has happened before it is asked.
    tokio::select! {
        ended = world.engine.watch(since, &heard) => panic!("{ended:?}"),
        first = telling.recv() => assert_eq!(first.unwrap().mishap, Mishap::Unhealthy),
    }
}
