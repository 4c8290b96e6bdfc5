//! The task graph for people: `pn-buildlist` and `task-depends.dot` (BitBake manual, "Generating Dependency Graphs").

use std::collections::BTreeSet;
use std::fmt::Write;

use super::graph::{TaskGraph, TaskId};

/// The recipes of a graph, one a line, sorted.
pub fn build_list(graph: &TaskGraph<'_>) -> String {
    let names: BTreeSet<String> = graph.ids().map(|task| recipe_name(graph, task)).collect();
    names.into_iter().map(|name| name + "\n").collect()
}

/// The graph in the language of Graphviz.
pub fn task_depends(graph: &TaskGraph<'_>) -> String {
    let name = |task: TaskId| format!("{}.{}", recipe_name(graph, task), graph.name(task));
    let mut tasks: Vec<(String, TaskId)> = graph.ids().map(|task| (name(task), task)).collect();
    tasks.sort_by(|a, b| a.0.cmp(&b.0));
    let mut names = vec![""; graph.len()];
    for (name, task) in &tasks {
        names[task.index()] = name;
    }
    let mut out = String::from("digraph depends {\n");
    for (name, task) in &tasks {
        let record = graph.record(*task);
        let version = &record.version;
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "\"{name}\" [label=\"{} {}\\n{}:{}-{}\\n{}\"]",
            recipe_name(graph, *task),
            graph.name(*task),
            version.pe,
            version.pv,
            version.pr,
            record.file
        );
        let mut deps: Vec<&str> = graph.depends(*task).map(|dep| names[dep.index()]).collect();
        deps.sort_unstable();
        for dep in deps {
            let _ = writeln!(out, "\"{name}\" -> \"{dep}\"");
        }
    }
    out.push_str("}\n");
    out
}

/// PN, with its multiconfig in front.
fn recipe_name(graph: &TaskGraph<'_>, task: TaskId) -> String {
    let pn = &graph.record(task).pn;
    match graph.configuration(task).mc {
        "" => pn.clone(),
        mc => format!("mc:{mc}:{pn}"),
    }
}
