//! `accept`: an operator's word for a commit, in place of a signature.

use jiff::Timestamp;

use super::refusal::{Kind, Refusal};
use super::turn;
use crate::history::{Accepted, History};
use crate::model::{CommitId, SourceName};
use crate::reconcile::World;
use crate::reconcile::acceptance::{OPERATOR, followed};

/// Makes the commit whose id begins with `digits` the one that was accepted last of `source`; gives what there is to
/// say. The next pass goes on from it.
pub async fn accept(
    world: &World,
    source: &SourceName,
    digits: &str,
    now: Timestamp,
) -> Result<Vec<String>, Refusal> {
    let mut all = world.sources.iter().zip(&world.config.sources);
    let Some((found, settings)) = all.find(|(_, settings)| settings.name == *source) else {
        let names: Vec<&str> = world.config.sources.iter().map(|it| it.name.as_str()).collect();
        return Err(Refusal::new(Kind::Unknown, format!("there is no source `{source}`"))
            .hint(format!("the sources are {}", names.join(", "))));
    };
    if settings.demands().is_none() {
        let text =
            format!("nobody has to sign what source {source} follows: there is nothing to accept");
        return Err(Refusal::new(Kind::Question, text)
            .hint("`verify` of a source that follows a branch or a tag says who has to"));
    }
    let state_dir = &world.config.state_dir;
    let _turn = turn(state_dir, "accept", now).await?;
    let history = History::open(state_dir, now)?.history;
    let commit = found
        .find(digits)
        .await
        .map_err(|error| Refusal::new(Kind::World, error.to_string()).hint(error.hint()))?;
    let before = history.accepted()?.remove(source).map(|it| it.commit);
    let followed = followed(found, settings);
    let accepted = Accepted { followed, commit: commit.clone(), by: OPERATOR.to_owned(), at: now };
    history.record_accepted(source, &accepted)?;
    found
        .keep(&commit)
        .await
        .map_err(|error| Refusal::new(Kind::World, error.to_string()).hint(error.hint()))?;
    Ok(told(source, &commit, before.filter(|it| *it != commit)))
}

fn told(source: &SourceName, commit: &CommitId, before: Option<CommitId>) -> Vec<String> {
    let before = before.map(|it| format!("; before, it was {it}")).unwrap_or_default();
    vec![format!("{source}: {commit} is accepted{before}"), "the next pass goes on from it".into()]
}
