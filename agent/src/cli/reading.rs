//! What the commands that read a store have in common.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::keys::{tell_access, tell_untold};
use super::stored::{Stored, failure};
use crate::clock::Clock;
use crate::record::RecordError;
use crate::record::encryption::{Identity, Vault};
use crate::replay::{Archive, Depth, ReadError, Readers, Scope, terminal};
use crate::verify::Trust;

/// Most objects that are named one by one when they were left out.
const REFUSED_SHOWN: usize = 20;

/// Where to read, whom to believe, and who reads.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    #[command(flatten)]
    stored: Stored,
    #[command(flatten)]
    reader: Reader,
}

/// Who reads what is encrypted.
#[derive(Debug, clap::Args)]
pub(super) struct Reader {
    /// The file of the reader's key, for what is encrypted; `icecore keys make` makes one [env: ICECORE_IDENTITY]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The store of wrapped keys, where `record.key_store` names one
    #[arg(long, value_name = "URL")]
    key_store: Option<String>,
}

impl Reader {
    /// Reads the identities, those of `ICECORE_IDENTITY` where the command line names none.
    pub(super) fn readers(&self, trust: Option<Trust>) -> Result<Readers, ReadError> {
        let of_environment = || std::env::var_os("ICECORE_IDENTITY").map(PathBuf::from);
        let file = self.identity.clone().or_else(of_environment);
        let identities = file.map(|file| Identity::read_file(&file)).transpose()?;
        Ok(Readers {
            trust,
            identities: identities.unwrap_or_default(),
            key_store: self.key_store.clone(),
        })
    }
}

impl Source {
    /// Gives the store's URL.
    pub(super) fn store(&self) -> &str {
        self.stored.url()
    }

    /// Gives whom to believe.
    pub(super) fn trust(&self) -> Result<Option<Trust>, ReadError> {
        self.stored.trust()
    }

    /// Gives who reads.
    pub(super) fn readers(&self) -> Result<Readers, ReadError> {
        self.reader.readers(self.trust()?)
    }

    /// Opens the store of wrapped keys, and what stands beside the record.
    pub(super) fn vault(&self) -> Result<Vault, RecordError> {
        Vault::open(self.store(), self.reader.key_store.as_deref())
    }

    /// Writes into the store that content was read, of one session or of all.
    pub(super) fn tell_read(
        &self,
        archive: &Archive,
        command: &str,
        session: Option<&str>,
        clock: Clock,
    ) {
        if archive.table("statement_texts").is_empty() {
            return;
        }
        let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for org in archive.orgs() {
            read.insert(org.to_owned(), Vec::new());
        }
        for (org, key) in archive.opened() {
            read.entry(org).or_default().push(key);
        }
        match self.vault() {
            Ok(vault) => tell_access(&vault, command, session, read, clock),
            Err(error) => tell_untold(&error),
        }
    }

    /// Reads the store and tells on standard error what was left out of it.
    pub(super) fn read(&self) -> Result<Archive, ReadError> {
        self.read_scope(&Scope::All)
    }

    /// Reads what can tell of the session whose id begins so.
    pub(super) fn read_session(&self, begin: &str) -> Result<Archive, ReadError> {
        self.read_scope(&Scope::Session(begin.to_owned()))
    }

    fn read_scope(&self, scope: &Scope) -> Result<Archive, ReadError> {
        Self::tell(Archive::read_scope(self.store(), self.readers()?, scope)?)
    }

    /// Reads the metadata of a part of the store, and tells nothing.
    pub(super) fn metadata(&self, scope: &Scope) -> Result<Archive, ReadError> {
        let readers = Readers {
            trust: self.trust()?,
            ..Readers::default()
        };
        Archive::read_scope(self.store(), readers, scope)
    }

    /// Takes a look at what views need, and tells what was left out.
    pub(super) fn survey(&self, scope: &Scope, depth: Depth) -> Result<Archive, ReadError> {
        Self::tell(Archive::survey(
            self.store(),
            self.readers()?,
            scope,
            depth,
        )?)
    }

    fn tell(archive: Archive) -> Result<Archive, ReadError> {
        tell_left_out(archive.refused())?;
        let closed = archive.closed();
        let lines: Vec<String> = closed
            .map(|(closed, count)| format!("{count} encrypted objects: {closed}"))
            .collect();
        tell_left_out(&lines)?;
        Ok(archive)
    }
}

/// Tells on standard error what was left out of a store.
pub(super) fn tell_left_out(lines: &[String]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for line in lines.iter().take(REFUSED_SHOWN) {
        writeln!(err, "left out {}", terminal(line))?;
    }
    let more = lines.len().saturating_sub(REFUSED_SHOWN);
    if more > 0 {
        writeln!(err, "left out {more} more")?;
    }
    Ok(())
}

/// Tells why a command failed and gives its exit code; a reader that went away is no failure.
pub(super) fn finish(outcome: Result<(), ReadError>) -> ExitCode {
    let error = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(ReadError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(error) => error,
    };
    failure(error).report()
}
