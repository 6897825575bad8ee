//! What stands in a Markdown file besides prose: blocks of code, command lines, links, headings.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The line after the fence, counted from 1.
    pub line: usize,
    /// What stands behind the fence: `sh`, `yaml`.
    pub info: String,
    /// The HTML comment on the line above: `file: …`.
    pub note: String,
    /// Its text.
    pub text: String,
}

/// README.md and every page of `docs/`.
pub fn pages(project: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.join("docs")).into_iter().flatten().flatten();
    let pages = entries.map(|entry| entry.path());
    let mut pages: Vec<PathBuf> =
        pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.push(project.join("README.md"));
    pages.sort();
    pages
}

/// The blocks of a page.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut above = "";
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let note = above.strip_prefix("<!-- ").and_then(|note| note.strip_suffix(" -->"));
                open = Some(Block {
                    line: index + 2,
                    info: info.trim().to_owned(),
                    note: note.unwrap_or_default().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => above = line,
        }
    }
    found
}

/// The page without its blocks, line by line with their numbers.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_open = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_open = !is_open;
        } else if !is_open {
            found.push((index + 1, line));
        }
    }
    found
}

/// Where the links of a line lead.
pub fn links(line: &str) -> Vec<&str> {
    let bare: Vec<&str> = line.split("](").skip(1).collect();
    bare.into_iter().filter_map(|rest| rest.split(')').next()).collect()
}

/// What GitHub calls the headings of a page in links.
pub fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (line.starts_with('#') && title.starts_with(' ')).then_some(title.trim())
    });
    headings.map(anchor).collect()
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}
