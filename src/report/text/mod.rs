//! Reports as people read them: short, calm, one line per thing. Made from the wire types alone.

mod plan;
mod pass;
mod status;
mod history;
mod validate;

use std::io;

use super::style::{Style, one_line};

pub use history::history;
pub use pass::pass;
pub use plan::plan;
pub use status::status;
pub use validate::validate;
