//! What the user wants: the command line of every tool, read into a typed [`Command`].
//!
//! The tools are called `rbake…` or, for scripts that know BitBake, `bitbake…`; options, messages and exit codes are the same
//! under both names.

pub mod bake;
pub mod getvar;
pub mod hashclient;
pub mod hashserv;
pub mod layers;
mod parser;
mod spec;
pub mod sstate;
mod usage;

pub use bake::{Action, ActionError, BakeOptions, EventLog};
pub use getvar::GetVarOptions;
pub use hashclient::{HashClientCommand, HashClientOptions};
pub use hashserv::HashServOptions;
pub use layers::{LayersCommand, LayersOptions};
pub use sstate::SstateCommand;

/// The name under which the program was called decides how it talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Called `bitbake…`: messages in BitBake's form.
    BitBake,
    /// Called `rbake…`: messages with source lines and advice.
    Rbake,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `rbake`, `bitbake`: build, or one of the many things that need no build.
    Bake(Box<BakeOptions>),
    /// `rbake-getvar`, `bitbake-getvar`: show one variable.
    GetVar(GetVarOptions),
    /// `rbake-hashclient`, `bitbake-hashclient`: ask a hash equivalence server.
    HashClient(HashClientOptions),
    /// `rbake-hashserv`, `bitbake-hashserv`: be a hash equivalence server.
    HashServ(Box<HashServOptions>),
    /// `rbake-layers`, `bitbake-layers`: look at the layers or change them.
    Layers(LayersOptions),
    /// `rbake-sstate`: pack and restore objects of the shared state, prune the cache.
    Sstate(SstateCommand),
}

/// A command line, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The program's name as called, without its directory.
    pub prog: String,
    /// How it shall talk.
    pub manner: Manner,
    /// What it shall do.
    pub command: Command,
}

/// Why the program ends before it has done anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command line is wrong.
    Usage {
        /// The usage text, with a line break at its end.
        usage: String,
        /// The program, and the subcommand if it has got that far.
        prog: String,
        /// What is wrong.
        message: String,
    },
    /// The user asked for the help.
    Help(String),
    /// The options do not go together, in a way that only shows behind the command line.
    Fatal(String),
}

impl Exit {
    /// The program's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Exit::Usage { .. } => 2,
            Exit::Help(_) => 0,
            Exit::Fatal(_) => 1,
        }
    }

    /// What goes to standard output.
    pub fn stdout(&self) -> &str {
        match self {
            Exit::Help(text) => text,
            Exit::Usage { .. } | Exit::Fatal(_) => "",
        }
    }

    /// What goes to standard error.
    pub fn stderr(&self) -> String {
        match self {
            Exit::Usage { usage, prog, message } => format!("{usage}{prog}: error: {message}\n"),
            Exit::Help(_) => String::new(),
            Exit::Fatal(message) => format!("{message}\n"),
        }
    }
}

/// What the command line depends on beside its words.
pub struct Surroundings<'e> {
    /// Looks up an environment variable.
    pub env: &'e dyn Fn(&str) -> Option<String>,
    /// Width of the terminal in characters; COLUMNS counts before it.
    pub terminal_columns: usize,
}

impl Surroundings<'_> {
    fn columns(&self) -> usize {
        let set =
            (self.env)("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        set.unwrap_or(self.terminal_columns)
    }
}

/// Reads a command line, the first word of which is the program's name.
///
/// A name that is no tool's is taken for the build tool itself.
pub fn parse(argv: &[String], surroundings: &Surroundings<'_>) -> Result<Invocation, Exit> {
    let (program, words) = argv.split_first().map_or(("rbake", &[][..]), |(p, words)| (p.as_str(), words));
    let prog = program.rsplit('/').next().unwrap_or(program).to_string();
    let tool = prog.split_once('-').map_or("", |(_, tool)| tool);
    let columns = surroundings.columns();
    let command = match tool {
        "getvar" => Command::GetVar(getvar::parse(&prog, words, columns)?),
        "hashclient" => Command::HashClient(hashclient::parse(&prog, words, columns)?),
        "hashserv" => Command::HashServ(Box::new(hashserv::parse(&prog, words, columns, surroundings.env)?)),
        "layers" => Command::Layers(layers::parse(&prog, words, columns)?),
        "sstate" => Command::Sstate(sstate::parse(&prog, words, columns)?),
        _ => Command::Bake(Box::new(bake::parse(&prog, words, columns, surroundings.env)?)),
    };
    let manner = if prog.starts_with("bitbake") { Manner::BitBake } else { Manner::Rbake };
    Ok(Invocation { prog, manner, command })
}
