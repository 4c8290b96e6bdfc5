//! One variable: its content, its flags, what is queued for it, and which overrides it has.

use std::rc::Rc;

use super::value::Value;

/// The three operations that wait until a variable is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// `:append`
    Append,
    /// `:prepend`
    Prepend,
    /// `:remove`
    Remove,
}

impl OpKind {
    /// All three, in the order BitBake applies them.
    pub const ALL: [OpKind; 3] = [OpKind::Append, OpKind::Prepend, OpKind::Remove];

    /// The keyword with its colon, also the name of the internal flag.
    pub fn keyword(self) -> &'static str {
        match self {
            OpKind::Append => ":append",
            OpKind::Prepend => ":prepend",
            OpKind::Remove => ":remove",
        }
    }

    /// The operation whose keyword `flag` is.
    pub fn from_keyword(flag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.keyword() == flag)
    }
}

/// One queued operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The text to add or remove, unexpanded.
    pub value: Value,
    /// The overrides it waits for, joined with colons; None or empty if it always applies.
    pub overrides: Option<Rc<str>>,
}

/// A variable as the store keeps it. All empty means deleted.
#[derive(Clone, Default, Debug)]
pub struct Var {
    /// The value itself (BitBake's flag `_content`).
    pub content: Option<Value>,
    /// The weak default of `??=` (BitBake's flag `_defaultval`).
    pub weak: Option<Value>,
    /// Flags in the order of their first setting; weak ones under `_defaultval_flag_NAME`.
    pub flags: Vec<(Rc<str>, Value)>,
    /// Queued `:append`.
    pub append: Vec<Op>,
    /// Queued `:prepend`.
    pub prepend: Vec<Op>,
    /// Queued `:remove`.
    pub remove: Vec<Op>,
    /// The variants `NAME:suffix` that exist: full name and suffix.
    pub overrides: Vec<(Rc<str>, Rc<str>)>,
    /// True if there ever was one.
    pub overridden: bool,
}

/// Prefix of the flag that holds a weak flag default.
pub const WEAK_FLAG: &str = "_defaultval_flag_";

impl Var {
    /// True if nothing is set: not a key of the store.
    pub fn is_empty(&self) -> bool {
        self.content.is_none()
            && self.weak.is_none()
            && self.flags.is_empty()
            && self.append.is_empty()
            && self.prepend.is_empty()
            && self.remove.is_empty()
    }

    /// A flag as set; `_content`, `_defaultval` and the queues are fields, not flags.
    pub fn flag(&self, name: &str) -> Option<&Value> {
        self.flags.iter().find(|(flag, _)| &**flag == name).map(|(_, value)| value)
    }

    /// All flags, weak ones included, without the engine's own.
    pub fn visible_flags(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.flags.iter().filter_map(|(flag, value)| match flag.strip_prefix(WEAK_FLAG) {
            Some(weak) => self.flag(weak).is_none().then_some((weak, value)),
            None => (!flag.starts_with(['_', ':'])).then_some((&**flag, value)),
        })
    }

    /// The weak default of a flag.
    pub fn weak_flag(&self, name: &str) -> Option<&Value> {
        self.flags.iter().find(|(flag, _)| flag.strip_prefix(WEAK_FLAG) == Some(name)).map(|(_, value)| value)
    }

    /// Sets a flag, keeping its place if it has one.
    pub fn set_flag(&mut self, name: &str, value: Value) {
        match self.flags.iter_mut().find(|(flag, _)| &**flag == name) {
            Some((_, old)) => *old = value,
            None => self.flags.push((name.into(), value)),
        }
    }

    /// Removes a flag; true if there was one.
    pub fn remove_flag(&mut self, name: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|(flag, _)| &**flag != name);
        self.flags.len() != before
    }

    /// The queue of one operation.
    pub fn queue(&self, kind: OpKind) -> &Vec<Op> {
        match kind {
            OpKind::Append => &self.append,
            OpKind::Prepend => &self.prepend,
            OpKind::Remove => &self.remove,
        }
    }

    /// The queue of one operation, to change it.
    pub fn queue_mut(&mut self, kind: OpKind) -> &mut Vec<Op> {
        match kind {
            OpKind::Append => &mut self.append,
            OpKind::Prepend => &mut self.prepend,
            OpKind::Remove => &mut self.remove,
        }
    }
}
