//! `x-evenkeel.update`, and windows.

use std::time::Duration;

use super::{World, remarks, web};
use crate::manifest::ServerFiles;
use crate::model::update::{Allow, TagRule};
use crate::model::version::VersionOrder;
use crate::model::{Digest, ImageRef, PinnedImage, Service};

/// A service of this image with these keys of `update`, and further keys of its own.
fn text(image: &str, update: &str, more: &str) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    {more}\n    x-evenkeel: {{update: {update}}}\n"
    )
}

fn followed(image: &str, update: &str, more: &str) -> Service {
    web(World::shop(&text(image, update, more)).stack())
}

/// The first line of the only problem, and its hint.
fn refused(image: &str, update: &str, more: &str, message: &str, hint: &str) {
    let problems = World::shop(&text(image, update, more)).problems();
    let first = problems.lines().next().unwrap_or("nothing is wrong");
    assert!(first.contains(message), "{update}\nexpected {message}\nfound {problems}");
    let hints: Vec<&str> = problems.lines().filter(|line| line.contains("hint: ")).collect();
    assert!(hints.len() == 1 && hints[0].contains(hint), "{update}\n{problems}");
}

const TAG: &str = "a:1.4.2";

#[test]
fn a_rule_is_read_with_all_that_goes_with_it() {
    let keys =
        "{semver: '~1.4', allow: patch, min_age: 3d, window: 'Sat 02:00-05:00', write_back: true}";
    let update = followed(TAG, keys, "").update.unwrap();
    let Some(TagRule::Semver { range, allow }) = update.rule else { panic!() };
    assert_eq!((range.to_string().as_str(), allow), ("~1.4", Some(Allow::Patch)));
    assert_eq!(update.min_age, Some(Duration::from_secs(3 * 24 * 3600)));
    assert_eq!(update.window.unwrap().to_string(), "Sat 02:00-05:00");
    assert!(update.write_back && !update.hidden);

    let keys = r"{match: 'v(?<version>\d+)', order: numeric}";
    let update = followed("a:v7", keys, "").update.unwrap();
    let Some(TagRule::Match { pattern, order, allow: None }) = update.rule else { panic!() };
    assert_eq!(pattern.to_string(), r"v(?<version>\d+)");
    assert_eq!(order, VersionOrder::Numeric);
    assert_eq!((update.min_age, update.window, update.write_back), (None, None, false));

    let update = followed("a", "{min_age: 1d}", "pull_policy: daily").update.unwrap();
    assert_eq!(update.rule, None);
    assert_eq!(followed(TAG, "", "").update, None);
}

#[test]
fn where_there_is_nothing_to_write_back_that_is_remarked_on() {
    let told = |update: &str, more: &str| remarks(&World::shop(&text(TAG, update, more)).stack());
    assert_eq!(told("{semver: '~1.4', write_back: true}", ""), "");
    assert_eq!(told("{write_back: false}", "pull_policy: daily"), "");
    let daily = told("{write_back: true}", "pull_policy: daily");
    assert!(daily.starts_with("`write_back` writes newer tags into git"), "{daily}");
}

#[test]
fn what_leaves_nothing_to_follow_is_refused() {
    let pinned = format!("a:1.4.2@sha256:{}", "0".repeat(64));
    let range = "{semver: '~1.4'}";
    refused(&pinned, range, "", "a digest is never polled", "take the digest off");
    refused(TAG, range, "pull_policy: never", "forbids to pull", "take one");
    refused(TAG, "{min_age: 1d}", "", "does not say what is followed", "`semver: \"~1.4\"`");
    refused(TAG, "{min_age: 1d}", "pull_policy: missing", "does not say", "pull_policy: daily");
    refused("a", range, "", "no version to start from", "the tag that runs now");
    refused("a:latest", range, "", "`latest` is no version to start from", "`match`");
    refused("a:1a2b3c4", range, "", "`1a2b3c4` is a hash", "pull_policy");
    refused("a:1.4", "{semver: '~1.4', allow: patch}", "", "lets nothing through", "more numbers");
    refused(TAG, "{match: 'v.*'}", "", "does not match the tag `1.4.2`", "whole tag");
    refused("a:x", "{match: x, order: numeric}", "", "finds no version in the tag `x`", "numeric");
}

#[test]
fn every_slip_in_a_rule_is_told_with_the_way_out() {
    let check = |update: &str, message: &str, hint: &str| refused(TAG, update, "", message, hint);
    check("'~1.4'", "expected a mapping, found `~1.4`", "{semver: \"~1.4\"}");
    check("{semvr: '~1.4', semver: '~1.4'}", "unknown key `semvr`", "did you mean `semver`?");
    check("{semver: '1.4'}", "is `^1.4` to cargo", "`~1.4`");
    check("{semver: '~1.4', match: '.*'}", "exclude each other", "keep one");
    check("{semver: '~1.4', order: numeric}", "`order` is for `match`", "take `order` out");
    check("{match: '.*', order: alphabetical, allow: minor}", "`allow` needs numbers", "take one");
    check("{match: '(', order: numeric}", "at character 1 (`(`): unclosed group", "(?<version>");
    check("{semver: '~1.4', allow: patches}", "`patches` is not known here", "`patch`");
    check("{match: '.*', order: semvar}", "`semvar` is not known here", "`semver`");
    check("{semver: '~1.4', window: 'Saturday 02:00-05:00'}", "`Saturday` is no day", "`Sat`");
    let problems = World::shop(&text(TAG, "{order: numeric}", "")).problems();
    assert!(problems.contains("`order` says nothing without `semver` or `match`"), "{problems}");
    let top = "services: {web: {image: a}}\nx-evenkeel: {window: 'Sat,Sun'}\n";
    let problems = World::shop(top).problems();
    assert!(problems.starts_with("shop/compose.yaml:2:22: `Sat,Sun` has no hours"), "{problems}");
}

#[test]
fn a_value_of_the_servers_is_not_told() {
    let world = |env: &str| {
        World::shop(&text("a:${TAG}", "{semver: '${RANGE}'}", "")).with_server_file("shop.env", env)
    };
    let problems = world("TAG=hush-4711\nRANGE=~1.4\n").problems();
    assert!(problems.contains("nothing that `update` can start from"), "{problems}");
    let others = world("TAG=1.4.2\nRANGE=hush-4711\n").problems();
    assert!(!problems.contains("hush-4711") && !others.contains("hush-4711") && !others.is_empty());
    let sound = web(world("TAG=1.4.2\nRANGE=~1.4\n").stack());
    assert!(sound.update.unwrap().hidden);
}

/// Without the server nobody knows which tag it is.
#[test]
fn a_tag_that_only_the_server_knows_is_no_problem_offline() {
    let mut world = World::shop(&text("a:v${TAG}", "{semver: '~1.4'}", ""));
    world.server = ServerFiles::Offline { env: None };
    assert_eq!(world.problems(), "");
}

/// No key that says when or whether to update makes a new container.
#[test]
fn nothing_of_it_is_part_of_the_spec() {
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let image = PinnedImage::new(&ImageRef::parse(TAG).unwrap(), digest);
    let hash = |update: &str, top: &str| {
        let text = format!("{}{top}", text(TAG, update, ""));
        web(World::shop(&text).stack()).settings.hash(&image)
    };
    let without = hash("", "");
    for update in [
        "{semver: '~1.4'}",
        "{semver: '~1.4', allow: minor}",
        "{match: '.*', order: numeric}",
        "{semver: '~1.4', min_age: 3d}",
        "{semver: '~1.4', window: 'Sat 02:00-05:00'}",
        "{semver: '~1.4', write_back: true}",
    ] {
        assert_eq!(hash(update, ""), without, "{update}");
    }
    assert_eq!(hash("", "x-evenkeel: {window: '02:00-05:00'}\n"), without);
}
