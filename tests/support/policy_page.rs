//! The tables of `docs/policy.md`: each rule with what the presets make of it, and with an example that it is against.

use std::fmt::Write as _;

use evenkeel::policy::{Preset, Rule};

/// Of each rule something that `strict` denies: keys of a service, or `volumes` and `networks` at the top.
const EXAMPLES: &[(Rule, &str)] = &[
    (Rule::Privileged, "privileged: true"),
    (Rule::DockerSocket, "volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']"),
    (Rule::HostBinds, "volumes: ['/srv/media:/media']"),
    (Rule::HostBinds, "volumes: {all: {driver_opts: {type: none, o: bind, device: /srv}}}"),
    (Rule::HostNamespaces, "network_mode: host"),
    (Rule::HostNamespaces, "pid: 'container:other'"),
    (Rule::CapAdd, "cap_add: [SYS_ADMIN]"),
    (Rule::Devices, "devices: ['/dev/sda:/dev/sda']"),
    (Rule::SecurityOpt, "security_opt: ['seccomp=unconfined']"),
    (Rule::Runtime, "runtime: kata"),
    (Rule::CgroupParent, "cgroup_parent: system.slice"),
    (Rule::Networks, "networks: {lan: {driver: macvlan}}"),
    (Rule::ExtraHosts, "extra_hosts: ['cloud:169.254.169.254']"),
    (Rule::EnvFiles, "env_file: [/etc/environment]"),
    (Rule::Latest, "image: acme/web"),
    (Rule::LiteralSecrets, "environment: {DB_PASSWORD: hunter2}"),
    (Rule::Sysctls, "sysctls: {net.core.somaxconn: 1024}"),
    (Rule::Ports, "ports: ['443:8443']"),
    (Rule::Logging, "logging: {driver: syslog}"),
    (Rule::External, "volumes: {data: {external: true}}"),
    (Rule::Registries, "image: docker.io/someone/web:1.4.2"),
    (Rule::Digest, "image: acme/web:1.4.2"),
    (Rule::Healthcheck, "healthcheck: {disable: true}"),
    (Rule::Limits, "mem_limit: 0"),
];

/// A service that `strict` has nothing against where [`STRICT`] is written.
const STRICT: &str = "policy: {preset: strict, registries: [docker.io/acme/*]}\n";
const GOOD: [(&str, &str); 3] = [
    (
        "image",
        "acme/web:1.4.2@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    ("healthcheck", "{test: [CMD, 'true']}"),
    ("mem_limit", "64m"),
];

/// Both tables.
pub fn tables() -> String {
    let mut text = "\n| rule | `open` | `standard` | `strict` |\n|---|---|---|---|\n".to_owned();
    for rule in Rule::ALL {
        let levels = Preset::ALL.map(|preset| rule.level(preset).word());
        writeln!(text, "| `{}` | {} |", rule.word(), levels.join(" | ")).unwrap();
    }
    text += "\n| rule | for instance | what could come of it |\n|---|---|---|\n";
    for rule in Rule::ALL {
        let of_it = EXAMPLES.iter().filter(|(about, _)| about == rule);
        let examples: Vec<String> = of_it.map(|(_, example)| format!("`{example}`")).collect();
        assert!(!examples.is_empty(), "there is no example of `{}`", rule.word());
        let (word, risk) = (rule.word(), rule.risk());
        writeln!(text, "| `{word}` | {} | {risk} |", examples.join(", ")).unwrap();
    }
    text + "\n"
}

/// A manifest with `example` in it and all else as it should be.
fn manifest(example: &str) -> String {
    let (key, value) = example.split_once(": ").unwrap();
    let top = ["volumes", "networks"].contains(&key) && value.starts_with('{');
    let name = value.trim_start_matches('{').split(':').next().unwrap_or_default();
    let line = match (top, key) {
        (false, _) => example.to_owned(),
        (true, "volumes") => format!("volumes: ['{name}:/data']"),
        (true, _) => format!("networks: [{name}]"),
    };
    let rest = GOOD.iter().filter(|(good, _)| top || *good != key);
    let rest: String = rest.map(|(key, value)| format!("    {key}: {value}\n")).collect();
    let top = if top { format!("{example}\n") } else { String::new() };
    format!("services:\n  web:\n    {line}\n{rest}{top}")
}

/// The rules that are against a manifest, as `validate --policy` says.
fn against(manifest: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("compose.yaml"), format!("name: shop\n{manifest}")).unwrap();
    std::fs::write(at("policy.yaml"), STRICT).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("validate").arg(at("compose.yaml")).arg("--policy").arg(at("policy.yaml"));
    let output = command.args(["--output", "json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{manifest}\n{}", String::from_utf8_lossy(&output.stderr)));
    let problems = report["stacks"][0]["problems"].as_array().unwrap();
    let rule = |problem: &serde_json::Value| {
        problem["rule"].as_str().unwrap_or_else(|| panic!("{manifest}\n{problem:#}")).to_owned()
    };
    problems.iter().map(rule).collect()
}

#[test]
fn every_example_of_a_rule_is_refused_by_it() {
    let nothing = manifest("restart: always");
    assert_eq!(against(&nothing), Vec::<String>::new(), "{nothing}");
    for (rule, example) in EXAMPLES {
        let rules = against(&manifest(example));
        assert!(rules.iter().any(|found| found == rule.word()), "{example}: {rules:?}");
        // A moved tag is a matter of both.
        let others = rules.iter().filter(|found| *found != rule.word() && *found != "digest");
        assert_eq!(others.count(), 0, "{example}: {rules:?}");
    }
}
