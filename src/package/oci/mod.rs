//! Container images as the Open Container Initiative specifies them: references, manifests, layouts.

pub mod challenge;
pub mod document;
mod error;
pub mod layout;
pub mod reference;

pub use error::OciError;
