"""Tries what a session must not let through, each by one name, and prints what came of it: `name errno-or-ok`.

Ways that no library offers are taken by machine code in a page of its own: the 32-bit entry into the kernel.
"""

import ctypes
import errno
import mmap
import os
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

X32 = 0x4000_0000


def told(answer):
    """Names what the kernel said: `ok`, or the error."""
    if answer is None or answer >= 0:
        return "ok"
    code = -answer
    return errno.errorcode.get(code, str(code))


def native(number, *arguments):
    """Makes a call by the 64-bit entry."""
    ctypes.set_errno(0)
    answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return -ctypes.get_errno() if answer == -1 else answer


def compat(number, first=0, second=0, third=0):
    """Makes a call by the 32-bit entry: mov eax, ebx, ecx, edx; int 0x80; rbx is kept for the caller."""
    def word(value):
        return (value & 0xFFFF_FFFF).to_bytes(4, "little")
    code = b"\x53\xb8" + word(number) + b"\xbb" + word(first) + b"\xb9" + word(second) + b"\xba" + word(third)
    code += b"\xcd\x80\x5b\xc3"
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return call()


def connects(path):
    """Connects to a socket by its path."""
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path.replace("@", "\0"))
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def dials(address, port):
    """Connects to an address."""
    try:
        socket.create_connection((address, port), timeout=5).close()
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def traces(pid):
    """Attaches to a process as a debugger does (`PTRACE_ATTACH`), and lets it go (`PTRACE_DETACH`)."""
    ctypes.set_errno(0)
    if libc.ptrace(16, pid, 0, 0) == -1:
        return errno.errorcode[ctypes.get_errno()]
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, 0, 0)
    return "ok"


def reads(pid):
    """Reads eight bytes of a process's memory (`process_vm_readv`), at an address of ours."""
    here = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    return told(native(310, pid, ctypes.addressof(vector), 1, ctypes.addressof(vector), 1, 0))


def child():
    """Starts a process that does nothing."""
    pid = os.fork()
    if pid == 0:
        os.execvp("sleep", ["sleep", "30"])
    return pid


def sockets():
    """Names every way to a socket with what came of it."""
    stream, datagram, raw = 1, 2, 3
    found = {}
    for family in list(range(1, 47)):
        kind = raw if family in (16, 17) else datagram if family in (38,) else stream
        found[f"native {family}"] = told(native(41, family, kind, 0))
        found[f"x32 {family}"] = told(native(X32 | 41, family, kind, 0))
        found[f"compat {family}"] = told(compat(359, family, kind, 0))
    pair = (ctypes.c_int * 2)()
    for family in (1, 40):
        found[f"pair {family}"] = told(native(53, family, stream, 0, ctypes.addressof(pair)))
    found["socketcall"] = told(compat(102, 1, 0, 0))
    found["getpid by the 32-bit entry"] = told(compat(20))
    parameters = ctypes.create_string_buffer(120)
    found["io_uring"] = told(native(425, 4, ctypes.addressof(parameters)))
    found["mptcp"] = told(native(41, 2, stream, 262))
    found["sctp"] = told(native(41, 2, stream, 132))
    found["raw"] = told(native(41, 2, raw, 1))
    found["raw6"] = told(native(41, 10, raw, 58))
    found["tcp"] = told(native(41, 2, stream, 0))
    return found


what, *rest = sys.argv[1:]
if what == "sockets":
    for name, answer in sockets().items():
        print(name, "->", answer)
elif what == "connect":
    for path in rest:
        print(path, "->", connects(path))
elif what == "dial":
    print(dials(rest[0], int(rest[1])))
elif what == "listen":
    kept = []
    for path in rest:
        if os.path.exists(path):
            os.unlink(path)
        kept.append(socket.socket(socket.AF_UNIX))
        kept[-1].bind(path.replace("@", "\0"))
        if not path.startswith("@"):
            os.chmod(path, 0o666)
        kept[-1].listen(8)
    print("listening", flush=True)
    sys.stdin.readline()
elif what == "trace":
    own = child()
    for name, pid in [("own", own), ("other", int(rest[0]))]:
        print(name, "traced ->", traces(pid))
        print(name, "signalled ->", told(native(62, pid, 0)))
        print(name, "read ->", "ok" if reads(pid) in ("ok", "EFAULT") else reads(pid))
    os.kill(own, 9)
else:
    raise SystemExit(f"no {what}")
