//! What `icecore upgrade` asks for, looked at before anything changes; and the same look by the program that would take over.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::formats;
use super::proxy::Event;
use super::replacing::{By, Replacement};
use super::roster::Roster;
use super::session::Refusal;
use super::shared::Shared;
use crate::config::{Config, Untrusted, check_program};
use crate::connection::redirect;
use crate::control::upgrade::{
    HANDOVER_FORMAT, Incoming, Outgoing, UpgradeAsk, UpgradeReply, Which,
};
use crate::proxy;

/// How long a program may take to say whether it can take over; it may ask where credentials are kept.
const SAYS_WITHIN: Duration = Duration::from_secs(30);

/// Longest word of it that is read, in bytes.
const SAID_MAX_BYTES: u64 = 8 << 10;

/// How much longer than it was to wait for statements a replacement may take.
const MARGIN: Duration = Duration::from_secs(120);

/// Longest wait for statements that may be asked for.
const WITHIN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Shared {
    /// Answers one step of an upgrade, for root alone.
    pub(super) fn upgrade(&self, uid: u32, ask: UpgradeAsk) -> Result<UpgradeReply, Refusal> {
        if uid != 0 {
            let text = "only root may replace the proxy or the daemon";
            return Err(Refusal::Upgrade(text.to_owned()));
        }
        match ask {
            UpgradeAsk::Which {} => Ok(UpgradeReply::Which(self.which())),
            UpgradeAsk::Proxy { wait_s, now } => {
                self.look_at_config().map_err(Refusal::Upgrade)?;
                self.have_replaced(By::Proxy, wait_s, now)
            }
            UpgradeAsk::Daemon {
                program,
                wait_s,
                now,
            } => {
                let program = program.map_or_else(own_program, Ok);
                let program = program.and_then(|program| self.try_program(program));
                let program = program.map_err(Refusal::Upgrade)?;
                self.have_replaced(By::Program(program), wait_s, now)
            }
        }
    }

    fn which(&self) -> Which {
        let taken = self.taken();
        Which {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            upgrades: taken.upgrades,
            failure: taken.failure,
            serves: self.proxy(Duration::ZERO).is_some(),
        }
    }

    /// Notes why a program did not take over.
    pub(super) fn note_failure(&self, why: String) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.upgrades += 1;
        taken.failure = Some(why);
    }

    fn have_replaced(&self, by: By, wait_s: u64, now: bool) -> Result<UpgradeReply, Refusal> {
        let within = Duration::from_secs(wait_s).min(WITHIN_MAX);
        let (asker, told) = mpsc::sync_channel(1);
        let asked = Event::Replace(Replacement {
            by,
            within,
            now,
            asker: Some(asker),
        });
        // Nobody hears it only once the supervisor has stopped.
        self.events.send(asked).map_err(|_| Refusal::Stopping)?;
        match told.recv_timeout(within + MARGIN) {
            Ok(outcome) => outcome.map_err(Refusal::Upgrade),
            Err(_) => Err(Refusal::Upgrade(
                "nothing came of it in time; the daemon's log says why".to_owned(),
            )),
        }
    }

    /// Looks whether a proxy can read the config anew beside this supervisor, which does not.
    fn look_at_config(&self) -> Result<(), String> {
        let config = Config::load_beside_policies(&self.config.source);
        let config = config.map_err(|errors| format!("the config is not good: {errors}"))?;
        let (now, were) = (&config, &self.config);
        if now.daemon == were.daemon && now.capture == were.capture {
            return Ok(());
        }
        Err("`[daemon]` or `[capture]` of the config is another than the daemon's own; `icecore upgrade` takes changes of \
             `mode`, `org`, `shutdown_grace`, `redirect_ports` and `program_logs`, all others want a restart"
            .to_owned())
    }

    /// Has a program say whether it can take over; gives it if it can. Nothing is changed.
    fn try_program(&self, program: PathBuf) -> Result<PathBuf, String> {
        let at = program.display().to_string();
        check_program(&program).map_err(|error| {
            format!(
                "program: expected {}, found {}",
                error.expected, error.found
            )
        })?;
        let Config {
            daemon, capture, ..
        } = &self.config;
        let outgoing = Outgoing {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            handover: HANDOVER_FORMAT,
            run_dir: daemon.run_dir.clone(),
            state_dir: daemon.state_dir.clone(),
            root: capture.root.clone(),
            pin_dir: capture.pin_dir.clone(),
            port: capture.port,
        };
        let said = ask(&program, &self.config.source, &outgoing)
            .map_err(|error| format!("`{at}` cannot be asked whether it can take over: {error}"))?;
        let text = match said {
            Said::Yes(text) => text,
            Said::No(why) => return Err(format!("`{at}` cannot take over: {why}")),
        };
        let incoming: Incoming = serde_json::from_slice(&text).map_err(|_| {
            format!("`{at}` cannot take over: expected the word of an icecore, found another")
        })?;
        if incoming.handover != HANDOVER_FORMAT {
            return Err(other_form(incoming.handover));
        }
        Ok(program)
    }
}

/// Looks, for a running daemon of any version, whether this program can take over from it. Changes nothing.
///
/// # Errors
/// Why not, in words; the daemon goes on as before.
pub fn can_take_over(config: &Config, outgoing: &Outgoing) -> Result<Incoming, String> {
    if outgoing.handover != HANDOVER_FORMAT {
        return Err(other_form(outgoing.handover));
    }
    let Config {
        daemon, capture, ..
    } = config;
    let places = [
        ("daemon.run_dir", &daemon.run_dir, &outgoing.run_dir),
        ("daemon.state_dir", &daemon.state_dir, &outgoing.state_dir),
        ("capture.root", &capture.root, &outgoing.root),
        ("capture.pin_dir", &capture.pin_dir, &outgoing.pin_dir),
    ];
    for (key, now, was) in places {
        if now != was {
            let (now, was) = (now.display(), was.display());
            return Err(format!(
                "{key}: expected `{was}`, as the daemon has it, found `{now}`; restart it to change that"
            ));
        }
    }
    if capture.port != outgoing.port {
        let (now, was) = (capture.port, outgoing.port);
        return Err(format!(
            "capture.port: expected {was}, as the daemon has it, found {now}; restart it to change that"
        ));
    }
    let later = |error: formats::LaterState| format!("{:#}", anyhow::Error::from(error));
    formats::look(&daemon.run_dir, formats::OF_RUN_DIR).map_err(later)?;
    let unfit = |unfit: Untrusted| {
        let Untrusted { expected, found } = unfit;
        format!("daemon.user: expected {expected}, found {found}")
    };
    let owner = config.owner().map_err(unfit)?;
    formats::look_as(owner, &daemon.state_dir, formats::OF_STATE_DIR).map_err(later)?;
    Roster::look(&daemon.run_dir)?;
    redirect::look_at_pins(&capture.pin_dir)
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    proxy::rehearse(&config.source)?;
    Ok(Incoming {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        handover: HANDOVER_FORMAT,
    })
}

fn other_form(found: u32) -> String {
    format!(
        "expected a hand-over of form {HANDOVER_FORMAT}, found {found}; stop the daemon and start the other one: sessions wait, cut off"
    )
}

/// Names the program that runs, as it is on disk by now.
fn own_program() -> Result<PathBuf, String> {
    let link = fs::read_link("/proc/self/exe").map_err(|error| error.to_string())?;
    // The kernel's mark for a file that was replaced or removed (d_path, fs/d_path.c).
    let text = link.to_string_lossy();
    Ok(match text.strip_suffix(" (deleted)") {
        Some(path) => PathBuf::from(path),
        None => link,
    })
}

/// What a program said.
enum Said {
    Yes(Vec<u8>),
    No(String),
}

fn ask(program: &Path, config: &Path, outgoing: &Outgoing) -> io::Result<Said> {
    let mut child = Command::new(program)
        .args(["daemon", "--can-take-over", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let asked = serde_json::to_vec(outgoing)?;
    if let Some(mut stdin) = stdin {
        // One that does not read it says no by its exit code.
        drop(stdin.write_all(&asked));
    }
    let (said, hears) = mpsc::channel();
    thread::Builder::new()
        .name("hears".to_owned())
        .spawn(move || drop(said.send(words(stdout, stderr))))?;
    let Ok((out, errors)) = hears.recv_timeout(SAYS_WITHIN) else {
        end(&mut child)?;
        return Ok(Said::No(format!("it said nothing within {SAYS_WITHIN:?}")));
    };
    let status = end(&mut child)?;
    if status.success() {
        return Ok(Said::Yes(out));
    }
    let lines: Vec<&str> = errors
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = match lines.as_slice() {
        [] => format!("{status}"),
        lines => lines.join("; "),
    };
    Ok(Said::No(
        text.strip_prefix("icecore: ").unwrap_or(&text).to_owned(),
    ))
}

fn words(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> (Vec<u8>, String) {
    let mut out = Vec::new();
    let mut errors = Vec::new();
    // What cannot be read was not said.
    if let Some(stdout) = stdout {
        drop(stdout.take(SAID_MAX_BYTES).read_to_end(&mut out));
    }
    if let Some(stderr) = stderr {
        drop(stderr.take(SAID_MAX_BYTES).read_to_end(&mut errors));
    }
    (out, String::from_utf8_lossy(&errors).into_owned())
}

/// Waits for a program that has said what it had to say, and ends it if it goes on.
fn end(child: &mut Child) -> io::Result<std::process::ExitStatus> {
    for _ in 0..100 {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()
}
