//! Services that follow their registry: what is newer is deployed and has to prove itself, what fails is taken back
//! and left, and whatever the registry does not say changes nothing.

use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::gateway::{Door, Fault, Gateway};
use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::{Kind, TestRegistry};
use crate::support::run::Run;

const LONG: Duration = Duration::from_secs(90);
/// However full this machine's disk is: that is no matter here.
const OFTEN: &str = "rollout: {stable: 500ms, monitor: 0s, deadline: 60s}\nregistry: {interval: 1s}\n\
                     retention: {disk: {high: 100%, low: 99%}}";
const FILE: &str = "shop-@ID@/compose.yaml";

/// A host whose registry stands behind a gateway.
struct Scene {
    host: Host,
    gateway: Gateway,
}

impl Scene {
    async fn new(door: Door) -> Self {
        Self::before(Host::new(), door).await
    }

    async fn before(mut host: Host, door: Door) -> Self {
        let gateway = Gateway::start(&host.registry.host, door).await;
        host.front = Some(gateway.host());
        host.configure(OFTEN);
        Self { host, gateway }
    }

    fn push(&self, tag: &str, kind: Kind, edition: &str) -> String {
        self.host.registry.push_edition("acme/web", tag, kind, edition)
    }

    fn commit(&self, tag: &str, how: &str) -> String {
        self.host.commit(&[(FILE, &manifest(tag, how))])
    }

    /// Passes until one has asked the registry which tags there are or what they point at.
    fn poll(&self) -> Run {
        self.questions();
        eventually(LONG, "the registry is asked", || {
            let run = self.host.pass();
            (!self.questions().is_empty()).then_some(run)
        })
    }

    /// What was asked about tags since the last call.
    fn questions(&self) -> Vec<String> {
        let mut asked = self.gateway.log();
        asked.retain(|line| line.contains("/tags/list") || line.starts_with("HEAD "));
        asked.retain(|line| !line.contains("sha256:") && !line.contains("/blobs/"));
        asked
    }

    /// What the container was made from, behind the registry's name.
    fn runs(&self) -> String {
        let image = self.host.inspect("shop-web-1", "{{.Config.Image}}");
        image.trim_start_matches(&self.gateway.host()).to_owned()
    }

    /// Asserts that nothing was pulled, made or stopped since `before`.
    #[track_caller]
    fn is_untouched(&self, before: &std::collections::BTreeMap<String, String>) {
        let mutations = self.host.engine.take_mutations();
        assert!(mutations.is_empty(), "{mutations:?}");
        assert_eq!(self.host.changed_since(before), Vec::<String>::new());
    }

    /// What `status` says of the one service, in words and as JSON.
    #[track_caller]
    fn status(&self, code: i32) -> (Run, Value) {
        let service = self.host.run(&["status", "--output", "json"]).stack("shop");
        let words = self.host.run(&["status"]);
        words.ends(code);
        (words, service["services"][0].clone())
    }

    /// Gives the engine's config.json this password.
    fn log_in(&self, password: &str) {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("bot:{password}"));
        let config = serde_json::json!({"auths": {self.gateway.host(): {"auth": login}}});
        std::fs::create_dir_all(self.host.path(".docker")).unwrap();
        std::fs::write(self.host.path(".docker/config.json"), config.to_string()).unwrap();
    }
}

/// One service with a health check; `how` are the lines by which it follows its registry.
fn manifest(tag: &str, how: &str) -> String {
    format!(
        "\
services:
  web:
    image: @REGISTRY@/acme/web:{tag}
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health']
      interval: 500ms
      timeout: 10s
      retries: 4
    {how}
"
    )
}

const ALWAYS: &str = "pull_policy: always";
const PATCHES: &str = "x-evenkeel: {update: {semver: '~1.4'}, \
                       probe: {http: ':8000/', expect: {body: 'version=${IMAGE_TAG}'}}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_is_followed_and_what_fails_is_taken_back_and_left() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    let first = scene.push("1", Kind::Web, "first");
    scene.commit("1", ALWAYS);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(scene.runs(), format!("/acme/web:1@{first}"));
    host.engine.take_mutations();
    let before = host.containers();
    scene.poll().ends(0).does(&[]);
    scene.is_untouched(&before);

    let second = scene.push("1", Kind::Web, "second");
    scene.poll().ends(0).does(&["shop/web update done"]).because("shop/web", "image");
    assert_eq!(scene.runs(), format!("/acme/web:1@{second}"));
    host.is_settled();

    let before = host.containers();
    scene.push("1", Kind::BrokenHealth, "bad");
    scene.poll().ends(4).does(&["shop/web update rolled-back"]).says("health");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "the very container runs again");
    host.engine.take_mutations();
    for _ in 0..2 {
        scene.poll().ends(0).does(&[]);
    }
    scene.is_untouched(&before);
    let (words, service) = scene.status(0);
    words.says("has failed here");
    assert_eq!(service["state"], "in-sync", "{service}");
    host.run(&["retry", "shop-@ID@/web"]).ends(0).says("1 rejected spec");
    host.pass().ends(4).does(&["shop/web update rolled-back"]);

    let third = scene.push("1", Kind::Web, "third");
    scene.poll().ends(0).does(&["shop/web update done"]);
    assert_eq!(scene.runs(), format!("/acme/web:1@{third}"));
    host.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_tags_are_followed_within_what_git_allows_and_git_has_the_last_word() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    scene.push("1.4.2", Kind::Web, "");
    scene.push("2.0.0", Kind::Web, "");
    let commit = scene.commit("1.4.2", PATCHES);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.2@"), "{}", scene.runs());

    let newer = scene.push("1.4.7", Kind::Web, "");
    let plan = eventually(LONG, "a plan sees it", || Some(host.plan()).filter(|it| it.code == 3));
    plan.does(&["shop/web update"]);
    let reasons = plan.stack("shop")["services"][0]["reasons"].clone();
    assert_eq!(reasons[0]["field"], "image", "{reasons}");
    let to = reasons[0]["to"].as_str().unwrap();
    assert!(to.contains("acme/web:1.4.7"), "{reasons}");
    host.run(&["plan"]).ends(0).says("1.4.7 is the newest that git allows");

    scene.poll().ends(0).does(&["shop/web update done"]);
    assert_eq!(scene.runs(), format!("/acme/web:1.4.7@{newer}"));
    let shown = host.docker(&["ps", "--filter", "name=@ID@", "--format", "{{.Image}}"]);
    assert!(shown.contains("/acme/web:1.4.7"), "`docker ps` shows the tag: {shown}");
    host.is_settled();
    let (words, service) = scene.status(0);
    words.says("git asks for tags in the range `~1.4`: 1.4.7, chosen ");
    let follows = &service["follows"];
    assert_eq!(follows["tag"], "1.4.7", "{service}");
    assert_eq!(follows["why"], "1.4.7 is the newest that git allows", "{service}");
    assert!(follows["chosen_at"].is_string() && follows["waits"].is_null(), "{service}");
    assert!(service["image"].as_str().unwrap().ends_with("/acme/web:1.4.7"), "{service}");
    let history = host.run(&["history", "--output", "json"]).json();
    let last = &history["generations"][0];
    assert_eq!((&last["trigger"], &last["commit"]), (&"image".into(), &commit.into()), "{last}");
    assert!(last["services"][0]["image"].as_str().unwrap().contains(":1.4.7"), "{last}");
    host.run(&["history"]).ends(0).says("image");
    // Lost, it comes back as it was, whatever is written.
    host.docker(&["rm", "--force", "shop-@ID@-web-1"]);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(scene.runs(), format!("/acme/web:1.4.7@{newer}"));

    let before = host.containers();
    scene.push("1.4.8", Kind::BrokenHealth, "");
    scene.poll().ends(4).does(&["shop/web update rolled-back"]);
    scene.poll().ends(0).does(&[]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    let (words, service) = scene.status(0);
    words.says("1.4.8 (").says("has failed here");
    assert_eq!(service["follows"]["tag"], "1.4.7", "{service}");

    scene.push("1.4.9", Kind::Web, "");
    host.commit(&[("README", "a commit that changes nothing of it")]);
    scene.poll().ends(0).does(&["shop/web update done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.9@"), "{}", scene.runs());
    let history = host.run(&["history", "--output", "json"]).json();
    assert_eq!(history["generations"][0]["trigger"], "image", "{history}");
    host.is_settled();

    let before = host.containers();
    std::fs::remove_dir_all(host.path("state")).unwrap();
    scene.poll().ends(0).does(&[]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "a lost record restarts nothing");
    host.is_settled();

    // Git asks for less, then for nothing but its own line, then for what it asked for before.
    scene.push("1.3.1", Kind::Web, "");
    scene.commit("1.3.1", &PATCHES.replace("1.4", "1.3"));
    host.pass().ends(0).does(&["shop/web update done"]);
    assert!(scene.runs().starts_with("/acme/web:1.3.1@"), "{}", scene.runs());
    scene.commit("1.4.2", "");
    host.pass().ends(0).does(&["shop/web update done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.2@"), "{}", scene.runs());
    host.is_settled();
    scene.commit("1.4.2", PATCHES);
    host.pass().ends(0).does(&["shop/web update done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.9@"), "{}", scene.runs());
    host.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_by_command_stays_there_until_the_hold_ends() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    scene.push("1.4.2", Kind::Web, "");
    scene.commit("1.4.2", PATCHES);
    host.pass().ends(0);
    for tag in ["1.4.7", "1.4.9"] {
        scene.push(tag, Kind::Web, "");
        scene.poll().ends(0).does(&["shop/web update done"]);
    }
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    assert!(scene.runs().starts_with("/acme/web:1.4.7@"), "{}", scene.runs());
    let before = host.containers();
    scene.push("1.4.10", Kind::Web, "");
    scene.poll().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    let (words, service) = scene.status(0);
    words.says("held by rollback");
    assert!(service["image"].as_str().unwrap().ends_with("/acme/web:1.4.7"), "{service}");
    host.run(&["unhold", "shop-@ID@/web"]).ends(0);
    host.pass().ends(0).does(&["shop/web update done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.10@"), "{}", scene.runs());
    host.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_too_young_is_taken_when_it_is_old_enough() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    let config = host.read("config.yaml").replace("interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config).unwrap();
    scene.push("1.4.2", Kind::Web, "");
    scene.push("1.4.7", Kind::Web, "");
    let young = |age: &str| PATCHES.replace("'~1.4'", &format!("'~1.4', min_age: {age}"));
    scene.commit("1.4.2", &young("1h"));
    let before = Timestamp::now();
    host.pass().ends(0).does(&["shop/web create done"]);
    assert!(scene.runs().starts_with("/acme/web:1.4.2@"), "{}", scene.runs());
    let (words, _) = scene.status(0);
    words.says("1.4.7 is too young until ");
    // It was first seen in that pass; by this it is too young for some seconds more.
    let age = before.duration_until(Timestamp::now()).as_secs() + 10;
    scene.commit("1.4.2", &young(&format!("{age}s")));
    let mut daemon = Daemon::start(host);
    runs(&scene, "1.4.7@");
    assert!(before.duration_until(Timestamp::now()).as_secs() >= age, "it was taken too early");
    assert_eq!(daemon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_registry_does_not_say_changes_nothing() {
    let mut scene = Scene::new(Door::Open).await;
    scene.push("1", Kind::Web, "first");
    scene.commit("1", ALWAYS);
    scene.host.pass().ends(0);
    let before = scene.host.containers();
    scene.push("1", Kind::Web, "second");
    scene.host.engine.take_mutations();
    let is_unknown = |scene: &Scene, why: &str| {
        scene.poll().ends(0).does(&[]);
        scene.is_untouched(&before);
        let (words, service) = scene.status(0);
        words.says("unknown since ").says(why);
        assert_eq!(service["state"], "in-sync", "{service}");
        let waits = service["follows"]["waits"].as_str().unwrap_or_default();
        assert!(waits.contains("what 1 is: "), "{service}");
    };
    scene.host.registry.stop();
    is_unknown(&scene, "502");
    scene.host.registry.resume();
    scene.gateway.fail(Fault::Silence);
    is_unknown(&scene, "no answer within 20 s");
    scene.gateway.fail(Fault::TooMany(10));
    is_unknown(&scene, "429");
    let host = &scene.host;
    host.pass().ends(0).does(&[]);
    host.plan().ends(0).does(&[]);
    assert_eq!(scene.questions(), Vec::<String>::new(), "it asked to be left alone");

    scene.gateway.mend();
    scene.poll().ends(0).does(&["shop/web update done"]);
    let (words, service) = scene.status(0);
    assert!(!words.everything().contains("unknown"), "{}", words.everything());
    assert!(service["follows"]["waits"].is_null(), "{service}");
    host.is_settled();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_breaks_leaves_the_old_one_serving_and_is_made_later() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    scene.push("1", Kind::Web, "first");
    scene.commit("1", ALWAYS);
    host.pass().ends(0);
    let before = host.containers();
    scene.gateway.fail(Fault::HalfwayBlobs);
    let second = scene.push("1", Kind::Web, "second");
    scene.poll().ends(1).does(&["shop/web update failed"]);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    let (words, service) = scene.status(1);
    words.says("it is tried again at");
    assert_eq!(service["state"], "failed", "{service}");
    let next_try: Timestamp = service["next_try_at"].as_str().unwrap().parse().unwrap();
    let mut daemon = Daemon::start(host);
    // It knows of the failure and waits: nobody pulls meanwhile.
    eventually(LONG, "the daemon has asked again", || {
        (!scene.questions().is_empty()).then_some(())
    });
    scene.gateway.mend();
    eventually(LONG, "it is pulled when its time has come", || {
        let run = host.run(&["status", "--output", "json"]);
        let service = run.stack("shop")["services"][0].clone();
        (service["state"] == "in-sync" && service["digest"] == second.as_str()).then_some(())
    });
    let started: Timestamp = host.inspect("shop-web-1", "{{.State.StartedAt}}").parse().unwrap();
    assert!(started >= next_try, "{started} {next_try}");
    assert_eq!(daemon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_unknown_and_right_ones_are_read_without_a_restart() {
    let mut host = Host::new();
    let directory = host.path("guarded");
    host.registry = TestRegistry::start_with_password(&directory, &host.id, "bot", "sesame-4711");
    let scene = Scene::before(host, Door::Open).await;
    let host = &scene.host;
    scene.push("1", Kind::Web, "first");
    scene.commit("1", ALWAYS);
    scene.log_in("sesame-4711");
    host.pass().ends(0).does(&["shop/web create done"]);
    let before = host.containers();

    scene.log_in("sesame-0815");
    let second = scene.push("1", Kind::Web, "second");
    host.engine.take_mutations();
    scene.poll().ends(0).does(&[]);
    scene.is_untouched(&before);
    let mut daemon = Daemon::start(host);
    scene.questions();
    eventually(LONG, "the daemon asks", || (!scene.questions().is_empty()).then_some(()));
    let (words, _) = scene.status(0);
    words.says("unknown since ").says("refuses access");
    assert!(!words.everything().contains("sesame"), "{}", words.everything());
    scene.is_untouched(&before);

    scene.log_in("sesame-4711");
    runs(&scene, &format!("1@{second}"));
    assert_eq!(daemon.stop(), Some(0));
    assert!(!host.read("daemon.log").contains("sesame"));
}

/// Waits until the service's container was made from this.
fn runs(scene: &Scene, image: &str) {
    let image = format!("{}/acme/web:{image}", scene.gateway.host());
    eventually(LONG, &format!("{image} runs"), || {
        let format = "{{.Config.Image}} {{.Name}}";
        let ids = scene.host.docker(&["ps", "-q", "--filter", "name=@ID@"]);
        let mut inspect = std::process::Command::new("docker");
        inspect.args(["inspect", "--format", format]).args(ids.lines());
        let shown = String::from_utf8(inspect.output().unwrap().stdout).unwrap();
        let name = format!("/{}", scene.host.name("shop-web-1"));
        let is_it = |line: &str| line.contains(&image) && line.ends_with(&name);
        shown.lines().any(is_it).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_asks_by_itself_when_it_is_time_and_gets_a_new_token_for_an_old_one() {
    let scene = Scene::new(Door::Token { realm: None }).await;
    let host = &scene.host;
    // Nothing but the registry's interval makes a pass.
    let config = host.read("config.yaml").replace("branch: main, interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config).unwrap();
    scene.push("1", Kind::Web, "first");
    scene.commit("1", ALWAYS);
    let mut daemon = Daemon::start(host);
    runs(&scene, "1@");
    let second = scene.push("1", Kind::Web, "second");
    runs(&scene, &format!("1@{second}"));
    scene.gateway.revoke_tokens();
    let third = scene.push("1", Kind::Web, "third");
    runs(&scene, &format!("1@{third}"));
    assert_eq!(daemon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_time_of_its_own_is_asked_about_so_often_and_no_oftener() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    let config = host.read("config.yaml").replace("branch: main, interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config.replace("{interval: 1s}", "{interval: 1h}"))
        .unwrap();
    scene.push("1", Kind::Web, "first");
    scene.commit("1", "pull_policy: every_3s");
    let mut daemon = Daemon::start(host);
    runs(&scene, "1@");
    let second = scene.push("1", Kind::Web, "second");
    runs(&scene, &format!("1@{second}"));
    scene.questions();
    let begun = std::time::Instant::now();
    let mut asked = 0;
    eventually(LONG, "it is asked three times", || {
        asked += scene.questions().len();
        (asked >= 3).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(daemon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_the_servers_is_shown_nowhere_and_written_down_nowhere() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    host.env("shop-@ID@.env", "TAG=hush-4711\n");
    scene.push("hush-4711", Kind::Web, "first");
    scene.commit("${TAG}", ALWAYS);
    host.pass().ends(0).does(&["shop/web create done"]);
    scene.push("hush-4711", Kind::Web, "second");
    let mut told = vec![scene.poll()];
    told[0].ends(0).does(&["shop/web update done"]);
    scene.push("hush-4711", Kind::BrokenHealth, "third");
    told.push(scene.poll());
    told.push(scene.status(0).0);
    scene.gateway.fail(Fault::TooMany(60));
    told.push(scene.poll());
    told.push(scene.status(0).0);
    for command in ["status", "plan", "history"] {
        told.push(host.run(&[command]));
        told.push(host.run(&[command, "--output", "json"]));
    }
    for run in told {
        assert!(!run.everything().contains("hush"), "{}", run.everything());
    }
    for file in std::fs::read_dir(host.path("state")).unwrap() {
        let file = file.unwrap().path();
        let bytes = std::fs::read(&file).unwrap_or_default();
        let has_it = bytes.windows(9).any(|part| part == b"hush-4711");
        assert!(!has_it, "{} has it", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_question_serves_two_services_with_one_tag() {
    let scene = Scene::new(Door::Open).await;
    let host = &scene.host;
    scene.push("1", Kind::Web, "first");
    let other = manifest("1", ALWAYS).replace("services:\n  web:", "  worker:");
    host.commit(&[(FILE, &(manifest("1", ALWAYS) + &other))]);
    host.pass().ends(0).does(&["shop/web create done", "shop/worker create done"]);
    scene.push("1", Kind::Web, "second");
    scene.gateway.log();
    let mut asked = Vec::new();
    let run = eventually(LONG, "the registry is asked", || {
        let run = host.pass();
        asked = scene.questions();
        (!asked.is_empty()).then_some(run)
    });
    run.ends(0).does(&["shop/web update done", "shop/worker update done"]);
    assert_eq!(asked, ["HEAD /v2/acme/web/manifests/1"]);
}
