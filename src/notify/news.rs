//! **Pure**: which messages follow from what people were told before and what a pass found.
//!
//! One message for each change of state: what was told is not told again while it lasts, and its end is told once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::message::{Concerned, Message, SCHEMA};
use crate::model::event::{Known, Told};
use crate::model::{
    CommitId, CommitWords, Event, GenerationNumber, HostName, StackName, Subject, Trigger,
};

/// What a pass found.
#[derive(Clone, Debug)]
pub struct Sight {
    /// This server.
    pub host: HostName,
    /// When.
    pub at: Timestamp,
    /// All that was looked at.
    pub seen: BTreeMap<Subject, Seen>,
    /// Stacks that may be there and were not looked at: what was told of them stands.
    pub unseen: BTreeSet<StackName>,
}

/// How one subject stands.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Part by part, as in [`Told`].
    pub parts: BTreeMap<String, Condition>,
    /// The attempt to change the stack, where there was one.
    pub attempt: Option<Attempt>,
}

/// How one part stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As it is to be, and nothing was done.
    Well,
    /// As it is to be, after it was deployed.
    Deployed,
    /// As it is to be, after what somebody had done to it was undone.
    Repaired(Ill),
    /// Neither: it waits for something else, or was not looked at.
    Open,
    /// Something was wrong in this pass.
    Ill(Ill),
    /// Something went wrong earlier, and was not tried again.
    StillIll(Ill),
}

/// What is wrong with a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ill {
    /// As what it is told.
    pub event: Event,
    /// What it is about, as in [`Known`].
    pub about: String,
    /// In one line, masked.
    pub why: String,
    /// A failed container's last lines, masked.
    pub logs: Vec<String>,
}

/// An attempt to change a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number.
    pub generation: GenerationNumber,
    /// Why it was made.
    pub trigger: Trigger,
    /// The revision.
    pub commit: CommitId,
    /// What the commit says of itself, where that is known.
    pub words: Option<CommitWords>,
}

/// A message, and the events by which it may be asked for, the one it is called by first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is about.
    pub subject: Subject,
    /// A recovery by a deployment is both.
    pub events: Vec<Event>,
    /// Called by the first of them.
    pub message: Message,
}

/// What is to be told now, and what will have been told then.
pub fn news(before: &Told, sight: &Sight) -> (Told, Vec<News>) {
    let mut after = Told::new();
    let mut all = Vec::new();
    for (subject, known) in before {
        let is_unseen = subject.stack().is_some_and(|stack| sight.unseen.contains(stack));
        if is_unseen && !sight.seen.contains_key(subject) {
            after.insert(subject.clone(), known.clone());
        }
    }
    let nothing = BTreeMap::new();
    for (subject, seen) in &sight.seen {
        let turn = turn(before.get(subject).unwrap_or(&nothing), seen);
        for (event, parts) in &turn.fresh {
            all.push(told(sight, subject, seen, &[*event], parts));
        }
        let events = match (turn.has_recovered, turn.deployed.is_empty()) {
            (true, true) => vec![Event::Recovered],
            (true, false) => vec![Event::Recovered, Event::Deployed],
            (false, false) => vec![Event::Deployed],
            (false, true) => Vec::new(),
        };
        if !events.is_empty() {
            let parts = turn.deployed.into_iter().map(|part| (part, Ill::none())).collect();
            all.push(told(sight, subject, seen, &events, &parts));
        }
        if !turn.known.is_empty() {
            after.insert(subject.clone(), turn.known);
        }
    }
    for (index, one) in all.iter_mut().enumerate() {
        one.message.id = format!("{}/{}/{}", sight.host, sight.at, index + 1);
    }
    (after, all)
}

/// What a pass means for one subject.
#[derive(Default)]
struct Turn {
    known: BTreeMap<String, Known>,
    fresh: BTreeMap<Event, BTreeMap<String, Ill>>,
    has_recovered: bool,
    deployed: Vec<String>,
}

fn turn(before: &BTreeMap<String, Known>, seen: &Seen) -> Turn {
    let mut turn = Turn::default();
    for (part, condition) in &seen.parts {
        let known = before.get(part);
        match condition {
            Condition::Well => {}
            Condition::Deployed => turn.deployed.push(part.clone()),
            Condition::Open => keep(&mut turn, part, known),
            // What failed before and is made up for now is no drift.
            Condition::Repaired(_) if known.is_some_and(|known| known.event != Event::Drift) => {
                turn.deployed.push(part.clone());
            }
            Condition::Repaired(ill) | Condition::Ill(ill) => {
                let is_known =
                    known.is_some_and(|known| known.event == ill.event && known.about == ill.about);
                tell(&mut turn, part, known.filter(|_| is_known), ill);
            }
            Condition::StillIll(ill) => {
                let is_known = known.is_some_and(|known| known.about == ill.about);
                tell(&mut turn, part, known.filter(|_| is_known), ill);
            }
        }
    }
    let has_trouble =
        |known: &BTreeMap<String, Known>| known.values().any(|known| known.event != Event::Drift);
    turn.has_recovered = has_trouble(before) && !has_trouble(&turn.known);
    // Whoever hears that the attempt failed is not told that a part of it did not.
    if turn.fresh.keys().any(|event| matches!(event, Event::Failed | Event::RolledBack)) {
        turn.deployed.clear();
    }
    turn
}

fn tell(turn: &mut Turn, part: &str, known: Option<&Known>, ill: &Ill) {
    if known.is_none() {
        turn.fresh.entry(ill.event).or_default().insert(part.to_owned(), ill.clone());
        let known = Known { event: ill.event, about: ill.about.clone() };
        turn.known.insert(part.to_owned(), known);
    }
    keep(turn, part, known);
}

fn keep(turn: &mut Turn, part: &str, known: Option<&Known>) {
    if let Some(known) = known {
        turn.known.insert(part.to_owned(), known.clone());
    }
}

impl Ill {
    /// For a part with which all is well.
    fn none() -> Self {
        Self { event: Event::Deployed, about: String::new(), why: String::new(), logs: Vec::new() }
    }
}

fn told(
    sight: &Sight,
    subject: &Subject,
    seen: &Seen,
    events: &[Event],
    parts: &BTreeMap<String, Ill>,
) -> News {
    let event = events.first().copied().unwrap_or(Event::Recovered);
    let attempt = seen.attempt.as_ref();
    let words = attempt.and_then(|attempt| attempt.words.as_ref());
    let services = parts.iter().filter(|(part, _)| !part.is_empty());
    let services = services.map(|(part, ill)| Concerned {
        service: part.clone(),
        why: ill.why.clone(),
        logs: ill.logs.clone(),
    });
    let message = Message {
        schema: SCHEMA.to_owned(),
        id: String::new(),
        event: String::new(),
        host: sight.host.to_string(),
        at: sight.at.to_string(),
        kind: subject.kind().to_owned(),
        name: subject.name().to_owned(),
        title: String::new(),
        text: text(attempt, parts),
        services: services.collect(),
        generation: attempt.map(|attempt| attempt.generation.0),
        trigger: attempt.map(|attempt| attempt.trigger.word().to_owned()),
        commit: attempt.map(|attempt| attempt.commit.to_string()),
        author: words.map(|words| words.author.clone()),
        subject: words.map(|words| words.subject.clone()),
        link: None,
    };
    News { subject: subject.clone(), events: events.to_vec(), message: message.called(event) }
}

impl Message {
    /// The same, called by `event`.
    #[must_use]
    pub fn called(&self, event: Event) -> Self {
        let subject = Subject::from_parts(&self.kind, &self.name).unwrap_or(Subject::Disk);
        let title = format!("{}: {subject} {}", self.host, predicate(event, &subject));
        Self { event: event.word().to_owned(), title, ..self.clone() }
    }
}

fn predicate(event: Event, subject: &Subject) -> &'static str {
    match (event, subject) {
        (Event::Deployed, _) => "was deployed",
        (Event::Failed, Subject::Source(_)) => "cannot be used",
        (Event::Failed, _) => "failed",
        (Event::RolledBack, _) => "was rolled back",
        (Event::Drift, _) => "had drifted and was put right",
        (Event::Held, _) => "is held",
        (Event::Stale, Subject::Source(_)) => "cannot be read",
        (Event::Stale, _) => "does not answer",
        (Event::Disk, _) => "is too full",
        (Event::Recovered, _) => "is well again",
    }
}

/// How many of a failed container's last lines are part of the text.
const LOG_LINES: usize = 5;

fn text(attempt: Option<&Attempt>, parts: &BTreeMap<String, Ill>) -> String {
    let mut lines = Vec::new();
    if let Some(attempt) = attempt {
        let commit: String = attempt.commit.as_str().chars().take(12).collect();
        let words = attempt.words.as_ref();
        let words = words.map(|words| format!(": {} ({})", words.subject, words.author));
        lines.push(format!("commit {commit}{}", words.unwrap_or_default()));
    }
    for (part, ill) in parts {
        lines.push(match (part.as_str(), ill.why.as_str()) {
            ("", why) => why.to_owned(),
            (part, "") => part.to_owned(),
            (part, why) => format!("{part}: {why}"),
        });
        let skipped = ill.logs.len().saturating_sub(LOG_LINES);
        lines.extend(ill.logs.iter().skip(skipped).map(|line| format!("  | {line}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ill(event: Event, about: &str) -> Ill {
        Ill { event, about: about.into(), why: format!("{about} is bad"), logs: Vec::new() }
    }

    fn sight(parts: &[(&str, Condition)]) -> Sight {
        let parts = parts.iter().map(|(part, condition)| ((*part).to_owned(), condition.clone()));
        let attempt = Attempt {
            generation: GenerationNumber(7),
            trigger: Trigger::Commit,
            commit: CommitId::new("0123456789abcdef"),
            words: Some(CommitWords { author: "Ann".into(), subject: "Bump".into() }),
        };
        let seen = Seen { parts: parts.collect(), attempt: Some(attempt) };
        Sight {
            host: HostName::new("web-1"),
            at: Timestamp::UNIX_EPOCH,
            seen: BTreeMap::from([(Subject::Stack("shop".into()), seen)]),
            unseen: BTreeSet::new(),
        }
    }

    type Pass<'a> = (&'a [(&'a str, Condition)], &'a [&'a str]);

    /// One pass after the other, each with its conditions and the messages it leads to: `event part,part`.
    fn check(passes: &[Pass<'_>]) {
        let mut told = Told::new();
        for (index, (parts, expected)) in passes.iter().enumerate() {
            let (after, news) = news(&told, &sight(parts));
            let news: Vec<String> = news.iter().map(in_words).collect();
            assert_eq!(news, *expected, "pass {index}");
            told = after;
        }
    }

    fn in_words(news: &News) -> String {
        let events: Vec<&str> = news.events.iter().map(|event| event.word()).collect();
        let services: Vec<&str> =
            news.message.services.iter().map(|one| one.service.as_str()).collect();
        format!("{} {}", events.join("+"), services.join(",")).trim_end().to_owned()
    }

    use Condition::{Deployed, Ill as IllNow, Open, Repaired, StillIll, Well};

    #[test]
    fn a_bad_release_is_told_once_and_its_end_too() {
        let back = || IllNow(ill(Event::RolledBack, "2"));
        let still = || StillIll(ill(Event::Failed, "2"));
        check(&[
            (&[("api", Deployed), ("db", Deployed)], &["deployed api,db"]),
            (&[("api", Well), ("db", Well)], &[]),
            (&[("api", back()), ("db", Well)], &["rolled-back api"]),
            (&[("api", still()), ("db", Well)], &[]),
            (&[("api", back()), ("db", Well)], &[]),
            (&[("api", Deployed), ("db", Well)], &["recovered+deployed api"]),
            (&[("api", Well), ("db", Well)], &[]),
        ]);
    }

    #[test]
    fn another_bad_release_is_news_and_so_is_another_service() {
        let back = |spec| IllNow(ill(Event::RolledBack, spec));
        let still = |spec| StillIll(ill(Event::Failed, spec));
        check(&[
            (&[("api", back("2"))], &["rolled-back api"]),
            (&[("api", back("3"))], &["rolled-back api"]),
            (&[("api", still("3")), ("db", back("1"))], &["rolled-back db"]),
            (&[("api", Well), ("db", still("1"))], &[]),
            (&[("api", Well), ("db", Well)], &["recovered"]),
        ]);
    }

    #[test]
    fn what_waits_neither_recovers_nor_fails() {
        let failed = || IllNow(ill(Event::Failed, "2"));
        check(&[
            (&[("api", failed())], &["failed api"]),
            (&[("api", Open)], &[]),
            (&[("api", failed())], &[]),
            (&[("api", Open)], &[]),
            (&[("api", Well)], &["recovered"]),
        ]);
    }

    #[test]
    fn a_failure_that_becomes_a_way_back_is_another_state() {
        check(&[
            (&[("api", IllNow(ill(Event::Failed, "2")))], &["failed api"]),
            (&[("api", IllNow(ill(Event::RolledBack, "2")))], &["rolled-back api"]),
            (&[("api", StillIll(ill(Event::Failed, "2")))], &[]),
        ]);
    }

    #[test]
    fn drift_is_told_while_it_lasts_once_and_has_no_recovery() {
        let drifted = || Repaired(ill(Event::Drift, ""));
        check(&[
            (&[("api", drifted())], &["drift api"]),
            (&[("api", drifted())], &[]),
            (&[("api", Well)], &[]),
            (&[("api", drifted())], &["drift api"]),
            (&[("api", IllNow(ill(Event::Failed, "2")))], &["failed api"]),
            (&[("api", drifted())], &["recovered+deployed api"]),
        ]);
    }

    #[test]
    fn a_deployment_beside_a_failure_is_part_of_the_failure() {
        let failed = IllNow(ill(Event::Failed, "2"));
        check(&[(&[("api", Deployed), ("db", failed)], &["failed db"])]);
        let held = IllNow(ill(Event::Held, "no"));
        check(&[(&[("api", Deployed), ("db", held)], &["held db", "deployed api"])]);
    }

    #[test]
    fn what_is_gone_is_forgotten_and_what_was_not_looked_at_stands() {
        let (told, _) = news(&Told::new(), &sight(&[("api", IllNow(ill(Event::Failed, "2")))]));
        let mut empty = sight(&[]);
        empty.seen.clear();
        assert_eq!(news(&told, &empty), (Told::new(), Vec::new()));
        empty.unseen.insert("shop".into());
        assert_eq!(news(&told, &empty), (told, Vec::new()));
    }

    #[test]
    fn a_message_says_what_happened_where_and_why() {
        let mut bad = ill(Event::RolledBack, "2");
        bad.logs = (1..=7).map(|line| format!("line {line}")).collect();
        let (_, news) = news(&Told::new(), &sight(&[("api", IllNow(bad))]));
        let message = &news[0].message;
        assert_eq!(message.title, "web-1: shop was rolled back");
        assert_eq!(
            message.text,
            "commit 0123456789ab: Bump (Ann)\napi: 2 is bad\n  | line 3\n  | line 4\n  | line 5\n  \
             | line 6\n  | line 7"
        );
        assert_eq!((message.kind.as_str(), message.name.as_str()), ("stack", "shop"));
        assert_eq!(message.generation, Some(7));
        assert_eq!(message.id, "web-1/1970-01-01T00:00:00Z/1");
        let called = message.called(Event::Deployed);
        assert_eq!((called.event.as_str(), &called.id), ("deployed", &message.id));
        assert_eq!(called.title, "web-1: shop was deployed");
    }
}
