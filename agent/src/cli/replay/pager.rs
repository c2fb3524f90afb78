//! Standard output, through a pager where a person sits before it.

use std::env;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// What shows pages where `PAGER` says nothing: `less`, which shows colours, and ends by itself if all fits the screen.
const PAGER: &str = "less";

/// Where a told session goes.
pub(in crate::cli) enum Out {
    Direct(BufWriter<Stdout>),
    Paged(BufWriter<ChildStdin>, Child),
}

/// Opens a pager if standard output is a terminal, and `PAGER` does not switch it off (empty, or `cat`).
pub(in crate::cli) fn open() -> io::Result<Out> {
    let direct = || Out::Direct(BufWriter::new(io::stdout()));
    let chosen = env::var("PAGER").unwrap_or_else(|_| PAGER.to_owned());
    if !io::stdout().is_terminal() || chosen.is_empty() || chosen == "cat" {
        return Ok(direct());
    }
    let mut pager = Command::new("sh");
    pager.args(["-c", &chosen]).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        pager.env("LESS", "FRX");
    }
    // Who may read the record by sudo must not get a shell by it (less(1), "SECURITY").
    pager.env("LESSSECURE", "1");
    let Ok(mut child) = pager.spawn() else {
        return Ok(direct());
    };
    match child.stdin.take() {
        Some(pipe) => Ok(Out::Paged(BufWriter::new(pipe), child)),
        None => Ok(direct()),
    }
}

impl Out {
    /// Writes what is left, and waits until the pager is closed.
    pub(in crate::cli) fn finish(self, written: io::Result<()>) -> io::Result<()> {
        match self {
            Self::Direct(mut out) => written.and_then(|()| out.flush()),
            Self::Paged(mut out, mut child) => {
                let written = written.and_then(|()| out.flush());
                drop(out);
                child.wait()?;
                match written {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                }
            }
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(out) => out.write(bytes),
            Self::Paged(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct(out) => out.flush(),
            Self::Paged(out, _) => out.flush(),
        }
    }
}
