//! What the operator writes on the server.
