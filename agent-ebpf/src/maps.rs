//! The maps, and what the loader sets before the programs are loaded.
#![expect(unsafe_code, reason = "the loader finds its globals by name")]

use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC};
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use icecore_ebpf::{
    Cfg, ConnMeta, EVENTS_BYTES, Event, FLOWS_MAX, FlowKey, GUARD_MAX, GuardEntry, GuardKey,
    NETNS_MAX, OWN_PORTS_MAX, PORTS_MAX, RATES_MAX, Rate, RateKey, SESSIONS_MAX, STATS_MAX,
    Session, SkId, TASKS_MAX, Task,
};

use crate::storage::{PrefixTrie, SkStorage};

/// What the loader tells the programs; one entry.
#[btf_map]
pub(crate) static CFG: Array<Cfg, 1> = Array::new();

/// The open sessions, by cgroup id.
#[btf_map]
pub(crate) static SESSIONS: HashMap<u64, Session, SESSIONS_MAX> = HashMap::new();

/// The ports that are redirected, in host order.
#[btf_map]
pub(crate) static PORTS: HashMap<u16, u8, PORTS_MAX> = HashMap::new();

/// Connections whose handshake has ended at the client and not yet at the proxy. Not LRU: a full map must fail, not forget.
#[btf_map]
pub(crate) static FLOWS: HashMap<FlowKey, ConnMeta, FLOWS_MAX> = HashMap::new();

/// Who made a socket. `BPF_F_CLONE`: an accepted socket inherits its listener's tag.
#[btf_map]
pub(crate) static SK_ID: SkStorage<SkId, { (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize }> =
    SkStorage::new();

/// Where a client's socket really wanted to go.
#[btf_map]
pub(crate) static SK_DST: SkStorage<ConnMeta, { BPF_F_NO_PREALLOC as usize }> = SkStorage::new();

/// The same at the proxy's end; a map of its own, so that `getpeername` on an accepted socket is left alone.
#[btf_map]
pub(crate) static SK_SRV: SkStorage<ConnMeta, { BPF_F_NO_PREALLOC as usize }> = SkStorage::new();

/// When the proxy last showed, by `CLOCK_BOOTTIME`, that all of it accepts; the one map that the proxy may write.
#[btf_map]
pub(crate) static HEARTBEAT: Array<u64, 1> = Array::new();

/// Where governed hosts and metadata services are.
#[btf_map]
pub(crate) static GUARD: PrefixTrie<GuardKey, GuardEntry, GUARD_MAX> = PrefixTrie::new();

/// Ports of the daemon's own on the host's loopback, beside the proxy's, in host order.
#[btf_map]
pub(crate) static OWN_PORTS: HashMap<u16, u8, OWN_PORTS_MAX> = HashMap::new();

/// The proxy's port, in host order, in other network namespaces that it listens in, by their cookie.
#[btf_map]
pub(crate) static NETNS: HashMap<u64, u16, NETNS_MAX> = HashMap::new();

/// The last exec of each task in a session, by its thread id. Evidence: no verdict hangs on it.
#[btf_map]
pub(crate) static TASKS: HashMap<u32, Task, TASKS_MAX> = HashMap::new();

/// What the programs tell.
#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, EVENTS_BYTES> = RingBuf::new();

/// How much each session told in this second.
#[btf_map]
pub(crate) static RATES: HashMap<RateKey, Rate, RATES_MAX> = HashMap::new();

/// What is counted, on each CPU by itself.
#[btf_map]
pub(crate) static STATS: PerCpuArray<u64, STATS_MAX> = PerCpuArray::new();

/// 1 where the kernel has `bpf_set_retval` (5.18); the loader sets it.
#[unsafe(no_mangle)]
pub(crate) static HAS_SET_RETVAL: Global<u8> = Global::new(0);

/// 1 where socket operations can tell their network namespace (5.15); the loader sets it.
#[unsafe(no_mangle)]
pub(crate) static HAS_SOCKOPS_NETNS: Global<u8> = Global::new(0);
