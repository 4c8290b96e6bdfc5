//! The command line of `rbake-hashserv` or `bitbake-hashserv`.

use super::Exit;
use super::spec::{Opt, Spec};
use crate::hashserv::{Address, Importance, Permissions};

/// Which server to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashServOptions {
    /// `-b`: where to listen.
    pub bind: Address,
    /// `-d`: the database's file.
    pub database: String,
    /// `-l`: the least important events to print.
    pub log: Importance,
    /// `-u`: the server to ask for what this one does not know.
    pub upstream: Option<Address>,
    /// `-r`: whether clients may change nothing.
    pub read_only: bool,
    /// `--anon-perms`: what clients may do that have not said who they are.
    pub anonymous: Permissions,
    /// `--admin-user` and `--admin-password`: the account that shall have all permissions.
    pub admin: Option<(String, String)>,
    /// `--reuseport`: whether other servers may listen at the same port.
    pub reuse_port: bool,
}

/// Reads the words after the program's name; environment variables stand in for options that are not there.
pub(super) fn parse(
    prog: &str,
    words: &[String],
    columns: usize,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<HashServOptions, Exit> {
    let spec = spec(prog);
    let mut parsed = spec.parse(words, columns)?;
    let mut or_env = |option: &str, variable: &str| parsed.value(option).or_else(|| env(variable));
    let bind = or_env("-b", "HASHSERVER_BIND");
    let database = or_env("-d", "HASHSERVER_DB");
    let log = or_env("-l", "HASHSERVER_LOG_LEVEL");
    let upstream = or_env("-u", "HASHSERVER_UPSTREAM").filter(|upstream| !upstream.is_empty());
    let anonymous = or_env("--anon-perms", "HASHSERVER_ANON_PERMS");
    let user = or_env("--admin-user", "HASHSERVER_ADMIN_USER").filter(|user| !user.is_empty());
    let password = or_env("--admin-password", "HASHSERVER_ADMIN_PASSWORD");

    let database = database.unwrap_or_else(|| "./hashserv.db".into());
    if database.contains("://") {
        let message = format!("the database is a file of SQLite; '{database}' names a database server");
        return Err(spec.error(&message, columns));
    }
    let admin = match (user, password) {
        (Some(user), Some(password)) => Some((user, password)),
        (Some(_), None) => return Err(spec.error("--admin-user needs --admin-password", columns)),
        (None, _) => None,
    };
    let address = |text: &str| text.parse::<Address>().map_err(|e| spec.error(&e.to_string(), columns));
    let anonymous = match anonymous {
        Some(words) => words.parse().map_err(|e| spec.error(&format!("{e}"), columns))?,
        None => Permissions::anonymous_default(),
    };
    Ok(HashServOptions {
        bind: address(bind.as_deref().unwrap_or("unix://./hashserve.sock"))?,
        database,
        log: importance(log.as_deref().unwrap_or("WARNING")).map_err(|e| spec.error(&e, columns))?,
        upstream: upstream.as_deref().map(address).transpose()?,
        read_only: parsed.has("-r") || env("HASHSERVER_READ_ONLY").as_deref() == Some("1"),
        anonymous,
        admin,
        reuse_port: parsed.has("--reuseport"),
    })
}

/// The name of a log level.
pub(super) fn importance(name: &str) -> Result<Importance, String> {
    match name.to_ascii_uppercase().as_str() {
        "DEBUG" | "NOTSET" => Ok(Importance::Debug),
        "INFO" => Ok(Importance::Info),
        "WARNING" | "WARN" => Ok(Importance::Warning),
        "ERROR" | "CRITICAL" | "FATAL" => Ok(Importance::Error),
        _ => Err(format!("Invalid log level: {name} (Try ERROR/WARNING/INFO/DEBUG)")),
    }
}

fn spec(prog: &str) -> Spec {
    Spec {
        prog: prog.to_string(),
        description: "A hash equivalence server: tells builds which tasks give the same output, so that what depends on them \
                      need not run again. It listens at unix://PATH, ADDRESS:PORT or ws://ADDRESS:PORT; without ADDRESS, at \
                      all of this machine's. Permissions are @read, @report, @db-admin, @user-admin, @all and @none. \
                      With accounts, put a proxy that speaks TLS in front of it: it sends tokens as they are.",
        options: vec![
            Opt::help(),
            Opt::value(
                &["-b", "--bind"],
                "BIND",
                "where to listen ($HASHSERVER_BIND; default unix://./hashserve.sock)",
            ),
            Opt::value(
                &["-d", "--database"],
                "DATABASE",
                "file of the database ($HASHSERVER_DB; default ./hashserv.db)",
            ),
            Opt::value(
                &["-l", "--log"],
                "LOG",
                "what to tell: ERROR, WARNING, INFO or DEBUG ($HASHSERVER_LOG_LEVEL; default WARNING)",
            ),
            Opt::value(
                &["-u", "--upstream"],
                "UPSTREAM",
                "server to ask for what this one does not know ($HASHSERVER_UPSTREAM)",
            ),
            Opt::flag(&["-r", "--read-only"], "let clients change nothing ($HASHSERVER_READ_ONLY)"),
            // SQLite knows no accounts; scripts may name one all the same.
            Opt::value(&["--db-username"], "DB_USERNAME", "not used: the database is a file"),
            Opt::value(&["--db-password"], "DB_PASSWORD", "not used: the database is a file"),
            Opt::value(
                &["--anon-perms"],
                "PERM[,PERM[,...]]",
                "what clients without an account may do ($HASHSERVER_ANON_PERMS; default @read,@report,@db-admin)",
            ),
            Opt::value(
                &["--admin-user"],
                "ADMIN_USER",
                "account that shall have all permissions ($HASHSERVER_ADMIN_USER)",
            ),
            Opt::value(&["--admin-password"], "ADMIN_PASSWORD", "its token ($HASHSERVER_ADMIN_PASSWORD)"),
            Opt::flag(&["--reuseport"], "share the port with other servers"),
        ],
        positionals: Vec::new(),
        abbreviations: true,
        intermixed: false,
    }
}
