//! Reports as people read them: short, calm, one line per thing. Made from the wire types alone.

mod lines;
mod pin;
mod plan;
mod pass;
mod summary;
mod status;
mod explain;
mod history;
mod images;
mod registry_prune;
mod validate;
mod import;
mod yaml;

pub use explain::explain;
pub use history::history;
pub use images::{images, prune};
pub use import::{WrittenFile, import_page, import_remarks, import_written};
pub use pass::{pass, pass_of_stack};
pub use pin::pin;
pub use plan::plan;
pub use registry_prune::registry_prune;
pub use status::status;
pub use summary::summary;
pub use validate::validate;
pub use yaml::yaml;
