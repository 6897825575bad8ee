//! Where a path leads counts, and not how it is written: containers can lay symbolic links in their own directories.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{World, check, manifest};

/// A stack whose directory is there, with what `lay` puts into it; each line of `volumes` is mounted.
fn world(volumes: &[&str], lay: impl Fn(&PathBuf)) -> (tempfile::TempDir, World) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap().join("shop");
    std::fs::create_dir(&home).unwrap();
    lay(&home);
    let volumes: String = volumes.iter().map(|volume| format!("\n- {volume}")).collect();
    let mut world = World::shop(&manifest(&format!("volumes:{volumes}")));
    world.dir = Some(home);
    (dir, world)
}

#[test]
fn a_link_in_the_stacks_directory_leads_out_or_not() {
    let lay = |home: &PathBuf| {
        std::fs::create_dir_all(home.join("data/deep")).unwrap();
        symlink("/", home.join("root")).unwrap();
        symlink("/etc", home.join("etc")).unwrap();
        symlink("data", home.join("inside")).unwrap();
        symlink("../../..", home.join("data/up")).unwrap();
        symlink("/nowhere/yet", home.join("later")).unwrap();
        symlink("/run/docker.sock", home.join("sock")).unwrap();
        symlink("ring", home.join("ring")).unwrap();
    };
    let at = |rule: &str| format!("{rule} services.web.volumes[0] 5");
    for (volume, rules) in [
        ("./data:/d", vec![]),
        ("./:/d", vec![]),
        ("./not/there/yet:/d", vec![]),
        ("./inside/deep:/d", vec![]),
        ("./root:/d", vec!["docker_socket", "host_binds"]),
        ("./root/etc:/d:ro", vec!["host_binds"]),
        ("./etc:/d", vec!["host_binds"]),
        ("./etc/cron.d:/d", vec!["host_binds"]),
        ("./data/up/x:/d", vec!["host_binds"]),
        ("./inside/up/x:/d", vec!["host_binds"]),
        ("./later:/d", vec!["host_binds"]),
        ("./sock:/d", vec!["docker_socket"]),
        ("./ring:/d", vec!["host_binds"]),
        ("./ring/x:/d", vec!["host_binds"]),
    ] {
        let (_dir, mut world) = world(&[volume], lay);
        let expected: Vec<String> = rules.iter().map(|rule| at(rule)).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&mut world, "", &expected, volume);
    }
}

/// Else whoever got an exception for one end could lead the way to another.
#[test]
fn a_link_is_excepted_by_where_it_leads() {
    let (_dir, mut world) = world(&["./x:/d"], |home| symlink("/srv/one", home.join("x")).unwrap());
    let home = world.dir.clone().unwrap();
    let line = |path: &str| {
        vec![format!("- {{stack: shop, rule: host_binds, values: ['{path}'], reason: a}}")]
    };
    let left = |world: &mut World, path: &str| super::findings(world, "", &line(path)).len();
    assert_eq!(left(&mut world, "/srv/one"), 0);
    assert_eq!(left(&mut world, &home.join("x").display().to_string()), 1);
    std::fs::remove_file(home.join("x")).unwrap();
    symlink("/srv/two", home.join("x")).unwrap();
    assert_eq!(left(&mut world, "/srv/one"), 1);
}

#[test]
fn a_link_leads_out_of_a_directory_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().canonicalize().unwrap().join("media");
    std::fs::create_dir(&media).unwrap();
    symlink("/etc", media.join("out")).unwrap();
    symlink(&media, dir.path().join("alias")).unwrap();
    let rules = format!("  host_binds: [{}]", media.display());
    let shop = |path: &str| {
        let path = dir.path().canonicalize().unwrap().join(path);
        World::shop(&manifest(&format!("volumes: ['{}:/m']", path.display())))
    };
    check(&mut shop("media/films"), &rules, &[], "below it");
    check(&mut shop("alias/films"), &rules, &[], "by another way");
    let out = ["host_binds services.web.volumes[0] 4"];
    check(&mut shop("media/out"), &rules, &out, "out of it");
    check(&mut shop("media/out/cron.d"), &rules, &out, "further out of it");
    // A directory that is allowed by another name is the same directory.
    let rules = format!("  host_binds: [{}]", dir.path().join("alias").display());
    check(&mut shop("media/films"), &rules, &[], "by its own name");
}

#[test]
fn where_compose_ran_a_project_is_its_own_unless_it_is_more_than_that() {
    for (place, expected) in [
        ("/opt/shop", vec![]),
        ("/srv/stacks/shop", vec![]),
        ("/root", vec!["host_binds services.web.volumes[0] 4"]),
        ("/home/me", vec!["host_binds services.web.volumes[0] 4"]),
        ("/home/me/shop", vec![]),
        ("/home/keel", vec!["host_binds services.web.volumes[0] 4"]),
    ] {
        let mut world = World::shop(&manifest("volumes: ['./d:/d']"));
        world.taken_over = Some(place.into());
        check(&mut world, "", &expected, place);
    }
}

#[test]
fn exported_files_and_secrets_are_evenkeels_own() {
    let text = "volumes: ['./site.conf:/c:ro']\nsecrets: [s]\n---\nsecrets: {s: {file: s.txt}}\n";
    let mut world = World::shop(&manifest(text))
        .with_file("shop/site.conf", "a")
        .with_server_file("shop/s.txt", "b");
    check(&mut world, "", &[], text);
}
