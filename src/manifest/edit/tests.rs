use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::manifest::interpolate::Unset;
use crate::manifest::{Limits, RolloutDefaults, ServerFiles, StackOptions, globs};
use crate::model::memory_tree::MemoryTree;
use crate::model::sealed::{Opener, Sealed, Unopened};
use crate::model::tree::SharedTree;
use crate::model::{CommitId, Hidden, HostName, SourceName, StackName};

const SEAL: &str = "age-encryption.org/v1\n";

/// Opens a file by taking its first line off.
struct Off;

impl Opener for Off {
    fn open(&self, sealed: &Sealed<'_>, _most: u64) -> Result<Vec<u8>, Unopened> {
        Ok(sealed.bytes.strip_prefix(SEAL.as_bytes()).unwrap().to_vec())
    }
}

/// Writes `pins` (`shop/api acme/api:2`) into `files`; the server has `server` by path.
fn pinned(files: &[(&str, &str)], path: &str, server: &[(&str, &str)], pins: &[&str]) -> Edited {
    let held = server.iter().map(|(path, text)| ((*path).to_owned(), Hidden::new(*text)));
    with_server(files, path, ServerFiles::Held(held.collect()), pins)
}

fn with_server(files: &[(&str, &str)], path: &str, server: ServerFiles, pins: &[&str]) -> Edited {
    let tree = MemoryTree::new(files.iter().copied());
    let revision = Revision {
        source: SourceName::new("infra"),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(tree)),
        path: path.to_owned(),
    };
    let none = |_: &StackName| StackOptions::default();
    let options = Options {
        host: &HostName::new("web-1"),
        env_dir: Path::new("/env"),
        credentials_dir: None,
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        home: None,
        server,
        opener: &Off,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
        per_stack: &none,
        include: &globs(&["**"]).unwrap(),
        exclude: &globs::<&str>(&[]).unwrap(),
    };
    let pin = |text: &&str| {
        let (service, image) = text.split_once(' ').unwrap();
        let (stack, service) = service.split_once('/').unwrap();
        let id = ServiceId::new(&stack.into(), &service.into());
        (id, ImageRef::parse(image).unwrap())
    };
    edit(&revision, &options, &pins.iter().map(pin).collect::<Vec<_>>()).unwrap()
}

/// The only file that changes, as it is to be.
fn written(files: &[(&str, &str)], pins: &[&str]) -> (String, String) {
    let edited = pinned(files, "", &[], pins);
    assert!(edited.refused.is_empty(), "{:?}", edited.refused);
    assert_eq!(edited.files.len(), 1, "{:?}", edited.files.keys());
    let (path, bytes) = edited.files.into_iter().next().unwrap();
    (path, String::from_utf8(bytes).unwrap())
}

/// A stack `shop` becomes what it is with `from` replaced by `to`, and `api` gets `image`.
fn check(text: &str, image: &str, from: &str, to: &str) {
    assert_eq!(text.matches(from).count(), 1, "{from:?} is there once");
    let (path, after) = written(&[("shop/compose.yaml", text)], &[&format!("shop/api {image}")]);
    assert_eq!((path.as_str(), after), ("shop/compose.yaml", text.replace(from, to)));
}

/// Why `api` cannot get `image`.
fn refused(files: &[(&str, &str)], server: &[(&str, &str)], image: &str) -> Problem {
    let mut edited = pinned(files, "", server, &[&format!("shop/api {image}")]);
    assert!(edited.files.is_empty() && edited.changes.is_empty(), "nothing is written");
    let (_, problem) = edited.refused.pop().expect("a problem");
    assert!(problem.hint.is_some(), "{problem} says what to do");
    problem
}

#[test]
fn only_the_tag_changes_however_the_line_is_written() {
    for (line, from, to) in [
        ("image: acme/api:1.4.2   # the api", "1.4.2", "1.4.7"),
        ("image:   'acme/api:1.4.2'", "1.4.2", "1.4.7"),
        ("image: \"acme/api:1.4.2\"\t# tab", "1.4.2", "1.4.7"),
        ("\"image\": !!str acme/api:1.4.2", "1.4.2", "1.4.7"),
        ("image: >-\n      acme/api:1.4.2\n    # behind", "1.4.2", "1.4.7"),
        ("image: |-   # a block\n      acme/api:1.4.2", "1.4.2", "1.4.7"),
        ("image:\n      acme/api:1.4.2", "1.4.2", "1.4.7"),
        ("image: &it acme/api:1.4.2", "1.4.2", "1.4.7"),
        ("image: \"acme/\\\n      api:1.4.2\"", "1.4.2", "1.4.7"),
        ("image: acme/api", "acme/api", "acme/api:1.4.7"),
        ("image: 'acme/api'", "acme/api", "acme/api:1.4.7"),
    ] {
        let text =
            format!("# shop\nservices:\n  api:\n    {line}\n\n  db: {{image: pg:16}}  # x\n");
        check(&text, "acme/api:1.4.7", from, to);
        check(&text.replace('\n', "\r\n"), "acme/api:1.4.7", from, to);
        check(&format!("\u{feff}{text}"), "acme/api:1.4.7", from, to);
    }
    check("services: {api: {image: acme/api:1, ports: ['1:1']}}", "acme/api:2", "api:1", "api:2");
}

#[test]
fn the_repository_keeps_the_name_it_has_in_the_file() {
    let text = "services: {api: {image: nginx:1.26}}\n";
    check(text, "docker.io/library/nginx:1.27", "1.26", "1.27");
}

#[test]
fn a_digest_comes_changes_and_goes() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let with = format!("services:\n  api: {{image: 'acme/api:1@sha256:{a}'}}\n");
    check(&with, &format!("acme/api:1@sha256:{b}"), &a, &b);
    check(&with, "acme/api:2", &format!("1@sha256:{a}"), "2");
    let without = "services:\n  api: {image: acme/api:1} # x\n";
    check(without, &format!("acme/api:2@sha256:{a}"), "api:1", &format!("api:2@sha256:{a}"));
}

#[test]
fn the_file_that_wins_is_the_one_that_is_edited() {
    let base = ("shop/compose.yaml", "services: {api: {image: acme/api:1}}\n");
    let over = ("shop/compose.override.yaml", "services:\n  api:\n    image: acme/api:2 # over\n");
    let (path, after) = written(&[base, over], &["shop/api acme/api:3"]);
    assert_eq!(path, "shop/compose.override.yaml");
    assert_eq!(after, over.1.replace("api:2", "api:3"));
}

#[test]
fn a_variable_is_edited_in_the_env_file_in_git_and_a_default_in_the_line() {
    let compose = "services:\n  api:\n    image: acme/api:${API_TAG:-1.4.2}\n";
    let env = "\u{feff}# tags\r\nexport API_TAG='1.4.3'  # here\r\nOTHER=1.4.3\r\n";
    let files = [("shop/compose.yaml", compose), ("shop/.env", env)];
    let (path, after) = written(&files, &["shop/api acme/api:1.4.7"]);
    assert_eq!(path, "shop/.env");
    assert_eq!(after, env.replace("'1.4.3'", "'1.4.7'"));

    check(compose, "acme/api:1.4.7", "1.4.2", "1.4.7");
    let twice = [("shop/compose.yaml", compose), ("shop/.env", "API_TAG=1\nAPI_TAG= 2\n")];
    assert_eq!(written(&twice, &["shop/api acme/api:3"]).1, "API_TAG=1\nAPI_TAG= 3\n");
}

#[test]
fn the_values_of_a_pinned_service_may_follow_the_same_variable() {
    let compose =
        "services:\n  api:\n    image: acme/api:${TAG}\n    environment: {VERSION: '${TAG}'}\n";
    let files = [("shop/compose.yaml", compose), ("shop/.env", "TAG=1\n")];
    assert_eq!(written(&files, &["shop/api acme/api:2"]).1, "TAG=2\n");
}

#[test]
fn what_the_server_sets_is_not_in_git_to_be_edited() {
    let compose = ("shop/compose.yaml", "services:\n  api:\n    image: acme/api:${TAG:-1}\n");
    let problem = refused(&[compose], &[("/env/shop.env", "TAG=2")], "acme/api:3");
    assert_eq!(problem.place.unwrap().to_string(), "shop/compose.yaml:3:12");
    assert_eq!(problem.notes, ["TAG is set on the server: /env/shop.env:1"]);

    let both = [compose, ("shop/.env", "TAG=1\n")];
    refused(&both, &[("/env/shop.env", "TAG=2")], "acme/api:3");
    let through = [compose, ("shop/.env", "TAG=${REAL}\n")];
    refused(&through, &[("/env/shop.env", "REAL=2")], "acme/api:3");
    let composed = [compose, ("shop/.env", "MINOR=4\nTAG=1.$MINOR\n")];
    let problem = refused(&composed, &[], "acme/api:3");
    assert_eq!(problem.place.unwrap().to_string(), "shop/.env:2:1");

    let nowhere = ("shop/compose.yaml", "services: {api: {image: 'acme/api:${TAG}'}}\n");
    let problem = refused(&[nowhere], &[], "acme/api:3");
    assert!(problem.message.contains("nothing in git sets"), "{problem}");
    let ours =
        ("shop/compose.yaml", "services: {api: {image: 'acme/api:${EVENKEEL_COMMIT_SHORT}'}}\n");
    refused(&[ours], &[], "acme/api:3");
}

#[test]
fn what_is_encrypted_in_git_is_not_edited() {
    let compose = ("shop/compose.yaml", "services:\n  api:\n    image: acme/api:${TAG:-1}\n");
    let on_server = |env: &str, sealed: &str| {
        let sealed = format!("{SEAL}{sealed}");
        let files = [compose, ("shop/.env", env), ("shop/.env.age", &sealed)];
        with_server(&files, "", ServerFiles::Disk, &["shop/api acme/api:3"])
    };
    for (env, sealed, note) in [
        ("", "TAG=2\n", "TAG is set in shop/.env.age, which is encrypted"),
        ("TAG=2\n", "TAG=2\n", "TAG is set in shop/.env.age, which is encrypted"),
        ("TAG=$REAL\n", "REAL=2\n", "TAG is set in shop/.env:1, with a value of the server's"),
    ] {
        let mut edited = on_server(env, sealed);
        assert!(edited.files.is_empty(), "{:?}", edited.files);
        let (_, problem) = edited.refused.pop().unwrap();
        assert_eq!(problem.place.unwrap().to_string(), "shop/compose.yaml:3:12");
        assert_eq!(problem.notes, [note]);
    }
    let edited = on_server("TAG=2\n", "OTHER=2\n");
    assert!(edited.refused.is_empty(), "{:?}", edited.refused);
    assert_eq!(edited.files, BTreeMap::from([("shop/.env".to_owned(), b"TAG=3\n".to_vec())]));
}

#[test]
fn a_value_of_the_servers_in_another_part_of_the_line_stays_a_variable() {
    let text = "services:\n  api:\n    image: ${REGISTRY}/acme/api:1\n";
    let server = [("/env/shop.env", "REGISTRY=secret.lan:5000")];
    let pins = ["shop/api secret.lan:5000/acme/api:2"];
    let edited = pinned(&[("shop/compose.yaml", text)], "", &server, &pins);
    assert!(edited.refused.is_empty(), "{:?}", edited.refused);
    let after = &edited.files["shop/compose.yaml"];
    assert_eq!(String::from_utf8_lossy(after), text.replace("api:1", "api:2"));
}

const SHARED: &str = "\
x-app: &app
  image: acme/app:1   # for both
  restart: always
services:
  api: {<<: *app, ports: ['80:80']}
  worker:
    <<: *app
    command: [work]
";

#[test]
fn what_services_share_is_edited_for_all_of_them_or_not_at_all() {
    let files = [("shop/compose.yaml", SHARED)];
    let problem = refused(&files, &[], "acme/app:2");
    assert!(problem.message.contains("without changing shop/worker too"), "{problem}");
    let (_, after) = written(&files, &["shop/api acme/app:2", "shop/worker acme/app:2"]);
    assert_eq!(after, SHARED.replace("app:1", "app:2"));
    let apart = pinned(&files, "", &[], &["shop/api acme/app:2", "shop/worker acme/app:3"]);
    assert_eq!((apart.refused.len(), apart.files.len()), (2, 0));

    let alias = "services:\n  db: {image: &pg pg:16}\n  api: {image: *pg}\n";
    let problem = refused(&[("shop/compose.yaml", alias)], &[], "pg:17");
    assert!(problem.message.contains("shop/db"), "{problem}");
    let alone = "x-pg: &pg pg:16\nservices:\n  api: {image: *pg}\n";
    check(alone, "pg:17", "pg:16", "pg:17");
}

#[test]
fn a_variable_that_others_use_is_not_changed_under_their_feet() {
    let compose =
        "services:\n  api: {image: 'acme/api:${TAG}'}\n  web: {image: 'acme/web:${TAG}'}\n";
    let files = [("shop/compose.yaml", compose), ("shop/.env", "TAG=1\n")];
    let problem = refused(&files, &[], "acme/api:2");
    assert!(problem.message.contains("shop/web"), "{problem}");
    let (path, after) = written(&files, &["shop/api acme/api:2", "shop/web acme/web:2"]);
    assert_eq!((path.as_str(), after.as_str()), ("shop/.env", "TAG=2\n"));

    let env_file =
        "services:\n  api: {image: 'acme/api:${TAG}'}\n  web: {image: web, env_file: .env}\n";
    let files = [("shop/compose.yaml", env_file), ("shop/.env", "TAG=1\n")];
    let problem = refused(&files, &[], "acme/api:2");
    assert!(problem.message.contains("shop/web"), "{problem}");
    let inactive = compose.replace("'acme/web:${TAG}'", "'acme/web:${TAG}', profiles: [debug]");
    let files = [("shop/compose.yaml", inactive.as_str()), ("shop/.env", "TAG=1\n")];
    refused(&files, &[], "acme/api:2");
}

#[test]
fn a_file_that_is_extended_is_edited_only_if_no_other_stack_does() {
    let base = ("common/base.yaml", "services:\n  app:\n    image: acme/app:1\n");
    let extends = "services: {api: {extends: {file: ../common/base.yaml, service: app}}}\n";
    let (path, after) = written(&[base, ("shop/compose.yaml", extends)], &["shop/api acme/app:2"]);
    assert_eq!((path.as_str(), after), (base.0, base.1.replace("app:1", "app:2")));

    // The other stack is another host's, outside the source's path.
    let other = extends.replace("../common", "../../common");
    let files = [base, ("web-1/shop/compose.yaml", &*other), ("web-2/blog/compose.yaml", &*other)];
    let edited = pinned(&files, "web-1", &[], &["shop/api acme/app:2"]);
    let (_, problem) = &edited.refused[0];
    assert!(problem.message.contains("web-2/blog/compose.yaml"), "{problem}");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let files = [
        ("a/shop/compose.yaml", "services: {api: {image: acme/api:1}, box: {build: .}}\n"),
        ("b/blog/compose.yaml", "services: {api: {image: acme/api:1}}\n"),
        ("c/blog/compose.yaml", "services: {api: {image: acme/api:1}}\n"),
    ];
    let why = |path: &str, pin: &str| pinned(&files, path, &[], &[pin]).refused.remove(0).1;
    let ambiguous = why("", "blog/api acme/api:2");
    assert_eq!(
        ambiguous.message,
        "two stacks are called `blog`: `b/blog/compose.yaml` and `c/blog/compose.yaml`"
    );
    assert_eq!(pinned(&files, "c", &[], &["blog/api acme/api:2"]).files.len(), 1);
    assert_eq!(why("", "shpo/api a:2").hint.as_deref(), Some("did you mean `shop`?"));
    assert_eq!(why("", "shop/apo a:2").hint.as_deref(), Some("did you mean `api`?"));
    assert!(why("", "shop/box a:2").message.contains("no `image`"));
}

#[test]
fn what_is_as_wanted_already_is_left_alone() {
    let files = [("shop/compose.yaml", "services: {api: {image: acme/api:2}}\n")];
    let edited = pinned(&files, "", &[], &["shop/api acme/api:2"]);
    assert!(edited.files.is_empty() && edited.changes.is_empty());
    assert_eq!(edited.unchanged.len(), 1);
}

/// A line with an image `acme/api:1.4.2`, at some depth.
fn image_line() -> impl Strategy<Value = String> {
    let quote = prop::sample::select(vec!["", "'", "\""]);
    let blanks = prop::sample::select(vec![" ", "   ", " &a ", " !!str ", "\n        "]);
    let behind = prop::sample::select(vec!["", "  # 1.4.2 acme/api:1.4.2", " ", "\t"]);
    let text =
        prop::sample::select(vec!["acme/api:1.4.2", "acme/api:${T:-1.4.2}", "${I-acme/api:1.4.2}"]);
    (quote, blanks, behind, text).prop_map(|(quote, blanks, behind, text)| {
        format!("image:{blanks}{quote}{text}{quote}{behind}")
    })
}

fn other_line() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "# 1.4.2: a comment: acme/api:1.4.2",
        "",
        "hostname: \"ü 1.4.2\"",
        "environment: {A: 'acme/api:1.4.2', B: x}",
        "command: >\n      run acme/api:1.4.2\n      twice",
        "labels:\n    - a=acme/api:1.4.2",
        "working_dir: \t/x",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        begins in prop::sample::select(vec!["", "services:\n  api:\n    image: ", "services: {api: {image: "]),
        text in "[ -~ä\n\r\t]{0,40}|([a-c:/@.${}'\"|>&*!-]|\\$\\{T|:-|\n      ){0,30}",
        env in "(T[=:])?[ -~ä\n\r'\"$]{0,20}",
    ) {
        let text = format!("{begins}{text}");
        let files = [("shop/compose.yaml", text.as_str()), ("shop/.env", env.as_str())];
        pinned(&files, "", &[], &["shop/api acme/api:2"]);
    }

    #[test]
    fn an_edit_changes_one_range_and_nothing_else(
        before in prop::collection::btree_set(other_line(), 0..4),
        image in image_line(),
        after in prop::collection::btree_set(other_line(), 0..4),
        crlf in any::<bool>(),
        mark in any::<bool>(),
        last in any::<bool>(),
    ) {
        let mut text = "services:\n  web: {image: acme/api:1.4.2}\n  api:\n".to_owned();
        let after = after.into_iter().filter(|line| !before.contains(line));
        for line in before.iter().cloned().chain([image]).chain(after) {
            text.push_str(&format!("    {line}\n"));
        }
        if last {
            text.push_str("  db: {image: acme/api:1.4.2} # 1.4.2");
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        if mark {
            text.insert(0, '\u{feff}');
        }
        let files = [("shop/compose.yaml", text.as_str())];
        let edited = pinned(&files, "", &[], &["shop/api acme/api:9-x"]);
        prop_assert!(edited.refused.is_empty(), "{:?}\n{text}", edited.refused);
        let new = std::str::from_utf8(&edited.files["shop/compose.yaml"]).unwrap();
        let same_start = text.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
        let rest = (&text[same_start..], &new[same_start..]);
        let same_end = rest.0.bytes().rev().zip(rest.1.bytes().rev()).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(&rest.0[..rest.0.len() - same_end], "1.4.2");
        prop_assert_eq!(&rest.1[..rest.1.len() - same_end], "9-x");
    }
}
