//! Whole loads, field by field: the canonical form of what a record loads is what Compose makes of it.

use serde_json::Value as Json;

use super::loads::{NAMELESS, excused, profiles, repository};
use super::normal;
use super::oracle::compare::compare;
use super::records::{Verdict, check_as};
use super::world::canonical;

/// Records that cannot be compared and are not refused for a key, with the reason. One that can is an error.
const ODD: &[(&str, &str)] = &[
    ("loader-023", "Compose joins a relative working directory to itself"),
    ("loader-058", "Compose passes over what is written beside `external`"),
    ("loader-076", "a path of Windows"),
    ("loader-078", "a path of Windows"),
    ("loader-231", "Compose takes `cpus` beside `cpu_quota`, and the engine does not"),
    ("loader-438", "`pre_start` is refused, and an empty command in it is not shown"),
];

fn judge(record: &Json) -> Verdict {
    let name = record["options"]["project_name"].as_str().unwrap_or(NAMELESS);
    let root = normal::root(record);
    match canonical(name, repository(record, ""), &profiles(record), &root) {
        Ok(found) => {
            let (expected, found) = normal::both(record, found);
            match (compare(&expected, &found), odd(record)) {
                (Ok(()), None) => Verdict::Same,
                (Err(_), Some(why)) => Verdict::OnPurpose(why),
                (Err(how), None) => Verdict::Differs(format!("\n{how}")),
                (Ok(()), Some(_)) => Verdict::Differs("needs no excuse any more".to_owned()),
            }
        }
        Err(problems) => match odd(record) {
            Some(why) => Verdict::OnPurpose(why),
            None => excused(record, &problems),
        },
    }
}

fn odd(record: &Json) -> Option<&'static str> {
    ODD.iter().find(|(id, _)| record["id"] == *id).map(|(_, why)| *why)
}

#[test]
fn every_field_of_a_load_is_what_compose_makes_of_it() {
    // What has to be refused is looked at in `loads`.
    let is_loaded = |record: &Json| !record["error"].is_string();
    check_as("loader, canonical form", "loader", is_loaded, judge);
}
