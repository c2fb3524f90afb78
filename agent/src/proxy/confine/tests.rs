//! The filter at work: each case in a process of its own, since a filter stays.

use std::fs;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use super::*;

/// Names the case, in the process that is to show it.
const CASE: &str = "ICECORE_TEST_CALL";

/// The signal of a call that ends the process. Source: `SIGSYS` in linux/include/uapi/asm-generic/signal.h.
const SIGSYS: i32 = 31;

#[test]
fn call_in_a_limited_process() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    syscalls::limit().unwrap();
    match case.as_str() {
        "work" => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("file");
            fs::write(&file, "text").unwrap();
            fs::rename(&file, folder.path().join("other")).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let names = ("localhost", port).to_socket_addrs().unwrap();
            assert!(names.count() > 0);
            let sum = std::thread::spawn(|| 1 + 1).join().unwrap();
            assert_eq!(sum, 2);
        }
        "packet socket" => {
            let made = socket(AddressFamily::PACKET, SocketType::RAW, None);
            assert_eq!(made.unwrap_err(), Errno::PERM);
        }
        "memory file" => {
            let made = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty());
            assert_eq!(made.unwrap_err(), Errno::PERM);
        }
        "link" => {
            let made = std::os::unix::fs::symlink("/etc/shadow", "/tmp/icecore-test-never");
            assert_eq!(made.unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
        "trace again" => {
            let done = set_dumpable_behavior(DumpableBehavior::Dumpable);
            assert_eq!(done.unwrap_err(), Errno::PERM);
        }
        "other program" => panic!("{:?}", Command::new("true").exec()),
        "other root" => panic!("{:?}", rustix::process::chroot("/")),
        "other user" => {
            let done = rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(7));
            panic!("{done:?}");
        }
        "capability" => {
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            panic!("{:?}", set_capabilities(None, none));
        }
        "kernel program" => panic!("{:?}", crate::connection::redirect::probe()),
        other => panic!("no case {other}"),
    }
}

#[track_caller]
fn check(case: &str, ends_by: Option<i32>) {
    let name = "proxy::confine::tests::call_in_a_limited_process";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), ends_by, "{case}: {said}");
    assert!(
        ends_by.is_some() || output.status.success(),
        "{case}: {said}"
    );
}

#[test]
fn work_goes_on_and_what_is_on_no_list_is_refused() {
    for case in [
        "work",
        "packet socket",
        "memory file",
        "link",
        "trace again",
    ] {
        check(case, None);
    }
}

#[test]
fn what_only_an_intruder_calls_ends_the_process() {
    for case in [
        "other program",
        "other root",
        "other user",
        "capability",
        "kernel program",
    ] {
        check(case, Some(SIGSYS));
    }
}
