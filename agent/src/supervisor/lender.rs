//! Opens for the proxy what it may not open itself: only what the config names, only if it is trusted, only to be read.
//!
//! Nothing is parsed here but the config, which is root's. Files stay root's and private: the proxy gets descriptors.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{MemfdFlags, memfd_create};
use tracing::debug;

use super::networks::Networks;
use crate::config::{Config, Named, Untrusted, open_file, open_folder};
use crate::connection::peer::Traced;
use crate::control::{Declined, Request, Wanted};

/// Most requests at a time: a proxy that was taken over gets no more threads of root's than this.
const AT_ONCE_MAX: usize = 64;

/// Lends what a config names.
#[derive(Debug)]
pub(super) struct Lender {
    config: Config,
    named: Named,
    networks: Arc<Networks>,
    at_once: AtomicUsize,
}

impl Lender {
    pub(super) fn new(config: &Config, networks: Arc<Networks>) -> Self {
        Self {
            networks,
            named: config.named(),
            config: config.clone(),
            at_once: AtomicUsize::new(0),
        }
    }

    /// Answers a request, on a thread of its own where that may take time.
    pub(super) fn lend(self: &Arc<Self>, request: Request) {
        let wanted = request.wanted.clone();
        let answered = match wanted {
            Wanted::Process(pid) => request.tell(Traced::read(pid)),
            Wanted::File(_) | Wanted::Folder(_) | Wanted::Output(_) | Wanted::Socket { .. } => {
                return self.lend_slowly(request);
            }
        };
        if let Err(failure) = answered {
            debug!(%failure, "proxy did not wait for a process");
        }
    }

    fn lend_slowly(self: &Arc<Self>, request: Request) {
        if self.at_once.fetch_add(1, Ordering::SeqCst) >= AT_ONCE_MAX {
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            // Dropping the request says so to whoever waits for it.
            return debug!("proxy asks for more files at once than are opened");
        }
        let lender = Arc::clone(self);
        let started = thread::Builder::new()
            .name("lend".to_owned())
            .spawn(move || {
                let opened = lender.open(&request.wanted);
                let told = match &opened {
                    Ok(opened) => request.answer(Ok(opened.as_fd())),
                    Err(Untrusted { expected, found }) => request.answer(Err(Declined {
                        expected: expected.clone(),
                        found: found.clone(),
                    })),
                };
                lender.at_once.fetch_sub(1, Ordering::SeqCst);
                if let Err(failure) = told {
                    debug!(%failure, "proxy did not wait for a file");
                }
            });
        if let Err(failure) = started {
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            debug!(%failure, "no thread to open a file for the proxy");
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
            // Told at once, by `lend`.
            Wanted::Process(_) => Err(unnamed("a process")),
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
