//! Real files that Compose rejects.

use std::path::Path;

use evenkeel::model::MemoryTree;

use super::reasons::reason;
use super::records::{directory, read};
use super::world::{loaded, told};

/// The rejected files with Compose's words: the first and the last column of the table.
fn rejected() -> Vec<(String, String)> {
    let table = read("corpus.csv");
    let rows = fields(&table).into_iter().skip(1);
    rows.filter(|row| row[0].starts_with("negative/"))
        .map(|row| (row[0].clone(), row.last().cloned().unwrap_or_default()))
        .collect()
}

/// The rows of a table in the form of RFC 4180.
fn fields(table: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut letters = table.chars().peekable();
    while let Some(letter) = letters.next() {
        let row = rows.last_mut().unwrap();
        let field = row.last_mut().unwrap();
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(String::new()),
            '\n' if !is_quoted => rows.push(vec![String::new()]),
            '\r' if !is_quoted => {}
            _ => field.push(letter),
        }
    }
    rows.retain(|row| row.len() > 1);
    rows
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
