//! `rbake-hashserv` and `bitbake-hashserv`.

use std::process::ExitCode;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};

use super::args::HashServOptions;
use crate::hashserv::{Event, Options, Server};

/// Serves until a signal ends it.
pub fn run(options: &HashServOptions) -> ExitCode {
    // Blocked before any thread exists, so that none of them is hit; the signals are waited for below.
    let signals: SigSet =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP].into_iter().collect();
    if let Err(error) = signals.thread_block() {
        eprintln!("ERROR: cannot wait for signals: {error}");
        return ExitCode::FAILURE;
    }
    let least = options.log;
    let journal = Arc::new(move |event: &Event| {
        if event.importance() >= least {
            eprintln!("{event}");
        }
    });
    let server = Server::start(
        Options {
            upstream: options.upstream.clone(),
            read_only: options.read_only,
            anonymous: options.anonymous.clone(),
            admin: options.admin.clone(),
            reuse_port: options.reuse_port,
            ..Options::new(options.bind.clone(), &options.database)
        },
        journal,
    );
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            eprintln!("ERROR: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Port 0 lets the system choose; who started it wants to know what.
    println!("Listening on {}", server.address());
    while signals.wait().is_err() {}
    server.stop();
    ExitCode::SUCCESS
}
