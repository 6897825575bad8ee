//! What `--output json` writes (`interface`: JSON). Keys are only ever added.
//!
//! These types are the program's word to scripts: they are made from the model, and never the other way.

mod shared;
mod plan;
mod pass;
mod status;
mod standing;
mod explain;
mod explaining;
mod containers;
mod history;
mod images;
mod registry_prune;
mod rollout;
mod validate;
mod import;
mod pin;
mod sbom;
mod done;
mod event;

pub use done::DoneReport;
pub use event::{EventKind, PassEvent, StepEvent, step_event};
pub use explain::{
    ExplainBack, ExplainFollowing, ExplainKept, ExplainNext, ExplainPlace, ExplainReport,
    ExplainRunning, ExplainService, ExplainStack, ExplainSuspension, ExplainWindow, ExplainWritten,
};
pub use explaining::{Explained, Next, explain};
pub use history::{HistoryGeneration, HistoryReport, HistoryService, history};
pub use images::{
    ImagesReport, NeededImage, PruneFate, PruneImage, PruneReport, Pruned, WireDisk, images, prune,
};
pub use import::{ImportFile, ImportRemark, ImportReport, ImportVariable, import};
pub use pass::{
    Pass, PassFailure, PassOutcome, PassReport, PassService, PassSource, PassStack, pass,
};
pub use pin::{PinReport, pin};
pub use plan::{PlanReport, PlanService, PlanStack, PlanStep, plan};
pub use registry_prune::{
    RegistryFate, RegistryManifest, RegistryPruneReport, RegistryPruned, registry_prune,
};
pub use rollout::ValidateRollout;
pub use sbom::{
    SbomComponent, SbomDependency, SbomHash, SbomMetadata, SbomProperty, SbomReport, SbomService,
    SbomTools, sbom,
};
pub use shared::{WireProblem, WireReason, WireRemark};
pub use standing::{Standing, status};
pub use status::{
    StatusContainer, StatusDisk, StatusEngine, StatusFollows, StatusReport, StatusService,
    StatusSource, StatusStack,
};
pub use validate::{ValidateReport, ValidateStack, Validated, validate};
