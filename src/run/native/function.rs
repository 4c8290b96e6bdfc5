//! Running one shell function (BitBake manual, sections "Functions" and "Variable Flags").

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child as Process, Command, ExitStatus, Stdio};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::super::script::{metadata_backtrace, shell_script};
use super::log::{TaskLog, level};
use super::messages::Messages;
use super::progress::{Progress, Wanted};
use crate::data::{DataError, Origin, Store, Value};
use crate::recipe::scanners::CodeScanners;

/// Why a function failed.
#[derive(Debug)]
pub enum Failure {
    /// The user was told.
    Handled,
    /// A text for the user.
    Text(String),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Handled => Failure::Handled,
            error => Failure::Text(error.class_and_text().1),
        }
    }
}

/// A system's refusal in Python's words.
pub fn refused(error: &io::Error, path: &str) -> Failure {
    match error.raw_os_error() {
        Some(number) => {
            let reason = nix::errno::Errno::from_raw(number).desc();
            Failure::Text(format!("[Errno {number}] {reason}: '{path}'"))
        }
        None => Failure::Text(format!("{error}: '{path}'")),
    }
}

/// The surroundings of a task's functions.
pub struct Functions<'a> {
    /// The store.
    pub store: &'a Store,
    /// The task.
    pub task: &'a str,
    /// The folder for logs and run files.
    pub temp: &'a str,
    /// The log.
    pub log: &'a TaskLog,
    /// The environment of commands.
    pub environment: &'a [(String, String)],
    /// Finds what functions call.
    pub scanners: &'a CodeScanners,
    /// Write `set -x` into run files.
    pub trace: bool,
    /// Show the output, too.
    pub show: bool,
}

impl Functions<'_> {
    fn words(&self, function: &str, flag: &str) -> Result<Vec<String>, Failure> {
        let text = self.store.get_flag_str(function, flag)?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Runs a function with all that its flags ask for.
    pub fn run(&self, function: &str) -> Result<(), Failure> {
        for dir in self.words(function, "cleandirs")? {
            match fs::symlink_metadata(&dir) {
                Ok(meta) if meta.is_dir() => {
                    fs::remove_dir_all(&dir).map_err(|error| refused(&error, &dir))?;
                }
                Ok(_) => fs::remove_file(&dir).map_err(|error| refused(&error, &dir))?,
                Err(_) => {}
            }
            make_dir(&dir)?;
        }
        let dirs = self.words(function, "dirs")?;
        dirs.iter().try_for_each(|dir| make_dir(dir))?;

        match self.store.get_raw(function)? {
            None | Some(Value::None) => {
                self.log.say(level::WARNING, &format!("Function {function} doesn't exist"));
                return Ok(());
            }
            Some(body) if !body.truth() => return Ok(()),
            Some(_) => {}
        }
        let run_file = self.run_file(function)?;
        let locks: Result<Vec<Lock>, Failure> =
            self.words(function, "lockfiles")?.iter().map(|path| Lock::take(path)).collect();
        let locks = locks?;
        let result = self.execute(function, &run_file, dirs.last().map(String::as_str));
        locks.into_iter().rev().for_each(Lock::release);
        result
    }

    /// Where the run file of a function goes; that of the task itself gets a name without process id, too.
    fn run_file(&self, function: &str) -> Result<String, Failure> {
        let pid = std::process::id().to_string();
        let taskfunc =
            if function == self.task { function.to_owned() } else { format!("{}.{function}", self.task) };
        let format = self.store.get_str("BB_RUNFMT")?;
        let format = if format.is_empty() { "run.{func}.{pid}" } else { &format };
        let name = format
            .replace("{taskfunc}", &taskfunc)
            .replace("{task}", self.task)
            .replace("{func}", function)
            .replace("{pid}", &pid);
        let path = crate::recipe::join(self.temp, &name);
        make_dir(crate::recipe::dirname(&path))?;
        if function == self.task {
            link(&name, &format!("{}/run.{}", self.temp, self.task));
        }
        Ok(path)
    }

    fn execute(&self, function: &str, run_file: &str, cwd: Option<&str>) -> Result<(), Failure> {
        self.store.del_flag("PWD", "export", Origin::engine("run_task"));
        let script = shell_script(self.store, self.scanners, function, cwd, self.trace)?;
        write_script(run_file, &script).map_err(|error| refused(&error, run_file))?;
        let mut progress = match self.store.get_flag_str(function, "progress")? {
            flag if flag.is_empty() => None,
            flag => match Progress::read(&flag) {
                Wanted::Here(progress) => Some(progress),
                Wanted::Invalid | Wanted::Python => {
                    let text =
                        format!("{function}: invalid task progress varflag value \"{flag}\", ignoring");
                    self.log.say(level::WARNING, &text);
                    None
                }
            },
        };
        let pipe = format!("{}/fifo.{}", self.temp, std::process::id());
        let _ = fs::remove_file(&pipe);
        mkfifo(Path::new(&pipe), Mode::from_bits_truncate(0o666))
            .map_err(|error| refused(&error.into(), &pipe))?;
        self.log.say(level::DEBUG2, &format!("Executing shell function {function}"));
        let status = self.supervise(function, run_file, &pipe, &mut progress);
        let _ = fs::remove_file(&pipe);
        let status = status.map_err(|error| refused(&error, run_file))?;
        if !status.success() {
            let number = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
            let text = format!("Execution of '{run_file}' failed with exit code {number}");
            return Err(Failure::Text(self.with_backtrace(text, run_file, &script)));
        }
        self.log.say(level::DEBUG2, &format!("Shell function {function} finished"));
        Ok(())
    }

    fn with_backtrace(&self, mut text: String, run_file: &str, script: &str) -> String {
        let path = self.store.get_str("BB_LOGFILE").unwrap_or_default();
        let output = super::super::excerpt::tail(Path::new(&path), 1 << 16).unwrap_or_default();
        let frames = metadata_backtrace(&output, run_file, script);
        if !frames.is_empty() {
            text.push_str("\nBacktrace (metadata-relative locations):");
            frames.iter().for_each(|frame| text.push_str(&format!("\n\t{frame}")));
        }
        text
    }

    /// Starts the run file and follows its messages and output to the end.
    fn supervise(
        &self,
        function: &str,
        run_file: &str,
        pipe: &str,
        progress: &mut Option<Box<Progress>>,
    ) -> io::Result<ExitStatus> {
        // Open for writing, too, so that it has no end while functions come and go.
        let mut fifo =
            OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(pipe)?;
        let mut command = Command::new(run_file);
        if self.store.get_flag_raw(function, "fakeroot").is_ok_and(|flag| flag.is_some_and(|f| f.truth())) {
            let fakeroot = self.store.get_str("FAKEROOT").unwrap_or_default();
            if !fakeroot.is_empty() {
                command = Command::new(fakeroot);
                command.arg(run_file);
            }
        }
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        let mut output: Option<PipeReader> = None;
        if progress.is_none() && !self.show {
            let Some(file) = self.log.output()? else { return Err(io::Error::other("there is no log")) };
            command.stdout(file.try_clone()?).stderr(file);
        } else {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            output = Some(reader);
        }
        let mut process = spawn(&mut command)?;
        // Its copies of the output's other end must not keep that open.
        drop(command);
        if let Some(progress) = progress {
            progress.begin(self.log);
        }
        let mut messages = Messages::default();
        let mut buffer = vec![0; 1 << 16];
        let end = super::super::server::notice_of_end(process.id() as i32);
        loop {
            let ended = process.try_wait()?;
            let mut heard = false;
            while let Ok(length @ 1..) = fifo.read(&mut buffer) {
                messages.take(buffer.get(..length).unwrap_or_default(), self.log);
                heard = true;
            }
            heard |= self.follow(&mut output, &mut buffer, progress)?;
            match ended {
                Some(status) if !heard => return Ok(status),
                Some(_) => {}
                None => {
                    let mut fds = vec![PollFd::new(fifo.as_fd(), PollFlags::POLLIN)];
                    fds.extend(output.as_ref().map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)));
                    fds.extend(end.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
                    let timeout = if end.is_some() { PollTimeout::NONE } else { PollTimeout::from(20u8) };
                    // Being interrupted only means looking once more.
                    let _ = poll(&mut fds, timeout);
                }
            }
        }
    }

    /// Takes what has arrived of the output; true if anything has.
    fn follow(
        &self,
        output: &mut Option<PipeReader>,
        buffer: &mut [u8],
        progress: &mut Option<Box<Progress>>,
    ) -> io::Result<bool> {
        let mut heard = false;
        while let Some(reader) = output {
            let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::ZERO).unwrap_or_default() == 0 {
                break;
            }
            let length = reader.read(buffer)?;
            let data = buffer.get(..length).unwrap_or_default();
            if data.is_empty() {
                *output = None;
                break;
            }
            heard = true;
            if let Some(progress) = progress {
                progress.take(data, self.log);
            }
            if self.show {
                self.log.show(&String::from_utf8_lossy(data));
            }
            self.log.write(data);
        }
        Ok(heard)
    }
}

/// Starts a program that was just written. A process forked meanwhile may hold it open for writing for a moment.
fn spawn(command: &mut Command) -> io::Result<Process> {
    for _ in 0..50 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            other => return other,
        }
    }
    command.spawn()
}

fn write_script(path: &str, script: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(script.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o775))
}

/// Makes a directory and those above it.
pub fn make_dir(dir: &str) -> Result<(), Failure> {
    if dir.contains("${") {
        return Err(Failure::Text(format!(
            "Directory name {dir} contains unexpanded bitbake variable. This may cause build failures and WORKDIR pollution."
        )));
    }
    fs::create_dir_all(dir).map_err(|error| refused(&error, dir))
}

/// Makes a symbolic link, in place of whatever has its name.
pub fn link(target: &str, path: &str) {
    let _ = fs::remove_file(path);
    // It is a convenience; the file itself has the process id in its name.
    let _ = std::os::unix::fs::symlink(target, path);
}

/// A lock file that is held.
struct Lock {
    file: Flock<File>,
    path: String,
}

impl Lock {
    /// Waits for a lock, creating the file and its directory.
    fn take(path: &str) -> Result<Self, Failure> {
        make_dir(crate::recipe::dirname(path))?;
        loop {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| refused(&error, path))?;
            let Ok(file) = Flock::lock(file, FlockArg::LockExclusive) else { continue };
            // Who held it before may have removed the file meanwhile; then this lock guards nothing.
            let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
            if let (Ok(a), Ok(b)) = (file.metadata(), fs::metadata(path))
                && same(a, b)
            {
                return Ok(Lock { file, path: path.to_owned() });
            }
        }
    }

    fn release(self) {
        let _ = fs::remove_file(&self.path);
        drop(self.file);
    }
}
