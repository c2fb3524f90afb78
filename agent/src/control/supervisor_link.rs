//! The proxy's end of its conversation with the supervisor.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use serde::{Deserialize, Serialize};
use tracing::{debug, error};

use super::lending::{Borrower, Wanted};
use super::observed::Observed;
use super::packet;
use super::reload::{ConfigReload, Reload};
use super::sign_in::{SignInCall, SignInOutcome};
use super::{
    ControlError, FreshToken, Handover, KeptLogin, SEALED_LOGIN_MAX_BYTES, SessionEnd,
    SessionFacts, SessionSummary, Settled,
};
use crate::connection::redirect::Stats;

/// Longest wait until the supervisor keeps a login; it does nothing slow in between.
const KEEP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the proxy does when the supervisor tells it of a session.
///
/// Calls about different sessions may come at the same time.
pub trait SessionHandler: Send + Sync + 'static {
    /// Finds out whom a session would act for that is about to begin; may wait for an issuer.
    ///
    /// # Errors
    /// A text for the user, if nothing shows that: the session must not begin.
    fn settle(&self, facts: SessionFacts) -> Result<Settled, String>;

    /// Learns of a session that was settled, or that an earlier proxy knew; returns when that is durably recorded.
    ///
    /// # Errors
    /// A text for the user, if it cannot be recorded: the session must not begin.
    fn opened(&self, facts: SessionFacts) -> Result<(), String>;

    /// Learns that a session was shown a fresh token; gives the seal that stands for it from here on.
    ///
    /// # Errors
    /// A text for the user, if the token does not show whom the session acts for already.
    fn identified(&self, fresh: FreshToken) -> Result<Settled, String>;

    /// Takes up a login of a session that an earlier proxy opened.
    ///
    /// # Errors
    /// Why it does not; whoever holds the login's tokens logs in anew.
    fn restored(&self, kept: KeptLogin) -> Result<(), String>;

    /// Learns that it knows all sessions there are: their connections are taken from here on.
    ///
    /// # Errors
    /// Why they are not.
    fn all_told(&self) -> Result<(), String>;

    /// Learns that a session ended; revokes what it was given.
    ///
    /// # Errors
    /// A text for the user, if the end cannot be recorded.
    fn closed(&self, end: SessionEnd) -> Result<SessionSummary, String>;

    /// Does one step of an engineer's sign-in at an issuer.
    ///
    /// # Errors
    /// A text for the user.
    fn sign_in(&self, call: SignInCall) -> Result<SignInOutcome, String>;

    /// Records what the supervisor observed of the host and the sessions.
    ///
    /// # Errors
    /// A text for the log, if it cannot be recorded.
    fn observed(&self, all: Vec<Observed>) -> Result<(), String>;

    /// Learns what the kernel's programs have counted by now.
    fn counted(&self, stats: Stats);

    /// Takes connections of a container's network too, until it is told not to.
    ///
    /// # Errors
    /// A text for the user, if it cannot: what is redirected there would wait for nobody.
    fn listen(&self, network: u64, listeners: Vec<TcpListener>) -> Result<(), String>;

    /// Takes no more connections of a container's network; those that were taken go on.
    fn unlisten(&self, network: u64);

    /// Seals what is recorded so far and hands it to the store.
    ///
    /// # Errors
    /// A text for the user.
    fn flush(&self) -> Result<(), String>;

    /// Takes the policies of their folder, if they are good.
    ///
    /// # Errors
    /// A text for the user, if it could not be done whatever they are.
    fn reload(&self) -> Result<Reload, String>;

    /// Takes the config file and its policies, if both are good.
    ///
    /// # Errors
    /// A text for the user, if it could not be done whatever they are.
    fn reload_config(&self) -> Result<ConfigReload, String>;

    /// Prints log lines from a level on; tells whether the text is one.
    fn set_log(&self, level: &str) -> bool;

    /// Waits, while all goes on, until the statements have ended that are under way as it is called, for at most `within`;
    /// gives how many have not.
    fn let_finish(&self, within: Duration) -> usize;

    /// Takes no more connections, which wait for the next proxy, and lets all that is under way come to its end. After
    /// that nothing begins any more.
    ///
    /// # Errors
    /// What did not end within that time; the proxy goes on as before.
    fn pause(&self, within: Duration) -> Result<(), String>;

    /// Stops accepting and waits, for at most `grace`, until open statements are done.
    fn drain(&self, grace: Duration);
}

/// What the supervisor sends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToProxy {
    /// Comes first, with the descriptors: so many listeners, then the maps of destinations and of the heartbeat.
    Handover {
        config: PathBuf,
        listeners: usize,
        is_next: bool,
        waits: bool,
    },
    /// The proxy before has let go of the record.
    Go,
    /// Wants an answer with the same number; listeners come beside where they are asked to be taken.
    Call { call: u64, ask: Ask },
    /// Answers `Keep`.
    Kept { number: u64 },
}

/// What the supervisor wants done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    Settle(Box<SessionFacts>),
    Opened(Box<SessionFacts>),
    Identified(FreshToken),
    Restored(KeptLogin),
    AllTold,
    Closed(SessionEnd),
    SignIn(SignInCall),
    Observed(Vec<Observed>),
    Counted(Stats),
    Listen { network: u64 },
    Unlisten { network: u64 },
    Flush,
    Reload,
    ReloadConfig,
    SetLog { level: String },
    LetFinish { within_ms: u64 },
    Pause { within_ms: u64 },
    Drain { grace_ms: u64 },
}

/// What the proxy sends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromProxy {
    /// Comes once from a proxy that is to wait, when all but the record is there.
    Prepared,
    /// Comes once, when sessions may be told; it takes connections after `AllTold`.
    Ready,
    /// Comes at the end, when the record is let go of; what is carried unread goes on for a while.
    Closed,
    /// Wants a login kept in the place of what was kept of it before.
    Keep { number: u64, kept: KeptLogin },
    /// Wants what it may not have itself; the socket for the answer comes beside.
    Lend { wanted: Wanted },
    /// Answers a call.
    Done {
        call: u64,
        outcome: Result<Answer, String>,
    },
}

/// What a call gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Settled(Settled),
    Summary(SessionSummary),
    SignIn(Box<SignInOutcome>),
    Reload(Reload),
    ConfigReload(Box<ConfigReload>),
    Left(usize),
}

/// The proxy's end of the socketpair, after the handover.
#[derive(Debug)]
pub struct SupervisorLink {
    socket: Arc<OwnedFd>,
    /// Tells the keeper what is kept; it is gone with the link.
    kept: Sender<u64>,
}

/// What a proxy can still say once its conversation is over.
#[derive(Debug)]
pub struct Parting {
    socket: Arc<OwnedFd>,
}

impl Parting {
    /// Says that the record is let go of.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn closed(&self) -> Result<(), ControlError> {
        packet::send(&*self.socket, &FromProxy::Closed, &[])
    }

    /// Waits for so long; tells whether the supervisor is there all that time.
    #[must_use]
    pub fn is_heard(&self, wait: Duration) -> bool {
        // The end of the other side alone is told where nothing is asked for (unix_dgram_poll, net/unix/af_unix.c).
        let mut wanted = [PollFd::new(&*self.socket, PollFlags::empty())];
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        // The supervisor becomes another program, and the end of its threads is told by a signal.
        matches!(poll(&mut wanted, Some(&wait)), Ok(0) | Err(Errno::INTR))
    }
}

/// Has the supervisor keep logins for the next proxy, one at a time.
#[derive(Debug)]
pub struct Keeper {
    /// The link's.
    socket: Weak<OwnedFd>,
    kept: Receiver<u64>,
    number: u64,
}

impl Keeper {
    /// Has a login kept, or forgotten; returns once it is, so that it outlives this proxy from there on.
    ///
    /// # Errors
    /// The supervisor is gone or slow, or there is more to keep of the login than is kept of any.
    pub fn keep(&mut self, kept: KeptLogin) -> Result<(), ControlError> {
        if kept
            .sealed
            .as_ref()
            .is_some_and(|sealed| sealed.len() > SEALED_LOGIN_MAX_BYTES)
        {
            return Err(ControlError::TooLong {
                limit_bytes: SEALED_LOGIN_MAX_BYTES,
            });
        }
        self.number += 1;
        let number = self.number;
        let socket = self.socket.upgrade().ok_or(ControlError::Gone)?;
        packet::send(&*socket, &FromProxy::Keep { number, kept }, &[])?;
        drop(socket);
        loop {
            match self.kept.recv_timeout(KEEP_TIMEOUT) {
                Ok(kept) if kept == number => return Ok(()),
                // Of one that was given up.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err(ControlError::Late(KEEP_TIMEOUT)),
                Err(RecvTimeoutError::Disconnected) => return Err(ControlError::Gone),
            }
        }
    }
}

/// Receives what the proxy starts with, on standard input.
///
/// # Errors
/// When standard input is not a supervisor's socket, or what comes is not a handover.
pub fn receive_handover() -> Result<(Handover, SupervisorLink, Keeper), ControlError> {
    receive_handover_on(io::stdin().as_fd().try_clone_to_owned()?)
}

pub(super) fn receive_handover_on(
    socket: OwnedFd,
) -> Result<(Handover, SupervisorLink, Keeper), ControlError> {
    let (message, descriptors) = packet::receive(&socket)?;
    let ToProxy::Handover {
        config,
        listeners,
        is_next,
        waits,
    } = message
    else {
        return Err(ControlError::NotUnderstood(
            "expected the handover first".to_owned(),
        ));
    };
    let found = descriptors.len();
    let mut descriptors = descriptors.into_iter();
    let listeners: Vec<TcpListener> = descriptors
        .by_ref()
        .take(listeners)
        .map(TcpListener::from)
        .collect();
    let (Some(destinations), Some(heartbeat), None) =
        (descriptors.next(), descriptors.next(), descriptors.next())
    else {
        return Err(ControlError::Descriptors {
            expected: listeners.len() + 2,
            found,
        });
    };
    let handover = Handover {
        config,
        listeners,
        destinations,
        heartbeat,
        is_next,
        waits,
    };
    let (socket, (kept, told)) = (Arc::new(socket), mpsc::channel());
    let keeper = Keeper {
        socket: Arc::downgrade(&socket),
        kept: told,
        number: 0,
    };
    Ok((handover, SupervisorLink { socket, kept }, keeper))
}

impl SupervisorLink {
    /// Gives the one who asks the supervisor for what this process may not have; works from the start on.
    #[must_use]
    pub fn borrower(&self) -> Borrower {
        Borrower::new(Arc::clone(&self.socket))
    }

    /// Says that all but the record is there, and waits until the proxy before has let go of that.
    ///
    /// # Errors
    /// The supervisor is gone, and with it the reason to start.
    pub fn wait_for_turn(&self) -> Result<(), ControlError> {
        packet::send(&*self.socket, &FromProxy::Prepared, &[])?;
        match packet::receive(&*self.socket)? {
            (ToProxy::Go, _) => Ok(()),
            (ToProxy::Handover { .. } | ToProxy::Call { .. } | ToProxy::Kept { .. }, _) => {
                let text = "expected the turn to record, found something else";
                Err(ControlError::NotUnderstood(text.to_owned()))
            }
        }
    }

    /// Gives what can still be said once the conversation is over.
    #[must_use]
    pub fn parting(&self) -> Parting {
        Parting {
            socket: Arc::clone(&self.socket),
        }
    }

    /// Says that the proxy is ready, then passes on what the supervisor tells.
    ///
    /// Blocks its thread until the supervisor is gone or has had the proxy drained; the proxy then closes its record
    /// and exits.
    ///
    /// # Errors
    /// When the socket fails or says what is not of this protocol.
    pub fn serve(self, handler: Arc<dyn SessionHandler>) -> io::Result<()> {
        match self.listen(&handler) {
            Ok(()) | Err(ControlError::Gone) => Ok(()),
            Err(ControlError::Socket(error)) => Err(error),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Hears the supervisor; ends only by an error, which is `Gone` when all is well.
    fn listen(&self, handler: &Arc<dyn SessionHandler>) -> Result<(), ControlError> {
        packet::send(&*self.socket, &FromProxy::Ready, &[])?;
        let mut answering: Vec<JoinHandle<()>> = Vec::new();
        let heard = loop {
            let ask = match packet::receive(&*self.socket) {
                Ok((ToProxy::Call { call, ask }, beside)) => (call, ask, beside),
                Ok((ToProxy::Kept { number }, _)) => {
                    // Whoever waited may have given up.
                    let _given_up = self.kept.send(number);
                    continue;
                }
                Ok((ToProxy::Handover { .. } | ToProxy::Go, _)) => {
                    let text = "expected one handover, found another";
                    break ControlError::NotUnderstood(text.to_owned());
                }
                Err(error) => break error,
            };
            // A thread a call: one session's slow store must not keep another from opening, nor a drain from closing.
            let (call, ask, beside) = ask;
            let (handler, socket) = (Arc::clone(handler), Arc::clone(&self.socket));
            let started = thread::Builder::new()
                .name("session".to_owned())
                .spawn(move || answer(&*handler, &socket, call, ask, beside));
            answering.retain(|thread| !thread.is_finished());
            match started {
                Ok(thread) => answering.push(thread),
                Err(failure) => reply(&self.socket, call, Err(format!("no thread: {failure}")))?,
            }
        };
        // What was asked before the end is still done: the record is not closed under it.
        for thread in answering {
            // A panic in there was answered as a bug.
            drop(thread.join());
        }
        Err(heard)
    }
}

fn answer(
    handler: &dyn SessionHandler,
    socket: &OwnedFd,
    call: u64,
    ask: Ask,
    beside: Vec<OwnedFd>,
) {
    let is_last = matches!(ask, Ask::Drain { .. });
    let outcome = catch_unwind(AssertUnwindSafe(|| match ask {
        Ask::Settle(facts) => handler.settle(*facts).map(Answer::Settled),
        Ask::Opened(facts) => handler.opened(*facts).map(|()| Answer::Done),
        Ask::Identified(fresh) => handler.identified(fresh).map(Answer::Settled),
        Ask::Restored(kept) => handler.restored(kept).map(|()| Answer::Done),
        Ask::AllTold => handler.all_told().map(|()| Answer::Done),
        Ask::Closed(end) => handler.closed(end).map(Answer::Summary),
        Ask::SignIn(call) => handler
            .sign_in(call)
            .map(|outcome| Answer::SignIn(Box::new(outcome))),
        Ask::Observed(all) => handler.observed(all).map(|()| Answer::Done),
        Ask::Counted(stats) => {
            handler.counted(stats);
            Ok(Answer::Done)
        }
        Ask::Listen { network } => {
            let listeners = beside.into_iter().map(TcpListener::from).collect();
            handler.listen(network, listeners).map(|()| Answer::Done)
        }
        Ask::Unlisten { network } => {
            handler.unlisten(network);
            Ok(Answer::Done)
        }
        Ask::Flush => handler.flush().map(|()| Answer::Done),
        Ask::Reload => handler.reload().map(Answer::Reload),
        Ask::ReloadConfig => handler
            .reload_config()
            .map(|reload| Answer::ConfigReload(Box::new(reload))),
        Ask::SetLog { level } => match handler.set_log(&level) {
            true => Ok(Answer::Done),
            false => Err("it is no level".to_owned()),
        },
        Ask::LetFinish { within_ms } => {
            let left = handler.let_finish(Duration::from_millis(within_ms));
            Ok(Answer::Left(left))
        }
        Ask::Pause { within_ms } => handler
            .pause(Duration::from_millis(within_ms))
            .map(|()| Answer::Done),
        Ask::Drain { grace_ms } => {
            handler.drain(Duration::from_millis(grace_ms));
            Ok(Answer::Done)
        }
    }));
    let outcome = outcome.unwrap_or_else(|_| {
        error!("call from the supervisor ended by a panic");
        Err("the proxy failed; this is a bug".to_owned())
    });
    if let Err(failure) = reply(socket, call, outcome) {
        debug!(%failure, "supervisor did not hear an answer");
    }
    if is_last && let Err(failure) = shutdown(socket, Shutdown::Read) {
        // Wakes the thread that listens; it would find the supervisor gone all the same.
        debug!(%failure, "supervisor had hung up already");
    }
}

fn reply(socket: &OwnedFd, call: u64, outcome: Result<Answer, String>) -> Result<(), ControlError> {
    packet::send(socket, &FromProxy::Done { call, outcome }, &[])
}
