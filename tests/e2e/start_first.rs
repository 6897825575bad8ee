//! A service that is replaced beside its old container, under load from another one that looks its name up for
//! every request.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

/// How often the services are replaced.
const ROLLOUTS: usize = 20;

/// Asks for a page again and again; says when each request began and ended, by the host's uptime.
const LOAD: &str = "while :; do a=$$(cat /proc/uptime); if busybox timeout 2 wget -q -O /dev/null http://NAME:8000/; \
                    then r=ok; else r=failed; fi; echo \"$$r $${a%% *} $$(cat /proc/uptime)\"; done";

fn manifest(tag: &str) -> String {
    let service = |name: &str, order: &str| {
        let load = LOAD.replace("NAME", name);
        format!(
            "  {name}:
    image: @REGISTRY@/acme/web:{tag}
    stop_grace_period: 2s
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health']
      interval: 500ms
      timeout: 2s
    deploy: {{update_config: {{order: {order}, monitor: 500ms}}}}
  load-{name}:
    image: @REGISTRY@/acme/web:load
    stop_grace_period: 0s
    command: [sh, -c, '{load}']
"
        )
    };
    format!("services:\n{}{}", service("beside", "start-first"), service("after", "stop-first"))
}

/// One request, by the host's uptime in seconds.
struct Request {
    failed: bool,
    begun: f64,
    ended: f64,
}

fn requests(host: &Host, service: &str) -> Vec<Request> {
    let log = host.docker(&["logs", &format!("shop-@ID@-load-{service}-1")]);
    let request = |line: &str| {
        let mut words = line.split(' ');
        let failed = match words.next()? {
            "ok" => false,
            "failed" => true,
            _ => return None,
        };
        Some(Request {
            failed,
            begun: words.next()?.parse().ok()?,
            ended: words.next()?.parse().ok()?,
        })
    };
    log.lines().filter_map(request).collect()
}

/// The engine's word on who is told to stop and who is gone, from now on: it remembers only so much itself.
struct Events {
    process: Child,
    log: PathBuf,
}

impl Events {
    fn watch(host: &Host) -> Self {
        let log = host.path("events");
        let project = format!("label=com.docker.compose.project=shop-{}", host.id);
        let format = "{{index .Actor.Attributes \"com.docker.compose.service\"}} {{.ID}} {{.Action}} {{.TimeNano}}";
        let process = Command::new("docker")
            .args(["events", "--filter", &project, "--filter", "event=kill"])
            .args(["--filter", "event=destroy", "--format", format])
            .stdout(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// When containers of a service were told to stop and when they were gone, by the host's uptime in seconds.
    fn stops(&self, service: &str) -> Vec<(f64, f64)> {
        let ahead = wall() - uptime();
        let text = std::fs::read_to_string(&self.log).unwrap();
        let mut told = BTreeMap::new();
        let mut stops = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(&format!("{service} "))) {
            let words: Vec<&str> = line.split(' ').collect();
            let at = words[2].parse::<f64>().unwrap() / 1e9 - ahead;
            match words[1] {
                "kill" => _ = told.entry(words[0]).or_insert(at),
                "destroy" => stops.push((told[words[0]], at)),
                other => panic!("{other} was not asked for"),
            }
        }
        stops
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It ends with the test anyway, and then it cannot be told to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn uptime() -> f64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the engine's events carry the time of the host")]
fn wall() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Failed requests while an old container was being stopped, at other times, and all requests.
fn count(host: &Host, service: &str, events: &Events) -> (usize, usize, usize) {
    let requests = requests(host, service);
    let stops = eventually(Duration::from_secs(10), "the engine tells of every stop", || {
        Some(events.stops(service)).filter(|stops| stops.len() >= ROLLOUTS)
    });
    // Uptime and events are read at different moments, and uptime counts in hundredths.
    let near = |request: &Request| {
        stops
            .iter()
            .any(|(told, gone)| request.begun <= gone + 0.05 && request.ended >= told - 0.05)
    };
    let failed: Vec<&Request> = requests.iter().filter(|request| request.failed).collect();
    let at_stops = failed.iter().filter(|request| near(request)).count();
    (at_stops, failed.len() - at_stops, requests.len())
}

#[test]
fn no_request_fails_while_the_new_container_boots_and_is_gated() {
    let host = Host::new();
    host.configure("rollout: {stable: 0s, monitor: 0s, deadline: 60s}");
    host.push("acme/web", "load", Kind::Web);
    host.push("acme/web", "0", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("0"))]);
    host.pass().ends(0);
    let events = Events::watch(&host);
    for number in 1..=ROLLOUTS {
        let tag = number.to_string();
        host.push("acme/web", &tag, Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &manifest(&tag))]);
        host.pass().ends(0).does(&["shop/after update done", "shop/beside update done"]);
    }
    let (at_stops, otherwise, all) = count(&host, "beside", &events);
    println!(
        "start-first: {ROLLOUTS} rollouts, {all} requests, {at_stops} failed at a stop, {otherwise} otherwise"
    );
    let (with_gap, _, all_with_gap) = count(&host, "after", &events);
    println!(
        "stop-first: {ROLLOUTS} rollouts, {all_with_gap} requests, {with_gap} failed at a stop"
    );
    assert_eq!(otherwise, 0, "requests failed while the new container booted and was gated");
    assert!(all > 500, "only {all} requests");
    host.is_settled();
}

/// A release of each kind of badness: what it is, and what the report says of it.
const BAD: [(&str, Kind, &str); 2] = [
    ("ends at once", Kind::Exits, "cannot reach the database"),
    ("never gets healthy", Kind::BrokenHealth, "its health check failed"),
];

#[test]
fn the_old_container_serves_throughout_a_bad_release() {
    let host = Host::new();
    host.configure("rollout: {stable: 0s, monitor: 0s, deadline: 60s}");
    host.push("acme/web", "load", Kind::Web);
    host.push("acme/web", "0", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("0"))]);
    host.pass().ends(0);
    let before = host.containers();
    let first = requests(&host, "beside").len();
    for (tag, (what, kind, says)) in BAD.into_iter().enumerate() {
        let tag = format!("bad-{tag}");
        host.push("acme/web", &tag, kind);
        let text = manifest("0").replacen("web:0", &format!("web:{tag}"), 1);
        host.commit(&[("shop-@ID@/compose.yaml", &text)]);
        host.pass().ends(4).does(&["shop/beside update rolled-back"]).says(says);
        assert_eq!(host.changed_since(&before), Vec::<String>::new(), "{what}");
    }
    let text = manifest("0").replacen("web:0", "web:nowhere", 1);
    host.commit(&[("shop-@ID@/compose.yaml", &text)]);
    host.pass().ends(1).says("nowhere");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "an image that is not there");
    let later = &requests(&host, "beside")[first..];
    let failed = later.iter().filter(|request| request.failed).count();
    assert_eq!(failed, 0, "of {} requests", later.len());
    assert!(later.len() > 50, "only {} requests", later.len());
}
