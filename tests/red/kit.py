"""What the ways out lean on: one registry, the kernel's words for what was tried, and system calls that no library offers."""

import array
import contextlib
import ctypes
import errno
import json
import os
import socket
import ssl
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

FACTS = {}
WAYS = {}
HOST = "acme.snowflakecomputing.com"
WAIT_S = 5


def way(name):
    """Registers a function that tries a way and its twin, and gives what came of both."""
    def take(function):
        WAYS[name] = function
        return function
    return take


def came(act):
    """Names what came of an act: its own word, `ok`, or the error."""
    try:
        word = act()
    except ssl.SSLError as error:
        # Before OSError, which it is too, with numbers of OpenSSL's own.
        return f"TLS: {error.reason}"
    except subprocess.TimeoutExpired:
        return "timeout"
    except OSError as error:
        if isinstance(error, TimeoutError) and error.errno is None:
            return "timeout"
        return errno.errorcode.get(error.errno, str(error))
    return word if isinstance(word, str) else "ok"


def each(acts):
    """Names what came of several acts: one word if all are alike, each with its name if not."""
    words = {name: came(act) for name, act in acts.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{name}: {word}" for name, word in words.items())


REFUSED = {"EPERM", "EACCES", "ESRCH", "ENOENT"}


def refused(acts):
    """Names what was not refused by one of the errors by which the kernel keeps a process apart or hides it."""
    words = {name: came(act) for name, act in acts.items()}
    through = [f"{name}: {word}" for name, word in words.items() if word not in REFUSED]
    return "; ".join(through) or "refused"


def call(number, *arguments):
    """Makes a system call, and gives its answer or raises its error."""
    ctypes.set_errno(0)
    answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if answer == -1:
        raise OSError(ctypes.get_errno(), "")
    return answer


def tcp(family=socket.AF_INET):
    one = socket.socket(family, socket.SOCK_STREAM)
    one.settimeout(WAIT_S)
    return one


def udp(family=socket.AF_INET):
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.settimeout(WAIT_S)
    return one


def echoed(one):
    """Has a peer say a word again."""
    one.sendall(b"word")
    heard = one.recv(4)
    return "ok" if heard == b"word" else f"heard {heard!r}"


def dial(at, family=None, one=None):
    """Connects to a place, and nothing more."""
    family = family or (socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
    one = one or tcp(family)
    one.connect(tuple(at))
    return one


def echo(one=None, mapped=False):
    """The legitimate act beside most ways: reaches a service outside that nobody guards."""
    host, port = FACTS["echo4"]
    if mapped:
        return echoed(dial((f"::ffff:{host}", port), socket.AF_INET6, one))
    return echoed(dial((host, port), one=one))


def proxied(one, name=HOST):
    """Tells who is at the other end, by its certificate: `proxy`, if Icecore's own CA vouches for it."""
    trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    with trust.wrap_socket(one, server_hostname=name) as tls:
        issuer = str(tls.getpeercert()["issuer"])
    return "proxy" if "cecore" in issuer else issuer


def mapped(at):
    return (f"::ffff:{at[0]}", at[1])


def name4(at, family=socket.AF_INET):
    """A `struct sockaddr_in`, whose family may be another than the kernel's rules for libraries let one say."""
    return struct.pack("=H", family) + struct.pack("!H", at[1]) + socket.inet_aton(at[0]) + bytes(8)


def named(function, one, *arguments):
    """Calls libc's function on a socket with raw bytes for names."""
    ctypes.set_errno(0)
    if getattr(libc, function)(one.fileno(), *arguments) == -1:
        raise OSError(ctypes.get_errno(), "")
    return "ok"


def asked(path, **question):
    """Asks a helper outside of this session; gives its answer and the descriptors that came with it."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(path)
        one.sendall(json.dumps(question).encode() + b"\n")
        room = socket.CMSG_SPACE(4)
        text, aside, _, _ = one.recvmsg(4096, room)
        kept = array.array("i")
        for level, kind, data in aside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                kept.frombytes(data[: len(data) - len(data) % kept.itemsize])
        return json.loads(text), list(kept)


def handed(path=None, **question):
    """Gets a socket that a helper outside made."""
    answer, kept = asked(path or FACTS["helper"], **question)
    if not kept:
        raise RuntimeError(f"no descriptor came with {answer}")
    one = socket.socket(fileno=kept[0])
    one.settimeout(WAIT_S)
    return one


def passed_within():
    """Hands a socket over as the helper does, within the session."""
    left, right = socket.socketpair()
    with tcp() as own:
        socket.send_fds(left, [b"x"], [own.fileno()])
    _, kept, _, _ = socket.recv_fds(right, 1, 1)
    one = socket.socket(fileno=kept[0])
    one.settimeout(WAIT_S)
    return one


@contextlib.contextmanager
def child():
    """A process of the session's own, which does nothing."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def said(words, **more):
    """Runs a program; gives what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False, **more)
    return done.stdout.strip() or f"nothing, ended with {done.returncode}: {done.stderr.strip()[-300:]}"


def in_namespaces(options, name):
    """Runs one of this program's inner acts as root of namespaces of its own; gives its word."""
    words = ["unshare", *options, sys.executable, sys.argv[0], sys.argv[1], "within", name]
    return said(words)


INNER = {}


def inner(name):
    """Registers an act for `in_namespaces`."""
    def take(function):
        INNER[name] = function
        return function
    return take
