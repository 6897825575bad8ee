//! Real files that Compose rejects.

use std::path::Path;

use evenkeel::model::MemoryTree;

use super::reasons::reason;
use super::records::{directory, read};
use super::table;
use super::world::{loaded, told};

/// The rejected files with Compose's words.
fn rejected() -> Vec<(String, String)> {
    let rows = table::rows().into_iter();
    rows.filter(|row| row["file"].starts_with("negative/"))
        .map(|row| (row["file"].clone(), row["oracle_error"].clone()))
        .collect()
}

fn check(file: &str, error: &str) -> Result<(), String> {
    let manifest = read(file);
    let reason = reason(error, &manifest).ok_or_else(|| format!("no known kind: {error}"))?;
    let mut tree = MemoryTree::new([("stack/compose.yaml", manifest.as_str())]);
    let env = directory().join(format!("{file}.env"));
    if env.is_file() {
        tree.insert("stack/.env", std::fs::read(&env).unwrap());
    }
    match loaded(tree, &["*".to_owned()]) {
        Ok(_) => Err(format!("accepted, but Compose says: {error}")),
        Err(problems) if reason.is_among(&problems) => Ok(()),
        Err(problems) => {
            Err(format!("refused for another reason than {reason:?}:\n{}", told(&problems)))
        }
    }
}

#[test]
fn a_file_that_compose_rejects_is_rejected_for_the_same_reason() {
    let rejected = rejected();
    let mut wrong = Vec::new();
    for (file, error) in &rejected {
        if let Err(why) = check(file, error) {
            let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            wrong.push(format!("{name}: {why}"));
        }
    }
    let all = rejected.len();
    println!("negative: {}/{all} rejected for the same reason", all - wrong.len());
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 0, "negative has no files");
}
