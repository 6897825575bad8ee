//! Windows: what waits for one, until when, and what never does.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::bench::*;
use super::crashes::settle;
use crate::engine::fake::ImageBehaviour;
use crate::model::desired::{Deployment, PinOrigin};
use crate::model::memory::HeldBy;
use crate::model::spec::RestartPolicy;
use crate::model::stack::Condition;
use crate::model::{ServiceOutcome, StackContent, StackName, Update, Window};
use crate::plan::windows::{Owner, Waiting};
use crate::plan::{Block, Verdict};

/// 2027-01-15 is a Friday, and it is 08:00 on it.
const CLOSED: &str = "Sat,Sun 02:00-05:00";
const OPENS: &str = "2027-01-16T02:00:00Z";

fn window(text: &str) -> Option<Window> {
    Some(Window::parse(text).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn waiting<'p>(pass: &'p Pass, service: &str) -> &'p Waiting {
    let verdict = pass.verdict(service);
    verdict.waiting().unwrap_or_else(|| panic!("{service} does not wait: {verdict:?}"))
}

/// The next pass updates the service, and the one behind it has nothing to do.
async fn is_updated(host: &Bench, service: &str) {
    let pass = host.converge().await;
    let verdict = pass.verdict(service);
    assert!(matches!(verdict, Verdict::Update(_)), "{verdict:?}");
}

/// A host with `shop/web` deployed, whose window is closed from now on.
async fn deployed() -> Bench {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app)]);
    host.converge().await;
    host.rules.windows.host = window(CLOSED);
    host
}

fn deployment<'h>(host: &'h mut Bench, stack: &str) -> &'h mut Deployment {
    match &mut host.desired.stacks[&StackName::new(stack)].content {
        StackContent::Usable(deployment) => deployment,
        StackContent::Invalid(_) => panic!("{stack} is invalid"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_until_the_window_opens_and_says_so() {
    let mut host = deployed().await;
    let app = host.app();
    host.want("shop", [service("web", &app).env("V", "2"), service("new", &app)]);
    let before = host.container_id("shop-web-1");
    host.world.forget_calls();
    let pass = host.pass().await;
    assert_eq!(host.calls(), [""; 0], "nothing is pulled, made or stopped");
    let web = waiting(&pass, "shop/web");
    assert_eq!((web.window.as_str(), web.owner), (CLOSED, Owner::Host));
    assert_eq!(web.until, Some(at(OPENS)));
    assert_eq!(web.differences[0].field, "env.V");
    assert_eq!(waiting(&pass, "shop/new").until, Some(at(OPENS)));
    host.now = at("2027-01-16T01:59:59Z");
    host.assert_quiet().await;
    host.now = at(OPENS);
    host.converge().await;
    assert_ne!(host.container_id("shop-web-1"), before);
    assert_eq!(host.world.names(), ["shop-new-1", "shop-web-1"]);
}

#[tokio::test(start_paused = true)]
async fn who_says_now_does_not_wait() {
    let mut host = deployed().await;
    let app = host.app();
    host.want("shop", [service("new", &app)]);
    host.rules.windows.ignored = true;
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-new-1"]);
}

#[tokio::test(start_paused = true)]
async fn every_window_has_to_be_open_and_the_stacks_stands_for_the_hosts() {
    let mut host = deployed().await;
    let app = host.app();
    host.want("shop", [service("web", &app).env("V", "2")]);
    let check = async |host: &Bench, owner, until: Option<&str>| {
        let pass = host.pass().await;
        let web = waiting(&pass, "shop/web");
        assert_eq!((web.owner, web.until), (owner, until.map(at)));
    };
    host.rules.windows.stacks.insert("shop".into(), Window::parse("Sun 02:00-05:00").unwrap());
    check(&host, Owner::Settings, Some("2027-01-17T02:00:00Z")).await;
    // What git says comes on top.
    host.stack("shop").window = window("04:00-06:00");
    check(&host, Owner::Settings, Some("2027-01-17T04:00:00Z")).await;
    host.now = at("2027-01-17T02:00:00Z");
    check(&host, Owner::Manifest, Some("2027-01-17T04:00:00Z")).await;
    host.stack("shop").window = window("06:00-07:00");
    check(&host, Owner::Manifest, None).await;
    host.stack("shop").window = window("00:00-24:00");
    is_updated(&host, "shop/web").await;
}

#[tokio::test(start_paused = true)]
async fn a_window_of_update_is_for_images_that_are_followed() {
    let mut host = Bench::new();
    let (one, two) = (host.app(), host.image("other", ImageBehaviour::default()));
    let update = Update {
        rule: None,
        min_age: None,
        window: window(CLOSED),
        write_back: false,
        hidden: false,
    };
    let web = |image, value| {
        service("web", image).env("V", value).with(|web| web.update = Some(update.clone()))
    };
    host.want("shop", [web(&one, "1")]);
    host.converge().await;
    // Git has changed the line: that is no matter of `update`.
    host.want("shop", [web(&two, "1")]);
    is_updated(&host.fork(), "shop/web").await;
    let follow = |host: &mut Bench| {
        let image = deployment(host, "shop").services[0].image.as_mut().unwrap();
        image.origin = PinOrigin::Followed;
    };
    follow(&mut host);
    let pass = host.pass().await;
    assert_eq!(waiting(&pass, "shop/web").owner, Owner::Update);
    host.now = at(OPENS);
    is_updated(&host, "shop/web").await;
    // The image is there: a value that has changed does not wait for it.
    host.now = at("2027-01-18T12:00:00Z");
    host.want("shop", [web(&two, "2")]);
    follow(&mut host);
    is_updated(&host, "shop/web").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deployed_is_put_back_whatever_the_hour() {
    let host = deployed().await;
    let check = async |what: &str, harm: &dyn Fn(&Bench)| {
        let host = host.fork();
        harm(&host);
        let pass = host.converge().await;
        assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Done, "{what}");
        assert!(host.container("shop-web-1").is_running(), "{what}");
    };
    check("gone", &|host| host.world.docker_rm_force("shop-web-1").unwrap()).await;
    check("stopped", &|host| host.world.docker_stop("shop-web-1").unwrap()).await;
    check("limited", &|host| host.world.set_memory("shop-web-1", 1 << 28).unwrap()).await;
    check("renamed", &|host| host.world.docker_rename("shop-web-1", "web").unwrap()).await;
    check("unplugged", &|host| {
        host.world.docker_disconnect("shop-web-1", "shop_default").unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn replicas_wait_where_git_asks_for_them_and_not_where_they_were_lost() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).replicas(2)]);
    host.converge().await;
    host.rules.windows.host = window(CLOSED);
    host.world.docker_rm_force("shop-web-2").unwrap();
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-web-1", "shop-web-2"]);
    for (many, _) in [(3, "more"), (1, "fewer")] {
        host.want("shop", [service("web", &app).replicas(many)]);
        let pass = host.pass().await;
        assert_eq!(waiting(&pass, "shop/web").differences[0].field, "replicas");
        assert_eq!(host.world.names(), ["shop-web-1", "shop-web-2"]);
    }
}

/// The program dies at every call of a rollout, and the window closes meanwhile: all replicas end up alike.
#[tokio::test(start_paused = true)]
async fn what_was_begun_is_finished_whatever_the_hour() {
    let mut host = Bench::new();
    let app = host.app();
    let first = host.fork();
    host.want("shop", [service("web", &app).replicas(3)]);
    host.converge().await;
    let mut begun = BTreeSet::new();
    for (mut host, value) in [(host, "2"), (first, "1")] {
        let app = host.app();
        host.want("shop", [service("web", &app).replicas(3).env("V", value)]);
        for n in 1.. {
            let mut host = host.fork();
            host.world.crash_after(n);
            if host.try_pass().await.is_some() {
                break;
            }
            host.world.revive();
            host.rules.windows.host = window(CLOSED);
            settle(&host).await;
            let names = host.world.names();
            let specs: BTreeSet<_> =
                names.iter().map(|name| host.container(name).spec().cloned()).collect();
            assert!(
                specs.len() <= 1 && (names.is_empty() || names.len() == 3),
                "call {n}: {names:?}"
            );
            begun.insert(specs == [Some(host.hash("shop/web"))].into());
        }
    }
    assert_eq!(begun.len(), 2, "some were not begun, and waited");
}

#[tokio::test(start_paused = true)]
async fn a_lost_record_keeps_no_container_from_being_mended() {
    let host = deployed().await;
    host.memory.lock().unwrap().deployed.clear();
    host.world.docker_stop("shop-web-1").unwrap();
    host.world.set_memory("shop-web-1", 1 << 28).unwrap();
    let pass = host.converge().await;
    assert_eq!(pass.outcome("shop/web"), ServiceOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_container_of_the_wanted_spec_is_mended_and_another_name_waits() {
    let mut host = Bench::new();
    let app = host.app();
    let web = |app| service("web", app).memory(1 << 28);
    host.want("shop", [web(&app)]);
    host.converge().await;
    let before = host.memory().deployed;
    host.want("shop", [web(&app).env("V", "2")]);
    host.converge().await;
    // The pass died before it wrote down what it had done.
    host.memory.lock().unwrap().deployed = before;
    host.rules.windows.host = window(CLOSED);
    host.world.set_memory("shop-web-1", 1 << 27).unwrap();
    assert!(matches!(host.converge().await.verdict("shop/web"), Verdict::Mend(_)));
    host.want("shop", [web(&app).env("V", "2").called("front")]);
    assert_eq!(waiting(&host.pass().await, "shop/web").until, Some(at(OPENS)));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_kept_up_as_it_is() {
    let mut host = deployed().await;
    let app = host.app();
    host.want("shop", [service("web", &app).env("V", "2")]);
    let before = host.container_id("shop-web-1");
    host.world.docker_stop("shop-web-1").unwrap();
    let pass = host.pass().await;
    waiting(&pass, "shop/web");
    assert_eq!(host.container_id("shop-web-1"), before);
    assert!(host.container("shop-web-1").is_running());
    assert!(host.memory().deployed[&id("shop/web")].spec != host.hash("shop/web"));
}

#[tokio::test(start_paused = true)]
async fn a_removal_waits_and_what_was_removed_is_new_when_it_comes_again() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app), service("old", &app)]);
    host.converge().await;
    host.rules.windows.host = window(CLOSED);
    host.want("shop", [service("web", &app)]);
    let pass = host.pass().await;
    assert_eq!(waiting(&pass, "shop/old").until, Some(at(OPENS)));
    assert_eq!(host.world.names(), ["shop-old-1", "shop-web-1"]);
    host.now = at(OPENS);
    host.converge().await;
    assert_eq!(host.world.names(), ["shop-web-1"]);
    host.now = at("2027-01-18T12:00:00Z");
    host.want("shop", [service("web", &app), service("old", &app)]);
    let pass = host.pass().await;
    waiting(&pass, "shop/old");
}

#[tokio::test(start_paused = true)]
async fn who_depends_on_what_waits_goes_ahead_where_that_serves_and_waits_with_it_where_not() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("db", &app)]);
    host.want("blog", [service("web", &app)]);
    host.converge().await;
    host.rules.windows.stacks.insert("shop".into(), Window::parse(CLOSED).unwrap());
    host.want("shop", [service("db", &app).env("V", "2")]);
    host.want("blog", [service("web", &app).env("V", "2")]).after.push("shop".into());
    let pass = host.pass().await;
    let web = waiting(&pass, "blog/web");
    assert_eq!(web.behind.as_deref(), Some("the stack shop"));
    assert_eq!((web.owner, web.until), (Owner::Settings, Some(at(OPENS))));
    // Something else that is in the way is not hidden by the hour.
    host.want("shop", [service("db", &app).env("V", "2"), service("api", &app).port("80")]);
    host.stack("shop").networks[0].internal = true;
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("blog/web"), Verdict::Blocked(Block::OnStack(_))));
}

#[tokio::test(start_paused = true)]
async fn a_stack_as_a_whole_waits_as_a_whole() {
    let mut host = Bench::new();
    let (app, two) = (host.app(), host.image("other", ImageBehaviour::default()));
    host.want("shop", [service("db", &app), service("web", &app)]).atomic = true;
    host.converge().await;
    let update = Update {
        rule: None,
        min_age: None,
        window: window(CLOSED),
        write_back: false,
        hidden: false,
    };
    let db = service("db", &two).with(|db| db.update = Some(update));
    host.want("shop", [db, service("web", &app).env("V", "2")]).atomic = true;
    let image = deployment(&mut host, "shop").services[0].image.as_mut().unwrap();
    image.origin = PinOrigin::Followed;
    let pass = host.pass().await;
    assert_eq!(waiting(&pass, "shop/web").behind.as_deref(), Some("shop/db"));
    host.now = at(OPENS);
    is_updated(&host, "shop/web").await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_a_rejection_and_what_is_in_the_way_are_told_before_the_hour() {
    let mut host = deployed().await;
    let app = host.app();
    host.want("shop", [service("web", &app).env("V", "2")]);
    let held = host.fork();
    held.hold_web(HeldBy::Operator, None);
    assert!(matches!(held.pass().await.verdict("shop/web"), Verdict::Held(_)));
    host.stack("shop").networks[0].internal = true;
    let pass = host.pass().await;
    assert!(matches!(pass.verdict("shop/web"), Verdict::Blocked(Block::World { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_and_what_needs_it_too() {
    let mut host = Bench::new();
    let (app, job) = (host.app(), host.image("job", ImageBehaviour::exits(SECOND, 0)));
    host.rules.windows.host = window(CLOSED);
    let job = service("job", &job).restart(RestartPolicy::No);
    host.want("shop", [job, service("web", &app).needs("job", Condition::Completed)]);
    let pass = host.pass().await;
    waiting(&pass, "shop/job");
    waiting(&pass, "shop/web");
    assert_eq!(host.world.names(), [""; 0]);
    host.now = at(OPENS);
    host.converge().await;
    assert!(host.container("shop-web-1").is_running());
    host.now = at("2027-01-18T12:00:00Z");
    host.assert_quiet().await;
}
