//! The names and things of one sequence, and how its steps are carried out on either engine.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel::engine::fake::{FakeEngine, ImageBehaviour, Process};
use evenkeel::engine::{
    ContainerRef, ContainerRequest, ContainerUpdate, Engine, EngineError, Labels,
};
use evenkeel::model::spec::{
    Attachment, Endpoint, ExposedPort, Healthcheck, Hook, Mount, MountSource, PortBinding,
    Protocol, Resources,
};
use evenkeel::model::stack::{Network, Volume};
use evenkeel::model::{
    ContainerName, ContainerSpec, NetworkName, PinnedImage, StackName, VolumeName, labels,
};

use super::super::world::{LABEL, World};
use super::sequence::{CONTAINERS, Call, Deed, Made, NETWORKS, Owner, PROGRAMS, Place, Program};

impl Program {
    fn command(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Runs => &["sleep", "1000"],
            Self::EndsWell => &["sh", "-c", "exit 0"],
            Self::Fails => &["sh", "-c", "exit 3"],
            Self::Missing => &["nowhere-to-be-found"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    pub fn behaviour(self, defaults: &ContainerSpec) -> ImageBehaviour {
        let process = match self {
            Self::Runs => Process::Forever,
            Self::EndsWell => Process::Exits { after: Duration::ZERO, code: 0 },
            Self::Fails => Process::Exits { after: Duration::ZERO, code: 3 },
            Self::Missing => Process::CannotStart("executable file not found".into()),
        };
        let defaults = defaults.clone();
        ImageBehaviour { process, ignores_sigterm: true, defaults, ..ImageBehaviour::default() }
    }
}

/// The names and things of one sequence.
#[derive(Clone)]
pub struct Lane {
    pub prefix: String,
    pub images: BTreeMap<Program, PinnedImage>,
    labels: Labels,
    /// The first of two.
    port: u16,
}

impl Lane {
    pub fn new(world: &World, seed: u64) -> Self {
        // Below the kernel's own choices; two runs of these tests at once hardly meet.
        let offset = (u64::from(std::process::id()) * 997 + seed * 2) % 12_000;
        Self {
            prefix: format!("{}-{seed}-", world.name),
            images: PROGRAMS.map(|program| (program, world.image.clone())).into(),
            labels: world.labels(),
            port: 20_000 + u16::try_from(offset).unwrap(),
        }
    }

    /// Takes away what the sequence has left at the engine.
    pub async fn clean_up(&self) {
        for name in CONTAINERS {
            docker(&["rm", "-f", &self.named(name)]).await;
        }
        for name in NETWORKS {
            docker(&["network", "rm", "-f", &self.named(name)]).await;
        }
        docker(&["volume", "rm", "-f", &self.named("data")]).await;
    }

    pub fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn container(&self, name: &str) -> ContainerRef {
        ContainerRef::Name(ContainerName::new(self.named(name)))
    }

    fn network(&self, name: &str) -> NetworkName {
        NetworkName::new(self.named(name))
    }

    pub fn stack(&self) -> StackName {
        StackName::new(self.named("stack"))
    }

    fn endpoint(&self, network: &str, alias: &str) -> Endpoint {
        Endpoint { aliases: [alias.to_owned()].into(), ..Endpoint::plain(self.network(network)) }
    }

    fn plain_network(&self, name: &str) -> Network {
        Network { labels: self.labels.clone(), ..Network::plain(self.network(name)) }
    }

    async fn attachment(&self, engine: &dyn Engine, place: &Place) -> Attachment {
        match place {
            Place::Anywhere => Attachment::default(),
            Place::Mode(mode) => Attachment::Mode((*mode).to_owned()),
            Place::On(networks) => {
                let endpoint = |network: &&str| self.endpoint(network, "web");
                Attachment::Networks(networks.iter().map(endpoint).collect())
            }
            Place::JoinedTo(other) => {
                let other = engine.inspect(&self.container(other)).await.unwrap();
                let id = other.map_or_else(|| "f".repeat(64), |other| other.id.to_string());
                Attachment::Mode(format!("container:{id}"))
            }
        }
    }

    async fn request(&self, engine: &dyn Engine, name: &str, made: &Made) -> ContainerRequest {
        let port = |offset: u16| PortBinding {
            target: ExposedPort { port: 80, protocol: Protocol::Tcp },
            host_ip: "127.0.0.1".into(),
            published: (self.port + offset).to_string(),
        };
        let source = MountSource::volume(VolumeName::new(self.named("data")));
        let mount = Mount::new("/data", source, false);
        let check = Healthcheck {
            test: vec!["CMD".into(), "echo".into()],
            interval: Some(Duration::from_secs(60)),
            ..Healthcheck::default()
        };
        let settings = ContainerSpec {
            command: Some(made.program.command()),
            network: self.attachment(engine, &made.place).await,
            restart: made.restart,
            ports: made.port.map(port).into_iter().collect(),
            mounts: made.has_volume.then_some(mount).into_iter().collect(),
            healthcheck: made.has_health.then_some(check),
            stop_grace_period: Some(Duration::ZERO),
            // Keeps the engine from making the image's volume, which would outlive the test.
            tmpfs: [("/image-data".to_owned(), String::new())].into(),
            ..ContainerSpec::default()
        };
        ContainerRequest {
            name: ContainerName::new(self.named(name)),
            image: self.images[&made.program].clone(),
            settings,
            labels: self.labels_of(made.owner),
            own_alias: ContainerName::new(self.named(name)),
            inherited_volumes: BTreeMap::new(),
            joined: BTreeMap::new(),
            numbered: std::collections::BTreeSet::new(),
        }
    }

    fn labels_of(&self, owner: Owner) -> Labels {
        let stack = self.stack().to_string();
        let more: Vec<(&str, &str)> = match owner {
            Owner::Nobody => vec![],
            Owner::Ours => vec![(labels::SPEC, "1:0")],
            Owner::Compose => vec![(labels::COMPOSE_PROJECT, &stack)],
            Owner::ComposeRun => {
                vec![(labels::COMPOSE_PROJECT, &stack), (labels::COMPOSE_ONEOFF, "True")]
            }
        };
        let mut labels = self.labels.clone();
        labels.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        labels
    }

    pub async fn carry_out(&self, engine: &dyn Engine, call: &Call) -> Result<(), EngineError> {
        let one = |name: &str| self.container(name);
        match call {
            Call::Create(name, made) => {
                let request = self.request(engine, name, made).await;
                engine.create_container(&request).await.map(drop)
            }
            Call::Start(name) => engine.start(&one(name)).await,
            Call::Stop(name) => engine.stop(&one(name)).await,
            Call::Unpause(name) => engine.unpause(&one(name)).await,
            Call::Rename(name, new) => {
                engine.rename(&one(name), &ContainerName::new(self.named(new))).await
            }
            Call::Remove(name) => engine.remove_container(&one(name)).await,
            Call::UpdateRestart(name, policy) => {
                let update = ContainerUpdate { restart: Some(*policy), resources: None };
                engine.update(&one(name), &update).await
            }
            Call::UpdateMemory(name, memory) => {
                let limits = Resources { memory: *memory, ..Resources::default() };
                let update = ContainerUpdate { restart: None, resources: Some(limits) };
                engine.update(&one(name), &update).await
            }
            Call::Connect(name, network) => {
                let alias = [self.named(name)];
                engine.connect(&one(name), &self.endpoint(network, "late"), &alias).await
            }
            Call::Disconnect(name, network) => {
                engine.disconnect(&one(name), &self.network(network)).await
            }
            Call::CreateNetwork(name) => {
                engine.create_network(&self.plain_network(name), &self.labels).await
            }
            Call::RemoveNetwork(name) => engine.remove_network(&self.network(name)).await,
            Call::CreateVolume => engine.create_volume(&self.volume(), &self.labels).await,
            Call::Exec(name) => {
                let hook = Hook { command: vec!["echo".into()], ..Hook::default() };
                engine.exec(&one(name), &hook).await.map(drop)
            }
            Call::Logs(name) => engine.logs(&one(name), 1).await.map(drop),
        }
    }

    fn volume(&self) -> Volume {
        Volume {
            name: VolumeName::new(self.named("data")),
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// What people do on the fake host; whether it was done.
pub fn by_hand_on_the_fake(lane: &Lane, fake: &FakeEngine, deed: &Deed) -> bool {
    let named = |name: &str| lane.named(name);
    let done = match deed {
        Deed::Start(name) => fake.docker_start(&named(name)),
        Deed::Stop(name) => fake.docker_stop(&named(name)),
        Deed::Kill(name) => fake.docker_kill(&named(name)),
        Deed::ProcessDies(name) => {
            let running = fake.container(&named(name)).is_some_and(|one| one.is_running());
            return running && fake.kill(&named(name), 137).is_ok();
        }
        Deed::Pause(name) => fake.pause(&named(name)),
        Deed::Rename(name, new) => fake.docker_rename(&named(name), &named(new)),
        Deed::RemoveByForce(name) => fake.docker_rm_force(&named(name)),
        Deed::Disconnect(name, network) => fake.docker_disconnect(&named(name), &named(network)),
        Deed::CreateNetwork(name) => fake.docker_network_create(&lane.plain_network(name)),
        Deed::RemoveNetwork(name) => fake.docker_network_rm(&named(name)),
    };
    done.is_ok()
}

/// What people do with Docker's program; whether it was done.
pub async fn by_hand(lane: &Lane, deed: &Deed) -> bool {
    let named = |name: &str| lane.named(name);
    match deed {
        Deed::Start(name) => docker(&["start", &named(name)]).await.is_some(),
        Deed::Stop(name) => docker(&["stop", &named(name)]).await.is_some(),
        Deed::Kill(name) => docker(&["kill", &named(name)]).await.is_some(),
        Deed::ProcessDies(name) => process_dies(&named(name)).await,
        Deed::Pause(name) => docker(&["pause", &named(name)]).await.is_some(),
        Deed::Rename(name, new) => docker(&["rename", &named(name), &named(new)]).await.is_some(),
        Deed::RemoveByForce(name) => {
            // It does well without a word where there was nothing to remove.
            docker(&["rm", "-f", &named(name)]).await.is_some_and(|said| !said.is_empty())
        }
        Deed::Disconnect(name, network) => {
            let words = ["network", "disconnect", "-f", &named(network), &named(name)];
            docker(&words).await.is_some()
        }
        Deed::CreateNetwork(name) => {
            let label = format!("{LABEL}={}", lane.labels[LABEL]);
            docker(&["network", "create", "--label", &label, &named(name)]).await.is_some()
        }
        Deed::RemoveNetwork(name) => docker(&["network", "rm", &named(name)]).await.is_some(),
    }
}

async fn process_dies(name: &str) -> bool {
    let pid = "{{if eq .State.Status \"running\"}}{{.State.Pid}}{{end}}";
    match docker(&["inspect", "--type", "container", "-f", pid, name]).await {
        Some(pid) if !pid.is_empty() => said("kill", &["-9", &pid]).await.is_some(),
        Some(_) | None => false,
    }
}

async fn docker(arguments: &[&str]) -> Option<String> {
    said("docker", arguments).await
}

/// What a program says, if it does well.
async fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = tokio::process::Command::new(program).args(arguments).output().await.unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
