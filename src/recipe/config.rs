//! The configuration stage: environment, layers, `bitbake.conf`, base classes (BitBake manual, "Parsing the Base Configuration Metadata").

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::evaluate::{Mode, handle};
use super::run::{Run, dirname, join};
use crate::data::{DataError, Host, Level, Nested, Origin, Store, Value, rename_message, renamed_variables};

/// What a configuration is read from, beside the files themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq, Hash)]
pub struct Request {
    /// The user's whole environment.
    pub environment: Vec<(String, String)>,
    /// Files read before `bitbake.conf` (`-r`).
    pub prefiles: Vec<String>,
    /// Files read after it (`-R`).
    pub postfiles: Vec<String>,
    /// Record the history of variables.
    pub tracking: bool,
    /// The program's arguments, for BB_CMDLINE.
    pub command_line: Vec<String>,
}

/// A configuration: one store for each multiconfig, "" first.
pub struct Configuration {
    /// Name and store.
    pub stores: Vec<(String, Store)>,
    /// The directory of the layer whose layer.conf added each word to BBFILE_COLLECTIONS.
    pub collections: Vec<(String, String)>,
}

impl Configuration {
    /// The store of a multiconfig.
    pub fn store(&self, mc: &str) -> Option<&Store> {
        self.stores.iter().find(|(name, _)| name == mc).map(|(_, store)| store)
    }
}

/// Environment variables that become exported variables.
const EXPORTED: [&str; 9] =
    ["BB_TASKHASH", "HOME", "LOGNAME", "PATH", "PWD", "SHELL", "USER", "LC_ALL", "BBSERVER"];
/// Environment variables that become variables.
const KEPT: [&str; 3] = ["BBPATH", "BB_PRESERVE_ENV", "BB_ENV_PASSTHROUGH_ADDITIONS"];

impl Request {
    /// The value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The names that pass from the environment to metadata (BitBake manual, BB_ENV_PASSTHROUGH).
    pub fn approved(&self) -> Vec<String> {
        if self.env("BB_PRESERVE_ENV").is_some() {
            return self.environment.iter().map(|(name, _)| name.clone()).collect();
        }
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut approved = match self.env("BB_ENV_PASSTHROUGH") {
            Some(list) => {
                let mut names = words(list);
                names.push("BB_ENV_PASSTHROUGH".into());
                names
            }
            None => KEPT.iter().chain(&EXPORTED).map(|name| (*name).to_owned()).collect(),
        };
        if let Some(more) = self.env("BB_ENV_PASSTHROUGH_ADDITIONS") {
            approved.extend(words(more));
            if !approved.iter().any(|name| name == "BB_ENV_PASSTHROUGH_ADDITIONS") {
                approved.push("BB_ENV_PASSTHROUGH_ADDITIONS".into());
            }
        }
        approved
    }

    /// The environment that a process which reads metadata gets: what is approved, and a UTF-8 locale.
    pub fn clean_environment(&self) -> Vec<(String, String)> {
        let approved = self.approved();
        let mut kept: Vec<(String, String)> = self
            .environment
            .iter()
            .filter(|(name, _)| approved.contains(name) && name != "LC_ALL")
            .cloned()
            .collect();
        kept.push(("LC_ALL".into(), "en_US.UTF-8".into()));
        // How rbake itself works, not what metadata sees: it isn't among the approved names.
        kept.extend(self.environment.iter().filter(|(name, _)| name == "RBAKE_NATIVE_EXPR").cloned());
        kept
    }
}

/// Where `conf/NAME` is: along BBPATH, then in the working directory and above.
pub fn find_config(bbpath: &str, cwd: &str, name: &str) -> Option<String> {
    let along = bbpath.split(':').filter(|_| !bbpath.is_empty()).map(|dir| join(&join(dir, "conf"), name));
    let mut dir = cwd;
    let upward = std::iter::from_fn(|| {
        if dir == "/" || dir.is_empty() {
            return None;
        }
        let place = join(&join(dir, "conf"), name);
        dir = dirname(dir);
        Some(place)
    });
    along.chain(upward).find(|place| std::path::Path::new(place).exists())
}

/// After this many rounds of BB_INVALIDCONF the configuration is taken as it is.
const MAX_ROUNDS: usize = 20;

/// Reads the configuration of all multiconfigs and fires the events about it.
///
/// # Errors
/// Whatever ends the reading; the message is in the log already where the error is [`DataError::Handled`].
pub fn read_configuration(run: &Run, request: &Request) -> Result<Configuration, DataError> {
    let base = environment(run, request)?;
    let (mut main, mut collections) = read_one(run, request, &base, "")?;
    run.fire(&main, "ConfigParsed", vec![])?;
    let mut rounds = 0;
    while main.get_raw("BB_INVALIDCONF")? == Some(Value::Bool(true)) {
        if rounds > MAX_ROUNDS {
            run.python.log(
                Level::Error,
                "Configuration has been re-parsed over 20 times, breaking out of the loop...",
            );
            return Err(DataError::raised(
                "Exception",
                "Too deep config re-parse loop. Check locations where BB_INVALIDCONF is being set (ConfigParsed event handlers)",
            ));
        }
        (main, collections) = read_one(run, request, &base, "")?;
        rounds += 1;
        run.fire(&main, "ConfigParsed", vec![])?;
    }
    let mut stores = vec![(String::new(), main.clone())];
    for name in main.get_words("BBMULTICONFIG")? {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(fatal(
                run,
                &format!("Multiconfig name '{name}' is invalid as multiconfigs cannot start with a digit"),
            ));
        }
        let (store, _) = read_one(run, request, &base, &name)?;
        run.fire(&store, "ConfigParsed", vec![])?;
        stores.push((name, store));
    }
    if stores.len() > 1 {
        let by_name = stores
            .iter()
            .map(|(name, store)| {
                Value::Tuple(Rc::new(vec![
                    Value::str(name.as_str()),
                    Value::Object(Rc::new(Nested(store.clone()))),
                ]))
            })
            .collect();
        run.fire(&main, "MultiConfigParsed", vec![Value::List(Rc::new(by_name))])?;
    }
    check_renamed(run, &main)?;
    for (_, store) in &stores {
        store.rename_var("__depends", "__base_depends", Origin::Hidden)?;
        store.set_engine("__bbclasstype", "recipe", "read_configuration")?;
    }
    // Recipes read on copies; the copy here puts everything so far into the layer that they share.
    let stores: Vec<(String, Store)> = stores.into_iter().map(|(name, store)| (name, store.copy())).collect();
    if let Some((_, main)) = stores.first() {
        let arguments = Value::list(request.command_line.iter().map(String::as_str)).repr();
        main.set_engine("BB_CMDLINE", arguments, "read_configuration")?;
    }
    Ok(Configuration { stores, collections })
}

fn fatal(run: &Run, message: &str) -> DataError {
    run.python.log(Level::Error, message);
    DataError::Handled
}

/// A store with what the environment gives.
fn environment(run: &Run, request: &Request) -> Result<Store, DataError> {
    let store = run.store();
    store.set_tracking(request.tracking);
    let saved = run.store();
    for (name, value) in &request.environment {
        if let Some((_, new)) = renamed_variables().iter().find(|(old, _)| old == name) {
            run.python
                .log(Level::Error, &format!("Shell environment variable {name} has been renamed to {new}"));
            return Err(fatal(run, "Exiting to allow enviroment variables to be corrected"));
        }
        if !["_append", "_prepend", "_remove"].iter().any(|old| name.contains(old)) {
            saved.set_var(name, Value::str(value.as_str()), Origin::Hidden)?;
        }
    }
    let approved = request.approved();
    for (name, value) in request.clean_environment().iter().filter(|(name, _)| approved.contains(name)) {
        let op = crate::data::Assignment {
            value: Value::str(value.as_str()),
            parsing: false,
            origin: Origin::engine("environment"),
            op: "from env",
            detail: None,
        };
        store.assign(name, op)?;
        if EXPORTED.contains(&name.as_str()) {
            let origin = Origin::engine("environment");
            store.assign_flag(name, "export", Value::Bool(true), origin, "auto env export", None)?;
        }
    }
    store.set_engine("BB_ORIGENV", Value::Object(Rc::new(Nested(saved))), "environment")?;
    store.set_engine("__bbclasstype", "global", "environment")?;
    Ok(store)
}

/// Collections, each with the directory of the layer that it is.
type Collections = Vec<(String, String)>;

/// Reads the configuration of one multiconfig.
fn read_one(run: &Run, request: &Request, base: &Store, mc: &str) -> Result<(Store, Collections), DataError> {
    const HERE: &str = "read_one";
    let mut data = base.copy();
    let mut collections = Collections::new();
    data.set_engine("BB_CURRENT_MC", mc, HERE)?;
    for file in &request.prefiles {
        config_file(run, file, &data)?;
    }
    let bblayers = find_config(&data.get_str("BBPATH")?, &run.cwd(), "bblayers.conf");
    if let Some(bblayers) = &bblayers {
        data.set_engine("TOPDIR", dirname(dirname(bblayers)), HERE)?;
        config_file(run, bblayers, &data)?;
        if data.get_str("BB_CACHEDIR")?.is_empty() {
            data.set_engine("BB_CACHEDIR", "${TOPDIR}/cache", HERE)?;
        }
        (data, collections) = read_layers(run, request, data, bblayers)?;
    }
    if data.get_str("BBPATH")?.is_empty() {
        let mut message = String::from("The BBPATH variable is not set");
        if bblayers.is_none() {
            message.push_str(
                " and bitbake did not find a conf/bblayers.conf file in the expected location.\nMaybe you accidentally invoked \
                 bitbake from the wrong directory?",
            );
        }
        return Err(fatal(run, &message));
    }
    if data.get_str("TOPDIR")?.is_empty() {
        data.set_engine("TOPDIR", run.cwd(), HERE)?;
    }
    if data.get_str("BB_CACHEDIR")?.is_empty() {
        data.set_engine("BB_CACHEDIR", "${TOPDIR}/cache", HERE)?;
    }
    config_file(run, "conf/bitbake.conf", &data)?;
    for file in &request.postfiles {
        config_file(run, file, &data)?;
    }
    run.inherit(&data, "base", "configuration INHERITs", 0, false)?;
    for class in data.get_words("INHERIT")? {
        run.inherit(&data, &class, "configuration INHERITs", 0, false)?;
    }
    run.register_handlers(&data)?;
    data.set_engine("BBINCLUDED", run.included(&data), HERE)?;
    Ok((data, collections))
}

fn config_file(run: &Run, file: &str, data: &Store) -> Result<(), DataError> {
    handle(run, file, data, Mode::BaseConfig).map(drop)
}

/// Reads every layer's `layer.conf` and checks that the layers go together.
fn read_layers(
    run: &Run,
    request: &Request,
    data: Store,
    bblayers: &str,
) -> Result<(Store, Collections), DataError> {
    const HERE: &str = "read_layers";
    let layers = data.get_words("BBLAYERS")?;
    if layers.is_empty() {
        return Err(fatal(run, "The bblayers.conf file doesn't contain any BBLAYERS definition"));
    }
    let data = data.copy();
    let missing: Vec<&String> =
        layers.iter().filter(|layer| !std::path::Path::new(layer.as_str()).is_dir()).collect();
    if !missing.is_empty() {
        run.python.log(Level::Error, "The following layer directories do not exist:");
        for layer in missing {
            run.python.log(Level::Error, &format!("   {layer}"));
        }
        return Err(fatal(run, &format!("Please check BBLAYERS in {bblayers}")));
    }
    let mut series: BTreeSet<String> = BTreeSet::new();
    let mut compatible: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut directories = Collections::new();
    for layer in &layers {
        let mut layer = layer.clone();
        if layer.starts_with('~')
            && let Some(home) = request.env("HOME")
        {
            layer.replace_range(..1, home);
        }
        let layer = layer.trim_end_matches('/');
        data.set_engine("LAYERDIR", layer, HERE)?;
        data.set_engine("LAYERDIR_RE", regex_escape(layer), HERE)?;
        config_file(run, &join(&join(layer, "conf"), "layer.conf"), &data)?;
        data.expand_var_ref("LAYERDIR")?;
        data.expand_var_ref("LAYERDIR_RE")?;
        // What a layer says of itself is taken away at once, so that no other layer copies it.
        for collection in data.get_words("BBFILE_COLLECTIONS")? {
            if !directories.iter().any(|(known, _)| *known == collection) {
                directories.push((collection.clone(), layer.to_owned()));
            }
            let name = format!("LAYERSERIES_COMPAT_{collection}");
            let words = data.get_words(&name)?;
            if !data.get_str(&name)?.is_empty() {
                compatible.retain(|(known, _)| *known != collection);
                compatible.push((collection, words.into_iter().collect()));
                data.del_var(&name, Origin::engine(HERE));
            }
        }
        if series.is_empty() {
            series = data.get_words("LAYERSERIES_CORENAMES")?.into_iter().collect();
            if !series.is_empty() {
                data.del_var("LAYERSERIES_CORENAMES", Origin::engine(HERE));
            }
        }
    }
    data.del_var("LAYERDIR_RE", Origin::engine(HERE));
    data.del_var("LAYERDIR", Origin::engine(HERE));
    let join_set = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    for (collection, words) in &compatible {
        data.set_engine(&format!("LAYERSERIES_COMPAT_{collection}"), join_set(words), HERE)?;
    }
    add_dynamic_files(run, &data)?;

    let collections = data.get_words("BBFILE_COLLECTIONS")?;
    for (at, collection) in collections.iter().enumerate() {
        if collections[at + 1..].contains(collection) {
            return Err(fatal(
                run,
                &format!(
                    "Found duplicated BBFILE_COLLECTIONS '{collection}', check bblayers.conf or layer.conf to fix it."
                ),
            ));
        }
        let words = compatible.iter().find(|(known, _)| known == collection).map(|(_, words)| words);
        match words.filter(|words| !words.is_empty()) {
            Some(_) if series.is_empty() => {
                return Err(fatal(
                    run,
                    &format!("No core layer found to work with layer '{collection}'. Missing entry in bblayers.conf?"),
                ));
            }
            Some(words) if words.is_disjoint(&series) => {
                return Err(fatal(
                    run,
                    &format!(
                        "Layer {collection} is not compatible with the core layer which only supports these series: {} (layer is \
                         compatible with {})",
                        join_set(&series),
                        join_set(words)
                    ),
                ));
            }
            Some(_) => {}
            None if data.get_str("BB_WORKERCONTEXT")?.is_empty() => run.python.log(
                Level::Warning,
                &format!(
                    "Layer {collection} should set LAYERSERIES_COMPAT_{collection} in its conf/layer.conf file to list the core \
                     layer names it is compatible with."
                ),
            ),
            None => {}
        }
    }
    data.set_engine("LAYERSERIES_CORENAMES", join_set(&series), HERE)?;
    Ok((data, directories))
}

/// Adds the patterns of BBFILES_DYNAMIC whose collection is there (or, with `!`, isn't) to BBFILES.
fn add_dynamic_files(run: &Run, data: &Store) -> Result<(), DataError> {
    let collections = data.get_words("BBFILE_COLLECTIONS")?;
    let mut invalid = Vec::new();
    for entry in data.get_words("BBFILES_DYNAMIC")? {
        let Some((collection, pattern)) = entry.split_once(':') else {
            invalid.push(entry);
            continue;
        };
        let (collection, wanted) = match collection.strip_prefix('!') {
            Some(collection) => (collection, false),
            None => (collection, true),
        };
        if collections.iter().any(|known| known == collection) == wanted {
            data.append_var(
                "BBFILES",
                Value::from(format!(" {pattern}")),
                Origin::engine("add_dynamic_files"),
            )?;
        }
    }
    if invalid.is_empty() {
        return Ok(());
    }
    Err(fatal(
        run,
        &format!(
            "BBFILES_DYNAMIC entries must be of the form {{!}}<collection name>:<filename pattern>, not:\n    {}",
            invalid.join("\n    ")
        ),
    ))
}

/// Ends the reading if a variable is set that has another name now.
fn check_renamed(run: &Run, data: &Store) -> Result<(), DataError> {
    let mut renamed: Vec<(String, String)> =
        renamed_variables().iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    for (old, new) in data.get_flags("BB_RENAMED_VARIABLES").unwrap_or_default() {
        renamed.push((old.to_string(), new.to_text()));
    }
    let mut found = false;
    for (old, new) in renamed {
        if data.get_var(&old)?.is_none_or(|value| value == Value::None) && !data.has_overrides(&old) {
            continue;
        }
        found = true;
        let history = data.history(&old);
        for event in &history {
            let place = format!("file: {} line: {}", event.file, event.line);
            run.python.log_once(Level::Error, &rename_message(&old, &new, &place));
        }
        if history.is_empty() {
            run.python.log_once(Level::Error, &rename_message(&old, &new, ""));
        }
    }
    if found { Err(DataError::Handled) } else { Ok(()) }
}

/// Python's `re.escape`.
pub fn regex_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
