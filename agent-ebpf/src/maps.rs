//! The maps, and what the loader sets before the programs are loaded.
#![expect(unsafe_code, reason = "socket storage is reached by kernel helpers")]

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr;

use aya_ebpf::Global;
use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE;
use aya_ebpf::bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::btf_maps::{Array, HashMap};
use aya_ebpf::helpers::generated::{bpf_sk_storage_delete, bpf_sk_storage_get};
use aya_ebpf::macros::btf_map;
use icecore_ebpf::{Cfg, ConnMeta, FLOWS_MAX, FlowKey, PORTS_MAX, SESSIONS_MAX, Session, SkId};

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

/// 1 where the kernel has `bpf_set_retval` (5.18); the loader sets it.
#[unsafe(no_mangle)]
pub(crate) static HAS_SET_RETVAL: Global<u8> = Global::new(0);

/// 1 where socket operations can tell their network namespace (5.15); the loader sets it.
#[unsafe(no_mangle)]
pub(crate) static HAS_SOCKOPS_NETNS: Global<u8> = Global::new(0);

/// Storage that lives and dies with a socket. aya-ebpf's own type fixes the flags, and `SK_ID` needs others.
///
/// The fields are what the loader reads from BTF; they are never looked at here.
#[repr(C)]
pub(crate) struct SkStorage<T, const FLAGS: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
    _value: PhantomData<T>,
}

// SAFETY: the pointers are never followed; the kernel orders access to what the map holds.
unsafe impl<T, const FLAGS: usize> Sync for SkStorage<T, FLAGS> {}

impl<T, const FLAGS: usize> SkStorage<T, FLAGS> {
    const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
            _value: PhantomData,
        }
    }

    /// Finds what is stored with the socket.
    #[inline(always)]
    pub(crate) fn get(&self, sk: *mut bpf_sock) -> Option<&T> {
        // SAFETY: the helper gives null or a value that stays valid while the program runs.
        unsafe { self.call(sk, ptr::null(), 0).as_ref() }
    }

    /// Finds or makes what is stored with the socket; a value made here starts as `initial`, or as zeroes.
    #[inline(always)]
    #[expect(
        clippy::mut_from_ref,
        reason = "each socket has a value of its own, and its hooks run one after another"
    )]
    pub(crate) fn get_or_create(&self, sk: *mut bpf_sock, initial: Option<&T>) -> Option<&mut T> {
        let initial = initial.map_or(ptr::null(), ptr::from_ref);
        let flags = BPF_SK_STORAGE_GET_F_CREATE.into();
        // SAFETY: as in `get`; the callers hold the socket's lock or its only reference.
        unsafe { self.call(sk, initial, flags).as_mut() }
    }

    /// Forgets what is stored with the socket, if anything is.
    #[inline(always)]
    pub(crate) fn delete(&self, sk: *mut bpf_sock) {
        // SAFETY: the verifier has checked that `sk` is a socket; nothing stored is not an error here.
        unsafe { bpf_sk_storage_delete(self.as_ptr(), sk.cast()) };
    }

    #[inline(always)]
    unsafe fn call(&self, sk: *mut bpf_sock, initial: *const T, flags: u64) -> *mut T {
        // SAFETY: the verifier has checked that `sk` is a socket and that `initial` is null or as large as the value.
        unsafe { bpf_sk_storage_get(self.as_ptr(), sk.cast(), initial.cast_mut().cast(), flags) }
            .cast()
    }

    #[inline(always)]
    const fn as_ptr(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}
