//! Whether a container answers its probe, and if not, what was expected and what came.
//!
//! What comes from a container is masked before it is cut short: half a value of the server's would not be
//! found any more.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::Hands;
use crate::model::probe::{Expected, Probe, ProbeHost, Question};
use crate::model::{Masks, ObservedContainer};
use crate::probe::Answer;

/// The pause between two questions.
pub const PAUSE: Duration = Duration::from_secs(1);

/// Characters that are shown of what came, and of what was expected.
const SHOWN: usize = 200;

/// How an answer was not the right one. Both texts are masked and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was asked.
    pub asked: String,
    /// What would have been right.
    pub expected: String,
    /// What came.
    pub came: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: expected {}, came {}", self.asked, self.expected, self.came)
    }
}

/// Asks once.
pub async fn ask(
    hands: &Hands<'_>,
    probe: &Probe,
    container: &ObservedContainer,
) -> Result<(), Mismatch> {
    let asked = async {
        let address = address(probe, container)?;
        match &probe.question {
            Question::Connect => {
                let connected = hands.prober.connect(&address).await;
                connected.map_err(|why| differs("a connection", why))
            }
            Question::Get { path, expects } => {
                let answer = hands.prober.get(&format!("http://{address}{path}")).await;
                let answer = answer.map_err(|why| differs(status(expects.status), why))?;
                judge(&answer, expects)
            }
        }
    };
    asked.await.map_err(|(expected, came)| match probe.hidden {
        // What came may be the very value that is not to be seen.
        true => mismatch(probe, hands.masks, "another answer", "one that is not shown"),
        false => mismatch(probe, hands.masks, &expected, &came),
    })
}

fn mismatch(probe: &Probe, masks: &Masks, expected: &str, came: &str) -> Mismatch {
    let text = |text: &str| short(&masks.mask(text));
    Mismatch { asked: text(&probe.to_string()), expected: text(expected), came: text(came) }
}

/// What was expected, and what came.
type Difference = (String, String);

fn differs(expected: impl Into<String>, came: impl Into<String>) -> Difference {
    (expected.into(), came.into())
}

/// `host:port`
fn address(probe: &Probe, container: &ObservedContainer) -> Result<String, Difference> {
    let host = match &probe.host {
        ProbeHost::At(host) => host.clone(),
        ProbeHost::OnNetwork(network) => {
            let attached = container.attached.get(network);
            let address = attached.and_then(|attached| attached.address.clone());
            address.ok_or_else(|| {
                differs(format!("an address on the network {network}"), "a container without one")
            })?
        }
    };
    Ok(match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{}", probe.port),
        false => format!("{host}:{}", probe.port),
    })
}

fn status(status: u16) -> String {
    format!("status {status}")
}

/// Holds an answer against what is expected.
fn judge(answer: &Answer, expects: &Expected) -> Result<(), Difference> {
    let text = String::from_utf8_lossy(&answer.body);
    let came = || match text.trim() {
        "" => format!("{} and nothing else", status(answer.status)),
        text => format!("{}: {text}", status(answer.status)),
    };
    if answer.status != expects.status {
        return Err(differs(status(expects.status), came()));
    }
    if let Some(expected) = expects.body.as_ref().filter(|body| !text.contains(body.as_str())) {
        return Err(differs(format!("a text with {expected:?}"), came()));
    }
    let Some(expected) = &expects.json else { return Ok(()) };
    let Ok(json) = serde_json::from_slice(&answer.body) else {
        return Err(differs(format!("JSON with {expected}"), came()));
    };
    contains(&json, expected, "")
}

/// Whether `json` has all that is in `expected`, and says the same of it.
fn contains(json: &Value, expected: &Value, path: &str) -> Result<(), Difference> {
    let named = |value: &dyn fmt::Display| match path {
        "" => value.to_string(),
        path => format!("{path} = {value}"),
    };
    match (json, expected) {
        (Value::Object(json), Value::Object(expected)) => {
            for (name, expected) in expected {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let Some(json) = json.get(name) else {
                    return Err(differs(format!("{path} = {expected}"), format!("no {path}")));
                };
                contains(json, expected, &path)?;
            }
            Ok(())
        }
        (json, expected) if is_same(json, expected) => Ok(()),
        (json, expected) => Err((named(expected), named(json))),
    }
}

/// A text that stands for a number or a boolean in YAML is as good as that: a variable's value is always a text.
fn is_same(json: &Value, expected: &Value) -> bool {
    match (json, expected) {
        (Value::Number(_) | Value::Bool(_), Value::String(text)) => {
            serde_json::from_str::<Value>(text).is_ok_and(|meant| meant == *json)
        }
        (json, expected) => json == expected,
    }
}

/// One line, and no more of it than people want to read.
fn short(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong with an answer of status 200, as `expected ≠ came`; empty where nothing is.
    fn judged(body: &str, json: Option<Value>, text: Option<&str>) -> String {
        let expects = Expected { status: 200, json, body: text.map(str::to_owned) };
        let answer = Answer { status: 200, body: body.as_bytes().to_vec() };
        match judge(&answer, &expects) {
            Ok(()) => String::new(),
            Err((expected, came)) => format!("{expected} ≠ {came}"),
        }
    }

    #[test]
    fn members_that_nobody_asked_for_do_not_matter() {
        let body = r#"{"version": "1.5", "build": {"number": 7, "dirty": false}, "tags": ["a"]}"#;
        let right = |json| assert_eq!(judged(body, Some(json), None), "");
        right(json!({}));
        right(json!({"version": "1.5", "build": {"dirty": false}}));
        right(json!({"tags": ["a"]}));
        right(json!({"build": {"number": "7", "dirty": "false"}}));
    }

    #[test]
    fn the_member_that_differs_is_named() {
        let body = r#"{"version": "1.4", "build": {"number": 7}}"#;
        let wrong = |json, told: &str| assert_eq!(judged(body, Some(json), None), told);
        wrong(json!({"version": "1.5"}), r#"version = "1.5" ≠ version = "1.4""#);
        wrong(json!({"build": {"number": 8}}), "build.number = 8 ≠ build.number = 7");
        wrong(json!({"commit": "c1"}), r#"commit = "c1" ≠ no commit"#);
        wrong(json!({"version": {"major": 1}}), r#"version = {"major":1} ≠ version = "1.4""#);
        wrong(json!(["1.4"]), r#"["1.4"] ≠ {"version":"1.4","build":{"number":7}}"#);
        let told = judged("<html>", Some(json!({"a": 1})), None);
        assert_eq!(told, r#"JSON with {"a":1} ≠ status 200: <html>"#);
    }

    #[test]
    fn a_text_has_to_be_somewhere_in_the_answer() {
        assert_eq!(judged("all is well", None, Some("well")), "");
        assert_eq!(
            judged("", None, Some("well")),
            r#"a text with "well" ≠ status 200 and nothing else"#
        );
    }

    #[test]
    fn another_status_is_told_with_what_came_along() {
        let expects = Expected { status: 200, json: None, body: None };
        let answer = Answer { status: 503, body: b"no database\n".to_vec() };
        let (expected, came) = judge(&answer, &expects).unwrap_err();
        assert_eq!((expected.as_str(), came.as_str()), ("status 200", "status 503: no database"));
    }

    #[test]
    fn what_is_told_is_one_short_line() {
        assert_eq!(short("a\n  b\tc"), "a b c");
        assert_eq!(short(&"ä".repeat(900)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn a_value_of_the_servers_is_masked_before_the_text_is_cut() {
        let mut masks = Masks::default();
        masks.add("correct-horse");
        let probe = Probe {
            host: ProbeHost::At("127.0.0.1".into()),
            port: 80,
            question: Question::Connect,
            hidden: false,
        };
        let came = format!("{}correct-horse", "x".repeat(SHOWN - 5));
        let told = mismatch(&probe, &masks, "", &came).came;
        assert!(!told.contains("corr"), "{told}");
    }
}
