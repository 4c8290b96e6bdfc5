//! Tasks of a recipe: `addtask`, `deltask`, and the table that the task graph is made of.

use std::rc::Rc;

use crate::data::{DataError, Level, Origin, Store, Value};

/// A task's name with its prefix.
fn prefixed(name: &str) -> String {
    if name.starts_with("do_") { name.to_owned() } else { format!("do_{name}") }
}

fn list(value: Option<Value>) -> Vec<Value> {
    value.and_then(|value| value.as_list().map(<[Value]>::to_vec)).unwrap_or_default()
}

fn names(value: Option<Value>) -> Vec<String> {
    value.map(|value| value.strings()).unwrap_or_default()
}

/// Declares a task (BitBake manual, "Promoting a Function to a Task"). `after`: tasks it waits for; `before`: tasks that wait for it.
pub fn add_task(store: &Store, task: &str, before: &[String], after: &[String]) -> Result<(), DataError> {
    let task = prefixed(task);
    store.set_flag(&task, "task", Value::Int(1), Origin::engine("add_task"))?;
    let mut tasks = list(store.get_raw("__BBTASKS")?);
    if !tasks.iter().any(|known| known.as_str() == Some(&task)) {
        tasks.push(Value::str(&*task));
    }
    store.set_engine("__BBTASKS", Value::List(Rc::new(tasks)), "add_task")?;

    let mut deps = list(store.get_flag_raw(&task, "deps")?);
    for entry in after {
        let entry = prefixed(entry);
        if !deps.iter().any(|known| known.as_str() == Some(&entry)) {
            deps.push(Value::from(entry));
        }
    }
    store.set_flag(&task, "deps", Value::List(Rc::new(deps)), Origin::engine("add_task"))?;
    for entry in before {
        let entry = prefixed(entry);
        let mut deps = list(store.get_flag_raw(&entry, "deps")?);
        if !deps.iter().any(|known| known.as_str() == Some(&task)) {
            deps.insert(0, Value::str(&*task));
            store.set_flag(&entry, "deps", Value::List(Rc::new(deps)), Origin::engine("add_task"))?;
        }
    }
    Ok(())
}

/// Removes a task and every dependency on it (BitBake manual, "Deleting a Task").
pub fn delete_task(store: &Store, task: &str) -> Result<(), DataError> {
    let task = prefixed(task);
    let mut tasks = list(store.get_raw("__BBTASKS")?);
    if let Some(at) = tasks.iter().position(|known| known.as_str() == Some(&task)) {
        tasks.remove(at);
        store.del_flag(&task, "task", Origin::engine("delete_task"));
        store.set_engine("__BBTASKS", Value::List(Rc::new(tasks)), "delete_task")?;
    }
    store.del_flag(&task, "deps", Origin::engine("delete_task"));
    for other in names(store.get_raw("__BBTASKS")?) {
        let mut deps = list(store.get_flag_raw(&other, "deps")?);
        if let Some(at) = deps.iter().position(|known| known.as_str() == Some(&task)) {
            deps.remove(at);
            store.set_flag(&other, "deps", Value::List(Rc::new(deps)), Origin::engine("delete_task"))?;
        }
    }
    Ok(())
}

/// The flags of tasks that the table carries, in BitBake's order.
pub const TABLE_FLAGS: [&str; 11] = [
    "mcdepends",
    "depends",
    "rdepends",
    "deptask",
    "rdeptask",
    "recrdeptask",
    "recideptask",
    "nostamp",
    "fakeroot",
    "noexec",
    "umask",
];

/// The task table of a finished recipe (BitBake's `_task_deps`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskTable {
    /// Tasks in order of declaration.
    pub tasks: Vec<String>,
    /// For each task the tasks of the same recipe that it waits for.
    pub parents: Vec<(String, Vec<String>)>,
    /// For each flag of [`TABLE_FLAGS`] its value by task. Empty without tasks.
    pub flags: Vec<(&'static str, Vec<(String, String)>)>,
}

/// Works out the task table and marks the tasks in the store.
pub fn task_table(store: &Store, tasks: &[String]) -> Result<TaskTable, DataError> {
    let mut table = TaskTable::default();
    if !tasks.is_empty() {
        table.flags = TABLE_FLAGS.map(|flag| (flag, Vec::new())).to_vec();
    }
    for task in tasks {
        let task = store.expand(task, None)?;
        store.set_flag(&task, "task", Value::Int(1), Origin::engine("task_table"))?;
        if !table.tasks.contains(&task) {
            table.tasks.push(task.clone());
        }
        let flags = store.get_flags(&task).unwrap_or_default();
        for (flag, column) in &mut table.flags {
            let Some((_, value)) = flags.iter().find(|(name, _)| **name == **flag) else { continue };
            let value = match value {
                Value::Str(text) => store.expand(text, None)?,
                other => other.to_text(),
            };
            if matches!(*flag, "noexec" | "fakeroot" | "nostamp") && value != "1" {
                store.log(
                    Level::Warning,
                    &format!(
                        "In a future version of BitBake, setting the '{flag}' flag to something other than '1' will result in \
                         the flag not being set. See YP bug #13808."
                    ),
                );
            }
            column.retain(|(known, _)| *known != task);
            column.push((task.clone(), value));
        }
        let mut parents = Vec::new();
        if let Some((_, deps)) = flags.iter().find(|(name, _)| &**name == "deps") {
            for dep in deps.strings() {
                parents.push(store.expand(&dep, None)?);
            }
        }
        table.parents.retain(|(known, _)| *known != task);
        table.parents.push((task, parents));
    }
    Ok(table)
}
