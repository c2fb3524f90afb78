//! `bind`: only the daemon may hold its ports, so that nobody can take them while the daemon is away.

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::info;
use icecore_ebpf::{Address, Cfg, reason};

use crate::owner::Owner;
use crate::{guard, place, report, sock_addr};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// Decides whether an IPv4 socket may be bound.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    check(ctx, sock_addr::v4(ctx))
}

/// Decides whether an IPv6 socket may be bound.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    check(ctx, sock_addr::v6(ctx))
}

#[inline(always)]
fn check(ctx: &SockAddrContext, address: Address) -> i32 {
    let Some(cfg) = place::cfg() else {
        return DENY;
    };
    let port = sock_addr::port(ctx);
    let is_proxys = is_proxys(ctx, cfg, port);
    if !is_proxys && !guard::is_own_port(port) {
        return ALLOW;
    }
    let cgroup_id = match Owner::of(cfg, sock_addr::socket(ctx)) {
        Owner::Daemon => return ALLOW,
        // Others may use the number of a port that is not the proxy's: in a container, or in another's place.
        Owner::Outsider if !is_proxys => return ALLOW,
        Owner::Outsider => 0,
        Owner::Session(tag) => tag.cgroup_id,
        Owner::Wrong(cgroup_id, _) => cgroup_id,
    };
    report::denied(&sock_addr::denied(ctx, address, reason::BIND, cgroup_id));
    info!(ctx, "denied a port of the daemon to pid {}", ctx.tgid());
    DENY
}

/// Tells whether the port is the proxy's: the one of the host, wherever the socket is, or the one of its own namespace.
#[inline(always)]
fn is_proxys(ctx: &SockAddrContext, cfg: &Cfg, port: u16) -> bool {
    // Nobody asks for port 0: the kernel then chooses, above the ports that need a privilege.
    port == cfg.port || (port != 0 && place::proxy_port(cfg, place::netns(ctx.as_ptr())) == port)
}
