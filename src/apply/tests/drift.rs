//! What people and the machine do to containers that were right.

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::Hidden;
use crate::model::spec::{Hook, RestartPolicy};
use crate::plan::{Plan, Verdict};

/// A converged host, something done to it, one pass that mends it and says why, and then quiet.
async fn check(field: &str, word: &str, act: impl FnOnce(&Bench)) {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app).memory(1 << 26), service("web", &app)]);
    host.converge().await;
    let before = host.world.normalised();
    act(&host);
    let pass = host.converge().await;
    let verdict = pass.verdict("shop/db");
    assert_eq!(verdict.word(), word, "{verdict:?}");
    if word != "create" {
        assert!(verdict.differences().iter().any(|one| one.field == field), "{verdict:?}");
    }
    assert_eq!(*pass.verdict("shop/web"), Verdict::InSync);
    assert_eq!(host.world.normalised(), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_or_killed_is_started() {
    check("state", "start", |host| host.world.docker_stop("shop-db-1").unwrap()).await;
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app).restart(RestartPolicy::No)]);
    host.converge().await;
    host.world.kill("shop-db-1", 137).unwrap();
    host.converge().await;
    assert!(host.container("shop-db-1").is_running());
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_is_made_again() {
    check("", "create", |host| host.world.docker_rm_force("shop-db-1").unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_renamed_gets_its_name_back() {
    check("name", "update", |host| host.world.docker_rename("shop-db-1", "db").unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_paused_goes_on() {
    check("state", "update", |host| host.world.pause("shop-db-1").unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_limit_is_set_back() {
    check("mem_limit", "update", |host| host.world.set_memory("shop-db-1", 1 << 28).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_nobody_wants_needs_a_new_container() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app)]);
    host.converge().await;
    let before = host.container_id("shop-db-1");
    host.world.set_memory("shop-db-1", 1 << 28).unwrap();
    let pass = host.converge().await;
    assert!(matches!(pass.verdict("shop/db"), Verdict::Recreate(_)));
    assert_ne!(host.container_id("shop-db-1"), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_disconnected_is_connected() {
    check("networks.shop_default", "update", |host| {
        host.world.docker_disconnect("shop-db-1", "shop_default").unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_network_that_was_removed_is_made_again() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app), service("web", &app)]);
    host.converge().await;
    let before = host.world.normalised();
    for name in ["shop-db-1", "shop-web-1"] {
        host.world.docker_stop(name).unwrap();
    }
    host.world.docker_network_rm("shop_default").unwrap();
    host.converge().await;
    assert_eq!(host.world.normalised(), before);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_was_removed_under_containers_taken_off_it_is_made_again() {
    check("networks.shop_default", "update", |host| {
        host.world.docker_disconnect("shop-db-1", "shop_default").unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_removed_is_pulled() {
    let mut host = Bench::new();
    let job = host.image("job", ImageBehaviour::exits(SECOND, 0));
    host.want("shop", [service("job", &job).restart(RestartPolicy::No)]);
    host.converge().await;
    host.world.remove_image(&job).unwrap();
    let pass = host.converge().await;
    assert_eq!(pass.verdict("shop/job").differences()[0].field, "image");
}

#[tokio::test(start_paused = true)]
async fn containers_of_compose_that_match_stay_untouched() {
    let mut host = Bench::new();
    let mut image = ImageBehaviour::default();
    image.defaults.environment.insert("PATH".into(), Some(Hidden::new("/usr/bin")));
    let app = host.world.load_image("registry.test/app", "1", image.clone());
    host.want("shop", [service("web", &app).env("A", "1"), service("db", &app)]);
    host.converge().await;
    let wanted = host.desired.clone();
    // The same containers as Compose would have left them: without our labels.
    let compose = Bench::new();
    compose.world.load_image("registry.test/app", "1", image);
    compose.world.docker_network_create(&network("shop_default")).unwrap();
    for name in ["web", "db"] {
        let id = crate::model::ServiceId::new(&"shop".into(), &name.into());
        let settings =
            wanted.deployment(&id.stack).unwrap().services[&id.service].service.settings.clone();
        let labels = [
            ("project", "shop"),
            ("service", name),
            ("container-number", "1"),
            ("oneoff", "False"),
        ];
        let labels =
            labels.map(|(key, value)| (format!("com.docker.compose.{key}"), value.to_owned()));
        compose
            .world
            .add_foreign(&format!("shop-{name}-1"), &app, settings, labels.into())
            .unwrap();
    }
    let mut host = Bench { desired: wanted, ..compose };
    host.assert_quiet().await;
    assert_eq!(host.memory().matched.len(), 2);
    let drain = Hook { command: vec!["drain".into()], ..Hook::default() };
    let web = service("web", &app)
        .env("A", "2")
        .with(|service| service.settings.hooks.pre_stop = vec![drain.clone()]);
    host.want("shop", [web, service("db", &app)]);
    let pass = host.converge().await;
    assert_eq!(pass.verdict("shop/web").differences()[0].field, "env.A");
    assert_eq!(*pass.verdict("shop/db"), Verdict::InSync);
    let says_so = |plan: &Plan| {
        let mut remarks = plan.changes.iter().flat_map(|change| &change.remarks);
        remarks.any(|remark| remark.contains("before shop-web-1 stops is not known"))
    };
    assert!(says_so(&pass.plan), "what Compose ran before a stop stands nowhere");
    assert!(!says_so(&host.plan().await), "this one has it on a label");
}
