//! Running tasks on this machine.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use nix::sys::signal::Signal;

use super::child::assignments;
use super::event::{Exit, LogRecord, TaskEvent};
use super::executor::{Executor, Happened, RunError, Stop, TaskId};
use super::pipe::{EventReceiver, Stopper, pair};
use super::spec::{BuildData, TaskSpec};
use super::wire::{Order, Report};
use crate::host::{Channel, Client, ConfigRecord, HostError, Listener, Project, Question, Role, Starter};

/// Runs tasks in children of hosts.
pub struct LocalExecutor {
    main: Server,
    /// One server for the fakeroot tasks of each multiconfig, started when the first is.
    fakeroot: BTreeMap<String, Server>,
    starter: Starter,
    configuration: Vec<ConfigRecord>,
    build: BuildData,
    sender: Sender<Happened>,
    events: Receiver<Happened>,
}

/// Where orders to a task server go: one after the other, with their files.
struct Orders {
    channel: Channel,
    busy: Mutex<()>,
}

impl Orders {
    fn send(&self, order: &Order) -> io::Result<()> {
        let _busy = self.busy.lock();
        self.channel.send(order)
    }

    fn send_with_file(&self, order: &Order, file: BorrowedFd<'_>) -> io::Result<()> {
        let _busy = self.busy.lock();
        self.channel.send(order)?;
        self.channel.send_file(file)
    }
}

/// A connection to a task server.
struct Server {
    orders: Arc<Orders>,
    tasks: Arc<Mutex<Tasks>>,
    /// The host it was forked from, if that is only there for it.
    _host: Option<Client>,
}

/// The tasks of a server.
#[derive(Default)]
struct Tasks {
    running: HashMap<TaskId, Task>,
    /// No more reports will come.
    lost: bool,
}

/// A running task as the thread that hears of its end sees it.
struct Task {
    stopper: Stopper,
    life: Sender<Life>,
}

/// What the thread that reads a task's events hears from the one that reads reports.
enum Life {
    Began(i32),
    Ended(Exit),
}

impl LocalExecutor {
    /// An executor for a project. Starts a task server; that of fakeroot tasks comes with the first such task.
    ///
    /// # Errors
    /// No host can be started, or it died.
    pub fn new(
        project: &mut Project,
        build: BuildData,
        listener: &mut dyn Listener,
    ) -> Result<Self, RunError> {
        let channel = project.role(&Role::Tasks, listener)?;
        let (sender, events) = unbounded();
        let main = Server::new(channel, None, &build, &sender)?;
        Ok(LocalExecutor {
            main,
            fakeroot: BTreeMap::new(),
            starter: project.starter()?,
            configuration: project.configuration().to_vec(),
            build,
            sender,
            events,
        })
    }

    /// The server of a configuration's fakeroot tasks. It is asked to do everything at once, and the answers are read elsewhere.
    fn fakeroot_server(&mut self, mc: &str) -> Result<&Server, RunError> {
        if !self.fakeroot.contains_key(mc) {
            let record = self.configuration.iter().find(|record| record.mc == mc);
            let variable = |name: &str| {
                record.and_then(|record| record.variables.get(name)).map(String::as_str).unwrap_or_default()
            };
            let command: Vec<String> = shell_words(variable("FAKEROOTCMD"));
            if command.is_empty() {
                return Err(RunError::Io(io::Error::other(
                    "a task has the flag fakeroot, but FAKEROOTCMD is not set",
                )));
            }
            let environment = assignments(variable("FAKEROOTBASEENV"));
            let client = self.starter.start_under(&command, &environment)?;
            let (channel, mut answers) =
                client.role_after(&Question::Configure(self.starter.request().clone()), &Role::Tasks)?;
            let (sender, program) = (self.sender.clone(), command.join(" "));
            thread::Builder::new().name("fakeroot host".into()).spawn(move || {
                // What it says while reading the configuration was said by the first host.
                if let Some(error) = answers.find_map(Result::err) {
                    let _ = sender.send(Happened::Broken(format!("{program}: {error}")));
                }
            })?;
            let server = Server::new(channel, Some(client), &self.build, &self.sender)?;
            self.fakeroot.insert(mc.to_owned(), server);
        }
        self.fakeroot.get(mc).ok_or_else(|| RunError::Io(io::Error::other("no fakeroot host")))
    }

    /// Changes what is the same for all tasks, for those started from now on.
    ///
    /// # Errors
    /// A server is gone.
    pub fn set_build(&mut self, build: BuildData) -> Result<(), RunError> {
        for server in std::iter::once(&self.main).chain(self.fakeroot.values()) {
            server.orders.send(&Order::Build(Box::new(build.clone())))?;
        }
        self.build = build;
        Ok(())
    }
}

/// A command's words, with quotes as a shell takes them.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

impl Executor for LocalExecutor {
    fn start(&mut self, id: TaskId, spec: TaskSpec) -> Result<(), RunError> {
        let (sender, mc) = (self.sender.clone(), spec.recipe.mc.clone());
        let server = if spec.fakeroot && !spec.dry_run { self.fakeroot_server(&mc)? } else { &self.main };
        server.start(id, spec, sender)
    }

    fn events(&self) -> &Receiver<Happened> {
        &self.events
    }

    fn stop(&mut self, how: Stop) {
        let signal = match how {
            Stop::Terminate => Signal::SIGTERM,
            Stop::Kill => Signal::SIGKILL,
        };
        for server in std::iter::once(&self.main).chain(self.fakeroot.values()) {
            // A server that is gone has taken its children along.
            let _ = server.orders.send(&Order::Signal(signal as i32));
        }
    }
}

impl Server {
    fn new(
        channel: Channel,
        host: Option<Client>,
        build: &BuildData,
        sender: &Sender<Happened>,
    ) -> Result<Self, RunError> {
        channel.send(&Order::Build(Box::new(build.clone())))?;
        let reports = channel.try_clone()?;
        let orders = Arc::new(Orders { channel, busy: Mutex::new(()) });
        let tasks = Arc::new(Mutex::new(Tasks::default()));
        let (known, sender) = (tasks.clone(), sender.clone());
        thread::Builder::new()
            .name("task reports".into())
            .spawn(move || read_reports(&reports, &known, &sender))?;
        Ok(Server { orders, tasks, _host: host })
    }

    fn start(&self, id: TaskId, spec: TaskSpec, sender: Sender<Happened>) -> Result<(), RunError> {
        let (receiver, theirs) = pair()?;
        let (life, news) = bounded(2);
        let stopper = receiver.stopper()?;
        {
            let mut tasks = lock(&self.tasks);
            if tasks.lost {
                return Err(RunError::Host(HostError::Died(String::new())));
            }
            tasks.running.insert(id, Task { stopper, life });
        }
        if let Err(error) = self.orders.send_with_file(&Order::Run(id, Box::new(spec)), theirs.as_fd()) {
            lock(&self.tasks).running.remove(&id);
            return Err(error.into());
        }
        drop(theirs);
        let orders = self.orders.clone();
        thread::Builder::new()
            .name("task events".into())
            .spawn(move || read_events(id, receiver, &news, &orders, &sender))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread that reads reports holds the connection, too; its end ends the server and all that runs there.
        self.orders.channel.shut();
    }
}

fn lock(tasks: &Mutex<Tasks>) -> std::sync::MutexGuard<'_, Tasks> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what a server reports, until it ends.
fn read_reports(channel: &Channel, tasks: &Mutex<Tasks>, sender: &Sender<Happened>) {
    loop {
        // Nobody waits for events any more if sending one fails.
        match channel.receive::<Report>() {
            Ok(Some(Report::Said(said))) => drop(sender.send(Happened::Said(said))),
            Ok(Some(Report::Forked(id, pid))) => {
                if let Some(task) = lock(tasks).running.get(&id) {
                    let _ = task.life.send(Life::Began(pid));
                }
            }
            Ok(Some(Report::NotForked(id, error))) => {
                let record = LogRecord {
                    level: 50,
                    logger: "BitBake".into(),
                    text: format!("fork failed: {error}"),
                    pid: 0,
                    force_log: false,
                };
                drop(sender.send(Happened::Task(id, TaskEvent::Log(record))));
                end(tasks, id, Exit::Code(1));
            }
            Ok(Some(Report::Ended(id, exit))) => end(tasks, id, exit),
            Ok(None) | Err(_) => break,
        }
    }
    let mut tasks = lock(tasks);
    tasks.lost = true;
    if !tasks.running.is_empty() {
        drop(sender.send(Happened::Broken("the process that runs tasks ended unexpectedly".into())));
    }
    for (_, task) in tasks.running.drain() {
        task.stopper.stop();
    }
}

fn end(tasks: &Mutex<Tasks>, id: TaskId, exit: Exit) {
    if let Some(task) = lock(tasks).running.remove(&id) {
        // The thread that reads the task's events waits for this after the last of them.
        let _ = task.life.send(Life::Ended(exit));
        task.stopper.stop();
    }
}

/// Passes on the events of one task: its beginning before the first, and its end after the last.
fn read_events(
    id: TaskId,
    mut receiver: EventReceiver,
    news: &Receiver<Life>,
    server: &Orders,
    sender: &Sender<Happened>,
) {
    let tell = |event| drop(sender.send(Happened::Task(id, event)));
    let mut exit = None;
    match news.recv() {
        Ok(Life::Began(pid)) => tell(TaskEvent::Started { pid }),
        Ok(Life::Ended(end)) => exit = Some(end),
        Err(_) => exit = Some(Exit::Lost),
    }
    while let Some(event) = receiver.receive() {
        if let TaskEvent::FilesRead(files) = &event {
            // A server that is gone has no children to come.
            let _ = server.send(&Order::Preload(files.clone()));
        }
        tell(event);
    }
    let exit = exit.unwrap_or_else(|| match news.recv() {
        Ok(Life::Ended(exit)) => exit,
        Ok(Life::Began(_)) | Err(_) => Exit::Lost,
    });
    tell(TaskEvent::Finished(exit));
}

#[cfg(test)]
mod tests {
    use super::shell_words;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(shell_words(r#" a 'b c' "d \" e" f\ g '' "#), ["a", "b c", "d \" e", "f g", ""]);
        assert!(shell_words("  ").is_empty());
    }
}
