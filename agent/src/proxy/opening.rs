//! Who a new session or login acts for: settled before it is made, known again when it is recorded.

use chrono::DateTime;
use serde_json::{Value, json};

use super::core::Core;
use super::sessions::Session;
use super::tap::repository;
use crate::config::{TokenUse, WithoutToken};
use crate::control::{HandedToken, ModelsRead, Proof, SessionFacts, Settled};
use crate::id::SessionId;
use crate::identity::{Handed, Principal, Token};
use crate::record::{Category, EventRow, Severity, hex};
use crate::snowflake::secret::Secret;

/// Event: a token showed who a session or login acts for, or who signed in.
pub(super) const ACCEPTED: &str = "AU001";

/// Event: a session, login or sign-in was refused, since nothing showed who it acts for.
pub(super) const REFUSED: &str = "AU002";

/// What to do once a sign-in opens no sessions any more.
const LOGIN_AGAIN: &str = "log in again: icecore login";

/// How a session's token came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownBy {
    /// `icecore run` brought it.
    Token,
    /// The user's `icecore login` had got it.
    Login,
    /// A driver showed it at its login.
    Driver,
}

impl ShownBy {
    /// Gives the word that the record uses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Login => "login",
            Self::Driver => "driver",
        }
    }
}

/// Whom a token showed.
pub(super) struct Shown {
    pub(super) principal: Principal,
    /// What every proxy of this host knows the principal by.
    pub(super) sealed: String,
}

/// Who a session acts for, as it was settled.
pub(super) struct Known {
    pub(super) principal: Principal,
    /// Whether it acts for nobody any more, so that it is only there to be closed.
    pub(super) is_lost: bool,
}

impl Core {
    /// Settles who a session acts for that is about to begin.
    ///
    /// # Errors
    /// A text for the caller, which holds nothing of a token; it is recorded.
    pub(super) async fn settle(&self, facts: &SessionFacts) -> Result<Settled, String> {
        let settled = match &facts.proof {
            Proof::Token(token) => self.settle_by_token(facts, token, ShownBy::Token).await,
            Proof::Kept(token) => self.settle_by_token(facts, token, ShownBy::Login).await,
            Proof::Absent => self.settle_without(facts),
            Proof::Sealed(_) => Err("identity refused: expected a token, found a seal".to_owned()),
        };
        if let Err(reason) = &settled {
            let detail = json!({
                "reason": reason, "user": facts.user, "uid": facts.uid, "caller_uid": facts.caller_uid(), "pid": facts.pid, "exe": facts.exe,
            });
            let shared = &self.shared;
            shared
                .event(None, REFUSED, Severity::Medium, Category::Auth, detail)
                .await;
        }
        settled
    }

    /// Knows again who a session acts for. What let it in is not asked for anew: a restart promises that it goes on.
    pub(super) fn recall(&self, facts: &SessionFacts) -> Known {
        let restored = match &facts.proof {
            Proof::Sealed(sealed) => Principal::restore(&self.shared.seal_key, facts.id, sealed)
                .map_err(|e| e.to_string()),
            Proof::Absent => Ok(host_user(facts)),
            Proof::Token(_) | Proof::Kept(_) => Err("expected a seal, found a token".to_owned()),
        };
        match restored {
            Ok(principal) => Known {
                principal,
                is_lost: false,
            },
            Err(error) => {
                tracing::error!(session = %facts.id, error, "session's identity is lost; it gets nothing more");
                Known {
                    principal: host_user(facts),
                    is_lost: true,
                }
            }
        }
    }

    /// Finds out whether a fresh token shows whom a session acts for already.
    ///
    /// # Errors
    /// A text for the caller; it is recorded, and the session goes on as before.
    pub(super) async fn settle_fresh(
        &self,
        session: &Session,
        token: &HandedToken,
    ) -> Result<Shown, String> {
        let shown = self.show_fresh(session, token).await;
        if let Err(reason) = &shown {
            let detail = json!({ "reason": reason });
            let shared = &self.shared;
            shared
                .event(
                    Some(session),
                    REFUSED,
                    Severity::Medium,
                    Category::Auth,
                    detail,
                )
                .await;
        }
        shown
    }

    /// Settles whom a login acts for that its client shows something with; none if it is whom its session acts for.
    ///
    /// # Errors
    /// A text for the client, which holds nothing of a token; whoever refuses the login records it.
    pub(super) async fn settle_login(
        &self,
        session: &Session,
        shown: Option<Secret>,
    ) -> Result<Option<Principal>, String> {
        let current = self.shared.current();
        let identity = &current.config.identity;
        let held = session.principal();
        let token = shown.filter(|text| identity.in_band && Token::is_like(text.reveal()));
        let Some(token) = token else {
            let is_shown = held.identity().is_verified();
            // A session that was let in when its logins could show tokens gets no more by a config in which they cannot.
            if is_shown || identity.without_token == WithoutToken::Host {
                return Ok(None);
            }
            return Err(format!(
                "identity refused: expected a token of issuer {} as the driver's password or OAuth token, found none",
                self.issuer_names()
            ));
        };
        let shown = self.verify(token.reveal(), ShownBy::Driver).await?;
        if !held.identity().is_verified() {
            self.check_uid(session.facts(), &shown)?;
            self.claim(session.id(), &shown, identity.token_use).await?;
            return Ok(Some(shown));
        }
        if held.is_same_party(&shown) {
            return Ok(None);
        }
        Err(format!(
            "identity refused: expected a token of {held}, for whom the session acts, found one of {shown}"
        ))
    }

    /// Tells what of a session's model calls is to be read: nothing, where its repository is kept out.
    fn models_to_read(
        &self,
        facts: &SessionFacts,
        principal: Option<&Principal>,
    ) -> Option<ModelsRead> {
        let repository = repository(facts, principal);
        self.shared.current().models.to_read(repository)
    }

    fn issuer_names(&self) -> String {
        let current = self.shared.current();
        let names: Vec<&str> = current.config.identity.issuer_names().collect();
        names.join(" or ")
    }

    async fn settle_by_token(
        &self,
        facts: &SessionFacts,
        token: &HandedToken,
        shown_by: ShownBy,
    ) -> Result<Settled, String> {
        let principal = self.verify(token.reveal(), shown_by).await?;
        let current = self.shared.current();
        let identity = &current.config.identity;
        let same_uid = self.check_uid(facts, &principal)?;
        let uses = match shown_by {
            ShownBy::Token | ShownBy::Driver => identity.token_use,
            // It is there for all sessions of its user on this host.
            ShownBy::Login => TokenUse::Host,
        };
        self.claim(facts.id, &principal, uses).await?;
        Ok(Settled {
            sealed: Some(self.seal(facts.id, &principal)?),
            same_uid,
            models: self.models_to_read(facts, Some(&principal)),
        })
    }

    /// Tells whether a job's token is shown for a command whose uid its caller has.
    ///
    /// # Errors
    /// It is, and nobody takes that risk.
    fn check_uid(&self, facts: &SessionFacts, principal: &Principal) -> Result<bool, String> {
        let is_allowed =
            self.shared.current().config.identity.allow_same_uid || facts.allow_same_uid;
        let shares = facts.shares_uid.as_deref();
        let shares = shares.filter(|_| principal.identity().is_job());
        if let Some(whose) = shares.filter(|_| !is_allowed) {
            return Err(format!(
                "identity refused: expected the command of a job with a token to run under a uid of its own, found uid {}, \
                 which {whose} too, so that the command could read or mint the job's tokens; start `icecore run` as root \
                 with --user NAME, or take the risk with --allow-same-uid or identity.allow_same_uid = true",
                facts.uid
            ));
        }
        Ok(shares.is_some())
    }

    async fn show_fresh(&self, session: &Session, token: &HandedToken) -> Result<Shown, String> {
        let (now, fresh) = (
            session.principal(),
            self.verify(token.reveal(), ShownBy::Token).await?,
        );
        if !now.is_same_party(&fresh) {
            return Err(format!(
                "identity refused: expected a token of {now}, for whom the session acts, found one of {fresh}"
            ));
        }
        if !fresh.is_fresher_than(&now) {
            return Err("identity refused: expected a token that was made after the session's last one, found that one or an older one".to_owned());
        }
        let uses = self.shared.current().config.identity.token_use;
        self.claim(session.id(), &fresh, uses).await?;
        let sealed = self.seal(session.id(), &fresh)?;
        Ok(Shown {
            principal: fresh,
            sealed,
        })
    }

    async fn verify(&self, token: &str, shown_by: ShownBy) -> Result<Principal, String> {
        // Its form decides who verifies it.
        let verified = match Handed::read(token) {
            Ok(Handed::Token(token)) => self.shared.current().issuers.verify(&token).await,
            Ok(Handed::Message(message)) => self.shared.current().providers.verify(message).await,
            Err(error) => Err(error.into()),
        };
        verified.map_err(|untaken| {
            let hint = match shown_by {
                ShownBy::Token | ShownBy::Driver => untaken.hint(),
                ShownBy::Login => Some(LOGIN_AGAIN),
            };
            let hint = hint.map(|hint| format!("; {hint}"));
            format!("identity refused: {untaken}{}", hint.unwrap_or_default())
        })
    }

    fn seal(&self, session: SessionId, principal: &Principal) -> Result<String, String> {
        let sealed = principal.seal(&self.shared.seal_key, session);
        sealed.map_err(|error| error.to_string())
    }

    fn settle_without(&self, facts: &SessionFacts) -> Result<Settled, String> {
        let current = self.shared.current();
        let identity = &current.config.identity;
        let settled = || Settled {
            models: self.models_to_read(facts, None),
            ..Settled::default()
        };
        match identity.without_token {
            WithoutToken::Host => Ok(settled()),
            // Each of its logins needs one.
            WithoutToken::Refuse if identity.in_band => Ok(settled()),
            WithoutToken::Refuse => {
                let login = match identity.sign_ins.as_slice() {
                    [] => "",
                    _ => "log in with `icecore login`, ",
                };
                Err(format!(
                    "identity refused: expected a token of issuer {}, found none; {login}give one with \
                     --identity-token-file or --identity-token-env, or set identity.without_token = \"host\"",
                    self.issuer_names()
                ))
            }
        }
    }
}

fn host_user(facts: &SessionFacts) -> Principal {
    Principal::host_user(facts.user.clone(), facts.uid)
}

/// What is recorded of a token that was accepted.
pub(super) fn accepted(principal: &Principal, shown_by: ShownBy, same_uid: Option<bool>) -> Value {
    let identity = principal.identity();
    json!({
        "shown_by": shown_by.as_str(),
        "protocol": identity.protocol().as_str(),
        "issuer": principal.issuer(),
        "subject": identity.subject(),
        "groups": identity.groups().collect::<Vec<_>>(),
        "scopes": identity.scopes(),
        "agent": identity.agent(),
        "token_sha256": principal.token_sha256().map(|digest| hex(&digest)),
        "token_expires_at": principal.expires_at().as_ref().map(DateTime::to_rfc3339),
        "session_ends_at": principal.session_ends_at().as_ref().map(DateTime::to_rfc3339),
        "same_uid": same_uid,
    })
}

/// Gives the event that a token showed who a session acts for, if one did.
pub(super) fn event(
    session: &Session,
    principal: &Principal,
    shown_by: ShownBy,
) -> Option<EventRow> {
    let same_uid = session.same_uid();
    principal.identity().is_verified().then(|| EventRow {
        session_id: Some(session.id()),
        event_code: ACCEPTED,
        severity: match same_uid {
            Some(true) => Severity::Medium,
            Some(false) | None => Severity::Informational,
        },
        category: Category::Auth,
        detail: Some(accepted(principal, shown_by, same_uid)),
        ..EventRow::default()
    })
}
