//! Services that share something with each other, on a real engine.

use crate::support::host::Host;
use crate::support::registry::Kind;

/// A service, and one in its network that reaches it at `localhost`.
fn shared(tunnel: &str, client: &str) -> String {
    format!(
        "services:\n  \
           tunnel: {{image: '@REGISTRY@/acme/web:{tunnel}', restart: always, stop_signal: SIGKILL}}\n  \
           client:\n    \
             image: '@REGISTRY@/acme/web:1'\n    \
             stop_signal: SIGKILL\n    \
             command: [sh, -c, 'exec sleep infinity']\n    \
             {client}\n    \
             network_mode: service:tunnel\n"
    )
}

fn deployed() -> Host {
    let host = Host::new();
    for tag in ["1", "2"] {
        host.push("acme/web", tag, Kind::Web);
    }
    host.push("acme/web", "bad", Kind::Exits);
    host.commit(&[("shop-@ID@/compose.yaml", &shared("1", ""))]);
    host.pass().ends(0).does(&["shop/client create done", "shop/tunnel create done"]);
    assert_reaches(&host, "1");
    host.is_settled();
    host
}

/// In the network of the tunnel, its program is at `localhost`.
#[track_caller]
fn assert_reaches(host: &Host, version: &str) {
    let request =
        "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://localhost:8000/ && exit; sleep 1; done";
    let answer = host.docker(&["exec", &host.name("shop-client-1"), "sh", "-c", request]);
    assert!(answer.contains(&format!("version={version}")), "{answer}");
    let tunnel = host.inspect("shop-tunnel-1", "{{.Id}}");
    let mode = host.inspect("shop-client-1", "{{.HostConfig.NetworkMode}}");
    assert_eq!(mode, format!("container:{tunnel}"));
}

#[test]
fn a_service_in_anothers_network_follows_it_and_comes_back_with_it() {
    let host = deployed();
    host.commit(&[("shop-@ID@/compose.yaml", &shared("2", ""))]);
    host.pass().ends(0).because("shop/client", "network_mode.container");
    assert_reaches(&host, "2");
    host.is_settled();
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &shared("bad", ""))]);
    host.pass().ends(4);
    assert_eq!(host.containers(), before, "both are back");
    assert_reaches(&host, "2");
}

#[test]
fn a_service_that_was_cut_off_from_anothers_network_is_started_again() {
    let host = deployed();
    let before = host.containers();
    host.docker(&["restart", "shop-@ID@-tunnel-1"]);
    host.pass().ends(0).because("shop/client", "network_mode.container");
    assert_reaches(&host, "1");
    host.docker(&["stop", "shop-@ID@-tunnel-1"]);
    host.pass().ends(0);
    assert_reaches(&host, "1");
    host.is_settled();
    assert_eq!(host.containers(), before);
    host.docker(&["rm", "-f", "shop-@ID@-tunnel-1"]);
    host.pass().ends(0);
    assert_reaches(&host, "1");
    host.is_settled();
}

#[test]
fn links_give_names_and_volumes_of_others_are_mounted() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let manifest = "services:\n  \
        web:\n    image: '@REGISTRY@/acme/web:1'\n    volumes: ['data:/data', /scratch]\n  \
        client:\n    image: '@REGISTRY@/acme/web:1'\n    links: ['web:site']\n    volumes_from: ['web:ro']\n\
        volumes: {data: }\n";
    host.commit(&[("shop-@ID@/compose.yaml", manifest)]);
    host.pass().ends(0);
    let client = host.name("shop-client-1");
    let request =
        "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://site:8000/ && exit; sleep 1; done";
    let answer = host.docker(&["exec", &client, "sh", "-c", request]);
    assert!(answer.contains("version=1"), "{answer}");
    host.docker(&[
        "exec",
        &host.name("shop-web-1"),
        "sh",
        "-c",
        "echo hello >/scratch/file; echo hello >/data/file",
    ]);
    let read = "cat /data/file /scratch/file; (echo x >/data/other) 2>/dev/null || echo refused";
    assert_eq!(host.docker(&["exec", &client, "sh", "-c", read]), "hello\nhello\nrefused");
    host.is_settled();
    let label = "{{index .Config.Labels \"com.docker.compose.depends_on\"}}";
    assert_eq!(host.inspect("shop-client-1", label), "web:service_started:true");
    // The volumes that only the engine has names for go on with a new container, and with whom they are shared.
    host.commit(&[(
        "shop-@ID@/compose.yaml",
        &manifest.replace("/scratch]", "/scratch]\n    user: '0'"),
    )]);
    host.pass().ends(0);
    assert_eq!(host.docker(&["exec", &client, "sh", "-c", read]), "hello\nhello\nrefused");
    host.is_settled();
}

#[test]
fn hooks_run_after_the_start_and_before_the_stop_and_one_that_fails_takes_the_update_back() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let manifest = |value: &str, after: &str| {
        format!(
            "services:\n  web:\n    image: '@REGISTRY@/acme/web:1'\n    environment: {{V: '{value}'}}\n    \
             volumes: ['data:/data']\n    \
             post_start: [{{command: [sh, -c, 'echo start $$V $$W >>/data/log; {after}'], user: root, \
             environment: {{W: hook}}, working_dir: /data}}]\n    \
             pre_stop: [{{command: [sh, -c, 'echo stop $$V >>/data/log; exit 7']}}]\n\
             volumes: {{data: }}\n"
        )
    };
    let file = "shop-@ID@/compose.yaml";
    let log = |host: &Host| host.docker(&["exec", &host.name("shop-web-1"), "cat", "/data/log"]);
    host.commit(&[(file, &manifest("1", "true"))]);
    host.pass().ends(0);
    assert_eq!(log(&host), "start 1 hook");
    host.is_settled();
    host.commit(&[(file, &manifest("2", "true"))]);
    host.pass().ends(0);
    assert_eq!(log(&host), "start 1 hook\nstop 1\nstart 2 hook");
    host.is_settled();
    host.commit(&[(file, &manifest("3", "echo cannot warm up >&2; exit 3"))]);
    host.pass().ends(4).says("`post_start` 1 ended with code 3: cannot warm up");
    assert_eq!(host.inspect("shop-web-1", "{{.State.Running}}"), "true");
    assert!(log(&host).ends_with("stop 2\nstart 3 hook\nstop 3\nstart 2 hook"), "{}", log(&host));
}
