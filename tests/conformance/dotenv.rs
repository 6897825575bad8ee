//! Env files.

use evenkeel::manifest::dotenv;
use evenkeel::manifest::interpolate::Lookup;
use serde_json::{Map, Value as Json, json};

use super::records::{Env, check, input};

/// What `record`'s env file sets on top of what is set already; a name alone is inherited.
fn answer(record: &Json) -> Result<Json, String> {
    let env = Env(&record["env"]);
    let mut values = record["initial"].as_object().cloned().unwrap_or_else(Map::new);
    let entries = dotenv::parse("test.env", input(record).as_bytes(), &env)
        .map_err(|problems| format!("{problems:?}"))?;
    for (name, value) in entries {
        let value = value.or_else(|| env.get(&name).map(|variable| variable.value));
        values.extend(value.map(|value| (name, json!(value.reveal()))));
    }
    Ok(Json::Object(values))
}

#[test]
fn an_env_file_is_read_as_compose_reads_it() {
    check("dotenv", answer);
}
