//! Running tasks on this machine.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use nix::sys::signal::Signal;
use rustc_hash::FxHashSet;

use super::child::assignments;
use super::event::{Exit, LogRecord, TaskEvent};
use super::executor::{Executor, Happened, RunError, Stop, TaskId};
use super::pipe::{EventReceiver, Stopper, pair};
use super::spec::{BuildData, TaskSpec};
use super::wire::{Order, Report};
use crate::host::{Channel, Client, ConfigRecord, HostError, Listener, Project, Question, Role, Starter};

/// Runs tasks in children of hosts.
pub struct LocalExecutor {
    shared: Arc<Shared>,
    events: Receiver<Happened>,
}

/// What the executor and the threads that listen to its tasks know.
struct Shared {
    main: Arc<Server>,
    /// Servers that were started when the first task for them came.
    others: Mutex<BTreeMap<Which, Arc<Server>>>,
    starter: Starter,
    configuration: Vec<ConfigRecord>,
    build: Mutex<BuildData>,
    sender: Sender<Happened>,
    /// Recipe files whose tasks turned out to need Python where the main server has none.
    pythonic: Mutex<FxHashSet<String>>,
}

/// A server beside the main one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    /// It has Python, which the main one hasn't.
    Python,
    /// It runs the fakeroot tasks of a multiconfig.
    Fakeroot(String),
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
        let shared = Shared {
            main: Arc::new(Server::new(channel, None, &build, &sender)?),
            others: Mutex::default(),
            starter: project.starter()?,
            configuration: project.configuration().to_vec(),
            build: Mutex::new(build),
            sender,
            pythonic: Mutex::default(),
        };
        Ok(LocalExecutor { shared: Arc::new(shared), events })
    }

    /// Changes what is the same for all tasks, for those started from now on.
    ///
    /// # Errors
    /// A server is gone.
    pub fn set_build(&mut self, build: BuildData) -> Result<(), RunError> {
        let order = Order::Build(Box::new(build.clone()));
        *lock(&self.shared.build) = build;
        self.shared.servers().iter().try_for_each(|server| server.orders.send(&order))?;
        Ok(())
    }
}

impl Shared {
    fn servers(&self) -> Vec<Arc<Server>> {
        std::iter::once(&self.main).chain(lock(&self.others).values()).cloned().collect()
    }

    /// A server beside the main one. It is asked to do everything at once, and the answers are read elsewhere.
    fn server(&self, which: Which) -> Result<Arc<Server>, RunError> {
        let mut others = lock(&self.others);
        if let Some(server) = others.get(&which) {
            return Ok(server.clone());
        }
        let (client, name) = match &which {
            Which::Python => (self.starter.start_python()?, "python3".to_owned()),
            Which::Fakeroot(mc) => {
                let record = self.configuration.iter().find(|record| record.mc == *mc);
                let variable = |name: &str| {
                    record
                        .and_then(|record| record.variables.get(name))
                        .map(String::as_str)
                        .unwrap_or_default()
                };
                let command = shell_words(variable("FAKEROOTCMD"));
                if command.is_empty() {
                    let message = "a task has the flag fakeroot, but FAKEROOTCMD is not set";
                    return Err(RunError::Io(io::Error::other(message)));
                }
                let environment = assignments(variable("FAKEROOTBASEENV"));
                (self.starter.start_under(&command, &environment)?, command.join(" "))
            }
        };
        let configure = Question::Configure(self.starter.request().clone());
        let (channel, mut answers) = client.role_after(&configure, &Role::Tasks)?;
        let sender = self.sender.clone();
        thread::Builder::new().name("host answers".into()).spawn(move || {
            // What it says while reading the configuration was said by the first host.
            if let Some(error) = answers.find_map(Result::err) {
                let _ = sender.send(Happened::Broken(format!("{name}: {error}")));
            }
        })?;
        let server = Arc::new(Server::new(channel, Some(client), &lock(&self.build), &self.sender)?);
        others.insert(which, server.clone());
        Ok(server)
    }

    fn start(self: &Arc<Self>, id: TaskId, spec: TaskSpec) -> Result<(), RunError> {
        let which = if spec.fakeroot && !spec.dry_run {
            Some(Which::Fakeroot(spec.recipe.mc.clone()))
        } else if lock(&self.pythonic).contains(&spec.recipe.path) {
            Some(Which::Python)
        } else {
            None
        };
        let server = which.map_or_else(|| Ok(self.main.clone()), |which| self.server(which))?;
        server.start(id, spec, self)
    }

    fn tell(&self, id: TaskId, event: TaskEvent) {
        // Nobody waits for events any more if this fails.
        let _ = self.sender.send(Happened::Task(id, event));
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        // The end of its connection ends a server and all that runs there.
        self.shared.servers().iter().for_each(|server| server.orders.channel.shut());
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
        self.shared.start(id, spec)
    }

    fn events(&self) -> &Receiver<Happened> {
        &self.events
    }

    fn stop(&mut self, how: Stop) {
        let signal = match how {
            Stop::Terminate => Signal::SIGTERM,
            Stop::Kill => Signal::SIGKILL,
        };
        for server in self.shared.servers() {
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

    fn start(&self, id: TaskId, spec: TaskSpec, shared: &Arc<Shared>) -> Result<(), RunError> {
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
        let order = Order::Run(id, Box::new(spec.clone()));
        if let Err(error) = self.orders.send_with_file(&order, theirs.as_fd()) {
            lock(&self.tasks).running.remove(&id);
            return Err(error.into());
        }
        drop(theirs);
        let (orders, shared) = (self.orders.clone(), shared.clone());
        thread::Builder::new()
            .name("task events".into())
            .spawn(move || read_events(id, spec, receiver, &news, &orders, &shared))?;
        Ok(())
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
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
    spec: TaskSpec,
    mut receiver: EventReceiver,
    news: &Receiver<Life>,
    server: &Orders,
    shared: &Arc<Shared>,
) {
    let mut exit = None;
    match news.recv() {
        Ok(Life::Began(pid)) => shared.tell(id, TaskEvent::Started { pid }),
        Ok(Life::Ended(end)) => exit = Some(end),
        Err(_) => exit = Some(Exit::Lost),
    }
    let mut needs_python = false;
    while let Some(event) = receiver.receive() {
        match event {
            TaskEvent::FilesRead(files) => {
                // A server that is gone has no children to come.
                let _ = server.send(&Order::Preload(files));
            }
            TaskEvent::NeedsPython => needs_python = true,
            event => shared.tell(id, event),
        }
    }
    let mut exit = exit.unwrap_or_else(|| match news.recv() {
        Ok(Life::Ended(exit)) => exit,
        Ok(Life::Began(_)) | Err(_) => Exit::Lost,
    });
    if needs_python {
        // Nothing of the task has been done yet.
        lock(&shared.pythonic).insert(spec.recipe.path.clone());
        match shared.start(id, spec) {
            Ok(()) => return,
            Err(error) => {
                let _ = shared.sender.send(Happened::Broken(error.to_string()));
                exit = Exit::Lost;
            }
        }
    }
    shared.tell(id, TaskEvent::Finished(exit));
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
