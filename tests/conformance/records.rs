//! The records, and how a set of them is checked.

use std::path::{Path, PathBuf};

use evenkeel::manifest::interpolate::{Lookup, Variable};
use evenkeel::model::Hidden;
use serde_json::Value as Json;

/// The directory of the records.
pub fn directory() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows the place")]
    let named = std::env::var_os("EVENKEEL_CONFORMANCE_DIR").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/compose");
    let directory = named.unwrap_or(beside);
    assert!(
        directory.join("vectors").is_dir(),
        "the conformance records are not at {}: set EVENKEEL_CONFORMANCE_DIR to the directory that \
         holds `vectors/`",
        directory.display()
    );
    directory
}

/// The file `path` of the records.
pub fn read(path: &str) -> String {
    let path = directory().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The records of the set `name`.
fn records(name: &str) -> Vec<Json> {
    let file: Json = serde_json::from_str(&read(&format!("vectors/{name}.json"))).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

/// How an answer stands to what a record expects.
pub enum Verdict {
    /// It is the same.
    Same,
    /// It is another one, for this reason.
    OnPurpose(&'static str),
    /// It is another one, and should not be.
    Differs(String),
}

/// Checks that for every record of the set `name`, `answer` is what it expects: the same value, or an
/// error where it has one.
pub fn check(name: &str, answer: impl Fn(&Json) -> Result<Json, String>) {
    check_by(name, |record| compare(record, answer(record)));
}

/// As [`check`], where `judge` compares by itself.
pub fn check_by(name: &str, judge: impl Fn(&Json) -> Verdict) {
    check_as(name, name, |_| true, judge);
}

/// As [`check_by`], for the `set` of those records of a file that are concerned.
pub fn check_as(
    name: &str,
    file: &str,
    is_concerned: impl Fn(&Json) -> bool,
    judge: impl Fn(&Json) -> Verdict,
) {
    let records: Vec<Json> = records(file).into_iter().filter(is_concerned).collect();
    let (mut passed, mut on_purpose, mut wrong) = (0, Vec::new(), Vec::new());
    for record in &records {
        let id = record["id"].as_str().unwrap();
        match judge(record) {
            Verdict::Same => passed += 1,
            Verdict::OnPurpose(why) => on_purpose.push(format!("  {id}: {why}")),
            Verdict::Differs(how) => wrong.push(format!("{id}: {how}")),
        }
    }
    let (all, others) = (records.len(), on_purpose.len());
    println!("{name}: {passed}/{all} as expected, {others} otherwise on purpose");
    on_purpose.iter().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{name}: {} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(passed + others > 0, "{name} has no records");
}

/// Compares an answer with what `record` expects.
pub fn compare(record: &Json, answer: Result<Json, String>) -> Verdict {
    let (input, expected) = (&record["input"], &record["expected"]);
    Verdict::Differs(match (record.get("error"), answer) {
        (Some(_), Err(_)) => return Verdict::Same,
        (None, Ok(answer)) if answer == *expected => return Verdict::Same,
        (Some(error), Ok(answer)) => format!("{input}: expected error {error}, found {answer}"),
        (None, Ok(answer)) => format!("{input}: expected {expected}, found {answer}"),
        (None, Err(why)) => format!("{input}: expected {expected}, refused: {why}"),
    })
}

/// The field `input` of a record whose input is a text.
pub fn input(record: &Json) -> &str {
    record["input"].as_str().unwrap()
}

/// The variables of a record; `null` is an unset one.
pub struct Env<'a>(pub &'a Json);

impl Lookup for Env<'_> {
    fn get(&self, name: &str) -> Option<Variable> {
        let value = self.0.get(name)?.as_str()?;
        Some(Variable { value: Hidden::new(value), from_server: false })
    }
}
