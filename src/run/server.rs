//! The task server: the process, forked from a host, that forks a child for every task.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::child::{Child, assignments, set_apart};
use super::event::{Exit, LogRecord, TaskEvent};
use super::executor::TaskId;
use super::pipe::EventSender;
use super::spec::{BuildData, TaskSpec};
use super::wire::{Order, Report};
use crate::host::{Duty, set_sink};

/// What runs tasks and handlers in a process of this kind: Python, or the engine alone.
pub trait Runner {
    /// Prepares, in the server, what all children can share.
    fn prepare(&self, duty: &Duty<'_>);

    /// Forks a process with further environment variables in place, since a preloaded fakeroot library looks at them then. None in
    /// the child.
    ///
    /// # Errors
    /// The system refused.
    fn fork(&self, duty: &Duty<'_>, environment: &[(String, String)]) -> io::Result<Option<i32>>;

    /// Runs a task in its own process to the end; gives the exit code.
    fn run(&self, child: Child) -> i32;

    /// Answers questions to metadata over the duty's channel until it ends.
    ///
    /// # Errors
    /// The connection broke.
    fn control(&self, duty: &Duty<'_>) -> io::Result<()>;
}

/// A child that hasn't been waited for.
struct Running {
    id: TaskId,
    pid: Pid,
    /// Becomes readable when it ends. None where the kernel has no such thing.
    end: Option<OwnedFd>,
}

/// Waiting without a notice of the kernel is looking now and then.
const LOOK: u16 = 20;
/// How long children may take to end after the program is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until the program closes the connection, and then ends all children.
///
/// # Errors
/// The connection broke.
pub fn serve_tasks(duty: &Duty<'_>, runner: &dyn Runner) -> io::Result<()> {
    let channel = duty.channel.clone();
    set_sink(Rc::new(move |said| drop(channel.send(&Report::Said(said)))));
    runner.prepare(duty);
    let mut build = BuildData::default();
    let mut children: Vec<Running> = Vec::new();
    let result = loop {
        if let Err(error) = wait(duty.channel.as_fd(), &children) {
            break Err(error);
        }
        if let Err(error) = reap(duty, &mut children) {
            break Err(error);
        }
        if !readable(duty.channel.as_fd())? {
            continue;
        }
        match duty.channel.receive::<Order>() {
            Ok(Some(Order::Build(data))) => build = *data,
            Ok(Some(Order::Preload(files))) => duty.run.keep_files(&files),
            Ok(Some(Order::Signal(signal))) => {
                if let Ok(signal) = Signal::try_from(signal) {
                    children.iter().for_each(|child| signal_group(child.pid, signal));
                }
            }
            Ok(Some(Order::Run(id, spec))) => {
                let socket = match duty.channel.receive_file() {
                    Ok(socket) => socket,
                    Err(error) => break Err(error),
                };
                let report = match start(duty, runner, &spec, &build, socket) {
                    Ok(pid) => {
                        children.push(Running { id, pid, end: notice_of_end(pid.as_raw()) });
                        Report::Forked(id, pid.as_raw())
                    }
                    Err(error) => Report::NotForked(id, error.to_string()),
                };
                if let Err(error) = duty.channel.send(&report) {
                    break Err(error);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    end_all(&mut children);
    result
}

/// Waits until an order or the end of a child can be looked at.
fn wait(channel: BorrowedFd<'_>, children: &[Running]) -> io::Result<()> {
    let mut fds = vec![PollFd::new(channel, PollFlags::POLLIN)];
    let notices = children.iter().filter_map(|child| child.end.as_ref());
    fds.extend(notices.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
    let all_noticed = fds.len() == children.len() + 1;
    let timeout = if all_noticed { PollTimeout::NONE } else { PollTimeout::from(LOOK) };
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn readable(channel: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(channel, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reports the children that have ended.
fn reap(duty: &Duty<'_>, children: &mut Vec<Running>) -> io::Result<()> {
    let mut ended = Vec::new();
    children.retain(|child| match ended_with(child.pid) {
        Some(exit) => {
            ended.push((child.id, exit));
            false
        }
        None => true,
    });
    ended.into_iter().try_for_each(|(id, exit)| duty.channel.send(&Report::Ended(id, exit)))
}

fn ended_with(pid: Pid) -> Option<Exit> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
        // Code of the configuration waited for any child, and got this one.
        Err(Errno::ECHILD) => Some(Exit::Lost),
        _ => None,
    }
}

/// Something that becomes readable when a process ends. None where the kernel has no such thing.
pub fn notice_of_end(pid: i32) -> Option<OwnedFd> {
    // SAFETY: the call takes two integers and gives a new descriptor or -1. There is no wrapper for it.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the kernel made it for us just now.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Forks the child of a task.
fn start(
    duty: &Duty<'_>,
    runner: &dyn Runner,
    spec: &TaskSpec,
    build: &BuildData,
    socket: OwnedFd,
) -> io::Result<Pid> {
    let parent = std::process::id() as i32;
    if spec.fakeroot && !spec.dry_run {
        for dir in spec.fakeroot_dirs.split_whitespace() {
            std::fs::create_dir_all(dir)?;
        }
    }
    // A dry run may come before fakeroot was built.
    let spec = match spec.fakeroot && spec.dry_run {
        true => TaskSpec { fakeroot_env: String::new(), ..spec.clone() },
        false => spec.clone(),
    };
    if let Some(pid) = runner.fork(duty, &assignments(&spec.fakeroot_env))? {
        return Ok(Pid::from_raw(pid));
    }
    // SAFETY: nothing in this process uses the server's connection from here on, and it ends without cleaning up. Left open, it
    // would keep the program from seeing that the server is gone.
    unsafe { libc::close(duty.channel.as_fd().as_raw_fd()) };
    let events = Rc::new(EventSender::new(socket));
    let sink = events.clone();
    set_sink(Rc::new(move |said| {
        let record = LogRecord {
            level: super::event::level_of(said.severity),
            logger: "BitBake".into(),
            text: said.text,
            pid: std::process::id() as i32,
            force_log: false,
        };
        drop(sink.send(&TaskEvent::Log(record)));
    }));
    let begun = set_apart(parent, &spec.umask);
    let child = Child::new(spec, build.clone(), duty.run.clone(), duty.configuration, events);
    let code = match (begun, child) {
        (Ok(()), Ok(child)) => runner.run(child),
        (Err(error), _) => {
            crate::host::send_message(crate::lang::diagnostic::Severity::Error, &error.to_string(), false);
            1
        }
        (_, Err(error)) => {
            crate::host::send_message(crate::lang::diagnostic::Severity::Error, &error.to_string(), false);
            1
        }
    };
    // SAFETY: it ends the process. What the server would do at its own end isn't this process's to do.
    unsafe { libc::_exit(code) }
}

/// Signals a child's process group; before the child has made itself one, the child alone.
fn signal_group(pid: Pid, signal: Signal) {
    if killpg(pid, signal).is_err() {
        // It has ended, and will be waited for.
        let _ = kill(pid, signal);
    }
}

/// The program is gone: ends what runs for it.
fn end_all(children: &mut Vec<Running>) {
    let since = Instant::now();
    children.iter().for_each(|child| signal_group(child.pid, Signal::SIGTERM));
    while !children.is_empty() && since.elapsed() < PATIENCE {
        children.retain(|child| ended_with(child.pid).is_none());
        std::thread::sleep(Duration::from_millis(LOOK.into()));
    }
    children.iter().for_each(|child| signal_group(child.pid, Signal::SIGKILL));
}
