//! How long loading takes for one file with very many services; it has to grow with their number only.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{
    HostPolicy, Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs, load,
};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, MemoryTree, SourceName};
use evenkeel::policy::{Policy, Rule, Setting};
use jiff::civil::Date;

const TOP: &str = "\
x-common: &common
  restart: unless-stopped
  logging:
    driver: json-file
    options: {max-size: 10m, max-file: \"3\"}
  networks: [default, backend]
networks:
  backend: {}
volumes:
  data: {}
services:
";

/// A service as people write them; it waits for the one before it.
fn service(number: usize) -> String {
    let mut text = format!(
        "  app{number}:
    <<: *common
    image: registry.test/team/app{number}:${{TAG:-1.{number}}}
    environment:
      DATABASE_URL: postgres://app{number}:${{PASSWORD}}@db:5432/app{number}
      LOG_LEVEL: info
      WORKERS: 4
      FEATURE_FLAGS: \"a,b,c\"
    ports:
      - \"127.0.0.1:{port}:8080\"
    volumes:
      - data:/var/lib/app
      - /srv/app{number}:/srv:ro
    healthcheck:
      test: [CMD-SHELL, \"curl -fsS http://localhost:8080/health || exit 1\"]
      interval: 10s
      timeout: 3s
      retries: 5
      start_period: 1m30s
    labels:
      traefik.enable: \"true\"
      traefik.http.routers.app{number}.rule: Host(`app{number}.example.test`)
",
        port = 10_000 + number,
    );
    if let Some(before) = number.checked_sub(1) {
        write!(text, "    depends_on:\n      app{before}: {{condition: service_healthy}}\n")
            .unwrap();
    }
    text
}

fn revision(count: usize) -> Revision {
    let services: String = (0..count).map(service).collect();
    let files = [
        ("shop/compose.yaml", format!("{TOP}{services}")),
        ("shop/.env", "TAG=2\nPASSWORD=secret\n".to_owned()),
    ];
    Revision {
        source: SourceName::new("git"),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(MemoryTree::new(files))),
        path: String::new(),
    }
}

fn loading(criterion: &mut Criterion) {
    let limits = Limits { file_bytes: 16 * 1024 * 1024, ..Limits::default() };
    let options = Options {
        host: &HostName::new("here"),
        env_dir: Path::new("/nonexistent/env"),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        credentials_dir: None,
        home: None,
        server: ServerFiles::Disk,
        opener: &evenkeel::model::sealed::Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Error,
        limits,
        policy: None,
        per_stack: &|_| StackOptions::default(),
        include: &globs(&["**"]).unwrap(),
        exclude: &globs::<&str>(&[]).unwrap(),
    };
    judging(criterion, &options);
    for count in [10, 200, 2_000] {
        let revision = revision(count);
        let loaded = load(&revision, &options);
        let stack = loaded.stacks[0].result.as_ref().unwrap();
        assert_eq!(stack.services.len(), count);
        criterion.bench_function(&format!("load/{count}"), |bencher| {
            bencher.iter(|| black_box(load(black_box(&revision), &options)));
        });
    }
}

/// The same stack with and without a policy that has a word on all that it asks for: the binds of each service are
/// looked for on the disk, ports and images in lists.
fn judging(criterion: &mut Criterion, options: &Options<'_>) {
    let listed = |values: &[&str]| Setting {
        level: None,
        allow: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let rules = [
        (Rule::HostBinds, listed(&["/opt", "/srv"])),
        (Rule::Ports, listed(&["443", "127.0.0.1:*"])),
        (Rule::Registries, listed(&["ghcr.io/acme/*", "registry.test/team/*"])),
    ];
    let policy = Policy { rules: rules.into(), ..Policy::default() };
    let today = Date::constant(2027, 3, 1);
    let asked = Some(HostPolicy { policy: &policy, today, socket: None });
    let revision = revision(1_000);
    for (name, policy) in [("without", None), ("with", asked)] {
        let options = Options { policy, server: options.server.clone(), ..*options };
        let loaded = load(&revision, &options);
        let stack = loaded.stacks[0].result.as_ref().unwrap();
        assert_eq!(stack.services.len(), 1_000);
        criterion.bench_function(&format!("policy/{name}/1000"), |bencher| {
            bencher.iter(|| black_box(load(black_box(&revision), &options)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    targets = loading
}
criterion_main!(benches);
