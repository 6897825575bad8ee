use std::collections::{BTreeMap, BTreeSet};

use super::world::*;
use crate::model::{Digest, Disk, GenerationNumber, HostName, ImageId, ImageName, Masks};
use crate::plan::retention::{Fate, Judged, Why};
use crate::report::wire::Pruned;
use crate::report::{Style, text, wire};

fn digest_of(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", String::from(letter).repeat(64))).unwrap()
}

fn named(repository: &str, letter: char) -> String {
    format!("{repository}@{}", digest_of(letter))
}

fn image(letter: char, names: &[String], fate: Fate) -> Judged {
    let image = ImageId::new(format!("sha256:{letter}"));
    Judged { image, names: names.to_vec(), size: 120 << 20, fate }
}

fn old_too() -> String {
    named("ghcr.io/acme/app", '9')
}

fn all() -> Vec<Judged> {
    let name = |text: &str| ImageName::parse(text).unwrap();
    let stays = |why| Fate::Stays { why, to_give: Vec::new() };
    let old = named("ghcr.io/acme/app", 'a');
    let goes = Fate::Goes { names: vec![name(&old)], last_used: None, others: Vec::new() };
    let shared = Fate::Goes {
        names: vec![name(&old_too())],
        last_used: None,
        others: vec!["mine/copy:1".to_owned()],
    };
    let kept = vec!["evenkeel/shop-api:g3".to_owned(), named("ghcr.io/acme/app", 'b')];
    let secret = vec![named(&format!("{SECRET}.lan/app"), 'c')];
    vec![
        image('a', &[old], goes),
        image('b', &kept, stays(Why::GoBack(id("shop/api"), GenerationNumber(3)))),
        image('c', &secret, stays(Why::Used(vec!["shop-api-1".into(), "x".into(), "y".into()]))),
        image('g', &[old_too(), "mine/copy:1".into()], shared),
        image('d', &["their/tool:1".into()], Fate::Foreign { names: vec![name("their/tool:1")] }),
        image('e', &[], Fate::Foreign { names: Vec::new() }),
    ]
}

/// Digests as their letter.
fn shortened(text: &str) -> String {
    ['a', 'b', 'c', '9'].iter().fold(text.to_owned(), |text, letter| {
        let digits = String::from(*letter).repeat(64);
        text.replace(&digits, &letter.to_ascii_uppercase().to_string())
    })
}

fn masks() -> Masks {
    let mut masks = Masks::default();
    masks.add(SECRET);
    masks
}

#[test]
fn a_dry_run_tells_every_image_with_its_size_and_why() {
    let spare = BTreeSet::from([ImageId::new("sha256:b")]);
    let disk = Disk { path: "/var/lib/docker".into(), total: 100 << 30, free: 30 << 30 };
    let report = wire::prune(&Pruned {
        host: &HostName::new("web-1"),
        judged: &all(),
        spare: &spare,
        foreign_go: true,
        gone: None,
        disk: Some(&disk),
        pressure: None,
        files: 0,
        build_cache: 0,
        masks: &masks(),
    });
    let written = text(|out| text::prune(out, &report, Style::PLAIN, false));
    assert!(!written.contains(SECRET), "{written}");
    insta::assert_snapshot!(shortened(&written), @r"
    goes     120 MiB  ghcr.io/acme/app@sha256:A
          evenkeel pulled it, and nothing that can be gone back to needs it
    goes     120 MiB  their/tool:1
          nobody uses it, and evenkeel did not pull it
    unnamed  120 MiB  ghcr.io/acme/app@sha256:9
          also mine/copy:1
          nothing that can be gone back to needs it; somebody else named it mine/copy:1, so only evenkeel's names go
    spare    120 MiB  evenkeel/shop-api:g3
          also ghcr.io/acme/app@sha256:B
          shop/api can go back to it (generation 3)
    stays    120 MiB  •••.lan/app@sha256:C
          the container shop-api-1 and 2 more are made from it
    foreign  120 MiB  sha256:e
          nobody uses it, and evenkeel did not pull it
    2 images would go (240 MiB, layers shared with others included)
    /var/lib/docker is 70 % full, 30 GiB are free
    ");
}

#[test]
fn afterwards_only_what_went_is_told_and_what_did_not() {
    let gone = BTreeMap::from([
        (ImageId::new("sha256:a"), None),
        (ImageId::new("sha256:b"), Some("a container is using it".to_owned())),
    ]);
    let report = wire::prune(&Pruned {
        host: &HostName::new("web-1"),
        judged: &all(),
        spare: &BTreeSet::new(),
        foreign_go: false,
        gone: Some(&gone),
        disk: None,
        pressure: Some("the disk is full"),
        files: 2,
        build_cache: 5 << 20,
        masks: &masks(),
    });
    let written = text(|out| text::prune(out, &report, Style::PLAIN, false));
    insta::assert_snapshot!(shortened(&written), @r"
    stays    120 MiB  evenkeel/shop-api:g3
          also ghcr.io/acme/app@sha256:B
          shop/api can go back to it (generation 3)
          error: a container is using it
    gone     120 MiB  ghcr.io/acme/app@sha256:A
          evenkeel pulled it, and nothing that can be gone back to needs it
    stays    120 MiB  ghcr.io/acme/app@sha256:9
          also mine/copy:1
          nothing that can be gone back to needs it; somebody else named it mine/copy:1, so only evenkeel's names go
          error: it was not reached before the program was stopped
    1 image let go of (120 MiB, layers shared with others included), 2 exported files removed that no container mounts, 5.0 MiB of build cache
    too full: the disk is full
    ");
}

#[test]
fn what_is_needed_is_told_by_repository_with_all_digests_of_the_same_image() {
    let needed =
        ['b', 'c', 'f', '0'].map(|letter| (digest_of(letter), Why::Wanted(id("shop/api"))));
    let mut judged = all();
    judged[1].names.push(named("ghcr.io/acme/app", '1'));
    judged[1].names.push(named("mirror.lan/app", 'b'));
    let shown = BTreeMap::from([(digest_of('f'), "acme/later:2".to_owned())]);
    let host = HostName::new("web-1");
    let children = [(digest_of('f'), [digest_of('e')].into())].into();
    let report = wire::images(&host, &needed.into(), &judged, &shown, &masks());
    let report = report.with_children(&children);
    let lines = text(|out| text::images(out, &report));
    let expected = [
        digest_of('0').to_string(),
        named("acme/later", 'f'),
        named("acme/later", 'e'),
        named("ghcr.io/acme/app", 'b'),
        named("ghcr.io/acme/app", '1'),
        named("mirror.lan/app", 'b'),
        named("•••.lan/app", 'c'),
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    let json: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!((&json["schema"], &json["host"]), (&"evenkeel.images/v1".into(), &"web-1".into()));
    assert_eq!(json["images"][0]["repository"], serde_json::Value::Null);
    assert_eq!(json["images"][2]["children"], serde_json::json!([digest_of('1').to_string()]));
    assert_eq!(json["images"][1]["because"], "git asks for it: shop/api");
}
