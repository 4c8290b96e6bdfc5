//! One file, whatever the network does: resumed after a cut, tried again after a fault, checked before it counts.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::{Client, Credentials, Request, Response};
use crate::fetch::checksum::Checksums;
use crate::fetch::error::FetchError;
use crate::fetch::event::{FetchEvent, Listener};
use crate::fetch::pool::{Partial, Pool};
use crate::fetch::url::redact;
use crate::verify::{Digest, Hasher, parse_date};

/// How patient a transfer is.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Attempts in a row that may fail without getting noticeably further.
    pub attempts: u32,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long nothing may arrive.
    pub stall: Duration,
    /// Wait before the second attempt; it doubles from there.
    pub backoff: Duration,
    /// Longest wait, also when the server asks for a longer one.
    pub longest_wait: Duration,
    /// Redirects in a row.
    pub redirects: u32,
    /// Largest file, in bytes.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            attempts: 5,
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(120),
            redirects: 20,
            size: 1 << 40,
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The URL, without parameters.
    pub url: &'a str,
    /// What its bytes have to be.
    pub checksums: &'a Checksums,
    /// How many there have to be, if known.
    pub size: Option<u64>,
    /// The name of the file, where people state the checksum: then the pool's file only counts if it was fetched under
    /// this name. Who raises a version and forgets the checksum has to be told, not given the old file.
    pub name: Option<&'a str>,
    /// What proves to the URL's own host who asks.
    pub credentials: Option<Credentials>,
    /// The kinds of content that are understood, if the server has to know.
    pub accept: Option<&'a str>,
}

/// What arrived.
#[derive(Clone, Debug)]
pub struct Download {
    /// The file in the pool.
    pub path: PathBuf,
    /// The digests of its bytes.
    pub digests: Vec<Digest>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it was in the pool already.
    pub cached: bool,
}

/// Everything a transfer needs.
#[derive(Clone, Copy)]
pub struct Transfer<'a> {
    /// The client.
    pub client: &'a Client,
    /// Where the bytes go.
    pub pool: &'a Pool,
    /// How patient to be.
    pub limits: &'a Limits,
    /// Who is told.
    pub listener: Listener<'a>,
}

/// Progress that makes up for a failed attempt.
const NOTICEABLE: u64 = 64 * 1024;

/// How an attempt failed.
enum Failure {
    /// Another attempt may help, after the time the server asks for.
    Again(String, Option<Duration>),
    /// It is no use.
    Final(FetchError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Failure::Final(error)
    }
}

fn again(reason: impl Into<String>) -> Failure {
    Failure::Again(reason.into(), None)
}

impl Transfer<'_> {
    /// Fetches a file into the pool, unless it is there.
    ///
    /// # Errors
    /// [`FetchError::Checksum`] if the server steadily sends other bytes than promised, [`FetchError::Failed`] if it
    /// does not send them, and whatever the file system gives.
    pub fn fetch(&self, wanted: &Wanted<'_>) -> Result<Download, FetchError> {
        let shown = redact(wanted.url);
        let strong = wanted.checksums.strongest().filter(|digest| digest.algorithm().is_strong());
        if let Some(found) = self.in_pool(strong.as_ref(), &shown, wanted)? {
            return Ok(found);
        }
        let key = strong.as_ref().map_or_else(|| wanted.url.to_owned(), ToString::to_string);
        let mut partial = self.pool.partial(&key)?;
        // Somebody else may have fetched it while this one waited.
        if let Some(found) = self.in_pool(strong.as_ref(), &shown, wanted)? {
            partial.discard();
            return Ok(found);
        }
        let mut failed = 0;
        let mut wrong: Vec<String> = Vec::new();
        loop {
            let before = partial.length();
            let (reason, asked) = match self.attempt(wanted, strong.is_some(), &mut partial) {
                Ok(digests) => {
                    match wanted.checksums.compare(&shown, PathBuf::from(&shown).as_path(), &digests) {
                        Ok(()) => {
                            let bytes = partial.length();
                            let path = self.pool.store(partial, &digests)?;
                            if let Some(name) = wanted.name {
                                self.pool.know_as(&digests, name)?;
                            }
                            (self.listener)(FetchEvent::Finished { url: shown, bytes, cached: false });
                            return Ok(Download { path, digests, bytes, cached: false });
                        }
                        Err(FetchError::Checksum { found, .. }) if !wrong.contains(&found) => {
                            // Damage on the way differs each time; the same bytes twice are what the server has.
                            partial.restart(None)?;
                            let reason = format!("the content is not the promised one ({found})");
                            wrong.push(found);
                            (reason, None)
                        }
                        Err(error) => {
                            partial.discard();
                            return Err(error);
                        }
                    }
                }
                Err(Failure::Again(reason, asked)) => (reason, asked),
                Err(Failure::Final(error)) => return Err(error),
            };
            failed = if partial.length() >= before + NOTICEABLE { 1 } else { failed + 1 };
            if failed >= self.limits.attempts {
                return Err(FetchError::failed(wanted.url, format!("After {failed} attempts: {reason}")));
            }
            let after = self.wait(wanted.url, failed, asked);
            (self.listener)(FetchEvent::Retrying { url: shown.clone(), reason, after });
            std::thread::sleep(after);
        }
    }

    /// The file in the pool, if a strong digest of it is known and it is there.
    ///
    /// # Errors
    /// If it has that digest, but not all checksums that are stated.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Option<Download>, FetchError> {
        let strong = wanted.checksums.strongest().filter(|digest| digest.algorithm().is_strong());
        self.in_pool(strong.as_ref(), &redact(wanted.url), wanted)
    }

    /// Puts the bytes of a file of this machine into the pool, checked like any others.
    ///
    /// # Errors
    /// [`FetchError::Checksum`], and whatever the file system gives.
    pub fn copy(&self, wanted: &Wanted<'_>, from: &Path) -> Result<Download, FetchError> {
        let mut file = File::open(from).map_err(FetchError::io(from))?;
        let mut partial = self.pool.partial(&from.to_string_lossy())?;
        partial.restart(None)?;
        let mut hasher = Hasher::new(&wanted.checksums.algorithms());
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = file.read(&mut buffer).map_err(FetchError::io(from))?;
            let data = buffer.get(..count).unwrap_or_default();
            if data.is_empty() {
                break;
            }
            hasher.update(data);
            partial.append(data)?;
        }
        let (digests, bytes) = (hasher.finish(), partial.length());
        if let Err(error) = wanted.checksums.compare(wanted.url, from, &digests) {
            partial.discard();
            return Err(error);
        }
        let path = self.pool.store(partial, &digests)?;
        if let Some(name) = wanted.name {
            self.pool.know_as(&digests, name)?;
        }
        (self.listener)(FetchEvent::Finished { url: redact(wanted.url), bytes, cached: false });
        Ok(Download { path, digests, bytes, cached: false })
    }

    fn in_pool(
        &self,
        strong: Option<&Digest>,
        shown: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Download>, FetchError> {
        let known =
            strong.filter(|digest| wanted.name.is_none_or(|name| self.pool.is_known_as(digest, name)));
        let Some(path) = known.and_then(|digest| self.pool.find(digest)) else { return Ok(None) };
        // The file may have been written to through one of its other names; all checksums that are stated count.
        let digests = match wanted.checksums.verify_file(wanted.url, &path) {
            Ok(digests) => digests,
            Err(error) => {
                let name_counts = |digest: &Digest| {
                    Digest::of_file(digest.algorithm(), &path).is_ok_and(|found| found == *digest)
                };
                if strong.is_some_and(name_counts) {
                    return Err(error);
                }
                self.pool.forget(&path);
                return Ok(None);
            }
        };
        let bytes = std::fs::metadata(&path).map_err(FetchError::io(&path))?.len();
        (self.listener)(FetchEvent::Finished { url: shown.to_owned(), bytes, cached: true });
        Ok(Some(Download { path, digests, bytes, cached: true }))
    }

    /// The wait before the next attempt: what the server asks for, else ever longer and a little uneven, so that many
    /// transfers that failed together do not come back together.
    fn wait(&self, url: &str, failed: u32, asked: Option<Duration>) -> Duration {
        let own = self.limits.backoff.saturating_mul(1 << (failed - 1).min(10));
        let uneven =
            url.bytes().fold(failed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 50;
        asked.unwrap_or(own * (75 + uneven) / 100).min(self.limits.longest_wait)
    }

    /// One attempt; the digests of the whole file if all of it is there.
    fn attempt(
        &self,
        wanted: &Wanted<'_>,
        safe: bool,
        partial: &mut Partial,
    ) -> Result<Vec<Digest>, Failure> {
        let algorithms = wanted.checksums.algorithms();
        let mut hasher = Hasher::new(&algorithms);
        let validator = partial.note().filter(|note| !note.is_empty());
        // Without a version to ask for, only a digest can tell that the parts fit together.
        if partial.length() > 0 && (safe || validator.is_some()) {
            partial.resume(&mut hasher)?;
        } else {
            partial.restart(None)?;
        }
        let offset = partial.length();
        let (mut response, own) = self.request(wanted, offset, validator.as_deref())?;
        let mut total = response.content_length;
        match response.status {
            206 if offset > 0 => match content_range(response.header("content-range")) {
                Some((start, whole)) if start == offset => total = whole,
                _ => {
                    partial.restart(None)?;
                    return Err(again("the server sent another part than asked for"));
                }
            },
            200 => {
                partial.restart(version(&response).as_deref())?;
                hasher = Hasher::new(&algorithms);
            }
            416 if offset > 0 => {
                let whole = response.header("content-range").and_then(|range| range.strip_prefix("bytes */"));
                if whole.and_then(|size| size.parse().ok()) == Some(offset) {
                    return Ok(hasher.finish());
                }
                partial.restart(None)?;
                return Err(again("the server has not as much as is here already"));
            }
            status => return Err(self.refused(wanted, status, &response, own)),
        }
        if let (Some(size), Some(total)) = (wanted.size, total)
            && size != total
        {
            return Err(again(format!("the server offers {total} bytes where {size} were expected")));
        }
        let limit = wanted.size.unwrap_or(self.limits.size);
        let too_big = || format!("The file is larger than {limit} bytes");
        if total.is_some_and(|total| total > limit) {
            return Err(Failure::Final(FetchError::failed(wanted.url, too_big())));
        }
        self.receive(wanted, &mut response, partial, &mut hasher, total, limit)?;
        if partial.length() == 0 && wanted.size != Some(0) {
            return Err(Failure::Final(FetchError::failed(
                wanted.url,
                format!(
                    "The fetch of {} resulted in a zero size file?! Deleting and failing since this isn't right.",
                    redact(wanted.url)
                ),
            )));
        }
        match wanted.size.or(total) {
            Some(size) if partial.length() < size => {
                Err(again(format!("the connection ended after {} of {size} bytes", partial.length())))
            }
            Some(size) if partial.length() > size => {
                partial.restart(None)?;
                Err(again("the server sent more than it promised"))
            }
            _ => Ok(hasher.finish()),
        }
    }

    fn receive(
        &self,
        wanted: &Wanted<'_>,
        response: &mut Response,
        partial: &mut Partial,
        hasher: &mut Hasher,
        size: Option<u64>,
        limit: u64,
    ) -> Result<(), Failure> {
        let url = redact(wanted.url);
        (self.listener)(FetchEvent::Started { url: url.clone(), size });
        let (start, begun) = (Instant::now(), partial.length());
        let mut told = start;
        while let Some(piece) = response.next_piece().map_err(again)? {
            let data = (*piece).as_ref();
            if partial.length() + data.len() as u64 > limit {
                partial.restart(None)?;
                let message = format!("The file is larger than {limit} bytes");
                return match wanted.size {
                    Some(_) => Err(again(message)),
                    None => Err(Failure::Final(FetchError::failed(wanted.url, message))),
                };
            }
            hasher.update(data);
            partial.append(data)?;
            if told.elapsed() >= Duration::from_millis(200) {
                told = Instant::now();
                let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = (partial.length() - begun).saturating_mul(1000) / millis;
                let bytes = partial.length();
                (self.listener)(FetchEvent::Progress { url: url.clone(), bytes, size, rate });
            }
        }
        Ok(())
    }

    /// Sends the request, following redirects. Credentials stay with the host they are for; the second value tells whether it
    /// is that host that answers.
    fn request(
        &self,
        wanted: &Wanted<'_>,
        offset: u64,
        validator: Option<&str>,
    ) -> Result<(Response, bool), Failure> {
        let mut headers = vec![("accept-encoding", "identity".to_owned())];
        headers.extend(wanted.accept.map(|kinds| ("accept", kinds.to_owned())));
        if offset > 0 {
            headers.push(("range", format!("bytes={offset}-")));
            headers.extend(validator.map(|version| ("if-range", version.to_owned())));
        }
        let invalid =
            |error: &dyn std::fmt::Display| Failure::Final(FetchError::failed(wanted.url, error.to_string()));
        let mut url = reqwest::Url::parse(wanted.url).map_err(|error| invalid(&error))?;
        let mut credentials = wanted.credentials.clone();
        let mut own = true;
        for _ in 0..=self.limits.redirects {
            let request = Request {
                url: url.to_string(),
                head_only: false,
                headers: headers.clone(),
                credentials: credentials.clone(),
                stall: self.limits.stall,
            };
            let response = self.client.send(&request).map_err(again)?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok((response, own));
            }
            let Some(next) = response.header("location").and_then(|target| url.join(target).ok()) else {
                return Err(invalid(&"The server redirects to nowhere"));
            };
            if !matches!(next.scheme(), "http" | "https") {
                return Err(invalid(&"The server redirects to something that is not HTTP"));
            }
            if url.scheme() == "https" && next.scheme() == "http" && !wanted.checksums.any() {
                return Err(invalid(&"The server redirects from https to http, and no checksum is known"));
            }
            if next.origin() != url.origin() {
                (credentials, own) = (None, false);
            }
            url = next;
        }
        Err(invalid(&format!("The server redirects more than {} times", self.limits.redirects)))
    }

    fn refused(&self, wanted: &Wanted<'_>, status: u16, response: &Response, own: bool) -> Failure {
        let reason = format!("The server answers with HTTP status {status}");
        if status == 401 {
            // Another host may not tell where to send what proves who asks.
            let challenge = response.header_list("www-authenticate").filter(|_| own);
            let url = redact(wanted.url);
            return Failure::Final(FetchError::Unauthorized { message: reason, url, challenge });
        }
        if !matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504) {
            return Failure::Final(FetchError::failed(wanted.url, reason));
        }
        let asked = response.header("retry-after").and_then(|value| match value.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
                Some(Duration::from_secs(parse_date(value)?.saturating_sub(now)))
            }
        });
        Failure::Again(reason, asked)
    }
}

/// What tells one version of a file from another: a strong entity tag, else the date of its change.
fn version(response: &Response) -> Option<String> {
    let tag = response.header("etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| response.header("last-modified")).map(str::to_owned)
}

/// Start and whole size from `bytes 5-9/10`.
fn content_range(value: Option<&str>) -> Option<(u64, Option<u64>)> {
    let (range, whole) = value?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, whole.parse().ok()))
}
