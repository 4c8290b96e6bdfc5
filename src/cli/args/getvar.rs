//! The command line of `rbake-getvar` or `bitbake-getvar`.

use super::Exit;
use super::spec::{Arity, Opt, Positional, Spec};

/// Which variable to show, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetVarOptions {
    /// The variable.
    pub variable: String,
    /// `-r`: the recipe whose value to show; the configuration's without.
    pub recipe: Option<String>,
    /// `-u`: show the value as written.
    pub unexpand: bool,
    /// `-f`: show this flag of the variable.
    pub flag: Option<String>,
    /// `--value`: only the value, without its history.
    pub value: bool,
    /// `-q`: say nothing else.
    pub quiet: bool,
    /// `--ignore-undefined`: an unset variable is no error.
    pub ignore_undefined: bool,
}

/// Reads the words after the program's name.
pub(super) fn parse(prog: &str, words: &[String], columns: usize) -> Result<GetVarOptions, Exit> {
    let mut parsed = spec(prog).parse(words, columns)?;
    let options = GetVarOptions {
        variable: parsed.positional("variable").pop().unwrap_or_default(),
        recipe: parsed.value("-r").filter(|recipe| !recipe.is_empty()),
        unexpand: parsed.has("-u"),
        flag: parsed.value("-f").filter(|flag| !flag.is_empty()),
        value: parsed.has("--value"),
        quiet: parsed.has("-q"),
        ignore_undefined: parsed.has("--ignore-undefined"),
    };
    if !options.value && options.unexpand {
        return Err(Exit::Fatal("--unexpand only makes sense with --value".into()));
    }
    if !options.value && options.flag.is_some() {
        return Err(Exit::Fatal("--flag only makes sense with --value".into()));
    }
    Ok(options)
}

fn spec(prog: &str) -> Spec {
    Spec {
        prog: prog.to_string(),
        description: "Shows a variable of the configuration or of a recipe, and where it was set.",
        options: vec![
            Opt::help(),
            Opt::value(&["-r", "--recipe"], "RECIPE", "the recipe's value instead of the configuration's"),
            Opt::flag(&["-u", "--unexpand"], "the value as written (with --value)"),
            Opt::value(&["-f", "--flag"], "FLAG", "this flag of the variable (with --value)"),
            Opt::flag(&["--value"], "only the value, without its history"),
            Opt::flag(&["-q", "--quiet"], "nothing about the work in between"),
            Opt::flag(&["--ignore-undefined"], "no error if the variable is not set"),
        ],
        positionals: vec![Positional::new("variable", Arity::One, "name of the variable")],
        abbreviations: true,
        intermixed: false,
    }
}
