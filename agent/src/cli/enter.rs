//! `icecore enter`: a session of processes that run already.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::run::{TokenSource, Trust, claimed_job, digest_of_arguments, label, labels, own_places};
use super::socket::{DaemonName, ask, connect, misunderstood};
use super::tell::tell;
use crate::clock::Clock;
use crate::control::Scope;
use crate::control::live::{LiveAsk, LiveReply, Take, Taken};
use crate::control::request::{Reply, Request};
use crate::id::SessionId;

/// How long the daemon may take to answer; as for `icecore run`, and to move the processes.
const PATIENCE: Duration = Duration::from_secs(70);

/// Makes a session of a process that runs, and of all that it started
///
/// Use it where the command cannot be started by `icecore run`: in a CI runner's hook before a job, for a container. The
/// process and its descendants are moved into the session, which ends with the process. Their environment cannot be
/// changed from outside: --export prints what makes drivers trust Icecore. What they keep from before (privileges, sockets,
/// variables) makes the session advisory. Only root may.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore enter --pid \"$PPID\" --export github >> \"$GITHUB_ENV\"\n  eval \"$(icecore enter --pid $$ --export sh)\"\n  \
icecore enter --pid \"$(docker inspect -f '{{.State.Pid}}' job)\" --label container=job\n\n\
`icecore sessions --live` lists what runs, `icecore close SESSION` ends one.\n\n\
Exit codes: 0 the processes are in the session, 1 refused, 2 usage, 3 config, 4 no daemon."
)]
pub(super) struct Args {
    /// The process that the session is made of, and lives as long as
    #[arg(long, value_name = "PID", value_parser = process)]
    pid: u32,

    /// Says something about the session; goes into its record; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// Prints the variables that make drivers trust Icecore: for a shell's eval, or for GITHUB_ENV
    #[arg(long, value_name = "FORM", value_parser = ["sh", "github"])]
    export: Option<String>,

    /// Says how much of a CI job runs in the session; goes into its record
    #[arg(long, value_name = "HOW MUCH", value_parser = ["step", "job", "command"], default_value = "job")]
    scope: String,

    /// Lets a job's token be used though the processes hold what the job gets tokens by; recorded
    #[arg(long)]
    allow_same_uid: bool,

    #[command(flatten)]
    identity: TokenSource,

    #[command(flatten)]
    daemon: DaemonName,
}

/// Makes the session.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    match enter(args, clock) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn enter(args: &Args, clock: Clock) -> Result<(), Failure> {
    let labels = labels(args.labels.clone())?;
    let mut lines = connect(&args.daemon.socket()?)?;
    let Reply::Identity(wanted) = ask(&mut lines, &Request::Identity {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    let found = args.identity.find(&wanted, None)?;
    let claimed_job = found.token.is_none().then(claimed_job).flatten();
    let take = Take {
        pid: args.pid,
        claimed_job,
        identity_token: found.token,
        allow_same_uid: args.allow_same_uid,
        scope: match args.scope.as_str() {
            "step" => Scope::Step,
            "command" => Scope::Command,
            _ => Scope::Job,
        },
        ..of_process(args.pid, labels)?
    };
    let ask_for = Request::Live(LiveAsk::Take(Box::new(take)));
    let Reply::Live(LiveReply::Taken(taken)) = ask(&mut lines, &ask_for, PATIENCE)? else {
        return Err(misunderstood());
    };
    tell(format_args!(
        "icecore: session {}: {} in it, to end with process {}; advisory: {}",
        taken.session,
        counted(taken.processes),
        args.pid,
        taken.advisory
    ));
    let written = match &args.export {
        None => write_out(&format!("{}\n", taken.session)),
        Some(form) => export(&taken, form, clock),
    };
    written.map_err(|error| {
        let text = format!(
            "session {} is open, but its trust cannot be told; `icecore close {}` ends it",
            taken.session, taken.session
        );
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
    })
}

/// Reads what `/proc` says of a process's program.
fn of_process(pid: u32, labels: BTreeMap<String, String>) -> Result<Take, Failure> {
    let gone = |error: io::Error| {
        let text = format!("process {pid} cannot be looked at");
        Failure::new(Exit::Refused, anyhow::Error::from(error).context(text))
    };
    let exe = fs::read_link(format!("/proc/{pid}/exe")).map_err(gone)?;
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).map_err(gone)?;
    // Each argument ends with a NUL (proc(5), `/proc/pid/cmdline`).
    let arguments: Vec<_> = cmdline
        .strip_suffix(&[0])
        .unwrap_or(&cmdline)
        .split(|byte| *byte == 0)
        .map(|argument| OsStr::from_bytes(argument).to_owned())
        .collect();
    Ok(Take {
        pid,
        labels,
        exe: exe.to_string_lossy().into_owned(),
        argv_sha256: digest_of_arguments(&arguments),
        allow_same_uid: false,
        scope: Scope::Job,
        claimed_job: None,
        identity_token: None,
    })
}

/// Writes the files that drivers read, and prints the variables that name them.
fn export(taken: &Taken, form: &str, clock: Clock) -> io::Result<()> {
    // Whose processes they are cannot look into root's own places.
    let caller = |name: &str| env::var_os(name).filter(|_| !own_places(name));
    let trust = Trust::write(&taken.certificate, taken.session, caller, clock.now())?;
    trust.open_to_others()?;
    for warning in &trust.warnings {
        tell(format_args!("icecore: warning: {warning}"));
    }
    let mut text = String::new();
    for (name, value) in trust.leave() {
        let value = value.to_string_lossy();
        text.push_str(&match form {
            "github" => for_github(name, &value, taken.session),
            _ => for_shell(name, &value),
        });
    }
    write_out(&text)
}

/// Writes a variable for a shell's `eval` (POSIX, "Single-Quotes").
fn for_shell(name: &str, value: &str) -> String {
    format!("export {name}='{}'\n", value.replace('\'', r"'\''"))
}

/// Writes a variable for the file of `GITHUB_ENV`; what has several lines stands between two of a word that is in none of them.
/// Source: docs.github.com, "Workflow commands for GitHub Actions", "Multiline strings".
fn for_github(name: &str, value: &str, session: SessionId) -> String {
    if value.contains(['\n', '\r']) {
        format!("{name}<<icecore-{session}\n{value}\nicecore-{session}\n")
    } else {
        format!("{name}={value}\n")
    }
}

fn counted(processes: u64) -> String {
    match processes {
        1 => "1 process is".to_owned(),
        many => format!("{many} processes are"),
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn process(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(pid) if pid > 1 => Ok(pid),
        Ok(_) | Err(_) => Err(format!(
            "expected the number of a process, such as 4711, found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_and_a_runner_read_back_what_was_written() {
        let session = SessionId::new();
        let value = "it's \"$HOME\" `id`";
        let script = format!("{}printf %s \"$V\"", for_shell("V", value));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        assert_eq!(for_github("V", "a=b", session), "V=a=b\n");
        let lines = for_github("V", "a\nW=b", session);
        assert_eq!(
            lines,
            format!("V<<icecore-{session}\na\nW=b\nicecore-{session}\n")
        );
    }
}
