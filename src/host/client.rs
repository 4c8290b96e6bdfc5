//! The program's side: starting a host, asking it, and ending it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::channel::{Channel, SOCKETS};
use super::protocol::{Answer, Failure, Message, Question, Role, Said};

/// What kind of host to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The program itself; metadata that needs Python makes it say so.
    Plain {
        /// The program.
        program: PathBuf,
    },
    /// A Python interpreter with the engine loaded.
    Python {
        /// The interpreter, a name on PATH or a path.
        interpreter: String,
        /// The folder of the `bb` package.
        package: PathBuf,
        /// The extension module.
        engine: PathBuf,
    },
}

/// Why a host gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The interpreter can't be started.
    #[error("python3 is needed to read this metadata ({why}), but {interpreter} can't be started: {error}")]
    NoPython {
        /// What was tried.
        interpreter: String,
        /// What needs it.
        why: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The process ended or the connection broke.
    #[error("the process that reads the metadata ended unexpectedly{0}")]
    Died(String),
    /// The metadata is at fault.
    #[error("{}", .0.text)]
    Failed(Failure),
    /// Something else with the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A running host.
pub struct Client {
    child: Child,
    own: Channel,
    /// One channel for each worker.
    workers: Vec<Channel>,
}

impl Client {
    /// Starts a host with sockets for `workers` workers and the given environment.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(kind: &Kind, workers: usize, environment: &[(String, String)]) -> Result<Self, HostError> {
        Client::start_under(&[], kind, workers, environment)
    }

    /// The same, as the last arguments of another command: `prefix` is the words of FAKEROOTCMD.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start_under(
        prefix: &[String],
        kind: &Kind,
        workers: usize,
        environment: &[(String, String)],
    ) -> Result<Self, HostError> {
        let mut ours = Vec::new();
        let mut theirs: Vec<OwnedFd> = Vec::new();
        for _ in 0..=workers {
            let (our, their) = UnixStream::pair()?;
            // The host inherits its end; ours is closed in it because Rust opens everything close-on-exec.
            fcntl(&their, FcntlArg::F_SETFD(FdFlag::empty())).map_err(io::Error::from)?;
            ours.push(Channel::new(our));
            theirs.push(their.into());
        }
        let sockets: Vec<String> = theirs.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        let begin = |program: &std::ffi::OsStr| match prefix {
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            [] => Command::new(program),
        };
        let mut command = match kind {
            Kind::Plain { program } => {
                let mut command = begin(program.as_os_str());
                command.arg("--internal-host");
                command
            }
            Kind::Python { interpreter, package, .. } => {
                let mut command = begin(interpreter.as_ref());
                command.arg("-c").arg(format!(
                    "import sys; sys.path.insert(0, {}); import bb._host; bb._host.main()",
                    crate::data::repr_str(&package.to_string_lossy())
                ));
                command
            }
        };
        command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        command.env(SOCKETS, sockets.join(",")).stdin(Stdio::null());
        if let Kind::Python { engine, .. } = kind {
            command.env("RBAKE_ENGINE", engine);
        }
        let child = command.spawn().map_err(|error| match kind {
            Kind::Python { interpreter, .. } => HostError::NoPython {
                interpreter: interpreter.clone(),
                why: "it holds Python code".into(),
                error,
            },
            Kind::Plain { .. } => HostError::Io(error),
        })?;
        let mut ours = ours.into_iter();
        let own = ours.next().ok_or_else(|| HostError::Died(String::new()))?;
        Ok(Client { child, own, workers: ours.collect() })
    }

    /// Asks the host. `said` gets its messages.
    ///
    /// # Errors
    /// The host died, or the answer is a failure.
    pub fn ask(&self, question: &Question, said: &mut dyn FnMut(Said)) -> Result<Answer, HostError> {
        ask(&self.own, question, said)
    }

    /// Has the host fork a process with another duty; gives the connection to it.
    ///
    /// # Errors
    /// The host died, or the answer is a failure.
    pub fn role(&self, role: &Role, said: &mut dyn FnMut(Said)) -> Result<Channel, HostError> {
        let (ours, theirs) = UnixStream::pair()?;
        let died = |error: io::Error| HostError::Died(format!(" ({error})"));
        self.own.send(&Question::Role(role.clone())).map_err(died)?;
        self.own.send_file(theirs.as_fd()).map_err(died)?;
        drop(theirs);
        answer(&self.own, said)?;
        Ok(Channel::new(ours))
    }

    /// The same, after another question, and without waiting: the answers to both are to be read elsewhere.
    ///
    /// # Errors
    /// The host died.
    pub fn role_after(
        &self,
        question: &Question,
        role: &Role,
    ) -> Result<(Channel, impl Iterator<Item = Result<Answer, HostError>> + Send + use<>), HostError> {
        let (ours, theirs) = UnixStream::pair()?;
        let died = |error: io::Error| HostError::Died(format!(" ({error})"));
        self.own.send(question).map_err(died)?;
        self.own.send(&Question::Role(role.clone())).map_err(died)?;
        self.own.send_file(theirs.as_fd()).map_err(died)?;
        let own = self.own.try_clone()?;
        Ok((Channel::new(ours), (0..2).map(move |_| answer(&own, &mut |_| ()))))
    }

    /// The channels of the workers, which exist after [`Question::Fork`].
    pub fn workers(&self) -> &[Channel] {
        &self.workers
    }

    /// Process id of the host.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Asks over any channel.
///
/// # Errors
/// The other side died, or the answer is a failure.
pub fn ask(channel: &Channel, question: &Question, said: &mut dyn FnMut(Said)) -> Result<Answer, HostError> {
    let died = |error: io::Error| HostError::Died(format!(" ({error})"));
    channel.send(question).map_err(died)?;
    answer(channel, said)
}

/// Waits for the end of an answer.
fn answer(channel: &Channel, said: &mut dyn FnMut(Said)) -> Result<Answer, HostError> {
    let died = |error: io::Error| HostError::Died(format!(" ({error})"));
    loop {
        match channel.receive::<Message>().map_err(died)? {
            None => return Err(HostError::Died(String::new())),
            Some(Message::Said(message)) => said(message),
            Some(Message::Done(answer)) => {
                return match *answer {
                    Answer::Failed(failure) => Err(HostError::Failed(failure)),
                    answer => Ok(answer),
                };
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of the connection ends a host that waits for a question; one that is busy is told harder.
        self.workers.clear();
        if let Ok((other, _)) = UnixStream::pair() {
            self.own = Channel::new(other);
        }
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the `bb` package and the extension module are: beside the program, or in the source tree it was built in.
pub fn find_python_side(program: &Path) -> Option<(PathBuf, PathBuf)> {
    let program = program.canonicalize().ok()?;
    let dir = program.parent()?;
    let engine = dir.join("librbake_engine.so");
    let package = dir
        .ancestors()
        .flat_map(|dir| [dir.join("python"), dir.join("share/rbake/python"), dir.join("lib/rbake/python")])
        .find(|dir| dir.join("bb/__init__.py").is_file())?;
    engine.is_file().then_some((package, engine))
}
