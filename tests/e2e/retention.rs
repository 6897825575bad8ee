//! Images: what can be gone back to stays, the rest of what was pulled goes, and nothing else is touched, however full
//! the disk is.

use std::process::Command;

use crate::support::host::Host;
use crate::support::own_engine::OwnEngine;
use crate::support::registry::Kind;
use crate::support::stdout_of;

/// `web` with this tag and a file of the repository that says so.
fn commit(host: &Host, tag: &str) {
    let stack = format!(
        "services:\n  \
           web:\n    \
             image: '@REGISTRY@/acme/web:{tag}'\n    \
             network_mode: none\n    \
             stop_signal: SIGKILL\n    \
             volumes: ['./conf:/conf:ro']\n"
    );
    host.commit(&[("shop-@ID@/compose.yaml", &stack), ("shop-@ID@/conf/tag", tag)]);
}

/// The tags of `acme/web`, of which these digests are, that the engine has by digest.
fn here(engine: &OwnEngine, digests: &[String]) -> Vec<usize> {
    let names = engine.image_names();
    let is_here = |digest: &String| names.iter().any(|name| name.ends_with(digest.as_str()));
    (1..).zip(digests).filter(|(_, digest)| is_here(digest)).map(|(tag, _)| tag).collect()
}

#[test]
fn what_can_be_gone_back_to_stays_and_nothing_of_others_is_touched() {
    let mut host = Host::new();
    let Some(engine) = OwnEngine::start(&host, 300) else { return };
    let tags = ["1", "2", "3", "4", "5", "6"];
    let digests: Vec<String> =
        tags.iter().map(|tag| host.push("acme/web", tag, Kind::Web)).collect();
    let by_digest = |tag: usize| format!("{}/acme/web@{}", host.registry.host, digests[tag - 1]);
    // What others have: an image that nobody uses, a volume, and soon a stopped container and a name.
    host.push("their/tool", "1", Kind::Job);
    let tool = format!("{}/their/tool:1", host.registry.host);
    engine.docker(&["pull", "-q", &tool]);
    engine.docker(&["volume", "create", "precious"]);
    for (number, tag) in (1..).zip(tags) {
        commit(&host, tag);
        engine.pass(&host).ends(0);
        match number {
            1 => drop(engine.docker(&["create", "--name", "theirs", "--net=none", &by_digest(1)])),
            2 => drop(engine.docker(&["tag", &by_digest(2), "mine/copy:1"])),
            _ => {}
        }
    }
    assert_eq!(
        here(&engine, &digests),
        [1, 4, 5, 6],
        "1 has a container, 4 to 6 can be gone back to"
    );
    let names = engine.image_names();
    let has = |name: &str| names.iter().any(|one| one == name);
    assert!(has("mine/copy:1") && has(&tool), "{names:?}");
    let ours = names.iter().filter(|name| name.starts_with("evenkeel/shop-"));
    assert!(ours.count() >= 3, "{names:?}");
    let exported = host.path("data").join(".exported");
    assert_eq!(std::fs::read_dir(exported).unwrap().count(), 1, "files of old versions are gone");
    // A second pass has nothing to do, and what stays is not left over for a cron job.
    engine.pass(&host).ends(0).does(&[]);
    engine.docker(&["image", "prune", "-f"]);
    assert_eq!(here(&engine, &digests), [1, 4, 5, 6]);

    let images = engine.run(&host, &["images"]);
    let mut needed: Vec<String> = [1, 4, 5, 6].map(by_digest).into();
    needed.sort();
    let mut told: Vec<String> = images.ends(0).stdout.lines().map(str::to_owned).collect();
    told.sort();
    assert_eq!(told, needed);
    let json = engine.run(&host, &["images", "--output", "json"]).json();
    assert_eq!(json["schema"], "evenkeel.images/v1");

    host.registry.stop();
    engine.run(&host, &["rollback", "shop-@ID@/web"]).ends(0);
    let inspect = ["inspect", "--format", "{{.Config.Image}}", &host.name("shop-web-1")];
    assert!(engine.docker(&inspect).ends_with(&digests[4]), "it runs 5, without a registry");

    // What nobody uses and others pulled goes only where somebody says so twice.
    let dry = engine.run(&host, &["prune", "--dry-run"]);
    dry.ends(0).says("nothing would go").says("nobody uses it, and evenkeel did not pull it");
    dry.says("the container theirs is made from it").says("web can go back to it (generation 4)");
    engine.run(&host, &["prune"]).ends(0);
    engine.run(&host, &["prune", "--include-foreign"]).ends(0).says("2 images would go");
    let names = engine.image_names();
    assert!(names.contains(&tool) && names.contains(&"mine/copy:1".to_owned()), "{names:?}");
    let pruned =
        engine.run(&host, &["prune", "--include-foreign", "--yes", "--output", "json"]).json();
    assert_eq!(
        (&pruned["schema"], &pruned["dry_run"]),
        (&"evenkeel.prune/v1".into(), &false.into())
    );
    let names = engine.image_names();
    assert!(!names.contains(&tool) && !names.contains(&"mine/copy:1".to_owned()), "{names:?}");
    assert_eq!(here(&engine, &digests), [1, 4, 5, 6]);
    assert!(engine.try_docker(&["inspect", "theirs"]), "its container is still there");
    assert!(engine.try_docker(&["volume", "inspect", "precious"]), "the volume too");
}

/// Pushes an image of `mebibytes` that share nothing with another tag's.
fn push_heavy(host: &Host, tag: &str, mebibytes: u32) -> String {
    let root = host.path(&format!("heavy-{tag}"));
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/sleep")).unwrap();
    stdout_of(
        Command::new("dd")
            .args(["if=/dev/urandom", "bs=1M"])
            .args([format!("of={}", root.join("ballast").display()), format!("count={mebibytes}")]),
    );
    let archive = host.path("heavy.tar");
    stdout_of(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."));
    let image = format!("{}/acme/web:{tag}", host.registry.host);
    let change = "CMD [\"sleep\", \"100000\"]";
    host.docker(&["import", "-c", change, &archive.display().to_string(), &image]);
    host.docker(&["push", "-q", &image]);
    let digests = host.docker(&["inspect", "--format", "{{index .RepoDigests 0}}", &image]);
    host.docker(&["rmi", &image]);
    digests.rsplit_once('@').unwrap().1.to_owned()
}

#[test]
fn on_a_small_disk_that_fills_up_room_is_made_and_two_versions_stay() {
    let host = Host::new();
    let Some(engine) = OwnEngine::start(&host, 240) else { return };
    let settings = |disk: &str| {
        let usual = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";
        host.configure(&format!("{usual}\nretention: {{keep: 9, disk: {{{disk}}}}}"));
    };
    // Each is a tenth of the disk.
    settings("high: 65%, low: 40%");
    let tags = ["1", "2", "3", "4", "5", "6"];
    let digests: Vec<String> = tags.iter().map(|tag| push_heavy(&host, tag, 24)).collect();
    for tag in &tags[..5] {
        commit(&host, tag);
        engine.pass(&host).ends(0);
    }
    assert_eq!(here(&engine, &digests), [1, 2, 3, 4, 5], "at {} %", engine.used_percent());
    assert!((45..=65).contains(&engine.used_percent()), "{} %", engine.used_percent());
    commit(&host, "6");
    engine.pass(&host).ends(0);
    let (left, full) = (here(&engine, &digests), engine.used_percent());
    assert!(left.ends_with(&[5, 6]), "{left:?}");
    assert!(left.len() < 6 && left.len() > 2 && full <= 41, "{left:?} at {full} %");
    engine.run(&host, &["status"]).ends(0);

    // However little room there is, what runs and what ran before stays, and it is told.
    settings("high: 10%, low: 5%");
    engine.run(&host, &["prune"]).ends(1).says("too full:").says("(10 % is the limit)");
    assert_eq!(here(&engine, &digests), [5, 6]);
    engine.run(&host, &["status"]).ends(1).says("disk  degraded").says("images that are needed");
    let status = engine.run(&host, &["status", "--output", "json"]).json();
    assert_eq!(status["disk"]["state"], "degraded");
    engine.run(&host, &["rollback", "shop-@ID@/web"]).ends(0);
    // With another limit it is well again, whatever was written down.
    settings("high: 90%, low: 80%");
    engine.run(&host, &["status"]).ends(0);
}
