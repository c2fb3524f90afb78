//! `icecore doctor`: proves on this host, line by line, that jobs are governed.
//!
//! Nothing that is found on the host is run by root: what must be run runs in a throw-away session of the job's user, held as a
//! job is, and what must be tried from inside or outside is tried by this program itself, as that user.

mod containers;
mod drivers;
mod held;
mod hooks;
mod host;
mod inside;
mod judged;
mod line;
mod outward;
mod probe;
mod secret_files;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::geteuid;

use super::failure::{Failure, report_config};
use super::run::{Ended, Input, Throwaway, TokenSource};
use super::socket::{ask, connect};
use super::{ConfigFile, Exit};
use crate::clock::Clock;
use crate::config::{Config, Mode, RecordMode};
use crate::control::request::{Opened, Reply, Request};
use crate::control::upgrade::{UpgradeAsk, UpgradeReply, Which};
use crate::identity::Users;
use crate::supervisor::SOCKET;

use line::{Form, Line, Report};
pub(super) use probe::{Args as ProbeArgs, run as probe};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The label by which the record shows what doctor opened.
const LABEL: &str = "doctor";

/// The parts, in the order in which they are looked at.
const PARTS: [&str; 9] = [
    "daemon",
    "kernel",
    "session",
    "containers",
    "rights",
    "policies",
    "drivers",
    "accounts",
    "store",
];

/// Proves that this host governs its jobs, by trying it
///
/// Use it after installation, after each upgrade, and whenever something seems wrong; as root, beside the running daemon. For
/// --user, as whom jobs run, it opens throw-away sessions (label `doctor=true` in the record), and in them dials, binds and
/// opens what a job must not have, runs each driver that it finds with worthless credentials, and sees whether the proxy had
/// its statement. Each line says what was proved, or what failed and what to do. What could not be tried is `not checked`
/// and never counts as proved.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore doctor --user runner\n  icecore doctor --user runner --look /srv/jobs --json | jq '.checks[] | select(.outcome == \"failed\")'\n  icecore doctor --user runner --only kernel --only session\n\nParts: daemon, kernel, session, containers (those that are sessions now), rights, policies, drivers, accounts (with issuers and clocks), store.\n\nWith --json, `good` says that nothing failed; `counts` says of how much that is so. All was proved where `counts.failed`, `counts.warning` and `counts.not_checked` are 0.\n\nExit codes: 0 nothing failed, perhaps with warnings or lines that are not checked; 1 something failed, or not started by root; 2 usage; 3 config; 4 no daemon."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// The user of /etc/passwd that jobs run as
    #[arg(long, value_name = "NAME")]
    user: String,

    /// Looks for drivers below this folder too, beside the user's home, /opt, /srv and Python's own; may be repeated
    #[arg(long, value_name = "FOLDER")]
    look: Vec<PathBuf>,

    /// Looks at this part alone; may be repeated
    #[arg(long, value_name = "PART", value_parser = PARTS)]
    only: Vec<String>,

    /// Asks neither Snowflake nor issuers nor the store
    #[arg(long)]
    no_connect: bool,

    /// Prints one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    identity: TokenSource,
}

impl Args {
    /// Ends before anything was looked at: who reads JSON is told so in JSON too.
    fn unable(&self, exit: Exit, line: Line, report: impl FnOnce() -> ExitCode) -> ExitCode {
        let code = report();
        if self.json {
            let mut told = Report::new(Form::Json);
            told.add(line);
            told.finish_as(&self.user, exit);
        }
        code
    }
}

/// What all checks know.
struct Host<'h> {
    config: &'h Config,
    args: &'h Args,
    uid: u32,
    home: PathBuf,
    socket: PathBuf,
    clock: Clock,
}

/// Looks at everything.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let uid = geteuid().as_raw();
    if uid != 0 {
        let text = format!("expected to be started as root, found uid {uid}");
        let line = Line::failed("doctor", text.clone(), "start it by sudo");
        return args.unable(Exit::Refused, line, || {
            Failure::text(Exit::Refused, text).report()
        });
    }
    let config = match Config::load(&args.config.file) {
        Ok(config) => config,
        Err(errors) => {
            let fix = "`icecore check` tells what is wrong and where; docs/install.md says how a config begins";
            let line = Line::failed("config", errors.to_string(), fix);
            return args.unable(Exit::Config, line, || report_config(&errors));
        }
    };
    let Some(user) = Users::read().find(&args.user) else {
        let text = format!(
            "--user: expected a user of /etc/passwd, found {:?}",
            args.user
        );
        let fix = "name the user that jobs run as: `ps -eo user,args | grep -i runner` shows it";
        let line = Line::failed("user", text.clone(), fix);
        return args.unable(Exit::Usage, line, || {
            Failure::text(Exit::Usage, text).report()
        });
    };
    let host = Host {
        socket: config.daemon.run_dir.join(SOCKET),
        config: &config,
        args,
        uid: user.uid,
        home: user.home.into(),
        clock,
    };
    let mut report = Report::new(match args.json {
        true => Form::Json,
        false => Form::Lines,
    });
    host.look(&mut report);
    report.finish(&args.user).into()
}

impl Host<'_> {
    fn look(&self, report: &mut Report) {
        let daemon = self.daemon(report);
        let is_there = daemon.is_some();
        if self.wants("kernel") {
            report.extend(host::kernel(self));
        }
        let absent = "no daemon answers, so that no session can be opened";
        if self.wants("session") {
            match &daemon {
                // The outside first: later this process stands beside the daemon, whom nothing is denied.
                Some(daemon) => report.extend(inside::look(self, daemon.pid)),
                None => report.add(Line::not_checked("session", absent)),
            }
        }
        if self.wants("containers") && is_there {
            report.extend(containers::look(self));
        }
        if self.wants("rights") {
            report.add(host::rights(&self.args.user));
        }
        if self.wants("policies") {
            report.add(outward::policies(&self.args.config.file));
        }
        if self.wants("drivers") {
            match is_there {
                true => drivers::look(self, report),
                false => report.add(Line::not_checked("drivers", absent)),
            }
        }
        if self.wants("accounts") {
            match self.args.no_connect {
                true => report.add(Line::not_checked("accounts", "--no-connect")),
                false => report.extend(outward::accounts(self)),
            }
        }
        if self.wants("store") {
            match self.args.no_connect {
                true => report.add(Line::not_checked("store", "--no-connect")),
                false => report.extend(outward::store(self, is_there)),
            }
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|only| only == part)
    }

    /// Asks the daemon who it is; none if it does not answer, or does not serve.
    fn daemon(&self, report: &mut Report) -> Option<Which> {
        let asked = connect(&self.socket).and_then(|mut lines| {
            let which = Request::Upgrade(UpgradeAsk::Which {});
            ask(&mut lines, &which, PATIENCE)
        });
        let which = match asked {
            Ok(Reply::Upgrade(UpgradeReply::Which(which))) => which,
            Ok(_) => {
                report.unreachable();
                report.add(Line::failed(
                    "daemon",
                    "it answered something else",
                    "run the doctor of the daemon's own version",
                ));
                return None;
            }
            Err(failure) => {
                report.unreachable();
                report.add(Line::failed(
                    "daemon",
                    failure.words(),
                    "start it: `systemctl start icecore`, or `icecore daemon`; `journalctl -u icecore` says why it ended",
                ));
                return None;
            }
        };
        if self.wants("daemon") {
            report.extend(self.tell_daemon(&which));
        }
        which.serves.then_some(which)
    }

    fn tell_daemon(&self, which: &Which) -> Vec<Line> {
        let own = env!("CARGO_PKG_VERSION");
        let mut lines = Vec::new();
        lines.push(if !which.serves {
            Line::failed(
                "daemon",
                format!(
                    "process {} answers, and its proxy does not serve",
                    which.pid
                ),
                "its log says why the proxy ends; `icecore check` looks at config and policies",
            )
        } else if which.version != own {
            Line::warning(
                "daemon",
                format!(
                    "version {} runs as process {}, this program is {own}",
                    which.version, which.pid
                ),
                "`icecore upgrade` has the daemon take this program",
            )
        } else {
            let found = format!("version {own} serves as process {}", which.pid);
            Line::ok("daemon", found)
        });
        lines.push(match self.config.daemon.mode {
            Mode::Enforce => Line::ok("mode", "enforce: what policies refuse is refused"),
            Mode::Observe => Line::warning(
                "mode",
                "observe: nothing is refused, the record says what would have been",
                "set daemon.mode = \"enforce\" once the record shows what you expect",
            ),
        });
        let mode = self.config.record.mode;
        lines.push(match mode {
            RecordMode::BestEffort => Line::warning(
                "record mode",
                "best_effort: what is recorded may be lost",
                "set record.mode to \"strict_local\" or \"strict_remote\"",
            ),
            RecordMode::StrictLocal | RecordMode::StrictRemote => Line::ok(
                "record mode",
                format!("{}: no answer before its row is safe", mode.as_str()),
            ),
        });
        lines
    }

    /// Runs a command in a throw-away session of the job's user. One of this program's own is told its plan, with the CA that
    /// the daemon has handed out: root itself reads nothing in the folders of the proxy's user.
    fn session(
        &self,
        command: &[OsString],
        plan: Option<&probe::Plan>,
        within: Duration,
        look: impl FnMut(&Opened),
    ) -> Result<Ended, Failure> {
        let told = plan.map(|plan| {
            move |opened: &Opened| {
                let mut plan = plan.clone();
                plan.ca.clone_from(&opened.certificate);
                plan.written()
            }
        });
        let input = told.as_ref();
        let throwaway = Throwaway {
            socket: &self.socket,
            user: &self.args.user,
            identity: &self.args.identity,
            labels: BTreeMap::from([(LABEL.to_owned(), "true".to_owned())]),
            command,
            input: input.map(|told| told as &Input<'_>),
            within,
        };
        throwaway.run(self.clock, look)
    }

    /// Gives this program's own command to try something.
    fn probe(kind: &str) -> Vec<OsString> {
        // Whatever this program's file is called, and whoever may see its folder.
        let words = ["/proc/self/exe", "doctor-probe", kind];
        words.map(OsString::from).into()
    }
}
