//! Governed hosts' addresses: nobody but the daemon reaches them, and the record says who tried.

use anyhow::Result;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use serde_json::json;

/// Dials an address; ends with 1 if that is denied, with 0 if it is connected.
const DIAL: &str = "
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
except PermissionError:
    sys.exit(1)
";

#[test]
fn upstream_is_guarded_inside_and_outside_and_the_record_says_who_tried() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let upstream = world.gate.address();
    let twin = std::net::TcpListener::bind("127.0.0.1:0")?;
    for (to, code) in [(upstream, 1), (twin.local_addr()?, 0)] {
        let words = [to.ip().to_string(), to.port().to_string()];
        let inside = world.session(AGENT_UID, &[], "python3".as_ref())?;
        let outside = world.outside(AGENT_UID, "python3".as_ref())?;
        for mut command in [inside, outside] {
            let output = command.args(["-c", DIAL]).args(&words).output()?;
            assert_eq!(output.status.code(), Some(code), "{to}: {output:?}");
        }
    }
    // The daemon's own way is open.
    crate::piece::run(
        &world,
        icecore_tests::python::Generation::Four,
        "connect().cursor().execute('select 1').fetchall()",
    )?;
    world.flush()?;
    let told = world.query(&format!(
        "select event_code, severity, detail->>'reason' as reason, session_id = '00000000-0000-0000-0000-000000000000' as nobodys
         from events where detail->>'destination' = '{upstream}' and detail->>'denied_by' = 'kernel' order by all"
    ))?;
    let reason = |code: &str, severity: u8, reason: &str, nobodys: bool| json!({"event_code": code, "severity": severity, "reason": reason, "nobodys": nobodys});
    let expected = [
        reason(
            "NT001",
            4,
            "a governed account's address under another name",
            false,
        ),
        reason("NT003", 3, "a governed account's address", true),
    ];
    assert_eq!(told, expected);
    Ok(())
}
