//! What goes because git no longer names it, and what stays all the same.

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::memory::HoldScope;
use crate::model::{Problem, StackContent};
use crate::plan::{MostRemovals, Step, Verdict};

async fn two_stacks() -> Bench {
    let mut host = Bench::new();
    let app = host.world.load_image("registry.test/app", "1", ImageBehaviour::default());
    host.want("shop", [service("web", &app).volume("shop_data"), service("db", &app)]);
    host.want("blog", [service("web", &app)]);
    host.converge().await;
    host
}

#[tokio::test(start_paused = true)]
async fn what_git_no_longer_names_goes_with_its_network_but_not_its_volume() {
    let mut host = two_stacks().await;
    host.forget("shop");
    let pass = host.converge().await;
    assert_eq!(*pass.verdict("shop/db"), Verdict::Remove);
    assert_eq!(host.world.names(), ["blog-web-1"]);
    assert!(host.world.normalised().contains("networks: blog_default\n"));
    assert!(host.world.volume_labels("shop_data").is_some());
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_its_source_cannot_be_read() {
    let mut host = two_stacks().await;
    host.forget("shop");
    host.desired.sources_read.clear();
    host.assert_quiet().await;
    assert_eq!(host.world.names().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_guard_keeps_what_would_be_removed_in_bulk() {
    let mut host = two_stacks().await;
    host.rules.allow_removals = false;
    host.rules.removals_max = MostRemovals::Percent(30);
    host.forget("shop");
    host.assert_quiet().await;
    let plan = host.plan().await;
    assert!(matches!(verdict(&plan, "shop/db"), Verdict::Held(held) if !held.desired));
    host.rules.allow_removals = true;
    host.converge().await;
    assert_eq!(host.world.names(), ["blog-web-1"]);
    host.rules.allow_removals = false;
    host.forget("blog");
    host.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_guard_allows_what_the_operator_says_and_tells_of_what_is_more() {
    for (most, told) in [
        (MostRemovals::Percent(30), Some("more than 30 %")),
        (MostRemovals::Percent(66), Some("more than 66 %")),
        (MostRemovals::Percent(67), None),
        (MostRemovals::Count(1), Some("more than 1;")),
        (MostRemovals::Count(2), None),
    ] {
        let mut host = two_stacks().await;
        host.rules.allow_removals = false;
        host.rules.removals_max = most;
        host.forget("shop");
        let plan = host.plan().await;
        let why = verdict(&plan, "shop/db").held().map(|held| held.why.as_str());
        let is_told = |told: &str| why.is_some_and(|why| why.contains(told));
        assert!(told.map_or(why.is_none(), is_told), "{most:?}: {why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_guard_lets_go_as_many_as_are_said_and_one_whatever_is_said() {
    let mut host = two_stacks().await;
    let app = host.app();
    host.want("blog", [service("web", &app), service("db", &app)]);
    host.converge().await;
    host.rules.allow_removals = false;
    host.forget("shop");
    host.rules.removals_max = MostRemovals::Percent(50);
    assert_eq!(*verdict(&host.plan().await, "shop/db"), Verdict::Remove, "just two of four");
    host.converge().await;
    host.want("blog", [service("web", &app)]);
    for none in [MostRemovals::Percent(0), MostRemovals::Count(0)] {
        host.rules.removals_max = none;
        assert_eq!(*verdict(&host.plan().await, "blog/db"), Verdict::Remove, "{none:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_services_all_have_other_names_has_not_lost_them() {
    let mut host = Bench::new();
    let app = host.app();
    host.rules.allow_removals = false;
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.want("shop", [service("api", &app)]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-api-1"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_asked_for_goes() {
    let mut host = two_stacks().await;
    host.forget("shop");
    host.rules.only = vec![HoldScope::Service(id("shop/db"))];
    host.converge().await;
    assert_eq!(host.world.names(), ["blog-web-1", "shop-web-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_cannot_be_used_keeps_its_containers() {
    let mut host = two_stacks().await;
    host.desired.stacks[0].content = StackContent::Invalid(Vec::<Problem>::new());
    host.assert_quiet().await;
    assert_eq!(host.world.names().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_network_with_foreign_containers_stays() {
    let mut host = two_stacks().await;
    let app = host.world.load_image("registry.test/app", "1", ImageBehaviour::default());
    let settings = deployed_settings(&host);
    host.world.add_foreign("stranger", &app, settings, Default::default()).unwrap();
    host.forget("blog");
    host.converge().await;
    assert!(host.world.normalised().contains("blog_default"));
}

fn deployed_settings(host: &Bench) -> crate::model::ContainerSpec {
    let deployment = host.desired.deployment(&"blog".into()).unwrap();
    deployment.services[0].service.settings.clone()
}

#[tokio::test(start_paused = true)]
async fn a_new_service_gets_the_port_and_the_name_of_a_removed_one_in_one_pass() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("old", &app).port("80").called("front"), service("db", &app)]);
    host.converge().await;
    host.want("shop", [service("new", &app).port("80").called("front"), service("db", &app)]);
    host.converge().await;
    assert_eq!(host.container("front").label("com.docker.compose.service"), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_half_way_through_its_rollout_goes_entirely() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app), service("db", &app)]);
    host.converge().await;
    host.want("shop", [service("web", &app).env("V", "2"), service("db", &app)]);
    host.world.crash_after(5);
    assert!(host.try_pass().await.is_none());
    host.world.revive();
    assert_eq!(host.world.names(), ["shop-db-1", "shop-web-1", "shop-web-1.previous"]);
    host.want("shop", [service("db", &app)]);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-db-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_a_service_left_goes_with_the_pass_after() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).networks(&["front", "back"])]);
    host.converge().await;
    host.want("shop", [service("web", &app).networks(&["front"])]);
    let pass = host.pass().await;
    let removes = |step: &Step| matches!(step, Step::RemoveNetwork(_));
    assert!(!pass.plan.steps.iter().any(|planned| removes(&planned.step)));
    let pass = host.converge().await;
    assert!(pass.plan.steps.iter().any(|planned| removes(&planned.step)));
    assert!(host.world.normalised().contains("networks: shop_front\n"));
}

#[tokio::test(start_paused = true)]
async fn what_goes_goes_when_all_else_is_over() {
    let mut host = two_stacks().await;
    let app = host.app();
    host.forget("shop");
    host.want("blog", [service("web", &app).env("V", "2")]);
    host.world.forget_calls();
    host.pass().await;
    let calls = host.calls();
    // An update ends with the removal of what it set aside.
    let update_over = calls.iter().position(|call| call.starts_with("Remove")).unwrap();
    let stops = calls[update_over..].iter().filter(|call| call.starts_with("Stop")).count();
    assert_eq!(stops, 2, "{calls:#?}");
}
