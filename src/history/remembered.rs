//! What a plan depends on: holds, rejected specs, finished jobs, pins, what is known to be ours.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::stored::{self, Stored, get, get_optional, service_id};
use super::{History, HistoryError};
use crate::model::desired::{Chosen, Pin, Pins};
use crate::model::memory::{Deployed, HeldBy, Hold, HoldScope, Memory, Rejection, Trouble};
use crate::model::{ContainerId, ContainerName, ServiceId, SpecHash, StackName};

impl History {
    /// Everything the planner needs of the past, as of one moment.
    pub fn memory(&self) -> Result<Memory, HistoryError> {
        self.read(|transaction| {
            let container = |row: &Row<'_>| get::<ContainerId>(row, "container");
            Ok(Memory {
                holds: all(transaction, "holds", hold)?,
                rejected: all(transaction, "rejected", |row| {
                    let rejection = Rejection {
                        since: get(row, "since")?,
                        error: row.get("error")?,
                        paused: row.get("paused")?,
                    };
                    Ok((service_spec(row)?, rejection))
                })?,
                troubles: all(transaction, "troubles", |row| {
                    Ok((service_id(row)?, trouble(row)?))
                })?,
                deployed: all(transaction, "deployed", |row| {
                    Ok((service_id(row)?, deployed(row)?))
                })?,
                completed_jobs: all(transaction, "completed_jobs", service_spec)?,
                matched: all(transaction, "matched", |row| {
                    Ok((container(row)?, get(row, "spec")?))
                })?,
                adopted: all(transaction, "adopted", service_spec)?,
                set_aside: all(transaction, "set_aside", |row| {
                    Ok((container(row)?, get(row, "restart")?))
                })?,
                known_services: all(transaction, "known_services", service_id)?,
            })
        })
    }

    /// Records a hold, in place of one by the same holder on the same scope.
    pub fn hold(&self, hold: &Hold) -> Result<(), HistoryError> {
        let (stack, service) = scope_names(&hold.scope);
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO holds
                     (stack, service, held_by, since, until, reason, image, going_to)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    stack,
                    service,
                    hold.by.to_text(),
                    hold.since.to_text(),
                    hold.until.map(|until| until.to_text()),
                    hold.reason,
                    hold.image,
                    hold.going_to.map(stored::number),
                ],
            )?;
            Ok(())
        })
    }

    /// Ends the holds of operators and rollbacks on `scope` and on what is below it, and gives those that
    /// were still in force. What is held for the sake of data is ended by [`History::adopt`].
    pub fn unhold(&self, scope: &HoldScope, now: Timestamp) -> Result<Vec<Hold>, HistoryError> {
        let (stack, service) = scope_names(scope);
        self.write(|transaction| {
            let mut statement = transaction.prepare(
                "DELETE FROM holds
                 WHERE (?1 = '' OR stack = ?1) AND (?2 = '' OR service = ?2) AND held_by <> ?3
                 RETURNING *",
            )?;
            let ended = statement
                .query_map(params![stack, service, HeldBy::Adoption.to_text()], hold)?
                .collect::<Result<Vec<Hold>, _>>()?;
            Ok(ended.into_iter().filter(|hold| hold.is_in_force(now)).collect())
        })
    }

    /// Ends the hold that a rollback left on exactly this scope, if there is one.
    pub fn end_rollback(&self, scope: &HoldScope) -> Result<(), HistoryError> {
        let (stack, service) = scope_names(scope);
        self.write(|transaction| {
            let sql = "DELETE FROM holds WHERE stack = ?1 AND service = ?2 AND held_by = ?3";
            transaction.execute(sql, params![stack, service, HeldBy::Rollback.to_text()])?;
            Ok(())
        })
    }

    /// Remembers that a spec failed its gate here. The error is masked.
    pub fn reject(
        &self,
        service: &ServiceId,
        spec: &SpecHash,
        rejection: &Rejection,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO rejected (stack, service, spec, since, error, paused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    service.stack.as_str(),
                    service.service.as_str(),
                    spec.as_str(),
                    rejection.since.to_text(),
                    rejection.error,
                    rejection.paused,
                ],
            )?;
            Ok(())
        })
    }

    /// Forgets what failed within `scope`; how many specs that were.
    pub fn forget_rejections(&self, scope: &HoldScope) -> Result<usize, HistoryError> {
        self.forget("rejected", scope)
    }

    /// Remembers trouble of the world with a service, in place of what was remembered before.
    pub fn record_trouble(
        &self,
        service: &ServiceId,
        trouble: &Trouble,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO troubles
                 (stack, service, about, since, times, next_try, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    service.stack.as_str(),
                    service.service.as_str(),
                    trouble.about,
                    trouble.since.to_text(),
                    trouble.times,
                    trouble.next_try.to_text(),
                    trouble.error,
                ],
            )?;
            Ok(())
        })
    }

    /// Forgets trouble of the world within `scope`; with how many services there was some.
    pub fn forget_troubles(&self, scope: &HoldScope) -> Result<usize, HistoryError> {
        self.forget("troubles", scope)
    }

    /// Remembers what a service was deployed as, in place of what was remembered before; `None` where it was
    /// removed.
    pub fn record_deployed(
        &self,
        service: &ServiceId,
        deployed: Option<&Deployed>,
    ) -> Result<(), HistoryError> {
        let Some(deployed) = deployed else {
            return self.forget("deployed", &HoldScope::Service(service.clone())).map(drop);
        };
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO deployed (stack, service, spec, replicas, container_name)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    service.stack.as_str(),
                    service.service.as_str(),
                    deployed.spec.as_str(),
                    deployed.replicas,
                    deployed.container_name.as_ref().map(ContainerName::as_str),
                ],
            )?;
            Ok(())
        })
    }

    /// Remembers that a job completed with this spec.
    pub fn complete_job(&self, service: &ServiceId, spec: &SpecHash) -> Result<(), HistoryError> {
        self.add_service_spec("completed_jobs", service, spec)
    }

    /// Remembers that an operator confirmed a takeover of data.
    pub fn adopt(&self, service: &ServiceId, spec: &SpecHash) -> Result<(), HistoryError> {
        self.add_service_spec("adopted", service, spec)
    }

    /// Remembers that a container matches a spec whose hash it does not carry.
    pub fn record_match(
        &self,
        container: &ContainerId,
        spec: &SpecHash,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            let sql = "INSERT OR IGNORE INTO matched (container, spec) VALUES (?1, ?2)";
            transaction.execute(sql, [container.as_str(), spec.as_str()])?;
            Ok(())
        })
    }

    /// Forgets what is remembered of containers that are not among `keep`; writes nothing where that is
    /// nothing.
    pub fn forget_containers(&self, keep: &BTreeSet<ContainerId>) -> Result<(), HistoryError> {
        let gone: BTreeSet<ContainerId> = self.read(|transaction| {
            let sql = "(SELECT container FROM matched UNION SELECT container FROM set_aside)";
            let all: BTreeSet<ContainerId> = all(transaction, sql, |row| get(row, "container"))?;
            Ok(all.difference(keep).cloned().collect())
        })?;
        if gone.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for container in &gone {
                transaction
                    .execute("DELETE FROM matched WHERE container = ?1", [container.as_str()])?;
                transaction
                    .execute("DELETE FROM set_aside WHERE container = ?1", [container.as_str()])?;
            }
            Ok(())
        })
    }

    /// Remembers that a service was deployed here.
    pub fn record_known(&self, service: &ServiceId) -> Result<(), HistoryError> {
        self.write(|transaction| {
            let sql = "INSERT OR IGNORE INTO known_services (stack, service) VALUES (?1, ?2)";
            transaction.execute(sql, [service.stack.as_str(), service.service.as_str()])?;
            Ok(())
        })
    }

    /// Forgets a service that a plan removed.
    pub fn forget_known(&self, service: &ServiceId) -> Result<(), HistoryError> {
        self.write(|transaction| {
            let sql = "DELETE FROM known_services WHERE stack = ?1 AND service = ?2";
            transaction.execute(sql, [service.stack.as_str(), service.service.as_str()])?;
            Ok(())
        })
    }

    /// What image lines stand for.
    pub fn pins(&self) -> Result<Pins, HistoryError> {
        self.read(|transaction| {
            let pins: BTreeMap<_, _> = all(transaction, "pins", |row| {
                Ok(((service_id(row)?, row.get("reference")?), pin(row)?))
            })?;
            Ok(Pins(pins))
        })
    }

    /// Adds pins, in place of older ones for the same image line. Writes nothing where there is nothing new.
    pub fn record_pins(&self, pins: &Pins, at: Timestamp) -> Result<(), HistoryError> {
        let known = self.pins()?;
        let new: Vec<_> =
            pins.0.iter().filter(|(line, pin)| known.0.get(line) != Some(pin)).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut statement = transaction.prepare(
                "INSERT OR REPLACE INTO pins
                     (stack, service, reference, digest, recorded_at, tag, why)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for ((service, reference), pin) in new {
                statement.execute(params![
                    service.stack.as_str(),
                    service.service.as_str(),
                    reference,
                    pin.digest.as_str(),
                    pin.chosen.as_ref().map_or(at, |chosen| chosen.at).to_text(),
                    pin.chosen.as_ref().and_then(|chosen| chosen.tag.as_ref()),
                    pin.chosen.as_ref().map(|chosen| &chosen.why),
                ])?;
            }
            Ok(())
        })
    }

    /// Forgets what following the registry led to for image lines that git does not have any more: git's word
    /// goes before, also where a line comes back. `lines` are those that git has.
    pub fn forget_chosen(&self, lines: &BTreeMap<ServiceId, String>) -> Result<(), HistoryError> {
        let pins = self.pins()?;
        let gone: Vec<_> = pins
            .0
            .iter()
            .filter(|(_, pin)| pin.chosen.is_some())
            .filter(|((service, line), _)| lines.get(service).is_some_and(|now| now != line))
            .map(|(key, _)| key)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let sql = "DELETE FROM pins WHERE stack = ?1 AND service = ?2 AND reference = ?3";
            for (service, line) in gone {
                let params = [service.stack.as_str(), service.service.as_str(), line];
                transaction.execute(sql, params)?;
            }
            Ok(())
        })
    }

    /// Deletes what a table holds of the services within `scope`; how many rows that were.
    fn forget(&self, table: &'static str, scope: &HoldScope) -> Result<usize, HistoryError> {
        let (stack, service) = scope_names(scope);
        let sql = format!(
            "DELETE FROM {table} WHERE (?1 = '' OR stack = ?1) AND (?2 = '' OR service = ?2)"
        );
        self.write(|transaction| Ok(transaction.execute(&sql, [stack, service])?))
    }

    fn add_service_spec(
        &self,
        table: &'static str,
        service: &ServiceId,
        spec: &SpecHash,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                &format!(
                    "INSERT OR IGNORE INTO {table} (stack, service, spec) VALUES (?1, ?2, ?3)"
                ),
                [service.stack.as_str(), service.service.as_str(), spec.as_str()],
            )?;
            Ok(())
        })
    }
}

/// Every row of `table` (or of a bracketed query), in an order of its own.
fn all<T, C: FromIterator<T>>(
    transaction: &Transaction<'_>,
    table: &'static str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<C, HistoryError> {
    let mut statement = transaction.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<C, _>>()?)
}

fn pin(row: &Row<'_>) -> rusqlite::Result<Pin> {
    let (tag, why): (Option<String>, Option<String>) = (row.get("tag")?, row.get("why")?);
    let at = get(row, "recorded_at")?;
    let chosen = why.map(|why| Chosen { tag, why, at });
    Ok(Pin { digest: get(row, "digest")?, chosen })
}

fn service_spec(row: &Row<'_>) -> rusqlite::Result<(ServiceId, SpecHash)> {
    Ok((service_id(row)?, get(row, "spec")?))
}

fn deployed(row: &Row<'_>) -> rusqlite::Result<Deployed> {
    Ok(Deployed {
        spec: get(row, "spec")?,
        replicas: row.get("replicas")?,
        container_name: get_optional(row, "container_name")?,
    })
}

fn trouble(row: &Row<'_>) -> rusqlite::Result<Trouble> {
    Ok(Trouble {
        about: row.get("about")?,
        since: get(row, "since")?,
        times: row.get("times")?,
        next_try: get(row, "next_try")?,
        error: row.get("error")?,
    })
}

fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    let id = service_id(row)?;
    let scope = if id.stack.as_str().is_empty() {
        HoldScope::Host
    } else if id.service.as_str().is_empty() {
        HoldScope::Stack(id.stack)
    } else {
        HoldScope::Service(id)
    };
    Ok(Hold {
        scope,
        by: get(row, "held_by")?,
        since: get(row, "since")?,
        until: get_optional(row, "until")?,
        reason: row.get("reason")?,
        image: row.get("image")?,
        going_to: stored::optional_generation(row, "going_to")?,
    })
}

/// Stack and service as the tables name them: empty stands for all.
fn scope_names(scope: &HoldScope) -> (&str, &str) {
    match scope {
        HoldScope::Host => ("", ""),
        HoldScope::Stack(stack) => (StackName::as_str(stack), ""),
        HoldScope::Service(id) => (id.stack.as_str(), id.service.as_str()),
    }
}
