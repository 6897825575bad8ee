//! A running Compose project: its containers say which files it was made from, and where its data lies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::gather::Gathered;
use crate::cli::arguments::Global;
use crate::cli::{Trouble, setting};
use crate::config::{Ambient, Config};
use crate::engine::Engine as _;
use crate::engine::docker::Docker;
use crate::model::StackName;
use crate::model::labels;
use crate::model::observed::{ObservedContainer, ObservedState};
use crate::reconcile::PassError;

/// Reads the files of the running project `name`.
///
/// # Errors
/// The engine does not answer, has no such project, or the files are not on this machine.
pub async fn gather(global: &Global, name: &str) -> Result<Gathered, Trouble> {
    let project = StackName::new(name);
    let engine = Docker::connect(&address(global)?).map_err(PassError::from)?;
    let observed = engine.observe(std::slice::from_ref(&project)).await.map_err(PassError::from)?;
    let of_project = |container: &&ObservedContainer| container.stack() == Some(&project);
    let containers: Vec<&ObservedContainer> =
        observed.containers.iter().filter(of_project).collect();
    if containers.is_empty() {
        return Err(unknown(&project, &observed));
    }
    let made = Made::of(&project, &containers)?;
    let env = match &made.env {
        Some(env) => env.clone(),
        None => made.directory.join(".env"),
    };
    let mut gathered = Gathered::read(&made.files, &env, &made.directory).map_err(|trouble| {
        let Trouble::Message { text, .. } = trouble else { return trouble };
        let hint =
            "run it on the host the project was made on, or name the files: `evenkeel import FILE`";
        Trouble::Message { text, hint: Some(hint.to_owned()) }
    })?;
    gathered.project = Some(project);
    gathered.is_running = true;
    Ok(gathered)
}

/// The engine's address: the one that is given, else that of the configuration, if there is one, else as
/// Docker's own tools find it.
fn address(global: &Global) -> Result<String, Trouble> {
    if let Some(host) = &global.docker {
        return Ok(host.clone());
    }
    let ambient: Ambient = setting::ambient();
    let config = match global.config.is_file() {
        true => Config::load(&global.config, &ambient),
        false => Config::for_repo(".", None, None, &ambient),
    };
    Ok(config.map_err(Trouble::Problems)?.docker_host)
}

/// What a project was made from.
struct Made {
    files: Vec<PathBuf>,
    directory: PathBuf,
    env: Option<PathBuf>,
}

impl Made {
    fn of(project: &StackName, containers: &[&ObservedContainer]) -> Result<Self, Trouble> {
        // The newest container was made from what the files say now, if any was.
        let mut newest: Vec<&&ObservedContainer> = containers.iter().collect();
        newest.sort_by_key(|container| std::cmp::Reverse(container.created_at));
        let label =
            |name: &str| newest.iter().find_map(|c| c.label(name)).filter(|l| !l.is_empty());
        let (Some(files), Some(directory)) =
            (label(labels::COMPOSE_CONFIG_FILES), label(labels::COMPOSE_WORKING_DIR))
        else {
            return Err(Trouble::Message {
                text: format!(
                    "the containers of `{project}` do not say which files they were made from"
                ),
                hint: Some("name the files: `evenkeel import FILE`".to_owned()),
            });
        };
        let directory = PathBuf::from(directory);
        let env = label(labels::COMPOSE_ENVIRONMENT_FILE).and_then(|files| files.split(',').next());
        Ok(Self {
            files: files.split(',').map(|file| directory.join(Path::new(file))).collect(),
            env: env.map(|env| directory.join(env)),
            directory,
        })
    }
}

fn unknown(project: &StackName, observed: &ObservedState) -> Trouble {
    let foreign = observed.foreign.iter().filter_map(|container| container.project.as_ref());
    let ours = observed.containers.iter().filter_map(ObservedContainer::stack);
    let known: BTreeSet<String> = foreign.chain(ours).map(|name| name.to_string()).collect();
    let hint = match known.is_empty() {
        true => "there is no Compose project at this engine".to_owned(),
        false => format!("its projects are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Trouble::Message { text: format!("the engine has no project `{project}`"), hint: Some(hint) }
}
