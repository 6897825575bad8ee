//! Reports as people read them: short, calm, one line per thing. Made from the wire types alone.

mod lines;
mod plan;
mod pass;
mod status;
mod history;
mod validate;

pub use history::history;
pub use pass::pass;
pub use plan::plan;
pub use status::status;
pub use validate::validate;
