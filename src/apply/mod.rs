//! Carries out a plan; decides nothing.
