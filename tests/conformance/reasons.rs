//! What Compose refuses, in its words, and what we call it.

use evenkeel::model::Problem;

/// Why something is refused: our code, and what the message has to name.
#[derive(Debug)]
pub struct Reason {
    codes: &'static [&'static str],
    names: Vec<String>,
}

/// What Compose says between two names, and our codes for it. The first match counts.
const KINDS: &[(&str, &[&str])] = &[
    ("refers to undefined volume ", &["undefined-volume"]),
    ("refers to undefined network ", &["undefined-network"]),
    ("refers to undefined secret ", &["undefined-secret"]),
    ("refers to undefined config ", &["undefined-config"]),
    ("depends on undefined service ", &["undefined-service"]),
    ("has neither an image nor a build context", &["missing-key"]),
    ("additional properties ", &["unknown-key"]),
    ("required variable ", &["missing-variable"]),
    ("Invalid ranges specified", &["wrong-value"]),
];

/// Reads Compose's `error` about `manifest`; `None` where it is of no known kind.
pub fn reason(error: &str, manifest: &str) -> Option<Reason> {
    let kind = KINDS.iter().find_map(|(words, codes)| Some((error.split_once(words)?, *codes)));
    let Some(((before, after), codes)) = kind else {
        // A malformed variable is quoted with the whole text it stands in, of which the last line is kept.
        let invalid = error.contains("Invalid template") || manifest.contains(error);
        return invalid.then(|| Reason { codes: &["invalid-variable"], names: Vec::new() });
    };
    let names = match codes {
        ["unknown-key"] => quoted(after, '\''),
        ["missing-key"] => quoted(before, '"'),
        ["wrong-value"] => Vec::new(),
        _ => after.split([' ', ':']).next().map(str::to_owned).into_iter().collect(),
    };
    Some(Reason { codes, names: names.into_iter().map(|name| name.replace('"', "")).collect() })
}

/// What stands in `quotes` in `text`.
fn quoted(text: &str, quote: char) -> Vec<String> {
    text.split(quote).skip(1).step_by(2).map(str::to_owned).collect()
}

impl Reason {
    /// Whether `problems` say the same: every name in a problem of one of the codes.
    pub fn is_among(&self, problems: &[Problem]) -> bool {
        let says = |problem: &Problem, name: &str| {
            let path = problem.path.as_deref().unwrap_or_default();
            problem.message.contains(name) || path.contains(name)
        };
        let mut found = problems.iter().filter(|problem| self.codes.contains(&problem.code));
        match self.names.is_empty() {
            true => found.next().is_some(),
            false => {
                let found: Vec<&Problem> = found.collect();
                self.names.iter().all(|name| found.iter().any(|problem| says(problem, name)))
            }
        }
    }
}
