"""A helper of the red agent's in no session, or in another one: whatever a process of the same user may do for it.

Run as `outside.py SOCKET ABSTRACT [EARLY_HOST EARLY_PORT]`. It echoes over TCP and UDP, relays by HTTP CONNECT and SOCKS5
(RFC 1928), makes and hands over sockets, and holds connections that were made when it started, each for one use. It says where it is in
one line of JSON, and ends with its standard input.
"""

import ctypes
import errno
import json
import os
import socket
import sys
import threading


def serve(listener, answer):
    """Answers each connection in a thread of its own."""
    def take():
        while True:
            one, _ = listener.accept()
            threading.Thread(target=quietly, args=(answer, one), daemon=True).start()
    threading.Thread(target=take, daemon=True).start()
    return listener.getsockname()[:2]


def quietly(answer, one):
    with one:
        try:
            answer(one)
        except OSError:
            pass


def repeat(one):
    while heard := one.recv(4096):
        one.sendall(heard)


def tcp(host, family=socket.AF_INET):
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen(512)
    return listener


def datagrams(host, family=socket.AF_INET):
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.bind((host, 0))
    def take():
        while True:
            heard, at = one.recvfrom(4096)
            one.sendto(heard, at)
    threading.Thread(target=take, daemon=True).start()
    return one.getsockname()[:2]


def dial(host, port):
    """Connects on somebody's behalf; gives the connection, or the kernel's word."""
    try:
        return socket.create_connection((host, port), timeout=5), "ok"
    except TimeoutError:
        return None, "timeout"
    except OSError as error:
        return None, errno.errorcode.get(error.errno, str(error))


def carry(one, other):
    def one_way(source, sink):
        try:
            while heard := source.recv(4096):
                sink.sendall(heard)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    threading.Thread(target=one_way, args=(other, one), daemon=True).start()
    one_way(one, other)


def http(one):
    line = one.makefile("rb").readline().decode()
    host, _, port = line.split()[1].rpartition(":")
    other, word = dial(host.strip("[]"), int(port))
    if other is None:
        one.sendall(f"HTTP/1.1 502 {word}\r\n\r\n".encode())
        return
    one.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
    carry(one, other)


def socks(one):
    greeting = one.recv(2)
    one.recv(greeting[1])
    one.sendall(b"\x05\x00")
    head = one.recv(4)
    assert head[3] == 1, "IPv4 only"
    host, port = socket.inet_ntoa(one.recv(4)), int.from_bytes(one.recv(2), "big")
    other, word = dial(host, port)
    # 2 is "connection not allowed by ruleset", 1 any other failure.
    code = {"ok": 0, "EPERM": 2}.get(word, 1)
    one.sendall(bytes([5, code, 0, 1]) + bytes(6))
    if other is not None:
        carry(one, other)


def requests(one):
    asked = json.loads(one.makefile("rb").readline())
    made = None
    if asked["ask"] == "socket":
        made = socket.socket(asked.get("family", socket.AF_INET), asked.get("kind", socket.SOCK_STREAM))
    elif asked["ask"] == "connected":
        made, _ = dial(*asked["at"])
    elif asked["ask"] == "early":
        made = EARLY.pop()
    if made is None:
        one.sendall(b'{"answer": "none"}\n')
    else:
        socket.send_fds(one, [b'{"answer": "ok"}\n'], [made.fileno()])


def unix(name):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen(64)
    return listener


path, abstract, *early = sys.argv[1:]
# Names without a path are the host's: the folder of this run keeps them apart from another's.
abstract += path
EARLY = [dial(early[0], int(early[1]))[0] for _ in range(4)] if early else []
if os.path.exists(path):
    os.unlink(path)
serve(unix(path), requests)
os.chmod(path, 0o777)
serve(unix("\0" + abstract), repeat)
SECRET = ctypes.create_string_buffer(b"canary of a process outside")
LEFT_OPEN = socket.socket()
print(json.dumps({
    "pid": os.getpid(),
    "abstract": abstract,
    "echo4": serve(tcp("127.0.0.1"), repeat),
    "echo6": serve(tcp("::1", socket.AF_INET6), repeat),
    "udp4": datagrams("127.0.0.1"),
    "udp6": datagrams("::1", socket.AF_INET6),
    "http": serve(tcp("127.0.0.1"), http),
    "socks": serve(tcp("127.0.0.1"), socks),
    "secret": ctypes.addressof(SECRET),
    "open": LEFT_OPEN.fileno(),
    "early": bool(EARLY) and None not in EARLY,
}), flush=True)
sys.stdin.read()
