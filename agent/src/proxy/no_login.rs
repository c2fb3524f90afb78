//! Why a login is not opened: told to the agent, and to the operator what only the operator can mend.

use serde_json::json;

use super::door::Door;
use super::opening::REFUSED;
use crate::identity::Principal;
use crate::record::{Category, Severity};
use crate::snowflake::answer::{Body, Form, code};
use crate::upstream::{Account, Answered, Unlike, UpstreamError};

/// Event: the host's own credential for an account cannot be used.
const CREDENTIAL_UNUSABLE: &str = "AU005";

/// Event: a login may do something else at Snowflake than the config says.
const LOGIN_UNLIKE: &str = "AU006";

/// Event: no grant of an account is for the session's principal.
const NOT_GRANTED: &str = "AU007";

/// Why a login was not opened.
pub(super) enum NoLogin {
    /// Snowflake refused it, in its own words.
    Refused(Answered),
    /// Snowflake could not be asked, or Icecore refused.
    Told { code: &'static str, text: String },
}

impl NoLogin {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Told { code, text }
    }

    /// Tells the client, in the form of its door.
    pub(super) fn told(self, form: Form) -> Body {
        match self {
            Self::Refused(answered) => login_refused(&answered, form),
            Self::Told { code, text } => form.plain_error(code, &text),
        }
    }
}

impl Door {
    /// Refuses a login that shows nobody, or another than its session acts for; the text holds nothing of its token.
    pub(super) async fn not_shown(&self, account: &Account, reason: String) -> NoLogin {
        let (pid, exe) = (self.peer.pid, &self.peer.exe);
        let detail = json!({ "reason": reason, "account": account.name, "pid": pid, "exe": exe });
        self.note(REFUSED, Severity::Medium, Category::Auth, detail)
            .await;
        NoLogin::new(code::LOGIN_REFUSED, format!("Icecore: {reason}"))
    }

    /// Refuses a login of a principal that no grant is for; what the grants are is not told.
    pub(super) async fn not_granted(&self, account: &Account, principal: &Principal) -> NoLogin {
        let found = principal.identity().described();
        let detail = json!({ "account": account.name, "host": account.host, "found": found });
        let shared = &self.core.shared;
        shared
            .event(
                Some(&self.session),
                NOT_GRANTED,
                Severity::Medium,
                Category::Auth,
                detail,
            )
            .await;
        NoLogin::new(
            code::LOGIN_REFUSED,
            format!(
                "Icecore refused this login: expected a principal that a grant of account `{}` is for, by its issuer, \
                 groups, subject, CI job or host user, found `{found}`; whoever runs Icecore can add a grant, whoever \
                 runs the identity provider a group",
                account.name
            ),
        )
    }

    /// Refuses a login that may do something else than the config says.
    pub(super) async fn unlike(&self, account: &Account, unlike: &Unlike) -> NoLogin {
        tracing::error!(host = %account.host, %unlike, "login refused");
        let detail =
            json!({ "account": account.name, "host": account.host, "reason": unlike.to_string() });
        let shared = &self.core.shared;
        shared
            .event(
                Some(&self.session),
                LOGIN_UNLIKE,
                Severity::High,
                Category::Auth,
                detail,
            )
            .await;
        let advice =
            "whoever runs Icecore has to mend the config, the user's grants or a session policy";
        NoLogin::new(
            code::LOGIN_REFUSED,
            format!("Icecore refused this login: {unlike}; {advice}"),
        )
    }

    /// Tells the agent that there is no login, and the operator why if it is for our own credential.
    pub(super) async fn no_login(&self, account: &Account, error: &UpstreamError) -> NoLogin {
        let UpstreamError::Credential(cause) = error else {
            return NoLogin::new(
                code::FAILED,
                format!("Icecore could not get an answer: {error}"),
            );
        };
        tracing::error!(host = %account.host, %cause, "credential cannot be used; logins are refused");
        let detail =
            json!({ "account": account.name, "host": account.host, "reason": cause.to_string() });
        self.core
            .shared
            .event(
                Some(&self.session),
                CREDENTIAL_UNUSABLE,
                Severity::High,
                Category::Auth,
                detail,
            )
            .await;
        NoLogin::new(code::LOGIN_REFUSED, format!("no login: {error}"))
    }
}

/// Tells that Snowflake refused our credential, in its words and with nothing that would make a driver act on it.
///
/// A driver would drop its own credential, ask its user or open a browser at some codes and at `nextAction` (protocol
/// reference 2.2 and 3); all of that concerns the host's credential, which only its operator can mend.
fn login_refused(answered: &Answered, form: Form) -> Body {
    let answer = answered.answer();
    let found = answer.code().filter(|found| !ACTED_ON.contains(found));
    let is_number = |code: &&str| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    let text = answer
        .message()
        .unwrap_or_else(|| "the login was refused".to_owned());
    let shown = match answer.code() {
        Some(code) => format!("{text} (Snowflake's answer {code} to the host's credential)"),
        None => format!("{text} (Snowflake's answer to the host's credential)"),
    };
    form.plain_error(
        found.filter(is_number).unwrap_or(code::LOGIN_REFUSED),
        &shown,
    )
}

/// Codes of a login that make some driver do something about a credential that is not its own. Source: protocol
/// reference section 3.
const ACTED_ON: [&str; 11] = [
    "333333", "333334", "390110", "390111", "390112", "390113", "390114", "390115", "390195",
    "390303", "390318",
];
