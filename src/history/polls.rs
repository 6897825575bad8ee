//! What registries said, from one asking to the next: what tags point at, which there are, what images are.
//!
//! Losing it costs some questions and the dates of first sight, nothing else; so nobody waits for the disk.

use jiff::{Span, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stored::Stored;
use super::{History, HistoryError};
use crate::model::Digest;
use crate::model::polls::{Polls, Repository, TagKey};

/// What nobody has asked about for so long is forgotten, days.
const KEPT: i64 = 90;

const TAG: &str = "tag";
const LIST: &str = "list";
const IMAGE: &str = "image";
const REGISTRIES: &str = "registries";

impl History {
    /// All that is remembered of registries.
    pub fn polls(&self) -> Result<Polls, HistoryError> {
        self.read(|transaction| {
            let mut polls = Polls::default();
            let mut statement = transaction.prepare("SELECT * FROM polls")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                read(row, &mut polls)?;
            }
            Ok(polls)
        })
    }

    /// How registries want to be approached, as it was recorded.
    pub fn registries(&self) -> Result<Option<String>, HistoryError> {
        self.read(|transaction| {
            let sql = "SELECT heard FROM polls WHERE kind = ?1";
            Ok(transaction.query_row(sql, [REGISTRIES], |row| row.get(0)).optional()?)
        })
    }

    /// Records how registries want to be approached. Writes nothing where that is known.
    pub fn record_registries(&self, text: &str, now: Timestamp) -> Result<(), HistoryError> {
        if self.registries()?.as_deref() == Some(text) {
            return Ok(());
        }
        self.write_unsynced(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO polls (kind, repository, name, heard, heard_at)
                 VALUES (?1, '', '', ?2, ?3)",
                params![REGISTRIES, text, now.to_text()],
            )?;
            Ok(())
        })
    }

    /// Records that something is another in these repositories: of `None` with any tag. Which of them are remembered,
    /// and so followed.
    pub fn record_moved(
        &self,
        moved: &[(Repository, Option<TagKey>)],
        now: Timestamp,
    ) -> Result<Vec<bool>, HistoryError> {
        let before = self.polls()?;
        let mut after = before.clone();
        let make_due = |(repository, tag): &(Repository, Option<TagKey>)| {
            after.make_due(repository, tag.as_ref())
        };
        let followed: Vec<bool> = moved.iter().map(make_due).collect();
        self.record_polls(&before, &after, now)?;
        // It may be a signature that came.
        let awaited = moved.iter().map(|(repository, _)| self.expect_signatures(repository));
        let awaited: Vec<bool> = awaited.collect::<Result<_, _>>()?;
        Ok(followed.into_iter().zip(awaited).map(|(one, other)| one || other).collect())
    }

    /// Records what differs between `before` and `after`.
    pub fn record_polls(
        &self,
        before: &Polls,
        after: &Polls,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        if before == after {
            return Ok(());
        }
        self.write_unsynced(|transaction| {
            for (key @ (repository, tag), heard) in &after.tags {
                if before.tags.get(key) != Some(heard) {
                    write(transaction, TAG, repository, tag.as_str(), heard, now)?;
                }
            }
            for (repository, heard) in &after.lists {
                if before.lists.get(repository) != Some(heard) {
                    write(transaction, LIST, repository, "", heard, now)?;
                }
            }
            for (key @ (repository, digest), facts) in &after.images {
                if before.images.get(key) != Some(facts) {
                    write(transaction, IMAGE, repository, digest.as_str(), facts, now)?;
                }
            }
            let oldest = now.checked_sub(Span::new().hours(24 * KEPT)).unwrap_or(Timestamp::MIN);
            let sql = "DELETE FROM polls WHERE julianday(heard_at) < julianday(?1) AND kind <> ?2";
            transaction.execute(sql, params![oldest.to_text(), REGISTRIES])?;
            Ok(())
        })
    }
}

fn write(
    transaction: &Transaction<'_>,
    kind: &str,
    repository: &Repository,
    name: &str,
    heard: &impl Serialize,
    now: Timestamp,
) -> Result<(), HistoryError> {
    // Serialising plain structs with text keys into memory cannot fail.
    let heard = serde_json::to_string(heard).unwrap_or_default();
    transaction.execute(
        "INSERT OR REPLACE INTO polls (kind, repository, name, heard, heard_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![kind, repository.as_str(), name, heard, now.to_text()],
    )?;
    Ok(())
}

/// What cannot be read was written by another version; it is asked for again.
fn read(row: &Row<'_>, polls: &mut Polls) -> Result<(), HistoryError> {
    let (kind, name): (String, String) = (row.get("kind")?, row.get("name")?);
    let repository = Repository::stored(row.get("repository")?);
    let heard: String = row.get("heard")?;
    match kind.as_str() {
        TAG => {
            let key = (repository, TagKey::stored(name));
            polls.tags.extend(parse(&heard).map(|heard| (key, heard)));
        }
        LIST => polls.lists.extend(parse(&heard).map(|heard| (repository, heard))),
        IMAGE => {
            let digest = Digest::parse(&name);
            let facts = digest.zip(parse(&heard));
            polls.images.extend(facts.map(|(digest, facts)| ((repository, digest), facts)));
        }
        _ => {}
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::model::polls::{Built, Heard, ImageFacts, TagState, Unknown};
    use crate::model::{ImageRef, Platform};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn some_polls() -> Polls {
        let repository = Repository::from(&ImageRef::parse("ghcr.io/acme/api").unwrap());
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let state = TagState { digest: digest.clone(), etag: Some("\"x\"".into()) };
        let unknown = Unknown::new("no".into(), None, Duration::from_secs(60), at(1));
        let platforms = [("linux/amd64", Some(digest.clone())), ("linux/s390x", None)];
        let facts = ImageFacts {
            first_seen: at(1),
            built: Some(Built::At(at(0))),
            children: platforms.map(|(name, child)| (Platform(name.into()), child)).into(),
            unknown: None,
        };
        Polls {
            tags: BTreeMap::from([(
                (repository.clone(), TagKey::of("1.4")),
                Heard::answered(state, at(1)),
            )]),
            lists: BTreeMap::from([(
                repository.clone(),
                Heard::failed(Some(Heard::answered(vec!["1.4".into()], at(0))), unknown, at(1)),
            )]),
            images: BTreeMap::from([((repository, digest), facts)]),
        }
    }

    #[test]
    fn what_registries_said_comes_back() {
        let history = History::in_memory().unwrap();
        assert_eq!(history.polls().unwrap(), Polls::default());
        history.record_polls(&Polls::default(), &some_polls(), at(1)).unwrap();
        assert_eq!(history.polls().unwrap(), some_polls());
    }

    #[test]
    fn how_registries_want_to_be_approached_comes_back() {
        let history = History::in_memory().unwrap();
        assert_eq!(history.registries().unwrap(), None);
        for text in ["{}", "{\"ghcr.io\":\"password\"}"] {
            history.record_registries(text, at(1)).unwrap();
            assert_eq!(history.registries().unwrap().as_deref(), Some(text));
        }
        let writes = history.connection().total_changes();
        history.record_registries("{\"ghcr.io\":\"password\"}", at(2)).unwrap();
        assert_eq!(history.connection().total_changes(), writes);
        assert_eq!(history.polls().unwrap(), Polls::default());
    }

    #[test]
    fn nothing_is_written_where_nothing_was_heard() {
        let history = History::in_memory().unwrap();
        let polls = some_polls();
        history.record_polls(&Polls::default(), &polls, at(1)).unwrap();
        let writes = history.connection().total_changes();
        history.record_polls(&polls, &polls, at(2)).unwrap();
        assert_eq!(history.connection().total_changes(), writes);
    }

    #[test]
    fn what_nobody_asks_about_any_more_is_forgotten() {
        let history = History::in_memory().unwrap();
        let polls = some_polls();
        history.record_polls(&Polls::default(), &polls, at(1)).unwrap();
        let key = polls.tags.keys().next().unwrap();
        let mut later = polls.clone();
        later.tags.insert(key.clone(), later.tags[key].clone().confirmed(at(100)));
        history.record_polls(&polls, &later, at(100)).unwrap();
        let kept = history.polls().unwrap();
        assert_eq!((kept.tags.len(), kept.lists.len(), kept.images.len()), (1, 0, 0));
    }

    #[test]
    fn what_another_version_wrote_is_asked_for_again() {
        let history = History::in_memory().unwrap();
        history.record_polls(&Polls::default(), &some_polls(), at(1)).unwrap();
        history.connection().execute("UPDATE polls SET heard = '{}'", []).unwrap();
        assert_eq!(history.polls().unwrap(), Polls::default());
    }
}
