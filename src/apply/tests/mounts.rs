//! Mounts that not every engine knows, and those that bring along something of their own.

use super::bench::*;
use crate::engine::fake::ImageBehaviour;
use crate::model::spec::{MountSource, Recursion};
use crate::plan::step::Step;
use crate::plan::{Block, Plan, Verdict};

fn part_of(volume: &str, path: &str) -> MountSource {
    MountSource::Volume { name: volume.into(), copy: true, subpath: Some(path.to_owned()) }
}

fn bound(recursive: Recursion) -> MountSource {
    MountSource::Bind {
        path: "/srv".into(),
        propagation: None,
        selinux: None,
        create_host_path: false,
        recursive: Some(recursive),
    }
}

/// What a host with this release says to a service that mounts `source`.
async fn verdict_of(source: MountSource, version: &str, api: &str) -> Verdict {
    let mut host = Bench::new();
    host.world.is_release(version, api);
    let app = host.app();
    host.want("shop", [service("web", &app).mount(source)]);
    verdict(&host.plan().await, "shop/web").clone()
}

#[tokio::test(start_paused = true)]
async fn a_mount_that_the_engine_is_too_old_for_keeps_the_service_as_it_is() {
    let image = MountSource::Image { image: Bench::new().app(), subpath: None };
    let cases = [
        (part_of("data", "a"), "1.44", "1.45", "`volumes./data.volume.subpath`", "Docker 26.0"),
        (bound(Recursion::Writable), "1.43", "1.44", "`volumes./data.bind.recursive`", "25.0"),
        (bound(Recursion::ReadOnly), "1.43", "1.44", "`volumes./data.bind.recursive`", "25.0"),
        (image, "1.47", "1.48", "`volumes./data.type: image`", "Docker 28.0"),
    ];
    for (source, old, new, key, release) in cases {
        let blocked = verdict_of(source.clone(), "old", old).await;
        let Verdict::Blocked(Block::World { message, hint }) = &blocked else {
            panic!("{key}: {blocked:?}");
        };
        assert!(message.contains(key) && message.contains(&format!("API {new}")), "{message}");
        assert!(hint.as_ref().unwrap().contains(release), "{hint:?}");
        assert_eq!(verdict_of(source, "new", new).await, Verdict::Create, "{key}");
    }
    let as_old_as_can_be = verdict_of(bound(Recursion::Disabled), "20.10", "1.41").await;
    assert_eq!(as_old_as_can_be, Verdict::Create);
}

fn pulls(plan: &Plan) -> Vec<String> {
    let pull = |step: &Step| matches!(step, Step::PullImage { .. }).then(|| step.subject());
    plan.steps.iter().filter_map(|planned| pull(&planned.step)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_mounted_is_pulled_before_the_container_is_made() {
    let mut host = Bench::new();
    let app = host.app();
    let first = host.image("site", ImageBehaviour::default());
    let site = |image: &crate::model::PinnedImage| MountSource::Image {
        image: image.clone(),
        subpath: Some("html".to_owned()),
    };
    let both = [service("one", &app).mount(site(&first)), service("two", &app).mount(site(&first))];
    host.want("shop", both);
    assert_eq!(pulls(&host.plan().await), [app.familiar(), first.to_string()]);
    host.converge().await;
    let second = host.image("site", ImageBehaviour::default());
    assert_ne!(first, second);
    host.want("shop", [service("one", &app).mount(site(&second))]);
    let plan = host.plan().await;
    assert_eq!(pulls(&plan), [second.to_string()]);
    let told = verdict(&plan, "shop/one").differences();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].field, "volumes./data");
    host.converge().await;
}

#[tokio::test(start_paused = true)]
async fn another_part_of_a_volume_is_other_data() {
    let mut host = Bench::new();
    let app = host.app();
    host.want("shop", [service("web", &app).mount(part_of("shop_data", "a"))]);
    host.converge().await;
    host.want("shop", [service("web", &app).mount(part_of("shop_data", "b"))]);
    let plan = host.plan().await;
    let Verdict::Held(held) = verdict(&plan, "shop/web") else { panic!() };
    assert!(held.why.contains("a in volume shop_data"), "{}", held.why);
    host.assert_quiet().await;
}
