//! What a tool's command line may hold: its options and positional arguments as a table.

/// The command line of one tool or subcommand.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// How the tool was called; for a subcommand with the tool's name before it.
    pub prog: String,
    /// What the tool does, in a sentence or two.
    pub description: &'static str,
    /// Options in the order in which usage and help list them.
    pub options: Vec<Opt>,
    /// Positional arguments in order.
    pub positionals: Vec<Positional>,
    /// Long options may be cut short as long as they are unique.
    pub abbreviations: bool,
    /// Positional arguments may stand between options.
    pub intermixed: bool,
}

/// One option.
#[derive(Clone, Debug)]
pub(super) struct Opt {
    /// Its spellings, the one that usage shows first.
    pub names: &'static [&'static str],
    /// What it takes.
    pub takes: Takes,
    /// Name of its value in usage and help; not used where it takes none.
    pub metavar: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Heading in the help under which it stands.
    pub group: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing; may be repeated, which counts or does not matter.
    Nothing,
    /// One value; of several the last counts, or all in order, as the tool asks.
    Value,
    /// Two values, the words that follow; all pairs count in order.
    Two,
    /// One value, a number.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Nothing: it ends the program with the help.
    Help,
}

/// One positional argument.
#[derive(Clone, Debug)]
pub(super) struct Positional {
    /// Its name in usage, help and messages.
    pub name: &'static str,
    /// How many words it takes.
    pub arity: Arity,
    /// What it is for.
    pub help: &'static str,
}

/// How many words a positional argument takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// Exactly one.
    One,
    /// Any number.
    Any,
    /// One or more.
    Some,
    /// One of these names and everything after it, options too: a subcommand.
    Subcommand(Vec<&'static str>),
}

/// Heading of options that belong to no group of their own.
pub(super) const OPTIONS: &str = "options";

impl Opt {
    pub fn new(
        names: &'static [&'static str],
        takes: Takes,
        metavar: &'static str,
        help: &'static str,
    ) -> Opt {
        Opt { names, takes, metavar, help, group: OPTIONS }
    }

    /// An option that takes nothing.
    pub fn flag(names: &'static [&'static str], help: &'static str) -> Opt {
        Opt::new(names, Takes::Nothing, "", help)
    }

    /// An option that takes a value.
    pub fn value(names: &'static [&'static str], metavar: &'static str, help: &'static str) -> Opt {
        Opt::new(names, Takes::Value, metavar, help)
    }

    /// `-h`.
    pub fn help() -> Opt {
        Opt::new(&["-h", "--help"], Takes::Help, "", "show this help and exit")
    }

    /// Whether a value follows.
    pub fn takes_value(&self) -> bool {
        !matches!(self.takes, Takes::Nothing | Takes::Help)
    }

    /// The option in usage and in the list of the help: `-c CMD`.
    pub fn spelled(&self, name: &str) -> String {
        if self.takes_value() { format!("{name} {}", self.metavar) } else { name.to_string() }
    }
}

impl Positional {
    pub fn new(name: &'static str, arity: Arity, help: &'static str) -> Positional {
        Positional { name, arity, help }
    }

    /// The argument in usage: `[name ...]`.
    pub fn spelled(&self) -> String {
        let name = self.name;
        match self.arity {
            Arity::One => name.to_string(),
            Arity::Any => format!("[{name} ...]"),
            Arity::Some => format!("{name} [{name} ...]"),
            Arity::Subcommand(_) => format!("{name} ..."),
        }
    }
}
