//! Table `sessions`: one row when a session opens and one when it closes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::id::SessionId;
use crate::record::event::{Enforcement, Mode, Phase};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I32, I64, List, Struct, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 1,
    name: "sessions",
    tier: Tier::Metadata,
    doc: "One `icecore run` or `icecore enter`: a row when it opens and a row when it closes.",
    own: &COLUMNS,
    day_of: Some("opened_at"),
};

#[rustfmt::skip]
static LABEL: [Column; 2] = [
    Column::new(0, "name", Text, "Name that the caller gave."),
    Column::new(1, "value", Text, "Value that the caller gave; not verified."),
];

#[rustfmt::skip]
static COLUMNS: [Column; 59] = [
    Column::new(16, "phase", Text, "`open` or `close`.").required().dictionary(),
    Column::new(17, "is_final", Bool, "Whether the session is over.").required(),
    Column::new(18, "opened_at", Time, "When the session opened.").required(),
    Column::new(19, "closed_at", Time, "When the session closed."),
    Column::new(20, "close_reason", Text, "Why it closed: `exited N`, `signalled N`, `control lost`, `process ended` (of a session made of processes that ran), `container ended`, `closed` (by root) or `daemon`.").dictionary(),
    Column::new(21, "idp_issuer", Text, "Issuer of the verified identity.").dictionary(),
    Column::new(22, "idp_subject", Text, "Subject of the verified identity.").bloom(),
    Column::new(23, "idp_protocol", Text, "`oidc` or `saml`.").dictionary(),
    Column::new(24, "id_token_jti_sha256", Hash, "SHA-256 of the ID token's `jti`, or of what is signed of it where it has none; of a SAML assertion's id."),
    Column::new(25, "principal_type", Text, "`human` or `workload`.").dictionary(),
    Column::new(26, "user_display", Text, "Name to show; a pseudonym by default."),
    Column::new(27, "ci_provider", Text, "CI system that issued the identity.").dictionary(),
    Column::new(28, "ci_repository", Text, "Repository of the job.").dictionary(),
    Column::new(29, "ci_repository_id", Text, "The repository's id, which a rename keeps."),
    Column::new(30, "ci_ref", Text, "Git ref of the job.").dictionary(),
    Column::new(31, "ci_sha", Text, "Commit of the job."),
    Column::new(32, "ci_workflow_ref", Text, "Workflow file and ref.").dictionary(),
    Column::new(33, "ci_job_workflow_ref", Text, "Reusable workflow file and ref.").dictionary(),
    Column::new(34, "ci_run_id", Text, "Run of the workflow.").bloom(),
    Column::new(35, "ci_run_attempt", I32, "Attempt of the run."),
    Column::new(36, "ci_actor", Text, "Account that started the run.").dictionary(),
    Column::new(37, "ci_actor_id", Text, "The account's id, which a rename keeps."),
    Column::new(38, "ci_event", Text, "Event that started the run.").dictionary(),
    Column::new(39, "ci_environment", Text, "Deployment environment of the job.").dictionary(),
    Column::new(40, "runner_environment", Text, "`self-hosted` or `github-hosted`.").dictionary(),
    Column::new(41, "agent_id", Text, "The agent's stable id.").dictionary(),
    Column::new(42, "agent_name", Text, "The agent's name.").dictionary(),
    Column::new(43, "agent_version", Text, "The agent's version.").dictionary(),
    Column::new(44, "agent_session_id", Text, "The agent's own session id.").bloom(),
    Column::new(45, "agent_parent_session_id", Text, "The agent session that started this one."),
    Column::new(46, "agent_detect_method", Text, "How the agent was recognised.").dictionary(),
    Column::new(47, "host_id", Text, "Host that the session ran on.").dictionary(),
    Column::new(48, "boot_id", Text, "Boot of that host."),
    Column::new(49, "cgroup_id", I64, "The session's cgroup."),
    Column::new(50, "root_pid", I32, "Process that the session began with."),
    Column::new(51, "root_start_ns", I64, "That process's start, in nanoseconds since boot."),
    Column::new(52, "root_exe", Text, "That process's program.").dictionary(),
    Column::new(53, "root_cmdline_sha256", Hash, "SHA-256 of that process's arguments."),
    Column::new(54, "proxy_version", Text, "Version of icecore.").required().dictionary(),
    Column::new(55, "policy_bundle_sha256", Hash, "SHA-256 of the policies in force.").required(),
    Column::new(56, "recording_mode", Text, "`strict_local`, `strict_remote` or `best_effort`.").required().dictionary(),
    Column::new(57, "bytes_up", I64, "Bytes sent to Snowflake."),
    Column::new(58, "bytes_down", I64, "Bytes received from Snowflake."),
    Column::new(59, "statements", I64, "Statements that the session sent."),
    Column::new(60, "denied", I64, "Statements that were refused."),
    Column::new(61, "enforcement", Text, "`enforced`, or `advisory` where more than root may get around it; docs/install.md says when.").required().dictionary(),
    Column::new(62, "mode", Text, "`enforce`, or `observe` where refusals are recorded and not made.").required().dictionary(),
    Column::new(63, "user", Text, "Host account that the session's command runs as.").dictionary(),
    Column::new(64, "uid", I64, "User id that the session's command runs as."),
    Column::new(65, "labels", List(&Struct(&LABEL)), "Labels that the caller gave; not verified."),
    Column::new(66, "resumed", Bool, "Whether an earlier proxy had opened the session."),
    Column::new(67, "caller_user", Text, "Host account that started the session.").dictionary(),
    Column::new(68, "caller_uid", I64, "User id that started the session."),
    Column::new(69, "same_uid", Bool, "For a job's token: whether the command has the uid of its caller or of a process that started that, and so may read or mint the job's tokens."),
    Column::new(70, "ci_facts", Text, "`verified` if a token showed the columns of the job, `claimed` if the caller's environment did, which anybody can set.").dictionary(),
    Column::new(71, "idp_keys_sha256", Hash, "SHA-256 of the keys (JWKS) or metadata (SAML) by which the identity was verified; they lie under `evidence/`."),
    Column::new(72, "connections", I64, "Connections that the session's processes made through the proxy; those that were refused before are events."),
    Column::new(73, "cpu_us", I64, "CPU time of the session's processes, in microseconds, as their cgroup had counted it when the session ended."),
    Column::new(74, "scope", Text, "`job` if the session holds a whole CI job, `step` if steps of its job run outside of it, `container` if it is one, else `command`; the caller's word.").dictionary(),
];

/// One row of `sessions`; each field is the column of its name.
///
/// `host_id`, `boot_id`, `proxy_version`, `policy_bundle_sha256` and `recording_mode` are the recorder's own unless given.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct SessionRow {
    pub session_id: Option<SessionId>,
    pub phase: Phase,
    pub is_final: bool,
    pub opened_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub close_reason: Option<String>,
    pub idp_issuer: Option<String>,
    pub idp_subject: Option<String>,
    pub idp_protocol: Option<String>,
    pub id_token_jti_sha256: Option<[u8; 32]>,
    pub principal_type: Option<String>,
    pub user_display: Option<String>,
    pub ci_provider: Option<String>,
    pub ci_repository: Option<String>,
    pub ci_repository_id: Option<String>,
    pub ci_ref: Option<String>,
    pub ci_sha: Option<String>,
    pub ci_workflow_ref: Option<String>,
    pub ci_job_workflow_ref: Option<String>,
    pub ci_run_id: Option<String>,
    pub ci_run_attempt: Option<i32>,
    pub ci_actor: Option<String>,
    pub ci_actor_id: Option<String>,
    pub ci_event: Option<String>,
    pub ci_environment: Option<String>,
    pub runner_environment: Option<String>,
    pub agent_id: Option<String>,
    pub agent_name: Option<String>,
    pub agent_version: Option<String>,
    pub agent_session_id: Option<String>,
    pub agent_parent_session_id: Option<String>,
    pub agent_detect_method: Option<String>,
    pub host_id: Option<String>,
    pub boot_id: Option<String>,
    pub cgroup_id: Option<i64>,
    pub root_pid: Option<i32>,
    pub root_start_ns: Option<i64>,
    pub root_exe: Option<String>,
    pub root_cmdline_sha256: Option<[u8; 32]>,
    pub proxy_version: Option<String>,
    pub policy_bundle_sha256: Option<[u8; 32]>,
    pub recording_mode: Option<String>,
    pub bytes_up: Option<i64>,
    pub bytes_down: Option<i64>,
    pub statements: Option<i64>,
    pub denied: Option<i64>,
    pub enforcement: Option<Enforcement>,
    pub mode: Option<Mode>,
    pub user: Option<String>,
    pub uid: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub resumed: Option<bool>,
    pub caller_user: Option<String>,
    pub caller_uid: Option<i64>,
    pub same_uid: Option<bool>,
    pub ci_facts: Option<String>,
    pub idp_keys_sha256: Option<[u8; 32]>,
    pub connections: Option<i64>,
    pub cpu_us: Option<i64>,
    pub scope: Option<String>,
}

impl SessionRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 59] {
        let labels: Vec<Value> = self
            .labels
            .into_iter()
            .map(|(name, value)| Value::Struct(vec![name.into(), value.into()]))
            .collect();
        [
            ("phase", self.phase.as_str().into()),
            ("is_final", self.is_final.into()),
            ("opened_at", self.opened_at.into()),
            ("closed_at", self.closed_at.into()),
            ("close_reason", self.close_reason.into()),
            ("idp_issuer", self.idp_issuer.into()),
            ("idp_subject", self.idp_subject.into()),
            ("idp_protocol", self.idp_protocol.into()),
            ("id_token_jti_sha256", self.id_token_jti_sha256.into()),
            ("principal_type", self.principal_type.into()),
            ("user_display", self.user_display.into()),
            ("ci_provider", self.ci_provider.into()),
            ("ci_repository", self.ci_repository.into()),
            ("ci_repository_id", self.ci_repository_id.into()),
            ("ci_ref", self.ci_ref.into()),
            ("ci_sha", self.ci_sha.into()),
            ("ci_workflow_ref", self.ci_workflow_ref.into()),
            ("ci_job_workflow_ref", self.ci_job_workflow_ref.into()),
            ("ci_run_id", self.ci_run_id.into()),
            ("ci_run_attempt", self.ci_run_attempt.into()),
            ("ci_actor", self.ci_actor.into()),
            ("ci_actor_id", self.ci_actor_id.into()),
            ("ci_event", self.ci_event.into()),
            ("ci_environment", self.ci_environment.into()),
            ("runner_environment", self.runner_environment.into()),
            ("agent_id", self.agent_id.into()),
            ("agent_name", self.agent_name.into()),
            ("agent_version", self.agent_version.into()),
            ("agent_session_id", self.agent_session_id.into()),
            (
                "agent_parent_session_id",
                self.agent_parent_session_id.into(),
            ),
            ("agent_detect_method", self.agent_detect_method.into()),
            ("host_id", self.host_id.into()),
            ("boot_id", self.boot_id.into()),
            ("cgroup_id", self.cgroup_id.into()),
            ("root_pid", self.root_pid.into()),
            ("root_start_ns", self.root_start_ns.into()),
            ("root_exe", self.root_exe.into()),
            ("root_cmdline_sha256", self.root_cmdline_sha256.into()),
            ("proxy_version", self.proxy_version.into()),
            ("policy_bundle_sha256", self.policy_bundle_sha256.into()),
            ("recording_mode", self.recording_mode.into()),
            ("bytes_up", self.bytes_up.into()),
            ("bytes_down", self.bytes_down.into()),
            ("statements", self.statements.into()),
            ("denied", self.denied.into()),
            (
                "enforcement",
                self.enforcement.map(Enforcement::as_str).into(),
            ),
            ("mode", self.mode.map(Mode::as_str).into()),
            ("user", self.user.into()),
            ("uid", self.uid.into()),
            ("labels", labels.into()),
            ("resumed", self.resumed.into()),
            ("caller_user", self.caller_user.into()),
            ("caller_uid", self.caller_uid.into()),
            ("same_uid", self.same_uid.into()),
            ("ci_facts", self.ci_facts.into()),
            ("idp_keys_sha256", self.idp_keys_sha256.into()),
            ("connections", self.connections.into()),
            ("cpu_us", self.cpu_us.into()),
            ("scope", self.scope.into()),
        ]
    }
}
