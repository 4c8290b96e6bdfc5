//! The command-line tools, one file each. Only here and in `ui` does the program print.

pub mod args;
pub mod layers;
