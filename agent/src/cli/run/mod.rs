//! `icecore run`: a command in a session of its own, as if it had been started without us.
//!
//! The caller's process stays outside the session and holds its control connection. The command's process is this
//! program again (`--enter`): it has itself moved into the session, drops what it inherited, and becomes the command.
//! So no privilege is needed, and terminal, limits and working folder are the caller's own.

mod child;
mod enter;
mod filter;
mod help;
mod identity;
mod java;
mod job;
mod kept_outside;
mod leftover;
mod link;
mod mounts;
mod own_run;
mod program;
mod prompt;
mod restrict;
mod summary;
mod telemetry;
mod throwaway;
mod token_file;
mod trust;
mod untouched;
mod user;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use super::span::id;
use super::tell::tell;
use crate::clock::Clock;
use crate::control::Scope;
use crate::control::request::{LABELS_MAX, Reply, Request, check_labels};
use crate::id::SessionId;
use crate::identity::Ci;
use crate::replay::terminal;
pub(super) use identity::{TokenSource, token};
#[cfg(test)]
pub(super) use throwaway::Captured;
pub(super) use throwaway::{Ended, Input, Throwaway, bounded};
pub(super) use trust::Trust;

use child::{Child, Entry};
use enter::Orders;
use filter::Rings;
use link::{Link, Told};
use summary::Summary;
use untouched::{Surroundings, untouched};
use user::Login;

/// How long the daemon may take to answer; it waits 10 s for a proxy, 25 s for an issuer that refreshes a login, 15 s for one
/// whose token is looked at, and 10 s for the record.
const PATIENCE: Duration = Duration::from_secs(65);

/// Runs a command in a session of its own
///
/// Use it for every agent and job that may reach Snowflake; any user may, without root. The command runs as if it had
/// been started without Icecore, with the caller's user, terminal, limits and folder; its Snowflake connections are
/// governed and recorded, and any password or key that it brings is replaced by the host's credential. A summary and how
/// to read the record follow on standard error. When the command ends, what it left running is killed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = help::EXAMPLES,
    after_long_help = help::long()
)]
pub(super) struct Args {
    /// Says something about the session; goes into its record; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// Runs CMD only if its user cannot get around the redirection, and the config leaves no way either: not in `observe`
    /// mode, nor with `capture.guard = "sessions"`
    #[arg(long, value_name = "enforced", value_parser = ["enforced"])]
    require: Option<String>,

    /// Leaves the summary out; errors and warnings are printed all the same
    #[arg(long, short)]
    quiet: bool,

    /// Runs CMD as this user of /etc/passwd, with its groups, HOME, SHELL, USER and LOGNAME, as su(1) does; root only
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Lets a job's token be used though CMD, of the same uid as its caller, may read or mint the job's tokens; recorded
    #[arg(long)]
    allow_same_uid: bool,

    /// Hands this variable over though it opens something outside of the session; may be repeated
    #[arg(long, value_name = "NAME", value_parser = kept_outside::handed_over)]
    keep_env: Vec<String>,

    /// Says how much of a CI job runs in the session; goes into its record [default: step in a CI job, else command]
    #[arg(long, value_name = "HOW MUCH", value_parser = ["step", "job", "command"])]
    scope: Option<String>,

    /// Attests that CMD is given the prompt in this file: its turns that say the same are recorded as `attested`; may be
    /// repeated
    #[arg(long = "prompt-file", value_name = "FILE")]
    prompt_files: Vec<PathBuf>,

    /// Attests a prompt by its SHA-256, in hexadecimal: of its text with line feeds alone and without blanks around it; may
    /// be repeated
    #[arg(long = "prompt-sha256", value_name = "DIGEST", value_parser = prompt::digest)]
    prompt_digests: Vec<[u8; 32]>,

    #[command(flatten)]
    identity: TokenSource,

    #[command(flatten)]
    daemon: DaemonName,

    /// Becomes the command of this session
    #[arg(long, value_name = "SESSION", hide = true, value_parser = id::<SessionId>)]
    enter: Option<SessionId>,

    /// Lets the command use io_uring, as the daemon's config says
    #[arg(long, hide = true, requires = "enter")]
    io_uring: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command, or becomes it.
pub(super) fn run(args: Args, clock: Clock) -> ExitCode {
    // Others of the same user must not read the secret or the job's variables out of this process (proc(5), `PR_SET_DUMPABLE`).
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("icecore: warning: this process can be looked into: {error}");
    }
    if let Some(session) = args.enter {
        return enter::enter(&Orders {
            session,
            daemon: &args.daemon,
            user: args.user.as_deref(),
            rings: match args.io_uring {
                true => Rings::Allowed,
                false => Rings::Refused,
            },
            scope: scope(args.scope.as_deref()),
            command: &args.command,
        });
    }
    launch(args, clock).unwrap_or_else(|failure| failure.report())
}

fn launch(args: Args, clock: Clock) -> Result<ExitCode, Failure> {
    let Some(command) = args.command.first() else {
        return Err(Failure::text(Exit::Usage, "expected a command"));
    };
    let exe = match program::find(command, env::var_os("PATH").as_deref()) {
        Ok(exe) => exe,
        Err(error) => {
            tell(format_args!("icecore: {error}"));
            return Ok(error.exit_code());
        }
    };
    let labels = labels(args.labels)?;
    let prompts = prompt::digests(&args.prompt_files, args.prompt_digests)?;
    let has_prompts = !prompts.is_empty();
    let socket = args.daemon.socket()?;
    let mut lines = connect(&socket)?;
    let Reply::Identity(wanted) = ask(&mut lines, &Request::Identity {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    let found = args.identity.find(&wanted, args.user.as_deref())?;
    let kept = kept_outside::of(env::vars_os(), &args.keep_env);
    let scope = scope(args.scope.as_deref());
    let request = Request::Open {
        labels,
        exe: exe.to_string_lossy().into_owned(),
        argv_sha256: digest_of_arguments(&args.command),
        require_enforced: args.require.is_some(),
        user: args.user.clone(),
        allow_same_uid: args.allow_same_uid,
        scope,
        claimed_job: found
            .token
            .is_none()
            .then(job::claimed)
            .flatten()
            .map(Box::new),
        identity_token: found.token,
        prompts,
    };
    let Reply::Opened(opened) = ask(&mut lines, &request, PATIENCE)? else {
        return Err(misunderstood());
    };
    // From here on an early return ends the session: the control connection goes.
    let is_another = args.user.is_some();
    // Another user cannot look into the caller's own folders.
    let is_own = |name: &str| is_another && own_places(name);
    let caller = |name: &str| env::var_os(name).filter(|_| !is_own(name));
    let trust = Trust::write(&opened.certificate, opened.session, caller, clock.now())
        .and_then(|trust| {
            is_another.then(|| trust.open_to_others()).transpose()?;
            Ok(trust)
        })
        .map_err(|error| {
            let error = anyhow::Error::from(error).context("trust in the proxy cannot be set up");
            Failure::new(Exit::Unreachable, error)
        })?;
    let around = Surroundings {
        ca: &opened.ca,
        caller: &caller,
        exists: &|path| path.exists(),
        command: &args.command,
    };
    for warning in trust.warnings.iter().chain(&untouched(&around)) {
        tell(format_args!("icecore: warning: {warning}"));
    }
    // With `--quiet` too: who is read is to know it.
    if let Some(notice) = &opened.notice {
        tell(format_args!("icecore: {}", terminal(notice)));
    }
    if has_prompts && opened.notice.is_none() {
        tell(format_args!(
            "icecore: warning: no prompt is attested: no calls of models are read in this session (`[prompts]` of the config)"
        ));
    }
    let telemetry = telemetry::variables(&opened);
    if !args.quiet
        && let Some(line) = &telemetry.told
    {
        tell(format_args!("icecore: {line}"));
    }
    if !args.quiet
        && let Some(line) = kept_outside::told(&kept)
    {
        tell(format_args!("icecore: {line}"));
    }
    let not_started = |error: io::Error| {
        let error = anyhow::Error::from(error).context("the command cannot be started");
        Failure::new(Exit::Unreachable, error)
    };
    let entry = Entry {
        opened: &opened,
        socket: &socket,
        user: args.user.as_deref(),
        command: &args.command,
        trust: &trust,
        telemetry: &telemetry.variables,
        scope,
        removed: &[found.removed, kept].concat(),
    };
    let mut child = Child::start(&entry).map_err(not_started)?;
    let link = Link::hold(lines, &socket, &opened).map_err(not_started)?;
    if let Some(file) = found.file {
        link.follow(file).map_err(not_started)?;
    }
    let ending = child.wait().map_err(not_started)?;

    let told = link.close(ending.reason());
    drop(trust);
    let summary = Summary {
        opened: &opened,
        told: &told,
        is_roots_store: summary::is_roots(&opened.store),
    };
    if !args.quiet || !matches!(told, Told::Closed { problem: None, .. }) {
        summary.print();
    }
    Ok(ending.exit_code())
}

/// Gives what this process's environment says of the CI job that it runs in.
pub(super) fn claimed_job() -> Option<Ci> {
    job::claimed()
}

/// Makes this process another user's for good, with nothing to become root by; it must have one thread.
pub(super) fn become_user(name: &str) -> Result<(), Failure> {
    let login = Login::find(name)?;
    let cannot = |error: io::Error| {
        let error = anyhow::Error::from(error).context("privileges cannot be given up");
        Failure::new(Exit::Unreachable, error)
    };
    restrict::empty_bounding_set().map_err(cannot)?;
    login.begin()?;
    set_no_new_privs(true).map_err(|error| cannot(error.into()))
}

/// Tells whether a variable names a folder of the caller's own, into which another user cannot look.
pub(super) fn own_places(name: &str) -> bool {
    trust::OWN_PLACES.contains(&name)
}

/// Reads how much of a job the caller says to wrap; what runs in a CI job is a step of it unless that is said.
fn scope(said: Option<&str>) -> Scope {
    match said {
        Some("job") => Scope::Job,
        Some("step") => Scope::Step,
        None if job::claimed().is_some() => Scope::Step,
        Some(_) | None => Scope::Command,
    }
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    check_labels(&[(name.to_owned(), value.to_owned())].into())?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn labels(given: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let count = given.len();
    let labels: BTreeMap<String, String> = given.into_iter().collect();
    if labels.len() < count {
        return Err(Failure::text(Exit::Usage, "a label is given twice"));
    }
    if count > LABELS_MAX {
        let text = format!("expected at most {LABELS_MAX} labels, found {count}");
        return Err(Failure::text(Exit::Usage, text));
    }
    Ok(labels)
}

/// Digests the arguments, each followed by the NUL that the kernel puts there too.
pub(super) fn digest_of_arguments(command: &[OsString]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for argument in command {
        context.update(argument.as_bytes());
        context.update(&[0]);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
