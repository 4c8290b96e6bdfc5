//! Command lines against BitBake's own reading of them: options, messages, usage texts and exit codes.

use std::collections::BTreeMap;

use rbake::cli::args::layers::{LayersCommand, ShowRecipes};
use rbake::cli::args::{
    Action, ActionError, BakeOptions, Command, EventLog, Exit, GetVarOptions, Invocation, LayersOptions,
    Manner, Surroundings, parse,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Case {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    /// What BitBake read, by its own names, without whatever is unset, false, zero or empty.
    args: Option<Map<String, Value>>,
    code: Option<u8>,
    #[serde(default)]
    stderr: String,
    /// Something went to standard output: the help.
    #[serde(default)]
    stdout: bool,
}

fn read(argv: &[String], env: &BTreeMap<String, String>) -> Result<Invocation, Exit> {
    let look_up = |name: &str| env.get(name).cloned();
    parse(argv, &Surroundings { env: &look_up, terminal_columns: 80 })
}

fn bake(options: &BakeOptions) -> Value {
    let event_log = match &options.event_log {
        None => "",
        Some(EventLog::Automatic) => "auto",
        Some(EventLog::File(name)) => name,
    };
    let server = &options.server;
    // Python writes a float with its point.
    let timeout = server.timeout.map(|seconds| format!("{seconds:?}").to_lowercase());
    json!({
        "targets": options.targets, "show_versions": options.show_versions,
        "show_environment": options.show_environment, "dot_graph": options.graphviz,
        "ui": if options.ui == "knotty" { "" } else { &options.ui }, "version": options.version,
        "force": options.force, "cmd": options.cmd, "invalidate_stamp": options.clear_stamp,
        "runall": options.runall, "runonly": options.runonly, "nosetscene": options.setscene.none,
        "skipsetscene": options.setscene.skip, "setsceneonly": options.setscene.only, "dry_run": options.dry_run,
        "parse_only": options.parse_only, "halt": if options.halt { "" } else { "no" }, "profile": options.profile,
        "dump_signatures": options.dump_signatures, "revisions_changed": options.revisions_changed,
        "buildfile": options.buildfile, "debug": options.debug, "debug_domains": options.debug_domains,
        "verbose": options.verbose, "quiet": options.quiet, "writeeventlog": event_log,
        "xmlrpcinterface": server.bind, "server_timeout": timeout, "remote_server": server.remote,
        "kill_server": server.kill, "xmlrpctoken": server.token, "observe_only": server.observe_only,
        "status_only": server.status_only, "server_only": server.server_only, "prefile": options.prefile,
        "postfile": options.postfile, "extra_assume_provided": options.extra_assume_provided,
    })
}

fn getvar(options: &GetVarOptions) -> Value {
    json!({
        "variable": options.variable, "recipe": options.recipe, "unexpand": options.unexpand, "flag": options.flag,
        "value": options.value, "quiet": options.quiet, "ignore_undefined": options.ignore_undefined,
    })
}

fn layers(options: &LayersOptions) -> Value {
    let command = match &options.command {
        LayersCommand::ShowLayers => json!({"cmd": "do_show_layers"}),
        // rbake's own; BitBake has no such command to compare with.
        LayersCommand::Lint => json!({"cmd": "lint"}),
        LayersCommand::AddLayer { directories } => json!({"cmd": "do_add_layer", "layerdir": directories}),
        LayersCommand::RemoveLayer { directories } => {
            json!({"cmd": "do_remove_layer", "layerdir": directories})
        }
        LayersCommand::Flatten { layers, outputdir } => {
            json!({"cmd": "do_flatten", "layer": layers, "outputdir": outputdir})
        }
        LayersCommand::ShowOverlayed { filenames, same_version, mc } => {
            json!({"cmd": "do_show_overlayed", "filenames": filenames, "same_version": same_version, "mc": mc})
        }
        LayersCommand::ShowRecipes(ShowRecipes {
            filenames,
            recipes_only,
            multiple,
            inherits,
            layer,
            bare,
            show_variants,
            mc,
            pnspec,
        }) => json!({
            "cmd": "do_show_recipes", "filenames": filenames, "recipes_only": recipes_only, "multiple": multiple,
            "inherits": inherits.join(","), "layer": layer, "bare": bare, "show_variants": show_variants, "mc": mc,
            "pnspec": pnspec,
        }),
        LayersCommand::ShowAppends { pnspec, mc } => {
            json!({"cmd": "do_show_appends", "pnspec": pnspec, "mc": mc})
        }
        LayersCommand::ShowCrossDepends { filenames, ignore } => {
            json!({"cmd": "do_show_cross_depends", "filenames": filenames, "ignore": ignore})
        }
        LayersCommand::LayerindexFetch(fetch) => json!({
            "cmd": "do_layerindex_fetch", "show_only": fetch.show_only, "branch": fetch.branch,
            "shallow": fetch.shallow, "ignore": fetch.ignore, "fetchdir": fetch.fetchdir, "layername": fetch.layers,
        }),
        LayersCommand::LayerindexShowDepends { branch, layers } => {
            json!({"cmd": "do_layerindex_show_depends", "branch": branch, "layername": layers})
        }
        LayersCommand::CreateLayer(_) => json!({"cmd": "do_create_layer"}),
    };
    let mut all = json!({
        "debug": options.debug, "quiet": options.quiet, "force": options.force,
        "color": format!("{:?}", options.color).to_lowercase(),
    });
    if let (Value::Object(all), Value::Object(command)) = (&mut all, command) {
        all.extend(command);
    }
    all
}

/// Without whatever is unset, false, zero or empty.
fn told(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { return Map::new() };
    let says_something = |name: &str, value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() || name == "cmd",
        Value::Array(items) => !items.is_empty(),
        number => *number != json!(0),
    };
    map.into_iter().filter(|(name, value)| says_something(name, value)).collect()
}

#[test]
fn command_lines_are_read_as_bitbake_does() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/args.jsonl"));
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in table.expect("the table of cases").lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let ours = match read(&case.argv, &case.env) {
            Ok(Invocation { command: Command::Bake(options), .. }) => Ok(told(bake(&options))),
            Ok(Invocation { command: Command::GetVar(options), .. }) => Ok(told(getvar(&options))),
            Ok(Invocation { command: Command::Layers(options), .. }) => Ok(told(layers(&options))),
            Ok(other) => panic!("no case is about {other:?}"),
            Err(exit) => Err((exit.code(), exit.stderr(), !exit.stdout().is_empty())),
        };
        let theirs = match case.args {
            Some(args) => Ok(args),
            None => Err((case.code.unwrap_or(0), case.stderr, case.stdout)),
        };
        if ours != theirs {
            wrong.push(format!("{:?} {:?}\n  ours   {ours:?}\n  theirs {theirs:?}", case.argv, case.env));
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{} of {cases} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 200, "only {cases} cases");
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(String::from).collect()
}

fn options(line: &str) -> BakeOptions {
    match read(&words(line), &BTreeMap::new()) {
        Ok(Invocation { command: Command::Bake(options), .. }) => *options,
        other => panic!("{other:?}"),
    }
}

/// The messages of Appendix B that no option table explains.
#[test]
fn actions() {
    let action = |line: &str| {
        let options = options(line);
        options.action(&options.targets)
    };
    assert_eq!(action("bitbake"), Err(ActionError::NothingToDo));
    assert_eq!(action("bitbake -s foo"), Ok(Action::ShowVersions));
    assert_eq!(action("bitbake foo bar"), Ok(Action::BuildTargets(words("foo bar"))));
    assert_eq!(action("bitbake -e"), Ok(Action::ShowEnvironment(None)));
    assert_eq!(action("bitbake -e -b x.bb"), Ok(Action::ShowEnvironment(Some("x.bb".into()))));
    assert_eq!(action("bitbake -e foo"), Ok(Action::ShowEnvironmentTarget("foo".into())));
    assert_eq!(action("bitbake -b x.bb foo"), Ok(Action::BuildFile("x.bb".into())));
    let said = |line: &str| action(line).unwrap_err().to_string();
    assert_eq!(said("bitbake -e world"), "'world' is not a valid target for --environment.");
    assert_eq!(said("bitbake -e foo universe"), "'universe' is not a valid target for --environment.");
    assert_eq!(said("bitbake -e hello dep"), "Only one target can be used with the --environment option.");
    assert_eq!(
        said("bitbake -e hello -b x.bb"),
        "No target should be used with the --environment and --buildfile options."
    );
    assert_eq!(said("bitbake -g"), "Please specify a package name for dependency graph generation.");
    assert_eq!(
        said("bitbake"),
        "Nothing to do.  Use 'bitbake world' to build everything, or run 'bitbake --help' for usage information."
    );
}

#[test]
fn options_that_do_not_go_together() {
    let fatal = |line: &str, env: &[(&str, &str)]| {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let exit = read(&words(line), &env).unwrap_err();
        assert_eq!(exit.code(), 1);
        exit.stderr()
    };
    assert_eq!(fatal("bitbake-getvar -u A", &[]), "--unexpand only makes sense with --value\n");
    assert_eq!(fatal("bitbake-getvar -f x A", &[]), "--flag only makes sense with --value\n");
    assert_eq!(
        fatal("bitbake --server-only --remote-server a:1", &[]),
        "FATAL: The '--server-only' option conflicts with the '--remote-server' option.\n\n"
    );
    assert_eq!(
        fatal("bitbake --server-only", &[("BBSERVER", "a:1")]),
        "FATAL: The '--server-only' option conflicts with the BBSERVER environment variable.\n\n"
    );
    assert_eq!(
        fatal("bitbake --observe-only", &[]),
        "FATAL: '--observe-only' can only be used by UI clients connecting to a server.\n\n"
    );
    // Whoever asks for the version gets it, whatever else is there.
    assert!(options("bitbake -q -v --version").version);
    let debug = BTreeMap::from([("BBDEBUG".to_string(), "3".to_string())]);
    let Ok(Invocation { command: Command::Bake(options), .. }) = read(&words("bitbake -D x"), &debug) else {
        panic!("a plain command line");
    };
    assert_eq!(options.debug, 3);
}

#[test]
fn the_name_decides_the_manner() {
    let read = |line: &str| read(&words(line), &BTreeMap::new()).unwrap();
    let called = |line: &str| (read(line).prog, read(line).manner);
    assert_eq!(called("/usr/bin/rbake foo"), ("rbake".into(), Manner::Rbake));
    assert_eq!(called("bitbake foo"), ("bitbake".into(), Manner::BitBake));
    assert_eq!(called("./bitbake-layers show-layers"), ("bitbake-layers".into(), Manner::BitBake));
    assert!(matches!(read("rbake-getvar A").command, Command::GetVar(_)));
}

#[test]
fn unknown_subcommands_list_what_there_is() {
    let exit = read(&words("bitbake-layers nosuchcmd"), &BTreeMap::new()).unwrap_err();
    assert_eq!(
        exit.stderr(),
        "usage: bitbake-layers [-d] [-q] [-F] [--color COLOR] [-h] <subcommand> ...\n\
         bitbake-layers: error: argument <subcommand>: invalid choice: 'nosuchcmd' (choose from 'layerindex-fetch', \
         'layerindex-show-depends', 'add-layer', 'remove-layer', 'flatten', 'show-layers', 'show-overlayed', \
         'show-recipes', 'show-appends', 'show-cross-depends', 'create-layer')\n"
    );
    assert_eq!(exit.code(), 2);
}

#[test]
fn new_layers() {
    let parsed = read(&words("bitbake-layers create-layer -a -i id --priority 9 meta-x"), &BTreeMap::new());
    let Ok(Invocation { command: Command::Layers(options), .. }) = parsed else { panic!("{parsed:?}") };
    let LayersCommand::CreateLayer(layer) = options.command else { panic!("{options:?}") };
    assert_eq!((layer.directory.as_str(), layer.add_layer), ("meta-x", true));
    assert_eq!((layer.layerid.as_deref(), layer.priority.as_str()), (Some("id"), "9"));
    assert_eq!((layer.example_recipe.as_str(), layer.example_version.as_str()), ("example", "0.1"));
}

#[test]
fn the_help_names_every_option() {
    for tool in ["rbake", "rbake-getvar", "rbake-layers show-recipes"] {
        let exit = read(&words(&format!("{tool} --help")), &BTreeMap::new()).unwrap_err();
        let help = exit.stdout();
        assert!(help.starts_with(&format!("usage: {tool} ")), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 78), "{help}");
        let usage = help.split("\n\n").next().unwrap_or_default();
        for word in usage.split_whitespace().filter(|word| word.starts_with("[-")) {
            let option = word.trim_matches(['[', ']']);
            let listed = |line: &str| line.starts_with("  ") && line.trim_start().starts_with(option);
            assert!(help.lines().any(listed), "{option} is missing in\n{help}");
        }
    }
}
