//! Pure: desired and observed state become steps, each with its reason.
