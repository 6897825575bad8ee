//! What is gone back to: a generation's record, and which of its services. Chosen from the history alone;
//! carried out in [`super::rollback`].

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Filter, GenerationRow, History, HistoryError, ServiceRow};
use crate::model::memory::{HoldScope, Memory};
use crate::model::{
    Digest, GenerationNumber, GenerationOutcome, ObservedState, ServiceId, ServiceName,
    ServiceOutcome, SpecHash, StackName,
};

/// What is gone back to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The generation whose record is deployed again.
    pub row: GenerationRow,
    /// The services that go back, each with the digest it had then.
    pub services: BTreeMap<ServiceName, Digest>,
}

/// Why there is nothing to go back to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The record of this host.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The history has nothing of it.
    #[error("the history of this host has no `{scope}`")]
    Unknown {
        /// What was named.
        scope: HoldScope,
        /// The stacks that it knows.
        known: Vec<StackName>,
    },
    /// There is no such generation.
    #[error("there is no generation {0}")]
    NoSuchGeneration(GenerationNumber, HoldScope),
    /// It is one of another stack.
    #[error("generation {number} changed the stack {other}, not {scope}")]
    OtherStack {
        /// The generation.
        number: GenerationNumber,
        /// The stack it changed.
        other: StackName,
        /// What was named.
        scope: HoldScope,
    },
    /// It did not leave the scope well.
    #[error("generation {number} did not leave {scope} well: {how}")]
    NotGood {
        /// The generation.
        number: GenerationNumber,
        /// What was named.
        scope: HoldScope,
        /// How it ended.
        how: String,
        /// Generations that did.
        good: Vec<GenerationNumber>,
    },
    /// Nothing else was ever well.
    #[error("{0} was never well with anything else than what runs now")]
    NothingEarlier(HoldScope),
    /// A job is never run again by going back.
    #[error("{0} is a job, and going back never runs jobs")]
    Job(ServiceId),
}

impl TargetError {
    /// The next move.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::History(_) => None,
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("nothing was deployed here yet".to_owned())
            }
            Self::Unknown { known, .. } => Some(format!("it has {}", joined(known))),
            Self::NoSuchGeneration(_, scope)
            | Self::OtherStack { scope, .. }
            | Self::NothingEarlier(scope) => {
                Some(format!("`evenkeel history {scope}` lists what there was"))
            }
            Self::NotGood { good, scope, .. } if good.is_empty() => {
                Some(format!("`evenkeel history {scope}` lists what there was"))
            }
            Self::NotGood { good, .. } => Some(format!("those that did are {}", joined(good))),
            Self::Job(id) => {
                let stack = &id.stack;
                Some(format!("go back with what depends on it, or with all of {stack}"))
            }
        }
    }
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The specs that the containers of each service have.
pub type Running = BTreeMap<ServiceId, BTreeSet<SpecHash>>;

/// Reads off the containers what runs, or did before it was stopped.
pub fn running(observed: &ObservedState, memory: &Memory) -> Running {
    let mut running = Running::new();
    for container in &observed.containers {
        let Some(id) = container.service() else { continue };
        let matched = memory.matched.iter().filter(|(matched, _)| *matched == container.id);
        let specs = container.spec().into_iter().chain(matched.map(|(_, spec)| spec));
        running.entry(id.clone()).or_default().extend(specs.cloned());
    }
    running
}

/// Chooses what `scope` goes back to: what generation `to` left of it, else what the newest good one left
/// that differs from what runs.
pub fn choose(
    history: &History,
    running: &Running,
    scope: &HoldScope,
    to: Option<GenerationNumber>,
) -> Result<Target, TargetError> {
    match (scope, to) {
        (HoldScope::Host, _) => Err(TargetError::NothingEarlier(scope.clone())),
        (HoldScope::Stack(stack), _) => {
            let of_stack = Filter { stack: Some(stack.clone()), ..Filter::default() };
            let rows = history.generations(&of_stack)?;
            of_rows(history, scope, to, rows, |row, service| {
                differs(running, &ServiceId::new(&row.stack, &service.service), service)
            })
        }
        (HoldScope::Service(id), _) => {
            let of_stack = Filter { stack: Some(id.stack.clone()), ..Filter::default() };
            let mut rows = history.generations(&of_stack)?;
            rows.iter_mut().for_each(|row| row.services.retain(|one| one.service == id.service));
            rows.retain(|row| !row.services.is_empty());
            of_rows(history, scope, to, rows, |_, service| {
                to.is_some() || differs(running, id, service)
            })
        }
    }
}

/// The generations among `rows` that left the whole of `stack` well and ran something else of it than what runs now.
pub fn candidates(
    rows: &[GenerationRow],
    running: &Running,
    stack: &StackName,
) -> Vec<GenerationNumber> {
    let scope = HoldScope::Stack(stack.clone());
    let is_other = |row: &&GenerationRow| {
        let id = |service: &ServiceRow| ServiceId::new(stack, &service.service);
        row.services.iter().any(|service| differs(running, &id(service), service))
    };
    let well = rows.iter().filter(|row| row.stack == *stack && left_well(row, &scope));
    well.filter(is_other).map(|row| row.number).collect()
}

/// What `service` was last well with, whatever runs now; `None` where that is nothing.
pub fn last_good(history: &History, id: &ServiceId) -> Result<Option<Target>, HistoryError> {
    let Some(good) = history.last_good(id)? else { return Ok(None) };
    let row = history.generation(good.generation)?;
    let services = BTreeMap::from([(id.service.clone(), good.digest)]);
    Ok(row.map(|row| Target { row, services }))
}

/// Chooses among `rows`, newest first, which hold nothing but services of `scope`.
fn of_rows(
    history: &History,
    scope: &HoldScope,
    to: Option<GenerationNumber>,
    rows: Vec<GenerationRow>,
    is_meant: impl Fn(&GenerationRow, &ServiceRow) -> bool,
) -> Result<Target, TargetError> {
    if rows.is_empty() {
        let known = history.stacks()?.into_iter().map(|report| report.stack).collect();
        return Err(TargetError::Unknown { scope: scope.clone(), known });
    }
    let Some(number) = to else {
        let meant = |row: &&GenerationRow| row.services.iter().any(|one| is_meant(row, one));
        let found = rows.iter().filter(|row| left_well(row, scope)).find(meant);
        let found = found.ok_or_else(|| TargetError::NothingEarlier(scope.clone()))?;
        return Ok(of(found, |service| is_meant(found, service)));
    };
    let Some(row) = rows.iter().find(|row| row.number == number) else {
        return Err(match history.generation(number)? {
            Some(row) if !scope_is_of(scope, &row.stack) => {
                TargetError::OtherStack { number, other: row.stack, scope: scope.clone() }
            }
            Some(_) => {
                let how = "it is not part of it".to_owned();
                TargetError::NotGood { number, scope: scope.clone(), how, good: good(&rows, scope) }
            }
            None => TargetError::NoSuchGeneration(number, scope.clone()),
        });
    };
    if !left_well(row, scope) {
        let (scope, good) = (scope.clone(), good(&rows, scope));
        return Err(TargetError::NotGood { number, how: how(row), scope, good });
    }
    let target = of(row, |service| is_meant(row, service));
    if target.services.is_empty() {
        return Err(TargetError::NothingEarlier(scope.clone()));
    }
    Ok(target)
}

/// Those services of a generation that are meant, and were well in it.
pub fn of(row: &GenerationRow, is_meant: impl Fn(&ServiceRow) -> bool) -> Target {
    let meant = row.services.iter().filter(|service| is_meant(service));
    let services = meant
        .filter(|service| is_good(service))
        .filter_map(|service| Some((service.service.clone(), service.digest.clone()?)));
    Target { row: row.clone(), services: services.collect() }
}

/// Whether the generation left all of `scope` well. Of a single service only that service counts.
fn left_well(row: &GenerationRow, scope: &HoldScope) -> bool {
    let services_are = row.services.iter().any(is_good);
    match scope {
        HoldScope::Host | HoldScope::Stack(_) => {
            services_are && row.outcome == Some(GenerationOutcome::Converged)
        }
        HoldScope::Service(_) => services_are,
    }
}

/// Whether the service was well in this generation, so that it can be gone back to.
pub fn is_good(service: &ServiceRow) -> bool {
    let is_well = matches!(service.outcome, Some(ServiceOutcome::Done | ServiceOutcome::Unchanged));
    is_well && service.spec.is_some() && service.digest.is_some()
}

fn differs(running: &Running, id: &ServiceId, service: &ServiceRow) -> bool {
    let runs = |spec: &SpecHash| running.get(id).is_some_and(|specs| specs.contains(spec));
    is_good(service) && service.spec.as_ref().is_some_and(|spec| !runs(spec))
}

fn scope_is_of(scope: &HoldScope, stack: &StackName) -> bool {
    match scope {
        HoldScope::Host => true,
        HoldScope::Stack(name) => name == stack,
        HoldScope::Service(id) => id.stack == *stack,
    }
}

fn good(rows: &[GenerationRow], scope: &HoldScope) -> Vec<GenerationNumber> {
    rows.iter().filter(|row| left_well(row, scope)).map(|row| row.number).collect()
}

fn how(row: &GenerationRow) -> String {
    let error = row.services.iter().find_map(|service| service.error.as_deref());
    let outcome = row.outcome.map_or("it has not ended", |outcome| outcome.word());
    match error {
        Some(error) => format!("{outcome} ({error})"),
        None => outcome.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::history::{NewGeneration, ServiceResult};
    use crate::model::stack::StackRecord;
    use crate::model::{CommitId, SourceName, Trigger};

    /// A generation of `stack`: each service with its outcome and the letter of its spec.
    fn generation(history: &History, stack: &str, services: &[(&str, ServiceOutcome, char)]) {
        let number = history
            .begin(&NewGeneration {
                stack: &stack.into(),
                source: &SourceName::new("infra"),
                commit: &CommitId::new("c1"),
                words: None,
                directory: stack,
                trigger: Trigger::Commit,
                started_at: Timestamp::UNIX_EPOCH,
                services: Vec::new(),
                record: &StackRecord::default(),
                mounted: &BTreeMap::new(),
            })
            .unwrap();
        let result = |&(service, outcome, letter): &(&str, ServiceOutcome, char)| ServiceResult {
            service: service.into(),
            verdict: "update".to_owned(),
            outcome,
            image_shown: None,
            digest: Some(digest(letter)),
            reasons: Vec::new(),
            error: (outcome == ServiceOutcome::RolledBack).then(|| "it ended".to_owned()),
            logs: Vec::new(),
            seconds: 0.0,
            spec: Some(spec(letter)),
        };
        let results: Vec<ServiceResult> = services.iter().map(result).collect();
        let went_back = services.iter().any(|(_, it, _)| *it == ServiceOutcome::RolledBack);
        let outcome = match went_back {
            true => GenerationOutcome::RolledBack,
            false => GenerationOutcome::Converged,
        };
        history.finish(number, outcome, Timestamp::UNIX_EPOCH, &results).unwrap();
    }

    fn digest(letter: char) -> Digest {
        Digest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
    }

    fn spec(letter: char) -> SpecHash {
        SpecHash::new(format!("1:{letter}"))
    }

    fn scope(text: &str) -> HoldScope {
        match text.split_once('/') {
            None => HoldScope::Stack(text.into()),
            Some((stack, service)) => {
                HoldScope::Service(ServiceId::new(&stack.into(), &service.into()))
            }
        }
    }

    /// Three generations of `shop`: all first, `web` anew, and one in which `web` failed; `web` runs `b`.
    fn shop() -> (History, Running) {
        use ServiceOutcome::{Done, RolledBack, Unchanged};
        let history = History::in_memory().unwrap();
        generation(&history, "shop", &[("db", Done, 'd'), ("web", Done, 'a')]);
        generation(&history, "shop", &[("db", Unchanged, 'd'), ("web", Done, 'b')]);
        generation(&history, "blog", &[("web", Done, 'a')]);
        generation(&history, "shop", &[("db", Unchanged, 'd'), ("web", RolledBack, 'c')]);
        let runs = |service: &str, letter| {
            (ServiceId::new(&"shop".into(), &service.into()), BTreeSet::from([spec(letter)]))
        };
        (history, Running::from([runs("db", 'd'), runs("web", 'b')]))
    }

    /// A generation and the services of it that go back, or words of the error.
    type Expected<'a> = Result<(u64, &'a [(&'a str, char)]), &'a str>;

    fn check(text: &str, to: Option<u64>, expected: Expected<'_>) {
        let (history, running) = shop();
        let found = choose(&history, &running, &scope(text), to.map(GenerationNumber));
        match (found, expected) {
            (Ok(target), Ok((number, services))) => {
                let services = services.iter().map(|(name, it)| ((*name).into(), digest(*it)));
                assert_eq!(target.row.number.0, number, "{text}");
                assert_eq!(target.services, services.collect(), "{text}");
            }
            (Err(error), Err(words)) => {
                let told = format!("{error}; {}", error.hint().unwrap_or_default());
                assert!(told.contains(words), "{text}: {told}");
            }
            (found, expected) => panic!("{text}: {found:?} in place of {expected:?}"),
        }
    }

    #[test]
    fn the_newest_good_one_that_differs_from_what_runs_is_gone_back_to() {
        check("shop/web", None, Ok((1, &[("web", 'a')])));
        check("shop", None, Ok((1, &[("web", 'a')])));
        check("shop/db", None, Err("was never well with anything else"));
    }

    #[test]
    fn a_generation_that_is_named_has_to_have_left_it_well() {
        check("shop/web", Some(2), Ok((2, &[("web", 'b')])));
        check("shop/db", Some(4), Ok((4, &[("db", 'd')])));
        check("shop", Some(1), Ok((1, &[("web", 'a')])));
        check("shop", Some(2), Err("`evenkeel history shop`"));
        check("shop/web", Some(4), Err("rolled-back (it ended); those that did are 2, 1"));
        check("shop", Some(4), Err("those that did are 2, 1"));
        check("shop", Some(3), Err("generation 3 changed the stack blog"));
        check("shop", Some(9), Err("no generation 9"));
    }

    #[test]
    fn what_the_history_does_not_have_is_said() {
        check("shpo", None, Err("has no `shpo`"));
        check("shop/webb", Some(1), Err("has no `shop/webb`"));
    }

    #[test]
    fn what_was_last_well_counts_though_nothing_runs() {
        let (history, _) = shop();
        let web = ServiceId::new(&"shop".into(), &"web".into());
        let found = last_good(&history, &web).unwrap().unwrap();
        assert_eq!(found.services, BTreeMap::from([("web".into(), digest('b'))]));
        let none = ServiceId::new(&"shop".into(), &"none".into());
        assert_eq!(last_good(&history, &none).unwrap(), None);
        let target = choose(&history, &Running::new(), &scope("shop/web"), None).unwrap();
        assert_eq!(target.row.number.0, 2);
    }
}
