"""Ways by other protocols, families and network namespaces. Rows 9, 10, 11, 12, 20 and 21."""

import ctypes
import fcntl
import os
import socket
import struct

from kit import FACTS, call, came, dial, each, echo, echoed, in_namespaces, inner, mapped, name4, named, tcp, udp, way

# Source: linux/include/uapi/linux/in.h.
DCCP, L2TP, SCTP, UDPLITE, SMC, MPTCP = 33, 115, 132, 136, 256, 262
# Source: `enum sock_type` in linux/include/linux/net.h.
SOCK_DCCP, SOCK_PACKET = 6, 10


def heard(one):
    return "ok" if one.recv(4) == b"word" else "nothing came back"


def datagram():
    one = udp()
    one.sendto(b"word", tuple(FACTS["udp4"]))
    return heard(one)


def datagrams(family, name):
    """Sends one datagram by sendmmsg(2), which names its destination in a vector."""
    text, address = ctypes.create_string_buffer(b"word", 4), ctypes.create_string_buffer(name, len(name))
    vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(text), 4))
    # `struct mmsghdr`: name, length, vector, count, control, length, flags, sent.
    head = struct.pack("=QIxxxxQQQQixxxxIxxxx", ctypes.addressof(address), len(name), ctypes.addressof(vector), 1, 0, 0, 0, 0)
    header = ctypes.create_string_buffer(head, len(head))
    one = udp(family)
    call(307, one.fileno(), ctypes.addressof(header), 1, 0)
    return one


@way("9 datagrams to port 443")
def quic():
    account, v6 = FACTS["account"], socket.AF_INET6
    def connected(one, at):
        one.connect(tuple(at))
        one.send(b"x")
    def renamed():
        one = udp()
        one.connect(tuple(FACTS["udp4"]))
        one.sendto(b"x", tuple(account))
    seen = each({
        "connected": lambda: connected(udp(), account),
        "sendto": lambda: udp().sendto(b"x", tuple(account)),
        "sendmsg": lambda: udp().sendmsg([b"x"], [], 0, tuple(account)),
        "sendmmsg": lambda: datagrams(socket.AF_INET, name4(account)),
        "connected elsewhere": renamed,
        "mapped": lambda: udp(v6).sendto(b"x", mapped(account)),
        "mapped, connected": lambda: connected(udp(v6), mapped(account)),
        "IPv6": lambda: udp(v6).sendto(b"x", ("2001:db8::1", 443)),
        "an IPv4 name on an IPv6 socket": lambda: named("sendto", udp(v6), b"x", 1, 0, name4(account), 16),
        "the same, connected": lambda: named("connect", udp(v6), name4(account), 16),
        "a name without a family": lambda: named("sendto", udp(), b"x", 1, 0, name4(account, 0), 16),
    })
    return seen, came(datagram)


@way("9 datagrams to a guarded address")
def guarded_datagrams():
    guarded = FACTS["guarded"]
    seen = each({
        "sendto": lambda: udp().sendto(b"x", tuple(guarded)),
        "any port": lambda: udp().sendto(b"x", ("192.0.2.77", 5000)),
        "connected": lambda: udp().connect(tuple(guarded)),
        "sendmmsg": lambda: datagrams(socket.AF_INET, name4(guarded)),
        "mapped": lambda: udp(socket.AF_INET6).sendto(b"x", mapped(guarded)),
        "IPv4 name": lambda: named("sendto", udp(socket.AF_INET6), b"x", 1, 0, name4(guarded), 16),
    })
    return seen, came(lambda: heard(datagrams(socket.AF_INET, name4(FACTS["udp4"]))))


def made(family, kind, protocol):
    socket.socket(family, kind, protocol).close()


def unmade(acts):
    """Names what was not kept from being made: `EPERM`, also where this kernel has no such protocol and says so before."""
    words = {name: came(act) for name, act in acts.items()}
    absent = {"EPERM", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"}
    made_all = [f"{name}: {word}" for name, word in words.items() if word not in absent]
    return "; ".join(made_all) or "EPERM"


@way("9 UDP-Lite")
def udplite():
    return each({"v4": lambda: made(2, 2, UDPLITE), "v6": lambda: made(10, 2, UDPLITE)}), came(datagram)


@way("10 multipath TCP")
def mptcp():
    return each({"v4": lambda: made(2, 1, MPTCP), "v6": lambda: made(10, 1, MPTCP)}), came(echo)


@way("10 SMC over TCP")
def smc():
    return unmade({"v4": lambda: made(2, 1, SMC), "v6": lambda: made(10, 1, SMC)}), came(echo)


@way("10 SCTP, DCCP, L2TP")
def others():
    return unmade({
        "SCTP": lambda: made(2, 1, SCTP), "SCTP seqpacket": lambda: made(2, 5, SCTP), "SCTP v6": lambda: made(10, 1, SCTP),
        "DCCP": lambda: made(2, SOCK_DCCP, DCCP), "L2TP": lambda: made(2, 2, L2TP),
    }), came(echo)


@way("10 SMC by its own family")
def smc_family():
    return each({"v4": lambda: made(43, 1, 0), "v6": lambda: made(43, 1, 1)}), came(echo)


def raw():
    return each({
        "ICMP": lambda: made(2, 3, 1), "TCP": lambda: made(2, 3, 6), "any": lambda: made(2, 3, 255),
        "ICMPv6": lambda: made(10, 3, 58), "packet": lambda: made(17, 3, 0), "packet, cooked": lambda: made(17, 2, 0),
        "old packet": lambda: made(2, SOCK_PACKET, 3), "XDP": lambda: made(44, 3, 0),
    })


@way("11 raw and packet sockets")
def raw_sockets():
    return raw(), came(echo)


@inner("raw")
def raw_within():
    return raw()


@inner("tcp")
def tcp_within():
    tcp().close()
    return f"ok as {os.getuid()}"


@way("11 the same as root of namespaces of its own")
def raw_as_root():
    seen = {
        "user": lambda: in_namespaces(["--user", "--map-root-user"], "raw"),
        "user and net": lambda: in_namespaces(["--user", "--map-root-user", "--net"], "raw"),
    }
    return each(seen), in_namespaces(["--user", "--map-root-user", "--net"], "tcp")


@way("12 other families")
def families():
    allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
    acts = {}
    for family in set(range(1, 47)) - allowed:
        for kind in (1, 2, 3, 5):
            acts[f"{family} {kind}"] = lambda family=family, kind=kind: made(family, kind, 0)
        acts[f"pair {family}"] = lambda family=family: socket.socketpair(family, 1)
    twin = {str(family): (lambda family=family: made(family, 3 if family == 16 else 1, 0)) for family in allowed}
    return each(acts), each(twin)


def loopback_up():
    """Sets the loopback interface up, as root of a network namespace (netdevice(7), `SIOCSIFFLAGS`)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def served():
    """Reaches a service within the same namespace."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname(), timeout=5):
            return "ok"


@inner("redirected ports")
def unknown_namespace():
    loopback_up()
    account = FACTS["account"]
    return each({
        "443": lambda: dial(account), "80": lambda: dial((account[0], 80)), "IPv6": lambda: dial(("2001:db8::1", 443)),
        "mapped": lambda: dial(mapped(account), socket.AF_INET6), "guarded": lambda: dial(("192.0.2.77", 8443)),
        "metadata": lambda: dial(("169.254.169.254", 80)), "datagram": lambda: udp().sendto(b"x", tuple(account)),
        "the proxy's port": lambda: dial(("127.0.0.1", FACTS["proxy_port"])),
    })


@inner("served")
def served_within():
    loopback_up()
    return served()


@inner("the proxy's port")
def port_within():
    loopback_up()
    with socket.socket() as one:
        one.bind(("127.0.0.1", FACTS["proxy_port"]))


OWN = ["--user", "--map-root-user", "--net"]


@way("20 a network namespace that nobody knows")
def namespace():
    return in_namespaces(OWN, "redirected ports"), in_namespaces(OWN, "served")


@way("20 a server on the proxy's port of a namespace of its own")
def namespace_port():
    return in_namespaces(OWN, "the proxy's port"), in_namespaces(OWN, "served")


@inner("programs taken away")
def detached():
    """Has every right in its network namespace, and asks for the programs there (`BPF_PROG_DETACH`, `BPF_PROG_QUERY`)."""
    loopback_up()
    folder = os.open(FACTS["cgroup"], os.O_RDONLY | os.O_DIRECTORY)
    def bpf(command, words):
        attributes = (ctypes.c_uint32 * 40)(*words)
        call(321, command, ctypes.addressof(attributes), 144)
    # Attach types 10 and 11 are connect4 and connect6. Source: `enum bpf_attach_type` in linux/include/uapi/linux/bpf.h.
    # A program that a link holds is not found by who asks without it: EINVAL, which needs no right.
    taken = each({"connect4": lambda: bpf(9, [folder, 0, 10]), "connect6": lambda: bpf(9, [folder, 0, 11])})
    others = each({"query": lambda: bpf(16, [folder, 10]), "load": lambda: bpf(5, [8, 1]), "map": lambda: bpf(0, [2, 4, 4, 1])})
    return f"{taken}, {others}"


@way("21 root with all rights over a network of its own")
def net_admin():
    return in_namespaces(OWN, "programs taken away"), in_namespaces(OWN, "served")


@way("21 the rules of its network taken away, then out")
def flushed():
    return in_namespaces(OWN, "redirected ports"), in_namespaces(OWN, "served")
