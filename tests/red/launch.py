"""Starts a session as a careless runner would: with sockets left open, as standard input too, and variables of daemons.

Run as `launch.py CLASS COMMAND...`. As root it leaves a map open as well, and puts the session under a net_cls cgroup of this
name, of a hierarchy that is mounted for it alone and taken away afterwards.
"""

import ctypes
import os
import socket
import subprocess
import sys
import tempfile

from by_process import VARIABLES

LEFT_OPEN = 60


def kept(descriptor, number):
    os.dup2(descriptor, number, inheritable=True)


def leave_open():
    stream, datagrams = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kept(stream.fileno(), LEFT_OPEN)
    kept(datagrams.fileno(), LEFT_OPEN + 1)
    kept(os.pidfd_open(os.getpid()), LEFT_OPEN + 2)
    kept(stream.fileno(), 0)
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        # An array map of one value (`BPF_MAP_CREATE`); its attributes are 32-bit words.
        attributes = (ctypes.c_uint32 * 40)(2, 4, 4, 1)
        made = libc.syscall(321, 0, attributes, 144)
        assert made >= 0, os.strerror(ctypes.get_errno())
        kept(made, LEFT_OPEN + 3)


def run(command):
    leave_open()
    for name in VARIABLES:
        os.environ[name] = "canary"
    os.environ["KEPT"] = "kept"
    os.execvp(command[0], command)


name, *command = sys.argv[1:]
if os.getuid() != 0:
    run(command)
folder = tempfile.mkdtemp()
subprocess.run(["mount", "-t", "cgroup", "-o", "net_cls", "none", folder], check=True)
cgroup = os.path.join(folder, f"{name}-{os.getpid()}")
os.mkdir(cgroup)
try:
    with open(os.path.join(cgroup, "net_cls.classid"), "w", encoding="utf-8") as file:
        file.write("0x00100001")
    child = os.fork()
    if child == 0:
        with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
        run(command)
    _, status = os.waitpid(child, 0)
finally:
    os.rmdir(cgroup)
    subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)
sys.exit(os.waitstatus_to_exitcode(status))
