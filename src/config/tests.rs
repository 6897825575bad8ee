//! What the configuration file means, key by key, and what is said when it is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::notify::{Tls, Way};
use super::*;
use crate::model::Event;
use crate::model::Problem;
use crate::model::event::Subject;
use crate::policy::{Level, Preset, Rule};

const FULL: &str = r#"
host: web-1
sources:
  - name: infra
    repo: https://github.com/acme/infra.git
    branch: main
    path: hosts/{host}
    stacks: {include: ["**"], exclude: [infra/local/**]}
    interval: 45s
    credentials: {username: x-access-token, password_file: /etc/evenkeel/git-token}
stacks:
  shop: {profiles: [web], dir: /opt/shop, unset_variables: blank, window: "Sat,Sun 02:00-05:00"}
env_dir: /etc/evenkeel/env
data_dir: /var/lib/evenkeel/data
state_dir: /var/lib/evenkeel/state
decrypt:
  age: {identity_file: /etc/evenkeel/age.key, program: age}
  sops: {age_identity_file: /etc/evenkeel/sops.key, program: /opt/sops}
docker: {host: unix:///var/run/docker.sock}
registry:
  interval: 5m
  docker_config: ~/.docker/config.json
  hosts:
    ghcr.io: {username: acme-bot, password_file: /etc/evenkeel/ghcr-token}
    registry.lan:5000: {plain_http: true, ca_file: /etc/evenkeel/ca.pem}
    registry.dmz: {credential_command: [token, --for, registry.dmz], client_cert_file: /c.pem, client_key_file: /k.pem}
unset_variables: error
rollout: {stable: 10s, monitor: 10s, deadline: 5m}
removals: {max: 50%, allow: false}
retention: {keep: 3, disk: {high: 80%, low: 70%, build_cache: false}, interval: 1h}
window: null
policy: {}
limits: {parallel: 8, file: 1MiB, nesting: 64, expansion: 100000, services: 2000}
write_back: {name: evenkeel, email: evenkeel@web-1}
notify: []
http: {listen: "127.0.0.1:8420", token_file: /etc/evenkeel/token, webhook_secret_file: /etc/evenkeel/hook}
"#;

const SMALLEST: &str = "sources:\n  - repo: https://github.com/acme/infra.git\n";

fn ambient() -> Ambient {
    Ambient { hostname: "web-1".into(), home: Some("/root".into()), ..Ambient::default() }
}

fn read(text: &str) -> Config {
    Config::parse("config.yaml", text, &ambient()).unwrap()
}

/// The problems with `text`, each as `place path: message (hint)`.
fn check(text: &str, expected: &str) {
    let problems = Config::parse("config.yaml", text, &ambient()).unwrap_err();
    let told: Vec<String> = problems.iter().map(tell).collect();
    assert_eq!(told.join("\n"), expected);
}

/// As [`check`], below the smallest configuration; line 3 is the first of `text`.
fn check_key(text: &str, expected: &str) {
    check(&format!("{SMALLEST}{text}"), expected);
}

fn tell(problem: &Problem) -> String {
    let place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = problem.path.as_deref().unwrap_or("-");
    let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{place} {path}: {}{hint}", problem.message)
}

#[test]
fn the_whole_file_is_understood() {
    let config = read(FULL);
    let source = &config.sources[0];
    assert_eq!((source.name.as_str(), source.path.as_str()), ("infra", "hosts/web-1"));
    assert_eq!(source.follow, Follow::Branch("main".into()));
    assert_eq!(source.exclude, ["infra/local/**"]);
    assert_eq!(source.interval, Duration::from_secs(45));
    let login = GitCredentials::Password {
        username: "x-access-token".into(),
        password_file: "/etc/evenkeel/git-token".into(),
    };
    assert_eq!(source.credentials, Some(login));
    let shop = &config.stacks[&StackName::from("shop")];
    assert_eq!(shop.profiles, ["web"]);
    assert_eq!(shop.dir, Some(PathBuf::from("/opt/shop")));
    assert_eq!(shop.unset_variables, Some(UnsetVariables::Blank));
    assert_eq!(shop.window, Some(Window::parse("Sat,Sun 02:00-05:00").unwrap()));
    assert_eq!(config.registry.docker_config, Some(PathBuf::from("/root/.docker/config.json")));
    assert!(config.registry.hosts["registry.lan:5000"].plain_http);
    assert!(config.registry.hosts["ghcr.io"].credentials.is_some());
    let dmz = &config.registry.hosts["registry.dmz"];
    let command = ["token", "--for", "registry.dmz"].map(str::to_owned).to_vec();
    assert_eq!(dmz.credentials, Some(RegistryCredentials::Command(command)));
    let decrypt = Decrypt {
        age_identity_file: Some("/etc/evenkeel/age.key".into()),
        age_program: "age".into(),
        sops_identity_file: Some("/etc/evenkeel/sops.key".into()),
        sops_program: "/opt/sops".into(),
        uses_sops: true,
    };
    assert_eq!(config.decrypt, decrypt);
    let (cert_file, key_file) = ("/c.pem".into(), "/k.pem".into());
    assert_eq!(dmz.client_certificate, Some(ClientCertificate { cert_file, key_file }));
}

#[test]
fn encrypted_files_need_an_identity_and_a_program_that_is_the_same_wherever_evenkeel_is_started() {
    let config = read(&format!("{SMALLEST}decrypt: {{age: {{identity_file: /key}}, sops: {{}}}}"));
    assert_eq!(config.decrypt.sops_identity_file, Some("/key".into()));
    assert_eq!(config.decrypt.sops_program, "sops");
    check_key(
        "decrypt: {age: {program: age}}",
        "config.yaml:3:16 decrypt.age: `identity_file` is missing: the key of this host (make one with \
         `age-keygen -o /etc/evenkeel/age.key`, and name it here)",
    );
    check_key(
        "decrypt: {sops: {}}",
        "config.yaml:3:17 decrypt.sops: `age_identity_file` is missing (name the file with the age identity of \
         this host)",
    );
    check_key(
        "decrypt: {age: {identity_file: key, program: ./age}}",
        "config.yaml:3:32 decrypt.age.identity_file: `key` is not an absolute path (write it from the root: `/etc/…`)\n\
         config.yaml:3:46 decrypt.age.program: `./age` is neither the name of a program nor an absolute path (write \
         `age`, or its whole path)",
    );
}

#[test]
fn whoever_listens_to_other_machines_needs_a_token() {
    let listen = |http: &str| {
        let text = format!("{SMALLEST}http: {{{http}}}\n");
        Config::parse("config.yaml", &text, &ambient())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    for sound in [
        "listen: '127.0.0.1:8420'",
        "listen: '[::1]:8420'",
        "listen: '0.0.0.0:8420', token_file: /t",
        "listen: '127.0.0.1:8420', token_file: /t, read_token_file: /r",
    ] {
        assert!(listen(sound).is_ok(), "{sound}");
    }
    for open in ["listen: '0.0.0.0:8420'", "listen: '[::]:80', read_token_file: /r"] {
        let told = listen(open).unwrap_err().join("\n");
        assert!(told.contains("config.yaml:3:"), "{told}");
        assert!(told.contains("can be reached from other machines"), "{told}");
    }
}

#[test]
fn what_is_left_out_has_the_default_that_the_whole_file_writes_out() {
    let full = read(FULL);
    let config = read(SMALLEST);
    let stripped = Config {
        stacks: BTreeMap::new(),
        decrypt: config.decrypt.clone(),
        http: None,
        sources: config.sources.clone(),
        registry: config.registry.clone(),
        ..full.clone()
    };
    assert_eq!(config, stripped);
    assert_eq!(config.registry.interval, full.registry.interval);
    assert_eq!(config.registry.docker_config, full.registry.docker_config);
    let source = &config.sources[0];
    assert_eq!((source.name.as_str(), source.path.as_str()), ("infra", ""));
    assert_eq!((source.follow.clone(), source.credentials.clone()), (Follow::DefaultBranch, None));
    assert_eq!((source.interval, &source.include), (Duration::from_secs(30), &vec!["**".into()]));
}

#[test]
fn a_source_says_for_itself_what_an_unset_variable_is() {
    let config = read(&format!("{SMALLEST}    unset_variables: blank\n"));
    assert_eq!(config.sources[0].unset_variables, Some(UnsetVariables::Blank));
    assert_eq!(config.unset_variables, UnsetVariables::Error);
}

#[test]
fn the_limit_on_nesting_leaves_a_thread_its_stack() {
    let hint = "(a plain manifest needs about 8)";
    let told = format!("config.yaml:3:19 limits.nesting: a number from 4 to 128 {hint}");
    check_key("limits: {nesting: 1000}\n", &told);
}

#[test]
fn a_section_whose_keys_are_all_commented_out_is_as_if_absent() {
    let text = "registry:\nrollout:\nstacks:\npolicy:\nlimits:\nnotify:\nhttp:\n";
    assert_eq!(read(&format!("{SMALLEST}{text}")), read(SMALLEST));
    let nulls = "    interval: null\n    credentials:\nregistry:\n  interval:\n  hosts:\n";
    assert_eq!(read(&format!("{SMALLEST}{nulls}")), read(SMALLEST));
}

#[test]
fn the_engine_is_the_files_then_the_environments_then_the_usual_one() {
    let remote = Ambient { docker_host: Some("tcp://a:1".into()), ..ambient() };
    let engine = |text: &str| Config::parse("f", text, &remote).unwrap().docker_host;
    assert_eq!(engine(SMALLEST), "tcp://a:1");
    assert_eq!(engine(FULL), "unix:///var/run/docker.sock");
    assert_eq!(read(SMALLEST).docker_host, "unix:///var/run/docker.sock");
    let blank = Ambient { docker_host: Some(String::new()), ..ambient() };
    let config = Config::parse("f", SMALLEST, &blank).unwrap();
    assert_eq!(config.docker_host, "unix:///var/run/docker.sock");
}

#[test]
fn a_repository_on_the_command_line_needs_no_file() {
    let config =
        Config::for_repo("git@git.lan:acme/infra.git", Some("next"), Some("/./x/"), &ambient());
    let problems = config.unwrap_err();
    assert!(problems[0].message.contains("leads out of the repository"), "{problems:?}");
    let config =
        Config::for_repo("git@git.lan:acme/infra.git", Some("next"), Some("./{host}/"), &ambient())
            .unwrap();
    assert_eq!(config.sources[0].name.as_str(), "infra");
    assert_eq!(config.sources[0].path, "web-1");
    assert_eq!(config.sources[0].follow, Follow::Branch("next".into()));
    for (repo, name) in [
        ("/srv/git/infra", "infra"),
        ("/srv/git/infra.git/", "infra"),
        ("file:///srv/infra", "infra"),
        ("host:infra.git", "infra"),
        ("/srv/my infra", "my-infra"),
        (".", "repository"),
    ] {
        let config = Config::for_repo(repo, None, None, &ambient()).unwrap();
        assert_eq!(config.sources[0].name.as_str(), name, "{repo}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_a_suggestion() {
    check_key(
        "registri: {}\n",
        "config.yaml:3:1 -: unknown key `registri` (did you mean `registry`?)",
    );
    check_key(
        "registry:\n  intervall: 5m\n",
        "config.yaml:4:3 registry: unknown key `intervall` (did you mean `interval`?)",
    );
    check_key(
        "docker: {zebra: 1}\n",
        "config.yaml:3:10 docker: unknown key `zebra` (known here: host)",
    );
}

#[test]
fn a_problem_shows_its_line() {
    let problems = Config::parse("f", "sorces: []\n", &ambient()).unwrap_err();
    assert_eq!(problems[0].excerpt.as_deref(), Some("sorces: []"));
    assert_eq!(problems[0].code, "unknown-key");
}

#[test]
fn a_wrong_type_is_named_with_its_place() {
    check(
        "sources: infra\n",
        "config.yaml:1:10 sources: invalid type: string \"infra\", expected a sequence",
    );
    check_key(
        "limits:\n  parallel: many\n",
        "config.yaml:4:13 limits.parallel: invalid type: string \"many\", expected u32",
    );
    check_key(
        "unset_variables: empty\n",
        "config.yaml:3:18 unset_variables: unknown variant `empty`, expected `error` or `blank`",
    );
    check("sources:\n  - name: a\n", "config.yaml:2:5 sources[0]: the key `repo` is missing");
}

#[test]
fn a_value_with_a_unit_is_checked_in_its_place() {
    let check = |key: &str, value: &str, expected: &str| {
        let text = format!("{SMALLEST}{key}: {value}\n");
        let problem = &Config::parse("f", &text, &ambient()).unwrap_err()[0];
        assert!(problem.message.ends_with(expected), "{key}: {value}: {problem:?}");
        assert_eq!(problem.place.as_ref().unwrap().line, 3);
    };
    check("rollout", "{stable: 10}", "expected a duration such as `30s`, `5m` or `1d`");
    check("rollout", "{stable: -1s}", "expected a duration such as `30s`, `5m` or `1d`");
    check("registry", "{interval: 0s}", "at least a second, such as `30s` or `5m`");
    check("registry", "{interval: 10ms}", "at least a second, such as `30s` or `5m`");
    check("removals", "{max: 101%}", "expected a share such as `50%` or a number");
    check("removals", "{max: -1}", "expected a share such as `50%` or a number");
    check("retention", "{disk: {high: 80}}", "expected a share such as `80%`");
    check("limits", "{file: 1XB}", "or a number of bytes");
    check("limits", "{file: 0}", "or a number of bytes");
    check("limits", "{file: 99999999999GiB}", "or a number of bytes");
    check("window", "Sat 25:00-26:00", "`25:00` is no time of the day");
    check("window", "Caturday 02:00-05:00", "`Caturday` is no day");
    check("http", "{listen: nowhere}", "invalid socket address syntax");
}

#[test]
fn a_window_that_is_none_says_what_to_write() {
    let told = |text: &str| {
        let text = format!("{SMALLEST}window: {text}\n");
        Config::parse("f", &text, &ambient()).unwrap_err().iter().map(tell).collect::<String>()
    };
    assert_eq!(told("Saturday 02:00-05:00"), "f:3:9 window: `Saturday` is no day (write `Sat`)");
    assert_eq!(
        told("02:00-05:00 Europe/Belrin"),
        "f:3:9 window: there is no time zone `Europe/Belrin` (did you mean `Europe/Berlin`?)"
    );
}

#[test]
fn values_with_a_unit_are_read_in_all_their_forms() {
    let with = |text: &str| read(&format!("{SMALLEST}{text}"));
    assert_eq!(with("rollout: {stable: 0s}").rollout.stable, Duration::ZERO);
    assert_eq!(with("rollout: {deadline: 1h 30m}").rollout.deadline, Duration::from_secs(5400));
    assert_eq!(with("limits: {file: 512KiB}").limits.file, 512 * 1024);
    assert_eq!(with("limits: {file: 2MB}").limits.file, 2_000_000);
    assert_eq!(with("limits: {file: 4096}").limits.file, 4096);
    assert_eq!(with("removals: {max: 3}").removals.max, Share::Count(3));
    assert_eq!(with("removals: {max: 25%}").removals.max.of(7), 1);
    for window in ["02:00-05:00", "Sat,Sun 02:00-05:00", "Mon-Fri 22:00-24:00 Europe/Berlin"] {
        assert_eq!(
            with(&format!("window: \"{window}\"")).window,
            Some(Window::parse(window).unwrap())
        );
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_also_among_names() {
    check_key(
        "registry:\n  interval: 5m\n  interval: 6m\n",
        "config.yaml:4:3 registry: `interval` stands twice in what starts here \
         (write each key once)",
    );
    check_key(
        "stacks: {a: {}, a: {}}\n",
        "config.yaml:3:9 stacks: `a` stands twice in what starts here (write each key once)",
    );
}

#[test]
fn two_sources_of_one_name_are_refused() {
    check(
        "sources:\n  - {repo: https://a/infra.git}\n  - {repo: https://b/infra, path: x}\n",
        "config.yaml:3:5 sources[1].name: two sources are called `infra` \
         (give each a `name:` of its own)",
    );
}

#[test]
fn values_that_do_not_fit_together_are_all_told_at_once() {
    let text = "
host: a/b
sources:
  - {repo: x, branch: a, tag: b}
  - {repo: y, commit: abc, path: ../up}
  - {repo: z, path: '{hots}', credentials: {username: me}, stacks: {include: ['[']}}
  - {repo: ' ', name: w, credentials: {ssh_key_file: key}}
stacks: {Shop: {dir: rel}}
env_dir: env
registry: {hosts: {a/b: {username: x}}}
retention: {keep: 0, disk: {high: 50%, low: 60%}}
limits: {parallel: 0}
rollout: {deadline: 0s}
http: {listen: '[::1]:80', token_file: token}
";
    let problems = Config::parse("f", text, &ambient()).unwrap_err();
    let paths: Vec<_> = problems.iter().filter_map(|problem| problem.path.as_deref()).collect();
    assert_eq!(
        paths,
        [
            "host",
            "sources[0]",
            "sources[1].commit",
            "sources[1].path",
            "sources[2].path",
            "sources[2].credentials",
            "sources[2].stacks",
            "sources[3].repo",
            "sources[3].credentials.ssh_key_file",
            "stacks.Shop",
            "stacks.Shop.dir",
            "env_dir",
            "registry.hosts.a/b",
            "registry.hosts.a/b",
            "http.token_file",
            "retention.disk",
            "retention.keep",
            "limits.parallel",
            "rollout.deadline",
        ]
    );
}

#[test]
fn a_file_without_a_source_says_what_to_add() {
    for (text, place) in [
        ("", "config.yaml"),
        ("# nothing yet\n", "config.yaml"),
        ("host: a\n", "config.yaml"),
        ("sources: []\n", "config.yaml:1:10"),
    ] {
        let told = "sources: no source is configured \
                    (add `sources: [{repo: …}]`, or name a repository with --repo URL)";
        check(text, &format!("{place} {told}"));
    }
}

#[test]
fn a_value_that_does_not_fit_is_found_in_the_file() {
    check_key(
        "registry:\n  hosts:\n    ghcr.io:\n      username: bot\n      ca_file: ca.pem\n",
        "config.yaml:6:7 registry.hosts.ghcr.io: these keys do not make up a login \
         (write `username` and `password_file`, or `credential_command`)\n\
         config.yaml:7:16 registry.hosts.ghcr.io.ca_file: `ca.pem` is not an absolute path \
         (write it from the root: `/etc/…`)",
    );
    check_key(
        "registry:\n  hosts:\n    ghcr.io: {client_cert_file: /c.pem}\n",
        "config.yaml:5:14 registry.hosts.ghcr.io: a certificate needs its key \
         (write both `client_cert_file` and `client_key_file`)",
    );
    check_key(
        "env_dir: env # here\n",
        "config.yaml:3:10 env_dir: `env` is not an absolute path \
         (write it from the root: `/etc/…`)",
    );
    let problems = Config::parse("f", "sources: [{repo: x, path: /}]", &ambient()).unwrap_err();
    assert_eq!(problems[0].excerpt.as_deref(), Some("sources: [{repo: x, path: /}]"));
}

#[test]
fn what_is_no_mapping_is_refused() {
    for text in ["- a\n", "text\n", "1\n"] {
        check(
            text,
            "config.yaml:1:1 -: the configuration is not a mapping of keys to values \
             (start with `sources:`; see `evenkeel schema config`)",
        );
    }
    let problems = Config::parse("f", "sources: [\n", &ambient()).unwrap_err();
    assert_eq!(problems[0].code, "yaml-syntax");
    assert!(problems[0].place.as_ref().unwrap().line > 0);
}

#[test]
fn depth_is_refused_before_it_costs_time() {
    let text = "[".repeat(200_000);
    let problems = Config::parse("f", &text, &ambient()).unwrap_err();
    assert_eq!(problems[0].code, "too-deep");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    for text in [
        "sources:\n  - {repo: x, credentials: {username: a, password: hunter2}}\n",
        "sources:\n  - repo: x\n    credentials:\n      token: hunter2\n",
        "sources:\n  - {repo: 'https://a:hunter2@b/c.git', branhc: x}\n",
    ] {
        let problems = Config::parse("f", text, &ambient()).unwrap_err();
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
    let repo = "https://bot:hunter2@git.lan/infra.git";
    let config = Config::for_repo(repo, None, None, &ambient()).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.sources[0].repo.as_str(), repo);
    assert_eq!(config.sources[0].repo.shown(), "https://git.lan/infra.git");
    let ssh = Config::for_repo("ssh://git@git.lan/infra", None, None, &ambient()).unwrap();
    assert_eq!(ssh.sources[0].repo.shown(), "ssh://git@git.lan/infra");
}

#[test]
fn a_missing_file_says_how_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let problems = Config::load(&dir.path().join("none.yaml"), &ambient()).unwrap_err();
    assert_eq!(problems[0].code, "missing-file");
    assert!(problems[0].hint.as_ref().unwrap().contains("--repo URL"));
    let smallest: String = problems[0].notes[1..].join("\n");
    assert_eq!(read(&smallest), read(SMALLEST), "the file it shows is a good one");
}

#[test]
fn what_cannot_be_read_is_told_from_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let code = |path: &Path| Config::load(path, &ambient()).unwrap_err()[0].code;
    assert_eq!(code(dir.path()), "unreadable-file");
    fs::write(&file, b"host: \xff\n").unwrap();
    assert_eq!(code(&file), "not-utf-8");
    fs::write(&file, "# \n".repeat(1_000_000)).unwrap();
    assert_eq!(code(&file), "too-large");
    fs::write(&file, SMALLEST).unwrap();
    assert_eq!(Config::load(&file, &ambient()).unwrap(), read(SMALLEST));
}

#[test]
fn the_schema_knows_every_key_of_the_whole_file() {
    let schema = schema();
    let keys: serde_yaml::Mapping = serde_yaml::from_str(FULL).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for key in keys.keys() {
        assert!(properties.contains_key(key.as_str().unwrap()), "{key:?}");
    }
    assert_eq!(properties.len(), keys.len());
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["Source"]["properties"]["interval"].is_object());
}

#[test]
fn recipients_have_a_way_a_name_and_filters() {
    let text = "
sources: [{repo: x}]
notify:
  - webhook: {url: 'https://hooks.lan/a', secret_file: /s, template: '{\"text\": {{ title }}}'}
    events: [failed, rolled-back]
    stacks: [shop-*]
  - {name: ops, email: {host: mail.lan, to: [ops@example.org]}}
  - {name: raw, email: {host: mail.lan, tls: none, port: 2525, username: me, password_file: /p, from: a@b.c, to: [d@e.f]}}
  - telegram: {token_file: /t, chat: '-100'}
  - {slack: {url_file: /u}}
";
    let config = read(text);
    let [hook, ops, raw, telegram, slack] = &config.notify[..] else { panic!("{config:?}") };
    assert_eq!(hook.name, "webhook");
    assert_eq!(hook.events, [Event::Failed, Event::RolledBack].into());
    assert!(hook.cares_for(&Subject::Stack("shop-1".into())));
    assert!(!hook.cares_for(&Subject::Stack("blog".into())));
    assert!(!hook.cares_for(&Subject::Disk));
    assert!(ops.cares_for(&Subject::Disk) && ops.events == Event::ALL.into());
    let Way::Email(mail) = &ops.way else { panic!() };
    assert_eq!((mail.port, mail.tls, mail.from.as_str()), (587, Tls::Starttls, "evenkeel@web-1"));
    let Way::Email(mail) = &raw.way else { panic!() };
    assert_eq!((mail.port, mail.tls, mail.from.as_str()), (2525, Tls::None, "a@b.c"));
    assert_eq!(mail.login, Some(("me".into(), "/p".into())));
    assert_eq!((telegram.name.as_str(), slack.name.as_str()), ("telegram", "slack"));
}

#[test]
fn what_is_wrong_with_recipients_is_told_at_its_place() {
    let text = "
sources: [{repo: x}]
notify:
  - {}
  - {slack: {url_file: /u}, discord: {url_file: /u}}
  - webhook: {url: 'https://me:pw@chat.lan'}
  - webhook: {url: 'https://chat.lan', template: '{{ title'}
  - {gotify: {url: mailto:me}}
  - {name: webhook, command: [tell]}
  - email: {host: mail.lan, username: me, to: []}
";
    let way = "write one of `webhook`, `slack`, `discord`, `ntfy`, `gotify`, `telegram`, `email`, \
               `command`";
    let expected = format!(
        "\
config.yaml:4:5 notify[0]: it is not said how this recipient is reached ({way})
config.yaml:5:5 notify[1]: one recipient is reached in one way ({way})
config.yaml:6:20 notify[2].webhook.url: a login stands in the address (name a file with the secret)
config.yaml:7:50 notify[3].webhook.template: line 1 of the template: unexpected end of input, expected end of variable block (see docs/notifications.md for an example)
config.yaml:7:5 notify[3].name: two recipients are called `webhook` (give each a `name:` of its own)
config.yaml:8:20 notify[4].gotify.url: this is no address on the web (write `https://…`)
config.yaml:8:14 notify[4].gotify.token_file: the key `token_file` is missing
config.yaml:9:12 notify[5].name: two recipients are called `webhook` (give each a `name:` of its own)
config.yaml:10:12 notify[6].email: a login needs a user and a password (write both `username` and `password_file`, or neither)
config.yaml:10:47 notify[6].email.to: the key `to` is missing"
    );
    check(text, &expected);
}

#[test]
fn a_secret_and_a_slip_in_notify_are_told_as_everywhere() {
    check(
        "notify: [{telegram: {token: '1:a'}}]",
        "config.yaml:1:22 notify[0].telegram: unknown key `token` (secrets do not belong here: \
         write it to a file and name that with `token_file`)",
    );
    let problems =
        Config::parse("config.yaml", "notify: [{webhok: {url: x}}]", &ambient()).unwrap_err();
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `webhook`?"));
    let slip = "notify: [{command: [x], events: [rolled_back]}]";
    let problems = Config::parse("config.yaml", slip, &ambient()).unwrap_err();
    assert!(problems[0].message.contains("`rolled-back`"), "{}", problems[0].message);
}

#[test]
fn the_policy_is_a_preset_rules_and_exceptions() {
    let text = "policy:
  preset: strict
  privileged: warn
  cap_add: [NET_BIND_SERVICE]
  host_binds: {level: warn, allow: [/srv/media]}
  ports: [443, 8000-8999]
  digest: required
  exceptions:
    - {stack: infra, service: traefik, rule: docker_socket, values: [/var/run/docker.sock], reason: reads labels, until: 2027-03-01}
";
    let policy = read(&format!("{SMALLEST}{text}")).policy;
    assert_eq!(policy.preset, Preset::Strict);
    let level = |rule| policy.level(rule);
    assert_eq!((level(Rule::Privileged), level(Rule::CapAdd)), (Level::Warn, Level::Deny));
    assert_eq!((level(Rule::HostBinds), level(Rule::Digest)), (Level::Warn, Level::Deny));
    assert_eq!(policy.allowed(Rule::Ports), ["443", "8000-8999"]);
    assert_eq!(policy.allowed(Rule::HostBinds), ["/srv/media"]);
    let [exception] = policy.exceptions.as_slice() else { panic!("{policy:?}") };
    assert_eq!(
        (exception.rule, exception.values.as_slice()),
        (Rule::DockerSocket, ["/var/run/docker.sock".to_owned()].as_slice())
    );
    let day = |text: &str| text.parse().unwrap();
    assert!(exception.holds(day("2027-03-01")) && !exception.holds(day("2027-03-02")));
}

#[test]
fn without_a_word_the_standard_holds() {
    let policy = read(SMALLEST).policy;
    assert_eq!(policy.level(Rule::Privileged), Level::Deny);
    assert_eq!(
        (policy.level(Rule::Latest), policy.level(Rule::Digest)),
        (Level::Warn, Level::Allow)
    );
    let open = read(&format!("{SMALLEST}policy: {{preset: open}}\n")).policy;
    assert_eq!(
        (open.level(Rule::Privileged), open.level(Rule::Digest)),
        (Level::Warn, Level::Allow)
    );
    // Whoever lists what is fine means that the rest is not.
    let listed = read(&format!("{SMALLEST}policy: {{registries: [ghcr.io/acme/*]}}\n")).policy;
    assert_eq!(listed.level(Rule::Registries), Level::Deny);
}

#[test]
fn what_is_wrong_in_a_policy_is_told_where_it_stands() {
    for (text, expected) in [
        (
            "policy:\n  priviledged: deny\n",
            "config.yaml:4:3 policy: unknown key `priviledged` (did you mean `privileged`?)",
        ),
        (
            "policy:\n  privileged: false\n",
            "config.yaml:4:15 policy.privileged: invalid type: boolean `false`, expected `deny`, `warn` or `allow`",
        ),
        (
            "policy:\n  privileged: required\n",
            "config.yaml:4:15 policy.privileged: invalid value: string \"required\", expected `deny`, `warn` or `allow`",
        ),
        (
            "policy:\n  host_binds: [/srv, /]\n",
            "config.yaml:4:22 policy.host_binds[1]: `/` is all of the host (write `host_binds: allow` if that is meant)",
        ),
        (
            "policy:\n  host_binds: [srv]\n",
            "config.yaml:4:16 policy.host_binds[0]: `srv` is not an absolute path (write it from the root: `/srv/…`)",
        ),
        (
            "policy:\n  host_binds: [/srv/../etc]\n",
            "config.yaml:4:16 policy.host_binds[0]: `/srv/../etc` has `..` in it (write where it leads)",
        ),
        (
            "policy:\n  host_binds: ['']\n",
            "config.yaml:4:16 policy.host_binds[0]: this is empty (take it out)",
        ),
        (
            "policy:\n  exceptions: [{stack: a, rule: privileged}]\n",
            "config.yaml:4:16 policy.exceptions[0]: the key `reason` is missing",
        ),
        (
            "policy:\n  exceptions: [{stack: a, rule: privileged, reason: ' '}]\n",
            "config.yaml:4:16 policy.exceptions[0]: an exception needs a `reason` (write why it needs it: `reason: \"reads labels\"`)",
        ),
        (
            "policy:\n  exceptions: [{stack: a, rule: priviledged, reason: b}]\n",
            "config.yaml:4:33 policy.exceptions[0].rule: there is no rule `priviledged` (did you mean `privileged`?)",
        ),
        (
            "policy:\n  exceptions: [{stack: a, rule: privileged, reason: b, values: [c]}]\n",
            "config.yaml:4:65 policy.exceptions[0].values[0]: there are no values of `privileged`: a service does it or not (take `values` out)",
        ),
        (
            "policy:\n  exceptions: [{stack: a, rule: cap_add, reason: b, until: soon}]\n",
            "config.yaml:4:60 policy.exceptions[0].until: `soon` is no day (write it like `2027-03-01`)",
        ),
        (
            "policy:\n  exceptions: [{stack: '', rule: cap_add, reason: b}]\n",
            "config.yaml:4:24 policy.exceptions[0].stack: an exception is for one stack (write its name)",
        ),
    ] {
        check_key(text, expected);
    }
}

#[test]
fn what_is_asked_of_images_is_understood_and_checked() {
    let rules = "policy:\n  images:\n    - match: GHCR.io/acme/*\n      cosign_key: /etc/evenkeel/cosign.pub\n      \
                 min_age: 3d\n      check: [trivy, '{image}']\n      deadline: 2m\n    - match: '*'\n      \
                 keyless: {identity: 'https://ci', issuer: 'https://issuer'}\n";
    let config = read(&format!("{SMALLEST}{rules}"));
    let [first, second] = config.images.as_slice() else { panic!("{:?}", config.images) };
    assert_eq!(first.pattern.as_str(), "ghcr.io/acme/*");
    assert_eq!(first.cosign_key.as_deref(), Some(std::path::Path::new("/etc/evenkeel/cosign.pub")));
    assert_eq!(first.min_age, Some(Duration::from_secs(3 * 86_400)));
    assert_eq!(first.check.as_deref(), Some(&["trivy".to_owned(), "{image}".to_owned()][..]));
    assert_eq!(
        (first.deadline, second.deadline),
        (Duration::from_secs(120), Duration::from_secs(300))
    );
    let keyless = second.keyless.as_ref().unwrap();
    assert_eq!(
        (keyless.identity.as_str(), keyless.issuer.as_str()),
        ("https://ci", "https://issuer")
    );

    let wrong = |entry: &str, expected: &str| {
        check_key(
            &format!("policy: {{images: [{entry}]}}\n"),
            &format!("config.yaml:3:{expected}"),
        );
    };
    wrong(
        "{match: '*'}",
        "19 policy.images[0]: it asks nothing of the images that it matches (add `cosign_key`, `keyless`, `min_age` or `check`; `min_age: 0s` lets them all in)",
    );
    wrong(
        "{match: acme/*, min_age: 1d}",
        "27 policy.images[0].match: `acme/*` does not begin with a registry (write registry and repository: `ghcr.io/acme/*`, `docker.io/library/nginx`; `*` is any text)",
    );
    wrong(
        "{match: '*', cosign_key: cosign.pub}",
        "44 policy.images[0].cosign_key: `cosign.pub` is not an absolute path (write it from the root: `/etc/…`)",
    );
    wrong(
        "{match: '*', check: []}",
        "39 policy.images[0].check: there is no program (write it with its arguments: `[trivy, image, --exit-code, \"1\", \"{image}\"]`)",
    );
    wrong(
        "{match: '*', check: [a], deadline: 0s}",
        "54 policy.images[0].deadline: a program needs time",
    );
    wrong(
        "{match: '*', cosign_keys: a}",
        "32 policy.images[0]: unknown key `cosign_keys` (did you mean `cosign_key`?)",
    );
}
