//! The command line of the build tool, `rbake` or `bitbake`.

use super::Exit;
use super::parser::Parsed;
use super::spec::{Arity, Opt, Positional, Spec, Takes};

/// Everything the build tool can be told. Fields are named like BitBake's own options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BakeOptions {
    /// What to build, in order; empty means BBTARGETS.
    pub targets: Vec<String>,
    /// `-s`: show the versions of all recipes.
    pub show_versions: bool,
    /// `-e`: show the variables of the configuration or of one recipe.
    pub show_environment: bool,
    /// `-g`: write the task graph.
    pub graphviz: bool,
    /// `-u`: name of the user interface.
    pub ui: String,
    /// `--version`: nothing else counts then.
    pub version: bool,
    /// `-f`: run the targets' tasks even if they are up to date.
    pub force: bool,
    /// `-c`: the task; BB_DEFAULT_TASK without.
    pub cmd: Option<String>,
    /// `-C`: tasks, separated by commas, to invalidate before the default task runs.
    pub clear_stamp: Option<String>,
    /// `--runall`: tasks to run for every recipe in the graph.
    pub runall: Vec<String>,
    /// `--runonly`: the only tasks of the graph to run.
    pub runonly: Vec<String>,
    /// How setscene tasks are treated.
    pub setscene: Setscene,
    /// `-n`: run nothing.
    pub dry_run: bool,
    /// `-p`: stop after parsing.
    pub parse_only: bool,
    /// Stop at the first failure; false with `-k`.
    pub halt: bool,
    /// `-P`: parts of the program to profile.
    pub profile: Vec<String>,
    /// `-S`: write signatures instead of running tasks; words for the signature handler.
    pub dump_signatures: Vec<String>,
    /// `--revisions-changed`: only tell whether floating revisions moved.
    pub revisions_changed: bool,
    /// `-b`: a recipe to build without its dependencies.
    pub buildfile: Option<String>,
    /// `-D`, or BBDEBUG if that is more: how much debugging output to show.
    pub debug: usize,
    /// `-l`: parts of the engine whose debugging output to show; one named twice shows more.
    pub debug_domains: Vec<String>,
    /// `-v`: trace shell tasks and show their notes.
    pub verbose: bool,
    /// `-q`: 1 leaves out notes, 2 progress too, 3 warnings too.
    pub quiet: usize,
    /// `-w` or BBEVENTLOG: file for all events.
    pub event_log: Option<EventLog>,
    /// The server and how to reach it.
    pub server: ServerOptions,
    /// `-r` and BBPRECONF: files to read before bitbake.conf.
    pub prefile: Vec<String>,
    /// `-R` and BBPOSTCONF: files to read after it.
    pub postfile: Vec<String>,
    /// `-I`: names to take as provided.
    pub extra_assume_provided: Vec<String>,
}

/// How setscene tasks, which fetch results instead of making them, are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setscene {
    /// `--no-setscene`: as if there were none.
    pub none: bool,
    /// `--skip-setscene`: what they brought earlier counts, but none is run.
    pub skip: bool,
    /// `--setscene-only`: stop after them.
    pub only: bool,
}

/// Where events are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLog {
    /// A name made of the time: `bitbake_eventlog_YYYYMMDDHHMMSS.json`.
    Automatic,
    /// This file.
    File(String),
}

/// Options about the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerOptions {
    /// `-B`: host and port to listen on.
    pub bind: Option<(String, i64)>,
    /// `-T` or BB_SERVER_TIMEOUT: seconds of idleness after which it ends, -1 for never.
    pub timeout: Option<f64>,
    /// `--remote-server` or BBSERVER: the server to connect to.
    pub remote: Option<String>,
    /// `-m`: end the server.
    pub kill: bool,
    /// `--token` or BBTOKEN: what the remote server wants to hear.
    pub token: Option<String>,
    /// `--observe-only`: watch what others build.
    pub observe_only: bool,
    /// `--status-only`: tell by the exit code whether there is a server.
    pub status_only: bool,
    /// `--server-only`: start a server and go.
    pub server_only: bool,
}

/// What a command line of the build tool asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show the variables of the configuration, or of the recipe file given with `-b`.
    ShowEnvironment(Option<String>),
    /// Show the variables of what provides the target.
    ShowEnvironmentTarget(String),
    /// Run a task of one recipe file without its dependencies.
    BuildFile(String),
    /// Tell whether floating revisions moved.
    CompareRevisions,
    /// Show the versions of all recipes.
    ShowVersions,
    /// Parse, and no more.
    ParseFiles,
    /// Write the task graph of the targets.
    GenerateDotGraph(Vec<String>),
    /// Build the targets.
    BuildTargets(Vec<String>),
}

/// Options or targets that do not go together. `Display` gives BitBake's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    #[error("'world' is not a valid target for --environment.")]
    EnvironmentOfWorld,
    #[error("'universe' is not a valid target for --environment.")]
    EnvironmentOfUniverse,
    #[error("Only one target can be used with the --environment option.")]
    EnvironmentOfMany,
    #[error("No target should be used with the --environment and --buildfile options.")]
    EnvironmentOfFileAndTarget,
    #[error("Please specify a package name for dependency graph generation.")]
    GraphWithoutTarget,
    /// No target at all: shown as it is, not as an error message.
    #[error(
        "Nothing to do.  Use 'bitbake world' to build everything, or run 'bitbake --help' for usage information."
    )]
    NothingToDo,
}

impl BakeOptions {
    /// What to do, given the targets after BBTARGETS has been looked at.
    pub fn action(&self, targets: &[String]) -> Result<Action, ActionError> {
        let has = |name: &str| targets.iter().any(|target| target == name);
        if self.show_environment {
            return match (targets, &self.buildfile) {
                _ if has("world") => Err(ActionError::EnvironmentOfWorld),
                _ if has("universe") => Err(ActionError::EnvironmentOfUniverse),
                ([_, _, ..], _) => Err(ActionError::EnvironmentOfMany),
                ([_], Some(file)) if !file.is_empty() => Err(ActionError::EnvironmentOfFileAndTarget),
                ([target], _) => Ok(Action::ShowEnvironmentTarget(target.clone())),
                ([], file) => Ok(Action::ShowEnvironment(file.clone())),
            };
        }
        if let Some(file) = &self.buildfile {
            return Ok(Action::BuildFile(file.clone()));
        }
        if self.revisions_changed {
            return Ok(Action::CompareRevisions);
        }
        if self.show_versions {
            return Ok(Action::ShowVersions);
        }
        if self.parse_only {
            return Ok(Action::ParseFiles);
        }
        match (self.graphviz, targets.is_empty()) {
            (true, true) => Err(ActionError::GraphWithoutTarget),
            (true, false) => Ok(Action::GenerateDotGraph(targets.to_vec())),
            (false, true) => Err(ActionError::NothingToDo),
            (false, false) => Ok(Action::BuildTargets(targets.to_vec())),
        }
    }
}

/// Reads the words after the program's name.
pub(super) fn parse(
    prog: &str,
    words: &[String],
    columns: usize,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<BakeOptions, Exit> {
    let spec = spec(prog);
    let mut parsed = spec.parse(words, columns)?;
    // A default from the environment is read like a value of the option.
    let timeout = match parsed.value("-T").or_else(|| env("BB_SERVER_TIMEOUT")) {
        None => None,
        Some(text) => Some(text.trim().parse::<f64>().map_err(|_| {
            let value = crate::lang::repr::text(&text);
            spec.error(&format!("argument -T/--idle-timeout: invalid float value: {value}"), columns)
        })?),
    };
    let mut options = collect(&mut parsed, env);
    options.server.timeout = timeout;
    if options.version {
        return Ok(options);
    }
    if options.quiet > 0 && options.verbose {
        return Err(spec.error("options --quiet and --verbose are mutually exclusive", columns));
    }
    if options.quiet > 0 && options.debug > 0 {
        return Err(spec.error("options --quiet and --debug are mutually exclusive", columns));
    }
    options.prefile.extend(env("BBPRECONF"));
    options.postfile.extend(env("BBPOSTCONF"));
    if let Some(bind) = parsed.value("-B").filter(|bind| !bind.is_empty()) {
        let malformed = || Exit::Fatal("FATAL: Malformed host:port bind parameter".into());
        let (host, port) = bind.split_once(':').ok_or_else(malformed)?;
        options.server.bind = Some((host.into(), port.trim().parse().map_err(|_| malformed())?));
    }
    check_server(&options.server, env)?;
    if let Some(level) = env("BBDEBUG").and_then(|level| level.trim().parse().ok()) {
        options.debug = options.debug.max(level);
    }
    Ok(options)
}

fn collect(parsed: &mut Parsed, env: &dyn Fn(&str) -> Option<String>) -> BakeOptions {
    let event_log = parsed.value("-w").or_else(|| env("BBEVENTLOG"));
    BakeOptions {
        targets: parsed.positional(TARGETS),
        show_versions: parsed.has("-s"),
        show_environment: parsed.has("-e"),
        graphviz: parsed.has("-g"),
        ui: parsed.value("-u").or_else(|| env("BITBAKE_UI")).unwrap_or_else(|| "knotty".into()),
        version: parsed.has("--version"),
        force: parsed.has("-f"),
        cmd: parsed.value("-c"),
        clear_stamp: parsed.value("-C"),
        runall: parsed.values("--runall"),
        runonly: parsed.values("--runonly"),
        setscene: Setscene {
            none: parsed.has("--no-setscene"),
            skip: parsed.has("--skip-setscene"),
            only: parsed.has("--setscene-only"),
        },
        dry_run: parsed.has("-n"),
        parse_only: parsed.has("-p"),
        halt: !parsed.has("-k"),
        profile: parsed.values("-P"),
        dump_signatures: parsed.values("-S"),
        revisions_changed: parsed.has("--revisions-changed"),
        buildfile: parsed.value("-b"),
        debug: parsed.count("-D"),
        debug_domains: parsed.values("-l"),
        verbose: parsed.has("-v"),
        quiet: parsed.count("-q"),
        event_log: event_log.map(|file| match file.is_empty() {
            true => EventLog::Automatic,
            false => EventLog::File(file),
        }),
        server: ServerOptions {
            bind: None,
            timeout: None,
            remote: parsed.value("--remote-server").or_else(|| env("BBSERVER")),
            kill: parsed.has("-m"),
            token: parsed.value("--token").or_else(|| env("BBTOKEN")),
            observe_only: parsed.has("--observe-only"),
            status_only: parsed.has("--status-only"),
            server_only: parsed.has("--server-only"),
        },
        prefile: parsed.values("-r"),
        postfile: parsed.values("-R"),
        extra_assume_provided: parsed.values("-I"),
    }
}

fn check_server(server: &ServerOptions, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Exit> {
    let remote = server.remote.as_ref().is_some_and(|remote| !remote.is_empty());
    if server.server_only && remote {
        let other = match env("BBSERVER") {
            Some(_) => "the BBSERVER environment variable",
            None => "the '--remote-server' option",
        };
        return Err(Exit::Fatal(format!("FATAL: The '--server-only' option conflicts with {other}.\n")));
    }
    if server.observe_only && !remote && server.bind.is_none() {
        return Err(Exit::Fatal(
            "FATAL: '--observe-only' can only be used by UI clients connecting to a server.\n".into(),
        ));
    }
    Ok(())
}

const TARGETS: &str = "recipename/target";

fn spec(prog: &str) -> Spec {
    let mut options = Vec::new();
    for (group, members) in groups() {
        options.extend(members.into_iter().map(|option| Opt { group, ..option }));
    }
    Spec {
        prog: prog.to_string(),
        description: "Builds recipes. Run it in a build directory: the layers come from conf/bblayers.conf, looked for \
                      here, above here and along BBPATH.",
        options,
        positionals: vec![Positional::new(
            TARGETS,
            Arity::Any,
            "what to build: a recipe, anything recipes provide, world, recipe:do_task, mc:NAME:recipe",
        )],
        abbreviations: false,
        intermixed: true,
    }
}

/// The options under the headings of the help.
fn groups() -> [(&'static str, Vec<Opt>); 6] {
    [
        ("General options", general()),
        ("Task control options", task_control()),
        ("Execution control options", execution()),
        ("Logging/output control options", logging()),
        ("Server options", server()),
        ("Configuration options", configuration()),
    ]
}

fn general() -> Vec<Opt> {
    vec![
        Opt::flag(&["-s", "--show-versions"], "list every recipe with its newest and its preferred version"),
        Opt::flag(
            &["-e", "--environment"],
            "show all variables of the configuration or of one target, and where each was set",
        ),
        Opt::flag(
            &["-g", "--graphviz"],
            "write the task graph of the targets as pn-buildlist and task-depends.dot",
        ),
        Opt::value(&["-u", "--ui"], "UI", "user interface (default: knotty, or BITBAKE_UI)"),
        Opt::flag(&["--version"], "show the version and exit"),
        Opt::help(),
    ]
}

fn task_control() -> Vec<Opt> {
    vec![
        Opt::flag(&["-f", "--force"], "run the targets' tasks whether or not they are up to date"),
        Opt::value(
            &["-c", "--cmd"],
            "CMD",
            "task to run instead of the default one, such as compile or listtasks",
        ),
        Opt::value(
            &["-C", "--clear-stamp"],
            "INVALIDATE_STAMP",
            "forget that this task has run, then run the default task",
        ),
        Opt::value(&["--runall"], "RUNALL", "run this task for every recipe in the targets' task graph"),
        Opt::value(
            &["--runonly"],
            "RUNONLY",
            "of the targets' task graph run only this task and what it needs",
        ),
        Opt::flag(&["--no-setscene"], "build everything; use nothing from the shared state"),
        Opt::flag(
            &["--skip-setscene"],
            "fetch nothing new from the shared state, keep what came from it before",
        ),
        Opt::flag(&["--setscene-only"], "fetch from the shared state and build nothing"),
    ]
}

fn execution() -> Vec<Opt> {
    vec![
        Opt::flag(&["-n", "--dry-run"], "show what would run"),
        Opt::flag(&["-p", "--parse-only"], "stop when all recipes are parsed"),
        Opt::flag(&["-k", "--continue"], "after a failure build on whatever does not depend on it"),
        Opt::value(&["-P", "--profile"], "PROFILE", "measure a part of the program: main, idle or parsing"),
        Opt::value(
            &["-S", "--dump-signatures"],
            "SIGNATURE_HANDLER",
            "write task signatures instead of running tasks; none writes only, printdiff also shows what changed",
        ),
        Opt::flag(&["--revisions-changed"], "tell by the exit code whether floating revisions have moved"),
        Opt::value(
            &["-b", "--buildfile"],
            "BUILDFILE",
            "run a task of this recipe file alone, without dependencies",
        ),
    ]
}

fn logging() -> Vec<Opt> {
    vec![
        Opt::flag(&["-D", "--debug"], "show debugging output; twice and more often for more of it"),
        Opt::value(
            &["-l", "--log-domains"],
            "DEBUG_DOMAINS",
            "show debugging output of this part of the program",
        ),
        Opt::flag(&["-v", "--verbose"], "trace the commands of shell tasks and show the notes of all tasks"),
        Opt::flag(&["-q", "--quiet"], "show less: once no notes, twice no progress, three times no warnings"),
        Opt::value(
            &["-w", "--write-log"],
            "WRITEEVENTLOG",
            "write all events to this file; '' makes up a name",
        ),
    ]
}

fn server() -> Vec<Opt> {
    vec![
        Opt::value(&["-B", "--bind"], "BIND", "HOST:PORT at which the server listens"),
        Opt::new(
            &["-T", "--idle-timeout"],
            Takes::Number,
            "SERVER_TIMEOUT",
            "seconds after which an idle server ends, -1 for never (default: BB_SERVER_TIMEOUT)",
        ),
        Opt::value(&["--remote-server"], "REMOTE_SERVER", "connect to this server (default: BBSERVER)"),
        Opt::flag(&["-m", "--kill-server"], "end the running server"),
        Opt::value(&["--token"], "XMLRPCTOKEN", "what the remote server wants to hear (default: BBTOKEN)"),
        Opt::flag(&["--observe-only"], "watch what others build on the server"),
        Opt::flag(&["--status-only"], "tell by the exit code whether a server is running"),
        Opt::flag(&["--server-only"], "start a server without a user interface"),
    ]
}

fn configuration() -> Vec<Opt> {
    vec![
        Opt::value(&["-r", "--read"], "PREFILE", "read this file before bitbake.conf"),
        Opt::value(&["-R", "--postread"], "POSTFILE", "read this file after bitbake.conf"),
        Opt::value(
            &["-I", "--ignore-deps"],
            "EXTRA_ASSUME_PROVIDED",
            "take this name as provided, like ASSUME_PROVIDED",
        ),
    ]
}
