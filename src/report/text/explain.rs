//! `explain` for people: a page of sections, each with its word at the left.

use std::io;

use super::lines::{self, count, pad, short_commit, widest};
use super::status::{image_at, one_container};
use crate::report::style::one_line;
use crate::report::wire::{
    ExplainBack, ExplainFollowing, ExplainKept, ExplainNext, ExplainReport, ExplainRunning,
    ExplainService, ExplainStack, ExplainWindow, ExplainWritten, HistoryGeneration, StatusSource,
};
use crate::report::{Style, problems, span};

/// What a section's word takes, with the blanks behind it.
const WORD: usize = 10;
/// More than so many earlier versions are left to `history`.
const MOST_BACK: usize = 5;

/// Writes `report` for people: the page of the service that was asked for, or that of the stack.
pub fn explain(
    out: &mut (impl io::Write + ?Sized),
    report: &ExplainReport,
    style: Style,
) -> io::Result<()> {
    let mut page = Page { out, at: report.at, style };
    match report.services.as_slice() {
        [service] if report.scope.contains('/') => page.service(report, service),
        services => page.stack(report, services),
    }
}

struct Page<'a, W: io::Write + ?Sized> {
    out: &'a mut W,
    at: jiff::Timestamp,
    style: Style,
}

impl<W: io::Write + ?Sized> Page<'_, W> {
    fn service(&mut self, report: &ExplainReport, service: &ExplainService) -> io::Result<()> {
        self.heading(&report.scope, service.state)?;
        let stack = &report.stack;
        let git = match &service.git {
            Some(git) => self.written(git, stack),
            None => unwritten(report),
        };
        self.section("git", git)?;
        self.problems(stack)?;
        self.section("runs", self.runs(service.runs.as_ref()))?;
        self.section("last", last(service.last.as_ref()))?;
        self.section("kept", service.kept.as_ref().map(kept).unwrap_or_default())?;
        self.section("next", next(service.next.as_ref()))?;
        let registry = service.registry.as_ref();
        self.section("registry", registry.map(|it| self.follows(it)).unwrap_or_default())?;
        let of_update = service.git.as_ref().and_then(|git| git.update_window.as_ref());
        self.section("window", windows(stack.windows.iter().chain(of_update)))?;
        let nothing = "nothing else was ever well here";
        self.section("back", self.back(&service.back, nothing))?;
        self.section("unknown", report.unknown.clone())
    }

    fn stack(&mut self, report: &ExplainReport, services: &[ExplainService]) -> io::Result<()> {
        let stack = &report.stack;
        self.heading(&report.scope, stack.state)?;
        let mut git = stack.files.clone();
        git.extend(self.source(stack.source.as_ref(), stack.commit.as_deref()));
        if !stack.after.is_empty() {
            git.push(format!("after {}", stack.after.join(", ")));
        }
        if !stack.awaited_by.is_empty() {
            git.push(format!("awaited by {}", stack.awaited_by.join(", ")));
        }
        if stack.atomic {
            git.push("changed as a whole or not at all".to_owned());
        }
        self.section("git", if stack.files.is_empty() { unwritten(report) } else { git })?;
        self.problems(stack)?;
        if let Some(suspended) = &stack.suspended {
            let until = suspended.until.map(|at| format!(" until {}", span::at(at)));
            let reason = suspended.reason.as_ref().map(|reason| format!(": {reason}"));
            let (until, reason) = (until.unwrap_or_default(), reason.unwrap_or_default());
            self.section("suspended", vec![format!("nothing of it is changed{until}{reason}")])?;
        }
        self.painted("services", self.table(services))?;
        self.section("last", last(stack.last.as_ref()))?;
        self.section("window", windows(stack.windows.iter()))?;
        let nothing = "no other generation ever left all of it well";
        self.section("back", self.back(&stack.back, nothing))?;
        self.section("unknown", report.unknown.clone())
    }

    fn heading(
        &mut self,
        scope: &str,
        state: Option<crate::report::state::State>,
    ) -> io::Result<()> {
        let state =
            state.map_or_else(|| self.style.warn("unknown"), |it| lines::state(it, 0, self.style));
        writeln!(self.out, "{}", lines::heading(scope, &[state], self.style))
    }

    /// The lines of one section, its word before the first; nothing where there are none.
    fn section(&mut self, word: &str, lines: Vec<String>) -> io::Result<()> {
        self.painted(word, lines.iter().map(|line| one_line(line)).collect())
    }

    /// The same of lines that are clean already and may have colours.
    fn painted(&mut self, word: &str, lines: Vec<String>) -> io::Result<()> {
        let mut word = self.style.strong(&pad(word, WORD));
        for line in lines {
            writeln!(self.out, "  {word}{line}")?;
            word = pad("", WORD);
        }
        Ok(())
    }

    fn problems(&mut self, stack: &ExplainStack) -> io::Result<()> {
        write!(self.out, "{}", problems::render(&stack.problems, self.style))?;
        write!(self.out, "{}", problems::render_remarks(&stack.remarks, self.style))
    }

    fn written(&self, git: &ExplainWritten, stack: &ExplainStack) -> Vec<String> {
        let mut lines = vec![
            format!("{}:{}", git.at.file, git.at.line),
            format!("image {} ({}:{})", git.image, git.image_at.file, git.image_at.line),
        ];
        lines.extend(self.source(stack.source.as_ref(), stack.commit.as_deref()));
        if git.replicas != 1 {
            lines.push(count(git.replicas as usize, "replica"));
        }
        for (file, names) in &git.server_files {
            lines.push(match names.is_empty() {
                true => format!("env file {file}, which sets nothing"),
                false => format!("env file {file}: {}", names.join(", ")),
            });
        }
        let listed =
            [("networks", &git.networks), ("ports", &git.ports), ("volumes", &git.volumes)];
        for (what, found) in listed.into_iter().filter(|(_, found)| !found.is_empty()) {
            lines.push(format!("{what} {}", found.join(", ")));
        }
        let named = |(name, condition): (&String, &&str)| format!("{name} ({condition})");
        if !git.depends_on.is_empty() {
            let names: Vec<String> = git.depends_on.iter().map(named).collect();
            lines.push(format!("depends on {}", names.join(", ")));
        }
        if !git.needed_by.is_empty() {
            let names: Vec<String> = git.needed_by.iter().map(named).collect();
            lines.push(format!("needed by {}", names.join(", ")));
        }
        if !stack.after.is_empty() {
            lines.push(format!("its stack comes after {}", stack.after.join(", ")));
        }
        lines
    }

    fn source(&self, source: Option<&StatusSource>, commit: Option<&str>) -> Option<String> {
        let commit = commit.map(|commit| format!(" at {}", short_commit(commit)));
        let commit = commit.unwrap_or_default();
        let source = source?;
        let read = source.fetched_at.map(|at| format!(", read {}", span::since(at, self.at)));
        Some(format!("source {}{commit}{}", source.name, read.unwrap_or_default()))
    }

    fn runs(&self, runs: Option<&ExplainRunning>) -> Vec<String> {
        let Some(runs) = runs else { return vec!["not known".to_owned()] };
        if runs.containers.is_empty() {
            return vec!["nothing".to_owned()];
        }
        let built = runs.image_created_at.map(|at| format!(", built {}", span::at(at)));
        let by = runs.generation.map(|number| format!(", generation {number}"));
        let image = image_at(runs.image.as_deref().unwrap_or_default(), runs.digest.as_deref());
        let mut lines =
            vec![format!("{image}{}{}", built.unwrap_or_default(), by.unwrap_or_default())];
        let containers = runs.containers.iter();
        lines.extend(containers.map(|container| one_container(container, self.at)));
        lines
    }

    fn follows(&self, registry: &ExplainFollowing) -> Vec<String> {
        let asks = match &registry.follows {
            None => format!("git asks for {}", registry.asks),
            Some(follows) => {
                let chosen = follows.chosen_at;
                let chosen = chosen.map(|at| format!(", chosen {}", span::since(at, self.at)));
                let chosen = chosen.unwrap_or_default();
                format!("git asks for {}: {}{chosen}", registry.asks, follows.tag)
            }
        };
        let mut lines = vec![asks];
        let follows = registry.follows.as_ref();
        lines.extend(follows.and_then(|follows| follows.why.clone()));
        lines.extend(follows.and_then(|follows| follows.waits.clone()));
        if let Some(seconds) = registry.min_age_seconds {
            let age = span::took(std::time::Duration::from_secs(seconds));
            lines.push(format!("an image has to be {age} old"));
        }
        if registry.write_back {
            lines.push("what is found goes into git first".to_owned());
        }
        lines.push(match registry.next_at {
            Some(at) => format!("looked at again at {}", span::at(at)),
            None => "asked by the next pass".to_owned(),
        });
        lines
    }

    fn back(&self, back: &[ExplainBack], nothing: &str) -> Vec<String> {
        if back.is_empty() {
            return vec![nothing.to_owned()];
        }
        let shown = || back.iter().take(MOST_BACK);
        let commands = widest(shown().map(|back| back.command.as_str()));
        let mut lines: Vec<String> = shown()
            .map(|back| {
                let at = back.started_at.map(span::at).unwrap_or_default();
                let image = back.image.as_deref().map(|it| image_at(it, back.digest.as_deref()));
                let gone = (back.on_host == Some(false)).then(|| "to be pulled first".to_owned());
                let facts: Vec<String> = [Some(at), image, gone].into_iter().flatten().collect();
                format!("{}  {}", pad(&back.command, commands), facts.join("  "))
            })
            .collect();
        if back.len() > MOST_BACK {
            lines.push(format!("and {} more", back.len() - MOST_BACK));
        }
        lines
    }

    fn table(&self, services: &[ExplainService]) -> Vec<String> {
        let name = widest(services.iter().map(|service| service.service.as_str()));
        let word = |service: &ExplainService| service.state.map_or("unknown", |state| state.word());
        let state = widest(services.iter().map(word));
        let row = |service: &ExplainService| {
            let does = service.next.as_ref().map(|next| next.verdict);
            let does = does.filter(|does| !["in-sync", "held", "blocked"].contains(does));
            let facts = [
                pad(&service.service, name),
                match service.state {
                    Some(known) => lines::state(known, state, self.style),
                    None => self.style.warn(&pad("unknown", state)),
                },
                one_line(&image_of(service)),
                service.kept.as_ref().map(|kept| one_line(&kept.why)).unwrap_or_default(),
                does.map(|does| format!("the next pass: {does}")).unwrap_or_default(),
            ];
            let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
            facts.join("  ")
        };
        services.iter().map(row).collect()
    }
}

/// The image that runs; before there is one, as git has it.
fn image_of(service: &ExplainService) -> String {
    let runs = service.runs.as_ref();
    let running =
        runs.and_then(|runs| Some(image_at(runs.image.as_deref()?, runs.digest.as_deref())));
    running.or_else(|| service.git.as_ref().map(|git| git.image.clone())).unwrap_or_default()
}

fn unwritten(report: &ExplainReport) -> Vec<String> {
    let says = if !report.stack.problems.is_empty() {
        "its manifest cannot be used; what runs is left as it is"
    } else if report.unknown.is_empty() {
        "git does not name it"
    } else {
        "git is not known to name it"
    };
    vec![says.to_owned()]
}

/// The last attempt: when, why, by whom, and how it ended.
fn last(attempt: Option<&HistoryGeneration>) -> Vec<String> {
    let Some(attempt) = attempt else { return vec!["evenkeel has not changed it yet".to_owned()] };
    let HistoryGeneration { generation, started_at, .. } = attempt;
    let outcome = attempt.outcome.unwrap_or("running");
    let took = attempt.seconds.map(|it| format!(" in {}", span::took_seconds(it)));
    let words = attempt.subject.as_ref().zip(attempt.author.as_ref());
    let words = words.map(|(subject, author)| format!(", {subject} ({author})"));
    let mut lines = vec![
        format!(
            "generation {generation} at {}, {outcome}{}",
            span::at(*started_at),
            took.unwrap_or_default()
        ),
        format!(
            "because {}; commit {}{}",
            why(attempt.trigger),
            short_commit(&attempt.commit),
            words.unwrap_or_default()
        ),
    ];
    for service in attempt.services.iter().filter(|it| it.outcome != Some("unchanged")) {
        let reasons: Vec<String> =
            service.reasons.iter().map(|reason| reason.difference().to_string()).collect();
        let outcome = service.outcome.unwrap_or("running");
        let (name, verdict) = (&service.service, &service.verdict);
        lines.push(
            format!("{name}: {verdict}, {outcome}  {}", reasons.join("; ")).trim_end().to_owned(),
        );
        lines.extend(service.error.clone());
    }
    lines
}

/// What led to an attempt, from its word in JSON.
fn why(trigger: &str) -> &str {
    match trigger {
        "commit" => "git changed",
        "image" => "a registry has a newer image",
        "env" => "a file on the server changed",
        "drift" => "the engine no longer showed what was left there",
        "rollback" => "somebody went back",
        "operator" => "an operator asked for it",
        other => other,
    }
}

fn kept(kept: &ExplainKept) -> Vec<String> {
    let ExplainKept { how, held_by, why, since, until, next_try_at, release } = kept;
    let by = held_by.map(|by| format!(" by {by}")).unwrap_or_default();
    let time = |word: &str, time: &Option<jiff::Timestamp>| {
        time.map(|at| format!(" {word} {}", span::at(at))).unwrap_or_default()
    };
    let times =
        [time("since", since), time("until", until), time("and tried again at", next_try_at)];
    let mut lines = vec![format!("{how}{by}{}: {why}", times.concat())];
    lines.extend(release.clone());
    lines
}

/// What a pass would do, step by step.
fn next(next: Option<&ExplainNext>) -> Vec<String> {
    let Some(next) = next else { return vec!["not known".to_owned()] };
    let order = next.order.map(|order| format!(", {order}")).unwrap_or_default();
    let mut lines = match next.verdict {
        "in-sync" => vec!["nothing: it is as git says".to_owned()],
        "held" | "blocked" => vec!["nothing, as long as it is kept so".to_owned()],
        verdict => vec![format!("{verdict}{order}")],
    };
    lines.extend(next.reasons.iter().map(|reason| reason.difference().to_string()));
    let (does, ids) = (
        widest(next.steps.iter().map(|step| step.does)),
        next.steps.iter().map(|step| step.id.to_string().len()).max().unwrap_or(0),
    );
    for step in &next.steps {
        let (id, does) = (step.id, pad(step.does, does));
        lines.push(format!("{id:>ids$}. {does}  {}  # {}", step.subject, step.because));
    }
    lines.extend(next.hint.as_ref().filter(|_| next.verdict == "start").cloned());
    lines
}

fn windows<'a>(windows: impl Iterator<Item = &'a ExplainWindow>) -> Vec<String> {
    let told = windows.map(|found| {
        let ExplainWindow { window, of, opens_at, .. } = found;
        match opens_at {
            None => format!("`{window}` {of}, open now"),
            Some(at) => format!("`{window}` {of}, opens at {}", span::at(*at)),
        }
    });
    told.collect()
}
