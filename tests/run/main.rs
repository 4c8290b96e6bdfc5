//! Single tasks run by the executor in scratch directories: by the engine alone, and by Python.

mod control;
mod failures;
mod processes;
mod reference;
mod scratch;
mod surroundings;
