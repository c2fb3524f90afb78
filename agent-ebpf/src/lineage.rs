//! Tracepoints: which exec each task of a session descends from. Evidence for the record; no verdict hangs on it.
//!
//! They see every task of the machine, and return at once for those in no session; the end of any is one look-up.
#![expect(unsafe_code, reason = "reads the kernel's context and maps")]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::programs::TracePointContext;
use icecore_ebpf::{EVENT_EXEC, Event, Task, stat};

use crate::maps::TASKS;
use crate::place::{self, Place, SESSION};
use crate::{count, report};

/// The kernel asks for a number, and reads none.
const DONE: u32 = 0;

/// Where the child's thread id stands in `sched_process_fork`; source: its `format` file, with the names as arrays of 16
/// bytes (before Linux 6.14) or as references of 4.
const CHILD_IN_PLACE: usize = 44;
const CHILD_BY_REFERENCE: usize = 20;

/// Where the thread id before stands in `sched_process_exec`: a thread that executes a program takes its leader's id.
/// Source: its `format` file; include/trace/events/sched.h.
const BEFORE: usize = 16;

/// Hands a task's last exec on to its child.
#[inline(always)]
pub(crate) fn fork_in_place(ctx: &TracePointContext) -> u32 {
    fork(ctx, CHILD_IN_PLACE)
}

/// As [`fork_in_place`], for the later layout.
#[inline(always)]
pub(crate) fn fork_by_reference(ctx: &TracePointContext) -> u32 {
    fork(ctx, CHILD_BY_REFERENCE)
}

#[inline(always)]
fn fork(ctx: &TracePointContext, place: usize) -> u32 {
    if session().is_none() {
        return DONE;
    }
    let child = read(ctx, place);
    let pid_tgid = bpf_get_current_pid_tgid();
    // SAFETY: the running task's own entry, which nobody else writes.
    let own = unsafe { TASKS.get(pid_tgid as u32) };
    let task = Task {
        exec_id: own.map_or(0, |own| own.exec_id),
        parent_exec_id: own.map_or(0, |own| own.parent_exec_id),
        parent_pid: (pid_tgid >> 32) as u32,
        reserved: 0,
    };
    TASKS
        .insert(child, task, BPF_ANY.into())
        .unwrap_or_default();
    DONE
}

/// Reads a thread id of the tracepoint's.
#[inline(always)]
fn read(ctx: &TracePointContext, place: usize) -> u32 {
    // SAFETY: the kernel checks, when the program is attached, that its context is as long as what is read of it.
    unsafe {
        ctx.as_ptr()
            .cast::<u8>()
            .add(place)
            .cast::<u32>()
            .read_volatile()
    }
}

/// Writes down that the running task has executed a program.
#[inline(always)]
pub(crate) fn exec(ctx: &TracePointContext) -> u32 {
    let Some(cgroup_id) = session() else {
        return DONE;
    };
    count::one(stat::EXECS);
    let tid = bpf_get_current_pid_tgid() as u32;
    let before = read(ctx, BEFORE);
    // SAFETY: the running task's own entry, by the id that it had, which nobody else writes.
    let own = unsafe { TASKS.get(before) };
    let task = Task {
        exec_id: place::now(),
        parent_exec_id: own.map_or(0, |own| own.exec_id),
        parent_pid: own.map_or(0, |own| own.parent_pid),
        reserved: 0,
    };
    if before != tid {
        // No task has it any more: its exit will be by the other one.
        TASKS.remove(before).unwrap_or_default();
    }
    TASKS.insert(tid, task, BPF_ANY.into()).unwrap_or_default();
    report::event(&Event {
        kind: EVENT_EXEC,
        cgroup_id,
        ..Event::default()
    });
    DONE
}

/// Forgets the running task, in no session too: its session may have ended before it.
#[inline(always)]
pub(crate) fn exit() -> u32 {
    TASKS
        .remove(bpf_get_current_pid_tgid() as u32)
        .unwrap_or_default();
    DONE
}

/// Gives the cgroup of the running task's session, if it is in one.
#[inline(always)]
fn session() -> Option<u64> {
    let place = Place::of_current(place::cfg()?);
    (place.kind == SESSION).then_some(place.cgroup_id)
}
