//! `rbake-sstate`.

use std::process::ExitCode;

use super::args::SstateCommand;
use crate::sstate::{Limit, Limits, SstateError, check, pack, prune, restore};

/// Runs the tool.
pub fn run(command: &SstateCommand) -> ExitCode {
    match obey(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn obey(command: &SstateCommand) -> Result<ExitCode, SstateError> {
    match command {
        SstateCommand::Pack { folder, object, level } => drop(pack(folder, object, *level)?),
        SstateCommand::Restore { object, folder } => restore(object, folder, Limit::default())?,
        SstateCommand::Check { objects } => {
            let mut good = true;
            for object in objects {
                if let Err(error) = check(object, Limit::default()) {
                    println!("{error}");
                    good = false;
                }
            }
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        SstateCommand::Prune { cache, age, bytes, pretend } => {
            let pruned = prune(cache, Limits { age: *age, bytes: *bytes }, *pretend)?;
            for file in &pruned.removed {
                println!("{}", file.display());
            }
            let done = if *pretend { "would go" } else { "removed" };
            eprintln!(
                "{} files {done}, {} bytes; {} bytes stay",
                pruned.removed.len(),
                pruned.freed,
                pruned.kept
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
