//! Kinds of maps that aya-ebpf has not, or not with the flags that are needed.
#![expect(unsafe_code, reason = "maps are reached by kernel helpers")]

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr;

use aya_ebpf::bindings::bpf_map_type::{BPF_MAP_TYPE_LPM_TRIE, BPF_MAP_TYPE_SK_STORAGE};
use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::helpers::generated::{
    bpf_map_lookup_elem, bpf_sk_storage_delete, bpf_sk_storage_get,
};

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
    pub(crate) const fn new() -> Self {
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

/// A trie of prefixes. aya-ebpf's own type packs its key, so that each word of an address would be written byte by byte.
///
/// The fields are what the loader reads from BTF; they are never looked at here.
#[repr(C)]
pub(crate) struct PrefixTrie<K, V, const ENTRIES: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_LPM_TRIE as usize],
    key: *const K,
    value: *const V,
    max_entries: *const [i32; ENTRIES],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    _pair: PhantomData<(K, V)>,
}

// SAFETY: the pointers are never followed; the kernel orders access to what the map holds.
unsafe impl<K, V, const ENTRIES: usize> Sync for PrefixTrie<K, V, ENTRIES> {}

impl<K, V, const ENTRIES: usize> PrefixTrie<K, V, ENTRIES> {
    pub(crate) const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
            _pair: PhantomData,
        }
    }

    /// Finds the entry with the longest prefix that fits.
    #[inline(always)]
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let map = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the helper gives null or a value that stays valid while the program runs.
        unsafe {
            bpf_map_lookup_elem(map, ptr::from_ref(key).cast_mut().cast())
                .cast::<V>()
                .as_ref()
        }
    }
}
