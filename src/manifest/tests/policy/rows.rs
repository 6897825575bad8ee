//! Each rule with what it refuses and what it does not, in Compose's short and long forms.

use super::{World, check, manifest};

/// Below `rules`, each manifest with all that is refused of it.
fn table(rules: &str, rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        let mut world = World::shop(&manifest(text));
        check(&mut world, rules, expected, text);
    }
}

#[test]
fn privileged() {
    table(
        "",
        &[
            ("privileged: true", &["privileged services.web.privileged 4"]),
            ("privileged: \"true\"", &["privileged services.web.privileged 4"]),
            ("privileged: false", &[]),
            ("privileged:", &[]),
            (
                "post_start: [{command: [a], privileged: true}]",
                &["privileged services.web.post_start[0] 4"],
            ),
            (
                "pre_stop:\n- command: [a]\n- command: [b]\n  privileged: true",
                &["privileged services.web.pre_stop[1] 6"],
            ),
            ("post_start: [{command: [a], user: root}]", &[]),
        ],
    );
    table("  privileged: allow", &[("privileged: true", &[])]);
    table("  privileged: warn", &[("privileged: true", &[])]);
    table("  preset: open", &[("privileged: true", &[])]);
}

#[test]
fn docker_socket() {
    const MOUNT: &str = "docker_socket services.web.volumes[0] 4";
    const BOTH: &[&str] = &[MOUNT, "host_binds services.web.volumes[0] 4"];
    let both = [BOTH[0], BOTH[1]];
    table(
        "",
        &[
            ("volumes: [/var/run/docker.sock:/s]", &[MOUNT]),
            ("volumes: [/run/docker.sock:/s:ro]", &[MOUNT]),
            ("volumes: [/var/run/../run/docker.sock:/s]", &[MOUNT]),
            ("volumes: [/run/containerd/containerd.sock:/s]", &[MOUNT]),
            ("volumes: [/run/podman/podman.sock:/s]", &[MOUNT]),
            ("volumes: [/run/user/1000/docker.sock:/s]", &[MOUNT]),
            ("volumes: [/srv/engine/my.sock:/s]", &[MOUNT]),
            ("volumes: [/opt/x/docker.sock:/s]", &[MOUNT]),
            (
                "volumes:\n- type: bind\n  source: /var/run/docker.sock\n  target: /s",
                &["docker_socket services.web.volumes[0].source 6"],
            ),
            ("volumes: [/run:/s]", &both),
            ("volumes: [/var/run:/s]", &both),
            ("volumes: [/:/host:ro]", &both),
            ("volumes: [/run/containerd:/s]", &both),
            ("volumes: [/run/podman:/s]", &both),
            ("volumes: [/run/user/1000:/s]", &both),
            ("volumes: [/srv/engine:/s]", &both),
            ("volumes: [/proc:/host/proc]", &both),
            ("volumes: [/run/user/1000/pulse:/s]", &["host_binds services.web.volumes[0] 4"]),
        ],
    );
    table(
        "  docker_socket: allow",
        &[
            ("volumes: [/var/run/docker.sock:/s]", &[]),
            ("volumes: [/run:/s]", &["host_binds services.web.volumes[0] 4"]),
        ],
    );
    table(
        "  host_binds: allow",
        &[
            ("volumes: [/var/run/docker.sock:/s]", &[MOUNT]),
            ("volumes: [/:/host]", &[MOUNT]),
            ("volumes: [/etc:/host]", &[]),
            ("volumes: [/proc/1/root:/host]", &[MOUNT]),
        ],
    );
    table(
        "  docker_socket: [/run/docker.sock]",
        &[
            ("volumes: [/run/docker.sock:/s]", &[]),
            ("volumes: [/run/podman/podman.sock:/s]", &[MOUNT]),
        ],
    );
}

#[test]
fn host_binds() {
    const MOUNT: &str = "host_binds services.web.volumes[0] 4";
    const DEVICE: &str = "host_binds volumes.dd.driver_opts.device 6";
    table(
        "",
        &[
            ("volumes: [/etc:/e]", &[MOUNT]),
            ("volumes: [/etc/shadow:/e:ro]", &[MOUNT]),
            ("volumes: [/home/../etc:/e]", &[MOUNT]),
            ("volumes: [/data/other/x:/e]", &[MOUNT]),
            ("volumes: [/state/secrets:/e]", &[MOUNT]),
            ("volumes: [~/.ssh:/e]", &[MOUNT]),
            ("volumes: [../other/data:/e]", &[MOUNT]),
            (
                "volumes:\n- {type: bind, source: /etc, target: /e, read_only: true}",
                &["host_binds services.web.volumes[0].source 5"],
            ),
            ("volumes: [/etc/localtime:/etc/localtime:ro]", &[]),
            ("volumes: [/etc/localtime:/etc/localtime]", &[MOUNT]),
            ("volumes: [/etc/timezone:/etc/timezone:ro]", &[]),
            ("volumes: [./data:/d, ./:/e, data:/f]\n---\nvolumes: {data: }\n", &[]),
            ("volumes: [/data/shop/x:/d]", &[]),
            ("volumes: [/data/shop:/d]", &[]),
            ("volumes: [/data/shopping:/d]", &[MOUNT]),
            ("volumes: [/d]\ntmpfs: [/t]", &[]),
            ("volumes: [./data:/d:rshared]", &[MOUNT]),
            ("volumes: [./data:/d:shared]", &[MOUNT]),
            ("volumes: [./data:/d:rslave]", &[]),
            (
                "volumes:\n- {type: bind, source: ./d, target: /d, bind: {propagation: rshared}}",
                &["host_binds services.web.volumes[0].source 5"],
            ),
            ("volumes_from: ['container:other']", &["host_binds services.web.volumes_from[0] 4"]),
            (
                "volumes_from: ['container:other:ro']",
                &["host_binds services.web.volumes_from[0] 4"],
            ),
        ],
    );
    for options in [
        "{type: none, o: bind, device: /etc}",
        "{device: /etc, o: bind, type: none}",
        "{type: none, o: \"ro,bind\", device: /etc}",
        "{type: none, o: rbind, device: /etc}",
        "{type: '', o: 'bind', device: /etc}",
        "{o: ' bind ', device: /etc/}",
        "{type: tmpfs, o: 'rw,bind', device: /etc/../etc}",
        "{type: none, device: /etc}",
        "{type: bind, device: /etc}",
        "{type: ext4, device: /dev/sda1}",
        "{type: overlay, o: 'lowerdir=/,upperdir=/tmp/u,workdir=/tmp/w', device: overlay}",
        "{type: nfs, o: 'addr=10.0.0.9,rw', device: ':/export'}",
        "{type: cifs, o: 'username=a,password=b', device: //nas/share}",
    ] {
        let text = format!("volumes: ['dd:/d']\n---\nvolumes:\n  dd: {{driver_opts: {options}}}\n");
        table("", &[(&text, &[DEVICE])]);
        let text = format!(
            "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {{driver: local, driver_opts: {options}, name: x}}\n"
        );
        table("", &[(&text, &[DEVICE])]);
        // Unused, it is never made.
        let text = format!("user: a\n---\nvolumes:\n  dd: {{driver_opts: {options}}}\n");
        table("", &[(&text, &[])]);
    }
    table(
        "",
        &[
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver: rclone}\n",
                &["host_binds volumes.dd.driver 6"],
            ),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver_opts: {type: tmpfs, device: tmpfs, o: size=1m}}\n",
                &[],
            ),
            ("volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver: local}\n", &[]),
            ("volumes: ['dd:/d']\n---\nvolumes:\n  dd: {external: true}\n", &[]),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver_opts: {type: none, o: bind, device: /}}\n",
                &[
                    "docker_socket volumes.dd.driver_opts.device 6",
                    "host_binds volumes.dd.driver_opts.device 6",
                ],
            ),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver_opts: {type: none, o: bind, device: /run/docker.sock}}\n",
                &["docker_socket volumes.dd.driver_opts.device 6"],
            ),
        ],
    );
    table(
        "  host_binds: [/srv/media, /mnt/]",
        &[
            ("volumes: [/srv/media:/m, /srv/media/x/y:/n, /mnt/z:/o]", &[]),
            ("volumes: [/srv/media2:/m]", &[MOUNT]),
            (
                "volumes: [/srv/mediathek:/m, /srv:/n]",
                &[
                    MOUNT,
                    "docker_socket services.web.volumes[1] 4",
                    "host_binds services.web.volumes[1] 4",
                ],
            ),
            ("volumes: [/srv/media/../../etc:/m]", &[MOUNT]),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {driver_opts: {o: bind, device: /srv/media/x}}\n",
                &[],
            ),
        ],
    );
    table("  host_binds: warn", &[("volumes: [/etc:/e]", &[])]);
}

#[test]
fn host_namespaces() {
    let at = |path: &str| format!("host_namespaces services.web.{path} 4");
    for (key, mode) in [
        ("network_mode", "host"),
        ("pid", "host"),
        ("ipc", "host"),
        ("uts", "host"),
        ("userns_mode", "host"),
        ("cgroup", "host"),
        ("network_mode", "container:other"),
        ("pid", "container:other"),
        ("ipc", "container:other"),
    ] {
        table("", &[(&format!("{key}: {mode}"), &[&at(key)])]);
        table("", &[(&format!("{key}: \"{mode}\""), &[&at(key)])]);
    }
    table(
        "",
        &[
            ("network_mode: none\nipc: private\ncgroup: private", &[]),
            ("network_mode: bridge\nipc: shareable", &[]),
            ("network_mode: service:db\npid: service:db\n---\n  db: {image: a:1}\n", &[]),
            (
                "network_mode: container:shop-db-1\n---\n  db: {image: a:1}\n",
                &["host_namespaces services.web.network_mode 4"],
            ),
            (
                "network_mode: service:db\n---\n  db:\n    image: a:1\n    network_mode: host\n",
                &[
                    "host_namespaces services.web.network_mode 4",
                    "host_namespaces services.db.network_mode 7",
                ],
            ),
            (
                "pid: service:db\n---\n  db:\n    image: a:1\n    pid: host\n",
                &["host_namespaces services.web.pid 4", "host_namespaces services.db.pid 7"],
            ),
            (
                "networks: [out]\n---\nnetworks:\n  out: {external: true, name: host}\n",
                &["host_namespaces networks.out.name 6"],
            ),
            (
                "networks: [host]\n---\nnetworks:\n  host:\n    external: true\n",
                &["host_namespaces networks.host 6"],
            ),
            (
                "networks: [out]\n---\nnetworks:\n  out: {driver: host}\n",
                &["host_namespaces networks.out 6"],
            ),
            ("networks: [out]\n---\nnetworks:\n  out: {external: true, name: proxy}\n", &[]),
            // It may call a service of its own like another's container.
            (
                "pid: container:traefik\n---\n  db: {image: a:1, container_name: traefik}\n",
                &["host_namespaces services.web.pid 4"],
            ),
        ],
    );
    table(
        "  host_namespaces: [network]",
        &[("network_mode: host", &[]), ("pid: host", &["host_namespaces services.web.pid 4"])],
    );
}

#[test]
fn volumes_from_a_service_asks_for_what_it_mounts() {
    let text = "volumes_from: [proxy]\n---\n  proxy:\n    image: a:1\n    volumes: [/run/docker.sock:/s]\n";
    let both: &[&str] = &[
        "docker_socket services.web.volumes_from[0] 4",
        "docker_socket services.proxy.volumes[0] 7",
    ];
    table("", &[(text, both)]);
    let far = "volumes_from: [one]\n---\n  one: {image: a:1, volumes_from: [two]}\n  two:\n    image: a:1\n    volumes: [/etc:/e]\n";
    let all: &[&str] = &[
        "host_binds services.web.volumes_from[0] 4",
        "host_binds services.one.volumes_from[0] 5",
        "host_binds services.two.volumes[0] 8",
    ];
    table("", &[(far, all)]);
    let disguised = "volumes_from: [db]\n---\n  db: {image: a:1, volumes: ['dd:/d']}\nvolumes:\n  dd: {driver_opts: {o: bind, device: /etc}}\n";
    let device = "host_binds volumes.dd.driver_opts.device 7";
    table("", &[(disguised, &[device, device])]);
    let own = "volumes_from: [db]\n---\n  db: {image: a:1, volumes: ['dd:/d', './e:/e']}\nvolumes: {dd: }\n";
    table("", &[(own, &[])]);
}

#[test]
fn cap_add() {
    table(
        "",
        &[
            ("cap_add: [SYS_ADMIN]", &["cap_add services.web.cap_add[0] 4"]),
            ("cap_add: [cap_sys_admin]", &["cap_add services.web.cap_add[0] 4"]),
            ("cap_add:\n- NET_BIND_SERVICE\n- Net_Admin", &["cap_add services.web.cap_add[1] 6"]),
            ("cap_add: [ALL]", &["cap_add services.web.cap_add[0] 4"]),
            ("cap_add: [CHOWN, NET_RAW, CAP_SETUID, mknod]", &[]),
            ("cap_drop: [ALL]", &[]),
            (
                "cap_add: [SYS_PTRACE, SYS_ADMIN]",
                &["cap_add services.web.cap_add[0] 4", "cap_add services.web.cap_add[1] 4"],
            ),
        ],
    );
    table(
        "  cap_add: [net_admin, CAP_SYS_TIME]",
        &[
            ("cap_add: [NET_ADMIN, SYS_TIME]", &[]),
            ("cap_add: [SYS_MODULE]", &["cap_add services.web.cap_add[0] 4"]),
        ],
    );
    table("  cap_add: {level: warn, allow: [SYS_TIME]}", &[("cap_add: [ALL]", &[])]);
}

#[test]
fn devices() {
    table(
        "",
        &[
            ("devices: [/dev/sda]", &["devices services.web.devices[0] 4"]),
            ("devices: [\"/dev/sda:/dev/xvdc:r\"]", &["devices services.web.devices[0] 4"]),
            (
                "devices:\n- source: /dev/kvm\n  target: /dev/kvm",
                &["devices services.web.devices[0] 5"],
            ),
            ("devices: [/dev/../dev/mem]", &["devices services.web.devices[0] 4"]),
            ("devices: [/dev/null, /dev/zero]", &[]),
            ("devices: [vendor.com/gpu=all]", &["devices services.web.devices[0] 4"]),
            ("gpus: all", &["devices services.web.gpus 4"]),
            ("gpus: [{count: 1}]", &["devices services.web.gpus 4"]),
            (
                "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
                &["devices services.web.deploy.resources.reservations.devices 4"],
            ),
            (
                "device_cgroup_rules: ['b 8:* rmw']",
                &["devices services.web.device_cgroup_rules[0] 4"],
            ),
            (
                "device_cgroup_rules: ['a *:* rwm']",
                &["devices services.web.device_cgroup_rules[0] 4"],
            ),
        ],
    );
    table(
        "  devices: [/dev/ttyUSB0, gpu]",
        &[
            ("devices: [/dev/ttyUSB0]\ngpus: all", &[]),
            ("devices: [/dev/ttyUSB1]", &["devices services.web.devices[0] 4"]),
            ("devices: [/dev/ttyUSB0/../sda]", &["devices services.web.devices[0] 4"]),
        ],
    );
}

#[test]
fn security_opt() {
    const FIRST: &[&str] = &["security_opt services.web.security_opt[0] 4"];
    table(
        "",
        &[
            ("security_opt: [\"seccomp:unconfined\"]", FIRST),
            ("security_opt: [seccomp=unconfined]", FIRST),
            ("security_opt: [\"apparmor:unconfined\"]", FIRST),
            ("security_opt: [apparmor=mine]", FIRST),
            ("security_opt: [\"label:disable\"]", FIRST),
            ("security_opt: [\"label=type:spc_t\"]", FIRST),
            ("security_opt: [systempaths=unconfined]", FIRST),
            ("security_opt: [writable-cgroups=true]", FIRST),
            ("security_opt: [seccomp=builtin, apparmor=docker-default]", &[]),
            ("security_opt: [\"no-new-privileges:true\"]", &[]),
            ("security_opt: [\"no-new-privileges:false\"]", &[]),
        ],
    );
    let mut world = World::shop(&manifest("security_opt: [\"seccomp:./open.json\"]"))
        .with_file("shop/open.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
    check(&mut world, "", FIRST, "a profile of git's");
}

#[test]
fn runtime_and_control_groups() {
    table(
        "",
        &[
            ("runtime: kata", &["runtime services.web.runtime 4"]),
            ("runtime: runc", &[]),
            ("runtime: io.containerd.runc.v2", &[]),
            (
                "annotations: {run.oci.hooks.stdout: /etc/x}",
                &["runtime services.web.annotations.\"run.oci.hooks.stdout\" 4"],
            ),
            ("annotations: [a=b]", &["runtime services.web.annotations[0] 4"]),
            ("annotations: {org.opencontainers.image.title: web}", &[]),
            ("cgroup_parent: system.slice", &["cgroup_parent services.web.cgroup_parent 4"]),
            ("cgroup_parent: ''", &[]),
        ],
    );
    table("  runtime: [runsc]", &[("runtime: runsc", &[])]);
}

#[test]
fn networks() {
    let out = |lines: &str| format!("networks: [out]\n---\nnetworks:\n  out:\n{lines}");
    for (lines, expected) in [
        (
            "    driver: macvlan\n    driver_opts: {parent: eth0}\n",
            vec!["networks networks.out.driver 7", "networks networks.out.driver_opts 8"],
        ),
        ("    driver: ipvlan\n", vec!["networks networks.out.driver 7"]),
        ("    driver: bridge\n", vec![]),
        (
            "    driver_opts: {com.docker.network.bridge.name: br-lan}\n",
            vec!["networks networks.out.driver_opts 7"],
        ),
        ("    driver_opts: {com.docker.network.driver.mtu: 1400}\n", vec![]),
        (
            "    ipam: {config: [{subnet: 169.254.169.0/24}]}\n",
            vec!["networks networks.out.ipam 7"],
        ),
        ("    ipam: {config: [{subnet: 8.8.8.0/24}]}\n", vec!["networks networks.out.ipam 7"]),
        ("    ipam: {config: [{subnet: 10.9.0.0/16}, {subnet: 172.30.0.0/16}]}\n", vec![]),
        ("    ipam: {config: [{subnet: 192.168.9.0/24}]}\n    internal: true\n", vec![]),
        ("    ipam: {driver: mine}\n", vec!["networks networks.out.ipam 7"]),
    ] {
        table("", &[(&out(lines), &expected)]);
    }
}

#[test]
fn ports() {
    const FIRST: &[&str] = &["ports services.web.ports[0] 4"];
    table("", &[("ports: ['80:80', '22:22']", &[])]);
    table(
        "  ports: deny",
        &[
            ("ports: ['80:8080']", FIRST),
            ("ports: ['127.0.0.1:53:53/udp']", FIRST),
            ("ports: ['8080:80', '80', '0:90']", &[]),
            ("ports:\n- {target: 80, published: 443}", &["ports services.web.ports[0] 5"]),
            ("ports: ['1000-1030:80']", FIRST),
        ],
    );
    table(
        "  ports: [443, 8000-8010, '127.0.0.1:*']",
        &[
            ("ports: ['443:1', '8001:1', '127.0.0.1:22:22']", &[]),
            ("ports: ['127.0.0.2:443:1']", FIRST),
            ("ports: ['9000:9']", FIRST),
            ("ports: ['80']", FIRST),
            ("ports: ['8005-8011:8']", FIRST),
        ],
    );
}

#[test]
fn extra_hosts() {
    const FIRST: &[&str] = &["extra_hosts services.web.extra_hosts[0] 4"];
    table(
        "",
        &[
            ("extra_hosts: ['meta:169.254.169.254']", FIRST),
            ("extra_hosts: ['meta=169.254.170.2']", FIRST),
            ("extra_hosts: ['meta=[fd00:ec2::254]']", FIRST),
            ("extra_hosts: ['meta=::ffff:169.254.169.254']", FIRST),
            (
                "extra_hosts:\n  meta: 100.100.100.200",
                &["extra_hosts services.web.extra_hosts.meta 5"],
            ),
            ("extra_hosts: ['nas=10.0.0.9', 'host=host-gateway']", &[]),
            (
                "x-evenkeel: {probe: {http: 'http://169.254.169.254/latest'}}",
                &["extra_hosts services.web.x-evenkeel.probe.http 4"],
            ),
            (
                "x-evenkeel:\n  probe: {tcp: 'db.example.org:5432'}",
                &["extra_hosts services.web.x-evenkeel.probe.tcp 5"],
            ),
            ("x-evenkeel: {probe: {http: ':8000/health'}}", &[]),
            ("x-evenkeel: {probe: {http: 'http://127.0.0.1:8000/health'}}", &[]),
        ],
    );
}

#[test]
fn what_only_a_strict_host_asks() {
    table(
        "  sysctls: deny\n  logging: deny\n  external: deny",
        &[
            (
                "sysctls: {net.core.somaxconn: 1024}",
                &["sysctls services.web.sysctls.\"net.core.somaxconn\" 4"],
            ),
            ("sysctls: [net.ipv4.tcp_syncookies=0]", &["sysctls services.web.sysctls[0] 4"]),
            (
                "networks: {default: {driver_opts: {com.docker.network.endpoint.sysctls: 'net.ipv4.conf.IFNAME.log_martians=1'}}}",
                &["sysctls services.web.networks 4"],
            ),
            ("logging: {driver: syslog}", &["logging services.web.logging.driver 4"]),
            ("logging: {driver: local, options: {max-size: 1m}}", &[]),
            (
                "logging: {driver: fluentd, options: {fluentd-address: 'unix:///run/docker.sock'}}",
                &[
                    "logging services.web.logging.driver 4",
                    "docker_socket services.web.logging.options 4",
                ],
            ),
            (
                "logging:\n  options: {syslog-address: 'unixgram:///dev/log'}\n  driver: syslog",
                &[
                    "host_binds services.web.logging.options 5",
                    "logging services.web.logging.driver 6",
                ],
            ),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {external: true}\n",
                &["external volumes.dd 6"],
            ),
            (
                "volumes: ['dd:/d']\n---\nvolumes:\n  dd: {name: blog_db}\n",
                &["external volumes.dd.name 6"],
            ),
            ("volumes: ['dd:/d']\n---\nvolumes:\n  dd: {name: shop_dd}\n", &[]),
            (
                "networks: [out]\n---\nnetworks:\n  out: {external: true}\n",
                &["external networks.out 6"],
            ),
        ],
    );
    table(
        "  sysctls: [net.core.*]",
        &[
            ("sysctls: {net.core.somaxconn: 1024}", &[]),
            ("sysctls: {kernel.msgmax: 1}", &["sysctls services.web.sysctls.\"kernel.msgmax\" 4"]),
        ],
    );
}

#[test]
fn images() {
    let digest = format!("a@sha256:{}", "0".repeat(64));
    let image = |image: &str| format!("services:\n  web:\n    image: {image}\n");
    let check = |rules: &str, written: &str, expected: &[&str]| {
        check(&mut World::shop(&image(written)), rules, expected, written);
    };
    check("  latest: deny", "a", &["latest services.web.image 3"]);
    check("  latest: deny", "a:latest", &["latest services.web.image 3"]);
    check("  latest: deny", "a:1", &[]);
    check("  latest: deny", &digest, &[]);
    check("", "a", &[]);
    check("  digest: required", "a:1", &["digest services.web.image 3"]);
    check("  digest: required", &digest, &[]);
    let registries = "  registries: [ghcr.io/acme/*, docker.io/library/**, 'registry.lan:5000/**']";
    for fine in ["ghcr.io/acme/api:1", "nginx:1", "docker.io/nginx:1", "registry.lan:5000/a/b:1"] {
        check(registries, fine, &[]);
    }
    for refused in ["ghcr.io/evil/api:1", "ghcr.io/acme/a/b:1", "acme/nginx:1", "quay.io/x:1"] {
        check(registries, refused, &["registries services.web.image 3"]);
    }
    let mounted = format!("volumes: [{{type: image, source: 'quay.io/{digest}', target: /i}}]");
    let mut world = World::shop(&manifest(&mounted));
    super::check(
        &mut world,
        "  registries: [docker.io/**]",
        &["registries services.web.volumes[0].source 4"],
        "an image that is mounted",
    );
}

#[test]
fn health_and_limits() {
    table(
        "  healthcheck: required",
        &[
            ("user: a", &["healthcheck services.web 2"]),
            ("healthcheck: {disable: true}", &["healthcheck services.web.healthcheck 4"]),
            ("healthcheck: {test: [CMD, a]}", &[]),
            (
                "healthcheck: {test: [CMD, a]}\ndepends_on: {job: {condition: service_completed_successfully}}\n---\n  job: {image: a:1}\n",
                &[],
            ),
        ],
    );
    table(
        "  limits: required",
        &[
            ("cpus: 1", &["limits services.web 2"]),
            ("mem_limit: 64m", &[]),
            ("deploy: {resources: {limits: {memory: 64m}}}", &[]),
            (
                "deploy: {resources: {limits: {cpus: '1'}}}",
                &["limits services.web.deploy.resources.limits 4"],
            ),
        ],
    );
}

#[test]
fn env_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.env");
    std::fs::write(&file, "A=b\n").unwrap();
    let file = file.display();
    for (text, expected) in [
        (format!("env_file: {file}"), "env_files services.web.env_file 4"),
        (
            format!("env_file: [{{path: {file}, required: false}}]"),
            "env_files services.web.env_file[0].path 4",
        ),
        (format!("label_file: [{file}]"), "env_files services.web.label_file[0] 4"),
        (
            format!("secrets: [s]\n---\nsecrets:\n  s: {{file: {file}}}\n"),
            "env_files secrets.s.file 6",
        ),
        (
            format!("configs: [s]\n---\nconfigs:\n  s:\n    file: {file}\n"),
            "env_files configs.s.file 7",
        ),
        (
            "env_file: [{path: ~/x.env, required: false}]".to_owned(),
            "env_files services.web.env_file[0].path 4",
        ),
    ] {
        table("", &[(&text, &[expected])]);
        let rules = format!("  env_files: [{}, /home]", dir.path().display());
        table(&rules, &[(&text, &[])]);
    }
    let mut world =
        World::shop(&manifest("env_file: [a.env]")).with_server_file("shop/a.env", "A=b");
    check(&mut world, "", &[], "the stack's own");
    let absolute = world.env_dir.path().join("shop/a.env").display().to_string();
    world = world.with_file("shop/compose.yaml", &manifest(&format!("env_file: [{absolute}]")));
    check(&mut world, "", &[], "the stack's own by its absolute path");
    let others = world.env_dir.path().join("blog/a.env").display().to_string();
    world = world.with_server_file("blog/a.env", "A=b");
    world = world.with_file("shop/compose.yaml", &manifest(&format!("env_file: [{others}]")));
    check(&mut world, "", &["env_files services.web.env_file[0] 4"], "another stack's");
}
