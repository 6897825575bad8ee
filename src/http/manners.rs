//! How often one peer may ask by TCP.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests that a peer may make at once.
const AT_ONCE: f64 = 60.0;
/// Requests a second that it may go on with.
const A_SECOND: f64 = 20.0;
/// Peers that are remembered; when there are more, those who asked longest ago are forgotten.
const MOST_PEERS: usize = 4096;

/// How much each peer has asked lately.
#[derive(Debug, Default)]
pub(super) struct Manners {
    peers: Mutex<BTreeMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Manners {
    /// Whether `peer` may ask at `now`; or how long it has to wait.
    pub fn may_ask(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST_PEERS && !peers.contains_key(&peer) {
            forget_oldest(&mut peers);
        }
        let bucket = peers.entry(peer).or_insert(Bucket { left: AT_ONCE, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + passed * A_SECOND).min(AT_ONCE), at: now };
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / A_SECOND));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

fn forget_oldest(peers: &mut BTreeMap<IpAddr, Bucket>) {
    let oldest = peers.iter().min_by_key(|(_, bucket)| bucket.at).map(|(peer, _)| *peer);
    if let Some(oldest) = oldest {
        peers.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_asks_too_often_waits_and_others_do_not() {
        let (manners, now) = (Manners::default(), Instant::now());
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        for _ in 0..60 {
            assert_eq!(manners.may_ask(one, now), Ok(()));
        }
        assert_eq!(manners.may_ask(one, now).map_err(|wait| wait.as_millis()), Err(50));
        assert_eq!(manners.may_ask(other, now), Ok(()));
        let later = now + Duration::from_millis(50);
        assert_eq!(manners.may_ask(one, later), Ok(()));
        assert!(manners.may_ask(one, later).is_err());
    }

    #[test]
    fn no_number_of_peers_takes_more_than_its_place() {
        let (manners, now) = (Manners::default(), Instant::now());
        for number in 0..10_000_u32 {
            let peer = IpAddr::from(number.to_be_bytes());
            assert!(manners.may_ask(peer, now + Duration::from_micros(number.into())).is_ok());
        }
        let peers = manners.peers.lock().unwrap();
        assert_eq!(peers.len(), MOST_PEERS);
        assert!(peers.contains_key(&IpAddr::from(9_999_u32.to_be_bytes())));
    }
}
