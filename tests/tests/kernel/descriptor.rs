//! The descriptor that the proxy gets, in the hands of a process of another user without a capability.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::bench::Bench;

/// Asks `bpf(2)` by hand: looks up, writes and removes an element by a descriptor, and tries to make a map.
/// Sources: `enum bpf_cmd` and `union bpf_attr` in linux/include/uapi/linux/bpf.h; 321 is `SYS_bpf` on x86_64.
const ASK: &str = r#"
import ctypes, errno, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    room = ctypes.create_string_buffer(attributes, 128)
    done = libc.syscall(321, command, room, len(attributes))
    return "OK" if done >= 0 else errno.errorcode[ctypes.get_errno()]
made = socket.socket()
key = ctypes.create_string_buffer(struct.pack("i", made.fileno()))
value = ctypes.create_string_buffer(4096)
fd, of, to = int(sys.argv[1]), ctypes.addressof(key), ctypes.addressof(value)
def element(value): return struct.pack("IIQQQ", fd, 0, of, value, 0)
said = [bpf(1, element(to)), bpf(2, element(to)), bpf(3, element(0))]
print(*said, bpf(0, struct.pack("IIIII", 2, 4, 8, 1, 0)))
"#;

/// Gives what look-up, update, removal and a map of its own came to.
fn asked(descriptor: &OwnedFd, command: &[&str]) -> String {
    fcntl_setfd(descriptor, FdFlags::empty()).unwrap();
    let number = descriptor.as_raw_fd().to_string();
    let (first, rest) = command.split_first().unwrap();
    let output = Command::new(first)
        .args(rest)
        .args(["/usr/bin/python3", "-c", ASK, &number])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{output:?}");
    said
}

#[test]
fn the_proxys_map_is_looked_up_without_rights_and_written_by_nobody() {
    let (mut bench, _proxy) = Bench::armed();
    let read_only = bench.kernel().destinations_fd().unwrap();
    let powerless = [
        "setpriv",
        "--reuid=59861",
        "--regid=59861",
        "--clear-groups",
        "--bounding-set=-all",
        "--no-new-privs",
    ];
    // The socket has no destination: that is an answer, and no refusal.
    assert_eq!(asked(&read_only, &powerless), "ENOENT EPERM EPERM EPERM");
    // Nor by root: it is the descriptor that lacks the right.
    assert_eq!(asked(&read_only, &["env"]), "ENOENT EPERM EPERM OK");
}
