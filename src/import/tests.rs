//! What becomes of plain Compose files, from the outside of the room.
//!
//! [`World::import`] is the only place here that knows the room's API.

use super::{Advice, File, Imported, Input, import};
use crate::model::memory_tree::MemoryTree;
use crate::model::{HostName, Problem, StackName};

/// A directory called `shop` with Compose files and others in it.
#[derive(Default)]
struct World {
    files: Vec<File>,
    env: Option<File>,
    beside: MemoryTree,
    project: Option<StackName>,
    working_dir: Option<std::path::PathBuf>,
}

impl World {
    fn new(compose: &str) -> Self {
        Self::default().and("docker-compose.yml", compose)
    }

    fn and(mut self, name: &str, text: &str) -> Self {
        self.files.push(File { name: name.to_owned(), text: text.to_owned() });
        self
    }

    fn with_env(mut self, text: &str) -> Self {
        self.env = Some(File { name: ".env".to_owned(), text: text.to_owned() });
        self
    }

    fn with_beside(mut self, path: &str, text: &str) -> Self {
        self.beside.insert(path, text);
        self
    }

    fn with_input<T>(&self, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        use_it(&Input {
            files: &self.files,
            project: self.project.as_ref(),
            directory: "shop",
            env: self.env.as_ref(),
            beside: &self.beside,
            working_dir: self.working_dir.as_deref(),
            host: &HostName::new("web-1"),
        })
    }

    fn try_import(&self) -> Result<Imported, Vec<Problem>> {
        self.with_input(import)
    }

    fn import(&self) -> Imported {
        self.try_import().unwrap()
    }
}

/// The manifest that becomes of `compose`.
fn manifest(compose: &str) -> String {
    World::new(compose).import().manifests[0].text.clone()
}

/// The stack's file on the server.
fn env(imported: &Imported) -> String {
    let path = format!("{}.env", imported.stack);
    let file = imported.server.iter().find(|file| file.path == path);
    file.map(|file| file.content.reveal().to_owned()).unwrap_or_default()
}

/// `line: text` of every remark.
fn told(imported: &Imported) -> Vec<String> {
    let line = |advice: &Advice| advice.place.as_ref().map_or(0, |place| place.line);
    imported.remarks.iter().map(|a| format!("{}: {}", line(a), a.text)).collect()
}

#[track_caller]
fn says(imported: &Imported, line: u32, words: &str) {
    let told = told(imported);
    let start = format!("{line}: ");
    assert!(
        told.iter().any(|text| text.starts_with(&start) && text.contains(words)),
        "no `{words}` on line {line}:\n{}",
        told.join("\n")
    );
}

#[test]
fn a_secret_moves_to_the_server_and_all_else_stays_as_it_was_written() {
    let compose = "\
# The shop.
services:
  db:   # of the shop
    image: \"postgres:16\"
    restart: always
    environment:
      POSTGRES_USER: shop
      POSTGRES_PASSWORD: 'pa$$w0rd'   # long ago
    command: [ 'postgres', -c, max_connections=9 ]
";
    let found = World::new(compose).import();
    let expected = compose.replace("'pa$$w0rd'", "'${POSTGRES_PASSWORD}'");
    assert_eq!(found.manifests[0].text, expected);
    assert_eq!(found.manifests[0].name, "shop/compose.yaml");
    assert!(env(&found).ends_with("\nPOSTGRES_PASSWORD='pa$w0rd'\n"), "{}", env(&found));
    assert_eq!(found.problems, []);
    says(&found, 8, "`POSTGRES_PASSWORD` in the server's shop.env");
}

#[test]
fn a_secret_is_found_in_lists_addresses_command_lines_and_shared_parts() {
    let found = World::new(
        "\
x-mail: &mail {SMTP_PASS: mail-1234}
services:
  web:
    image: a:1
    environment:
      <<: *mail
      URL: amqp://web:amqp-1234@mq/x
  db:
    image: b:1
    environment: [\"PASSWORD=list-1234\", DEBUG=1]
  cache:
    image: c:1
    command: redis-server --requirepass \"redis-1234\"
",
    )
    .import();
    assert_eq!(
        found.manifests[0].text,
        "\
x-mail: &mail {SMTP_PASS: \"${SMTP_PASS}\"}
services:
  web:
    image: a:1
    environment:
      <<: *mail
      URL: amqp://web:${URL_PASSWORD}@mq/x
  db:
    image: b:1
    environment: [\"PASSWORD=${PASSWORD}\", DEBUG=1]
  cache:
    image: c:1
    command: redis-server --requirepass \"${CACHE_REQUIREPASS}\"
"
    );
    for line in ["SMTP_PASS=mail-1234", "URL_PASSWORD=amqp-1234", "PASSWORD=list-1234"] {
        assert!(env(&found).contains(line), "{}", env(&found));
    }
}

#[test]
fn a_secret_is_taken_out_wherever_else_it_is_written() {
    let compose = "\
services:
  db:
    image: a:1
    # it was Tr0ub4dor once
    environment: {POSTGRES_PASSWORD: Tr0ub4dor, DSN_NOTE: \"for Tr0ub4dor only\"}
    healthcheck: {test: [CMD-SHELL, \"PGPASSWORD=Tr0ub4dor pg_isready\"]}
";
    let text = manifest(compose);
    assert!(!text.contains("Tr0ub4dor"), "{text}");
    assert_eq!(text.matches("${POSTGRES_PASSWORD}").count(), 4, "{text}");
}

#[test]
fn one_name_for_two_secrets_becomes_two_names() {
    let found = World::new(
        "\
services:
  a: {image: a:1, environment: {TOKEN: one-1}}
  b: {image: a:1, environment: {TOKEN: two-2}}
  c: {image: a:1, environment: {KEY_NOTE: \"${SECRET}\", SECRET: three-3}}
",
    )
    .import();
    let text = &found.manifests[0].text;
    assert!(text.contains("${A_TOKEN}") && text.contains("${B_TOKEN}"), "{text}");
    assert!(text.contains("SECRET: \"${C_SECRET}\""), "a name in use is left alone: {text}");
}

#[test]
fn a_value_that_the_env_file_has_already_is_not_set_twice() {
    let compose = "services: {db: {image: a:1, environment: {DB_PASSWORD: same-1}}}\n";
    let found = World::new(compose).with_env("DB_PASSWORD=same-1\nTAG=1").import();
    assert_eq!(env(&found), "DB_PASSWORD=same-1\nTAG=1");
    assert!(found.manifests[0].text.contains("\"${DB_PASSWORD}\""));
    let names: Vec<&str> = found.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["DB_PASSWORD", "TAG"]);
}

#[test]
fn a_variable_is_left_and_its_default_is_told() {
    let compose = "\
services:
  db:
    image: a:1
    environment:
      A_PASSWORD: ${A_PASSWORD}
      B_PASSWORD: ${B_PASSWORD:-changeme}
      C_PASSWORD_FILE: /run/secrets/c
";
    let found = World::new(compose).import();
    assert_eq!(found.manifests[0].text, compose);
    says(&found, 6, "`B_PASSWORD` has a default in clear text");
    says(&found, 5, "`A_PASSWORD` is not set");
    assert!(!told(&found).join("\n").contains("changeme"));
}

#[test]
fn a_container_that_reads_the_env_file_does_not_get_the_secrets_of_others() {
    let world = World::new(
        "\
services:
  web: {image: a:1, env_file: .env}
  db: {image: b:1, environment: {DB_PASSWORD: word-123}}
",
    )
    .with_env("DEBUG=1\n");
    let found = world.import();
    assert!(found.manifests[0].text.contains("env_file: container.env"));
    let copy = found.server.iter().find(|file| file.path == "shop/container.env").unwrap();
    assert_eq!(copy.content.reveal(), "DEBUG=1\n");
    assert!(env(&found).contains("DB_PASSWORD=word-123"));
}

#[test]
fn an_env_file_is_taken_along_for_the_server() {
    let compose = "services: {web: {image: a:1, env_file: [./env/web.env, gone.env]}}\n";
    let found = World::new(compose).with_beside("env/web.env", "A=1\n").import();
    let paths: Vec<&str> = found.server.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["shop/env/web.env"]);
    assert_eq!(found.manifests[0].text, compose);
    says(&found, 1, "`env/web.env` belongs on the server");
    says(&found, 1, "env file `gone.env` has to be on the server");
}

#[test]
fn the_file_of_a_secret_is_taken_along_for_the_server() {
    let compose = "\
services: {web: {image: a:1, secrets: [key]}}
secrets: {key: {file: ./keys/a.txt}}
";
    let found = World::new(compose).with_beside("keys/a.txt", "quite-secret").import();
    let paths: Vec<&str> = found.server.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["shop/keys/a.txt"]);
    says(&found, 2, "the file of a secret `keys/a.txt` belongs on the server");
    assert_eq!(found.manifests[0].text, compose);
}

const WATCHED: &str = "\
services:
  web:
    image: a:1   # the shop
    labels:
      - com.centurylinklabs.watchtower.enable=true
      - traefik.enable=true
  db:
    image: b:1
    labels:
      com.centurylinklabs.watchtower.enable: \"true\"
      com.centurylinklabs.watchtower.scope: shop
  job:
    image: c:1
    labels: [com.centurylinklabs.watchtower.monitor-only=true, a=b]
  watchtower:
    image: containrrr/watchtower
    environment: [WATCHTOWER_POLL_INTERVAL=3600]
";

#[test]
fn watchtowers_labels_become_a_pull_policy() {
    assert_eq!(
        manifest(WATCHED),
        "\
services:
  web:
    image: a:1   # the shop
    pull_policy: every_1h
    labels:
      - traefik.enable=true
  db:
    image: b:1
    pull_policy: every_1h
  job:
    image: c:1
    labels: [a=b]
  watchtower:
    image: containrrr/watchtower
    environment: [WATCHTOWER_POLL_INTERVAL=3600]
"
    );
}

#[test]
fn what_became_of_watchtowers_labels_is_told() {
    let found = World::new(WATCHED).import();
    says(&found, 3, "`enable` became `pull_policy: every_1h`");
    says(&found, 8, "`scope` is taken out");
    says(&found, 11, "as they asked for");
    says(&found, 14, "both replace containers");
}

#[test]
fn labels_that_services_share_are_left_with_a_word() {
    let compose = "\
services:
  a:
    image: a:1
    labels: &l
      com.centurylinklabs.watchtower.enable: \"true\"
  b:
    image: a:1
    labels: *l
";
    let found = World::new(compose).import();
    assert_eq!(found.manifests[0].text, compose);
    says(&found, 5, "cannot be taken out");
}

#[test]
fn what_is_built_gets_a_proposal_once_and_is_still_refused() {
    let compose = "services:\n  web:\n    build: .   # here\n    restart: always\n";
    let found = World::new(compose).import();
    let text = &found.manifests[0].text;
    let expected = "    # image: REGISTRY/OWNER/shop-web:VERSION\n    build: .   # here\n";
    assert!(text.contains(expected), "{text}");
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].message.contains("has `build` but no `image`"));
    assert_eq!(found.problems[0].place.as_ref().unwrap().line, 4);
    says(&found, 4, "a server never builds");
    assert_eq!(manifest(text), *text);
}

#[test]
fn a_project_keeps_its_name() {
    let compose = "name: other\nservices: {a: {image: a:1}}\n";
    let mut world = World::new(compose);
    assert_eq!(world.import().stack.as_str(), "other");
    world.project = Some(StackName::new("mine"));
    world.working_dir = Some("/opt/mine".into());
    let found = world.import();
    assert_eq!(found.manifests[0].text, compose.replace("other", "mine"));
    assert_eq!(found.manifests[0].name, "mine/compose.yaml");
    assert_eq!(found.dir.as_deref(), Some("/opt/mine".as_ref()));
    let of_env =
        World::new("services: {a: {image: a:1}}\n").with_env("COMPOSE_PROJECT_NAME=ours\n");
    assert_eq!(of_env.import().stack.as_str(), "ours");
}

#[test]
fn a_name_that_only_the_server_could_tell_is_written_out() {
    let world = World::new("name: ${N}-1\nservices: {a: {image: a:1}}\n").with_env("N=shop\n");
    assert!(world.import().manifests[0].text.starts_with("name: shop-1\n"));
}

#[test]
fn several_files_become_a_manifest_and_what_is_laid_over_it() {
    let world = World::new("services: {a: {image: a:1}}\n")
        .and("b.yml", "services: {a: {restart: always}}\n")
        .and("c.yml", "services: {a: {environment: {TOKEN: word-1}}}\n");
    let found = world.import();
    let names: Vec<&str> = found.manifests.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["shop/compose.yaml", "shop/compose.override.yaml"]);
    assert_eq!(
        found.manifests[1].text,
        "services: {a: {restart: always}}\n---\nservices: {a: {environment: {TOKEN: \"${TOKEN}\"}}}\n"
    );
    assert_eq!(found.problems, []);
    says(&found, 3, "`TOKEN` in the server's shop.env");
}

#[test]
fn a_file_of_which_parts_are_taken_comes_along() {
    let world = World::new(
        "\
services:
  web: {extends: {file: parts/common.yml, service: base}, environment: {TOKEN: word-123}}
include: [{path: more/compose.yaml}]
",
    )
    .with_beside(
        "parts/common.yml",
        "\
services:
  base:
    image: a:1
    env_file: base.env
    environment:
      TOKEN: word-456   # its own
",
    )
    .with_beside("parts/base.env", "A=1\n")
    .with_beside("more/compose.yaml", "services: {more: {image: b:1}}\n");
    let found = world.import();
    let names: Vec<&str> = found.manifests.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["shop/compose.yaml", "shop/parts/common.yml", "shop/more/compose.yaml"]);
    assert!(found.manifests[1].text.contains("      TOKEN: ${BASE_TOKEN}   # its own\n"));
    assert!(found.manifests[0].text.contains("${WEB_TOKEN}"));
    let server: Vec<&str> = found.server.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(server, ["shop/parts/base.env", "shop.env"]);
    says(&found, 4, "env file `parts/base.env`");
}

#[test]
fn every_kind_of_surprise_is_told_with_its_line() {
    let found = World::new(
        "\
version: '3'
services:
  web:
    image: acme/web
    privileged: true
    ports: ['80:80']
    depends_on: [db]
    volumes: [/cache, ./data:/data, ./web.conf:/etc/web.conf, /var/run/docker.sock:/s]
  db:
    image: acme/db:latest
    restart: always
    healthcheck: {test: 'true'}
    profiles: [full]
    isolation: process
",
    )
    .with_beside("web.conf", "x")
    .import();
    for (line, words) in [
        (1, "`version` means nothing"),
        (3, "without a `healthcheck`"),
        (3, "without `restart`"),
        (4, "names no version"),
        (5, "privileged"),
        (6, "host ports"),
        (7, "`db` has started"),
        (8, "its volume has no name"),
        (8, "`./data` is not beside the file"),
        (8, "`./web.conf` is a file"),
        (8, "the engine's socket"),
        (10, "says `latest`"),
        (13, "profile"),
    ] {
        says(&found, line, words);
    }
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].message.contains("isolation"));
}

#[test]
fn a_job_needs_neither_health_check_nor_restart() {
    let found = World::new(
        "\
services:
  web: {image: a:1, restart: always, healthcheck: {test: x}, depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: a:1}
",
    )
    .import();
    assert_eq!(told(&found), Vec::<String>::new());
}

#[test]
fn no_value_gets_into_what_is_told() {
    let found = World::new(
        "\
services:
  web:
    image: a:${PORT_SECRET}
    ports: ['${PORT_SECRET}:x']
    environment: {API_KEY: 'quite-secret-1', OTHER: 'a:b'}
    command: run --token quite-secret-2 ${PORT_SECRET}
",
    )
    .with_env("PORT_SECRET=quite-secret-3\n")
    .import();
    let problems: Vec<String> =
        found.problems.iter().map(|problem| format!("{problem:?}")).collect();
    let all = format!("{} {} {found:?}", told(&found).join("\n"), problems.join("\n"));
    assert!(!all.contains("quite-secret"), "{all}");
    assert!(!found.problems.is_empty());
}

#[test]
fn line_ends_and_a_byte_order_mark_stay() {
    let compose =
        "\u{feff}services:\r\n  web:\r\n    build: .\r\n    environment:\r\n      - TOKEN=x-1\r\n";
    let text = manifest(compose);
    let expected = compose
        .replace("x-1", "${TOKEN}")
        .replace("    build", "    # image: REGISTRY/OWNER/shop-web:VERSION\r\n    build");
    assert_eq!(text, expected);
}

#[test]
fn a_file_that_is_no_compose_file_is_refused_with_its_place() {
    let refused = |text: &str| World::new(text).try_import().unwrap_err()[0].to_string();
    assert!(refused("services: [").starts_with("docker-compose.yml:"));
    assert!(refused("").contains("is empty"));
    assert!(refused("- a\n").contains("expected a mapping"));
}
