//! The commands of README.md and `docs/`, as somebody runs them who follows a page from its beginning.
//!
//! `tests/docs.rs` says what else holds of the pages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::markdown::{Block, blocks};
use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::{docker, free_port, stdout_of};

/// What the pages do not say, so that nobody waits for long and nothing depends on how full this disk is.
const ASIDE: &str = "\nrollout: {stable: 500ms, monitor: 500ms, deadline: 30s}\n\
                     retention: {disk: {high: 100%, low: 99%}}\n";

/// A server, a repository in the place of GitHub's (called like no other, for stacks belong to a source by its name), a registry in that of ghcr.io, and somebody with a clone.
struct Reader {
    host: Host,
    port: String,
}

impl Reader {
    fn new() -> Self {
        let reader = Self { host: Host::new(), port: free_port().to_string() };
        for directory in ["bin", "shim", "etc/systemd/system", "var/lib/evenkeel"] {
            std::fs::create_dir_all(reader.host.path(directory)).unwrap();
        }
        reader.write_program();
        let away = reader.host.path("infra-@ID@.git");
        reader.git(&["init", "--quiet", "--bare", "--initial-branch=main"], &away);
        reader.git(&["clone", "--quiet", &away.display().to_string(), "."], &reader.checkout());
        for (name, value) in [
            ("push.autoSetupRemote", "true"),
            ("push.default", "current"),
            ("user.name", "Reader"),
            ("user.email", "reader@example.com"),
        ] {
            reader.git(&["config", name, value], &reader.checkout());
        }
        reader
    }

    fn checkout(&self) -> PathBuf {
        self.host.path("clone")
    }

    /// What is called `evenkeel`: the program, told that this server's root is elsewhere.
    fn write_program(&self) {
        let at = |name: &str| self.host.path(name).display().to_string();
        let text = format!(
            "#!/bin/sh\nexec '{}' --config '{}' --env-dir '{}' --data-dir '{}' --state-dir '{}' --docker '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_evenkeel"),
            at("etc/evenkeel/config.yaml"),
            at("etc/evenkeel/env"),
            at("var/lib/evenkeel/data"),
            at("var/lib/evenkeel/state"),
            self.host.engine.address(),
        );
        let program = self.host.path("shim/evenkeel");
        std::fs::write(&program, text).unwrap();
        stdout_of(Command::new("chmod").arg("0755").arg(program));
    }

    /// The page's words with the addresses and paths of this server.
    fn fill(&self, text: &str) -> String {
        let root = self.host.path("").display().to_string();
        let root = root.trim_end_matches('/');
        let project = env!("CARGO_MANIFEST_DIR");
        text.replace("target/release/evenkeel", env!("CARGO_BIN_EXE_evenkeel"))
            .replace("packaging/", &format!("{project}/packaging/"))
            .replace(
                "https://github.com/acme/infra.git",
                &format!("file://{root}/infra-{}.git", self.host.id),
            )
            .replace("ghcr.io", &self.host.registry.host)
            .replace("/usr/local/bin", &format!("{root}/bin"))
            .replace("/etc/", &format!("{root}/etc/"))
            .replace("/var/lib/", &format!("{root}/var/lib/"))
            .replace("8080", &self.port)
            .replace("shop", &format!("shop-{}", self.host.id))
    }

    /// Writes a file of the server, or of the clone where `path` does not begin at the root.
    fn write(&self, path: &str, text: &str) {
        let file = match path.strip_prefix('/') {
            Some(below) => self.host.path("").join(self.inside(below)),
            None => self.checkout().join(self.inside(path)),
        };
        let is_config = file.ends_with("etc/evenkeel/config.yaml");
        let host = if text.contains("host: web-1") { "" } else { "host: web-1\n" };
        let text = match is_config {
            true => format!("{host}{}{ASIDE}", self.fill(text)),
            false => self.fill(text),
        };
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn inside(&self, path: &str) -> String {
        path.replace("shop", &format!("shop-{}", self.host.id))
    }

    fn git(&self, arguments: &[&str], directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        stdout_of(self.at_home(Command::new("git").args(arguments).current_dir(directory)));
    }

    /// Nobody's own settings take part.
    fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("HOME", self.host.path("")).env_remove("DOCKER_HOST")
    }

    /// Runs a script in the clone, up to its first command that fails.
    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["-eu", "-o", "pipefail", "-c"]).current_dir(self.checkout());
        let path = format!("export PATH='{}':$PATH\n", self.host.path("shim").display());
        let engine = format!("export DOCKER_HOST='unix://{}'\n", docker::socket().display());
        self.at_home(command.arg(format!("{path}{engine}{}", self.fill(script)))).output().unwrap()
    }

    #[track_caller]
    fn runs(&self, script: &str, code: i32, place: &str) {
        let output = self.run(script);
        let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert_eq!(output.status.code(), Some(code), "{place}:\n{script}\n{}{}", told[0], told[1]);
    }

    /// Follows a page of the project: writes its files, runs its blocks; gives how many it ran.
    fn follow(&self, page: &str) -> usize {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let mut count = 0;
        for block in blocks(&text) {
            if let Some(path) = block.note.strip_prefix("file: ") {
                self.write(path, &block.text);
            }
            if let Some(code) = wanted(&block) {
                count += 1;
                self.runs(&block.text, code, &format!("{page}:{}", block.line));
            }
        }
        count
    }

    /// What a page takes for granted that begins on a server with a stack: `shop`, with `web` and `api`.
    fn deploy(&self) {
        self.host.push("acme/web", "1.4.2", Kind::Web);
        self.host.push("acme/api", "1.4.2", Kind::Web);
        let config = "sources: [{repo: 'https://github.com/acme/infra.git', branch: main}]\n";
        self.write("/etc/evenkeel/config.yaml", config);
        let services =
            "  web: {image: ghcr.io/acme/web:1.4.2}\n  api: {image: ghcr.io/acme/api:1.4.2}\n";
        self.write("shop/compose.yaml", &format!("services:\n{services}"));
        let script = "mkdir -p -m 0700 /etc/evenkeel/env\ngit add .\ngit commit -q -m shop\ngit push -q\n\
                      evenkeel reconcile --once\n";
        self.runs(script, 0, "before the page");
    }
}

/// The exit code that a block asks for behind `sh run`; `None` where it is not to be run.
fn wanted(block: &Block) -> Option<i32> {
    match block.info.split(' ').collect::<Vec<_>>()[..] {
        ["sh", "run"] => Some(0),
        ["sh", "run", "ends", code] => Some(code.parse().unwrap()),
        _ => None,
    }
}

#[test]
fn getting_started_leads_from_a_fresh_server_through_a_bad_release_and_back() {
    let reader = Reader::new();
    for (tag, kind) in [("1.4.2", Kind::Web), ("1.4.3", Kind::Web), ("1.4.4", Kind::BrokenHealth)] {
        reader.host.push("acme/web", tag, kind);
    }
    assert_eq!(reader.follow("docs/getting-started.md"), 10);
    let image = reader.host.inspect("shop-web-1", "{{.Config.Image}}");
    assert!(image.contains("/acme/web:1.4.3@sha256:"), "{image}");
    assert!(reader.host.path("bin/evenkeel").is_file());
}

#[test]
fn the_readme_leads_to_a_plan() {
    let reader = Reader::new();
    reader.host.push("acme/web", "1.4.2", Kind::Web);
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let manifest = blocks(&readme).into_iter().find(|block| block.note.contains("compose.yaml"));
    reader.write("hosts/web-1/shop/compose.yaml", &manifest.unwrap().text);
    reader.write("hosts/web-1/shop/conf/site.conf", "# nothing yet\n");
    reader.runs("git add .\ngit commit -q -m shop\ngit push -q\n", 0, "before the page");
    reader.write("/etc/evenkeel/env/shop.env", "GREETING=hello\n");
    reader.runs("chmod 0600 /etc/evenkeel/env/shop.env\n", 0, "before the page");
    for token in ["git-token", "ghcr-token"] {
        reader.write(&format!("/etc/evenkeel/{token}"), "not looked at here");
    }
    reader.runs("chmod 0600 /etc/evenkeel/*-token\n", 0, "before the page");
    assert_eq!(reader.follow("README.md"), 2);
}

#[test]
fn a_compose_file_is_imported_as_the_page_on_moving_says() {
    let reader = Reader::new();
    assert_eq!(reader.follow("docs/moving.md"), 1);
    let imported = reader.checkout().join("imported");
    let secrets: Vec<PathBuf> =
        imported.join("_server").read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    assert!(secrets.iter().any(|path| path.extension().is_some_and(|e| e == "env")), "{secrets:?}");
}

#[test]
fn a_server_with_a_stack_is_looked_at_pinned_and_spared_by_a_clean_up_as_the_pages_say() {
    let reader = Reader::new();
    reader.deploy();
    assert_eq!(reader.follow("docs/troubleshooting.md"), 1);
    reader.runs("evenkeel images --output json > web-2.json\n", 0, "before the page");
    assert_eq!(reader.follow("docs/registry-cleanup.md"), 1);
    assert_eq!(reader.follow("docs/policy.md"), 1);
    assert_eq!(reader.follow("docs/pin.md"), 1);
    let pinned =
        std::fs::read_to_string(reader.checkout().join(reader.inside("shop/compose.yaml")))
            .unwrap();
    assert!(pinned.contains("acme/api:1.4.8"), "{pinned}");
}
