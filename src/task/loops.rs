//! Tasks that wait for themselves, in words.

use std::fmt::Write;

use super::csr::Rows;

/// More loops than this are not listed.
const MOST_LOOPS: usize = 10;

/// How much waits for each task; or the tasks that can never run, because they wait for each other.
pub(super) fn weights(depends: &Rows, needed_by: &Rows) -> Result<Vec<u64>, Vec<u32>> {
    let count = depends.len();
    let mut weights = vec![1u64; count];
    let mut waiting: Vec<u32> = (0..count as u32).map(|task| needed_by.row(task).len() as u32).collect();
    let mut order: Vec<u32> = (0..count as u32).filter(|task| waiting[*task as usize] == 0).collect();
    for end in &order {
        weights[*end as usize] = 10;
    }
    let mut next = 0;
    while next < order.len() {
        let task = order[next];
        for dep in depends.row(task) {
            weights[*dep as usize] = weights[*dep as usize].saturating_add(weights[task as usize]);
            let left = &mut waiting[*dep as usize];
            *left -= 1;
            if *left == 0 {
                order.push(*dep);
            }
        }
        next += 1;
    }
    if order.len() == count {
        return Ok(weights);
    }
    Err((0..count as u32).filter(|task| waiting[*task as usize] > 0).collect())
}

/// The loops among tasks, each once, as BitBake lists them.
pub(super) fn describe(stuck: &[u32], depends: &Rows, tid: &dyn Fn(u32) -> String) -> String {
    let mut found: Vec<Vec<u32>> = Vec::new();
    let mut done = vec![false; depends.len()];
    for start in stuck {
        let mut path: Vec<(u32, usize)> = vec![(*start, 0)];
        let mut on_path = vec![false; depends.len()];
        on_path[*start as usize] = true;
        while let Some((task, place)) = path.last_mut() {
            let task = *task;
            let Some(dep) = depends.row(task).get(*place).copied() else {
                done[task as usize] = true;
                on_path[task as usize] = false;
                path.pop();
                continue;
            };
            *place += 1;
            if on_path[dep as usize] {
                let from = path.iter().position(|(task, _)| *task == dep).unwrap_or(0);
                note(&mut found, path[from..].iter().map(|(task, _)| *task).collect(), tid);
            } else if !done[dep as usize] && stuck.binary_search(&dep).is_ok() {
                on_path[dep as usize] = true;
                path.push((dep, 0));
            }
            if found.len() > MOST_LOOPS {
                break;
            }
        }
    }
    let mut text = String::new();
    for (number, tasks) in found.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "Dependency loop #{} found:\n", number + 1);
        for task in tasks {
            let name = |dep: &u32| tid(*dep).rsplit('/').next().unwrap_or_default().to_owned();
            let mut deps: Vec<String> = depends.row(*task).iter().map(name).collect();
            deps.sort();
            let deps: Vec<String> = deps.iter().map(|dep| crate::data::repr_str(dep)).collect();
            let _ = writeln!(text, "  Task {} (dependent Tasks [{}])\n", tid(*task), deps.join(", "));
        }
        text.push('\n');
    }
    if found.len() > MOST_LOOPS {
        let _ = writeln!(text, "Halted dependency loops search after {MOST_LOOPS} matches.\n");
    }
    text
}

/// Adds a loop that isn't there yet. The task whose name is the least comes first, and each waits for the one before.
fn note(found: &mut Vec<Vec<u32>>, mut tasks: Vec<u32>, tid: &dyn Fn(u32) -> String) {
    tasks.reverse();
    let first = (0..tasks.len()).min_by_key(|at| tid(tasks[*at])).unwrap_or(0);
    tasks.rotate_left(first);
    if !found.contains(&tasks) {
        found.push(tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[u32]]) -> (Rows, Rows) {
        let mut depends = Rows::default();
        edges.iter().for_each(|row| depends.push(row.iter().copied()));
        let needed_by = depends.reversed();
        (depends, needed_by)
    }

    #[test]
    fn what_much_waits_for_weighs_much() {
        // 2 is the target, which waits for 1, which waits for 0.
        let (depends, needed_by) = graph(&[&[], &[0], &[0, 1]]);
        assert_eq!(weights(&depends, &needed_by), Ok(vec![22, 11, 10]));
    }

    #[test]
    fn loops_are_shown_once() {
        let (depends, needed_by) = graph(&[&[2], &[0], &[1], &[2]]);
        let stuck = weights(&depends, &needed_by).unwrap_err();
        assert_eq!(stuck, [0, 1, 2]);
        let text = describe(&stuck, &depends, &|task| format!("r.bb:do_{task}"));
        assert_eq!(
            text,
            "Dependency loop #1 found:\n\n  Task r.bb:do_0 (dependent Tasks ['r.bb:do_2'])\n\n  Task r.bb:do_1 (dependent Tasks \
             ['r.bb:do_0'])\n\n  Task r.bb:do_2 (dependent Tasks ['r.bb:do_1'])\n\n\n"
        );
    }
}
