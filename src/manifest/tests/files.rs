//! Files of the repository and the server that containers see.

use super::{World, manifest, mount_text, remarks, web};
use crate::model::ServiceName;

#[test]
fn a_tracked_source_is_exported_by_content_and_mounted_read_only() {
    let world = || World::shop(&manifest("volumes: ['./conf/a.yml:/a.yml']"));
    let stack = world().with_file("shop/conf/a.yml", "x").stack();
    assert!(remarks(&stack).contains("`shop/conf/a.yml` is in git and is mounted read-only"));
    let mounted = &stack.record.mounted[&ServiceName::new("web")];
    assert_eq!(mounted.iter().collect::<Vec<_>>(), ["shop/conf/a.yml"]);
    let service = web(stack);
    let target = service.exports[0].target.display().to_string();
    assert!(target.starts_with("/data/.exported/") && target.ends_with("/a.yml"), "{target}");
    assert_eq!(mount_text(&service.settings), [format!("/a.yml <- {target},must-exist ro")]);
    assert!(service.directories.is_empty());

    let same = web(world().with_file("shop/conf/a.yml", "x").with_file("other", "y").stack());
    assert_eq!(same.exports[0].target, service.exports[0].target, "same content, same path");
    let other = web(world().with_file("shop/conf/a.yml", "z").stack());
    assert_ne!(other.exports[0].target, service.exports[0].target);
}

#[test]
fn an_untracked_source_is_the_servers_directory() {
    let mut world = World::shop(&manifest("volumes: ['./db:/db', './kept/:/kept']"))
        .with_file("shop/kept/.gitkeep", "")
        .with_file("shop/kept/inner/.gitignore", "*");
    let service = web(world.stack());
    assert_eq!(
        mount_text(&service.settings),
        ["/db <- /data/shop/db rw", "/kept <- /data/shop/kept rw"]
    );
    assert_eq!(service.directories.len(), 2);
    assert!(service.exports.is_empty());
    world.dir = Some("/opt/shop".into());
    assert_eq!(mount_text(&web(world.stack()).settings)[0], "/db <- /opt/shop/db rw");
}

#[test]
fn the_files_of_a_project_of_composes_are_looked_for_where_it_ran() {
    let mut world = World::shop(&manifest("volumes: ['./db:/db', '/srv:/srv']"));
    world.taken_over = Some("/opt/shop".into());
    let stack = world.stack();
    assert!(remarks(&stack).contains("in `/opt/shop`, where Compose ran this project"));
    assert_eq!(stack.working_dir.to_str(), Some("/opt/shop"));
    assert_eq!(mount_text(&web(stack).settings)[0], "/db <- /opt/shop/db rw");

    world.dir = Some("/srv/shop".into());
    let stack = world.stack();
    assert_eq!(remarks(&stack), "", "the operator knows");
    assert_eq!(mount_text(&web(stack).settings)[0], "/db <- /srv/shop/db rw");
}

#[test]
fn where_compose_ran_a_project_is_not_told_where_nothing_lies_there() {
    let mut world = World::shop(&manifest("volumes: ['/srv:/srv']"));
    world.taken_over = Some("/opt/shop".into());
    assert_eq!(remarks(&world.stack()), "");
}

#[test]
fn a_tracked_source_may_lie_beside_the_stack_but_not_outside_the_repository() {
    let world = World::shop(&manifest("volumes: ['../shared:/a:ro']")).with_file("shared/x", "1");
    let stack = world.stack();
    assert_eq!(remarks(&stack), "");
    assert_eq!(web(stack).exports[0].path, "shared");
}

#[test]
fn an_untracked_source_may_lie_beside_the_stack_but_not_further_off() {
    let at = |path: &str, volume: &str| {
        World::new(&[(path, &manifest(&format!("volumes: ['{volume}']")))])
    };
    let service = web(at("a/b/shop/compose.yaml", "../shared:/a").stack());
    assert_eq!(mount_text(&service.settings), ["/a <- /data/shared rw"]);
    for volume in ["../../state:/a", "../.exported:/a"] {
        let problems = at("a/b/shop/compose.yaml", volume).problems();
        assert!(problems.contains("leads out of"), "{volume}: {problems}");
    }
}

#[test]
fn a_directory_with_a_link_in_it_cannot_be_mounted() {
    let mut world = World::shop(&manifest("volumes: ['./conf:/a']")).with_file("shop/conf/x", "1");
    world.tree.insert_symlink("shop/conf/inner/link");
    let problems = world.problems();
    assert!(problems.contains("`shop/conf/inner/link` in it is a symbolic link"), "{problems}");
}

#[test]
fn a_path_through_a_link_is_refused() {
    let mut world = World::shop(&manifest("volumes: ['./link/x:/a']\nenv_file: link/y"));
    world.tree.insert_symlink("shop/link");
    let problems = world.problems();
    assert_eq!(problems.matches("`shop/link` is a symbolic link").count(), 2, "{problems}");
}

const WITH_SECRET: &str = "services:\n  web:\n    image: a\n    secrets: [db, {source: db, target: other, uid: '7', mode: 0400}]\n    configs: [conf]\nsecrets: {db: {file: ./db.txt}}\nconfigs: {conf: {content: 'a $$b'}}\n";

#[test]
fn secrets_and_configs_are_written_by_content_and_bound_read_only() {
    let stack = World::shop(WITH_SECRET).with_server_file("shop/db.txt", "hunter2-hunter2").stack();
    assert_eq!(stack.masks.mask("hunter2-hunter2"), "•••");
    let service = web(stack);
    let targets: Vec<&str> = service.settings.mounts.iter().map(|m| m.target.as_str()).collect();
    assert_eq!(targets, ["/conf", "/run/secrets/db", "/run/secrets/other"]);
    assert!(service.settings.mounts.iter().all(|mount| mount.read_only));
    let modes: Vec<_> = service.secret_files.iter().map(|f| (f.uid, f.mode)).collect();
    assert_eq!(modes, [(None, 0o444), (Some(7), 0o400), (None, 0o444)]);
    assert!(service.secret_files.iter().all(|f| f.target.starts_with("/state/secrets")));
    assert_ne!(service.secret_files[0].target, service.secret_files[1].target);
    assert_eq!(service.secret_files[2].content.0, b"a $b");
}

#[test]
fn a_secret_of_the_server_goes_before_the_one_in_git() {
    let content = |world: World| web(world.stack()).secret_files[0].content.0.clone();
    let world = || World::shop(WITH_SECRET).with_file("shop/db.txt", "git");
    assert_eq!(content(world()), b"git");
    assert_eq!(content(world().with_server_file("shop/db.txt", "server")), b"server");
}

#[test]
fn what_is_external_or_not_declared_is_refused() {
    let external = WITH_SECRET.replace("{file: ./db.txt}", "{external: true}");
    assert!(World::shop(&external).problems().contains("`external` is not supported"));
    let undeclared = WITH_SECRET.replace("secrets: {db: ", "secrets: {other: ");
    let world = World::shop(&undeclared).with_server_file("shop/db.txt", "x");
    assert!(world.problems().contains("wants secret `db`, which is not declared"));
}

#[test]
fn what_was_read_from_git_is_kept_and_nothing_of_the_server() {
    let world = World::shop(&manifest("env_file: [a.env, b.env]"))
        .with_file("shop/a.env", "A=1")
        .with_file("shop/.env", "C=1")
        .with_file("shop/compose.override.yaml", "services: {web: {user: a}}")
        .with_server_file("shop/b.env", "B=hunter2");
    let record = world.stack().record.manifest;
    let files: Vec<&str> = record.keys().map(String::as_str).collect();
    assert_eq!(
        files,
        ["shop/.env", "shop/a.env", "shop/compose.override.yaml", "shop/compose.yaml"]
    );
}

#[test]
fn a_pointer_of_git_lfs_is_taken_as_it_is_and_told() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
    let manifest = manifest("secrets: [big]") + "secrets: {big: {file: ./big.bin}}\n";
    let stack = World::shop(&manifest).with_file("shop/big.bin", pointer).stack();
    assert!(remarks(&stack).contains("`shop/big.bin` is a pointer of Git LFS"));
    assert_eq!(web(stack).secret_files[0].content.0, pointer.as_bytes());
}
