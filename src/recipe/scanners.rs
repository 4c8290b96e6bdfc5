//! The scanners behind task signatures: code of recipes, and functions of Python modules.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

use super::basehash::{ModuleNode, Modules, Scanners};
use super::signatures::hex;
use crate::data::{CodeError, CodeScan, DataError, Level, Store, Text};
use crate::lang::shell::{self, ShellErrorKind, ShellSyntaxError};
use crate::python::interpreter::ModuleFunction;
use crate::python::scope::Python;

/// Scans code and remembers the answers by its text.
pub struct CodeScanners {
    python: Rc<Python>,
    /// By the code's digest: expanded functions are long, and nearly every recipe has some of its own.
    shells: RefCell<FxHashMap<[u8; 32], Rc<[Rc<str>]>>>,
}

impl CodeScanners {
    /// Scanners for a run.
    pub fn new(python: Rc<Python>) -> Self {
        CodeScanners { python, shells: RefCell::default() }
    }
}

impl Scanners for CodeScanners {
    fn python(&self, store: &Store, name: &str, code: &Text) -> Result<Rc<CodeScan>, DataError> {
        if let Some(known) = code.scan().get().and_then(|scan| scan.clone().downcast::<CodeScan>().ok()) {
            return Ok(known);
        }
        let scan =
            self.python.scan_code(code).map_err(|error| located(&self.python, store, name, code, error))?;
        let _ = code.scan().set(scan.clone());
        Ok(scan)
    }

    fn shell(&self, store: &Store, _name: &str, code: &Text) -> Result<Rc<[Rc<str>]>, DataError> {
        let digest = Sha256::digest(code.as_bytes()).into();
        if let Some(known) = self.shells.borrow().get(&digest) {
            return Ok(known.clone());
        }
        let commands: Rc<[Rc<str>]> = shell_commands(store, code)?.into();
        self.shells.borrow_mut().insert(digest, commands.clone());
        Ok(commands)
    }
}

/// A syntax error with its place in the metadata, where the function called `name` says where it stands.
fn located(python: &Python, store: &Store, name: &str, code: &str, error: DataError) -> DataError {
    let DataError::Raised { syntax: Some(_), .. } = &error else { return error };
    let Some(mistake) = python.syntax_error(code) else { return error };
    let flag = |flag: &str| store.get_flag_str(name, flag).unwrap_or_default();
    let Ok(header) = flag("lineno").parse::<u32>() else { return error };
    DataError::Syntax(Box::new(CodeError {
        class: mistake.class.into(),
        message: mistake.message,
        file: flag("filename"),
        line: header + mistake.line as u32,
        column: mistake.column.max(1),
        text: mistake.text,
    }))
}

fn shell_commands(store: &Store, code: &str) -> Result<Vec<Rc<str>>, DataError> {
    let scan = shell::scan(code).map_err(|error| shell_error(store, code, &error))?;
    Ok(scan.execs.into_iter().map(Rc::from).collect())
}

/// Reports shell code that can't be scanned as BitBake does, and gives the exception it raises.
pub fn shell_error(store: &Store, code: &str, error: &ShellSyntaxError) -> DataError {
    let lines: Vec<&str> = code.split('\n').collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    store.log(
        Level::Error,
        &format!("Error during parse shell code, the last 5 lines are:\n{}", last.join("\n")),
    );
    let class = match error.kind {
        ShellErrorKind::Syntax => "ShellSyntaxError",
        ShellErrorKind::NeedMore => "NeedMore",
        ShellErrorKind::NotImplemented => "NotImplementedError",
    };
    // Code that ends too early says no more than that.
    let text = if error.kind == ShellErrorKind::NeedMore { "" } else { error.reference.as_str() };
    DataError::raised(class, text)
}

/// The nodes of module functions. `excluded` gives the names that metadata takes out of one (flag `vardepsexclude`).
///
/// # Errors
/// A function can't be scanned.
pub fn module_nodes(
    python: &Python,
    functions: &FxHashMap<Rc<str>, ModuleFunction>,
    excluded: &dyn Fn(&str) -> Result<FxHashSet<String>, DataError>,
) -> Result<Modules, DataError> {
    let mut nodes = Modules::default();
    for (name, function) in functions {
        let excluded = excluded(name)?;
        nodes.insert(name.clone(), module_node(python, function, &excluded)?);
    }
    Ok(nodes)
}

fn module_node(
    python: &Python,
    function: &ModuleFunction,
    excluded: &FxHashSet<String>,
) -> Result<ModuleNode, DataError> {
    let mut scan = (*python.scan_code(&function.source)?).clone();
    let namespace = function.name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    for name in &function.vardeps {
        if !scan.references.contains(name) {
            scan.references.push(name.clone());
        }
    }
    scan.references.retain(|name| !function.vardepsexclude.contains(name) && !excluded.contains(&**name));
    for call in &mut scan.execs {
        if function.siblings.contains(call) {
            *call = format!("{namespace}.{call}").into();
        }
    }
    scan.execs.retain(|name| !excluded.contains(&**name));
    let hash = hex(&Sha256::digest(function.source.as_bytes()));
    Ok(ModuleNode { scan, hash: hash.into() })
}
