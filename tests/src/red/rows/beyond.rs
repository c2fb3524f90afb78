//! Rows 15 to 29: ways around the kernel's programs by numbers, names, namespaces, processes and the programs themselves.

use super::{Row, Way, Within, outside, way};

const ECHO: &str = "a service that nobody guards is reached";

/// The rows.
pub(super) static ROWS: [Row; 15] = [
    Row {
        number: "15",
        attack: "Maps are filled, so that a connection's identity is lost or another's.",
        ways: &[],
        shown_by: &[
            "tests/tests/kernel/filled.rs::a_full_map_of_flows_loses_connections_and_gives_none_to_another",
            "tests/tests/kernel/load.rs::ten_thousand_connections_have_the_right_session",
            "tests/tests/kernel/upkeep.rs::flow_without_another_end_is_swept_and_becomes_nobodys",
            "tests/tests/kernel/upkeep.rs::maps_of_another_size_are_refused_and_left_as_they_are",
        ],
        said: "",
    },
    Row {
        number: "16",
        attack: "Process and cgroup numbers are used again.",
        ways: &[way("16 a storm of processes", "EPERM", ECHO, "ok")],
        shown_by: &[
            "tests/tests/kernel/refused.rs::reused_cgroup_id_does_not_match_an_older_sessions_socket",
        ],
        said: "",
    },
    Row {
        number: "17",
        attack: "A proxy outside is asked: HTTP CONNECT, SOCKS.",
        ways: &[
            way(
                "17 CONNECT on a redirected port",
                "HTTP/1.1 404 Not Found",
                "a proxy on another port, to what nobody guards",
                "ok",
            ),
            way(
                "17 CONNECT to a guarded address",
                "ECONNRESET",
                "a proxy on another port, to what nobody guards",
                "ok",
            ),
            way(
                "17 SOCKS outside",
                "EPERM",
                "SOCKS to what nobody guards",
                "ok",
            ),
        ],
        shown_by: &["agent/src/connection/hello.rs::http_names_the_host_it_goes_to"],
        said: "A proxy on another host, on a port that is not redirected, is reached, and so is DNS over TLS or HTTPS: SECURITY.md, \"What Icecore does not stop\". Add its port to `capture.redirect_ports`.",
    },
    Row {
        number: "18",
        attack: "The server name lies: another name, another Host, an encrypted hello.",
        ways: &[
            way(
                "18 another name to a guarded address",
                "ECONNRESET",
                "the account's name",
                "proxy",
            ),
            way(
                "18 an encrypted hello to a guarded address",
                "ECONNRESET",
                "the account's name",
                "proxy",
            ),
            way(
                "18 another Host behind the account's name",
                "refused",
                "the account's name",
                "proxy",
            ),
        ],
        shown_by: &["tests/tests/e2e/red.rs::red_agent_obtains_nothing_and_its_twin_works"],
        said: "",
    },
    Row {
        number: "19",
        attack: "Another port of an account's address.",
        ways: &[
            way("19 other ports of a guarded address", "EPERM", ECHO, "ok"),
            way(
                "19 a source route by a guarded address",
                "EPERM",
                ECHO,
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/guarded.rs::guarded_address_is_denied_inside_and_outside_and_its_twin_is_not",
        ],
        said: "",
    },
    Row {
        number: "20",
        attack: "A network namespace, a container's or one of its own, in which the proxy does not listen.",
        ways: &[
            way(
                "20 a network namespace that nobody knows",
                "EPERM",
                "a service within it",
                "ok",
            ),
            way(
                "20 a server on the proxy's port of a namespace of its own",
                "EPERM",
                "a service within it",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/refused.rs::other_network_namespace_is_denied",
            "tests/tests/kernel/namespaces.rs::known_namespace_is_redirected_to_the_listener_in_there",
        ],
        said: "",
    },
    Row {
        number: "21",
        attack: "Root of a container takes the rules of its network away.",
        ways: &[
            way(
                "21 root with all rights over a network of its own",
                "EINVAL, EPERM",
                "a service within it",
                "ok",
            ),
            way(
                "21 the rules of its network taken away, then out",
                "EPERM",
                "a service within it",
                "ok",
            ),
        ],
        shown_by: &[],
        said: "The programs are the cgroup's, and no rule of a network namespace: there is none to take away.",
    },
    Row {
        number: "22",
        attack: "Root kills the daemon, removes pins or detaches programs.",
        ways: &[],
        shown_by: &[
            "tests/tests/e2e/hanging.rs::programs_that_are_taken_away_end_all_sessions_within_a_second",
            "tests/tests/kernel/watched.rs::what_is_taken_away_is_seen_and_brought_back",
            "tests/tests/kernel/watched.rs::programs_without_effect_on_sessions_are_seen",
            "tests/tests/kernel/upkeep.rs::sessions_stay_refused_while_the_daemon_is_gone_and_go_on_after",
            "tests/tests/host/life.rs::stopped_daemon_leaves_sessions_to_the_next",
        ],
        said: "Root is out of the model; what it does is seen and ends sessions.",
    },
    Row {
        number: "23",
        attack: "A ring's worker connects on kernel 5.10, as another than its task.",
        ways: &[],
        shown_by: &["tests/tests/host/held.rs::sockets_are_of_four_families_by_every_entry"],
        said: "No such kernel runs here: not tried. A session has no rings unless `capture.io_uring` allows them, and sockets are known by their tag.",
    },
    Row {
        number: "24",
        attack: "The first bytes connect (TCP Fast Open).",
        ways: &[
            way(
                "24 a connect by the first bytes",
                "EPERM",
                "the same to a service that nobody guards",
                "ok",
            ),
            way(
                "24 a connect by the first bytes, to the account",
                "proxy",
                "a plain connect",
                "proxy",
            ),
        ],
        shown_by: &[],
        said: "",
    },
    Row {
        number: "25",
        attack: "The memory of the daemon, or of a process outside or in another session, is read or written.",
        ways: &[
            way("25 the daemon's memory", "refused", "its own", "ok"),
            way(
                "25 the memory of a process outside of the same user",
                "refused",
                "a child's",
                "ok",
            ),
            way(
                "25 the memory of another session of the same user",
                "refused",
                "a child's",
                "ok",
            ),
            way("25 signals to others", "refused", "to a child", "ok"),
        ],
        shown_by: &[
            "tests/tests/host/separation.rs::no_process_of_its_own_user_reads_the_proxys_memory_or_variables",
            "tests/tests/host/held.rs::processes_outside_of_the_same_uid_are_not_taken_over",
            "tests/tests/host/held.rs::processes_of_other_users_are_not_there",
            "tests/tests/host/session.rs::launcher_cannot_be_looked_into_from_its_session",
        ],
        said: "Before Linux 6.12 processes of the same uid are kept from it by `--user` alone.",
    },
    Row {
        number: "26",
        attack: "A name of its own, in /etc/hosts or by a resolver of its own, or none: a bare address.",
        ways: &[way(
            "26 a bare address, with the account's name",
            "proxy",
            ECHO,
            "ok",
        )],
        shown_by: &[
            "tests/tests/e2e/drivers/mod.rs::both_connectors_work_through_the_real_redirection",
        ],
        said: "",
    },
    Row {
        number: "27",
        attack: "A relay outside listens on an abstract UNIX socket.",
        ways: &[
            Way {
                within: Within::HandedOver,
                ..way(
                    "27 an abstract socket outside",
                    "EPERM",
                    "one of its own",
                    "ok",
                )
            },
            Way {
                within: Within::ByItself,
                ..way(
                    "27 an abstract socket outside, by the user itself",
                    "ok",
                    "one of its own",
                    "ok",
                )
            },
        ],
        shown_by: &["tests/tests/host/held.rs::abstract_sockets_of_others_are_out_of_reach"],
        said: "Where the user opens the session itself, and before Linux 6.12, it is reached; what it may dial is guarded all the same (row 3).",
    },
    Row {
        number: "28",
        attack: "The kernel itself connects, for a mount.",
        ways: &[],
        shown_by: &["tests/tests/kernel/redirected.rs::process_outside_every_session_is_untouched"],
        said: "A session cannot mount a network file system; a socket without a tag is an outsider's.",
    },
    Row {
        number: "29",
        attack: "A map, program or link of ours is inherited, or had by its number or pin.",
        ways: &[
            way(
                "29 maps and programs among its descriptors",
                "none",
                "the three standard ones are",
                "ok",
            ),
            outside(
                "29 maps, programs and links by their numbers",
                "EPERM",
                0,
                "ok",
            ),
            outside("29 a pinned map or link", "EACCES", 0, "ok"),
            way(
                "29 a map or program of its own",
                "EPERM",
                "a socket of its own",
                "ok",
            ),
        ],
        shown_by: &[
            "tests/tests/kernel/upkeep.rs::map_handed_to_the_proxy_is_read_only",
            "tests/tests/kernel/descriptor.rs::the_proxys_map_is_looked_up_without_rights_and_written_by_nobody",
            "tests/tests/kernel/upkeep.rs::pin_folder_that_others_can_write_is_refused",
        ],
        said: "",
    },
];
