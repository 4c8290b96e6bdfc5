//! The control process: handlers and functions of metadata whose state spans the whole build, all in one process forked from the host.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{Fired, LogRecord, level_of};
use crate::host::{Channel, Duty, Failure, HostError, Listener, Project, Role, set_sink};

/// A question to the control process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// A method of `bb._control.Control`.
    pub function: String,
    /// Its arguments, a JSON array.
    pub arguments: String,
}

/// What the control process says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Heard {
    /// A message.
    Log(LogRecord),
    /// An event that metadata fired, or that the program asked to fire and others are to see as well.
    Fired(Fired),
    /// The answer, a JSON text. None: it failed, and the log says how.
    Answer(Option<String>),
    /// Python is needed, and there is none.
    NeedsPython,
}

/// Answers questions until the program closes the connection.
///
/// # Errors
/// The connection broke.
pub fn serve_control(duty: &Duty<'_>, answer: &mut dyn FnMut(&Ask) -> Option<String>) -> io::Result<()> {
    let channel = duty.channel.clone();
    set_sink(Rc::new(move |said| {
        let level = level_of(said.severity) - i32::from(said.once);
        let logger = "BitBake".into();
        let record = LogRecord { level, logger, text: said.text, pid: 0, force_log: false };
        drop(channel.send(&Heard::Log(record)));
    }));
    while let Some(ask) = duty.channel.receive::<Ask>()? {
        duty.channel.send(&Heard::Answer(answer(&ask)))?;
    }
    Ok(())
}

/// Answers for metadata that needs no Python, which then has no handlers and functions either.
///
/// # Errors
/// The connection broke.
pub fn serve_control_without(duty: &Duty<'_>) -> io::Result<()> {
    let wanted = duty.run.wanted_events();
    let handled = wanted.as_ref().is_none_or(|wanted| !wanted.is_empty());
    let asked = duty.configuration.stores.iter().any(|(_, store)| {
        ["BB_HASHCHECK_FUNCTION", "BB_SETSCENE_DEPVALID"]
            .iter()
            .any(|name| store.get_raw(name).is_ok_and(|value| value.is_some_and(|value| value.truth())))
    });
    while let Some(ask) = duty.channel.receive::<Ask>()? {
        let answer = match ask.function.as_str() {
            _ if handled || asked => Heard::NeedsPython,
            "wanted" => Heard::Answer(Some("[]".into())),
            "fire" | "hash_check" | "depvalid" => Heard::Answer(Some("null".into())),
            _ => Heard::NeedsPython,
        };
        duty.channel.send(&answer)?;
    }
    Ok(())
}

/// The numbers of a build (`bb.runqueue.RunQueueStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Tasks in all.
    pub total: u32,
    /// Those done, the skipped ones among them.
    pub completed: u32,
    /// Those that needn't run.
    pub skipped: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those running.
    pub active: u32,
    /// Setscene tasks in all.
    pub setscene_total: u32,
    /// Setscene tasks running.
    pub setscene_active: u32,
    /// Setscene tasks whose output is there.
    pub setscene_covered: u32,
    /// Setscene tasks that have to be done for real.
    pub setscene_notcovered: u32,
}

/// What happened to a task of the queue (`bb.runqueue.runQueueEvent` and its kin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueEvent {
    /// It begins; without anything to run if `noexec`.
    Started {
        /// There is nothing to run.
        noexec: bool,
    },
    /// It is done.
    Completed,
    /// It needn't run.
    Skipped {
        /// Why: `existing` or `covered`.
        reason: String,
    },
    /// It failed.
    Failed {
        /// The number a shell would give.
        exitcode: i32,
        /// What fakeroot logged about it.
        fakeroot_log: Option<String>,
    },
}

/// An event about the build.
#[derive(Clone, Debug, PartialEq)]
pub enum BuildEvent {
    /// Something happened to a task.
    Queue {
        /// What.
        what: QueueEvent,
        /// It is the setscene variant of the task.
        setscene: bool,
        /// The task's id, without `_setscene`.
        tid: String,
        /// Its taskhash.
        taskhash: String,
        /// The numbers of the build.
        stats: Stats,
    },
    /// All setscene tasks are done (`bb.runqueue.sceneQueueComplete`).
    SetsceneComplete(Stats),
    /// An event that is made from simple arguments.
    Plain {
        /// Full name of its class, such as `bb.event.BuildStarted`.
        class: String,
        /// The arguments of its constructor.
        arguments: Vec<Value>,
    },
}

impl BuildEvent {
    /// An event made from simple arguments.
    pub fn plain(class: &str, arguments: Vec<Value>) -> Self {
        BuildEvent::Plain { class: class.into(), arguments }
    }

    /// Full name of its class.
    pub fn class(&self) -> String {
        match self {
            BuildEvent::Plain { class, .. } => class.clone(),
            BuildEvent::SetsceneComplete(_) => "bb.runqueue.sceneQueueComplete".into(),
            BuildEvent::Queue { what, setscene, .. } => {
                let begin = if *setscene { "sceneQueueTask" } else { "runQueueTask" };
                let end = match what {
                    QueueEvent::Started { .. } => "Started",
                    QueueEvent::Completed => "Completed",
                    QueueEvent::Skipped { .. } => "Skipped",
                    QueueEvent::Failed { .. } => "Failed",
                };
                format!("bb.runqueue.{begin}{end}")
            }
        }
    }

    fn arguments(&self) -> Value {
        match self {
            BuildEvent::Plain { arguments, .. } => json!({ "arguments": arguments }),
            BuildEvent::SetsceneComplete(stats) => json!({ "stats": stats }),
            BuildEvent::Queue { what, tid, taskhash, stats, .. } => {
                let mut all = json!({ "tid": tid, "taskhash": taskhash, "stats": stats });
                let more = match what {
                    QueueEvent::Started { noexec } => json!({ "noexec": noexec }),
                    QueueEvent::Completed => json!({}),
                    QueueEvent::Skipped { reason } => json!({ "reason": reason }),
                    QueueEvent::Failed { exitcode, fakeroot_log } => {
                        json!({ "exitcode": exitcode, "fakeroot_log": fakeroot_log })
                    }
                };
                if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                    all.extend(more);
                }
                all
            }
        }
    }
}

/// One task as BB_HASHCHECK_FUNCTION is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCheck {
    /// The task's id.
    pub tid: String,
    /// Its taskhash.
    pub hash: String,
    /// BB_HASHFILENAME of its recipe.
    pub hashfn: String,
    /// Its unihash.
    pub unihash: String,
}

/// One question to BB_SETSCENE_DEPVALID: is the task needed by any of those that depend on it?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DepValid {
    /// The task.
    pub task: String,
    /// That task and those that depend on it: recipe name, task name and file by task id.
    pub taskdata: BTreeMap<String, (String, String, String)>,
}

/// The connection to a control process.
pub struct Control {
    channel: Channel,
    /// The events that handlers want; None: all.
    wanted: Option<FxHashSet<String>>,
}

/// Gets what is heard while a question is being answered.
pub type Hear<'a> = dyn FnMut(Heard) + 'a;

impl Control {
    /// Has the host of a project fork a control process.
    ///
    /// # Errors
    /// No host can be started, or it died.
    pub fn start(project: &mut Project, listener: &mut dyn Listener) -> Result<Self, HostError> {
        loop {
            let channel = project.role(&Role::Control, listener)?;
            let mut control = Control { channel, wanted: None };
            match control.call("wanted", &[], &mut |_| ()) {
                Err(HostError::Failed(failure)) if failure.needs_python => project.use_python(listener)?,
                answer => {
                    let names = answer?;
                    let names = names.as_array().map(|names| names.iter().filter_map(Value::as_str));
                    control.wanted = names.map(|names| names.map(str::to_owned).collect());
                    return Ok(control);
                }
            }
        }
    }

    /// Calls a method of `bb._control.Control`.
    ///
    /// # Errors
    /// The process died, or the method failed; then `hear` got the reason.
    pub fn call(&self, function: &str, arguments: &[Value], hear: &mut Hear<'_>) -> Result<Value, HostError> {
        let died = |error: io::Error| HostError::Died(format!(" ({error})"));
        let arguments = Value::from(arguments).to_string();
        self.channel.send(&Ask { function: function.to_owned(), arguments }).map_err(died)?;
        loop {
            match self.channel.receive::<Heard>().map_err(died)? {
                None => return Err(HostError::Died(String::new())),
                Some(Heard::Answer(Some(text))) => {
                    return serde_json::from_str(&text).map_err(|error| died(error.into()));
                }
                Some(Heard::Answer(None)) => {
                    let class = "BBHandledException".to_owned();
                    return Err(HostError::Failed(Failure { class, ..Failure::default() }));
                }
                Some(Heard::NeedsPython) => {
                    return Err(HostError::Failed(Failure { needs_python: true, ..Failure::default() }));
                }
                Some(heard) => hear(heard),
            }
        }
    }

    /// True if a handler of metadata wants events of a class.
    pub fn wants(&self, class: &str) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(class))
    }

    /// Fires an event at the handlers of metadata, with the store of a multiconfig.
    ///
    /// # Errors
    /// The process died, or a handler failed; then `hear` got the reason.
    pub fn fire(&self, mc: &str, event: &BuildEvent, hear: &mut Hear<'_>) -> Result<(), HostError> {
        let class = event.class();
        if !self.wants(&class) {
            return Ok(());
        }
        self.call("fire", &[json!(mc), json!(class), event.arguments()], hear).map(drop)
    }

    /// Asks BB_HASHCHECK_FUNCTION which tasks' output can be had. None if metadata has no such function.
    ///
    /// # Errors
    /// The process died, or the function failed; then `hear` got the reason.
    pub fn hash_check(
        &self,
        tasks: &[HashCheck],
        siginfo: bool,
        current: usize,
        summary: bool,
        hear: &mut Hear<'_>,
    ) -> Result<Option<FxHashSet<String>>, HostError> {
        let column = |value: fn(&HashCheck) -> &str| -> Value {
            tasks.iter().map(|task| (task.tid.clone(), Value::from(value(task)))).collect()
        };
        let data = json!({
            "hash": column(|task| &task.hash),
            "hashfn": column(|task| &task.hashfn),
            "unihash": column(|task| &task.unihash),
        });
        let arguments = [data, json!(siginfo), json!(current), json!(summary)];
        let answer = self.call("hash_check", &arguments, hear)?;
        Ok(answer.as_array().map(|tids| tids.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
    }

    /// Asks BB_SETSCENE_DEPVALID about tasks, all with the same `notneeded`: true for each that isn't needed. None if metadata has no
    /// such function.
    ///
    /// # Errors
    /// The process died, or the function failed; then `hear` got the reason.
    pub fn depvalid(
        &self,
        questions: &[DepValid],
        notneeded: &[String],
        hear: &mut Hear<'_>,
    ) -> Result<Option<Vec<bool>>, HostError> {
        let answer = self.call("depvalid", &[json!(questions), json!(notneeded)], hear)?;
        Ok(answer.as_array().map(|valid| valid.iter().map(|valid| valid.as_bool() == Some(true)).collect()))
    }
}
