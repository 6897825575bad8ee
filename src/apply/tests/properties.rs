//! What holds for any pair of wishes, one after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::bench::*;
use crate::model::stack::Condition;
use crate::model::{PinnedImage, ServiceOutcome};
use crate::plan::{self, Plan, Step, Target, Verdict};

/// A service in a few numbers: image, value, replicas, limit, health check, dependency on the one before.
type Sketch = (u8, u8, u32, bool, bool, bool);

fn sketches() -> impl Strategy<Value = Vec<Option<Sketch>>> {
    let one = (0..2u8, 0..3u8, 1..3u32, any::<bool>(), any::<bool>(), any::<bool>());
    prop::collection::vec(prop::option::weighted(0.8, one), 1..5)
}

fn services(sketches: &[Option<Sketch>], images: &[PinnedImage; 2]) -> Vec<Wanted> {
    let mut services: Vec<Wanted> = Vec::new();
    for (place, sketch) in sketches.iter().enumerate() {
        let Some((image, value, replicas, limited, checked, depends)) = *sketch else { continue };
        let mut wanted = service(&format!("s{place}"), &images[usize::from(image)])
            .env("V", &value.to_string())
            .replicas(replicas)
            .memory(i64::from(limited) << 26);
        if checked {
            wanted = wanted.checked();
        }
        if let Some(before) = services.last().filter(|_| depends) {
            let name = before.service.name.to_string();
            let checked = before.service.settings.healthcheck.is_some();
            let condition = if checked { Condition::Healthy } else { Condition::Started };
            wanted = wanted.needs(&name, condition);
        }
        services.push(wanted);
    }
    services
}

/// A container of ours that runs goes away for good only after a gate was passed under its name, or because
/// its service or its replica is no longer wanted.
fn keeps_the_old_one(plan: &Plan) {
    let kept: BTreeSet<_> = plan
        .changes
        .iter()
        .filter(|change| matches!(change.verdict, Verdict::Update(_) | Verdict::Recreate(_)))
        .map(|change| &change.service)
        .collect();
    for planned in &plan.steps {
        let replaced = planned.service.as_ref().is_some_and(|service| kept.contains(service))
            && planned.because == "its successor has passed";
        if let (Step::RemoveContainer(Target::Id(_)), true) = (&planned.step, replaced) {
            let waits: Vec<_> =
                plan.steps.iter().filter(|other| planned.after.contains(&other.id)).collect();
            assert!(!waits.is_empty());
            let is_gate =
                |step: &Step| matches!(step, Step::AwaitGate { .. } | Step::Monitor { .. });
            assert!(waits.iter().all(|wait| is_gate(&wait.step)), "{planned:#?}");
        }
        if let Step::StopContainer(_) = planned.step
            && let Some(section) = planned.section
        {
            let first = plan.steps.iter().find(|other| other.section == Some(section)).unwrap();
            let created = plan.steps.iter().any(|other| {
                first.after.contains(&other.id) && matches!(other.step, Step::CreateContainer(_))
            });
            assert!(created, "{planned:#?}");
        }
    }
}

async fn from_one_to_the_other(first: Vec<Option<Sketch>>, second: Vec<Option<Sketch>>) {
    let mut host = Bench::new();
    let images = [host.app(), host.image("other", Default::default())];
    for wishes in [first, second] {
        host.want_all("shop", services(&wishes, &images));
        let plan = host.plan().await;
        keeps_the_old_one(&plan);
        assert_eq!(format!("{plan:?}"), format!("{:?}", host.plan().await));
        let pass = host.pass().await;
        for (service, result) in &pass.outcome.services {
            assert_eq!(result.outcome, ServiceOutcome::Done, "{service}: {:?}", result.failure);
        }
        host.assert_quiet().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_wishes_after_any_others_converge_in_one_pass(first in sketches(), second in sketches()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(from_one_to_the_other(first, second));
    }

    #[test]
    fn a_death_at_any_call_between_any_wishes_is_made_good(
        first in sketches(),
        second in sketches(),
        at in 1..40usize,
        before in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut host = Bench::new();
            let images = [host.app(), host.image("other", Default::default())];
            host.want_all("shop", services(&first, &images));
            host.pass().await;
            host.want_all("shop", services(&second, &images));
            let straight = host.fork();
            straight.pass().await;
            if before { host.world.crash_before(at) } else { host.world.crash_after(at) }
            host.try_pass().await;
            host.world.revive();
            host.pass().await;
            host.pass().await;
            host.assert_quiet().await;
            // Nobody waits at the gate of a container that was started just before the death.
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(host.world.normalised(), straight.world.normalised());
        });
    }
}

#[test]
fn an_empty_host_and_no_wishes_make_an_empty_plan() {
    let host = Bench::new();
    let (observed, memory) = (Default::default(), host.memory());
    let plan = plan::plan(&host.situation(&observed, &memory));
    assert!(plan.steps.is_empty() && plan.changes.is_empty());
}
