//! The seam to memory: what has happened on this host, in SQLite.
