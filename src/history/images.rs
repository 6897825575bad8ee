//! Images: what evenkeel pulled and named, what services were well with, and when room was last made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::stored::{self, Stored as _, get, get_optional, service_id};
use super::{History, HistoryError};
use crate::model::retention::{GivenNames, GoodImage, Past, PastImages, Pulled, PulledImages};
use crate::model::{Digest, GenerationNumber, ImageId, ImageName, SourceName, StackName};

/// When images were last looked through, and how that left the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// When.
    pub at: Timestamp,
    /// Since when the disk has been fuller than the operator wants, and what takes up the room.
    pub pressure: Option<Pressure>,
}

/// A disk that stays fuller than the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Since when.
    pub since: Timestamp,
    /// How full it is and what takes up the room, in one line.
    pub says: String,
}

impl History {
    /// Writes down that an image is about to be pulled. On the disk when this returns.
    pub fn record_pull(&self, key: &str, pulled: &Pulled) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO pulled (image, digest, shown, at, last_used)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    key,
                    pulled.digest.as_str(),
                    pulled.shown,
                    pulled.at.to_text(),
                    pulled.last_used.to_text(),
                ],
            )?;
            Ok(())
        })
    }

    /// What evenkeel pulled, or began to.
    pub fn pulled(&self) -> Result<PulledImages, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM pulled")?;
            let rows = statement.query_map([], |row| {
                let pulled = Pulled {
                    digest: get(row, "digest")?,
                    shown: row.get("shown")?,
                    at: get(row, "at")?,
                    last_used: get(row, "last_used")?,
                };
                Ok((row.get("image")?, pulled))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes that these images are in use at `now`.
    pub fn touch_pulls(&self, used: &BTreeSet<String>, now: Timestamp) -> Result<(), HistoryError> {
        self.write_unsynced(|transaction| {
            let sql = "UPDATE pulled SET last_used = ?2 WHERE image = ?1";
            let mut statement = transaction.prepare(sql)?;
            for image in used {
                statement.execute(params![image, now.to_text()])?;
            }
            Ok(())
        })
    }

    /// Forgets pulls whose images are gone.
    pub fn forget_pulls(&self, gone: &BTreeSet<String>) -> Result<(), HistoryError> {
        if gone.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut statement = transaction.prepare("DELETE FROM pulled WHERE image = ?1")?;
            for image in gone {
                statement.execute([image])?;
            }
            Ok(())
        })
    }

    /// Writes down that an image is about to get a name. On the disk when this returns.
    pub fn record_given_name(&self, name: &ImageName, image: &ImageId) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO given_names (name, image) VALUES (?1, ?2)",
                params![name.to_string(), image.as_str()],
            )?;
            Ok(())
        })
    }

    /// The names that evenkeel gave images.
    pub fn given_names(&self) -> Result<GivenNames, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT name, image FROM given_names")?;
            let rows = statement.query_map([], |row| {
                Ok((get(row, "name")?, ImageId::new(row.get::<_, String>("image")?)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets a name that its image no longer has.
    pub fn forget_given_name(&self, name: &ImageName) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM given_names WHERE name = ?1", [name.to_string()])?;
            Ok(())
        })
    }

    /// The images that every service was ever well with.
    pub fn past_images(&self) -> Result<Past, HistoryError> {
        self.read(|transaction| {
            // A column beside one `max` is that of the row with it (SQLite, "bare columns").
            let mut statement = transaction
                .prepare("SELECT stack, source, max(number) FROM generations GROUP BY stack")?;
            let rows =
                statement.query_map([], |row| Ok((get(row, "stack")?, get(row, "source")?)))?;
            let sources: BTreeMap<StackName, SourceName> = rows.collect::<Result<_, _>>()?;
            let mut statement = transaction.prepare(
                "SELECT g.stack AS stack, s.service AS service, s.digest AS digest,
                        min(s.generation) AS first, max(s.generation) AS last
                 FROM generation_services AS s JOIN generations AS g ON g.number = s.generation
                 WHERE s.outcome IN ('done', 'unchanged')
                   AND s.digest IS NOT NULL AND s.spec IS NOT NULL
                 GROUP BY g.stack, s.service, s.digest ORDER BY last DESC",
            )?;
            let rows = statement.query_map([], |row| {
                let good = GoodImage {
                    digest: get(row, "digest")?,
                    first: stored::generation(row, "first")?,
                    last: stored::generation(row, "last")?,
                };
                Ok((service_id(row)?, good))
            })?;
            let mut past = Past::new();
            for row in rows {
                let (id, good) = row?;
                let Some(source) = sources.get(&id.stack) else { continue };
                let source = source.clone();
                let entry = past.entry(id).or_insert(PastImages { source, good: Vec::new() });
                entry.good.push(good);
            }
            Ok(past)
        })
    }

    /// Which of `generations` has a file in its record that names `digest`.
    pub fn mentions(
        &self,
        digest: &Digest,
        generations: &BTreeSet<GenerationNumber>,
    ) -> Result<Option<GenerationNumber>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare(
                "SELECT 1 FROM generation_files AS f JOIN blobs AS b ON b.hash = f.blob
                 WHERE f.generation = ?1 AND instr(b.bytes, CAST(?2 AS BLOB)) > 0 LIMIT 1",
            )?;
            for generation in generations.iter().rev() {
                let row = params![stored::number(*generation), digest.as_str()];
                if statement.exists(row)? {
                    return Ok(Some(*generation));
                }
            }
            Ok(None)
        })
    }

    /// When images were last looked through; `None` where they never were.
    pub fn retained(&self) -> Result<Option<Retained>, HistoryError> {
        self.read(|transaction| {
            let row = transaction.query_row("SELECT * FROM retained", [], |row| {
                let since: Option<Timestamp> = get_optional(row, "since")?;
                let says: Option<String> = row.get("says")?;
                let pressure = since.zip(says).map(|(since, says)| Pressure { since, says });
                Ok(Retained { at: get(row, "at")?, pressure })
            });
            Ok(row.optional()?)
        })
    }

    /// Notes that images were looked through; `says` is what is to be told of a disk that is still too full.
    pub fn record_retained(&self, at: Timestamp, says: Option<&str>) -> Result<(), HistoryError> {
        let before = self.retained()?.and_then(|retained| retained.pressure);
        let since = says.map(|_| before.map_or(at, |pressure| pressure.since).to_text());
        self.write_unsynced(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO retained (row, at, since, says) VALUES (1, ?1, ?2, ?3)",
                params![at.to_text(), since, says],
            )?;
            Ok(())
        })
    }
}
