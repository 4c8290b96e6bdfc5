//! What has to be known to run one task.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::lang::fnmatch;
use crate::recipe::{RecipeFile, virtual_name};

/// One task to be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The recipe with its appends, layer and multiconfig.
    pub recipe: RecipeFile,
    /// The variant of BBCLASSEXTEND, "" for the recipe itself.
    pub variant: String,
    /// Name of the task with its `do_`; of a setscene task with its `_setscene`, too.
    pub task: String,
    /// BB_TASKHASH.
    pub taskhash: String,
    /// BB_UNIHASH.
    pub unihash: String,
    /// BB_TASKDEPDATA: this task and everything it depends on in its own multiconfig, by task id. Shared, since many tasks see nearly
    /// the same.
    pub depends: Arc<BTreeMap<String, Dependency>>,
    /// What the task's hash was made of, for metadata that asks its signature generator. None: it is told the hashes only.
    pub signature: Option<SignatureData>,
    /// The stamp to leave when the task succeeded. None: none, because the task has the flag `nostamp` or the queue makes stamps.
    pub stamp: Option<Stamps>,
    /// Failing is nothing to report (setscene tasks).
    pub quiet_errors: bool,
    /// Read the recipe, then end with success.
    pub dry_run: bool,
    /// The task has the flag `fakeroot`.
    pub fakeroot: bool,
    /// FAKEROOTENV of the recipe for a fakeroot task, FAKEROOTNOENV for any other: words `NAME=value`.
    pub fakeroot_env: String,
    /// FAKEROOTDIRS: directories to make before a fakeroot task.
    pub fakeroot_dirs: String,
    /// The flag `umask` of the task, else BB_DEFAULT_UMASK; an octal number or "".
    pub umask: String,
}

impl TaskSpec {
    /// The recipe's file name with variant and multiconfig (BB_FILENAME).
    pub fn file(&self) -> String {
        virtual_name(&self.recipe.path, &self.variant, &self.recipe.mc)
    }

    /// The task's id: file name and task.
    pub fn tid(&self) -> String {
        format!("{}:{}", self.file(), self.task)
    }
}

/// One entry of BB_TASKDEPDATA (`bb.TaskData`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Name of the recipe.
    pub pn: String,
    /// Name of the task.
    pub taskname: String,
    /// The recipe's file without variant and multiconfig.
    pub fn_: String,
    /// Ids of the tasks it depends on, those of other multiconfigs left out.
    pub deps: Vec<String>,
    /// What the recipe provides.
    pub provides: Vec<String>,
    /// Its hash.
    pub taskhash: String,
    /// The hash that stands for its output.
    pub unihash: String,
    /// BB_HASHFILENAME of the recipe.
    pub hashfn: String,
    /// Ids of the tasks whose hashes went into its own.
    pub taskhash_deps: Vec<String>,
}

/// What a signature generator knows of one task, so that metadata can ask it and write `sigdata` files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureData {
    /// The basehash.
    pub basehash: String,
    /// The tasks whose hashes went into the taskhash: name in signatures (`PN:do_x`), task id and unihash.
    pub runtaskdeps: Vec<(String, String, String)>,
    /// Files and their checksums.
    pub file_checksums: Vec<(String, String)>,
    /// What was added to the hash to make the task run again.
    pub taint: Option<String>,
    /// The task has a setscene variant: its output is worth reporting to a hash server.
    pub setscene: bool,
    /// Have the child write the `sigdata` file beside the stamp. False: the queue does.
    pub write: bool,
}

/// The stamp of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// The file to make.
    pub file: String,
    /// Patterns of the stamps it replaces. `sigdata`, `sigbasedata` and `.taint` files are never removed.
    pub clean: Vec<String>,
}

impl Stamps {
    /// Makes the stamp, in place of those it replaces.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn make(&self) -> io::Result<()> {
        if let Some(dir) = Path::new(&self.file).parent() {
            fs::create_dir_all(dir)?;
        }
        for mask in &self.clean {
            let Some((dir, pattern)) = mask.rsplit_once('/') else { continue };
            for entry in fs::read_dir(dir)?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let kept =
                    name.contains("sigdata") || name.contains("sigbasedata") || name.ends_with(".taint");
                if !kept && fnmatch::matches(pattern, &name) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        // Some network file systems change the time of a file only when it is made.
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::File::create(&self.file).map(drop)
    }
}

/// What is the same for all tasks of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildData {
    /// Variables every task sees: BUILDNAME, DATE, TIME, PRSERV_HOST, BB_HASHSERVE and the like, frozen when the build began.
    pub variables: Vec<(String, String)>,
    /// Write `set -x` into shell run files (`-v`).
    pub verbose_shell: bool,
    /// Show what tasks print as well as logging it (`-v`).
    pub verbose_stdout: bool,
    /// Log records below this number stay in the task's log (BitBake's levels: 20 for notes, 19 verbose, 10 and less debug).
    pub log_level: i32,
    /// Levels of single loggers, such as `BitBake.Fetcher`.
    pub log_domains: Vec<(String, i32)>,
    /// BB_LIMITEDDEPS is set: `-b` without dependencies.
    pub limited_deps: bool,
}
