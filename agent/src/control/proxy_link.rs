//! The supervisor's end of its conversation with the proxy.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};
use thiserror::Error;
use tracing::debug;

use super::lending::Request;
use super::observed::Observed;
use super::packet;
use super::reload::{ConfigReload, Reload};
use super::sign_in::{SignInCall, SignInOutcome};
use super::supervisor_link::{Answer, Ask, FromProxy, ToProxy};
use super::{
    ControlError, FreshToken, Handover, KeptLogin, SessionEnd, SessionFacts, SessionSummary,
    Settled,
};
use crate::connection::redirect::Stats;

/// Longest wait until the proxy takes a packet; its socket holds some 200 KB before that.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait until an issuer and the store were asked about a token; the proxy gives up on both before.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait until a session is on record.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait until a session's end is on record.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for a step of a sign-in: the proxy gives up on two answers of the issuer after 5 s each, and on its keys
/// after 9 s. What comes later is lost, the next refresh token with it.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(25);

/// Longest wait until what was observed is on record.
const OBSERVED_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait until the proxy listens in another network; nothing slow comes in between.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait until all frames are sealed and stored.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest wait until policies are loaded, checked and on record.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time that a drain takes beyond its grace.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// Why the proxy did not do what it was asked.
#[derive(Debug, Error)]
pub enum LinkError {
    /// It ended, or never began.
    #[error("the proxy is not running")]
    Gone,
    /// It did not answer.
    #[error("the proxy did not answer within {0:?}")]
    Late(Duration),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It could not be asked.
    #[error("the proxy could not be asked")]
    Control(#[from] ControlError),
}

impl LinkError {
    /// Tells whether the proxy was there and is, and this one thing is not told: it refused, or it was never sent.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Control(ControlError::TooLong { .. }) => true,
            Self::Gone | Self::Late(_) | Self::Control(_) => false,
        }
    }
}

/// What a proxy says unasked.
#[derive(Debug)]
pub enum Heard {
    /// All but the record is there.
    Prepared,
    /// Sessions may be told; it takes connections once it knows all.
    Ready,
    /// The record is let go of.
    Closed,
    /// A login is to be kept, or forgotten.
    Keep(KeptLogin),
    /// It wants what it may not have itself.
    Lend(Request),
}

/// The supervisor's end of the socketpair; shared by all threads that ask.
#[derive(Debug)]
pub struct ProxyLink {
    socket: OwnedFd,
    waiting: Mutex<Waiting>,
}

/// The calls that have no answer yet.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    calls: BTreeMap<u64, SyncSender<Result<Answer, String>>>,
    gone: bool,
}

impl ProxyLink {
    /// Makes the link, and the end that becomes the proxy's standard input.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (socket, theirs) = packet::pair()?;
        set_socket_timeout(&socket, Timeout::Send, Some(SEND_TIMEOUT))?;
        let waiting = Mutex::default();
        Ok((Self { socket, waiting }, theirs))
    }

    /// Sends the proxy what it starts with.
    ///
    /// # Errors
    /// When the proxy is gone.
    pub fn hand_over(&self, handover: &Handover) -> Result<(), ControlError> {
        let mut descriptors: Vec<BorrowedFd<'_>> =
            handover.listeners.iter().map(AsFd::as_fd).collect();
        descriptors.push(handover.destinations.as_fd());
        descriptors.push(handover.heartbeat.as_fd());
        let message = ToProxy::Handover {
            config: handover.config.clone(),
            listeners: handover.listeners.len(),
            is_next: handover.is_next,
            waits: handover.waits,
        };
        packet::send(&self.socket, &message, &descriptors)
    }

    /// Hears the proxy until it is gone.
    ///
    /// # Errors
    /// When the proxy says what is not of this protocol; the link is dead then too.
    pub fn listen(&self, mut hear: impl FnMut(Heard)) -> Result<(), ControlError> {
        let outcome = loop {
            let heard = packet::receive(&self.socket)
                .and_then(|(said, beside)| Ok((reply_beside(&said, beside)?, said)));
            match heard {
                Ok((_, FromProxy::Prepared)) => hear(Heard::Prepared),
                Ok((_, FromProxy::Ready)) => hear(Heard::Ready),
                Ok((_, FromProxy::Closed)) => hear(Heard::Closed),
                Ok((_, FromProxy::Keep { number, kept })) => {
                    hear(Heard::Keep(kept));
                    let told = packet::send(&self.socket, &ToProxy::Kept { number }, &[]);
                    if let Err(failure) = told {
                        debug!(%failure, "proxy did not hear that its login is kept");
                    }
                }
                // Without its socket, which this process may have had no room for, nobody can be answered.
                Ok((None, FromProxy::Lend { .. })) => {}
                Ok((Some(reply), FromProxy::Lend { wanted })) => {
                    hear(Heard::Lend(Request::new(wanted, reply)));
                }
                Ok((_, FromProxy::Done { call, outcome })) => {
                    if let Some(caller) = self.waiting().calls.remove(&call) {
                        // A caller that stopped waiting has said so to its user.
                        drop(caller.send(outcome));
                    }
                }
                Err(ControlError::Gone) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let mut waiting = self.waiting();
        waiting.gone = true;
        // Dropping the senders wakes every caller.
        waiting.calls.clear();
        outcome
    }

    /// Has the proxy find out whom a session would act for. It may wait for an issuer: hold no lock meanwhile.
    ///
    /// # Errors
    /// When the session must not begin.
    pub fn settle(&self, facts: SessionFacts) -> Result<Settled, LinkError> {
        self.settled(Ask::Settle(Box::new(facts)))
    }

    /// Tells the proxy of a session that is settled; returns when that is on record.
    ///
    /// # Errors
    /// When the session must not begin.
    pub fn opened(&self, facts: SessionFacts) -> Result<(), LinkError> {
        self.call(Ask::Opened(Box::new(facts)), OPEN_TIMEOUT)
            .map(|_| ())
    }

    /// Tells the proxy that a session was shown a fresh token; gives the seal that stands for it.
    ///
    /// # Errors
    /// When it does not show whom the session acts for already.
    pub fn identified(&self, fresh: FreshToken) -> Result<Settled, LinkError> {
        self.settled(Ask::Identified(fresh))
    }

    /// Hands the proxy a login that an earlier one opened.
    ///
    /// # Errors
    /// When it does not take the login up.
    pub fn restored(&self, kept: KeptLogin) -> Result<(), LinkError> {
        self.call(Ask::Restored(kept), OPEN_TIMEOUT).map(|_| ())
    }

    /// Has the proxy take connections: it was told of all sessions there are.
    ///
    /// # Errors
    /// When it does not.
    pub fn all_told(&self) -> Result<(), LinkError> {
        self.call(Ask::AllTold, OPEN_TIMEOUT).map(|_| ())
    }

    fn settled(&self, ask: Ask) -> Result<Settled, LinkError> {
        let Answer::Settled(settled) = self.call(ask, SETTLE_TIMEOUT)? else {
            return Err(other_answer());
        };
        Ok(settled)
    }

    /// Tells the proxy that a session ended.
    ///
    /// # Errors
    /// When its end is not on record.
    pub fn closed(&self, end: SessionEnd) -> Result<SessionSummary, LinkError> {
        let Answer::Summary(summary) = self.call(Ask::Closed(end), CLOSE_TIMEOUT)? else {
            return Err(other_answer());
        };
        Ok(summary)
    }

    /// Has one step of a sign-in done.
    ///
    /// # Errors
    /// When it failed, in the proxy's words.
    pub fn sign_in(&self, call: SignInCall) -> Result<SignInOutcome, LinkError> {
        let Answer::SignIn(outcome) = self.call(Ask::SignIn(call), SIGN_IN_TIMEOUT)? else {
            return Err(other_answer());
        };
        Ok(*outcome)
    }

    /// Hands on what was observed; returns when it is on record.
    ///
    /// # Errors
    /// When it is not.
    pub fn observed(&self, all: Vec<Observed>) -> Result<(), LinkError> {
        self.call(Ask::Observed(all), OBSERVED_TIMEOUT).map(|_| ())
    }

    /// Tells what the kernel's programs have counted.
    ///
    /// # Errors
    /// When the proxy did not hear it.
    pub fn counted(&self, stats: Stats) -> Result<(), LinkError> {
        self.call(Ask::Counted(stats), OBSERVED_TIMEOUT).map(|_| ())
    }

    /// Has the proxy take connections of a container's network too.
    ///
    /// # Errors
    /// When it does not.
    pub fn listen_in(&self, network: u64, listeners: &[TcpListener]) -> Result<(), LinkError> {
        let beside: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
        self.call_with(Ask::Listen { network }, &beside, LISTEN_TIMEOUT)
            .map(|_| ())
    }

    /// Has the proxy take no more connections of a container's network.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn unlisten(&self, network: u64) -> Result<(), LinkError> {
        self.call(Ask::Unlisten { network }, LISTEN_TIMEOUT)
            .map(|_| ())
    }

    /// Has the record sealed and stored.
    ///
    /// # Errors
    /// When that failed.
    pub fn flush(&self) -> Result<(), LinkError> {
        self.call(Ask::Flush, FLUSH_TIMEOUT).map(|_| ())
    }

    /// Has the proxy take the policies of their folder.
    ///
    /// # Errors
    /// When it could not even look at them.
    pub fn reload(&self) -> Result<Reload, LinkError> {
        let Answer::Reload(reload) = self.call(Ask::Reload, RELOAD_TIMEOUT)? else {
            return Err(other_answer());
        };
        Ok(reload)
    }

    /// Has the proxy take the config file and its policies.
    ///
    /// # Errors
    /// When it could not even look at them.
    pub fn reload_config(&self) -> Result<ConfigReload, LinkError> {
        let Answer::ConfigReload(reload) = self.call(Ask::ReloadConfig, RELOAD_TIMEOUT)? else {
            return Err(other_answer());
        };
        Ok(*reload)
    }

    /// Tells a proxy that waits that the record is its own.
    ///
    /// # Errors
    /// It is gone.
    pub fn go(&self) -> Result<(), ControlError> {
        packet::send(&self.socket, &ToProxy::Go, &[])
    }

    /// Waits, while the proxy goes on, for the end of the statements that are under way; gives how many did not end.
    ///
    /// # Errors
    /// It is lost.
    pub fn let_finish(&self, within: Duration) -> Result<usize, LinkError> {
        let within_ms = millis(within);
        let Answer::Left(left) = self.call(Ask::LetFinish { within_ms }, within + DRAIN_MARGIN)?
        else {
            return Err(other_answer());
        };
        Ok(left)
    }

    /// Has the proxy print log lines from a level on.
    ///
    /// # Errors
    /// When it did not.
    pub fn set_log(&self, level: &str) -> Result<(), LinkError> {
        let level = level.to_owned();
        self.call(Ask::SetLog { level }, RELOAD_TIMEOUT).map(|_| ())
    }

    /// Has the proxy take no more connections and come to rest.
    ///
    /// # Errors
    /// Something was under way for longer, in the proxy's words; it goes on then. Or it is lost.
    pub fn pause(&self, within: Duration) -> Result<(), LinkError> {
        let within_ms = millis(within);
        self.call(Ask::Pause { within_ms }, within + DRAIN_MARGIN)
            .map(|_| ())
    }

    /// Gives a copy of the socket, by which a proxy lives on that carries connections to their end.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn lifeline(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Has the proxy finish what is open, for at most `grace`.
    ///
    /// # Errors
    /// When it did not.
    pub fn drain(&self, grace: Duration) -> Result<(), LinkError> {
        let grace_ms = millis(grace);
        self.call(Ask::Drain { grace_ms }, grace + DRAIN_MARGIN)
            .map(|_| ())
    }

    /// Ends the conversation; the proxy ends when it hears nothing more.
    pub fn hang_up(&self) {
        if let Err(failure) = shutdown(&self.socket, Shutdown::Both) {
            debug!(%failure, "proxy had hung up already");
        }
    }

    fn call(&self, ask: Ask, patience: Duration) -> Result<Answer, LinkError> {
        self.call_with(ask, &[], patience)
    }

    fn call_with(
        &self,
        ask: Ask,
        beside: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<Answer, LinkError> {
        let (caller, answer) = mpsc::sync_channel(1);
        let call = {
            let mut waiting = self.waiting();
            if waiting.gone {
                return Err(LinkError::Gone);
            }
            waiting.next += 1;
            let call = waiting.next;
            waiting.calls.insert(call, caller);
            call
        };
        if let Err(error) = packet::send(&self.socket, &ToProxy::Call { call, ask }, beside) {
            self.waiting().calls.remove(&call);
            if matches!(error, ControlError::Gone) {
                return Err(LinkError::Gone);
            }
            return Err(LinkError::Control(error));
        }
        match answer.recv_timeout(patience) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(LinkError::Refused(reason)),
            Err(RecvTimeoutError::Disconnected) => Err(LinkError::Gone),
            Err(RecvTimeoutError::Timeout) => {
                self.waiting().calls.remove(&call);
                Err(LinkError::Late(patience))
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change of the table is one step, so a panic elsewhere leaves it whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the socket that came beside a message that wants an answer. Whoever sends other descriptors is no proxy of ours, and
/// what those are must not hold up who hears it.
fn reply_beside(
    said: &FromProxy,
    mut beside: Vec<OwnedFd>,
) -> Result<Option<OwnedFd>, ControlError> {
    let most = usize::from(matches!(said, FromProxy::Lend { .. }));
    if beside.len() <= most && beside.iter().all(packet::takes_packets) {
        return Ok(beside.pop());
    }
    let found = beside.len();
    packet::let_go(beside);
    Err(ControlError::NotUnderstood(format!(
        "expected at most {most} socket of packets beside a message, found {found} descriptors"
    )))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn other_answer() -> LinkError {
    LinkError::Refused("the proxy answered something else".to_owned())
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "beside_tests.rs"]
mod beside_tests;
