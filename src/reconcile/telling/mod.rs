//! What becomes of a pass for those who were not there: messages, commit statuses, figures. Nothing here can fail or
//! delay one.

pub mod notices;
pub mod statuses;
pub mod figures;
pub mod post;
