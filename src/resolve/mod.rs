//! Stacks and what the registries say become the desired state.
