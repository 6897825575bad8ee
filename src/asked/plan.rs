//! `plan`: what a pass would do and why.

use super::refusal::{Kind, Refusal};
use crate::config::{Config, Follow};
use crate::model::CommitId;
use crate::reconcile::pass::{self, Preview, Request};
use crate::reconcile::sources::{Freshness, SourceSeen};
use crate::reconcile::{PassError, World};
use crate::report::exit::{self, ExitCode};
use crate::report::wire::{self, PlanReport};

/// A plan that nobody carries out.
pub struct Planned {
    /// What it was made from.
    pub preview: Preview,
    /// As people and programs see it.
    pub report: PlanReport,
}

impl Planned {
    /// How the command ends. A source that could not be read is wrong, whatever the rest of the plan says.
    pub fn exit(&self, tells_pending: bool) -> ExitCode {
        match self.preview.sources.iter().all(SourceSeen::is_well) {
            true => exit::of_plan(&self.report, tells_pending),
            false => ExitCode::Failed,
        }
    }
}

/// What a pass would do.
pub async fn plan(world: &World, request: &Request) -> Result<Planned, Refusal> {
    let freshness = if request.offline { Freshness::Recorded } else { Freshness::Latest };
    let preview = pass::preview(world, request, freshness).await?;
    let report = wire::plan(&preview.view.desired, &preview.plan);
    Ok(Planned { preview, report })
}

/// The world of `config` in which `commit` was accepted: by the source of that name, or by the only one.
///
/// What the daemon follows stays as it is: the commit is fetched under a name of its own.
pub fn at(config: &Config, source: Option<&str>, commit: &CommitId) -> Result<World, Refusal> {
    let mut config = config.clone();
    let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
    let index = match (source, names.as_slice()) {
        (None, [_]) => Some(0),
        (None, _) => {
            return Err(Refusal::new(Kind::Question, "this host follows more than one source")
                .hint(format!("say which one the commit is of: {}", names.join(", "))));
        }
        (Some(wanted), names) => names.iter().position(|name| *name == wanted),
    };
    let Some(index) = index else {
        let text = format!("there is no source `{}`", source.unwrap_or_default());
        let hint = format!("the sources are {}", names.join(", "));
        return Err(Refusal::new(Kind::Unknown, text).hint(hint));
    };
    config.sources[index].follow = Follow::Commit(commit.as_str().to_owned());
    World::new(config).map_err(|error| PassError::from(error).into())
}
