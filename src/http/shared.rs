//! Answers that cost something: few are made at a time, who asks the same within a second gets the same, and beyond
//! a number of people nobody queues. So whoever asks takes little from a pass, however often they do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::Answer;

/// Answers that are made at once.
const AT_ONCE: usize = 2;
/// Questions that wait for an answer at once.
const QUEUE: usize = 256;
/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Answer)>>>;

/// Who makes answers.
#[derive(Debug)]
pub(super) struct Shared {
    turns: Semaphore,
    queue: Semaphore,
    kept: Mutex<BTreeMap<String, Slot>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            queue: Semaphore::new(QUEUE),
            kept: Mutex::default(),
        }
    }
}

impl Shared {
    /// The answer to `question`: one of a second ago, or what `make` makes.
    pub async fn answer(&self, question: &str, make: impl Future<Output = Answer>) -> Answer {
        let Ok(_place) = self.queue.try_acquire() else { return too_many() };
        let slot = self.slot(question);
        let mut kept = slot.lock().await;
        if let Some((made, answer)) = &*kept
            && made.elapsed() <= FRESH
        {
            return answer.clone();
        }
        let Ok(_turn) = self.turns.acquire().await else { return too_many() };
        let answer = make.await;
        if answer.is_good() {
            *kept = Some((Instant::now(), answer.clone()));
        }
        answer
    }

    /// Something has changed: what was answered before is no longer so.
    pub fn forget_all(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Where the answer to `question` is kept; those that nobody waits for and that are too old go.
    fn slot(&self, question: &str) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, slot| match slot.try_lock() {
            Ok(slot) => slot.as_ref().is_some_and(|(made, _)| made.elapsed() <= FRESH),
            Err(_) => true,
        });
        Arc::clone(kept.entry(question.to_owned()).or_default())
    }
}

/// Too much is asked at once.
pub(super) fn too_many() -> Answer {
    let hint = "ask again in a second";
    let answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many ask at once", Some(hint));
    answer.later(1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    async fn slow(made: &AtomicUsize) -> Answer {
        made.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Answer::plain(StatusCode::OK, "well")
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_thousand_who_ask_at_once_each_has_an_answer_and_it_is_made_once() {
        let (shared, made) = (Shared::default(), AtomicUsize::new(0));
        let asking = (0..1_000).map(|_| shared.answer("status", slow(&made)));
        let answers = join_all(asking).await;
        let good = answers.iter().filter(|answer| answer.is_good()).count();
        assert_eq!((made.load(Ordering::SeqCst), good), (1, QUEUE));
        shared.forget_all();
        assert!(shared.answer("status", slow(&made)).await.is_good());
        assert_eq!(made.load(Ordering::SeqCst), 2, "something has changed");
        tokio::time::advance(FRESH + Duration::from_millis(1)).await;
        assert!(shared.answer("status", slow(&made)).await.is_good());
        assert_eq!(made.load(Ordering::SeqCst), 3, "that one was too old");
    }

    #[tokio::test(start_paused = true)]
    async fn different_questions_are_answered_two_at_a_time_and_forgotten() {
        let (shared, made, begun) = (Shared::default(), AtomicUsize::new(0), Instant::now());
        let words: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        join_all(words.iter().map(|word| shared.answer(word, slow(&made)))).await;
        assert_eq!((made.load(Ordering::SeqCst), begun.elapsed().as_millis()), (10, 500));
        tokio::time::advance(2 * FRESH).await;
        shared.answer("one more", slow(&made)).await;
        assert_eq!(shared.kept.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_keeps_nobody_waiting() {
        let (shared, made) = (Shared::default(), AtomicUsize::new(0));
        let gone = shared.answer("status", std::future::pending());
        assert!(tokio::time::timeout(Duration::from_secs(1), gone).await.is_err());
        assert!(shared.answer("status", slow(&made)).await.is_good());
    }
}
