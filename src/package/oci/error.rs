//! What can be wrong with an image.

use std::io;

use crate::verify::Digest;

/// Why an image, or what names one, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// What stands in a URL is no image's name.
    #[error("'{0}' does not name an image: it has to be HOST/NAME[:TAG][@sha256:DIGEST]")]
    Reference(String),
    /// A platform is written wrongly.
    #[error("'{0}' is no platform: it has to be OS/ARCHITECTURE[/VARIANT]")]
    Platform(String),
    /// Not the JSON that it should be.
    #[error("{what} can't be read: {reason}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A kind of document that is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// A digest that is none, or a weak one.
    #[error("'{0}' is no SHA-256, SHA-384 or SHA-512 digest")]
    Digest(String),
    /// No image for the platform.
    #[error("the image is not there for {wanted}, only for {found}")]
    NoPlatform {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// An archive lacks a blob.
    #[error("the blob {0} is missing")]
    Missing(Digest),
    /// A blob's bytes are others than its name tells.
    #[error("the blob {wanted} has {size} bytes with the digest {found}; {expected} bytes were expected")]
    Damaged {
        /// The digest it should have.
        wanted: Digest,
        /// The size it should have.
        expected: u64,
        /// The digest it has.
        found: Digest,
        /// The size it has.
        size: u64,
    },
    /// What belongs together does not.
    #[error("{0}")]
    Contradiction(String),
    /// A file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OciError {
    /// A document that can't be read.
    pub(super) fn malformed(what: &'static str, reason: impl ToString) -> Self {
        OciError::Malformed { what, reason: reason.to_string() }
    }
}
