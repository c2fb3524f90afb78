//! Opens for the proxy what it may not open itself: only what the config names, only if it is trusted, only to be read.
//!
//! Nothing is parsed here but the config, which is root's. Files stay root's and private: the proxy gets descriptors.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::fs::{MemfdFlags, memfd_create};
use tracing::{debug, warn};

use super::environ;
use super::loans::{Loans, Opened};
use super::networks::Networks;
use super::shared::Shared;
use crate::config::{Config, Named, Untrusted, open_file, open_folder};
use crate::connection::peer::Traced;
use crate::control::{Declined, Request, Wanted};

/// Most look-ups that wait: as many as a proxy asks for at a time, of which there may be several.
const LOOKS_MAX: usize = 64;

/// Lends what a config names. What reads a proxy's words waits for none of it.
#[derive(Debug)]
pub(super) struct Lender {
    config: Config,
    named: Named,
    networks: Arc<Networks>,
    loans: Arc<Loans>,
    /// For the thread that looks processes up.
    looks: SyncSender<Request>,
    /// Whether it was said that a proxy is not what it should be.
    is_told: AtomicBool,
}

impl Lender {
    /// Makes one, with the thread that looks processes up.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(super) fn start(shared: &Arc<Shared>, networks: Arc<Networks>) -> io::Result<Self> {
        let config = shared.config.clone();
        let shared = Arc::clone(shared);
        let (looks, asked) = sync_channel(LOOKS_MAX);
        let loans = Arc::<Loans>::default();
        let taken = Arc::clone(&loans);
        thread::Builder::new()
            .name("looks".to_owned())
            .spawn(move || look(&asked, &shared, &taken))?;
        Ok(Self {
            networks,
            named: config.named(),
            config,
            loans,
            looks,
            is_told: AtomicBool::new(false),
        })
    }

    /// Has a request of this process answered on another thread; dropping it says to whoever waits that nobody will.
    pub(super) fn lend(self: &Arc<Self>, request: Request, proxy: u32) {
        if !request.is_of(proxy) {
            if !self.is_told.swap(true, Ordering::SeqCst) {
                warn!(
                    proxy,
                    "proxy asks for an answer to somebody else: it may have been taken over"
                );
            }
            return;
        }
        match request.wanted {
            Wanted::Process { .. } | Wanted::Environment(_) => {
                if self.looks.try_send(request).is_err() {
                    debug!("proxy asks for more processes than are looked up");
                }
            }
            Wanted::Socket { network, .. } => self.lend_slowly(request, Opened::Socket(network)),
            Wanted::File(_) | Wanted::Folder(_) | Wanted::Output(_) => {
                self.lend_slowly(request, Opened::Named);
            }
        }
    }

    fn lend_slowly(self: &Arc<Self>, request: Request, opened: Opened) {
        let Some(loan) = self.loans.take(opened) else {
            // Dropping the request says so to whoever waits for it.
            return debug!(?opened, "proxy asks for more at once than is opened");
        };
        let lender = Arc::clone(self);
        let started = thread::Builder::new()
            .name("lend".to_owned())
            .spawn(move || {
                let _loan = loan;
                lender.answer(&request);
            });
        if let Err(failure) = started {
            debug!(%failure, "no thread to open a file for the proxy");
        }
    }

    fn answer(&self, request: &Request) {
        let opened = self.open(&request.wanted);
        let told = match &opened {
            Ok(file) => request.answer(Ok(file.as_fd())),
            Err(Untrusted { expected, found }) => request.answer(Err(Declined {
                expected: expected.clone(),
                found: found.clone(),
            })),
        };
        if let Err(failure) = told {
            debug!(%failure, "proxy did not wait for a file");
        }
    }

    fn open(&self, wanted: &Wanted) -> Result<OwnedFd, Untrusted> {
        let file = match wanted {
            Wanted::Socket { network, v6 } => return self.networks.socket(*network, *v6),
            Wanted::File(path) => {
                self.require(|named| named.has_file(path), path)?;
                open_file(path)
            }
            Wanted::Folder(path) => {
                self.require(|named| named.has_folder(path), path)?;
                open_folder(path)
            }
            Wanted::Output(argv) => self.output(argv),
            // Told by `look`.
            Wanted::Process { .. } | Wanted::Environment(_) => Err(unnamed("a process")),
        };
        file.map(OwnedFd::from)
    }

    /// Refuses what the config does not name, neither as it was at the start nor as it is: a proxy reads it anew.
    fn require(&self, has: impl Fn(&Named) -> bool, path: &Path) -> Result<(), Untrusted> {
        if has(&self.named) || self.config.named_now().is_some_and(|named| has(&named)) {
            return Ok(());
        }
        Err(unnamed(&format!("`{}`", path.display())))
    }

    fn output(&self, argv: &[String]) -> Result<File, Untrusted> {
        let now = self.config.named_now();
        let command = (self.named.command(argv))
            .or_else(|| now.as_ref().and_then(|named| named.command(argv)))
            .ok_or_else(|| unnamed("another command"))?;
        let printed = command.run()?;
        in_memory(&printed).map_err(|error| Untrusted {
            expected: "memory for a command's output".to_owned(),
            found: error.to_string(),
        })
    }
}

/// Tells of processes, one after the other, as long as there is a lender; what may take long is read elsewhere.
fn look(asked: &Receiver<Request>, shared: &Arc<Shared>, loans: &Arc<Loans>) {
    for request in asked {
        let (pid, exec_id) = match request.wanted {
            Wanted::Process { pid, exec_id } => (pid, exec_id),
            Wanted::Environment(of) => {
                environ::tell(request, of, shared, loans);
                continue;
            }
            Wanted::File(_) | Wanted::Folder(_) | Wanted::Output(_) | Wanted::Socket { .. } => {
                continue;
            }
        };
        let traced = Traced {
            execs: shared.observations.execs(exec_id),
            ..Traced::read(pid)
        };
        if let Err(failure) = request.tell(traced) {
            debug!(%failure, "proxy did not wait for a process");
        }
    }
}

/// Puts bytes into a file that is on no disk and goes with its last descriptor.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("output", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn unnamed(found: &str) -> Untrusted {
    Untrusted {
        expected: "what the daemon's config names".to_owned(),
        found: found.to_owned(),
    }
}
