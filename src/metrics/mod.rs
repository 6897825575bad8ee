//! What a scraper reads: how this host stands, in the text format of OpenMetrics 1.0.
//!
//! Only counts and writes down; what is good or bad is for whoever reads it (`examples/observability/`). Nothing here
//! can fail or delay a pass. Labels are names that git and the operator chose, never a digest, a commit or a message.

mod figures;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Disk, GenerationNumber, ServiceOutcome, SourceName, StackName};
use figures::Figures;

/// All figures of this process.
#[derive(Debug, Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
}

/// How one source stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFigures {
    /// When it was last read; `None` where it never was.
    pub last_read: Option<Timestamp>,
    /// Whether it could be used this time.
    pub is_well: bool,
}

/// What a pass found and did.
#[derive(Clone, Debug, Default)]
pub struct PassFigures {
    /// How long it took.
    pub took: Duration,
    /// All that are configured.
    pub sources: BTreeMap<SourceName, SourceFigures>,
    /// How many services of each stack are in each state, by the state's word.
    pub services: BTreeMap<(StackName, &'static str), u64>,
    /// Stacks whose manifest cannot be used.
    pub invalid: BTreeSet<StackName>,
    /// Stacks of which it could not be seen how they stand: their figures stay.
    pub unseen: BTreeSet<StackName>,
    /// How many services of each stack were rolled out, by how that ended.
    pub rollouts: BTreeMap<(StackName, ServiceOutcome), u64>,
    /// How many services of each stack were not what had been left there.
    pub drift: BTreeMap<StackName, u64>,
    /// The attempts to change a stack that were begun.
    pub generations: BTreeMap<StackName, GenerationNumber>,
    /// How many questions to each registry that is followed are without an answer.
    pub unknown: BTreeMap<String, u64>,
}

/// What looking through the images came to.
#[derive(Clone, Debug, Default)]
pub struct ImageFigures {
    /// Images that stay; `None` where only room was made.
    pub kept: Option<u64>,
    /// Images that went.
    pub removed: u64,
    /// Their bytes, layers shared with others included.
    pub removed_bytes: u64,
    /// Bytes of the build cache that went.
    pub build_cache_bytes: u64,
    /// The engine's disk afterwards; `None` where it cannot be measured.
    pub disk: Option<Disk>,
}

impl Metrics {
    /// The media type of [`Metrics::text`].
    pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Counts a pass that came to its end at `now`.
    pub fn passed(&self, pass: &PassFigures, now: Timestamp) {
        self.figures().passed(pass, now);
    }

    /// Counts a pass that did not come to its end; `engine_error` is the kind of the engine's error where that was
    /// why.
    pub fn broke_off(&self, engine_error: Option<&'static str>) {
        self.figures().broke_off(engine_error);
    }

    /// Counts what looking through the images came to.
    pub fn looked_through(&self, images: &ImageFigures) {
        self.figures().looked_through(images);
    }

    /// Counts one request to a registry: the status of its answer, `None` where there was none, and how many it says
    /// are left of what it allows.
    pub fn asked(&self, registry: &str, status: Option<u16>, remaining: Option<u64>) {
        self.figures().asked(registry, status, remaining);
    }

    /// All of it in the text format, ages as of `now`. Same figures, same text.
    pub fn text(&self, now: Timestamp) -> String {
        text::text(self.figures().clone(), now)
    }

    /// A panic elsewhere leaves plain numbers behind.
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pass() -> PassFigures {
        let shop = || StackName::from("shop");
        let well = SourceFigures { last_read: Some(at(100)), is_well: true };
        PassFigures {
            took: Duration::from_millis(700),
            sources: BTreeMap::from([(SourceName::new("infra"), well)]),
            services: BTreeMap::from([((shop(), "in-sync"), 2), ((shop(), "rejected"), 1)]),
            rollouts: BTreeMap::from([((shop(), ServiceOutcome::RolledBack), 1)]),
            drift: BTreeMap::from([(shop(), 1)]),
            generations: BTreeMap::from([(shop(), GenerationNumber(7))]),
            unknown: BTreeMap::from([("ghcr.io".to_owned(), 2)]),
            ..PassFigures::default()
        }
    }

    fn has(metrics: &Metrics, second: i64, line: &str) -> bool {
        let text = metrics.text(at(second));
        assert!(text.ends_with("# EOF\n"), "{text}");
        text.lines().any(|one| one == line)
    }

    #[test]
    fn ages_are_those_of_the_moment_that_is_asked_for() {
        let metrics = Metrics::default();
        let text = metrics.text(at(1));
        assert!(!text.contains("\nevenkeel_pass_age_seconds"), "there was none yet: {text}");
        metrics.passed(&pass(), at(101));
        let age = |second: i64, age: &str| {
            let line = format!("evenkeel_source_sync_age_seconds{{source=\"infra\"}} {age}");
            assert!(has(&metrics, second, &line), "{}", metrics.text(at(second)));
        };
        age(101, "1.0");
        age(400, "300.0");
        age(50, "0.0");
        assert!(has(&metrics, 111, "evenkeel_pass_age_seconds 10.0"));
    }

    #[test]
    fn what_happens_adds_up_and_what_stands_is_as_it_was_last() {
        let metrics = Metrics::default();
        metrics.passed(&pass(), at(101));
        metrics.passed(&pass(), at(102));
        for line in [
            "evenkeel_rollouts_total{stack=\"shop\",outcome=\"rolled-back\"} 2",
            "evenkeel_drift_found_total{stack=\"shop\"} 2",
            "evenkeel_generations_total{stack=\"shop\"} 2",
            "evenkeel_stack_generation{stack=\"shop\"} 7",
            "evenkeel_services{stack=\"shop\",state=\"in-sync\"} 2",
            "evenkeel_services{stack=\"shop\",state=\"rejected\"} 1",
            "evenkeel_services{stack=\"shop\",state=\"held\"} 0",
            "evenkeel_unknown_checks{host=\"ghcr.io\"} 2",
            "evenkeel_passes_total{outcome=\"ended\"} 2",
            "evenkeel_passes_total{outcome=\"broke-off\"} 0",
            "evenkeel_pass_duration_seconds_count 2",
            "evenkeel_pass_duration_seconds_bucket{le=\"0.5\"} 0",
            "evenkeel_pass_duration_seconds_bucket{le=\"1.0\"} 2",
            "evenkeel_pass_duration_seconds_bucket{le=\"+Inf\"} 2",
            "evenkeel_source_failing{source=\"infra\"} 0",
        ] {
            assert!(has(&metrics, 102, line), "{line} in\n{}", metrics.text(at(102)));
        }
        metrics.passed(&PassFigures::default(), at(103));
        let text = metrics.text(at(103));
        assert!(!text.contains("evenkeel_services{"), "the stack is gone: {text}");
        assert!(!text.contains("evenkeel_source_sync_age_seconds{"), "{text}");
        assert!(text.contains("evenkeel_rollouts_total{stack=\"shop\""), "a counter stays: {text}");
    }

    #[test]
    fn a_stack_that_was_not_seen_stands_as_it_stood() {
        let metrics = Metrics::default();
        metrics.passed(&pass(), at(101));
        let unseen = BTreeSet::from([StackName::from("shop")]);
        metrics.passed(&PassFigures { unseen, ..PassFigures::default() }, at(102));
        assert!(has(&metrics, 102, "evenkeel_services{stack=\"shop\",state=\"rejected\"} 1"));
    }

    #[test]
    fn a_source_that_was_never_read_is_as_old_as_this_process() {
        let metrics = Metrics::default();
        let never = SourceFigures { last_read: None, is_well: false };
        let sources = BTreeMap::from([(SourceName::new("infra"), never)]);
        metrics
            .passed(&PassFigures { sources: sources.clone(), ..PassFigures::default() }, at(100));
        metrics.passed(&PassFigures { sources, ..PassFigures::default() }, at(200));
        assert!(has(&metrics, 300, "evenkeel_source_sync_age_seconds{source=\"infra\"} 200.0"));
        assert!(has(&metrics, 300, "evenkeel_source_failing{source=\"infra\"} 1"));
    }

    #[test]
    fn requests_are_counted_by_host_and_by_what_came_of_them() {
        let metrics = Metrics::default();
        for (status, remaining) in
            [(Some(200), Some(76)), (Some(304), None), (Some(429), Some(0)), (None, None)]
        {
            metrics.asked("docker.io", status, remaining);
        }
        for line in [
            "evenkeel_registry_requests_total{host=\"docker.io\",outcome=\"ok\"} 2",
            "evenkeel_registry_requests_total{host=\"docker.io\",outcome=\"too-many\"} 1",
            "evenkeel_registry_requests_total{host=\"docker.io\",outcome=\"no-answer\"} 1",
            "evenkeel_registry_rate_limit_remaining{host=\"docker.io\"} 0",
        ] {
            assert!(has(&metrics, 1, line), "{line} in\n{}", metrics.text(at(1)));
        }
    }

    #[test]
    fn hosts_that_nobody_counts_any_more_do_not_add_up_for_ever() {
        let metrics = Metrics::default();
        for number in 0..10_000 {
            metrics.asked(&format!("r{number}.lan"), Some(200), Some(1));
        }
        let lines = metrics.text(at(1)).lines().count();
        assert!(lines < 2_000, "{lines}");
        assert!(metrics.text(at(1)).contains("host=\"other\""));
    }

    #[test]
    fn images_and_the_disk_are_told() {
        let metrics = Metrics::default();
        let disk = Some(Disk { path: "/".into(), total: 1000, free: 200 });
        let images = ImageFigures {
            kept: Some(5),
            removed: 1,
            removed_bytes: 9,
            disk,
            ..ImageFigures::default()
        };
        metrics.looked_through(&images);
        metrics.looked_through(&ImageFigures {
            removed: 1,
            removed_bytes: 1,
            ..ImageFigures::default()
        });
        metrics.broke_off(Some("unreachable"));
        for line in [
            "evenkeel_images_kept 5",
            "evenkeel_images_removed_total 2",
            "evenkeel_images_removed_bytes_total 10",
            "evenkeel_disk_size_bytes 1000",
            "evenkeel_disk_used_bytes 800",
            "evenkeel_engine_errors_total{error=\"unreachable\"} 1",
            "evenkeel_passes_total{outcome=\"broke-off\"} 1",
        ] {
            assert!(has(&metrics, 1, line), "{line} in\n{}", metrics.text(at(1)));
        }
    }

    #[test]
    fn a_name_with_quotes_stays_one_label() {
        let metrics = Metrics::default();
        metrics.asked("a\"b\\c\nd", Some(200), None);
        let text = metrics.text(at(1));
        assert!(text.contains(r#"{host="a\"b\\c\nd",outcome="ok"} 1"#), "{text}");
    }
}
