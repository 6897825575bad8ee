//! Which image a service takes, over several passes: what is asked, what is remembered, and what is left alone.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Following;
use crate::model::desired::{Chosen, Pin, PinOrigin, Pinned};
use crate::model::polls::Polls;
use crate::model::update::{Range, TagRule, Update};
use crate::model::{ContainerState, Digest, PullPolicy, Service, SpecHash};
use crate::resolve::pin_key;
use crate::resolve::tests::{World, by_digest, digest, id, named, reference, service, silent};

const DAY: i64 = 86_400;

/// A host over several passes.
struct Host {
    world: World,
    polls: Polls,
    rejected: BTreeSet<SpecHash>,
    next: Option<Timestamp>,
}

impl Host {
    fn new(world: World) -> Self {
        Self { world, polls: Polls::default(), rejected: BTreeSet::new(), next: None }
    }

    /// What a pass at `second` makes of these services; what was heard is remembered.
    async fn pass_with(&mut self, services: Vec<Service>, second: i64) -> Vec<Pinned> {
        let rejected = |_: &_, spec: &SpecHash| self.rejected.contains(spec);
        let following = Following {
            polls: &self.polls,
            interval: Duration::from_secs(300),
            rejected: &rejected,
            now: at(second),
        };
        let resolved = self.world.resolve_with(services, Some(following)).await;
        self.world.pins.0.extend(resolved.new_pins.0);
        self.polls = resolved.polls.unwrap();
        self.next = resolved.next_poll;
        let deployment = resolved.desired.deployment(&"shop".into()).unwrap();
        deployment.services.values().map(|it| it.image.clone().unwrap()).collect()
    }

    async fn pass(&mut self, service: &Service, second: i64) -> Pinned {
        self.pass_with(vec![service.clone()], second).await.remove(0)
    }

    /// What was chosen has proved itself.
    fn record(&mut self, service: &Service, pinned: &Pinned) {
        let reference = pinned.image.reference();
        let newer = reference.tag().filter(|tag| *tag != service.image.tag_or_latest());
        let tag = newer.map(str::to_owned);
        let chosen = Some(Chosen { tag, why: "newest".into(), at: at(0) });
        let pin = Pin { digest: pinned.image.digest().clone(), chosen };
        self.world.pins.0.insert((id("web"), pin_key(&service.image)), pin);
    }

    /// How often somebody was asked since the last call.
    fn questions(&self, before: &mut usize) -> Vec<String> {
        let all = self.world.registry.asked();
        let new = all[*before..].to_vec();
        *before = all.len();
        new
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn always(image: &str) -> Service {
    Service { pull_policy: PullPolicy::Always, ..service(image) }
}

fn following(image: &str, range: &str) -> Service {
    let rule = TagRule::Semver { range: Range::parse(range).unwrap(), allow: None };
    let update =
        Update { rule: Some(rule), min_age: None, window: None, write_back: false, hidden: false };
    Service { update: Some(update), ..service(image) }
}

fn shown(pinned: &Pinned) -> (String, Digest, PinOrigin) {
    (pinned.image.familiar(), pinned.image.digest().clone(), pinned.origin)
}

fn waits(pinned: &Pinned) -> &str {
    pinned.followed.as_ref().and_then(|followed| followed.waits.as_deref()).unwrap_or("")
}

const WEB: &str = "ghcr.io/acme/web:1.4.2";

#[tokio::test]
async fn a_tag_that_was_moved_is_followed_and_asked_about_once_an_interval() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a').recorded(WEB, 'a'));
    let (web, mut asked) = (always(WEB), 0);
    assert_eq!(host.pass(&web, 0).await.origin, PinOrigin::Record);
    assert_eq!(host.questions(&mut asked), [WEB]);

    host.world.registry.put(&reference(WEB), digest('b'));
    assert_eq!(host.pass(&web, 299).await.image.digest(), &digest('a'));
    assert!(host.questions(&mut asked).is_empty(), "not due");

    let moved = host.pass(&web, 300).await;
    assert_eq!(shown(&moved), (WEB.to_owned(), digest('b'), PinOrigin::Followed));
    let why = moved.followed.clone().unwrap().chosen.unwrap();
    assert_eq!(why, "the registry has another image for 1.4.2");
    let looks = ["ghcr.io/acme/web @", "ghcr.io/acme/web @"].map(str::to_owned);
    let questions = host.questions(&mut asked);
    assert_eq!(questions[0], WEB);
    assert!(questions[1..].iter().zip(&looks).all(|(it, look)| it.starts_with(look)));
    assert_eq!(questions.len(), 3, "the tag, and what both images are made of: {questions:?}");

    // It stays the choice until it has proved itself, without a question.
    assert_eq!(host.pass(&web, 310).await.origin, PinOrigin::Followed);
    host.record(&web, &moved);
    assert_eq!(
        shown(&host.pass(&web, 320).await),
        (WEB.to_owned(), digest('b'), PinOrigin::Record)
    );
    assert!(host.questions(&mut asked).is_empty());
}

#[tokio::test]
async fn who_does_not_follow_is_never_asked_about() {
    let written = format!("ghcr.io/acme/web:1.4.2@{}", digest('a'));
    let world = World::default().at_registry(WEB, 'b').recorded(WEB, 'a');
    let mut host = Host::new(world);
    for second in [0, DAY] {
        assert_eq!(host.pass(&service(WEB), second).await.image.digest(), &digest('a'));
        assert_eq!(host.pass(&always(&written), second).await.image.digest(), &digest('a'));
    }
    assert!(host.world.registry.asked().is_empty());
}

#[tokio::test]
async fn one_question_serves_all_who_need_the_answer() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a'));
    let every = |name| Service { pull_policy: PullPolicy::Always, ..named(name, WEB) };
    let services = vec![every("web"), every("worker"), named("plain", WEB)];
    let pinned = host.pass_with(services.clone(), 0).await;
    assert!(pinned.iter().all(|it| it.image.digest() == &digest('a')));
    assert_eq!(host.world.registry.asked(), [WEB]);
    host.pass_with(services, 300).await;
    assert_eq!(host.world.registry.asked(), [WEB, WEB]);
}

fn with_tags(tags: &[(&str, char)]) -> World {
    tags.iter().fold(World::default(), |world, (tag, digit)| {
        world.at_registry(&format!("ghcr.io/acme/web:{tag}"), *digit)
    })
}

#[tokio::test]
async fn the_newest_tag_is_taken_at_once_and_asked_for_by_the_list_alone_later() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b'), ("2.0.0", 'c')]));
    let (web, mut asked) = (following(WEB, "~1.4"), 0);
    let newest = host.pass(&web, 0).await;
    let expected = "ghcr.io/acme/web:1.4.7".to_owned();
    assert_eq!(shown(&newest), (expected.clone(), digest('b'), PinOrigin::Followed));
    assert_eq!(web.shown_with(&newest.image), expected);
    host.record(&web, &newest);
    host.questions(&mut asked);
    assert_eq!(shown(&host.pass(&web, 300).await), (expected, digest('b'), PinOrigin::Record));
    assert_eq!(host.questions(&mut asked), ["ghcr.io/acme/web tags"]);
}

#[tokio::test]
async fn what_has_failed_here_is_not_chosen_again() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.6", 'b'), ("1.4.7", 'c')]));
    let web = following(WEB, "~1.4");
    let newest = host.pass(&web, 0).await;
    assert_eq!(newest.image.digest(), &digest('c'));
    host.rejected.insert(newest.hash);
    let next = host.pass(&web, 10).await;
    assert_eq!(next.image.familiar(), "ghcr.io/acme/web:1.4.6");
    assert!(waits(&next).starts_with("1.4.7 (cccccccccccc) has failed here"), "{}", waits(&next));
    host.record(&web, &next);
    let stays = host.pass(&web, 600).await;
    assert_eq!((stays.image.digest(), stays.origin), (&digest('b'), PinOrigin::Record));

    let mut moved = Host::new(World::default().at_registry(WEB, 'b').recorded(WEB, 'a'));
    let bad = moved.pass(&always(WEB), 0).await;
    moved.rejected.insert(bad.hash);
    assert_eq!(moved.pass(&always(WEB), 600).await.image.digest(), &digest('a'));
}

#[tokio::test]
async fn a_registry_that_does_not_answer_leaves_everything_as_it_is() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b')]));
    let (web, mut asked) = (following(WEB, "~1.4"), 0);
    let newest = host.pass(&web, 0).await;
    host.record(&web, &newest);
    host.world.registry.fail_tags(&reference(WEB), silent());
    host.questions(&mut asked);
    let stays = host.pass(&web, 300).await;
    assert_eq!((stays.image.digest(), stays.origin), (&digest('b'), PinOrigin::Record));
    assert!(waits(&stays).starts_with("unknown since 2027-01-15T08:05:00Z"), "{}", waits(&stays));
    assert_eq!(host.questions(&mut asked).len(), 1);
    // Not again at once, and since the same time.
    assert_eq!(waits(&host.pass(&web, 500).await), waits(&stays));
    assert!(host.questions(&mut asked).is_empty());
    assert_eq!(waits(&host.pass(&web, 600).await), waits(&stays));
    assert_eq!(host.questions(&mut asked).len(), 1);
}

#[tokio::test]
async fn a_value_of_the_servers_in_the_image_line_is_not_told() {
    let line = "ghcr.io/acme/web:hush-4711";
    let mut host = Host::new(World::default().at_registry(line, 'a').recorded(line, 'a'));
    let web = Service { image_shown: "ghcr.io/acme/web:${TAG}".into(), ..always(line) };
    host.pass(&web, 0).await;
    host.world.registry.put(&reference(line), digest('b'));
    let moved = host.pass(&web, 300).await;
    let why = moved.followed.clone().unwrap().chosen.unwrap();
    assert_eq!(why, "the registry has another image for the written tag");
    host.rejected.insert(moved.hash);
    let failed = host.pass(&web, 600).await;
    assert_eq!(waits(&failed), "the written tag (bbbbbbbbbbbb) has failed here");
    host.world.registry.fail(&reference(line), silent());
    let unknown = host.pass(&web, 900).await;
    let told =
        "unknown since 2027-01-15T08:15:00Z what the written tag is: the registry gives no answer";
    assert!(waits(&unknown).starts_with(told), "{}", waits(&unknown));
    assert!(!format!("{:?}", host.polls).contains("hush"), "{:?}", host.polls);
}

#[tokio::test]
async fn only_what_is_for_this_platform_counts() {
    let mut host = Host::new(World::default().at_registry(WEB, 'b').recorded(WEB, 'a'));
    let registry = &host.world.registry;
    registry.put_child(&digest('a'), "linux/arm64", digest('1'));
    registry.put_child(&digest('b'), "linux/arm64", digest('1'));
    registry.put_child(&digest('b'), "linux/riscv64", digest('2'));
    registry.put_child(&digest('c'), "linux/amd64", digest('3'));
    registry.put_child(&digest('d'), "linux/arm64", digest('4'));
    let web = always(WEB);
    let same = host.pass(&web, 0).await;
    assert_eq!((same.image.digest(), waits(&same)), (&digest('a'), ""));
    host.world.registry.put(&reference(WEB), digest('c'));
    let other = host.pass(&web, 300).await;
    assert_eq!(other.image.digest(), &digest('a'));
    assert_eq!(waits(&other), "1.4.2 has nothing for linux/arm64");
    host.world.registry.put(&reference(WEB), digest('d'));
    assert_eq!(host.pass(&web, 600).await.image.digest(), &digest('d'));

    let mut wanted = always(WEB);
    wanted.settings.platform = Some(crate::model::Platform("linux/amd64".into()));
    host.world.registry.put(&reference(WEB), digest('c'));
    assert_eq!(host.pass(&wanted, 900).await.image.digest(), &digest('c'), "as it is written");
}

#[tokio::test]
async fn a_digest_that_the_running_image_has_too_is_nothing_new() {
    let running = format!("{WEB}@{}", digest('a'));
    let digests = [by_digest("ghcr.io/acme/web", 'a'), by_digest("ghcr.io/acme/web", 'b')];
    let world = World::default()
        .at_registry(WEB, 'b')
        .recorded(WEB, 'a')
        .container(&running, ContainerState::Running, 1)
        .image("image-id", &[], &digests);
    assert_eq!(Host::new(world).pass(&always(WEB), 0).await.image.digest(), &digest('a'));
}

#[tokio::test]
async fn an_image_ripens_from_when_it_was_built_or_first_seen_here() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.6", 'b'), ("1.4.7", 'c')]));
    host.world.registry.put_created(&digest('c'), at(-DAY));
    let mut web = following(WEB, "~1.4");
    web.update.as_mut().unwrap().min_age = Some(Duration::from_secs(3 * 86_400));
    host.world.pins.0.insert((id("web"), pin_key(&web.image)), digest('a').into());
    let stays = host.pass(&web, 0).await;
    assert_eq!(stays.image.digest(), &digest('a'));
    assert!(waits(&stays).starts_with("1.4.7 is too young until 2027-01-18T08:00:00Z"));
    // The last one has been seen long enough when a still newer one appears.
    host.world.registry.put(&reference("ghcr.io/acme/web:1.4.8"), digest('d'));
    host.world.registry.put_created(&digest('d'), at(3 * DAY));
    let taken = host.pass(&web, 3 * DAY).await;
    assert_eq!(taken.image.familiar(), "ghcr.io/acme/web:1.4.7");
    assert!(waits(&taken).starts_with("1.4.8 is too young until 2027-01-21"), "{}", waits(&taken));
}

#[tokio::test]
async fn it_is_told_when_the_next_look_is_due() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b')]));
    let mut daily = always(WEB);
    daily.pull_policy = PullPolicy::Every(Duration::from_secs(86_400));
    host.pass(&daily, 0).await;
    assert_eq!(host.next, Some(at(DAY)));
    host.pass_with(vec![daily.clone(), Service { name: "api".into(), ..always(WEB) }], 10).await;
    assert_eq!(host.next, Some(at(300)), "the first of all");
    host.pass(&service(WEB), 20).await;
    assert_eq!(host.next, None, "nobody follows");

    let mut web = following(WEB, "~1.4");
    web.update.as_mut().unwrap().min_age = Some(Duration::from_secs(400));
    host.pass(&web, 1000).await;
    assert_eq!(host.next, Some(at(1300)));
    host.pass(&web, 1300).await;
    assert_eq!(host.next, Some(at(1400)), "it is old enough then");
    host.world.registry.fail_tags(&reference(WEB), silent());
    host.world.pins.0.clear();
    host.pass(&web, 1600).await;
    assert_eq!(host.next, Some(at(1900)), "what is not known is asked for again");
}

#[tokio::test]
async fn git_goes_before_what_was_chosen_for_another_line() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b'), ("1.5.0", 'c')]));
    let web = following(WEB, "~1.4");
    let newest = host.pass(&web, 0).await;
    host.record(&web, &newest);
    let running = format!("ghcr.io/acme/web:1.4.7@{}", digest('b'));
    host.world = host.world.container(&running, ContainerState::Running, 1);
    // Git says what it said before, and no more that newer ones are wanted.
    let plain = host.pass(&service(WEB), 10).await;
    assert_eq!(shown(&plain), (WEB.to_owned(), digest('a'), PinOrigin::Registry));
    let changed = host.pass(&following("ghcr.io/acme/web:1.5.0", "~1.5"), 20).await;
    assert_eq!(changed.image.familiar(), "ghcr.io/acme/web:1.5.0");
}

#[tokio::test]
async fn what_was_chosen_is_shown_with_its_tag_where_nobody_follows_and_the_tag_is_told_from_that()
{
    let mut world = with_tags(&[("1.4.2", 'a')]);
    let web = following(WEB, "~1.4");
    let chosen = Chosen { tag: Some("1.4.7".into()), why: "newest".into(), at: at(0) };
    let pin = Pin { digest: digest('b'), chosen: Some(chosen) };
    world.pins.0.insert((id("web"), pin_key(&web.image)), pin);
    let resolved = world.resolve_with(vec![web.clone()], None).await;
    let pinned = resolved
        .desired
        .deployment(&"shop".into())
        .unwrap()
        .services
        .values()
        .next()
        .unwrap()
        .image
        .clone();
    let image = pinned.unwrap().image;
    assert_eq!(image.familiar(), "ghcr.io/acme/web:1.4.7");
    assert_eq!(web.tag_shown(&web.shown_with(&image)).as_deref(), Some("1.4.7"));
    assert_eq!(web.tag_shown(WEB), None, "the written one");
    let hidden = Service { image_shown: "${IMAGE}".into(), ..web };
    assert_eq!(hidden.shown_with(&image), "${IMAGE} → 1.4.7");
    assert_eq!(hidden.tag_shown("${IMAGE} → 1.4.7").as_deref(), Some("1.4.7"));
    assert_eq!(hidden.tag_shown("${OTHER} → 1.4.7"), None);
}

#[tokio::test]
async fn what_runs_by_the_rule_stays_when_the_record_is_lost() {
    let running = format!("ghcr.io/acme/web:1.4.7@{}", digest('b'));
    let world = with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b')]);
    let mut host = Host::new(world.container(&running, ContainerState::Running, 1));
    let web = following(WEB, "~1.4");
    let stays = host.pass(&web, 0).await;
    let expected = ("ghcr.io/acme/web:1.4.7".to_owned(), digest('b'), PinOrigin::Running);
    assert_eq!(shown(&stays), expected);
    let pin = &host.world.pins.0[&(id("web"), pin_key(&web.image))];
    assert_eq!(pin.chosen.as_ref().unwrap().tag.as_deref(), Some("1.4.7"));
    assert_eq!(host.pass(&web, 10).await.origin, PinOrigin::Record);

    let mut other = Host::new(with_tags(&[("1.4.2", 'a')]).container(
        &format!("ghcr.io/acme/web:2.0.0@{}", digest('c')),
        ContainerState::Running,
        1,
    ));
    assert_eq!(other.pass(&web, 0).await.image.digest(), &digest('a'), "outside the rule");
}

#[tokio::test]
async fn offline_what_was_heard_before_counts_and_nobody_is_asked() {
    let mut host = Host::new(World::default().at_registry(WEB, 'a').recorded(WEB, 'a'));
    let web = always(WEB);
    host.pass(&web, 0).await;
    host.world.registry.put(&reference(WEB), digest('b'));
    let found = host.pass(&web, 300).await;
    assert_eq!(found.image.digest(), &digest('b'));
    host.world.offline = true;
    let mut asked = host.world.registry.asked().len();
    assert_eq!(host.pass(&web, DAY).await.image.digest(), &digest('b'));
    assert!(host.questions(&mut asked).is_empty());
}

#[tokio::test]
async fn what_is_written_back_is_not_taken_from_the_registry() {
    let mut host = Host::new(with_tags(&[("1.4.2", 'a'), ("1.4.7", 'b')]));
    let mut web = following(WEB, "~1.4");
    web.update.as_mut().unwrap().write_back = true;
    for origin in [PinOrigin::Registry, PinOrigin::Record] {
        let stays = host.pass(&web, 0).await;
        assert_eq!(shown(&stays), (WEB.to_owned(), digest('a'), origin));
        let followed = stays.followed.unwrap();
        assert_eq!(followed.to_write, Some(reference("ghcr.io/acme/web:1.4.7")));
        assert_eq!(followed.waits.unwrap(), "1.4.7 goes into git first");
    }
    // Git has it, and nothing is left to write.
    let mut written = following("ghcr.io/acme/web:1.4.7", "~1.4");
    written.update.as_mut().unwrap().write_back = true;
    let there = host.pass(&written, 10).await;
    assert_eq!((there.image.digest(), there.followed.unwrap().to_write), (&digest('b'), None));
}

#[tokio::test]
async fn what_was_deployed_before_it_could_be_recorded_stays() {
    let mut host = Host::new(World::default().at_registry(WEB, 'b').recorded(WEB, 'a'));
    let web = always(WEB);
    assert_eq!(host.pass(&web, 0).await.image.digest(), &digest('b'));
    let running = format!("{WEB}@{}", digest('b'));
    let digests = [by_digest("ghcr.io/acme/web", 'b')];
    host.world =
        host.world.container(&running, ContainerState::Running, 1).image("image-id", &[], &digests);
    assert_eq!(host.pass(&web, 10).await.image.digest(), &digest('b'));
    host.world = host.world.failing(WEB, silent());
    let stays = host.pass(&web, 300).await;
    assert_eq!((stays.image.digest(), stays.origin), (&digest('b'), PinOrigin::Followed));
    assert!(waits(&stays).starts_with("unknown since"), "{}", waits(&stays));
}
