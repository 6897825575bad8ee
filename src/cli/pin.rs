//! `pin`: an image is written into a checkout of the repository, and nothing else; without a configuration, an
//! engine or a server.

use std::collections::BTreeMap;
use std::path::Path;

use super::arguments::{Global, Output, Pin};
use super::here::{Here, without_server};
use super::{Trouble, print, style};
use crate::manifest::edit::{Change, Edited, edit};
use crate::model::tree::Revision;
use crate::model::{Place, Problem};
use crate::report::wire::PinReport;
use crate::report::{text, wire};
use crate::source::checkout::{Checkout, CheckoutError};
use crate::source::push::Draft;

/// Writes it, and commits and pushes it where that is asked for.
pub fn run(global: &Global, args: &Pin) -> Result<u8, Trouble> {
    let here = match &args.path {
        Some(path) => Here::find(path)?,
        // Wherever in the checkout one is, all of it is meant.
        None => Here::find(Path::new("."))?.whole(),
    };
    let pinning = Pinning { args, here };
    let report = match (args.commit, args.push) {
        (false, _) => pinning.write()?,
        (true, false) => pinning.commit()?,
        // It waits for a server on this thread.
        (true, true) => tokio::task::block_in_place(|| pinning.push())?,
    };
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| text::pin(out, &report, colors))?;
    Ok(0)
}

struct Pinning<'a> {
    args: &'a Pin,
    here: Here,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Pinning<'_> {
    /// Only in the work tree.
    fn write(&self) -> Result<PinReport, Trouble> {
        let edited = self.edit(&self.here.revision()?)?;
        self.put(&edited.files)?;
        Ok(self.report(&edited))
    }

    /// In the work tree, and as a commit on what is checked out.
    fn commit(&self) -> Result<PinReport, Trouble> {
        let checkout = Checkout::open(&self.here.root)?;
        let revision = self.here.revision()?;
        let committed = checkout.head(&revision.source, &self.here.path)?;
        let (edited, to_write) = (self.edit(&committed)?, self.edit(&revision)?);
        checkout.check(files_of(&edited).chain(files_of(&to_write)))?;
        let report = self.report(&edited);
        let Some(draft) = draft(edited) else { return Ok(report) };
        self.put(&to_write.files)?;
        let commit = checkout.commit(&draft)?;
        Ok(PinReport { commit: Some(commit.to_string()), ..report })
    }

    /// As a commit on what is upstream, pushed; in the work tree where that is the same.
    fn push(&self) -> Result<PinReport, Trouble> {
        let checkout = Checkout::open(&self.here.root)?;
        let revision = self.here.revision()?;
        let committed = checkout.head(&revision.source, &self.here.path)?;
        let (edited, to_write) = (self.edit(&committed)?, self.edit(&revision)?);
        checkout.check(files_of(&edited).chain(files_of(&to_write)))?;
        let mut report = self.report(&to_write);
        let prepare = |head: &Revision| {
            let edited = self.edit(head)?;
            report = self.report(&edited);
            Ok(draft(edited))
        };
        let write = || self.put(&to_write.files);
        let landed = checkout.push(&revision.source, &self.here.path, prepare, write)?;
        if landed.is_new {
            report.commit = Some(landed.commit.to_string());
            report.pushed_to = Some(landed.upstream);
        }
        report.here = landed.is_here || edited.files.is_empty();
        Ok(report)
    }

    /// What changes in `revision`.
    fn edit(&self, revision: &Revision) -> Result<Edited, Trouble> {
        let pins = [(self.args.service.clone(), self.args.image.clone())];
        let (_, edited) = without_server(revision, None, |options| edit(revision, options, &pins))?;
        let problems = match edited {
            Ok(edited) if edited.refused.is_empty() => return Ok(edited),
            Ok(edited) => edited.refused.into_iter().map(|(_, problem)| problem).collect(),
            Err(problem) => vec![*problem],
        };
        Err(Trouble::Problems(problems.into_iter().map(|problem| self.named(problem)).collect()))
    }

    /// The problem, with a file that can be opened from the working directory.
    fn named(&self, problem: Problem) -> Problem {
        let place = problem.place.map(|place| {
            let file = self.here.renamed(&place.file).into();
            Place { file, ..place }
        });
        Problem { place, ..problem }
    }

    fn put(&self, files: &Files) -> Result<(), Trouble> {
        for (file, bytes) in files {
            let path = self.here.root.join(file);
            std::fs::write(&path, bytes).map_err(|error| Trouble::Message {
                text: format!("{} cannot be written: {error}", path.display()),
                hint: None,
            })?;
        }
        Ok(())
    }

    fn report(&self, edited: &Edited) -> PinReport {
        let report = wire::pin(&self.args.service, &self.args.image);
        let Some(change) = edited.changes.first() else { return report };
        PinReport {
            changed: true,
            from: Some(change.from.to_string()),
            to: change.to.to_string(),
            files: edited.files.keys().map(|file| self.here.renamed(file)).collect(),
            ..report
        }
    }
}

fn files_of(edited: &Edited) -> impl Iterator<Item = &str> {
    edited.files.keys().map(String::as_str)
}

fn draft(edited: Edited) -> Option<Draft> {
    let message = edited.changes.iter().map(Change::line).collect::<Vec<_>>().join("\n");
    (!edited.files.is_empty()).then_some(Draft { files: edited.files, message })
}

impl From<CheckoutError<Trouble>> for Trouble {
    fn from(error: CheckoutError<Trouble>) -> Self {
        let text = error.to_string();
        match error {
            CheckoutError::Unfit { hint, .. } => Self::Message { text, hint: Some(hint) },
            CheckoutError::Push(error) => Self::Message { text, hint: Some(error.hint()) },
            CheckoutError::Draft(trouble) => trouble,
        }
    }
}
