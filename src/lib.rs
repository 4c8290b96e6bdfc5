//! rbake reads BitBake metadata and builds operating systems from it.
//!
//! The folders are the floors of the house, and each imports only those above it in this list.

pub mod catalog;
pub mod cli;
pub mod lang;
pub mod ui;
