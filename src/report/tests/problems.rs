use std::time::Duration;

use super::world::*;
use crate::model::stack::Remark;
use crate::model::{Place, Problem, StackName};
use crate::report::exit::of_validate;
use crate::report::wire::Validated;
use crate::report::{ExitCode, Style, problems, text, wire};

#[test]
fn a_problem_names_the_thing_the_place_and_the_next_move() {
    insta::assert_snapshot!(problems::render(&[problem()], Style::PLAIN), @r"
    error: service `web` wants env file `api.env`, which this server does not have
      --> hosts/web-1/shop/compose.yaml:14:15 (services.web.env_file[0])
       |
    14 |     env_file: [api.env]
       |               ^
       looked in /etc/evenkeel/env/shop/ and in the repository
    hint: put it at /etc/evenkeel/env/shop/api.env (mode 0600), or mark it `required: false`
    ");
}

#[test]
fn the_caret_stands_below_the_column_in_characters() {
    let place = Place { file: "a.yaml".into(), line: 3, column: 7 };
    let problem = Problem::new("x", "wrong").at(place).excerpt("ä: \tü: ß\u{1b}[2J");
    let written = problems::render(&[problem], Style::PLAIN);
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[3], "3 | ä:  ü: ß [2J", "control characters cannot reach the terminal");
    assert_eq!(lines[4], "  |       ^");
}

#[test]
fn a_problem_without_a_place_or_beyond_its_line_is_shown_all_the_same() {
    let nowhere = Problem::new("x", "wrong");
    assert_eq!(problems::render(&[nowhere], Style::PLAIN), "error: wrong\n");
    let file = Problem::new("x", "wrong").at(Place::file("a.yaml"));
    assert_eq!(problems::render(&[file], Style::PLAIN), "error: wrong\n  --> a.yaml\n");
    let far = Place { file: "a.yaml".into(), line: 1, column: 900 };
    let far = Problem::new("x", "wrong").at(far).excerpt("ab");
    assert!(!problems::render(&[far], Style::PLAIN).contains('^'));
    assert_eq!(problems::render::<Problem>(&[], Style::PLAIN), "");
}

#[test]
fn a_remark_is_a_note() {
    let remark = Remark {
        place: Some(Place { file: "a.yaml".into(), line: 3, column: 5 }),
        service: Some("web".into()),
        text: "`:ro` is missing".to_owned(),
    };
    let written = problems::render_remarks(&[remark], Style::PLAIN);
    assert_eq!(written, "note: web: `:ro` is missing\n  --> a.yaml:3:5\n");
}

#[test]
fn colours_come_only_when_asked_for() {
    assert!(
        problems::render(&[problem()], Style { color: true, ..Style::PLAIN }).contains('\u{1b}')
    );
    assert!(!problems::render(&[problem()], Style::PLAIN).contains('\u{1b}'));
}

#[test]
fn validate_lists_problems_and_counts() {
    let desired = desired(&["shop/api", "shop/web"]);
    let stack = &desired.deployment(&StackName::new("shop")).unwrap().stack;
    let wrong = [problem()];
    let stacks = [
        Validated { name: "shop", files: &stack.files, result: Ok(stack) },
        Validated { name: "broken", files: &[], result: Err(&wrong) },
    ];
    let deadline = Duration::from_secs(300);
    let valid = wire::validate(&stacks[..1], &[], deadline);
    assert_eq!(of_validate(&valid), ExitCode::Good);
    let written = text(|out| text::validate(out, &valid, Style::PLAIN));
    assert!(written.ends_with("\nvalid: 1 stack, 2 services\n"), "{written}");
    let invalid = wire::validate(&stacks, &[], deadline);
    assert_eq!(of_validate(&invalid), ExitCode::Failed);
    let written = text(|out| text::validate(out, &invalid, Style::PLAIN));
    assert!(written.ends_with("\ninvalid: 1 problem, 1 of 2 stacks cannot be used\n"), "{written}");
    insta::assert_snapshot!(json(&invalid), @r#"
    {
      "schema": "evenkeel.validate/v1",
      "valid": false,
      "stacks": [
        {
          "stack": "shop",
          "files": [
            "shop/compose.yaml"
          ],
          "services": [
            "api",
            "web"
          ],
          "rollouts": [
            {
              "service": "api",
              "order": "stop-first",
              "because": null,
              "replicas": 1,
              "parallelism": 1,
              "until": "healthy-or-stable",
              "stable_seconds": 0.0,
              "deadline_seconds": 300.0,
              "monitor_seconds": 0.0,
              "failure_action": "rollback",
              "follows": null
            },
            {
              "service": "web",
              "order": "stop-first",
              "because": null,
              "replicas": 1,
              "parallelism": 1,
              "until": "healthy-or-stable",
              "stable_seconds": 0.0,
              "deadline_seconds": 300.0,
              "monitor_seconds": 0.0,
              "failure_action": "rollback",
              "follows": null
            }
          ],
          "problems": [],
          "remarks": []
        },
        {
          "stack": "broken",
          "files": [],
          "services": [],
          "rollouts": [],
          "problems": [
            {
              "file": "hosts/web-1/shop/compose.yaml",
              "line": 14,
              "column": 15,
              "path": "services.web.env_file[0]",
              "code": "missing-file",
              "rule": null,
              "message": "service `web` wants env file `api.env`, which this server does not have",
              "hint": "put it at /etc/evenkeel/env/shop/api.env (mode 0600), or mark it `required: false`",
              "notes": [
                "looked in /etc/evenkeel/env/shop/ and in the repository"
              ]
            }
          ],
          "remarks": []
        }
      ],
      "problems": []
    }
    "#);
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    use ExitCode::{Failed, Good, Pending, RolledBack, Usage};
    let codes = [Good, Failed, Pending, RolledBack, Usage].map(ExitCode::code);
    assert_eq!(codes, [0, 1, 3, 4, 64]);
}
