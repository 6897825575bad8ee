use std::collections::BTreeMap;
use std::time::Duration;

use super::world::*;
use crate::apply::{Failure, Outcome};
use crate::model::memory::HeldBy;
use crate::model::observed::{ContainerState, Health, ObservedState};
use crate::model::{GenerationNumber, ServiceOutcome, SourceName};
use crate::plan::{Block, Plan, Verdict};
use crate::report::exit::of_pass;
use crate::report::wire::{Pass, PassOutcome, PassReport};
use crate::report::{ExitCode, Style, text, wire};

const SERVICES: [&str; 3] = ["shop/api", "shop/web", "shop/db"];

fn report(plan: &Plan, outcome: &Outcome, failed_sources: &[(SourceName, String)]) -> PassReport {
    wire::pass(&Pass {
        desired: &desired(&SERVICES),
        observed: &ObservedState::default(),
        plan,
        outcome,
        generations: &BTreeMap::from([("shop".into(), GenerationNumber(12))]),
        failed_sources,
        took: Duration::from_millis(125_400),
    })
}

/// A pass over one service, beside one that is in sync.
fn check(verdict: Verdict, came_out: Option<ServiceOutcome>, word: &str, code: ExitCode) {
    let plan = plan([("shop/api", verdict.clone()), ("shop/web", Verdict::InSync)]);
    let results: Vec<_> = came_out.into_iter().map(|outcome| ("shop/api", outcome)).collect();
    let report = report(&plan, &outcome(&results), &[]);
    assert_eq!(report.stacks[0].services[0].outcome, word, "{verdict:?}");
    assert_eq!(report.stacks[0].services[1].outcome, "unchanged");
    assert_eq!(of_pass(&report), code, "{verdict:?} {came_out:?}");
    json(&report);
}

#[test]
fn the_exit_code_of_a_pass_is_that_of_its_worst_service() {
    use ServiceOutcome::{Done, Failed, RolledBack, Skipped};
    check(Verdict::InSync, None, "unchanged", ExitCode::Good);
    check(image_update(), Some(Done), "done", ExitCode::Good);
    check(image_update(), Some(Failed), "failed", ExitCode::Failed);
    check(image_update(), Some(RolledBack), "rolled-back", ExitCode::RolledBack);
    check(image_update(), Some(Skipped), "skipped", ExitCode::Failed);
    check(image_update(), None, "skipped", ExitCode::Failed);
    check(held(HeldBy::Operator, true), None, "held", ExitCode::Good);
    check(held(HeldBy::Adoption, false), None, "held", ExitCode::Failed);
    check(rejected(), None, "blocked", ExitCode::Failed);
    let image = Block::Image { message: SECRET.to_owned(), hint: Some(SECRET.to_owned()) };
    check(Verdict::Blocked(image), None, "blocked", ExitCode::Failed);
}

#[test]
fn what_waited_for_a_service_that_went_back_is_no_worse_than_it() {
    let plan = plan([("shop/api", image_update()), ("shop/web", Verdict::Create)]);
    let results = [("shop/api", ServiceOutcome::RolledBack), ("shop/web", ServiceOutcome::Skipped)];
    assert_eq!(report(&plan, &outcome(&results), &[]).outcome, PassOutcome::RolledBack);
}

#[test]
fn a_failure_wins_over_a_rollback() {
    let plan = plan([("shop/api", image_update()), ("shop/web", image_update())]);
    let results = [("shop/api", ServiceOutcome::RolledBack), ("shop/web", ServiceOutcome::Failed)];
    assert_eq!(of_pass(&report(&plan, &outcome(&results), &[])), ExitCode::Failed);
}

#[test]
fn what_belongs_to_no_service_can_fail_a_pass_too() {
    let quiet = plan([("shop/api", Verdict::InSync)]);
    let code = |outcome: &Outcome, sources: &[_]| of_pass(&report(&quiet, outcome, sources));
    assert_eq!(code(&Outcome::default(), &[]), ExitCode::Good);
    let source = ("infra".into(), "no route to host".to_owned());
    assert_eq!(code(&Outcome::default(), &[source]), ExitCode::Failed);
    let shared_failures = vec![Failure::of_the_world("no address left")];
    let failed = Outcome { shared_failures, ..Outcome::default() };
    assert_eq!(code(&failed, &[]), ExitCode::Failed);
    let stopped = Outcome { stopped: true, ..Outcome::default() };
    assert_eq!(code(&stopped, &[]), ExitCode::Failed);
}

#[test]
fn a_service_that_is_as_git_says_and_not_healthy_fails_the_pass() {
    let mut ill = container("shop/web");
    (ill.state, ill.health) = (ContainerState::Running, Health::Unhealthy);
    let report = wire::pass(&Pass {
        desired: &desired(&SERVICES),
        observed: &observed(vec![ill]),
        plan: &plan([("shop/api", Verdict::InSync), ("shop/web", Verdict::InSync)]),
        outcome: &Outcome::default(),
        generations: &BTreeMap::new(),
        failed_sources: &[],
        took: Duration::ZERO,
    });
    assert_eq!(of_pass(&report), ExitCode::Failed);
    let errors: Vec<_> = report.stacks[0].services.iter().map(|one| one.error.clone()).collect();
    assert_eq!(errors[0], None);
    assert!(errors[1].as_deref().unwrap_or_default().contains("is unhealthy"), "{errors:?}");
    assert_eq!(report.stacks[0].services[1].outcome, "unchanged");
}

#[test]
fn an_invalid_stack_fails_the_pass() {
    let desired = with_invalid(desired(&SERVICES), "broken", vec![problem()]);
    let report = wire::pass(&Pass {
        desired: &desired,
        observed: &ObservedState::default(),
        plan: &Plan::default(),
        outcome: &Outcome::default(),
        generations: &BTreeMap::new(),
        failed_sources: &[],
        took: Duration::ZERO,
    });
    assert_eq!(of_pass(&report), ExitCode::Failed);
    assert!(report.stacks[1].error.as_deref().unwrap_or_default().contains("compose.yaml:14:15"));
}

#[test]
fn a_failed_service_shows_why_and_its_last_words() {
    let plan = plan([
        ("shop/api", image_update()),
        ("shop/web", Verdict::Create),
        ("shop/db", Verdict::InSync),
    ]);
    let results = [("shop/api", ServiceOutcome::RolledBack), ("shop/web", ServiceOutcome::Done)];
    let report = report(&plan, &outcome(&results), &[]);
    let written = text(|out| text::pass(out, &report, Style::PLAIN, false));
    insta::assert_snapshot!(written, @r"
    shop  0123456  generation 12  rolled back
      ! api  update: rolled back in 12s
          image: app:1.4.1 → app:1.4.2
          env.TOKEN changed
          error: shop-api-1 ended with exit code 1
          | starting
          | no  [31mdatabase
          hint: see `docker logs shop-api-1`
      + web  created in 12s
      = 1 unchanged
    web-1: rolled back in 2m 5s
    ");
}

#[test]
fn a_pass_in_json_keeps_to_the_contract() {
    let plan = plan([("shop/api", image_update())]);
    let report = report(&plan, &outcome(&[("shop/api", ServiceOutcome::Failed)]), &[]);
    insta::assert_snapshot!(json(&report), @r#"
    {
      "schema": "evenkeel.pass/v1",
      "host": "web-1",
      "outcome": "failed",
      "failed_sources": [],
      "failures": [],
      "stopped": false,
      "stacks": [
        {
          "stack": "shop",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "generation": 12,
          "outcome": "failed",
          "error": null,
          "problems": [],
          "services": [
            {
              "service": "api",
              "verdict": "update",
              "outcome": "failed",
              "reasons": [
                {
                  "field": "image",
                  "from": "app:1.4.1",
                  "to": "app:1.4.2"
                },
                {
                  "field": "env.TOKEN",
                  "from": null,
                  "to": null
                }
              ],
              "error": "shop-api-1 ended with exit code 1",
              "hint": "see `docker logs shop-api-1`",
              "held_by": null,
              "note": null,
              "logs": [
                "starting",
                "no \u001b[31mdatabase"
              ],
              "seconds": 12.345
            }
          ]
        }
      ],
      "seconds": 125.4
    }
    "#);
}

#[test]
fn what_waits_for_a_window_leaves_a_pass_converged() {
    check(waiting(), None, "blocked", ExitCode::Good);
    let plan = plan([("shop/api", waiting()), ("shop/web", Verdict::InSync)]);
    let report = report(&plan, &outcome(&[]), &[]);
    assert_eq!(report.stacks[0].services[0].error, None);
    let text = text(|out| text::pass(out, &report, Style::PLAIN, false));
    assert!(
        text.contains("waits for the window `Sat,Sun 02:00-05:00` of this host, until"),
        "{text}"
    );
}

#[test]
fn a_line_for_the_service_manager_counts_what_there_is() {
    let line = |plan: &Plan, outcome: &Outcome, failed: &[(SourceName, String)]| {
        let commit = "4f2c9e1".repeat(6);
        let sources = [("infra", Some(&commit[..40])), ("edge", None)];
        text::summary(&report(plan, outcome, failed), sources.into_iter().take(1 + failed.len()))
    };
    let quiet = plan([("shop/api", Verdict::InSync), ("shop/web", held(HeldBy::Operator, true))]);
    assert_eq!(line(&quiet, &Outcome::default(), &[]), "infra@4f2c9e1 · 1 in sync · 1 held");
    let busy = plan([
        ("shop/api", image_update()),
        ("shop/db", Verdict::Remove),
        ("shop/web", rejected()),
        ("shop/worker", image_update()),
    ]);
    let done = [
        ("shop/api", ServiceOutcome::Done),
        ("shop/db", ServiceOutcome::Done),
        ("shop/worker", ServiceOutcome::RolledBack),
    ];
    let told = "infra@4f2c9e1 · 1 in sync · 1 blocked · 1 rolled back";
    assert_eq!(line(&busy, &outcome(&done), &[]), told);
    let lost = [("edge".into(), "no route to host".to_owned())];
    assert_eq!(
        line(&plan([]), &Outcome::default(), &lost),
        "infra@4f2c9e1 · edge (failed) · 0 in sync"
    );
}
