//! Which images run, and what has to be said of every service.

use super::Judge;
use crate::model::spec::{Healthcheck, Resources};
use crate::model::{ImageRef, ServiceName};
use crate::policy::matching::Value;
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

const IMAGE: Spot = Spot::Key(&["image"]);

pub fn check(name: &ServiceName, image: &ImageRef, judge: &mut Judge<'_>) {
    registry(name, image, &IMAGE, judge);
    let mut demand = |rule, what: &str| {
        judge.find(Some(name), rule, &Value::Nothing, &IMAGE, |_| what.to_owned());
    };
    if image.digest().is_none() {
        demand(Rule::Digest, "names its image without a digest");
        match image.tag() {
            None => demand(Rule::Latest, "names its image without a tag, which is `latest`"),
            Some("latest") => demand(Rule::Latest, "runs the tag `latest`"),
            Some(_) => {}
        }
    }
}

/// Where an image comes from.
pub fn registry(name: &ServiceName, image: &ImageRef, spot: &Spot, judge: &mut Judge<'_>) {
    let repository = format!("{}/{}", image.registry(), image.path());
    judge.word(name, Rule::Registries, repository, spot, |it| format!("takes an image from {it}"));
}

/// A job is done before anybody could ask it how it is.
pub fn healthcheck(name: &ServiceName, check: Option<&Healthcheck>, judge: &mut Judge<'_>) {
    if check.is_some_and(|check| !check.is_none()) || judge.jobs.contains(name) {
        return;
    }
    let what = "has no health check in its manifest";
    let spot = Spot::Key(&["healthcheck"]);
    judge.find(Some(name), Rule::Healthcheck, &Value::Nothing, &spot, |_| what.to_owned());
}

pub fn limits(name: &ServiceName, resources: &Resources, judge: &mut Judge<'_>) {
    let Resources {
        memory,
        // Asked for by no rule: none of them keeps a service from taking the host's memory.
        memory_reservation: _,
        memory_swap: _,
        memory_swappiness: _,
        nano_cpus: _,
        cpu_shares: _,
        cpu_period: _,
        cpu_quota: _,
        cpu_realtime_period: _,
        cpu_realtime_runtime: _,
        cpuset: _,
        pids_limit: _,
        block_io: _,
    } = resources;
    if *memory > 0 {
        return;
    }
    let spot = Spot::Key(&["mem_limit", "deploy.resources.limits"]);
    let what = "has no memory limit";
    judge.find(Some(name), Rule::Limits, &Value::Nothing, &spot, |_| what.to_owned());
}
