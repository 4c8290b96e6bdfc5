//! Changing variables and flags: setting, queueing, deleting, renaming.

use std::rc::Rc;

use super::error::DataError;
use super::history::Origin;
use super::host::Level;
use super::read::Read;
use super::store::Store;
use super::value::Value;
use super::var::{Op, OpKind, WEAK_FLAG};

/// A change to a variable, with what the history says about it.
pub struct Assignment<'a> {
    /// The value.
    pub value: Value,
    /// Set by the parser: queued operations and overrides of the variable stay.
    pub parsing: bool,
    /// Where it comes from.
    pub origin: Origin<'a>,
    /// The history's word for it.
    pub op: &'a str,
    /// The text for the history, where it isn't the value.
    pub detail: Option<Value>,
}

/// A name that ends in an operation, such as `A:append:foo`.
struct Queued<'a> {
    base: &'a str,
    kind: OpKind,
    overrides: Option<&'a str>,
}

impl<'a> Queued<'a> {
    /// The first `:append`, `:prepend` or `:remove` behind which nothing but an override list without capital letters follows.
    fn parse(name: &'a str) -> Option<Self> {
        let mut from = 0;
        while let Some(colon) = name[from..].find(':') {
            let at = from + colon;
            for kind in OpKind::ALL {
                let Some(rest) = name[at..].strip_prefix(kind.keyword()) else { continue };
                let overrides = match rest.strip_prefix(':') {
                    None if rest.is_empty() || rest == "\n" => None,
                    Some(list) if !list.chars().any(|c| c.is_ascii_uppercase()) => Some(list),
                    _ => continue,
                };
                return Some(Queued { base: &name[..at], kind, overrides });
            }
            from = at + 1;
        }
        None
    }
}

impl Store {
    /// Sets a variable as Python code does (`d.setVar`): what is queued for it and its active overrides are dropped.
    pub fn set_var(&self, name: &str, value: Value, origin: Origin<'_>) -> Result<(), DataError> {
        self.assign(name, Assignment { value, parsing: false, origin, op: "set", detail: None })
    }

    /// Sets a variable as the parser does for `=`: what is queued and the overrides stay.
    pub fn parse_var(&self, name: &str, value: Value, origin: Origin<'_>) -> Result<(), DataError> {
        self.assign(name, Assignment { value, parsing: true, origin, op: "set", detail: None })
    }

    /// Sets a variable or queues an operation, by its name.
    pub fn assign(&self, name: &str, assignment: Assignment<'_>) -> Result<(), DataError> {
        self.check_name(name, assignment.origin)?;
        self.state().changed(name);
        let Assignment { value, parsing, origin, op, detail } = assignment;

        if let Some(queued) = Queued::parse(name) {
            return self.enqueue(name, &queued, value, origin);
        }
        if !parsing {
            self.drop_pending(name)?;
        }
        self.state().make_mut(name).content = Some(value.clone());
        if name.contains(':') {
            self.add_overrides(name);
        }
        self.record(origin, name, op, None, detail.as_ref().unwrap_or(&value));
        if self.is_override_var(name) {
            self.update_override_vars(name, &value)?;
        }
        Ok(())
    }

    fn check_name(&self, name: &str, origin: Origin<'_>) -> Result<(), DataError> {
        if !name.starts_with("__anon_")
            && name.contains('_')
            && ["_append", "_prepend", "_remove"].iter().any(|old| name.contains(old))
        {
            let place = match origin {
                Origin::Statement { file, line } => format!(" file: {file} line: {line}"),
                _ => String::new(),
            };
            self.log(
                Level::Error,
                &format!(
                    "Variable {name}{place} contains an operation using the old override syntax. Please convert this \
                     layer/metadata before attempting to use with a newer bitbake."
                ),
            );
            return Err(DataError::Handled);
        }
        let base = name.split(':').next().unwrap_or(name);
        self.check_renamed(base, name, origin)
    }

    /// Reports a variable that has another name now, and marks the recipe as failed.
    fn check_renamed(&self, base: &str, full: &str, origin: Origin<'_>) -> Result<(), DataError> {
        let Some(new) = self.state().renames.get(base).cloned() else { return Ok(()) };
        let mut place = match origin {
            Origin::Statement { file, line } => format!(" file: {file} line: {line}"),
            _ => String::new(),
        };
        if full != base {
            place.push_str(&format!(" referenced as: {full}"));
        }
        self.host().log_once(Level::Error, &rename_message(base, &new, &place));
        self.set_engine("_FAILPARSINGERRORHANDLED", Value::Bool(true), "check_renamed")
    }

    fn is_override_var(&self, name: &str) -> bool {
        self.state().override_vars.contains(name)
    }

    fn enqueue(
        &self,
        name: &str,
        queued: &Queued<'_>,
        value: Value,
        origin: Origin<'_>,
    ) -> Result<(), DataError> {
        let op = Op { value: value.clone(), overrides: queued.overrides.map(Rc::from) };
        self.state().make_mut(queued.base).queue_mut(queued.kind).push(op);
        let keyword = queued.kind.keyword();
        match queued.overrides.filter(|overrides| !overrides.is_empty()) {
            Some(overrides) => {
                self.record(origin, queued.base, &format!("{keyword}[{overrides}]"), None, &value);
            }
            None => self.record(origin, queued.base, keyword, None, &value),
        }
        self.add_overrides(queued.base);
        if self.is_override_var(queued.base) {
            self.update_override_vars(name, &value)?;
        }
        Ok(())
    }

    /// Forgets what is queued for a variable and deletes its active variants.
    fn drop_pending(&self, name: &str) -> Result<(), DataError> {
        let Some(var) = self.find(name) else { return Ok(()) };
        let mut active = Vec::new();
        if !var.overrides.is_empty() {
            let overrides = self.need_overrides()?;
            active.extend(
                var.overrides.iter().filter(|(_, o)| overrides.active(o)).map(|(name, _)| name.clone()),
            );
        }
        for variant in active {
            self.del_var(&variant, Origin::engine("set_var"));
        }
        let mut state = self.state();
        let var = state.make_mut(name);
        var.overrides.clear();
        var.overridden = false;
        for kind in OpKind::ALL {
            var.queue_mut(kind).clear();
        }
        Ok(())
    }

    /// Sets a flag (`d.setVarFlag`).
    pub fn set_flag(
        &self,
        name: &str,
        flag: &str,
        value: Value,
        origin: Origin<'_>,
    ) -> Result<(), DataError> {
        self.assign_flag(name, flag, value, origin, "set", None)
    }

    /// Sets a flag, with the history's word and text for it.
    pub fn assign_flag(
        &self,
        name: &str,
        flag: &str,
        value: Value,
        origin: Origin<'_>,
        op: &str,
        detail: Option<&Value>,
    ) -> Result<(), DataError> {
        self.state().clear_cache();
        if name == "BB_RENAMED_VARIABLES" {
            let mut state = self.state();
            Rc::make_mut(&mut state.renames).insert(flag.into(), value.to_text().into());
        }
        self.check_renamed(name, name, origin)?;
        self.record(origin, name, op, Some(flag), detail.unwrap_or(&value));
        match flag {
            "_content" => self.state().make_mut(name).content = Some(value),
            "_defaultval" => {
                self.state().make_mut(name).weak = Some(value.clone());
                if name.contains(':') {
                    self.add_overrides(name);
                }
                if self.is_override_var(name) {
                    self.update_override_vars(name, &value)?;
                }
            }
            _ => match OpKind::from_keyword(flag) {
                Some(kind) => *self.state().make_mut(name).queue_mut(kind) = queue_of(&value),
                None => {
                    self.state().make_mut(name).set_flag(flag, value);
                    if flag == "export" || flag == "unexport" {
                        self.note_exported(name);
                    }
                }
            },
        }
        Ok(())
    }

    /// Sets flags without looking at what they mean (`d.setVarFlags`): no check of the name, no note of an export.
    pub fn set_flags(&self, name: &str, flags: Vec<(String, Value)>, origin: Origin<'_>) {
        self.state().clear_cache();
        for (flag, value) in flags.into_iter().filter(|(flag, _)| flag != "_content") {
            self.record(origin, name, "set", Some(&flag), &value);
            self.put_flag(name, &flag, value);
        }
    }

    /// Puts a variable in place as it was somewhere else: flags, the engine's own included, and variants.
    pub fn restore(&self, name: &str, flags: Vec<(String, Value)>, variants: Vec<(String, String)>) {
        self.state().clear_cache();
        for (flag, value) in flags {
            self.put_flag(name, &flag, value);
        }
        let mut state = self.state();
        state.overrides = None;
        state.make_mut(name).overrides =
            variants.into_iter().map(|(full, suffix)| (full.into(), suffix.into())).collect();
    }

    fn put_flag(&self, name: &str, flag: &str, value: Value) {
        let mut state = self.state();
        let var = state.make_mut(name);
        match flag {
            "_content" => var.content = Some(value),
            "_defaultval" => var.weak = Some(value),
            _ => match OpKind::from_keyword(flag) {
                Some(kind) => *var.queue_mut(kind) = queue_of(&value),
                None => var.set_flag(flag, value),
            },
        }
    }

    /// Makes an empty entry, which hides what the store was copied with (`d.initVar`).
    pub fn init_var(&self, name: &str) {
        let mut state = self.state();
        state.clear_cache();
        if !state.top.contains_key(name) {
            let (overrides, overridden) =
                state.find(name).map(|var| (var.overrides.clone(), var.overridden)).unwrap_or_default();
            *state.make_mut(name) = super::Var { overrides, overridden, ..super::Var::default() };
        }
    }

    /// Names that ever had an export flag, so that finding the exported ones needs no walk over everything.
    fn note_exported(&self, name: &str) {
        self.update_internal("__exportlist", |old| {
            let known = old.and_then(Value::as_list).unwrap_or_default();
            if known.iter().any(|item| item.as_str() == Some(name)) {
                return None;
            }
            let mut names = known.to_vec();
            names.push(Value::str(name));
            Some(Value::List(Rc::new(names)))
        });
    }

    /// The names that ever had an export flag.
    pub fn export_candidates(&self) -> Vec<String> {
        self.find("__exportlist")
            .and_then(|var| var.content.clone())
            .map(|list| list.strings())
            .unwrap_or_default()
    }

    /// Queues `value` behind a variable (`d.appendVar`); no blank is added.
    pub fn append_var(&self, name: &str, value: Value, origin: Origin<'_>) -> Result<(), DataError> {
        self.record(origin, name, "append", None, &value);
        self.parse_var(&format!("{name}:append"), value, Origin::Hidden)
    }

    /// Queues `value` in front of a variable (`d.prependVar`); no blank is added.
    pub fn prepend_var(&self, name: &str, value: Value, origin: Origin<'_>) -> Result<(), DataError> {
        self.record(origin, name, "prepend", None, &value);
        self.parse_var(&format!("{name}:prepend"), value, Origin::Hidden)
    }

    /// Adds text to a flag (`d.appendVarFlag`).
    pub fn append_flag(
        &self,
        name: &str,
        flag: &str,
        value: &str,
        origin: Origin<'_>,
    ) -> Result<(), DataError> {
        self.record(origin, name, "append", Some(flag), &Value::str(value));
        let old = self.get_flag_raw(name, flag)?.filter(Value::truth).unwrap_or_else(|| Value::str(""));
        self.set_flag(name, flag, super::read::sum(&old, &Value::str(value))?, Origin::Hidden)
    }

    /// Puts text in front of a flag (`d.prependVarFlag`).
    pub fn prepend_flag(
        &self,
        name: &str,
        flag: &str,
        value: &str,
        origin: Origin<'_>,
    ) -> Result<(), DataError> {
        self.record(origin, name, "prepend", Some(flag), &Value::str(value));
        let old = self.get_flag_raw(name, flag)?.filter(Value::truth).unwrap_or_else(|| Value::str(""));
        self.set_flag(name, flag, super::read::sum(&Value::str(value), &old)?, Origin::Hidden)
    }

    /// Deletes a variable with its flags and overrides (`d.delVar`).
    pub fn del_var(&self, name: &str, origin: Origin<'_>) {
        self.record(origin, name, "del", None, &Value::str(""));
        {
            let mut state = self.state();
            state.changed(name);
            *state.make_mut(name) = super::Var::default();
        }
        if name.contains(':') {
            self.remove_overrides(name);
        }
    }

    /// Deletes a flag and its weak default (`d.delVarFlag`).
    pub fn del_flag(&self, name: &str, flag: &str, origin: Origin<'_>) {
        self.state().clear_cache();
        let Some(var) = self.find(name).filter(|var| !var.is_empty()) else { return };
        let known = match flag {
            "_content" => var.content.is_some(),
            "_defaultval" => var.weak.is_some(),
            _ => {
                var.flag(flag).is_some()
                    || OpKind::from_keyword(flag).is_some_and(|kind| !var.queue(kind).is_empty())
            }
        };
        if !known {
            return;
        }
        self.record(origin, name, "delFlag", Some(flag), &Value::str(""));
        let mut state = self.state();
        let var = state.make_mut(name);
        match flag {
            "_content" => var.content = None,
            "_defaultval" => var.weak = None,
            _ => match OpKind::from_keyword(flag) {
                Some(kind) => var.queue_mut(kind).clear(),
                None => {
                    var.remove_flag(flag);
                    var.remove_flag(&format!("{WEAK_FLAG}{flag}"));
                }
            },
        }
    }

    /// Deletes all flags but keeps the content (`d.delVarFlags`). Without content, what the store was made a copy of shows again.
    pub fn del_flags(&self, name: &str, origin: Origin<'_>) {
        self.state().clear_cache();
        self.record(origin, name, "delete flags", None, &Value::str(""));
        let mut state = self.state();
        let below = state.find_below(name).map(|var| (**var).clone());
        let var = state.make_mut(name);
        let kept = match (var.content.take(), below) {
            (None, Some(below)) => below,
            (content, _) => super::Var { content, ..super::Var::default() },
        };
        let (overrides, overridden) = (std::mem::take(&mut var.overrides), var.overridden);
        *var = super::Var { overrides, overridden, ..kept };
    }

    /// Moves a variable's content, queued operations and variants to another name (`d.renameVar`); other flags stay behind.
    pub fn rename_var(&self, old: &str, new: &str, origin: Origin<'_>) -> Result<(), DataError> {
        if old == new {
            self.log(Level::Warning, &format!("Calling renameVar with equivalent keys ({old}) is invalid"));
            return Ok(());
        }
        // A new name that is a variant of the old one never comes to an end.
        let Some(_depth) = super::expand::Depth::enter() else {
            return Err(DataError::raised("RecursionError", "maximum recursion depth exceeded"));
        };
        let mut found = false;
        let value =
            self.read_var(old, Read { no_weak: false, ..Read::PARSING })?.0.filter(|v| *v != Value::None);
        if let Some(value) = &value {
            if self.tracking() {
                self.edit_history(|history| history.rename(old, new));
                self.record(origin, new, &format!("rename from {old}"), None, value);
            }
            self.parse_var(new, value.clone(), Origin::Hidden)?;
            found = true;
        }
        let var = self.find(old).unwrap_or_default();
        for kind in OpKind::ALL {
            let queue = var.queue(kind);
            if !queue.is_empty() {
                let mut state = self.state();
                state.clear_cache();
                state.make_mut(new).queue_mut(kind).extend(queue.iter().cloned());
                found = true;
            }
        }
        if var.overridden {
            found = true;
            // BitBake begins with none here, so what was renamed to a variant of the new name before is forgotten.
            let mut state = self.state();
            state.make_mut(new).overrides.clear();
            state.make_mut(new).overridden = true;
            drop(state);
            for (variant, suffix) in &var.overrides {
                let renamed: Rc<str> = variant.replace(old, new).into();
                self.state().make_mut(new).overrides.push((renamed.clone(), suffix.clone()));
                self.rename_var(variant, &renamed, origin)?;
            }
        }
        if !found {
            return Ok(());
        }
        if new.contains(':') && value.is_none() {
            self.add_overrides(new);
        }
        self.record(origin, old, "rename (to)", None, &Value::str(new));
        self.del_var(old, Origin::Hidden);
        Ok(())
    }

    /// Renames all variables whose names contain references (BitBake's `expandKeys`).
    pub fn expand_keys(&self) -> Result<(), DataError> {
        let mut renames = Vec::new();
        for key in self.keys_to_expand()? {
            let new = self.expand(&key, None)?;
            if new != *key {
                renames.push((key, new));
            }
        }
        renames.sort();
        for (old, new) in renames {
            // The old value is only read if there is a new one: reading may fail.
            if let Some(new_value) = self.get_raw(&new)?.filter(|v| *v != Value::None)
                && let Some(value) = self.get_raw(&old)?.filter(|v| *v != Value::None)
            {
                self.log(
                    Level::Warning,
                    &format!(
                        "Variable key {old} ({}) replaces original key {new} ({}).",
                        value.to_text(),
                        new_value.to_text()
                    ),
                );
            }
            self.rename_var(&old, &new, Origin::engine("expand_keys"))?;
        }
        Ok(())
    }

    /// Replaces the text `${NAME}` by the variable's unexpanded value wherever it stands in what was set since the last copy
    /// (BitBake does so with LAYERDIR after each layer.conf).
    pub fn expand_var_ref(&self, name: &str) -> Result<(), DataError> {
        self.expand_var_ref_in(name, &self.local_keys())
    }

    /// The same in the variables `keys`.
    pub fn expand_var_ref_in(&self, name: &str, keys: &[Rc<str>]) -> Result<(), DataError> {
        let reference = format!("${{{name}}}");
        let Some(value) = self.get_raw(name)? else { return Ok(()) };
        let value = value.to_text();
        for key in keys {
            if let Some(Value::Str(text)) = self.get_raw(key)?
                && text.contains(&reference)
            {
                self.set_var(
                    key,
                    Value::from(text.replace(&reference, &value)),
                    Origin::engine("expand_var_ref"),
                )?;
            }
        }
        Ok(())
    }
}

/// The message about a variable that has another name now. `place` starts with a blank if not empty.
pub fn rename_message(old: &str, new: &str, place: &str) -> String {
    let place = place.trim();
    let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
    if new.contains(' ') {
        format!("Variable {old} {new}{place}")
    } else {
        format!("Variable {old} has been renamed to {new}{place}")
    }
}

/// A queue from Python's form of it.
fn queue_of(value: &Value) -> Vec<Op> {
    let items = value.as_list().unwrap_or_default();
    let op = |item: &Value| {
        let pair = item.as_list()?;
        let overrides = pair.get(1).and_then(Value::as_str).map(Rc::from);
        Some(Op { value: pair.first()?.clone(), overrides })
    };
    items.iter().filter_map(op).collect()
}
