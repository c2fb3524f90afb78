//! What those who run Icecore see and do: metrics that equal the record, a config that changes under way.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use icecore::metrics::contract::FAMILIES;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::port::Port;
use icecore_tests::harness::prometheus::{self, Scraped};
use icecore_tests::harness::wedge::Wedge;
use icecore_tests::harness::world::{AGENT_UID, Plan, PlannedAccount, World};
use icecore_tests::python::{self, Generation};
use icecore_tests::time;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::hanging::hangs_soon;
use crate::identity;

/// Longest wait for what comes by itself.
const WITHIN: Duration = Duration::from_secs(60);

/// Changes the config file.
fn edit(world: &World, change: impl Fn(String) -> String) -> Result<()> {
    let text = fs::read_to_string(world.config_file())?;
    let changed = change(text.clone());
    assert_ne!(changed, text, "the config is as it was");
    Ok(fs::write(world.config_file(), changed)?)
}

pub(crate) fn add(world: &World, more: &str) -> Result<()> {
    edit(world, |text| format!("{text}\n{more}"))
}

pub(crate) fn reload(world: &World, more: &[&str]) -> Result<Output> {
    let control = world.control_socket().display().to_string();
    world.icecore(&[&["reload", "--control", &control], more].concat())
}

/// Has the config taken, and gives what is told of that.
#[track_caller]
fn take(world: &World) -> Result<Value> {
    let output = reload(world, &["--json"])?;
    assert!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Waits until something is so.
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = time::instant();
    while start.elapsed() < WITHIN {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{what}: not within {WITHIN:?}")
}

/// A world that tells metrics.
fn measured(plan: &Plan) -> Result<(World, SocketAddr, Port)> {
    let port = Port::take()?;
    // Below 1024 the proxy's user may not listen.
    let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + port.number()));
    let mut world = World::without_daemon(plan)?;
    add(&world, &format!("[metrics]\nlisten = \"{address}\"\n"))?;
    world.start_daemon()?;
    wait("metrics", || Ok(prometheus::scrape(address).ok()))?;
    Ok((world, address, port))
}

/// What the record counts, by the labels that a family has.
fn counted(world: &World, sql: &str) -> Result<BTreeMap<String, f64>> {
    let rows = world.query(sql)?;
    let read = rows.iter().map(|row| {
        let label = row["label"].as_str().context("no label")?;
        Ok((label.to_owned(), row["n"].as_f64().context("no number")?))
    });
    read.collect()
}

/// One number of the record.
fn number(world: &World, sql: &str) -> Result<f64> {
    let rows = world.query(sql)?;
    let row = rows.first().context("no row")?;
    row["n"].as_f64().context("no number")
}

const STATEMENTS: &str = "select format('{{decision=\"{}\",kind=\"{}\",status=\"{}\"}}', decision, sql_kind, status) as label, \
    count(*)::double as n from statements_all where is_final group by all";
const EVENTS: &str = "select format('{{code=\"{}\",severity=\"{}\"}}', event_code, severity) as label, \
    count(*)::double as n from events group by all";

#[track_caller]
fn check_families(scraped: &Scraped) {
    let mut told = scraped.families.clone();
    let own = FAMILIES
        .iter()
        .map(|family| (family.name.to_owned(), family.kind.as_str().to_owned()));
    let mut own: Vec<_> = own.collect();
    told.sort();
    own.sort();
    assert_eq!(told, own, "the page and the contract differ");
}

#[test]
fn counters_equal_the_record_and_sessions_are_not_answered() -> Result<()> {
    let (mut world, address, _port) = measured(&Plan::default())?;
    let steps = json!([
        {"do": "connect"},
        {"do": "sql", "name": "one", "sql": "select 1"},
        {"do": "sql", "name": "two", "sql": "select 2 union all select 3"},
        {"do": "sql", "name": "refused", "sql": "create table t (a integer)"},
        {"do": "pause"},
        {"do": "close"},
    ]);
    let mut driver = world.start_driver(Generation::Four, &steps)?;
    for name in ["connect", "one", "two", "refused", "pause"] {
        driver.expect(name)?;
    }
    // The supervisor tells the kernel's counts every few seconds.
    let open = wait("the kernel's counts", || {
        let scraped = prometheus::scrape(address)?;
        Ok((scraped.get("icecore_kernel_redirected_total") >= 1.0).then_some(scraped))
    })?;
    check_families(&open);
    assert!(open.get("icecore_heartbeat_age_seconds") < 20.0);
    assert_eq!(open.get("icecore_kernel_flows_lost_total"), 0.0);
    let sessions = open.of("icecore_sessions_open");
    assert_eq!(sessions.values().sum::<f64>(), 1.0, "{sessions:?}");
    assert_eq!(open.get("icecore_logins_open"), 1.0);
    driver.go_on()?;
    drop(driver.finish()?);
    world.flush()?;

    let closed = prometheus::scrape(address)?;
    let sessions = closed.of("icecore_sessions_open");
    assert_eq!(sessions.values().sum::<f64>(), 0.0, "{sessions:?}");
    assert_eq!(
        closed.of("icecore_statements_total"),
        counted(&world, STATEMENTS)?
    );
    assert_eq!(closed.of("icecore_events_total"), counted(&world, EVENTS)?);
    let refused = closed.of("icecore_statements_total");
    assert!(
        refused.keys().any(|labels| labels.contains("block")),
        "{refused:?}"
    );
    for (sample, sql) in [
        (
            "icecore_logins_opened_total",
            "select count(*)::double as n from logins_all where phase = 'open'",
        ),
        (
            "icecore_logins_closed_total",
            "select count(*)::double as n from logins_all where phase = 'close'",
        ),
        (
            "icecore_sessions_closed_total",
            "select count(*)::double as n from sessions_all where phase = 'close'",
        ),
        (
            "icecore_statement_bytes_total",
            "select coalesce(sum(bytes_returned), 0)::double as n from statements_all where is_final",
        ),
        (
            "icecore_statement_rows_total",
            "select coalesce(sum(rows_returned), 0)::double as n from statements_all where is_final",
        ),
        (
            "icecore_decision_seconds_count",
            "select count(*)::double as n from statements_all where is_final",
        ),
        (
            "icecore_upstream_seconds_count",
            "select count(*)::double as n from statements_all where is_final and forwarded_at is not null",
        ),
    ] {
        assert_eq!(closed.get(sample), number(&world, sql)?, "{sample}");
    }
    assert!(closed.get("icecore_record_objects_stored_total") > 0.0);
    assert!(closed.get("icecore_record_stored_timestamp_seconds") > 1.7e9);
    assert_eq!(closed.get("icecore_record_degraded"), 0.0);
    let (_, _, page) = prometheus::ask(address, "/metrics")?;
    prometheus::promtool(&["check", "metrics"], &page)?;
    assert_eq!(prometheus::ask(address, "/healthz")?.0, 200);
    assert_eq!(prometheus::ask(address, "/other")?.0, 404);

    // The same program is answered outside of sessions, and not in one.
    let script = format!(
        "import urllib.request\nprint(len(urllib.request.urlopen('http://{address}/metrics', timeout=10).read()))"
    );
    let python = python::interpreter(Generation::Four)?;
    let outside = world
        .outside(AGENT_UID, python.as_os_str())?
        .args(["-c", &script])
        .output()?;
    assert!(outside.status.success(), "{outside:?}");
    let inside = world
        .session(AGENT_UID, &[], python.as_os_str())?
        .args(["-c", &script])
        .output()?;
    assert!(!inside.status.success(), "{inside:?}");
    wait("the kernel's count of what it denied", || {
        let denied = prometheus::scrape(address)?;
        let denied = denied.get("icecore_kernel_denied_total{reason=\"own_port\"}");
        Ok((denied >= 1.0).then_some(()))
    })?;
    let told = String::from_utf8_lossy(&inside.stdout).into_owned();
    assert!(!told.chars().any(|sign| sign.is_ascii_digit()), "{told}");

    assert_eq!(
        prometheus::scrape(address)?.get("icecore_proxy_restarts_total"),
        0.0
    );
    world.replace_proxy()?;
    let next = wait("metrics of the next proxy", || {
        let scraped = prometheus::scrape(address).ok();
        Ok(scraped.filter(|one| one.get("icecore_proxy_restarts_total") == 1.0))
    })?;
    assert_eq!(next.get("icecore_logins_opened_total"), 0.0);
    Ok(())
}

/// One core that hangs is seen from outside: the kernel refuses connects meanwhile, and health says so.
#[test]
fn a_core_that_hangs_is_seen_in_health() -> Result<()> {
    let (mut world, address, _port) = measured(&Plan {
        edit: hangs_soon,
        ..Plan::default()
    })?;
    assert_eq!(prometheus::ask(address, "/healthz")?.0, 200);
    let proxy = world.daemon()?.proxy()?;
    let Some(wedge) = Wedge::drive_in(proxy)? else {
        eprintln!("this host has one core: not tried");
        return Ok(());
    };
    wait("health", || {
        let (status, _, told) = prometheus::ask(address, "/healthz")?;
        Ok((status == 503 && told.contains("heartbeat")).then_some(()))
    })?;
    assert!(prometheus::scrape(address)?.get("icecore_heartbeat_age_seconds") > 2.0);
    drop(wedge);
    wait("health again", || {
        Ok((prometheus::ask(address, "/healthz")?.0 == 200).then_some(()))
    })
}

#[test]
fn the_alert_rules_are_what_prometheus_reads() -> Result<()> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("no folder of the package")?;
    let rules = std::path::Path::new(&package).join("../packaging/prometheus/icecore.rules.yml");
    let rules = rules.to_str().context("no path in UTF-8")?;
    prometheus::promtool(&["check", "rules", rules], "")?;
    // Each is fired by what it is for, the first event of a series too, and is silent before.
    let cases = rules.replace(".rules.yml", ".rules.test.yml");
    prometheus::promtool(&["test", "rules", &cases], "")
}

#[track_caller]
fn role_of(world: &World) -> Result<Vec<Value>> {
    world.flush()?;
    world.query("select distinct account, sf_role from logins_all order by all")
}

/// A session of an issuer that is another now acts for nobody; a config whose policies do not fit it is not taken.
#[test]
fn a_session_whose_issuer_is_another_now_acts_for_nobody() -> Result<()> {
    let (issuer, next) = (Issuer::start()?, Issuer::start()?);
    let claims = json!({ "groups": ["analysts"] });
    let world = identity::world_with("[identity]", &issuer.url(), "")?;
    let file = identity::token_file(&world, &issuer.token(&claims)?)?;
    let sql = |name: &str| json!({"do": "sql", "sql": identity::READ, "name": name});
    let steps = json!([
        {"do": "connect"}, sql("before"), {"do": "pause"}, sql("same"), {"do": "pause"}, sql("after"),
    ]);
    let mut driver = identity::start(&world, &[], &["--identity-token-file", &file], &steps)?;
    for name in ["connect", "before"] {
        assert_eq!(driver.expect(name)?["ok"], true);
    }
    // The policies name groups of `idp`.
    edit(&world, |text| text.replace("\"idp\"", "\"other\""))?;
    assert_eq!(reload(&world, &[])?.status.code(), Some(3));
    edit(&world, |text| text.replace("\"other\"", "\"idp\""))?;
    driver.expect("pause")?;
    driver.go_on()?;
    assert_eq!(driver.expect("same")?["ok"], true);

    edit(&world, |text| text.replace(&issuer.url(), &next.url()))?;
    let told = take(&world)?;
    assert_eq!(told["changed"], json!(["identity.issuers"]), "{told}");
    driver.expect("pause")?;
    driver.go_on()?;
    let after = driver.expect("after")?;
    assert_eq!(after["ok"], false, "{after}");
    drop(driver.finish()?);
    identity::opens(&world, &next.token(&claims)?);
    identity::refuses(&world, &issuer.token(&claims)?, "identity refused");
    Ok(())
}

/// Two logins of one agent, which are asked at each step; then both are made anew.
const TWO: &str = "
other = dict(account='other', host='other.snowflakecomputing.com')
one, two = connect(), connect(**other)

def ask(name, login):
    failure(name, lambda: login.cursor().execute('select 1').fetchall())

for _ in range(3):
    pause()
    ask('one', one)
    ask('two', two)
pause()
failure('one again', lambda: connect(login_timeout=5).cursor().execute('select 2').fetchall())
failure('two again', lambda: connect(login_timeout=5, **other).cursor().execute('select 2').fetchall())
";

/// Lets the agent go on, and tells which of the two worked.
fn go_on(driver: &mut Driver, names: [&str; 2]) -> Result<[bool; 2]> {
    driver.expect("pause")?;
    driver.go_on()?;
    let mut worked = [false; 2];
    for (worked, name) in worked.iter_mut().zip(names) {
        *worked = driver.expect(name)?["ok"] == true;
    }
    Ok(worked)
}

#[test]
fn a_config_is_taken_whole_and_what_it_does_not_give_ends() -> Result<()> {
    let plan = Plan {
        accounts: vec![PlannedAccount {
            host: "other.snowflakecomputing.com",
            name: "OTHER",
            aliases: Vec::new(),
            user: "ICECORE_SVC",
            role: "ANALYST",
        }],
        roles: vec![("ICECORE_SVC", "READER")],
        ..Plan::default()
    };
    let (mut world, address, _port) = measured(&plan)?;
    let before = fs::read_to_string(world.config_file())?;
    let mut driver = crate::piece::start(&world, Generation::Four, TWO)?;
    assert_eq!(go_on(&mut driver, ["one", "two"])?, [true, true]);

    // Nothing that is not good, or needs a restart, changes anything.
    fs::write(world.config_file(), format!("{before}\n[limits\n"))?;
    let refused = reload(&world, &[])?;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("expected TOML"), "{errors}");
    let restart = before
        .replace("spool_max = \"64MiB\"", "spool_max = \"65MiB\"")
        .replace(
            "role = \"ANALYST\"\nwarehouse",
            "role = \"READER\"\nwarehouse",
        );
    fs::write(world.config_file(), restart)?;
    let refused = reload(&world, &[])?;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("record.spool_max"), "{errors}");
    fs::write(world.config_file(), &before)?;
    let told = take(&world)?;
    assert_eq!(told["changed"], json!([]), "{told}");
    assert_eq!(go_on(&mut driver, ["one", "two"])?, [true, true]);

    // An account goes, the other has another role.
    let (head, tail) = before
        .split_once("\n[[account]]\nhost = \"other.")
        .context("no account")?;
    let (_, policy) = tail.split_once("\n[policy]").context("no policy")?;
    let changed = format!("{head}\n[policy]{policy}").replace(
        "role = \"ANALYST\"\nwarehouse",
        "role = \"READER\"\nwarehouse",
    );
    fs::write(world.config_file(), &changed)?;
    let told = take(&world)?;
    assert_eq!(
        told["changed"],
        json!(["account OTHER (removed)", "account ACME (changed)"]),
        "{told}"
    );
    assert_eq!(go_on(&mut driver, ["one", "two"])?, [false, false]);
    assert_eq!(
        go_on(&mut driver, ["one again", "two again"])?,
        [true, false]
    );
    drop(driver.finish()?);
    assert_eq!(
        role_of(&world)?,
        [
            json!({"account": "ACME", "sf_role": "ANALYST"}),
            json!({"account": "ACME", "sf_role": "READER"}),
            json!({"account": "OTHER", "sf_role": "ANALYST"}),
        ]
    );
    let ended = world.query(
        "select count(*)::integer as n from logins_all where close_reason = 'config changed'",
    )?;
    assert_eq!(ended, [json!({"n": 2})]);
    let events = world.query(
        "select event_code, count(*)::integer as n from events where event_code like 'CF%' group by all order by all",
    )?;
    assert_eq!(
        events,
        [
            json!({"event_code": "CF001", "n": 1}),
            json!({"event_code": "CF002", "n": 2})
        ]
    );
    let config =
        world.query("select detail->>'sha256' as sha256 from events where event_code = 'CF001'")?;
    assert_eq!(config[0]["sha256"], told["sha256"]);
    let scraped = prometheus::scrape(address)?;
    let sha256 = told["sha256"].as_str().context("no digest")?;
    let info = format!("icecore_config_info{{sha256=\"{sha256}\"}}");
    assert_eq!(scraped.get(&info), 1.0);

    // A hang-up does the same, and the next proxy has the same.
    let named = changed.replace("[policy]", "[log]\nlevel = \"warn\"\n[policy]");
    fs::write(world.config_file(), named)?;
    kill_process(world.daemon()?.supervisor()?, Signal::HUP)?;
    wait("a hang-up", || {
        world.flush()?;
        let taken = "select count(*)::double as n from events where event_code = 'CF001'";
        Ok((number(&world, taken)? == 2.0).then_some(()))
    })?;
    for (uid, code) in [(0, 0), (AGENT_UID, 1)] {
        let level = world
            .outside(uid, world.icecore.as_os_str())?
            .args(["log", "debug", "--control"])
            .arg(world.control_socket())
            .output()?;
        assert_eq!(level.status.code(), Some(code), "{level:?}");
    }
    let log = fs::read_to_string(world.path("daemon.log"))?;
    assert!(log.contains("log level changed"), "{log}");
    Ok(())
}
