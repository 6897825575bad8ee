//! The way from the outbox to the recipients, beside the passes and never in their way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::config::Recipient;
use crate::config::notify::Way;
use crate::history::{History, HistoryError, Waiting};
use crate::notify::{Courier, Message, retry};
use crate::reconcile::world::World;

/// A message that somebody tries to deliver is left to them for so long.
const CLAIM: Duration = Duration::from_secs(60);
/// The outbox is looked at so often, asked or not: another process may have put something in.
const LOOK: Duration = Duration::from_secs(60);
/// After trouble with the outbox itself.
const PAUSE: Duration = Duration::from_secs(10);

/// So long a command waits at its end for messages to be delivered.
pub const AT_THE_END: Duration = Duration::from_secs(10);

/// Delivers what waits in the outbox.
pub struct Post {
    state_dir: PathBuf,
    recipients: Vec<Recipient>,
    courier: Arc<dyn Courier>,
    wake: Arc<Notify>,
}

impl Post {
    /// For the recipients of `world`.
    pub fn of(world: &World) -> Self {
        Self {
            state_dir: world.config.state_dir.clone(),
            recipients: [world.config.notify.clone(), world.config.forges()].concat(),
            courier: Arc::clone(&world.courier),
            wake: Arc::clone(&world.mail),
        }
    }

    /// Delivers, as long as it is let.
    pub async fn run(&self) -> std::convert::Infallible {
        loop {
            let length = match self.round().await {
                Ok(next) => until(next, Timestamp::now()),
                Err(error) => {
                    tracing::debug!("the outbox: {error}");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Delivers what is due, for as long as `within` at most. What is left waits for the next time.
    pub async fn once(&self, within: Duration) {
        if self.recipients.is_empty() {
            return;
        }
        match tokio::time::timeout(within, self.round()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("messages are delivered later: {error}"),
            Err(_) => tracing::warn!("not all messages were delivered in time; the rest waits"),
        }
    }

    /// Delivers what is due, to all recipients at once and to each in order; tells when the next is.
    async fn round(&self) -> Result<Option<Timestamp>, HistoryError> {
        let Some(history) = History::beside(&self.state_dir)? else { return Ok(None) };
        let mut bags: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for waiting in history.outbox()? {
            bags.entry(waiting.letter.recipient.clone()).or_default().push(waiting);
        }
        let delivering = bags.iter().map(|(name, bag)| self.empty(&history, name, bag));
        let next: Result<Vec<_>, _> = join_all(delivering).await.into_iter().collect();
        Ok(next?.into_iter().flatten().min())
    }

    /// Delivers to one recipient until one message is not taken, or not due. A forge is told of each commit for itself,
    /// and only what was last found of it.
    async fn empty(
        &self,
        history: &History,
        name: &str,
        bag: &[Waiting],
    ) -> Result<Option<Timestamp>, HistoryError> {
        let recipient = self.recipients.iter().find(|recipient| recipient.name == name);
        let is_forge = recipient.is_some_and(|it| matches!(it.way, Way::CommitStatus(_)));
        let mut next_of_all: Option<Timestamp> = None;
        for (place, waiting) in bag.iter().enumerate() {
            let message = serde_json::from_str::<Message>(&waiting.letter.message);
            if is_forge && message.as_ref().is_ok_and(|it| is_overtaken(it, &bag[place + 1..])) {
                history.take_out(waiting.number)?;
                continue;
            }
            let (Some(recipient), Ok(message)) = (recipient, message) else {
                // Nobody of that name is told any more, or an older version wrote it.
                history.take_out(waiting.number)?;
                continue;
            };
            let next = self.try_one(history, recipient, waiting, &message).await?;
            next_of_all = next_of_all.into_iter().chain(next).min();
            if next.is_some() && !is_forge {
                break;
            }
        }
        Ok(next_of_all)
    }

    /// Delivers one message if it is due; where it was not taken, tells when it is tried again.
    async fn try_one(
        &self,
        history: &History,
        recipient: &Recipient,
        waiting: &Waiting,
        message: &Message,
    ) -> Result<Option<Timestamp>, HistoryError> {
        let now = Timestamp::now();
        if waiting.next_try > now {
            return Ok(Some(waiting.next_try));
        }
        let until = now + CLAIM;
        if !history.claim(waiting, until)? {
            return Ok(Some(until));
        }
        self.deliver(history, recipient, waiting, message).await
    }

    /// Tries to deliver one message; where it was not taken, tells when it is tried again.
    async fn deliver(
        &self,
        history: &History,
        recipient: &Recipient,
        waiting: &Waiting,
        message: &Message,
    ) -> Result<Option<Timestamp>, HistoryError> {
        let delivered = self.courier.deliver(recipient, message).await;
        let (now, title) = (Timestamp::now(), &message.title);
        let name = recipient.name.replace('\n', " of ");
        let Err(error) = delivered else {
            history.take_out(waiting.number)?;
            return Ok(None);
        };
        if retry::is_given_up(waiting.made_at, now) {
            tracing::warn!("{name} was never told \"{title}\": {error}; this is given up");
            history.take_out(waiting.number)?;
            return Ok(None);
        }
        if waiting.tries == 0 {
            tracing::warn!("{name} could not be told \"{title}\": {error}; it is tried again");
        }
        let wait = retry::wait(waiting.tries.saturating_add(1), error.retry_after);
        let next = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        history.put_off(waiting.number, &error.to_string(), next)?;
        Ok(Some(next))
    }
}

/// Whether one of `later` says what became of the commit that `message` is about.
fn is_overtaken(message: &Message, later: &[Waiting]) -> bool {
    let later = later.iter().filter_map(|it| serde_json::from_str(&it.letter.message).ok());
    let mut later = later.map(|it: Message| it.commit);
    later.any(|commit| commit == message.commit)
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
    wait.map_or(LOOK, |wait| wait.min(LOOK))
}
