//! Floor 1: from text to statements, the syntax of expansions, and the scanners for shell and Python code.

pub mod diagnostic;
pub mod expr;
pub mod fnmatch;
pub mod lines;
pub mod pattern;
pub mod python;
pub mod repr;
pub mod shell;
pub mod statement;
pub mod suggest;
pub mod text;
