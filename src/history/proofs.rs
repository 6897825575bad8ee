//! What was found out about images that the operator asks something of, from one pass to the next.
//!
//! What is good is kept for good: by it a container is made again while no registry answers.

use jiff::{Span, Timestamp};
use rusqlite::{Row, params};

use super::stored::{Stored, get, get_optional};
use super::{History, HistoryError};
use crate::model::polls::Repository;
use crate::model::proofs::{Found, Proof, ProofKey, Proofs};

/// What nobody has asked about for so long is forgotten, days, unless it was good.
const KEPT: i64 = 90;

impl History {
    /// All that is remembered of images.
    pub fn proofs(&self) -> Result<Proofs, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM proofs")?;
            let rows = statement.query_map([], |row| Ok((key(row)?, proof(row)?)))?;
            Ok(Proofs(rows.collect::<Result<_, _>>()?))
        })
    }

    /// Records what differs between `before` and `after`. On the disk when this returns: what was found good is relied
    /// on when nobody can be asked.
    pub fn record_proofs(
        &self,
        before: &Proofs,
        after: &Proofs,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        if before == after {
            return Ok(());
        }
        self.write(|transaction| {
            for (key, proof) in &after.0 {
                if before.0.get(key) == Some(proof) {
                    continue;
                }
                transaction.execute(
                    "INSERT OR REPLACE INTO proofs
                     (repository, digest, about, found, says, since, at, times, again)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        key.repository.as_str(),
                        key.digest.to_text(),
                        key.about,
                        proof.found.to_text(),
                        proof.says,
                        proof.since.to_text(),
                        proof.at.to_text(),
                        proof.times,
                        proof.again.map(|again| again.to_text()),
                    ],
                )?;
            }
            for key in before.0.keys().filter(|key| !after.0.contains_key(key)) {
                transaction.execute(
                    "DELETE FROM proofs WHERE repository = ?1 AND digest = ?2 AND about = ?3",
                    params![key.repository.as_str(), key.digest.to_text(), key.about],
                )?;
            }
            let oldest = now.checked_sub(Span::new().hours(24 * KEPT)).unwrap_or(Timestamp::MIN);
            transaction.execute(
                "DELETE FROM proofs WHERE found <> ?1 AND julianday(at) < julianday(?2)",
                params![Found::Good.to_text(), oldest.to_text()],
            )?;
            Ok(())
        })
    }

    /// Makes due what lacked a signature in this repository: something is another there. Whether anything did.
    pub(super) fn expect_signatures(&self, repository: &Repository) -> Result<bool, HistoryError> {
        self.write_unsynced(|transaction| {
            let sql = "UPDATE proofs SET again = ?1
                       WHERE repository = ?2 AND found <> ?3 AND about LIKE 'key%'";
            let (epoch, good) = (Timestamp::UNIX_EPOCH.to_text(), Found::Good.to_text());
            Ok(transaction.execute(sql, params![epoch, repository.as_str(), good])? > 0)
        })
    }

    /// Makes due whatever images did not pass, those that a program refused too: somebody wants it tried again. How many
    /// those are.
    pub fn retry_proofs(&self) -> Result<usize, HistoryError> {
        self.write(|transaction| {
            let sql = "UPDATE proofs SET again = ?1 WHERE found <> ?2";
            let epoch = Timestamp::UNIX_EPOCH.to_text();
            Ok(transaction.execute(sql, params![epoch, Found::Good.to_text()])?)
        })
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<ProofKey> {
    Ok(ProofKey {
        repository: Repository::stored(row.get("repository")?),
        digest: get(row, "digest")?,
        about: row.get("about")?,
    })
}

fn proof(row: &Row<'_>) -> rusqlite::Result<Proof> {
    Ok(Proof {
        found: get(row, "found")?,
        says: row.get("says")?,
        since: get(row, "since")?,
        at: get(row, "at")?,
        times: row.get("times")?,
        again: get_optional(row, "again")?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::proofs::Again;
    use crate::model::{Digest, ImageRef};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn some(found: Found, about: &str, again: Again, day: i64) -> (ProofKey, Proof) {
        let repository = Repository::from(&ImageRef::parse("ghcr.io/acme/api").unwrap());
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let key = ProofKey { repository, digest, about: about.to_owned() };
        (key, Proof::new(found, "says\nso".into(), again, None, at(day)))
    }

    fn three() -> Proofs {
        let wait = Again::World(None);
        Proofs(BTreeMap::from([
            some(Found::Good, "key:1", Again::Never, 1),
            some(Found::Refused, "check:1", Again::Never, 1),
            some(Found::Unknown, "keys:1", wait, 1),
        ]))
    }

    #[test]
    fn what_was_found_out_comes_back_and_goes_where_it_counts_no_more() {
        let history = History::in_memory().unwrap();
        assert_eq!(history.proofs().unwrap(), Proofs::default());
        history.record_proofs(&Proofs::default(), &three(), at(1)).unwrap();
        assert_eq!(history.proofs().unwrap(), three());
        let mut fewer = three();
        fewer.0.retain(|key, _| key.about != "keys:1");
        history.record_proofs(&three(), &fewer, at(1)).unwrap();
        assert_eq!(history.proofs().unwrap(), fewer);
    }

    #[test]
    fn nothing_is_written_where_nothing_was_found_out() {
        let history = History::in_memory().unwrap();
        history.record_proofs(&Proofs::default(), &three(), at(1)).unwrap();
        let writes = history.connection().total_changes();
        history.record_proofs(&three(), &three(), at(2)).unwrap();
        assert_eq!(history.connection().total_changes(), writes);
    }

    #[test]
    fn what_was_good_is_kept_for_good_and_the_rest_for_some_time() {
        let history = History::in_memory().unwrap();
        history.record_proofs(&Proofs::default(), &three(), at(1)).unwrap();
        let mut later = three();
        later.0.extend([some(Found::Refused, "check:2", Again::Never, 100)]);
        history.record_proofs(&three(), &later, at(100)).unwrap();
        let kept = history.proofs().unwrap();
        let kept: Vec<&str> = kept.0.keys().map(|key| key.about.as_str()).collect();
        assert_eq!(kept, ["check:2", "key:1"]);
    }

    #[test]
    fn a_push_makes_due_what_lacked_a_signature_in_its_repository() {
        let history = History::in_memory().unwrap();
        let (key, missing) = some(Found::Refused, "keys:1", Again::Never, 1);
        let repository = key.repository.clone();
        let proofs =
            Proofs([(key, missing), some(Found::Refused, "check:1", Again::Never, 1)].into());
        history.record_proofs(&Proofs::default(), &proofs, at(1)).unwrap();
        let other = Repository::from(&ImageRef::parse("ghcr.io/acme/web").unwrap());
        let moved = history.record_moved(&[(other, None), (repository, None)], at(1)).unwrap();
        assert_eq!(moved, [false, true], "nobody follows it, and somebody waits for it");
        for (key, proof) in history.proofs().unwrap().0 {
            assert_eq!(proof.is_due(at(1)), key.about == "keys:1", "{}", key.about);
        }
    }

    #[test]
    fn whoever_wants_it_tried_again_makes_all_due_that_was_not_good() {
        let history = History::in_memory().unwrap();
        history.record_proofs(&Proofs::default(), &three(), at(1)).unwrap();
        assert_eq!(history.retry_proofs().unwrap(), 2);
        for (key, proof) in history.proofs().unwrap().0 {
            assert_eq!(proof.is_due(at(1)), key.about != "key:1", "{}", key.about);
        }
    }
}
