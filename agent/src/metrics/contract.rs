//! The names of metrics, which others rely on: docs/operations.md lists them, rules and dashboard use them.
//!
//! No label has a value that a session chose, and each has few: words of ours, names of the config, versions, digests.

use Kind::{Counter, Gauge, Histogram};

/// What kind of number a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows: from 0 at the proxy's start, the kernel's from when its programs were installed.
    Counter,
    /// Is as it is.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// Gives the word of the text format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Metrics of one name.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// What kind of number it has.
    pub kind: Kind,
    /// Its labels, in their order.
    pub labels: &'static [&'static str],
    /// What it says, in a line.
    pub help: &'static str,
}

impl Family {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            help,
        }
    }

    /// Finds one by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.name == name)
    }
}

/// All of them.
#[rustfmt::skip]
pub static FAMILIES: [Family; 68] = [
    Family::new("icecore_build_info", Gauge, &["version"], "1; which version answers."),
    Family::new("icecore_mode_info", Gauge, &["mode", "recording"], "1; whether refusals are carried out, and what recording promises."),
    Family::new("icecore_config_info", Gauge, &["sha256"], "1; the config in force, as the record names it."),
    Family::new("icecore_policy_info", Gauge, &["sha256"], "1; the policies in force, as the record names them."),
    Family::new("icecore_policies", Gauge, &[], "Policies in force."),
    Family::new("icecore_start_time_seconds", Gauge, &[], "When this proxy began, in seconds since 1970."),
    Family::new("icecore_proxy_restarts_total", Counter, &[], "Proxies that took the place of another one since the daemon's start."),
    Family::new("icecore_sessions_open", Gauge, &["enforcement"], "Sessions that are open; `advisory` ones could escape by becoming root."),
    Family::new("icecore_sessions_opened_total", Counter, &["enforcement"], "Sessions that were opened."),
    Family::new("icecore_sessions_closed_total", Counter, &[], "Sessions that were closed."),
    Family::new("icecore_logins_open", Gauge, &[], "Logins to Snowflake that are open."),
    Family::new("icecore_logins_opened_total", Counter, &[], "Logins that were opened."),
    Family::new("icecore_logins_closed_total", Counter, &[], "Logins that were closed."),
    Family::new("icecore_credential_failures_total", Counter, &[], "Logins that failed for the host's own credential or what Snowflake makes of it (events AU005, AU006)."),
    Family::new("icecore_statements_open", Gauge, &[], "Statements that have no reply yet."),
    Family::new("icecore_statements_held", Gauge, &[], "Statements that wait for people."),
    Family::new("icecore_statements_total", Counter, &["decision", "kind", "status"], "Statements that are over, as their rows say it."),
    Family::new("icecore_statement_rows_total", Counter, &[], "Rows of results that were delivered with their statements."),
    Family::new("icecore_statement_bytes_total", Counter, &[], "Bytes of replies that were delivered."),
    Family::new("icecore_decision_seconds", Histogram, &[], "How long reading and deciding took."),
    Family::new("icecore_upstream_seconds", Histogram, &[], "From when a statement was sent until it was over."),
    Family::new("icecore_first_byte_seconds", Histogram, &[], "From when a statement was sent until Snowflake began to answer."),
    Family::new("icecore_overhead_seconds", Histogram, &[], "How long a statement spent here, without Snowflake and people."),
    Family::new("icecore_durability_wait_seconds", Histogram, &[], "How long a statement waited for the record."),
    Family::new("icecore_approval_wait_seconds", Histogram, &[], "How long a statement waited for people."),
    Family::new("icecore_approvals_total", Counter, &["state"], "Requests for approval by each state that they came to."),
    Family::new("icecore_chunks_total", Counter, &["outcome"], "Chunks and partitions of results: `whole` or `broken`."),
    Family::new("icecore_chunk_bytes_total", Counter, &[], "Plain bytes of chunks and partitions that were delivered."),
    Family::new("icecore_transfers_total", Counter, &["direction", "outcome"], "Files to and from stages: `whole` or `broken`."),
    Family::new("icecore_transfer_bytes_total", Counter, &["direction"], "Plain bytes of such files."),
    Family::new("icecore_masked_columns_total", Counter, &[], "Columns of statements that rules mask."),
    Family::new("icecore_masked_cells_total", Counter, &[], "Cells of results that were masked."),
    Family::new("icecore_connections_refused_total", Counter, &["reason"], "Connections that were refused as ways around (events NT001, with what they say of repeats)."),
    Family::new("icecore_events_total", Counter, &["code", "severity"], "Events that were recorded."),
    Family::new("icecore_record_unacked_bytes", Gauge, &[], "Bytes in the spool that the store does not have."),
    Family::new("icecore_record_spool_max_bytes", Gauge, &[], "Most bytes that the spool may hold."),
    Family::new("icecore_record_unacked_age_seconds", Gauge, &[], "For how long the oldest row has waited for the store."),
    Family::new("icecore_record_degraded", Gauge, &[], "1 while commits are refused, or lost in `best_effort`."),
    Family::new("icecore_record_manifests_total", Counter, &[], "Manifests of this chain that are signed."),
    Family::new("icecore_record_objects_stored_total", Counter, &[], "Objects that the store took."),
    Family::new("icecore_record_store_errors_total", Counter, &[], "How often sealing or storing failed."),
    Family::new("icecore_record_sealed_timestamp_seconds", Gauge, &[], "When a file was sealed last; 0 if none was."),
    Family::new("icecore_record_stored_timestamp_seconds", Gauge, &[], "When the store had all of a file last; 0 if it had none."),
    Family::new("icecore_witness_configured", Gauge, &[], "1 if a witness is asked."),
    Family::new("icecore_witness_lag_manifests", Gauge, &[], "Manifests that no witness has signed yet, where one is asked."),
    Family::new("icecore_witness_errors_total", Counter, &[], "How often the witness did not sign, or its signature could not be stored."),
    Family::new("icecore_issuer_keys_age_seconds", Gauge, &["issuer"], "How old an issuer's keys are; absent while there are none."),
    Family::new("icecore_issuer_keys_failing", Gauge, &["issuer"], "1 if the last look for an issuer's keys gave none."),
    Family::new("icecore_catalogue_questions_total", Counter, &["outcome"], "Questions that Icecore asked accounts by itself, which cost: `answered` or `failed`."),
    Family::new("icecore_export_events_total", Counter, &["export", "kind", "outcome"], "Events for places of `[[export]]`: `sent` or `dropped`."),
    Family::new("icecore_export_failures_total", Counter, &["export", "kind"], "Tries to export that failed."),
    Family::new("icecore_export_waiting", Gauge, &["export", "kind"], "Events that wait for a place."),
    Family::new("icecore_heartbeat_age_seconds", Gauge, &[], "How long ago all accept loops were last seen to run; the kernel refuses connects when it is `capture.heartbeat_stale`."),
    Family::new("icecore_kernel_redirected_total", Counter, &[], "Connects of sessions that the kernel's programs sent to the proxy, since they were installed; all of the kernel's counts are up to 3 s old."),
    Family::new("icecore_kernel_refused_total", Counter, &[], "Connects of sessions that were refused since the proxy was away or showed no heartbeat."),
    Family::new("icecore_kernel_denied_total", Counter, &["reason"], "What the kernel's programs denied (events NT003, NT004, NT005)."),
    Family::new("icecore_kernel_flows_lost_total", Counter, &[], "Redirected connections that were reset since their destination could not be carried to the proxy."),
    Family::new("icecore_kernel_events_lost_total", Counter, &["why"], "Events of the kernel's that nobody was told: the ring was `full`, or its session was over its `rate`."),
    Family::new("icecore_kernel_packets_dropped_total", Counter, &[], "Packets to guarded addresses that `capture.backstop` dropped."),
    Family::new("icecore_kernel_execs_total", Counter, &[], "Programs that sessions executed, where lineage is observed."),
    Family::new("icecore_tap_connections_total", Counter, &["outcome"], "Connections to model APIs that `[prompts]` names: `read`, `untrusted` (event NT006), `unreached` (NT007), or `unread` after such a one, or beside 16 others of its session, or in a tunnel that is not read (NT008)."),
    Family::new("icecore_tap_bytes_total", Counter, &["direction"], "Bytes of model calls that were read: `up` or `down`."),
    Family::new("icecore_tap_waiting_bytes", Gauge, &[], "Copies of model calls that wait to be read."),
    Family::new("icecore_tap_lost_bytes_total", Counter, &[], "Bytes of model calls that were carried and not copied, since too many waited."),
    Family::new("icecore_tap_unreadable_total", Counter, &[], "Connections to model APIs of which something could not be read."),
    Family::new("icecore_telemetry_requests_total", Counter, &["outcome"], "Requests of sessions' telemetry (OTLP): `taken`, `unreadable` (event PT003), or `limited`."),
    Family::new("icecore_telemetry_records_total", Counter, &["outcome"], "Records of sessions' telemetry: of uses of tools, one that `agrees` with the model call, `contradicts` it, is a `stranger`'s word, or of an `unknown` use; `other` ones; `rejected` ones beyond a request's share."),
    Family::new("icecore_scrapes_total", Counter, &["outcome"], "Requests for metrics: `answered`, or `refused` to one that is, or may be, in a session."),
];

#[cfg(test)]
#[path = "contract_tests.rs"]
mod tests;
