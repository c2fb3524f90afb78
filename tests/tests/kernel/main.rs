//! The kernel programs against the real kernel: needs root and BPF, and fails where they are missing.
//!
//! Everything happens below a cgroup of the test's own, with pins on a BPF file system of its own, on loopback.

#[cfg(test)]
mod act;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod child;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod descriptor;
#[cfg(test)]
mod filled;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod heartbeat;
#[cfg(test)]
mod lineage;
#[cfg(test)]
mod load;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod redirected;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod told;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod watched;

/// The test binary executes itself with this variable to become a process that a test moves about and gives orders to.
const CHILD: &str = "ICECORE_KERNEL_TEST_CHILD";

#[test]
fn child_takes_orders() {
    if std::env::var_os(CHILD).is_some() {
        act::take_orders();
        std::process::exit(0);
    }
}
