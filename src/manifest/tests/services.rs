//! Keys of a service, and what they become.

use super::{SECOND, World, manifest, mount_text, refused, remarks, service, settings, web};
use serde_json::json;

use crate::model::probe::{Probe, ProbeHost, Question};
use crate::model::spec::{Attachment, RestartPolicy};
use crate::model::stack::{Condition, FailureAction, Order, Rollout, Stamp};

#[test]
fn commands_are_cut_into_words_and_lists_taken_as_they_are() {
    let spec = settings("command: run 'a b'\nentrypoint: [sh, -c, 'x; y']");
    assert_eq!(spec.command.unwrap(), ["run", "a b"]);
    assert_eq!(spec.entrypoint.unwrap(), ["sh", "-c", "x; y"]);
    let spec = settings("command:\nentrypoint: []");
    assert_eq!((spec.command, spec.entrypoint), (None, Some(Vec::new())));
}

#[test]
fn capabilities_lose_their_prefix() {
    let spec = settings("cap_add: [cap_net_admin, SYS_TIME]\ncap_drop: [all]");
    assert_eq!(spec.cap_add.into_iter().collect::<Vec<_>>(), ["NET_ADMIN", "SYS_TIME"]);
    assert_eq!(spec.cap_drop.into_iter().collect::<Vec<_>>(), ["ALL"]);
}

#[test]
fn a_health_check_is_read_in_all_its_forms() {
    let test = |keys: &str| settings(keys).healthcheck.map(|check| check.test.join("|"));
    assert_eq!(test("healthcheck: {test: curl x}").unwrap(), "CMD-SHELL|curl x");
    assert_eq!(test("healthcheck: {test: [CMD, curl, x]}").unwrap(), "CMD|curl|x");
    assert_eq!(test("healthcheck: {test: [NONE]}").unwrap(), "NONE");
    assert_eq!(test("healthcheck: {disable: true}").unwrap(), "NONE");
    assert_eq!(test("healthcheck: {disable: false}"), None, "the image's own");
    let check =
        settings("healthcheck: {interval: 2s, retries: 5, start_period: 1m}").healthcheck.unwrap();
    assert_eq!((check.interval, check.retries), (Some(2 * SECOND), Some(5)));
    refused("healthcheck: {test: [curl]}", "has to start with `CMD`");
    let check =
        settings("healthcheck: {start_interval: 1s, start_period: 1m}").healthcheck.unwrap();
    assert_eq!(check.start_interval, Some(SECOND));
    let early = service("healthcheck: {test: x, start_interval: 5s}");
    assert_eq!(early.settings.healthcheck.unwrap().start_interval, Some(5 * SECOND));
}

#[test]
fn restart_is_overruled_by_the_deploy_section() {
    assert_eq!(settings("restart: no").restart, RestartPolicy::No);
    assert_eq!(settings("restart: on-failure:3").restart, RestartPolicy::OnFailure(3));
    assert_eq!(settings("user: a").restart, RestartPolicy::Unset);
    let deploy = "deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}";
    assert_eq!(
        settings(&format!("{deploy}\nrestart: always")).restart,
        RestartPolicy::OnFailure(2)
    );
    assert_eq!(
        settings(&format!("restart: always\n{deploy}")).restart,
        RestartPolicy::OnFailure(2)
    );
    refused("restart: sometimes", "`sometimes` is no restart policy");
}

#[test]
fn stamps_are_no_part_of_the_spec() {
    let stamps = "x-evenkeel: {stamp: {A: generation, B: commit, C: image, _d1: digest}}";
    let stamped = service(stamps);
    assert_eq!(stamped.stamps.len(), 4);
    assert_eq!((stamped.stamps["A"], stamped.stamps["_d1"]), (Stamp::Generation, Stamp::Digest));
    assert!(stamped.settings == settings("user:"), "nothing of it is in the settings");
    let file = World::shop(&manifest(&format!("env_file: web.env\n{stamps}")))
        .with_file("shop/web.env", "B=1\n");
    assert!(
        file.problems().contains("`B` is stamped, and set in `environment` or an env file too")
    );
}

fn probe_of(keys: &str) -> Probe {
    service(keys).probe.unwrap()
}

#[test]
fn a_probe_asks_the_container_itself_or_whom_it_names() {
    let asked = |keys: &str, probe: &str| {
        let probe = probe_of(&format!("{keys}\nx-evenkeel: {{probe: {{{probe}}}}}"));
        let host = match &probe.host {
            ProbeHost::OnNetwork(network) => format!("on {network}"),
            ProbeHost::At(host) => host.clone(),
        };
        (host, probe.to_string())
    };
    let is = |(host, shown): (String, String), expected: (&str, &str)| {
        assert_eq!((host.as_str(), shown.as_str()), expected);
    };
    is(asked("user:", "http: ':8000/a?b=c'"), ("on shop_default", "http :8000/a?b=c"));
    is(asked("user:", "http: ':8000'"), ("on shop_default", "http :8000/"));
    is(asked("networks: [front, back]", "tcp: ':5432'"), ("on shop_back", "tcp :5432"));
    is(asked("network_mode: bridge", "tcp: ':5432'"), ("on bridge", "tcp :5432"));
    is(asked("network_mode: host", "http: ':80/'"), ("127.0.0.1", "http 127.0.0.1:80/"));
    is(asked("user:", "http: 'http://127.0.0.1/'"), ("127.0.0.1", "http 127.0.0.1:80/"));
    is(asked("user:", "http: 'http://[::1]:8080/'"), ("[::1]", "http [::1]:8080/"));
    is(asked("user:", "tcp: 'localhost:80'"), ("localhost", "tcp localhost:80"));
}

#[test]
fn a_probe_expects_what_is_written_and_the_tag_of_the_image_that_it_is_asked_of() {
    let expects = |stack: &World| match web(stack.stack()).probe.unwrap().for_image_tag("2.8") {
        Probe { question: Question::Get { expects, .. }, hidden, .. } => (expects, hidden),
        Probe { question: Question::Connect, .. } => panic!("nothing is expected"),
    };
    let keys = "x-evenkeel: {probe: {http: ':80', expect: {status: 204, body: 'v${IMAGE_TAG}', \
                json: {version: '${IMAGE_TAG}', n: 1, yes: true, none: null, list: ['1', 1.5]}}}}";
    let text = manifest(keys);
    let (expected, hidden) = expects(&World::shop(&text));
    assert_eq!((expected.status, expected.body.unwrap().as_str(), hidden), (204, "v2.8", false));
    let json = json!({"version": "2.8", "n": 1, "yes": true, "none": null, "list": ["1", 1.5]});
    assert_eq!(expected.json.unwrap(), json);
    let set = World::shop(&text).with_server_file("shop.env", "IMAGE_TAG=set\n");
    let (expected, hidden) = expects(&set);
    assert_eq!(
        (expected.body.unwrap().as_str(), hidden),
        ("vset", true),
        "a variable of that name"
    );
    let secret = text.replace("image: a", "image: 'a:$TAG'");
    let secret = World::shop(&secret).with_server_file("shop.env", "TAG=9\n");
    assert!(expects(&secret).1, "the tag is the server's");
    let by_digest = text.replace("image: a", &format!("image: 'a@sha256:{}'", "0".repeat(64)));
    assert!(World::shop(&by_digest).problems().contains("this one is named without"));
    refused("user: '${IMAGE_TAG}'", "`IMAGE_TAG` is not set");
}

#[test]
fn limits_may_be_written_twice_if_they_agree() {
    let both =
        "mem_limit: 512m\ncpus: 0.5\ndeploy: {resources: {limits: {memory: 512M, cpus: '0.50'}}}";
    let resources = settings(both).resources;
    assert_eq!((resources.memory, resources.nano_cpus), (512 << 20, 500_000_000));
    refused("mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}", "contradict each other");
}

#[test]
fn a_part_of_a_second_of_grace_counts_as_one() {
    assert_eq!(settings("stop_grace_period: 1500ms").stop_grace_period, Some(2 * SECOND));
}

#[test]
fn a_service_joins_the_default_network_under_its_name() {
    let stack = World::shop(&manifest("user: a")).stack();
    assert_eq!(stack.networks.keys().collect::<Vec<_>>(), ["default"]);
    let endpoints = web(stack).settings.network.endpoints().to_vec();
    assert_eq!(endpoints[0].network.as_str(), "shop_default");
    assert!(endpoints[0].aliases.contains("web"));
}

#[test]
fn the_default_network_is_not_made_where_nobody_uses_it() {
    let stack = World::shop(&manifest("networks: [back]")).stack();
    assert_eq!(stack.networks.keys().collect::<Vec<_>>(), ["back"]);
}

#[test]
fn the_primary_network_is_chosen_by_priority_then_name() {
    let names = |keys: &str| {
        let spec = settings(keys);
        spec.network.endpoints().iter().map(|e| e.network.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("networks: [front, back]"), ["shop_back", "shop_front"]);
    assert_eq!(names("networks: {front: {priority: 9}, back: }"), ["shop_front", "shop_back"]);
}

#[test]
fn a_network_mode_stands_alone() {
    assert_eq!(settings("network_mode: host").network, Attachment::Mode("host".into()));
    refused("network_mode: host\nnetworks: [back]", "exclude each other");
    refused("networks: [nowhere]", "joins network `nowhere`, which is not declared");
    refused("networks: {back: {ipv4_address: x}}", "`x` is no address");
}

#[test]
fn extra_hosts_are_read_in_all_their_forms() {
    let hosts = |keys: &str| settings(keys).extra_hosts;
    assert_eq!(
        hosts("extra_hosts: ['a:1.2.3.4', 'b=::1', 'c=[::1]']"),
        ["a:1.2.3.4", "b:::1", "c:::1"]
    );
    assert_eq!(hosts("extra_hosts: {a: host-gateway, b: [1.1.1.1, 2.2.2.2]}").len(), 3);
    refused("extra_hosts: [a]", "is no host with its address");
}

#[test]
fn ports_are_sorted_and_the_exposed_ones_beyond_them_kept() {
    let spec = settings(
        "ports: ['90:90', {target: 80, published: '8080', host_ip: '::1'}]\nexpose: [80, '81-82/udp']",
    );
    let ports: Vec<String> =
        spec.ports.iter().map(|p| format!("{}|{}|{}", p.host_ip, p.published, p.target)).collect();
    assert_eq!(ports, ["::1|8080|80/tcp", "|90|90/tcp"]);
    assert_eq!(spec.expose.len(), 2);
}

#[test]
fn mounts_are_sorted_by_target() {
    let spec =
        settings("volumes: ['data:/z:nocopy', '/srv:/a/:ro,rslave', '/anonymous', '/x:/b:z']");
    assert_eq!(
        mount_text(&spec),
        [
            "/a <- /srv,rslave ro",
            "/anonymous <- anonymous rw",
            "/b <- /x,z rw",
            "/z <- volume shop_data,nocopy rw",
        ]
    );
    refused("volumes: ['nowhere:/a']", "mounts volume `nowhere`, which is not declared");
    refused("volumes: ['d:/data']", "is taken for a drive");
    refused("volumes: ['data:a']", "has to be absolute");
    refused("volumes: ['~other/a:/a']", "is in a home that is not known");
    refused("volumes: ['../../a:/a']", "leaves the repository");
}

#[test]
fn a_path_may_start_in_the_home_of_the_user_evenkeel_runs_as() {
    let spec = settings("volumes: ['~/./a/:/a', '~:/b:ro']");
    assert_eq!(mount_text(&spec), ["/a <- /home/keel/a rw", "/b <- /home/keel ro"]);
}

#[test]
fn long_mounts_are_read() {
    let keys = "volumes:\n- {type: bind, source: /srv, target: /a, bind: {create_host_path: false}}\n- {type: volume, source: data, target: /b, read_only: true, volume: {nocopy: true}}\n- {type: tmpfs, target: /c, tmpfs: {size: 1m, mode: 01777}}";
    let spec = settings(keys);
    assert_eq!(mount_text(&spec), ["/a <- /srv,must-exist rw", "/b <- volume shop_data,nocopy ro"]);
    assert_eq!(spec.tmpfs["/c"], "size=1048576,mode=1777");
    refused("volumes: [{type: npipe, target: /a}]", "is not supported");
    refused("volumes: [{target: /a}]", "needs a `type`");
    refused("volumes: [{type: bind, target: /a}]", "needs a `source`");
    refused("tmpfs: /a\nvolumes: ['/x:/a']", "two things are mounted at `/a`");
}

/// A service with one mount in the long form.
fn mounting(mount: &str) -> String {
    format!("volumes: [{{target: /a, {mount}}}]")
}

#[test]
fn a_part_of_a_volume_can_be_mounted() {
    let subpath =
        |path: &str| mounting(&format!("type: volume, source: data, volume: {{subpath: {path}}}"));
    assert_eq!(mount_text(&settings(&subpath("b/../c"))), ["/a <- volume shop_data,b/../c rw"]);
    assert_eq!(mount_text(&settings(&subpath("''"))), ["/a <- volume shop_data rw"]);
    refused(&subpath("/b"), "begins with `/`");
    refused(&subpath("b/../../c"), "leads out of what is mounted");
    refused(&mounting("type: volume, volume: {subpath: b}"), "a volume without a name is empty");
}

#[test]
fn a_volume_that_is_made_for_a_mount_has_its_labels() {
    let labels = |source: &str| {
        service(&mounting(&format!("type: volume{source}, volume: {{labels: [team=shop]}}")))
    };
    assert_eq!(labels("").settings.mounts[0].labels["team"], "shop");
    let text = World::shop(&manifest(&mounting(
        "type: volume, source: data, volume: {labels: {team: shop}}",
    )));
    assert!(remarks(&text.stack()).contains("stand under `volumes` at the top"));
    refused(
        &mounting("type: volume, volume: {labels: {evenkeel.spec: a}}"),
        "is evenkeel's own to set",
    );
}

#[test]
fn what_is_mounted_below_a_bind_can_be_left_out() {
    let recursive = |keys: &str, word: &str| {
        mounting(&format!("type: bind, source: /srv{keys}, bind: {{recursive: {word}}}"))
    };
    let text = |word| mount_text(&settings(&recursive(", read_only: true", word)));
    assert_eq!(text("enabled"), ["/a <- /srv ro"]);
    assert_eq!(text("disabled"), ["/a <- /srv,Disabled ro"]);
    assert_eq!(text("writable"), ["/a <- /srv,Writable ro"]);
    assert_eq!(text("readonly"), ["/a <- /srv,ReadOnly ro"]);
    refused(&recursive("", "maybe"), "`maybe` is not known here");
    let stack = World::shop(&manifest(&recursive("", "readonly"))).stack();
    assert!(remarks(&stack).contains("has no effect on a mount that is not `read_only: true`"));
    let both = mounting("type: bind, source: /srv, bind: {recursive: disabled, selinux: z}");
    refused(&both, "cannot be asked for `recursive` and `selinux` at once");
}

#[test]
fn the_files_of_an_image_can_be_mounted_by_its_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = |source: &str, keys: &str| {
        mounting(&format!("type: image, source: '{source}', read_only: true{keys}"))
    };
    let pinned = format!("acme/site:1@{digest}");
    let expected = format!("/a <- image {pinned},html ro");
    assert_eq!(mount_text(&settings(&image(&pinned, ", image: {subpath: html}"))), [expected]);
    refused(&image("acme/site:1", ""), "is named by its digest; `acme/site:1` has none");
    refused(&image("acme/site@sha256:12", ""), "sha256:12");
    refused(&image(&pinned, ", image: {subpath: /html}"), "begins with `/`");
    refused(&image(&pinned, ", image: {sub: a}"), "unknown key `sub`");
    refused(&mounting("type: image"), "an image mount needs a `source`");
}

#[test]
fn a_rollout_is_read_from_compose_and_from_evenkeel() {
    let keys = "deploy: {replicas: 3, update_config: {parallelism: 2, delay: 5s, monitor: 1s, failure_action: pause, max_failure_ratio: 0.25}}\nx-evenkeel: {rollout: {stable: 0s, deadline: 1m, restarts: 1}}";
    let service = service(keys);
    let rollout = &service.rollout;
    assert_eq!((service.replicas, rollout.parallelism, rollout.max_failure_ratio), (3, 2, 250_000));
    assert_eq!(
        (rollout.delay, rollout.monitor, rollout.deadline),
        (5 * SECOND, SECOND, Some(60 * SECOND))
    );
    assert_eq!((rollout.failure_action, rollout.restarts), (FailureAction::Pause, 1));
    assert!(rollout.stable.is_zero());
    refused("scale: 2\ndeploy: {replicas: 3}", "contradict each other");
    refused("scale: -1", "out of range");
}

#[test]
fn going_back_is_rolled_out_by_settings_of_its_own() {
    let keys = "deploy: {update_config: {parallelism: 2, delay: 5s}, rollback_config: {parallelism: 0, delay: 1s, monitor: 2s, failure_action: continue, max_failure_ratio: 0.5, order: start-first}}\nx-evenkeel: {rollout: {stable: 1s, deadline: 1m, restarts: 1, shared_writers: true}}";
    let service = service(keys);
    assert_eq!((service.rollout.parallelism, service.rollout.order), (2, Order::StopFirst));
    let expected = Rollout {
        order: Order::StartFirst,
        parallelism: 0,
        delay: SECOND,
        monitor: 2 * SECOND,
        max_failure_ratio: 500_000,
        failure_action: FailureAction::Continue,
        stable: SECOND,
        deadline: Some(60 * SECOND),
        restarts: 1,
        shared_writers: true,
    };
    assert_eq!(service.rollback, expected);
}

#[test]
fn going_back_takes_nothing_from_how_an_update_is_rolled_out() {
    let keys = "deploy: {update_config: {parallelism: 2, delay: 5s, order: start-first, monitor: 1s, max_failure_ratio: 0.5}}";
    let rollback = service(keys).rollback;
    assert_eq!(rollback, service("user: a").rollback);
    assert_eq!((rollback.order, rollback.parallelism), (Order::StopFirst, 1));
    assert_eq!(rollback.failure_action, FailureAction::Pause);
    assert!(rollback.delay.is_zero() && rollback.max_failure_ratio == 0);
    assert_eq!(rollback.monitor, 10 * SECOND, "the host's");
    refused(
        "deploy: {rollback_config: {failure_action: rollback}}",
        "`rollback` is not known here",
    );
    refused("deploy: {rollback_config: {max_failure_ratio: 2}}", "no share between 0 and 1");
    refused("deploy: {rollback_config: {paralelism: 2}}", "unknown key `paralelism`");
}

#[test]
fn what_cannot_be_there_twice_is_refused() {
    refused("scale: 2\ncontainer_name: xy", "2 replicas cannot all be called `xy`");
    refused("scale: 2\nports: ['80:80']", "2 replicas cannot share port `80`");
    assert_eq!(service("scale: 2\nports: ['80-81:80', '81']").replicas, 2);
}

#[test]
fn unsupported_keys_and_unknown_ones_are_told_apart() {
    refused("isolation: hyperv", "`isolation` is not supported: it is for Windows only");
    refused("imagee: a", "unknown key `imagee`");
    refused("x-evenkeel: {updat: 1}", "unknown key `updat`");
    refused("x-evenkeel: {ingress: {}}", "`ingress` is not supported");
    refused("x-evenkeel: {rollout: {x-other: 1}}", "unknown key `x-other`");
}

#[test]
fn services_stand_behind_what_they_depend_on() {
    let text = "services:\n  a: {image: a, depends_on: {c: {condition: service_healthy, restart: true}}}\n  b: {image: a}\n  c: {image: a, depends_on: [b]}\n";
    let stack = World::shop(text).stack();
    let names: Vec<&str> = stack.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["b", "c", "a"]);
    let (_, dependency) =
        stack.services[&crate::model::ServiceName::new("a")].depends_on.first().unwrap();
    assert_eq!((dependency.condition, dependency.restart), (Condition::Healthy, true));
}

#[test]
fn dependencies_that_cannot_be_met_are_refused() {
    refused("depends_on: [nowhere]", "depends on `nowhere`, which is not there");
    refused("depends_on: [web]", "in a circle: web → web");
    let text = "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: a, depends_on: [c]}\n  c: {image: a, depends_on: [a]}\n";
    assert!(World::shop(text).problems().contains("circle: a → b → c → a"));
    let text = "services:\n  a: {image: a, depends_on: {b: {condition: service_healthy}}}\n  b: {image: a, healthcheck: {disable: true}}\n";
    assert!(World::shop(text).problems().contains("whose health check is disabled"));
    let stack = World::shop(&manifest("depends_on: {gone: {required: false}}")).stack();
    assert!(remarks(&stack).contains("`gone`") && web(stack).depends_on.is_empty());
}

#[test]
fn a_service_of_an_inactive_profile_is_left_out() {
    let text = "services:\n  a: {image: a}\n  b: {profiles: [debug], nonsense: 1}\n";
    let mut world = World::shop(text);
    assert_eq!(world.stack().services.len(), 1);
    world.profiles = vec!["debug".to_owned()];
    assert!(world.problems().contains("nonsense"));
    let text = "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: a, profiles: [debug]}\n";
    assert!(World::shop(text).problems().contains("profiles are not active"));
}

#[test]
fn the_top_of_a_file_is_read() {
    let text = "version: '3'\nx-other: 1\nservices: {web: {image: a, networks: [n, proxy], volumes: ['vv:/v', 'ww:/w']}}\nnetworks:\n  n: {internal: true, ipam: {config: [{subnet: 10.0.0.0/24}]}}\n  proxy: {external: true}\nvolumes:\n  vv: {name: mine, driver_opts: {type: nfs}}\n  ww: {external: true, name: theirs}\n  unused:\nx-evenkeel: {after: [dns], rollout: {atomic: true}, window: 'Sat,Sun 02:00-05:00 Europe/Berlin', suspend: {until: 2026-03-01, reason: move}}\n";
    let stack = World::shop(text).stack();
    assert!(stack.atomic);
    assert_eq!(stack.window.unwrap().to_string(), "Sat,Sun 02:00-05:00 Europe/Berlin");
    assert_eq!((stack.networks["n"].name.as_str(), stack.networks["n"].internal), ("shop_n", true));
    assert_eq!(
        (stack.networks["proxy"].name.as_str(), stack.networks["proxy"].external),
        ("proxy", true)
    );
    assert_eq!(stack.networks["n"].subnets[0].subnet.as_deref(), Some("10.0.0.0/24"));
    assert_eq!(stack.volumes.keys().collect::<Vec<_>>(), ["vv", "ww"]);
    assert_eq!(
        (stack.volumes["vv"].name.as_str(), stack.volumes["ww"].name.as_str()),
        ("mine", "theirs")
    );
    assert_eq!(stack.after[0].as_str(), "dns");
    assert_eq!(stack.suspended.unwrap().until.unwrap().to_string(), "2026-03-01T00:00:00Z");
}

#[test]
fn the_directory_of_a_bound_volume_has_to_be_absolute() {
    let problems = |volume: &str| {
        let text = format!(
            "services: {{web: {{image: a, volumes: ['vv:/v']}}}}\nvolumes: {{vv: {volume}}}\n"
        );
        World::shop(&text).problems()
    };
    let told = problems("{driver_opts: {type: none, o: 'rw,bind', device: ./data}}");
    assert!(told.starts_with("shop/compose.yaml:2:"), "{told}");
    assert!(
        told.contains("`./data` is no absolute path") && told.contains("hint: write"),
        "{told}"
    );
    for sound in [
        "{driver_opts: {type: none, o: bind, device: /srv/data}}",
        "{driver_opts: {type: nfs, o: 'addr=10.0.0.1', device: ':/data'}}",
        "{driver: other, driver_opts: {o: bind, device: data}}",
        "{driver_opts: {type: tmpfs, device: tmpfs}}",
    ] {
        assert_eq!(problems(sound), "", "{sound}");
    }
}

#[test]
fn platforms_are_called_as_images_call_them() {
    let platform = |text: &str| settings(&format!("platform: {text}")).platform.unwrap().0;
    assert_eq!(platform("linux/x86_64"), "linux/amd64");
    assert_eq!(platform("aarch64"), "linux/arm64");
    refused("platform: 'linux amd64'", "is no platform");
}

#[test]
fn labels_of_evenkeels_own_cannot_be_written() {
    assert_eq!(settings("labels: [a=b=c, d]").labels.len(), 2);
    refused("labels: {evenkeel.spec: x}", "is evenkeel's own");
}

#[test]
fn booleans_and_numbers_without_quotes_are_printed_as_compose_prints_them() {
    let labels = settings("labels: {a: True, b: 'True', c: 1.50, d: '1.50', e: 1.2.3, f: 0550, g: 08, h: 0, i: -0x10}").labels;
    let values: Vec<&str> = labels.values().map(String::as_str).collect();
    assert_eq!(values, ["true", "True", "1.5", "1.50", "1.2.3", "360", "08", "0", "-16"]);
}

#[test]
fn the_deadline_leaves_a_slow_health_check_its_time() {
    let deadline = |keys: &str| service(keys).rollout.deadline.unwrap().as_secs();
    assert_eq!(deadline("user: a"), 300);
    let slow = "healthcheck: {test: a, start_period: 10m, interval: 20s, timeout: 10s, retries: 1}";
    assert_eq!(deadline(slow), 660);
    assert_eq!(deadline(&format!("{slow}\nx-evenkeel: {{rollout: {{deadline: 1m}}}}")), 60);
}
