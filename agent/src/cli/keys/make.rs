//! `icecore keys make`: a reader's key pair.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::output::create;
use crate::record::encryption::Identity;
use crate::replay::ReadError;

/// Makes a reader's key pair
///
/// Use it once for each reader. The secret key goes into a file that only you can read; what is printed is the recipient, for
/// `[record.encryption] recipients`. Who loses the file cannot read what was encrypted for it alone: keep a copy of it, and
/// name two recipients.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore keys make -o auditor.key\n\nExit codes: 0 done, 1 the file is there already, 2 usage, 4 the file could not be written."
)]
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
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), ReadError> {
    let created = create(path, false);
    if let Err(ReadError::There(path)) = &created {
        return Err(ReadError::Refused(format!(
            "`{path}`: expected no file there, found one, which was left as it is: name another, or move it away"
        )));
    }
    let mut file = created?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|cause| ReadError::File {
        path: path.display().to_string(),
        cause,
    })
}
