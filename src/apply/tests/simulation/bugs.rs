//! Bugs that could be in a plan, planted to see that the simulation finds them.

use crate::model::stack::Network;
use crate::plan::{Plan, PlannedStep, Step, Target};

/// A bug.
#[derive(Clone, Copy)]
pub struct Bug {
    /// What is wrong.
    pub name: &'static str,
    /// Puts it into a plan.
    pub plant: fn(&mut Plan),
}

/// Takes the steps out that `is_it`; what waited for them waits for what they waited for.
fn without(plan: &mut Plan, is_it: impl Fn(&PlannedStep) -> bool) {
    while let Some(place) = plan.steps.iter().position(&is_it) {
        let gone = plan.steps.remove(place);
        for step in &mut plan.steps {
            for waits in [&mut step.after, &mut step.behind] {
                if waits.contains(&gone.id) {
                    waits.retain(|id| *id != gone.id);
                    waits.extend(&gone.after);
                }
            }
        }
    }
}

/// Lets the steps that `is_it` wait for nothing.
fn at_once(plan: &mut Plan, is_it: impl Fn(&Step) -> bool) {
    for step in plan.steps.iter_mut().filter(|planned| is_it(&planned.step)) {
        step.after.clear();
        step.behind.clear();
    }
}

/// Takes the steps off the ways back that `is_it`.
fn off_the_way_back(plan: &mut Plan, is_it: impl Fn(&Step) -> bool) {
    let legs = plan.changes.iter_mut().flat_map(|change| &mut change.way_back);
    legs.for_each(|leg| leg.steps.retain(|step| !is_it(step)));
}

fn is_of_previous(step: &Step) -> bool {
    matches!(step, Step::RenameContainer { to, .. } if to.as_str().ends_with(".previous"))
}

pub const ALL: [Bug; 15] = [
    Bug {
        name: "the old one stops before the new one is good",
        plant: |plan| {
            at_once(plan, |step| matches!(step, Step::StopContainer(_)));
        },
    },
    Bug {
        name: "no gate",
        plant: |plan| {
            without(plan, |planned| matches!(planned.step, Step::AwaitGate { .. }));
        },
    },
    Bug {
        name: "the old one is removed at once",
        plant: |plan| {
            at_once(plan, |step| matches!(step, Step::RemoveContainer(_)));
        },
    },
    Bug {
        name: "no way back",
        plant: |plan| {
            plan.changes.iter_mut().for_each(|change| change.way_back.clear());
        },
    },
    Bug {
        name: "the way back forgets the restart policy",
        plant: |plan| {
            off_the_way_back(plan, |step| matches!(step, Step::Restore { .. }));
        },
    },
    Bug {
        name: "the way back leaves the new one",
        plant: |plan| {
            off_the_way_back(plan, |step| matches!(step, Step::RemoveContainer(_)));
        },
    },
    Bug {
        name: "the way back does not start the old one",
        plant: |plan| {
            off_the_way_back(plan, |step| matches!(step, Step::StartContainer(_)));
        },
    },
    Bug {
        name: "the way back leaves the old one's name",
        plant: |plan| {
            off_the_way_back(plan, |step| matches!(step, Step::RenameContainer { .. }));
        },
    },
    Bug {
        name: "the old one keeps its name",
        plant: |plan| {
            without(plan, |planned| is_of_previous(&planned.step));
        },
    },
    Bug {
        name: "the new one keeps its name",
        plant: |plan| {
            without(plan, |planned| {
                matches!(&planned.step, Step::RenameContainer { container: Target::Name(_), .. })
            });
        },
    },
    Bug {
        name: "the old one is not removed",
        plant: |plan| {
            without(plan, |planned| planned.because == "its successor has passed");
        },
    },
    Bug {
        name: "the new one does not take its names",
        plant: |plan| {
            without(plan, |planned| matches!(planned.step, Step::TakeNames { .. }));
        },
    },
    Bug {
        name: "a batch does not wait for the one before",
        plant: |plan| {
            at_once(plan, |step| matches!(step, Step::StartContainer(Target::Name(_))));
        },
    },
    Bug {
        name: "networks are made without labels",
        plant: |plan| {
            for planned in &mut plan.steps {
                if let Step::CreateNetwork { network, labels } = &mut planned.step {
                    *network = Network::plain(network.name.clone());
                    labels.clear();
                }
            }
        },
    },
    Bug {
        name: "the restart policy is not taken away",
        plant: |plan| {
            without(plan, |planned| matches!(planned.step, Step::SetAside { .. }));
        },
    },
];
