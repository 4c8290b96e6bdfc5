//! The queue: which task comes next. A state machine that knows no process, no file and no clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::{TaskGraph, TaskId};

/// In which order tasks that could run are run (BB_SCHEDULER).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    /// As they came up.
    Basic,
    /// First what most waits for.
    #[default]
    Speed,
    /// The same, but a recipe that was begun is finished before the next.
    Completion,
}

impl Scheduler {
    /// The scheduler of a name; None if there is none.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "basic" => Some(Scheduler::Basic),
            "speed" => Some(Scheduler::Speed),
            "completion" => Some(Scheduler::Completion),
            _ => None,
        }
    }

    /// For each task its place in the order.
    fn places(self, graph: &TaskGraph<'_>) -> Vec<u32> {
        let mut order: Vec<u32> = (0..graph.len() as u32).collect();
        let weight = |task: &u32| Reverse(graph.weights[*task as usize]);
        match self {
            Scheduler::Basic => {}
            Scheduler::Speed => order.sort_by_key(weight),
            Scheduler::Completion => {
                order.sort_by_key(weight);
                // A recipe stands where its most wanted task stands.
                let mut first = vec![u32::MAX; graph.recipes.len()];
                for (place, task) in (0..).zip(&order) {
                    let recipe = graph.tasks[*task as usize].recipe as usize;
                    first[recipe] = first[recipe].min(place);
                }
                order.sort_by_key(|task| first[graph.tasks[*task as usize].recipe as usize]);
            }
        }
        let mut places = vec![0; order.len()];
        for (place, task) in (0..).zip(order) {
            places[task as usize] = place;
        }
        places
    }
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Something it waits for isn't done.
    Waiting,
    /// It can run.
    Ready,
    /// It runs.
    Running,
    /// It ran.
    Done,
    /// It needn't run.
    Skipped,
    /// It ran and failed.
    Failed,
}

/// The numbers of a build (`bb.runqueue.RunQueueStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks in all.
    pub total: usize,
    /// Those that are over, well or not; the skipped ones are among them.
    pub completed: usize,
    /// Those that needn't run.
    pub skipped: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those running.
    pub active: usize,
}

/// The queue of one build.
pub struct Queue {
    states: Vec<State>,
    /// How many tasks each waits for.
    waiting: Vec<u32>,
    places: Vec<u32>,
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    counts: Counts,
    keep_going: bool,
    stopping: bool,
    failed: Vec<TaskId>,
}

impl Queue {
    /// A queue of all tasks of a graph. `keep_going`: a failure stops only what waits for it.
    pub fn new(graph: &TaskGraph<'_>, scheduler: Scheduler, keep_going: bool) -> Self {
        let count = graph.len();
        let mut queue = Queue {
            states: vec![State::Waiting; count],
            waiting: graph.ids().map(|task| graph.depends(task).count() as u32).collect(),
            places: scheduler.places(graph),
            ready: BinaryHeap::new(),
            counts: Counts { total: count, ..Counts::default() },
            keep_going,
            stopping: false,
            failed: Vec::new(),
        };
        for task in graph.ids() {
            if queue.waiting[task.index()] == 0 {
                queue.make_ready(task);
            }
        }
        queue
    }

    fn make_ready(&mut self, task: TaskId) {
        self.states[task.index()] = State::Ready;
        self.ready.push(Reverse((self.places[task.index()], task.0)));
    }

    /// The next task to start or skip; None if there is none now.
    pub fn take(&mut self) -> Option<TaskId> {
        if self.stopping {
            return None;
        }
        while let Some(Reverse((_, task))) = self.ready.pop() {
            if self.states[task as usize] == State::Ready {
                return Some(TaskId(task));
            }
        }
        None
    }

    /// A task that [`Queue::take`] gave was not started after all: it stays next.
    pub fn postpone(&mut self, task: TaskId) {
        self.make_ready(task);
    }

    /// A task was started.
    pub fn started(&mut self, task: TaskId) {
        self.states[task.index()] = State::Running;
        self.counts.active += 1;
    }

    /// A task needn't run.
    pub fn skipped(&mut self, graph: &TaskGraph<'_>, task: TaskId) {
        self.states[task.index()] = State::Skipped;
        self.counts.skipped += 1;
        self.counts.completed += 1;
        self.release(graph, task);
    }

    /// A running task ended well.
    pub fn succeeded(&mut self, graph: &TaskGraph<'_>, task: TaskId) {
        self.states[task.index()] = State::Done;
        self.counts.active -= 1;
        self.counts.completed += 1;
        self.release(graph, task);
    }

    /// A running task failed.
    pub fn failed(&mut self, task: TaskId) {
        self.states[task.index()] = State::Failed;
        self.counts.active -= 1;
        self.counts.failed += 1;
        self.failed.push(task);
        self.stopping |= !self.keep_going;
    }

    fn release(&mut self, graph: &TaskGraph<'_>, task: TaskId) {
        for later in graph.needed_by(task) {
            let waiting = &mut self.waiting[later.index()];
            *waiting -= 1;
            if *waiting == 0 {
                self.make_ready(later);
            }
        }
    }

    /// Starts nothing any more.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// True when nothing runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.counts.active == 0
            && (self.stopping || !self.ready.iter().any(|Reverse((_, task))| self.is_ready(*task)))
    }

    fn is_ready(&self, task: u32) -> bool {
        self.states[task as usize] == State::Ready
    }

    /// True if a task needn't be thought of any more.
    pub fn is_finished(&self, task: TaskId) -> bool {
        matches!(self.states[task.index()], State::Done | State::Skipped | State::Failed)
    }

    /// The numbers.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The tasks that failed, in order.
    pub fn failures(&self) -> &[TaskId] {
        &self.failed
    }
}
