//! The command's process: into the session, then it becomes the command, as another user if root asks for that.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::filter::Rings;
use super::mounts;
use super::program::{NOT_EXECUTABLE, NOT_FOUND};
use super::restrict::{empty_bounding_set, give_up};
use super::user::Login;
use super::{PATIENCE, job};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::socket::{DaemonName, ask, connect, misunderstood};
use crate::cli::tell::tell;
use crate::connection::sys::{Scoped, close_on_exec_from};
use crate::control::Scope;
use crate::control::request::{Reply, Request};
use crate::id::SessionId;

/// Carries the token to the command's process; it is good once, for the caller's user, and gone when the command runs.
pub(super) const TOKEN_VARIABLE: &str = "ICECORE_ENTER_TOKEN";

/// The first descriptor after standard input, output and error.
const FIRST_OTHER_DESCRIPTOR: u32 = 3;

/// What the launcher tells the command's process.
pub(super) struct Orders<'o> {
    pub(super) session: SessionId,
    pub(super) daemon: &'o DaemonName,
    /// Whom it becomes, if that is another than the caller.
    pub(super) user: Option<&'o str>,
    pub(super) rings: Rings,
    /// How much of a CI job the session holds.
    pub(super) scope: Scope,
    pub(super) command: &'o [OsString],
}

/// Enters the session and becomes the command; comes back only if that failed.
///
/// Still as the caller it enters: whoever has the command's uid could else take the token from it and enter itself.
pub(super) fn enter(orders: &Orders<'_>) -> ExitCode {
    let command = orders.command;
    let entered = (orders.user.map(Login::find).transpose()).and_then(|login| {
        move_in(orders.session, orders.daemon)?;
        let reach = match &login {
            Some(login) => {
                hand_over(login, orders.scope)?;
                Scoped::SignalsAndAbstractSockets
            }
            // Its caller's desktop may listen there.
            None => Scoped::Signals,
        };
        give_up(orders.rings, reach).map_err(|error| not_held("restrict the command", error))?;
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
    let Reply::Entered {} = ask(&mut lines, &Request::Enter { session, token }, PATIENCE)? else {
        return Err(misunderstood());
    };
    close_on_exec_from(FIRST_OTHER_DESCRIPTOR)
        .map_err(|error| not_held("close what was inherited", error))
}

/// Makes the process another user's; one who is not root gets its own view of files, and nothing to become root by.
fn hand_over(login: &Login, scope: Scope) -> Result<(), Failure> {
    if !login.is_root() {
        // What a step leaves in these files, the next steps of its job do, outside of the session.
        let copies = match scope {
            Scope::Step => job::command_files(),
            Scope::Command | Scope::Job | Scope::Container => Vec::new(),
        };
        mounts::set_up(login, &copies)
            .map_err(|error| not_held("give the command its own view of files", error))?;
        empty_bounding_set().map_err(|error| not_held("empty the bounding set", error))?;
    }
    login.begin()
}

fn not_held(what: &str, error: io::Error) -> Failure {
    let error = anyhow::Error::from(error).context(format!("cannot {what}"));
    Failure::new(Exit::Unreachable, error)
}
