//! A service that is replaced beside its old container, under load from another one that looks its name up for
//! every request.

use crate::support::host::Host;
use crate::support::proxy::Mutation;
use crate::support::registry::Kind;

/// How often the services are replaced.
const ROLLOUTS: usize = 20;

/// Asks for a page again and again; says when each request began and ended, by the host's uptime.
const LOAD: &str = "while :; do a=$$(cat /proc/uptime); if busybox timeout 10 wget -q -O /dev/null http://NAME:8000/; \
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
    depends_on: {{{name}: {{condition: service_healthy}}}}
"
        )
    };
    format!("services:\n{}{}", service("beside", "start-first"), service("after", "stop-first"))
}

/// One request, by the host's uptime in seconds.
#[derive(Debug)]
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

/// When a service had a container that was being stopped: from just before the engine was asked until the
/// container was removed, which is asked for once it has stopped. By the host's uptime in seconds.
#[derive(Debug, Default)]
struct Stops(Vec<(f64, f64)>);

impl Stops {
    /// Adds the stop of the container `id`, which a pass has replaced.
    fn note(&mut self, id: &str, pass: &[Mutation]) {
        let when = |asked: String| {
            let found = pass.iter().find(|mutation| mutation.request == asked);
            found.unwrap_or_else(|| panic!("nobody asked for `{asked}`")).at
        };
        let container = format!("/containers/{id}");
        self.0.push((when(format!("POST {container}/stop")), when(format!("DELETE {container}"))));
    }

    /// Whether a request went on while a container was being stopped. Uptime counts in hundredths.
    fn touch(&self, request: &Request) -> bool {
        let touches = |(stop, gone): &(f64, f64)| {
            request.begun <= gone + 0.01 && request.ended >= stop - 0.01
        };
        self.0.iter().any(touches)
    }
}

/// How many requests failed while an old container was being stopped, those that failed at other times, and how
/// many there were.
fn count(host: &Host, service: &str, stops: &Stops) -> (usize, Vec<Request>, usize) {
    let requests = requests(host, service);
    let all = requests.len();
    let failed = requests.into_iter().filter(|request| request.failed);
    let (at_stops, otherwise): (Vec<Request>, Vec<Request>) =
        failed.partition(|request| stops.touch(request));
    (at_stops.len(), otherwise, all)
}

#[test]
fn no_request_fails_while_the_new_container_boots_and_is_gated() {
    let host = Host::new();
    host.configure("rollout: {stable: 0s, monitor: 0s, deadline: 60s}");
    host.push("acme/web", "load", Kind::Web);
    host.push("acme/web", "0", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("0"))]);
    host.pass().ends(0);
    let (mut beside, mut after) = (Stops::default(), Stops::default());
    for number in 1..=ROLLOUTS {
        let tag = number.to_string();
        host.push("acme/web", &tag, Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &manifest(&tag))]);
        let old = ["shop-after-1", "shop-beside-1"].map(|name| host.inspect(name, "{{.Id}}"));
        host.engine.take_timed();
        host.pass().ends(0).does(&["shop/after update done", "shop/beside update done"]);
        let pass = host.engine.take_timed();
        after.note(&old[0], &pass);
        beside.note(&old[1], &pass);
    }
    let (at_stops, otherwise, all) = count(&host, "beside", &beside);
    println!(
        "start-first: {ROLLOUTS} rollouts, {all} requests, {at_stops} failed at a stop, {} otherwise",
        otherwise.len()
    );
    let (with_gap, _, all_with_gap) = count(&host, "after", &after);
    println!(
        "stop-first: {ROLLOUTS} rollouts, {all_with_gap} requests, {with_gap} failed at a stop"
    );
    assert!(
        otherwise.is_empty(),
        "requests failed while the new container booted and was gated: {otherwise:?}; stops: {beside:?}"
    );
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
