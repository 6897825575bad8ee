//! What README.md and `docs/` say is so: references are what the code says, links lead somewhere, command lines are taken,
//! manifests and configurations are valid, messages that are quoted are ours. Commands are run by `e2e`'s `docs.rs`.
#![expect(clippy::unwrap_used, reason = "a page that cannot be read is a failed test")]

#[path = "support/markdown.rs"]
mod markdown;
#[path = "support/policy_page.rs"]
mod policy_page;
#[path = "support/reference.rs"]
mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel::config::{Ambient, Config};
use evenkeel::manifest;
use markdown::Block;
use reference::{Level, levels, table};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- made from the code: begin -->\n";
const END: &str = "<!-- made from the code: end -->\n";

/// Where evenkeel does otherwise than `docker compose` on a plain host, beside what has no effect in either.
const DIFFERENCES: &[(&str, &str)] = &[
    ("name", "may be left out: the directory's"),
    ("include", "files of this repository only"),
    ("services.*.image", "needed; a moved tag redeploys nothing"),
    ("services.*.extends", "files of this repository only"),
    ("services.*.build", "ignored beside `image`, else refused"),
    (
        "services.*.pull_policy",
        "`always`, `daily`, … are followed without anybody running a command",
    ),
    ("services.*.env_file", "looked up on the server first"),
    ("services.*.environment", "`NAME` alone: from the server's env files, never from the process"),
    ("services.*.profiles", "active by `stacks.<name>.profiles` of the configuration"),
    ("services.*.depends_on", "waited for in every change, not only the first start"),
    ("services.*.depends_on.*.restart", "whatever the replacement is due to"),
    ("services.*.secrets", "uid, gid and mode count; a changed content replaces the service"),
    ("services.*.configs", "uid, gid and mode count; a changed content replaces the service"),
    ("services.*.volumes", "a relative source that git tracks is exported, read-only"),
    ("services.*.deploy.update_config", "honoured; Compose ignores it outside a Swarm"),
    ("services.*.deploy.rollback_config", "honoured; Compose ignores it outside a Swarm"),
    ("services.*.network_mode", "with `service:`, goes where that service's container goes"),
    ("volumes", "never removed, whatever is asked for"),
    ("secrets.*.file", "looked up on the server first"),
    ("configs.*.file", "looked up on the server first"),
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let pages = markdown::pages(project());
    assert!(pages.len() > 10, "the pages are where they are expected");
    pages
}

/// A page's name and text.
fn read(path: &Path) -> (String, String) {
    let name = path.strip_prefix(project()).unwrap_or(path).display().to_string();
    (name, fs::read_to_string(path).unwrap())
}

/// The blocks of every page whose fence says `language` first.
fn blocks(language: &str) -> Vec<(String, Block)> {
    let pages = pages();
    let all = pages.iter().map(|path| read(path)).flat_map(|(name, text)| {
        markdown::blocks(&text).into_iter().map(move |block| (name.clone(), block))
    });
    all.filter(|(_, block)| block.info.split(' ').next() == Some(language)).collect()
}

// --- references ---------------------------------------------------------------------------------------------

/// Compares what stands between the marks, or writes it where `UPDATE_DOCS` is set.
fn check(name: &str, generated: &str) {
    let path = project().join("docs").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (committed, after) = rest.split_once(END).unwrap();
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests can ask for it")]
    let is_update = std::env::var_os("UPDATE_DOCS").is_some();
    if is_update {
        fs::write(&path, format!("{before}{BEGIN}{generated}{END}{after}")).unwrap();
    }
    assert!(
        is_update || committed == generated,
        "{} is not what the code says; `UPDATE_DOCS=1 cargo test --test docs` writes it",
        path.display()
    );
}

#[test]
fn the_reference_of_the_configuration_is_what_the_code_says() {
    let schema = evenkeel::config::schema();
    let mut text = String::new();
    for level in levels(&schema) {
        let heading = if level.path.is_empty() { "At the top" } else { &level.path };
        let marks = if level.path.contains('.') { "###" } else { "##" };
        let quote = if level.path.is_empty() { "" } else { "`" };
        text += &format!("\n{marks} {quote}{heading}{quote}\n\n");
        // What a mapping is called in the code says nothing more than its heading.
        let about = level.about.filter(|about| !about.starts_with('`'));
        let about = about.map_or_else(|| meaning_of(&schema, &level.path), str::to_owned);
        if !level.path.is_empty() {
            text += &format!("{}\n\n", about.replace('\n', " "));
        }
        text += &table(&schema, &level, None);
    }
    check("config.md", &text);
}

#[test]
fn the_reference_of_the_manifest_is_what_the_code_says() {
    let schema = manifest::schema();
    let all = levels(&schema);
    let (ours, compose): (Vec<&Level<'_>>, Vec<&Level<'_>>) =
        all.iter().partition(|level| level.path.contains("x-evenkeel"));
    let mut text = "\n## `x-evenkeel`\n".to_owned();
    for level in ours {
        let about = meaning_of(&schema, &level.path);
        text += &format!("\n### `{}`\n\n{about}\n\n{}", level.path, table(&schema, level, None));
    }
    text += "\n## Compose's keys\n\nWhere the last column is empty, evenkeel does what `docker compose` does.\n\
             *No effect* is read and passed over; what only a Swarm would heed is remarked by `plan` and `validate`.\n";
    text += &compose_levels(&schema, &compose);
    text += "\n## Refused\n\nKeys that Compose has and evenkeel does not take, each an error with its place.\n\n";
    text += "| key | why |\n|---|---|\n";
    for (path, why) in manifest::refused() {
        text += &format!("| `{path}` | {why} |\n");
    }
    check("manifest.md", &text);
}

#[test]
fn the_presets_and_rules_of_the_policy_are_what_the_code_says() {
    check("policy.md", &policy_page::tables());
}

/// What the schema says of the value at `path`, which is that of a level.
fn meaning_of(schema: &Value, path: &str) -> String {
    let (parent, key) = path.trim_end_matches(".*").rsplit_once('.').unwrap_or(("", path));
    let parent = levels(schema).into_iter().find(|level| level.path == parent);
    let field = parent.and_then(|level| level.fields.get(key));
    field.map(|field| reference::meaning(schema, field)).unwrap_or_default()
}

/// The mappings of Compose; those that have the same keys with the same meaning are told once.
fn compose_levels(schema: &Value, compose: &[&Level<'_>]) -> String {
    let remark = |path: &str| {
        let difference = DIFFERENCES.iter().find(|(key, _)| *key == path);
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let level = compose.iter().find(|level| level.path == parent)?;
        let about = level.fields.get(key)?["description"].as_str().unwrap_or_default();
        let none = about.starts_with("Has no effect").then(|| "no effect".to_owned());
        difference.map(|(_, told)| (*told).to_owned()).or(none)
    };
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for level in compose {
        let table = table(schema, level, Some(("otherwise than `docker compose`", &remark)));
        match told.iter_mut().find(|(_, other)| *other == table) {
            Some((paths, _)) => paths.push(&level.path),
            None => told.push((vec![&level.path], table)),
        }
    }
    let mut text = String::new();
    for (paths, table) in told {
        match paths.first() {
            Some(&"") | None => text += "\n### At the top\n",
            Some(first) => text += &format!("\n### `{first}`\n"),
        }
        if paths.len() > 1 {
            let others: Vec<String> = paths[1..].iter().map(|path| format!("`{path}`")).collect();
            text += &format!("\nLikewise {}.\n", others.join(", "));
        }
        text += &format!("\n{table}");
    }
    text
}

#[test]
fn every_key_of_the_configuration_and_of_a_manifest_has_a_meaning() {
    for schema in [evenkeel::config::schema(), manifest::schema()] {
        for level in levels(&schema) {
            for (key, field) in level.fields {
                let meaning = reference::meaning(&schema, field);
                assert!(meaning.len() > 5, "`{key}` at `{}` says `{meaning}`", level.path);
            }
        }
    }
}

#[test]
fn every_difference_from_compose_is_told_of_a_key_that_there_is() {
    let schema = manifest::schema();
    let all = levels(&schema);
    for (path, _) in DIFFERENCES {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let level = all.iter().find(|level| level.path == parent);
        assert!(level.is_some_and(|level| level.fields.contains_key(key)), "{path}");
    }
}

/// `given` with every default that the schema tells for the mappings that it has.
fn with_defaults(root: &Value, path: &str, given: &Value) -> Value {
    let mut filled = given.clone();
    if let Some(items) = filled.as_array_mut() {
        items.iter_mut().for_each(|item| *item = with_defaults(root, &format!("{path}[]"), item));
    }
    let Some(fields) = filled.as_object_mut() else { return filled };
    let all = levels(root);
    let level = all.iter().find(|level| level.path == path);
    for (key, value) in fields.iter_mut() {
        let dot = if path.is_empty() { "" } else { "." };
        let step = if level.is_some() { format!("{path}{dot}{key}") } else { format!("{path}.*") };
        *value = with_defaults(root, &step, value);
    }
    for (key, field) in level.into_iter().flat_map(|level| level.fields) {
        if !field["default"].is_null() && !fields.contains_key(key) {
            fields.insert(key.clone(), field["default"].clone());
        }
    }
    filled
}

#[test]
fn the_defaults_of_the_configuration_that_are_told_are_those_that_hold() {
    let given = json!({
        "sources": [{"repo": "file:///srv/infra", "stacks": {}}],
        "stacks": {"shop": {}},
        "docker": {},
        "registry": {"hosts": {"registry.lan:5000": {}}},
        "rollout": {}, "removals": {}, "retention": {"disk": {}}, "limits": {}, "write_back": {},
        "notify": [
            {"telegram": {"token_file": "/t", "chat": "1"}},
            {"email": {"host": "mail.example.org", "to": ["ops@example.org"]}},
        ],
    });
    let ambient = Ambient { hostname: "web-1".to_owned(), ..Ambient::default() };
    let parse = |value: &Value| Config::parse("config.yaml", &value.to_string(), &ambient).unwrap();
    let filled = with_defaults(&evenkeel::config::schema(), "", &given);
    let written: usize = [&filled["rollout"], &filled["retention"]["disk"], &filled["limits"]]
        .map(|section| section.as_object().unwrap().len())
        .iter()
        .sum();
    assert_eq!(written, 3 + 3 + 5, "{filled:#}");
    assert_eq!(filled["sources"][0]["interval"], "30s");
    assert_eq!(filled["notify"][0]["telegram"]["url"], "https://api.telegram.org");
    assert_eq!(parse(&given), parse(&filled));
}

// --- links --------------------------------------------------------------------------------------------------

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_that_there_is() {
    let texts: BTreeMap<PathBuf, String> =
        pages().into_iter().map(|path| (path.clone(), read(&path).1)).collect();
    let mut count = 0;
    for (page, text) in &texts {
        for (line, prose) in markdown::prose(text) {
            for link in markdown::links(prose).into_iter().filter(|link| !link.contains("://")) {
                count += 1;
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => page.clone(),
                    file => page.parent().unwrap().join(file),
                };
                let place = format!("{}:{line}: {link}", page.display());
                let target =
                    target.canonicalize().unwrap_or_else(|error| panic!("{place}: {error}"));
                let anchors = texts.get(&target).map(|text| markdown::anchors(text));
                let is_there = heading.is_empty()
                    || anchors.is_some_and(|anchors| anchors.iter().any(|one| one == heading));
                assert!(is_there, "{place}: no such heading");
            }
        }
    }
    assert!(count > 50, "{count} links were looked at");
}

#[test]
fn every_page_is_in_the_index_and_the_readme_leads_to_the_index() {
    let (_, index) = read(&project().join("docs/README.md"));
    for page in pages().iter().filter(|page| page.parent() != Some(project())) {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name}");
    }
    assert!(read(&project().join("README.md")).1.contains("](docs/README.md)"));
}

// --- manifests and configurations ---------------------------------------------------------------------------

/// Keys that only a manifest has at its top.
fn is_manifest(text: &str) -> bool {
    ["services:", "x-evenkeel:", "volumes:", "include:", "name:"]
        .iter()
        .any(|key| text.lines().any(|line| line.starts_with(key)))
}

#[test]
fn every_yaml_block_is_a_manifest_or_a_configuration() {
    let mut count = (0, 0);
    for (name, block) in blocks("yaml") {
        let place = format!("{name}:{}", block.line);
        // What is no more than a piece of a file, or somebody else's.
        if block.note == "piece" || block.note == "other" {
            continue;
        }
        if is_manifest(&block.text) {
            count.0 += 1;
            validate(&place, &block.text);
        } else {
            count.1 += 1;
            configure(&place, &block.text);
        }
    }
    assert!(count.0 >= 5 && count.1 >= 5, "{count:?}");
}

fn configure(place: &str, text: &str) {
    let needs_source = !text.lines().any(|line| line.starts_with("sources:"));
    let source = if needs_source { "\nsources: [{repo: file:///srv/infra}]\n" } else { "" };
    let ambient = Ambient { hostname: "web-1".to_owned(), ..Ambient::default() };
    let parsed = Config::parse("config.yaml", &format!("{text}{source}"), &ambient);
    assert!(parsed.is_ok(), "{place}: {:#?}", parsed.unwrap_err());
}

/// As a stack of its own, beside whatever stacks, files and services it speaks of.
fn validate(place: &str, text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let stack = directory.path().join("shop");
    fs::create_dir_all(&stack).unwrap();
    let services = "services: {web: {image: 'acme/web:1.4.2'}}\n";
    let has_services = text.lines().any(|line| line.starts_with("services:"));
    fs::write(
        stack.join("compose.yaml"),
        text.to_owned() + if has_services { "" } else { services },
    )
    .unwrap();
    let env = directory.path().join("server.env");
    fs::write(&env, "DATABASE_URL=x\nDB_PASSWORD=x\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let output = command.arg("validate").arg(&stack).arg("--env").arg(&env).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{place}: {told}");
}

// --- messages -----------------------------------------------------------------------------------------------

/// Everything that the program could say: its sources without line ends inside texts.
fn sources() -> Vec<String> {
    let mut folders = vec![project().join("src")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let mut lines = text.split("\\\n");
                let first = lines.next().unwrap_or_default().to_owned();
                texts.push(lines.fold(first, |text, line| text + line.trim_start()));
            }
        }
    }
    texts
}

/// Whether the parts of a message, which has `…` for what differs, stand in one text of a source, near each other.
fn is_said(message: &str, source: &str) -> bool {
    const NEAR: usize = 240;
    let parts: Vec<&str> =
        message.split('…').map(str::trim).filter(|part| !part.is_empty()).collect();
    let Some((first, rest)) = parts.split_first() else { return false };
    source.match_indices(first).any(|(at, _)| {
        let mut from = at + first.len();
        rest.iter().all(|part| {
            let found = source[from..].find(part).filter(|distance| *distance < NEAR);
            found.inspect(|distance| from += distance + part.len()).is_some()
        })
    })
}

#[test]
fn every_message_that_is_quoted_is_one_that_the_program_says() {
    let (_, text) = read(&project().join("docs/troubleshooting.md"));
    let sources = sources();
    let rows = markdown::prose(&text).into_iter().filter(|(_, line)| line.starts_with("| \""));
    let mut count = 0;
    for (line, row) in rows {
        let quoted = row.trim_start_matches("| \"").split_once("\" |").map(|(quoted, _)| quoted);
        let message = quoted.unwrap_or_else(|| panic!("line {line}: a message stands in quotes"));
        count += 1;
        let is_ours = sources.iter().any(|source| is_said(message, source));
        assert!(is_ours, "docs/troubleshooting.md:{line}: nowhere said: {message}");
    }
    assert!(count > 25, "{count} messages were looked at");
}
