//! What is kept of each user's sign-in, and how often they may take a step of one.
//!
//! A user's token is refreshed by one caller at a time, since some issuers take a refresh token once; what is kept can be
//! read and forgotten meanwhile. An issuer that is asked too often may lock this host out, so each user's steps are paced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::session::Refusal;
use crate::control::Proof;
use crate::control::sign_in::{KeptSignIn, SignInOutcome, SignedIn};

/// How long before its end a token is refreshed: the session has to open with it.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// How long a refresh that failed is answered for, so that a user's runs do not each wait for the next one.
const FAILURE_KEPT: Duration = Duration::from_secs(5);

/// Least time between two sign-ins that a user begins.
const BEGIN_GAP: Duration = Duration::from_secs(2);

/// Longest wait for it.
const BEGIN_WITHIN: Duration = Duration::from_secs(6);

/// Most steps of sign-ins at once, of all users; refreshes, one for each user that is signed in, are beside them.
const STEPS_MAX: usize = 8;

/// What is kept of each user's sign-in.
#[derive(Debug, Default)]
pub(super) struct SignIns {
    users: Mutex<BTreeMap<u32, Arc<User>>>,
    /// Steps under way.
    steps: Arc<()>,
}

/// What is kept of one user's.
#[derive(Debug, Default)]
pub(super) struct User {
    /// Held while the token is refreshed; no other lock but `kept` is taken then.
    refreshing: Mutex<()>,
    /// Held for one look or change.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sign_in: Option<KeptSignIn>,
    /// Counts what was kept or forgotten: a refresh counts for what it began with alone.
    generation: u64,
    /// When the last refresh failed, and why.
    failed: Option<(i64, String)>,
    /// When the user may begin a sign-in again, and ask for a device code again.
    begin_ns: i64,
    poll_ns: i64,
}

impl SignIns {
    /// Gives what is kept of a user's.
    pub(super) fn user(&self, uid: u32) -> Arc<User> {
        Arc::clone(lock(&self.users).entry(uid).or_default())
    }

    /// Gives all that is kept, for the program that takes over.
    pub(super) fn kept(&self) -> Vec<(u32, KeptSignIn)> {
        let users = lock(&self.users);
        let kept = users.iter().filter_map(|(uid, user)| {
            let sign_in = lock(&user.kept).sign_in.clone()?;
            Some((*uid, sign_in))
        });
        kept.collect()
    }

    /// Takes one of the places for steps; it is free again when it is dropped.
    pub(super) fn step(&self) -> Option<Arc<()>> {
        let step = Arc::clone(&self.steps);
        (Arc::strong_count(&step) <= STEPS_MAX + 1).then_some(step)
    }
}

impl User {
    /// Keeps a sign-in, or none; tells whether one was kept.
    pub(super) fn replace(&self, sign_in: Option<KeptSignIn>) -> bool {
        let mut kept = lock(&self.kept);
        kept.generation += 1;
        kept.failed = None;
        std::mem::replace(&mut kept.sign_in, sign_in).is_some()
    }

    /// Says who the user is signed in as.
    pub(super) fn shown(&self) -> Option<SignedIn> {
        let kept = lock(&self.kept);
        kept.sign_in.as_ref().map(|kept| kept.shown.clone())
    }

    /// Gives the proof of a session, refreshed if that is due.
    pub(super) fn proof(
        &self,
        now: DateTime<Utc>,
        now_ns: impl Fn() -> i64,
        refresh: impl FnOnce(KeptSignIn) -> Result<SignInOutcome, Refusal>,
    ) -> Result<Proof, Refusal> {
        if let Some(proof) = lock(&self.kept).proof(now) {
            return Ok(proof);
        }
        let _turn = lock(&self.refreshing);
        let (generation, held) = {
            let kept = lock(&self.kept);
            // Whoever had the turn before may have settled it.
            if let Some(proof) = kept.proof(now) {
                return Ok(proof);
            }
            let Some(held) = kept.sign_in.clone() else {
                return Ok(Proof::Absent);
            };
            let kept_ns = i64::try_from(FAILURE_KEPT.as_nanos()).unwrap_or(i64::MAX);
            if let Some((_, reason)) = kept
                .failed
                .as_ref()
                .filter(|(at, _)| now_ns() - at < kept_ns)
            {
                spent(&held, now, reason.clone())?;
                return Ok(Proof::Kept(held.id_token));
            }
            (kept.generation, held)
        };
        let outcome = refresh(held);
        let mut kept = lock(&self.kept);
        if kept.generation != generation {
            return Ok(kept.as_it_is());
        }
        let Some(held) = kept.sign_in.as_mut() else {
            return Ok(Proof::Absent);
        };
        let failure = match outcome {
            Ok(SignInOutcome::SignedIn(next)) => {
                *held = *next;
                None
            }
            Ok(SignInOutcome::Rotated {
                refresh_token,
                reason,
            }) => {
                held.refresh_token = Some(refresh_token);
                Some(reason)
            }
            Ok(SignInOutcome::Over { reason }) => {
                held.refresh_token = None;
                held.shown.is_refreshed = false;
                Some(reason)
            }
            Ok(SignInOutcome::Begun { .. } | SignInOutcome::Waiting { .. }) => None,
            Err(refusal) => Some(refusal.to_string()),
        };
        kept.failed = failure.clone().map(|reason| (now_ns(), reason));
        if let (Some(reason), Some(held)) = (failure, &kept.sign_in) {
            spent(held, now, reason)?;
        }
        Ok(kept.as_it_is())
    }

    /// Takes a user's turn to begin a sign-in; gives how long to wait for it, unless that is too long.
    pub(super) fn begin(&self, now_ns: i64) -> Option<Duration> {
        let mut kept = lock(&self.kept);
        let wait = Duration::from_nanos(u64::try_from(kept.begin_ns - now_ns).unwrap_or(0));
        if wait > BEGIN_WITHIN {
            return None;
        }
        kept.begin_ns = after(now_ns, wait + BEGIN_GAP);
        Some(wait)
    }

    /// Tells how long to wait before the issuer is asked about a device code again, if that is not over.
    pub(super) fn early(&self, now_ns: i64) -> Option<u64> {
        let left = u64::try_from(lock(&self.kept).poll_ns - now_ns).unwrap_or(0);
        (left > 0).then(|| left.div_ceil(1_000_000_000))
    }

    /// Has the issuer left alone for so long.
    pub(super) fn wait(&self, now_ns: i64, wait_s: u64) {
        lock(&self.kept).poll_ns = after(now_ns, Duration::from_secs(wait_s));
    }
}

impl Kept {
    /// Gives the proof if nothing has to be refreshed for it.
    fn proof(&self, now: DateTime<Utc>) -> Option<Proof> {
        let is_due = self.sign_in.as_ref().is_some_and(|kept| is_due(kept, now));
        (!is_due).then(|| self.as_it_is())
    }

    fn as_it_is(&self) -> Proof {
        let kept = self.sign_in.as_ref();
        kept.map_or(Proof::Absent, |kept| Proof::Kept(kept.id_token.clone()))
    }
}

fn after(now_ns: i64, wait: Duration) -> i64 {
    now_ns.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX))
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
    use crate::control::HandedToken;

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

    fn refused() -> Result<SignInOutcome, Refusal> {
        Err(Refusal::Proxy("the issuer is away".to_owned()))
    }

    #[test]
    fn a_refresh_that_failed_is_not_tried_again_at_once() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(950);
        let user = User::default();
        user.replace(Some(kept(Some("r"))));
        let tries = std::cell::Cell::new(0);
        let ask = |now_ns: i64| {
            user.proof(
                now,
                || now_ns,
                |_| {
                    tries.set(tries.get() + 1);
                    refused()
                },
            )
        };
        let proof = Proof::Kept(HandedToken::new("a.b.c".to_owned()));
        assert_eq!(ask(0).unwrap(), proof);
        assert_eq!(ask(4_999_999_999).unwrap(), proof);
        assert_eq!(tries.get(), 1);
        assert_eq!(ask(5_000_000_000).unwrap(), proof);
        assert_eq!(tries.get(), 2);
        user.replace(Some(kept(Some("r"))));
        assert_eq!(ask(5_000_000_001).unwrap(), proof);
        assert_eq!(tries.get(), 3);
    }

    #[test]
    fn the_next_refresh_token_is_kept_when_its_id_token_is_not_taken() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(950);
        let user = User::default();
        user.replace(Some(kept(Some("r"))));
        let rotated = user.proof(
            now,
            || 0,
            |_| {
                Ok(SignInOutcome::Rotated {
                    refresh_token: HandedToken::new("r2".to_owned()),
                    reason: "no keys".to_owned(),
                })
            },
        );
        assert!(rotated.is_ok());
        let next = user.proof(
            now,
            || 60_000_000_000,
            |held| {
                assert_eq!(held.refresh_token, Some(HandedToken::new("r2".to_owned())));
                Ok(SignInOutcome::SignedIn(Box::new(held)))
            },
        );
        assert!(next.is_ok());
    }

    #[test]
    fn what_is_forgotten_during_its_refresh_stays_so() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(950);
        let user = User::default();
        user.replace(Some(kept(Some("r"))));
        let proof = user.proof(
            now,
            || 0,
            |held| {
                assert!(user.replace(None));
                Ok(SignInOutcome::SignedIn(Box::new(held)))
            },
        );
        assert_eq!(proof.unwrap(), Proof::Absent);
        assert!(lock(&user.kept).sign_in.is_none());
    }

    #[test]
    fn a_users_steps_are_paced_and_those_of_all_are_bounded() {
        let (user, s) = (User::default(), 1_000_000_000);
        let waits: Vec<_> = (0..6).map(|_| user.begin(s)).collect();
        let wait = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(waits, [wait(0), wait(2), wait(4), wait(6), None, None]);
        assert_eq!(user.begin(9 * s), wait(0));

        assert_eq!(user.early(s), None);
        user.wait(s, 5);
        assert_eq!(user.early(s), Some(5));
        assert_eq!(user.early(6 * s - 1), Some(1));
        assert_eq!(user.early(6 * s), None);

        let all = SignIns::default();
        let steps: Vec<_> = (0..STEPS_MAX).map(|_| all.step().unwrap()).collect();
        assert!(all.step().is_none());
        drop(steps);
        assert!(all.step().is_some());
    }
}
