"""Ways by processes, privileges and cgroups. Rows 3, 4, 5, 6 and 25, and attack 1."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time

from kit import FACTS, call, came, child, dial, each, libc, proxied, refused, said, way

VARIABLES = [
    "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST", "CONTAINERD_ADDRESS", "BUILDKIT_HOST",
    "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN",
]


@way("3 variables of daemons and of tokens")
def variables():
    found = [name for name in VARIABLES if name in os.environ]
    return "; ".join(found) or "none", "ok" if os.environ.get("KEPT") == "kept" else "lost"


def by_multiplexer(at):
    """Has a terminal multiplexer of the same user, outside, dial a place; gives what that process saw."""
    script = f"import socket, errno\ntry:\n socket.create_connection({tuple(at)!r}, 5); print('ok')\n" \
             "except OSError as error:\n print(errno.errorcode.get(error.errno, error))\n"
    with tempfile.NamedTemporaryFile("w", suffix=".py", dir=FACTS["home"], delete=False) as file:
        file.write(script)
    os.chmod(file.name, 0o644)
    out = file.name + ".out"
    subprocess.run(["tmux", "-S", FACTS["tmux"], "run-shell", "-b", f"python3 {file.name} > {out}.new && mv {out}.new {out}"],
                   check=True, capture_output=True, timeout=10)
    for _ in range(100):
        if os.path.exists(out):
            with open(out, encoding="utf-8") as file:
                return file.read().strip()
        time.sleep(0.1)
    return "nothing"


@way("3 a terminal multiplexer outside of the same user")
def multiplexer():
    return came(lambda: by_multiplexer(FACTS["guarded"])), came(lambda: by_multiplexer(FACTS["echo4"]))


@way("3 tables of cron and at, units, start files")
def left_for_others():
    def written(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
    places = ["/var/spool/cron/crontabs/nobody", "/var/spool/cron/nobody", "/var/spool/cron/atjobs/x", "/var/spool/at/x",
              "/etc/cron.d/x", "/etc/systemd/system/x.service", "/run/systemd/system/x.service", "/etc/profile.d/x.sh",
              "/etc/ld.so.preload", "/etc/crontab"]
    words = [came(lambda path=path: written(path)) for path in places]
    left = [path for path, word in zip(places, words) if word not in ("EACCES", "ENOENT", "EROFS", "EPERM")]
    return "; ".join(left) or "none", came(lambda: written(FACTS["home"] + "/of-its-own"))


@way("4 a set-user-id program")
def set_uid():
    return said([FACTS["set_uid"], "-u"]), "see outside"


@way("4 a program with capabilities of its file")
def file_capabilities():
    def effective():
        try:
            text = said([FACTS["file_caps"], "/proc/self/status"])
        except PermissionError:
            # Where the bounding set lacks them, the kernel does not start it (capabilities(7)).
            return "none"
        found = [line.split()[1] for line in text.splitlines() if line.startswith("CapEff:")]
        return "none" if not found or int(found[0], 16) == 0 else "some"
    return came(effective), "see outside"


@way("4 programs that give root")
def give_root():
    tried = [["sudo", "-n", "id"], ["su", "-c", "id"], ["newgrp", "root"], ["sg", "root", "id"], ["pkexec", "id"],
             ["newuidmap", str(os.getpid()), "0", "0", "1"], ["ping", "-c1", "127.0.0.1"], ["mount", "-a"]]
    became = [words[0] for words in tried if shutil.which(words[0]) and "uid=0" in said(words)]
    return "; ".join(became) or "none", "ok" if "uid=" in said(["id"]) else "no id"


def cgroups():
    """Finds every cgroup that is shown, of every hierarchy."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        found = [line.split()[4] for line in mounts if " - cgroup" in line]
    return [(at, folders) for root in found for at, folders, _ in os.walk(root)]


@way("5 every cgroup that can be seen")
def every_cgroup():
    moved, tried = [], 0
    for folder, _ in cgroups():
        for name in ("cgroup.procs", "cgroup.threads", "tasks"):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                continue
            tried += 1
            for word in ("0", str(os.getpid())):
                with contextlib.suppress(OSError):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(word)
                    moved.append(path)
    with open("/proc/self/cgroup", encoding="utf-8") as own:
        return "; ".join(moved) or "none", "ok" if tried > 4 and "icecore" in own.read() else f"tried {tried}"


def born(folder=None):
    """Starts a process by clone3(2), in a cgroup if one is given (`CLONE_INTO_CGROUP`)."""
    words = (ctypes.c_uint64 * 11)()
    words[4] = signal.SIGCHLD
    if folder is not None:
        words[0], words[10] = 0x200000000, folder
    pid = call(435, ctypes.addressof(words), 88)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@way("5 born in another cgroup")
def born_elsewhere():
    words = set()
    for folder, _ in cgroups():
        if not os.path.exists(os.path.join(folder, "cgroup.kill")):
            continue
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        words.add(came(lambda: born(held)))
        os.close(held)
    return "; ".join(sorted(words)), came(born)


@way("5 a cgroup of its own")
def own_cgroup():
    words = {came(lambda folder=folder: os.mkdir(os.path.join(folder, "of-its-own"))) for folder, _ in cgroups()}
    return "; ".join(sorted(words - {"EROFS"})), came(lambda: os.rmdir(tempfile.mkdtemp(dir=FACTS["home"])))


@way("5 as root of namespaces of its own")
def remounted():
    script = "mount -t cgroup2 none /mnt && find /mnt -maxdepth 4 -name cgroup.procs | while read f; do " \
             "{ echo $$ > $f; } 2>/dev/null && echo moved $f; done; { echo $$ > $0/cgroup.procs; } 2>/dev/null && echo moved; echo end"
    own = ["unshare", "--user", "--map-root-user", "--mount", "--cgroup"]
    seen = said([*own, "sh", "-c", script, FACTS["outside_cgroup"]])
    return "none" if seen.splitlines()[-1:] == ["end"] and "moved" not in seen else seen, said([*own, "id", "-u"])


@way("5 others killed by their cgroup")
def killed():
    def written(name):
        with open(os.path.join(FACTS["outside_cgroup"], name), "w", encoding="utf-8") as file:
            file.write("1")
    def shown():
        with open(os.path.join(FACTS["outside_cgroup"], "cgroup.events"), encoding="utf-8") as file:
            return "ok" if "populated 1" in file.read() else "nobody there"
    return each({name: (lambda name=name: written(name)) for name in ("cgroup.kill", "cgroup.freeze")}), came(shown)


@way("6 a net_cls class")
def net_cls():
    with open("/proc/self/cgroup", encoding="utf-8") as own:
        held = [line for line in own if "net_cls" in line and "icecore" in line]
    if not held:
        return "in no net_cls cgroup", "not tried"
    return came(lambda: dial(FACTS["guarded"])), came(lambda: proxied(dial(FACTS["account"])))


SEIZE, ATTACH, DETACH = 0x4206, 16, 17


def traced(pid, request):
    """Attaches as a debugger does, and lets go."""
    ctypes.set_errno(0)
    if libc.ptrace(request, pid, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), "")
    if request == ATTACH:
        os.waitpid(pid, 0)
        libc.ptrace(DETACH, pid, 0, 0)


def looked_into(pid, address):
    """Every way into a process."""
    here = ctypes.create_string_buffer(8)
    own = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    there = (ctypes.c_size_t * 2)(address, 8)
    def opened(name, how="rb"):
        with open(f"/proc/{pid}/{name}", how) as file:
            if name == "mem":
                file.seek(address)
            file.read(8)
    def by_call(number):
        call(number, pid, ctypes.addressof(own), 1, ctypes.addressof(there), 1, 0)
    return {
        "attach": lambda: traced(pid, ATTACH), "seize": lambda: traced(pid, SEIZE),
        "readv": lambda: by_call(310), "writev": lambda: by_call(311),
        "mem": lambda: opened("mem"), "environ": lambda: opened("environ"), "maps": lambda: opened("maps"),
        "auxv": lambda: opened("auxv"),
    }


@way("25 the daemon's memory")
def daemons_memory():
    here = ctypes.create_string_buffer(b"own")
    seen = {f"{pid}": refused(looked_into(pid, ctypes.addressof(here))) for pid in FACTS["daemon"]}
    own = looked_into(os.getpid(), ctypes.addressof(here))
    return "; ".join(sorted(set(seen.values()))), each({name: own[name] for name in ("readv", "mem", "environ", "maps")})


@way("25 the memory of a process outside of the same user")
def outsiders_memory():
    with child() as own:
        twin = each({"attach": lambda: traced(own, ATTACH), "environ": lambda: looked_into(own, 0)["environ"]()})
    return refused(looked_into(FACTS["pid"], FACTS["secret"])), twin


@way("25 the memory of another session of the same user")
def other_sessions_memory():
    with child() as own:
        twin = each({"attach": lambda: traced(own, ATTACH)})
    return refused(looked_into(FACTS["other_pid"], FACTS["other_secret"])), twin


@way("25 signals to others")
def signals():
    def by_descriptor(pid):
        held = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(held, 0)
        finally:
            os.close(held)
    acts = {}
    for pid in [*FACTS["daemon"], FACTS["pid"], FACTS["other_pid"]]:
        acts[f"{pid}"] = lambda pid=pid: os.kill(pid, 0)
        acts[f"{pid} by descriptor"] = lambda pid=pid: by_descriptor(pid)
    with child() as own:
        twin = each({"own": lambda: os.kill(own, 0), "descriptor": lambda: by_descriptor(own)})
    return refused(acts), twin
