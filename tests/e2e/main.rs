//! End-to-end tests: the real program in scratch directories.

mod build;
mod cache;
mod layers;
mod lint;
mod parse;
mod patches;
mod sources;
mod space;
