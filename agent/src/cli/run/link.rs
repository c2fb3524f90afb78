//! The session's control connection: while it holds, the session lives.
//!
//! A daemon that stops or dies takes the connection with it, not the session: this end knocks until a daemon is back,
//! and takes the session up again with the secret it was opened with.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::token_file::TokenFile;
use crate::cli::tell::tell;
use crate::control::line::Lines;
use crate::control::request::{Opened, Reply, Request};
use crate::control::{ControlError, Leftover, SessionSummary};
use crate::id::SessionId;

/// How often a daemon that is gone is looked for.
const KNOCK_INTERVAL: Duration = Duration::from_millis(250);

/// How often the file of the token is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

/// How long a daemon may take to answer a knock.
const KNOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How long a daemon that is gone is waited for once the command has ended.
const ABSENT_PATIENCE: Duration = Duration::from_secs(5);

/// How many times as long a daemon that is there is waited for: it kills processes and records the end.
const CLOSE_WAITS: u32 = 6;

/// What came of the session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was closed.
    Closed {
        /// What it did, if that could be told.
        summary: Option<SessionSummary>,
        /// What was killed.
        leftovers: Vec<Leftover>,
        /// What went wrong.
        problem: Option<String>,
    },
    /// The daemon was not there, or knew it no more.
    Lost(String),
}

/// Holds the session.
#[derive(Debug)]
pub(super) struct Link {
    state: Arc<Mutex<State>>,
    told: Receiver<Told>,
}

/// What the command's end and the connection's thread both know.
#[derive(Debug)]
struct State {
    /// The connection, while there is one.
    stream: Option<UnixStream>,
    /// Why the session is to be closed, once it is.
    closing: Option<String>,
}

impl Link {
    /// Keeps the session alive from a thread of its own.
    pub(super) fn hold(lines: Lines, socket: &Path, opened: &Opened) -> io::Result<Self> {
        // As long as the command runs there is nothing to hear.
        lines.stream().set_read_timeout(None)?;
        let (tell, told) = mpsc::channel();
        let stream = Some(lines.stream().try_clone()?);
        let state = Arc::new(Mutex::new(State {
            stream,
            closing: None,
        }));
        let keeper = Keeper {
            state: Arc::clone(&state),
            socket: socket.to_owned(),
            session: opened.session,
            secret: opened.secret.clone(),
            tell,
        };
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || keeper.keep(lines))?;
        Ok(Self { state, told })
    }

    /// Shows the daemon each fresh token that comes into a file, from a thread of its own.
    pub(super) fn follow(&self, mut file: TokenFile) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let follow = move || {
            loop {
                thread::sleep(FOLLOW_INTERVAL);
                let state = lock(&state);
                if state.closing.is_some() {
                    return;
                }
                // While the daemon is away the token stays fresh.
                let Some(stream) = &state.stream else {
                    continue;
                };
                if let Some(identity_token) = file.fresh() {
                    say(stream, &Request::Identify { identity_token });
                }
            }
        };
        thread::Builder::new()
            .name("token".to_owned())
            .spawn(follow)?;
        Ok(())
    }

    /// Has the session closed and waits for what came of it.
    pub(super) fn close(self, reason: String) -> Told {
        {
            let mut state = lock(&self.state);
            if let Some(stream) = &state.stream {
                say_close(stream, &reason);
            }
            state.closing = Some(reason);
        }
        for _ in 0..CLOSE_WAITS {
            match self.told.recv_timeout(ABSENT_PATIENCE) {
                Ok(told) => return told,
                Err(_) if lock(&self.state).stream.is_some() => {}
                Err(_) => break,
            }
        }
        Told::Lost("the daemon is not there".to_owned())
    }
}

/// The thread that hears the daemon.
struct Keeper {
    state: Arc<Mutex<State>>,
    socket: PathBuf,
    session: SessionId,
    secret: String,
    tell: Sender<Told>,
}

impl Keeper {
    fn keep(self, mut lines: Lines) {
        let told = loop {
            match lines.receive() {
                Ok(Reply::Closed {
                    summary,
                    leftovers,
                    problem,
                }) => {
                    break Told::Closed {
                        summary,
                        leftovers,
                        problem,
                    };
                }
                Ok(Reply::Refused { reason }) => break Told::Lost(reason),
                Ok(
                    Reply::Identity(_)
                    | Reply::Opened(_)
                    | Reply::Entered {}
                    | Reply::Attached {}
                    | Reply::Identified {}
                    | Reply::Flushed {}
                    | Reply::Reload(_)
                    | Reply::ConfigReload(_)
                    | Reply::LogSet {}
                    | Reply::Live(_)
                    | Reply::Login(_)
                    | Reply::Upgrade(_),
                ) => {}
                Ok(Reply::NotIdentified { reason }) => {
                    tell(format_args!(
                        "icecore: warning: the fresh identity token was not taken: {reason}"
                    ));
                }
                Err(_) => {
                    lock(&self.state).stream = None;
                    match self.knock() {
                        Ok(next) => lines = next,
                        Err(reason) => break Told::Lost(reason),
                    }
                }
            }
        };
        // Nobody hears it only once the command's end stopped waiting.
        drop(self.tell.send(told));
    }

    /// Looks for a daemon until one takes the session up, or refuses to.
    fn knock(&self) -> Result<Lines, String> {
        loop {
            thread::sleep(KNOCK_INTERVAL);
            match self.attach() {
                Ok(Knock::Attached(lines)) => return Ok(lines),
                Ok(Knock::Refused(reason)) => return Err(reason),
                Err(_) => {}
            }
        }
    }

    fn attach(&self) -> Result<Knock, ControlError> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(KNOCK_PATIENCE))?;
        let mut lines = Lines::new(stream);
        lines.send(&Request::Attach {
            session: self.session,
            secret: self.secret.clone(),
        })?;
        let reply = lines.receive()?;
        if let Reply::Refused { reason } = reply {
            return Ok(Knock::Refused(reason));
        }
        if reply != (Reply::Attached {}) {
            return Err(ControlError::NotUnderstood("another answer".to_owned()));
        }
        lines.stream().set_read_timeout(None)?;
        let stream = lines.stream().try_clone()?;
        let mut state = lock(&self.state);
        if let Some(reason) = &state.closing {
            say_close(&stream, reason);
        }
        state.stream = Some(stream);
        Ok(Knock::Attached(lines))
    }
}

enum Knock {
    Attached(Lines),
    Refused(String),
}

fn say_close(stream: &UnixStream, reason: &str) {
    let request = Request::Close {
        reason: reason.to_owned(),
    };
    say(stream, &request);
}

/// Says something whose answer the thread that hears the daemon takes.
fn say(stream: &UnixStream, request: &Request) {
    let said = stream
        .try_clone()
        .map_err(ControlError::from)
        .and_then(|stream| Lines::new(stream).send(request));
    if let Err(failure) = said {
        // The thread that hears the daemon finds it gone too, and says it to the next one.
        tracing::debug!(%failure, "daemon was gone");
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Each change is one step, so a panic elsewhere leaves it whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
