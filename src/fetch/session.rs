//! Files fetched by URL: the network's rules, the client, and the pool behind one face.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::checksum::Checksums;
use super::error::FetchError;
use super::event::Listener;
use super::http::{Client, Credentials, Download, Limits, Transfer, Wanted};
use super::network::Network;
use super::pool::Pool;

/// Transfers at a time from one archive. More make no download faster, and some servers refuse them.
const PARALLEL: usize = 8;

/// What every download of a session shares.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// The HTTP client.
    pub client: &'a Client,
    /// Where the bytes go.
    pub pool: &'a Pool,
    /// How patient to be.
    pub limits: &'a Limits,
    /// What may be reached.
    pub network: &'a Network,
    /// Who is told.
    pub listener: Listener<'a>,
}

/// One file of a list.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Its URL.
    pub url: String,
    /// What its bytes have to be.
    pub checksums: Checksums,
    /// How many there have to be, if known.
    pub size: Option<u64>,
    /// Its name, if the checksums are stated by people: see [`Wanted::name`].
    pub name: Option<String>,
    /// The kinds of content that are understood: see [`Wanted::accept`].
    pub accept: Option<String>,
}

impl Session<'_> {
    /// Fetches one file into the pool, unless it is there: then no network is needed. A `file://` URL is read in place
    /// and its bytes put into the pool.
    ///
    /// # Errors
    /// [`FetchError::Network`] and [`FetchError::Untrusted`] by the network's rules; see [`Transfer::fetch`].
    pub fn fetch(&self, job: &Job, credentials: Option<Credentials>) -> Result<Download, FetchError> {
        let transfer =
            Transfer { client: self.client, pool: self.pool, limits: self.limits, listener: self.listener };
        let name = job.name.as_deref();
        let (size, accept) = (job.size, job.accept.as_deref());
        let wanted = Wanted { url: &job.url, checksums: &job.checksums, size, name, credentials, accept };
        if let Some(found) = transfer.find(&wanted)? {
            return Ok(found);
        }
        if let Some(path) = job.url.strip_prefix("file://") {
            return transfer.copy(&wanted, Path::new(path));
        }
        self.network.check("the HTTP client", &job.url)?;
        transfer.fetch(&wanted)
    }

    /// The bytes of a file that something else is to vouch for. It is not kept.
    ///
    /// # Errors
    /// As [`Session::fetch`]; [`FetchError::Invalid`] if there are more than `limit` bytes.
    pub fn read_once(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let job = Job { url: url.to_owned(), ..Job::default() };
        let download = self.fetch(&job, None)?;
        if download.bytes > limit {
            return Err(FetchError::invalid(url, "it is too large"));
        }
        let data = std::fs::read(&download.path).map_err(FetchError::io(&download.path))?;
        let _ = std::fs::remove_file(&download.path);
        Ok(data)
    }

    /// Fetches several files at a time; the results are in the order of the jobs.
    pub fn fetch_all(&self, jobs: &[Job]) -> Vec<Result<Download, FetchError>> {
        in_parallel(jobs, |job| self.fetch(job, None))
    }
}

/// Does `work` for several things at a time; the results are in the order of the things.
pub(super) fn in_parallel<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PARALLEL.min(things.len()))
            .map(|_| {
                scope.spawn(|| {
                    let mut found = Vec::new();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(thing) = things.get(index) else { return found };
                        found.push((index, work(thing)));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
