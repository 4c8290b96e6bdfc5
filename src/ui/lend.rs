//! Lending the terminal to a program that talks with the user.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg, pthread_sigmask};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// Whether there is a terminal to lend.
///
/// # Errors
/// What is in the way, in words.
pub fn check() -> Result<(), String> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err("there is no terminal here".into());
    }
    match tcgetpgrp(io::stdin()) {
        Ok(group) if group == getpgrp() => Ok(()),
        Ok(_) => Err("this is a background job of the terminal".into()),
        Err(error) => Err(format!("the terminal does not answer: {error}")),
    }
}

/// Runs a program in the foreground of the terminal, in a process group of its own so that Ctrl-C reaches nobody else, and
/// waits for its end. The terminal is given back as it was.
///
/// # Errors
/// Whatever starting, waiting and the terminal give.
pub fn run(program: &Path) -> io::Result<ExitStatus> {
    let terminal = io::stdin();
    let settings = tcgetattr(&terminal)?;
    let mut child = Command::new(program).process_group(0).spawn()?;
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    if let Err(error) = tcsetpgrp(&terminal, group) {
        let _ = killpg(group, Signal::SIGKILL);
        child.wait()?;
        return Err(error.into());
    }
    // It may have asked for the terminal before that was its own, and been stopped.
    let _ = killpg(group, Signal::SIGCONT);
    let status = wait(&mut child, group);
    // Who is not in the foreground is stopped for taking it, unless the signal is blocked.
    let blocked = SigSet::from(Signal::SIGTTOU);
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut before))?;
    let taken =
        tcsetpgrp(&terminal, getpgrp()).and_then(|()| tcsetattr(&terminal, SetArg::TCSADRAIN, &settings));
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    let status = status?;
    taken?;
    Ok(status)
}

/// Waits for the end. Whoever stops the shell itself has nobody to go on with: it goes on at once.
fn wait(child: &mut std::process::Child, group: Pid) -> io::Result<ExitStatus> {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitid};
    loop {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        match waitid(nix::sys::wait::Id::Pid(group), flags) {
            Ok(WaitStatus::Stopped(..)) => {
                waitid(nix::sys::wait::Id::Pid(group), WaitPidFlag::WSTOPPED)?;
                killpg(group, Signal::SIGCONT)?;
            }
            Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return child.wait(),
            Err(error) => return Err(error.into()),
        }
    }
}
