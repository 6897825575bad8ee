//! What it means for a service that a step failed: a message, whether the spec is to blame, whether
//! something is left half-way.

use super::Hands;
use super::gate::{self, Stuck};
use super::outcome::Failure;
use crate::engine::{ContainerRef, EngineError};
use crate::plan::gate::Until;
use crate::plan::{Gate, Step};

/// What a gate that was not passed means, with the container's last words.
pub async fn of_gate(
    hands: &Hands<'_>,
    container: &ContainerRef,
    gate: &Gate,
    stuck: &Stuck,
) -> Failure {
    let waits_for_another = gate.until == Until::Healthy;
    let failure = of_stuck(hands, container, stuck).await;
    Failure {
        blames_spec: failure.blames_spec && !waits_for_another,
        blames_another: waits_for_another,
        half_done: failure.half_done && !waits_for_another,
        ..failure
    }
}

/// What it means that a container of the service itself is not good, with its last words.
pub async fn of_stuck(hands: &Hands<'_>, container: &ContainerRef, stuck: &Stuck) -> Failure {
    // Without logs the failure is still worth reporting.
    let logs = hands.engine.logs(container, gate::LOG_LINES).await.unwrap_or_default();
    Failure {
        message: hands.masks.mask(&format!("{container} did not pass its gate: {stuck}")),
        logs: logs.iter().map(|line| hands.masks.mask(line)).collect(),
        hint: None,
        blames_spec: stuck.blames_the_spec(),
        other_spec: None,
        blames_another: false,
        half_done: *stuck != Stuck::Stopped,
    }
}

/// What an error of the engine means for the service.
pub fn of_engine(hands: &Hands<'_>, step: &Step, error: &EngineError) -> Failure {
    Failure {
        message: hands.masks.mask(&format!("{} {}: {error}", step.word(), step.subject())),
        logs: Vec::new(),
        hint: hint(error).map(str::to_owned),
        blames_spec: error.blames_the_spec(),
        other_spec: None,
        blames_another: false,
        half_done: changes_containers(step),
    }
}

/// Whether something is left half-way when this step fails.
pub fn changes_containers(step: &Step) -> bool {
    match step {
        Step::CreateContainer(_)
        | Step::SetAside { .. }
        | Step::Restore { .. }
        | Step::UpdateContainer { .. }
        | Step::StopContainer(_)
        | Step::LetGo { .. }
        | Step::RenameContainer { .. }
        | Step::StartContainer(_)
        | Step::UnpauseContainer(_)
        | Step::ConnectNetwork { .. }
        | Step::DisconnectNetwork { .. }
        | Step::TakeNames { .. }
        | Step::AwaitGate { .. }
        | Step::Monitor { .. } => true,
        Step::PullImage { .. }
        | Step::ExportFiles(_)
        | Step::WriteSecret(_)
        | Step::MakeDirectory(_)
        | Step::CreateNetwork { .. }
        | Step::RemoveNetwork(_)
        | Step::CreateVolume { .. }
        | Step::Pause(_)
        // The last step of a rollout: what is left over is no reason to go back.
        | Step::RemoveContainer(_) => false,
    }
}

fn hint(error: &EngineError) -> Option<&'static str> {
    match error {
        EngineError::PortTaken(_) => Some(
            "something else on this host listens on that port: `ss -ltnp` and `docker ps` show what",
        ),
        EngineError::DiskFull(_) => {
            Some("make room on the engine's disk, then wait for the next pass")
        }
        EngineError::Unreachable(_) => Some("see that the engine runs: `systemctl status docker`"),
        EngineError::Version(_)
        | EngineError::NotFound(_)
        | EngineError::Conflict(_)
        | EngineError::Refused(_)
        | EngineError::CannotStart(_)
        | EngineError::Other(_) => None,
    }
}
