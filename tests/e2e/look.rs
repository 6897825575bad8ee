//! Looking closely: `explain`, on a host that is well and on one of which a part is silent.

use serde_json::Value;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::web_server::WebServer;

const SHOP: &str = "\
services:
  job: {image: '@REGISTRY@/acme/job:1'}
  web:
    image: '@REGISTRY@/acme/web:${TAG}'
    pull_policy: always
    env_file: [web.env]
    depends_on: {job: {condition: service_completed_successfully}}
    volumes: ['data:/data']
volumes: {data: {}}
x-evenkeel: {window: '00:00-24:00'}
";
const SECRET: &str = "sesame-opens-4711";

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/job", "1", Kind::Job);
    host.env("shop-@ID@.env", "TAG=1\n");
    host.env("shop-@ID@/web.env", &format!("PASSWORD={SECRET}\n"));
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    host
}

fn explained(host: &Host, code: i32) -> Value {
    let run = host.run(&["explain", "shop-@ID@/web", "--output", "json"]);
    run.ends(code);
    assert!(!run.everything().contains(SECRET), "{}", run.everything());
    run.json()
}

#[test]
fn a_page_tells_all_there_is_of_a_service() {
    let host = deployed();
    host.run(&["explain", "shop-@ID@/web"])
        .ends(0)
        .says("in-sync")
        .says("compose.yaml:3")
        .says("compose.yaml:4)")
        .says("web.env: PASSWORD")
        .says("depends on job (completed)")
        .says("running")
        .says("generation 1")
        .says("nothing: it is as git says")
        .says("looked at again at")
        .says("open now")
        .says("nothing else was ever well here");
    let page = explained(&host, 0);
    assert_eq!(page["schema"], "evenkeel.explain/v1");
    let web = &page["services"][0];
    assert_eq!(web["git"]["image_at"]["line"], 4);
    assert_eq!(web["runs"]["containers"][0]["state"], "running");
    assert!(web["runs"]["image_created_at"].is_string(), "{web}");
    assert_eq!(web["last"]["trigger"], "commit");
    assert_eq!(page["unknown"], Value::Array(Vec::new()));
    host.run(&["explain", "shop-@ID@"]).ends(0).says("job").says("web").says("of its manifest");
    host.run(&["explain", "shpo-@ID@"]).ends(1).says("the stacks are shop");
    assert!(host.engine.take_mutations().len() > 1);
    explained(&host, 0);
    assert_eq!(host.engine.take_mutations(), Vec::<String>::new());
}

#[test]
fn a_page_tells_what_the_next_pass_would_do_and_what_can_be_gone_back_to() {
    let host = deployed();
    host.push("acme/web", "2", Kind::Web);
    host.env("shop-@ID@.env", "TAG=2\n");
    host.pass().ends(0);
    let page = explained(&host, 0);
    let back = &page["services"][0]["back"][0];
    assert_eq!((&back["generation"], &back["on_host"]), (&Value::from(1), &Value::from(true)));
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    let page = explained(&host, 0);
    let web = &page["services"][0];
    assert_eq!((&web["state"], &web["kept"]["held_by"]), (&"held".into(), &"rollback".into()));
    host.run(&["unhold", "shop-@ID@/web"]).ends(0);
    let page = explained(&host, 0);
    let next = &page["services"][0]["next"];
    assert_eq!((&next["verdict"], &next["order"]), (&"update".into(), &"stop-first".into()));
    assert!(next["steps"].as_array().is_some_and(|steps| steps.len() > 3), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_there_while_git_registry_or_engine_are_down_and_says_what_cannot_be_known() {
    let mut host = deployed();
    let server = WebServer::start(host.path("").as_path()).await;
    host.configure_source(
        &format!("repo: 'http://127.0.0.1:{}/repo/.git'", server.port),
        "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}",
    );
    host.pass().ends(0);
    host.registry.stop();
    explained(&host, 0);
    std::fs::rename(host.repo.directory(), host.path("elsewhere")).unwrap();
    explained(&host, 0);
    host.pass().ends(1);
    let page = explained(&host, 1);
    assert!(page["unknown"][0].as_str().unwrap().contains("something newer"), "{page}");
    assert_eq!(page["services"][0]["state"], "in-sync");
    assert_eq!(page["services"][0]["git"]["image_at"]["line"], 4);

    let nowhere = format!("unix://{}", host.path("nobody.sock").display());
    let silent = ["explain", "shop-@ID@/web", "--docker", &nowhere];
    host.run(&silent).ends(1).says("nobody.sock").says("compose.yaml:4)").says("generation 1");
    let run = host.run(&[silent.as_slice(), &["--output", "json"]].concat());
    let page = run.ends(1).json();
    let web = &page["services"][0];
    assert_eq!((&web["runs"], &web["next"]), (&Value::Null, &Value::Null));
}

#[test]
fn without_any_word_of_git_the_page_tells_what_runs_and_what_was_done() {
    let host = deployed();
    std::fs::rename(host.repo.directory(), host.path("elsewhere")).unwrap();
    let page = explained(&host, 0);
    assert!(page["unknown"][0].as_str().unwrap().contains("what git says"), "{page}");
    let web = &page["services"][0];
    assert_eq!(web["git"], Value::Null);
    assert_eq!(web["runs"]["containers"][0]["state"], "running");
    assert_eq!(web["last"]["generation"], 1);
}

#[test]
fn a_page_never_waits_for_a_pass() {
    let host = deployed();
    let lock = host.path("state/lock");
    let file =
        std::fs::File::options().create(true).truncate(false).write(true).open(&lock).unwrap();
    file.lock().unwrap();
    explained(&host, 0);
}
