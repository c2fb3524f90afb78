//! Rows 1 to 14: ways around the kernel's programs by sockets, protocols, addresses and ports.

use super::{Row, Way, Within, outside, way};
use crate::harness::world::AGENT_UID;

const ECHO: &str = "a service that nobody guards is reached";
const OWN: &str = "the same by a socket of the session's own";

/// The rows.
pub(super) static ROWS: [Row; 14] = [
    Row {
        number: "1",
        attack: "A socket that was made outside, and is inherited, handed over or taken, is used in a session.",
        ways: &[
            way(
                "1 a socket from outside, to a guarded place",
                "EPERM",
                OWN,
                "ok",
            ),
            way(
                "1 a socket from outside, to the account",
                "EPERM",
                OWN,
                "proxy",
            ),
            way("1 a socket from outside, to anywhere", "EPERM", OWN, "ok"),
            way("1 a datagram socket from outside", "EPERM", OWN, "ok"),
            way("1 a socket of another session", "EPERM", OWN, "ok"),
            way("1 a socket as standard input", "EPERM", OWN, "ok"),
            way(
                "1 descriptors inherited over exec",
                "EBADF",
                "standard output and error are there",
                "ok",
            ),
            way(
                "1 a socket out of a process outside",
                "EPERM",
                "one out of a child of its own",
                "ok",
            ),
            way(
                "1 a descriptor by /proc of a process outside",
                "refused",
                "one of a child of its own",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/refused.rs::socket_made_outside_is_denied_inside",
            "tests/tests/host/pass_through.rs::nothing_is_inherited_but_the_three_standard_descriptors",
        ],
        said: "",
    },
    Row {
        number: "2",
        attack: "A connection that a helper outside made before its address was guarded is handed in.",
        ways: &[way(
            "2 a connection from before the guard",
            "answered",
            "a connection to a service that nobody guards is handed in",
            "ok",
        )],
        shown_by: &[
            "tests/tests/e2e/ways_out.rs::a_connection_from_before_the_guard_is_cut_by_the_backstop_alone",
            "tests/tests/kernel/guarded.rs::connection_that_was_handed_in_is_cut_by_the_backstop",
        ],
        said: "A gap where `capture.backstop` is off, which is the default: the way above is answered. No credential is in reach for it.",
    },
    Row {
        number: "3",
        attack: "A daemon or another program outside is asked to connect, or to start something.",
        ways: &[
            way(
                "3 a relay outside of the same user",
                "EPERM",
                "the relay reaches what nobody guards",
                "ok",
            ),
            way(
                "3 a terminal multiplexer outside of the same user",
                "EPERM",
                "it reaches what nobody guards",
                "ok",
            ),
            way(
                "3 variables of daemons and of tokens",
                "none",
                "another variable is kept",
                "ok",
            ),
            way(
                "3 tables of cron and at, units, start files",
                "none",
                "a file of its own is written",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/host/held.rs::daemons_that_act_for_others_are_not_there",
            "tests/tests/host/held.rs::a_user_namespace_takes_nothing_away",
            "tests/tests/host/held.rs::daemons_stay_away_though_they_start_again_and_whatever_the_working_folder_is",
            "tests/tests/e2e/guarded.rs::upstream_is_guarded_inside_and_outside_and_the_record_says_who_tried",
        ],
        said: "What has the user's uid and a socket in a folder of its own is reached, as the twins show, and carries data where nothing is guarded: SECURITY.md, \"What Icecore does not stop\".",
    },
    Row {
        number: "4",
        attack: "A program gains privileges: by its set-user-id bit, by capabilities of its file, by sudo.",
        ways: &[
            outside("4 a set-user-id program", "65534", AGENT_UID, "0"),
            outside(
                "4 a program with capabilities of its file",
                "none",
                AGENT_UID,
                "some",
            ),
            way(
                "4 programs that give root",
                "none",
                "id says who it is",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/host/held.rs::a_command_of_another_user_has_no_capability_and_none_to_gain",
            "tests/tests/host/held.rs::a_callers_capabilities_are_not_inherited",
            "tests/tests/host/session.rs::command_runs_in_the_sessions_cgroup_without_new_privileges",
        ],
        said: "",
    },
    Row {
        number: "5",
        attack: "A process moves to another cgroup, or is born in one.",
        ways: &[
            way(
                "5 every cgroup that can be seen",
                "none",
                "they are seen, and its own is a session's",
                "ok",
            ),
            way(
                "5 born in another cgroup",
                "EACCES",
                "born in its own by the same call",
                "ok",
            ),
            way(
                "5 a cgroup of its own",
                "EACCES",
                "a folder of its own",
                "ok",
            ),
            way(
                "5 as root of namespaces of its own",
                "none",
                "it is root there",
                "0",
            ),
            way(
                "5 others killed by their cgroup",
                "EACCES",
                "they are seen to run",
                "ok",
            ),
        ],
        shown_by: &["tests/tests/kernel/redirected.rs::nested_cgroup_belongs_to_its_session"],
        said: "",
    },
    Row {
        number: "6",
        attack: "A net_cls class, on a host with both cgroup versions, hides a socket's v2 cgroup from the programs.",
        ways: &[Way {
            within: Within::HandedOver,
            ..way(
                "6 a net_cls class",
                "EPERM",
                "the account is redirected",
                "proxy",
            )
        }],
        shown_by: &[],
        said: "Kernels before 5.15, which have the fault, are not here to be tried; the programs are attached at the root, whose children they judge all the same.",
    },
    Row {
        number: "7",
        attack: "An IPv4 address is named as a mapped IPv6 one.",
        ways: &[
            way(
                "7 mapped IPv4",
                "EPERM",
                "a mapped address that nobody guards",
                "ok",
            ),
            way(
                "7 mapped IPv4, to the account",
                "proxy",
                "a mapped address that nobody guards",
                "ok",
            ),
        ],
        shown_by: &["tests/tests/kernel/redirected.rs::mapped_ipv4_is_redirected"],
        said: "",
    },
    Row {
        number: "8",
        attack: "A socket speaks IPv6 alone, which has no mapped way to the proxy.",
        ways: &[
            way(
                "8 IPv6 alone",
                "proxy",
                "an IPv6 service that nobody guards",
                "ok",
            ),
            way(
                "8 a guarded IPv6 address",
                "EPERM",
                "an IPv6 service that nobody guards",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/redirected.rs::ipv6_is_redirected",
            "tests/tests/kernel/redirected.rs::ipv6_only_socket_is_redirected",
        ],
        said: "",
    },
    Row {
        number: "9",
        attack: "HTTP/3 and other datagrams, connected or not, by each call that sends them.",
        ways: &[
            way(
                "9 datagrams to port 443",
                "EPERM",
                "a datagram elsewhere is answered",
                "ok",
            ),
            way(
                "9 datagrams to a guarded address",
                "EPERM",
                "one elsewhere by sendmmsg is answered",
                "ok",
            ),
            way(
                "9 UDP-Lite",
                "EPERM",
                "a datagram elsewhere is answered",
                "ok",
            ),
        ],
        shown_by: &["tests/tests/kernel/refused.rs::udp_443_is_denied"],
        said: "",
    },
    Row {
        number: "10",
        attack: "A stream of another protocol than TCP: MPTCP, SCTP, DCCP, SMC, L2TP.",
        ways: &[
            way("10 multipath TCP", "EPERM", ECHO, "ok"),
            way("10 SMC over TCP", "EPERM", ECHO, "ok"),
            way("10 SCTP, DCCP, L2TP", "EPERM", ECHO, "ok"),
            way("10 SMC by its own family", "EPERM", ECHO, "ok"),
        ],
        shown_by: &[
            "tests/tests/kernel/refused.rs::sockets_that_cannot_be_governed_are_not_made",
            "tests/tests/host/held.rs::sockets_are_of_four_families_by_every_entry",
        ],
        said: "",
    },
    Row {
        number: "11",
        attack: "Raw and packet sockets, also as root of a namespace.",
        ways: &[
            way("11 raw and packet sockets", "EPERM", ECHO, "ok"),
            way(
                "11 the same as root of namespaces of its own",
                "EPERM",
                "root there makes a TCP socket",
                "ok as 0",
            ),
        ],
        shown_by: &["tests/tests/host/held.rs::sockets_are_of_four_families_by_every_entry"],
        said: "",
    },
    Row {
        number: "12",
        attack: "A socket of another family, such as AF_VSOCK to the hypervisor.",
        ways: &[way(
            "12 other families",
            "EPERM",
            "UNIX, IPv4, IPv6 and netlink",
            "ok",
        )],
        shown_by: &[
            "tests/tests/host/held.rs::sockets_are_of_four_families_by_every_entry",
            "tests/tests/host/held.rs::rings_are_there_where_the_config_allows_them",
        ],
        said: "",
    },
    Row {
        number: "13",
        attack: "The proxy's port is taken, or dialled without redirection.",
        ways: &[
            way(
                "13 the proxy's port taken",
                "EPERM",
                "a port of its own",
                "ok",
            ),
            way("13 the proxy's port dialled", "EPERM", ECHO, "ok"),
        ],
        shown_by: &[
            "tests/tests/kernel/refused.rs::proxy_that_is_gone_is_refused_and_its_port_cannot_be_taken",
            "tests/tests/kernel/refused.rs::session_may_not_dial_the_proxy",
            "tests/tests/kernel/redirected.rs::outsider_who_dials_the_proxy_has_no_tag",
        ],
        said: "",
    },
    Row {
        number: "14",
        attack: "A socket is connected, disconnected (AF_UNSPEC) and connected again, under what was known of the first.",
        ways: &[
            way(
                "14 a second connect of one socket",
                "EPERM",
                "a second connect to a service that nobody guards",
                "ok",
            ),
            way(
                "14 a second connect, to the account",
                "proxy",
                "a first one",
                "proxy",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/redirected.rs::second_connect_of_a_socket_tells_its_own_destination",
            "tests/tests/kernel/redirected.rs::connect_after_a_redirected_one_has_no_stale_destination",
            "tests/tests/kernel/guarded.rs::after_af_unspec_a_guarded_address_is_as_guarded_as_before",
        ],
        said: "",
    },
];
