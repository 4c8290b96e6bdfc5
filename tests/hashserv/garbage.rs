//! Collecting garbage: marks, sweeps, and what happens to hashes in between.

use rbake::hashserv::Client;
use serde_json::{Map, Value, json};

use super::support::*;

fn two_hashes(client: &mut Client) {
    tell(client, &hash("1"), &hash("a"), &hash("3"));
    tell(client, &hash("2"), &hash("b"), &hash("4"));
}

fn mark(client: &mut Client, mark: &str, unihash: &str) -> u64 {
    let condition = json!({"unihash": unihash, "method": METHOD});
    count(client.request("gc-mark", json!({"mark": mark, "where": condition})).unwrap())
}

fn status(client: &mut Client) -> Value {
    client.request("gc-status", json!({})).unwrap()
}

fn sweep(client: &mut Client, mark: &str) -> u64 {
    count(client.request("gc-sweep", json!({"mark": mark})).unwrap())
}

#[test]
fn a_sweep_removes_what_is_not_marked() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    two_hashes(&mut client);
    assert_eq!(mark(&mut client, "ABC", &hash("3")), 1);
    assert_eq!(status(&mut client), json!({"mark": "ABC", "keep": 1, "remove": 1}));
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("4")));
    assert_eq!(sweep(&mut client, "ABC"), 1);
    assert_eq!(unihash(&mut client, &hash("2")), None);
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
    assert_eq!(status(&mut client)["mark"], Value::Null);
}

#[test]
fn marks_may_come_in_a_stream() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    two_hashes(&mut client);
    tell(&mut client, &hash("5"), &hash("c"), &hash("6"));
    let row =
        |hash: String| -> Map<String, Value> { [("unihash".to_string(), hash.into())].into_iter().collect() };
    let rows = [row(hash("3")), row(hash("4")), row(hash("9"))];
    assert_eq!(client.mark_rows("ABC", &rows).unwrap(), 2);
    assert_eq!(status(&mut client), json!({"mark": "ABC", "keep": 2, "remove": 1}));
    assert_eq!(sweep(&mut client, "ABC"), 1);
    assert_eq!(unihash(&mut client, &hash("5")), None);
}

#[test]
fn another_mark_begins_another_collection() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    two_hashes(&mut client);
    mark(&mut client, "ABC", &hash("3"));
    mark(&mut client, "DEF", &hash("4"));
    assert_eq!(status(&mut client), json!({"mark": "DEF", "keep": 1, "remove": 1}));
    assert_eq!(sweep(&mut client, "DEF"), 1);
    assert_eq!(unihash(&mut client, &hash("1")), None);
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("4")));
}

#[test]
fn a_sweep_by_another_mark_is_refused() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    two_hashes(&mut client);
    mark(&mut client, "ABC", &hash("3"));
    let refused = refusal(client.request("gc-sweep", json!({"mark": "DEF"})));
    assert_eq!(refused, "'DEF' is not the current mark. Refusing to sweep");
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("4")));
}

#[test]
fn nothing_is_swept_without_a_collection() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    two_hashes(&mut client);
    for mark in ["ABC", ""] {
        assert!(refusal(client.request("gc-sweep", json!({"mark": mark}))).contains("Refusing to sweep"));
    }
    assert_eq!(status(&mut client), json!({"mark": null, "keep": 2, "remove": 0}));
}

#[test]
fn hashes_told_during_a_collection_are_kept() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(mark(&mut client, "ABC", &hash("3")), 1);
    tell(&mut client, &hash("2"), &hash("b"), &hash("4"));
    assert_eq!(status(&mut client), json!({"mark": "ABC", "keep": 2, "remove": 0}));
    assert_eq!(sweep(&mut client, "ABC"), 0);
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("4")));
}

#[test]
fn a_line_of_marks_that_makes_no_sense_is_refused() {
    let place = Place::new();
    let server = place.serve();
    for argument in
        [json!({"mark": 1, "where": {}}), json!({"where": {}}), json!({"mark": "A", "where": "x"})]
    {
        let refused = refusal(client(&server).request("gc-mark", argument.clone()));
        assert!(refused.contains("mark") || refused.contains("where"), "{argument}: {refused}");
    }
}
