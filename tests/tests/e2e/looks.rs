//! Looks at a cloud's metadata address: the kernel denies them; a driver's are folded and mild, another program's graver.

use anyhow::Result;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python::{self, Generation};
use serde_json::json;

/// Two logins of a driver that looks six times at each, most often at one address.
const LOGINS: &str = "
for _ in range(2):
    connect().cursor().execute('select 1').fetchall()
";

/// A look without a driver.
const LOOK: &str = "
import socket
for _ in range(3):
    try:
        socket.create_connection(('169.254.169.254', 80), timeout=10)
        raise SystemExit('connected')
    except PermissionError:
        pass
";

/// What the record has of looks: how grave, whether it says who asked, how many refusals, told by how many rows.
const LOOKS: &str = "
    select severity, detail->>'asked_by' is not null as stranger,
           sum(coalesce(cast(detail->>'repeats' as integer), 1))::integer as refusals, count(*)::integer as n
    from events where event_code = 'NT001' and session_id = (select session_id from sessions order by opened_at desc limit 1)
    group by all order by all";

#[test]
fn a_drivers_looks_are_folded_and_low_and_another_programs_are_graver() -> Result<()> {
    let world = World::start(&Plan::default())?;
    crate::piece::run(&world, Generation::Four, LOGINS)?;
    world.flush()?;
    let looks = world.query(LOOKS)?;
    assert_eq!(looks.len(), 1, "{looks:?}");
    let look = |member: &str| looks[0][member].as_i64().unwrap_or_default();
    assert_eq!(
        (look("severity"), &looks[0]["stranger"]),
        (2, &json!(false))
    );
    // Twice as many at the second login, in no more rows than two for each address and program.
    assert!(
        look("refusals") >= 4 && look("n") < look("refusals"),
        "{looks:?}"
    );

    let python = python::interpreter(Generation::Four)?;
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    let output = command.args(["-c", LOOK]).output()?;
    assert!(output.status.success(), "{output:?}");
    world.flush()?;
    // It is known as no driver from its second look on, at the latest once the first was told; on a busy machine later looks
    // are told singly.
    let looks = world.query(LOOKS)?;
    let shape: Vec<_> = looks
        .iter()
        .map(|row| (row["severity"].as_i64(), row["stranger"].as_bool()))
        .collect();
    assert_eq!(
        shape,
        [(Some(2), Some(false)), (Some(3), Some(true))],
        "{looks:?}"
    );
    let refusals = looks.iter().filter_map(|row| row["refusals"].as_i64());
    assert_eq!(refusals.sum::<i64>(), 3, "{looks:?}");
    Ok(())
}

/// What was counted of a session that goes on is on record before the proxy is gone.
#[test]
fn counted_looks_are_recorded_when_the_daemon_stops() -> Result<()> {
    let mut world = World::start(&Plan::default())?;
    let logins = format!("{LOGINS}\npause()");
    let mut driver = crate::piece::start(&world, Generation::Four, &logins)?;
    driver.expect("pause")?;
    world.daemon()?.terminate()?;
    let looks = world.query(LOOKS)?;
    assert_eq!(looks.len(), 1, "{looks:?}");
    let count = |member: &str| looks[0][member].as_i64();
    assert!(count("n") < count("refusals"), "{looks:?}");
    Ok(())
}
