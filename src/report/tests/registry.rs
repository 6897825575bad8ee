use std::collections::BTreeMap;

use super::world::*;
use crate::model::stored::{Contents, Stored};
use crate::model::{Digest, ImageRef};
use crate::plan::registry_retention::{Cause, Fate, Judged, Why};
use crate::report::{Style, text, wire};

fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", String::from(letter).repeat(64))).unwrap()
}

fn one(letter: char, with: Option<char>, fate: Fate) -> Judged {
    Judged { digest: digest(letter), with: with.map(digest), fate }
}

fn judged() -> Vec<Judged> {
    let goes = Fate::Goes;
    vec![
        one('a', None, Fate::Stays(Why::Newest(2))),
        one('b', Some('a'), Fate::Stays(Why::PartOf("2.0".to_owned()))),
        one('c', None, goes(Cause::Old(2))),
        one('d', Some('c'), goes(Cause::PartOf("1.0".to_owned()))),
        one('e', None, Fate::Stays(Why::AgeUnknown)),
        one('f', None, goes(Cause::Untagged)),
    ]
}

fn contents() -> Contents {
    let stored = |tags: &[&str], pushed: Option<&str>| Stored {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        pushed: pushed.map(|pushed| pushed.parse().unwrap()),
        ..Stored::default()
    };
    let manifests = [
        ('a', stored(&["2.0", "latest"], Some("2026-11-01T10:20:30Z"))),
        ('b', stored(&[], None)),
        ('c', stored(&["1.0"], Some("2026-01-01T00:00:00Z"))),
        ('d', stored(&[], None)),
        ('e', stored(&["odd"], None)),
        ('f', stored(&[], Some("2025-01-01T00:00:00Z"))),
    ];
    let manifests = manifests.map(|(letter, stored)| (digest(letter), stored)).into();
    Contents { manifests, ..Contents::default() }
}

fn report(
    deleted: Option<&BTreeMap<Digest, Option<String>>>,
    error: Option<&str>,
) -> wire::RegistryPruneReport {
    let image = ImageRef::parse("ghcr.io/acme/api").unwrap();
    let (contents, judged) = (contents(), judged());
    wire::registry_prune(&wire::RegistryPruned {
        image: &image,
        contents: &contents,
        judged: &judged,
        deleted,
        error,
    })
}

fn written(report: &wire::RegistryPruneReport, verbose: bool) -> String {
    text(|out| text::registry_prune(out, report, Style::PLAIN, verbose))
}

#[test]
fn a_registry_s_images_are_told_in_a_table_before_anything_goes() {
    let report = report(None, None);
    insta::assert_snapshot!(written(&report, false), @r"
    TAG          DIGEST        PUSHED            VERDICT  WHY
    2.0, latest  aaaaaaaaaaaa  2026-11-01 10:20  stays    one of the 2 newest
    1.0          cccccccccccc  2026-01-01 00:00  goes     not one of the 2 newest, and not needed
      -          dddddddddddd  -                 goes     a part of 1.0, which goes
    odd          eeeeeeeeeeee  -                 stays    it does not say how old it is
    -            ffffffffffff  2025-01-01 00:00  goes     no tag, and no host needs it
    ghcr.io/acme/api: 2 images with 1 part or signature would go
    ");
    assert!(written(&report, true).contains("a part of 2.0, which stays"));
    let json: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!(json["schema"], "evenkeel.registry-prune/v1");
    assert_eq!(json["manifests"][3]["part_of"], digest('c').as_str());
    assert_eq!(json["manifests"][4]["pushed"], serde_json::Value::Null);
}

#[test]
fn what_was_deleted_at_a_registry_is_told_and_what_was_in_the_way() {
    let deleted =
        BTreeMap::from([(digest('c'), None), (digest('d'), Some("it answers 503".to_owned()))]);
    let report = report(Some(&deleted), Some("it answers 503"));
    assert_eq!(report.deleted, 1);
    insta::assert_snapshot!(written(&report, false), @r"
    TAG  DIGEST        PUSHED            VERDICT  WHY
    1.0  cccccccccccc  2026-01-01 00:00  gone     not one of the 2 newest, and not needed
      -  dddddddddddd  -                 stays    a part of 1.0, which goes
          error: it answers 503
    -    ffffffffffff  2025-01-01 00:00  stays    no tag, and no host needs it
          error: it was not reached
    ghcr.io/acme/api: 1 image deleted
    ");
}
