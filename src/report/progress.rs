//! What happens while a plan is carried out, as it happens: lines on a terminal, else log lines.
//!
//! Showing progress can never fail a pass: what cannot be drawn is not drawn.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::style::one_line;
use crate::apply::{Event, Watcher};
use crate::engine::PullProgress;
use crate::model::ServiceId;
use crate::plan::{PlannedStep, Step, StepId};

/// Shows a pass at work on stderr.
pub struct Progress {
    screen: Option<Screen>,
}

impl Progress {
    /// On a terminal, one line per running step; else one log line per step done or failed.
    pub fn new(is_terminal: bool) -> Self {
        Self { screen: is_terminal.then(|| Screen::on(ProgressDrawTarget::stderr())) }
    }

    /// Takes all lines away, so that a report can be written.
    pub fn finish(&self) {
        if let Some(screen) = &self.screen {
            screen.clear();
        }
    }
}

impl Watcher for Progress {
    fn event(&self, event: &Event<'_>) {
        match &self.screen {
            Some(screen) => screen.show(event),
            None => log(event),
        }
    }
}

fn log(event: &Event<'_>) {
    match event {
        Event::StepStarted(planned) => {
            let (stack, service) = concerned(planned);
            tracing::debug!(stack, service, step = planned.id.0, "{}", named(planned));
        }
        Event::StepDone(planned) => {
            let (stack, service) = concerned(planned);
            tracing::info!(stack, service, step = planned.id.0, "{}: done", named(planned));
        }
        Event::StepFailed(planned, why) => {
            let ((stack, service), why) = (concerned(planned), one_line(why));
            tracing::error!(stack, service, step = planned.id.0, "{}: {why}", named(planned));
        }
        // Several a second: nothing for a log.
        Event::Pulling(..) => {}
        Event::HookFailed(why) => tracing::warn!("{}", one_line(why)),
        Event::GoingBack(id) => {
            let (stack, service) = (id.stack.as_str(), id.service.as_str());
            tracing::warn!(stack, service, "{}", going_back(id));
        }
    }
}

/// The stack and the service that a step is done for, as fields of a log line.
fn concerned(planned: &PlannedStep) -> (&str, Option<&str>) {
    (planned.stack.as_str(), planned.service.as_ref().map(|id| id.service.as_str()))
}

/// The step without values: of what it is done to only an image comes as people may see it.
fn named(planned: &PlannedStep) -> String {
    let word = planned.step.word();
    let who = match &planned.service {
        Some(service) => service.to_string(),
        None => planned.stack.to_string(),
    };
    if let Step::PullImage { shown, .. } = &planned.step {
        return format!("{who}: {word} {}", one_line(shown));
    }
    format!("{who}: {word}")
}

fn going_back(service: &ServiceId) -> String {
    format!("{service}: goes back to what ran before")
}

/// The lines of a terminal.
struct Screen {
    lines: MultiProgress,
    running: Mutex<BTreeMap<StepId, (String, ProgressBar)>>,
}

impl Screen {
    fn on(target: ProgressDrawTarget) -> Self {
        Self { lines: MultiProgress::with_draw_target(target), running: Mutex::default() }
    }

    fn show(&self, event: &Event<'_>) {
        match event {
            Event::StepStarted(planned) => self.begin(planned),
            Event::StepDone(planned) => self.end(planned.id),
            Event::StepFailed(planned, why) => {
                self.end(planned.id);
                self.say(&format!("{}: {}", named(planned), one_line(why)));
            }
            Event::Pulling(id, progress) => self.pulling(*id, *progress),
            Event::HookFailed(why) => self.say(&one_line(why)),
            Event::GoingBack(service) => self.say(&going_back(service)),
        }
    }

    fn begin(&self, planned: &PlannedStep) {
        let line = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            line.set_style(style);
        }
        let name = named(planned);
        line.set_message(name.clone());
        line.enable_steady_tick(Duration::from_millis(120));
        self.running().insert(planned.id, (name, line));
    }

    fn end(&self, id: StepId) {
        if let Some((_, line)) = self.running().remove(&id) {
            line.finish_and_clear();
        }
    }

    fn pulling(&self, id: StepId, progress: PullProgress) {
        if let Some((name, line)) = self.running().get(&id) {
            line.set_message(format!("{name} {}", bytes(progress)));
        }
    }

    /// A line that stays. Where it cannot be written there is nobody to tell.
    fn say(&self, line: &str) {
        let _ = self.lines.println(line);
    }

    fn clear(&self) {
        for (_, line) in std::mem::take(&mut *self.running()).into_values() {
            line.finish_and_clear();
        }
        let _ = self.lines.clear();
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<StepId, (String, ProgressBar)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `12.00 MiB of 40.00 MiB`; the total is unknown at first.
fn bytes(progress: PullProgress) -> String {
    match progress.total {
        0 => HumanBytes(progress.current).to_string(),
        total => format!("{} of {}", HumanBytes(progress.current), HumanBytes(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackName;
    use crate::plan::Target;

    fn planned(number: u32) -> PlannedStep {
        PlannedStep {
            id: StepId(number),
            stack: StackName::new("shop"),
            service: None,
            replica: None,
            step: Step::StartContainer(Target::Name("secret-name".into())),
            because: String::new(),
            after: Vec::new(),
            behind: Vec::new(),
            section: None,
            networks: std::collections::BTreeSet::new(),
        }
    }

    #[test]
    fn events_in_any_order_are_borne() {
        let hidden = Progress { screen: Some(Screen::on(ProgressDrawTarget::hidden())) };
        for progress in [hidden, Progress::new(false), Progress::new(true)] {
            let (one, two) = (planned(1), planned(2));
            progress.event(&Event::StepDone(&two));
            progress.event(&Event::Pulling(StepId(9), PullProgress::default()));
            progress.event(&Event::StepStarted(&one));
            progress.event(&Event::StepStarted(&one));
            progress.event(&Event::Pulling(StepId(1), PullProgress { current: 9, total: 3 }));
            progress.event(&Event::StepFailed(&two, "no\nroom"));
            progress.finish();
            progress.event(&Event::StepDone(&one));
            progress.finish();
        }
    }

    #[test]
    fn what_a_step_is_done_to_is_not_logged() {
        assert_eq!(named(&planned(1)), "shop: start-container");
    }
}
