//! BB_TASKDEPDATA as the store keeps it: what a task depends on, made into Python objects only if somebody asks.

use std::any::Any;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::spec::Dependency;
use crate::data::Object;

/// The value of BB_TASKDEPDATA.
pub struct TaskDepData {
    entries: Arc<BTreeMap<String, Dependency>>,
    /// The same as the Python side sees it.
    pub twin: OnceCell<Box<dyn Any>>,
}

impl TaskDepData {
    /// The value for these entries, by task id.
    pub fn new(entries: Arc<BTreeMap<String, Dependency>>) -> Self {
        TaskDepData { entries, twin: OnceCell::new() }
    }

    /// The entries by task id.
    pub fn entries(&self) -> &BTreeMap<String, Dependency> {
        &self.entries
    }
}

impl Object for TaskDepData {
    fn text(&self) -> String {
        format!("<{} tasks>", self.entries.len())
    }

    fn truth(&self) -> bool {
        !self.entries.is_empty()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
