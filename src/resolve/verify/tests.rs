//! Images that something is asked of, over several passes: real keys and signatures, real programs, a registry in
//! memory.

use std::path::PathBuf;

use super::*;
use crate::model::desired::Pin;
use crate::model::image_policy::{ImagePattern, Keyless};
use crate::model::proofs::{Attached, Found};
use crate::model::spec::Mount;
use crate::model::update::{Range, TagRule, Update};
use crate::model::{ContainerState, ImageRef, PullPolicy};
use crate::resolve::tests::{World, by_digest, digest, id, named, reference, service, silent};
use crate::resolve::{Following, Resolved, pin_key};
use crate::signature::tests::attached;
use crate::signature::tests::signer::{Signer, payload};

const WEB: &str = "ghcr.io/acme/web:1.4.2";
const REPOSITORY: &str = "ghcr.io/acme/web";
const INTERVAL: u64 = 300;

/// A host over several passes.
struct Host {
    world: World,
    rules: Vec<ImageRule>,
    proofs: Proofs,
    polls: Polls,
    asks: Asks,
    tries: Tries,
    goes_back: bool,
    next: Option<Timestamp>,
    programs: Programs,
    directory: tempfile::TempDir,
}

impl Host {
    fn new(world: World) -> Self {
        Self {
            world,
            rules: vec![rule("ghcr.io/acme/*")],
            proofs: Proofs::default(),
            polls: Polls::default(),
            asks: Asks::All,
            tries: Tries::WhenDue,
            goes_back: false,
            next: None,
            programs: Programs::new(None),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A host whose registry has one image of `web`, and that asks for a signature by one of `signers`.
    fn signed_by(signers: &[&Signer]) -> Self {
        let mut host = Self::new(World::default().at_registry(WEB, 'a'));
        host.write_keys(signers);
        host.rules[0].cosign_key = Some(host.file("keys.pem"));
        host
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_keys(&self, signers: &[&Signer]) {
        let text: String = signers.iter().map(|signer| signer.pem()).collect();
        std::fs::write(self.file("keys.pem"), text).unwrap();
    }

    /// Asks that this script lets images pass; how often it ran stands in the file `runs`.
    fn checks(&mut self, script: &str) {
        let count = format!("echo >>{}; {script}", self.file("runs").display());
        self.rules[0].check = Some(["sh", "-c", &count].map(str::to_owned).into());
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.file("runs")).unwrap_or_default().lines().count()
    }

    fn sign(&self, signer: &Signer, digit: char) {
        self.world.registry.put_signatures(&digest(digit), vec![of(signer, digit)]);
    }

    async fn resolve(&mut self, services: Vec<Service>, second: i64) -> Resolved {
        let rejected = |_: &_, _: &_| false;
        let interval = Duration::from_secs(INTERVAL);
        let following =
            Following { polls: &self.polls, interval, rejected: &rejected, now: at(second) };
        let gate = Gate {
            rules: &self.rules,
            proofs: &self.proofs,
            asks: self.asks,
            programs: &self.programs,
            tries: self.tries,
            goes_back: self.goes_back,
            interval,
            now: at(second),
        };
        let resolved = self.world.resolve_behind(services, Some(following), Some(gate)).await;
        self.proofs = resolved.proofs.clone().unwrap();
        self.polls = resolved.polls.clone().unwrap();
        self.next = resolved.next_poll;
        resolved
    }

    /// What a pass makes of these services.
    async fn pass_with(&mut self, services: Vec<Service>, second: i64) -> Vec<Pinned> {
        let resolved = self.resolve(services, second).await;
        let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
        deployment.services.values().map(|it| it.image.clone().unwrap()).collect()
    }

    async fn pass(&mut self, service: Service, second: i64) -> Pinned {
        self.pass_with(vec![service], second).await.remove(0)
    }

    /// Asserts that `web` may run.
    #[track_caller]
    fn lets_in(pinned: &Pinned) {
        assert_eq!(pinned.barred, None);
    }

    /// How often somebody was asked for signatures.
    fn asked(&self) -> usize {
        self.world.registry.asked().iter().filter(|it| it.ends_with(" signatures")).count()
    }
}

fn rule(pattern: &str) -> ImageRule {
    ImageRule {
        pattern: ImagePattern::parse(pattern).unwrap(),
        cosign_key: None,
        keyless: None,
        min_age: None,
        check: None,
        deadline: Duration::from_secs(60),
    }
}

fn of(signer: &Signer, digit: char) -> Attached {
    attached(signer, payload(REPOSITORY, digest(digit).as_str()))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Asserts that it was refused, and gives why.
#[track_caller]
fn refused(pinned: &Pinned) -> &str {
    match &pinned.barred {
        Some(Barred::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(pinned: &Pinned) -> &str {
    match &pinned.barred {
        Some(Barred::Unknown { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn has_run(world: World, image: &str, digit: char) -> World {
    let made_from = format!("{image}@{}", digest(digit));
    world.container(&made_from, ContainerState::Running, 1)
}

#[tokio::test]
async fn a_signed_image_is_let_in_and_asked_about_once() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&Signer::ed25519(), &signer]);
    host.sign(&signer, 'a');
    Host::lets_in(&host.pass(service(WEB), 0).await);
    assert_eq!(host.asked(), 1);
    // The registry is down, and the container is gone: what was found out counts.
    host.world.registry.fail_signatures(&digest('a'), silent());
    Host::lets_in(&host.pass(service(WEB), 100_000).await);
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn one_without_a_signature_is_looked_at_again_later_and_later() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    assert!(refused(&host.pass(service(WEB), 0).await).ends_with("is not signed"));
    assert_eq!((host.asked(), host.next), (2, Some(at(300))), "under the tag and beside it");
    assert!(refused(&host.pass(service(WEB), 299).await).ends_with("is not signed"));
    assert_eq!(host.asked(), 2, "it is not due");
    refused(&host.pass(service(WEB), 300).await);
    assert_eq!((host.asked(), host.next), (4, Some(at(900))));
    host.sign(&signer, 'a');
    refused(&host.pass(service(WEB), 899).await);
    Host::lets_in(&host.pass(service(WEB), 900).await);
    assert_eq!(host.next, None);
    let found: Vec<Found> = host.proofs.0.values().map(|proof| proof.found).collect();
    assert_eq!(found, [Found::Good], "what was said before counts no more");
}

#[tokio::test]
async fn whoever_asks_for_it_has_it_looked_at_at_once() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    refused(&host.pass(service(WEB), 0).await);
    host.sign(&signer, 'a');
    host.tries = Tries::Never;
    refused(&host.pass(service(WEB), 10_000).await);
    host.tries = Tries::AtOnce;
    Host::lets_in(&host.pass(service(WEB), 1).await);
}

#[tokio::test]
async fn a_key_that_is_taken_away_counts_no_more_and_one_that_is_added_does() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let mut host = Host::signed_by(&[&old]);
    host.sign(&old, 'a');
    Host::lets_in(&host.pass(service(WEB), 0).await);
    host.world.registry.fail_signatures(&digest('a'), silent());
    host.write_keys(&[&new, &old]);
    Host::lets_in(&host.pass(service(WEB), 1).await);
    host.write_keys(&[&new]);
    let why = host.pass(service(WEB), 2).await;
    assert!(unknown(&why).contains("connection refused"), "{}", unknown(&why));
    host.sign(&old, 'a');
    host.tries = Tries::AtOnce;
    assert!(refused(&host.pass(service(WEB), 3).await).contains("signed by another key"));
    // Another file is another question: it does not wait.
    host.tries = Tries::WhenDue;
    host.write_keys(&[&new, &Signer::p256()]);
    host.sign(&new, 'a');
    Host::lets_in(&host.pass(service(WEB), 4).await);
}

#[tokio::test]
async fn keys_that_cannot_be_read_let_nothing_in() {
    let signer = Signer::p256();
    for text in [None, Some("no key"), Some("-----BEGIN PUBLIC KEY-----\nAAAA\n")] {
        let mut host = Host::signed_by(&[&signer]);
        host.sign(&signer, 'a');
        match text {
            Some(text) => std::fs::write(host.file("keys.pem"), text).unwrap(),
            None => std::fs::remove_file(host.file("keys.pem")).unwrap(),
        }
        let pinned = host.pass(service(WEB), 0).await;
        assert!(unknown(&pinned).contains("keys.pem"), "{}", unknown(&pinned));
        host.write_keys(&[&signer]);
        Host::lets_in(&host.pass(service(WEB), 1).await);
    }
    let mut host = Host::signed_by(&[&signer]);
    std::fs::write(host.file("keys.pem"), vec![b'x'; 70_000]).unwrap();
    let pinned = host.pass(service(WEB), 0).await;
    assert!(unknown(&pinned).contains("larger than 65536 bytes"), "{}", unknown(&pinned));
}

#[tokio::test]
async fn a_registry_that_is_silent_bars_its_images_alone() {
    let signer = Signer::p256();
    let other = "ghcr.io/acme/api:1";
    let mut host = Host::signed_by(&[&signer]);
    host.world = std::mem::take(&mut host.world).at_registry(other, 'b');
    host.world.registry.fail_signatures(&digest('a'), silent());
    let of_other = attached(&signer, payload("ghcr.io/acme/api", digest('b').as_str()));
    host.world.registry.put_signatures(&digest('b'), vec![of_other]);
    let both = || vec![service(WEB), named("api", other)];
    let pinned = host.pass_with(both(), 0).await;
    assert!(unknown(&pinned[0]).contains("connection refused"));
    Host::lets_in(&pinned[1]);
    assert_eq!(host.next, Some(at(10)), "trouble of the world is tried soon");
    host.sign(&signer, 'a');
    Host::lets_in(&host.pass_with(both(), 10).await[0]);
}

#[tokio::test]
async fn what_runs_already_is_neither_asked_about_nor_barred() {
    let mut host = Host::signed_by(&[&Signer::p256()]);
    host.world = has_run(std::mem::take(&mut host.world), WEB, 'a');
    let pinned = host.pass(service(WEB), 0).await;
    Host::lets_in(&pinned);
    let says = pinned.unverified.unwrap();
    assert!(says.contains("runs unverified: its signature"), "{says}");
    assert_eq!(host.asked(), 0);
}

#[tokio::test]
async fn what_was_never_started_or_is_of_another_repository_does_not_count_as_running() {
    for (image, state) in [
        (format!("{WEB}@{}", digest('a')), ContainerState::Created),
        (format!("ghcr.io/acme/other:1@{}", digest('a')), ContainerState::Running),
        (format!("{WEB}@{}", digest('b')), ContainerState::Running),
    ] {
        let mut host = Host::signed_by(&[&Signer::p256()]);
        host.world = std::mem::take(&mut host.world).container(&image, state.clone(), 1);
        let pinned = host.pass(service(&by_digest(REPOSITORY, 'a')), 0).await;
        assert!(refused(&pinned).ends_with("is not signed"), "{image} {state:?}");
    }
}

#[tokio::test]
async fn the_image_of_a_mount_is_asked_about_as_well() {
    let mut host = Host::signed_by(&[&Signer::p256()]);
    host.rules = vec![ImageRule {
        pattern: ImagePattern::parse("*/tools").unwrap(),
        ..host.rules[0].clone()
    }];
    let mut web = service(WEB);
    let image = PinnedImage::new(&reference("ghcr.io/acme/tools:1"), digest('c'));
    let source = MountSource::Image { image, subpath: None };
    web.settings.mounts.push(Mount::new("/tools", source, true));
    let pinned = host.pass(web, 0).await;
    assert!(refused(&pinned).contains("ghcr.io/acme/tools"), "{}", refused(&pinned));
}

#[tokio::test]
async fn the_first_rule_counts_and_others_are_not_asked() {
    let mut host = Host::signed_by(&[&Signer::p256()]);
    let mut free = rule("ghcr.io/acme/web");
    free.min_age = Some(Duration::ZERO);
    host.rules.insert(0, free);
    Host::lets_in(&host.pass(service(WEB), 0).await);
    assert_eq!(host.asked(), 0);
    let elsewhere = "quay.io/acme/web:1";
    host.world = std::mem::take(&mut host.world).at_registry(elsewhere, 'b');
    Host::lets_in(&host.pass(service(elsewhere), 0).await);
}

#[tokio::test]
async fn offline_only_what_was_found_out_counts() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    host.sign(&signer, 'a');
    let by_digest = || service(&by_digest(REPOSITORY, 'a'));
    host.asks = Asks::Nobody;
    assert!(unknown(&host.pass(by_digest(), 0).await).contains("nobody is asked offline"));
    host.asks = Asks::Memory;
    let pinned = host.pass(by_digest(), 1).await;
    Host::lets_in(&pinned);
    assert!(pinned.unverified.unwrap().contains("runs only if it is signed"));
    assert_eq!(host.asked(), 0);
    host.asks = Asks::All;
    Host::lets_in(&host.pass(by_digest(), 2).await);
    host.asks = Asks::Nobody;
    Host::lets_in(&host.pass(by_digest(), 3).await);
}

#[tokio::test]
async fn a_check_is_told_of_the_image_and_runs_once() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    let told = host.file("told");
    host.checks(&format!("cat >{}; echo fine", told.display()));
    Host::lets_in(&host.pass(service(WEB), 0).await);
    Host::lets_in(&host.pass(service(WEB), 100_000).await);
    assert_eq!(host.runs(), 1);
    let told: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(told).unwrap()).unwrap();
    let image = by_digest(REPOSITORY, 'a');
    let expected = serde_json::json!({
        "image": image, "digest": digest('a').as_str(), "stack": "shop", "service": "web",
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_check_that_refuses_is_not_run_again_for_the_same_image() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.checks("echo CVE-1; echo hunter2 >&2; exit 3");
    let pinned = host.pass(service(WEB), 0).await;
    let why = refused(&pinned);
    assert!(why.contains("is refused by `sh` (exit code 3):\nCVE-1\n•••"), "{why}");
    host.tries = Tries::AtOnce;
    assert_eq!(refused(&host.pass(service(WEB), 100_000).await), why);
    assert_eq!((host.runs(), host.next), (1, None));
    // Another image of the same tag, and the same image after another check.
    host.world = std::mem::take(&mut host.world).at_registry(WEB, 'b');
    refused(&host.pass(service(WEB), 100_001).await);
    assert_eq!(host.runs(), 2);
    host.checks("true");
    Host::lets_in(&host.pass(service(WEB), 100_002).await);
    assert_eq!(host.runs(), 3);
}

#[tokio::test]
async fn each_image_is_checked_once_in_a_pass_and_all_side_by_side() {
    let other = "ghcr.io/acme/api:1";
    let mut host = Host::new(World::default().at_registry(WEB, 'a').at_registry(other, 'b'));
    // Each waits for the other: one after the other they would wait in vain.
    let (a, b) = (host.file("a"), host.file("b"));
    host.checks(&format!(
        "case $(cat) in *acme/web*) own={a} peer={b};; *) own={b} peer={a};; esac; \
         touch $own; while ! test -e $peer; do sleep 0.05; done",
        a = a.display(),
        b = b.display()
    ));
    let services = vec![service(WEB), named("second", WEB), named("api", other)];
    for pinned in host.pass_with(services, 0).await {
        Host::lets_in(&pinned);
    }
    assert_eq!(host.runs(), 2);
}

#[tokio::test]
async fn a_check_that_comes_to_nothing_is_trouble_and_tried_again() {
    for (script, says) in [
        ("kill -KILL $$", "`sh` ended with signal: 9"),
        ("exit 127", "`sh` ended with exit status: 127"),
        ("sleep 1000", "`sh` did not end within 1 s"),
    ] {
        let mut host = Host::new(World::default().at_registry(WEB, 'a'));
        host.rules[0].deadline = Duration::from_secs(1);
        host.checks(script);
        let pinned = host.pass(service(WEB), 0).await;
        assert!(unknown(&pinned).contains(says), "{}", unknown(&pinned));
        assert_eq!((host.runs(), host.next), (1, Some(at(10))));
        unknown(&host.pass(service(WEB), 9).await);
        assert_eq!(host.runs(), 1, "{script}: it is not due");
        unknown(&host.pass(service(WEB), 10).await);
        assert_eq!((host.runs(), host.next), (2, Some(at(30))), "{script}");
    }
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.rules[0].check = Some(vec!["/nonexistent/scan".to_owned()]);
    let pinned = host.pass(service(WEB), 0).await;
    assert!(unknown(&pinned).contains("`/nonexistent/scan` cannot be run"), "{}", unknown(&pinned));
}

#[tokio::test]
async fn a_daemon_goes_on_while_a_check_is_at_work() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.programs = Programs::new(Some(Duration::from_millis(50)));
    let go = host.file("go");
    host.checks(&format!("while ! test -e {}; do sleep 0.05; done", go.display()));
    for second in [0, 5] {
        let pinned = host.pass(service(WEB), second).await;
        let Some(Barred::Young { why, until }) = &pinned.barred else { panic!("{pinned:?}") };
        assert!(why.ends_with("is being looked at by `sh`"), "{why}");
        assert_eq!((*until, host.next), (at(second + 5), Some(at(second + 5))));
    }
    std::fs::write(go, "").unwrap();
    let mut second = 10;
    while host.pass(service(WEB), second).await.barred.is_some() {
        second += 5;
    }
    assert_eq!(host.runs(), 1);
}

#[tokio::test]
async fn of_much_output_the_first_and_the_last_lines_are_kept() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.checks("seq 1 100; head -c 104857600 /dev/zero | tr '\\0' x; echo; echo end; exit 1");
    host.rules[0].deadline = Duration::from_secs(120);
    let pinned = host.pass(service(WEB), 0).await;
    let why = refused(&pinned);
    assert!(why.contains(":\n1\n2\n3\n") && why.ends_with("\nend"), "{why}");
    assert!(why.contains("more lines") && why.len() < 8 * 1024, "{}", why.len());
}

#[tokio::test]
async fn a_check_has_the_image_among_its_arguments_and_never_as_an_option() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    let check = ["sh", "-c", "echo $0; exit 1", "{image} {digest}"];
    host.rules[0].check = Some(check.map(str::to_owned).into());
    let pinned = host.pass(service(WEB), 0).await;
    let (image, digest) = (by_digest(REPOSITORY, 'a'), digest('a'));
    assert!(refused(&pinned).ends_with(&format!(":\n{image} {digest}")), "{}", refused(&pinned));

    let option = "--evil.example/web";
    host.rules =
        vec![ImageRule { pattern: ImagePattern::parse("*").unwrap(), ..host.rules[0].clone() }];
    let pinned = host.pass(service(&by_digest(option, 'a')), 0).await;
    assert!(unknown(&pinned).contains("cannot be run"), "{}", unknown(&pinned));
}

#[tokio::test]
async fn a_look_runs_no_program_and_says_what_is_open() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    host.checks("true");
    host.asks = Asks::Registries;
    assert!(refused(&host.pass(service(WEB), 0).await).ends_with("is not signed"));
    host.sign(&signer, 'a');
    let pinned = host.pass(service(WEB), 300).await;
    Host::lets_in(&pinned);
    let says = pinned.unverified.unwrap();
    assert!(says.contains("runs only if it passes its check"), "{says}");
    assert_eq!(host.runs(), 0);
}

#[tokio::test]
async fn a_young_image_waits_until_it_is_old_enough_unless_it_ran_before() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.rules[0].min_age = Some(Duration::from_secs(86_400));
    let pinned = host.pass(service(WEB), 0).await;
    let Some(Barred::Young { why, until }) = &pinned.barred else { panic!("{:?}", pinned.barred) };
    assert!(why.contains("is too young until"), "{why}");
    assert_eq!((*until, host.next), (at(86_400), Some(at(86_400))));
    host.goes_back = true;
    Host::lets_in(&host.pass(service(WEB), 1).await);
    host.goes_back = false;
    Host::lets_in(&host.pass(service(WEB), 86_400).await);
}

#[tokio::test]
async fn the_age_is_that_of_the_build_where_that_is_later() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.rules[0].min_age = Some(Duration::from_secs(100));
    host.world.registry.put_created(&digest('a'), at(50));
    let pinned = host.pass(service(WEB), 0).await;
    let Some(Barred::Young { until, .. }) = &pinned.barred else { panic!("{:?}", pinned.barred) };
    assert_eq!(*until, at(150));
}

#[tokio::test]
async fn a_signature_without_a_key_is_verified_by_cosign() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    host.rules[0].keyless =
        Some(Keyless { identity: "https://a/b".into(), issuer: "https://i".into() });
    // This machine has no cosign, or one that finds no such image.
    let why = host.pass(service(WEB), 0).await;
    let barred = why.barred.unwrap();
    assert!(barred.why().contains("cosign"), "{barred:?}");
}

fn following_patches(image: &str) -> Service {
    let rule = TagRule::Semver { range: Range::parse("~1.4").unwrap(), allow: None };
    let update =
        Update { rule: Some(rule), min_age: None, window: None, write_back: false, hidden: false };
    Service { update: Some(update), ..service(image) }
}

#[tokio::test]
async fn a_newer_tag_that_is_not_signed_is_not_taken_and_an_older_one_that_is_may_be() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    let world = std::mem::take(&mut host.world);
    let world = world.at_registry("ghcr.io/acme/web:1.4.3", 'b');
    host.world = has_run(world.at_registry("ghcr.io/acme/web:1.4.4", 'c'), WEB, 'a');
    host.world.pins.0.insert((id("web"), pin_key(&reference(WEB))), Pin::from(digest('a')));
    let web = || following_patches(WEB);
    let pinned = host.pass(web(), 0).await;
    assert_eq!((pinned.image.digest(), &pinned.barred), (&digest('a'), &None));
    let waits = pinned.followed.unwrap().waits.unwrap();
    assert!(waits.contains("1.4.4") && waits.contains("is not signed"), "{waits}");

    host.sign(&signer, 'b');
    let pinned = host.pass(web(), 300).await;
    assert_eq!((pinned.image.familiar().as_str(), pinned.barred), ("ghcr.io/acme/web:1.4.3", None));
    host.sign(&signer, 'c');
    let pinned = host.pass(web(), 900).await;
    assert_eq!((pinned.image.familiar().as_str(), pinned.barred), ("ghcr.io/acme/web:1.4.4", None));
}

#[tokio::test]
async fn a_tag_that_moved_to_something_unsigned_is_not_followed() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    let web = || Service { pull_policy: PullPolicy::Always, ..service(WEB) };
    host.world = has_run(std::mem::take(&mut host.world).at_registry(WEB, 'b'), WEB, 'a');
    let pinned = host.pass(web(), 0).await;
    assert_eq!((pinned.image.digest(), &pinned.barred), (&digest('a'), &None));
    host.sign(&signer, 'b');
    let pinned = host.pass(web(), 300).await;
    assert_eq!((pinned.image.digest(), &pinned.barred), (&digest('b'), &None));
}

#[tokio::test]
async fn a_line_that_was_never_let_in_is_asked_anew_what_it_means() {
    let signer = Signer::p256();
    let mut host = Host::signed_by(&[&signer]);
    let resolved = host.resolve(vec![service(WEB)], 0).await;
    host.world.pins.0.extend(resolved.new_pins.0);
    // The image was pushed again under its tag, and signed this time.
    host.world = std::mem::take(&mut host.world).at_registry(WEB, 'b');
    host.sign(&signer, 'b');
    let pinned = host.pass(service(WEB), 299).await;
    assert_eq!(pinned.image.digest(), &digest('a'), "it is not due");
    refused(&pinned);
    let pinned = host.pass(service(WEB), 300).await;
    assert_eq!(pinned.image.digest(), &digest('b'));
    Host::lets_in(&pinned);
}

#[test]
fn the_name_in_a_rule_is_that_of_the_image_alone() {
    let image = ImageRef::parse(
        "ghcr.io/acme/web:1@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    );
    assert!(rule("ghcr.io/acme/web").pattern.matches(&image.unwrap()));
}
