//! What a download tells while it runs.

use std::time::Duration;

/// Something that happened to one URL. Passwords in URLs are hidden.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchEvent {
    /// Bytes begin to arrive.
    Started {
        /// The URL.
        url: String,
        /// The whole size, if the server tells it.
        size: Option<u64>,
    },
    /// Bytes arrived; sent a few times a second at most.
    Progress {
        /// The URL.
        url: String,
        /// Bytes there so far.
        bytes: u64,
        /// The whole size, if known.
        size: Option<u64>,
        /// Bytes per second, over this attempt.
        rate: u64,
    },
    /// An attempt failed; there will be another.
    Retrying {
        /// The URL.
        url: String,
        /// Why it failed.
        reason: String,
        /// How long to wait before.
        after: Duration,
    },
    /// The file is there.
    Finished {
        /// The URL.
        url: String,
        /// Its size in bytes.
        bytes: u64,
        /// Whether it was there already.
        cached: bool,
    },
    /// A line for the log, at the level of a warning.
    Warning(String),
    /// A line for the log, for those who look for a fault.
    Debug(String),
}

impl FetchEvent {
    /// For [`FetchEvent::Progress`], the time left at the present rate.
    pub fn time_left(&self) -> Option<Duration> {
        match self {
            FetchEvent::Progress { bytes, size: Some(size), rate, .. } if *rate > 0 => {
                Some(Duration::from_secs(size.saturating_sub(*bytes) / rate))
            }
            _ => None,
        }
    }
}

/// Who listens to events; called from several threads at once.
pub type Listener<'a> = &'a (dyn Fn(FetchEvent) + Sync);
