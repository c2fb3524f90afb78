"""Ways by what others made: sockets, descriptors, maps and programs. Rows 1, 2, 27 and 29."""

import ctypes
import os
import socket
import ssl

from kit import (
    FACTS, call, came, child, dial, each, echo, echoed, handed, passed_within, proxied, refused, tcp, udp, way,
)


@way("1 a socket from outside, to a guarded place")
def outside_guarded():
    return came(lambda: dial(FACTS["guarded"], one=handed(ask="socket"))), came(lambda: echo(passed_within()))


@way("1 a socket from outside, to the account")
def outside_account():
    twin = came(lambda: proxied(dial(FACTS["account"], one=passed_within())))
    return came(lambda: dial(FACTS["account"], one=handed(ask="socket"))), twin


@way("1 a socket from outside, to anywhere")
def outside_anywhere():
    return came(lambda: echo(handed(ask="socket"))), came(lambda: echo(passed_within()))


@way("1 a datagram socket from outside")
def outside_datagram():
    def sent(one):
        one.sendto(b"word", tuple(FACTS["udp4"]))
        return "ok" if one.recv(4) == b"word" else "nothing came back"
    return came(lambda: sent(handed(ask="socket", kind=socket.SOCK_DGRAM))), came(lambda: sent(udp()))


@way("1 a socket of another session")
def of_another_session():
    stolen = lambda: handed(FACTS["other_helper"], ask="socket")
    seen = each({"account": lambda: dial(FACTS["account"], one=stolen()), "anywhere": lambda: echo(stolen())})
    return seen, came(lambda: echo(passed_within()))


@way("1 a socket as standard input")
def standard_input():
    def used(at):
        one = socket.socket(fileno=os.dup(0))
        one.settimeout(5)
        one.connect(tuple(at))
    return each({"account": lambda: used(FACTS["account"]), "anywhere": lambda: used(FACTS["echo4"])}), came(echo)


@way("1 descriptors inherited over exec")
def inherited():
    left = {str(number): (lambda number=number: os.fstat(number)) for number in FACTS["left_open"]}
    return each(left), each({"1": lambda: os.fstat(1), "2": lambda: os.fstat(2)})


def taken(pid, number):
    """Takes a descriptor out of a process (pidfd_open(2), pidfd_getfd(2))."""
    process = os.pidfd_open(pid)
    try:
        os.close(call(438, process, number, 0))
    finally:
        os.close(process)


@way("1 a socket out of a process outside")
def out_of_process():
    with child() as own:
        return came(lambda: taken(FACTS["pid"], FACTS["open"])), came(lambda: taken(own, 1))


@way("1 a descriptor by /proc of a process outside")
def by_proc():
    there = lambda pid: os.readlink(f"/proc/{pid}/fd/1")
    with child() as own:
        return refused({"1": lambda: there(FACTS["pid"])}), came(lambda: there(own) and "ok")


@way("2 a connection from before the guard")
def before_the_guard():
    def answered():
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        with trust.wrap_socket(handed(ask="early"), server_hostname="acme.snowflakecomputing.com"):
            return "answered"
    return came(answered), came(lambda: echoed(handed(ask="connected", at=FACTS["echo4"])))


@way("27 an abstract socket outside, by the user itself")
@way("27 an abstract socket outside")
def abstract():
    def reached(name):
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(5)
            one.connect("\0" + name)
            return "ok"
    with socket.socket(socket.AF_UNIX) as own:
        own.bind("\0icecore-red-" + str(os.getpid()))
        own.listen(1)
        twin = came(lambda: reached("icecore-red-" + str(os.getpid())))
    names = {"outside": FACTS["abstract"], "another session": FACTS["other_abstract"]}
    return each({at: (lambda name=name: reached(name)) for at, name in names.items()}), twin


@way("29 maps and programs among its descriptors")
def among_descriptors():
    links = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            links[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass
    found = [f"{number} -> {to}" for number, to in links.items() if "bpf" in to or "pidfd" in to]
    return "; ".join(found) or "none", "ok" if {"0", "1", "2"} <= links.keys() else f"{links}"


# Source: `enum bpf_cmd` in linux/include/uapi/linux/bpf.h; these give a descriptor.
MAP_CREATE, PROG_LOAD, OBJ_GET, PROG_BY_ID, MAP_BY_ID, LINK_BY_ID = 0, 5, 7, 13, 14, 30
PROG_NEXT, MAP_NEXT, LINK_NEXT = 11, 12, 31


def bpf(command, attributes):
    """Makes a bpf(2) call; `attributes` are the first 32-bit words of its union. What it opens is closed again."""
    words = (ctypes.c_uint32 * 40)(*attributes)
    answer = call(321, command, ctypes.addressof(words), 144)
    if command in (MAP_CREATE, PROG_LOAD, OBJ_GET, PROG_BY_ID, MAP_BY_ID, LINK_BY_ID):
        os.close(answer)


def first(following):
    """Gives the number of the first that there is of a kind, or a guess where that is not told."""
    words = (ctypes.c_uint32 * 40)()
    try:
        call(321, following, ctypes.addressof(words), 144)
    except PermissionError:
        return 1
    return words[1]


@way("29 maps, programs and links by their numbers")
def by_number():
    acts = {
        "map": lambda: bpf(MAP_BY_ID, [first(MAP_NEXT)]), "program": lambda: bpf(PROG_BY_ID, [first(PROG_NEXT)]),
        "link": lambda: bpf(LINK_BY_ID, [first(LINK_NEXT)]),
        "next map": lambda: bpf(MAP_NEXT, [0]), "next program": lambda: bpf(PROG_NEXT, [0]),
        "next link": lambda: bpf(LINK_NEXT, [0]),
    }
    return each(acts), "see outside"


@way("29 a pinned map or link")
def pinned():
    def opened(pin):
        path = ctypes.create_string_buffer(pin.encode())
        at = ctypes.addressof(path)
        bpf(OBJ_GET, [at & 0xFFFFFFFF, at >> 32])
    return each({pin: (lambda pin=pin: opened(pin)) for pin in FACTS["pins"]}), "see outside"


@way("29 a map or program of its own")
def own_map():
    # An array map of one value; an empty program.
    return each({"map": lambda: bpf(MAP_CREATE, [2, 4, 4, 1]), "program": lambda: bpf(PROG_LOAD, [8, 1])}), came(lambda: tcp().close())
