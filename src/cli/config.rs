//! `config`: what was understood, in Compose's canonical form; offline.

use std::io::{self, Write as _};
use std::path::Path;

use super::arguments::{Config as Arguments, ConfigOutput, Global};
use super::here::offline;
use super::{Trouble, style};
use crate::manifest::{Canonical, Loaded, Options, Show, Which, load_canonical};
use crate::model::Place;
use crate::model::stack::Remark;
use crate::model::tree::Revision;
use crate::report::{problems, text};

/// Prints every stack that is right, and tells what is wrong with the others.
pub fn run(global: &Global, args: &Arguments) -> Result<u8, Trouble> {
    let read = |revision: &Revision, options: &Options<'_>, root: &Path| {
        load_canonical(revision, options, root, &Which::All)
    };
    let (_, loaded) = offline(&args.path, args.env.clone(), read, places)?;
    print(&loaded, args)?;
    let mut is_good = loaded.problems.is_empty();
    let mut told = problems::render(&loaded.problems, style(global, &io::stderr()));
    for stack in &loaded.stacks {
        match &stack.result {
            Ok(_) if global.quiet => {}
            Ok(stack) => {
                let remarks = remarks(stack);
                told += &problems::render_remarks(&remarks, style(global, &io::stderr()));
            }
            Err(wrong) => {
                is_good = false;
                told += &problems::render(wrong, style(global, &io::stderr()));
            }
        }
    }
    write!(io::stderr(), "{told}")?;
    Ok(if is_good { 0 } else { super::FAILED })
}

fn places(stack: &mut Canonical) -> Vec<&mut Place> {
    let remarks = stack.remarks.iter_mut().filter_map(|remark| remark.place.as_mut());
    let refused = stack.refused.iter_mut().filter_map(|problem| problem.place.as_mut());
    remarks.chain(refused).collect()
}

/// One document for each stack.
fn print(loaded: &Loaded<Canonical>, args: &Arguments) -> io::Result<()> {
    let is_json = args.output == ConfigOutput::Json;
    let show = Show { values: args.show_values, extensions: !is_json };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let stacks = loaded.stacks.iter().filter_map(|stack| stack.result.as_ref().ok());
    for (number, stack) in stacks.enumerate() {
        let document = stack.document(show);
        if is_json {
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
            continue;
        }
        if number > 0 {
            writeln!(out, "---")?;
        }
        text::yaml(&mut out, &document)?;
    }
    out.flush()
}

/// What is worth saying of a stack; what cannot run here is shown all the same.
fn remarks(stack: &Canonical) -> Vec<Remark> {
    let refused = stack.refused.iter().map(|problem| Remark {
        place: problem.place.clone(),
        service: None,
        text: format!("evenkeel does not run this: {}", problem.message),
    });
    stack.remarks.iter().cloned().chain(refused).collect()
}
