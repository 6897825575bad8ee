//! Where those who ask the daemon meet its loop: the world as it is, passes that are asked for, and the bell.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::reconcile::World;
use crate::reconcile::pass::Request;

/// Passes that differ in what is asked of them, and wait; more is no honest wish.
const MOST_WAITING: usize = 16;

/// A pass of this daemon, counted from 1 since it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PassId(pub u64);

/// What the loop and those around it share.
pub struct Desk {
    wake: Arc<Notify>,
    world: watch::Sender<Arc<World>>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    waiting: VecDeque<(PassId, Request)>,
}

/// So many different passes wait already that this one is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_WAITING} passes wait already")]
pub struct Full;

impl Desk {
    /// Nothing was asked yet.
    pub fn new(world: Arc<World>) -> Self {
        let (wake, world) = (Arc::new(Notify::new()), watch::Sender::new(world));
        Self { wake, world, queue: Mutex::default() }
    }

    /// Begins the next pass at once; any number of times during a pass ask for one more.
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// The world of the next pass.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.borrow())
    }

    /// Follows the world through its changes.
    pub fn worlds(&self) -> watch::Receiver<Arc<World>> {
        self.world.subscribe()
    }

    /// From now on the world is this one.
    pub fn set_world(&self, world: Arc<World>) {
        self.world.send_replace(world);
    }

    /// Asks for a pass, after the one under way. Whoever asks the same before it begins gets the same one.
    pub fn ask(&self, request: &Request) -> Result<PassId, Full> {
        let mut queue = self.queue();
        let waiting = queue.waiting.iter().find(|(_, waiting)| waiting == request);
        let id = match waiting {
            Some((id, _)) => *id,
            None if queue.waiting.len() >= MOST_WAITING => return Err(Full),
            None => {
                let id = queue.number();
                queue.waiting.push_back((id, request.clone()));
                id
            }
        };
        self.wake.notify_one();
        Ok(id)
    }

    /// A number for a pass that is not the loop's.
    pub fn number(&self) -> PassId {
        self.queue().number()
    }

    /// The next pass: the one that waits longest, or what `usual` asks for.
    pub(super) fn next(&self, usual: Request) -> (PassId, Request) {
        let mut queue = self.queue();
        match queue.waiting.pop_front() {
            Some(asked) => asked,
            None => (queue.number(), usual),
        }
    }

    /// Whether a pass waits.
    pub(super) fn is_asked(&self) -> bool {
        !self.queue().waiting.is_empty()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn number(&mut self) -> PassId {
        self.last += 1;
        PassId(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackName;
    use crate::model::memory::HoldScope;

    fn desk() -> Desk {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ambient = crate::config::Ambient { hostname: "web-1".into(), ..Default::default() };
        let config = crate::config::Config::for_repo("/nowhere", None, None, &ambient).unwrap();
        Desk::new(Arc::new(World::new(config).unwrap()))
    }

    #[test]
    fn whoever_asks_during_a_pass_gets_exactly_one_more() {
        let (desk, all) = (desk(), Request::default());
        let (under_way, _) = desk.next(all.clone());
        let first = desk.ask(&all).unwrap();
        assert!(first > under_way);
        assert_eq!(desk.ask(&all), Ok(first), "the second asks for the same");
        assert_eq!(desk.next(all.clone()).0, first);
        assert!(!desk.is_asked());
        assert!(desk.ask(&all).unwrap() > first, "that one has begun");
    }

    #[test]
    fn different_passes_wait_in_their_order_and_not_without_end() {
        let desk = desk();
        let only = |name: String| Request {
            only: vec![HoldScope::Stack(StackName::new(name))],
            ..Request::default()
        };
        let asked: Vec<PassId> =
            (0..16).map(|n| desk.ask(&only(format!("s{n}"))).unwrap()).collect();
        assert_eq!(desk.ask(&only("one-too-many".into())), Err(Full));
        assert_eq!(desk.ask(&only("s3".into())), Ok(asked[3]));
        let (id, request) = desk.next(Request::default());
        assert_eq!((id, request), (asked[0], only("s0".into())));
        assert_ne!(desk.number(), asked[15]);
    }
}
