//! `retry`: what failed here is tried again.

use std::path::Path;

use jiff::Timestamp;

use super::refusal::Refusal;
use super::turn;
use crate::history::History;
use crate::model::memory::HoldScope;
use crate::report::wire::DoneReport;

/// Forgets that specs were rejected.
pub async fn retry(
    state_dir: &Path,
    scope: &HoldScope,
    now: Timestamp,
) -> Result<DoneReport, Refusal> {
    let _turn = turn(state_dir, "retry", now).await?;
    let history = History::open(state_dir, now)?.history;
    let forgotten = history.forget_rejections(scope)?;
    let waited = history.forget_troubles(scope)? + history.retry_proofs()?;
    let said = match forgotten {
        0 if waited > 0 => format!("{scope} is tried again in the next pass"),
        0 => format!("nothing of {scope} was rejected"),
        1 => "1 rejected spec is forgotten; the next pass tries it again".to_owned(),
        many => format!("{many} rejected specs are forgotten; the next pass tries them again"),
    };
    Ok(DoneReport::new(scope, forgotten + waited, vec![said]))
}
