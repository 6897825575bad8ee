//! What was found while reading one stack: everything that is wrong, and what is worth saying.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::advice;
use super::excerpt::SourceTexts;
use crate::model::stack::Remark;
use crate::model::{Masks, Place, Problem};

/// Problems beyond this many are left out.
const MOST: usize = 5000;

/// What was found while reading one stack: everything that is wrong, and what is worth saying.
#[derive(Debug, Default)]
pub struct Findings {
    problems: RefCell<Vec<Problem>>,
    remarks: RefCell<Vec<Remark>>,
    texts: SourceTexts,
    unknown: BTreeSet<String>,
    unknown_at: BTreeSet<Place>,
}

impl Findings {
    /// Nothing found yet; excerpts come from `texts`.
    pub fn new(texts: SourceTexts) -> Self {
        Self { texts, ..Self::default() }
    }

    /// The value at `path`, written at `place`, is not known without the server: from now on, nothing is
    /// wrong with it. Where a service is extended, its path is another one, but not its place.
    pub fn excuse(&mut self, path: Option<String>, place: Option<Place>) {
        self.unknown.extend(path);
        self.unknown_at.extend(place);
    }

    /// Whether the value at this path or place is not known without the server.
    pub fn is_excused(&self, path: Option<&str>, place: Option<&Place>) -> bool {
        path.is_some_and(|path| self.unknown.contains(path))
            || place.is_some_and(|place| self.unknown_at.contains(place))
    }

    /// Adds a problem, with the line it stands on where that is known.
    pub fn problem(&self, mut problem: Problem) {
        if self.is_excused(problem.path.as_deref(), problem.place.as_ref()) {
            return;
        }
        if self.is_full() {
            return;
        }
        self.texts.show_line(&mut problem);
        advice::complete(&mut problem);
        self.problems.borrow_mut().push(problem);
    }

    /// Whether so much is wrong already that more of it says nothing new.
    pub fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MOST
    }

    /// Whether nothing is wrong so far.
    pub fn is_sound(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The problems found so far, with nothing masked.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.borrow().clone()
    }

    /// Adds a remark.
    pub fn remark(&self, remark: Remark) {
        self.remarks.borrow_mut().push(remark);
    }

    /// The problems in the order of the files, and the remarks.
    ///
    /// Readers take care not to quote the server's values; `masks` catches what slips through.
    pub fn into_parts(self, masks: &Masks) -> (Vec<Problem>, Vec<Remark>) {
        let mut problems = self.problems.into_inner();
        if problems.len() >= MOST {
            let message = format!("more than {MOST} problems; those beyond are left out");
            problems.push(Problem::new("too-large", message).hint("mend these first"));
        }
        problems.iter_mut().for_each(|problem| masked(problem, masks));
        problems.sort_by(|a, b| (&a.place, &a.path, a.code).cmp(&(&b.place, &b.path, b.code)));
        problems.dedup();
        let mut remarks = self.remarks.into_inner();
        remarks.iter_mut().for_each(|remark| remark.text = masks.mask(&remark.text));
        remarks.dedup();
        (problems, remarks)
    }
}

fn masked(problem: &mut Problem, masks: &Masks) {
    let texts = [&mut problem.message].into_iter().chain(&mut problem.notes);
    texts.chain(&mut problem.hint).for_each(|text| *text = masks.mask(text));
}
