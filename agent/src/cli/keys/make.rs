//! `icecore keys make`: a reader's key pair.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::record::encryption::Identity;
use crate::replay::ReadError;

/// Makes a reader's key pair
///
/// Use it once for each reader. The secret key goes into a file that only you can read; what is printed is the recipient, for
/// `[record.encryption] recipients`. Who loses the file cannot read what was encrypted for it alone: keep a copy of it, and
/// name two recipients.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 2 usage, 70 the file could not be written.")]
pub(super) struct Args {
    /// The file to write, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn make(args: &Args) -> Result<(), ReadError> {
    let identity = Identity::random().map_err(|error| ReadError::Refused(error.to_string()))?;
    write_secret(&args.output, identity.to_file().as_bytes())?;
    writeln!(io::stdout().lock(), "{}", identity.recipient())?;
    Ok(())
}

/// Writes a file that must not be there yet, for this user only.
pub(super) fn write_secret(path: &PathBuf, bytes: &[u8]) -> Result<(), ReadError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        let text = format!("could not write `{}`: {error}", path.display());
        ReadError::Write(io::Error::new(error.kind(), text))
    })
}
