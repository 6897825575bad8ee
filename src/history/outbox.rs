//! What people were told, and the messages on their way to them.
//!
//! A message goes in with what it makes known, in one transaction. It is delivered at least once; receivers can tell
//! a second time by the message's id.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::stored::{Stored as _, get};
use super::{History, HistoryError};
use crate::model::event::{Known, Subject, Told};

/// A message for one recipient, about to be put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The recipient's name in the configuration.
    pub recipient: String,
    /// The message, as JSON.
    pub message: String,
}

/// A message that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Counts up; those of one recipient are delivered in this order.
    pub number: i64,
    /// Who it is for and what it says.
    pub letter: Letter,
    /// When it was put here.
    pub made_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Not tried before.
    pub next_try: Timestamp,
    /// What went wrong the last time.
    pub error: Option<String>,
}

impl History {
    /// What people were told to be wrong and have not been told to be right again.
    pub fn told(&self) -> Result<Told, HistoryError> {
        self.read(|transaction| {
            let mut told = Told::new();
            let mut statement = transaction.prepare("SELECT * FROM told")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (kind, name): (String, String) = (row.get("kind")?, row.get("name")?);
                // Another version knows more kinds.
                let Some(subject) = Subject::from_parts(&kind, &name) else { continue };
                let known = Known { event: get(row, "event")?, about: row.get("about")? };
                told.entry(subject).or_default().insert(row.get("part")?, known);
            }
            Ok(told)
        })
    }

    /// Records what people will have been told once `letters` are delivered, and puts those into the outbox.
    pub fn record_told(
        &self,
        told: &Told,
        letters: &[Letter],
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM told", [])?;
            for (subject, parts) in told {
                for (part, known) in parts {
                    transaction.execute(
                        "INSERT INTO told (kind, name, part, event, about)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                        params![
                            subject.kind(),
                            subject.name(),
                            part,
                            known.event.word(),
                            known.about
                        ],
                    )?;
                }
            }
            for letter in letters {
                transaction.execute(
                    "INSERT INTO outbox (recipient, message, made_at, tries, next_try)
                     VALUES (?1, ?2, ?3, 0, ?3)",
                    params![letter.recipient, letter.message, now.to_text()],
                )?;
            }
            Ok(())
        })
    }

    /// All messages that wait, the oldest first.
    pub fn outbox(&self) -> Result<Vec<Waiting>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM outbox ORDER BY number")?;
            let rows = statement.query_map([], waiting)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Takes a message for a try that has ended by `until`; `false` where somebody else is at it or was.
    pub fn claim(&self, waiting: &Waiting, until: Timestamp) -> Result<bool, HistoryError> {
        self.write_unsynced(|transaction| {
            let claimed = transaction.execute(
                "UPDATE outbox SET next_try = ?3 WHERE number = ?1 AND next_try = ?2",
                params![waiting.number, waiting.next_try.to_text(), until.to_text()],
            )?;
            Ok(claimed == 1)
        })
    }

    /// Notes a try that failed.
    pub fn put_off(
        &self,
        number: i64,
        error: &str,
        next_try: Timestamp,
    ) -> Result<(), HistoryError> {
        self.write_unsynced(|transaction| {
            transaction.execute(
                "UPDATE outbox SET tries = tries + 1, error = ?2, next_try = ?3 WHERE number = ?1",
                params![number, error, next_try.to_text()],
            )?;
            Ok(())
        })
    }

    /// Takes a message out: it was delivered, or never will be.
    pub fn take_out(&self, number: i64) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM outbox WHERE number = ?1", [number])?;
            Ok(())
        })
    }
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        number: row.get("number")?,
        letter: Letter { recipient: row.get("recipient")?, message: row.get("message")? },
        made_at: get(row, "made_at")?,
        tries: row.get("tries")?,
        next_try: get(row, "next_try")?,
        error: row.get("error")?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Event;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn letter(recipient: &str, message: &str) -> Letter {
        Letter { recipient: recipient.into(), message: message.into() }
    }

    fn some_told() -> Told {
        let known = |event, about: &str| Known { event, about: about.into() };
        let services = [("api", known(Event::RolledBack, "1:ab")), ("", known(Event::Failed, "x"))];
        let services = services.map(|(part, known)| (part.to_owned(), known));
        Told::from([
            (Subject::Stack("shop".into()), services.into()),
            (Subject::Disk, BTreeMap::from([(String::new(), known(Event::Disk, ""))])),
        ])
    }

    #[test]
    fn what_was_told_and_what_is_to_be_delivered_outlast_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(dir.path(), at(0)).unwrap().history;
        history.record_told(&some_told(), &[letter("ops", "{}")], at(1)).unwrap();
        drop(history);
        let history = History::beside(dir.path()).unwrap().unwrap();
        assert_eq!(history.told().unwrap(), some_told());
        let [waiting] = &history.outbox().unwrap()[..] else { panic!() };
        assert_eq!((&waiting.letter, waiting.tries), (&letter("ops", "{}"), 0));
        assert_eq!((waiting.made_at, waiting.next_try), (at(1), at(1)));
        history.record_told(&Told::new(), &[], at(2)).unwrap();
        assert_eq!(history.told().unwrap(), Told::new());
        assert_eq!(history.outbox().unwrap().len(), 1, "it is still to be delivered");
    }

    #[test]
    fn one_of_two_that_deliver_gets_a_message() {
        let history = History::in_memory().unwrap();
        history.record_told(&Told::new(), &[letter("ops", "{}")], at(1)).unwrap();
        let waiting = history.outbox().unwrap().remove(0);
        assert!(history.claim(&waiting, at(60)).unwrap());
        assert!(!history.claim(&waiting, at(61)).unwrap());
        history.put_off(waiting.number, "status 503", at(90)).unwrap();
        let again = history.outbox().unwrap().remove(0);
        assert_eq!((again.tries, again.next_try), (1, at(90)));
        assert_eq!(again.error.as_deref(), Some("status 503"));
        history.take_out(again.number).unwrap();
        assert_eq!(history.outbox().unwrap(), []);
    }

    #[test]
    fn a_database_that_is_not_there_is_not_made_by_who_delivers() {
        let dir = tempfile::tempdir().unwrap();
        assert!(History::beside(dir.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
