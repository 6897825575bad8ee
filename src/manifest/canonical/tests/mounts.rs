//! What a container sees of the host.

use serde_json::json;

use super::{check, wrong};

#[test]
fn a_short_volume_is_a_bind_mount_where_its_source_is_a_path() {
    check(
        "volumes: ['./a/:/a/../b:ro,z', 'data:/d:nocopy', '/anonymous', '~/h:/h:rslave']",
        json!({"volumes": [
            {"type": "bind", "source": "/wd/shop/a", "target": "/b", "read_only": true,
             "bind": {"create_host_path": true, "selinux": "z"}},
            {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": true}},
            {"type": "volume", "target": "/anonymous", "volume": {}},
            {"type": "bind", "source": "/home/keel/h", "target": "/h",
             "bind": {"propagation": "rslave", "create_host_path": true}},
        ]}),
    );
}

#[test]
fn a_long_volume_gets_no_more_than_it_has() {
    check(
        "volumes:\n\
         - {type: bind, source: ../a, target: /a}\n\
         - {type: bind, source: /b, target: /b, bind: {propagation: shared}}\n\
         - {type: bind, source: /c, target: /c, bind: {create_host_path: false}}\n\
         - {type: volume, source: data, target: /d, read_only: 'true'}\n\
         - {type: tmpfs, target: /e, tmpfs: {size: 1m, mode: 01777}}",
        json!({"volumes": [
            {"type": "bind", "source": "/wd/a", "target": "/a"},
            {"type": "bind", "source": "/b", "target": "/b",
             "bind": {"propagation": "shared", "create_host_path": true}},
            {"type": "bind", "source": "/c", "target": "/c", "bind": {"create_host_path": false}},
            {"type": "volume", "source": "data", "target": "/d", "read_only": true},
            {"type": "tmpfs", "target": "/e", "tmpfs": {"size": "1048576", "mode": 1023}},
        ]}),
    );
}

#[test]
fn of_two_mounts_at_one_path_the_later_one_counts() {
    check(
        "volumes: ['/a:/x', '/b:/y', '/c:/x']",
        json!({"volumes": [
            {"type": "bind", "source": "/c", "target": "/x", "bind": {"create_host_path": true}},
            {"type": "bind", "source": "/b", "target": "/y", "bind": {"create_host_path": true}},
        ]}),
    );
}

#[test]
fn a_secret_lies_where_secrets_lie() {
    check("secrets: [key]", json!({"secrets": [{"source": "key", "target": "/run/secrets/key"}]}));
    check(
        "secrets: [{source: key, target: k, uid: '103', mode: 0440}]",
        json!({"secrets": [{"source": "key", "target": "k", "uid": "103", "mode": "0440"}]}),
    );
    check("configs: [rules]", json!({"configs": [{"source": "rules"}]}));
    wrong("secrets: [nobody]", "which is not declared");
}

#[test]
fn a_device_is_the_same_on_both_sides_unless_said_otherwise() {
    check(
        "devices: ['/dev/a', '/dev/b:/dev/c', '/dev/d:/dev/e:r', {source: /dev/f}]",
        json!({"devices": [
            {"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"},
            {"source": "/dev/b", "target": "/dev/c", "permissions": "rwm"},
            {"source": "/dev/d", "target": "/dev/e", "permissions": "r"},
            {"source": "/dev/f"},
        ]}),
    );
}

#[test]
fn a_single_entry_is_a_list_of_one() {
    check("tmpfs: /run\ndns: 1.1.1.1", json!({"tmpfs": ["/run"], "dns": ["1.1.1.1"]}));
    check("cap_add: []\ndns_search: []", json!({}));
}
