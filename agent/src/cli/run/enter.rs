//! The command's process: into the session, then it becomes the command, as another user if root asks for that.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::thread::set_no_new_privs;

use super::PATIENCE;
use super::program::{NOT_EXECUTABLE, NOT_FOUND};
use super::user::Login;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::socket::{DaemonName, ask, connect, misunderstood};
use crate::cli::tell::tell;
use crate::connection::sys::close_on_exec_from;
use crate::control::request::{Reply, Request};
use crate::id::SessionId;

/// Carries the token to the command's process; it is good once, for the caller's user, and gone when the command runs.
pub(super) const TOKEN_VARIABLE: &str = "ICECORE_ENTER_TOKEN";

/// The first descriptor after standard input, output and error.
const FIRST_OTHER_DESCRIPTOR: u32 = 3;

/// Enters the session and becomes the command; comes back only if that failed.
///
/// Still as the caller it enters: whoever has the command's uid could else take the token from it and enter itself.
pub(super) fn enter(
    session: SessionId,
    daemon: &DaemonName,
    user: Option<&str>,
    command: &[OsString],
) -> ExitCode {
    let entered = user.map(Login::find).transpose().and_then(|login| {
        move_in(session, daemon)?;
        login.as_ref().map(Login::begin).transpose()?;
        Ok(login)
    });
    let login = match entered {
        Ok(login) => login,
        Err(failure) => return failure.report(),
    };
    let Some((program, arguments)) = command.split_first() else {
        return Failure::text(Exit::Usage, "expected a command").report();
    };
    let error = Command::new(program)
        .args(arguments)
        .env_remove(TOKEN_VARIABLE)
        .envs(login.iter().flat_map(Login::variables))
        .exec();
    tell(format_args!("icecore: `{}`: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    })
}

fn move_in(session: SessionId, daemon: &DaemonName) -> Result<(), Failure> {
    let token = env::var(TOKEN_VARIABLE)
        .map_err(|_| Failure::text(Exit::Usage, "--enter is for `icecore run` itself"))?;
    let mut lines = connect(&daemon.socket()?)?;
    match ask(&mut lines, &Request::Enter { session, token }, PATIENCE)? {
        Reply::Entered {} => {}
        Reply::Identity(_)
        | Reply::Opened(_)
        | Reply::Attached {}
        | Reply::Identified {}
        | Reply::NotIdentified { .. }
        | Reply::Closed { .. }
        | Reply::Flushed {}
        | Reply::Reload(_)
        | Reply::Login(_)
        | Reply::Upgrade(_)
        | Reply::Refused { .. } => return Err(misunderstood()),
    }
    let lock_down = close_on_exec_from(FIRST_OTHER_DESCRIPTOR)
        .and_then(|()| set_no_new_privs(true).map_err(io::Error::from));
    lock_down.map_err(|error| Failure::new(Exit::Unreachable, error))
}
