"""Ways by names, addresses and ports. Rows 3, 7, 8, 13, 14, 16, 17, 18, 19, 24 and 26, and attacks 1, 2 and 26."""

import os
import socket
import ssl
import struct

from kit import (
    FACTS, HOST, came, dial, each, echo, echoed, mapped, name4, named, proxied, tcp, udp, way,
)

# Source: linux/include/uapi/linux/tcp.h and linux/include/linux/socket.h.
TCP_FASTOPEN_CONNECT = 30
MSG_FASTOPEN = 0x20000000

GUARDED4 = "192.0.2.77"
GUARDED6 = "2001:db8::77"


def relayed(at):
    """Asks the HTTP proxy outside for a place; gives its word."""
    with dial(FACTS["http"]) as one:
        one.sendall(f"CONNECT {at[0]}:{at[1]} HTTP/1.1\r\n\r\n".encode())
        status = one.recv(200).split(b"\r\n")[0].decode().split()
        return echoed(one) if status[1] == "200" and list(at) == list(FACTS["echo4"]) else status[-1]


@way("3 a relay outside of the same user")
def relay():
    return came(lambda: relayed(FACTS["guarded"])), came(lambda: relayed(FACTS["echo4"]))


@way("7 mapped IPv4")
def mapped_v4():
    v6 = socket.AF_INET6
    guarded = each({
        "upstream": lambda: dial(mapped(FACTS["guarded"]), v6),
        "any port": lambda: dial((f"::ffff:{GUARDED4}", 8443), v6),
        "metadata": lambda: dial(("::ffff:169.254.169.254", 80), v6),
    })
    return guarded, came(lambda: echo(mapped=True))


@way("7 mapped IPv4, to the account")
def mapped_account():
    return came(lambda: proxied(dial(mapped(FACTS["account"]), socket.AF_INET6))), came(lambda: echo(mapped=True))


def only6():
    one = tcp(socket.AF_INET6)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one


@way("8 IPv6 alone")
def v6_alone():
    seen = each({
        "any": lambda: proxied(dial(("2001:db8::1", 443), one=only6())),
        "loopback": lambda: proxied(dial(("::1", 443), one=only6())),
        "guarded": lambda: proxied(dial((GUARDED6, 443), one=only6())),
    })
    return seen, came(lambda: echoed(dial(FACTS["echo6"], one=only6())))


@way("8 a guarded IPv6 address")
def v6_guarded():
    seen = each({
        "host": lambda: dial((GUARDED6, 8443)),
        "only": lambda: dial((GUARDED6, 8443), one=only6()),
        "NAT64": lambda: dial(("64:ff9b::" + GUARDED4, 8443)),
        "metadata": lambda: dial(("fd00:ec2::254", 80)),
        "datagram": lambda: udp(socket.AF_INET6).sendto(b"x", (GUARDED6, 8443)),
    })
    return seen, came(lambda: echoed(dial(FACTS["echo6"])))


@way("13 the proxy's port taken")
def port_taken():
    port = FACTS["proxy_port"]
    def bound(host, *options, kind=socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, kind) as one:
            for option in options:
                one.setsockopt(socket.SOL_SOCKET, option, 1)
            if ":" in host:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int("ffff" not in host))
            one.bind((host, port))
    hosts = ["127.0.0.1", "0.0.0.0", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1"]
    ways = {"": (), " REUSEADDR": (socket.SO_REUSEADDR,), " REUSEPORT": (socket.SO_REUSEPORT,),
            " both": (socket.SO_REUSEADDR, socket.SO_REUSEPORT)}
    acts = {host + name: (lambda host=host, options=options: bound(host, *options))
            for host in hosts for name, options in ways.items()}
    acts["datagram"] = lambda: bound("127.0.0.1", kind=socket.SOCK_DGRAM)
    def free():
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
    return each(acts), came(free)


@way("13 the proxy's port dialled")
def port_dialled():
    port = FACTS["proxy_port"]
    hosts = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"]
    return each({host: (lambda host=host: dial((host, port))) for host in hosts}), came(echo)


def unspecified(one):
    """Takes a socket's connection away, so that it can make another (connect(2), `AF_UNSPEC`)."""
    named("connect", one, bytes(16), 16)
    return one


@way("14 a second connect of one socket")
def second_connect():
    def after(first, second):
        return dial(second, one=unspecified(dial(first)))
    account, guarded = FACTS["account"], FACTS["guarded"]
    seen = each({
        "guarded": lambda: after(account, guarded),
        "guarded after an echo": lambda: after(FACTS["echo4"], guarded),
        "the proxy's port": lambda: after(account, ("127.0.0.1", FACTS["proxy_port"])),
        "metadata": lambda: after(account, ("169.254.169.254", 80)),
    })
    return seen, came(lambda: echo(unspecified(dial(account))))


@way("14 a second connect, to the account")
def second_account():
    def after(first):
        return proxied(dial(FACTS["account"], one=unspecified(dial(first))))
    seen = each({"after itself": lambda: after(FACTS["account"]), "after an echo": lambda: after(FACTS["echo4"])})
    return seen, came(lambda: proxied(dial(FACTS["account"])))


@way("16 a storm of processes")
def storm():
    read, write = os.pipe()
    count = 200
    for number in range(count):
        if os.fork() == 0:
            target = FACTS["guarded"] if number % 2 else ["192.0.2.77", 22]
            os.write(write, (came(lambda: dial(target)) + "\n").encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        words = told.read().split()
    for _ in range(count):
        os.wait()
    seen = words[0] if len(set(words)) == 1 and len(words) == count else f"{sorted(set(words))} of {len(words)}"
    return seen, came(echo)


@way("17 CONNECT on a redirected port")
def connect_redirected():
    def asked(host, at):
        with dial((at, 80)) as one:
            one.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            return one.recv(200).split(b"\r\n")[0].decode() or "closed"
    account = FACTS["account"][0]
    return each({"account": lambda: asked(HOST, account), "other": lambda: asked("other.snowflakecomputing.com", account)}), \
        came(lambda: relayed(FACTS["echo4"]))


@way("17 CONNECT to a guarded address")
def connect_guarded():
    def asked(target):
        with dial((GUARDED4, 80)) as one:
            one.sendall(f"CONNECT {target}:443 HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            return one.recv(200).split(b"\r\n")[0].decode() or "closed"
    return each({"example.org": lambda: asked("example.org"), GUARDED4: lambda: asked(GUARDED4)}), \
        came(lambda: relayed(FACTS["echo4"]))


@way("17 SOCKS outside")
def socks():
    def relayed5(at):
        with dial(FACTS["socks"]) as one:
            one.sendall(b"\x05\x01\x00")
            one.recv(2)
            one.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(at[0]) + struct.pack("!H", at[1]))
            code = one.recv(10)[1]
            if code == 2:
                return "EPERM"
            return echoed(one) if code == 0 and list(at) == list(FACTS["echo4"]) else f"code {code}"
    return came(lambda: relayed5(FACTS["guarded"])), came(lambda: relayed5(FACTS["echo4"]))


@way("18 another name to a guarded address")
def other_name():
    def shaken(name):
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        with trust.wrap_socket(dial((GUARDED4, 443)), server_hostname=name):
            return "handshake"
    return each({"example.org": lambda: shaken("example.org"), "none": lambda: shaken(None)}), \
        came(lambda: proxied(dial((GUARDED4, 443))))


@way("18 an encrypted hello to a guarded address")
def encrypted_hello():
    # RFC 8446 section 4.1.2, RFC 6066 section 3; extension 0xfe0d of draft-ietf-tls-esni, in its outer form.
    def extension(kind, body):
        return struct.pack("!HH", kind, len(body)) + body
    def hello(name):
        host = b"\x00" + struct.pack("!H", len(name)) + name.encode()
        outer = b"\x00\x00\x01\x00\x01\x2a" + struct.pack("!H", 32) + os.urandom(32) + struct.pack("!H", 64) + os.urandom(64)
        more = extension(0, struct.pack("!H", len(host)) + host) + extension(0xFE0D, outer) + extension(43, b"\x02\x03\x04")
        body = b"\x03\x03" + os.urandom(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + struct.pack("!H", len(more)) + more
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message
    def answered(name):
        with dial((GUARDED4, 443)) as one:
            one.sendall(hello(name))
            heard = one.recv(100)
            return "closed" if not heard else "an alert" if heard[0] == 21 else f"heard {heard[:5]!r}"
    return each({"outer": lambda: answered("cover.example.org")}), came(lambda: proxied(dial((GUARDED4, 443))))


@way("18 another Host behind the account's name")
def other_host():
    def asked(host):
        trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        with trust.wrap_socket(dial(FACTS["account"]), server_hostname=HOST) as tls:
            body = b'{"data": {}}'
            tls.sendall(f"POST /session/v1/login-request?requestId=0 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            heard = b""
            while more := tls.recv(4096):
                heard += more
        return "refused" if b'"success":true' not in heard and b"server name" in heard else heard[-300:].decode()
    return each({"other account": lambda: asked("other.snowflakecomputing.com"), "front": lambda: asked("example.org")}), \
        came(lambda: proxied(dial(FACTS["account"])))


@way("19 other ports of a guarded address")
def other_ports():
    ports = [1, 22, 853, 8080, 8443, 65535]
    acts = {str(port): (lambda port=port: dial((GUARDED4, port))) for port in ports}
    acts["upstream"] = lambda: dial(FACTS["guarded"])
    return each(acts), came(echo)


@way("19 a source route by a guarded address")
def source_route():
    # Loose source route, RFC 791 section 3.1: the address to go by stands in an option, another in the call.
    def routed():
        one = tcp()
        host, port = FACTS["guarded"]
        one.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x83\x07\x04" + socket.inet_aton(host) + b"\x00")
        return echoed(dial(("127.0.0.9", port), one=one))
    return came(routed), came(echo)


def waiting(family=socket.AF_INET):
    """A socket whose calls wait: one that does not is told EINPROGRESS instead of how it ended."""
    one = tcp(family)
    one.setblocking(True)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 5, 0))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 5, 0))
    return one


@way("24 a connect by the first bytes")
def fast_open():
    def sent(at, family=socket.AF_INET):
        waiting(family).sendto(b"x", MSG_FASTOPEN, tuple(at))
    def flagged(at):
        one = tcp()
        one.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        one.connect(tuple(at))
        one.sendall(b"x")
    guarded = FACTS["guarded"]
    seen = each({
        "MSG_FASTOPEN": lambda: sent(guarded),
        "mapped": lambda: sent(mapped(guarded), socket.AF_INET6),
        "TCP_FASTOPEN_CONNECT": lambda: flagged(guarded),
        "metadata": lambda: sent(("169.254.169.254", 80)),
        "the proxy's port": lambda: sent(("127.0.0.1", FACTS["proxy_port"])),
    })
    def twin():
        one = waiting()
        one.sendto(b"word", MSG_FASTOPEN, tuple(FACTS["echo4"]))
        return "ok" if one.recv(4) == b"word" else "nothing came back"
    return seen, came(twin)


@way("24 a connect by the first bytes, to the account")
def fast_open_account():
    def by_message():
        one = waiting()
        one.sendto(b"", MSG_FASTOPEN, tuple(FACTS["account"]))
        return proxied(one)
    def by_option():
        one = tcp()
        one.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        return proxied(dial(FACTS["account"], one=one))
    return each({"message": by_message, "option": by_option}), came(lambda: proxied(dial(FACTS["account"])))


@way("26 a bare address, with the account's name")
def bare_address():
    hosts = ["127.66.6.6", "198.51.100.9", "2001:db8::9"]
    return each({host: (lambda host=host: proxied(dial((host, 443)))) for host in hosts}), came(echo)


# Source: attack 1 of the plan's list; the agent's own list is `connection/metadata.rs`.
METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"]


@way("A1 metadata addresses")
def metadata():
    acts = {}
    for host in METADATA:
        for port in (80, 443, 8080):
            acts[f"{host} {port}"] = lambda host=host, port=port: dial((host, port))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        acts[f"{host} datagram"] = lambda host=host, family=family: udp(family).sendto(b"x", (host, 4000))
    acts["as a name without a family"] = lambda: named("sendto", udp(), b"x", 1, 0, name4(("169.254.169.254", 4000), 0), 16)
    return each(acts), came(echo)


@way("A2 the proxy as a carrier")
def carrier():
    """What is not the original address is never dialled: a name in the hello or the request chooses no other."""
    def shaken(name, at):
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        with trust.wrap_socket(dial(at), server_hostname=name):
            return "handshake"
    seen = each({
        "a name of a guarded address": lambda: shaken("guarded4.example.org", (GUARDED4, 443)),
        "a name of this host": lambda: shaken("localhost", (GUARDED4, 443)),
        "IPv6": lambda: shaken("example.org", (GUARDED6, 443)),
    })
    return seen, came(lambda: proxied(dial(FACTS["account"])))


@way("A26 the daemon's own ports")
def own_ports():
    port = FACTS["metrics_port"]
    hosts = ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"]
    return each({host: (lambda host=host: dial((host, port))) for host in hosts}), came(echo)
