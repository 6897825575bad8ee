//! What is told of two settings side by side, where no manifest leads: what the engine adds or drops by itself, and
//! what the image brings along. That each key of a manifest is told of is in `apply/tests/keys.rs`.

use std::time::Duration;

use super::*;
use crate::model::Platform;
use crate::model::spec::{
    Attachment, CDI, DeviceRequest, Endpoint, ExposedPort, Healthcheck, Logging, Mount,
    MountSource, PortBinding, Protocol, Recursion, Ulimit,
};

type Change = fn(&mut ContainerSpec);

const NOTHING: Change = |_| {};

fn made(change: Change) -> ContainerSpec {
    let mut spec = ContainerSpec::default();
    change(&mut spec);
    spec
}

/// All that is told at `depth`, where the values of `sensitive` fields may be secrets.
fn told_of(specs: [&ContainerSpec; 3], depth: Depth, sensitive: &[&str]) -> Vec<String> {
    let sensitive = sensitive.iter().map(|&field| field.to_owned()).collect();
    let mut found = Found { sensitive: &sensitive, depth, differences: Vec::new() };
    let [wanted, has, usual] = specs;
    compare_settings(wanted, has, usual, &BTreeSet::new(), &mut found);
    found.differences.sort();
    found.differences.iter().map(ToString::to_string).collect()
}

/// What is told of a container that was made with certainty from other settings, and what where nothing else is
/// found to name.
fn check(wanted: Change, has: Change, usual: Change, certain: &[&str], suspected: &[&str]) {
    let (wanted, has, usual) = (made(wanted), made(has), made(usual));
    let told = |depth| told_of([&wanted, &has, &usual], depth, &[]);
    assert_eq!(told(Depth::Made), certain);
    assert_eq!(told(Depth::Suspected), suspected);
}

/// The same at any depth, and the other way round.
fn differs(one: Change, other: Change, expected: &[&str]) {
    check(one, other, NOTHING, expected, expected);
    let [one, other] = [made(one), made(other)];
    let turned = told_of([&other, &one, &made(NOTHING)], Depth::Made, &[]);
    assert_eq!(turned.len(), expected.len(), "{turned:?}");
}

fn on_back(spec: &mut ContainerSpec, change: fn(&mut Endpoint)) {
    let mut endpoint = Endpoint::plain("shop_back".into());
    change(&mut endpoint);
    spec.network = Attachment::Networks(vec![endpoint]);
}

#[test]
fn whatever_is_given_to_an_endpoint_as_it_is_made_needs_a_new_container() {
    let changes: [Change; 5] = [
        |spec| on_back(spec, |back| back.ipv4_address = Some("10.0.0.2".into())),
        |spec| on_back(spec, |back| back.ipv6_address = Some("fd00::2".into())),
        |spec| on_back(spec, |back| back.link_local_ips = vec!["169.254.1.1".into()]),
        |spec| on_back(spec, |back| back.gw_priority = 1),
        |spec| {
            on_back(spec, |back| {
                back.driver_opts.insert("a".into(), "b".into());
            })
        },
    ];
    for change in changes {
        differs(change, |spec| on_back(spec, |_| {}), &["networks.shop_back changed"]);
        differs(change, change, &[]);
    }
}

#[test]
fn names_on_a_network_may_be_more_than_are_wanted_and_not_less() {
    let linked: Change = |spec| {
        on_back(spec, |back| {
            back.links.insert("db:db".into());
        })
    };
    let named: Change = |spec| {
        on_back(spec, |back| {
            back.aliases.insert("web".into());
        })
    };
    let plain: Change = |spec| on_back(spec, |_| {});
    let told = &["networks.shop_back changed"];
    check(linked, plain, NOTHING, told, told);
    check(plain, linked, NOTHING, &[], &[]);
    check(named, plain, NOTHING, told, told);
    check(plain, named, NOTHING, &[], told);
    // A missing network is mended in place.
    check(plain, |spec| spec.network = Attachment::Networks(Vec::new()), NOTHING, &[], &[]);
}

#[test]
fn networks_and_a_mode_are_never_the_same() {
    let host: Change = |spec| spec.network = Attachment::Mode("host".into());
    differs(host, |spec| spec.network = Attachment::Mode("none".into()), &["network_mode changed"]);
    differs(host, |spec| on_back(spec, |_| {}), &["network_mode changed"]);
    differs(host, host, &[]);
}

#[test]
fn what_the_kernel_cannot_do_is_dropped_and_told_only_for_want_of_anything_else() {
    let weight: Change = |spec| spec.resources.block_io.weight = 300;
    check(weight, NOTHING, NOTHING, &[], &["blkio_config changed"]);
    let limits: [Change; 5] = [
        |spec| {
            spec.resources.block_io.weight_device.insert("/dev/sda".into(), 1);
        },
        |spec| {
            spec.resources.block_io.device_read_bps.insert("/dev/sda".into(), 1);
        },
        |spec| {
            spec.resources.block_io.device_write_bps.insert("/dev/sda".into(), 1);
        },
        |spec| {
            spec.resources.block_io.device_read_iops.insert("/dev/sda".into(), 1);
        },
        |spec| {
            spec.resources.block_io.device_write_iops.insert("/dev/sda".into(), 1);
        },
    ];
    for limit in limits {
        let told = &["blkio_config changed"];
        check(limit, NOTHING, NOTHING, &[], told);
        check(NOTHING, limit, NOTHING, told, told);
        check(limit, limit, NOTHING, &[], &[]);
    }
    let swappy: Change = |spec| spec.resources.memory_swappiness = Some(10);
    let told = &["mem_swappiness: 10 → none"];
    check(NOTHING, swappy, NOTHING, told, told);
    check(swappy, NOTHING, NOTHING, &[], &["mem_swappiness: none → 10"]);
    let unkillable: Change = |spec| spec.kernel.oom_kill_disable = true;
    let told = &["oom_kill_disable: true → false"];
    check(NOTHING, unkillable, NOTHING, told, told);
    check(unkillable, NOTHING, NOTHING, &[], &["oom_kill_disable: false → true"]);
    // A kernel that does not count swap.
    let unlimited: Change = |spec| spec.resources.memory_swap = -1;
    check(NOTHING, unlimited, NOTHING, &[], &["memswap_limit changed"]);
    check(unlimited, unlimited, NOTHING, &[], &[]);
}

#[test]
fn what_the_engine_has_a_value_of_its_own_for_is_told_where_it_is_wanted_or_suspected() {
    let usual: Change = |spec| {
        spec.runtime = Some("runc".into());
        spec.namespaces.ipc = Some("private".into());
        spec.namespaces.cgroup = Some("private".into());
        spec.kernel.shm_size = Some(64);
    };
    let other: Change = |spec| {
        spec.runtime = Some("kata".into());
        spec.namespaces.ipc = Some("host".into());
        spec.namespaces.cgroup = Some("host".into());
        spec.kernel.shm_size = Some(128);
    };
    check(NOTHING, usual, usual, &[], &[]);
    let back = &[
        "cgroup: host → private",
        "ipc: host → private",
        "runtime: kata → runc",
        "shm_size: 128 → 64",
    ];
    check(NOTHING, other, usual, &[], back);
    check(usual, other, NOTHING, back, back);
}

#[test]
fn a_health_check_is_what_is_written_over_what_the_image_has() {
    fn image(spec: &mut ContainerSpec) {
        spec.healthcheck = Some(Healthcheck {
            test: vec!["CMD".into(), "check".into()],
            interval: Some(Duration::from_secs(5)),
            timeout: Some(Duration::from_secs(4)),
            start_period: Some(Duration::from_secs(3)),
            start_interval: Some(Duration::from_secs(2)),
            retries: Some(7),
        });
    }
    fn written(spec: &mut ContainerSpec, change: fn(&mut Healthcheck)) {
        let mut check = Healthcheck::default();
        change(&mut check);
        spec.healthcheck = Some(check);
    }
    let told = &["healthcheck changed"];
    check(NOTHING, image, image, &[], &[]);
    check(NOTHING, NOTHING, image, told, told);
    // What is not written is the image's, part by part.
    check(|spec| written(spec, |_| {}), image, image, &[], &[]);
    let parts: [Change; 6] = [
        |spec| written(spec, |check| check.test = vec!["CMD".into(), "other".into()]),
        |spec| written(spec, |check| check.interval = Some(Duration::from_secs(9))),
        |spec| written(spec, |check| check.timeout = Some(Duration::from_secs(9))),
        |spec| written(spec, |check| check.start_period = Some(Duration::from_secs(9))),
        |spec| written(spec, |check| check.start_interval = Some(Duration::from_secs(9))),
        |spec| written(spec, |check| check.retries = Some(9)),
    ];
    for part in parts {
        check(part, image, image, told, told);
    }
    // Zero is the engine's default, as if it were not written.
    let zero: Change = |spec| {
        written(spec, |check| {
            check.test = vec!["CMD".into(), "check".into()];
            check.interval = Some(Duration::ZERO);
            check.timeout = Some(Duration::ZERO);
            check.start_period = Some(Duration::ZERO);
            check.start_interval = Some(Duration::ZERO);
            check.retries = Some(0);
        });
    };
    let plain: Change =
        |spec| written(spec, |check| check.test = vec!["CMD".into(), "check".into()]);
    differs(zero, plain, &[]);
    // Switched off is off, whatever else is written, and is not the same as none.
    let off: Change = |spec| written(spec, |check| check.test = vec!["NONE".into()]);
    let off_and_more: Change = |spec| {
        written(spec, |check| {
            check.test = vec!["NONE".into()];
            check.retries = Some(3);
        });
    };
    differs(off, off_and_more, &[]);
    differs(off, NOTHING, told);
    // Times without a test check nothing.
    differs(|spec| written(spec, |check| check.retries = Some(3)), NOTHING, &[]);
}

#[test]
fn logging_is_compared_where_it_is_written() {
    fn log(spec: &mut ContainerSpec, driver: &str, options: &[(&str, &str)]) {
        let options =
            options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        spec.logging = Some(Logging { driver: driver.into(), options });
    }
    let told = &["logging changed"];
    let journal: Change = |spec| log(spec, "journald", &[]);
    let file: Change = |spec| log(spec, "json-file", &[]);
    let small: Change = |spec| log(spec, "", &[("max-size", "1m")]);
    differs(journal, file, told);
    check(journal, NOTHING, NOTHING, told, told);
    // That is what there is where nothing is written.
    check(file, NOTHING, NOTHING, &[], &[]);
    check(|spec| log(spec, "", &[]), NOTHING, NOTHING, &[], &[]);
    check(small, NOTHING, NOTHING, told, told);
    check(small, |spec| log(spec, "local", &[("max-size", "1m")]), NOTHING, &[], &[]);
    check(small, file, NOTHING, told, told);
    // The engine's own options show on every container.
    check(NOTHING, small, NOTHING, &[], told);
}

#[test]
fn a_host_name_is_compared_where_the_container_has_one_of_its_own() {
    let named: Change = |spec| spec.hostname = Some("web".into());
    differs(named, NOTHING, &["hostname changed"]);
    let on_host: Change = |spec| spec.network = Attachment::Mode("host".into());
    let on_host_and_named: Change = |spec| {
        spec.network = Attachment::Mode("host".into());
        spec.hostname = Some("server".into());
    };
    differs(on_host, on_host_and_named, &[]);
    let on_anothers: Change = |spec| spec.network = Attachment::Mode("container:1".into());
    let on_anothers_and_named: Change = |spec| {
        spec.network = Attachment::Mode("container:1".into());
        spec.hostname = Some("other".into());
    };
    differs(on_anothers, on_anothers_and_named, &[]);
}

#[test]
fn a_platform_is_compared_where_it_is_written_and_known() {
    let arm: Change = |spec| spec.platform = Some(Platform("linux/arm64".into()));
    let amd: Change = |spec| spec.platform = Some(Platform("linux/amd64".into()));
    differs(arm, amd, &["platform changed"]);
    differs(arm, arm, &[]);
    differs(arm, NOTHING, &[]);
}

#[test]
fn ports_are_told_as_they_are_written_and_in_any_order() {
    fn publish(spec: &mut ContainerSpec, ports: &[(u16, &str, &str)]) {
        let bindings = ports.iter().map(|&(port, host_ip, published)| PortBinding {
            target: ExposedPort { port, protocol: Protocol::Tcp },
            host_ip: host_ip.into(),
            published: published.into(),
        });
        spec.ports = bindings.collect();
    }
    let two: Change = |spec| publish(spec, &[(80, "", "8080"), (443, "127.0.0.1", "8443")]);
    let turned: Change = |spec| publish(spec, &[(443, "127.0.0.1", "8443"), (80, "", "8080")]);
    differs(two, turned, &[]);
    differs(two, NOTHING, &["ports: none → 8080:80/tcp, 127.0.0.1:8443:443/tcp"]);
    differs(|spec| publish(spec, &[(53, "", "")]), NOTHING, &["ports: none → 53/tcp"]);
    // What is published is exposed by that.
    let exposed: Change = |spec| {
        publish(spec, &[(80, "", "8080")]);
        spec.expose.insert(ExposedPort { port: 80, protocol: Protocol::Tcp });
    };
    differs(|spec| publish(spec, &[(80, "", "8080")]), exposed, &[]);
    let of_image: Change = |spec| {
        spec.expose.insert(ExposedPort { port: 9, protocol: Protocol::Udp });
    };
    check(NOTHING, of_image, of_image, &[], &[]);
    check(NOTHING, of_image, NOTHING, &["expose changed"], &["expose changed"]);
}

#[test]
fn the_label_that_the_engine_adds_is_no_difference_on_a_container_that_is_open_to_its_host() {
    let open: [Change; 3] = [
        |spec| spec.privileged = true,
        |spec| spec.namespaces.pid = Some("host".into()),
        |spec| spec.namespaces.ipc = Some("host".into()),
    ];
    fn option(spec: &mut ContainerSpec, option: &str) {
        spec.security_opt.insert(option.into());
    }
    let with = |open: Change, more: &str| {
        let mut spec = made(open);
        option(&mut spec, more);
        spec
    };
    for open in open {
        let [labelled, strict] = ["label=disable", "no-new-privileges"].map(|it| with(open, it));
        let (plain, told) = (made(open), &["security_opt changed"]);
        assert_eq!(told_of([&plain, &labelled, &plain], Depth::Suspected, &[]), [""; 0]);
        assert_eq!(told_of([&plain, &strict, &plain], Depth::Made, &[]), told);
    }
    differs(NOTHING, |spec| option(spec, "label=disable"), &["security_opt changed"]);
}

#[test]
fn devices_are_the_same_in_any_order_and_told_by_the_key_they_are_written_with() {
    fn request(driver: &str, capabilities: &[&[&str]]) -> DeviceRequest {
        let words = |all_of: &&[&str]| all_of.iter().map(|&word| word.to_owned()).collect();
        DeviceRequest {
            driver: driver.into(),
            count: -1,
            device_ids: Vec::new(),
            capabilities: capabilities.iter().map(words).collect(),
            options: BTreeMap::new(),
        }
    }
    let gpus: Change = |spec| spec.devices.requests = vec![request("", &[&["gpu", "utility"]])];
    let turned: Change = |spec| {
        spec.devices.requests = vec![request("", &[&["utility", "gpu", "gpu"], &[]])];
    };
    differs(gpus, turned, &[]);
    differs(gpus, NOTHING, &["gpus changed"]);
    differs(|spec| spec.devices.requests = vec![request(CDI, &[])], NOTHING, &["devices changed"]);
    let rules: Change = |spec| spec.devices.cgroup_rules = vec!["a".into(), "b".into()];
    differs(rules, |spec| spec.devices.cgroup_rules = vec!["b".into(), "a".into()], &[]);
}

#[test]
fn a_mount_that_is_there_is_told_where_it_shows_other_data_or_is_suspected_to_be_set_up_otherwise()
{
    fn mount(spec: &mut ContainerSpec, source: MountSource) {
        spec.mounts = vec![Mount::new("/data", source, false)];
    }
    fn slave(selinux: Option<char>) -> MountSource {
        let (path, propagation) = ("/srv".into(), Some("rslave".into()));
        let recursive = Some(Recursion::Disabled);
        MountSource::Bind { path, propagation, selinux, create_host_path: true, recursive }
    }
    let told = &["volumes./data changed"];
    let bound: Change = |spec| mount(spec, MountSource::bind("/srv"));
    let anonymous: Change = |spec| mount(spec, MountSource::Anonymous);
    differs(bound, NOTHING, told);
    differs(bound, anonymous, told);
    check(bound, |spec| mount(spec, slave(Some('z'))), NOTHING, &[], told);
    check(|spec| mount(spec, slave(None)), |spec| mount(spec, slave(None)), NOTHING, &[], &[]);
    let volume: Change = |spec| mount(spec, MountSource::volume("data"));
    let labelled: Change = |spec| {
        mount(spec, MountSource::volume("data"));
        spec.mounts[0].labels.insert("team".into(), "red".into());
    };
    check(labelled, volume, NOTHING, &[], told);
    check(volume, volume, NOTHING, &[], &[]);
    // An image's volume leaves no trace where something is mounted above it.
    check(anonymous, NOTHING, NOTHING, &[], &[]);
    check(NOTHING, NOTHING, anonymous, &[], &[]);
    check(NOTHING, anonymous, anonymous, &[], &[]);
    let scratch: Change = |spec| {
        spec.tmpfs.insert("/data".into(), String::new());
    };
    check(scratch, scratch, anonymous, &[], &[]);
    let both = &["tmpfs changed", "volumes./data changed"];
    check(scratch, anonymous, anonymous, both, both);
}

#[test]
fn a_limit_of_processes_is_told_with_what_they_may_raise_it_to_where_that_is_more() {
    fn open_files(spec: &mut ContainerSpec, soft: i64, hard: i64) {
        spec.kernel.ulimits.insert("nofile".into(), Ulimit { soft, hard });
    }
    let narrow: Change = |spec| open_files(spec, 1, 1);
    differs(narrow, NOTHING, &["ulimits.nofile: none → 1"]);
    differs(narrow, |spec| open_files(spec, 1, 2), &["ulimits.nofile: 1:2 → 1"]);
}

#[test]
fn a_value_that_may_be_a_secret_is_not_shown() {
    let [wanted, has] = [made(|spec| spec.user = Some("1".into())), made(NOTHING)];
    let told = |sensitive: &[&str]| told_of([&wanted, &has, &has], Depth::Made, sensitive);
    assert_eq!(told(&[]), ["user:  → 1"]);
    assert_eq!(told(&["user"]), ["user changed"]);
    assert_eq!(told(&["deploy"]), ["user:  → 1"]);
    let [wanted, has] = [
        made(|spec| {
            spec.kernel.ulimits.insert("core".into(), Ulimit { soft: 1, hard: 1 });
        }),
        made(|spec| spec.resources.memory = 64),
    ];
    let told =
        |sensitive: &[&str]| told_of([&wanted, &has, &made(NOTHING)], Depth::Live, sensitive);
    assert_eq!(told(&[]), ["mem_limit: 64 → none", "ulimits.core: none → 1"]);
    assert_eq!(told(&["ulimits"]), ["mem_limit: 64 → none", "ulimits.core changed"]);
    assert_eq!(told(&["ulimits.core"]), ["mem_limit: 64 → none", "ulimits.core changed"]);
    assert_eq!(told(&["mem_limit"]), ["mem_limit changed", "ulimits.core: none → 1"]);
    assert_eq!(told(&["deploy"]), ["mem_limit changed", "ulimits.core: none → 1"]);
}
