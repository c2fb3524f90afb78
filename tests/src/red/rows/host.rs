//! Attacks on the host, and what an operator must be able to rely on.

use super::{Row, way};

/// The rows.
pub(super) static ROWS: [Row; 16] = [
    Row {
        number: "A1",
        attack: "A credential that is usable elsewhere lies in the job, beside the agent.",
        ways: &[way(
            "A1 metadata addresses",
            "EPERM",
            "a service that nobody guards is reached",
            "ok",
        )],
        shown_by: &[
            "tests/tests/kernel/guarded.rs::metadata_is_denied_to_sessions_whether_armed_or_not",
            "tests/tests/e2e/looks.rs::a_drivers_looks_are_folded_and_low_and_another_programs_are_graver",
            "tests/tests/e2e/uids.rs::a_jobs_token_needs_a_command_of_another_uid_or_a_word_that_is_recorded",
            "tests/tests/e2e/uids.rs::a_command_of_another_user_cannot_read_its_jobs_variables",
            "tests/tests/host/held.rs::processes_outside_of_the_same_uid_are_not_taken_over",
            "tests/tests/host/session.rs::nothing_of_ours_and_no_token_request_is_in_the_commands_environment",
            "tests/tests/host/session.rs::launcher_cannot_be_looked_into_from_its_session",
            "agent/src/cli/run/kept_outside.rs::a_jobs_way_to_tokens_is_never_handed_over",
        ],
        said: "Files that the command's user may read, such as those of clouds, are not hidden: SECURITY.md, \"What Icecore does not stop\".",
    },
    Row {
        number: "A2",
        attack: "The proxy carries a session's connection where the session itself may not go.",
        ways: &[way(
            "A2 the proxy as a carrier",
            "ECONNRESET",
            "the account's name",
            "proxy",
        )],
        shown_by: &[
            "tests/tests/kernel/guarded.rs::session_is_redirected_from_a_guarded_address_on_a_redirected_port",
            "agent/src/connection/splice.rs::a_client_that_speaks_late_is_judged_and_its_destination_told_nothing",
            "agent/src/connection/name.rs::names_under_snowflakes_domains_are_snowflakes",
            "tests/tests/e2e/red.rs::red_agent_obtains_nothing_and_its_twin_works",
        ],
        said: "Carried is only to the original address: a name is never resolved for a session.",
    },
    Row {
        number: "A15",
        attack: "A step leaves code for a later step, which runs outside of every session.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/held.rs::what_a_step_leaves_for_the_next_ones_is_dropped",
            "tests/tests/host/entered.rs::a_worker_and_all_that_it_started_become_a_session_that_ends_with_it",
            "tests/tests/install/runners.rs::githubs_hooks_put_the_whole_job_into_a_session_and_write_its_summary",
        ],
        said: "What a step writes into the workspace or the home is seen by later ones: make the job one session (docs/operations.md).",
    },
    Row {
        number: "A16",
        attack: "Root runs or mounts what the agent wrote.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/held.rs::mounts_are_the_sessions_own",
            "agent/src/supervisor/owned_tests.rs::links_and_other_peoples_files_stop_it_before_the_folder_is_given",
            "agent/src/config/files_tests.rs::key_file_behind_a_link_is_refused",
            "agent/src/cli/run/token_file.rs::root_follows_no_link_and_reads_no_strangers_file",
            "tests/tests/e2e/config.rs::keys_that_others_can_read_are_refused",
        ],
        said: "",
    },
    Row {
        number: "A17",
        attack: "A session within a session, and the control socket from inside.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/session.rs::processes_in_a_session_may_not_use_the_daemon",
            "tests/tests/host/control.rs::sessions_are_only_taken_up_by_who_opened_them",
            "tests/tests/e2e/claims.rs::a_token_opens_one_session_of_all_hosts",
            "tests/tests/e2e/red.rs::red_agent_obtains_nothing_and_its_twin_works",
        ],
        said: "",
    },
    Row {
        number: "A18",
        attack: "The record is planted, drowned or made to lie; one session takes the host's share.",
        ways: &[],
        shown_by: &[
            "agent/src/record/tests/quota.rs::what_one_session_has_too_much_in_the_spool_refuses_that_session_alone",
            "agent/src/record/tests/quota.rs::a_flood_of_one_session_is_refused_and_told_in_few_rows",
            "tests/tests/kernel/told.rs::one_sessions_storm_hides_no_other_sessions_denial",
            "tests/tests/e2e/limits.rs::a_session_has_its_share_of_connections",
            "agent/src/replay/tests.rs::nothing_that_an_agent_wrote_reaches_the_terminal_as_a_command",
            "agent/src/replay/escape/mod.rs::what_a_runner_of_jobs_obeys_is_shown_instead",
        ],
        said: "FLOWS is shared by all sessions of a host; processor time is not limited.",
    },
    Row {
        number: "A24",
        attack: "The store, the spool and keys are read by the agent.",
        ways: &[],
        shown_by: &[
            "tests/tests/e2e/red.rs::red_agent_obtains_nothing_and_its_twin_works",
            "agent/src/record/tests/mod.rs::a_store_in_a_folder_that_others_can_write_is_refused",
            "tests/tests/host/separation.rs::what_the_config_names_stays_roots_and_what_the_proxy_writes_is_its_own",
        ],
        said: "",
    },
    Row {
        number: "A26",
        attack: "What the daemon serves on loopback is reached from a session.",
        ways: &[way(
            "A26 the daemon's own ports",
            "EPERM",
            "a service that nobody guards is reached",
            "ok",
        )],
        shown_by: &[
            "tests/tests/kernel/guarded.rs::daemons_own_port_is_kept_from_sessions_alone",
            "tests/tests/e2e/operations.rs::counters_equal_the_record_and_sessions_are_not_answered",
        ],
        said: "",
    },
    Row {
        number: "A28",
        attack: "The committed object of the kernel's programs is another than its source makes.",
        ways: &[],
        shown_by: &["tests/tests/kernel/upkeep.rs::programs_have_names_and_tags"],
        said: "`cargo xtask ebpf --check` compares, and is part of `cargo xtask ci`.",
    },
    Row {
        number: "A30",
        attack: "A process outlives its session and keeps its tokens.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/session.rs::leftovers_are_killed_and_told",
            "tests/tests/e2e/sessions.rs::leftovers_are_killed_and_named",
            "tests/tests/kernel/refused.rs::process_of_a_closed_session_gets_no_network",
            "tests/tests/e2e/red.rs::stolen_tokens_are_worth_nothing_anywhere_else_and_each_try_is_recorded",
        ],
        said: "",
    },
    Row {
        number: "A33",
        attack: "What the agent may read leaves by DNS, by other ports, by the model.",
        ways: &[],
        shown_by: &[],
        said: "Not stopped: SECURITY.md, \"What Icecore does not stop\".",
    },
    Row {
        number: "C1",
        attack: "A job begins without a word of its own being changed, and is not governed.",
        ways: &[],
        shown_by: &[
            "tests/tests/install/runners.rs::githubs_hooks_put_the_whole_job_into_a_session_and_write_its_summary",
            "tests/tests/install/pods.rs::a_process_in_a_containers_place_is_governed_and_leaves_it_for_its_session",
            "tests/tests/host/entered.rs::what_must_not_be_moved_is_refused",
        ],
        said: "Runners are imitated in `tests/runners`; none of the real ones runs here.",
    },
    Row {
        number: "C2",
        attack: "The job's user can become root, and nobody is told.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/session.rs::sessions_of_root_are_advisory_and_may_be_declined",
            "agent/src/cli/run/summary_tests.rs::observe_and_advisory_are_said",
        ],
        said: "",
    },
    Row {
        number: "C3",
        attack: "An upgrade or a downgrade leaves a gap.",
        ways: &[],
        shown_by: &[
            "tests/tests/host/upgrade.rs::a_program_takes_over_in_the_same_process_and_sessions_go_on",
            "tests/tests/host/upgrade.rs::a_downgrade_to_what_does_not_know_the_state_is_refused",
            "tests/tests/kernel/upkeep.rs::replacing_the_programs_leaves_no_gap",
            "tests/tests/kernel/upkeep.rs::taking_over_refuses_no_connect",
        ],
        said: "",
    },
    Row {
        number: "C4",
        attack: "Programs of others on the same hooks take ours out of effect.",
        ways: &[],
        shown_by: &["tests/tests/kernel/watched.rs::programs_without_effect_on_sessions_are_seen"],
        said: "Programs of others beside ours are not tried here.",
    },
    Row {
        number: "C5",
        attack: "A gap raises no alarm.",
        ways: &[],
        shown_by: &[
            "tests/tests/e2e/operations.rs::the_alert_rules_are_what_prometheus_reads",
            "agent/src/metrics/contract_tests.rs::rules_name_metrics_that_exist_and_say_what_to_do",
            "tests/tests/e2e/replaced.rs::a_detach_is_in_the_record",
        ],
        said: "",
    },
];
