//! A registry: manifests and blobs of one repository, and the tokens that it demands.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::fetch::error::FetchError;
use crate::fetch::event::FetchEvent;
use crate::fetch::http::{Credentials, Download, Request};
use crate::fetch::session::{Job, Session};
use crate::fetch::url::redact;
use crate::package::oci::challenge::{Challenge, parse};

/// Largest answer with a token, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// One repository of a registry.
pub(super) struct Registry<'a> {
    session: Session<'a>,
    /// The URL of the repository.
    base: String,
    repository: String,
    /// User and password, where the user has some for this registry.
    login: Option<(String, String)>,
    /// What the registry accepted or demanded last. It lives no longer than this object and is never written down.
    held: Mutex<Option<Credentials>>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Registry<'a> {
    /// The repository `name` of the registry `host`, reached by `http` or `https`.
    pub(super) fn new(
        session: Session<'a>,
        protocol: &str,
        host: &str,
        name: &str,
        login: Option<(String, String)>,
    ) -> Self {
        let base = format!("{protocol}://{host}/v2/{name}");
        Registry { session, base, repository: name.to_owned(), login, held: Mutex::default() }
    }

    /// The URL of something in the repository: `blobs/…` or `manifests/…`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Fetches something into the pool. A demand for a token or a password is met; again where a token was too old already, but
    /// not for ever.
    pub(super) fn fetch(&self, session: &Session<'a>, job: &Job) -> Result<Download, FetchError> {
        let mut credentials = self.held();
        let mut attempt = 0;
        loop {
            let (challenge, message, url) = match session.fetch(job, credentials.clone()) {
                Err(FetchError::Unauthorized { challenge: Some(challenge), message, url }) => {
                    (challenge, message, url)
                }
                other => return other,
            };
            let refused = || FetchError::Failed { message, url: Some(url) };
            attempt += 1;
            let challenge = parse(&challenge).filter(|_| attempt < session.limits.attempts);
            let Some(challenge) = challenge else { return Err(refused()) };
            credentials = self.meet(&challenge, credentials.as_ref())?;
            if credentials.is_none() {
                return Err(refused());
            }
        }
    }

    fn held(&self) -> Option<Credentials> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a demand asks for; `None` if it can't be had. `before` is what did not do.
    fn meet(
        &self,
        challenge: &Challenge,
        before: Option<&Credentials>,
    ) -> Result<Option<Credentials>, FetchError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Another layer's download may have met it meanwhile.
        if held.is_some() && held.as_ref() != before {
            return Ok(held.clone());
        }
        *held = match challenge {
            Challenge::Basic => {
                self.login.clone().map(Credentials::from).filter(|login| Some(login) != before)
            }
            Challenge::Bearer { realm, service, scope } => {
                Some(self.token(realm, service.as_deref(), scope.as_deref())?)
            }
        };
        Ok(held.clone())
    }

    /// Gets a token from where the registry says. The user's password goes there and nowhere else: no redirect is followed.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Credentials, FetchError> {
        let own = format!("repository:{}:pull", self.repository);
        let failed = |reason: &str| {
            FetchError::failed(&self.base, format!("No token could be had from {}: {reason}", redact(realm)))
        };
        let mut url = reqwest::Url::parse(realm).map_err(|error| failed(&error.to_string()))?;
        let secure = self.base.starts_with("https:");
        if !matches!(url.scheme(), "http" | "https") || (secure && url.scheme() == "http") {
            return Err(failed("it is not reached in a secure way"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("it has a password in its URL"));
        }
        url.set_fragment(None);
        {
            let mut query = url.query_pairs_mut();
            service.map(|service| query.append_pair("service", service));
            query.append_pair("scope", scope.unwrap_or(&own));
        }
        self.session.network.check("the HTTP client", realm)?;
        let request = Request {
            url: url.to_string(),
            head_only: false,
            headers: vec![("accept", "application/json".to_owned())],
            credentials: self.login.clone().map(Into::into),
            stall: self.session.limits.stall,
        };
        let mut attempt = 1;
        let body = loop {
            let reason = match self.ask(&request) {
                Ok((200, body)) => break body,
                Ok((status, _)) if !matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504) => {
                    return Err(failed(&format!("HTTP status {status}")));
                }
                Ok((status, _)) => format!("HTTP status {status}"),
                Err(reason) => reason,
            };
            if attempt >= self.session.limits.attempts {
                return Err(failed(&reason));
            }
            let after = (self.session.limits.backoff * attempt).min(self.session.limits.longest_wait);
            (self.session.listener)(FetchEvent::Retrying { url: redact(realm), reason, after });
            std::thread::sleep(after);
            attempt += 1;
        };
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| failed("the answer can't be read"))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| failed("the answer has none"))?;
        // RFC 6750, section 2.1.
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~+/=".contains(&letter);
        if token.is_empty() || !token.bytes().all(is_letter) {
            return Err(failed("what the answer has is none"));
        }
        Ok(Credentials::Bearer(token))
    }

    fn ask(&self, request: &Request) -> Result<(u16, Vec<u8>), String> {
        let mut response = self.session.client.send(request)?;
        let mut body = Vec::new();
        while let Some(piece) = response.next_piece()? {
            body.extend_from_slice((*piece).as_ref());
            if body.len() > MAX_ANSWER {
                return Err("the answer is too large".into());
            }
        }
        Ok((response.status, body))
    }
}
