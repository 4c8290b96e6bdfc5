//! From text to statements, and the scanners for shell and Python code.

pub mod diagnostic;
pub mod fnmatch;
pub mod pattern;
pub mod repr;
pub mod suggest;
