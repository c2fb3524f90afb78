"""Holds a connection from before its session where one would not look for it: hold.py MODE ADDRESS PORT. Says `held`."""
import array, ctypes, os, socket, struct, sys, threading, time

mode, at = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
libc = ctypes.CDLL(None, use_errno=True)
CLONE_FILES, SCM_RIGHTS = 0x400, socket.SCM_RIGHTS
kept = []


def connected():
    found = socket.create_connection(at, 10)
    found.sendall(b"x")
    return found


def inode(of):
    return os.fstat(of.fileno()).st_ino


def sent(by, what, data):
    by.sendmsg([data], [(socket.SOL_SOCKET, SCM_RIGHTS, array.array("i", [what.fileno()]))])
    what.close()


def in_thread():
    if libc.unshare(CLONE_FILES) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    kept.append(connected())
    ready.set()
    time.sleep(600)


def ring(hidden):
    parameters = ctypes.create_string_buffer(120)
    fd = libc.syscall(425, 4, parameters)  # io_uring_setup
    if fd < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    held = connected()
    files = array.array("i", [held.fileno()])
    address, _ = files.buffer_info()

    def register(what, pointer, count):
        if libc.syscall(427, fd, what, ctypes.c_void_p(pointer), count) < 0:  # io_uring_register
            raise OSError(ctypes.get_errno(), f"io_uring_register {what}")

    register(2, address, 1)  # IORING_REGISTER_FILES
    held.close()
    if hidden:
        update = ctypes.create_string_buffer(struct.pack("=IIQ", 0xFFFFFFFF, 0, fd))
        register(20, ctypes.addressof(update), 1)  # IORING_REGISTER_RING_FDS
        os.close(fd)


if mode == "thread":
    ready = threading.Event()
    threading.Thread(target=in_thread, daemon=True).start()
    ready.wait(30)
elif mode in ("flight", "flight-of-nothing"):
    kind = socket.SOCK_STREAM if mode == "flight" else socket.SOCK_DGRAM
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    sent(one, connected(), b"x" if mode == "flight" else b"")
    one.close()
    kept.append(other)
elif mode == "backlog":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0icecore-test-backlog")
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0icecore-test-backlog")
    sent(client, connected(), b"x")
    client.close()
    kept.append(listener)
elif mode == "forged":
    held = connected()
    name = f"\0x\n0: 2 0 0 1 1 {inode(held)} y\n0: 2 0 0 1 1"
    liar = socket.socket(socket.AF_UNIX)
    liar.bind(name)
    kept += [held, liar]
elif mode in ("ring", "ring-hidden"):
    ring(mode == "ring-hidden")
elif mode == "twin":
    one, other = socket.socketpair()
    one.sendall(b"bytes, and nothing with them")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0icecore-test-twin\nx")
    listener.listen()
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    kernel.bind((0, 0))
    # What it had and let go of is no way.
    connected().close()
    kept += [one, other, listener, kernel]
else:
    raise SystemExit(f"no mode {mode}")
print("held", flush=True)
os.close(1)
time.sleep(600)
