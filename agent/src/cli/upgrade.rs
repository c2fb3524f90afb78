//! `icecore upgrade`: replaces the proxy or the daemon while sessions go on.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::Exit;
use super::failure::Failure;
use super::socket::{DaemonName, ask, connect, misunderstood};
use crate::clock::Clock;
use crate::config::unit;
use crate::control::request::{Reply, Request};
use crate::control::upgrade::{UpgradeAsk, UpgradeReply, Which};

/// How much longer than it waits for statements a replacement may take.
const MARGIN: Duration = Duration::from_secs(150);

/// How long the daemon may take to say who it is.
const WHICH_WITHIN: Duration = Duration::from_secs(10);

/// How long the program that takes over may take to serve; it gives all back after 20 s.
const SERVES_WITHIN: Duration = Duration::from_secs(60);

/// How long nobody may answer before the process is taken for gone; callers wait in its socket while a program starts.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// How often it is asked.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// Replaces the daemon by another program, or its proxy, while sessions go on
///
/// Use it after the binary or the config was changed. No connect is refused: it waits a moment. The program first shows that it
/// can go on with all there is; if not, nothing changes. It takes over in the same process, so that systemd sees no
/// restart, and if it does not come to serve, the one before has all back. An earlier version is taken in the same way. With
/// --proxy the program stays, and its proxy reads the config anew; SIGUSR2 does the same. Only root may ask for it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore upgrade\n  icecore upgrade /opt/icecore-1.2/icecore\n  icecore upgrade --proxy --wait 10m\n\nExit codes: 0 replaced; 1 refused, and all goes on as before; 2 usage; 3 config; 4 no daemon, or none that serves."
)]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonName,

    /// The program that takes over [default: the daemon's own, as it is on disk]
    #[arg(value_name = "BINARY", conflicts_with = "proxy")]
    program: Option<PathBuf>,

    /// Replaces the proxy alone
    #[arg(long)]
    proxy: bool,

    /// How long to wait for a moment at which no statement is under way
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = wait)]
    wait: Duration,

    /// Cuts off what is still under way by then; the record says so
    #[arg(long)]
    now: bool,
}

/// Asks the daemon and says what came of it.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let done = args.daemon.socket().and_then(|socket| {
        if args.proxy {
            replace_proxy(&socket, args)
        } else {
            replace_daemon(&socket, args, clock)
        }
    });
    let told = done.and_then(|line| {
        let written = writeln!(io::stdout().lock(), "{line}");
        written.map_err(|error| Failure::new(Exit::Bug, error))
    });
    match told {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn replace_proxy(socket: &Path, args: &Args) -> Result<String, Failure> {
    let asked = UpgradeAsk::Proxy {
        wait_s: args.wait.as_secs(),
        now: args.now,
    };
    match say(socket, asked, args.wait + MARGIN)? {
        UpgradeReply::Replaced { paused_ms } => Ok(format!(
            "proxy replaced; connects waited for {paused_ms} ms"
        )),
        UpgradeReply::Begun {} | UpgradeReply::Which(_) => Err(misunderstood()),
    }
}

fn replace_daemon(socket: &Path, args: &Args, clock: Clock) -> Result<String, Failure> {
    let before = which(socket)?;
    let program = args.program.as_ref().map(std::path::absolute).transpose();
    let asked = UpgradeAsk::Daemon {
        program: program.map_err(|error| Failure::new(Exit::Usage, error))?,
        wait_s: args.wait.as_secs(),
        now: args.now,
    };
    match say(socket, asked, args.wait + MARGIN)? {
        UpgradeReply::Begun {} => {}
        UpgradeReply::Replaced { .. } | UpgradeReply::Which(_) => return Err(misunderstood()),
    }
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let began_ns = clock.mono_ns();
    let mut there_ns = began_ns;
    loop {
        let now_ns = clock.mono_ns();
        match which(socket) {
            Ok(after) if after.upgrades > before.upgrades && after.serves => {
                return outcome(&before, after);
            }
            Ok(_) => there_ns = now_ns,
            Err(_) if now_ns - there_ns > nanos(GONE_AFTER) => return Err(lost()),
            Err(_) => {}
        }
        if now_ns - began_ns > nanos(SERVES_WITHIN) {
            return Err(lost());
        }
        thread::sleep(ASK_INTERVAL);
    }
}

fn outcome(before: &Which, after: Which) -> Result<String, Failure> {
    match after.failure {
        None => Ok(format!(
            "daemon replaced: {} by {}, process {}",
            before.version, after.version, after.pid
        )),
        Some(why) => {
            let text =
                format!("the program did not take over, and the one before has all back: {why}");
            Err(Failure::text(Exit::Refused, text))
        }
    }
}

fn lost() -> Failure {
    let text = "the program that was to take over does not serve, nor does the one before: sessions are cut off, and nothing goes around";
    Failure::text(Exit::Unreachable, text).hint(Some(
        "put the binary back that worked and start the service: systemctl restart icecore; sessions wait for it",
    ))
}

fn which(socket: &Path) -> Result<Which, Failure> {
    match say(socket, UpgradeAsk::Which {}, WHICH_WITHIN)? {
        UpgradeReply::Which(which) => Ok(which),
        UpgradeReply::Replaced { .. } | UpgradeReply::Begun {} => Err(misunderstood()),
    }
}

fn say(socket: &Path, asked: UpgradeAsk, patience: Duration) -> Result<UpgradeReply, Failure> {
    let mut lines = connect(socket)?;
    let Reply::Upgrade(reply) = ask(&mut lines, &Request::Upgrade(asked), patience)? else {
        return Err(misunderstood());
    };
    Ok(reply)
}

fn wait(text: &str) -> Result<Duration, String> {
    unit::duration(text)
        .ok_or_else(|| format!("expected a duration such as 60s or 10m, found `{text}`"))
}
