//! What stays at a registry and what goes, for repositories made by hand.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", format!("{:x}", letter as u32).repeat(32))).unwrap()
}

/// A tag that speaks of a manifest.
fn signature(letter: char) -> String {
    format!("{}.sig", digest(letter).as_str().replace(':', "-"))
}

fn days_ago(days: u32) -> Option<Timestamp> {
    now().checked_sub(DAY * days).ok()
}

/// A repository, manifest by manifest; each is called by a letter.
#[derive(Debug, Default)]
struct World(Contents);

impl World {
    fn with(mut self, letter: char, tags: &str, pushed: Option<Timestamp>, parts: &str) -> Self {
        let stored = Stored {
            tags: tags.split_whitespace().map(str::to_owned).collect(),
            pushed,
            children: parts.chars().map(digest).collect(),
            ..Stored::default()
        };
        self.0.manifests.insert(digest(letter), stored);
        self
    }

    fn image(self, letter: char, tags: &str, days: u32) -> Self {
        self.with(letter, tags, days_ago(days), "")
    }

    /// What was found by a reference alone.
    fn referrer(mut self, letter: char, subject: char) -> Self {
        let stored = Stored { subject: Some(digest(subject)), ..Stored::default() };
        self.0.manifests.insert(digest(letter), stored);
        self
    }

    fn judge(&self, policy: &Policy) -> Vec<Judged> {
        let judged = judge(&self.0, policy, now());
        let told: BTreeSet<&Digest> = judged.iter().map(|one| &one.digest).collect();
        assert_eq!(told.len(), judged.len(), "each is told once");
        assert_eq!(told, self.0.manifests.keys().collect(), "and none is left out");
        judged
    }

    /// The letters of those that go, in the order in which they are deleted, and why one of them stays or goes.
    #[track_caller]
    fn check(&self, policy: &Policy, going: &str, because: &[(char, &str)]) {
        let judged = self.judge(policy);
        let letter = |digest_of: &Digest| (' '..='~').find(|one| digest(*one) == *digest_of);
        let goes = judged.iter().filter(|one| matches!(one.fate, Fate::Goes(_)));
        let found: String = goes.filter_map(|one| letter(&one.digest)).collect();
        assert_eq!(found, going, "{judged:#?}");
        for (which, why) in because {
            let one = judged.iter().find(|one| one.digest == digest(*which)).unwrap();
            assert_eq!(one.fate.to_string(), *why, "{which}");
        }
    }
}

fn needed(letters: &str) -> Option<Needed> {
    let images: Vec<_> = letters
        .chars()
        .map(|letter| {
            serde_json::json!({"repository": null, "digest": digest(letter), "children": []})
        })
        .collect();
    let list =
        serde_json::json!({"schema": "evenkeel.images/v1", "host": "web-1", "images": images});
    let mut needed = Needed::default();
    needed.read("web-1.json", &list.to_string()).unwrap();
    Some(needed)
}

fn keep(keep: usize) -> Policy {
    Policy { keep, protect: Vec::new(), min_age: DAY, needed: needed("") }
}

#[test]
fn the_newest_stay_by_push_time_whatever_their_tags_are_called() {
    let world = World::default()
        .image('a', "9.0", 30)
        .image('b', "1.0 latest", 3)
        .image('c', "2.0", 10)
        .image('d', "3.0", 20);
    world.check(
        &keep(2),
        "da",
        &[('b', "one of the 2 newest"), ('d', "not one of the 2 newest, and not needed")],
    );
    world.check(&keep(4), "", &[]);
}

#[test]
fn what_hosts_need_stays_with_all_its_tags_and_so_does_what_it_is_part_of() {
    let world = World::default()
        .image('n', "5", 2)
        .image('a', "1 stable", 30)
        .with('i', "2", days_ago(20), "xy")
        .image('x', "", 20)
        .image('y', "", 20)
        .image('o', "3", 25);
    let policy = Policy { needed: needed("ax"), ..keep(1) };
    world.check(
        &policy,
        "o",
        &[
            ('a', "web-1 needs it"),
            ('i', "web-1 needs a part of it"),
            ('x', "web-1 needs it"),
            ('y', "a part of 2, which stays"),
        ],
    );
}

#[test]
fn a_part_that_is_needed_keeps_one_image_that_has_it_and_no_more() {
    let world = World::default()
        .with('n', "5", days_ago(2), "x")
        .with('a', "4", days_ago(10), "xy")
        .with('b', "3", days_ago(20), "xyz")
        .image('x', "", 20)
        .image('y', "", 20)
        .image('z', "", 20);
    let policy = |letters| Policy { needed: needed(letters), ..keep(1) };
    world.check(&policy("x"), "abyz", &[('x', "web-1 needs it")]);
    world.check(&policy("xy"), "bz", &[('a', "web-1 needs a part of it")]);
    world.check(&policy("nx"), "abyz", &[]);
}

#[test]
fn a_protected_tag_keeps_its_image_with_every_other_tag_of_it() {
    let world = World::default().image('n', "5", 2).image('a', "1 v1.0", 30).image('b', "2", 30);
    let protect = vec![Protect::parse("v1.*").unwrap()];
    let policy = Policy { protect, ..keep(1) };
    world.check(&policy, "b", &[('a', "--protect v1.* covers v1.0")]);
    assert!(Protect::parse("v[").is_err());
}

#[test]
fn what_is_young_or_says_no_age_stays() {
    let world = World::default()
        .image('n', "5", 0)
        .image('a', "4", 2)
        .image('b', "3", 3)
        .with('c', "2", None, "")
        .with('d', "1", now().checked_add(DAY).ok(), "");
    let policy = Policy { min_age: DAY * 3, ..keep(1) };
    world.check(
        &policy,
        "b",
        &[
            ('a', "younger than 3days"),
            ('c', "it does not say how old it is"),
            ('d', "younger than 3days"),
        ],
    );
}

#[test]
fn parts_go_with_the_last_index_that_has_them_and_stay_with_one_that_stays() {
    let world = World::default()
        .with('n', "5", days_ago(2), "sx")
        .with('a', "4", days_ago(10), "say")
        .with('b', "3", days_ago(20), "ybz")
        .image('s', "", 1)
        .image('x', "", 2)
        .image('y', "", 10)
        .image('z', "", 20);
    world.check(
        &keep(1),
        "abyz",
        &[('s', "a part of 5, which stays"), ('y', "a part of 3, which goes")],
    );
}

#[test]
fn a_part_with_a_tag_of_its_own_stays_with_that_and_with_the_index() {
    let world = World::default()
        .with('n', "5", days_ago(2), "x")
        .image('x', "5-amd64", 30)
        .with('a', "4", days_ago(10), "y")
        .image('y', "4-amd64 stable", 10);
    let protect = vec![Protect::parse("stable").unwrap()];
    let policy = Policy { protect, ..keep(1) };
    world.check(&policy, "a", &[('x', "a part of 5, which stays")]);
}

#[test]
fn what_speaks_of_an_image_stays_and_goes_with_it() {
    let world = World::default()
        .image('n', "5", 2)
        .with('a', "4", days_ago(10), "x")
        .with('x', "", None, "")
        .with('s', &signature('n'), None, "")
        .with('t', &signature('a'), None, "")
        .with('u', &signature('x'), None, "")
        .referrer('r', 'a')
        .referrer('q', 'r')
        .referrer('p', 'n');
    world.check(
        &keep(1),
        "axurqt",
        &[
            ('s', "speaks of 5, which stays"),
            ('p', "speaks of 5, which stays"),
            ('t', "speaks of 4, which goes"),
        ],
    );
}

#[test]
fn what_speaks_of_nothing_goes_only_where_that_is_known() {
    let mut world = World::default()
        .image('n', "5", 2)
        .with('s', &signature('g'), None, "")
        .with('t', &signature('h'), None, "")
        .with('m', &signature('m'), None, "");
    world.0.absent.insert(digest('g'));
    world.check(
        &keep(1),
        "s",
        &[
            ('t', "it is not known what it belongs to"),
            ('s', "what it speaks of is gone"),
            ('m', "it does not say how old it is"),
        ],
    );
}

#[test]
fn what_speaks_of_something_unknown_keeps_its_parts() {
    let world = World::default().image('n', "5", 0).image('d', "4", 3).with(
        'e',
        &signature('f'),
        None,
        "d",
    );
    world.check(&keep(1), "", &[('d', &format!("a part of {}, which stays", signature('f')))]);
}

#[test]
fn what_has_no_tag_goes_only_where_somebody_says_what_hosts_need() {
    let world = World::default()
        .image('n', "5", 2)
        .with('i', "", days_ago(30), "x")
        .image('x', "", 30)
        .image('y', "", 0)
        .image('z', "", 40);
    let why = "no tag, and without --needed a host may need it";
    world.check(&Policy { needed: None, ..keep(1) }, "", &[('z', why), ('i', why)]);
    world.check(&keep(1), "ixz", &[('y', "younger than 1day")]);
}

#[test]
fn the_last_one_stays_and_so_does_what_is_not_understood() {
    World::default().image('a', "", 30).image('b', "", 20).check(
        &keep(1),
        "a",
        &[('b', "the last one")],
    );
    let mut world = World::default().image('n', "5", 2).image('a', "1", 30);
    world.0.manifests.get_mut(&digest('a')).unwrap().kind = Kind::Strange;
    world.check(&keep(1), "", &[('a', "its format is not understood")]);
}

#[test]
fn what_leads_to_each_other_in_a_circle_stays() {
    let world = World::default()
        .image('n', "5", 2)
        .with('a', &signature('b'), days_ago(30), "")
        .with('b', &signature('a'), days_ago(30), "");
    world.check(&keep(1), "", &[('a', "it is not known what it belongs to")]);
}

#[test]
fn what_is_made_of_an_image_goes_before_it_also_where_it_is_part_of_what_speaks_of_it() {
    let world = World::default()
        .image('n', "5", 2)
        .image('a', "t0", 30)
        .with('b', "t4", days_ago(30), "a")
        .with('c', &signature('a'), days_ago(30), "b");
    world.check(&keep(1), "cba", &[]);
}

fn any_world() -> impl Strategy<Value = World> {
    let one = (0..4_usize, 0..5_u32, prop::collection::vec(0..12_u8, 0..3), 0..12_u8);
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let letter = |number: u8| char::from(b'a' + number);
        let mut world = World::default();
        for (at, (kind, age, parts, subject)) in (0_u8..).zip(all) {
            let tag = ["", "t", "t u", "s"][kind];
            let tags: String = match tag {
                "s" => signature(letter(subject)),
                tag => tag.split_whitespace().map(|tag| format!("{tag}{at} ")).collect(),
            };
            let pushed = if age == 4 { None } else { days_ago(age * 3) };
            // An index is made of what was there before it, as hashes have it.
            let parts: String =
                parts.iter().filter(|part| **part < at).map(|p| letter(*p)).collect();
            world = world.with(letter(at), &tags, pushed, &parts);
        }
        world
    })
}

proptest! {
    #[test]
    fn nothing_that_stays_lacks_a_part_and_nothing_needed_goes(
        world in any_world(), newest in 1..4_usize, wanted in "[a-l]{0,3}", stable in 0..12_u8,
    ) {
        let protect = vec![Protect::parse(&format!("t{stable}")).unwrap()];
        let policy = Policy { protect, needed: needed(&wanted), ..keep(newest) };
        let judged = world.judge(&policy);
        let goes: BTreeSet<&Digest> = judged.iter()
            .filter(|one| matches!(one.fate, Fate::Goes(_))).map(|one| &one.digest).collect();
        let protected = format!("t{stable}");
        for (digest, stored) in &world.0.manifests {
            if goes.contains(digest) {
                prop_assert!(policy.needed.as_ref().unwrap().by(digest).is_none());
                prop_assert!(!stored.tags.contains(&protected));
                prop_assert!(stored.pushed.is_none_or(|pushed| !is_young(pushed, DAY, now())));
            } else {
                prop_assert!(stored.children.iter().all(|part| !goes.contains(part)));
            }
        }
        prop_assert!(goes.len() < world.0.manifests.len());
        // Whenever it is ended, what is found by a tag has all its parts.
        let mut there: BTreeSet<&Digest> = world.0.manifests.keys().collect();
        for one in judged.iter().filter(|one| goes.contains(&one.digest)) {
            there.remove(&one.digest);
            for (digest, stored) in world.0.manifests.iter().filter(|(d, _)| there.contains(d)) {
                let whole = |part: &Digest| !world.0.manifests.contains_key(part) || there.contains(part);
                prop_assert!(
                    !stored.is_tagged() || stored.children.iter().all(whole),
                    "{digest} lacks a part after {:?}", one
                );
            }
        }
    }
}
