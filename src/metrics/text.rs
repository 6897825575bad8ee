//! The figures as text, family by family, each in the order of its labels.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::figures::{Figures, STEPS};

/// The text; ages are those at `now`.
pub(super) fn text(figures: Figures, now: Timestamp) -> String {
    let mut registry = Registry::with_prefix("evenkeel");
    registry.register_collector(Box::new(Shown { figures, now }));
    let mut text = String::new();
    // Memory takes whatever is written.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Shown {
    figures: Figures,
    now: Timestamp,
}

/// A family under way.
struct Family<'a>(MetricEncoder<'a>);

/// No labels, for what the encoder wants to be told a type of.
type NoLabels = [(&'static str, &'static str); 0];

impl Family<'_> {
    fn gauge<const N: usize>(&mut self, labels: [(&str, &str); N], value: f64) -> fmt::Result {
        match N {
            0 => self.0.encode_gauge(&value),
            _ => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    fn whole<const N: usize>(&mut self, labels: [(&str, &str); N], value: u64) -> fmt::Result {
        match N {
            0 => self.0.encode_gauge(&value),
            _ => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    fn count<const N: usize>(&mut self, labels: [(&str, &str); N], value: u64) -> fmt::Result {
        match N {
            0 => self.0.encode_counter::<NoLabels, _, u64>(&value, None),
            _ => self.0.encode_family(&labels)?.encode_counter::<NoLabels, _, u64>(&value, None),
        }
    }
}

impl Shown {
    /// Seconds from `then` on, never fewer than none: clocks are set back.
    fn age(&self, then: Timestamp) -> f64 {
        self.now.duration_since(then).as_secs_f64().max(0.0)
    }

    fn passes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let mut family = Family(encoder.encode_descriptor(
            "build_info",
            "The version that runs",
            None,
            MetricType::Gauge,
        )?);
        family.whole([("version", env!("CARGO_PKG_VERSION"))], 1)?;
        let mut family =
            Family(counter(encoder, "passes", "Passes, by whether they came to their end")?);
        family.count([("outcome", "broke-off")], figures.broken_off)?;
        family.count([("outcome", "ended")], figures.ended)?;
        let mut family =
            Family(seconds(encoder, "pass_age", "Time since the last pass came to its end")?);
        if let Some(last) = figures.last_end {
            family.gauge([], self.age(last))?;
        }
        let help = "How long passes took that came to their end";
        let durations = &figures.durations;
        let ends = STEPS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = ends.zip(durations.in_step).collect();
        encoder
            .encode_descriptor("pass_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?
            .encode_histogram::<NoLabels>(durations.sum, durations.count, &buckets, None)?;
        let help = "Calls to the engine whose failure broke a pass off";
        let mut family = Family(counter(encoder, "engine_errors", help)?);
        for (kind, many) in &figures.engine_errors {
            family.count([("error", kind)], *many)?;
        }
        Ok(())
    }

    fn sources(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Time since a source was last read";
        let mut family = Family(seconds(encoder, "source_sync_age", help)?);
        for (name, source) in &self.figures.sources {
            if let Some(last) = source.last_read {
                family.gauge([("source", name.as_str())], self.age(last))?;
            }
        }
        let help = "Whether a source could not be read or used";
        let mut family = Family(gauge(encoder, "source_failing", help)?);
        for (name, source) in &self.figures.sources {
            family.whole([("source", name.as_str())], u64::from(!source.is_well))?;
        }
        Ok(())
    }

    fn stacks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let mut family = Family(gauge(encoder, "services", "Services of a stack, by state")?);
        for ((stack, state), many) in &figures.services {
            family.whole([("stack", stack.as_str()), ("state", state)], *many)?;
        }
        let help = "Whether the manifest of a stack cannot be used";
        let mut family = Family(gauge(encoder, "stack_invalid", help)?);
        for (stack, standing) in &figures.stacks {
            family.whole([("stack", stack.as_str())], u64::from(standing.is_invalid))?;
        }
        let help = "The last attempt of this process to change a stack";
        let mut family = Family(gauge(encoder, "stack_generation", help)?);
        for (stack, standing) in &figures.stacks {
            if let Some(generation) = standing.generation {
                family.whole([("stack", stack.as_str())], generation.0)?;
            }
        }
        let mut family = Family(counter(encoder, "generations", "Attempts to change a stack")?);
        for (stack, many) in &figures.generations {
            family.count([("stack", stack.as_str())], *many)?;
        }
        let help = "Services that were rolled out, by how that ended";
        let mut family = Family(counter(encoder, "rollouts", help)?);
        for ((stack, outcome), many) in &figures.rollouts {
            family.count([("stack", stack.as_str()), ("outcome", outcome.word())], *many)?;
        }
        let help = "Services that were not what had been left there";
        let mut family = Family(counter(encoder, "drift_found", help)?);
        for (stack, many) in &figures.drift {
            family.count([("stack", stack.as_str())], *many)?;
        }
        Ok(())
    }

    fn registries(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let help = "Requests to registries, by what came of them";
        let mut family = Family(counter(encoder, "registry_requests", help)?);
        for ((host, outcome), many) in &figures.requests {
            family.count([("host", host), ("outcome", outcome)], *many)?;
        }
        let help = "Requests that a registry said it still allows";
        let mut family = Family(gauge(encoder, "registry_rate_limit_remaining", help)?);
        for (host, many) in &figures.remaining {
            family.whole([("host", host)], *many)?;
        }
        let help = "Questions to a registry that are without an answer";
        let mut family = Family(gauge(encoder, "unknown_checks", help)?);
        for (host, many) in &figures.unknown {
            family.whole([("host", host)], *many)?;
        }
        Ok(())
    }

    fn images(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let help = "Images that stayed when they were last looked through";
        let mut family = Family(gauge(encoder, "images_kept", help)?);
        if let Some(kept) = figures.images_kept {
            family.whole([], kept)?;
        }
        Family(counter(encoder, "images_removed", "Images that were removed")?)
            .count([], figures.images_removed)?;
        let help = "Bytes of images that were removed, layers shared with others included";
        Family(counted_bytes(encoder, "images_removed", help)?).count([], figures.removed_bytes)?;
        let help = "Bytes of the build cache that were removed";
        Family(counted_bytes(encoder, "build_cache_removed", help)?)
            .count([], figures.build_cache_bytes)?;
        let used = figures.disk.as_ref().map(|disk| disk.total.saturating_sub(disk.free));
        let size = figures.disk.as_ref().map(|disk| disk.total);
        let help = "Bytes in use on the engine's disk when images were last looked through";
        for (name, help, value) in [
            ("disk_used", help, used),
            ("disk_size", "Bytes of the engine's disk that can be used at all", size),
        ] {
            let unit = Some(&Unit::Bytes);
            let mut family =
                Family(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?);
            if let Some(value) = value {
                family.whole([], value)?;
            }
        }
        Ok(())
    }
}

fn gauge<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn seconds<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)
}

fn counter<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

fn counted_bytes<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.passes(&mut encoder)?;
        self.sources(&mut encoder)?;
        self.stacks(&mut encoder)?;
        self.registries(&mut encoder)?;
        self.images(&mut encoder)
    }
}
