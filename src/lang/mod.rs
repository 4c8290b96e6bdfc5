//! Floor 1: from text to statements, the syntax of expansions, and the scanners for shell and Python code.

pub mod expr;
pub mod lines;
pub mod statement;
pub mod text;
