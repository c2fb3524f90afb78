//! Table `logins`: one row when a Snowflake session opens inside a session and one when it closes.

use chrono::{DateTime, Utc};

use crate::id::{LoginId, SessionId};
use crate::record::event::Phase;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I64, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 2,
    name: "logins",
    tier: Tier::Metadata,
    doc: "One Snowflake session inside a session: a row when it opens and a row when it closes.",
    own: &COLUMNS,
    day_of: Some("opened_at"),
};

#[rustfmt::skip]
static COLUMNS: [Column; 20] = [
    Column::new(16, "login_id", Text, "Names the login.").required().bloom(),
    Column::new(17, "phase", Text, "`open` or `close`.").required().dictionary(),
    Column::new(18, "is_final", Bool, "Whether the login is over.").required(),
    Column::new(19, "opened_at", Time, "When Snowflake accepted the login.").required(),
    Column::new(20, "closed_at", Time, "When the login ended."),
    Column::new(21, "close_reason", Text, "Why it ended.").dictionary(),
    Column::new(22, "account", Text, "Snowflake account.").required().dictionary(),
    Column::new(23, "sf_user", Text, "Snowflake user of the injected credential.").dictionary(),
    Column::new(24, "sf_role", Text, "Snowflake role that the login was pinned to.").dictionary(),
    Column::new(25, "secondary_roles", Text, "Secondary roles of the login; `NONE` by default.").dictionary(),
    Column::new(26, "sf_session_id", I64, "Snowflake's own id of its session."),
    Column::new(27, "client_app", Text, "Driver's name, as it says.").dictionary(),
    Column::new(28, "client_version", Text, "Driver's version, as it says.").dictionary(),
    Column::new(29, "auth_injected", Text, "Kind of the injected credential: `keypair`, `pat`, `oauth`, `password` or `wif`.").dictionary(),
    Column::new(30, "credential_ref", Text, "Where the credential came from; never the credential.").dictionary(),
    Column::new(31, "principal", Text, "Whom the login acts for.").dictionary(),
    Column::new(32, "principal_type", Text, "`human` or `workload`.").dictionary(),
    Column::new(33, "idp_keys_sha256", Hash, "SHA-256 of the keys (JWKS) or metadata (SAML) by which the identity was verified; they lie under `evidence/`."),
    Column::new(34, "clock_ahead_ms", I64, "By how much the host's clock was ahead of Snowflake's at least, behind where negative, by the `Date` of the answer to the login."),
    Column::new(35, "clock_synchronized", Bool, "Whether the host's kernel called its clock synchronised."),
];

/// One row of `logins`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct LoginRow {
    pub session_id: Option<SessionId>,
    pub login_id: Option<LoginId>,
    pub phase: Phase,
    pub is_final: bool,
    pub opened_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub close_reason: Option<String>,
    pub account: Option<String>,
    pub sf_user: Option<String>,
    pub sf_role: Option<String>,
    pub secondary_roles: Option<String>,
    pub sf_session_id: Option<i64>,
    pub client_app: Option<String>,
    pub client_version: Option<String>,
    pub auth_injected: Option<String>,
    pub credential_ref: Option<String>,
    pub principal: Option<String>,
    pub principal_type: Option<String>,
    pub idp_keys_sha256: Option<[u8; 32]>,
    pub clock_ahead_ms: Option<i64>,
    pub clock_synchronized: Option<bool>,
}

impl LoginRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 20] {
        [
            ("login_id", self.login_id.into()),
            ("phase", self.phase.as_str().into()),
            ("is_final", self.is_final.into()),
            ("opened_at", self.opened_at.into()),
            ("closed_at", self.closed_at.into()),
            ("close_reason", self.close_reason.into()),
            ("account", self.account.into()),
            ("sf_user", self.sf_user.into()),
            ("sf_role", self.sf_role.into()),
            ("secondary_roles", self.secondary_roles.into()),
            ("sf_session_id", self.sf_session_id.into()),
            ("client_app", self.client_app.into()),
            ("client_version", self.client_version.into()),
            ("auth_injected", self.auth_injected.into()),
            ("credential_ref", self.credential_ref.into()),
            ("principal", self.principal.into()),
            ("principal_type", self.principal_type.into()),
            ("idp_keys_sha256", self.idp_keys_sha256.into()),
            ("clock_ahead_ms", self.clock_ahead_ms.into()),
            ("clock_synchronized", self.clock_synchronized.into()),
        ]
    }
}
