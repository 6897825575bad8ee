//! `evenkeel validate`, as people and CI run it: offline, on a tree or a single file.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run is a failed test")]

use std::process::Command;

/// A repository of these files, in a directory called `infra`.
struct Repository(tempfile::TempDir);

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(repository.root().join(".git")).unwrap();
        for (path, text) in files {
            let path = repository.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        repository
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("infra")
    }

    /// Runs `validate` in `directory`.
    fn validate(&self, directory: &str, words: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("validate").args(words).current_dir(self.root().join(directory));
        let output = command.output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const SHOP: &str = "\
services:
  api:
    image: acme/api:1.4.2
    ports: ['8080:8000']
    healthcheck: {test: [CMD, 'true']}
    depends_on: {migrate: {condition: service_completed_successfully}}
    deploy: {replicas: 1, update_config: {failure_action: pause}}
  db:
    image: postgres:17
    volumes: ['data:/var/lib/postgresql/data:fast']
    healthcheck: {disable: true}
  migrate: {image: 'acme/migrate:1.4.2', restart: 'no'}
  worker:
    image: acme/api:1.4.2
    deploy: {replicas: 3, placement: {constraints: [node.role == worker]}}
    x-evenkeel: {rollout: {deadline: 90s, stable: 30s}}
volumes: {data: }
";

const BROKEN: &str = "\
services:
  web:
    image: a
    ports: ['x:80']
    healthcheck: {intervall: 5s}
";

#[test]
fn each_service_tells_how_a_change_is_rolled_out() {
    let repository = Repository::new(&[("hosts/web-1/shop/compose.yaml", SHOP)]);
    let run = repository.validate("", &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    insta::assert_snapshot!(run.stdout, @r"
    shop  hosts/web-1/shop/compose.yaml
      migrate  a job: has to end with 0
      api      stop-first (host port 8080), healthy within 5m, then watched 10s, a failure leaves it half-way
      db       stop-first (writable /var/lib/postgresql/data), running 10s within 5m, then watched 10s
      worker   3 replicas, 1 at a time, stop-first (the default), healthy (without a health check: running 30s) within 1m 30s, then watched 10s
    note: db: an option of this volume is unknown and has no effect
      --> hosts/web-1/shop/compose.yaml:10:15
    note: worker: `placement` has no effect outside a Swarm
      --> hosts/web-1/shop/compose.yaml:15:38

    valid: 1 stack, 4 services, 2 notes
    ");
}

#[test]
fn each_service_tells_what_it_follows() {
    let image = |name: &str, more: &str| format!("  {name}: {{image: 'acme/api:1.4.2', {more}}}\n");
    let shop = [
        "services:\n".to_owned(),
        image("a", "x-evenkeel: {update: {semver: '~1.4', allow: patch}}"),
        image("b", "pull_policy: daily"),
        image("c", "pull_policy: always, x-evenkeel: {update: {semver: '~1.4'}}"),
        image("d", "x-evenkeel: {update: {semver: '${RANGE}'}}"),
        image("e", ""),
    ];
    let repository =
        Repository::new(&[("shop/compose.yaml", &shop.concat()), ("server.env", "RANGE=~1.4\n")]);
    let run = repository.validate("", &["--env", "server.env", "--output", "json"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let rollouts = report["stacks"][0]["rollouts"].as_array().unwrap();
    let follows: Vec<Option<&str>> =
        rollouts.iter().map(|rollout| rollout["follows"].as_str()).collect();
    assert_eq!(
        follows,
        [
            Some("tags in the range `~1.4`, patches only"),
            Some("what 1.4.2 is now"),
            Some("tags in the range `~1.4`, and what its tag is now"),
            Some("newer tags"),
            None,
        ]
    );
    assert!(repository.validate("", &[]).stdout.contains(", follows what 1.4.2 is now\n"));
}

#[test]
fn problems_show_line_path_and_next_move_and_name_files_from_where_one_stands() {
    let repository =
        Repository::new(&[("hosts/web-1/shop/compose.yaml", SHOP), ("web/compose.yaml", BROKEN)]);
    let run = repository.validate("hosts/web-1", &["../../web"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stdout, @r#"
    web  ../../web/compose.yaml  2 problems
    error: `x` is no port (1 to 65535)
      --> ../../web/compose.yaml:4:13 (services.web.ports[0])
      |
    4 |     ports: ['x:80']
      |             ^
    hint: write it like `"8080:80"`

    error: unknown key `intervall`
      --> ../../web/compose.yaml:5:19 (services.web.healthcheck.intervall)
      |
    5 |     healthcheck: {intervall: 5s}
      |                   ^
    hint: did you mean `interval`?

    invalid: 2 problems, 1 of 1 stack cannot be used
    "#);
    assert!(repository.validate("web", &[]).stdout.contains("--> compose.yaml:4:13 ("));
}

#[test]
fn one_file_is_a_stack_of_its_own_and_a_manifest_comes_with_its_override() {
    let repository = Repository::new(&[
        ("shop/compose.yaml", "services: {web: {image: a}}\n"),
        ("shop/compose.override.yaml", "services: {debug: {image: b}}\n"),
        ("shop/compose.prod.yaml", "services: {web: {image: a, env_file: [../shared/a.env]}}\n"),
        ("shared/a.env", "A=1\n"),
    ]);
    let services = |path: &str| {
        let run = repository.validate("shop", &["--output", "json", path]);
        assert_eq!(run.code, 0, "{}", run.stdout);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        (report["stacks"][0]["services"].to_string(), report["stacks"][0]["files"].to_string())
    };
    let both = r#"["compose.yaml","compose.override.yaml"]"#.to_owned();
    assert_eq!(services("compose.yaml"), (r#"["web","debug"]"#.to_owned(), both.clone()));
    assert_eq!(services("compose.override.yaml").1, both);
    let alone = r#"["compose.prod.yaml"]"#.to_owned();
    assert_eq!(services("compose.prod.yaml"), (r#"["web"]"#.to_owned(), alone));
}

#[test]
fn json_tells_each_problem_by_place_path_and_code() {
    let repository = Repository::new(&[("web/compose.yaml", BROKEN)]);
    let run = repository.validate("", &["--output", "json"]);
    assert_eq!(run.code, 1);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&report["schema"], &report["valid"]),
        (&"evenkeel.validate/v1".into(), &false.into())
    );
    let problem = &report["stacks"][0]["problems"][0];
    assert_eq!(problem["file"], "web/compose.yaml");
    assert_eq!((&problem["line"], &problem["column"]), (&4.into(), &13.into()));
    assert_eq!(problem["path"], "services.web.ports[0]");
    assert_eq!(problem["code"], "wrong-value");
    assert_eq!(problem["message"], "`x` is no port (1 to 65535)");
    assert!(problem["hint"].is_string());
}

#[test]
fn values_come_from_the_env_file_that_is_named_and_are_not_shown() {
    let text = "services: {web: {image: 'a:${TAG}', ports: ['${PORT}:80']}}\n";
    let repository =
        Repository::new(&[("web/compose.yaml", text), ("../env", "TAG=1.2.3-hidden\nPORT=8080\n")]);
    let blank = repository.validate("", &["web"]);
    assert!(blank.stdout.contains("variable `TAG` is not set"), "{}", blank.stdout);
    let given = repository.validate("", &["web", "--env", "../env"]);
    assert_eq!(given.code, 0, "{}", given.stdout);
    assert!(given.stdout.contains("stop-first (host port)"), "{}", given.stdout);
    assert!(!given.stdout.contains("hidden") && !given.stdout.contains("8080"));
    let gone = repository.validate("", &["web", "--env", "nowhere"]);
    assert_eq!(gone.code, 1);
    assert!(gone.stdout.contains("hint: check `--env`"), "{}", gone.stdout);
}

#[test]
fn what_is_not_there_is_told_with_a_hint() {
    let repository = Repository::new(&[("notes.txt", "nothing")]);
    let none = repository.validate("", &[]);
    assert_eq!(none.code, 1);
    assert!(none.stdout.contains("no stack below ."), "{}", none.stdout);
    let gone = repository.validate("", &["nowhere"]);
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("nowhere cannot be read"), "{}", gone.stderr);
}

const PLAIN: &str = "services:\n  web:\n    image: acme/web:1.4.2\n    volumes: ['/srv/media:/media:ro']\n    pid: host\n  db:\n    image: postgres:17\n    healthcheck: {disable: true}\n";

/// The rules that are against it, each with its line, and the exit code.
fn refused(repository: &Repository, policy: &str) -> (i32, Vec<String>) {
    std::fs::write(repository.root().join("policy.yaml"), policy).unwrap();
    let run = repository.validate("", &["--policy", "policy.yaml", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let problems = report["stacks"][0]["problems"].as_array().unwrap();
    let told = |it: &serde_json::Value| format!("{} {}", it["rule"].as_str().unwrap(), it["line"]);
    (run.code, problems.iter().map(told).collect())
}

#[test]
fn what_a_server_would_refuse_is_told_where_its_policy_is_given() {
    let repository = Repository::new(&[("hosts/web-1/shop/compose.yaml", PLAIN)]);
    assert_eq!(repository.validate("", &[]).code, 0, "nobody is asked");
    let check = |policy: &str, code: i32, expected: &[&str]| {
        let (ended, told) = refused(&repository, policy);
        assert_eq!(
            (ended, told),
            (code, expected.iter().map(|it| (*it).to_owned()).collect()),
            "{policy}"
        );
    };
    let both = ["host_binds 4", "host_namespaces 5"];
    check("policy: {}\n", 1, &both);
    check("policy: {host_binds: [/srv]}\n", 1, &both[1..]);
    let exception =
        "{stack: shop, service: web, rule: host_namespaces, reason: a, until: 2999-01-01}";
    check(&format!("policy: {{host_binds: [/srv], exceptions: [{exception}]}}\n"), 0, &[]);
    let over = exception.replace("2999", "1999");
    check(&format!("policy: {{host_binds: [/srv], exceptions: [{over}]}}\n"), 1, &both[1..]);
    check("policy: {preset: open}\n", 0, &[]);
    // A server's whole configuration; that one has no word on it means the default.
    let server = "host: web-1\nsources: [{repo: 'https://git.example.org/acme/infra.git'}]\n";
    check(server, 1, &both);
    check(
        &format!("{server}policy: {{preset: open, healthcheck: required}}\n"),
        1,
        &["healthcheck 2", "healthcheck 8"],
    );

    std::fs::write(repository.root().join("policy.yaml"), "policy: {}\n").unwrap();
    let text = repository.validate("hosts/web-1", &["--policy", "../../policy.yaml"]);
    assert_eq!(text.code, 1);
    for part in [
        "--> shop/compose.yaml:4:",
        "--> shop/compose.yaml:5:",
        "invalid: 2 problems, 1 of 1 stack cannot be used",
        "rule: host_binds, values: [/srv/media]",
        "rule: host_namespaces, values: [",
    ] {
        assert!(text.stdout.contains(part), "no `{part}` in\n{}", text.stdout);
    }
}

#[test]
fn a_policy_that_cannot_be_used_is_no_policy_at_all() {
    let repository = Repository::new(&[("shop/compose.yaml", PLAIN)]);
    let check = |policy: Option<&str>, part: &str| {
        let path = repository.root().join("policy.yaml");
        match policy {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let run = repository.validate("", &["--policy", "policy.yaml"]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{policy:?}\n{}", run.stderr);
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    };
    check(Some("policy: {privileged: maybe}\n"), "policy.yaml:1:");
    check(Some("policy:\n  privilegd: deny\n"), "did you mean `privileged`?");
    check(
        Some("policy:\n  exceptions: [{stack: a, rule: host_bind, reason: b}]\n"),
        "policy.yaml:2:",
    );
    check(Some("preset: strict\n"), "unknown key `preset`");
    check(Some(""), "there is no `policy` in this file");
    check(Some("env_dir: /srv/env\n"), "there is no `policy` in this file");
    check(None, "name a server's configuration, or a file with its `policy:`");
}

#[test]
fn what_doctor_prints_lets_all_of_a_host_through_however_much_that_asks_for() {
    const SERVICES: usize = 1_200;
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    let service = |number: usize| format!("  web{number}: {{image: 'acme/web:1', pid: host}}\n");
    let services: String = (0..SERVICES).map(service).collect();
    std::fs::create_dir_all(at("infra/shop")).unwrap();
    std::fs::write(at("infra/shop/compose.yaml"), format!("services:\n{services}")).unwrap();
    let directory = host.path().display();
    let config = format!(
        "sources: [{{repo: '{directory}/infra'}}]\nstate_dir: '{directory}/state'\n\
         data_dir: '{directory}/data'\nenv_dir: '{directory}/env'\n\
         docker: {{host: 'unix://{directory}/nobody.sock'}}\n"
    );
    std::fs::write(at("config.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let doctor = command.arg("--config").arg(at("config.yaml")).args(["doctor", "--policy"]);
    let doctor = doctor.output().unwrap();
    let printed = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stderr));
    assert_eq!(printed.matches("rule: host_namespaces").count(), SERVICES, "{printed}");
    let indented: String = printed.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(at("policy.yaml"), format!("policy:\n{indented}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let validate = command.arg("validate").arg(at("infra")).arg("--policy").arg(at("policy.yaml"));
    let validate = validate.output().unwrap();
    assert!(validate.status.success(), "{}", String::from_utf8_lossy(&validate.stdout));
}
