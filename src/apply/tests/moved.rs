//! Stacks that get another name: what lies under the old one is not left behind unseen.

use super::bench::*;
use crate::model::memory::{HeldBy, HoldScope};
use crate::model::spec::{Mount, MountSource};
use crate::model::stack::Condition;
use crate::plan::{Block, Held, Verdict};

fn three(host: &mut Bench, stack: &str) {
    let app = host.app();
    host.want(
        stack,
        [
            service("db", &app).volume(&format!("{stack}_data")),
            service("web", &app).needs("db", Condition::Started),
            service("proxy", &app).port("80"),
        ],
    );
}

/// A host on which `shop` ran and is now called `store`.
async fn renamed() -> Bench {
    let mut host = Bench::new();
    three(&mut host, "shop");
    host.converge().await;
    host.forget("shop");
    three(&mut host, "store");
    host
}

fn confirm(host: &Bench, service: &str) {
    let adopted = (id(service), host.hash(service));
    host.memory.lock().unwrap().adopted.insert(adopted);
}

fn held<'p>(plan: &'p crate::plan::Plan, service: &str) -> &'p Held {
    let verdict = verdict(plan, service);
    let Verdict::Held(held) = verdict else { panic!("{service}: {verdict:?}") };
    held
}

#[tokio::test(start_paused = true)]
async fn a_renamed_stack_keeps_what_has_data_until_that_is_confirmed() {
    let host = renamed().await;
    let pass = host.pass().await;
    let new = held(&pass.plan, "store/db");
    assert_eq!((new.by, new.desired), (HeldBy::Adoption, false));
    for part in ["volume shop_data", "volume store_data", "shop/db", "evenkeel adopt store/db"] {
        assert!(new.why.contains(part), "{}", new.why);
    }
    assert!(held(&pass.plan, "shop/db").why.contains("store/db"));
    assert_eq!(host.world.names(), ["shop-db-1", "shop-web-1", "store-proxy-1"]);
    host.assert_quiet().await;
    confirm(&host, "store/db");
    host.converge().await;
    assert_eq!(host.world.names(), ["store-db-1", "store-proxy-1", "store-web-1"]);
    assert!(host.world.volume_labels("shop_data").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_held_successor_is_blocked_and_its_predecessor_stays() {
    let host = renamed().await;
    let plan = host.plan().await;
    assert_eq!(*verdict(&plan, "store/web"), Verdict::Blocked(Block::On(vec![id("store/db")])));
    assert!(held(&plan, "shop/web").why.contains("waits for db"));
    assert_eq!(*verdict(&plan, "shop/proxy"), Verdict::Remove);
}

#[tokio::test(start_paused = true)]
async fn the_question_is_asked_whatever_part_of_the_host_is_changed() {
    let mut host = renamed().await;
    host.rules.only = vec![HoldScope::Stack("store".into())];
    assert!(matches!(verdict(&host.plan().await, "store/db"), Verdict::Held(_)));
    host.rules = Bench::new().rules;
    host.rules.allow_removals = false;
    assert!(matches!(verdict(&host.plan().await, "store/db"), Verdict::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn a_renamed_stack_whose_data_stays_where_it_is_just_moves() {
    let mut host = Bench::new();
    let app = host.app();
    for stack in ["shop", "store"] {
        host.forget("shop");
        let services = [service("db", &app).volume("everyones"), service("web", &app).port("80")];
        host.want(stack, services);
        host.converge().await;
    }
    assert_eq!(host.world.names(), ["store-db-1", "store-web-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_only_the_engine_has_a_name_for_counts_as_data() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app).mount(MountSource::Anonymous)]);
    host.converge().await;
    host.forget("shop");
    host.want("store", [service("db", &app)]);
    host.assert_quiet().await;
    let plan = host.plan().await;
    assert!(held(&plan, "store/db").why.contains("the anonymous volume"));
    confirm(&host, "store/db");
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_without_a_name_is_left_behind_unless_it_is_mounted_where_it_was_or_given_up() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app).mount(MountSource::Anonymous)]);
    host.converge().await;
    let volume = host.container("shop-db-1").anonymous_volumes["/data"].clone();
    host.forget("shop");
    let mounted = |target: &str, name: &str| {
        let mount = Mount::new(target, MountSource::volume(name), false);
        service("db", &app).with(|service| service.settings.mounts = vec![mount])
    };
    let scratch = service("db", &app).with(|service| {
        service.settings.tmpfs.insert("/data".into(), String::new());
    });
    for (what, wanted, is_asked) in [
        ("nothing there", service("db", &app), true),
        ("another volume there", mounted("/data", "other"), true),
        ("it, elsewhere", mounted("/elsewhere", volume.as_str()), true),
        ("it, there", mounted("/data", volume.as_str()), false),
        ("memory there", scratch, false),
    ] {
        host.want("store", [wanted]);
        let plan = host.plan().await;
        let verdict = verdict(&plan, "store/db");
        assert_eq!(matches!(verdict, Verdict::Held(_)), is_asked, "{what}: {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_another_source_is_no_successor() {
    let mut host = renamed().await;
    host.desired.sources_configured.insert("other".into());
    host.desired.sources_read.insert("other".into());
    host.stack("store").source = "other".into();
    host.converge().await;
    assert_eq!(host.world.names().len(), 3);
    assert!(host.world.container("store-db-1").is_some());
}

/// Makes `shop` read `conf` in `directory`, where the stack's files are on the server.
fn read_in(host: &mut Bench, directory: &str) {
    let source = MountSource::bind(format!("{directory}/conf"));
    let web = service("web", &host.app()).mount(source);
    let web = web.with(|service| service.settings.mounts[0].read_only = true);
    host.want("shop", [web]).working_dir = directory.into();
}

#[tokio::test(start_paused = true)]
async fn what_is_only_read_is_not_left_behind_with_the_stacks_directory() {
    let mut host = Bench::new();
    read_in(&mut host, "/opt/shop");
    host.converge().await;
    read_in(&mut host, "/srv/shop");
    let plan = host.plan().await;
    let why = &held(&plan, "shop/web").why;
    assert!(why.contains("/opt/shop/conf") && why.contains("/srv/shop/conf"), "{why}");
    confirm(&host, "shop/web");
    host.converge().await;
}
