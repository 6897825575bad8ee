//! The top of the file: names, resources, profiles, and what git and the server add.

use serde_json::json;

use super::{ALL, Show, Stack, check, service};

#[test]
fn a_resource_is_called_after_the_stack_unless_it_is_external_or_named() {
    let document = Stack::new(
        "services: {a: {image: a, volumes: ['own:/1', 'named:/2', 'outer:/3', 'old:/4']}}\n\
         volumes: {own: , named: {name: n, labels: [a]}, outer: {external: true}, \
         old: {external: {name: before}}}",
    )
    .document(ALL);
    assert_eq!(
        document["volumes"],
        json!({
            "named": {"name": "n", "labels": {"a": ""}},
            "old": {"external": true, "name": "before"},
            "outer": {"external": true, "name": "outer"},
            "own": {"name": "shop_own"},
        })
    );
}

#[test]
fn what_nobody_uses_is_left_out() {
    let document = Stack::new(
        "services: {a: {image: a, networks: [front]}}\nnetworks: {front: , back: }\nvolumes: {data: }\n\
         secrets: {key: {file: ./key}}",
    )
    .document(ALL);
    assert_eq!(document["networks"], json!({"front": {"name": "shop_front", "ipam": {}}}));
    assert_eq!((document.get("volumes"), document.get("secrets")), (None, None));
}

#[test]
fn a_network_keeps_its_addresses() {
    let document = Stack::new(
        "services: {a: {image: a}}\nnetworks:\n  default:\n    internal: 'true'\n    enable_ipv6: false\n    \
         ipam: {driver: default, config: [{subnet: 10.0.0.0/24, aux_addresses: {h: 10.0.0.5}}]}\n    \
         driver_opts: {mtu: 1400}",
    )
    .document(ALL);
    assert_eq!(
        document["networks"]["default"],
        json!({
            "name": "shop_default", "internal": true, "enable_ipv6": false,
            "ipam": {"driver": "default", "config": [
                {"subnet": "10.0.0.0/24", "aux_addresses": {"h": "10.0.0.5"}},
            ]},
            "driver_opts": {"mtu": "1400"},
        })
    );
}

#[test]
fn secrets_and_configs_keep_where_they_come_from() {
    let document = Stack::new(
        "services: {a: {image: a, secrets: [file, env], configs: [text]}}\n\
         secrets: {file: {file: ./key}, env: {environment: KEY}}\nconfigs: {text: {content: \"a$$b\"}}",
    )
    .document(ALL);
    assert_eq!(
        document["secrets"],
        json!({
            "env": {"environment": "KEY", "name": "shop_env"},
            "file": {"file": "/wd/shop/key", "name": "shop_file"},
        })
    );
    assert_eq!(document["configs"]["text"]["content"], json!("a$$b"));
}

#[test]
fn a_service_whose_profile_is_not_active_is_left_out() {
    let mut stack = Stack::new("services: {a: {image: a}, b: {image: b, profiles: [debug]}}");
    assert_eq!(stack.document(ALL)["services"].get("b"), None);
    stack.profiles = vec!["debug".to_owned()];
    assert_eq!(stack.document(ALL)["services"]["b"]["profiles"], json!(["debug"]));
}

#[test]
fn a_name_without_a_value_takes_the_variables() {
    let mut stack = Stack::new("services: {a: {image: a, environment: [SET, UNSET, A=1]}}");
    stack.env = "SET=x";
    let environment = json!({"A": "1", "SET": "x", "UNSET": null});
    assert_eq!(stack.document(ALL)["services"]["a"]["environment"], environment);
}

#[test]
fn env_files_are_put_below_the_environment() {
    let stack = Stack::new(
        "services: {a: {image: a, env_file: [one.env, two.env, none.env], environment: {B: written}}}",
    );
    let stack = stack.with_file("shop/one.env", "A=1\nB=1\nC=1").with_file("shop/two.env", "C=2");
    let service = &stack.document(ALL)["services"]["a"];
    assert_eq!(service["environment"], json!({"A": "1", "B": "written", "C": "2"}));
    assert_eq!(service.get("env_file"), None);
    let remarks = stack.load().unwrap().remarks;
    assert!(remarks[0].text.contains("env file `none.env`"), "{remarks:?}");
    assert_eq!(remarks.len(), 1, "{remarks:?}");
}

#[test]
fn values_are_texts_as_compose_prints_them() {
    check(
        "environment: {A: 1, B: True, C: 1.50, D: 0550, E: , F: ''}\nlabels: {a: , b: yes}",
        json!({
            "environment": {"A": "1", "B": "true", "C": "1.5", "D": "360", "E": null, "F": ""},
            "labels": {"a": "", "b": "yes"},
        }),
    );
}

#[test]
fn the_stacks_name_is_a_variable_of_composes_too() {
    assert_eq!(service("hostname: $COMPOSE_PROJECT_NAME")["hostname"], json!("shop"));
}

#[test]
fn extensions_of_others_stay_at_the_top() {
    let document = Stack::new(
        "x-common: {a: 1, b: '1', c: [true, null, 0x10, 1.5], x-inner: \"$$\"}\n\
         services: {a: {image: a, x-mine: 1, labels: {x-kept: 1}}}\nversion: '3'",
    )
    .document(ALL);
    let common = json!({"a": 1, "b": "1", "c": [true, null, 16, 1.5], "x-inner": "$$"});
    assert_eq!(document["x-common"], common);
    assert_eq!(document["services"]["a"].get("x-mine"), None);
    assert_eq!(document["services"]["a"]["labels"], json!({"x-kept": "1"}));
    assert_eq!(document.get("version"), None);
}

#[test]
fn the_directory_of_a_bound_volume_is_absolute() {
    let device = |options: &str| {
        let stack = Stack::new(format!(
            "services: {{a: {{image: a, volumes: ['data:/a']}}}}\nvolumes: {{data: {options}}}"
        ));
        stack.document(ALL)["volumes"]["data"]["driver_opts"]["device"].take()
    };
    let bound = "driver_opts: {o: bind, type: none, device: ./data}";
    assert_eq!(device(&format!("{{driver: local, {bound}}}")), "/wd/shop/data");
    assert_eq!(device(&format!("{{{bound}}}")), "./data");
    assert_eq!(device("{driver: local, driver_opts: {o: 'bind,ro', device: ./data}}"), "./data");
}

#[test]
fn what_evenkeel_adds_is_shown_as_it_is_written() {
    let document = Stack::new(
        "services: {a: {image: 'a:1.4.2', x-evenkeel: {update: {semver: '~1.4', min_age: 3d, write_back: true}}}}\n\
         x-evenkeel: {window: 'Sat,Sun 02:00-05:00 Europe/Berlin'}",
    )
    .document(Show { extensions: true, ..ALL });
    assert_eq!(
        document["services"]["a"]["x-evenkeel"]["update"],
        json!({"semver": "~1.4", "min_age": "3d", "write_back": true})
    );
    assert_eq!(document["x-evenkeel"], json!({"window": "Sat,Sun 02:00-05:00 Europe/Berlin"}));
}
