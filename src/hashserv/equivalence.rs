//! Hash equivalence as the queue uses it: many tasks at once, and a server that fails costs one warning.

use std::time::Duration;

use super::client::{Client, Credentials, Report};
use super::error::ClientError;
use super::{Address, is_unihash};

/// Answers, and at most one warning in the life of an [`Equivalence`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked<T> {
    /// What the server says, or what holds without it.
    pub answer: T,
    /// To be shown to the user.
    pub warning: Option<String>,
}

/// A server's knowledge, asked on behalf of a build.
///
/// When the server fails, this and all later questions are answered without it: the build goes on with taskhashes as unihashes.
pub struct Equivalence {
    client: Client,
    failed: bool,
}

impl Equivalence {
    /// The time that each answer may take unless said otherwise.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// Equivalence by the server at `address`.
    pub fn new(address: Address, credentials: Option<Credentials>, limit: Duration) -> Equivalence {
        Equivalence { client: Client::new(address, limit).with_credentials(credentials), failed: false }
    }

    /// Whether the server has failed, so that nothing is asked any more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The unihashes of tasks, each a method and a taskhash, in their order; `None` where the taskhash is to be used.
    pub fn get_unihashes(&mut self, tasks: &[(&str, &str)]) -> Asked<Vec<Option<String>>> {
        let asked = self.ask(|client| {
            let unihashes = client.unihashes(tasks.iter().copied())?;
            match unihashes.iter().flatten().find(|unihash| !is_unihash(unihash)) {
                Some(wrong) => Err(ClientError::Protocol(wrong.clone())),
                None => Ok(unihashes),
            }
        });
        Asked { answer: asked.answer.unwrap_or_else(|| vec![None; tasks.len()]), warning: asked.warning }
    }

    /// Whether unihashes are known, in their order; without a server nothing is.
    pub fn exist(&mut self, unihashes: &[&str]) -> Asked<Vec<bool>> {
        let asked = self.ask(|client| client.exist(unihashes.iter().copied()));
        Asked { answer: asked.answer.unwrap_or_else(|| vec![false; unihashes.len()]), warning: asked.warning }
    }

    /// Tells the output of a task; gives its unihash, which is the one reported if the server knows nothing equal or fails.
    pub fn report(&mut self, report: &Report) -> Asked<String> {
        let asked = self.ask(|client| checked(client.report(report)?));
        Asked { answer: asked.answer.unwrap_or_else(|| report.unihash.clone()), warning: asked.warning }
    }

    /// Tells that a task has a unihash; gives the one that the server has for it, or `None` without a server.
    pub fn report_equivalent(
        &mut self,
        method: &str,
        taskhash: &str,
        unihash: &str,
    ) -> Asked<Option<String>> {
        self.ask(|client| checked(client.report_equivalent(method, taskhash, unihash)?))
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut Client) -> Result<T, ClientError>) -> Asked<Option<T>> {
        if self.failed {
            return Asked { answer: None, warning: None };
        }
        match question(&mut self.client) {
            Ok(answer) => Asked { answer: Some(answer), warning: None },
            Err(error) => {
                self.failed = true;
                self.client.disconnect();
                let address = self.client.address();
                let warning = format!("Error contacting Hash Equivalence Server {address}: {error}");
                Asked { answer: None, warning: Some(warning) }
            }
        }
    }
}

fn checked(unihash: String) -> Result<String, ClientError> {
    if is_unihash(&unihash) { Ok(unihash) } else { Err(ClientError::Protocol(unihash)) }
}
