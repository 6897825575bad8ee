//! What the daemon's log says of its passes: what was done, and what is wrong once, not at every pass.

use super::{reconcile, sources};
use crate::asked::refusal;
use crate::plan::{Block, Plan, Verdict};
use crate::reconcile::daemon::News as Heard;
use crate::reconcile::{Pass, PassError};
use crate::report::{Style, text, wire};
use crate::systemd::Manager;

/// Remembers what was told last.
pub struct Telling<'a> {
    manager: &'a Manager,
    /// Whether what was unchanged is named too.
    verbose: bool,
    trouble: Option<String>,
    /// Why the configuration cannot be used as it is now.
    refused: Option<String>,
}

/// What there is to say of a pass.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// Something was done, or something else is wrong than before.
    All,
    /// What was wrong is right again.
    Recovered,
    /// Nothing new.
    Nothing,
}

impl<'a> Telling<'a> {
    /// Nothing was told yet.
    pub fn new(manager: &'a Manager, verbose: bool) -> Self {
        manager.status("the first pass is under way");
        Self { manager, verbose, trouble: None, refused: None }
    }

    /// Logs what is new, and tells systemd how things stand.
    pub fn tell(&mut self, heard: &Heard) {
        match heard {
            Heard::Begun(_) => {}
            Heard::Reloaded => {
                self.refused = None;
                tracing::info!("the configuration has changed, and holds from now on");
            }
            Heard::Unchanged => {
                if self.refused.take().is_some() {
                    tracing::info!("the configuration is again the one that holds");
                }
            }
            Heard::Refused(why) => self.tell_refused(why.clone()),
            Heard::Pass(_, pass) => match &**pass {
                Ok(done) => self.tell_pass(done),
                Err(error) => self.tell_error(error),
            },
        }
    }

    fn tell_refused(&mut self, why: String) {
        if self.refused.as_ref() != Some(&why) {
            tracing::error!("the configuration cannot be used; the one before it still holds");
            for line in why.lines().filter(|line| !line.is_empty()) {
                tracing::error!("{line}");
            }
        }
        self.refused = Some(why);
    }

    fn tell_error(&mut self, error: &PassError) {
        let text = match refusal::hint(error) {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        self.show(&format!("no pass: {text}"));
        match self.news(Some(text.clone()), false) {
            News::All => tracing::error!("{text}"),
            News::Recovered | News::Nothing => tracing::debug!("{text}"),
        }
    }

    fn tell_pass(&mut self, done: &Pass) {
        sources::log_remarks(&done.sources);
        let report = reconcile::report(done);
        let revisions = done.sources.iter().map(|seen| {
            (seen.name.as_str(), seen.report.commit.as_ref().map(|commit| commit.as_str()))
        });
        let summary = text::summary(&report, revisions);
        if !done.busy.is_empty() {
            let busy: Vec<&str> = done.busy.iter().map(|stack| stack.as_str()).collect();
            self.show(&format!("{summary} · {} under way", busy.join(", ")));
            // What is wrong there was told before, or is when that pass ends.
            if !done.plan.steps.is_empty() {
                log(&report, self.verbose);
            }
            return;
        }
        self.show(&summary);
        let is_well = report.outcome == wire::PassOutcome::Converged;
        let trouble = (!is_well).then(|| without_times(&report, &done.plan));
        match self.news(trouble, !done.plan.steps.is_empty()) {
            News::All => log(&report, self.verbose),
            News::Recovered => tracing::info!("everything is in sync again"),
            News::Nothing => tracing::debug!("nothing new"),
        }
    }

    fn show(&self, line: &str) {
        let refused = self.refused.as_ref().map(|_| " · the configuration cannot be used");
        self.manager.status(&format!("{line}{}", refused.unwrap_or_default()));
    }

    fn news(&mut self, trouble: Option<String>, did_something: bool) -> News {
        let before = std::mem::replace(&mut self.trouble, trouble);
        match (&before, &self.trouble) {
            (_, _) if did_something => News::All,
            (None, None) => News::Nothing,
            (Some(_), None) => News::Recovered,
            (Some(before), Some(now)) if before == now => News::Nothing,
            (Some(_) | None, Some(_)) => News::All,
        }
    }
}

/// The report as a text that is the same for passes that differ only in how long they took, and in when a service
/// that the world is in the way of is tried again.
fn without_times(report: &wire::PassReport, plan: &Plan) -> String {
    let mut timeless = wire::PassReport { seconds: 0.0, ..report.clone() };
    for change in &plan.changes {
        let error = match &change.verdict {
            Verdict::Blocked(Block::Trouble(trouble)) => trouble.error.as_str(),
            Verdict::Blocked(Block::Image { message, .. }) => message,
            Verdict::Blocked(Block::Barred(barred)) => barred.why(),
            Verdict::InSync
            | Verdict::Create
            | Verdict::Start(_)
            | Verdict::Mend(_)
            | Verdict::Update(_)
            | Verdict::Recreate(_)
            | Verdict::CleanUp
            | Verdict::Remove
            | Verdict::Held(_)
            | Verdict::Rejected { .. }
            | Verdict::Blocked(_) => continue,
        };
        let stacks = timeless.stacks.iter_mut();
        let stacks = stacks.filter(|stack| stack.stack == change.service.stack.as_str());
        let services = stacks.flat_map(|stack| &mut stack.services);
        for service in services.filter(|one| one.service == change.service.service.as_str()) {
            (service.error, service.hint) = (Some(error.to_owned()), None);
        }
    }
    serde_json::to_string(&timeless).unwrap_or_default()
}

/// Logs the report, each stack's lines with its name and generation as fields.
fn log(report: &wire::PassReport, verbose: bool) {
    for stack in &report.stacks {
        let mut lines = Vec::new();
        // Nothing can fail while it is written to memory.
        let _ = text::pass_of_stack(&mut lines, stack, Style::PLAIN, verbose);
        log_lines(&lines, report.outcome, Some((&stack.stack, stack.generation)));
    }
    let mut lines = Vec::new();
    let rest = wire::PassReport { stacks: Vec::new(), ..report.clone() };
    let _ = text::pass(&mut lines, &rest, Style::PLAIN, verbose);
    log_lines(&lines, report.outcome, None);
}

fn log_lines(lines: &[u8], outcome: wire::PassOutcome, of: Option<(&String, Option<u64>)>) {
    let (stack, generation) = (of.map(|of| of.0.as_str()), of.and_then(|of| of.1));
    for line in String::from_utf8_lossy(lines).lines().filter(|line| !line.is_empty()) {
        match outcome {
            wire::PassOutcome::Converged => tracing::info!(stack, generation, "{line}"),
            wire::PassOutcome::RolledBack => tracing::warn!(stack, generation, "{line}"),
            wire::PassOutcome::Failed => tracing::error!(stack, generation, "{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_trouble_is_told_once_and_its_end_too() {
        let manager = Manager::none();
        let mut telling = Telling::new(&manager, false);
        let mut news = |trouble: &str, did_something| {
            telling.news((!trouble.is_empty()).then(|| trouble.to_owned()), did_something)
        };
        assert_eq!(news("", true), News::All, "a first deployment");
        assert_eq!(news("", false), News::Nothing);
        assert_eq!(news("no git", false), News::All);
        assert_eq!(news("no git", false), News::Nothing);
        assert_eq!(news("no engine", false), News::All);
        assert_eq!(news("no engine", true), News::All, "it tried again");
        assert_eq!(news("", false), News::Recovered);
        assert_eq!(news("", false), News::Nothing);
    }
}
