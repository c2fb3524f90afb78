//! The control socket: who may ask, and what they are answered.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tracing::{debug, warn};

use super::accepting::accept;
use super::opening::Wish;
use super::peer::Peer;
use super::places::{Place, What};
use super::session::{Ended, Refusal, told};
use super::shared::Shared;
use crate::control::line::Lines;
use crate::control::live::{LiveAsk, LiveReply};
use crate::control::request::{Reply, Request};
use crate::control::sign_in::Pending;
use crate::control::{ControlError, HandedToken};
use crate::id::SessionId;

/// Name of the control socket in `run_dir`.
pub const SOCKET: &str = "control.sock";

/// How long a peer may take to ask.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer may take to ask while somebody signs in; longer than `icecore login` waits for them.
const SIGN_IN_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long a peer may take to read an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer may take to ask that has a place for a moment only.
const AT_ONCE_PATIENCE: Duration = Duration::from_secs(2);

/// What a session's process is told.
pub(super) const INSIDE: &str = "a process in a session may not use the daemon";

/// The control socket.
#[derive(Debug)]
pub(super) struct Door {
    listener: Arc<UnixListener>,
    path: PathBuf,
    turn: Arc<Mutex<()>>,
}

impl Door {
    /// Answers a socket that another program of this process answered; whoever connected meanwhile waits in it.
    pub(super) fn inherited(
        listener: UnixListener,
        run_dir: &Path,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        Self::answer(listener, run_dir.join(SOCKET), shared)
    }

    /// Makes the socket, open to all users, and answers it from its own thread.
    pub(super) fn open(run_dir: &Path, shared: &Arc<Shared>) -> io::Result<Self> {
        let path = run_dir.join(SOCKET);
        // The lock is held, so what is there was left by a supervisor that is gone.
        if let Err(failure) = fs::remove_file(&path)
            && failure.kind() != io::ErrorKind::NotFound
        {
            return Err(failure);
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        Self::answer(listener, path, shared)
    }

    fn answer(listener: UnixListener, path: PathBuf, shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = Arc::new(listener);
        let turn = Arc::new(Mutex::new(()));
        let (accepting, its_turn) = (Arc::clone(&listener), Arc::clone(&turn));
        let shared = Arc::clone(shared);
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&accepting, &its_turn, &shared))?;
        Ok(Self {
            listener,
            path,
            turn,
        })
    }

    /// Leaves those who connect from here on to the program that takes over; `door_closed` is set.
    ///
    /// Nobody connects to the socket for that: sessions may keep its backlog full.
    pub(super) fn pause(&self) {
        // One that is being taken is taken; the next look finds the door closed.
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives the socket.
    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Takes no more connections; those that are there go on.
    pub(super) fn close(&self) {
        if let Err(failure) = fs::remove_file(&self.path) {
            warn!(%failure, "control socket was not removed");
        }
        // Wakes the thread that accepts: its next accept fails with EINVAL (unix_accept, net/unix/af_unix.c).
        if let Err(failure) = shutdown(&*self.listener, Shutdown::Both) {
            warn!(%failure, "control socket was not shut down");
        }
    }
}

/// Answers a connection until it ends.
pub(super) fn talk(stream: UnixStream, peer: &Peer, place: Place, shared: &Shared) {
    let mut caller = Caller {
        lines: Lines::new(stream),
        peer,
        // Nobody waits for a session's process.
        early: (place.what() != What::Inside).then(|| Early::one(&shared.early)),
        place,
        shared,
        session: None,
        sign_in: None,
    };
    if let Err(failure) = caller.serve() {
        debug!(%failure, "control connection ended");
    }
    // Its `icecore run` is gone, killed perhaps; while the supervisor stops, the next one takes the session up.
    if let Some(session) = caller.session
        && !shared.is_stopping()
    {
        shared.end(session, "control lost");
    }
}

/// One connection.
struct Caller<'c> {
    lines: Lines,
    peer: &'c Peer,
    place: Place,
    shared: &'c Shared,
    /// The session that lives as long as this connection.
    session: Option<SessionId>,
    /// The sign-in that is under way.
    sign_in: Option<Pending>,
    /// Until it has what it came for: a hand-over to another program waits for that, for a moment.
    early: Option<Early<'c>>,
}

/// Counts a caller as long as this is there.
struct Early<'c>(&'c AtomicUsize);

impl<'c> Early<'c> {
    fn one(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Early<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Caller<'_> {
    fn serve(&mut self) -> Result<(), ControlError> {
        self.lines
            .stream()
            .set_write_timeout(Some(ANSWER_PATIENCE))?;
        let mut patience = match self.place.what() {
            What::Caller => Some(ASK_PATIENCE),
            What::Attaching | What::Inside => Some(AT_ONCE_PATIENCE),
        };
        loop {
            let request = self.lines.receive_within(patience, self.shared.clock);
            // Once it has asked: a peer whose request meets a closed socket would not see the answer.
            let has_asked = match &request {
                Ok(_) | Err(ControlError::NotUnderstood(_) | ControlError::TooLong { .. }) => true,
                Err(
                    ControlError::Gone
                    | ControlError::Socket(_)
                    | ControlError::Late(_)
                    | ControlError::Descriptors { .. },
                ) => false,
            };
            // Anew each time: it may have been moved, and its number be another's.
            let is_inside = self.place.what() == What::Inside;
            if has_asked && (is_inside || self.peer.is_inside(&self.shared.entered)) {
                return self.refuse(if self.peer.is_alive() {
                    INSIDE
                } else {
                    "the process that connected has ended; nobody else may ask by its connection"
                });
            }
            let request = match request {
                Err(error @ (ControlError::NotUnderstood(_) | ControlError::TooLong { .. })) => {
                    return self.refuse(&error.to_string());
                }
                outcome => outcome?,
            };
            let is_attach = matches!(request, Request::Attach { .. });
            if self.place.what() == What::Attaching && !is_attach {
                return self.refuse(
                    "user has too many control connections; only sessions that go on are taken up",
                );
            }
            let last = matches!(request, Request::Close { .. } | Request::Enter { .. });
            // Not counted among those who are waited for: it is the other program's to answer.
            self.shared.wait_for_hand_over();
            self.shared.asking.fetch_add(1, Ordering::SeqCst);
            let reply = self.answer(request);
            let sent = self.lines.send(&reply);
            self.shared.asking.fetch_sub(1, Ordering::SeqCst);
            sent?;
            if self.session.is_some() || self.sign_in.is_some() {
                self.early = None;
                self.place.stays();
            }
            if last {
                return Ok(());
            }
            patience = match (self.session, &self.sign_in) {
                (Some(_), _) => None,
                (None, Some(_)) => Some(SIGN_IN_PATIENCE),
                (None, None) if self.place.what() == What::Caller => Some(ASK_PATIENCE),
                (None, None) => Some(AT_ONCE_PATIENCE),
            };
        }
    }

    fn answer(&mut self, request: Request) -> Reply {
        match request {
            Request::Identity {} => Reply::Identity(self.shared.wanted()),
            Request::Open {
                labels,
                exe,
                argv_sha256,
                require_enforced,
                user,
                allow_same_uid,
                scope,
                claimed_job,
                identity_token,
                prompts,
            } => {
                let wish = Wish {
                    labels,
                    exe,
                    argv_sha256,
                    require_enforced,
                    user,
                    allow_same_uid,
                    scope,
                    claimed_job,
                    identity_token,
                };
                self.open(wish, prompts)
            }
            Request::Enter { session, token } => {
                match self.shared.enter(self.peer, session, &token) {
                    Ok(()) => Reply::Entered {},
                    Err(refusal) => refused(&refusal),
                }
            }
            Request::Attach { session, secret } => {
                if self.session.is_some() {
                    return refused(&Refusal::Held);
                }
                match self.shared.attach(self.peer, session, &secret) {
                    Ok(()) => {
                        self.session = Some(session);
                        Reply::Attached {}
                    }
                    Err(refusal) => refused(&refusal),
                }
            }
            Request::Identify { identity_token } => self.identify(identity_token),
            Request::Close { reason } => self.close(&reason),
            Request::Flush {} => self.flush(),
            Request::Reload {} => self.reload(),
            Request::ReloadConfig {} => self.reload_config(),
            Request::SetLog { level } => self.set_log(&level),
            Request::Live(ask) => self.live(ask),
            Request::Login(ask) => {
                let answered = self.shared.sign_in(self.peer.uid, &mut self.sign_in, ask);
                answered.map_or_else(|refusal| refused(&refusal), Reply::Login)
            }
            Request::Upgrade(ask) => {
                let answered = self.shared.upgrade(self.peer.uid, ask);
                answered.map_or_else(|refusal| refused(&refusal), Reply::Upgrade)
            }
        }
    }

    fn open(&mut self, wish: Wish, prompts: Vec<[u8; 32]>) -> Reply {
        if self.session.is_some() {
            return refused(&Refusal::Held);
        }
        match self.shared.open(self.peer, wish, prompts) {
            Ok(opened) => {
                self.session = Some(opened.session);
                Reply::Opened(opened)
            }
            Err(refusal) => refused(&refusal),
        }
    }

    fn identify(&self, token: HandedToken) -> Reply {
        let Some(session) = self.session else {
            return refused(&Refusal::Unknown);
        };
        match self.shared.identify(session, token) {
            Ok(()) => Reply::Identified {},
            Err(refusal) => Reply::NotIdentified {
                reason: refusal.to_string(),
            },
        }
    }

    fn close(&mut self, reason: &str) -> Reply {
        // The word goes into the record; only the two forms that `icecore run` writes are taken.
        let known = ["exited ", "signalled "].iter().any(|word| {
            let number = reason.strip_prefix(word).unwrap_or_default();
            number.parse::<u8>().is_ok()
        });
        let reason = if known { reason } else { "control lost" };
        let ended = self
            .session
            .take()
            .and_then(|session| self.shared.end(session, reason));
        match ended {
            Some(ended) => closed(ended),
            None => refused(&Refusal::Unknown),
        }
    }

    fn flush(&self) -> Reply {
        if self.peer.uid != 0 {
            return Reply::Refused {
                reason: "only root may flush the record".to_owned(),
            };
        }
        let Some(proxy) = self.shared.proxy_soon() else {
            return refused(&Refusal::NoProxy);
        };
        self.shared.hand_on_observed();
        match proxy.link.flush() {
            Ok(()) => Reply::Flushed {},
            Err(failure) => Reply::Refused {
                reason: told(failure),
            },
        }
    }

    fn reload(&self) -> Reply {
        if self.peer.uid != 0 {
            return Reply::Refused {
                reason: "only root may reload policies".to_owned(),
            };
        }
        let reloaded = self.shared.reload();
        reloaded.map_or_else(|refusal| refused(&refusal), Reply::Reload)
    }

    fn reload_config(&self) -> Reply {
        if self.peer.uid != 0 {
            return Reply::Refused {
                reason: "only root may reload the config".to_owned(),
            };
        }
        let reloaded = self.shared.reload_config();
        reloaded.map_or_else(|refusal| refused(&refusal), Reply::ConfigReload)
    }

    fn set_log(&self, level: &str) -> Reply {
        if self.peer.uid != 0 {
            return Reply::Refused {
                reason: "only root may change log levels".to_owned(),
            };
        }
        let set = self.shared.set_log(level);
        set.map_or_else(|refusal| refused(&refusal), |()| Reply::LogSet {})
    }

    fn live(&self, ask: LiveAsk) -> Reply {
        if self.peer.uid != 0 {
            return Reply::Refused {
                reason: "only root may make, list or end sessions of others".to_owned(),
            };
        }
        let answered = match ask {
            LiveAsk::Take(take) => (self.shared.take(self.peer, *take))
                .map(|taken| Reply::Live(LiveReply::Taken(taken))),
            LiveAsk::Contain(contain) => (self.shared.contain(self.peer, *contain))
                .map(|contained| Reply::Live(LiveReply::Contained(contained))),
            LiveAsk::Join { session, pid } => (self.shared.join(session, pid))
                .map(|network| Reply::Live(LiveReply::Joined { network })),
            LiveAsk::End { session } => self.shared.end_by_word(session).map(closed),
            LiveAsk::List { after } => Ok(Reply::Live(self.shared.list(after))),
        };
        answered.unwrap_or_else(|refusal| refused(&refusal))
    }

    fn refuse(&mut self, reason: &str) -> Result<(), ControlError> {
        self.lines.send(&Reply::Refused {
            reason: reason.to_owned(),
        })
    }
}

fn closed(ended: Ended) -> Reply {
    Reply::Closed {
        summary: ended.summary,
        leftovers: ended.leftovers,
        problem: ended.problem,
    }
}

fn refused(refusal: &Refusal) -> Reply {
    Reply::Refused {
        reason: refusal.to_string(),
    }
}
