//! The hash server of a build: started for it if need be, and asked which tasks give the same output.

use std::path::Path;

use super::session::{Session, Told};
use crate::catalog::Preferences;
use crate::hashserv::{Equivalence, Options, Server};
use crate::lang::diagnostic::Severity;
use crate::task::{Generator, TaskGraph, TaskId, Unihashes};

/// The connection to a hash server. A server started for the build ends with it.
pub struct HashServer {
    /// BB_HASHSERVE as tasks see it.
    pub address: String,
    method: String,
    equivalence: Equivalence,
    /// What went wrong, to be told.
    pub warnings: Vec<String>,
    _server: Option<Server>,
}

impl HashServer {
    /// The server that the configuration names; `auto` starts one. None without.
    pub fn of(
        session: &mut Session,
        preferences: &dyn Preferences,
        generator: Generator,
    ) -> Result<Option<HashServer>, Told> {
        let setting = |name: &str| preferences.get_var(name).unwrap_or_default().into_owned();
        let wanted = setting("BB_HASHSERVE");
        if !generator.asks_server() || wanted.is_empty() {
            return Ok(None);
        }
        let mut server = None;
        let mut address = wanted;
        if address == "auto" {
            let folder = [setting("BB_HASHSERVE_DB_DIR"), setting("PERSISTENT_DIR"), setting("CACHE")]
                .into_iter()
                .find(|folder| !folder.is_empty())
                .unwrap_or_else(|| session.cwd.clone());
            address = format!("unix://{}/hashserve.sock", setting("TOPDIR"));
            server = start(session, &address, Path::new(&folder), &setting("BB_HASHSERVE_UPSTREAM"));
            if server.is_none() {
                return Ok(None);
            }
        }
        let parsed = address
            .parse()
            .map_err(|error| session.fail(&format!("BB_HASHSERVE names no hash server: {error}")))?;
        let method = match generator {
            // As BitBake's own generator for tests has it.
            Generator::TestEquivHash => "sstate_output_hash".to_owned(),
            _ => setting("SSTATE_HASHEQUIV_METHOD"),
        };
        Ok(Some(HashServer {
            address,
            method,
            equivalence: Equivalence::new(parsed, None, Equivalence::LIMIT),
            warnings: Vec::new(),
            _server: server,
        }))
    }
}

/// Starts a server; without one the build goes on with taskhashes as unihashes.
fn start(session: &mut Session, address: &str, folder: &Path, upstream: &str) -> Option<Server> {
    let started = std::fs::create_dir_all(folder).map_err(|error| error.to_string()).and_then(|()| {
        let address = address.parse().map_err(|error| format!("{error}"))?;
        let mut options = Options::new(address, folder.join("hashserv.db"));
        if !upstream.is_empty() {
            options.upstream = Some(upstream.parse().map_err(|error| format!("{error}"))?);
        }
        // What a server forgets when the machine dies is found out again.
        options.durable = false;
        Server::start(options, std::sync::Arc::new(|_| {})).map_err(|error| error.to_string())
    });
    match started {
        Ok(server) => Some(server),
        Err(error) => {
            let text = format!(
                "The hash equivalence server can't be started, so nothing is known to be equal: {error}"
            );
            session.console.message(Severity::Warning, &text);
            None
        }
    }
}

impl Unihashes for HashServer {
    fn unihash(&mut self, graph: &TaskGraph<'_>, task: TaskId, hash: &str) -> Option<String> {
        // Only what can be fetched is ever reported.
        if !graph.tasks[task.index()].setscene {
            return None;
        }
        let asked = self.equivalence.get_unihashes(&[(&self.method, hash)]);
        self.warnings.extend(asked.warning);
        asked.answer.into_iter().next().flatten()
    }
}
