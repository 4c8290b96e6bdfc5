//! Users, tokens and permissions.

use rbake::hashserv::{Client, Credentials, Options, Permissions, Server, ServerError};
use serde_json::{Value, json};
use std::sync::Arc;

use super::support::*;

fn can_sign_in(server: &Server, name: &str, token: &str) -> bool {
    let credentials = Credentials { username: name.into(), token: token.into() };
    client(server).authenticate(credentials).is_ok()
}

fn permissions(client: &mut Client, name: &str) -> Value {
    client.request("get-user", json!({"username": name})).unwrap()["permissions"].take()
}

const EVERY: [&str; 5] = ["@all", "@db-admin", "@read", "@report", "@user-admin"];

#[test]
fn reading_takes_the_permission_to_read() {
    let place = Place::new();
    let (open, closed) = (place.serve(), place.serve_closed());
    tell(&mut client(&open), &hash("1"), &hash("a"), &hash("3"));
    assert_eq!(unihash(&mut user(&closed, "reader", &["@read"]), &hash("1")), Some(hash("3")));
    let refused = refusal(user(&closed, "nobody", &[]).unihash(METHOD, &hash("1")));
    assert_eq!(refused, "nobody is not allowed to access permissions(s) @read");
    let refused = refusal(client(&closed).unihash(METHOD, &hash("1")));
    assert_eq!(refused, "Anonymous user is not allowed to access permissions(s) @read");
}

#[test]
fn telling_takes_both_permissions_and_without_report_stores_nothing() {
    let place = Place::new();
    let server = place.serve_closed();
    let told = report(&hash("1"), &hash("a"), &hash("3"));
    refusal(user(&server, "none", &[]).report(&told));
    refusal(user(&server, "report", &["@report"]).report(&told));
    let mut reader = user(&server, "read", &["@read"]);
    assert_eq!(reader.report(&told).unwrap(), hash("3"));
    assert_eq!(unihash(&mut reader, &hash("1")), None);
    let mut both = user(&server, "both", &["@read", "@report"]);
    assert_eq!(both.report(&told).unwrap(), hash("3"));
    assert_eq!(unihash(&mut both, &hash("1")), Some(hash("3")));
}

#[test]
fn a_report_bears_its_user_as_owner() {
    let place = Place::new();
    let server = place.serve_closed();
    let mut teller = user(&server, "teller", &["@read", "@report"]);
    let mut told = report(&hash("1"), &hash("a"), &hash("3"));
    told.extra.insert("owner".into(), "somebody else".into());
    teller.report(&told).unwrap();
    assert_eq!(teller.task(METHOD, &hash("1"), true).unwrap().unwrap()["owner"], "teller");
}

#[test]
fn a_wrong_token_or_name_does_not_sign_in() {
    let place = Place::new();
    let server = place.serve_closed();
    assert!(can_sign_in(&server, "admin", "password"));
    assert!(!can_sign_in(&server, "admin", "wrong"));
    let credentials = Credentials { username: "nobody".into(), token: "password".into() };
    assert_eq!(refusal(client(&server).authenticate(credentials)), "Unable to authenticate as nobody");
}

#[test]
fn only_users_get_tokens() {
    let place = Place::new();
    let server = place.serve_closed();
    refusal(client(&server).request("refresh-token", json!({})));
}

#[test]
fn a_user_renews_his_own_token() {
    let place = Place::new();
    let server = place.serve_closed();
    let made = admin(&server).request("new-user", json!({"username": "u", "permissions": []})).unwrap();
    let first = made["token"].as_str().unwrap();
    let renewed = client_as(&server, "u", first).request("refresh-token", json!({})).unwrap();
    let second = renewed["token"].as_str().unwrap();
    assert_ne!(first, second);
    assert!(can_sign_in(&server, "u", second));
    assert!(!can_sign_in(&server, "u", first));
    // His own name may stand there as well.
    client_as(&server, "u", second).request("refresh-token", json!({"username": "u"})).unwrap();
}

#[test]
fn others_tokens_take_the_permission_to_administer_users() {
    let place = Place::new();
    let server = place.serve_closed();
    drop(user(&server, "u", &[]));
    let name = json!({"username": "u"});
    refusal(user(&server, "none", &[]).request("refresh-token", name.clone()));
    let renewed = user(&server, "boss", &["@user-admin"]).request("refresh-token", name).unwrap();
    assert!(can_sign_in(&server, "u", renewed["token"].as_str().unwrap()));
    let nobody = admin(&server).request("refresh-token", json!({"username": "x"}));
    assert_eq!(refusal(nobody), "No user named 'x' exists");
}

#[test]
fn a_user_sees_himself_and_only_administrators_see_others() {
    let place = Place::new();
    let server = place.serve_closed();
    let mut u = user(&server, "u", &["@read"]);
    let himself = json!({"username": "u", "permissions": ["@read"]});
    assert_eq!(u.request("get-user", json!({})).unwrap(), himself);
    assert_eq!(u.request("get-user", json!({"username": "u"})).unwrap(), himself);
    refusal(u.request("get-user", json!({"username": "admin"})));
    let mut boss = user(&server, "boss", &["@user-admin"]);
    assert_eq!(boss.request("get-user", json!({"username": "u"})).unwrap(), himself);
    assert_eq!(boss.request("get-user", json!({"username": "x"})).unwrap(), Value::Null);
}

#[test]
fn a_client_stays_signed_in_over_a_new_connection() {
    let place = Place::new();
    let server = place.serve_closed();
    let mut u = user(&server, "u", &[]);
    u.request("get-user", json!({})).unwrap();
    u.disconnect();
    assert_eq!(u.request("get-user", json!({})).unwrap()["username"], "u");
}

#[test]
fn users_are_deleted_by_themselves_and_by_administrators() {
    let place = Place::new();
    let server = place.serve_closed();
    let name = json!({"username": "u"});
    user(&server, "u", &[]).request("delete-user", name.clone()).unwrap();
    assert_eq!(admin(&server).request("get-user", name.clone()).unwrap(), Value::Null);
    drop(user(&server, "u", &[]));
    refusal(user(&server, "none", &[]).request("delete-user", name.clone()));
    let mut boss = user(&server, "boss", &["@user-admin"]);
    boss.request("delete-user", name.clone()).unwrap();
    assert_eq!(refusal(boss.request("delete-user", name)), "No user named 'u' exists");
}

#[test]
fn nobody_gives_himself_permissions() {
    let place = Place::new();
    let server = place.serve_closed();
    let more = json!({"username": "u", "permissions": ["@all"]});
    refusal(user(&server, "u", &[]).request("set-user-perms", more.clone()));
    assert_eq!(permissions(&mut admin(&server), "u"), json!([]));
    user(&server, "boss", &["@user-admin"]).request("set-user-perms", more).unwrap();
    assert_eq!(permissions(&mut admin(&server), "u"), json!(EVERY));
}

#[test]
fn unknown_permissions_are_refused_and_change_nothing() {
    let place = Place::new();
    let server = place.serve_closed();
    drop(user(&server, "u", &["@read"]));
    let wrong = json!({"username": "u", "permissions": ["@this-is-not-a-permission"]});
    let refused = refusal(admin(&server).request("set-user-perms", wrong));
    assert_eq!(refused, "Unknown permissions @this-is-not-a-permission");
    let wrong = json!({"username": "u", "permissions": "@read"});
    assert_eq!(refusal(admin(&server).request("set-user-perms", wrong)), "Unexpected type for permissions");
    assert_eq!(permissions(&mut admin(&server), "u"), json!(["@read"]));
}

#[test]
fn all_users_are_listed_for_administrators() {
    let place = Place::new();
    let server = place.serve_closed();
    refusal(user(&server, "u", &["@read", "@report", "@db-admin"]).request("get-all-users", json!({})));
    let users = user(&server, "boss", &["@user-admin"]).request("get-all-users", json!({})).unwrap();
    assert_eq!(
        users["users"],
        json!([
            {"username": "admin", "permissions": EVERY},
            {"username": "u", "permissions": ["@db-admin", "@read", "@report"]},
            {"username": "boss", "permissions": ["@user-admin"]},
        ])
    );
}

#[test]
fn users_are_made_by_administrators_and_once() {
    let place = Place::new();
    let server = place.serve_closed();
    let wanted = json!({"username": "u", "permissions": ["@report", "@read", "@none"]});
    refusal(user(&server, "none", &[]).request("new-user", wanted.clone()));
    let mut boss = user(&server, "boss", &["@user-admin"]);
    let made = boss.request("new-user", wanted.clone()).unwrap();
    assert_eq!((&made["username"], &made["permissions"]), (&json!("u"), &json!(["@read", "@report"])));
    assert!(can_sign_in(&server, "u", made["token"].as_str().unwrap()));
    assert_eq!(refusal(boss.request("new-user", wanted)), "Cannot create new user 'u'");
}

#[test]
fn an_administrator_takes_a_users_place_and_keeps_it() {
    let place = Place::new();
    let server = place.serve_closed();
    drop(user(&server, "u", &["@read"]));
    refusal(user(&server, "none", &[]).become_user("u"));
    let mut boss = user(&server, "boss", &["@user-admin"]);
    let himself = json!({"username": "u", "permissions": ["@read"]});
    assert_eq!(boss.become_user("u").unwrap(), himself);
    assert_eq!(boss.request("get-user", json!({})).unwrap(), himself);
    boss.disconnect();
    assert_eq!(boss.request("get-user", json!({})).unwrap(), himself);
    // In his place there is no such permission.
    refusal(boss.become_user("u"));
    assert_eq!(refusal(admin(&server).become_user("x")), "User x doesn't exist");
}

#[test]
fn the_database_takes_its_own_permission() {
    let place = Place::new();
    let server = place.serve_closed();
    let requests = [
        ("gc-mark", json!({"mark": "A", "where": {"unihash": "1"}})),
        ("gc-status", json!({})),
        ("gc-sweep", json!({"mark": "A"})),
        ("remove", json!({"where": {"method": METHOD}})),
        ("clean-unused", json!({"max_age_seconds": 0})),
        ("get-db-usage", json!({})),
        ("get-db-query-columns", json!({})),
        ("reset-stats", json!(null)),
    ];
    let mut keeper = user(&server, "keeper", &["@db-admin"]);
    let mut other = user(&server, "other", &["@read", "@report", "@user-admin"]);
    for (command, argument) in requests {
        let refused = refusal(other.request(command, argument.clone()));
        assert_eq!(refused, "other is not allowed to access permissions(s) @db-admin", "{command}");
        keeper.request(command, argument).unwrap();
    }
}

#[test]
fn the_admin_account_is_renewed_at_each_start() {
    let place = Place::new();
    drop(place.serve_closed());
    let server = start(Options { admin: Some(("admin".into(), "other".into())), ..place.options("again") });
    assert!(can_sign_in(&server, "admin", "other"));
    assert!(!can_sign_in(&server, "admin", "password"));
}

#[test]
fn strangers_never_administer_users() {
    let place = Place::new();
    for words in ["@all", "@user-admin", "@read,@user-admin"] {
        let anonymous: Permissions = words.parse().unwrap();
        let options = Options { anonymous, ..place.options("s") };
        assert!(
            matches!(Server::start(options, Arc::new(|_| {})), Err(ServerError::Anonymous(_))),
            "{words}"
        );
    }
}
