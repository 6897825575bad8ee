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
use crate::model::{ContainerState, Health, ObservedContainer, ServiceId};
use crate::plan::{PlannedStep, Step, StepId};

/// A pull.
const BAR: &str = "{spinner} {msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}";
/// Any other step.
const LINE: &str = "{spinner} {wide_msg} {elapsed}";

/// Shows a pass at work on stderr.
pub struct Progress {
    screen: Option<Screen>,
}

impl Progress {
    /// On a terminal, one line per running step, a bar while an image comes in; else one log line per step done or
    /// failed.
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
        Event::Pulling(..) | Event::Seen(..) => {}
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
            Event::Seen(id, container) => self.seen(*id, container),
            Event::HookFailed(why) => self.say(&one_line(why)),
            Event::GoingBack(service) => self.say(&going_back(service)),
        }
    }

    fn begin(&self, planned: &PlannedStep) {
        let line = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template(LINE) {
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

    /// A bar with bytes and speed, once it is known how many bytes there are.
    fn pulling(&self, id: StepId, progress: PullProgress) {
        let running = self.running();
        let Some((name, line)) = running.get(&id) else { return };
        if progress.total == 0 {
            return line.set_message(format!("{name} {}", HumanBytes(progress.current)));
        }
        if line.length().is_none() {
            line.set_message(name.clone());
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                line.set_style(style.progress_chars("=> "));
            }
        }
        line.set_length(progress.total.max(progress.current));
        line.set_position(progress.current);
    }

    /// What the container does that is waited for; for how long, the line itself tells.
    fn seen(&self, id: StepId, container: &ObservedContainer) {
        if let Some((name, line)) = self.running().get(&id) {
            line.set_message(format!("{name} {}", how(container)));
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

/// `running, starting`, `running, healthy`, `restarting`: what it does, and what its health check says.
fn how(container: &ObservedContainer) -> String {
    let state = match container.state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting { .. } => "restarting",
        ContainerState::Exited { .. } => "ended",
        ContainerState::Dead => "dead",
    };
    match container.health {
        Health::None => state.to_owned(),
        Health::Starting => format!("{state}, starting"),
        Health::Healthy => format!("{state}, healthy"),
        Health::Unhealthy => format!("{state}, unhealthy"),
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

    fn container() -> ObservedContainer {
        ObservedContainer {
            id: "c1".into(),
            name: "shop-web-1".into(),
            image: "acme/web:1".to_owned(),
            image_id: crate::model::ImageId::new("i1"),
            labels: std::collections::BTreeMap::<String, String>::new().into(),
            created_at: None,
            state: ContainerState::Running,
            health: Health::Starting,
            restarts: 0,
            started_at: None,
            settings: Default::default(),
            attached: BTreeMap::new(),
            anonymous_volumes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_container_that_is_waited_for_is_told_with_its_health() {
        assert_eq!(how(&container()), "running, starting");
        let ended = ContainerState::Exited { code: 1, oom_killed: false };
        let ended = ObservedContainer { state: ended, health: Health::None, ..container() };
        assert_eq!(how(&ended), "ended");
    }

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Paper(std::sync::Arc<Mutex<String>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl indicatif::TermLike for Paper {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pull_has_a_bar_with_bytes_and_speed_and_what_is_waited_for_its_health() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let progress = Progress { screen: Some(Screen::on(target)) };
        let mib = |many: u64| many << 20;
        progress.event(&Event::StepStarted(&planned(1)));
        let half = PullProgress { current: mib(12), total: mib(40) };
        progress.event(&Event::Pulling(StepId(1), half));
        progress.event(&Event::StepStarted(&planned(2)));
        progress.event(&Event::Seen(StepId(2), &container()));
        progress.finish();
        let text = paper.text();
        for part in
            ["shop: start-container [=", "12.00 MiB of 40.00 MiB, ", "/s", "running, starting"]
        {
            assert!(text.contains(part), "no `{part}` in {text:?}");
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
            progress.event(&Event::Pulling(StepId(1), PullProgress { current: 9, total: 30 }));
            progress.event(&Event::Seen(StepId(1), &container()));
            progress.event(&Event::Seen(StepId(9), &container()));
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
