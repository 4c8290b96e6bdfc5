//! A session of the fetcher in a scratch directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rbake::fetch::{Client, FetchEvent, Limits, Network, Pool, Session};

/// What a session borrows from.
pub struct Setup {
    pub dir: tempfile::TempDir,
    pub client: Client,
    pub pool: Pool,
    pub limits: Limits,
    pub network: Network,
}

impl Setup {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Setup {
            client: Client::start(&BTreeMap::new(), Duration::from_secs(20)).unwrap(),
            pool: Pool::open(dir.path().join("pool")).unwrap(),
            limits: Limits { attempts: 3, backoff: Duration::from_millis(5), ..Limits::default() },
            network: Network::default(),
            dir,
        }
    }

    pub fn session<'a>(&'a self, listener: &'a (dyn Fn(FetchEvent) + Sync)) -> Session<'a> {
        Session {
            client: &self.client,
            pool: &self.pool,
            limits: &self.limits,
            network: &self.network,
            listener,
        }
    }

    pub fn downloads(&self) -> PathBuf {
        self.dir.path().join("downloads")
    }
}
