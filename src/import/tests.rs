//! What becomes of plain Compose files, from the outside of the room.
//!
//! [`World::import`] is the only place here that knows the room's API.

use super::{File, Imported, Input, import};
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

    fn try_import(&self) -> Result<Imported, Vec<Problem>> {
        import(&Input {
            files: &self.files,
            project: self.project.as_ref(),
            directory: "shop",
            env: self.env.as_ref(),
            beside: &self.beside,
            working_dir: self.working_dir.as_deref(),
            host: &HostName::new("web-1"),
        })
    }

    fn import(&self) -> Imported {
        self.try_import().unwrap()
    }
}

#[test]
fn demo() {
    let world = World::new(DEMO).with_env("TAG=1.2\nDB_PASS=from-env\n").with_beside("app.env", "A=1\n");
    let found = world.import();
    for m in &found.manifests { println!("--- {}\n{}", m.name, m.text); }
    for s in &found.server { println!("--- {}\n{}", s.path, s.content.reveal()); }
    for p in &found.problems { println!("PROBLEM {p} {:?}", p.hint); }
    for a in &found.remarks { println!("{:?} {} {:?}: {}\n      -> {}", a.weight, a.place.as_ref().map(|p| p.to_string()).unwrap_or_default(), a.service.as_ref().map(|s| s.as_str().to_owned()), a.text, a.next.as_deref().unwrap_or("")); }
    panic!();
}

const DEMO: &str = r#"version: "3.8"   # old
x-env: &env
  TZ: Europe/Berlin
  SMTP_PASSWORD: "mail-Pa55"  # mail

services:
  web:
    image: ghcr.io/acme/web:${TAG}
    container_name: web
    # was s3cret-Word before
    environment:
      <<: *env
      DATABASE_URL: postgres://app:s3cret-Word@db:5432/app
      SESSION_SECRET: abc$$def
      DB_PASSWORD: ${DB_PASS}
      ADMIN_PASSWORD_FILE: /run/secrets/x
      DEBUG: "true"
    labels:
      - "com.centurylinklabs.watchtower.enable=true"
      - traefik.enable=true
    depends_on: [db, cache]
    env_file: app.env
    ports: ["8080:80"]
    volumes: [./data:/data, ./nginx.conf:/etc/nginx.conf:ro, /anon]
  db:
    image: postgres
    restart: always
    environment:
      - POSTGRES_PASSWORD=s3cret-Word
      - POSTGRES_USER=app
    healthcheck:
      test: ["CMD-SHELL", "PGPASSWORD=s3cret-Word pg_isready -U app"]
    labels:
      com.centurylinklabs.watchtower.enable: "false"
  cache:
    image: redis:7
    command: redis-server --requirepass "hunter2"
    restart: always
  job:
    build: ./job   # local
    restart: "no"
volumes: {}
"#;
