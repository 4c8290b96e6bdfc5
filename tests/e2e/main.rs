//! End-to-end tests: the real program in scratch directories.

mod cache;
mod layers;
mod lint;
mod parse;
mod space;
