//! Floor 8: the tools. The only place that prints, with `ui`.

pub mod args;
mod bake;

use std::process::ExitCode;

use crate::host::{Channel, fork_plain, plain_run, serve};

/// Runs the tool that the program was called as.
pub fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.get(1).is_some_and(|argument| argument == "--internal-host") {
        return match Channel::inherited().and_then(|channels| serve(channels, plain_run(), &fork_plain)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    bake::run(&arguments)
}
