//! Two documents, and everywhere they are not the same.

use std::collections::BTreeSet;

use serde_json::Value as Json;

/// How many differences of a file are told.
const MOST_TOLD: usize = 12;

/// Where `found` is not what is expected, a line for each place.
pub fn compare(expected: &Json, found: &Json) -> Result<(), String> {
    let mut differences = Vec::new();
    add("", expected, found, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    let rest = differences.len().saturating_sub(MOST_TOLD);
    differences.truncate(MOST_TOLD);
    if rest > 0 {
        differences.push(format!("    and {rest} more"));
    }
    Err(differences.join("\n"))
}

fn add(path: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                let told = match (expected.get(key), found.get(key)) {
                    (Some(expected), Some(found)) => {
                        add(&path, expected, found, differences);
                        continue;
                    }
                    (Some(value), None) => format!("    {path}: {value} is missing"),
                    (None, Some(value)) => format!("    {path}: {value} is too much"),
                    (None, None) => continue,
                };
                differences.push(told);
            }
        }
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                add(&format!("{path}[{index}]"), expected, found, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("    {path}: expected {expected}, found {found}")),
    }
}
