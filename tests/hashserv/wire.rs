//! The protocol as bytes: what BitBake's own client sends and expects.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rbake::hashserv::{Address, Options, Server};

use super::support::*;

struct Talk {
    reader: BufReader<TcpStream>,
}

impl Talk {
    fn to(server: &Server) -> Talk {
        let Address::Tcp { host, port } = server.address() else { panic!("no TCP") };
        let stream = TcpStream::connect((host.as_str(), *port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Talk { reader: BufReader::new(stream) }
    }

    fn greeted(server: &Server) -> Talk {
        let mut talk = Talk::to(server);
        talk.say("OEHASHEQUIV 1.1\nneeds-headers: false\n\n");
        talk
    }

    fn say(&mut self, bytes: &str) {
        self.reader.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    /// Whether the server has hung up without another word.
    fn ended(&mut self) -> bool {
        let mut rest = Vec::new();
        matches!(self.reader.read_to_end(&mut rest), Ok(0)) || rest.is_empty()
    }
}

fn tcp(place: &Place) -> Server {
    start(Options { address: "127.0.0.1:0".parse().unwrap(), ..place.options("x") })
}

#[test]
fn a_ping_is_answered() {
    let place = Place::new();
    let server = tcp(&place);
    let mut talk = Talk::greeted(&server);
    talk.say("{\"ping\": {}}\n");
    assert_eq!(talk.hear(), "{\"alive\":true}\n");
}

#[test]
fn headers_are_answered_where_they_are_wanted() {
    let place = Place::new();
    let server = tcp(&place);
    let mut talk = Talk::to(&server);
    talk.say("OEHASHEQUIV 1.1\nneeds-headers: true\nother: x\n\n{\"ping\": {}}\n");
    assert_eq!(talk.hear(), "\n");
    assert_eq!(talk.hear(), "{\"alive\":true}\n");
}

#[test]
fn other_protocols_and_versions_are_hung_up_on() {
    let place = Place::new();
    let server = tcp(&place);
    for greeting in [
        "PRSERVICE 1.0",
        "OEHASHEQUIV 1.0",
        "OEHASHEQUIV 1.2",
        "OEHASHEQUIV",
        "OEHASHEQUIV x",
        "GET / HTTP/1.1",
    ] {
        let mut talk = Talk::to(&server);
        talk.say(&format!("{greeting}\n\n"));
        assert!(talk.ended(), "{greeting}");
    }
}

#[test]
fn a_stream_answers_line_by_line_until_its_end() {
    let place = Place::new();
    let server = tcp(&place);
    tell(&mut client(&server), &hash("1"), &hash("a"), &hash("3"));
    let mut talk = Talk::greeted(&server);
    talk.say(&format!("{{\"get-stream\": null}}\nTestMethod {}\nTestMethod {}\nEND\n", hash("1"), hash("2")));
    assert_eq!(talk.hear(), "\"ok\"\n");
    assert_eq!(talk.hear(), format!("{}\n", hash("3")));
    assert_eq!(talk.hear(), "\n");
    assert_eq!(talk.hear(), "ok\n");
    talk.say(&format!("{{\"exists-stream\": null}}\n{}\n{}\n\n", hash("3"), hash("4")));
    for expected in ["\"ok\"\n", "true\n", "false\n", "ok\n"] {
        assert_eq!(talk.hear(), expected);
    }
    talk.say("{\"gc-mark-stream\": null}\n{\"mark\": \"A\", \"where\": {\"method\": \"TestMethod\"}}\nEND\n");
    for expected in ["\"ok\"\n", "{\"count\":1}\n", "ok\n"] {
        assert_eq!(talk.hear(), expected);
    }
}

#[test]
fn a_message_in_chunks_is_put_together() {
    let place = Place::new();
    let server = tcp(&place);
    let mut talk = Talk::greeted(&server);
    talk.say("{\"chunk-stream\": null}\n{\"pi\nng\": {\n}}\n\n");
    assert_eq!(talk.hear(), "{\"alive\":true}\n");
}

#[test]
fn nonsense_ends_one_conversation_and_no_other() {
    let place = Place::new();
    let server = tcp(&place);
    let mut other = Talk::greeted(&server);
    for nonsense in [
        "no json\n",
        "[1, 2]\n",
        "{\"no-such-command\": {}}\n",
        "{\"chunk-stream\": null}\nno json\n\n",
        "\u{0}\u{1}\u{2}\n",
        "{\"get-stream\": null}\nonly-one-word\n",
    ] {
        let mut talk = Talk::greeted(&server);
        talk.say(nonsense);
        let mut rest = String::new();
        talk.reader.read_to_string(&mut rest).unwrap();
        assert!(rest.is_empty() || rest == "\"ok\"\n", "{nonsense:?}: {rest:?}");
    }
    let mut talk = Talk::greeted(&server);
    talk.reader.get_mut().write_all(b"\xff\xfe\n").unwrap();
    assert!(talk.ended());
    other.say("{\"ping\": {}}\n");
    assert_eq!(other.hear(), "{\"alive\":true}\n");
}

#[test]
fn a_line_without_end_is_not_kept_forever() {
    let place = Place::new();
    let server = tcp(&place);
    let mut talk = Talk::greeted(&server);
    let piece = "x".repeat(1 << 16);
    // The server hangs up somewhere on the way.
    let mut sent = 0;
    while sent < 1024 && talk.reader.get_mut().write_all(piece.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 1024, "64 megabytes were taken for one line");
}

#[test]
fn a_request_without_its_arguments_is_refused() {
    let place = Place::new();
    let server = tcp(&place);
    for request in [
        "{\"get\": {}}",
        "{\"get\": null}",
        "{\"auth\": {}}",
        "{\"get\": {\"method\": 1, \"taskhash\": \"x\"}}",
    ] {
        let mut talk = Talk::greeted(&server);
        talk.say(&format!("{request}\n"));
        assert!(talk.hear().starts_with("{\"invoke-error\":{\"message\":"), "{request}");
        assert!(talk.ended());
    }
}

#[test]
fn websockets_speak_the_same() {
    let place = Place::new();
    let server = start(Options { address: "ws://127.0.0.1:0".parse().unwrap(), ..place.options("x") });
    assert!(server.address().to_string().starts_with("ws://127.0.0.1:"));
    let mut client = client(&server);
    let mut told = report(&hash("1"), &hash("a"), &hash("3"));
    told.extra.insert("outhash_siginfo".into(), "0".repeat(200_000).into());
    assert_eq!(client.report(&told).unwrap(), hash("3"));
    let (one, two) = (hash("1"), hash("2"));
    let tasks = [(METHOD, one.as_str()), (METHOD, two.as_str())];
    assert_eq!(client.unihashes(tasks).unwrap(), [Some(hash("3")), None]);
    let found = client.task(METHOD, &one, true).unwrap().unwrap();
    assert_eq!(found["outhash_siginfo"].as_str().map(str::len), Some(200_000));
}
