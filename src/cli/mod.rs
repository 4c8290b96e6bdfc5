//! Floor 8: the tools, one file each. Only here and in `ui` does the program print.

pub mod args;
mod bake;
mod build;
mod equivalence;
mod getvar;
mod hashclient;
mod hashserv;
mod hint;
pub mod layers;
mod layers_tool;
mod session;
mod sstate;

use std::process::ExitCode;

use args::{Command, Invocation};

use crate::host::{Channel, fork_plain, plain_run, serve};
use crate::run::{NativeRunner, Players};

/// Runs the tool that the program was called as.
pub fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.get(1).is_some_and(|argument| argument == "--internal-host") {
        let serving = Channel::inherited()
            .and_then(|channels| serve(channels, plain_run(), &fork_plain, &Players(NativeRunner)));
        return match serving {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if arguments.get(1).is_some_and(|argument| argument == "--internal-dump-all") {
        return bake::dump_all(&arguments);
    }
    if arguments.get(1).is_some_and(|argument| argument == "--internal-hashes") {
        return build::print_hashes(&arguments);
    }
    let Invocation { prog, manner, command } = match args::parse(&arguments, &session::surroundings()) {
        Ok(invocation) => invocation,
        Err(exit) => {
            print!("{}", exit.stdout());
            eprint!("{}", exit.stderr());
            return ExitCode::from(exit.code());
        }
    };
    match command {
        Command::Bake(options) => bake::run(&arguments, manner, &options),
        Command::GetVar(options) => getvar::run(&arguments, manner, &options),
        Command::HashClient(options) => hashclient::run(&options),
        Command::HashServ(options) => hashserv::run(&options),
        Command::Sstate(command) => sstate::run(&command),
        Command::Layers(options) => layers_tool::run(&arguments, &prog, manner, &options),
    }
}
