//! Reading variables and flags: the order in which defaults, overrides and queued operations make up a value.

use std::rc::Rc;

use super::error::DataError;
use super::expand::Parsed;
use super::store::Store;
use super::value::{Text, Value};
use super::var::{OpKind, Var, WEAK_FLAG};

/// How a variable or flag is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Replace references and expressions.
    pub expand: bool,
    /// Leave weak defaults out.
    pub no_weak: bool,
    /// As the parser reads for `+=` and the like: own content only, no overrides, no queued operations.
    pub parsing: bool,
}

impl Read {
    /// The final value.
    pub const EXPANDED: Read = Read { expand: true, no_weak: false, parsing: false };
    /// The final value before expansion.
    pub const RAW: Read = Read { expand: false, no_weak: false, parsing: false };
    /// What the parser's operators build on.
    pub const PARSING: Read = Read { expand: false, no_weak: true, parsing: true };
}

impl Store {
    /// The expanded value of a variable (BitBake's `d.getVar(name)`).
    pub fn get_var(&self, name: &str) -> Result<Option<Value>, DataError> {
        if let Some(parsed) = self.state().cache.get(name) {
            return Ok(parsed.value.clone());
        }
        self.read_var(name, Read::EXPANDED).map(|(value, _)| value)
    }

    /// The expanded text of a variable; empty if unset or not text.
    pub fn get_str(&self, name: &str) -> Result<String, DataError> {
        Ok(match self.get_var(name)? {
            Some(Value::Str(text)) => text.to_string(),
            Some(Value::None) | None => String::new(),
            Some(other) => other.to_text(),
        })
    }

    /// The words of a variable's expanded text.
    pub fn get_words(&self, name: &str) -> Result<Vec<String>, DataError> {
        Ok(self.get_str(name)?.split_whitespace().map(str::to_owned).collect())
    }

    /// The value of a variable before expansion (`d.getVar(name, False)`).
    pub fn get_raw(&self, name: &str) -> Result<Option<Value>, DataError> {
        self.read_var(name, Read::RAW).map(|(value, _)| value)
    }

    /// A flag, expanded (`d.getVarFlag(name, flag)`).
    pub fn get_flag(&self, name: &str, flag: &str) -> Result<Option<Value>, DataError> {
        self.read_flag(name, flag, Read::EXPANDED)
    }

    /// A flag before expansion (`d.getVarFlag(name, flag, False)`).
    pub fn get_flag_raw(&self, name: &str, flag: &str) -> Result<Option<Value>, DataError> {
        self.read_flag(name, flag, Read::RAW)
    }

    /// A flag's expanded text; empty if unset.
    pub fn get_flag_str(&self, name: &str, flag: &str) -> Result<String, DataError> {
        Ok(match self.get_flag(name, flag)? {
            Some(Value::None) | None => String::new(),
            Some(value) => value.to_text(),
        })
    }

    /// True if a flag's text means yes (`bb.utils.to_boolean`).
    ///
    /// # Errors
    /// It can't be expanded, or means neither yes nor no.
    pub fn flag_is_true(&self, name: &str, flag: &str) -> Result<bool, DataError> {
        Ok(match self.get_flag(name, flag)? {
            Some(Value::Str(text)) => match text.to_ascii_lowercase().as_str() {
                "y" | "yes" | "1" | "true" => true,
                "" | "n" | "no" | "0" | "false" => false,
                _ => {
                    let message = format!("Invalid value for to_boolean: {text}");
                    return Err(DataError::raised("ValueError", message));
                }
            },
            Some(value) => value.truth(),
            None => false,
        })
    }

    /// Reads a variable with its parse: value, and what it refers to (`getVarFlag(…, "_content", retparser=True)`).
    pub fn read_parsed(&self, name: &str) -> Result<(Option<Value>, Rc<Parsed>), DataError> {
        if let Some(parsed) = self.state().cache.get(name) {
            return Ok((parsed.unexpanded.clone(), parsed.clone()));
        }
        let read = self.read_content(name, Read::RAW, true)?;
        Ok((read.0, read.1.unwrap_or_default()))
    }

    /// Reads a flag with its parse.
    pub fn read_flag_parsed(&self, name: &str, flag: &str) -> Result<(Option<Value>, Rc<Parsed>), DataError> {
        if flag == "_content" {
            return self.read_parsed(name);
        }
        let key = format!("{name}[{flag}]");
        if let Some(parsed) = self.state().flag_cache.get(&*key) {
            return Ok((parsed.unexpanded.clone(), parsed.clone()));
        }
        let value = self.flag_value(name, flag, Read::RAW);
        let parsed = match &value {
            Some(value) => self.expand_with_refs(value, Some(&key))?,
            None => Parsed::default(),
        };
        let parsed = Rc::new(parsed);
        self.state().flag_cache.insert(key.into(), parsed.clone());
        Ok((value, parsed))
    }

    /// Reads a variable in any way.
    pub fn read_var(&self, name: &str, how: Read) -> Result<(Option<Value>, Option<Rc<Parsed>>), DataError> {
        if how.expand
            && !how.no_weak
            && let Some(parsed) = self.state().cache.get(name)
        {
            return Ok((parsed.value.clone(), Some(parsed.clone())));
        }
        self.read_content(name, how, false)
    }

    /// Reads a flag in any way.
    pub fn read_flag(&self, name: &str, flag: &str, how: Read) -> Result<Option<Value>, DataError> {
        if flag == "_content" {
            return self.read_var(name, how).map(|(value, _)| value);
        }
        let value = self.flag_value(name, flag, how);
        match &value {
            Some(Value::Str(text)) if how.expand && text.contains("${") => {
                let key = format!("{name}[{flag}]");
                if !how.no_weak
                    && let Some(parsed) = self.state().flag_cache.get(&*key)
                {
                    return Ok(parsed.value.clone());
                }
                let parsed = Rc::new(self.expand_with_refs(&Value::Str(text.clone()), Some(&key))?);
                let value = parsed.value.clone();
                if !how.no_weak {
                    self.state().flag_cache.insert(key.into(), parsed);
                }
                Ok(value)
            }
            _ => Ok(value),
        }
    }

    fn flag_value(&self, name: &str, flag: &str, how: Read) -> Option<Value> {
        let state = self.state();
        let var = state.find(name)?;
        if let Some(kind) = OpKind::from_keyword(flag) {
            let queue = var.queue(kind);
            return (!queue.is_empty()).then(|| queue_value(queue));
        }
        if flag == "_defaultval" {
            return var.weak.clone();
        }
        var.flag(flag).or_else(|| if how.no_weak { None } else { var.weak_flag(flag) }).cloned()
    }

    /// The order of contract: override or own content or weak default, appends, prepends, expansion, removes, filter.
    fn read_content(
        &self,
        name: &str,
        how: Read,
        want_parsed: bool,
    ) -> Result<(Option<Value>, Option<Rc<Parsed>>), DataError> {
        let var = self.find(name);
        let mut removes: Vec<Text> = Vec::new();
        let mut value = None;

        if let Some(var) = var.as_ref().filter(|var| !how.parsing && !var.overrides.is_empty()) {
            let winner = self.need_overrides()?.winner(&var.overrides);
            if let Some(winner) = winner {
                let (raw, parsed) = self.read_parsed(&winner)?;
                value = raw.filter(|raw| *raw != Value::None);
                // What was removed from the variant is removed again from the whole.
                removes.extend(parsed.removes.iter().flatten().cloned());
            }
        }
        if let Some(var) = &var {
            if value.is_none() {
                value = var.content.clone();
                if value.is_none() && !how.no_weak {
                    value = var.weak.clone();
                }
            }
            if !how.parsing {
                value = self.apply_queues(var, value)?;
            }
        }

        let mut parsed = None;
        if how.expand || want_parsed {
            parsed = Some(match &value {
                Some(value) => self.expand_with_refs(value, Some(name))?,
                None => Parsed::default(),
            });
            if how.expand {
                value = parsed.as_ref().and_then(|parsed| parsed.value.clone());
            }
        }

        let mut has_value = value.as_ref().is_some_and(Value::truth);
        if let Some(var) = var.as_ref().filter(|var| has_value && !how.parsing && !var.remove.is_empty()) {
            let overrides = self.need_overrides()?;
            for op in var.remove.iter().filter(|op| overrides.applies(op.overrides.as_deref())) {
                if let Value::Str(text) = &op.value
                    && !removes.contains(text)
                {
                    removes.push(text.clone());
                }
            }
        }
        if has_value
            && !how.parsing
            && !removes.is_empty()
            && let Some(parsed) = &mut parsed
        {
            self.apply_removes(parsed, &removes)?;
            if how.expand {
                value = parsed.value.clone();
                has_value = value.as_ref().is_some_and(Value::truth);
            }
        }
        if has_value && how.expand && !how.parsing {
            let base = name.split(':').next().unwrap_or(name);
            let filter = self.state().filters.get(base).cloned();
            if let (Some(filter), Some(Value::Str(text))) = (filter, &value) {
                let filtered = Value::from(self.host().filter(self, text, &filter)?);
                if let Some(parsed) = &mut parsed {
                    parsed.value = Some(filtered.clone());
                }
                value = Some(filtered);
            }
        }
        let parsed = parsed.map(Rc::new);
        if let Some(parsed) = &parsed
            && !how.no_weak
        {
            self.state().cache.insert(name.into(), parsed.clone());
        }
        Ok((value, parsed))
    }

    fn apply_queues(&self, var: &Var, value: Option<Value>) -> Result<Option<Value>, DataError> {
        if var.append.is_empty() && var.prepend.is_empty() {
            return Ok(value);
        }
        let overrides = self.need_overrides()?;
        let active = |kind| var.queue(kind).iter().filter(|op| overrides.applies(op.overrides.as_deref()));
        let appends: Vec<_> = active(OpKind::Append).collect();
        let prepends: Vec<_> = active(OpKind::Prepend).collect();
        if appends.is_empty() && prepends.is_empty() {
            return Ok(value);
        }
        let is_text = |value: &Value| matches!(value, Value::Str(_) | Value::None);
        let mut ops = prepends.iter().chain(&appends);
        if !value.as_ref().is_none_or(is_text) || !ops.all(|op| matches!(op.value, Value::Str(_))) {
            let mut joined = value.filter(|value| *value != Value::None).unwrap_or_else(|| Value::str(""));
            for op in &appends {
                joined = sum(&joined, &op.value)?;
            }
            for op in &prepends {
                joined = sum(&op.value, &joined)?;
            }
            return Ok(Some(joined));
        }
        let mut text = String::new();
        for op in prepends.iter().rev() {
            text.push_str(&op.value.to_text());
        }
        if let Some(Value::Str(value)) = value {
            text.push_str(&value);
        }
        for op in &appends {
            text.push_str(&op.value.to_text());
        }
        Ok(Some(Value::from(text)))
    }

    /// Deletes the words of `removes` from the expanded text, keeping all white space.
    fn apply_removes(&self, parsed: &mut Parsed, removes: &[Text]) -> Result<(), DataError> {
        let Some(text) = parsed.text().cloned() else { return Ok(()) };
        let mut words = Vec::with_capacity(removes.len());
        for remove in removes {
            let expanded = self.expand_with_refs(&Value::Str(remove.clone()), None)?;
            let expanded = expanded.text().cloned().unwrap_or_else(|| remove.clone());
            words.push((remove, expanded));
        }
        let mut effective: Vec<Text> = Vec::new();
        let mut out = String::with_capacity(text.len());
        for piece in text.split_inclusive(is_space) {
            let word = piece.trim_end_matches(is_space);
            let mut removed = false;
            for (remove, expanded) in &words {
                if !word.is_empty() && expanded.split_whitespace().any(|known| known == word) {
                    removed = true;
                    if !effective.contains(remove) {
                        effective.push((*remove).clone());
                    }
                }
            }
            out.push_str(if removed { &piece[word.len()..] } else { piece });
        }
        parsed.removes = Some(effective);
        parsed.value = Some(Value::from(out));
        Ok(())
    }

    /// The flags of a variable, weak ones included, without the engine's own (`d.getVarFlags(name)`). None if there are none.
    pub fn get_flags(&self, name: &str) -> Option<Vec<(Rc<str>, Value)>> {
        let state = self.state();
        let var = state.find(name)?;
        let mut flags: Vec<(Rc<str>, Value)> = Vec::with_capacity(var.flags.len());
        for (flag, value) in &var.flags {
            match flag.strip_prefix(WEAK_FLAG) {
                Some(weak) if var.flag(weak).is_none() => flags.push((weak.into(), value.clone())),
                Some(_) => {}
                None if flag.starts_with(['_', ':']) => {}
                None => flags.push((flag.clone(), value.clone())),
            }
        }
        (!flags.is_empty()).then_some(flags)
    }

    /// All flags, the engine's own included (`getVarFlags(internalflags=True)`).
    pub fn get_flags_internal(&self, name: &str) -> Option<Vec<(Rc<str>, Value)>> {
        let state = self.state();
        let var = state.find(name)?;
        let mut flags: Vec<(Rc<str>, Value)> = Vec::new();
        if let Some(content) = &var.content {
            flags.push(("_content".into(), content.clone()));
        }
        if let Some(weak) = &var.weak {
            flags.push(("_defaultval".into(), weak.clone()));
        }
        flags.extend(var.flags.iter().cloned());
        for kind in OpKind::ALL {
            let queue = var.queue(kind);
            if !queue.is_empty() {
                flags.push((kind.keyword().into(), queue_value(queue)));
            }
        }
        (!flags.is_empty()).then_some(flags)
    }

    /// True if the variable has variants with overrides, active or not (`d.hasOverrides`).
    pub fn has_overrides(&self, name: &str) -> bool {
        self.state().find(name).is_some_and(|var| !var.overrides.is_empty())
    }

    /// The variants of a variable: full name and suffix.
    pub fn variants(&self, name: &str) -> Vec<(Rc<str>, Rc<str>)> {
        self.state().find(name).map(|var| var.overrides.clone()).unwrap_or_default()
    }
}

/// Python's `left + right` of what metadata's Python code stored.
pub(super) fn sum(left: &Value, right: &Value) -> Result<Value, DataError> {
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i64::from(*truth)),
        _ => None,
    };
    if let (Some(left), Some(right)) = (number(left), number(right))
        && let Some(sum) = left.checked_add(right)
    {
        return Ok(Value::Int(sum));
    }
    let (l, r) = (left.type_name(), right.type_name());
    let message = match (left, right) {
        (Value::Str(left), Value::Str(right)) => return Ok(Value::from(format!("{left}{right}"))),
        (Value::List(left), Value::List(right)) => {
            return Ok(Value::List(Rc::new(left.iter().chain(right.iter()).cloned().collect())));
        }
        (Value::Str(_) | Value::List(_), _) => format!("can only concatenate {l} (not \"{r}\") to {l}"),
        _ => format!("unsupported operand type(s) for +: '{l}' and '{r}'"),
    };
    Err(DataError::raised("TypeError", message))
}

/// A queue as Python sees it: a list of `[value, overrides]`.
fn queue_value(queue: &[super::Op]) -> Value {
    let item = |op: &super::Op| {
        let overrides = op.overrides.as_deref().map_or(Value::None, Value::from);
        Value::List(Rc::new(vec![op.value.clone(), overrides]))
    };
    Value::List(Rc::new(queue.iter().map(item).collect()))
}

/// White space as Python's regular expression `\s` has it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
