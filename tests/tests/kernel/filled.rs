//! Maps that are full: a connection is lost then, and none is another's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::act::Said;
use crate::bench::Bench;
use crate::child::Child;

/// Fills a pinned hash map with keys of nobody's, until it takes no more; prints how many it has taken.
///
/// Source of the commands and of their attributes: linux/include/uapi/linux/bpf.h (`BPF_OBJ_GET`, `BPF_OBJ_GET_INFO_BY_FD`,
/// `BPF_MAP_UPDATE_ELEM`, `struct bpf_map_info`).
const FILL: &str = "
import ctypes, errno, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    answer = libc.syscall(321, command, buffer, 144)
    return -ctypes.get_errno() if answer < 0 else answer
path = ctypes.create_string_buffer(sys.argv[1].encode())
pin = bpf(7, struct.pack('=Q', ctypes.addressof(path)))
assert pin >= 0, errno.errorcode[-pin]
info = ctypes.create_string_buffer(88)
assert bpf(15, struct.pack('=IIQ', pin, 88, ctypes.addressof(info))) == 0
key_bytes, value_bytes, most = struct.unpack_from('=III', info, 8)
key, value = ctypes.create_string_buffer(key_bytes), ctypes.create_string_buffer(value_bytes)
taken = 0
while True:
    struct.pack_into('=QQ', key, 0, 2 ** 64 - 1, taken)
    answer = bpf(2, struct.pack('=IxxxxQQQ', pin, ctypes.addressof(key), ctypes.addressof(value), 0))
    if answer != 0:
        assert answer == -errno.E2BIG, errno.errorcode[-answer]
        break
    taken += 1
    assert taken <= most
print(taken)
";

fn fill(pin: &Path) -> usize {
    let output = Command::new("python3")
        .args(["-c", FILL])
        .arg(pin)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

/// Row 15 of the escape table. The map does not evict: nobody's connection becomes another's, and a proxy that finds no
/// destination resets.
#[test]
fn a_full_map_of_flows_loses_connections_and_gives_none_to_another() {
    const EACH: usize = 50;
    let (mut bench, proxy) = Bench::armed();
    let sessions = [bench.session(), bench.session()];
    let mut processes = [0, 1].map(|number: usize| Child::start(&sessions[number].cgroup));
    let pin = bench.kernel().pinned_at().join("maps/FLOWS");
    let taken = fill(&pin);
    assert!(taken > 60_000, "{taken}");
    let before = bench.kernel().stats().unwrap().flows_lost;
    for _ in 0..EACH {
        for process in &mut processes {
            let said = process.connect("192.0.2.7:443");
            assert!(matches!(said, Said::Connected { .. }), "{said:?}");
            assert_eq!(proxy.accepted().tag, None);
        }
    }
    let lost = bench.kernel().stats().unwrap().flows_lost - before;
    assert_eq!(lost, 2 * EACH as u64);
    // The twin: with room again each has its own.
    assert_eq!(
        bench.kernel().sweep_older_than(Duration::ZERO).unwrap(),
        taken
    );
    for (process, session) in processes.iter_mut().zip(&sessions) {
        let said = process.connect("192.0.2.7:443");
        assert!(matches!(said, Said::Connected { .. }), "{said:?}");
        let tag = proxy.accepted().tag.unwrap();
        assert_eq!(tag.session, session.tag.id.to_string());
    }
    assert_eq!(bench.reached_upstream(), 0);
}
