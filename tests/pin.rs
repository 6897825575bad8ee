//! `evenkeel pin`, as people and CI run it: in a clone of the repository, without a server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/said.rs"]
mod said;
#[path = "source/upstream.rs"]
#[expect(dead_code, reason = "tests of sources ask more of it")]
mod upstream;
#[path = "source/web_server.rs"]
#[expect(dead_code, reason = "tests of sources ask more of it")]
mod web_server;

use std::path::PathBuf;
use std::process::Command;

use said::Said;
use upstream::Upstream;
use web_server::WebServer;

const SHOP: &str = "# The shop.\nservices:\n  api:\n    image: 'acme/api:1.4.2'   # the api\n  \
                    web: {image: \"acme/web:${WEB}\"}\n  db: {image: 'pg:${PG_TAG}'}\n";
const AT: &str = "hosts/web-1/shop/compose.yaml";

/// A clone of a repository, with a home of its own.
struct Clone {
    directory: tempfile::TempDir,
    upstream: Upstream,
}

impl Clone {
    fn new() -> Self {
        let upstream = Upstream::empty();
        upstream.git(&["config", "http.receivepack", "true"]);
        let files = [
            (AT, SHOP),
            ("hosts/web-1/shop/.env", "WEB=1\n"),
            ("hosts/web-1/blog/compose.yaml", "services: {api: {image: 'acme/api:1'}}\n"),
            ("hosts/web-2/blog/compose.yaml", "services: {api: {image: 'acme/api:1'}}\n"),
        ];
        upstream.commit("main", &files);
        let address = upstream.path().display().to_string();
        Self::from(upstream, &address, &[])
    }

    fn from(upstream: Upstream, address: &str, options: &[&str]) -> Self {
        let clone = Self { directory: tempfile::tempdir().unwrap(), upstream };
        let words = [&["clone", "-q"], options, &[address, "infra"]].concat();
        let cloned = clone.command("git").args(words).current_dir(clone.directory.path()).status();
        assert!(cloned.unwrap().success());
        clone.git(&["config", "--file", "../.gitconfig", "user.name", "Ada"]);
        clone.git(&["config", "--file", "../.gitconfig", "user.email", "ada@example.org"]);
        clone
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("infra")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.directory.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        for name in ["NAME", "EMAIL"]
            .iter()
            .flat_map(|name| [format!("GIT_AUTHOR_{name}"), format!("GIT_COMMITTER_{name}")])
        {
            command.env_remove(name);
        }
        command.env_remove("XDG_CONFIG_HOME");
        command
    }

    fn git(&self, words: &[&str]) -> String {
        let output = self.command("git").args(words).current_dir(self.root()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn pin_in(&self, directory: &str, words: &[&str]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("pin").args(words).current_dir(self.root().join(directory));
        let output = command.output().unwrap();
        output.into()
    }

    fn pin(&self, words: &[&str]) -> Said {
        self.pin_in("", words)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.root().join(file), text).unwrap();
    }

    fn upstream_has(&self, file: &str) -> String {
        self.upstream.git(&["show", &format!("main:{file}")])
    }
}

const API: [&str; 2] = ["shop/api", "acme/api:1.4.7"];
const PUSH: [&str; 4] = ["shop/api", "acme/api:1.4.7", "--commit", "--push"];

#[test]
fn the_image_is_written_into_the_file_and_nothing_else() {
    let clone = Clone::new();
    let run = clone.pin_in("hosts/web-2", &API);
    run.ends(0).says("shop/api: acme/api:1.4.2 → acme/api:1.4.7\n  ../web-1/shop/compose.yaml\n");
    let there = std::fs::read_to_string(clone.root().join(AT)).unwrap();
    assert_eq!(there, SHOP.replace("1.4.2", "1.4.7"));
    assert_eq!(clone.git(&["status", "--porcelain"]), format!(" M {AT}"));
    clone.pin(&API).ends(0).says("already, nothing is changed");

    let run = clone.pin(&["shop/web", "acme/web:2", "--output", "json"]);
    let report = run.ends(0).json();
    assert_eq!(report["schema"], "evenkeel.pin/v1");
    assert_eq!(report["files"], serde_json::json!(["hosts/web-1/shop/.env"]));
    assert_eq!((&report["changed"], &report["commit"]), (&true.into(), &serde_json::Value::Null));
    let env = std::fs::read_to_string(clone.root().join("hosts/web-1/shop/.env")).unwrap();
    assert_eq!(env, "WEB=2\n");
}

#[test]
fn a_directory_without_git_is_as_good_to_write_into() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("shop")).unwrap();
    std::fs::write(directory.path().join("shop/compose.yaml"), SHOP).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("pin").args(words).current_dir(directory.path()).output().unwrap()
    };
    assert_eq!(run(&API).status.code(), Some(0));
    let refused = run(&["shop/api", "acme/api:2", "--commit"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no checkout of a git repository"));
}

#[test]
fn what_cannot_be_pinned_says_where_and_what_to_do() {
    let clone = Clone::new();
    let run = clone.pin(&["blog/api", "acme/api:2"]);
    run.ends(1).says("`hosts/web-1/blog/compose.yaml` and `hosts/web-2/blog/compose.yaml`");
    clone.pin(&["blog/api", "acme/api:2", "--path", "hosts/web-2"]).ends(0);
    clone.pin(&["blog/api", "acme/api:3", "--path", "hosts/web-2/blog/compose.yaml"]).ends(0);
    let unknown = clone.pin_in("hosts", &["shop/db", "pg:17"]);
    unknown.ends(1).says("web-1/shop/compose.yaml:6:15").says("set PG_TAG in the stack's `.env`");
    clone.pin(&["shop", "acme/api:2"]).ends(64).says("expected STACK/SERVICE");
    clone.pin(&["shop/api", "Acme//api"]).ends(64);
    clone.pin(&["shop/api", "acme/api:2", "--push"]).ends(64).says("--commit");
}

#[test]
fn a_commit_has_the_pin_and_nothing_that_was_staged_or_changed_besides() {
    let clone = Clone::new();
    clone.write("staged", "staged");
    clone.git(&["add", "staged"]);
    clone.write("hosts/web-1/shop/.env", "WEB=9\n");
    clone.pin(&[&API[..], &["--commit"]].concat()).ends(0).says("committed as");
    assert_eq!(
        clone.git(&["log", "-1", "--stat=200", "--format=%an <%ae> %cn: %B"]),
        format!(
            "Ada <ada@example.org> Ada: shop/api: 1.4.2 → 1.4.7\n\n\n {AT} | 2 +-\n \
             1 file changed, 1 insertion(+), 1 deletion(-)"
        )
    );
    assert_eq!(clone.git(&["status", "--porcelain"]), " M hosts/web-1/shop/.env\nA  staged");
    let again = clone.pin(&[&API[..], &["--commit"]].concat());
    again.ends(0).says("already");

    let dirty = clone.pin(&["shop/web", "acme/web:2", "--commit"]);
    dirty.ends(1).says("hosts/web-1/shop/.env has changes that are not committed").says("stash");
    assert_eq!(clone.git(&["rev-list", "--count", "HEAD"]), "2");
    clone.git(&["config", "commit.gpgsign", "true"]);
    clone.pin(&["shop/api", "acme/api:2", "--commit"]).ends(1).says("signed");
}

#[test]
fn a_push_lands_upstream_and_the_checkout_goes_along() {
    let clone = Clone::new();
    let run = clone.pin(&PUSH);
    run.ends(0).says("pushed to origin/main as");
    assert_eq!(clone.upstream_has(AT), SHOP.replace("1.4.2", "1.4.7").trim_end());
    assert_eq!(clone.git(&["status", "--porcelain", "--branch"]), "## main...origin/main");
    assert_eq!(clone.git(&["rev-parse", "HEAD"]), clone.upstream.git(&["rev-parse", "main"]));
    clone.git(&["fsck", "--strict", "--no-dangling"]);
    clone.pin(&PUSH).ends(0).says("already");
}

#[test]
fn a_push_goes_on_top_of_what_others_have_pushed() {
    let clone = Clone::new();
    clone.write("mine", "not committed");
    clone.upstream.commit("main", &[("theirs", "new"), (AT, &SHOP.replace("# The", "# Their"))]);
    let run = clone.pin(&[&PUSH[..], &["--output", "json"]].concat());
    let report = run.ends(0).json();
    assert_eq!((&report["here"], &report["pushed_to"]), (&false.into(), &"origin/main".into()));
    let expected = SHOP.replace("1.4.2", "1.4.7").replace("# The", "# Their");
    assert_eq!(clone.upstream_has(AT), expected.trim_end());
    assert_eq!(clone.git(&["status", "--porcelain"]), "?? mine");
    clone.git(&["pull", "-q", "--ff-only"]);
    clone.pin(&PUSH).ends(0).says("already");

    clone.git(&["commit", "-q", "--allow-empty", "-m", "mine"]);
    let ahead = clone.pin(&["shop/api", "acme/api:2", "--commit", "--push"]);
    ahead.ends(1).says("has commits that origin/main lacks").says("--rebase");
    clone.git(&["switch", "-q", "--detach"]);
    clone.pin(&["shop/api", "acme/api:2", "--commit", "--push"]).ends(1).says("no branch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_clone_pushes_over_http_with_what_a_credential_helper_knows() {
    let clone = Clone::new();
    let server = WebServer::start(clone.upstream.root()).await;
    let clone = Clone::from(clone.upstream, &server.url(), &["--depth", "1"]);
    tokio::task::spawn_blocking(move || {
        clone.upstream.commit("main", &[("theirs", "new")]);
        server.require("s3cret");
        let refused = clone.pin(&PUSH);
        refused.ends(1);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
        let helper = "!f() { echo username=user; echo password=s3cret; }; f";
        clone.git(&["config", "credential.helper", helper]);
        let run = clone.pin(&PUSH);
        run.ends(0).says("pushed to origin/main").says("git pull");
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("s3cret"));
        assert_eq!(clone.upstream_has("theirs"), "new");
        assert!(clone.upstream_has(AT).contains("1.4.7"));
        clone.upstream.git(&["fsck", "--strict", "--no-dangling"]);

        // As a CI job has it.
        clone.git(&["config", "--unset", "credential.helper"]);
        let key = format!("http.http://127.0.0.1:{}/.extraheader", server.port);
        clone.git(&["config", &key, "AUTHORIZATION: basic dXNlcjpzM2NyZXQ="]);
        clone.pin(&["shop/api", "acme/api:1.4.8", "--commit", "--push"]).ends(0);
        assert!(clone.upstream_has(AT).contains("1.4.8"));
    })
    .await
    .unwrap();
}
