//! Kernel programs: entry points only, one for each hook; what they do stands in the modules.
#![no_std]
#![no_main]
#![expect(
    clippy::cast_possible_truncation,
    reason = "the kernel keeps ports, pids and uids in fields wider than they are"
)]

mod bind;
mod connect;
mod count;
mod flow;
mod guard;
mod lineage;
mod maps;
mod owner;
mod packet;
mod peer;
mod place;
mod report;
mod sock_addr;
mod storage;
mod tag;

use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr, sock_ops, tracepoint};
use aya_ebpf::programs::{
    SkBuffContext, SockAddrContext, SockContext, SockOpsContext, TracePointContext,
};

/// Tags a socket with its session when it is made.
#[cgroup_sock(sock_create)]
fn sock_create(ctx: SockContext) -> i32 {
    tag::create(&ctx)
}

/// Decides where an IPv4 connect goes.
#[cgroup_sock_addr(connect4)]
fn connect4(ctx: SockAddrContext) -> i32 {
    connect::v4(&ctx)
}

/// Decides where an IPv6 connect goes.
#[cgroup_sock_addr(connect6)]
fn connect6(ctx: SockAddrContext) -> i32 {
    connect::v6(&ctx)
}

/// Decides whether an unconnected IPv4 datagram may leave.
#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(ctx: SockAddrContext) -> i32 {
    connect::datagram_v4(&ctx)
}

/// Decides whether an unconnected IPv6 datagram may leave.
#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(ctx: SockAddrContext) -> i32 {
    connect::datagram_v6(&ctx)
}

/// Keeps the proxy's port for the proxy, IPv4.
#[cgroup_sock_addr(bind4)]
fn bind4(ctx: SockAddrContext) -> i32 {
    bind::v4(&ctx)
}

/// Keeps the proxy's port for the proxy, IPv6.
#[cgroup_sock_addr(bind6)]
fn bind6(ctx: SockAddrContext) -> i32 {
    bind::v6(&ctx)
}

/// Tells an IPv4 client the peer it asked for.
#[cgroup_sock_addr(getpeername4)]
fn getpeername4(ctx: SockAddrContext) -> i32 {
    peer::v4(&ctx)
}

/// Tells an IPv6 client the peer it asked for.
#[cgroup_sock_addr(getpeername6)]
fn getpeername6(ctx: SockAddrContext) -> i32 {
    peer::v6(&ctx)
}

/// Carries the original destination from the client's socket to the proxy's.
#[sock_ops]
fn handshake(ctx: SockOpsContext) -> u32 {
    flow::observe(&ctx)
}

/// Drops packets to guarded places, if the config asks for it.
#[cgroup_skb(egress)]
fn egress(ctx: SkBuffContext) -> i32 {
    packet::check(&ctx)
}

/// Hands a task's last exec on to its child, where the kernel writes the tracepoint's names in place.
#[tracepoint]
fn fork_in_place(ctx: TracePointContext) -> u32 {
    lineage::fork_in_place(&ctx)
}

/// Hands a task's last exec on to its child, where the kernel writes the tracepoint's names elsewhere.
#[tracepoint]
fn fork_by_reference(ctx: TracePointContext) -> u32 {
    lineage::fork_by_reference(&ctx)
}

/// Writes down that a task executes a program.
#[tracepoint]
fn exec(ctx: TracePointContext) -> u32 {
    lineage::exec(&ctx)
}

/// Forgets a task.
#[tracepoint]
fn exit(_ctx: TracePointContext) -> u32 {
    lineage::exit()
}

/// Says to the verifier under which licence the programs are; they call no helper that asks for the GPL.
#[expect(unsafe_code, reason = "loaders look for this section and this name")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
