//! `depends_on`: who comes first, and what is waited for.

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::ServiceName;
use crate::model::stack::{Condition, Dependency};

const CONDITIONS: [(&str, Condition); 3] = [
    ("service_started", Condition::Started),
    ("service_healthy", Condition::Healthy),
    ("service_completed_successfully", Condition::Completed),
];

/// `depends_on`; whether these services are there is looked at when all are read.
pub fn depends_on<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    if at.is_mapping() {
        for (name, at) in at.fields() {
            let dependency = long(&at);
            draft.depends_on.insert(ServiceName::new(name), (dependency, at));
        }
        return;
    }
    for item in at.items() {
        let Some(name) = item.filled() else { continue };
        let dependency =
            Dependency { condition: Condition::Started, restart: false, required: true };
        draft.depends_on.insert(ServiceName::new(name), (dependency, item));
    }
}

fn long(at: &At<'_>) -> Dependency {
    at.only(&["condition", "restart", "required"], &[]);
    if !at.is_null() && !at.is_mapping() {
        at.expected("a mapping");
    }
    let flag = |key| at.value(key).and_then(|at| at.boolean());
    Dependency {
        condition: at
            .value("condition")
            .and_then(|at| at.word(&CONDITIONS))
            .unwrap_or(Condition::Started),
        restart: flag("restart").unwrap_or(false),
        required: flag("required").unwrap_or(true),
    }
}
