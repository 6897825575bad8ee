use super::world::*;
use crate::model::memory::HeldBy;
use crate::plan::{Block, Plan, Step, Verdict};
use crate::report::exit::of_plan;
use crate::report::state::State;
use crate::report::wire::PlanReport;
use crate::report::{ExitCode, Style, text, wire};

const SERVICES: [&str; 5] = ["shop/api", "shop/web", "shop/db", "shop/job", "blog/web"];

fn mixed() -> Plan {
    let plan = plan([
        ("shop/api", image_update()),
        ("shop/web", Verdict::Create),
        ("shop/db", held(HeldBy::Operator, true)),
        ("shop/job", Verdict::InSync),
        ("blog/web", Verdict::InSync),
        ("gone/old", Verdict::Remove),
    ]);
    let steps = vec![
        Step::StopContainer(target("shop-api-1")),
        create("shop-api-1"),
        Step::StartContainer(target("shop-api-1")),
        Step::RemoveContainer(target("old")),
    ];
    with_steps(plan, "shop/api", steps)
}

fn check(verdict: Verdict, code: ExitCode) -> PlanReport {
    let report = wire::plan(&desired(&["shop/api"]), &plan([("shop/api", verdict)]));
    assert_eq!(of_plan(&report, true), code, "{report:?}");
    report
}

#[test]
fn a_plan_is_one_line_per_service_with_its_reasons() {
    let desired = with_invalid(desired(&SERVICES), "broken", vec![problem()]);
    let report = wire::plan(&desired, &mixed());
    let written = text(|out| text::plan(out, &report, Style::PLAIN, false));
    insta::assert_snapshot!(written, @r"
    shop  0123456
      ~ api  update, stop-first
          image: app:1.4.1 → app:1.4.2
          env.TOKEN changed
      + web  create
      ! db   held by operator: held until the move is done
      = 1 in sync
    blog  0123456  in sync (1 service)
    broken  0123456  invalid, left as it is
    error: service `web` wants env file `api.env`, which this server does not have
      --> hosts/web-1/shop/compose.yaml:14:15 (services.web.env_file[0])
       |
    14 |     env_file: [api.env]
       |               ^
       looked in /etc/evenkeel/env/shop/ and in the repository
    hint: put it at /etc/evenkeel/env/shop/api.env (mode 0600), or mark it `required: false`
    gone  gone from git
      - old  remove

    web-1: 3 services to change, 1 needs a look
    ");
}

#[test]
fn a_verbose_plan_names_everything_and_shows_the_steps() {
    let report = wire::plan(&desired(&SERVICES), &mixed());
    let written = text(|out| text::plan(out, &report, Style::PLAIN, true));
    insta::assert_snapshot!(written, @r"
    shop  0123456
      ~ api  update, stop-first
          image: app:1.4.1 → app:1.4.2
          env.TOKEN changed
      + web  create
      ! db   held by operator: held until the move is done
      = job  in-sync
          1. stop-container    shop-api-1  # image changed
          2. create-container  shop-api-1, after 1  # image changed
          3. start-container   shop-api-1, after 2  # image changed
          4. remove-container  old, after 3  # image changed
    blog  0123456  in sync (1 service)
      = web  in-sync
    gone  gone from git
      - old  remove

    web-1: 3 services to change
    ");
}

#[test]
fn a_plan_in_json_keeps_to_the_contract() {
    let update = with_steps(
        plan([("shop/api", image_update())]),
        "shop/api",
        vec![Step::StartContainer(target("storefront"))],
    );
    insta::assert_snapshot!(json(&wire::plan(&desired(&["shop/api"]), &update)), @r#"
    {
      "schema": "evenkeel.plan/v1",
      "host": "web-1",
      "stacks": [
        {
          "stack": "shop",
          "source": "infra",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "state": "pending",
          "error": null,
          "problems": [],
          "remarks": [],
          "services": [
            {
              "service": "api",
              "verdict": "update",
              "order": null,
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
              "state": "pending",
              "held_by": null,
              "note": null,
              "hint": null
            }
          ],
          "steps": [
            {
              "id": 1,
              "do": "start-container",
              "subject": "•••",
              "after": [],
              "because": "image changed",
              "service": "api"
            }
          ]
        }
      ],
      "changes": 1
    }
    "#);
}

#[test]
fn the_order_is_what_the_steps_do() {
    let order = |steps| {
        let plan = with_steps(plan([("shop/api", image_update())]), "shop/api", steps);
        wire::plan(&desired(&["shop/api"]), &plan).stacks[0].services[0].order
    };
    let start = || Step::StartContainer(target("new"));
    let stop = || Step::StopContainer(target("old"));
    let remove = || Step::RemoveContainer(target("old"));
    assert_eq!(order(vec![create("new"), start(), stop(), remove()]), Some("start-first"));
    assert_eq!(order(vec![stop(), create("new"), start(), remove()]), Some("stop-first"));
    assert_eq!(order(vec![create("new"), start()]), None, "nothing is replaced");
    assert_eq!(order(vec![stop(), remove()]), None, "nothing takes over");
}

#[test]
fn names_made_from_the_stacks_name_are_not_masked_and_others_are() {
    let subject = |name| {
        let steps = vec![Step::StartContainer(target(name))];
        let plan = with_steps(plan([("storefront/db", Verdict::Create)]), "storefront/db", steps);
        wire::plan(&desired(&["storefront/db"]), &plan).stacks[0].steps[0].subject.clone()
    };
    assert_eq!(subject("storefront-db-1"), "storefront-db-1");
    assert_eq!(subject("the-storefront"), "the-•••");
}

#[test]
fn exit_codes_of_a_plan_follow_its_verdicts() {
    check(Verdict::InSync, ExitCode::Good);
    check(Verdict::Create, ExitCode::Pending);
    check(held(HeldBy::Operator, true), ExitCode::Good);
    check(held(HeldBy::Adoption, false), ExitCode::Failed);
    check(Verdict::Blocked(Block::OnStack("net".into())), ExitCode::Good);
    let world = Block::World { message: SECRET.to_owned(), hint: None };
    check(Verdict::Blocked(world), ExitCode::Failed);
    let rejected = check(rejected(), ExitCode::Failed);
    assert!(!json(&rejected).is_empty());
}

#[test]
fn without_being_asked_for_pending_steps_end_well() {
    let report = wire::plan(&desired(&SERVICES), &mixed());
    assert_eq!(of_plan(&report, false), ExitCode::Good);
    let invalid = with_invalid(desired(&SERVICES), "broken", vec![problem()]);
    assert_eq!(of_plan(&wire::plan(&invalid, &mixed()), true), ExitCode::Failed);
}

#[test]
fn a_step_of_no_service_is_something_to_do() {
    let steps = vec![Step::RemoveNetwork("gone_default".into())];
    let plan = with_steps(Plan::default(), "gone/none", steps);
    let report = wire::plan(&desired(&["shop/api"]), &plan);
    assert_eq!((report.changes, of_plan(&report, true)), (0, ExitCode::Pending));
    let written = text(|out| text::plan(out, &report, Style::PLAIN, false));
    assert!(written.ends_with("web-1: 1 step to do\n"), "{written}");
    assert_eq!(wire::plan(&desired(&[]), &Plan::default()).steps(), 0);
}

#[test]
fn what_waits_for_a_window_says_until_when_and_is_as_it_is_to_be() {
    let report = check(waiting(), ExitCode::Good);
    assert_eq!((report.changes, report.stacks[0].state), (0, State::Pending));
    let text = text(|out| text::plan(out, &report, Style::PLAIN, false));
    let words = "blocked: waits for the window `Sat,Sun 02:00-05:00` of this host, until 2026-11-28 02:00 UTC";
    assert!(text.contains(words), "{text}");
    assert!(text.contains("image: app:1 → app:2"), "{text}");
    assert!(
        text.contains("hint: to do it at once, run `evenkeel reconcile --once --now`"),
        "{text}"
    );
}
