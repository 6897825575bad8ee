//! What git may ask of this host: what goes beyond it is refused as a whole, and whatever ran runs on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::daemon::{Daemon, LONG};
use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const QUICK: &str = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";

/// What runs before: on the engine's own network, since an engine has addresses for some thirty networks only.
const PLAIN: &str =
    "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    network_mode: bridge\n";

/// Never pulled, should all go well.
const ASKING: &str = "services:\n  web:\n    image: @REGISTRY@/acme/other:1\n";

/// A stack's name, what it asks for besides its image, the rules that are against it, and the line it stands on.
type Case = (&'static str, &'static str, &'static [&'static str], u64);

/// The root directory leads to the engine's socket too.
const ROOT: &[&str] = &["docker_socket", "host_binds"];

const REFUSED: [Case; 7] = [
    ("privileged", "    privileged: true\n", &["privileged"], 4),
    (
        "socket",
        "    volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']\n",
        &["docker_socket"],
        4,
    ),
    ("root", "    volumes: ['/:/host']\n", ROOT, 4),
    (
        "disguised",
        "    volumes: ['all:/host']\nvolumes:\n  all:\n    driver: local\n    driver_opts: {o: 'ro,bind', device: /, type: none}\n",
        ROOT,
        8,
    ),
    ("hostnet", "    network_mode: host\n", &["host_namespaces"], 4),
    ("inside", "    volumes: ['./data/out:/host']\n", ROOT, 4),
    ("pid", "    pid: host\n", &["host_namespaces"], 4),
];

/// Deploys each stack of `names`, and `good`, with `configuration`.
fn deployed(names: &[&str], configuration: &str) -> Host {
    let host = Host::new();
    host.configure(&format!("{QUICK}\n{configuration}"));
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    for name in names.iter().chain(&["good"]) {
        host.repo.write(&host.fill(&format!("{name}-@ID@/compose.yaml")), host.fill(PLAIN));
    }
    host.commit(&[]);
    host.pass().ends(0);
    host
}

/// When each container was started.
fn started(host: &Host) -> BTreeMap<String, String> {
    let names = host.containers().into_keys();
    names.map(|name| (name.clone(), host.inspect(&name, "{{.State.StartedAt}}"))).collect()
}

/// The problems of a stack, as a report in JSON has them.
fn problems(stack: &Value) -> Vec<Value> {
    stack["problems"].as_array().unwrap().clone()
}

#[test]
fn what_would_own_the_host_is_refused_and_nothing_is_touched() {
    let host = deployed(&REFUSED.map(|(name, ..)| name), "");
    host.push("acme/other", "1", Kind::Web);
    // What a container with a directory of its own can leave there.
    let own = host.path("data/inside-@ID@/data");
    fs::create_dir_all(&own).unwrap();
    symlink("/", own.join("out")).unwrap();
    let (before, since) = (host.containers(), started(&host));
    for (name, more, ..) in REFUSED {
        let path = host.fill(&format!("{name}-@ID@/compose.yaml"));
        host.repo.write(&path, host.fill(&format!("{ASKING}{more}")));
    }
    host.commit(&[]);
    host.engine.take_mutations();
    let pass = host.pass();
    let mutations = host.engine.take_mutations();
    assert!(mutations.is_empty(), "{mutations:?}\n{}", pass.everything());
    pass.ends(1);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    assert_eq!(started(&host), since);
    assert_eq!(host.docker(&["images", "-q", "@REGISTRY@/acme/other"]), "", "nothing is pulled");
    let (plan, status) = (host.plan(), host.run(&["status", "--output", "json"]));
    plan.ends(1);
    status.ends(1);
    let text = host.run(&["status"]);
    for (name, _, rules, line) in REFUSED {
        for run in [&pass, &plan, &status] {
            let told = problems(&run.stack(name));
            let found: Vec<&str> = told.iter().map(|it| it["rule"].as_str().unwrap()).collect();
            assert_eq!(found, rules, "{name}: {told:#?}");
            for problem in told {
                assert_eq!(problem["line"], line, "{name}: {problem:#}");
                assert_eq!(problem["file"], format!("{name}-{}/compose.yaml", host.id));
                let hint = problem["hint"].as_str().unwrap();
                assert!(hint.contains("policy.exceptions"), "{name}: {problem:#}");
            }
        }
        assert_eq!(status.stack(name)["state"], "invalid");
        text.says(&format!("{name}/compose.yaml:{line}:"));
    }
    // Nobody else waits for them.
    host.commit(&[("good-@ID@/compose.yaml", &PLAIN.replace("web:1", "web:2"))]);
    let pass = host.pass();
    pass.ends(1);
    assert_eq!(host.changed_since(&before), ["good-web-1"], "{}", pass.everything());
}

#[test]
fn the_daemon_takes_up_an_exception_without_a_commit_and_none_that_is_over() {
    let host = deployed(&["shop"], "");
    let media = host.path("media");
    fs::create_dir_all(&media).unwrap();
    let exception = |until: &str| {
        format!(
            "{QUICK}\npolicy:\n  exceptions:\n    - {{stack: shop-@ID@, service: web, rule: host_binds, values: ['{}'], reason: shown to the household, until: {until}}}\n",
            media.display()
        )
    };
    let asking = format!("{PLAIN}    volumes: ['{}:/media:ro']\n", media.display());
    host.configure(&exception("2001-01-31"));
    host.commit(&[("shop-@ID@/compose.yaml", &asking)]);
    let before = host.containers();
    host.pass().ends(1).does(&[]);
    host.run(&["status"]).ends(1).says("shop/compose.yaml:5:").says("2001-01-31");
    let mut daemon = Daemon::start(&host);
    eventually(LONG, "the daemon refuses it", || {
        host.read("daemon.log").contains("does not allow").then_some(())
    });
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.configure(&exception("2999-12-31"));
    eventually(LONG, "it is deployed", || {
        let shop = host.run(&["status", "--output", "json"]).stack("shop");
        (shop["state"] == "in-sync" && host.changed_since(&before) == ["shop-web-1"]).then_some(())
    });
    let mounts = host.inspect("shop-web-1", "{{range .Mounts}}{{.Source}}{{end}}");
    assert_eq!(mounts, media.display().to_string());
    assert_eq!(daemon.stop(), Some(0));
    host.is_settled();
}

#[test]
fn going_back_asks_the_policy_of_today() {
    let host = deployed(&[], "policy: {host_namespaces: allow}");
    let asking = format!("{PLAIN}    pid: host\n");
    host.commit(&[("shop-@ID@/compose.yaml", &asking)]);
    host.pass().ends(0);
    host.commit(&[("shop-@ID@/compose.yaml", &PLAIN.replace("web:1", "web:2"))]);
    host.pass().ends(0);
    let history = host.run(&["history", "shop-@ID@", "--output", "json"]).json();
    let number = history["generations"][1]["generation"].to_string();
    let before = host.containers();
    host.configure(QUICK);
    host.engine.take_mutations();
    for to in [&["rollback", "shop-@ID@", "--to", &number][..], &["rollback", "shop-@ID@"]] {
        let run = host.run(to);
        run.ends(1).says("policy").says("shop/compose.yaml:5:").says("host_namespaces");
    }
    let mutations = host.engine.take_mutations();
    assert!(mutations.is_empty(), "{mutations:?}");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
    host.configure(&format!("{QUICK}\npolicy: {{host_namespaces: allow}}"));
    host.run(&["rollback", "shop-@ID@", "--to", &number]).ends(0);
    assert_eq!(host.changed_since(&before), ["shop-web-1"]);
}

#[test]
fn a_refusal_is_told_once_with_its_place() {
    let host = deployed(&["shop"], "");
    let script = format!("cat >>{told}; echo >>{told}", told = host.path("told").display());
    let notify = format!("notify: [{{command: [sh, -c, '{script}'], stacks: ['shop-*']}}]");
    host.configure(&format!("{QUICK}\n{notify}"));
    host.commit(&[("shop-@ID@/compose.yaml", &format!("{PLAIN}    privileged: true\n"))]);
    host.pass().ends(1);
    host.pass().ends(1);
    let told = host.read("told");
    let messages: Vec<&str> = told.lines().collect();
    assert_eq!(messages.len(), 1, "{told}");
    let message: Value = serde_json::from_str(messages[0]).unwrap();
    assert_eq!(message["event"], "failed", "{message:#}");
    assert!(told.contains("compose.yaml:5:"), "{message:#}");
    host.commit(&[("shop-@ID@/compose.yaml", PLAIN)]);
    host.pass().ends(0);
    let told = host.read("told");
    assert_eq!(told.lines().count(), 2, "{told}");
    let message: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(message["event"], "recovered", "{message:#}");
}

/// The states of what doctor says of the policy, each with its words and its remedy.
fn examined(host: &Host) -> Vec<(String, String)> {
    let report = host.run(&["doctor", "--output", "json"]).json();
    let findings = report["findings"].as_array().unwrap().clone();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let of_it = findings.iter().filter(|one| one["what"] == "policy");
    of_it
        .map(|one| (text(one, "state"), format!("{} {}", text(one, "says"), text(one, "remedy"))))
        .collect()
}

#[track_caller]
fn examine(host: &Host, state: &str, parts: &[&str]) {
    let found = examined(host);
    let is_told = |(is, says): &(String, String)| {
        is == state && parts.iter().all(|part| says.contains(&host.fill(part)))
    };
    assert!(found.iter().any(is_told), "none is {state} and says {parts:?}: {found:#?}");
}

#[test]
fn what_a_host_runs_already_is_taken_over_with_the_exceptions_that_doctor_prints() {
    let host = deployed(&[], "policy: {preset: open}");
    let media = host.path("media");
    fs::create_dir_all(&media).unwrap();
    let shop = format!(
        "services:\n  \
           web: {{image: '@REGISTRY@/acme/web:1', network_mode: bridge, pid: host, volumes: ['{media}:/media', '/etc/hostname:/h:ro']}}\n  \
           agent: {{image: '@REGISTRY@/acme/web:1', network_mode: host, cap_add: [NET_ADMIN, SYS_PTRACE], extra_hosts: ['meta:169.254.169.254']}}\n",
        media = media.display()
    );
    let disguised = "services:\n  web: {image: '@REGISTRY@/acme/web:1', network_mode: bridge, volumes: ['all:/host']}\n\
                     volumes: {all: {driver: local, driver_opts: {type: none, o: bind, device: /usr/share}}}\n";
    host.commit(&[("shop-@ID@/compose.yaml", &shop), ("blog-@ID@/compose.yaml", disguised)]);
    host.pass().ends(0);
    examine(&host, "warn", &["open"]);
    let before = host.containers();

    let standard = format!("{QUICK}\npolicy: {{preset: standard}}");
    host.configure(&standard);
    host.plan().ends(1);
    examine(&host, "fail", &["2 stacks", "host_binds", "host_namespaces", "doctor --policy"]);
    let doctor = host.run(&["doctor", "--policy"]);
    doctor.ends(0);
    assert_eq!(doctor.stderr, "", "{}", doctor.everything());
    let printed = &doctor.stdout;
    for part in ["SYS_PTRACE", "host_namespaces", "/etc/hostname", "/usr/share"] {
        assert!(printed.contains(part), "{printed}");
    }
    host.configure(&format!("{QUICK}\npolicy:\n{}", indented(printed)));
    host.plan().ends(0).does(&[]);
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    assert!(examined(&host).iter().all(|(state, _)| state == "ok"), "{:#?}", examined(&host));

    // Asked again, it prints what is there; and nothing more is needed.
    let again = host.run(&["doctor", "--policy"]);
    again.ends(0);
    assert!(again.stderr.contains("nothing more"), "{}", again.everything());
    host.configure(&format!("{QUICK}\npolicy:\n{}", indented(&again.stdout)));
    host.plan().ends(0).does(&[]);

    // What is no longer asked for is named, to be taken out.
    host.commit(&[("blog-@ID@/compose.yaml", PLAIN)]);
    examine(&host, "warn", &["blog-@ID@", "host_binds", "remove"]);
}

/// Each line two blanks further in, as it stands below `policy:`.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn exceptions_that_are_over_or_soon_will_be_are_told_beforehand() {
    let host = deployed(&[], "");
    let day = |days: i64| {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        now.checked_add(jiff::ToSpan::days(days)).unwrap().to_string()
    };
    host.commit(&[("shop-@ID@/compose.yaml", &format!("{PLAIN}    pid: host\n"))]);
    let exception = |days: i64| {
        let until = day(days);
        format!(
            "{QUICK}\npolicy:\n  exceptions:\n    - {{stack: shop-@ID@, service: web, rule: host_namespaces, values: [pid], reason: tried out, until: {until}}}\n"
        )
    };
    host.configure(&exception(40));
    host.pass().ends(0);
    assert!(examined(&host).iter().all(|(state, _)| state == "ok"), "{:#?}", examined(&host));
    host.configure(&exception(10));
    host.plan().ends(0);
    examine(&host, "warn", &["shop-@ID@", &day(10)]);
    host.configure(&exception(-2));
    host.plan().ends(1);
    examine(&host, "warn", &["shop-@ID@", &day(-2), "over"]);
}
