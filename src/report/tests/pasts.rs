use super::world::*;
use crate::history::{GenerationRow, Reason, ServiceRow};
use crate::model::{CommitWords, GenerationNumber, GenerationOutcome, ServiceOutcome, Trigger};
use crate::report::{Style, text, wire};

pub fn row(number: u64, outcome: Option<GenerationOutcome>, error: Option<&str>) -> GenerationRow {
    let service = ServiceRow {
        service: "api".into(),
        verdict: "update".to_owned(),
        outcome: Some(ServiceOutcome::Done),
        image: Some("app:1.4.2".to_owned()),
        digest: Some(digest()),
        spec: None,
        reasons: vec![Reason {
            field: "image".to_owned(),
            from: Some("app:1.4.1".to_owned()),
            to: Some("app:1.4.2".to_owned()),
        }],
        error: error.map(str::to_owned),
        logs: error.map(|_| "no database".to_owned()).into_iter().collect(),
        seconds: None,
    };
    GenerationRow {
        number: GenerationNumber(number),
        stack: "shop".into(),
        source: "infra".into(),
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        words: Some(CommitWords {
            author: "Ada".to_owned(),
            subject:
                "Raise the api to 1.4.2, which no longer loses its place when the clock is set"
                    .to_owned(),
        }),
        directory: "shop".to_owned(),
        trigger: Trigger::Commit,
        started_at: "2026-11-21T11:00:00Z".parse().unwrap(),
        ended_at: outcome.map(|_| "2026-11-21T11:02:05.5Z".parse().unwrap()),
        outcome,
        services: vec![service],
    }
}

#[test]
fn a_history_is_a_table_newest_first() {
    let rows = [
        row(9, Some(GenerationOutcome::RolledBack), Some("shop-api-1 is\nunhealthy")),
        row(10, None, None),
        GenerationRow { words: None, ..row(8, Some(GenerationOutcome::Converged), None) },
    ];
    let report = wire::history(&rows);
    let written = text(|out| text::history(out, &report, Style::PLAIN));
    insta::assert_snapshot!(written, @r"
    GENERATION  STARTED               STACK  COMMIT   TRIGGER  OUTCOME      TOOK   CHANGED  COMMIT MESSAGE
    10          2026-11-21 11:00 UTC  shop   0123456  commit   running             api      Raise the api to 1.4.2, which no longer loses its place when… (Ada)
    9           2026-11-21 11:00 UTC  shop   0123456  commit   rolled-back  2m 5s  api      Raise the api to 1.4.2, which no longer loses its place when… (Ada)
          api: shop-api-1 is unhealthy
    8           2026-11-21 11:00 UTC  shop   0123456  commit   converged    2m 5s  api
    ");
}

#[test]
fn no_history_is_said_in_words() {
    let written = text(|out| text::history(out, &wire::history(&[]), Style::PLAIN));
    assert_eq!(written, "no generations yet\n");
}

#[test]
fn a_history_in_json_keeps_to_the_contract() {
    let report = wire::history(&[row(8, Some(GenerationOutcome::Converged), None)]);
    insta::assert_snapshot!(json(&report), @r#"
    {
      "schema": "evenkeel.history/v1",
      "generations": [
        {
          "generation": 8,
          "stack": "shop",
          "source": "infra",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "author": "Ada",
          "subject": "Raise the api to 1.4.2, which no longer loses its place when the clock is set",
          "trigger": "commit",
          "started_at": "2026-11-21T11:00:00Z",
          "seconds": 125.5,
          "outcome": "converged",
          "services": [
            {
              "service": "api",
              "verdict": "update",
              "outcome": "done",
              "image": "app:1.4.2",
              "digest": "sha256:abababababababababababababababababababababababababababababababab",
              "reasons": [
                {
                  "field": "image",
                  "from": "app:1.4.1",
                  "to": "app:1.4.2"
                }
              ],
              "error": null,
              "logs": []
            }
          ]
        }
      ]
    }
    "#);
}
