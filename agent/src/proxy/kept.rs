//! Logins across proxies: each is sealed and kept by the supervisor before its client gets tokens, so that they are good
//! for the same login when this proxy is gone.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::core::Shared;
use super::implicit::Purpose;
use super::logins::{KnownToken, LoginFacts, OpenLogin};
use super::seal::{SealError, seal, unseal};
use super::sessions::Session;
use crate::control::{Keeper, KeptLogin};
use crate::execution::{AtRest, Context, Realm};
use crate::identity::{Issuer, Principal};
use crate::upstream;

/// Longest wait of a client until its login is kept; then it has its tokens all the same.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// A login, as one proxy leaves it to the next. It holds real tokens: it is written sealed alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The account's host, and all that the config said of it when the login was opened.
    host: String,
    config_sha256: [u8; 32],
    login: upstream::KeptLogin,
    tokens: Vec<KnownToken>,
    /// What Icecore opened it for by itself; absent in what an earlier version kept.
    #[serde(default)]
    purpose: Option<Purpose>,
    /// Whom its own token showed, sealed as principals are.
    shown: Option<String>,
    facts: LoginFacts,
    /// What was known of its names by a proxy that had come to rest; absent in what one keeps that goes on.
    #[serde(default)]
    at_rest: Option<Left>,
}

/// A login's context, as a proxy at rest left it for the next one alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    /// The chain of that proxy: it is good for whoever begins the next one. A proxy after that would take what was, for
    /// the one between has served.
    chain: String,
    context: AtRest,
}

/// Why a login is not taken up; whoever holds its tokens logs in anew.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotRestored {
    #[error("there is nothing to go on with")]
    Nothing,
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("expected what a proxy of this version keeps, found something else")]
    Form,
    #[error("its identity is over, or is taken no more")]
    Identity,
    #[error("the config does not give its principal this account as it did")]
    Account,
    #[error("the session has as many logins open as it may")]
    Full,
}

/// What is to be kept, from all cores to the one thread that sees to it: the last state of a login is kept last.
#[derive(Default)]
pub(super) struct Keeping(Mutex<Option<mpsc::Sender<Change>>>);

struct Change {
    login: Arc<OpenLogin>,
    done: oneshot::Sender<()>,
}

impl Keeping {
    /// Begins to keep; nothing is kept before.
    pub(super) fn begin(shared: &Arc<Shared>, mut keeper: Keeper) -> std::io::Result<()> {
        let (sender, changes) = mpsc::channel::<Change>();
        let all = Arc::clone(shared);
        std::thread::Builder::new()
            .name("keep".to_owned())
            .spawn(move || {
                for Change { login, done } in changes {
                    keep(&all, &mut keeper, &login);
                    // Whoever waited may have given up.
                    let _given_up = done.send(());
                }
            })?;
        *shared.keeping.sender() = Some(sender);
        Ok(())
    }

    /// Has the supervisor keep a login as it is by now, or forget it if it is over; returns once it does.
    ///
    /// A login that cannot be kept is as good as any until this proxy ends; so nobody is refused for that.
    pub(super) async fn update(&self, login: &Arc<OpenLogin>) {
        let Some(done) = self.ask(login) else { return };
        if tokio::time::timeout(KEPT_WITHIN, done).await.is_err() {
            tracing::warn!(login = %login.id, "login is not kept yet; a restart of the proxy would lose it");
        }
    }

    /// Has the supervisor keep what is to be kept of some logins, some time soon.
    pub(super) fn update_soon(&self, logins: &[Arc<OpenLogin>]) {
        for login in logins {
            drop(self.ask(login));
        }
    }

    fn ask(&self, login: &Arc<OpenLogin>) -> Option<oneshot::Receiver<()>> {
        let (done, told) = oneshot::channel();
        let login = Arc::clone(login);
        let sent = self.sender().as_ref()?.send(Change { login, done });
        sent.is_ok().then_some(told)
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Change>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(shared: &Shared, keeper: &mut Keeper, login: &OpenLogin) {
    let sealed = sealed(shared, login).unwrap_or_else(|error| {
        tracing::error!(login = %login.id, %error, "login could not be sealed");
        None
    });
    let kept = KeptLogin {
        session: login.session,
        login: login.id,
        sealed,
    };
    if let Err(error) = keeper.keep(kept) {
        tracing::warn!(login = %login.id, %error, "login is not kept; a restart of the proxy would lose it");
    }
}

/// Seals a login as it is by now; none once nothing leads to it.
fn sealed(shared: &Shared, login: &OpenLogin) -> Result<Option<String>, SealError> {
    let tokens = shared.logins.tokens_of(login.id);
    let is_own = login.purpose.is_some() && shared.logins.holds(login.id);
    if tokens.is_empty() && !is_own {
        return Ok(None);
    }
    let shown = login.shown.as_ref();
    let shown = shown.map(|shown| shown.seal(&shared.seal_key, login.session));
    let kept = Kept {
        host: login.account.host.clone(),
        config_sha256: login.account.config_sha256,
        login: login.login.keep(),
        tokens,
        purpose: login.purpose.clone(),
        shown: shown.transpose().map_err(|_| SealError::Form)?,
        facts: login.facts.clone(),
        at_rest: shared.intake.is_replaced().then(|| Left {
            chain: shared.stages.recorder.chain().to_owned(),
            context: login.context.at_rest(),
        }),
    };
    let text = Zeroizing::new(serde_json::to_vec(&kept).map_err(|_| SealError::Form)?);
    seal(&shared.seal_key, (login.session, login.id), text).map(Some)
}

/// Takes up a login that an earlier proxy opened in a session. Any doubt leaves it.
pub(super) fn restore(
    shared: &Shared,
    session: &Session,
    kept: &KeptLogin,
) -> Result<Arc<OpenLogin>, NotRestored> {
    let sealed = kept.sealed.as_deref().ok_or(NotRestored::Nothing)?;
    let text = unseal(&shared.seal_key, (session.id(), kept.login), sealed)?;
    let before: Kept = serde_json::from_slice(&text).map_err(|_| NotRestored::Form)?;
    let shown = before
        .shown
        .map(|shown| Principal::restore(&shared.seal_key, session.id(), &shown))
        .transpose()
        .map_err(|_| NotRestored::Form)?;
    let now = shared.stages.clock.now();
    let is_taken = shown
        .as_ref()
        .is_none_or(|shown| is_taken(shared, session, shown));
    if session.is_identity_over(now) || !is_taken {
        return Err(NotRestored::Identity);
    }
    let principal = shown.clone().unwrap_or_else(|| session.principal());
    let account = shared
        .account(&before.host)
        .and_then(|account| account.granted_to(principal.identity()))
        .filter(|account| account.config_sha256 == before.config_sha256)
        .ok_or(NotRestored::Account)?;
    let place = session.take_login().ok_or(NotRestored::Full)?;
    let last_begun = shared.stages.recorder.last_begun();
    let left = before.at_rest;
    let left = left.filter(|left| last_begun == Some(left.chain.as_str()));
    let open = Arc::new(OpenLogin {
        id: kept.login,
        session: session.id(),
        realm: Realm::new(&account.name, shown.as_ref()),
        // Where a proxy served since, what was done is not known.
        context: Arc::new(
            left.map_or_else(Context::resumed, |left| Context::gone_on(left.context)),
        ),
        account,
        login: before.login.into(),
        purpose: before.purpose.clone(),
        shown,
        facts: before.facts,
    });
    shared.logins.restore(&open, place, &before.tokens);
    if let Some(purpose) = before.purpose {
        shared.implicit.restore(&open, purpose);
    }
    Ok(open)
}

/// Tells whether a login may still act for whom its own token showed.
fn is_taken(shared: &Shared, session: &Session, shown: &Principal) -> bool {
    let current = shared.current();
    let identity = &current.config.identity;
    let is_issuer = |issuer: &Issuer| {
        shown.identity().issuer_name() == Some(issuer.name.as_str())
            && shown.issuer() == Some(issuer.url.as_str())
    };
    identity.in_band
        && !session.principal().identity().is_verified()
        && identity.issuers.iter().any(is_issuer)
}
