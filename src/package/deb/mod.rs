//! Debian's formats: control files, signed indexes, source and binary packages.

pub mod ar;
pub mod control;
pub mod dsc;
pub mod index;
pub mod release;
pub mod sources;
pub mod version;
