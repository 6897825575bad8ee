//! `explain`: all that is known of a stack or a service, on one page.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::arguments::{Explain, Global, Output};
use super::{Trouble, print, setting, style};
use crate::asked::{refusal, standing};
use crate::engine::EngineError;
use crate::history::{Filter, GenerationRow, GoodService, History, SourceReport, SourceState};
use crate::model::memory::{HoldScope, Memory};
use crate::model::observed::EngineInfo;
use crate::model::{
    GenerationNumber, ObservedState, Problem, ServiceId, ServiceName, SourceName, Stack,
    StackContent, StackName,
};
use crate::plan::Retries;
use crate::reconcile::World;
use crate::reconcile::pass::{self, PassError, Preview, Request};
use crate::reconcile::sources::{self as reading, Freshness, Read};
use crate::reconcile::target;
use crate::report::{exit, text, wire};

/// Prints the page. Asks neither git nor a registry, and takes no turn.
pub async fn run(global: &Global, args: &Explain) -> Result<u8, Trouble> {
    let (world, now) = (setting::world(global, &args.repo)?, Timestamp::now());
    let Some(stack) = args.scope.stack() else {
        return Err(Trouble::message("name a stack or a service"));
    };
    let history = History::read_only(&world.config.state_dir)?;
    let request = Request { offline: true, retries: Retries::Never, ..Request::default() };
    let preview = pass::preview(&world, &request, Freshness::Recorded);
    let (preview, engine) = tokio::join!(preview, world.engine.info());
    let found = match preview {
        Ok(preview) => Found::All(Box::new(preview)),
        Err(PassError::Engine(error)) => {
            Found::Git(read_alone(&world, &history, now).await?, error)
        }
        Err(error) => return Err(error.into()),
    };
    let sources = history.sources()?;
    let mut status = found.status(&world, &history, &sources, engine.as_ref(), now)?;
    let memory = history.memory()?;
    let past = Past::of(&history, stack, &found, &memory)?;
    if !found.knows(&args.scope) && !past.knows(&args.scope) {
        let stacks = found.stacks();
        let stacks = stacks.iter().map(|stack| stack.name.as_str());
        return Err(refusal::unknown(&args.scope, stacks).into());
    }
    let told = found.preview().map(|it| wire::plan(&it.view.desired, &it.plan));
    let stacks = found.stacks();
    let report = wire::explain(&wire::Explained {
        scope: &args.scope,
        status: &status,
        next: found.preview().zip(told.as_ref()).map(|(preview, told)| wire::Next {
            desired: &preview.view.desired,
            observed: &preview.view.observed,
            plan: &preview.plan,
            told,
        }),
        stacks: &stacks,
        problems: found.problems(stack),
        memory: &memory,
        windows: &world.rules(&request).windows,
        attempts: &past.attempts,
        good: &past.good,
        back: &past.back(),
        unknown: &found.unknown(&sources),
        now,
    });
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::explain(out, &report, colors))?;
    status.narrow(&args.scope);
    Ok(exit::of_status(&status).code())
}

/// What could be read.
enum Found {
    /// Git and the engine.
    All(Box<Preview>),
    /// Git alone, and why the engine is not among it.
    Git(Read, EngineError),
}

/// What git says, without an engine.
async fn read_alone(world: &World, history: &History, now: Timestamp) -> Result<Read, Trouble> {
    let fetched = reading::fetch(world, Freshness::Recorded, now).await;
    let accepted = history.accepted()?;
    Ok(reading::read(world, fetched, &accepted, history.places()?, now).await)
}

impl Found {
    fn preview(&self) -> Option<&Preview> {
        match self {
            Self::All(preview) => Some(preview),
            Self::Git(..) => None,
        }
    }

    fn stacks(&self) -> Vec<&Stack> {
        match self {
            Self::All(preview) => {
                preview.view.desired.deployments().map(|deployment| &deployment.stack).collect()
            }
            Self::Git(read, _) => {
                read.loaded.stacks.iter().filter_map(|stack| stack.content.as_ref().ok()).collect()
            }
        }
    }

    /// What is wrong with a stack; nothing where it is sound.
    fn problems(&self, name: &StackName) -> &[Problem] {
        match self {
            Self::All(preview) => match preview.view.desired.stacks.get(name).map(|it| &it.content)
            {
                Some(StackContent::Invalid(problems)) => problems,
                Some(StackContent::Usable(_)) | None => &[],
            },
            Self::Git(read, _) => {
                let found = read.loaded.stacks.iter().find(|stack| stack.name == *name);
                found.and_then(|stack| stack.content.as_ref().err()).map_or(&[], Vec::as_slice)
            }
        }
    }

    /// Whether git or the engine has anything of `scope`.
    fn knows(&self, scope: &HoldScope) -> bool {
        match self {
            Self::All(preview) => preview.view.knows(scope),
            Self::Git(read, _) => read.loaded.stacks.iter().any(|stack| match scope {
                HoldScope::Host => true,
                HoldScope::Stack(name) => stack.name == *name,
                HoldScope::Service(id) => {
                    let names = |sound: &Stack| sound.services.contains_key(&id.service);
                    stack.name == id.stack && stack.content.as_ref().map_or(true, names)
                }
            }),
        }
    }

    fn status(
        &self,
        world: &World,
        history: &History,
        sources: &[(SourceName, SourceReport)],
        engine: Result<&EngineInfo, &EngineError>,
        now: Timestamp,
    ) -> Result<wire::StatusReport, Trouble> {
        let (nothing, preview) = (ObservedState::default(), self.preview());
        Ok(wire::status(&wire::Standing {
            host: &world.config.host,
            engine: match self {
                Self::All(_) => engine,
                Self::Git(_, error) => Err(error),
            },
            pressure: None,
            sources,
            desired: preview.map(|preview| &preview.view.desired),
            observed: preview.map_or(&nothing, |preview| &preview.view.observed),
            plan: preview.map(|preview| &preview.plan),
            recorded: &history.stacks()?,
            generations: &standing::generations(history)?,
            now,
        }))
    }

    /// What cannot be known, each with the reason.
    fn unknown(&self, recorded: &[(SourceName, SourceReport)]) -> Vec<String> {
        let mut unknown = Vec::new();
        let seen = match self {
            Self::All(preview) => &preview.sources,
            Self::Git(read, error) => {
                unknown.push(format!("what runs, and what the next pass would do: {error}"));
                &read.sources
            }
        };
        for source in seen {
            if let Some(error) = &source.report.error {
                unknown.push(format!("what git says (source {}): {error}", source.name));
            }
        }
        for (name, report) in recorded {
            let (SourceState::Failing, Some(error)) = (report.state, &report.error) else {
                continue;
            };
            let what = match &report.refused {
                Some(_) => "what the newest commit would change",
                None => "whether git has something newer",
            };
            unknown.push(format!("{what} (source {name}): {error}"));
        }
        unknown
    }
}

/// What was done before.
struct Past {
    /// Attempts at the stack, newest first.
    attempts: Vec<GenerationRow>,
    /// What each service was well with and runs no more.
    good: BTreeMap<ServiceName, Vec<GoodService>>,
    /// Generations that the stack can go back to.
    back: Vec<GenerationNumber>,
}

impl Past {
    fn of(
        history: &History,
        stack: &StackName,
        found: &Found,
        memory: &Memory,
    ) -> Result<Self, Trouble> {
        let filter = Filter { stack: Some(stack.clone()), ..Filter::default() };
        let attempts = history.generations(&filter)?;
        let names = attempts.iter().flat_map(|row| &row.services).map(|one| one.service.clone());
        let running = match found.preview() {
            Some(preview) => target::running(&preview.view.observed, memory),
            // Without an engine, what was deployed last is the best guess of what runs.
            None => {
                let deployed = memory.deployed.iter();
                deployed.map(|(id, it)| (id.clone(), [it.spec.clone()].into())).collect()
            }
        };
        let mut good = BTreeMap::new();
        for name in names.collect::<std::collections::BTreeSet<ServiceName>>() {
            let id = ServiceId::new(stack, &name);
            let specs = running.get(&id);
            let runs = |it: &GoodService| specs.is_some_and(|specs| specs.contains(&it.spec));
            let mut earlier = history.good(&id)?;
            earlier.retain(|it| !runs(it));
            good.insert(name, earlier);
        }
        let back = target::candidates(&attempts, &running, stack);
        Ok(Self { attempts, good, back })
    }

    fn knows(&self, scope: &HoldScope) -> bool {
        let mut services = self.attempts.iter().flat_map(|row| &row.services);
        match scope {
            HoldScope::Host | HoldScope::Stack(_) => !self.attempts.is_empty(),
            HoldScope::Service(id) => services.any(|service| service.service == id.service),
        }
    }

    fn back(&self) -> Vec<&GenerationRow> {
        self.attempts.iter().filter(|row| self.back.contains(&row.number)).collect()
    }
}
