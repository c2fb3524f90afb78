//! Tells what was denied: to whom, where to and why; at a bounded rate, so that one session's storm drowns no other's.
#![expect(unsafe_code, reason = "writes into the ring, calls helpers")]

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_get_current_comm;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use icecore_ebpf::{
    Address, COMM_LEN_BYTES, EVENT_DENIED, EVENTS_PER_SECOND, Event, Rate, RateKey, stat,
};

use crate::maps::{EVENTS, RATES, TASKS};
use crate::{count, place};

/// A second, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

/// What is told of something that was denied, beside who did it.
pub(crate) struct Denied {
    /// Why; see `icecore_ebpf::reason`.
    pub(crate) reason: u32,
    /// Cgroup of the session; 0 of a process in none.
    pub(crate) cgroup_id: u64,
    /// Cookie of the network namespace, where it was looked at.
    pub(crate) netns: u64,
    /// Where it was to go.
    pub(crate) destination: Address,
    /// The port, in host order.
    pub(crate) port: u16,
    /// The socket's address family.
    pub(crate) family: u16,
    /// The socket's protocol.
    pub(crate) protocol: u16,
    /// The socket's type.
    pub(crate) socket_type: u16,
}

/// Tells and counts what was denied.
#[inline(always)]
pub(crate) fn denied(denied: &Denied) {
    count::one(denied.reason);
    event(&Event {
        kind: EVENT_DENIED,
        reason: denied.reason,
        cgroup_id: denied.cgroup_id,
        netns: denied.netns,
        destination: denied.destination,
        port: denied.port,
        family: denied.family,
        protocol: denied.protocol,
        socket_type: denied.socket_type,
        ..Event::default()
    });
}

/// Puts an event into the ring, with who runs and what is known of it.
#[inline(always)]
pub(crate) fn event(told: &Event) {
    let boot_ns = place::now();
    // Of execs nobody is told that some are missing: a build has thousands, and each only names a process.
    let is_denial = told.kind == EVENT_DENIED;
    if !has_room(told.cgroup_id, told.kind, boot_ns) {
        if is_denial {
            count::one(stat::EVENTS_LIMITED);
        }
        return;
    }
    let Some(mut entry) = EVENTS.reserve(0) else {
        if is_denial {
            count::one(stat::EVENTS_LOST);
        }
        return;
    };
    let pid_tgid = bpf_get_current_pid_tgid();
    let tid = pid_tgid as u32;
    let event = entry.write(Event { boot_ns, ..*told });
    event.pid = (pid_tgid >> 32) as u32;
    event.tid = tid;
    event.uid = bpf_get_current_uid_gid() as u32;
    if let Some(session) = place::session(told.cgroup_id) {
        event.session = session.id;
    }
    // SAFETY: evidence; a task's entry that changes meanwhile is its own.
    if let Some(task) = unsafe { TASKS.get(tid) } {
        event.exec_id = task.exec_id;
        event.parent_exec_id = task.parent_exec_id;
        event.parent_pid = task.parent_pid;
    }
    // SAFETY: the place is as long as is said.
    unsafe { bpf_get_current_comm(event.comm.as_mut_ptr().cast(), COMM_LEN_BYTES as u32) };
    entry.submit(0);
}

/// Takes room for one event of a kind. Two that come at the same moment may both find the last place.
#[inline(always)]
fn has_room(cgroup_id: u64, kind: u32, now_ns: u64) -> bool {
    let key = RateKey {
        cgroup_id,
        kind,
        reserved: 0,
    };
    let Some(rate) = RATES.get_ptr_mut(key) else {
        let first = Rate {
            since_ns: now_ns,
            events: 1,
            reserved: 0,
        };
        return RATES.insert(key, first, BPF_NOEXIST.into()).is_ok();
    };
    // SAFETY: the entry is valid while the program runs; a count that another CPU changes meanwhile is off by one.
    let rate = unsafe { &mut *rate };
    if now_ns.wrapping_sub(rate.since_ns) >= SECOND_NS {
        rate.since_ns = now_ns;
        rate.events = 0;
    }
    if rate.events >= EVENTS_PER_SECOND {
        return false;
    }
    rate.events = rate.events.wrapping_add(1);
    true
}
