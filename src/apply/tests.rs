//! What must hold while a plan is carried out.
