//! Engineers' sign-ins: one under way for each control connection, one kept for each user.
//!
//! They are in this process's memory alone, so that a restart forgets them: nothing on disk opens sessions.

use std::thread;

use super::session::{PROXY_PATIENCE, Refusal, told};
use super::shared::Shared;
use crate::config::SignIn;
use crate::control::sign_in::{Pending, SignInAsk, SignInCall, SignInOutcome, SignInReply};
use crate::control::{HandedToken, Proof, TOKEN_TEXT_MAX_BYTES};

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
                let turn = self.sign_ins.user(uid).begin(self.clock.mono_ns());
                let Some(wait) = turn else {
                    return Err(too_often("too many logins begun by this user"));
                };
                thread::sleep(wait);
                self.go_on(uid, pending, SignInCall::Begin { issuer, way })
            }
            SignInAsk::Finish { query } => {
                let bytes = query.reveal().len();
                if bytes > TOKEN_TEXT_MAX_BYTES {
                    return Err(Refusal::Token(bytes));
                }
                self.answered(uid, pending, Some(query))
            }
            SignInAsk::Poll {} => match self.sign_ins.user(uid).early(self.clock.mono_ns()) {
                Some(wait_s) if pending.is_some() => Ok(SignInReply::Waiting { wait_s }),
                Some(_) | None => self.answered(uid, pending, None),
            },
            SignInAsk::Status {} => {
                let signed_in = self.sign_ins.user(uid).shown();
                Ok(SignInReply::Status { signed_in })
            }
            SignInAsk::Forget {} => {
                let was_kept = self.sign_ins.user(uid).replace(None);
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
        let Some(_step) = self.sign_ins.step() else {
            return Err(too_often("too many logins under way on this host"));
        };
        match self.ask_for_sign_in(call)? {
            SignInOutcome::Begun {
                pending: under_way,
                begun,
            } => {
                self.pace(uid, &under_way);
                *pending = Some(under_way);
                Ok(SignInReply::Begun(begun))
            }
            SignInOutcome::Waiting { pending: under_way } => {
                let wait_s = self.pace(uid, &under_way);
                *pending = Some(under_way);
                Ok(SignInReply::Waiting { wait_s })
            }
            SignInOutcome::SignedIn(kept) => {
                let shown = kept.shown.clone();
                self.sign_ins.user(uid).replace(Some(*kept));
                Ok(SignInReply::SignedIn(shown))
            }
            SignInOutcome::Rotated { reason, .. } | SignInOutcome::Over { reason } => {
                Err(Refusal::Proxy(reason))
            }
        }
    }

    /// Has the issuer left alone until it may be asked again; gives how long that is, in seconds.
    fn pace(&self, uid: u32, under_way: &Pending) -> u64 {
        let wait_s = match under_way {
            Pending::Browser { .. } => 1,
            Pending::Device { wait_s, .. } => *wait_s,
        };
        let user = self.sign_ins.user(uid);
        user.wait(self.clock.mono_ns(), wait_s);
        wait_s
    }

    /// Gives what shows who a user's session acts for that brought no token: their sign-in, if there is one.
    pub(super) fn proof_of(&self, uid: u32) -> Result<Proof, Refusal> {
        let refresh = |kept| {
            let kept = Box::new(kept);
            self.ask_for_sign_in(SignInCall::Refresh { uid, kept })
        };
        let user = self.sign_ins.user(uid);
        user.proof(self.clock.now(), || self.clock.mono_ns(), refresh)
    }

    fn ask_for_sign_in(&self, call: SignInCall) -> Result<SignInOutcome, Refusal> {
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let outcome = proxy.link.sign_in(call);
        outcome.map_err(|failure| Refusal::Proxy(told(failure)))
    }

    /// Finds the issuer at which one signs in.
    fn sign_in_at(&self, asked: Option<&str>) -> Result<SignIn, Refusal> {
        let identity = self.identity();
        let all = &identity.sign_ins;
        let names = || {
            let names: Vec<&str> = all.iter().map(|one| one.issuer.as_str()).collect();
            names.join(", ")
        };
        let Some(asked) = asked else {
            return match all.as_slice() {
                [one] => Ok(one.clone()),
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
        sign_in.cloned().ok_or_else(|| match all.as_slice() {
            [] => Refusal::NoIssuer,
            [..] => Refusal::OtherIssuer(names()),
        })
    }
}

fn too_often(what: &str) -> Refusal {
    Refusal::Proxy(format!("login refused: {what}; try again in a moment"))
}
