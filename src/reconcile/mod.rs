//! One pass, and the loop around it.
