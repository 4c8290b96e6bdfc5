//! End-to-end tests: the real program in scratch directories.

mod cache;
mod parse;
mod space;
