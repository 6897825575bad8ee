//! What happens while a plan is carried out, as it happens: lines on a terminal, else log lines.
//!
//! Showing progress can never fail a pass: what cannot be drawn is not drawn.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::wire::{EventKind, StepEvent, step_event};
use crate::apply::{Event, Watcher};

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
        let (kind, step) = step_event(event);
        self.show(kind, &step);
    }
}

impl Progress {
    /// Shows something that happened in a pass, here or in a daemon.
    pub fn show(&self, kind: EventKind, step: &StepEvent) {
        match &self.screen {
            Some(screen) => screen.show(kind, step),
            None => log(kind, step),
        }
    }
}

fn log(kind: EventKind, of: &StepEvent) {
    let (stack, service, step) = (of.stack.as_deref(), of.service.as_deref(), of.id);
    let (name, why) = (&of.name, of.error.as_deref().unwrap_or_default());
    match kind {
        EventKind::StepBegun => tracing::debug!(stack, service, step, "{name}"),
        EventKind::StepDone => tracing::info!(stack, service, step, "{name}: done"),
        EventKind::StepFailed => tracing::error!(stack, service, step, "{name}: {why}"),
        EventKind::HookFailed => tracing::warn!("{why}"),
        EventKind::GoingBack => tracing::warn!(stack, service, "{name}"),
        // Several a second, or nothing of a step: nothing for a log.
        EventKind::Pulling | EventKind::Seen | EventKind::PassBegun | EventKind::PassEnded => {}
    }
}

/// The lines of a terminal.
struct Screen {
    lines: MultiProgress,
    running: Mutex<BTreeMap<Option<u32>, (String, ProgressBar)>>,
}

impl Screen {
    fn on(target: ProgressDrawTarget) -> Self {
        Self { lines: MultiProgress::with_draw_target(target), running: Mutex::default() }
    }

    fn show(&self, kind: EventKind, step: &StepEvent) {
        let why = step.error.as_deref().unwrap_or_default();
        match kind {
            EventKind::StepBegun => self.begin(step),
            EventKind::StepDone => self.end(step),
            EventKind::StepFailed => {
                self.end(step);
                self.say(&format!("{}: {why}", step.name));
            }
            EventKind::Pulling => self.pulling(step),
            EventKind::Seen => self.seen(step),
            EventKind::HookFailed => self.say(why),
            EventKind::GoingBack => self.say(&step.name),
            EventKind::PassBegun | EventKind::PassEnded => {}
        }
    }

    fn begin(&self, step: &StepEvent) {
        let line = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template(LINE) {
            line.set_style(style);
        }
        line.set_message(step.name.clone());
        line.enable_steady_tick(Duration::from_millis(120));
        self.running().insert(step.id, (step.name.clone(), line));
    }

    fn end(&self, step: &StepEvent) {
        if let Some((_, line)) = self.running().remove(&step.id) {
            line.finish_and_clear();
        }
    }

    /// A bar with bytes and speed, once it is known how many bytes there are.
    fn pulling(&self, step: &StepEvent) {
        let running = self.running();
        let Some((name, line)) = running.get(&step.id) else { return };
        let (current, total) = (step.bytes.unwrap_or(0), step.total.unwrap_or(0));
        if total == 0 {
            return line.set_message(format!("{name} {}", HumanBytes(current)));
        }
        if line.length().is_none() {
            line.set_message(name.clone());
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                line.set_style(style.progress_chars("=> "));
            }
        }
        line.set_length(total.max(current));
        line.set_position(current);
    }

    /// What the container does that is waited for; for how long, the line itself tells.
    fn seen(&self, step: &StepEvent) {
        if let (Some((name, line)), Some(how)) = (self.running().get(&step.id), &step.container) {
            line.set_message(format!("{name} {how}"));
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

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<u32>, (String, ProgressBar)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PullProgress;
    use crate::model::{ContainerState, Health, ObservedContainer, StackName};
    use crate::plan::{PlannedStep, Step, StepId, Target};

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
        let how = |container: &ObservedContainer| {
            step_event(&Event::Seen(StepId(1), container)).1.container.unwrap()
        };
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
        // Lines are drawn a few times a second, whatever happens in between.
        let parts =
            ["shop: start-container [=", "12.00 MiB of 40.00 MiB, ", "/s", "running, starting"];
        let begun = std::time::Instant::now();
        let missing = || parts.iter().find(|part| !paper.text().contains(*part));
        while let Some(part) = missing() {
            assert!(begun.elapsed() < Duration::from_secs(10), "no `{part}` in {:?}", paper.text());
            std::thread::yield_now();
        }
        progress.finish();
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
        let (kind, step) = step_event(&Event::StepStarted(&planned(1)));
        assert_eq!((kind, step.name.as_str()), (EventKind::StepBegun, "shop: start-container"));
    }
}
