"""Gives a process the number of one that has ended, as root may (clone3(2), `set_tid`): what attackers wait for.

Source of the arguments: `struct clone_args` in linux/include/uapi/linux/sched.h; 435 is clone3 on every architecture.
"""
import ctypes, json, os, signal, socket, sys, time

NOBODY = 65534


def born(pid):
    """Starts `sleep` under a number that is free."""
    number = (ctypes.c_int * 1)(pid)
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(number), 1, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(200):
        made = libc.syscall(435, ctypes.byref(arguments), 88)
        if made == 0:
            os.execv("/bin/sleep", ["sleep", "97"])
        if made > 0:
            return made
        time.sleep(0.01)
    sys.exit("clone3: " + os.strerror(ctypes.get_errno()))


def cgroup(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return [line.strip()[3:] for line in file if line.startswith("0::")][0]


def ask(connected, message):
    connected.settimeout(20)
    try:
        connected.sendall(json.dumps(message).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = connected.recv(65536)
            if not part:
                return {}
            answer += part
        return json.loads(answer)
    except OSError:
        return {}


def connected_by(path, uid, stays):
    """Gives a connection that a child makes, which then ends or stays; and the child's number."""
    made = socket.socket(socket.AF_UNIX)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        if uid:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        made.connect(path)
        # Before it ends: that the daemon has looked at who connected.
        if stays is not None:
            ask(made, {"ask": "identity"})
        os.write(write, b"x")
        while stays:
            time.sleep(1)
        os._exit(0)
    os.read(read, 1)
    if not stays:
        os.waitpid(child, 0)
    return made, child


def opening(enforced):
    return {"ask": "open", "labels": {}, "exe": "x", "argv_sha256": [0] * 32, "require_enforced": enforced}


def enter(path):
    """A dead peer's connection enters a session: what becomes of whoever has its number?"""
    holder, kept = connected_by(path, NOBODY, True)
    opened = ask(holder, opening(False))
    dead, number = connected_by(path, NOBODY, False)
    victim = born(number)
    before = cgroup(victim)
    told = ask(dead, {"ask": "enter", "session": opened["session"], "token": opened["token"]})
    after = cgroup(victim)
    ask(holder, {"ask": "close", "reason": "exited 0"})
    time.sleep(0.3)
    ended, _ = os.waitpid(victim, os.WNOHANG)
    # The same from one that lives is taken: what is shown above is not another mistake.
    living, own = connected_by(path, NOBODY, True)
    again = ask(living, opening(False))
    entering, mover = connected_by(path, NOBODY, True)
    twin = ask(entering, {"ask": "enter", "session": again["session"], "token": again["token"]})
    moved = cgroup(mover).endswith(again["session"])
    for pid in (kept, own, mover, victim):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    print(json.dumps({"told": told.get("reason", told), "same": before == after, "killed": ended != 0,
                      "twin": twin.get("answer"), "moved": moved}))


def open_(path):
    """A dead peer's connection asks for an enforced session, by the number of a process of root's."""
    dead, number = connected_by(path, NOBODY, False)
    victim = born(number)
    told = ask(dead, opening(True))
    living, kept = connected_by(path, NOBODY, True)
    twin = ask(living, opening(False))
    for pid in (victim, kept):
        os.kill(pid, signal.SIGKILL)
    print(json.dumps({"answer": told.get("answer"), "twin": twin.get("answer")}))


def inside(path):
    """Of a session: connects by a child that ends at once, tells its number, and asks once it hears a line."""
    dead, number = connected_by(path, 0, None)
    print(number, flush=True)
    sys.stdin.readline()
    print(json.dumps(ask(dead, {"ask": "identity"})), flush=True)


def reborn(number):
    """Has the number until it is killed; tells it."""
    print(born(int(number)), flush=True)
    os.wait()


{"enter": enter, "open": open_, "inside": inside, "reborn": reborn}[sys.argv[1]](sys.argv[2])
