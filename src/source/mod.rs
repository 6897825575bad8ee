//! The seam to git: where a revision comes from.
