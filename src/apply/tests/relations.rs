//! What relates services to each other and to networks, as passes carry it out.

use super::bench::*;
use crate::model::spec::{Attachment, Endpoint};
use crate::plan::{Block, Verdict};

#[tokio::test(start_paused = true)]
async fn what_the_engine_is_too_old_for_is_told_with_both_versions_and_nothing_is_done() {
    let mut host = Bench::new();
    let app = host.app();
    let named = |name: &str| {
        let mut endpoint = Endpoint::plain("shop_default".into());
        endpoint.driver_opts.insert(name.into(), "eth7".into());
        Attachment::Networks(vec![endpoint])
    };
    let on = |network| service("web", &app).with(|service| service.settings.network = network);
    host.want("shop", [on(named(Endpoint::INTERFACE_NAME))]);
    let plan = host.plan().await;
    let Verdict::Blocked(Block::World { message, hint }) = verdict(&plan, "shop/web") else {
        panic!("{:?}", verdict(&plan, "shop/web"));
    };
    for part in ["networks.shop_default.interface_name", "API 1.49", "Docker 28.0.0, has 1.48"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(hint.as_ref().unwrap().contains("Docker 28.1"), "{hint:?}");
    assert_eq!(plan.steps.len(), 0);
    host.want("shop", [on(named("any.other"))]);
    assert_eq!(*verdict(&host.plan().await, "shop/web"), Verdict::Create);
}
