//! A host of the test's own on the shared engine: directories, a repository, a registry, a configuration.
//!
//! Everything that is made for it at the engine carries its `id` in the name, and goes when the test ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::docker;
use super::proxy::CountingSocket;
use super::registry::{Kind, TestRegistry};
use super::repo::GitRepo;
use super::run::Run;

/// A server that follows a repository.
///
/// In texts given to it, `@ID@` stands for the id, `@REGISTRY@` for the registry's host and port, or for those of what
/// stands before it. Stacks are
/// directories named `<something>-@ID@`; in answers the id is cut out again.
pub struct Host {
    /// Lower-case letters and digits, unique.
    pub id: String,
    /// The source it follows.
    pub repo: GitRepo,
    /// Where its images come from.
    pub registry: TestRegistry,
    /// What stands before it, if something does: host and port.
    pub front: Option<String>,
    /// What it takes for its engine.
    pub engine: CountingSocket,
    directory: TempDir,
}

impl Host {
    /// A host with an empty repository, nothing deployed, and short waits.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("evenkeel-").tempdir().unwrap();
        let id = id_of(directory.path());
        let at = |name: &str| directory.path().join(name);
        let repo = GitRepo::create(at("repo"));
        let registry = TestRegistry::start(&at("registry"), &id);
        let engine = CountingSocket::open(at("docker.sock"), docker::socket());
        let host = Self { id, repo, registry, front: None, engine, directory };
        host.configure("rollout: {stable: 500ms, monitor: 0s, deadline: 20s}");
        std::fs::create_dir_all(host.path("env")).unwrap();
        host
    }

    /// Writes the server's configuration anew, with `more` at its end.
    pub fn configure(&self, more: &str) {
        let repo = format!("repo: 'file://{}'", self.repo.directory().display());
        self.configure_source(&repo, more);
    }

    /// The same, with other words for the source, such as `repo: …, credentials: {…}`.
    pub fn configure_source(&self, source: &str, more: &str) {
        let path = |name| self.path(name).display().to_string();
        // However full this machine's disk is, that is no matter here.
        let disk = "retention: {disk: {high: 100%, low: 99%}}\n";
        let disk = if more.contains("retention:") { "" } else { disk };
        let config = format!(
            "host: test-host\n\
             sources: [{{name: source-{}, {source}, branch: main, interval: 1s}}]\n\
             env_dir: {}\ndata_dir: {}\nstate_dir: {}\n\
             docker: {{host: '{}'}}\n{disk}{}\n",
            self.id,
            path("env"),
            path("data"),
            path("state"),
            self.engine.address(),
            self.fill(more),
        );
        std::fs::write(self.path("config.yaml"), config).unwrap();
    }

    /// A file or directory of the server: `env/…`, `data/…`, `state/…`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(self.fill(name))
    }

    /// Writes a file below the server's env directory.
    pub fn env(&self, name: &str, text: &str) {
        let file = self.path("env").join(self.fill(name));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, self.fill(text)).unwrap();
    }

    /// Writes files into the repository and commits them; gives the commit's id.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.repo.write(&self.fill(path), self.fill(text));
        }
        self.repo.commit("change")
    }

    /// Copies a directory of the project into the repository, as the stack `<name>-@ID@`; commits nothing.
    pub fn copy_stack(&self, from: &str, name: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        let to = self.repo.directory().join(self.fill(name));
        super::stdout_of(Command::new("cp").arg("-r").arg(from).arg(to));
    }

    /// Pushes an image to the host's registry; gives its digest.
    pub fn push(&self, name: &str, tag: &str, kind: Kind) -> String {
        self.registry.push(name, tag, kind)
    }

    /// The program with the host's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("--config").arg(self.path("config.yaml"));
        command.args(arguments.iter().map(|argument| self.fill(argument)));
        // Nothing of the person who runs the tests takes part.
        command.env("HOME", self.directory.path()).env_remove("DOCKER_HOST");
        // Nor does another daemon of this machine.
        command.env("EVENKEEL_SOCKET", self.path("evenkeel.sock"));
        command
    }

    /// Starts the program; its errors and logs go to the file `log`.
    pub fn start(&self, arguments: &[&str], log: &str) -> Child {
        let log = File::create(self.path(log)).unwrap();
        self.command(arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// What a file of the server says; nothing where there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::new(&self.command(arguments).output().unwrap(), &self.id)
    }

    /// One pass.
    pub fn pass(&self) -> Run {
        self.run(&["reconcile", "--once", "--output", "json"])
    }

    /// A plan; ends with 3 where something is to be done.
    pub fn plan(&self) -> Run {
        self.run(&["plan", "--exit-code", "--output", "json"])
    }

    /// Asserts that everything is as it should be: a pass changes nothing at the engine, a plan has no steps.
    #[track_caller]
    pub fn is_settled(&self) {
        self.engine.take_mutations();
        self.pass().ends(0).does(&[]);
        let mutations = self.engine.take_mutations();
        assert!(mutations.is_empty(), "a pass with nothing to do did {mutations:?}");
        self.plan().ends(0).does(&[]);
    }

    /// The containers, in any state, by name without the host's id.
    pub fn containers(&self) -> BTreeMap<String, String> {
        docker::containers(&self.id)
    }

    /// The names of the containers that were made, removed or replaced since `before`.
    pub fn changed_since(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let now = self.containers();
        let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let differs = |name: &&&String| before.get(**name) != now.get(**name);
        names.iter().filter(differs).map(|name| (*name).clone()).collect()
    }

    /// A container's name at the engine: `shop-backend-1` is `shop-<id>-backend-1` there.
    pub fn name(&self, container: &str) -> String {
        let (stack, rest) = container.split_once('-').unwrap();
        format!("{stack}-{}-{rest}", self.id)
    }

    /// One field of a container, as `docker inspect --format` prints it.
    pub fn inspect(&self, container: &str, format: &str) -> String {
        docker::docker(&["inspect", "--format", format, &self.name(container)])
    }

    /// What `docker inspect` shows of a container; `None` where none has that name, as between two renames.
    pub fn try_inspect(&self, container: &str, format: &str) -> Option<String> {
        docker::try_docker(&["inspect", "--format", format, &self.name(container)])
    }

    /// Runs the docker command; `@ID@` may stand in its arguments.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let filled: Vec<String> = arguments.iter().map(|argument| self.fill(argument)).collect();
        docker::docker(&filled.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Fills in ports of this host that are free (`@PORT1@` to `@PORT3@`), and the first three numbers of a
    /// network's addresses that no other host takes (`@NET@`).
    pub fn fill_ports(&self, text: &str) -> String {
        let sum = self.id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
        let net = format!("10.{}.{}", 214 + sum % 40, sum / 40 % 256);
        let ports = ["@PORT1@", "@PORT2@", "@PORT3@"];
        let filled = ports.iter().fold(text.to_owned(), |text, port| match text.contains(port) {
            true => text.replace(port, &super::free_port().to_string()),
            false => text,
        });
        filled.replace("@NET@", &net)
    }

    /// Loses the state directory.
    #[cfg(feature = "compose-oracle")]
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.path("state")).unwrap();
    }

    pub fn fill(&self, text: &str) -> String {
        let registry = self.front.as_ref().unwrap_or(&self.registry.host);
        text.replace("@ID@", &self.id).replace("@REGISTRY@", registry)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let registry = self.registry.host.as_str();
        docker::clean_up(&self.id, &[registry, self.front.as_deref().unwrap_or(registry)]);
    }
}

fn id_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap().to_string_lossy();
    name.trim_start_matches("evenkeel-").to_ascii_lowercase()
}
