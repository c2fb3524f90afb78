//! Who may say yes, what a held statement's end does, and many that wait at once or for long.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use icecore::approval::Answer;
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::World;
use icecore_tests::time;
use serde_json::{Value, json};

use crate::approvals::{insert, later, said, world_with};
use crate::raw::{self, login, statement};
use crate::v2::{bearer, get};

/// Deletes need two of three, and a driver has other binds under another request alone.
const POLICIES: &str = r#"
@id("two-for-deletes") @remedy("hold:auditors") @reason("rows go with two yeses")
forbid (principal, action == Icecore::Action::"write", resource)
when { context.kind == "delete" };
"#;

const AUDITORS: &str = r#"
[[approvals.group]]
name = "auditors"
members = ["corp:ada", "corp:bea", "corp:cem"]
approvers = 2
expires_after = "20m"
"#;

/// Neither one yes, nor one person's two, nor another group's, nor a token of somebody's own making is enough.
#[test]
fn only_enough_of_the_right_people_let_it_run() -> Result<()> {
    let (world, approver) = world_with(POLICIES, AUDITORS)?;
    let sql = |name: &str, sql: &str| json!({"do": "sql", "name": name, "sql": sql});
    let mut driver = world.start_driver(
        Product::Connector4,
        &json!([
            {"do": "connect", "name": "connect"},
            sql("gone", "delete from ORDERS where AMOUNT = 801"),
            sql("raced", &insert(802)),
        ]),
    )?;
    driver.expect("connect")?;
    let request = approver.wait("801")?;
    let needed: Vec<_> = request
        .needs
        .iter()
        .map(|need| (need.group.as_str(), need.approvers))
        .collect();
    assert_eq!(needed, [("auditors", 2), ("data-owners", 1)]);
    approver.say(&request, "olga", Answer::Approve)?;
    approver.say(&request, "ada", Answer::Approve)?;
    approver.say(&request, "ada", Answer::Approve)?;
    approver.say(&request, "sam", Answer::Approve)?;
    approver.forge(&request, "bea")?;
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        world
            .gate
            .executed()?
            .iter()
            .all(|sql| !sql.contains("801"))
    );
    approver.say(&request, "cem", Answer::Approve)?;
    assert_eq!(driver.expect("gone")?["ok"], true);

    // Two at once: it runs once, or not at all.
    let request = approver.wait("802")?;
    approver.say(&request, "olga", Answer::Approve)?;
    approver.say(&request, "otto", Answer::Deny)?;
    let step = driver.expect("raced")?;
    let outcome = approver.outcome(&request)?;
    let sent = world.gate.executed()?;
    let sent = sent.iter().filter(|sql| sql.contains("802")).count();
    match outcome.as_str() {
        "approved" => assert_eq!((&step["ok"], sent), (&json!(true), 1), "{step}"),
        _ => {
            said(&step, "`corp:otto` said no");
            assert_eq!((outcome.as_str(), sent), ("denied", 0));
        }
    }
    drop(driver.finish()?);
    world.flush()?;
    let rows =
        world.query("select count(*) > 0 as told from events where event_code like 'AP%'")?;
    assert_eq!(rows, [json!({"told": true})]);
    Ok(())
}

/// A driver that is killed takes its session with it, and what waits is asked for no more.
#[test]
fn what_a_killed_driver_asked_for_is_withdrawn() -> Result<()> {
    let (world, approver) = world_with("", "")?;
    let mut driver = world.start_driver(
        Product::Connector5,
        &json!([{"do": "connect", "name": "connect"}, {"do": "sql", "name": "held", "sql": insert(811)}]),
    )?;
    driver.expect("connect")?;
    let request = approver.wait("811")?;
    driver.kill()?;
    assert_eq!(approver.outcome(&request)?, "withdrawn");
    approver.say(&request, "olga", Answer::Approve)?;
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        world
            .gate
            .executed()?
            .iter()
            .all(|sql| !sql.contains("811"))
    );
    world.flush()?;
    let rows = world.query("select decision, status from statements where sql_kind = 'insert'")?;
    assert_eq!(rows, [json!({"decision": "block", "status": "cancelled"})]);
    Ok(())
}

/// The same text under the same request id and with other values is another statement, and refused.
#[test]
fn other_values_do_not_come_by_the_same_request() -> Result<()> {
    let (world, approver) = world_with("", "")?;
    let bound = |name: &str, value: &str| {
        let mut step = later(name, "b1", "insert into ORDERS values (821, ?, 1)");
        step["body"]["bindings"] = json!({"1": {"type": "TEXT", "value": value}});
        step
    };
    let steps = json!([
        login(), bound("first", "held"), {"do": "pause"}, bound("same", "held"), bound("other", "mine"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    client.expect("first")?;
    client.expect("pause")?;
    let request = approver.wait("821")?;
    let bindings = request
        .meaning
        .members
        .get("bindings")
        .context("no binds")?;
    assert!(bindings.contains("held"), "{bindings}");
    client.go_on()?;
    assert_eq!(client.expect("same")?["body"]["code"], "333334");
    let other = client.expect("other")?["body"].clone();
    assert_eq!(other["success"], false, "{other}");
    drop(client.finish()?);
    Ok(())
}

/// Ten minutes, or half of one: drivers poll on, and Snowflake's tokens are renewed meanwhile.
#[test]
fn a_driver_waits_as_long_as_people_need() -> Result<()> {
    let is_long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let thought = Duration::from_secs(if is_long { 600 } else { 45 });
    let (world, approver) = world_with("", "")?;
    let products = [
        Product::Connector4,
        Product::Connector5,
        Product::Node,
        Product::Adbc,
    ];
    let mut drivers = Vec::new();
    for (number, product) in (831..).zip(products) {
        let mut driver = world.start_driver(
            product,
            // The steps' own patience is longer; whether the driver has it is what is shown.
            &json!([
                {"do": "connect", "name": "connect"},
                {"do": "sql", "name": "held", "sql": insert(number), "limit": 1200},
            ]),
        )?;
        driver.expect("connect")?;
        drivers.push((driver, approver.wait(&number.to_string())?));
    }
    world.gate.expire_tokens()?;
    std::thread::sleep(thought);
    for (driver, request) in &mut drivers {
        approver.say(request, "olga", Answer::Approve)?;
        let step = driver.expect("held")?;
        assert_eq!(step["ok"], true, "{step}");
    }
    for (driver, _) in drivers {
        drop(driver.finish()?);
    }
    Ok(())
}

/// A client of the SQL API never logs in: its statement and the login that Icecore opened for it go on in the next proxy,
/// and so does what its address said.
#[test]
fn the_sql_api_waits_beyond_a_proxy() -> Result<()> {
    let (mut world, approver) = world_with("", "")?;
    let sql = "insert into ACME_DB.PUBLIC.ORDERS values (841, ?, 1)";
    let body = json!({"statement": sql, "bindings": {"1": {"type": "TEXT", "value": "held"}}});
    let submit = json!({"name": "submit", "headers": bearer(), "body": body,
        "target": "/api/v2/statements?async=true&nullable=false"});
    let status = "/api/v2/statements/${submit/body/statementHandle}";
    let steps = json!([
        submit, {"do": "pause"}, get("waits", status), {"do": "pause"},
        get("runs", status), get("ran", status),
    ]);
    let mut client = raw::start(&world, &steps)?;
    assert_eq!(client.expect("submit")?["status"], 202);
    client.expect("pause")?;
    let request = approver.wait("841")?;
    world.replace_proxy()?;
    client.go_on()?;
    let told = client.expect("waits")?;
    assert_eq!(told["status"], 202, "{told}\n{}", world.daemon()?.log()?);
    approver.say(&request, "olga", Answer::Approve)?;
    assert_eq!(approver.outcome(&request)?, "approved");
    client.expect("pause")?;
    client.go_on()?;
    client.expect("runs")?;
    let told = client.expect("ran")?;
    assert_eq!(told["status"], 200, "{told}\n{}", world.daemon()?.log()?);
    drop(client.finish()?);
    let sent = world.gate.executed()?;
    let sent = sent.iter().filter(|sql| sql.contains("841")).count();
    assert_eq!(sent, 1);
    world.flush()?;
    // The catalogue's own are in no record.
    let logins = world.query("select count(distinct login_id) as n from logins_all")?;
    assert_eq!(logins, [json!({"n": 1})]);
    Ok(())
}

/// What the proxy's own process uses.
struct Usage {
    resident_kib: u64,
    threads: u64,
    /// How often the thread that looks at the mailbox woke up.
    woken: u64,
}

fn usage(world: &mut World) -> Result<Usage> {
    let pid = world.daemon()?.proxy()?;
    let pid = pid.as_raw_nonzero();
    let number = |text: &str, name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        Ok(number.with_context(|| format!("no {name}"))?.parse()?)
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut woken = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = task?.path();
        // Threads come and go meanwhile.
        let Ok(name) = fs::read_to_string(folder.join("comm")) else {
            continue;
        };
        if name.trim() == "approvals" {
            let status = fs::read_to_string(folder.join("status"))?;
            woken += number(&status, "voluntary_ctxt_switches:")?;
        }
    }
    Ok(Usage {
        resident_kib: number(&status, "VmRSS:")?,
        threads: number(&status, "Threads:")?,
        woken,
    })
}

/// A thousand wait at once, in sessions of 250 each: what that takes is printed. The quick form has 100.
#[test]
fn a_thousand_wait_at_once() -> Result<()> {
    let is_long = std::env::var_os("ICECORE_TEST_LONG").is_some();
    let (sessions, each) = if is_long { (4, 250) } else { (2, 50) };
    let (mut world, approver) = world_with("", "")?;
    let before = usage(&mut world)?;
    let start = time::instant();
    let mut clients = Vec::new();
    for session in 0..sessions {
        let mut steps = vec![login()];
        let number = |at: u32| 10_000 + session * 1_000 + at;
        steps.extend(
            (0..each).map(|at| later("held", &format!("m{}", number(at)), &insert(number(at)))),
        );
        steps.push(json!({"do": "pause"}));
        steps.push(statement("after", "last", "select 1"));
        clients.push(raw::start(&world, &Value::from(steps))?);
    }
    for client in &mut clients {
        client.expect("login")?;
        for _ in 0..each {
            assert_eq!(client.expect("held")?["body"]["code"], "333334");
        }
        client.expect("pause")?;
    }
    let held = sessions * each;
    let took = start.elapsed();
    while approver.asked() < held as usize {
        std::thread::sleep(Duration::from_millis(100));
    }
    let during = usage(&mut world)?;
    let watched = Duration::from_secs(10);
    std::thread::sleep(watched);
    let later = usage(&mut world)?;
    let more = |usage: &Usage| usage.resident_kib.saturating_sub(before.resident_kib);
    let woken = later.woken - during.woken;
    println!(
        "{held} held at once in {took:?}: {} KiB more than none, {} KiB each, {} threads; {watched:?} later {} KiB, {} KiB each, \
         {} threads; meanwhile the mailbox's thread woke up {woken} times",
        more(&during),
        more(&during) / u64::from(held),
        during.threads,
        more(&later),
        more(&later) / u64::from(held),
        later.threads,
    );
    assert!(woken < 400, "woken up {woken} times");
    let last = approver.wait(&format!("{}", 10_000 + each - 1))?;
    approver.say(&last, "olga", Answer::Approve)?;
    assert_eq!(approver.outcome(&last)?, "approved");
    for client in &mut clients {
        client.go_on()?;
        assert_eq!(client.expect("after")?["body"]["success"], true);
    }
    Ok(())
}
