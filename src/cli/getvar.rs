//! `rbake-getvar` and `bitbake-getvar`.

use std::process::ExitCode;

use super::args::Manner;
use super::args::getvar::GetVarOptions;
use super::session::{Session, Told};
use crate::host::{Question, Variable};
use crate::recipe::Request;

/// Runs the tool.
pub fn run(arguments: &[String], manner: Manner, options: &GetVarOptions) -> ExitCode {
    let mut console = Session::options(manner);
    // What is asked for is the value; a bar or a note in between would only be in the way of scripts.
    console.quiet = if options.quiet || options.value { 3 } else { 2 };
    console.bar_columns = None;
    let mut session = Session::new(arguments, manner, console);
    match show(&mut session, options) {
        Ok(text) => {
            println!("{}", text.strip_suffix('\n').unwrap_or(&text));
            ExitCode::SUCCESS
        }
        Err(Ending::Told) => ExitCode::FAILURE,
        Err(Ending::Nothing) => ExitCode::SUCCESS,
        Err(Ending::Say(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

enum Ending {
    Told,
    Nothing,
    Say(String),
}

impl From<Told> for Ending {
    fn from(_: Told) -> Self {
        Ending::Told
    }
}

fn show(session: &mut Session, options: &GetVarOptions) -> Result<String, Ending> {
    let request = Request { tracking: !options.value, ..Request::default() };
    let mut project = session.open(request, true)?;
    let recipe = match &options.recipe {
        None => None,
        Some(word) => {
            let metadata = session.load(&mut project)?;
            let known = metadata
                .worlds
                .iter()
                .any(|world| !world.catalog.providers(word).is_empty() || word.starts_with("mc:"));
            if !known {
                return Err(Ending::Say(format!("Unable to find any recipe file matching \"{word}\"")));
            }
            Some(session.resolve_one(&metadata, word, &[])?)
        }
    };
    let question = Question::Variable(Variable {
        name: options.variable.clone(),
        recipe,
        flag: options.flag.clone(),
        value_only: options.value,
        unexpanded: options.unexpand,
    });
    match session.ask(&mut project, &question)? {
        Some(text) => Ok(text),
        None if options.ignore_undefined => Err(Ending::Nothing),
        None => Err(Ending::Say(match &options.flag {
            Some(flag) => format!("The flag '{flag}' is not defined for variable '{}'", options.variable),
            None => format!("The variable '{}' is not defined", options.variable),
        })),
    }
}
