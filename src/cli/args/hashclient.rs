//! The command line of `rbake-hashclient` or `bitbake-hashclient`.

use super::Exit;
use super::parser::Parsed;
use super::spec::{Arity, Opt, Positional, Spec, Takes};
use crate::hashserv::Address;

/// What to ask, of whom, and as whom.
#[derive(Clone, Debug, PartialEq)]
pub struct HashClientOptions {
    /// `--address`: the server as it was named; `.netrc` goes by it.
    pub server: String,
    /// The same, read.
    pub address: Address,
    /// `-l`: the user.
    pub login: Option<String>,
    /// `-p`: his token.
    pub password: Option<String>,
    /// `-b`: the user in whose place to act.
    pub become_user: Option<String>,
    /// Whether to look up user and token in `.netrc`.
    pub netrc: bool,
    /// What to ask; nothing does nothing.
    pub command: Option<HashClientCommand>,
}

/// A column's name and its value.
pub type Pair = (String, String);

/// What to ask.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the command line, which explains them")]
pub enum HashClientCommand {
    Get { method: String, taskhash: String },
    GetOuthash { method: String, outhash: String, taskhash: String },
    Stats { reset: bool },
    Stress { clients: usize, requests: usize, report: bool, taskhash_seed: String, outhash_seed: String },
    Remove { pairs: Vec<Pair> },
    CleanUnused { seconds: i64 },
    RefreshToken { username: Option<String> },
    SetUserPerms { username: String, permissions: Vec<String> },
    GetUser { username: Option<String> },
    GetAllUsers,
    NewUser { username: String, permissions: Vec<String> },
    DeleteUser { username: String },
    GetDbUsage,
    GetDbQueryColumns,
    GcStatus,
    GcMark { mark: String, pairs: Vec<Pair> },
    GcMarkStream { mark: String },
    GcSweep { mark: String },
    UnihashExists { quiet: bool, unihash: String },
    Ping { count: usize, quiet: bool },
}

const SUBCOMMAND: &str = "{command}";
const WHERE: &[&str] = &["--where", "-w"];
const USERNAME: &[&str] = &["--username", "-u"];

/// Reads the words after the program's name.
pub(super) fn parse(prog: &str, words: &[String], columns: usize) -> Result<HashClientOptions, Exit> {
    let mut tool = tool(prog);
    // Without a subcommand there is nothing to do, which is no error.
    if !words.iter().any(|word| SUBCOMMANDS.iter().any(|known| known.name == word)) {
        tool.positionals.clear();
    }
    let mut outer = tool.parse(words, columns)?;
    let mut rest = outer.positional(SUBCOMMAND).into_iter();
    let subcommand = rest.next().and_then(|name| SUBCOMMANDS.iter().find(|known| known.name == name));
    let rest: Vec<String> = rest.collect();
    let command = match subcommand {
        None => None,
        Some(subcommand) => Some(subcommand.parse(prog, &rest, columns)?),
    };
    let log = outer.value("--log").unwrap_or_else(|| "WARNING".into());
    super::hashserv::importance(&log).map_err(|error| tool.error(&error, columns))?;
    let server = outer.value("--address").unwrap_or_else(|| "unix://./hashserve.sock".into());
    let address = server.parse().map_err(|error| tool.error(&format!("{error}"), columns))?;
    Ok(HashClientOptions {
        address,
        server,
        login: outer.value("--login"),
        password: outer.value("--password"),
        become_user: outer.value("--become"),
        netrc: !outer.has("--no-netrc"),
        command,
    })
}

fn tool(prog: &str) -> Spec {
    let names = SUBCOMMANDS.iter().map(|subcommand| subcommand.name).collect();
    Spec {
        prog: prog.to_string(),
        description: "Asks a hash equivalence server, and looks after its database and its users. ADDRESS is unix://PATH, \
                      HOST:PORT, ws://HOST[:PORT] or wss://HOST[:PORT].",
        options: vec![
            Opt::help(),
            Opt::value(&["--address"], "ADDRESS", "where the server is (default unix://./hashserve.sock)"),
            Opt::value(&["--log"], "LOG", "what to tell: ERROR, WARNING, INFO or DEBUG"),
            Opt::value(&["--login", "-l"], "USERNAME", "ask as this user"),
            Opt::value(&["--password", "-p"], "TOKEN", "the user's token"),
            Opt::value(&["--become", "-b"], "USERNAME", "act in this user's place"),
            Opt::flag(&["--no-netrc", "-n"], "do not look for user and token in .netrc"),
        ],
        positionals: vec![Positional::new(SUBCOMMAND, Arity::Subcommand(names), "what to ask")],
        abbreviations: true,
        intermixed: false,
    }
}

/// One subcommand: what it takes, and how to read it.
struct Subcommand {
    name: &'static str,
    description: &'static str,
    options: fn() -> Vec<Opt>,
    positionals: &'static [(&'static str, Arity, &'static str)],
    /// An option that must be there.
    required: Option<&'static str>,
    collect: fn(&mut Parsed) -> HashClientCommand,
}

impl Subcommand {
    fn parse(&self, prog: &str, words: &[String], columns: usize) -> Result<HashClientCommand, Exit> {
        let mut options = (self.options)();
        options.insert(0, Opt::help());
        let named = |(name, arity, help): &(&'static str, Arity, &'static str)| {
            Positional::new(name, arity.clone(), help)
        };
        let spec = Spec {
            prog: format!("{prog} {}", self.name),
            description: self.description,
            options,
            positionals: self.positionals.iter().map(named).collect(),
            abbreviations: true,
            intermixed: false,
        };
        let mut parsed = spec.parse(words, columns)?;
        if let Some(option) = self.required.filter(|option| !parsed.has(option)) {
            let names = spec.options.iter().find(|known| known.names[0] == option);
            let names = names.map_or(option.to_string(), |known| known.names.join("/"));
            return Err(spec.error(&format!("the following arguments are required: {names}"), columns));
        }
        Ok((self.collect)(&mut parsed))
    }
}

fn no_options() -> Vec<Opt> {
    Vec::new()
}

fn where_option() -> Vec<Opt> {
    vec![Opt::new(WHERE, Takes::Two, "KEY VALUE", "what has this value in this column; may be repeated")]
}

fn username_option() -> Vec<Opt> {
    vec![Opt::value(USERNAME, "USERNAME", "the user")]
}

fn one(parsed: &mut Parsed, name: &str) -> String {
    parsed.positional(name).pop().unwrap_or_default()
}

fn pairs(parsed: &mut Parsed) -> Vec<Pair> {
    let words = parsed.values(WHERE[0]);
    words.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect()
}

fn number(parsed: &mut Parsed, name: &str, otherwise: usize) -> usize {
    parsed.value(name).and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

const METHOD: (&str, Arity, &str) = ("method", Arity::One, "the method by which outputs were hashed");
const TASKHASH: (&str, Arity, &str) = ("taskhash", Arity::One, "the taskhash");
const OUTHASH: (&str, Arity, &str) = ("outhash", Arity::One, "the output's hash");
const MARK: (&str, Arity, &str) = ("mark", Arity::One, "name of the collection");
const PERMISSIONS: (&str, Arity, &str) = ("PERM", Arity::Any, "a permission");

/// In the order in which messages list them.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "get",
        description: "Shows the unihash of a task and what is known of it.",
        options: no_options,
        positionals: &[METHOD, TASKHASH],
        required: None,
        collect: |p| HashClientCommand::Get { method: one(p, "method"), taskhash: one(p, "taskhash") },
    },
    Subcommand {
        name: "get-outhash",
        description: "Shows the first task that gave an output.",
        options: no_options,
        positionals: &[METHOD, OUTHASH, TASKHASH],
        required: None,
        collect: |p| HashClientCommand::GetOuthash {
            method: one(p, "method"),
            outhash: one(p, "outhash"),
            taskhash: one(p, "taskhash"),
        },
    },
    Subcommand {
        name: "stats",
        description: "Shows how many requests the server has answered, and how fast.",
        options: || vec![Opt::flag(&["--reset"], "begin to count anew")],
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::Stats { reset: p.has("--reset") },
    },
    Subcommand {
        name: "stress",
        description: "Asks much at once and shows how long it took.",
        options: || {
            vec![
                Opt::new(&["--clients"], Takes::Number, "CLIENTS", "clients at once (default 10)"),
                Opt::new(&["--requests"], Takes::Number, "REQUESTS", "requests of each (default 1000)"),
                Opt::flag(&["--report"], "tell new hashes afterwards"),
                Opt::value(&["--taskhash-seed"], "TASKHASH_SEED", "makes other taskhashes"),
                Opt::value(&["--outhash-seed"], "OUTHASH_SEED", "makes other output hashes"),
            ]
        },
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::Stress {
            clients: number(p, "--clients", 10),
            requests: number(p, "--requests", 1000),
            report: p.has("--report"),
            taskhash_seed: p.value("--taskhash-seed").unwrap_or_default(),
            outhash_seed: p.value("--outhash-seed").unwrap_or_default(),
        },
    },
    Subcommand {
        name: "remove",
        description: "Removes rows of the database.",
        options: where_option,
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::Remove { pairs: pairs(p) },
    },
    Subcommand {
        name: "clean-unused",
        description: "Removes outputs whose tasks have no unihash.",
        options: no_options,
        positionals: &[("SECONDS", Arity::One, "only those noted longer ago than this")],
        required: None,
        collect: |p| HashClientCommand::CleanUnused { seconds: one(p, "SECONDS").parse().unwrap_or(-1) },
    },
    Subcommand {
        name: "refresh-token",
        description: "Gives a user another token.",
        options: username_option,
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::RefreshToken { username: p.value(USERNAME[0]) },
    },
    Subcommand {
        name: "set-user-perms",
        description: "Gives a user other permissions.",
        options: username_option,
        positionals: &[PERMISSIONS],
        required: Some(USERNAME[0]),
        collect: |p| HashClientCommand::SetUserPerms {
            username: p.value(USERNAME[0]).unwrap_or_default(),
            permissions: p.positional("PERM"),
        },
    },
    Subcommand {
        name: "get-user",
        description: "Shows a user.",
        options: username_option,
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::GetUser { username: p.value(USERNAME[0]) },
    },
    Subcommand {
        name: "get-all-users",
        description: "Lists all users.",
        options: no_options,
        positionals: &[],
        required: None,
        collect: |_| HashClientCommand::GetAllUsers,
    },
    Subcommand {
        name: "new-user",
        description: "Makes a user.",
        options: username_option,
        positionals: &[PERMISSIONS],
        required: Some(USERNAME[0]),
        collect: |p| HashClientCommand::NewUser {
            username: p.value(USERNAME[0]).unwrap_or_default(),
            permissions: p.positional("PERM"),
        },
    },
    Subcommand {
        name: "delete-user",
        description: "Deletes a user.",
        options: username_option,
        positionals: &[],
        required: Some(USERNAME[0]),
        collect: |p| HashClientCommand::DeleteUser { username: p.value(USERNAME[0]).unwrap_or_default() },
    },
    Subcommand {
        name: "get-db-usage",
        description: "Shows how many rows the tables have.",
        options: no_options,
        positionals: &[],
        required: None,
        collect: |_| HashClientCommand::GetDbUsage,
    },
    Subcommand {
        name: "get-db-query-columns",
        description: "Lists the columns that --where may name.",
        options: no_options,
        positionals: &[],
        required: None,
        collect: |_| HashClientCommand::GetDbQueryColumns,
    },
    Subcommand {
        name: "gc-status",
        description: "Shows what the collection in progress would keep and remove.",
        options: no_options,
        positionals: &[],
        required: None,
        collect: |_| HashClientCommand::GcStatus,
    },
    Subcommand {
        name: "gc-mark",
        description: "Marks hashes to keep. Another mark than before begins another collection.",
        options: where_option,
        positionals: &[MARK],
        required: None,
        collect: |p| HashClientCommand::GcMark { mark: one(p, "mark"), pairs: pairs(p) },
    },
    Subcommand {
        name: "gc-mark-stream",
        description: "Marks hashes to keep, given on standard input: each line columns and values, \
                      such as 'unihash 012… method M'.",
        options: no_options,
        positionals: &[MARK],
        required: None,
        collect: |p| HashClientCommand::GcMarkStream { mark: one(p, "mark") },
    },
    Subcommand {
        name: "gc-sweep",
        description: "Removes all hashes that are not marked, which ends the collection.",
        options: no_options,
        positionals: &[MARK],
        required: None,
        collect: |p| HashClientCommand::GcSweep { mark: one(p, "mark") },
    },
    Subcommand {
        name: "unihash-exists",
        description: "Tells whether the server knows a unihash.",
        options: || {
            vec![Opt::flag(&["--quiet"], "print nothing; the exit code is 0 if it does and 1 if not")]
        },
        positionals: &[("unihash", Arity::One, "the unihash")],
        required: None,
        collect: |p| HashClientCommand::UnihashExists { quiet: p.has("--quiet"), unihash: one(p, "unihash") },
    },
    Subcommand {
        name: "ping",
        description: "Measures how fast the server answers.",
        options: || {
            vec![
                Opt::new(&["-n", "--count"], Takes::Number, "COUNT", "how often to ask (default 10)"),
                Opt::flag(&["-q", "--quiet"], "only the summary"),
            ]
        },
        positionals: &[],
        required: None,
        collect: |p| HashClientCommand::Ping { count: number(p, "-n", 10), quiet: p.has("-q") },
    },
];
