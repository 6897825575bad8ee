//! A world of its own for each test: a registry with one image, and what a test makes at the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use evenkeel::engine::docker::Docker;
use evenkeel::engine::{ContainerRef, ContainerRequest, Engine, Labels};
use evenkeel::model::observed::ObservedContainer;
use evenkeel::model::spec::Endpoint;
use evenkeel::model::stack::{Network, Subnet};
use evenkeel::model::{
    ContainerName, ContainerSpec, Digest, ImageRef, PinnedImage, VolumeName, labels,
};

/// On everything that a test makes, with the world's name.
pub const LABEL: &str = "t-docker.world";

/// An engine with a registry that holds one image, and all that a test made.
pub struct World {
    pub name: String,
    pub engine: Docker,
    pub image: PinnedImage,
    pub registry: Registry,
    pub directory: tempfile::TempDir,
    /// Volumes that the engine named: they carry no label to be found by.
    anonymous: Mutex<BTreeSet<VolumeName>>,
}

impl World {
    pub fn new(name: &str) -> Self {
        // Two runs at once, or one that was cut off, are not in each other's way.
        let name = format!("t-docker-{name}-{}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let (registry, address) = start_registry(directory.path());
        let tag = format!("{address}/{name}:1");
        let image = make_image(directory.path(), &tag, &name);
        let engine = Docker::connect("unix:///var/run/docker.sock").unwrap();
        Self { name, engine, image, registry, directory, anonymous: Mutex::default() }
    }

    /// A name of this world.
    pub fn named(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    pub fn labels(&self) -> Labels {
        Labels::from([(LABEL.to_owned(), self.name.clone())])
    }

    pub fn request(&self, name: &str, settings: ContainerSpec) -> ContainerRequest {
        let mut labels = self.labels();
        labels.extend(settings.labels.clone());
        labels.insert(labels::SOURCE.to_owned(), "main".to_owned());
        labels.insert(labels::COMPOSE_PROJECT.to_owned(), self.name.clone());
        ContainerRequest {
            name: ContainerName::new(self.named(name)),
            image: self.image.clone(),
            settings,
            labels,
            own_alias: ContainerName::new(self.named(name)),
            numbered: Default::default(),
            joined: std::collections::BTreeMap::new(),
            inherited_volumes: BTreeMap::new(),
        }
    }

    pub async fn create(&self, name: &str, settings: ContainerSpec) -> ContainerRef {
        ContainerRef::Id(self.engine.create_container(&self.request(name, settings)).await.unwrap())
    }

    pub async fn create_and_start(&self, name: &str, settings: ContainerSpec) -> ContainerRef {
        let container = self.create(name, settings).await;
        self.engine.start(&container).await.unwrap();
        container
    }

    /// The container, without what the engine gave it by itself.
    pub async fn inspect(&self, container: &ContainerRef) -> ObservedContainer {
        let mut shown = self.engine.inspect(container).await.unwrap().unwrap();
        let defaults = self.engine.defaults().await.unwrap();
        defaults.take_out_of(Arc::make_mut(&mut shown.settings));
        self.anonymous.lock().unwrap().extend(shown.anonymous_volumes.values().cloned());
        shown
    }

    pub async fn network(&self, name: &str, subnet: Option<&str>) -> Network {
        let subnet =
            subnet.map(|subnet| Subnet { subnet: Some(subnet.to_owned()), ..Subnet::default() });
        let network = Network {
            internal: true,
            attachable: true,
            ipam_options: [("purpose".to_owned(), "test".to_owned())].into(),
            subnets: subnet.into_iter().collect(),
            ..Network::plain(self.named(name).as_str().into())
        };
        self.engine.create_network(&network, &self.labels()).await.unwrap();
        network
    }

    pub fn endpoint(&self, network: &str, aliases: &[&str]) -> Endpoint {
        Endpoint {
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ..Endpoint::plain(self.named(network).as_str().into())
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let filter = format!("label={LABEL}={}", self.name);
        for (list, remove) in [
            (["ps", "-aq"], ["rm", "-fv"]),
            (["network", "ls"], ["network", "rm"]),
            (["volume", "ls"], ["volume", "rm"]),
        ] {
            let listed =
                Command::new("docker").args(list).args(["-q", "--filter", &filter]).output();
            let listed = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned());
            for id in listed.unwrap_or_default().split_whitespace() {
                let _ = Command::new("docker").args(remove).arg(id).output();
            }
        }
        for volume in self.anonymous.lock().into_iter().flat_map(|volumes| volumes.clone()) {
            let _ = Command::new("docker").args(["volume", "rm", volume.as_str()]).output();
        }
        for image in [self.image.familiar(), self.image.pull_reference()] {
            let _ = Command::new("docker").args(["rmi", &image]).output();
        }
    }
}

/// A registry's process, which ends with the test.
pub struct Registry(pub Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A registry of its own on a free loopback port; returns once it listens.
fn start_registry(directory: &Path) -> (Registry, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let config = directory.join("registry.yml");
    let storage = directory.join("registry");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
        storage.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut registry = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(registry.stderr.take().unwrap()).lines();
    said.find(|line| line.as_ref().unwrap().contains("listening on")).unwrap().unwrap();
    std::thread::spawn(move || said.for_each(drop));
    (Registry(registry), address)
}

/// An image with busybox and something of everything an image can bring along, pushed as `tag`.
fn make_image(directory: &Path, tag: &str, content: &str) -> PinnedImage {
    let root = directory.join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for program in ["sh", "sleep", "echo", "cat", "printf"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    // No two tests share an image, or one would remove it under the other.
    std::fs::write(root.join("content"), content).unwrap();
    let archive = directory.join("root.tar");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."));
    run(Command::new("docker")
        .args(["import", "-c", "VOLUME /image-data", "-c", "ENV FROM_IMAGE=1 GONE=1"])
        .args(["-c", "LABEL from.image=yes", "-c", "EXPOSE 7000", "-c", "USER 0:0"])
        .args(["-c", "CMD [\"sleep\", \"1000\"]"])
        .arg(&archive)
        .arg(tag));
    run(Command::new("docker").args(["push", "-q", tag]));
    let digests = run(Command::new("docker").args([
        "image",
        "inspect",
        "-f",
        "{{index .RepoDigests 0}}",
        tag,
    ]));
    let (_, digest) = digests.trim().split_once('@').unwrap();
    PinnedImage::new(&ImageRef::parse(tag).unwrap(), Digest::parse(digest).unwrap())
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn docker(arguments: &[&str]) -> String {
    run(Command::new("docker").args(arguments))
}
