//! An engine of the test's own on a small disk, for what would be in the way of other tests: prunes, and a disk that
//! fills up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::host::Host;
use super::run::Run;
use super::{eventually, script, stdout_of};

/// A Docker engine whose disk is a file. Its bridge leads nowhere: containers need `network_mode: none`.
pub struct OwnEngine {
    directory: PathBuf,
    bridge: String,
    daemon: Child,
}

impl OwnEngine {
    /// Starts one below the host's directory, on a file system of `mebibytes`. `None` where this machine lets
    /// nobody mount one: the same is then shown on the host in memory alone (`src/reconcile/retention/tests.rs`).
    pub fn start(host: &Host, mebibytes: u32) -> Option<Self> {
        stdout_of(script("packages").arg("dockerd:docker.io"));
        let directory = host.path("engine");
        let at = |name: &str| directory.join(name);
        std::fs::create_dir_all(at("root")).unwrap();
        let disk = at("disk");
        stdout_of(Command::new("truncate").arg("-s").arg(format!("{mebibytes}M")).arg(&disk));
        // Without a journal and without blocks that are only for root, nearly all of it can be used.
        stdout_of(
            Command::new("/sbin/mkfs.ext4")
                .args(["-q", "-m", "0", "-O", "^has_journal"])
                .arg(&disk),
        );
        let mounted =
            Command::new("mount").args(["-o", "loop"]).arg(&disk).arg(at("root")).output();
        if !mounted.unwrap().status.success() {
            return told(
                "no file system can be mounted here, so that nothing is shown on an engine of its own",
            );
        }
        // An engine that is told to have none removes `docker0` at its start, which is that of the engine beside it.
        let bridge = format!("ek-{}", host.id);
        ip(&["link", "add", &bridge, "type", "bridge"]);
        // Of a range that is never routed (RFC 5737).
        ip(&["address", "add", "192.0.2.1/28", "dev", &bridge]);
        let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let daemon = Command::new("/usr/sbin/dockerd")
            .arg(flag("data-root", &at("root")))
            .arg(flag("exec-root", &at("exec")))
            .arg(flag("pidfile", &at("pid")))
            .arg(format!("--host=unix://{}", at("docker.sock").display()))
            .arg(format!("--bridge={bridge}"))
            .args(["--iptables=false", "--ip-masq=false"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let engine = Self { directory, bridge, daemon };
        eventually(Duration::from_secs(60), "the engine of its own answers", || {
            engine.try_docker(&["version"]).then_some(())
        });
        Some(engine)
    }

    fn address(&self) -> String {
        format!("unix://{}", self.directory.join("docker.sock").display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(self.address()).args(arguments);
        command
    }

    /// Runs the docker command; panics when it fails.
    pub fn docker(&self, arguments: &[&str]) -> String {
        stdout_of(&mut self.command(arguments))
    }

    /// Runs the docker command; whether it succeeded.
    pub fn try_docker(&self, arguments: &[&str]) -> bool {
        self.command(arguments).output().unwrap().status.success()
    }

    /// Runs the program on this engine.
    pub fn run(&self, host: &Host, arguments: &[&str]) -> Run {
        host.run(&[&["--docker", &self.address()], arguments].concat())
    }

    /// One pass on this engine.
    pub fn pass(&self, host: &Host) -> Run {
        self.run(host, &["reconcile", "--once", "--output", "json"])
    }

    /// All names of images, `repository:tag` and `repository@digest`.
    pub fn image_names(&self) -> Vec<String> {
        let ids = self.docker(&["images", "-q", "--no-trunc"]);
        let mut ids: Vec<&str> = ids.lines().collect();
        ids.sort_unstable();
        ids.dedup();
        let format = "{{join .RepoTags \"\\n\"}}\n{{join .RepoDigests \"\\n\"}}";
        let mut arguments = vec!["image", "inspect", "--format", format];
        arguments.extend(&ids);
        let named = if ids.is_empty() { String::new() } else { self.docker(&arguments) };
        named.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// How full its disk is, in percent.
    pub fn used_percent(&self) -> u32 {
        let root = self.directory.join("root");
        let out = stdout_of(Command::new("df").arg("--output=pcent").arg(root));
        out.lines().last().unwrap().trim().trim_end_matches('%').parse().unwrap()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let containers = self.command(&["ps", "-q"]).output();
        let containers = containers
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
            .unwrap_or_default();
        for id in containers.split_whitespace() {
            let _ = self.command(&["rm", "-f", id]).output();
        }
        // Asked to end, it ends its own containerd too.
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).output();
        let _ = self.daemon.wait();
        let _ = Command::new("/sbin/ip").args(["link", "delete", &self.bridge]).output();
        let _ = Command::new("umount").arg(self.directory.join("root")).output();
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests has to know what was not tried")]
fn told(what: &str) -> Option<OwnEngine> {
    eprintln!("{what}");
    None
}

fn ip(arguments: &[&str]) {
    stdout_of(Command::new("/sbin/ip").args(arguments));
}
