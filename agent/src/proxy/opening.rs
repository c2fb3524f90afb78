//! Who a new session or login acts for: settled before it is recorded, and itself recorded either way.

use chrono::DateTime;
use serde_json::{Value, json};

use super::core::Core;
use super::sessions::Session;
use crate::config::WithoutToken;
use crate::control::{HandedToken, Proof, SessionFacts};
use crate::id::SessionId;
use crate::identity::{Principal, Token};
use crate::record::{Category, EventRow, Severity, hex};
use crate::snowflake::secret::Secret;

/// Event: a token showed who a session or login acts for.
pub(super) const ACCEPTED: &str = "AU001";

/// Event: a session or login was refused, since nothing showed who it acts for.
pub(super) const REFUSED: &str = "AU002";

/// Who a session acts for, and what is to be kept of that.
pub(super) struct Settled {
    pub(super) principal: Principal,
    /// Whether it acts for nobody any more, so that it is only there to be closed.
    pub(super) is_lost: bool,
    /// What the next proxy knows the principal by.
    pub(super) sealed: Option<String>,
    /// What is recorded of it beside the session.
    pub(super) event: Option<EventRow>,
}

impl Core {
    /// Settles who a session acts for.
    ///
    /// # Errors
    /// A text for the caller, which holds nothing of a token; it is recorded.
    pub(super) async fn settle(&self, facts: &SessionFacts) -> Result<Settled, String> {
        let settled = match &facts.proof {
            Proof::Token(token) => self.settle_by_token(facts.id, token.reveal()).await,
            Proof::Absent => self.settle_without(facts),
            Proof::Sealed(sealed) => Ok(self.settle_again(facts, sealed)),
            // The proxy that was to verify it is gone, and the token with it.
            Proof::Unsettled => Ok(lost(facts)),
        };
        if let Err(reason) = &settled {
            let detail = json!({
                "reason": reason, "user": facts.user, "uid": facts.uid, "pid": facts.pid, "exe": facts.exe,
            });
            let shared = &self.shared;
            shared
                .event(None, REFUSED, Severity::Medium, Category::Auth, detail)
                .await;
        }
        settled
    }

    /// Finds out whether a fresh token shows whom a session acts for already.
    ///
    /// # Errors
    /// A text for the caller; it is recorded, and the session goes on as before.
    pub(super) async fn settle_fresh(
        &self,
        session: &Session,
        token: &HandedToken,
    ) -> Result<Settled, String> {
        let settled = self.settle_by_token(session.id(), token.reveal()).await;
        let settled = settled.and_then(|settled| {
            let (now, fresh) = (session.principal(), &settled.principal);
            if now.is_same_party(fresh) && fresh.is_fresher_than(&now) {
                return Ok(settled);
            }
            if now.is_same_party(fresh) {
                return Err("identity refused: expected a token that was made after the session's last one, found that one or an older one".to_owned());
            }
            Err(format!(
                "identity refused: expected a token of {now}, for whom the session acts, found one of {fresh}"
            ))
        });
        if let Err(reason) = &settled {
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
        settled
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
        let identity = &self.shared.config.identity;
        if !identity.in_band {
            return Ok(None);
        }
        let held = session.principal();
        let token = shown.filter(|text| Token::is_like(text.reveal()));
        let Some(token) = token else {
            let is_shown = held.identity().is_verified();
            if is_shown || identity.without_token == WithoutToken::Host {
                return Ok(None);
            }
            return Err(format!(
                "identity refused: expected a token of issuer {} as the driver's password or OAuth token, found none",
                self.issuer_names()
            ));
        };
        let shown = self.verify(token.reveal()).await?;
        if !held.identity().is_verified() {
            return Ok(Some(shown));
        }
        if held.is_same_party(&shown) {
            return Ok(None);
        }
        Err(format!(
            "identity refused: expected a token of {held}, for whom the session acts, found one of {shown}"
        ))
    }

    async fn verify(&self, token: &str) -> Result<Principal, String> {
        self.shared.issuers.verify(token).await.map_err(|untaken| {
            let hint = untaken.hint().map(|hint| format!("; {hint}"));
            format!("identity refused: {untaken}{}", hint.unwrap_or_default())
        })
    }

    fn issuer_names(&self) -> String {
        let names: Vec<&str> = self.shared.config.identity.issuer_names().collect();
        names.join(" or ")
    }

    async fn settle_by_token(&self, session: SessionId, token: &str) -> Result<Settled, String> {
        let shared = &self.shared;
        let principal = self.verify(token).await?;
        let sealed = principal
            .seal(&shared.seal_key, session)
            .map_err(|error| error.to_string())?;
        let event = EventRow {
            session_id: Some(session),
            event_code: ACCEPTED,
            severity: Severity::Informational,
            category: Category::Auth,
            detail: Some(accepted(&principal)),
            ..EventRow::default()
        };
        Ok(Settled {
            principal,
            is_lost: false,
            sealed: Some(sealed),
            event: Some(event),
        })
    }

    fn settle_without(&self, facts: &SessionFacts) -> Result<Settled, String> {
        let identity = &self.shared.config.identity;
        match identity.without_token {
            WithoutToken::Host => Ok(of_host(facts)),
            // Each of its logins needs one.
            WithoutToken::Refuse if identity.in_band => Ok(of_host(facts)),
            // It was let in under another config; that it goes on is what a restart promises.
            WithoutToken::Refuse if facts.resumed => Ok(of_host(facts)),
            WithoutToken::Refuse => Err(format!(
                "identity refused: expected a token of issuer {}, found none; give one with --identity-token-file or \
                     --identity-token-env, or set identity.without_token = \"host\"",
                self.issuer_names()
            )),
        }
    }

    /// Knows a principal again that an earlier proxy sealed.
    fn settle_again(&self, facts: &SessionFacts, sealed: &str) -> Settled {
        match Principal::restore(&self.shared.seal_key, facts.id, sealed) {
            Ok(principal) => Settled {
                principal,
                is_lost: false,
                sealed: Some(sealed.to_owned()),
                event: None,
            },
            Err(error) => {
                tracing::error!(session = %facts.id, %error, "session's identity is lost; it gets nothing more");
                lost(facts)
            }
        }
    }
}

fn of_host(facts: &SessionFacts) -> Settled {
    Settled {
        principal: Principal::host_user(facts.user.clone(), facts.uid),
        is_lost: false,
        sealed: None,
        event: None,
    }
}

fn lost(facts: &SessionFacts) -> Settled {
    Settled {
        is_lost: true,
        ..of_host(facts)
    }
}

/// Says what a token showed.
pub(super) fn accepted(principal: &Principal) -> Value {
    let identity = principal.identity();
    json!({
        "issuer": principal.issuer(),
        "subject": identity.subject(),
        "groups": identity.groups().collect::<Vec<_>>(),
        "scopes": identity.scopes(),
        "agent": identity.agent(),
        "token_sha256": principal.token_sha256().map(|digest| hex(&digest)),
        "token_expires_at": principal.expires_at().as_ref().map(DateTime::to_rfc3339),
    })
}
