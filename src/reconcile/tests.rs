//! Whole passes with a real record, on a host in memory: whatever happens to them, the record tells one story.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::lanes::Lanes;
use super::pass::Prepared;
use super::telling::post::Post;
use super::{Pass, Request, World, pass};
use crate::apply::{Event, Watcher};
use crate::config::{Ambient, CommitStatus, Config, Forge, Recipient};
use crate::engine::EngineError;
use crate::engine::fake::{FakeEngine, Fault, HealthStory, ImageBehaviour, Matcher, Process, Verb};
use crate::history::{Filter, GenerationRow, History, Waiting};
use crate::model::memory::{HeldBy, Hold, HoldScope};
use crate::model::{Digest, GenerationNumber, GenerationOutcome, ImageRef};
use crate::notify::{Courier, Message, Undelivered};
use crate::plan::Change;
use crate::registry::{FakeRegistry, Registry, digest};

/// What can happen before a pass.
#[derive(Clone, Debug)]
enum Act {
    /// Git wants this image and value of a service in a stack.
    Want { stack: usize, image: usize, value: u8 },
    /// Git does not have the stack any more.
    Drop { stack: usize },
    /// Somebody removes a container.
    Remove { stack: usize },
    /// The engine refuses the next call of this kind.
    Refuse(Verb),
}

const STACKS: [&str; 2] = ["blog", "shop"];
const IMAGES: [&str; 4] = ["good", "slow", "ends", "sick"];

/// Each with the number of events after which the program dies in the pass that follows, if it does.
fn acts() -> impl Strategy<Value = Vec<(Act, Option<usize>)>> {
    let stack = 0..STACKS.len();
    let act = prop_oneof![
        5 => (stack.clone(), 0..IMAGES.len(), 0..3_u8)
            .prop_map(|(stack, image, value)| Act::Want { stack, image, value }),
        1 => stack.clone().prop_map(|stack| Act::Drop { stack }),
        1 => stack.prop_map(|stack| Act::Remove { stack }),
        1 => prop_oneof![
            Just(Verb::Start), Just(Verb::CreateContainer), Just(Verb::Pull), Just(Verb::Rename),
        ].prop_map(Act::Refuse),
    ];
    let dies_after = proptest::option::weighted(0.4, 0..20_usize);
    proptest::collection::vec((act, dies_after), 1..10)
}

struct Host {
    engine: FakeEngine,
    registry: Arc<FakeRegistry>,
    world: World,
    directory: TempDir,
}

impl Host {
    fn new() -> Self {
        // The first one to install it wins.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::create_dir(at.join("git")).unwrap();
        let text = format!(
            "host: here\nsources: [{{name: git, repo: {at}/git}}]\nenv_dir: {at}/env\n\
             data_dir: {at}/data\nstate_dir: {at}/state\nremovals: {{allow: true}}\n\
             rollout: {{stable: 1s, monitor: 1s, deadline: 5s}}\n",
            at = at.display()
        );
        let config = Config::parse("config.yaml", &text, &Ambient::default()).unwrap();
        let engine = FakeEngine::new();
        let registry = Arc::new(FakeRegistry::default());
        let behaviours = [
            ImageBehaviour::default(),
            ImageBehaviour {
                health: HealthStory::HealthyAfter(Duration::from_secs(2)),
                ..ImageBehaviour::default()
            },
            ImageBehaviour::exits(Duration::from_millis(500), 1),
            ImageBehaviour::process(Process::CannotStart("exec format error".into())),
        ];
        for (name, behaviour) in IMAGES.iter().zip(behaviours) {
            let digest = engine.add_image(&format!("registry.test/{name}"), "1", behaviour);
            let image = ImageRef::parse(&format!("registry.test/{name}:1")).unwrap();
            registry.put(&image, digest);
        }
        let world = World {
            engine: Arc::new(engine.clone()),
            registry: Arc::clone(&registry) as Arc<dyn Registry>,
            ..World::new(config).unwrap()
        };
        Self { engine, registry, world, directory }
    }

    fn happen(&self, act: &Act) {
        let stack_at = |stack: usize| self.directory.path().join("git").join(STACKS[stack]);
        match act {
            Act::Want { stack, image, value } => {
                self.want(STACKS[*stack], &format!("{}:1", IMAGES[*image]), *value);
            }
            // Nothing to drop, nothing to remove: then nothing happens.
            Act::Drop { stack } => drop(std::fs::remove_dir_all(stack_at(*stack))),
            Act::Remove { stack } => {
                let _ = self.engine.docker_rm_force(&format!("{}-web-1", STACKS[*stack]));
            }
            Act::Refuse(verb) => {
                let no = Fault::Refused(EngineError::Other("no".into()));
                self.engine.fail_next(Matcher::any(*verb), no);
            }
        }
    }

    fn want(&self, stack: &str, image: &str, value: u8) {
        let directory = self.directory.path().join("git").join(stack);
        let text = format!(
            "services:\n  web:\n    image: registry.test/{image}\n    environment: {{V: \"{value}\"}}\n"
        );
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("compose.yaml"), text).unwrap();
    }

    /// One pass; `None` where the program died in it.
    async fn pass(&self, dies_after: Option<usize>) -> Option<Pass> {
        let watcher = Mortal { left: AtomicUsize::new(dies_after.unwrap_or(usize::MAX)) };
        let (request, stop) = (Request::default(), CancellationToken::new());
        let lived = pass::pass(&self.world, &request, &watcher, &stop);
        AssertUnwindSafe(lived).catch_unwind().await.ok().map(Result::unwrap)
    }

    /// Oldest first.
    fn generations(&self) -> Vec<GenerationRow> {
        let history = History::read_only(&self.world.config.state_dir).unwrap();
        let mut rows = history.generations(&Filter::default()).unwrap();
        rows.reverse();
        rows
    }
}

/// Ends the program after so many events.
struct Mortal {
    left: AtomicUsize,
}

impl Watcher for Mortal {
    fn event(&self, event: &Event<'_>) {
        // How often a container is looked at is no matter of what was done.
        if matches!(event, Event::Seen(..)) {
            return;
        }
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        assert!(left > 0, "dies here, as it is to");
    }
}

/// What is to hold of the record after each pass, whether it died or not.
#[derive(Default)]
struct Ledger(Mutex<BTreeMap<GenerationNumber, (GenerationOutcome, Option<Timestamp>)>>);

impl Ledger {
    fn check(&self, rows: &[GenerationRow], begun_before: usize, died: bool) {
        let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let mut known = self.0.lock().unwrap();
        for (position, row) in rows.iter().enumerate() {
            let Some(outcome) = row.outcome else {
                assert!(died && position >= begun_before, "{} has no end", row.number);
                continue;
            };
            let end = (outcome, row.ended_at);
            let before = known.insert(row.number, end);
            assert!(before.is_none_or(|before| before == end), "{} ended twice", row.number);
            assert!(row.ended_at.is_some_and(|at| at >= row.started_at));
        }
    }
}

async fn live(acts: &[(Act, Option<usize>)]) {
    let host = Host::new();
    let ledger = Ledger::default();
    for (act, dies_after) in acts {
        host.happen(act);
        let before = host.generations().len();
        let ended = host.pass(*dies_after).await;
        let rows = host.generations();
        ledger.check(&rows, before, ended.is_none());
        for (stack, number) in ended.iter().flat_map(|pass| &pass.generations) {
            let row = rows.iter().find(|row| row.number == *number).unwrap();
            assert_eq!(row.stack, *stack);
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}

async fn digest_of(host: &Host, name: &str) -> Digest {
    let image = ImageRef::parse(&format!("registry.test/{name}:1")).unwrap();
    digest(&*host.registry, &image).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_host_already_needs_no_room() {
    let host = Host::new();
    let layer = |digit: char| Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64)));
    let large = BTreeMap::from([(layer('1').unwrap(), 6 << 30)]);
    let larger = BTreeMap::from([(layer('1').unwrap(), 6 << 30), (layer('2').unwrap(), 1 << 20)]);
    host.registry.put_layers(&digest_of(&host, "good").await, large);
    host.registry.put_layers(&digest_of(&host, "slow").await, larger.clone());
    let next = ImageRef::parse("registry.test/good:2").unwrap();
    let digest = host.engine.add_image("registry.test/good", "2", ImageBehaviour::default());
    host.registry.put_layers(&digest, larger);
    host.registry.put(&next, digest);
    let deploy = async |stack: &str, image: &str, elsewhere: u64| {
        host.engine.has_disk(100 << 30, elsewhere << 30, 0);
        host.want(stack, image, 0);
        let pass = host.pass(None).await.unwrap();
        let result = pass.outcome.services.into_values().next().unwrap();
        result.failure.map(|failure| failure.message)
    };
    assert_eq!(deploy("blog", "good:1", 50).await, None);
    // Now 15 GiB for all of it would not fit, and of another repository nothing is here.
    let refused = deploy("shop", "slow:1", 88).await.unwrap();
    assert!(refused.contains("6.0 GiB of layers"), "{refused}");
    host.happen(&Act::Drop { stack: 1 });
    assert_eq!(deploy("blog", "good:2", 88).await, None);
}

/// Passes side by side, as the daemon has them.
struct Beside<'a> {
    host: &'a Host,
    lanes: Lanes,
    stop: CancellationToken,
}

/// An image that is healthy after an hour, and patience with it.
const SLOW: &str = "slower:1
    healthcheck: {test: [CMD, 'true'], start_period: 2h}
    x-evenkeel: {rollout: {deadline: 10000h}}";

impl<'a> Beside<'a> {
    fn new(host: &'a Host) -> Self {
        let behaviour = ImageBehaviour {
            health: HealthStory::HealthyAfter(Duration::from_secs(3_600)),
            ..ImageBehaviour::default()
        };
        let digest = host.engine.add_image("registry.test/slower", "1", behaviour);
        host.registry.put(&ImageRef::parse("registry.test/slower:1").unwrap(), digest);
        Self { host, lanes: Lanes::default(), stop: CancellationToken::new() }
    }

    async fn prepare(&self) -> Prepared {
        let (world, request) = (&self.host.world, Request::default());
        pass::prepare(world, &request, &Quiet, &self.stop, &self.lanes).await.unwrap()
    }

    async fn carry_out(&self, prepared: Prepared) -> Pass {
        prepared.carry_out(&self.host.world, &Quiet, &self.stop).await.unwrap()
    }

    async fn pass(&self) -> Pass {
        self.carry_out(self.prepare().await).await
    }
}

struct Quiet;

impl Watcher for Quiet {
    fn event(&self, _: &Event<'_>) {}
}

/// What a pass had to say of services, and how they ended.
fn said(pass: &Pass) -> Vec<String> {
    let ended = |change: &Change| {
        let result = pass.outcome.services.get(&change.service);
        let word = result.map_or("nothing done", |result| result.outcome.word());
        format!("{} {}: {word}", change.service, change.verdict.word())
    };
    pass.plan.changes.iter().map(ended).collect()
}

/// Does `meanwhile` when `slow` has waited for its health for some time; then that goes on.
async fn while_it_waits<T>(
    slow: impl Future<Output = Pass>,
    meanwhile: impl Future<Output = T>,
) -> (T, Pass) {
    let mut slow = std::pin::pin!(slow);
    tokio::select! {
        biased;
        pass = &mut slow => panic!("it is done already: {:?}", said(&pass)),
        () = tokio::time::sleep(Duration::from_secs(300)) => {}
    }
    (meanwhile.await, slow.await)
}

#[tokio::test(start_paused = true)]
async fn while_a_stack_waits_for_its_containers_another_one_is_changed() {
    let (host, recorder) = Host::telling(ONE);
    let beside = Beside::new(&host);
    host.want("shop", SLOW, 0);
    let first = beside.prepare().await;
    host.want("blog", "good:1", 0);
    let meanwhile = async {
        let second = beside.pass().await;
        let third = beside.pass().await;
        (second, third, host.generations())
    };
    let ((second, third, rows), first) = while_it_waits(beside.carry_out(first), meanwhile).await;
    assert_eq!(said(&second), ["blog/web create: done"]);
    assert_eq!(said(&third), ["blog/web in-sync: nothing done"]);
    assert_eq!(second.busy, BTreeSet::from(["shop".into()]));
    assert!(!second.again);
    let ended = rows.iter().map(|row| (row.stack.as_str(), row.outcome)).collect::<Vec<_>>();
    assert_eq!(ended, [("shop", None), ("blog", Some(GenerationOutcome::Converged))]);
    assert_eq!(said(&first), ["shop/web create: done"]);
    assert!(first.again, "somebody left it alone");
    let last = beside.pass().await;
    assert_eq!(said(&last), ["blog/web in-sync: nothing done", "shop/web in-sync: nothing done"]);
    assert!(!last.again);
    let history = History::read_only(&host.world.config.state_dir).unwrap();
    let stacks = history.stacks().unwrap();
    let stands = stacks.iter().map(|it| (it.stack.as_str(), it.state.as_str())).collect::<Vec<_>>();
    assert_eq!(stands, [("blog", "in-sync"), ("shop", "in-sync")]);
    assert_eq!(host.tells(&recorder).await, ["ops deployed blog", "ops deployed shop"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_is_in_one_pass_s_hand_and_what_is_wanted_otherwise_by_then_ends_that() {
    let host = Host::new();
    let beside = Beside::new(&host);
    host.want("shop", "good:1", 0);
    beside.pass().await;
    host.want("shop", SLOW, 1);
    let first = beside.prepare().await;
    host.want("shop", "good:1", 2);
    let (second, first) = while_it_waits(beside.carry_out(first), beside.pass()).await;
    assert_eq!(said(&second), [""; 0]);
    assert_eq!(said(&first), ["shop/web update: rolled-back"]);
    assert!(first.again);
    assert_eq!(said(&beside.pass().await), ["shop/web update: done"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_waits_for_one_in_hand_is_left_alone_and_one_that_is_gone_too() {
    let host = Host::new();
    let beside = Beside::new(&host);
    host.want("blog", "good:1", 0);
    beside.pass().await;
    host.want("shop", SLOW, 0);
    let first = beside.prepare().await;
    host.want("blog", "good:1", 1);
    let file = host.directory.path().join("git/blog/compose.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "x-evenkeel: {after: [shop]}\n").unwrap();
    let meanwhile = async {
        let second = beside.pass().await;
        host.happen(&Act::Drop { stack: 1 });
        (second, beside.pass().await)
    };
    let ((second, third), first) = while_it_waits(beside.carry_out(first), meanwhile).await;
    assert_eq!(said(&second), [""; 0]);
    assert_eq!(said(&third), [""; 0], "who has it in hand is not robbed of it");
    let first = said(&first);
    assert_eq!(first.last().map(String::as_str), Some("shop/web create: done"), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn what_befalls_a_stack_in_hand_is_looked_at_afterwards() {
    let host = Host::new();
    let beside = Beside::new(&host);
    host.want("shop", SLOW, 0);
    let first = beside.prepare().await;
    let meanwhile = async { [beside.lanes.owe(&"blog".into()), beside.lanes.owe(&"shop".into())] };
    let (is_owed, first) = while_it_waits(beside.carry_out(first), meanwhile).await;
    assert_eq!(is_owed, [false, true]);
    assert!(first.again);
    assert!(!beside.lanes.owe(&"shop".into()), "nobody has it any more");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generations_grow_and_end_once_whatever_becomes_of_a_pass(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live(&acts));
    }
}

/// Takes messages, or refuses them.
#[derive(Default)]
struct Recorder {
    taken: Mutex<Vec<String>>,
    refuses: AtomicBool,
    hangs: AtomicBool,
}

#[async_trait::async_trait]
impl Courier for Recorder {
    async fn deliver(&self, to: &Recipient, message: &Message) -> Result<(), Undelivered> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Undelivered::new("status 503"));
        }
        self.taken.lock().unwrap().push(format!("{} {} {}", to.name, message.event, message.name));
        Ok(())
    }
}

impl Host {
    /// With recipients as in the configuration.
    fn telling(notify: &str) -> (Self, Arc<Recorder>) {
        let mut host = Self::new();
        let text = format!("host: here\nsources: [{{repo: /x}}]\nnotify: {notify}\n");
        let config = Config::parse("config.yaml", &text, &Ambient::default()).unwrap();
        host.world.config.notify = config.notify;
        let recorder = Arc::new(Recorder::default());
        host.world.courier = Arc::clone(&recorder) as Arc<dyn Courier>;
        (host, recorder)
    }

    /// A pass, with nothing lost, and what was told after it.
    async fn tells(&self, recorder: &Recorder) -> Vec<String> {
        self.pass(None).await.unwrap();
        Post::of(&self.world).once(Duration::from_secs(5)).await;
        std::mem::take(&mut *recorder.taken.lock().unwrap())
    }

    fn outbox(&self) -> Vec<Waiting> {
        History::read_only(&self.world.config.state_dir).unwrap().outbox().unwrap()
    }
}

const ONE: &str = "[{name: ops, command: [unused]}]";

#[tokio::test(start_paused = true)]
async fn each_change_of_state_is_told_once() {
    let (host, recorder) = Host::telling(ONE);
    let nothing = [""; 0];
    host.want("shop", "good:1", 0);
    assert_eq!(host.tells(&recorder).await, ["ops deployed shop"]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.want("shop", "ends:1", 0);
    assert_eq!(host.tells(&recorder).await, ["ops rolled-back shop"]);
    for _ in 0..3 {
        assert_eq!(host.tells(&recorder).await, nothing);
    }
    host.want("shop", "good:1", 1);
    assert_eq!(host.tells(&recorder).await, ["ops recovered shop"]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.happen(&Act::Remove { stack: 1 });
    assert_eq!(host.tells(&recorder).await, ["ops drift shop"]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.want("shop", "good:1\n    no-such-key: 1", 1);
    assert_eq!(host.tells(&recorder).await, ["ops failed shop"]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.want("shop", "good:1", 1);
    assert_eq!(host.tells(&recorder).await, ["ops recovered shop"]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_and_its_end_are_told() {
    let (host, recorder) = Host::telling(ONE);
    host.want("shop", "good:1", 0);
    host.tells(&recorder).await;
    let history = History::open(&host.world.config.state_dir, Timestamp::now()).unwrap().history;
    let scope = HoldScope::Stack("shop".into());
    let hold = Hold {
        scope: scope.clone(),
        by: HeldBy::Operator,
        since: Timestamp::now(),
        until: None,
        reason: Some("the stocktaking".into()),
        image: None,
        going_to: None,
    };
    history.hold(&hold).unwrap();
    assert_eq!(host.tells(&recorder).await, ["ops held shop"]);
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    history.unhold(&scope, Timestamp::now()).unwrap();
    assert_eq!(host.tells(&recorder).await, ["ops recovered shop"]);
}

#[tokio::test(start_paused = true)]
async fn recipients_hear_what_they_asked_for() {
    let (host, recorder) = Host::telling(
        "[{name: bad, command: [x], events: [rolled-back, failed]},
          {name: good, command: [x], events: [deployed]},
          {name: blog, command: [x], stacks: [blog]}]",
    );
    host.want("shop", "good:1", 0);
    assert_eq!(host.tells(&recorder).await, ["good deployed shop"]);
    host.want("shop", "ends:1", 0);
    assert_eq!(host.tells(&recorder).await, ["bad rolled-back shop"]);
    host.want("shop", "good:1", 1);
    assert_eq!(host.tells(&recorder).await, ["good deployed shop"]);
    host.want("blog", "good:1", 1);
    let mut both = host.tells(&recorder).await;
    both.sort();
    assert_eq!(both, ["blog deployed blog", "good deployed blog"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_in_order_until_it_is_taken_and_no_pass_waits_for_it() {
    let (host, recorder) = Host::telling(ONE);
    recorder.refuses.store(true, Ordering::Relaxed);
    host.want("shop", "good:1", 0);
    let pass = host.pass(None).await.unwrap();
    assert!(!pass.outcome.services.is_empty());
    host.want("blog", "good:1", 0);
    for _ in 0..2 {
        assert_eq!(host.tells(&recorder).await, [""; 0]);
    }
    let [first, second] = &host.outbox()[..] else { panic!() };
    assert_eq!((first.tries, first.error.as_deref()), (1, Some("status 503")));
    assert!(first.next_try > Timestamp::now(), "not at once");
    assert_eq!(second.tries, 0, "the first is in front of it");
    // The time has come, in a new process.
    recorder.refuses.store(false, Ordering::Relaxed);
    let history = History::open(&host.world.config.state_dir, Timestamp::now()).unwrap().history;
    history.put_off(first.number, "", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(host.tells(&recorder).await, ["ops deployed shop", "ops deployed blog"]);
    assert_eq!(host.outbox(), []);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_hangs_holds_up_nothing_and_one_that_is_gone_is_forgotten() {
    let (mut host, recorder) = Host::telling(ONE);
    recorder.hangs.store(true, Ordering::Relaxed);
    host.want("shop", "good:1", 0);
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    assert_eq!(host.outbox().len(), 1);
    host.want("shop", "good:1", 1);
    assert_eq!(host.pass(None).await.unwrap().outcome.services.len(), 1);
    host.world.config.notify[0].name = "others".into();
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    assert_eq!(host.outbox(), []);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_told_to_be_stale_only_when_that_lasts() {
    let (host, recorder) = Host::telling("[{name: ops, command: [x], events: [stale, recovered]}]");
    host.want("shop", "good:1", 0);
    host.tells(&recorder).await;
    let (git, away) = (host.directory.path().join("git"), host.directory.path().join("away"));
    std::fs::rename(&git, &away).unwrap();
    assert_eq!(host.tells(&recorder).await, [""; 0], "it was read a moment ago");
    let history = History::open(&host.world.config.state_dir, Timestamp::now()).unwrap().history;
    let (name, mut report) = history.sources().unwrap().remove(0);
    report.fetched_at = Some(Timestamp::now() - Duration::from_secs(600));
    history.record_source(&name, &report).unwrap();
    assert_eq!(host.tells(&recorder).await, ["ops stale git"]);
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    std::fs::rename(&away, &git).unwrap();
    assert_eq!(host.tells(&recorder).await, ["ops recovered git"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_pass_found_and_did_is_counted() {
    let host = Host::new();
    let shown = || host.world.metrics.text(Timestamp::now());
    let check = |lines: &[&str]| {
        let text = shown();
        for line in lines {
            assert!(text.lines().any(|one| one == *line), "{line} in\n{text}");
        }
    };
    host.want("shop", "good:1", 0);
    host.want("blog", "good:1", 0);
    host.pass(None).await.unwrap();
    check(&[
        "evenkeel_passes_total{outcome=\"ended\"} 1",
        "evenkeel_rollouts_total{stack=\"shop\",outcome=\"done\"} 1",
        "evenkeel_services{stack=\"shop\",state=\"in-sync\"} 1",
        "evenkeel_generations_total{stack=\"shop\"} 1",
        "evenkeel_source_failing{source=\"git\"} 0",
        "evenkeel_images_kept 1",
    ]);
    assert!(!shown().contains("drift_found_total{"), "nothing has drifted");
    host.happen(&Act::Remove { stack: 0 });
    host.pass(None).await.unwrap();
    check(&["evenkeel_drift_found_total{stack=\"blog\"} 1"]);
    assert!(!shown().contains("drift_found_total{stack=\"shop\""), "{}", shown());
    host.want("shop", "ends:1", 0);
    host.pass(None).await.unwrap();
    check(&[
        "evenkeel_rollouts_total{stack=\"shop\",outcome=\"rolled-back\"} 1",
        "evenkeel_services{stack=\"shop\",state=\"rejected\"} 1",
        "evenkeel_services{stack=\"shop\",state=\"in-sync\"} 0",
    ]);
    host.want("shop", "good:1\n    no-such-key: 1", 1);
    host.happen(&Act::Drop { stack: 0 });
    host.pass(None).await.unwrap();
    check(&["evenkeel_stack_invalid{stack=\"shop\"} 1"]);
    assert!(!shown().contains("services{stack=\"blog\""), "it is gone");
    std::fs::rename(host.directory.path().join("git"), host.directory.path().join("away")).unwrap();
    host.pass(None).await.unwrap();
    check(&[
        "evenkeel_source_failing{source=\"git\"} 1",
        "evenkeel_stack_invalid{stack=\"shop\"} 1",
    ]);
}

impl Host {
    /// With a forge that is told of the source's commits.
    fn at_a_forge(notify: &str) -> (Self, Arc<Recorder>) {
        let (mut host, recorder) = Self::telling(notify);
        host.world.config.sources[0].commit_status = Some(CommitStatus {
            forge: Forge::Gitea,
            token_file: "/unused".into(),
            api: "https://git.test/api/v1".into(),
            project: "acme/infra".into(),
            context: "evenkeel/here".into(),
        });
        (host, recorder)
    }

    /// What waits for the forge: state and description.
    fn for_the_forge(&self) -> Vec<(String, String)> {
        let messages = self.outbox().into_iter().map(|waiting| {
            let message: Message = serde_json::from_str(&waiting.letter.message).unwrap();
            (message.event, message.text)
        });
        messages.collect()
    }
}

const SUCCESS: &str = "commit status\ngit success git";
const FAILURE: &str = "commit status\ngit failure git";

#[tokio::test(start_paused = true)]
async fn a_forge_is_told_once_of_each_commit_and_of_each_change_of_outcome() {
    let (host, recorder) = Host::at_a_forge("[]");
    let nothing = [""; 0];
    host.want("shop", "good:1", 0);
    assert_eq!(host.tells(&recorder).await, [SUCCESS]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.happen(&Act::Remove { stack: 1 });
    assert_eq!(host.tells(&recorder).await, nothing, "what drifts says nothing of the commit");
    host.want("shop", "ends:1", 0);
    assert_eq!(host.tells(&recorder).await, [FAILURE]);
    assert_eq!(host.tells(&recorder).await, nothing);
    host.want("shop", "good:1\n    no-such-key: 1", 0);
    assert_eq!(host.tells(&recorder).await, [FAILURE], "another commit");
    host.want("shop", "good:1", 1);
    assert_eq!(host.tells(&recorder).await, [SUCCESS]);
    let nobody_else = "[{name: ops, command: [x], events: [deployed]}]";
    let (host, recorder) = Host::at_a_forge(nobody_else);
    host.want("shop", "good:1", 0);
    let mut both = host.tells(&recorder).await;
    both.sort();
    assert_eq!(both, [SUCCESS, "ops deployed shop"], "each for itself");
    assert_eq!(host.tells(&recorder).await, nothing);
}

#[tokio::test(start_paused = true)]
async fn while_something_is_changed_the_commit_is_pending() {
    let (host, recorder) = Host::at_a_forge("[]");
    host.want("shop", "good:1", 0);
    assert!(host.pass(Some(2)).await.is_none(), "the program died");
    let pending = ("pending".to_owned(), "changing shop".to_owned());
    assert_eq!(host.for_the_forge(), std::slice::from_ref(&pending));
    tokio::time::sleep(Duration::from_secs(600)).await;
    host.pass(None).await.unwrap();
    let success = ("success".to_owned(), "1 services are as it says".to_owned());
    assert_eq!(host.for_the_forge(), [pending, success], "in this order");
    Post::of(&host.world).once(Duration::from_secs(5)).await;
    assert_eq!(*recorder.taken.lock().unwrap(), [SUCCESS], "what is over is not told any more");
    assert_eq!(host.outbox(), []);
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_does_not_answer_holds_up_nothing_and_hears_of_every_commit_later() {
    let (host, recorder) = Host::at_a_forge("[]");
    recorder.refuses.store(true, Ordering::Relaxed);
    host.want("shop", "good:1", 0);
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    host.want("shop", "ends:1", 0);
    assert_eq!(host.tells(&recorder).await, [""; 0]);
    let waiting = host.outbox();
    assert_eq!(waiting.len(), 2, "the last word on each commit: {waiting:?}");
    assert!(waiting.iter().all(|it| it.tries == 1), "neither waits for the other: {waiting:?}");
    assert!(host.for_the_forge()[1].1.starts_with("shop/web: "), "{:?}", host.for_the_forge());
    recorder.refuses.store(false, Ordering::Relaxed);
    let history = History::open(&host.world.config.state_dir, Timestamp::now()).unwrap().history;
    for one in &waiting {
        history.put_off(one.number, "", Timestamp::UNIX_EPOCH).unwrap();
    }
    assert_eq!(host.tells(&recorder).await, [SUCCESS, FAILURE]);
    assert_eq!(host.outbox(), []);
}
