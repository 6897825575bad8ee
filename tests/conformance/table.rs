//! The table of real files.

use std::collections::BTreeMap;

use crate::records::read;

/// A row by the names of its columns.
pub type Row = BTreeMap<String, String>;

/// The rows of the table.
pub fn rows() -> Vec<Row> {
    let mut rows = fields(&read("corpus.csv")).into_iter();
    let names = rows.next().unwrap();
    rows.map(|row| names.iter().cloned().zip(row).collect()).collect()
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
