use super::world::*;
use crate::history::SourceReport;
use crate::model::observed::{EngineInfo, ObservedContainer, ObservedImage};
use crate::model::{ContainerState, ObservedState, SourceName};
use crate::plan::Verdict;
use crate::report::wire::{self, SbomReport, Standing};

fn document(observed: &ObservedState, now: jiff::Timestamp) -> SbomReport {
    let desired = desired(&["shop/api", "shop/web"]);
    let plan = plan([("shop/api", Verdict::InSync), ("shop/web", Verdict::InSync)]);
    let sources: Vec<(SourceName, SourceReport)> = super::standings::sources();
    let status = wire::status(&Standing {
        pressure: None,
        host: &desired.host,
        engine: Ok(&EngineInfo::default()),
        sources: &sources,
        desired: Some(&desired),
        observed,
        plan: Some(&plan),
        recorded: &[],
        generations: &Default::default(),
        now,
    });
    wire::sbom(&status, observed, now)
}

fn running(service: &str) -> ObservedContainer {
    let image = format!("ghcr.io/acme/app:1.4.2@{}", digest());
    ObservedContainer { image, ..container(service) }
}

#[test]
fn what_runs_is_a_component_for_each_image_and_a_service_for_each_service() {
    let report = document(&observed(vec![running("shop/api"), running("shop/web")]), now());
    json(&report);
    let document = serde_json::to_value(&report).unwrap();
    let hex = "ab".repeat(32);
    // The tag is a variable of the server, so that neither it nor a purl with it is spelt out.
    let purl = format!("pkg:oci/app@sha256%3A{hex}?repository_url=ghcr.io/acme/app");
    assert_eq!(
        document["components"],
        serde_json::json!([{
            "type": "container",
            "bom-ref": purl,
            "name": "ghcr.io/acme/app",
            "version": format!("sha256:{hex}"),
            "hashes": [{"alg": "SHA-256", "content": hex}],
            "purl": purl,
        }])
    );
    let api = &document["services"][0];
    assert_eq!((&api["group"], &api["name"]), (&"shop".into(), &"api".into()));
    let properties = api["properties"].as_array().unwrap();
    let property = |name: &str| {
        let found = properties.iter().find(|one| one["name"] == name);
        found.map(|one| one["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(property("evenkeel:container").as_deref(), Some("shop-api-1"));
    assert_eq!(property("evenkeel:generation").as_deref(), Some("7"));
    assert_eq!(property("evenkeel:source").as_deref(), Some("infra"));
    let depends = document["dependencies"].as_array().unwrap();
    assert_eq!(depends[0]["ref"], "host:web-1");
    assert_eq!(depends[1], serde_json::json!({"ref": "service:shop/api", "dependsOn": [purl]}));
}

#[test]
fn the_same_host_gives_the_same_document_but_for_its_time_and_its_serial_number() {
    let seen = observed(vec![running("shop/api"), running("shop/web")]);
    let mut other = seen.clone();
    other.containers.reverse();
    assert_eq!(document(&seen, now()), document(&other, now()));
    let later = document(&seen, now() + jiff::Span::new().seconds(1));
    let first = document(&seen, now());
    assert_ne!(later.serial_number, first.serial_number);
    let mut same = SbomReport { serial_number: first.serial_number.clone(), ..later };
    same.metadata.timestamp = first.metadata.timestamp;
    assert_eq!(same, first);
    let uuid = regex::Regex::new(
        "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$",
    );
    assert!(uuid.unwrap().is_match(&first.serial_number), "{}", first.serial_number);
}

#[test]
fn what_does_not_run_is_not_in_it_and_what_compose_made_is() {
    let ended = ContainerState::Exited { code: 0, oom_killed: false };
    let ended = ObservedContainer { id: "other".into(), state: ended, ..running("shop/web") };
    let by_compose = ObservedContainer { image: "acme/app:2".to_owned(), ..container("shop/api") };
    let mut seen = observed(vec![by_compose, ended]);
    let other = "cd".repeat(32);
    seen.images.push(ObservedImage {
        id: seen.containers[0].image_id.to_string(),
        digests: vec![format!("acme/other@{}", digest()), format!("acme/app@sha256:{other}")],
        ..ObservedImage::default()
    });
    let report = document(&seen, now());
    let names: Vec<&str> = report.services.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["api"]);
    assert_eq!(report.components[0].hashes[0].content, other);
}

#[test]
fn an_image_that_came_from_no_registry_has_an_id_and_no_purl() {
    let built = ObservedContainer { image: "mine:1".to_owned(), ..container("shop/api") };
    let report = document(&observed(vec![built.clone()]), now());
    let component = &report.components[0];
    assert_eq!((&component.purl, component.hashes.len()), (&None, 0));
    assert_eq!(component.bom_ref.as_deref(), Some(format!("image:{}", built.image_id)).as_deref());
}
