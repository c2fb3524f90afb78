//! `icecore enter`: a session of processes that run already.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Exit;
use super::failure::Failure;
use super::looking::Looked;
use super::run::{TokenSource, Trust, claimed_job, label, labels, own_places};
use super::socket::{DaemonName, ask, connect, misunderstood};
use super::tell::tell;
use super::watching::{Enter, watch};
use crate::clock::Clock;
use crate::control::line::Lines;
use crate::control::live::{LiveAsk, LiveReply, ModelsTrust, Take};
use crate::control::request::{Reply, Request};
use crate::control::{HandedToken, Scope};
use crate::id::SessionId;
use crate::identity::Ci;
use crate::replay::terminal;

/// How long the daemon may take to answer; as for `icecore run`, and to move the processes.
pub(super) const PATIENCE: Duration = Duration::from_secs(70);

/// Makes a session of a process that runs, and of all that it started
///
/// Use it where the command cannot be started by `icecore run`: in a CI runner's hook before a job, for a container. With
/// --pid the process and its descendants are moved into the session, which ends with the process; what they keep from before
/// (privileges, sockets, variables) makes it advisory. With --container or --cgroup a container is a session where it is:
/// nothing is moved, the proxy listens in its network, and the session ends with the last process of its cgroup. Their
/// environment cannot be changed from outside: --export prints what makes drivers trust Icecore. Only root may.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore enter --pid \"$PPID\" --export github >> \"$GITHUB_ENV\"\n  eval \"$(icecore enter --pid $$ --export sh)\"\n  \
icecore enter --container \"$(docker inspect -f '{{.State.Pid}}' job)\" --require enforced --export json\n  \
icecore enter --watch ICECORE_SESSION=1 --require enforced   # each container of this host that has the variable\n  \
icecore enter --session \"$SESSION\" --netns-of \"$PID\"   # of a container that was started below the session's cgroup\n\n\
`icecore sessions --live` lists what runs, `icecore close SESSION` ends one.\n\n\
Exit codes: 0 the processes are in the session, 1 refused, 2 usage, 3 config, 4 no daemon."
)]
pub(super) struct Args {
    /// The process that the session is made of, and lives as long as
    #[arg(long, value_name = "PID", value_parser = process, group = "what")]
    pid: Option<u32>,

    #[command(flatten)]
    container: super::contain::Args,

    /// Refuses a process of another user: its number may be another's since it was looked at
    #[arg(long, value_name = "UID", value_parser = uid)]
    uid: Option<u32>,

    /// Refuses a process that started at another time: field 22 of /proc/PID/stat
    #[arg(long, value_name = "TICKS", value_parser = ticks)]
    started_at: Option<u64>,

    /// Says something about the session; goes into its record; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// Prints the variables that make drivers trust Icecore: for a shell's eval, for GITHUB_ENV, or all in one JSON object
    #[arg(long, value_name = "FORM", value_parser = ["sh", "github", "json"])]
    export: Option<String>,

    /// Says how much of a CI job runs in the session; goes into its record, where a container is one anyhow
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
    if let Some(joined) = args.container.join(&args.daemon) {
        return joined;
    }
    if let Some(sought) = args.container.sought() {
        let (engines, args) = (args.container.engines()?, args.clone());
        let enter: Arc<Enter> = Arc::new(move |looked, cgroup| {
            let mut lines = connect(&args.daemon.socket()?)?;
            // Of the watcher's own environment nothing is a container's: not its token, nor the job that it says to be.
            let take = take(&args, looked, labels.clone(), (None, None));
            made(&args, &mut lines, (take, Some(cgroup)), clock)
        });
        return watch(sought, engines, &enter);
    }
    let (pid, cgroup) = match args.pid {
        Some(pid) => (pid, None),
        None => args.container.find()?,
    };
    let mut lines = connect(&args.daemon.socket()?)?;
    let Reply::Identity(wanted) = ask(&mut lines, &Request::Identity {}, PATIENCE)? else {
        return Err(misunderstood());
    };
    let looked = Looked::at(pid, args.container.token_file())?;
    let token = match &looked.token {
        Some(_) => None,
        None => args.identity.find(&wanted, None)?.token,
    };
    let is_tokenless = token.is_none() && looked.token.is_none();
    let claimed_job = is_tokenless.then(claimed_job).flatten();
    let take = take(args, looked, labels, (token, claimed_job));
    made(args, &mut lines, (take, cgroup), clock)
}

/// Says what is asked for: a session of a process that was looked at, which shows the token that it sees, or else the caller's.
fn take(
    args: &Args,
    looked: Looked,
    labels: BTreeMap<String, String>,
    (of_caller, claimed_job): (Option<HandedToken>, Option<Ci>),
) -> Take {
    Take {
        pid: looked.pid,
        labels,
        exe: looked.exe,
        argv_sha256: looked.argv_sha256,
        allow_same_uid: args.allow_same_uid,
        scope: match args.scope.as_str() {
            "step" => Scope::Step,
            "command" => Scope::Command,
            _ => Scope::Job,
        },
        claimed_job,
        identity_token: looked.token.or(of_caller),
        uid: args.uid,
        // What was read is of the process that started then, and of no later one of its number.
        start_ticks: args.started_at.or(Some(looked.start_ticks)),
        models_trust: match hands_on(args) {
            true => ModelsTrust::Given,
            false => ModelsTrust::Found(looked.cas),
        },
    }
}

/// Tells whether the caller gets what makes the session's processes trust the proxy, to hand it on: variables for what is
/// started next, with files that it can read.
fn hands_on(args: &Args) -> bool {
    args.export.is_some() && (args.pid.is_some() || args.container.trust_dir().is_some())
}

/// Has the session made, and tells of it.
fn made(
    args: &Args,
    lines: &mut Lines,
    (take, cgroup): (Take, Option<PathBuf>),
    clock: Clock,
) -> Result<(), Failure> {
    let entered = match args.pid {
        Some(_) => taken(lines, take)?,
        None => args.container.contain(lines, take, cgroup)?,
    };
    let written = match args.export.as_deref() {
        None => write_out(&format!("{}\n", entered.session)),
        Some(form) => export(&entered, form, &args.container, clock),
    };
    written.map_err(|error| {
        let session = entered.session;
        let text = format!(
            "session {session} is open, but its trust cannot be told; `icecore close {session}` ends it"
        );
        Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
    })
}

/// What a session was made of, for whoever starts drivers in it.
#[derive(Debug, Serialize)]
pub(super) struct Entered {
    pub(super) session: SessionId,
    pub(super) cgroup: PathBuf,
    /// Cookie of its own network namespace.
    pub(super) network: Option<u64>,
    pub(super) enforcement: &'static str,
    /// Why it is advisory.
    pub(super) advisory: Option<String>,
    #[serde(skip)]
    pub(super) certificate: String,
}

/// Has a process and all that it started moved into a session.
fn taken(lines: &mut Lines, take: Take) -> Result<Entered, Failure> {
    let pid = take.pid;
    let ask_for = Request::Live(LiveAsk::Take(Box::new(take)));
    let Reply::Live(LiveReply::Taken(taken)) = ask(lines, &ask_for, PATIENCE)? else {
        return Err(misunderstood());
    };
    tell(format_args!(
        "icecore: session {}: {} in it, to end with process {pid}; advisory: {}",
        taken.session,
        counted(taken.processes),
        taken.advisory
    ));
    tell_notice(taken.notice.as_deref());
    Ok(Entered {
        session: taken.session,
        cgroup: taken.cgroup,
        network: None,
        enforcement: "advisory",
        advisory: Some(taken.advisory),
        certificate: taken.certificate,
    })
}

/// Tells what is read of a session's model calls: its people must know, whose log this is.
pub(super) fn tell_notice(notice: Option<&str>) {
    if let Some(notice) = notice {
        tell(format_args!("icecore: {}", terminal(notice)));
    }
}

/// Writes the files that drivers read, and prints the variables that name them.
fn export(
    entered: &Entered,
    form: &str,
    container: &super::contain::Args,
    clock: Clock,
) -> io::Result<()> {
    // Whose processes they are cannot look into root's own places.
    let caller = |name: &str| match (name, container.trust_dir()) {
        ("TMPDIR", Some(folder)) => Some(folder.as_os_str().to_owned()),
        _ => env::var_os(name).filter(|_| !own_places(name)),
    };
    let trust = Trust::write(&entered.certificate, entered.session, caller, clock.now())?;
    trust.open_to_others()?;
    for warning in &trust.warnings {
        tell(format_args!("icecore: warning: {warning}"));
    }
    let variables: BTreeMap<&str, String> = trust
        .leave()
        .into_iter()
        .map(|(name, value)| (name, container.seen_inside(&value.to_string_lossy())))
        .collect();
    if form == "json" {
        let told = Told {
            entered,
            ca_pem: entered.certificate.clone(),
            variables,
        };
        return write_out(&format!("{}\n", serde_json::to_string(&told)?));
    }
    let mut text = String::new();
    for (name, value) in &variables {
        text.push_str(&match form {
            "github" => for_github(name, value, entered.session),
            _ => for_shell(name, value),
        });
    }
    write_out(&text)
}

/// All that is known of a session, in one JSON object.
#[derive(Debug, Serialize)]
struct Told<'t> {
    #[serde(flatten)]
    entered: &'t Entered,
    /// The CA that its processes must trust, for those that cannot read a file of the host's.
    ca_pem: String,
    variables: BTreeMap<&'t str, String>,
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

pub(super) fn process(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(pid) if pid > 1 => Ok(pid),
        Ok(_) | Err(_) => Err(format!(
            "expected the number of a process, such as 4711, found {text:?}"
        )),
    }
}

/// Reads a uid.
fn uid(text: &str) -> Result<u32, String> {
    let problem = |_| format!("expected the number of a user, such as 1000, found {text:?}");
    text.parse().map_err(problem)
}

/// Reads the time of a process's start.
fn ticks(text: &str) -> Result<u64, String> {
    let problem = |_| {
        format!(
            "expected ticks since boot, such as 123456 (field 22 of /proc/PID/stat), found {text:?}"
        )
    };
    text.parse().map_err(problem)
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
