//! Made-up manifests: whatever makes root of the host, in whatever disguise, does not get past the standard.
//!
//! What is dangerous is known here because it was put in, and not because a rule says so.

use proptest::prelude::*;
use proptest::sample::select;

use super::{World, policy};

/// A piece of a service: the lines of one key, and what stands at the top for it.
#[derive(Clone, Debug)]
struct Piece {
    key: &'static str,
    value: String,
    volume: Option<String>,
    network: Option<String>,
    dangerous: bool,
}

impl Piece {
    fn new(dangerous: bool, key: &'static str, value: impl Into<String>) -> Self {
        Self { key, value: value.into(), volume: None, network: None, dangerous }
    }
}

/// Paths with which one owns a host.
const OWNED: [&str; 16] = [
    "/",
    "/etc",
    "/root",
    "/root/.ssh",
    "/home",
    "/var/run",
    "/run",
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/var/lib/docker",
    "/usr/local/bin",
];

/// The same path written otherwise.
fn spelled(path: &'static str) -> impl Strategy<Value = String> {
    let way = (0_usize..6, any::<bool>());
    way.prop_map(move |(way, slash)| {
        let path = match way {
            0 => path.to_owned(),
            1 => format!("/.{path}"),
            2 => format!("/srv/..{path}"),
            3 => format!("/data/shop/../..{path}"),
            4 => path.replace('/', "//").replacen("//", "/", 1),
            _ => format!("/x/./y/../..{path}"),
        };
        if slash { format!("{}/", path.trim_end_matches('/')) } else { path }
    })
}

fn owned_path() -> impl Strategy<Value = String> {
    select(OWNED.to_vec())
        .prop_flat_map(spelled)
        .prop_map(|path| if path.is_empty() { "/".into() } else { path })
}

fn bind() -> impl Strategy<Value = Piece> {
    (owned_path(), 0_usize..6).prop_map(|(path, form)| {
        let short = |options: &str| Piece::new(true, "volumes", format!("['{path}:/m{options}']"));
        match form {
            0 => short(""),
            1 => short(":ro"),
            2 => short(":rw,z"),
            3 => short(":ro,rslave"),
            4 => Piece::new(true, "volumes", format!("[{{type: bind, source: '{path}', target: /m}}]")),
            _ => Piece::new(
                true,
                "volumes",
                format!(
                    "[{{target: /m, read_only: true, bind: {{create_host_path: false}}, source: '{path}', type: bind}}]"
                ),
            ),
        }
    })
}

/// A bind that calls itself a volume.
fn disguised() -> impl Strategy<Value = Piece> {
    let flags = select(vec![
        "bind",
        "rbind",
        "ro,bind",
        "bind,ro",
        "rw,rbind,nosuid",
        " bind",
        "private,bind",
    ]);
    let kinds = select(vec!["none", "''", "bind", "tmpfs", "ext4"]);
    (owned_path(), flags, kinds, any::<u8>()).prop_map(|(path, flags, kind, order)| {
        let mut options =
            [format!("type: {kind}"), format!("o: '{flags}'"), format!("device: '{path}'")];
        options.rotate_left(usize::from(order % 3));
        if order & 8 != 0 {
            options.swap(0, 1);
        }
        let driver = if order & 16 != 0 { "driver: local, " } else { "" };
        let name = if order & 32 != 0 { ", name: other" } else { "" };
        let volume = format!("{{{driver}driver_opts: {{{}}}{name}}}", options.join(", "));
        let mount = if order & 64 != 0 {
            "[{type: volume, source: vv, target: /m}]"
        } else {
            "['vv:/m:ro']"
        };
        Piece { volume: Some(volume), ..Piece::new(true, "volumes", mount) }
    })
}

fn right() -> impl Strategy<Value = Piece> {
    select(vec![
        ("privileged", "true"),
        ("privileged", "\"true\""),
        ("cap_add", "[SYS_ADMIN]"),
        ("cap_add", "[CHOWN, cap_sys_ptrace]"),
        ("cap_add", "[all]"),
        ("cap_add", "[Sys_Module, SETUID]"),
        ("cap_add", "[DAC_READ_SEARCH]"),
        ("pid", "host"),
        ("ipc", "host"),
        ("network_mode", "host"),
        ("userns_mode", "\"host\""),
        ("cgroup", "host"),
        ("pid", "container:other"),
        ("network_mode", "container:other"),
        ("devices", "[/dev/sda]"),
        ("devices", "['/dev/mem:/dev/zero:r']"),
        ("devices", "[{source: /dev/kmsg, target: /dev/null}]"),
        ("device_cgroup_rules", "['a *:* rwm']"),
        ("security_opt", "['seccomp:unconfined']"),
        ("security_opt", "[apparmor=unconfined, 'no-new-privileges:true']"),
        ("security_opt", "['label:disable']"),
        ("security_opt", "[systempaths=unconfined]"),
        ("runtime", "mine"),
        ("annotations", "{run.oci.hooks.stdout: /etc/cron.d/x}"),
        ("cgroup_parent", "/"),
        ("volumes_from", "['container:other:ro']"),
        ("volumes", "['./d:/d:rshared']"),
        ("post_start", "[{command: [a], privileged: true}]"),
        ("pre_stop", "[{command: [a]}, {privileged: true, command: [b]}]"),
        ("env_file", "[{path: /etc/shadow.env, required: false}]"),
    ])
    .prop_map(|(key, value)| Piece::new(true, key, value))
}

fn network() -> impl Strategy<Value = Piece> {
    select(vec![
        "{external: true, name: host}",
        "{driver: host}",
        "{driver: macvlan, driver_opts: {parent: eth0}}",
        "{ipam: {config: [{subnet: 169.254.169.0/24}]}}",
        "{driver_opts: {com.docker.network.bridge.name: docker0}}",
    ])
    .prop_map(|network| Piece {
        network: Some(network.into()),
        ..Piece::new(true, "networks", "[n]")
    })
}

fn harmless() -> impl Strategy<Value = Piece> {
    select(vec![
        ("user", "root"),
        ("group_add", "[docker]"),
        ("cap_add", "[NET_BIND_SERVICE, chown]"),
        ("cap_drop", "[ALL]"),
        ("security_opt", "['no-new-privileges:true']"),
        ("volumes", "['./d:/d']"),
        ("volumes", "['/data/shop/x:/x', '/etc/localtime:/etc/localtime:ro']"),
        ("volumes", "[/anonymous, {type: tmpfs, target: /t}]"),
        ("devices", "[/dev/null]"),
        ("network_mode", "none"),
        ("ipc", "private"),
        ("runtime", "runc"),
        ("sysctls", "{net.core.somaxconn: 1024}"),
        ("ports", "['80:80', '127.0.0.1:22:22']"),
        ("extra_hosts", "['host=host-gateway']"),
        ("privileged", "false"),
        ("read_only", "true"),
        ("healthcheck", "{test: [CMD, a]}"),
        ("tmpfs", "[/tmp]"),
        ("logging", "{driver: local}"),
        ("mem_limit", "64m"),
    ])
    .prop_map(|(key, value)| Piece::new(false, key, value))
}

/// How a piece gets into the service.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Anchor,
    Merge,
    Extends,
    Include,
    Override,
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![9 => harmless(), 1 => bind(), 1 => disguised(), 1 => right(), 1 => network()]
}

/// Some pieces, no two of which exclude each other.
fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    proptest::collection::vec(piece(), 1..6).prop_map(|pieces| {
        // What is said of a network cannot be said of another container's.
        let key = |piece: &Piece| match piece.key {
            "network_mode" | "ports" | "extra_hosts" => "networks",
            key => key,
        };
        let mut kept: Vec<Piece> = Vec::new();
        for piece in pieces {
            if kept.iter().all(|other| key(other) != key(&piece)) {
                kept.push(piece);
            }
        }
        kept
    })
}

/// The files of a stack with these pieces of a service, beside one that asks for nothing.
fn files(pieces: &[Piece], way: Way) -> Vec<(&'static str, String)> {
    let lines = |indent: &str| {
        let line = |piece: &Piece| format!("{indent}{}: {}\n", piece.key, piece.value);
        pieces.iter().map(line).collect::<String>()
    };
    let mut top = String::new();
    for piece in pieces {
        let volume = piece.volume.iter().map(|it| format!("volumes:\n  vv: {it}\n"));
        let network = piece.network.iter().map(|it| format!("networks:\n  n: {it}\n"));
        top.extend(volume.chain(network));
    }
    let plain = "  plain: {image: a:1}\n";
    let main = |text: String| ("shop/compose.yaml", text);
    let (inner, outer) = (lines("    "), lines("  "));
    match way {
        Way::Plain => {
            vec![main(format!("services:\n{plain}  web:\n    image: a:1\n{inner}{top}"))]
        }
        Way::Anchor => {
            let mut anchors = String::new();
            let mut aliases = String::new();
            for (index, Piece { key, value, .. }) in pieces.iter().enumerate() {
                anchors += &format!("x-{index}: &a{index} {value}\n");
                aliases += &format!("    {key}: *a{index}\n");
            }
            vec![main(format!("{anchors}services:\n{plain}  web:\n    image: a:1\n{aliases}{top}"))]
        }
        Way::Merge => vec![main(format!(
            "x-a: &a\n{outer}services:\n{plain}  web:\n    <<: *a\n    image: a:1\n{top}"
        ))],
        Way::Extends => vec![
            main(format!(
                "services:\n{plain}  web: {{extends: {{file: base.yaml, service: b}}}}\n{top}"
            )),
            ("shop/base.yaml", format!("services:\n  b:\n    image: a:1\n{inner}")),
        ],
        Way::Include => vec![
            main(format!("include: [part.yaml]\nservices:\n{plain}")),
            ("shop/part.yaml", format!("services:\n  web:\n    image: a:1\n{inner}{top}")),
        ],
        Way::Override => vec![
            main(format!("services:\n{plain}  web: {{image: a:1}}\n")),
            ("shop/compose.override.yaml", format!("services:\n  web:\n{inner}{top}")),
        ],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_makes_root_of_the_host_gets_past_the_standard(
        pieces in pieces(),
        way in select(vec![Way::Plain, Way::Anchor, Way::Merge, Way::Extends, Way::Include, Way::Override]),
    ) {
        let files = files(&pieces, way);
        let is_dangerous = pieces.iter().any(|piece| piece.dangerous);
        let texts: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let mut world = World::new(&texts);
        world.policy = Some(policy("  preset: standard"));
        let loaded = world.load();
        prop_assert_eq!(&loaded.problems, &[]);
        prop_assert_eq!(loaded.stacks.len(), 1);
        match &loaded.stacks[0].result {
            Ok(_) => prop_assert!(!is_dangerous, "got past: {:#?}", files),
            Err(problems) => {
                // Nothing else may be wrong with what is made up here, lest that refuse it in a rule's place.
                let others = problems.iter().find(|problem| !problem.code.starts_with("policy-"));
                prop_assert!(others.is_none(), "{:?} {:#?}", others, files);
                prop_assert!(is_dangerous, "{:?} {:#?}", problems, files);
            }
        }
    }
}
