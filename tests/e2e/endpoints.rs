//! What evenkeel asks an engine for, as recorded: `docs/engine-endpoints.md` lists no more and no less, and a proxy that
//! lets just that through is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use evenkeel::engine::docker::Docker;
use evenkeel::engine::{ContainerRef, Engine as _};
use evenkeel::model::{ContainerName, ImageRef, Platform};

use crate::daemon::{Daemon, LONG};
use crate::support::eventually;
use crate::support::host::Host;
use crate::support::proxy::AllowList;
use crate::support::registry::Kind;

/// Each endpoint with what it is for; the table of the page is made of this.
const ENDPOINTS: &[(&str, &str)] = &[
    (
        "DELETE /containers/{id}",
        "a container that was replaced or is wanted no more; never its volumes, never by force",
    ),
    (
        "DELETE /images/{name}",
        "a name of an image that nothing goes back to any more; never by id, never by force",
    ),
    (
        "DELETE /networks/{id}",
        "a network that no stack has any more, or that was made at the same time twice",
    ),
    ("GET /_ping", "which version of the API both speak"),
    ("GET /containers/json", "which containers there are"),
    ("GET /containers/{id}/json", "what a container was made of, and how it is"),
    ("GET /containers/{id}/logs", "the last lines of a container that failed; what a job printed"),
    (
        "GET /distribution/{name}/json",
        "what a tag of Docker Hub points at, where Docker Hub itself does not answer: by the engine's mirrors",
    ),
    (
        "GET /events",
        "that something has happened to a container; without it the daemon goes by the time",
    ),
    ("GET /exec/{id}/json", "how a hook ended"),
    ("GET /images/json", "which images there are, for retention"),
    (
        "GET /images/{name}/json",
        "what an image brings along: its defaults, its platform, its volumes",
    ),
    ("GET /info", "where the engine keeps its data, and its defaults"),
    ("GET /networks", "which networks there are"),
    ("GET /version", "the engine's platform"),
    ("GET /volumes", "which volumes there are"),
    ("POST /build/prune", "the build cache, with `retention.disk.build_cache` alone"),
    ("POST /containers/create", "every new container"),
    ("POST /containers/{id}/exec", "hooks: `post_start`, `pre_stop`"),
    ("POST /containers/{id}/rename", "the names that tell how far a switch came"),
    ("POST /containers/{id}/start", "a new container, or one that has stopped"),
    ("POST /containers/{id}/stop", "a container that is to be replaced or removed"),
    ("POST /containers/{id}/unpause", "a container that somebody has paused, before it is stopped"),
    ("POST /containers/{id}/update", "the restart policy and limits, without a new container"),
    ("POST /exec/{id}/start", "hooks"),
    ("POST /images/create", "pulling an image by its digest"),
    ("POST /images/{name}/tag", "the name under which an image stays"),
    ("POST /networks/create", "a stack's networks"),
    ("POST /networks/{id}/connect", "a container's names and addresses on a network"),
    ("POST /networks/{id}/disconnect", "the same, before a switch"),
    ("POST /volumes/create", "a stack's volumes; none is ever removed"),
];

/// What the engine's client can be made to ask for, by the names its library has for it.
const CALLS: &[(&str, &[&str])] = &[
    ("connect_network", &["POST /networks/{id}/connect"]),
    ("create_container", &["POST /containers/create"]),
    ("create_exec", &["POST /containers/{id}/exec"]),
    ("create_image", &["POST /images/create"]),
    ("create_network", &["POST /networks/create"]),
    ("create_volume", &["POST /volumes/create"]),
    ("disconnect_network", &["POST /networks/{id}/disconnect"]),
    ("events", &["GET /events"]),
    ("info", &["GET /info"]),
    ("inspect_container", &["GET /containers/{id}/json"]),
    ("inspect_exec", &["GET /exec/{id}/json"]),
    ("inspect_image", &["GET /images/{name}/json"]),
    ("inspect_registry_image", &["GET /distribution/{name}/json"]),
    ("list_containers", &["GET /containers/json"]),
    ("list_images", &["GET /images/json"]),
    ("list_networks", &["GET /networks"]),
    ("list_volumes", &["GET /volumes"]),
    ("logs", &["GET /containers/{id}/logs"]),
    ("ping", &["GET /_ping"]),
    ("prune_build", &["POST /build/prune"]),
    ("remove_container", &["DELETE /containers/{id}"]),
    ("remove_image", &["DELETE /images/{name}"]),
    ("remove_network", &["DELETE /networks/{id}"]),
    ("rename_container", &["POST /containers/{id}/rename"]),
    ("start_container", &["POST /containers/{id}/start"]),
    ("start_exec", &["POST /exec/{id}/start"]),
    ("stop_container", &["POST /containers/{id}/stop"]),
    ("tag_image", &["POST /images/{name}/tag"]),
    ("unpause_container", &["POST /containers/{id}/unpause"]),
    ("update_container", &["POST /containers/{id}/update"]),
    ("version", &["GET /version"]),
];

/// What the library's calls begin with, besides those that are a word of their own.
const VERBS: &str = r"(?:attach|auth|build|check|commit|connect|create|disconnect|download|export|import|inspect|kill|list|pause|prune|remove|rename|resize|restart|search|start|stats|stop|top|unpause|update|upload|wait)_[a-z_]+|events|info|logs|ping|version|df|stats|tag_image|push_image";

const SHOP: &str = "\
services:
  migrate:
    image: @REGISTRY@/acme/job:1
    restart: 'no'
  web:
    image: @REGISTRY@/acme/web:@TAG@
    depends_on: {migrate: {condition: service_completed_successfully}}
    networks: [front, back]
    volumes: ['data:/data', './own:/own']
    stop_grace_period: 1s
    restart: unless-stopped
    mem_limit: @MEMORY@
    post_start: [{command: ['true']}]
    pre_stop: [{command: ['true']}]
  beside:
    image: @REGISTRY@/acme/web:@TAG@
    networks: [back]
    stop_grace_period: 1s
    healthcheck: {test: [CMD, 'true'], interval: 500ms}
    deploy: {replicas: 2, update_config: {order: start-first, monitor: 0s}}
    x-evenkeel: {probe: {tcp: ':8000'}}
networks: {front: {}, back: {}}
volumes: {data: {}}
";
const OLD: &str =
    "services: {gone: {image: '@REGISTRY@/acme/web:1', networks: [own]}}\nnetworks: {own: {}}\n";
const BAD: &str = "services: {bad: {image: '@REGISTRY@/acme/bad:@TAG@', restart: 'no'}}\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/engine-endpoints.md")
}

/// A host with three versions of an image.
fn host() -> Host {
    let host = Host::new();
    ["1", "2", "3"].iter().for_each(|tag| drop(host.push("acme/web", tag, Kind::Web)));
    host.push("acme/job", "1", Kind::Job);
    host.push("acme/bad", "1", Kind::Web);
    host.push("acme/bad", "2", Kind::Exits);
    host
}

fn commit(host: &Host, tag: &str, memory: &str) {
    let shop = SHOP.replace("@TAG@", tag).replace("@MEMORY@", memory);
    host.commit(&[("shop-@ID@/compose.yaml", &shop)]);
}

/// Has every kind of thing happen once that evenkeel does at an engine.
fn tour(host: &Host) {
    host.configure("rollout: {stable: 500ms, monitor: 0s, deadline: 20s}\nretention: {keep: 1, disk: {high: 100%, low: 99%}}");
    commit(host, "1", "64m");
    host.commit(&[
        ("old-@ID@/compose.yaml", OLD),
        ("bad-@ID@/compose.yaml", &BAD.replace("@TAG@", "1")),
    ]);
    host.pass().ends(0);
    commit(host, "2", "64m");
    host.commit(&[("bad-@ID@/compose.yaml", &BAD.replace("@TAG@", "2"))]);
    host.pass().ends(4);
    host.run(&["rollback", "shop-@ID@/web"]).ends(0);
    host.run(&["unhold", "shop-@ID@"]).ends(0);
    host.docker(&["pause", "shop-@ID@-web-1"]);
    host.docker(&["stop", "-t", "0", "shop-@ID@-beside-1"]);
    host.repo.remove(&host.fill("old-@ID@"));
    commit(host, "3", "96m");
    host.run(&["reconcile", "--once", "--allow-removals"]).ends(1);
    commit(host, "3", "128m");
    host.pass();
    let repo = host.repo.directory().display().to_string();
    for command in [
        ["plan"].as_slice(),
        &["status"],
        &["history"],
        &["explain", "shop-@ID@/web"],
        &["images"],
        &["sbom"],
        &["doctor"],
        &["hold", "shop-@ID@/web"],
        &["unhold", "shop-@ID@/web"],
        &["retry", "bad-@ID@/bad"],
        &["prune"],
        &["config", &repo],
    ] {
        let run = host.run(command);
        assert_ne!(run.code, 64, "{command:?} is a command\n{}", run.everything());
    }
    let mut daemon = Daemon::start(host);
    let listens = || host.engine.endpoints().contains("GET /events").then_some(());
    eventually(LONG, "the daemon listens for events", listens);
    assert_eq!(daemon.stop(), Some(0));
}

/// What only rare circumstances lead to, asked for at the seam itself: an engine with mirrors while Docker Hub is away,
/// a disk that fills up, a container that is paused in the middle of a switch.
async fn rarities(host: &Host) {
    let engine = Docker::connect(&host.engine.address()).unwrap();
    let platform = engine.info().await.unwrap().platform();
    assert_ne!(platform, Platform(String::new()));
    engine.prune_build_cache().await.unwrap();
    let nowhere = ImageRef::parse("127.0.0.1:1/acme/web:1").unwrap();
    engine.distribution(&nowhere, None).await.unwrap_err();
    let web = ContainerRef::Name(ContainerName::new(host.name("shop-web-1")));
    host.docker(&["pause", "shop-@ID@-web-1"]);
    engine.unpause(&web).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_what_is_asked_for_and_nothing_else() {
    let host = host();
    tour(&host);
    rarities(&host).await;
    let asked = host.engine.endpoints();
    let listed: BTreeSet<String> = ENDPOINTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unlisted: Vec<&String> = asked.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "evenkeel asks for what no row of `ENDPOINTS` names: {unlisted:?}"
    );
    let unseen: Vec<&String> = listed.difference(&asked).collect();
    assert!(unseen.is_empty(), "nothing asks for what `ENDPOINTS` names: {unseen:?}");
    for (marks, made) in [("endpoints", table()), ("haproxy", haproxy())] {
        holds(marks, &made);
    }
}

#[test]
fn what_the_client_can_be_made_to_ask_for_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/docker");
    let call = regex::Regex::new(&format!(r"\.\s*({VERBS})\(")).unwrap();
    let known: BTreeMap<&str, &[&str]> = CALLS.iter().copied().collect();
    let mut called = BTreeSet::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "tests.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        called.extend(call.captures_iter(product).map(|found| found[1].to_owned()));
    }
    let own = |name: &str| OWN.contains(&name);
    let unknown: Vec<&String> =
        called.iter().filter(|name| !own(name) && !known.contains_key(name.as_str())).collect();
    assert!(unknown.is_empty(), "`CALLS` does not say what these ask for: {unknown:?}");
    let gone: Vec<&&str> = known.keys().filter(|name| !called.contains(**name)).collect();
    assert!(gone.is_empty(), "nothing calls these of `CALLS`: {gone:?}");
    let listed: BTreeSet<&str> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
    let asked: BTreeSet<&str> = CALLS.iter().flat_map(|(_, it)| it.iter().copied()).collect();
    assert_eq!(asked, listed);
}

/// Functions of the room's own that are called like those of the library.
const OWN: [&str; 1] = ["connect_all"];

#[test]
fn a_pass_goes_through_a_proxy_that_lets_the_page_s_list_through() {
    let host = host();
    host.engine.allow_only(list_of_the_page());
    commit(&host, "1", "64m");
    host.pass().ends(0);
    commit(&host, "2", "96m");
    host.pass().ends(0);
    host.run(&["doctor"]).ends(0);
    assert_eq!(host.engine.refused(), Vec::<String>::new());
    let list = list_of_the_page();
    for (method, path) in [
        ("POST", "/v1.41/volumes/prune"),
        ("DELETE", "/volumes/data"),
        ("POST", "/build"),
        ("POST", "/commit"),
        ("GET", "/v1.41/containers/a/archive"),
        ("PUT", "/containers/a/archive"),
        ("POST", "/containers/a/kill"),
        ("POST", "/swarm/init"),
        ("GET", "/containers/a/b/json"),
        ("POST", "/v1.41/containers/prune"),
        ("DELETE", "/containers/a/../../volumes/b"),
        ("DELETE", "/images/../volumes/b"),
        ("DELETE", "/images/a/../../volumes/b"),
    ] {
        assert!(!list(method, path), "{method} {path}");
    }
}

/// The lines of the page's own list, as the proxy it is written for reads them.
fn list_of_the_page() -> AllowList {
    let text = std::fs::read_to_string(page()).unwrap();
    let line =
        regex::Regex::new(r"http-request allow if \{ method ([A-Z ]+) \} \{ path_reg (\S+) \}")
            .unwrap();
    let rules: Vec<(Vec<String>, regex::Regex)> = line
        .captures_iter(&text)
        .map(|found| {
            let methods = found[1].split(' ').map(str::to_owned).collect();
            (methods, regex::Regex::new(&found[2]).unwrap())
        })
        .collect();
    assert_eq!(rules.len(), ENDPOINTS.len());
    assert!(text.contains("http-request deny\n"));
    Box::new(move |method, path| {
        rules
            .iter()
            .any(|(methods, rule)| methods.iter().any(|one| one == method) && rule.is_match(path))
    })
}

fn table() -> String {
    let rows = ENDPOINTS.iter().map(|(endpoint, what)| format!("| `{endpoint}` | {what} |\n"));
    format!("| endpoint | for |\n|---|---|\n{}", rows.collect::<String>())
}

/// How an id, a name, or a part of an image's name begins, and how it goes on.
const PART: &str = "[a-zA-Z0-9]";
const REST: &str = "[a-zA-Z0-9_.-]";
const NAME: &str = "[a-zA-Z0-9_.:@-]";

fn haproxy() -> String {
    let rows = ENDPOINTS.iter().map(|(endpoint, _)| {
        let (method, path) = endpoint.split_once(' ').unwrap();
        // A part that begins with a letter or a digit is never `..`.
        let path = path.replace("{id}", &format!("{PART}{REST}*"));
        let path = path.replace("{name}", &format!("({PART}{NAME}*/)*{PART}{NAME}*"));
        format!("    http-request allow if {{ method {method} }} {{ path_reg ^(/v1\\.[0-9]+)?{path}$ }}\n")
    });
    format!("```haproxy\n{}    http-request deny\n```\n", rows.collect::<String>())
}

/// Compares what stands between two marks of the page, or writes it there.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says whether the page is made anew"
)]
fn holds(marks: &str, made: &str) {
    let text = std::fs::read_to_string(page()).unwrap();
    let begin = format!("<!-- made from the code: {marks} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap();
    let (old, after) = rest.split_once("<!-- end -->\n").unwrap();
    if std::env::var("UPDATE_DOCS").is_ok() {
        let new = format!("{before}{begin}{made}<!-- end -->\n{after}");
        return std::fs::write(page(), new).unwrap();
    }
    assert_eq!(old, made, "docs/engine-endpoints.md: run this test with UPDATE_DOCS=1");
}
