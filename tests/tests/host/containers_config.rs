//! Containers on a host whose config leaves a way.

use std::fs;

use icecore_tests::harness::container::{Net, UNPRIVILEGED};

use crate::containers::{icecore, refused, start};
use crate::host::Host;

/// What the config itself leaves open is as open for a container.
#[test]
fn a_container_is_not_enforced_where_the_config_leaves_a_way() {
    let mut host = Host::without_daemon();
    host.config.mode = "observe".into();
    fs::write(host.config_file(), host.config.text()).unwrap();
    host.start_daemon();
    let container = start(&host, "c1", Net::Own, UNPRIVILEGED);
    let pid = container.pid().to_string();
    let strict = icecore(
        &host,
        &["enter", "--container", &pid, "--require", "enforced"],
    );
    refused(&strict, "`daemon.mode` is `observe`");
}
