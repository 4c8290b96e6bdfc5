//! The task graph of a build (BitBake manual, "Dependencies").

use std::fmt;

use super::csr::Rows;
use crate::catalog::record::TaskRecord;
use crate::catalog::targets::Configuration;
use crate::catalog::{RecipeId, RecipeRecord, ResolvedTarget};

/// A task's number in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

impl TaskId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One recipe, or variant of it, that has tasks in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphRecipe {
    /// Number of its configuration.
    pub mc: usize,
    /// Its record in that configuration's catalogue.
    pub recipe: RecipeId,
    /// File name with variant and multiconfig.
    pub file: String,
}

/// One task of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its recipe, by place in [`TaskGraph::recipes`].
    pub recipe: u32,
    /// Its place among the recipe's tasks.
    pub index: u32,
    /// The recipe has a `_setscene` variant of it.
    pub setscene: bool,
}

/// Tasks and what they wait for. Those no target needs are not in it.
pub struct TaskGraph<'c> {
    pub(super) configurations: Vec<Configuration<'c>>,
    /// The recipes.
    pub recipes: Vec<GraphRecipe>,
    /// The tasks, in the order in which recipes came up and declared them.
    pub tasks: Vec<Task>,
    pub(super) depends: Rows,
    pub(super) needed_by: Rows,
    /// What the user asked for.
    pub targets: Vec<TaskId>,
    /// How much waits for each task, directly or not (BitBake's weight).
    pub weights: Vec<u64>,
}

impl<'c> TaskGraph<'c> {
    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True without tasks.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// All tasks.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u32).map(TaskId)
    }

    /// What a task waits for.
    pub fn depends(&self, task: TaskId) -> impl Iterator<Item = TaskId> + Clone {
        self.depends.row(task.0).iter().map(|id| TaskId(*id))
    }

    /// What waits for a task.
    pub fn needed_by(&self, task: TaskId) -> impl Iterator<Item = TaskId> + Clone {
        self.needed_by.row(task.0).iter().map(|id| TaskId(*id))
    }

    /// The recipe of a task.
    pub fn recipe(&self, task: TaskId) -> &GraphRecipe {
        &self.recipes[self.tasks[task.index()].recipe as usize]
    }

    /// The record of a task's recipe.
    pub fn record(&self, task: TaskId) -> &'c RecipeRecord {
        self.recipe_record(self.recipe(task))
    }

    /// The record of a recipe.
    pub fn recipe_record(&self, recipe: &GraphRecipe) -> &'c RecipeRecord {
        self.configurations[recipe.mc].catalog.record(recipe.recipe)
    }

    /// The configuration of a task's recipe.
    pub fn configuration(&self, task: TaskId) -> &Configuration<'c> {
        &self.configurations[self.recipe(task).mc]
    }

    /// The configurations, the default one first.
    pub fn configurations(&self) -> &[Configuration<'c>] {
        &self.configurations
    }

    /// What the recipe says about a task.
    pub fn task(&self, task: TaskId) -> &'c TaskRecord {
        &self.record(task).tasks[self.tasks[task.index()].index as usize]
    }

    /// A task's name, such as `do_compile`.
    pub fn name(&self, task: TaskId) -> &'c str {
        &self.task(task).name
    }

    /// A task's id as BitBake writes it: file and name.
    pub fn tid(&self, task: TaskId) -> String {
        format!("{}:{}", self.recipe(task).file, self.name(task))
    }

    /// Tasks so that each comes behind all it waits for.
    pub fn in_order(&self) -> Vec<TaskId> {
        let mut waiting: Vec<u32> = self.ids().map(|task| self.depends.row(task.0).len() as u32).collect();
        let mut order: Vec<TaskId> = self.ids().filter(|task| waiting[task.index()] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for later in self.needed_by(order[next]) {
                let count = &mut waiting[later.index()];
                *count -= 1;
                if *count == 0 {
                    order.push(later);
                }
            }
            next += 1;
        }
        order
    }
}

/// Why there is no graph. `Display` gives BitBake's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// A target has no such task.
    NoTask {
        /// The task.
        task: String,
        /// The target.
        target: String,
        /// Its id.
        tid: String,
        /// Tasks with similar names.
        close: Vec<String>,
    },
    /// A flag names a task that the other recipe hasn't.
    NoDependency {
        /// The task with the flag.
        task: String,
        /// Its recipe.
        file: String,
        /// `depends` or `rdepends`.
        flag: &'static str,
        /// The task it names.
        depends: String,
        /// The recipe that hasn't it.
        on: String,
    },
    /// `[mcdepends]` names a task that isn't.
    NoMulticonfigDependency(String),
    /// Two tasks wait for each other.
    Circular(String, String),
    /// Tasks wait for themselves over others.
    Loops {
        /// How many tasks can't be run.
        tasks: usize,
        /// The loops in BitBake's words.
        text: String,
    },
    /// No recipe has a task of `--runall` or `--runonly`.
    NothingToRun {
        /// The names.
        tasks: Vec<String>,
        /// The option.
        only: bool,
        /// The targets.
        targets: String,
    },
    /// Everything that can be built was, but some things can't.
    Incomplete,
    /// There is nothing to build.
    Empty,
    /// Two versions of a recipe are needed.
    TwoVersions {
        /// The recipe.
        pn: String,
        /// The files.
        files: Vec<String>,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::NoTask { task, target, tid, close } => {
                write!(f, "Task {task} does not exist for target {target} ({tid})")?;
                if !close.is_empty() {
                    write!(f, ". Close matches:\n  {}", close.join("\n  "))?;
                }
                Ok(())
            }
            GraphError::NoDependency { task, file, flag, depends, on } => {
                write!(f, "Task {task} in {file} {flag} upon non-existent task {depends} in {on}")
            }
            GraphError::NoMulticonfigDependency(tid) => {
                write!(f, "Task mcdepends on non-existent task {tid}")
            }
            GraphError::Circular(task, other) => {
                write!(f, "Task {task} has circular dependency on {other}")
            }
            GraphError::Loops { text, .. } => f.write_str(text),
            GraphError::NothingToRun { tasks, only, targets } => {
                let names = tasks.iter().map(|name| crate::data::repr_str(name)).collect::<Vec<_>>().join(", ");
                let within = if *only { "within" } else { "within the recipes of" };
                write!(
                    f,
                    "Could not find any tasks with the tasknames [{names}] to run {within} the taskgraphs of the targets {targets}"
                )
            }
            GraphError::Incomplete => f.write_str(
                "All buildable tasks have been run but the build is incomplete (--continue mode). Errors for the tasks that failed \
                 will have been printed above.",
            ),
            GraphError::Empty => f.write_str("No active tasks and not in --continue mode?! Please report this bug."),
            GraphError::TwoVersions { pn, files } => write!(
                f,
                "Multiple versions of {pn} are due to be built ({}). Only one version of a given PN should be built in any given \
                 build. You likely need to set PREFERRED_VERSION_{pn} to select the correct version or don't depend on multiple \
                 versions.",
                files.join(" ")
            ),
        }
    }
}

impl std::error::Error for GraphError {}

/// The targets as BitBake prints their list.
pub(super) fn target_list(targets: &[ResolvedTarget], file: impl Fn(&ResolvedTarget) -> String) -> String {
    let repr = crate::data::repr_str;
    let items: Vec<String> = targets
        .iter()
        .map(|target| {
            let parts = [&target.target.mc, &target.target.item, &target.target.task, &file(target)];
            format!("[{}]", parts.map(|part| repr(part)).join(", "))
        })
        .collect();
    format!("[{}]", items.join(", "))
}
