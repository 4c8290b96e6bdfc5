//! Hashing the tasks of every recipe that is finished.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::basehash::{Inputs, generate};
use super::names::Names;
use super::run::Run;
use super::scanners::{CodeScanners, module_nodes};
use super::signatures::Signatures;
use crate::data::{DataError, Host, Level, Object, Origin, Store, Value};

/// More names than this are forgotten: a recipe shares a few thousand with all others and has some of its own.
const MOST_NAMES: usize = 50_000;

/// Signatures as a finished store keeps them, in the variable `__siggen`.
#[derive(Clone, Default)]
pub struct Signed(pub Rc<Signatures>);

impl Object for Signed {
    fn text(&self) -> String {
        format!("<signatures of {} tasks>", self.0.tasks.len())
    }

    fn truth(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Signed {
    /// The signatures of a finished store.
    pub fn of(store: &Store) -> Option<Rc<Signatures>> {
        match store.find("__siggen")?.content.as_ref()? {
            Value::Object(object) => object.as_any().downcast_ref::<Signed>().map(|signed| signed.0.clone()),
            _ => None,
        }
    }
}

impl Run {
    /// Has every recipe that is finished from now on signed, if the configuration names a signature handler that hashes.
    ///
    /// # Errors
    /// A function of a Python module can't be scanned.
    pub fn sign_recipes(&self, configuration: &Store) -> Result<(), DataError> {
        if matches!(configuration.get_str("BB_SIGNATURE_HANDLER")?.as_str(), "" | "noop") {
            return Ok(());
        }
        let excluded = |name: &str| -> Result<FxHashSet<String>, DataError> {
            let words = configuration.get_flag_str(name, "vardepsexclude")?;
            Ok(words.split_whitespace().map(str::to_owned).collect())
        };
        let modules = module_nodes(&self.python, &self.python.module_functions(), &excluded)?;
        let ignored: FxHashSet<String> =
            configuration.get_words("BB_BASEHASH_IGNORE_VARS")?.into_iter().collect();
        let scanners = CodeScanners::new(self.python.clone());
        let python = self.python.clone();
        let names = RefCell::new(Names::new(ignored));
        self.set_signatures(Box::new(move |file, store| {
            let mut names = names.borrow_mut();
            if names.len() > MOST_NAMES {
                names.clear();
            }
            let signed =
                Inputs::new(store, &modules, &scanners).and_then(|inputs| generate(&inputs, &mut names));
            match signed {
                Ok(signatures) => {
                    let value = Value::Object(Rc::new(Signed(Rc::new(signatures))));
                    store.set_var("__siggen", value, Origin::Hidden)
                }
                Err(error @ (DataError::Skip(_) | DataError::NeedsPython(_))) => Err(error),
                Err(error) => {
                    python.log(Level::Warning, &format!("Error during finalise of {file}"));
                    Err(error)
                }
            }
        }));
        Ok(())
    }
}
