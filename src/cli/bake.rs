//! `rbake`: reading metadata and showing it.

use std::process::ExitCode;

use crate::host::{Answer, Listener, Project, Question, Settings, load};
use crate::lang::diagnostic::Severity;
use crate::recipe::Request;

/// Prints messages as they come.
#[derive(Default)]
struct Plain {
    warnings: usize,
    errors: usize,
}

impl Listener for Plain {
    fn said(&mut self, severity: Severity, text: &str, recipe: &str) {
        let recipe = if recipe.is_empty() { String::new() } else { format!("{recipe}: ") };
        match severity {
            Severity::Debug | Severity::Verbose => {}
            Severity::Plain => println!("{text}"),
            Severity::Note => println!("NOTE: {text}"),
            Severity::Warning => {
                self.warnings += 1;
                eprintln!("WARNING: {recipe}{text}");
            }
            Severity::Error => {
                self.errors += 1;
                eprintln!("ERROR: {recipe}{text}");
            }
        }
    }
    fn progress(&mut self, _done: usize, _total: usize) {}
}

/// Runs the tool.
pub fn run(arguments: &[String]) -> ExitCode {
    let cwd = std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let show = arguments.iter().any(|argument| argument == "-e");
    let request =
        Request { environment, tracking: show, command_line: arguments.to_vec(), ..Request::default() };
    let program = std::env::current_exe().unwrap_or_default();
    let settings = Settings { request, program, cwd: cwd.clone(), keep_going: true };
    let mut plain = Plain::default();
    let mut project = match Project::open(settings, &mut plain) {
        Ok(project) => project,
        Err(error) => {
            eprintln!("ERROR: {error}");
            return ExitCode::FAILURE;
        }
    };
    if show && arguments.len() == 2 {
        match project.ask(&Question::Environment { recipe: None, mc: String::new() }, &mut plain) {
            Ok(Answer::Text(text)) => print!("{}", text.unwrap_or_default()),
            other => eprintln!("{other:?}"),
        }
        return ExitCode::SUCCESS;
    }
    match load(&mut project, &cwd, &mut plain) {
        Ok(metadata) => {
            for (recipe, failure) in &metadata.failed {
                eprintln!("ERROR: {}: {}: {}", recipe.path, failure.class, failure.text);
            }
            println!("{}", metadata.summary);
            if let Some(target) = arguments.iter().skip(1).find(|argument| !argument.starts_with('-')) {
                for world in &metadata.worlds {
                    for record in world.catalog.records().iter().filter(|record| record.pn == *target) {
                        let file = crate::catalog::VirtualFile::parse(&record.file);
                        let recipe = world.tree.recipe(file.path).recipe;
                        let question = Question::Environment {
                            recipe: Some((recipe, file.class.to_owned())),
                            mc: String::new(),
                        };
                        match project.ask(&question, &mut plain) {
                            Ok(Answer::Text(text)) => print!("{}", text.unwrap_or_default()),
                            other => eprintln!("{other:?}"),
                        }
                    }
                }
            }
        }
        Err(error) => eprintln!("ERROR: {error}"),
    }
    if plain.errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
