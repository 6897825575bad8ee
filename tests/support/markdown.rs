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

/// The paragraphs of the prose, each as one line, and each row of a table; with the number of the line they begin at.
pub fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in prose(text) {
        match found.last_mut().filter(|_| goes_on && !line.starts_with('|')) {
            Some((_, paragraph)) => *paragraph += &format!(" {}", line.trim()),
            None => found.push((number, line.to_owned())),
        }
        goes_on = !line.trim().is_empty() && !line.starts_with(['|', '#']);
    }
    found
}

/// What stands in `` ` `` in a paragraph.
pub fn code(paragraph: &str) -> Vec<&str> {
    paragraph.split('`').skip(1).step_by(2).collect()
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

/// The words behind `evenkeel` in each command of a shell script that begins with it. Quotes, comments, lines that go on
/// and commands in a row are understood, and no more of a shell than that.
pub fn commands(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let simple = joined.lines().flat_map(simple_commands);
    let ours = simple.filter(|words| words.first().is_some_and(|word| word == "evenkeel"));
    ours.map(|words| words[1..].to_vec()).collect()
}

/// The commands of one line, each as its words.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut is_dropped = false;
    let mut quote = None;
    for c in line.chars().chain([' ', ';']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | ';' | '|' | '&' | '>' | '<' | '(' | ')') => {
                // What a stream leads to is no word of the command.
                let ended = word.take().filter(|_| !std::mem::take(&mut is_dropped));
                commands.last_mut().into_iter().for_each(|words| words.extend(ended.clone()));
                is_dropped = is_dropped || "<>".contains(c);
                if !" <>".contains(c) {
                    commands.push(Vec::new());
                }
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}
