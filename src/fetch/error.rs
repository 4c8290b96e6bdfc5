//! What can go wrong while fetching and unpacking, in BitBake's words.

use std::io;
use std::path::{Path, PathBuf};

use super::url::redact;
use crate::verify::{KeyError, SignatureError};

/// An error of the fetcher. Passwords in URLs are hidden when the error is made.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, or a mirror pattern with a flaw.
    #[error("{0}")]
    Malformed(String),
    /// Fetching failed.
    #[error("{}", failure(.url.as_deref(), .message))]
    Failed {
        /// Why.
        message: String,
        /// What should have been fetched.
        url: Option<String>,
    },
    /// The server wants to know who asks.
    #[error("{}", failure(Some(.url), .message))]
    Unauthorized {
        /// What it answers.
        message: String,
        /// What should have been fetched.
        url: String,
        /// How it wants to be told, if it is the server that was asked and not one that it redirects to.
        challenge: Option<String>,
    },
    /// The bytes are not the promised ones.
    #[error("{}", failure(Some(.url), .message))]
    Checksum {
        /// Every digest that differs.
        message: String,
        /// What was fetched.
        url: String,
        /// The digest found last, which names the file that is kept aside.
        found: String,
    },
    /// No checksum is known, and `BB_STRICT_CHECKSUM` demands one. Holds the lines to add to the recipe.
    #[error("{}", failure(None, .0))]
    NoChecksum(String),
    /// Unpacking failed.
    #[error("Unpack failure for URL: '{url}'. {message}")]
    Unpack {
        /// Why.
        message: String,
        /// What should have been unpacked.
        url: String,
    },
    /// No fetcher for this scheme.
    #[error("Could not find a fetcher which supports the URL: '{0}'")]
    NoMethod(String),
    /// A parameter that has to be given is not.
    #[error("URL: '{url}' is missing the required parameter '{parameter}'")]
    MissingParameter {
        /// The parameter.
        parameter: String,
        /// The URL.
        url: String,
    },
    /// A parameter with an impossible value.
    #[error("URL: '{url}' has invalid parameters. {message}")]
    Parameter {
        /// What is wrong.
        message: String,
        /// The URL.
        url: String,
    },
    /// The network is needed, but forbidden.
    #[error(
        "Network access disabled through BB_NO_NETWORK (or set indirectly due to use of BB_FETCH_PREMIRRORONLY) but access requested with command {command} (for url {url})"
    )]
    Network {
        /// What would have been run.
        command: String,
        /// The URL.
        url: String,
    },
    /// The host is not among `BB_ALLOWED_NETWORKS`.
    #[error("The URL: '{0}' is not trusted and cannot be used")]
    Untrusted(String),
    /// A signed index has no signature that counts.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An index or archive contradicts itself or what vouches for it.
    #[error("{file}: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// The system refused something.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

fn failure(url: Option<&str>, message: &str) -> String {
    match url {
        Some(url) => format!("Fetcher failure for URL: '{url}'. {message}"),
        None => format!("Fetcher failure: {message}"),
    }
}

impl FetchError {
    /// A URL that can't be read.
    pub fn malformed(url: &str) -> Self {
        FetchError::Malformed(format!("The URL: '{}' is invalid and cannot be interpreted", redact(url)))
    }

    /// A failure to fetch `url`.
    pub fn failed(url: &str, message: impl Into<String>) -> Self {
        FetchError::Failed { message: message.into(), url: Some(redact(url)) }
    }

    /// A failure to fetch that belongs to no single URL.
    pub fn plain(message: impl Into<String>) -> Self {
        FetchError::Failed { message: message.into(), url: None }
    }

    /// A failure to unpack what came from `url`.
    pub fn unpack(url: &str, message: impl Into<String>) -> Self {
        FetchError::Unpack { message: message.into(), url: redact(url) }
    }

    /// A parameter of `url` with an impossible value.
    pub fn parameter(url: &str, message: impl Into<String>) -> Self {
        FetchError::Parameter { message: message.into(), url: redact(url) }
    }

    /// A parameter that `url` lacks.
    pub fn missing(url: &str, parameter: &str) -> Self {
        FetchError::MissingParameter { parameter: parameter.into(), url: redact(url) }
    }

    /// A file whose content is wrong.
    pub fn invalid(file: impl Into<String>, message: impl Into<String>) -> Self {
        FetchError::Invalid { file: file.into(), message: message.into() }
    }

    /// Wraps a system error with the path it is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
        move |source| FetchError::Io { path: path.to_path_buf(), source }
    }
}
