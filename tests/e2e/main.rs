//! End-to-end tests: the real program in scratch directories.

mod cache;
mod layers;
mod parse;
mod space;
