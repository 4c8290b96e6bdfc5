//! Servers that die, hang or are not there, and what a build notices of it: one warning.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rbake::hashserv::{Address, Equivalence, Options, Server, ServerError};

use super::support::*;

fn equivalence(address: &Address, limit: u64) -> Equivalence {
    Equivalence::new(address.clone(), None, Duration::from_millis(limit))
}

#[test]
fn a_build_asks_many_tasks_at_once() {
    let place = Place::new();
    let server = place.serve();
    tell(&mut client(&server), &hash("1"), &hash("a"), &hash("3"));
    let mut build = equivalence(server.address(), 20_000);
    let (one, two) = (hash("1"), hash("2"));
    let asked = build.get_unihashes(&[(METHOD, &two), (METHOD, &one)]);
    assert_eq!((asked.answer, asked.warning), (vec![None, Some(hash("3"))], None));
    let told = build.report(&report(&hash("2"), &hash("a"), &hash("2")));
    assert_eq!((told.answer, told.warning), (hash("3"), None));
}

#[test]
fn a_dying_server_is_one_warning() {
    let place = Place::new();
    let server = place.serve();
    let address = server.address().clone();
    let mut build = equivalence(&address, 20_000);
    let one = hash("1");
    assert_eq!(build.get_unihashes(&[(METHOD, &one)]).warning, None);
    server.stop();
    let asked = build.get_unihashes(&[(METHOD, &one), (METHOD, &one)]);
    assert_eq!(asked.answer, [None, None]);
    let warning = asked.warning.unwrap();
    assert!(
        warning.starts_with(&format!("Error contacting Hash Equivalence Server {address}: ")),
        "{warning}"
    );
    // From now on taskhashes are unihashes, in silence.
    assert!(build.has_failed());
    let told = build.report(&report(&one, &hash("a"), &hash("3")));
    assert_eq!((told.answer, told.warning), (hash("3"), None));
    assert_eq!(build.exist(&[&one]).answer, [false]);
    assert_eq!(build.report_equivalent(METHOD, &one, &hash("3")).answer, None);
}

#[test]
fn a_silent_server_costs_no_more_than_the_limit() {
    let place = Place::new();
    let path = place.path("silent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let start = Instant::now();
    let one = hash("1");
    let asked = equivalence(&Address::Unix(path), 200).get_unihashes(&[(METHOD, &one)]);
    assert!(asked.warning.unwrap().ends_with("Timed out waiting for data"));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_server_that_answers_with_nonsense_is_not_believed() {
    use std::io::{BufRead, BufReader, Write};
    let place = Place::new();
    let path = place.path("liar.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let liar = std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            // The greeting's three lines, the command, one question.
            for _ in 0..4 {
                lines.next();
            }
            stream.write_all(b"\"ok\"\n").unwrap();
            lines.next();
            stream.write_all(b"../../etc/passwd\n").unwrap();
            lines.next();
        }
    });
    let one = hash("1");
    let mut build = equivalence(&Address::Unix(path), 5_000);
    let asked = build.get_unihashes(&[(METHOD, &one)]);
    assert_eq!(asked.answer, [None]);
    assert!(asked.warning.is_some());
    drop(build);
    liar.join().unwrap();
}

#[test]
fn a_client_survives_a_restart_of_the_server() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    server.stop();
    let _again = place.serve();
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
}

#[test]
fn a_stopped_server_leaves_no_socket_and_a_killed_ones_is_replaced() {
    let place = Place::new();
    let server = place.serve();
    let path = place.path("server.sock");
    assert!(exists(&path));
    server.stop();
    assert!(!exists(&path));
    drop(UnixListener::bind(&path).unwrap());
    assert!(exists(&path), "a dead socket");
    unihash(&mut client(&place.serve()), &hash("1"));
}

#[test]
fn a_living_servers_socket_is_not_taken() {
    let place = Place::new();
    let server = place.serve();
    let second = Server::start(place.options("server"), Arc::new(|_| {}));
    assert!(matches!(second, Err(ServerError::InUse(_))));
    assert_eq!(unihash(&mut client(&server), &hash("1")), None);
}

#[test]
fn a_server_stops_while_clients_are_connected() {
    let place = Place::new();
    let server = place.serve();
    let mut clients: Vec<_> = (0..10).map(|_| client(&server)).collect();
    for client in &mut clients {
        assert_eq!(unihash(client, &hash("1")), None);
    }
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(clients[0].unihash(METHOD, &hash("1")).is_err());
}

#[test]
fn an_upstream_server_that_dies_knows_nothing() {
    let place = Place::new();
    let up = start(Options { database: place.path("up.db"), ..place.options("up") });
    let down = start(Options { upstream: Some(up.address().clone()), ..place.options("down") });
    let mut asker = client(&down);
    up.stop();
    assert_eq!(unihash(&mut asker, &hash("1")), None);
    assert_eq!(tell(&mut asker, &hash("1"), &hash("a"), &hash("3")), hash("3"));
    asker.request("backfill-wait", serde_json::Value::Null).unwrap();
}

#[test]
fn a_read_only_server_cannot_have_an_upstream_server() {
    let place = Place::new();
    let options =
        Options { read_only: true, upstream: Some("host:1".parse().unwrap()), ..place.options("x") };
    assert!(matches!(Server::start(options, Arc::new(|_| {})), Err(ServerError::ReadOnlyUpstream)));
}

#[test]
fn a_database_that_is_none_is_told() {
    let place = Place::new();
    std::fs::write(
        place.path("hashes.db"),
        "no database, but long enough to be looked at as one".repeat(100),
    )
    .unwrap();
    let error = Server::start(place.options("x"), Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.starts_with("hash equivalence database: "), "{error}");
}
