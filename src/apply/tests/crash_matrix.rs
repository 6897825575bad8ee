//! Every effect of the rollouts that people have most, and a death of the program at each: `docs/crashes.md`
//! carries the table.
//!
//! A death comes before an effect, or right after it: then what the program would have written down is missing.
//! Right after an effect that was written down is before the next one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::future::LocalBoxFuture;

use super::bench::*;
use super::crashes::settle;
use crate::engine::fake::{HealthStory, ImageBehaviour, Verb};
use crate::model::PinnedImage;
use crate::model::stack::{Condition, Order};

/// The documentation with the table.
const DOCUMENT: &str = include_str!("../../../docs/crashes.md");

/// What is done, in the words of the table, and the verbs that do it.
const EFFECTS: [(&str, &[Verb]); 8] = [
    ("pull", &[Verb::Pull]),
    ("create", &[Verb::CreateNetwork, Verb::CreateVolume, Verb::CreateContainer]),
    ("start", &[Verb::Start]),
    ("connect", &[Verb::Connect, Verb::Disconnect]),
    ("rename", &[Verb::Rename]),
    ("update", &[Verb::Update]),
    ("stop", &[Verb::Stop]),
    ("remove", &[Verb::RemoveContainer, Verb::RemoveNetwork]),
];

/// A host on which a pass is due.
type Scenario = (&'static str, fn() -> LocalBoxFuture<'static, Bench>);

const SCENARIOS: [Scenario; 13] = [
    ("first deployment", || Box::pin(first())),
    ("start-first, good", || Box::pin(updated(Order::StartFirst, Bench::app))),
    ("start-first, never healthy", || Box::pin(updated(Order::StartFirst, never_healthy))),
    ("start-first, dies within monitor", || Box::pin(updated(Order::StartFirst, dies_late))),
    ("stop-first, good", || Box::pin(updated(Order::StopFirst, Bench::app))),
    ("stop-first, exits at once", || Box::pin(updated(Order::StopFirst, exits))),
    ("stop-first, dies within monitor", || Box::pin(updated(Order::StopFirst, dies_late))),
    ("two replicas at once", || {
        Box::pin(changed(|app| batches(app, "1"), |app| batches(app, "2")))
    }),
    ("more replicas", || Box::pin(changed(|app| replicas(app, 1), |app| replicas(app, 3)))),
    ("fewer replicas", || Box::pin(changed(|app| replicas(app, 3), |app| replicas(app, 1)))),
    ("another name, the same port", || {
        let published = |name, app: &PinnedImage| service(name, app).port("80");
        Box::pin(changed(move |app| published("web", app), move |app| published("site", app)))
    }),
    ("removal of a stack", || Box::pin(removed())),
    ("a reboot with one set aside", || Box::pin(rebooted())),
];

async fn first() -> Bench {
    let mut host = Bench::new();
    let app = host.app();
    let db = service("db", &app).checked().volume("shop_data");
    host.want("shop", [db, service("web", &app).port("80").needs("db", Condition::Healthy)]);
    host
}

/// Wants another image of a service that runs.
async fn updated(order: Order, image: fn(&Bench) -> PinnedImage) -> Bench {
    let web = |image: &PinnedImage, value: &str| {
        let web = service("web", image).env("V", value).checked();
        web.with(|service| service.rollout.order = order)
    };
    let (mut host, _) = settled(|app| web(app, "1")).await;
    let image = image(&host);
    host.want("shop", [web(&image, "2")]);
    host
}

fn batches(app: &PinnedImage, value: &str) -> Wanted {
    replicas(app, 2).env("V", value).checked().with(|service| {
        service.rollout.order = Order::StartFirst;
        service.rollout.parallelism = 2;
    })
}

fn replicas(app: &PinnedImage, many: u32) -> Wanted {
    service("web", app).replicas(many)
}

async fn removed() -> Bench {
    let (mut host, _) = settled(|app| replicas(app, 1).volume("shop_data")).await;
    host.forget("shop");
    host
}

async fn rebooted() -> Bench {
    let host = updated(Order::StopFirst, Bench::app).await;
    // Pulled, created, without its restart policy, stopped, and renamed.
    host.world.crash_after(5);
    assert!(host.try_pass().await.is_none());
    host.world.revive();
    assert!(host.world.names().contains(&"shop-web-1.previous".to_owned()));
    host.world.engine_restart();
    host
}

async fn changed(
    before: impl FnOnce(&PinnedImage) -> Wanted,
    after: impl FnOnce(&PinnedImage) -> Wanted,
) -> Bench {
    let (mut host, app) = settled(before).await;
    host.want("shop", [after(&app)]);
    host
}

async fn settled(wanted: impl FnOnce(&PinnedImage) -> Wanted) -> (Bench, PinnedImage) {
    let mut host = Bench::new();
    host.rules.deadline = SECOND * 10;
    let app = host.app();
    host.want("shop", [wanted(&app)]);
    host.converge().await;
    (host, app)
}

fn never_healthy(host: &Bench) -> PinnedImage {
    host.image("sick", ImageBehaviour::health(HealthStory::Never))
}

fn dies_late(host: &Bench) -> PinnedImage {
    let story = HealthStory::HealthyUntil { healthy_after: SECOND, unhealthy_after: SECOND * 4 };
    host.image("late", ImageBehaviour::health(story))
}

fn exits(host: &Bench) -> PinnedImage {
    host.image("bad", ImageBehaviour::exits(SECOND / 2, 1))
}

/// How many deaths were tried in one scenario.
#[derive(Default)]
struct Deaths {
    at: BTreeMap<Verb, u32>,
    /// While the first one is put in order.
    second: u32,
}

/// Lets the program die at every effect of the pass, and again at every effect of the one after; whatever
/// happens, the host ends as without a death.
async fn deaths(scenario: &str, host: &Bench) -> Deaths {
    let straight = host.fork();
    straight.world.forget_calls();
    straight.pass().await;
    let calls = straight.world.mutating_calls();
    let expected = settle(&host.fork()).await;
    let mut deaths = Deaths::default();
    for (place, call) in calls.iter().enumerate() {
        for after in [false, true] {
            let told = format!("{scenario}: died at {call:?}, after it: {after}");
            let once = host.fork();
            assert!(dies(&once, place + 1, after).await, "{told}");
            *deaths.at.entry(call.verb).or_default() += 1;
            assert_eq!(settle(&once.fork()).await, expected, "{told}");
            deaths.second += second(&once, &expected, &told).await;
        }
    }
    deaths
}

/// The pass after a death dies too, at each of its effects; how often that was.
async fn second(once: &Bench, expected: &str, told: &str) -> u32 {
    let mut many = 0;
    for nth in 1.. {
        for after in [false, true] {
            let twice = once.fork();
            if !dies(&twice, nth, after).await {
                return many;
            }
            many += 1;
            let ended = settle(&twice).await;
            assert_eq!(ended, expected, "{told}, then again at call {nth}, after it: {after}");
        }
    }
    many
}

/// One pass, with a death at its nth effect; false where it has less.
async fn dies(host: &Bench, nth: usize, after: bool) -> bool {
    match after {
        false => host.world.crash_before(nth),
        true => host.world.crash_after(nth),
    }
    let died = host.try_pass().await.is_none();
    host.world.revive();
    died
}

fn table(rows: &[(&str, Deaths)]) -> String {
    let mut table = format!("| {:<33}|", "");
    EFFECTS.iter().for_each(|(word, _)| write!(table, " {word:>7} |").unwrap());
    write!(table, " {:>7} |\n|-{:-<33}|", "twice", "").unwrap();
    table.push_str(&"--------:|".repeat(EFFECTS.len() + 1));
    for (scenario, deaths) in rows {
        write!(table, "\n| {scenario:<33}|").unwrap();
        for (_, verbs) in EFFECTS {
            let many: u32 = verbs.iter().filter_map(|verb| deaths.at.get(verb)).sum();
            let many = if many == 0 { String::new() } else { many.to_string() };
            write!(table, " {many:>7} |").unwrap();
        }
        write!(table, " {:>7} |", deaths.second).unwrap();
    }
    table
}

#[test]
fn the_host_ends_as_without_a_death_wherever_the_program_dies_once_or_twice() {
    let column = |(name, host): &Scenario| {
        let mut time = tokio::runtime::Builder::new_current_thread();
        let time = time.enable_time().start_paused(true).build().unwrap();
        (*name, time.block_on(async { deaths(name, &host().await).await }))
    };
    let (some, others) = SCENARIOS.split_at(SCENARIOS.len() / 2);
    let rows = std::thread::scope(|scope| {
        let others = scope.spawn(|| others.iter().map(column).collect::<Vec<_>>());
        let mut rows: Vec<_> = some.iter().map(column).collect();
        rows.extend(others.join().unwrap());
        rows
    });
    let is_shown = |verb: &Verb| EFFECTS.iter().any(|(_, verbs)| verbs.contains(verb));
    assert!(rows.iter().all(|(_, deaths)| deaths.at.keys().all(is_shown)), "a column is missing");
    let table = table(&rows);
    assert!(DOCUMENT.contains(&table), "docs/crashes.md has another table than this:\n{table}");
}
