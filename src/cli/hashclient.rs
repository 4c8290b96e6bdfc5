//! `rbake-hashclient` and `bitbake-hashclient`.

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::args::{HashClientCommand, HashClientOptions};
use crate::hashserv::{Client, ClientError, Credentials, Report};

const LIMIT: Duration = Duration::from_secs(30);

/// The method under which `stress` asks.
const METHOD: &str = "stress.test.method";

type Outcome = Result<ExitCode, ClientError>;

/// Runs the tool.
pub fn run(options: &HashClientOptions) -> ExitCode {
    let Some(command) = &options.command else { return ExitCode::SUCCESS };
    let credentials = credentials(options);
    let mut client = Client::new(options.address.clone(), LIMIT).with_credentials(credentials.clone());
    let become_user = match &options.become_user {
        Some(name) => client.become_user(name).map(drop),
        None => Ok(()),
    };
    match become_user.and_then(|()| obey(command, &mut client, options, credentials)) {
        Ok(code) => code,
        Err(error) => {
            println!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn credentials(options: &HashClientOptions) -> Option<Credentials> {
    if let Some(username) = &options.login {
        let token = options.password.clone().unwrap_or_default();
        return Some(Credentials { username: username.clone(), token });
    }
    if !options.netrc {
        return None;
    }
    let path =
        std::env::var_os("NETRC").map(Into::into).or_else(|| Some(std::env::home_dir()?.join(".netrc")))?;
    let text = std::fs::read_to_string(path).ok()?;
    in_netrc(&text, &options.server)
}

/// User and token for a machine; `default` stands for all that are not named.
fn in_netrc(text: &str, machine: &str) -> Option<Credentials> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    let (mut username, mut token, mut ours) = (None, None, false);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if ours && username.is_some() {
                    break;
                }
                ours = word == "default" || words.next() == Some(machine);
                (username, token) = (None, None);
            }
            "login" | "user" => username = words.next(),
            "password" => token = words.next(),
            "account" => drop(words.next()),
            _ => {}
        }
    }
    let username = username.filter(|_| ours)?.to_string();
    Some(Credentials { username, token: token.unwrap_or_default().to_string() })
}

fn obey(
    command: &HashClientCommand,
    client: &mut Client,
    options: &HashClientOptions,
    credentials: Option<Credentials>,
) -> Outcome {
    use HashClientCommand as Command;
    let user = |username: &Option<String>| match username {
        Some(name) => json!({"username": name}),
        None => json!({}),
    };
    match command {
        Command::Get { method, taskhash } => show(client.task(method, taskhash, true)?.as_ref()),
        Command::GetOuthash { method, outhash, taskhash } => {
            show(client.output(method, outhash, taskhash, true)?.as_ref());
        }
        Command::Stats { reset } => {
            let command = if *reset { "reset-stats" } else { "get-stats" };
            show(Some(&client.request(command, Value::Null)?));
        }
        Command::Stress { .. } => stress(command, client, options, credentials)?,
        Command::Remove { pairs } if pairs.is_empty() => println!("No query specified"),
        Command::Remove { pairs } => {
            let answer = client.request("remove", json!({"where": object(pairs)}))?;
            println!("Removed {} row(s)", answer["count"]);
        }
        Command::CleanUnused { seconds } => {
            let answer = client.request("clean-unused", json!({"max_age_seconds": seconds}))?;
            println!("Removed {} rows", answer["count"]);
        }
        Command::RefreshToken { username } => show_user(&client.request("refresh-token", user(username))?),
        Command::SetUserPerms { username, permissions } => {
            let argument = json!({"username": username, "permissions": permissions});
            show_user(&client.request("set-user-perms", argument)?);
        }
        Command::GetUser { username } => show_user(&client.request("get-user", user(username))?),
        Command::GetAllUsers => {
            println!("{:20}| Permissions", "Username");
            println!("{0}+{0}", "-".repeat(20));
            let answer = client.request("get-all-users", json!({}))?;
            for user in answer["users"].as_array().into_iter().flatten() {
                println!("{:20}| {}", word(&user["username"]), words(&user["permissions"]));
            }
        }
        Command::NewUser { username, permissions } => {
            let argument = json!({"username": username, "permissions": permissions});
            show_user(&client.request("new-user", argument)?);
        }
        Command::DeleteUser { username } => {
            show_user(&client.request("delete-user", json!({"username": username}))?);
        }
        Command::GetDbUsage => {
            let answer = client.request("get-db-usage", json!({}))?;
            println!("{:20}| {:>20}", "Table name", "Rows");
            println!("{0}+{0}", "-".repeat(20));
            let mut total = 0;
            for (table, usage) in answer["usage"].as_object().into_iter().flatten() {
                let rows = usage["rows"].as_u64().unwrap_or(0);
                println!("{table:20}| {rows:<20}");
                total += rows;
            }
            println!("\nTotal rows: {total}");
        }
        Command::GetDbQueryColumns => {
            let answer = client.request("get-db-query-columns", json!({}))?;
            let mut columns: Vec<&str> =
                answer["columns"].as_array().into_iter().flatten().map(word).collect();
            columns.sort_unstable();
            println!("{}", columns.join("\n"));
        }
        Command::GcStatus => {
            let answer = client.request("gc-status", json!({}))?;
            match answer["mark"].as_str().filter(|mark| !mark.is_empty()) {
                None => println!("No Garbage collection in progress"),
                Some(mark) => {
                    println!("Current Mark: {mark}");
                    println!("Total hashes to keep: {}", answer["keep"]);
                    println!("Total hashes to remove: {}", answer["remove"]);
                }
            }
        }
        Command::GcMark { mark, pairs } => {
            let answer = client.request("gc-mark", json!({"mark": mark, "where": object(pairs)}))?;
            println!("New hashes marked: {}", answer["count"]);
        }
        Command::GcMarkStream { mark } => {
            println!("New hashes marked: {}", client.mark_rows(mark, &rows_from_input())?);
        }
        Command::GcSweep { mark } => {
            println!("Removed {} rows", client.request("gc-sweep", json!({"mark": mark}))?["count"]);
        }
        Command::UnihashExists { quiet, unihash } => {
            let exists = client.exists(unihash)?;
            if *quiet {
                return Ok(if exists { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            println!("{exists}");
        }
        Command::Ping { count, quiet } => ping(client, *count, *quiet)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rows_from_input() -> Vec<Map<String, Value>> {
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    let row = |line: String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.chunks_exact(2).map(|pair| (pair[0].to_string(), Value::from(pair[1]))).collect()
    };
    lines.filter(|line| !line.trim().is_empty()).map(row).collect()
}

fn object(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(" ")
}

/// Prints an answer with four blanks of indent; nothing if there is none.
fn show(answer: Option<&Value>) {
    let Some(answer) = answer else { return };
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, indent);
    if serde::Serialize::serialize(answer, &mut writer).is_ok() {
        println!("{}", String::from_utf8_lossy(&text));
    }
}

fn show_user(user: &Value) {
    if user.is_null() {
        println!("There is no such user");
        return;
    }
    println!("Username:    {}", word(&user["username"]));
    if user.get("permissions").is_some() {
        println!("Permissions: {}", words(&user["permissions"]));
    }
    if let Some(token) = user.get("token") {
        println!("Token:       {}", word(token));
    }
}

fn ping(client: &mut Client, count: usize, quiet: bool) -> Result<(), ClientError> {
    let mut times = Vec::new();
    for number in 1..=count {
        let start = Instant::now();
        client.request("ping", json!({}))?;
        let elapsed = start.elapsed().as_secs_f64();
        times.push(elapsed);
        if !quiet {
            println!("Ping {number} of {count}... {elapsed:.3}s");
        }
    }
    if !quiet {
        println!("------------------------");
    }
    let Times { mean, median, deviation, greatest, least } = Times::of(&mut times);
    println!("Number of pings:         {}", times.len());
    println!("Average round trip time: {mean:.3}s");
    println!("Median round trip time:  {median:.3}s");
    println!("Round trip time std dev: {deviation:.3}s");
    println!("Min time is:             {least:.3}s");
    println!("Max time is:             {greatest:.3}s");
    Ok(())
}

fn stress(
    command: &HashClientCommand,
    client: &mut Client,
    options: &HashClientOptions,
    credentials: Option<Credentials>,
) -> Result<(), ClientError> {
    let HashClientCommand::Stress { clients, requests, report, taskhash_seed, outhash_seed } = command else {
        return Ok(());
    };
    let hash = |seed: &str, number: usize| {
        let digest = Sha256::new().chain_update(seed).chain_update(number.to_string()).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let one = || -> Result<(Vec<f64>, usize), ClientError> {
        let mut client = Client::new(options.address.clone(), LIMIT).with_credentials(credentials.clone());
        let (mut times, mut found) = (Vec::with_capacity(*requests), 0);
        for number in 0..*requests {
            let taskhash = hash(taskhash_seed, number);
            let start = Instant::now();
            found += usize::from(client.unihash(METHOD, &taskhash)?.is_some());
            times.push(start.elapsed().as_secs_f64());
        }
        Ok((times, found))
    };
    let start = Instant::now();
    let (mut times, mut found) = (Vec::new(), 0);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..*clients).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(ClientError::Closed))).collect()
    });
    for result in results {
        let (some, count) = result?;
        times.extend(some);
        found += count;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let Times { mean, median, deviation, greatest, least } = Times::of(&mut times);
    println!("Number of clients:    {clients}");
    println!("Requests per client:  {requests}");
    println!("Number of requests:   {}", times.len());
    println!("Total elapsed time:   {elapsed:.3}s");
    println!("Total request rate:   {:.3} req/s", times.len() as f64 / elapsed);
    println!("Average request time: {mean:.3}s");
    println!("Median request time:  {median:.3}s");
    println!("Request time std dev: {deviation:.3}s");
    println!("Maximum request time: {greatest:.3}s");
    println!("Minimum request time: {least:.3}s");
    println!("Hashes found:         {found}");
    println!("Hashes missed:        {}", times.len() - found);
    if *report {
        for number in 0..*requests {
            let taskhash = hash(taskhash_seed, number);
            client.report(&Report {
                method: METHOD.into(),
                unihash: taskhash.clone(),
                outhash: hash(outhash_seed, number),
                taskhash,
                extra: Map::new(),
            })?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Times {
    mean: f64,
    median: f64,
    deviation: f64,
    greatest: f64,
    least: f64,
}

impl Times {
    fn of(times: &mut [f64]) -> Times {
        times.sort_by(f64::total_cmp);
        let (Some(least), Some(greatest)) = (times.first(), times.last()) else { return Times::default() };
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0;
        let deviation = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count).sqrt();
        Times { mean, median, deviation, greatest: *greatest, least: *least }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netrc_gives_the_entry_of_the_machine_or_the_default() {
        let text = "# hosts\nmachine a:1 login one password secret\nmachine b:2\n login two\n password x\ndefault login any password y\n";
        let found = |machine| in_netrc(text, machine).map(|found| (found.username, found.token));
        assert_eq!(found("a:1"), Some(("one".into(), "secret".into())));
        assert_eq!(found("b:2"), Some(("two".into(), "x".into())));
        assert_eq!(found("c:3"), Some(("any".into(), "y".into())));
        assert_eq!(in_netrc("machine a login x password y", "b"), None);
    }
}
