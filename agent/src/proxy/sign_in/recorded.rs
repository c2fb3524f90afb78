//! A step of a sign-in as the supervisor asks for it, and what of it goes on record.

use std::sync::Arc;

use serde_json::json;

use super::failed::told;
use super::{Gone, Unrefreshed, Verified};
use crate::control::sign_in::{SignInCall, SignInOutcome};
use crate::proxy::core::Core;
use crate::proxy::opening::{ACCEPTED, REFUSED, ShownBy, accepted};
use crate::record::{Category, Severity};

impl Core {
    /// Does one step of an engineer's sign-in; who signed in is recorded, and why somebody could not.
    ///
    /// # Errors
    /// A text for the user, which holds nothing of a token.
    pub(in crate::proxy) async fn sign_in(
        &self,
        call: SignInCall,
    ) -> Result<SignInOutcome, String> {
        let sign_ins = Arc::clone(&self.shared.current().sign_ins);
        match call {
            SignInCall::Begin { issuer, way } => sign_ins
                .begin(&issuer, way)
                .await
                .map_err(|failed| told(&failed)),
            SignInCall::GoOn {
                uid,
                pending,
                query,
            } => match sign_ins.go_on(pending, query).await {
                Ok(Gone::Waiting(pending)) => Ok(SignInOutcome::Waiting { pending }),
                Ok(Gone::SignedIn(verified)) => {
                    let Verified { principal, kept } = *verified;
                    let mut detail = accepted(&principal, ShownBy::Login, None);
                    if let Some(detail) = detail.as_object_mut() {
                        detail.insert("uid".to_owned(), uid.into());
                    }
                    let shared = &self.shared;
                    shared
                        .event(
                            None,
                            ACCEPTED,
                            Severity::Informational,
                            Category::Auth,
                            detail,
                        )
                        .await;
                    Ok(SignInOutcome::SignedIn(Box::new(kept)))
                }
                Err(failed) => Err(self.refuse_sign_in(uid, told(&failed)).await),
            },
            SignInCall::Refresh { uid, kept } => match sign_ins.refresh(&kept).await {
                Ok(next) => Ok(SignInOutcome::SignedIn(Box::new(next))),
                Err(Unrefreshed { failed, rotated }) => {
                    let mut reason = told(&failed);
                    if kept.shown.expires_at <= self.shared.stages.clock.now() {
                        reason = self.refuse_sign_in(uid, reason).await;
                    }
                    if failed.is_final() {
                        return Ok(SignInOutcome::Over { reason });
                    }
                    match rotated {
                        Some(refresh_token) => Ok(SignInOutcome::Rotated {
                            refresh_token,
                            reason,
                        }),
                        None => Err(reason),
                    }
                }
            },
        }
    }

    async fn refuse_sign_in(&self, uid: u32, reason: String) -> String {
        let detail = json!({ "reason": reason, "uid": uid, "shown_by": ShownBy::Login.as_str() });
        let shared = &self.shared;
        shared
            .event(None, REFUSED, Severity::Medium, Category::Auth, detail)
            .await;
        reason
    }
}
