//! From text to statements, and the scanners for shell and Python code.

pub mod shell;
