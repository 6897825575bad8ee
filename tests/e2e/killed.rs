//! Three services that depend on each other, and SIGKILL at every point of their deployment: before an effect,
//! between the journal and the effect, after it. The next pass ends in the same host, whatever the point.
//!
//! The program kills itself (`src/apply/crash.rs`), so that points are hit which nobody outside can see.

use std::os::unix::process::ExitStatusExt as _;

use crate::support::host::Host;
use crate::support::registry::Kind;

const SIGKILL: i32 = 9;

fn manifest(tag: &str) -> String {
    format!(
        "\
services:
  database:
    image: @REGISTRY@/acme/web:{tag}
    restart: unless-stopped
    volumes: [data:/data]
  backend:
    image: @REGISTRY@/acme/web:{tag}
    restart: always
    depends_on: [database]
    networks: {{default: {{aliases: [api]}}}}
  frontend:
    image: @REGISTRY@/acme/web:{tag}
    restart: on-failure:3
    depends_on: [backend]
volumes:
  data:
"
    )
}

fn deploy(host: &Host, tag: &str) {
    host.push("acme/web", tag, Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest(tag))]);
}

const PASS: &[&str] = &["reconcile", "--once", "--quiet"];

/// Runs a command that dies at the point `number`; `false` where it ended before that.
fn dies_at(host: &Host, args: &[&str], number: u64) -> bool {
    let mut command = host.command(args);
    let output = command.env("EVENKEEL_CRASH_AT", number.to_string()).output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(SIGKILL), None) => true,
        (None, Some(0)) => false,
        (signal, code) => panic!("point {number}: signal {signal:?}, code {code:?}"),
    }
}

/// Everything of the host that must not depend on where a pass died.
fn end_state(host: &Host, tag: &str) -> String {
    let format = "{{.Name}} {{.Config.Image}} {{.State.Status}} {{.HostConfig.RestartPolicy}} \
        {{range .Mounts}}{{.Name}}:{{.Destination}} {{end}}\
        {{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{len $it.Aliases}} {{end}}";
    let mut lines = Vec::new();
    for container in host.containers().into_keys() {
        let line = host.inspect(&container, format);
        let (before, after) = line.split_once("@sha256:").unwrap();
        lines
            .push(format!("{before} {}", &after[64..]).replace(&format!("web:{tag} "), "web:TAG "));
    }
    let of_stack = format!("label=com.docker.compose.project=shop-{}", host.id);
    lines.push(host.docker(&["network", "ls", "--format", "{{.Name}}", "--filter", &of_stack]));
    lines.push(host.docker(&["volume", "ls", "--format", "{{.Name}}", "--filter", &of_stack]));
    lines.join("\n")
}

/// Takes everything down and forgets everything, as if the host were new.
fn forget(host: &Host) {
    for container in host.containers().into_keys() {
        host.docker(&["rm", "-f", "-v", &host.name(&container)]);
    }
    host.docker(&["network", "rm", "shop-@ID@_default"]);
    host.docker(&["volume", "rm", "shop-@ID@_data"]);
    std::fs::remove_dir_all(host.path("state")).unwrap();
}

fn host() -> Host {
    let host = Host::new();
    host.configure("rollout: {stable: 0s, monitor: 0s, deadline: 20s}");
    host
}

#[test]
fn a_first_deployment_that_died_anywhere_ends_in_the_same_host() {
    let host = host();
    deploy(&host, "1");
    host.pass().ends(0);
    let expected = end_state(&host, "1");
    for number in 1.. {
        forget(&host);
        let died = dies_at(&host, PASS, number);
        host.pass().ends(0);
        assert_eq!(end_state(&host, "1"), expected, "died at point {number}");
        if !died {
            println!("first deployment: {} points, all converged", number - 1);
            assert!(number > 15, "a deployment of three services has more than {number} points");
            break;
        }
    }
    host.is_settled();
}

#[test]
fn an_update_that_died_anywhere_ends_in_the_same_host() {
    let host = host();
    deploy(&host, "0");
    host.pass().ends(0);
    let expected = end_state(&host, "0");
    for number in 1.. {
        let tag = number.to_string();
        deploy(&host, &tag);
        let died = dies_at(&host, PASS, number);
        host.pass().ends(0);
        assert_eq!(end_state(&host, &tag), expected, "died at point {number}");
        if !died {
            println!("update: {} points, all converged", number - 1);
            assert!(number > 30, "an update of three services has more than {number} points");
            break;
        }
    }
    host.is_settled();
}

fn beside(tag: &str) -> String {
    format!(
        "\
services:
  api:
    image: @REGISTRY@/acme/web:{tag}
    restart: unless-stopped
    networks: {{default: {{aliases: [web]}}}}
    deploy: {{replicas: 2, update_config: {{order: start-first, parallelism: 1}}}}
"
    )
}

#[test]
fn an_update_beside_the_old_ones_that_died_anywhere_ends_in_the_same_host() {
    let host = host();
    host.push("acme/web", "0", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &beside("0"))]);
    host.pass().ends(0);
    let expected = end_state(&host, "0");
    for number in 1.. {
        let tag = number.to_string();
        host.push("acme/web", &tag, Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &beside(&tag))]);
        let died = dies_at(&host, PASS, number);
        host.pass().ends(0);
        assert_eq!(end_state(&host, &tag), expected, "died at point {number}");
        if !died {
            println!("update beside the old ones: {} points, all converged", number - 1);
            assert!(number > 30, "an update of two replicas has more than {number} points");
            break;
        }
    }
    host.is_settled();
}

fn pair(tag: &str) -> String {
    format!(
        "\
services:
  database: {{image: '@REGISTRY@/acme/web:{tag}', volumes: ['data:/data']}}
  backend: {{image: '@REGISTRY@/acme/web:{tag}', depends_on: [database], deploy: {{update_config: {{order: start-first}}}}}}
volumes:
  data:
"
    )
}

#[test]
fn a_rollback_that_died_anywhere_is_finished_by_the_next_pass_and_held() {
    let host = host();
    for tag in ["1", "2"] {
        host.push("acme/web", tag, Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &pair(tag))]);
        host.pass().ends(0);
    }
    let expected = end_state(&host, "2");
    for number in 1.. {
        let died = dies_at(&host, &["rollback", "shop-@ID@", "--quiet"], number);
        host.pass().ends(0);
        assert_eq!(end_state(&host, "1"), expected, "died at point {number}");
        let status = host.run(&["status"]).everything();
        assert_eq!(status.matches("rolled back to generation").count(), 2, "{status}");
        if !died {
            println!("rollback: {} points, all converged", number - 1);
            assert!(number > 20, "a rollback of two services has more than {number} points");
            break;
        }
        host.run(&["unhold", "shop-@ID@"]).ends(0);
        host.pass().ends(0);
        assert_eq!(end_state(&host, "2"), expected, "forward again after point {number}");
    }
    let before = host.containers();
    host.pass().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}
