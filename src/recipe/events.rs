//! Event handlers of metadata: registering them, and firing events at them (BitBake manual, "Event Handlers").

use std::rc::Rc;

use super::run::Run;
use crate::data::{DataError, Host, Level, Origin, Store, Value};
use crate::python::interpreter::{Event, Handler};

impl Run {
    /// Registers the handlers that `addhandler` named in `store`.
    pub(super) fn register_handlers(&self, store: &Store) -> Result<(), DataError> {
        let names = store.get_raw("__BBHANDLERS")?.map(|names| names.strings()).unwrap_or_default();
        for name in names {
            let Some(file) = store.get_flag_raw(&name, "filename")?.filter(Value::truth) else {
                self.python.log(Level::Error, &format!("Undefined event handler function '{name}'"));
                return Err(DataError::Handled);
            };
            let line = store.get_flag_raw(&name, "lineno")?.map(|line| line.to_text()).unwrap_or_default();
            let mask = store.get_flag_str(&name, "eventmask")?;
            let code = store.get_raw(&name)?.map(|code| code.to_text()).unwrap_or_default();
            self.register(
                store,
                Handler {
                    name: name.into(),
                    code: code.into(),
                    mask: mask.split_whitespace().map(Rc::from).collect(),
                    file: file.to_text().into(),
                    line: line.parse().unwrap_or_default(),
                },
            )?;
        }
        Ok(())
    }

    /// Registers one handler for a store and its copies. A second one of the same name is ignored.
    fn register(&self, store: &Store, mut handler: Handler) -> Result<(), DataError> {
        let mc = store.get_str("BB_CURRENT_MC")?;
        if !mc.is_empty() {
            handler.name = format!("{}{}", mc.replace('-', "_"), handler.name).into();
        }
        let known = self.handlers.borrow().iter().any(|old| old.name == handler.name);
        let mut mine = store.get_raw("__BBHANDLERS_MC")?.map(|names| names.strings()).unwrap_or_default();
        if !mine.iter().any(|name| **name == *handler.name) {
            mine.push(handler.name.to_string());
            store.set_var("__BBHANDLERS_MC", Value::list(mine.iter().map(String::as_str)), Origin::Hidden)?;
        }
        if !known {
            self.python.prepare(&handler)?;
            self.handlers.borrow_mut().push(handler);
        }
        Ok(())
    }

    /// The handlers registered now, to be put back after a recipe.
    pub fn saved_handlers(&self) -> Vec<Handler> {
        self.handlers.borrow().clone()
    }

    /// Puts back what [`Run::saved_handlers`] gave.
    pub fn restore_handlers(&self, handlers: Vec<Handler>) {
        *self.handlers.borrow_mut() = handlers;
    }

    /// The classes of events that handlers want; None if one wants all.
    pub fn wanted_events(&self) -> Option<Vec<String>> {
        let mut wanted = Vec::new();
        for handler in self.handlers.borrow().iter() {
            if handler.mask.is_empty() || handler.mask.iter().any(|mask| &**mask == "*") {
                return None;
            }
            wanted.extend(handler.mask.iter().map(|mask| mask.to_string()));
        }
        Some(wanted)
    }

    /// The handlers that want an event and belong to the store. `class` is the full name of its class, such as `bb.event.ConfigParsed`.
    pub fn handlers_for(&self, store: &Store, class: &str) -> Result<Vec<Handler>, DataError> {
        let mut wanted: Vec<Handler> =
            self.handlers.borrow().iter().filter(|handler| wants(handler, class)).cloned().collect();
        if !wanted.is_empty() {
            let mine = store.get_raw("__BBHANDLERS_MC")?.map(|names| names.strings()).unwrap_or_default();
            wanted.retain(|handler| mine.iter().any(|name| **name == *handler.name));
        }
        Ok(wanted)
    }

    /// Fires an event at the handlers that want it and belong to the store.
    pub fn fire(&self, store: &Store, class: &'static str, arguments: Vec<Value>) -> Result<(), DataError> {
        let handlers = self.handlers_for(store, &format!("bb.event.{class}"))?;
        self.python.handle(&handlers, &Event { class, arguments }, store)
    }
}

/// True if a handler's mask lets the event through.
fn wants(handler: &Handler, class: &str) -> bool {
    handler.mask.is_empty() || handler.mask.iter().any(|mask| &**mask == "*" || **mask == *class)
}
