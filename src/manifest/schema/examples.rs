//! What a value looks like, for editors and for messages: the one place where examples stand.

use serde_json::Value;

/// An example for a value; `*` is any name, `[]` an item. Shapes that occur in many places have theirs in
/// `shapes`.
const EXAMPLES: &[(&str, &str)] = &[
    ("name", r#""shop""#),
    ("services", r#"{"web": {"image": "nginx:1.27"}}"#),
    ("services.*", r#"{"image": "nginx:1.27"}"#),
    ("services.*.image", r#""nginx:1.27""#),
    ("services.*.platform", r#""linux/amd64""#),
    ("services.*.container_name", r#""shop-db""#),
    ("services.*.user", r#""1000:1000""#),
    ("services.*.working_dir", r#""/app""#),
    ("services.*.hostname", r#""web""#),
    ("services.*.stop_signal", r#""SIGINT""#),
    ("services.*.environment", r#"{"LOG_LEVEL": "info"}"#),
    ("services.*.env_file", r#"["api.env"]"#),
    ("services.*.env_file.[].path", r#""api.env""#),
    ("services.*.labels", r#"{"team": "shop"}"#),
    ("services.*.depends_on", r#"{"db": {"condition": "service_healthy"}}"#),
    ("services.*.depends_on.*", r#"{"condition": "service_healthy"}"#),
    ("services.*.profiles", r#"["debug"]"#),
    ("services.*.ports", r#"["8080:80"]"#),
    ("services.*.ports.[].target", "80"),
    ("services.*.ports.[].published", r#""8080""#),
    ("services.*.ports.[].host_ip", r#""127.0.0.1""#),
    ("services.*.ports.[].protocol", r#""udp""#),
    ("services.*.expose", r#"["8000"]"#),
    ("services.*.volumes", r#"["data:/var/lib/data"]"#),
    ("services.*.volumes.[].target", r#""/var/lib/data""#),
    ("services.*.volumes.[].bind", r#"{"create_host_path": false}"#),
    ("services.*.volumes.[].volume", r#"{"nocopy": true}"#),
    ("services.*.volumes.[].volume.subpath", r#""uploads""#),
    ("services.*.volumes.[].volume.labels", r#"{"backup": "daily"}"#),
    ("services.*.volumes.[].image", r#"{"subpath": "site"}"#),
    ("services.*.volumes.[].image.subpath", r#""site""#),
    ("services.*.volumes.[].tmpfs", r#"{"size": "16m"}"#),
    ("services.*.tmpfs", r#"["/run:size=16m"]"#),
    ("services.*.networks", r#"["back"]"#),
    ("services.*.networks.*", r#"{"aliases": ["db"]}"#),
    ("services.*.networks.*.aliases", r#"["db"]"#),
    ("services.*.networks.*.ipv4_address", r#""172.28.0.10""#),
    ("services.*.networks.*.ipv6_address", r#""fd00::10""#),
    ("services.*.extra_hosts", r#"["host.docker.internal=host-gateway"]"#),
    ("services.*.secrets", r#"["db_password"]"#),
    ("services.*.configs", r#"[{"source": "site", "target": "/etc/site.conf"}]"#),
    ("services.*.cap_add", r#"["NET_ADMIN"]"#),
    ("services.*.cap_drop", r#"["ALL"]"#),
    ("services.*.group_add", r#"["audio"]"#),
    ("services.*.security_opt", r#"["no-new-privileges:true"]"#),
    ("services.*.domainname", r#""example.org""#),
    ("services.*.mac_address", r#""02:42:ac:11:00:02""#),
    ("services.*.dns", r#"["192.168.1.53"]"#),
    ("services.*.dns_opt", r#"["ndots:2"]"#),
    ("services.*.dns_search", r#"["example.org"]"#),
    ("services.*.sysctls", r#"{"net.core.somaxconn": 1024}"#),
    ("services.*.ulimits", r#"{"nofile": {"soft": 20000, "hard": 40000}}"#),
    ("services.*.shm_size", r#""256m""#),
    ("services.*.oom_score_adj", "-500"),
    ("services.*.devices", r#"["/dev/ttyUSB0"]"#),
    ("services.*.devices.[].source", r#""/dev/ttyUSB0""#),
    ("services.*.devices.[].target", r#""/dev/ttyUSB0""#),
    ("services.*.devices.[].permissions", r#""rw""#),
    ("services.*.device_cgroup_rules", r#"["c 188:* rmw"]"#),
    ("services.*.gpus", r#""all""#),
    ("services.*.gpus.[]", r#"{"driver": "nvidia", "count": 1}"#),
    ("services.*.gpus.[].device_ids", r#"["0"]"#),
    ("services.*.gpus.[].capabilities", r#"["utility"]"#),
    ("services.*.memswap_limit", r#""1g""#),
    ("services.*.mem_swappiness", "10"),
    ("services.*.cpu_shares", "512"),
    ("services.*.cpu_period", "100000"),
    ("services.*.cpu_quota", "50000"),
    ("services.*.cpu_rt_period", "1000000"),
    ("services.*.cpu_rt_runtime", "950000"),
    ("services.*.cpuset", r#""0-1""#),
    ("services.*.blkio_config", r#"{"weight": 300}"#),
    ("services.*.blkio_config.weight", "300"),
    ("services.*.blkio_config.weight_device", r#"[{"path": "/dev/sda", "weight": 300}]"#),
    ("services.*.blkio_config.device_read_bps", r#"[{"path": "/dev/sda", "rate": "10mb"}]"#),
    ("services.*.blkio_config.device_write_bps", r#"[{"path": "/dev/sda", "rate": "10mb"}]"#),
    ("services.*.blkio_config.device_read_iops", r#"[{"path": "/dev/sda", "rate": 500}]"#),
    ("services.*.blkio_config.device_write_iops", r#"[{"path": "/dev/sda", "rate": 500}]"#),
    ("services.*.runtime", r#""runc""#),
    ("services.*.cgroup_parent", r#""shop.slice""#),
    ("services.*.annotations", r#"{"io.example.team": "shop"}"#),
    ("services.*.storage_opt", r#"{"size": "10G"}"#),
    ("services.*.logging", r#"{"driver": "local", "options": {"max-size": "10m"}}"#),
    ("services.*.logging.options", r#"{"max-size": "10m"}"#),
    ("services.*.healthcheck", r#"{"test": ["CMD", "wget", "-qO-", "http://localhost:8000"]}"#),
    ("services.*.healthcheck.test", r#"["CMD", "wget", "-qO-", "http://localhost:8000"]"#),
    ("services.*.deploy", r#"{"replicas": 2}"#),
    ("services.*.deploy.resources", r#"{"limits": {"memory": "512m"}}"#),
    ("services.*.deploy.resources.limits", r#"{"memory": "512m"}"#),
    ("services.*.deploy.resources.reservations", r#"{"memory": "256m"}"#),
    (
        "services.*.deploy.resources.reservations.devices",
        r#"[{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]"#,
    ),
    ("services.*.deploy.resources.reservations.devices.[].capabilities", r#"["gpu"]"#),
    ("services.*.deploy.restart_policy", r#"{"condition": "on-failure"}"#),
    ("services.*.deploy.update_config", r#"{"monitor": "10s"}"#),
    ("services.*.deploy.update_config.max_failure_ratio", "0.5"),
    ("services.*.deploy.rollback_config", r#"{"order": "start-first"}"#),
    ("services.*.deploy.rollback_config.max_failure_ratio", "0.5"),
    ("services.*.x-evenkeel", r#"{"keep": 3}"#),
    ("services.*.x-evenkeel.rollout", r#"{"stable": "10s"}"#),
    ("services.*.x-evenkeel.probe", r#"{"http": ":8000/health"}"#),
    ("services.*.x-evenkeel.probe.http", r#"":8000/health""#),
    ("services.*.x-evenkeel.probe.tcp", r#"":5432""#),
    ("services.*.x-evenkeel.probe.expect", r#"{"json": {"version": "${IMAGE_TAG}"}}"#),
    ("services.*.x-evenkeel.probe.expect.status", "200"),
    ("services.*.x-evenkeel.probe.expect.json", r#"{"version": "${IMAGE_TAG}"}"#),
    ("services.*.x-evenkeel.probe.expect.body", r#""version=${IMAGE_TAG}""#),
    ("services.*.x-evenkeel.update", r#"{"semver": "~1.4", "min_age": "1d"}"#),
    ("services.*.x-evenkeel.update.semver", r#""~1.4""#),
    ("services.*.x-evenkeel.update.match", r#""v(?<version>\\d+\\.\\d+)-alpine""#),
    ("services.*.x-evenkeel.stamp", r#"{"RELEASE": "commit"}"#),
    ("services.*.x-evenkeel.stamp.*", r#""commit""#),
    ("networks", r#"{"back": {"internal": true}}"#),
    ("networks.*", r#"{"internal": true}"#),
    ("networks.*.ipam", r#"{"config": [{"subnet": "172.28.0.0/16"}]}"#),
    ("networks.*.ipam.config", r#"[{"subnet": "172.28.0.0/16"}]"#),
    ("networks.*.ipam.config.[].subnet", r#""172.28.0.0/16""#),
    ("volumes", r#"{"data": {"labels": {"backup": "daily"}}}"#),
    ("volumes.*", r#"{"labels": {"backup": "daily"}}"#),
    ("secrets", r#"{"db_password": {"file": "db_password.txt"}}"#),
    ("secrets.*", r#"{"file": "db_password.txt"}"#),
    ("configs", r#"{"site": {"file": "site.conf"}}"#),
    ("configs.*", r#"{"file": "site.conf"}"#),
    ("x-evenkeel", r#"{"after": ["networking"]}"#),
    ("x-evenkeel.after", r#"["networking"]"#),
    ("x-evenkeel.hosts", r#"["web-*"]"#),
    ("x-evenkeel.rollout", r#"{"atomic": true}"#),
    ("x-evenkeel.suspend", "true"),
    ("x-evenkeel.suspend.until", r#""2026-03-01""#),
    ("x-evenkeel.suspend.reason", r#""moving the database""#),
];

/// Puts every example into `schema`.
pub fn add(schema: &mut Value) {
    for (level, example) in EXAMPLES {
        let shape = level.split('.').try_fold(&mut *schema, |shape, step| match step {
            "*" => shape.get_mut("additionalProperties"),
            "[]" => shape.get_mut("items"),
            key => field(shape, key),
        });
        if let (Some(shape), Ok(example)) = (shape, serde_json::from_str(example)) {
            shape["examples"] = Value::Array(vec![example]);
        }
    }
}

/// The field `key` of a mapping, or of what may stand in its place.
fn field<'s>(shape: &'s mut Value, key: &str) -> Option<&'s mut Value> {
    if shape.get("properties").is_some() {
        return shape.get_mut("properties")?.get_mut(key);
    }
    shape.get_mut("anyOf")?.as_array_mut()?.iter_mut().find_map(|shape| field(shape, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_stands_at_a_value_that_the_schema_has() {
        let schema = crate::manifest::schema();
        let mut count = 0_usize;
        crate::manifest::schema::tests::visit(&schema, &mut |shape| {
            if shape.get("examples").is_some_and(Value::is_array) {
                count += 1;
            }
        });
        let shared = schema["$defs"].as_object().unwrap().values();
        let shared = shared.filter(|shape| shape.get("examples").is_some()).count();
        assert_eq!(count - shared, EXAMPLES.len());
    }
}
