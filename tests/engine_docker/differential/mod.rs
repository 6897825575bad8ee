//! The fake host held against the real engine: made-up sequences of calls, and of what people do meanwhile, are
//! replayed on both. After each step its result and all that is to be seen have to be the same.
//!
//! The number of a sequence is its seed. `EVENKEEL_DIFFERENTIAL_SEQUENCES` says how many are replayed, 120 by
//! default; `EVENKEEL_DIFFERENTIAL_FIRST` says with which to begin. What was found that way has a test of its own
//! in `src/engine/fake/tests.rs`.

mod sequence;
mod lane;
mod seen;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel::engine::Engine as _;
use evenkeel::engine::fake::FakeEngine;
use evenkeel::model::ContainerSpec;
use futures_util::stream::{self, StreamExt};

use self::lane::{Lane, by_hand, by_hand_on_the_fake};
pub use self::seen::kind;
use self::seen::{Seen, kind_by_hand, look, tell_difference};
use self::sequence::{Call, Deed, Step, sequence};
use super::world::World;

/// How many sequences are replayed at once.
const AT_ONCE: usize = 4;
/// How long the real engine may take to come to rest after a step.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the fake is given; it costs nothing.
const REST: Duration = Duration::from_secs(600);

/// A sequence on the fake host, which rests after each step until nothing happens by itself any more.
fn on_the_fake(mut lane: Lane, steps: &[Step], image: &ContainerSpec) -> Vec<Seen> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let fake = FakeEngine::new();
        for (program, pinned) in &mut lane.images {
            let name = format!("registry.test/{program:?}").to_lowercase();
            *pinned = fake.load_image(&name, "1", program.behaviour(image));
        }
        let mut seen = Vec::new();
        for step in steps {
            let result = match step {
                Step::Asked(call) => kind(&lane.carry_out(&fake, call).await),
                Step::ByHand(deed) => kind_by_hand(by_hand_on_the_fake(&lane, &fake, deed)),
            };
            tokio::time::advance(REST).await;
            if is_up_to_chance(&lane, &fake, step, result) {
                break;
            }
            seen.push(Seen { result, host: look(&lane, &fake).await });
        }
        seen
    })
}

/// Whether the engine itself may come to this or that: it goes through the networks of a container that starts
/// in any order, until one is missing.
fn is_up_to_chance(lane: &Lane, fake: &FakeEngine, step: &Step, result: &str) -> bool {
    let (Step::Asked(Call::Start(name)) | Step::ByHand(Deed::Start(name))) = step else {
        return false;
    };
    let networks = fake.container(&lane.named(name)).map_or(0, |one| one.attached.len());
    networks > 1 && matches!(result, "not found" | "not done")
}

/// The same sequence on the real engine; how it differs, if it does.
async fn on_the_engine(
    lane: &Lane,
    world: &World,
    steps: &[Step],
    expected: &[Seen],
) -> Result<(), String> {
    let mut told = String::new();
    for (step, expected) in steps.iter().zip(expected) {
        let (result, words) = match step {
            Step::Asked(call) => {
                let result = lane.carry_out(&world.engine, call).await;
                (kind(&result), result.err().map(|error| error.to_string()).unwrap_or_default())
            }
            Step::ByHand(deed) => (kind_by_hand(by_hand(lane, deed).await), String::new()),
        };
        writeln!(told, "{step:?}: {result} {words}").unwrap();
        let host = rest(lane, world, &expected.host).await;
        if (result, &host) != (expected.result, &expected.host) {
            writeln!(told, "the fake says: {}", expected.result).unwrap();
            tell_difference(&expected.host, &host, &mut told);
            return Err(told);
        }
    }
    Ok(())
}

/// What the real engine shows once it shows what is expected, or what it shows in the end.
async fn rest(lane: &Lane, world: &World, expected: &str) -> String {
    let start = Instant::now();
    loop {
        let host = look(lane, &world.engine).await;
        if host == expected || start.elapsed() > PATIENCE {
            return host;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Replays one sequence; how the engines differ, if they do.
async fn replay(world: Arc<World>, image: Arc<ContainerSpec>, seed: u64) -> Result<(), String> {
    let (lane, steps) = (Lane::new(&world, seed), sequence(seed));
    let fake = {
        let (lane, steps) = (lane.clone(), steps.clone());
        tokio::task::spawn_blocking(move || on_the_fake(lane, &steps, &image)).await.unwrap()
    };
    let same = on_the_engine(&lane, &world, &steps, &fake).await;
    lane.clean_up().await;
    same.map_err(|difference| {
        format!(
            "sequence {seed} (again: EVENKEEL_DIFFERENTIAL_FIRST={seed} \
             EVENKEEL_DIFFERENTIAL_SEQUENCES=1 tests/run the_fake_does_what)\n{difference}"
        )
    })
}

fn number(variable: &str, usual: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows the number")]
    let text = std::env::var(variable).ok();
    text.map_or(usual, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_does_what_the_engine_does() {
    let world = Arc::new(World::new("differential"));
    let images = world.engine.observe(&[]).await.unwrap().images;
    let pulled = world.image.pull_reference();
    let image = images.iter().find(|image| image.digests.contains(&pulled)).unwrap();
    let image = world.engine.image_defaults(&image.id.as_str().into()).await.unwrap();
    let image = Arc::new(image);
    let first = number("EVENKEEL_DIFFERENTIAL_FIRST", 0);
    let seeds = first..first + number("EVENKEEL_DIFFERENTIAL_SEQUENCES", 60);
    let differences: Vec<String> = stream::iter(seeds)
        .map(|seed| tokio::spawn(replay(world.clone(), image.clone(), seed)))
        .buffer_unordered(AT_ONCE)
        .filter_map(|replayed| async { replayed.unwrap().err() })
        .collect()
        .await;
    let count = differences.len();
    assert!(differences.is_empty(), "{count} sequences differ:\n{}", differences.join("\n"));
}
