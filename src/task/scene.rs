//! Setscene: which results are fetched instead of made, and what then has to run for real (BitBake manual, "Setscene").

use super::graph::{TaskGraph, TaskId};

/// What is known about the result of a task with a setscene variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made or fetched before.
    Present,
    /// It can be fetched.
    Available,
    /// It can be fetched when an equal task has made it.
    Deferred,
    /// It has to be made.
    Missing,
}

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nobody needs it.
    Unneeded,
    /// Its result is fetched.
    Fetched,
    /// Its result will be fetched later.
    Deferred,
    /// Its result is there.
    Covered,
    /// It runs, unless its stamp says that it needn't.
    Run,
}

/// Decides what becomes of each task, beginning with the targets.
///
/// `result` tells about tasks with a setscene variant. `needed` is asked about such a task that only tasks with results wait for: is it
/// needed by any of these?
///
/// # Errors
/// What `needed` fails with.
pub fn plan<E>(
    graph: &TaskGraph<'_>,
    result: &dyn Fn(TaskId) -> Outcome,
    needed: &mut dyn FnMut(TaskId, &[TaskId]) -> Result<bool, E>,
) -> Result<Vec<Fate>, E> {
    let mut fates = vec![Fate::Unneeded; graph.len()];
    // Something that runs waits for it.
    let mut wanted = vec![false; graph.len()];
    // Tasks with results that wait for it, over tasks that don't run.
    let mut covered_by: Vec<Vec<TaskId>> = vec![Vec::new(); graph.len()];
    for target in &graph.targets {
        wanted[target.index()] = true;
    }
    // What waits for a task comes before it.
    for task in graph.in_order().into_iter().rev() {
        let mut above = std::mem::take(&mut covered_by[task.index()]);
        above.sort_unstable();
        above.dedup();
        let wanted_here = wanted[task.index()];
        // What nothing waits for is a target or was marked by --runall.
        let wanted_here = wanted_here || graph.needed_by(task).next().is_none();
        if !wanted_here && above.is_empty() {
            continue;
        }
        let fate = if !graph.tasks[task.index()].setscene {
            if wanted_here { Fate::Run } else { Fate::Unneeded }
        } else {
            let is_needed = wanted_here || needed(task, &above)?;
            match result(task) {
                _ if !is_needed => Fate::Unneeded,
                Outcome::Present => Fate::Covered,
                Outcome::Available => Fate::Fetched,
                Outcome::Deferred => Fate::Deferred,
                Outcome::Missing => Fate::Run,
            }
        };
        fates[task.index()] = fate;
        for dep in graph.depends(task) {
            match fate {
                Fate::Run => wanted[dep.index()] = true,
                // A result stands for all that was needed to make it; only what it needs itself may be needed, too.
                Fate::Fetched | Fate::Deferred | Fate::Covered => covered_by[dep.index()].push(task),
                Fate::Unneeded if graph.tasks[task.index()].setscene => covered_by[dep.index()].push(task),
                Fate::Unneeded => covered_by[dep.index()].extend_from_slice(&above),
            }
        }
    }
    Ok(fates)
}
