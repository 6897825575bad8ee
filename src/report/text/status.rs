//! `status` for people: sources, then stacks with their services and containers.

use std::io;

use super::lines::{self, INDENT, pad, short_commit, widest};
use crate::model::Digest;
use crate::report::style::one_line;
use crate::report::wire::{
    StatusContainer, StatusEngine, StatusFollows, StatusReport, StatusService, StatusSource,
    StatusStack,
};
use crate::report::{Style, problems, span};

/// Writes `report` for people.
pub fn status(
    out: &mut (impl io::Write + ?Sized),
    report: &StatusReport,
    style: Style,
) -> io::Result<()> {
    writeln!(out, "{}", lines::heading(&report.host, &[engine(&report.engine, style)], style))?;
    if let Some(disk) = &report.disk {
        let since = span::at(disk.since);
        let word = style.bad(disk.state.word());
        writeln!(out, "  disk  {word}  since {since}: {}", one_line(&disk.error))?;
        lines::detail(out, &style.good("hint:"), Some(MAKE_ROOM))?;
    }
    let width = widest(report.sources.iter().map(|source| source.name.as_str()));
    for found in &report.sources {
        source(out, found, width, style)?;
    }
    for found in &report.stacks {
        writeln!(out)?;
        stack(out, found, report, style)?;
    }
    Ok(())
}

/// What there is to do about a disk that is too full.
const MAKE_ROOM: &str =
    "`evenkeel prune --dry-run --include-foreign` lists every image with its size";

fn engine(engine: &StatusEngine, style: Style) -> String {
    let known = |field: &Option<String>| field.clone().unwrap_or_default();
    match &engine.error {
        Some(error) => style.bad(&one_line(error)),
        None => format!(
            "engine {} ({}/{})",
            known(&engine.version),
            known(&engine.os),
            known(&engine.architecture)
        ),
    }
}

fn source(
    out: &mut (impl io::Write + ?Sized),
    source: &StatusSource,
    width: usize,
    style: Style,
) -> io::Result<()> {
    let state = if source.state == "ok" { style.good("ok") } else { style.bad(source.state) };
    let commit = source.commit.as_deref().map_or("no commit yet", short_commit);
    let age = source.stale_seconds.map_or_else(|| "never read".to_owned(), span::ago);
    let name = pad(&source.name, width);
    writeln!(
        out,
        "  {name}  {state}  {commit}  read {age}  {}",
        style.faint(&format!("{} {}", source.repo, source.branch))
    )?;
    lines::detail(out, &style.faint("signed by"), source.signed_by.as_deref())?;
    lines::detail(out, &style.warn("alarm:"), source.alarm.as_deref())?;
    lines::detail(out, &style.bad("error:"), source.error.as_deref())?;
    let accept = source.refused.as_ref().map(|refused| {
        let short = short_commit(&refused.commit);
        format!(
            "have it signed by somebody who may; `evenkeel accept {} {short}` takes it as it is",
            source.name
        )
    });
    lines::detail(out, &style.good("hint:"), accept.as_deref())
}

fn stack(
    out: &mut (impl io::Write + ?Sized),
    stack: &StatusStack,
    report: &StatusReport,
    style: Style,
) -> io::Result<()> {
    let generation = stack.generation.map(|number| format!("generation {number}"));
    let facts = [
        style.faint(short_commit(stack.commit.as_deref().unwrap_or_default())),
        generation.unwrap_or_default(),
        lines::state(stack.state, 0, style),
    ];
    writeln!(out, "{}", lines::heading(&stack.stack, &facts, style))?;
    if stack.problems.is_empty() {
        lines::detail(out, &style.bad("error:"), stack.error.as_deref())?;
    }
    write!(out, "{}", problems::render(&stack.problems, style))?;
    let name = widest(stack.services.iter().map(|service| service.service.as_str()));
    let state = widest(stack.services.iter().map(|service| service.state.word()));
    for found in &stack.services {
        service(out, found, report, (name, state), style)?;
        for container in &found.containers {
            writeln!(out, "{INDENT}{}", style.faint(&one_container(container, report.at)))?;
        }
    }
    write!(out, "{}", problems::render_remarks(&stack.remarks, style))
}

fn service(
    out: &mut (impl io::Write + ?Sized),
    service: &StatusService,
    report: &StatusReport,
    (name, state): (usize, usize),
    style: Style,
) -> io::Result<()> {
    let line = format!(
        "  {}  {}  {}",
        pad(&service.service, name),
        lines::state(service.state, state, style),
        image(service)
    );
    writeln!(out, "{}", line.trim_end())?;
    if let Some(reason) = &service.reason {
        writeln!(out, "{INDENT}{}", one_line(format!("{} {reason}", held(service)).trim_start()))?;
    }
    if let Some(follows) = &service.follows {
        writeln!(out, "{INDENT}{}", style.faint(&one_line(&followed(follows, report))))?;
    }
    lines::detail(out, &style.good("hint:"), service.hint.as_deref())
}

/// `git asks for ~1.4: 1.4.7, chosen 2 h ago; 1.4.8 is too young until …`
fn followed(follows: &StatusFollows, report: &StatusReport) -> String {
    let StatusFollows { asks, tag, chosen_at, waits, .. } = follows;
    let chosen = chosen_at.map(|at| format!(", chosen {}", span::since(at, report.at)));
    let waits = waits.as_ref().map(|waits| format!("; {waits}"));
    format!("git asks for {asks}: {tag}{}{}", chosen.unwrap_or_default(), waits.unwrap_or_default())
}

/// Who holds a service, since when, and for how long.
fn held(service: &StatusService) -> String {
    let Some(by) = service.held_by else { return String::new() };
    let time = |word, time: Option<jiff::Timestamp>| {
        time.map(|time| format!(" {word} {}", span::at(time))).unwrap_or_default()
    };
    format!("held by {by}{}{}:", time("since", service.since), time("until", service.until))
}

fn image(service: &StatusService) -> String {
    image_at(service.image.as_deref().unwrap_or_default(), service.digest.as_deref())
}

/// The image with a short digest, however it is written.
pub(super) fn image_at(name: &str, digest: Option<&str>) -> String {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match digest.and_then(Digest::parse) {
        Some(digest) => format!("{name}@{}", digest.short()),
        None => name.to_owned(),
    }
}

/// `shop-api-1  running, healthy, started 3 h ago`
pub(super) fn one_container(container: &StatusContainer, now: jiff::Timestamp) -> String {
    let mut words = vec![container.state.to_owned()];
    if let Some(code) = container.exit_code {
        words.push(format!("exit code {code}"));
    }
    if container.health != "none" {
        words.push(container.health.to_owned());
    }
    if container.restarts > 0 {
        words.push(lines::count(container.restarts as usize, "restart"));
    }
    if let Some(started) = container.started_at {
        words.push(format!("started {}", span::since(started, now)));
    }
    format!("{}  {}", container.name, words.join(", "))
}
