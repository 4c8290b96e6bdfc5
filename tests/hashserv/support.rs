//! Servers and clients for the tests, and hashes to tell them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rbake::hashserv::{Address, Client, ClientError, Credentials, Options, Permissions, Report, Server};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub const METHOD: &str = "TestMethod";

/// A hash made of a digit or two.
pub fn hash(seed: &str) -> String {
    seed.repeat(64 / seed.len())
}

pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn options(&self, name: &str) -> Options {
        Options::new(Address::Unix(self.path(&format!("{name}.sock"))), self.path("hashes.db"))
    }

    pub fn serve(&self) -> Server {
        start(self.options("server"))
    }

    /// A server where everybody needs an account; `admin` has all permissions.
    pub fn serve_closed(&self) -> Server {
        start(Options {
            anonymous: Permissions::default(),
            admin: Some(("admin".into(), "password".into())),
            ..self.options("closed")
        })
    }
}

pub fn start(options: Options) -> Server {
    Server::start(options, Arc::new(|_| {})).unwrap()
}

pub fn client(server: &Server) -> Client {
    Client::new(server.address().clone(), Duration::from_secs(20))
}

pub fn client_as(server: &Server, username: &str, token: &str) -> Client {
    let credentials = Credentials { username: username.into(), token: token.into() };
    client(server).with_credentials(Some(credentials))
}

pub fn admin(server: &Server) -> Client {
    client_as(server, "admin", "password")
}

/// A client with an account of these permissions; its name is the second.
pub fn user(server: &Server, name: &str, permissions: &[&str]) -> Client {
    let made =
        admin(server).request("new-user", json!({"username": name, "permissions": permissions})).unwrap();
    client_as(server, name, made["token"].as_str().unwrap())
}

pub fn report(taskhash: &str, outhash: &str, unihash: &str) -> Report {
    Report {
        method: METHOD.into(),
        taskhash: taskhash.into(),
        outhash: outhash.into(),
        unihash: unihash.into(),
        extra: Map::new(),
    }
}

/// Tells a task; gives its unihash.
pub fn tell(client: &mut Client, taskhash: &str, outhash: &str, unihash: &str) -> String {
    client.report(&report(taskhash, outhash, unihash)).unwrap()
}

pub fn unihash(client: &mut Client, taskhash: &str) -> Option<String> {
    client.unihash(METHOD, taskhash).unwrap()
}

pub fn count(answer: Value) -> u64 {
    answer["count"].as_u64().unwrap()
}

/// What the server says when it refuses.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
