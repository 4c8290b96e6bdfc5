//! rbake reads BitBake metadata and builds operating systems from it.
//!
//! The folders are the floors of the house, and each imports only those above it in this list.

pub mod lang;

pub mod data;

pub mod python;

pub mod recipe;

pub mod catalog;

pub mod task;

pub mod host;

pub mod hashserv;

pub mod sstate;

// The wings, and the ground they stand on.

pub mod verify;

pub mod package;

pub mod fetch;

pub mod run;

pub mod ui;

pub mod cli;
