//! `icecore doctor` where somebody else refuses, or a driver says what it likes: neither is taken for Icecore's own doing.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::world::World;

use crate::doctor::{doctor, narrow};
use crate::doctor_faults::{environment_with, only_failed};

/// Starts a program under a filter that refuses datagrams with an address, and MPTCP, as a container's own filter might.
/// Offsets: `struct seccomp_data` in linux/include/uapi/linux/seccomp.h; numbers: syscall_64.tbl.
const FILTERED: &str = r#"
import ctypes, os, struct, sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
SENDTO, SOCKET, MPTCP = 44, 41, 262
program = [
    (LOAD, 0, 0, 0),
    (EQUAL, 0, 3, SENDTO),
    (LOAD, 0, 0, 48),
    (EQUAL, 4, 0, 0),
    (RETURN, 0, 0, EPERM),
    (EQUAL, 0, 2, SOCKET),
    (LOAD, 0, 0, 32),
    (EQUAL, 1, 0, MPTCP),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, EPERM),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(filter)), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_refusal_by_somebody_elses_filter_is_no_proof() -> Result<()> {
    let world = World::start(&narrow())?;
    let session = ["--only", "session"];
    let proved = doctor(&world, "", &session)?.named("ok");
    for name in ["udp", "sockets", "canary", "guard inside"] {
        assert!(proved.contains(&name.to_owned()), "{name}: {proved:?}");
    }
    let script = world.path("filtered.py");
    fs::write(&script, FILTERED)?;
    let first = format!("set -- python3 {} \"$@\"", script.display());
    let told = doctor(&world, &first, &session)?;
    assert_eq!(told.named("failed"), [""; 0], "{told:#?}");
    assert_eq!(told.named("not_checked"), ["sockets", "udp"], "{told:#?}");
    for name in ["sockets", "udp"] {
        let found = told.found(name);
        assert!(
            found.contains("EPERM, by something else than Icecore's programs"),
            "{found}"
        );
    }
    let proved = told.named("ok");
    for name in [
        "canary",
        "guard inside",
        "metadata",
        "privileges",
        "proxy port",
    ] {
        assert!(proved.contains(&name.to_owned()), "{name}: {told:#?}");
    }
    Ok(())
}

#[test]
fn a_driver_that_says_icecore_refused_it_has_shown_no_trust() -> Result<()> {
    let world = World::start(&narrow())?;
    let lines = r#"
import os
print('{"stage": "login", "version": "forged 1", "error": "250001: Icecore: no grant of the account"}', flush=True)
os._exit(0)
"#;
    let own = environment_with(&world, lines)?;
    let look = own.to_string_lossy().into_owned();
    let told = doctor(&world, "", &["--only", "drivers", "--look", &look])?;
    only_failed(&told, "driver", "the proxy had no request of it");
    Ok(())
}
