use std::collections::BTreeMap;

use super::world::*;
use crate::engine::EngineError;
use crate::history::{SourceReport, SourceState, StackReport};
use crate::model::desired::Barred;
use crate::model::memory::{HeldBy, Hold, HoldScope};
use crate::model::observed::{EngineInfo, ObservedContainer};
use crate::model::{
    ContainerState, DesiredState, GenerationNumber, Health, HostName, ObservedState, SourceName,
};
use crate::plan::{Block, Held, Plan, Verdict};
use crate::report::exit::of_status;
use crate::report::state::State;
use crate::report::wire::{Standing, StatusReport};
use crate::report::{ExitCode, Style, text, wire};

pub fn sources() -> Vec<(SourceName, SourceReport)> {
    let report = SourceReport {
        repo: "https://git.example/acme/infra.git".to_owned(),
        branch: "main".to_owned(),
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
        fetched_at: Some("2026-11-21T11:59:20Z".parse().unwrap()),
        state: SourceState::Ok,
        error: None,
        signed_by: None,
        refused: None,
        alarm: None,
    };
    vec![("infra".into(), report)]
}

fn engine() -> EngineInfo {
    EngineInfo {
        version: "28.5.1".to_owned(),
        api_version: "1.51".to_owned(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
    }
}

fn report(desired: &DesiredState, plan: &Plan, observed: &ObservedState) -> StatusReport {
    wire::status(&Standing {
        pressure: None,
        host: &desired.host,
        engine: Ok(&engine()),
        sources: &sources(),
        desired: Some(desired),
        observed,
        plan: Some(plan),
        recorded: &[],
        generations: &BTreeMap::from([("shop".into(), GenerationNumber(12))]),
        now: now(),
    })
}

fn check(verdict: Verdict, container: ObservedContainer, state: State, code: ExitCode) {
    let plan = plan([("shop/api", verdict.clone()), ("shop/web", Verdict::InSync)]);
    let observed = observed(vec![container]);
    let report = report(&desired(&["shop/api", "shop/web"]), &plan, &observed);
    let stack = &report.stacks[0];
    assert_eq!((stack.services[0].state, stack.state), (state, state), "{verdict:?}");
    assert_eq!(stack.services[0].reason.is_none(), state == State::InSync, "{verdict:?}");
    assert_eq!(of_status(&report), code, "{verdict:?}");
    json(&report);
}

#[test]
fn a_verdict_becomes_a_state_and_a_stack_has_its_worst() {
    let fine = || container("shop/api");
    check(Verdict::InSync, fine(), State::InSync, ExitCode::Good);
    for verdict in [Verdict::Create, image_update(), Verdict::CleanUp, Verdict::Remove] {
        check(verdict, fine(), State::Pending, ExitCode::Good);
    }
    check(Verdict::Start(Vec::new()), fine(), State::Pending, ExitCode::Good);
    check(held(HeldBy::Operator, true), fine(), State::Held, ExitCode::Good);
    check(held(HeldBy::Adoption, false), fine(), State::Held, ExitCode::Failed);
    check(rejected(), fine(), State::Rejected, ExitCode::Failed);
    let world = Block::World { message: SECRET.to_owned(), hint: None };
    check(Verdict::Blocked(world), fine(), State::Failed, ExitCode::Failed);
    let on = Block::On(vec![id("shop/db")]);
    check(Verdict::Blocked(on), fine(), State::Pending, ExitCode::Good);
    check(Verdict::Blocked(Block::RunningJob), fine(), State::Progressing, ExitCode::Good);
    let (why, hint, since) = (SECRET.to_owned(), None, now());
    let refused = Barred::Refused { why: why.clone(), hint: hint.clone(), since, again: None };
    let unknown = Barred::Unknown { why: why.clone(), hint, since, again: Some(now()) };
    let young = Barred::Young { why, until: now() };
    for (barred, state, code) in [
        (refused, State::Rejected, ExitCode::Failed),
        (unknown, State::Failed, ExitCode::Failed),
        (young, State::Pending, ExitCode::Good),
    ] {
        check(Verdict::Blocked(Block::Barred(barred)), fine(), state, code);
    }
}

#[test]
fn a_container_that_ails_makes_its_service_degraded_and_a_finished_job_does_not() {
    let with = |state, health| ObservedContainer { state, health, ..container("shop/api") };
    let exited = |code, oom_killed| ContainerState::Exited { code, oom_killed };
    for ailing in [
        with(ContainerState::Running, Health::Unhealthy),
        with(ContainerState::Restarting { code: 1, oom_killed: false }, Health::None),
        with(exited(1, false), Health::None),
        with(exited(0, true), Health::None),
    ] {
        check(Verdict::InSync, ailing, State::Degraded, ExitCode::Failed);
    }
    check(Verdict::InSync, with(exited(0, false), Health::None), State::InSync, ExitCode::Good);
}

#[test]
fn stacks_of_sources_no_longer_configured_are_orphaned_and_show_no_reference() {
    let mut orphan = container("old/web");
    let source = (crate::model::labels::SOURCE.to_owned(), "gone".to_owned());
    orphan.labels =
        orphan.labels.iter().map(|(k, v)| (k.clone(), v.clone())).chain([source]).collect();
    let report = report(&desired(&[]), &Plan::default(), &observed(vec![orphan]));
    assert_eq!(report.stacks[0].state, State::Orphaned);
    assert_eq!(report.stacks[0].services[0].digest, Some(digest().to_string()));
    assert_eq!(of_status(&report), ExitCode::Good);
    json(&report);
}

#[test]
fn an_invalid_stack_still_shows_what_runs() {
    let desired = with_invalid(desired(&[]), "shop", vec![problem()]);
    let seen = observed(vec![container("shop/api")]);
    let report = report(&desired, &Plan::default(), &seen);
    assert_eq!(report.stacks[0].state, State::Invalid);
    assert_eq!(report.stacks[0].services[0].containers.len(), 1);
    assert_eq!(of_status(&report), ExitCode::Failed);
}

#[test]
fn without_an_engine_stacks_stand_as_the_last_pass_saw_them() {
    let recorded = StackReport {
        stack: "shop".into(),
        source: "infra".into(),
        commit: "abc".into(),
        state: "rejected".to_owned(),
        error: None,
        generation: None,
    };
    let report = wire::status(&Standing {
        pressure: None,
        host: &HostName::new("web-1"),
        engine: Err(&EngineError::Unreachable("no such file".to_owned())),
        sources: &[],
        desired: None,
        observed: &ObservedState::default(),
        plan: None,
        recorded: &[recorded],
        generations: &BTreeMap::new(),
        now: now(),
    });
    assert_eq!(report.stacks[0].state, State::Rejected);
    assert_eq!(of_status(&report), ExitCode::Failed);
    let written = text(|out| text::status(out, &report, Style::PLAIN));
    insta::assert_snapshot!(written, @r"
    web-1  the Docker engine does not answer: no such file

    shop  abc  rejected
    ");
}

#[test]
fn a_status_shows_sources_then_stacks() {
    let plan = plan([
        ("shop/api", Verdict::InSync),
        ("shop/web", held(HeldBy::Rollback, true)),
        ("shop/db", image_update()),
    ]);
    let restarted = ObservedContainer { restarts: 1, ..container("shop/api") };
    let seen = observed(vec![restarted, container("shop/web")]);
    let report = report(&desired(&["shop/api", "shop/web", "shop/db"]), &plan, &seen);
    let written = text(|out| text::status(out, &report, Style::PLAIN));
    insta::assert_snapshot!(written, @r"
    web-1  engine 28.5.1 (linux/amd64)
      infra  ok  0123456  read 40 s ago  https://git.example/acme/infra.git main

    shop  0123456  generation 12  held
      api  in-sync  ghcr.io/acme/app:${TAG}@abababababab
          shop-api-1  running, healthy, 1 restart, started 3 h ago
      web  held     ghcr.io/acme/app:${TAG}@abababababab
          held by rollback since 2026-11-21 12:00 UTC: held until the move is done
          shop-web-1  running, healthy, started 3 h ago
      db   pending  ghcr.io/acme/app:${TAG}@abababababab
          image: app:1.4.1 → app:1.4.2; env.TOKEN changed
    ");
}

#[test]
fn a_status_says_who_holds_a_service_for_how_long_and_what_ends_it() {
    let hold = Hold {
        scope: HoldScope::Stack("shop".into()),
        by: HeldBy::Operator,
        since: "2026-11-21T11:00:00Z".parse().unwrap(),
        until: Some("2026-11-21T13:30:00Z".parse().unwrap()),
        reason: Some("moving the database".to_owned()),
        image: None,
        going_to: None,
    };
    let held = Verdict::Held(Held::by(&hold, Vec::new(), true));
    let unsaid = Hold { until: None, reason: None, ..hold.clone() };
    let mut plan = plan([
        ("shop/api", held),
        ("shop/web", Verdict::Held(Held::by(&unsaid, Vec::new(), true))),
        ("shop/db", Verdict::Start(Vec::new())),
    ]);
    plan.changes[2].was_stopped = true;
    let services = ["shop/api", "shop/web", "shop/db"];
    let report = report(&desired(&services), &plan, &observed(Vec::new()));
    let api = &report.stacks[0].services[0];
    assert_eq!(
        (api.held_by, api.since, api.until),
        (Some("operator"), Some(hold.since), hold.until)
    );
    assert_eq!(api.reason, hold.reason);
    assert_eq!(of_status(&report), ExitCode::Good);
    json(&report);
    let written = text(|out| text::status(out, &report, Style::PLAIN));
    insta::assert_snapshot!(written, @r"
    web-1  engine 28.5.1 (linux/amd64)
      infra  ok  0123456  read 40 s ago  https://git.example/acme/infra.git main

    shop  0123456  generation 12  held
      api  held     ghcr.io/acme/app:${TAG}@abababababab
          held by operator since 2026-11-21 11:00 UTC until 2026-11-21 13:30 UTC: moving the database
          hint: `evenkeel unhold shop` ends the hold
      web  held     ghcr.io/acme/app:${TAG}@abababababab
          held by operator since 2026-11-21 11:00 UTC: no reason given
          hint: `evenkeel unhold shop` ends the hold
      db   pending  ghcr.io/acme/app:${TAG}@abababababab
          does not run
          hint: to keep it stopped, run `evenkeel hold shop/db`, then stop it
    ");
}

#[test]
fn a_status_in_json_keeps_to_the_contract() {
    let seen = observed(vec![container("shop/api")]);
    let report = report(&desired(&["shop/api"]), &plan([("shop/api", Verdict::InSync)]), &seen);
    insta::assert_snapshot!(json(&report), @r#"
    {
      "schema": "evenkeel.status/v1",
      "host": "web-1",
      "at": "2026-11-21T12:00:00Z",
      "engine": {
        "version": "28.5.1",
        "api_version": "1.51",
        "os": "linux",
        "architecture": "amd64",
        "error": null
      },
      "disk": null,
      "sources": [
        {
          "name": "infra",
          "repo": "https://git.example/acme/infra.git",
          "branch": "main",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "fetched_at": "2026-11-21T11:59:20Z",
          "state": "ok",
          "error": null,
          "stale_seconds": 40,
          "signed_by": null,
          "refused": null,
          "alarm": null
        }
      ],
      "stacks": [
        {
          "stack": "shop",
          "source": "infra",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "state": "in-sync",
          "generation": 12,
          "error": null,
          "problems": [],
          "remarks": [],
          "services": [
            {
              "service": "api",
              "state": "in-sync",
              "held_by": null,
              "since": null,
              "until": null,
              "image": "ghcr.io/acme/app:${TAG}",
              "digest": "sha256:abababababababababababababababababababababababababababababababab",
              "generation": 7,
              "reason": null,
              "hint": null,
              "failing_since": null,
              "next_try_at": null,
              "follows": null,
              "containers": [
                {
                  "id": "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee",
                  "name": "shop-api-1",
                  "state": "running",
                  "health": "healthy",
                  "restarts": 0,
                  "started_at": "2026-11-21T09:00:00Z",
                  "exit_code": null
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_status_can_be_narrowed_to_a_stack_or_service() {
    let services = ["shop/api", "shop/web", "blog/web"];
    let plan = plan(services.map(|name| (name, Verdict::InSync)));
    let whole = report(&desired(&services), &plan, &observed(Vec::new()));
    let shown = |scope: HoldScope| {
        let mut report = whole.clone();
        report.narrow(&scope);
        report.stacks.iter().map(|stack| stack.services.len()).collect::<Vec<_>>()
    };
    assert_eq!(shown(HoldScope::Host), [2, 1]);
    assert_eq!(shown(HoldScope::Stack("blog".into())), [1]);
    assert_eq!(shown(HoldScope::Service(id("shop/web"))), [1]);
    assert!(shown(HoldScope::Service(id("shop/none"))).is_empty());
}

#[test]
fn what_waits_for_a_window_is_pending_until_then() {
    check(waiting(), container("shop/api"), State::Pending, ExitCode::Good);
    let plan = plan([("shop/api", waiting())]);
    let report = report(&desired(&["shop/api"]), &plan, &observed(vec![container("shop/api")]));
    let until = report.stacks[0].services[0].until;
    assert_eq!(until, Some("2026-11-28T02:00:00Z".parse().unwrap()));
}

#[test]
fn a_disk_that_is_too_full_is_degraded_and_says_what_takes_up_the_room() {
    let pressure = crate::history::Pressure {
        since: "2026-11-21T11:00:00Z".parse().unwrap(),
        says: "the disk of /var/lib/docker is 93 % full".to_owned(),
    };
    let host = HostName::new("web-1");
    let report = wire::status(&Standing {
        host: &host,
        engine: Ok(&Default::default()),
        pressure: Some(&pressure),
        sources: &[],
        desired: None,
        observed: &Default::default(),
        plan: None,
        recorded: &[],
        generations: &BTreeMap::new(),
        now: now(),
    });
    assert_eq!(of_status(&report), ExitCode::Failed);
    let json: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!(json["disk"]["state"], "degraded");
    let written = text(|out| text::status(out, &report, Style::PLAIN));
    let told =
        "disk  degraded  since 2026-11-21 11:00 UTC: the disk of /var/lib/docker is 93 % full";
    assert!(written.contains(told) && written.contains("evenkeel prune --dry-run"), "{written}");
}
