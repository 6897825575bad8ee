//! The OpenAPI document (OpenAPI Specification 3.1), made from the table of routes and the wire types.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::answer::ErrorReport;
use super::keys::Access;
use super::orders::AskedReport;
use super::routes::{Does, Method, ROUTES, Route};
use super::webhooks::WokenReport;
use super::wishes::{Hold, Reconcile, Retry, Rollback, Unhold};
use crate::metrics::Metrics;
use crate::report::wire::{
    DoneReport, HistoryReport, PassEvent, PassReport, PlanReport, StatusReport,
};

/// What a route is, in words and types.
struct Described {
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(&'static str, &'static str, &'static str, Value)>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut schemas = settings.into_generator();
    let error = schemas.subschema_for::<ErrorReport>().to_value();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(method(route).to_owned(), operation(route, &mut schemas, &error));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "evenkeel",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "get",
        Method::Post => "post",
    }
}

fn operation(route: &Route, schemas: &mut SchemaGenerator, error: &Value) -> Value {
    let described = describe(route.does, schemas);
    let mut responses = Map::new();
    for (status, description, kind, schema) in described.answers {
        let content = json!({ kind: {"schema": schema} });
        responses
            .insert(status.to_owned(), json!({"description": description, "content": content}));
    }
    let content = json!({ JSON: {"schema": error} });
    responses.insert(
        "default".to_owned(),
        json!({"description": "Why there is no such answer.", "content": content}),
    );
    let mut operation = json!({
        "operationId": format!("{:?}", route.does).to_lowercase(),
        "summary": described.summary,
        "responses": responses,
        "security": match route.access {
            Access::Open => json!([]),
            Access::Read | Access::Write => json!([{"token": []}]),
        },
    });
    if !described.parameters.is_empty() {
        operation["parameters"] = described.parameters.into();
    }
    if let Some(body) = described.body {
        // A pass of everything is asked for without a word.
        let required = route.does != Does::Reconcile;
        let content = json!({ JSON: {"schema": body} });
        operation["requestBody"] = json!({"required": required, "content": content});
    }
    operation
}

fn describe(does: Does, schemas: &mut SchemaGenerator) -> Described {
    match does {
        Does::Health => asks("The process serves.", &[], "200", "It does.", TEXT, text()),
        Does::Readiness => {
            let mut ready = asks("Whether passes end well.", &[], "200", "They do.", TEXT, text());
            ready.answers.push(("503", "They do not, and why.", TEXT, text()));
            ready
        }
        Does::Metrics => {
            asks("What a scraper reads.", &[], "200", "Figures.", Metrics::MEDIA_TYPE, text())
        }
        Does::Document => {
            asks("This document.", &[], "200", "It.", JSON, json!({"type": "object"}))
        }
        Does::Status => {
            let report = schemas.subschema_for::<StatusReport>().to_value();
            let scope = [query("scope", "Only this `STACK` or `STACK/SERVICE`.", string())];
            asks("Where everything stands.", &scope, "200", "`evenkeel status`", JSON, report)
        }
        Does::Stack => {
            let report = schemas.subschema_for::<StatusReport>().to_value();
            let names = [path("stack", string())];
            asks("Where a stack stands.", &names, "200", "`evenkeel status`", JSON, report)
        }
        Does::Service => {
            let report = schemas.subschema_for::<StatusReport>().to_value();
            let names = [path("stack", string()), path("service", string())];
            asks("Where a service stands.", &names, "200", "`evenkeel status`", JSON, report)
        }
        Does::Plan => {
            let report = schemas.subschema_for::<PlanReport>().to_value();
            let summary = "What a pass would do, or would if a commit were accepted.";
            asks(summary, &plan_queries(), "200", "`evenkeel plan`", JSON, report)
        }
        Does::History => {
            let report = schemas.subschema_for::<HistoryReport>().to_value();
            let summary = "What was changed, when, why, and how it ended.";
            asks(summary, &history_queries(), "200", "`evenkeel history`", JSON, report)
        }
        Does::PassOf => {
            let report = schemas.subschema_for::<PassReport>().to_value();
            let waits = schemas.subschema_for::<AskedReport>().to_value();
            let id = [path("pass", json!({"type": "integer", "minimum": 1}))];
            let summary = "How a pass that was asked for comes out.";
            let mut pass = asks(summary, &id, "200", "`evenkeel reconcile --once`", JSON, report);
            pass.answers.push(("202", "It has not ended yet.", JSON, waits));
            pass
        }
        Does::Events => {
            // Each `data:` is one of these; there is no word for that in OpenAPI 3.1.
            let _ = schemas.subschema_for::<PassEvent>();
            let summary =
                "What happens in passes, as server-sent events: each `data` is a `PassEvent`.";
            asks(summary, &[], "200", "Events.", "text/event-stream", text())
        }
        Does::Reconcile => {
            let (wish, asked) =
                (schemas.subschema_for::<Reconcile>(), schemas.subschema_for::<AskedReport>());
            let summary = "Ask for a pass: one more, where one is under way.";
            orders(summary, wish.to_value(), "202", "It is asked for.", asked.to_value())
        }
        Does::Hold => {
            let (wish, done) =
                (schemas.subschema_for::<Hold>(), schemas.subschema_for::<DoneReport>());
            let summary = "Leave a service, a stack or this host as it is.";
            orders(summary, wish.to_value(), "200", "It is held.", done.to_value())
        }
        Does::Unhold => {
            let (wish, done) =
                (schemas.subschema_for::<Unhold>(), schemas.subschema_for::<DoneReport>());
            orders(
                "End holds, and go on.",
                wish.to_value(),
                "200",
                "They are ended.",
                done.to_value(),
            )
        }
        Does::Retry => {
            let (wish, done) =
                (schemas.subschema_for::<Retry>(), schemas.subschema_for::<DoneReport>());
            let summary = "Forget that a spec was rejected, so that it is tried again.";
            orders(summary, wish.to_value(), "200", "It is forgotten.", done.to_value())
        }
        Does::Rollback => {
            let (wish, asked) =
                (schemas.subschema_for::<Rollback>(), schemas.subschema_for::<AskedReport>());
            let summary = "Deploy again what an earlier good generation ran, and hold it.";
            orders(summary, wish.to_value(), "202", "It begins.", asked.to_value())
        }
        Does::GitHook => {
            let woken = schemas.subschema_for::<WokenReport>().to_value();
            let summary = "Tell of a push, as a forge does: signed with the secret of webhooks.";
            hook(summary, &[], woken)
        }
        Does::RegistryHook => {
            let woken = schemas.subschema_for::<WokenReport>().to_value();
            let secret = [query("secret", "Where the sender cannot sign.", string())];
            let summary = "Tell of an image that has moved, as a registry does.";
            hook(summary, &secret, woken)
        }
    }
}

fn asks(
    summary: &'static str,
    parameters: &[Value],
    status: &'static str,
    description: &'static str,
    kind: &'static str,
    schema: Value,
) -> Described {
    let answers = vec![(status, description, kind, schema)];
    Described { summary, parameters: parameters.to_vec(), body: None, answers }
}

fn orders(
    summary: &'static str,
    wish: Value,
    status: &'static str,
    description: &'static str,
    schema: Value,
) -> Described {
    let answers = vec![(status, description, JSON, schema)];
    Described { summary, parameters: Vec::new(), body: Some(wish), answers }
}

fn hook(summary: &'static str, parameters: &[Value], woken: Value) -> Described {
    let body = json!({"type": "object"});
    let heard = "It is heard; what is followed here is asked now.";
    Described { parameters: parameters.to_vec(), ..orders(summary, body, "202", heard, woken) }
}

fn plan_queries() -> Vec<Value> {
    let flag = || json!({"type": "boolean"});
    let commit = json!({"type": "string", "pattern": "^[0-9a-fA-F]{40}$"});
    vec![
        query(
            "ref",
            "As if this commit were accepted; it is fetched, and nothing changes.",
            commit,
        ),
        query("source", "The source that the commit is of, where there are several.", string()),
        query("only", "Only these `STACK` or `STACK/SERVICE`, with commas between them.", string()),
        query("allow_removals", "Lift the removal guard.", flag()),
        query("now", "Ignore windows.", flag()),
        query("offline", "Ask neither git nor a registry.", flag()),
        query("exit_code", "Tell in `Evenkeel-Exit-Code` that something is to be done.", flag()),
    ]
}

fn history_queries() -> Vec<Value> {
    let number = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    vec![
        query("scope", "Only this `STACK` or `STACK/SERVICE`.", string()),
        query("limit", "At most so many generations.", number),
        query("since", "Only what began since: `2h`, `7d`, `2026-11-21`.", string()),
        query("outcome", "Only what ended so, with commas between the words.", string()),
        query("source", "Only what came from this source.", string()),
        query("commit", "Only what a commit brought that begins so.", string()),
    ]
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn path(name: &str, schema: Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

fn string() -> Value {
    json!({"type": "string"})
}

fn text() -> Value {
    json!({"type": "string"})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_describes_every_route_and_no_other() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(!operation["summary"].as_str().unwrap().is_empty());
                let names = operation["parameters"].as_array().cloned().unwrap_or_default();
                for one in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    let is_it = |it: &Value| it["name"] == one && it["in"] == "path";
                    assert!(names.iter().any(is_it), "{path} does not describe {one}");
                }
                described.insert(format!("{method} {path}"));
            }
        }
        let served: BTreeSet<String> =
            ROUTES.iter().map(|route| format!("{} {}", method(route), route.path)).collect();
        assert_eq!(described, served);
        assert_eq!(served.len(), ROUTES.len(), "no route stands there twice");
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = document();
        let text = document.to_string();
        let mut found = 0;
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            found += 1;
        }
        assert!(found > 20, "{found}");
    }

    #[test]
    fn only_what_tells_nothing_is_open() {
        let open: Vec<&str> = ROUTES
            .iter()
            .filter(|route| route.access == Access::Open)
            .map(|route| route.path)
            .collect();
        let hooks = ["/hooks/git", "/hooks/registry"];
        assert_eq!(open, [&["/healthz", "/readyz", "/api/v1/openapi.json"], &hooks[..]].concat());
        for route in ROUTES.iter().filter(|route| !hooks.contains(&route.path)) {
            let writes = route.access == Access::Write;
            assert_eq!(writes, route.method == Method::Post, "{}", route.path);
        }
    }
}
