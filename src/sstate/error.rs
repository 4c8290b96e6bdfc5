//! What can go wrong with shared state; none of it ends a build, for the task can run instead.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a member of an archive is not to be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unsafe {
    /// Its name is absolute, or leads out of the folder.
    #[error("leads out of the folder")]
    Outside,
    /// It is a device, a pipe or something else that no task makes.
    #[error("is a special file")]
    Special,
    /// It stands behind a symbolic link.
    #[error("stands behind a symbolic link")]
    BehindLink,
    /// It is a link to what is outside.
    #[error("is a link that leads out of the folder")]
    LinkOutside,
    /// It is a hard link to what was not unpacked before.
    #[error("is a hard link to nothing")]
    LinkToNothing,
    /// It is there twice.
    #[error("is there twice")]
    Twice,
}

/// An object cannot be written, or not be used.
#[derive(Debug, Error)]
pub enum SstateError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive is cut off, or was never one.
    #[error("{} is damaged: {source}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// How that showed.
        source: io::Error,
    },
    /// The archive holds what no task of this program would have put there.
    #[error("{} is not to be trusted: '{member}' {reason}", path.display())]
    Hostile {
        /// The archive.
        path: PathBuf,
        /// The member.
        member: String,
        /// Why.
        reason: Unsafe,
    },
    /// The archive unpacks to more than is allowed.
    #[error("{} is not to be trusted: it unpacks to more than {limit} bytes", path.display())]
    TooLarge {
        /// The archive.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A name cannot be made short enough for a file system.
    #[error("Unable to reduce sstate name to less than 255 characters: {0}")]
    NameTooLong(String),
}

/// Adds the path to an error of the system.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SstateError + '_ {
    move |source| SstateError::Io { path: path.to_path_buf(), source }
}
