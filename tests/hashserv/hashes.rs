//! Hashes: told, asked, found equal, passed on from another server.

use rbake::hashserv::Options;
use serde_json::{Map, Value, json};

use super::support::*;

#[test]
fn a_told_hash_is_known() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    assert_eq!(unihash(&mut client, &hash("1")), None);
    assert_eq!(tell(&mut client, &hash("1"), &hash("2"), &hash("3")), hash("3"));
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
}

#[test]
fn tasks_with_one_output_get_one_unihash() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(tell(&mut client, &hash("2"), &hash("a"), &hash("4")), hash("3"));
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("3")));
}

#[test]
fn outputs_of_different_methods_are_never_equal() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let mut other = report(&hash("2"), &hash("a"), &hash("4"));
    other.method = "Other".into();
    assert_eq!(client.report(&other).unwrap(), hash("4"));
}

#[test]
fn a_task_keeps_its_first_unihash() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    for (outhash, offered) in [("b", "4"), ("c", "5")] {
        assert_eq!(tell(&mut client, &hash("1"), &hash(outhash), &hash(offered)), hash("3"));
    }
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
}

#[test]
fn a_task_that_gives_varying_outputs_stays_equivalent() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("1"));
    assert_eq!(tell(&mut client, &hash("2"), &hash("a"), &hash("2")), hash("1"));
    assert_eq!(tell(&mut client, &hash("2"), &hash("b"), &hash("2")), hash("1"));
}

#[test]
fn an_equal_output_comes_too_late_for_a_task_with_a_unihash() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("1"));
    assert_eq!(tell(&mut client, &hash("2"), &hash("b"), &hash("2")), hash("2"));
    assert_eq!(tell(&mut client, &hash("2"), &hash("a"), &hash("2")), hash("2"));
    assert_eq!(unihash(&mut client, &hash("2")), Some(hash("2")));
}

#[test]
fn the_oldest_of_several_equal_outputs_counts() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("1"));
    tell(&mut client, &hash("2"), &hash("b"), &hash("2"));
    tell(&mut client, &hash("2"), &hash("a"), &hash("2"));
    assert_eq!(tell(&mut client, &hash("3"), &hash("a"), &hash("3")), hash("1"));
}

#[test]
fn all_that_was_told_can_be_asked() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    let mut told = report(&hash("1"), &hash("a"), &hash("3"));
    for (name, value) in [("PN", "zlib"), ("PV", "1.3"), ("PR", "r0"), ("task", "package"), ("owner", "me")] {
        told.extra.insert(name.into(), value.into());
    }
    told.extra.insert("not-a-column".into(), "x".into());
    client.report(&told).unwrap();
    let task = client.task(METHOD, &hash("1"), true).unwrap().unwrap();
    for (name, value) in [
        ("PN", "zlib"),
        ("PV", "1.3"),
        ("PR", "r0"),
        ("task", "package"),
        ("owner", "me"),
        ("method", METHOD),
    ] {
        assert_eq!(task[name], value, "{name}");
    }
    assert_eq!((&task["taskhash"], &task["outhash"]), (&hash("1").into(), &hash("a").into()));
    assert_eq!(task["unihash"], hash("3"));
    assert!(task["created"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(
        client.task(METHOD, &hash("1"), false).unwrap().unwrap(),
        json!({"method": METHOD, "taskhash": hash("1"), "unihash": hash("3")})
    );
    assert_eq!(client.task(METHOD, &hash("9"), true).unwrap(), None);
}

#[test]
fn an_output_is_found_with_and_without_its_unihash() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let found = client.output(METHOD, &hash("a"), &hash("9"), true).unwrap().unwrap();
    assert_eq!((&found["taskhash"], &found["unihash"]), (&hash("1").into(), &hash("3").into()));
    client.request("remove", json!({"where": {"unihash": hash("3")}})).unwrap();
    assert_eq!(client.output(METHOD, &hash("a"), &hash("9"), true).unwrap(), None);
    let found = client.output(METHOD, &hash("a"), &hash("9"), false).unwrap().unwrap();
    assert_eq!(found.get("unihash"), None);
}

#[test]
fn batches_keep_their_order() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    tell(&mut client, &hash("2"), &hash("b"), &hash("4"));
    let (one, two, three) = (hash("1"), hash("2"), hash("9"));
    let tasks = [two.as_str(), &three, &one, &two].map(|taskhash| (METHOD, taskhash));
    let expected = vec![Some(hash("4")), None, Some(hash("3")), Some(hash("4"))];
    assert_eq!(client.unihashes(tasks).unwrap(), expected);
    let (three, four, nine) = (hash("3"), hash("4"), hash("9"));
    assert_eq!(client.exist([nine.as_str(), &three, &four]).unwrap(), [false, true, true]);
}

#[test]
fn a_batch_may_be_longer_than_what_sockets_hold() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let (known, unknown) = (hash("1"), hash("2"));
    let tasks: Vec<(&str, &str)> =
        (0..50_000).map(|n| (METHOD, if n % 3 == 0 { known.as_str() } else { unknown.as_str() })).collect();
    let answers = client.unihashes(tasks).unwrap();
    assert_eq!(answers.len(), 50_000);
    assert!(answers.iter().enumerate().all(|(n, answer)| answer.is_some() == (n % 3 == 0)));
}

#[test]
fn an_empty_batch_asks_nothing() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(client(&server).unihashes([]).unwrap(), []);
}

#[test]
fn requests_and_streams_take_turns_on_one_connection() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    for round in ["1", "2", "3"] {
        tell(&mut client, &hash(round), &hash(round), &hash(round));
        assert_eq!(unihash(&mut client, &hash(round)), Some(hash(round)));
        assert!(client.exists(&hash(round)).unwrap());
        client.request("ping", json!({})).unwrap();
    }
}

#[test]
fn huge_messages_arrive_whole() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    let text = "blanks   and ümlauts\n".repeat(20_000);
    let mut told = report(&hash("1"), &hash("a"), &hash("3"));
    told.extra.insert("outhash_siginfo".into(), text.clone().into());
    assert_eq!(client.report(&told).unwrap(), hash("3"));
    let found = client.output(METHOD, &hash("a"), &hash("1"), true).unwrap().unwrap();
    assert_eq!(found["outhash_siginfo"].as_str(), Some(text.as_str()));
}

#[test]
fn what_is_no_hash_is_refused_as_a_unihash() {
    let place = Place::new();
    let server = place.serve();
    for wrong in ["${@os.system('true')}".to_string(), "a".repeat(63), "a".repeat(65), "A".repeat(64)] {
        let mut client = client(&server);
        assert_eq!(refusal(client.report(&report(&hash("1"), &hash("a"), &wrong))), "Invalid unihash");
        assert_eq!(refusal(client.report_equivalent(METHOD, &hash("1"), &wrong)), "Invalid unihash");
        assert_eq!(unihash(&mut client, &hash("1")), None);
    }
    let null = json!({"method": METHOD, "taskhash": hash("1"), "outhash": hash("a"), "unihash": null});
    assert_eq!(refusal(client(&server).request("report", null)), "Invalid unihash");
}

#[test]
fn an_equivalence_is_taken_only_for_a_task_without_unihash() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    assert_eq!(client.report_equivalent(METHOD, &hash("1"), &hash("3")).unwrap(), hash("3"));
    assert_eq!(client.report_equivalent(METHOD, &hash("1"), &hash("4")).unwrap(), hash("3"));
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
}

#[test]
fn rows_are_removed_by_each_column() {
    for (column, value, known_after) in [
        ("taskhash", hash("1"), false),
        ("unihash", hash("3"), false),
        ("method", METHOD.to_string(), false),
        ("outhash", hash("a"), true),
    ] {
        let place = Place::new();
        let server = place.serve();
        let mut client = client(&server);
        tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
        assert!(count(client.request("remove", json!({"where": {column: value}})).unwrap()) > 0, "{column}");
        assert_eq!(unihash(&mut client, &hash("1")).is_some(), known_after, "{column}");
        assert_eq!(client.output(METHOD, &hash("a"), &hash("1"), true).unwrap(), None, "{column}");
    }
}

#[test]
fn only_rows_with_all_the_values_are_removed_and_unknown_columns_remove_nothing() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    for condition in [
        json!({"taskhash": hash("1"), "method": "Other"}),
        json!({"id = 1 OR 1": 1}),
        json!({"method": null}),
        json!({}),
    ] {
        assert_eq!(count(client.request("remove", json!({"where": condition})).unwrap()), 0, "{condition}");
    }
    assert_eq!(unihash(&mut client, &hash("1")), Some(hash("3")));
    assert!(refusal(client.request("remove", json!({"where": []}))).contains("where"));
}

#[test]
fn outputs_in_use_and_young_ones_are_not_cleaned() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let clean = |client: &mut rbake::hashserv::Client, age: u64| {
        count(client.request("clean-unused", json!({"max_age_seconds": age})).unwrap())
    };
    assert_eq!(clean(&mut client, 0), 0);
    client.request("remove", json!({"where": {"unihash": hash("3")}})).unwrap();
    assert_eq!(clean(&mut client, 3600), 0);
    assert!(client.output(METHOD, &hash("a"), &hash("1"), false).unwrap().is_some());
    assert_eq!(clean(&mut client, 0), 1);
    assert_eq!(client.output(METHOD, &hash("a"), &hash("1"), false).unwrap(), None);
}

#[test]
fn requests_are_counted() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    client.request("reset-stats", Value::Null).unwrap();
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let (one, two) = (hash("1"), hash("2"));
    client.unihashes([(METHOD, one.as_str()), (METHOD, &two)]).unwrap();
    // reset-stats itself, the report, two lines of the stream.
    assert_eq!(client.request("get-stats", Value::Null).unwrap()["requests"]["num"], 4);
    client.request("reset-stats", Value::Null).unwrap();
    assert_eq!(client.request("get-stats", Value::Null).unwrap()["requests"]["num"], 1);
}

#[test]
fn tables_and_columns_are_told() {
    let place = Place::new();
    let server = place.serve();
    let mut client = client(&server);
    tell(&mut client, &hash("1"), &hash("a"), &hash("3"));
    let usage = client.request("get-db-usage", json!({})).unwrap();
    assert_eq!(
        usage["usage"],
        json!({"unihashes_v3": {"rows": 1}, "outhashes_v2": {"rows": 1}, "users": {"rows": 0}, "config": {"rows": 0}})
    );
    client.request("remove", json!({"where": {"method": METHOD}})).unwrap();
    let columns = client.request("get-db-query-columns", json!({})).unwrap();
    for column in columns["columns"].as_array().unwrap() {
        let condition: Map<String, Value> =
            [(column.as_str().unwrap().to_string(), "".into())].into_iter().collect();
        assert_eq!(count(client.request("remove", json!({"where": condition})).unwrap()), 0);
    }
}

#[test]
fn a_hundred_clients_at_once_get_their_answers() {
    let place = Place::new();
    let server = place.serve();
    let hashes: Vec<String> = (0..100).map(|n| format!("{n:064x}")).collect();
    let mut teller = client(&server);
    for hash in &hashes {
        tell(&mut teller, hash, hash, hash);
    }
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = client(&server);
                for hash in &hashes {
                    assert_eq!(client.unihash(METHOD, hash).unwrap().as_ref(), Some(hash));
                }
            });
        }
    });
}

#[test]
fn two_clients_that_tell_one_output_at_once_agree() {
    let place = Place::new();
    let server = place.serve();
    let told: Vec<String> = std::thread::scope(|scope| {
        let tellers: Vec<_> = (0..16)
            .map(|n| {
                let (server, own) = (&server, format!("{n:064x}"));
                scope.spawn(move || tell(&mut client(server), &own, &hash("a"), &own))
            })
            .collect();
        tellers.into_iter().map(|teller| teller.join().unwrap()).collect()
    });
    let mut asker = client(&server);
    for (n, told) in told.iter().enumerate() {
        assert_eq!(unihash(&mut asker, &format!("{n:064x}")).as_ref(), Some(told));
    }
}

#[test]
fn hashes_outlive_the_server() {
    let place = Place::new();
    tell(&mut client(&place.serve()), &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(unihash(&mut client(&place.serve()), &hash("1")), Some(hash("3")));
}

/// An upstream server, one that asks it, and one beside that which shares its database but asks nobody.
fn chain(place: &Place) -> (rbake::hashserv::Server, rbake::hashserv::Server, rbake::hashserv::Server) {
    let up = start(Options { database: place.path("up.db"), ..place.options("up") });
    let down = start(Options { upstream: Some(up.address().clone()), ..place.options("down") });
    let side = start(place.options("side"));
    (up, down, side)
}

#[test]
fn what_the_upstream_server_knows_is_passed_on_and_kept() {
    let place = Place::new();
    let (up, down, side) = chain(&place);
    let (mut up, mut down, mut side) = (client(&up), client(&down), client(&side));
    tell(&mut up, &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(unihash(&mut side, &hash("1")), None);
    assert_eq!(unihash(&mut down, &hash("1")), Some(hash("3")));
    down.request("backfill-wait", Value::Null).unwrap();
    assert_eq!(unihash(&mut side, &hash("1")), Some(hash("3")));
}

#[test]
fn what_is_told_downstream_stays_there() {
    let place = Place::new();
    let (up, down, _side) = chain(&place);
    tell(&mut client(&down), &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(unihash(&mut client(&up), &hash("1")), None);
}

#[test]
fn an_output_that_upstream_knows_gives_its_unihash() {
    let place = Place::new();
    let (up, down, _side) = chain(&place);
    tell(&mut client(&up), &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(tell(&mut client(&down), &hash("2"), &hash("a"), &hash("4")), hash("3"));
}

#[test]
fn tasks_outputs_and_unihashes_are_read_through() {
    let place = Place::new();
    let (up, down, _side) = chain(&place);
    let (mut up, mut down) = (client(&up), client(&down));
    tell(&mut up, &hash("1"), &hash("a"), &hash("3"));
    tell(&mut up, &hash("2"), &hash("b"), &hash("4"));
    tell(&mut up, &hash("5"), &hash("c"), &hash("6"));
    let task = down.task(METHOD, &hash("1"), true).unwrap().unwrap();
    assert_eq!((&task["outhash"], &task["unihash"]), (&hash("a").into(), &hash("3").into()));
    assert_eq!(down.output(METHOD, &hash("b"), &hash("2"), true).unwrap().unwrap()["unihash"], hash("4"));
    assert_eq!(down.task(METHOD, &hash("5"), false).unwrap().unwrap()["unihash"], hash("6"));
    assert_eq!(down.task(METHOD, &hash("9"), false).unwrap(), None);
    assert!(down.exists(&hash("3")).unwrap());
    assert!(!down.exists(&hash("9")).unwrap());
}

#[test]
fn a_read_only_server_answers_and_changes_nothing() {
    let place = Place::new();
    let server = place.serve();
    let reader = start(Options { read_only: true, ..place.options("reader") });
    let (mut writer, mut reader) = (client(&server), client(&reader));
    tell(&mut writer, &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(unihash(&mut reader, &hash("1")), Some(hash("3")));
    assert_eq!(tell(&mut reader, &hash("2"), &hash("b"), &hash("4")), hash("4"));
    // An equal output is told even so.
    assert_eq!(tell(&mut reader, &hash("2"), &hash("a"), &hash("4")), hash("3"));
    assert_eq!(unihash(&mut writer, &hash("2")), None);
    assert!(reader.request("remove", json!({"where": {"taskhash": hash("1")}})).is_err());
    assert!(reader.report_equivalent(METHOD, &hash("2"), &hash("3")).is_err());
    assert_eq!(unihash(&mut writer, &hash("1")), Some(hash("3")));
}
