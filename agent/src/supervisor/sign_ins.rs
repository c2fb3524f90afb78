//! Engineers' sign-ins: one under way for each control connection, one kept for each user.
//!
//! They are in this process's memory alone, so that a restart forgets them: nothing on disk opens sessions. A user's slot
//! is locked while its token is refreshed, since some issuers take a refresh token once; no other lock is taken then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::session::{PROXY_PATIENCE, Refusal, told};
use super::shared::Shared;
use crate::config::SignIn;
use crate::control::sign_in::{
    KeptSignIn, Pending, SignInAsk, SignInCall, SignInOutcome, SignInReply, SignedIn,
};
use crate::control::{HandedToken, Proof, TOKEN_TEXT_MAX_BYTES};

/// How long before its end a token is refreshed: the session has to open with it.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// What is kept of each user's sign-in.
#[derive(Debug, Default)]
pub(super) struct SignIns(Mutex<BTreeMap<u32, Slot>>);

/// What is kept of one user's.
type Slot = Arc<Mutex<Option<KeptSignIn>>>;

impl SignIns {
    fn slot(&self, uid: u32) -> Slot {
        Arc::clone(lock(&self.0).entry(uid).or_default())
    }
}

impl Shared {
    /// Answers one step of a user's sign-in; `pending` is what their connection has under way.
    pub(super) fn sign_in(
        &self,
        uid: u32,
        pending: &mut Option<Pending>,
        ask: SignInAsk,
    ) -> Result<SignInReply, Refusal> {
        match ask {
            SignInAsk::Issuer { issuer } => {
                let found = self.sign_in_at(issuer.as_deref())?;
                Ok(SignInReply::Issuer {
                    name: found.issuer.clone(),
                    port: found.port,
                })
            }
            SignInAsk::Begin { issuer, way } => {
                *pending = None;
                self.go_on(uid, pending, SignInCall::Begin { issuer, way })
            }
            SignInAsk::Finish { query } => {
                let bytes = query.reveal().len();
                if bytes > TOKEN_TEXT_MAX_BYTES {
                    return Err(Refusal::Token(bytes));
                }
                self.answered(uid, pending, Some(query))
            }
            SignInAsk::Poll {} => self.answered(uid, pending, None),
            SignInAsk::Status {} => {
                let slot = self.sign_ins.slot(uid);
                let signed_in = lock(&slot).as_ref().map(|kept| kept.shown.clone());
                Ok(SignInReply::Status { signed_in })
            }
            SignInAsk::Forget {} => {
                let slot = self.sign_ins.slot(uid);
                let was_kept = lock(&slot).take().is_some();
                Ok(SignInReply::Forgotten { was_kept })
            }
        }
    }

    fn answered(
        &self,
        uid: u32,
        pending: &mut Option<Pending>,
        query: Option<HandedToken>,
    ) -> Result<SignInReply, Refusal> {
        let Some(under_way) = pending.take() else {
            return Err(Refusal::NoSignIn);
        };
        let call = SignInCall::GoOn {
            uid,
            pending: under_way,
            query,
        };
        self.go_on(uid, pending, call)
    }

    fn go_on(
        &self,
        uid: u32,
        pending: &mut Option<Pending>,
        call: SignInCall,
    ) -> Result<SignInReply, Refusal> {
        match self.ask_for_sign_in(call)? {
            SignInOutcome::Begun {
                pending: under_way,
                begun,
            } => {
                *pending = Some(under_way);
                Ok(SignInReply::Begun(begun))
            }
            SignInOutcome::Waiting { pending: under_way } => {
                let wait_s = match &under_way {
                    Pending::Browser { .. } => 1,
                    Pending::Device { wait_s, .. } => *wait_s,
                };
                *pending = Some(under_way);
                Ok(SignInReply::Waiting { wait_s })
            }
            SignInOutcome::SignedIn(kept) => {
                let shown = kept.shown.clone();
                *lock(&self.sign_ins.slot(uid)) = Some(*kept);
                Ok(SignInReply::SignedIn(shown))
            }
            SignInOutcome::Over { reason } => Err(Refusal::Proxy(reason)),
        }
    }

    /// Gives what shows who a user's session acts for that brought no token: their sign-in, if there is one.
    pub(super) fn proof_of(&self, uid: u32) -> Result<Proof, Refusal> {
        let slot = self.sign_ins.slot(uid);
        let mut slot = lock(&slot);
        let Some(kept) = slot.as_mut() else {
            return Ok(Proof::Absent);
        };
        if is_due(kept, self.clock.now()) {
            let call = SignInCall::Refresh {
                uid,
                kept: Box::new(kept.clone()),
            };
            match self.ask_for_sign_in(call) {
                Ok(SignInOutcome::SignedIn(next)) => *kept = *next,
                Ok(SignInOutcome::Over { reason }) => {
                    kept.refresh_token = None;
                    kept.shown.is_refreshed = false;
                    spent(kept, self.clock.now(), reason)?;
                }
                Ok(SignInOutcome::Begun { .. } | SignInOutcome::Waiting { .. }) => {}
                Err(refusal) => spent(kept, self.clock.now(), refusal.to_string())?,
            }
        }
        Ok(Proof::Kept(kept.id_token.clone()))
    }

    fn ask_for_sign_in(&self, call: SignInCall) -> Result<SignInOutcome, Refusal> {
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let outcome = proxy.link.sign_in(call);
        outcome.map_err(|failure| Refusal::Proxy(told(failure)))
    }

    /// Finds the issuer at which one signs in.
    fn sign_in_at(&self, asked: Option<&str>) -> Result<&SignIn, Refusal> {
        let identity = &self.config.identity;
        let all = &identity.sign_ins;
        let names = || {
            let names: Vec<&str> = all.iter().map(|one| one.issuer.as_str()).collect();
            names.join(", ")
        };
        let Some(asked) = asked else {
            return match all.as_slice() {
                [one] => Ok(one),
                [] => Err(Refusal::NoIssuer),
                [..] => Err(Refusal::SeveralIssuers(names())),
            };
        };
        let mut issuers = identity.issuers.iter();
        let is_asked = |one: &str, url: &str| {
            one == asked || url.trim_end_matches('/') == asked.trim_end_matches('/')
        };
        let found = issuers.find(|issuer| is_asked(&issuer.name, &issuer.url));
        let sign_in = found.and_then(|found| all.iter().find(|one| one.issuer == found.name));
        sign_in.ok_or_else(|| match all.as_slice() {
            [] => Refusal::NoIssuer,
            [..] => Refusal::OtherIssuer(names()),
        })
    }
}

/// Tells whether a token is to be refreshed before it is used.
fn is_due(kept: &KeptSignIn, now: DateTime<Utc>) -> bool {
    kept.refresh_token.is_some() && kept.shown.expires_at <= now + REFRESH_BEFORE
}

/// Lets a token that was not refreshed serve up to its end; after that the reason is the answer.
fn spent(kept: &KeptSignIn, now: DateTime<Utc>, reason: String) -> Result<(), Refusal> {
    let SignedIn {
        issuer,
        subject,
        expires_at,
        ..
    } = &kept.shown;
    warn!(issuer, reason, "sign-in was not refreshed");
    if now < *expires_at {
        return Ok(());
    }
    Err(Refusal::SignInOver {
        who: format!("{issuer}:{subject}"),
        expired: expires_at.to_rfc3339(),
        reason,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn kept(refresh_token: Option<&str>) -> KeptSignIn {
        let token = |text: &str| HandedToken::new(text.to_owned());
        KeptSignIn {
            id_token: token("a.b.c"),
            refresh_token: refresh_token.map(token),
            nonce: None,
            shown: SignedIn {
                issuer: "okta".to_owned(),
                subject: "00u1".to_owned(),
                shown_name: None,
                groups: Vec::new(),
                groups_left_out: 0,
                expires_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(1000),
                is_refreshed: refresh_token.is_some(),
            },
        }
    }

    #[test]
    fn a_token_is_refreshed_in_its_last_minute_if_there_is_a_way() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let due = |refresh, seconds| is_due(&kept(refresh), at(seconds));
        assert!(!due(Some("r"), 939));
        assert!(due(Some("r"), 940));
        assert!(due(Some("r"), 5000));
        assert!(!due(None, 5000));
    }

    #[test]
    fn a_token_that_cannot_be_refreshed_serves_to_its_end_and_then_says_to_log_in() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let spent = |seconds| {
            spent(
                &kept(Some("r")),
                at(seconds),
                "the issuer said `invalid_grant`".to_owned(),
            )
        };
        assert!(spent(999).is_ok());
        assert_eq!(
            spent(1000).unwrap_err().to_string(),
            "the login of okta:00u1 ended at 1970-01-01T00:16:40+00:00 and was not refreshed: the issuer said \
             `invalid_grant`; log in again: icecore login"
        );
    }
}
