//! What the proxy asks its supervisor for, since it may not have it itself: files that the config names, what a command
//! of the config's prints, sockets of containers' networks, and who is at the other end of a connection, with what its
//! environment says of an agent.
//!
//! Each request brings a socket of its own for the answer, so that none waits for another.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde::{Deserialize, Serialize};

use super::ControlError;
use super::packet;
use super::supervisor_link::FromProxy;
use crate::connection::environment::Environment;
use crate::connection::peer::Traced;
use crate::connection::sys;

/// Longest wait until a file is opened: it may be on a disk that hangs.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait until a process is looked up; nothing of that is on a disk.
const LOOK_WITHIN: Duration = Duration::from_millis(500);

/// What a command may take beyond its own limit.
const COMMAND_MARGIN: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// A file that the config names, opened.
    File(PathBuf),
    /// The policies' folder, opened.
    Folder(PathBuf),
    /// What a command prints, with its words.
    Output(Vec<String>),
    /// A process by its number.
    Process {
        /// Its number.
        pid: u32,
        /// The number of its last exec; 0 where it is not known.
        exec_id: u64,
    },
    /// What the environment of a session's process says of an agent.
    Environment(Connected),
    /// A TCP socket of a container's network, not connected, not blocking.
    Socket {
        /// The cookie of its network namespace.
        network: u64,
        /// Whether it is for IPv6 addresses.
        v6: bool,
    },
}

/// A process as it was when it connected, by the kernel's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// Its number.
    pub pid: u32,
    /// The number of its last exec.
    pub exec_id: u64,
    /// When it connected, in nanoseconds since boot.
    pub at_ns: u64,
}

/// Why it is not lent, in the words of a config's problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// The answer's words; a descriptor comes beside them.
#[derive(Debug, Serialize, Deserialize)]
enum Lent {
    /// It is beside.
    Opened,
    /// The process.
    Traced(Traced),
    /// What its environment says.
    Environment(Environment),
    /// There is none.
    Declined(Declined),
}

/// A request at the supervisor.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub wanted: Wanted,
    reply: OwnedFd,
}

impl Request {
    pub(super) fn new(wanted: Wanted, reply: OwnedFd) -> Self {
        Self { wanted, reply }
    }

    /// Tells whether the answer goes to this process: else root would speak to whom the proxy chose.
    #[must_use]
    pub fn is_of(&self, pid: u32) -> bool {
        sys::peer(self.reply.as_fd()).is_ok_and(|peer| peer.pid == pid)
    }

    /// Hands over what was opened, or says why not.
    ///
    /// # Errors
    /// When nobody waits for it any more.
    pub fn answer(&self, opened: Result<BorrowedFd<'_>, Declined>) -> Result<(), ControlError> {
        match opened {
            Ok(descriptor) => packet::send_at_once(&self.reply, &Lent::Opened, &[descriptor]),
            Err(declined) => packet::send_at_once(&self.reply, &Lent::Declined(declined), &[]),
        }
    }

    /// Tells of a process.
    ///
    /// # Errors
    /// As of [`Request::answer`].
    pub fn tell(&self, traced: Traced) -> Result<(), ControlError> {
        packet::send_at_once(&self.reply, &Lent::Traced(traced), &[])
    }

    /// Tells what a process's environment says.
    ///
    /// # Errors
    /// As of [`Request::answer`].
    pub fn tell_environment(&self, environment: Environment) -> Result<(), ControlError> {
        packet::send_at_once(&self.reply, &Lent::Environment(environment), &[])
    }
}

/// Asks the supervisor, from any thread of the proxy.
#[derive(Clone, Debug)]
pub struct Borrower {
    /// The link's; it lives as long as the proxy, whose last rows may need a credential.
    socket: Arc<OwnedFd>,
}

impl Borrower {
    pub(super) fn new(socket: Arc<OwnedFd>) -> Self {
        Self { socket }
    }

    /// Gives one whom nobody hears: whatever it asks fails.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn of_nobody() -> io::Result<Self> {
        let (socket, _) = packet::pair()?;
        Ok(Self::new(Arc::new(socket)))
    }

    /// Gives one whom nobody answers as long as the other end is there.
    #[cfg(test)]
    pub(crate) fn unanswered() -> io::Result<(Self, OwnedFd)> {
        let (socket, other) = packet::pair()?;
        Ok((Self::new(Arc::new(socket)), other))
    }

    /// Has a file opened.
    ///
    /// # Errors
    /// Why it is not.
    pub fn file(&self, path: &Path) -> Result<File, Declined> {
        self.opened(Wanted::File(path.to_owned()), OPEN_WITHIN)
    }

    /// Has a folder opened.
    ///
    /// # Errors
    /// Why it is not.
    pub fn folder(&self, path: &Path) -> Result<File, Declined> {
        self.opened(Wanted::Folder(path.to_owned()), OPEN_WITHIN)
    }

    /// Has a TCP socket made in a container's network, so that what it reaches is what the container does.
    ///
    /// # Errors
    /// Why there is none.
    pub fn socket(&self, network: u64, v6: bool) -> Result<OwnedFd, Declined> {
        let wanted = Wanted::Socket { network, v6 };
        self.opened(wanted, OPEN_WITHIN).map(OwnedFd::from)
    }

    /// Has a command run, for at most `within`; gives what it printed.
    ///
    /// # Errors
    /// Why there is nothing.
    pub fn output(&self, argv: &[String], within: Duration) -> Result<File, Declined> {
        self.opened(Wanted::Output(argv.to_owned()), within + COMMAND_MARGIN)
    }

    /// Looks a process up; what cannot be seen of it is left empty. None where nobody looked.
    #[must_use]
    pub fn process(&self, pid: u32, exec_id: u64) -> Option<Traced> {
        match self.ask(Wanted::Process { pid, exec_id }, LOOK_WITHIN) {
            Ok((Lent::Traced(traced), _)) => Some(traced),
            Ok((Lent::Opened | Lent::Environment(_) | Lent::Declined(_), _)) | Err(_) => None,
        }
    }

    /// Has the environment of a session's process read. None where it could not be, or not soon.
    #[must_use]
    pub fn environment(&self, of: Connected) -> Option<Environment> {
        match self.ask(Wanted::Environment(of), LOOK_WITHIN) {
            Ok((Lent::Environment(environment), _)) => Some(environment),
            Ok((Lent::Opened | Lent::Traced(_) | Lent::Declined(_), _)) | Err(_) => None,
        }
    }

    fn opened(&self, wanted: Wanted, within: Duration) -> Result<File, Declined> {
        let failed = |found: String| Declined {
            expected: "the supervisor to open it".to_owned(),
            found,
        };
        match self.ask(wanted, within) {
            Ok((Lent::Opened, Some(descriptor))) => Ok(File::from(descriptor)),
            Ok((Lent::Declined(declined), _)) => Err(declined),
            Ok((Lent::Opened | Lent::Traced(_) | Lent::Environment(_), _)) => {
                Err(failed("another answer".to_owned()))
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn ask(
        &self,
        wanted: Wanted,
        within: Duration,
    ) -> Result<(Lent, Option<OwnedFd>), ControlError> {
        let (ours, theirs) = packet::pair()?;
        set_socket_timeout(&ours, Timeout::Recv, Some(within)).map_err(io::Error::from)?;
        packet::send(
            &*self.socket,
            &FromProxy::Lend { wanted },
            &[theirs.as_fd()],
        )?;
        // The supervisor's end must be the only one, or its death would not be heard.
        drop(theirs);
        match packet::receive(&ours) {
            Ok((lent, descriptors)) => Ok((lent, descriptors.into_iter().next())),
            Err(ControlError::Socket(error)) if is_late(&error) => Err(ControlError::Late(within)),
            Err(error) => Err(error),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AGAIN.raw_os_error())
}
