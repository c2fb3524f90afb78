//! Network namespaces: one that is known has a listener of its own, any other is denied.

use std::os::fd::AsRawFd;

use crate::act::{Act, Said};
use crate::bench::Bench;
use crate::child::Child;

const DENIED: Said = Said::Failed { errno: 1 };

#[test]
fn known_namespace_is_redirected_to_the_listener_in_there() {
    let (mut bench, mut proxy) = Bench::armed();
    let session = bench.session();
    let mut process = Child::start_in_own_netns(&session.cgroup);
    assert_eq!(process.connect("192.0.2.7:443"), DENIED);

    let map = bench.kernel().destinations_fd().unwrap();
    let said = proxy.tell(Act::ProxyIn {
        port: bench.port,
        of: process.pid(),
        pid: std::process::id(),
        fd: map.as_raw_fd(),
    });
    let Said::Listening { cookie } = said else {
        panic!("expected a listener, found {said:?}");
    };
    assert_eq!(process.connect("192.0.2.7:443"), DENIED, "not yet told");
    let port = bench.port;
    bench.kernel().add_netns(cookie, port).unwrap();
    let said = process.connect("192.0.2.7:443");
    assert!(
        matches!(said, Said::Connected { peer, .. } if peer == "192.0.2.7:443".parse().unwrap()),
        "{said:?}"
    );
    let tag = proxy.accepted().tag.expect("a tag");
    assert_eq!(tag.session, session.tag.id.to_string());
    assert_eq!(tag.destination, "192.0.2.7:443".parse().unwrap());
    assert_eq!(tag.pid, process.pid());

    // Its proxy's port is as closed to it as the host's.
    let near = format!("127.0.0.1:{port}");
    assert_eq!(process.connect(&near), DENIED);
    assert_eq!(process.tell(Act::Bind(near.parse().unwrap())), DENIED);
    // The host's own goes on beside it; the same ports of both ends are other connections.
    let mut twin = Child::start(&session.cgroup);
    twin.connect("192.0.2.8:443");
    let tag = proxy.accepted().tag.expect("a tag");
    assert_eq!(tag.destination, "192.0.2.8:443".parse().unwrap());

    bench.kernel().remove_netns(cookie).unwrap();
    assert_eq!(process.connect("192.0.2.7:443"), DENIED);
    assert_eq!(bench.reached_upstream(), 0);
}
