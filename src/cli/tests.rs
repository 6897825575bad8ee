//! What is written about the command line elsewhere: every `evenkeel …` in the documentation, in the examples, in
//! workflows and in unit files is one that is understood.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::arguments::Arguments;
use crate::config::{Ambient, Config};

const COMMIT: &str = "1234567890123456789012345678901234567890";
const DIGEST: &str = "sha256:1234567890123456789012345678901234567890123456789012345678901234";

/// A command line that somebody will copy, or the name of a command in a sentence.
struct Written {
    place: String,
    text: String,
    is_prose: bool,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the places where commands are written, without those of the tests.
fn files() -> Vec<PathBuf> {
    let mut found =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| project().join(name)).to_vec();
    let mut directories =
        ["docs", "examples", "packaging"].map(|name| project().join(name)).to_vec();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn written() -> Vec<Written> {
    let mut found = Vec::new();
    for file in files() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let place = file.strip_prefix(project()).unwrap().display().to_string();
        let mut add = |text: &str, is_prose| {
            found.push(Written { place: place.clone(), text: text.to_owned(), is_prose });
        };
        let scripts = match file.extension().and_then(|extension| extension.to_str()) {
            Some("md") => {
                code_spans(&text).for_each(|span| add(span, true));
                fences(&text)
            }
            Some("yml" | "service") => text,
            None | Some(_) if place.starts_with("examples/ci/server") => text,
            None | Some(_) => String::new(),
        };
        let scripts = scripts.replace("\\\n", " ");
        scripts.lines().filter_map(command).for_each(|command| add(command, false));
    }
    found
}

/// What a text has in backticks, where it is a call of the program.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let outside_fences = text.split("```").step_by(2);
    let spans = outside_fences.flat_map(|text| text.split('`').skip(1).step_by(2));
    spans.filter_map(|span| span.strip_prefix("evenkeel "))
}

/// The shell scripts in a text; behind `sh` may stand what a test does with them.
fn fences(text: &str) -> String {
    let fences = text.split("```sh").skip(1).filter_map(|rest| rest.split("```").next());
    fences.filter_map(|fence| fence.split_once('\n')).map(|(_, script)| script).collect()
}

/// What follows the program's name in a line of a script, if it is called there.
fn command(line: &str) -> Option<&str> {
    let line = line.split(" # ").next().unwrap_or_default();
    // In a container that is called like the program, the second one is the call.
    let calls = line.match_indices("evenkeel ").find(|(at, name)| {
        if line[at + name.len()..].starts_with(name) {
            return false;
        }
        let before = line[..*at].trim_end_matches("/usr/local/bin/").trim_end();
        let callers =
            ["exec", "exec evenkeel", "run:", "ExecStart=", "&&", ";", "|", "(", "do", "then"];
        before.is_empty() || callers.iter().any(|caller| before.ends_with(caller))
    });
    calls.map(|(at, name)| &line[at + name.len()..])
}

/// The words of a command, up to where the shell goes on with something else; variables have some value.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in text.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('|' | '>' | ';' | '&' | ')' | '#', None) => break,
            (' ', None) => words.push(std::mem::take(&mut word)),
            (_, None | Some(_)) => word.push(letter),
        }
    }
    words.push(word);
    // The number of a stream that is led elsewhere, and an array that may be empty.
    words.retain(|word| !word.is_empty() && word != "2" && !word.contains("[@]"));
    words.iter().map(|word| filled(word)).collect()
}

fn filled(word: &str) -> String {
    let word = word.replace("$commit", COMMIT).replace("COMMIT", COMMIT).replace("$digest", DIGEST);
    let optional = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    optional.unwrap_or(&word).replace('$', "")
}

/// Why a command line is not understood.
fn misunderstood(written: &Written) -> Option<String> {
    let words = words(&written.text);
    let error =
        Arguments::try_parse_from(["evenkeel"].into_iter().chain(words.iter().map(String::as_str)))
            .err()?;
    let is_answered = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // A sentence names a command, or an option of it, without all that belongs to it.
    let lacks = [ErrorKind::MissingRequiredArgument, ErrorKind::MissingSubcommand];
    let lacks_value = error.kind() == ErrorKind::InvalidValue
        && words.last().is_some_and(|word| word.starts_with("--"));
    let is_name = written.is_prose && (lacks.contains(&error.kind()) || lacks_value);
    let text = format!("{}: `evenkeel {}`: {error}", written.place, words.join(" "));
    (!is_answered && !is_name).then_some(text)
}

#[test]
fn every_command_line_that_is_written_down_is_understood() {
    let written = written();
    let misunderstood: Vec<String> = written.iter().filter_map(misunderstood).collect();
    assert!(misunderstood.is_empty(), "{}", misunderstood.join("\n"));
    let in_ = |place: &str| written.iter().filter(|one| one.place.starts_with(place)).count();
    for (place, least) in [("README.md", 20), ("docs/install.md", 5), ("packaging/systemd", 2)] {
        assert!(in_(place) >= least, "{place}: {}", in_(place));
    }
    let ci = ["pin", "validate", "prune", "images", "plan"];
    let ci = ci.map(|name| {
        written.iter().any(|one| {
            !one.is_prose && one.place.starts_with("examples/ci/") && one.text.starts_with(name)
        })
    });
    assert_eq!(ci, [true; 5], "the way through the CI is whole");
}

#[test]
fn what_is_not_understood_is_told() {
    let one =
        |text: &str, is_prose| Written { place: String::new(), text: text.to_owned(), is_prose };
    assert!(misunderstood(&one("plan --reff COMMIT", false)).is_some());
    assert!(misunderstood(&one("pin", false)).is_some());
    assert!(misunderstood(&one("pin", true)).is_none());
    assert!(misunderstood(&one("pinn", true)).is_some());
    assert_eq!(command("  docker exec evenkeel evenkeel status"), Some("status"));
    assert_eq!(command("docker run --name evenkeel --restart always"), None);
    assert_eq!(words("prune --protect 'v*' \"${yes[@]}\" >x | y"), ["prune", "--protect", "v*"]);
}

#[test]
fn the_sample_of_a_configuration_can_be_used() {
    let sample = std::fs::read_to_string(project().join("packaging/config.yaml.example")).unwrap();
    let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
    let parse = |text: &str| Config::parse("config.yaml.example", text, &ambient);
    let config = parse(&sample).unwrap();
    assert_eq!(config.sources[0].path, "hosts/web-1");
    // What is commented out as well.
    let settings = sample.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        Some(_) | None => line,
    });
    let settings: Vec<&str> = settings.collect();
    assert!(parse(&settings.join("\n")).is_ok(), "{settings:#?}");
}
