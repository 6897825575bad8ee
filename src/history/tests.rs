//! What the history promises, over a database on disk where the disk matters.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use super::schema::{self, MIGRATIONS, Version};
use super::*;
use crate::model::desired::{Chosen, Pin, Pins};
use crate::model::memory::{Deployed, HeldBy, Hold, HoldScope, Rejection, Trouble};
use crate::model::retention::Pulled;
use crate::model::spec::RestartPolicy;
use crate::model::stack::StackRecord;
use crate::model::{
    CommitId, CommitWords, ContainerId, Digest, GenerationNumber, GenerationOutcome, ImageId,
    ImageName, ServiceId, ServiceName, ServiceOutcome, SourceName, SpecHash, StackName, Trigger,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", String::from(letter).repeat(64))).unwrap()
}

fn id(name: &str) -> ServiceId {
    let (stack, service) = name.split_once('/').unwrap();
    ServiceId::new(&StackName::from(stack), &ServiceName::from(service))
}

fn open(dir: &Path) -> History {
    let opened = History::open(dir, at(0)).unwrap();
    assert_eq!(opened.notice, None);
    opened.history
}

/// Begins an attempt on `stack` that plans to update `api`, with `files` in its manifest.
fn begin(history: &History, stack: &str, files: &[(&str, &str)]) -> GenerationNumber {
    let manifest =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    let script = StoredFile { bytes: b"#!/bin/sh\n".to_vec(), executable: true };
    history
        .begin(&NewGeneration {
            stack: &StackName::from(stack),
            source: &SourceName::from("infra"),
            commit: &CommitId::from("1234567890"),
            words: Some(&words()),
            directory: "hosts/web-1/shop",
            trigger: Trigger::Commit,
            started_at: at(10),
            services: vec![PlannedService {
                service: ServiceName::from("api"),
                verdict: "update".into(),
                reasons: vec![reason()],
            }],
            record: &StackRecord { manifest, mounted: BTreeMap::new() },
            mounted: &BTreeMap::from([("shop/run.sh".to_owned(), script)]),
        })
        .unwrap()
}

fn words() -> CommitWords {
    CommitWords { author: "Ada".into(), subject: "Raise the api".into() }
}

fn reason() -> Reason {
    Reason { field: "image".into(), from: Some("a:1".into()), to: None }
}

fn result(service: &str, outcome: ServiceOutcome, spec: &str, letter: char) -> ServiceResult {
    ServiceResult {
        service: ServiceName::from(service),
        verdict: "update".into(),
        outcome,
        image_shown: Some("a:2".into()),
        digest: Some(digest(letter)),
        reasons: vec![reason()],
        error: None,
        logs: Vec::new(),
        seconds: 1.5,
        spec: Some(SpecHash::from(spec)),
    }
}

/// One whole attempt on `shop` in which `api` ends with `outcome`.
fn attempt(history: &History, outcome: ServiceOutcome, spec: &str, letter: char) {
    let number = begin(history, "shop", &[]);
    let results = [result("api", outcome, spec, letter)];
    history.finish(number, GenerationOutcome::Converged, at(20), &results).unwrap();
}

#[test]
fn an_attempt_is_on_disk_before_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let number = begin(&history, "shop", &[("shop/compose.yaml", "services: {}")]);
    let other = History::read_only(dir.path()).unwrap();
    let unfinished = other.unfinished().unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!((unfinished[0].number, unfinished[0].started_at), (number, at(10)));
    let row = other.generation(number).unwrap().unwrap();
    assert_eq!((row.outcome, row.services[0].outcome), (None, None));
    assert_eq!(row.services[0].reasons, [reason()]);
}

#[test]
fn a_finished_attempt_tells_how_it_ended() {
    let history = History::in_memory().unwrap();
    let number = begin(&history, "shop", &[]);
    let mut failed = result("api", ServiceOutcome::RolledBack, "1:b", 'b');
    failed.error = Some("exited with 1".into());
    failed.logs = vec!["starting".into(), "no database".into()];
    let added = result("web", ServiceOutcome::Unchanged, "1:c", 'c');
    history.finish(number, GenerationOutcome::RolledBack, at(25), &[failed, added]).unwrap();
    let rows = history.generations(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome, Some(GenerationOutcome::RolledBack));
    assert_eq!(rows[0].seconds(), Some(15.0));
    assert_eq!(rows[0].directory, "hosts/web-1/shop");
    assert_eq!(rows[0].words, Some(words()));
    let api = &rows[0].services[0];
    assert_eq!((api.service.as_str(), api.outcome), ("api", Some(ServiceOutcome::RolledBack)));
    assert_eq!(api.error.as_deref(), Some("exited with 1"));
    assert_eq!(api.logs, ["starting", "no database"]);
    assert_eq!((api.digest.clone(), api.seconds), (Some(digest('b')), Some(1.5)));
    assert_eq!(rows[0].services[1].service.as_str(), "web");
    assert!(history.unfinished().unwrap().is_empty());
}

#[test]
fn an_attempt_of_a_dead_process_is_interrupted_once() {
    let history = History::in_memory().unwrap();
    let number = begin(&history, "shop", &[]);
    history.interrupt(number, at(30)).unwrap();
    assert!(history.unfinished().unwrap().is_empty());
    let row = history.generation(number).unwrap().unwrap();
    assert_eq!(row.outcome, Some(GenerationOutcome::Interrupted));
    attempt(&history, ServiceOutcome::Done, "1:a", 'a');
    history.interrupt(GenerationNumber(number.0 + 1), at(40)).unwrap();
    let row = history.generation(GenerationNumber(number.0 + 1)).unwrap().unwrap();
    assert_eq!((row.outcome, row.ended_at), (Some(GenerationOutcome::Converged), Some(at(20))));
    let unknown = GenerationNumber(99);
    assert!(matches!(
        history.interrupt(unknown, at(30)),
        Err(HistoryError::UnknownGeneration(number)) if number == unknown
    ));
}

#[test]
fn numbers_grow_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let first = begin(&open(dir.path()), "shop", &[]);
    let history = open(dir.path());
    assert!(begin(&history, "blog", &[]) > first);
    history.continue_after(GenerationNumber(41)).unwrap();
    assert_eq!(begin(&history, "shop", &[]), GenerationNumber(42));
    history.continue_after(GenerationNumber(3)).unwrap();
    history.continue_after(GenerationNumber(u64::MAX)).unwrap();
    assert_eq!(begin(&history, "shop", &[]), GenerationNumber(43));
}

#[test]
fn numbers_go_on_behind_those_that_containers_carry() {
    let history = History::in_memory().unwrap();
    history.continue_after(GenerationNumber(7)).unwrap();
    assert_eq!(begin(&history, "shop", &[]), GenerationNumber(8));
}

#[test]
fn the_files_of_a_generation_come_back_and_are_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let files = [("shop/compose.yaml", "services: {}\n"), ("shop/.env", "")];
    let first = begin(&history, "shop", &files);
    begin(&history, "shop", &files);
    let found = history.files(first).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found["shop/compose.yaml"].bytes, b"services: {}\n");
    assert_eq!(found["shop/.env"].bytes, b"");
    assert!(found["shop/run.sh"].executable && !found["shop/.env"].executable);
    let blobs: i64 =
        history.connection().query_row("SELECT count(*) FROM blobs", [], |row| row.get(0)).unwrap();
    assert_eq!(blobs, 3);
}

#[test]
fn generations_are_listed_newest_first_and_by_what_is_asked() {
    let history = History::in_memory().unwrap();
    attempt(&history, ServiceOutcome::Done, "1:a", 'a');
    begin(&history, "blog", &[]);
    attempt(&history, ServiceOutcome::Unchanged, "1:a", 'a');
    let check = |stack: Option<&str>, service: Option<&str>, limit, expected: &[u64]| {
        let filter = Filter {
            stack: stack.map(StackName::from),
            service: service.map(ServiceName::from),
            limit,
            ..Filter::default()
        };
        let rows = history.generations(&filter).unwrap();
        assert_eq!(rows.iter().map(|row| row.number.0).collect::<Vec<_>>(), expected);
    };
    check(None, None, None, &[3, 2, 1]);
    check(None, None, Some(2), &[3, 2]);
    check(Some("shop"), None, None, &[3, 1]);
    check(Some("shop"), Some("api"), None, &[1]);
    check(Some("other"), None, None, &[]);
}

#[test]
fn generations_are_found_by_source_commit_time_and_outcome() {
    let history = History::in_memory().unwrap();
    attempt(&history, ServiceOutcome::Done, "1:a", 'a');
    let failed = begin(&history, "blog", &[]);
    history.finish(failed, GenerationOutcome::Failed, at(20), &[]).unwrap();
    begin(&history, "blog", &[]);
    let check = |filter: Filter, expected: &[u64]| {
        let rows = history.generations(&filter).unwrap();
        assert_eq!(rows.iter().map(|row| row.number.0).collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let all = || Filter::default();
    check(Filter { source: Some("infra".into()), ..all() }, &[3, 2, 1]);
    check(Filter { source: Some("other".into()), ..all() }, &[]);
    check(Filter { commit: Some("12345".into()), ..all() }, &[3, 2, 1]);
    check(Filter { commit: Some("2345".into()), ..all() }, &[]);
    let just_before = at(10).checked_sub(Duration::from_millis(500)).unwrap();
    let just_after = at(10).checked_add(Duration::from_millis(500)).unwrap();
    for (since, expected) in
        [(just_before, &[3, 2, 1][..]), (at(10), &[3, 2, 1]), (just_after, &[])]
    {
        check(Filter { since: Some(since), ..all() }, expected);
    }
    check(Filter { outcomes: vec![GenerationOutcome::Failed], ..all() }, &[2]);
    let both = vec![GenerationOutcome::Failed, GenerationOutcome::Converged];
    check(Filter { outcomes: both.clone(), ..all() }, &[2, 1]);
    check(Filter { outcomes: both, limit: Some(1), ..all() }, &[2]);
}

#[test]
fn the_last_good_spec_is_the_newest_that_passed() {
    let history = History::in_memory().unwrap();
    assert_eq!(history.last_good(&id("shop/api")).unwrap(), None);
    attempt(&history, ServiceOutcome::Done, "1:a", 'a');
    attempt(&history, ServiceOutcome::Done, "1:b", 'b');
    attempt(&history, ServiceOutcome::Unchanged, "1:b", 'b');
    attempt(&history, ServiceOutcome::RolledBack, "1:c", 'c');
    let good = history.good(&id("shop/api")).unwrap();
    let told: Vec<_> = good.iter().map(|good| (good.generation.0, good.spec.as_str())).collect();
    assert_eq!(told, [(3, "1:b"), (1, "1:a")]);
    assert_eq!(history.last_good(&id("shop/api")).unwrap().unwrap().digest, digest('b'));
    assert_eq!(history.last_good(&id("blog/api")).unwrap(), None);
}

#[test]
fn a_container_set_aside_twice_keeps_the_policy_it_had_first() {
    let history = History::in_memory().unwrap();
    let number = begin(&history, "shop", &[]);
    let old = ContainerId::from("c1");
    history.set_aside(number, &old, RestartPolicy::OnFailure(3)).unwrap();
    history.set_aside(number, &old, RestartPolicy::No).unwrap();
    assert_eq!(history.memory().unwrap().set_aside[&old], RestartPolicy::OnFailure(3));
    history.restored(&old).unwrap();
    assert!(history.memory().unwrap().set_aside.is_empty());
}

#[test]
fn holds_of_several_holders_stand_side_by_side() {
    let history = History::in_memory().unwrap();
    let hold = |scope: HoldScope, by| Hold {
        scope,
        by,
        since: at(1),
        until: None,
        reason: None,
        image: None,
        going_to: None,
    };
    let api = HoldScope::Service(id("shop/api"));
    let shop = HoldScope::Stack(StackName::from("shop"));
    let timed = Hold {
        until: Some(at(99)),
        reason: Some("lunch".into()),
        image: Some("app:1".into()),
        going_to: Some(GenerationNumber(7)),
        ..hold(HoldScope::Host, HeldBy::Operator)
    };
    for hold in [
        &timed,
        &hold(shop.clone(), HeldBy::Adoption),
        &hold(api.clone(), HeldBy::Operator),
        &hold(api.clone(), HeldBy::Operator),
        &hold(api.clone(), HeldBy::Rollback),
    ] {
        history.hold(hold).unwrap();
    }
    let holds = history.memory().unwrap().holds;
    assert_eq!(holds.len(), 4);
    assert!(holds.contains(&timed) && holds.contains(&hold(shop.clone(), HeldBy::Adoption)));
    assert_eq!(history.unhold(&api, at(2)).unwrap().len(), 2, "the operator's and the rollback's");
    assert_eq!(history.unhold(&api, at(2)).unwrap(), []);
    assert_eq!(history.memory().unwrap().holds.len(), 2);
}

#[test]
fn a_hold_ends_with_all_below_it_but_for_what_is_held_for_the_sake_of_data() {
    let history = History::in_memory().unwrap();
    let (shop, blog) = (StackName::new("shop"), StackName::new("blog"));
    let api = HoldScope::Service(ServiceId::new(&shop, &"api".into()));
    let shop = HoldScope::Stack(shop);
    let hold = |scope: &HoldScope, by, until: Option<i64>| {
        let scope = scope.clone();
        history
            .hold(&Hold {
                scope,
                by,
                since: at(1),
                until: until.map(at),
                reason: None,
                image: None,
                going_to: None,
            })
            .unwrap();
    };
    let all = |ended: Vec<Hold>| ended.into_iter().map(|hold| hold.scope).collect::<Vec<_>>();
    hold(&api, HeldBy::Rollback, None);
    hold(&api, HeldBy::Adoption, None);
    hold(&shop, HeldBy::Operator, None);
    hold(&HoldScope::Stack(blog.clone()), HeldBy::Operator, Some(2));
    hold(&HoldScope::Host, HeldBy::Operator, None);
    let mut ended = all(history.unhold(&shop, at(3)).unwrap());
    ended.sort();
    assert_eq!(ended, [shop, api]);
    let ended = all(history.unhold(&HoldScope::Host, at(3)).unwrap());
    assert_eq!(ended, [HoldScope::Host], "that of the other stack had ended by itself");
    let left = history.memory().unwrap().holds;
    assert_eq!(left.iter().map(|hold| hold.by).collect::<Vec<_>>(), [HeldBy::Adoption]);
}

#[test]
fn rejections_are_forgotten_by_scope() {
    let history = History::in_memory().unwrap();
    let spec = SpecHash::from("1:a");
    let error = "exited with 1".to_owned();
    let rejection = Rejection { since: at(5), error, paused: true };
    let reject_all = || {
        for name in ["shop/api", "shop/web", "blog/web"] {
            history.reject(&id(name), &spec, &rejection).unwrap();
        }
    };
    let check = |scope: HoldScope, expected| {
        reject_all();
        assert_eq!(history.forget_rejections(&scope).unwrap(), expected);
    };
    check(HoldScope::Service(id("shop/web")), 1);
    check(HoldScope::Stack(StackName::from("shop")), 2);
    check(HoldScope::Host, 3);
    reject_all();
    let rejected = history.memory().unwrap().rejected;
    assert_eq!(rejected[&(id("blog/web"), spec.clone())], rejection);
}

#[test]
fn what_is_remembered_of_gone_containers_is_forgotten() {
    let history = History::in_memory().unwrap();
    let number = begin(&history, "shop", &[]);
    let spec = SpecHash::from("1:a");
    for container in ["c1", "c2"] {
        history.record_match(&container.into(), &spec).unwrap();
        history.record_match(&container.into(), &spec).unwrap();
        history.set_aside(number, &container.into(), RestartPolicy::Always).unwrap();
    }
    history.forget_containers(&BTreeSet::from(["c2".into()])).unwrap();
    let memory = history.memory().unwrap();
    assert_eq!(memory.matched, BTreeSet::from([("c2".into(), spec)]));
    assert_eq!(memory.set_aside.len(), 1);
}

#[test]
fn jobs_adoptions_known_services_and_pins_come_back() {
    let history = History::in_memory().unwrap();
    let (migrate, spec) = (id("shop/migrate"), SpecHash::from("1:a"));
    history.complete_job(&migrate, &spec).unwrap();
    history.complete_job(&migrate, &spec).unwrap();
    history.adopt(&migrate, &spec).unwrap();
    history.record_known(&migrate).unwrap();
    let memory = history.memory().unwrap();
    assert!(memory.completed_jobs.contains(&(migrate.clone(), spec.clone())));
    assert!(memory.adopted.contains(&(migrate.clone(), spec)));
    assert_eq!(memory.known_services, BTreeSet::from([migrate.clone()]));
    history.forget_known(&migrate).unwrap();
    assert!(history.memory().unwrap().known_services.is_empty());

    let line = (migrate, "hash".to_owned());
    history
        .record_pins(&Pins(BTreeMap::from([(line.clone(), digest('a').into())])), at(1))
        .unwrap();
    let newer = Pins(BTreeMap::from([(line, digest('b').into())]));
    history.record_pins(&newer, at(2)).unwrap();
    assert_eq!(history.pins().unwrap(), newer);
}

#[test]
fn what_was_chosen_for_an_image_line_goes_with_the_line() {
    let history = History::in_memory().unwrap();
    let pin = |letter, tag: Option<&str>| Pin {
        digest: digest(letter),
        chosen: tag.map(|tag| Chosen { tag: Some(tag.into()), why: "newest".into(), at: at(1) }),
    };
    let key = |service: &str, line: &str| (id(service), line.to_owned());
    let pins = Pins(BTreeMap::from([
        (key("shop/api", "old"), pin('a', Some("1.4.7"))),
        (key("shop/api", "older"), pin('b', None)),
        (key("shop/web", "old"), pin('c', Some("1.4.7"))),
        (key("blog/web", "old"), pin('d', Some("1.4.7"))),
    ]));
    history.record_pins(&pins, at(1)).unwrap();
    assert_eq!(history.pins().unwrap(), pins);
    // The blog could not be read.
    let lines =
        BTreeMap::from([(id("shop/api"), "new".to_owned()), (id("shop/web"), "old".to_owned())]);
    history.forget_chosen(&lines).unwrap();
    let left: Vec<_> = history.pins().unwrap().0.into_keys().collect();
    let expected = [key("blog/web", "old"), key("shop/api", "older"), key("shop/web", "old")];
    assert_eq!(left, expected);
}

fn source_report(fetched: i64) -> SourceReport {
    SourceReport {
        repo: "https://git.example/infra.git".into(),
        branch: "main".into(),
        commit: Some("abc".into()),
        fetched_at: Some(at(fetched)),
        state: SourceState::Ok,
        error: None,
        signed_by: Some("alice@acme.org (SHA256:x)".into()),
        refused: Some(RefusedCommit { commit: "def".into(), reason: "it is not signed".into() }),
        alarm: Some("old".into()),
    }
}

#[test]
fn what_was_accepted_last_stays_and_only_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let accepted = |commit: &str, by: &str| Accepted {
        followed: "https://git.example/infra.git main".into(),
        commit: commit.into(),
        by: by.into(),
        at: at(1),
    };
    let infra = SourceName::new("infra");
    history.record_accepted(&infra, &accepted("abc", "alice")).unwrap();
    history.record_accepted(&infra, &accepted("def", "an operator")).unwrap();
    history.forget_sources(&BTreeSet::new()).unwrap();
    drop(history);
    let found = open(dir.path()).accepted().unwrap();
    assert_eq!(found, BTreeMap::from([(infra, accepted("def", "an operator"))]));
}

fn stack_report(state: &str) -> StackReport {
    StackReport {
        stack: "shop".into(),
        source: "infra".into(),
        commit: "abc".into(),
        state: state.into(),
        error: Some("compose.yaml:3:5: no".into()),
        generation: Some(GenerationNumber(3)),
    }
}

fn writes(history: &History) -> u64 {
    history.connection().total_changes()
}

#[test]
fn a_pass_that_finds_nothing_new_writes_nothing() {
    let history = History::in_memory().unwrap();
    let infra = SourceName::from("infra");
    let pins = Pins(BTreeMap::from([((id("shop/api"), "h".to_owned()), digest('a').into())]));
    let pass = |fetched| {
        history.record_source(&infra, &source_report(fetched)).unwrap();
        history.record_stack(&stack_report("in-sync")).unwrap();
        history.record_pins(&pins, at(fetched)).unwrap();
        history.forget_containers(&BTreeSet::new()).unwrap();
        let stacks = BTreeSet::from([StackName::from("shop")]);
        history.forget_sources(&BTreeSet::from([infra.clone()])).unwrap();
        history.forget_stacks(&stacks).unwrap();
        history.continue_after(GenerationNumber(0)).unwrap();
    };
    pass(0);
    let before = writes(&history);
    pass(59);
    assert_eq!(writes(&history), before);
    pass(60);
    assert!(writes(&history) > before, "the time of the fetch is written once a minute");
    assert_eq!(history.sources().unwrap(), [(infra.clone(), source_report(60))]);

    let failing = SourceReport { state: SourceState::Failing, ..source_report(61) };
    history.record_source(&infra, &failing).unwrap();
    assert_eq!(history.sources().unwrap()[0].1, failing, "news is written at once");
    history.record_stack(&stack_report("invalid")).unwrap();
    assert_eq!(history.stacks().unwrap(), [stack_report("invalid")]);
    history.forget_sources(&BTreeSet::new()).unwrap();
    history.forget_stacks(&BTreeSet::new()).unwrap();
    assert!(history.sources().unwrap().is_empty() && history.stacks().unwrap().is_empty());
}

#[test]
fn an_attempt_waits_for_the_disk_also_after_a_report_that_did_not() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    history.record_source(&"infra".into(), &source_report(0)).unwrap();
    let synchronous: i64 =
        history.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL");
}

#[test]
fn an_older_database_is_brought_up_to_date_and_keeps_its_rows() {
    let first = "CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('kept');";
    let second = "ALTER TABLE a ADD COLUMN y TEXT NOT NULL DEFAULT 'new';";
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, &[first]).unwrap();
    assert_eq!(schema::version(&connection, &[first, second]).unwrap(), Version::Older);
    schema::migrate(&mut connection, &[first, second]).unwrap();
    schema::migrate(&mut connection, &[first, second]).unwrap();
    assert_eq!(schema::version(&connection, &[first, second]).unwrap(), Version::Current);
    let row: (String, String) = connection
        .query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(row, ("kept".to_owned(), "new".to_owned()));
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let mut connection = Connection::open_in_memory().unwrap();
    let broken = ["CREATE TABLE a (x TEXT);", "CREATE TABLE b (x TEXT); nonsense"];
    schema::migrate(&mut connection, &broken).unwrap_err();
    assert_eq!(schema::version(&connection, &[]).unwrap(), Version::Current);
    connection.execute_batch("CREATE TABLE a (x TEXT)").unwrap();
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    begin(&open(dir.path()), "shop", &[]);
    let file = dir.path().join("evenkeel.db");
    let newer = schema::count(MIGRATIONS) + 1;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", newer).unwrap();
    for error in
        [History::open(dir.path(), at(0)).unwrap_err(), History::read_only(dir.path()).unwrap_err()]
    {
        assert!(error.to_string().contains("newer evenkeel"), "{error}");
    }
    Connection::open(&file).unwrap().pragma_update(None, "user_version", newer - 1).unwrap();
    assert_eq!(open(dir.path()).generations(&Filter::default()).unwrap().len(), 1);
}

#[test]
fn a_reader_says_that_an_older_database_waits_for_the_next_pass() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let file = dir.path().join("evenkeel.db");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 0).unwrap();
    assert!(matches!(History::read_only(dir.path()), Err(HistoryError::Older { .. })));
}

/// Damages a database with `damage` and expects a new one, with the old one kept.
fn check_damage(damage: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    for number in 0..50 {
        begin(&history, "shop", &[("compose.yaml", &format!("# {number}\n").repeat(1000))]);
    }
    drop(history);
    let file = dir.path().join("evenkeel.db");
    damage(&file);
    let opened = History::open(dir.path(), at(0)).unwrap();
    let notice = opened.notice.expect("a notice");
    assert!(notice.contains("evenkeel.db.corrupt-2026"), "{notice}");
    assert!(opened.history.generations(&Filter::default()).unwrap().is_empty());
    begin(&opened.history, "shop", &[]);
    let kept = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("evenkeel.db.corrupt-")
        })
        .count();
    assert!(kept >= 1);
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    check_damage(|file| fs::write(file, "not a database, but long enough to look at").unwrap());
}

#[test]
fn a_database_with_lost_pages_is_moved_aside() {
    check_damage(|file| {
        let mut bytes = fs::read(file).unwrap();
        bytes[4096..40960].fill(0x5a);
        fs::write(file, bytes).unwrap();
    });
    check_damage(|file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_reader_reports_damage_and_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("evenkeel.db");
    fs::write(&file, "not a database, but long enough to look at").unwrap();
    assert!(matches!(History::read_only(dir.path()), Err(HistoryError::Damaged { .. })));
    assert!(file.exists());
}

#[test]
fn the_state_directory_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("evenkeel/state");
    drop(open(&state));
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for state in [file.clone(), file.join("state")] {
        let error = History::open(&state, at(0)).unwrap_err();
        assert!(matches!(error, HistoryError::StateDir { .. }), "{error:?}");
        assert!(error.to_string().contains("--state-dir"), "{error}");
    }
}

#[test]
fn without_a_database_a_reader_sees_an_empty_history_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let history = History::read_only(&state).unwrap();
    assert!(history.generations(&Filter::default()).unwrap().is_empty());
    assert!(history.memory().unwrap().holds.is_empty());
    assert!(history.record_known(&id("shop/api")).is_err());
    assert!(!state.exists());
}

#[test]
fn a_reader_works_beside_a_writer_and_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let reader = History::read_only(dir.path()).unwrap();
    history
        .write(|transaction| {
            transaction.execute("INSERT INTO known_services VALUES ('shop', 'api')", [])?;
            assert!(reader.memory()?.known_services.is_empty(), "not yet");
            Ok(())
        })
        .unwrap();
    assert_eq!(reader.memory().unwrap().known_services.len(), 1);
    assert!(reader.record_known(&id("shop/web")).is_err());
    drop(history);
    assert_eq!(History::read_only(dir.path()).unwrap().memory().unwrap().known_services.len(), 1);
}

#[test]
fn two_writers_wait_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let history = open(dir.path());
                for _ in 0..10 {
                    begin(&history, "shop", &[]);
                }
            });
        }
    });
    assert_eq!(open(dir.path()).generations(&Filter::default()).unwrap().len(), 40);
}

#[test]
fn a_thousand_generations_are_looked_through_quickly() {
    let history = History::in_memory().unwrap();
    for number in 0..1000 {
        attempt(&history, ServiceOutcome::Done, &format!("1:{number}"), 'a');
    }
    let started = Instant::now();
    assert_eq!(history.good(&id("shop/api")).unwrap().len(), 1000);
    assert_eq!(history.generations(&Filter::default()).unwrap().len(), 1000);
    assert!(history.unfinished().unwrap().is_empty());
    // A debug build on a busy machine needs about a tenth of this.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn the_directory_of_a_stack_is_remembered_as_it_was_first_seen() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let places = |list: &[(&str, &str)]| -> BTreeMap<StackName, PathBuf> {
        list.iter().map(|(stack, path)| (StackName::new(*stack), path.into())).collect()
    };
    history.record_places(&places(&[("shop", "/opt/shop")])).unwrap();
    history.record_places(&places(&[("shop", "/tmp/other"), ("blog", "/opt/blog")])).unwrap();
    drop(history);
    let history = History::read_only(dir.path()).unwrap();
    assert_eq!(history.places().unwrap(), places(&[("shop", "/opt/shop"), ("blog", "/opt/blog")]));
    history.record_places(&places(&[("shop", "/opt/shop")])).unwrap();
}

#[test]
fn trouble_of_the_world_is_remembered_once_for_a_service_and_forgotten_by_scope() {
    let history = History::in_memory().unwrap();
    let trouble = |about: &str, times| Trouble {
        about: about.to_owned(),
        since: at(5),
        times,
        next_try: at(25),
        error: "the disk is full".to_owned(),
    };
    history.record_trouble(&id("shop/web"), &trouble("1:a", 1)).unwrap();
    history.record_trouble(&id("shop/web"), &trouble("1:b", 2)).unwrap();
    history.record_trouble(&id("blog/web"), &trouble("1:a", 1)).unwrap();
    let memory = history.memory().unwrap();
    assert_eq!(memory.troubles.len(), 2);
    assert_eq!(memory.trouble(&id("shop/web"), "1:b"), Some(&trouble("1:b", 2)));
    assert_eq!(history.forget_troubles(&HoldScope::Stack(StackName::from("shop"))).unwrap(), 1);
    assert_eq!(history.forget_troubles(&HoldScope::Host).unwrap(), 1);
    assert_eq!(history.memory().unwrap().troubles, BTreeMap::new());
}

#[test]
fn what_a_service_was_deployed_as_is_remembered_until_it_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(directory.path());
    let deployed = |replicas, name: Option<&str>| Deployed {
        spec: "1:a".into(),
        replicas,
        container_name: name.map(Into::into),
    };
    history.record_deployed(&id("shop/web"), Some(&deployed(2, None))).unwrap();
    history.record_deployed(&id("shop/web"), Some(&deployed(1, Some("web")))).unwrap();
    history.record_deployed(&id("shop/db"), Some(&deployed(1, None))).unwrap();
    let memory = history.memory().unwrap().deployed;
    assert_eq!(memory.len(), 2);
    assert_eq!(memory[&id("shop/web")], deployed(1, Some("web")));
    history.record_deployed(&id("shop/web"), None).unwrap();
    assert_eq!(history.memory().unwrap().deployed.keys().collect::<Vec<_>>(), [&id("shop/db")]);
}

#[test]
fn what_was_pulled_and_named_comes_back() {
    let history = History::in_memory().unwrap();
    let pulled = |letter, second| Pulled {
        digest: digest(letter),
        shown: "acme/api:1".into(),
        at: at(second),
        last_used: at(second),
    };
    history.record_pull("key", &pulled('a', 5)).unwrap();
    history.record_pull("key", &pulled('a', 6)).unwrap();
    history.record_pull("other", &pulled('b', 7)).unwrap();
    history.touch_pulls(&BTreeSet::from(["key".to_owned()]), at(9)).unwrap();
    let all = history.pulled().unwrap();
    assert_eq!(all["key"], Pulled { last_used: at(9), ..pulled('a', 6) });
    assert_eq!(all["other"], pulled('b', 7));
    history.forget_pulls(&BTreeSet::from(["key".to_owned()])).unwrap();
    assert_eq!(history.pulled().unwrap().into_keys().collect::<Vec<_>>(), ["other"]);

    let name = ImageName::parse("evenkeel/shop-api:g1").unwrap();
    let image = ImageId::new("sha256:1");
    history.record_given_name(&name, &image).unwrap();
    assert_eq!(history.given_names().unwrap(), BTreeMap::from([(name.clone(), image)]));
    history.forget_given_name(&name).unwrap();
    assert_eq!(history.given_names().unwrap(), BTreeMap::new());
}

#[test]
fn the_images_that_a_service_was_well_with_come_newest_first() {
    let history = History::in_memory().unwrap();
    assert_eq!(history.past_images().unwrap(), BTreeMap::new());
    let done = ServiceOutcome::Done;
    for (spec, letter) in [("1:a", 'a'), ("1:b", 'b'), ("1:b2", 'b')] {
        attempt(&history, done, spec, letter);
    }
    attempt(&history, ServiceOutcome::RolledBack, "1:c", 'c');
    attempt(&history, ServiceOutcome::Unchanged, "1:a", 'a');
    let past = history.past_images().unwrap();
    let api = &past[&id("shop/api")];
    assert_eq!(api.source, SourceName::from("infra"));
    let found: Vec<_> =
        api.good.iter().map(|good| (good.digest.clone(), good.first.0, good.last.0)).collect();
    assert_eq!(found, [(digest('a'), 1, 5), (digest('b'), 2, 3)]);
}

#[test]
fn a_digest_is_found_in_the_record_of_a_generation() {
    let history = History::in_memory().unwrap();
    let text = format!("image: acme/tool@{}", digest('a'));
    let first = begin(&history, "shop", &[("shop/compose.yaml", &text)]);
    let second = begin(&history, "shop", &[("shop/compose.yaml", "services: {}")]);
    let mentions = |letter, numbers: &[GenerationNumber]| {
        history.mentions(&digest(letter), &numbers.iter().copied().collect()).unwrap()
    };
    assert_eq!(mentions('a', &[first, second]), Some(first));
    assert_eq!(mentions('a', &[second]), None);
    assert_eq!(mentions('b', &[first, second]), None);
}

#[test]
fn a_disk_that_stays_too_full_is_so_since_it_was_first() {
    let history = History::in_memory().unwrap();
    assert_eq!(history.retained().unwrap(), None);
    let pressure = |second, says: &str| Some(Pressure { since: at(second), says: says.into() });
    history.record_retained(at(1), Some("81 %")).unwrap();
    history.record_retained(at(2), Some("82 %")).unwrap();
    let expected = Retained { at: at(2), pressure: pressure(1, "82 %") };
    assert_eq!(history.retained().unwrap(), Some(expected));
    history.record_retained(at(3), None).unwrap();
    assert_eq!(history.retained().unwrap(), Some(Retained { at: at(3), pressure: None }));
    history.record_retained(at(4), Some("83 %")).unwrap();
    assert_eq!(history.retained().unwrap().unwrap().pressure, pressure(4, "83 %"));
}
