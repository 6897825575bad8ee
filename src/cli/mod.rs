//! One file per command: arguments and a few lines that call a room.
