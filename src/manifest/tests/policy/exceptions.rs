//! Exceptions are narrow: one stack, one service, one rule, these values, until this day.

use jiff::civil::Date;

use super::{World, findings, told};

const TEXT: &str = "services:\n  web:\n    image: a:1\n    cap_add: [SYS_ADMIN, NET_ADMIN]\n    volumes: ['/srv/a:/a', '/srv/a/b:/b']\n  db:\n    image: a:1\n    privileged: true\n";
const ALL: [&str; 5] = ["cap_add 4", "cap_add 4", "host_binds 5", "host_binds 5", "privileged 8"];

/// What is left of [`ALL`] with one exception, on `day`.
fn left(exception: &str, day: Date) -> Vec<String> {
    let mut world = World::shop(TEXT);
    world.today = day;
    let found = findings(&mut world, "", &[format!("- {exception}")]);
    let short = |told: String| {
        let mut words = told.split(' ');
        format!("{} {}", words.next().unwrap(), words.next_back().unwrap())
    };
    found.iter().map(told).map(short).collect()
}

const DAY: Date = Date::constant(2027, 3, 1);

#[test]
fn an_exception_allows_what_it_names() {
    for (exception, expected) in [
        ("{stack: shop, service: web, rule: cap_add, reason: a}", &ALL[2..]),
        ("{stack: shop, rule: cap_add, reason: a}", &ALL[2..]),
        ("{stack: shop, service: web, rule: cap_add, values: [SYS_ADMIN], reason: a}", &ALL[1..]),
        (
            "{stack: shop, service: web, rule: cap_add, values: [cap_net_admin], reason: a}",
            &ALL[1..],
        ),
        ("{stack: shop, service: web, rule: cap_add, values: [SYS_TIME], reason: a}", &ALL[..]),
        ("{stack: shop, service: db, rule: cap_add, reason: a}", &ALL[..]),
        ("{stack: blog, service: web, rule: cap_add, reason: a}", &ALL[..]),
        ("{stack: shop, service: db, rule: privileged, reason: a}", &ALL[..4]),
        ("{stack: shop, service: web, rule: privileged, reason: a}", &ALL[..]),
        // A path alone, and not what lies below it.
        (
            "{stack: shop, service: web, rule: host_binds, values: [/srv/a], reason: a}",
            &["cap_add 4", "cap_add 4", "host_binds 5", "privileged 8"],
        ),
        (
            "{stack: shop, service: web, rule: host_binds, values: [/srv/a/], reason: a}",
            &["cap_add 4", "cap_add 4", "host_binds 5", "privileged 8"],
        ),
        ("{stack: shop, service: web, rule: host_binds, values: [/srv], reason: a}", &ALL[..]),
    ] {
        assert_eq!(left(exception, DAY), expected, "{exception}");
    }
}

#[test]
fn an_exception_holds_through_the_end_of_its_last_day() {
    let until = "{stack: shop, service: db, rule: privileged, reason: a, until: 2027-03-01}";
    for (day, expected) in [
        (Date::constant(2026, 12, 31), &ALL[..4]),
        (Date::constant(2027, 3, 1), &ALL[..4]),
        (Date::constant(2027, 3, 2), &ALL[..]),
        (Date::constant(2030, 1, 1), &ALL[..]),
    ] {
        assert_eq!(left(until, day), expected, "{day}");
    }
}

#[test]
fn a_warning_is_a_remark_with_its_place() {
    let mut world = World::shop(TEXT);
    assert_eq!(findings(&mut world, "  preset: open", &[]), []);
    let remarks: Vec<String> = world
        .stack()
        .remarks
        .iter()
        .map(|remark| format!("{} {}", remark.place.as_ref().unwrap(), remark.text))
        .collect();
    assert_eq!(remarks.len(), ALL.len(), "{remarks:?}");
    let expected = "shop/compose.yaml:8:17 service `db` asks to be privileged; `privileged`: a privileged \
                    container is root of the host";
    assert!(remarks.iter().any(|remark| remark == expected), "{remarks:#?}");
}

#[test]
fn a_refusal_says_what_is_risked_and_what_would_allow_it() {
    let mut world = World::shop(TEXT);
    let found = findings(&mut world, "", &[]);
    let last = found.last().unwrap();
    assert_eq!(last.message, "service `db` asks to be privileged, which this host does not allow");
    assert_eq!(last.excerpt.as_deref(), Some("    privileged: true"));
    assert_eq!(last.notes, ["a privileged container is root of the host"]);
    let hint = "if it is meant, add to `policy.exceptions` of the server: `- {stack: shop, service: db, \
                rule: privileged, reason: \"why it needs it\"}`";
    assert_eq!(last.hint.as_deref(), Some(hint));
}

#[test]
fn a_secret_in_git_is_remarked_and_one_of_the_servers_is_not() {
    let text = "services:\n  web:\n    image: a:1\n    env_file: [in-git.env, own.env]\n    environment:\n      DB_PASSWORD: hunter2\n      API_TOKEN: ${TOKEN}\n      OTHER_TOKEN:\n      LEVEL: info\n      KEY_FILE: /run/secrets/key\n      URL: postgres://app:s3cret@db/app\n    post_start: [{command: [a], environment: {A_SECRET: x1}}]\n";
    let mut world =
        World::new(&[("shop/compose.yaml", text), ("shop/in-git.env", "SMTP_PASS=b4\n")])
            .with_server_file("shop.env", "TOKEN=from-the-server\nOTHER_TOKEN=too\n")
            .with_server_file("shop/own.env", "OWN_SECRET=from-the-server\n");
    let found: Vec<String> =
        findings(&mut world, "  literal_secrets: deny", &[]).iter().map(told).collect();
    assert_eq!(
        found,
        [
            "literal_secrets services.web.env_file 4",
            "literal_secrets services.web.environment.DB_PASSWORD 6",
            "literal_secrets services.web.environment.URL 11",
            "literal_secrets services.web.post_start[0] 12",
        ]
    );
    super::check(
        &mut world,
        "  literal_secrets: deny",
        &found.iter().map(String::as_str).collect::<Vec<_>>(),
        "secrets in git",
    );
    let list = "  literal_secrets: {level: deny, allow: [SMTP_PASS, DB_PASSWORD, URL, A_SECRET]}";
    assert_eq!(findings(&mut world, list, &[]), []);
    let remarks = findings(&mut world, "", &[]);
    assert_eq!(remarks, []);
    let text = super::super::remarks(&world.stack());
    assert!(text.contains("has the value of `DB_PASSWORD` in git"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("s3cret"), "{text}");
}
