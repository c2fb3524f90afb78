//! A whole world for one test: emulator, trap, daemon, names, users. All of it goes when the value is dropped.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::certificates::Certificates;
use super::cgroup::Cgroup;
use super::config::{Config, OtherAccount};
use super::credential::CredentialKind;
use super::daemon::Daemon;
use super::driver::{Driver, Finished};
use super::gate::{Gate, GateOptions};
use super::mount::BpfFolder;
use super::namespace::Namespace;
use super::port::Port;
use super::reaper::Reaper;
use super::trap::Trap;
use super::{programs, store};
use crate::drivers::Product;
use crate::emulator::{Account, Tuning};
use crate::python::{self, Generation};
use crate::time;

/// The user that an agent is, as which nothing of Icecore's may be reached.
pub const AGENT_UID: u32 = 65534;

/// The password that drivers bring; it is worth nothing and must not be kept anywhere either.
pub const DUMMY_PASSWORD: &str = "dummy-password-3b1c";

static NEXT: AtomicU16 = AtomicU16::new(0);

/// What differs from one world to the next.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Waiting times of the emulator.
    pub tuning: Tuning,
    /// `enforce` or `observe`.
    pub mode: String,
    /// `strict_local` or `best_effort`.
    pub record_mode: String,
    /// Most bytes that wait on the local disk.
    pub spool_max: String,
    /// Changes the config's text before it is written.
    pub edit: fn(String) -> String,
    /// Whether the proxy trusts a CA that the emulator's certificate is not from.
    pub wrong_ca: bool,
    /// What the account's user proves itself by.
    pub credential: CredentialKind,
    /// Other names of the account.
    pub aliases: Vec<&'static str>,
    /// Other accounts, each with a key pair of its own.
    pub accounts: Vec<PlannedAccount>,
    /// Users and roles that the account's credential opens too.
    pub roles: Vec<(&'static str, &'static str)>,
    /// The least level of the daemon's log lines.
    pub log: &'static str,
}

/// An account besides ACME, or ACME under a host of another form.
#[derive(Clone, Debug)]
pub struct PlannedAccount {
    /// Host name.
    pub host: &'static str,
    /// The name that the emulator expects in logins and JWTs for this host.
    pub name: &'static str,
    /// Other names of the same account.
    pub aliases: Vec<&'static str>,
    /// User.
    pub user: &'static str,
    /// Role.
    pub role: &'static str,
}

impl Default for Plan {
    /// Enforcing, strict, with polls within seconds.
    fn default() -> Self {
        Self {
            tuning: Tuning::default(),
            mode: "enforce".into(),
            record_mode: "strict_local".into(),
            spool_max: "64MiB".into(),
            edit: |text| text,
            wrong_ca: false,
            credential: CredentialKind::KeyPair,
            aliases: Vec::new(),
            accounts: Vec::new(),
            roles: Vec::new(),
            log: "info",
        }
    }
}

/// Emulator, trap, daemon and the folder they live in. Fields are dropped in this order.
#[derive(Debug)]
pub struct World {
    /// The daemon; `None` while a test has it stopped.
    pub daemon: Option<Daemon>,
    /// The emulator.
    pub gate: Gate,
    /// Where the account's name leads without redirection.
    pub trap: Trap,
    /// The daemon's config.
    pub config: Config,
    /// Where the account's name leads.
    pub account_address: Ipv4Addr,
    /// The world's cgroup.
    pub cgroup: Cgroup,
    /// The program under test.
    pub icecore: PathBuf,
    /// Names of other hosts, and where they lead, for commands of the world.
    pub names: Vec<(String, Ipv4Addr)>,
    /// Variables of the daemon's environment, from its next start on.
    pub variables: Vec<(String, String)>,
    /// Whether the daemon sees the kernel's tracepoints, from its next start on.
    pub is_traced: bool,
    /// Whether it sees none in any case.
    pub is_untraced: bool,
    log: &'static str,
    _pins: BpfFolder,
    _port: Port,
    folder: TempDir,
    _reaper: Reaper,
}

impl World {
    /// Makes a world and waits until its daemon takes sessions.
    pub fn start(plan: &Plan) -> Result<Self> {
        let mut world = Self::without_daemon(plan)?;
        world.start_daemon()?;
        Ok(world)
    }

    /// Makes a world whose daemon is not started yet.
    pub fn without_daemon(plan: &Plan) -> Result<Self> {
        let built = programs::built()?;
        for generation in Generation::ALL {
            python::interpreter(generation)?;
        }
        let folder = tempfile::Builder::new().prefix("icecore-test-").tempdir()?;
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        let icecore = programs::place("icecore", path)?;
        let hosts: Vec<String> = plan.accounts.iter().map(|a| a.host.to_owned()).collect();
        let certificates = Certificates::make_for(path, "upstream", &hosts)?;
        let proof = plan.credential.make(path)?;
        let others = others(plan, path)?;
        let cgroup = Cgroup::make()?;
        let reaper = Reaper::watch(cgroup.path(), path)?;
        let pins = BpfFolder::mount(&path.join("bpf"))?;
        let options = GateOptions {
            tuning: plan.tuning,
            credential: proof.registered,
            roles: plan.roles.clone(),
            others: others.iter().map(|(account, _)| account.clone()).collect(),
            ..GateOptions::default()
        };
        let gate_folder = path.join("gate");
        let program = built.join("icecore-emulator");
        let gate = Gate::start(&program, &gate_folder, &certificates, &options)?;
        fs::set_permissions(&gate_folder, fs::Permissions::from_mode(0o700))?;
        let account_address = account_address();
        let port = Port::take()?;
        let config = Config {
            mode: plan.mode.clone(),
            folder: path.to_owned(),
            cgroup: cgroup.path().to_owned(),
            pins: pins.path().join("icecore"),
            port: port.number(),
            upstream_ca: if plan.wrong_ca {
                Certificates::make(path, "other")?.ca_file
            } else {
                certificates.ca_file
            },
            upstream: gate.address(),
            key_file: proof.file,
            credential: Some(proof.line),
            aliases: plan.aliases.iter().map(|&name| name.into()).collect(),
            others: others.into_iter().map(|(_, config)| config).collect(),
            record_mode: plan.record_mode.clone(),
            store: path.join("store"),
            spool_max: plan.spool_max.clone(),
            shutdown_grace: "5s".into(),
        };
        copy_policies(&config.policies())?;
        fs::write(path.join("icecore.toml"), (plan.edit)(config.text()))?;
        Ok(Self {
            daemon: None,
            gate,
            trap: Trap::set(SocketAddr::from((account_address, 443)))?,
            config,
            account_address,
            cgroup,
            icecore,
            names: Vec::new(),
            variables: Vec::new(),
            is_traced: false,
            is_untraced: false,
            log: plan.log,
            _pins: pins,
            _port: port,
            folder,
            _reaper: reaper,
        })
    }

    /// Starts the daemon, again if it ran before, and waits until it takes sessions.
    pub fn start_daemon(&mut self) -> Result<()> {
        let log = self.path("daemon.log");
        let outside = self.cgroup.outside();
        let start = match (self.is_traced, self.is_untraced) {
            (true, _) => Daemon::start_traced,
            (false, true) => Daemon::start_untraced,
            (false, false) => Daemon::start,
        };
        let mut daemon = start(
            &self.icecore,
            &self.config_file(),
            &outside,
            &log,
            self.log,
            &self.variables,
        )?;
        daemon.wait_until(|| self.takes_sessions())?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Kills the proxy and waits until another one takes sessions.
    pub fn replace_proxy(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("the daemon is stopped")?;
        let killed = daemon.proxy()?;
        kill_process(killed, Signal::KILL)?;
        let is_other = |daemon: &Daemon| daemon.proxy().is_ok_and(|proxy| proxy != killed);
        let start = time::instant();
        while !is_other(&daemon) && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon.wait_until(|| self.takes_sessions())?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Tells whether a session can be opened, or is refused by the proxy for want of a token.
    #[must_use]
    pub fn takes_sessions(&self) -> bool {
        let opened = self
            .session(0, &[], OsStr::new("true"))
            .and_then(|mut command| Ok(command.output()?));
        opened.is_ok_and(|output| {
            let errors = String::from_utf8_lossy(&output.stderr);
            output.status.success() || errors.contains("identity refused")
        })
    }

    /// Gives the running daemon.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("the daemon is stopped")
    }

    /// Gives a path in the world's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives the config file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path("icecore.toml")
    }

    /// Gives the daemon's control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.config.run_dir().join("control.sock")
    }

    /// Gives a command that runs `program` in a session as user `uid`, with names of the world and an empty environment.
    pub fn session(&self, uid: u32, options: &[&str], program: &OsStr) -> Result<Command> {
        let mut words: Vec<OsString> = self.as_user(uid);
        words.push(self.icecore.clone().into());
        words.push("run".into());
        words.push("--control".into());
        words.push(self.control_socket().into());
        words.extend(options.iter().map(OsString::from));
        words.push("--".into());
        words.push(program.to_owned());
        self.command(&words)
    }

    /// Gives a command that runs `program` below the world's cgroup but in no session.
    pub fn outside(&self, uid: u32, program: &OsStr) -> Result<Command> {
        let mut words = self.as_user(uid);
        words.push(program.to_owned());
        self.command(&words)
    }

    fn as_user(&self, uid: u32) -> Vec<OsString> {
        if uid == 0 {
            return Vec::new();
        }
        [
            "setpriv",
            "--clear-groups",
            "--reuid",
            &uid.to_string(),
            "--regid",
            &uid.to_string(),
        ]
        .map(OsString::from)
        .to_vec()
    }

    fn command(&self, words: &[OsString]) -> Result<Command> {
        let address = self.account_address.to_string();
        let home = self.path("home");
        fs::create_dir_all(&home)?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o777))?;
        let others = self.config.others.iter();
        let others = others.flat_map(|other| std::iter::once(&other.host).chain(&other.aliases));
        let more: Vec<(&str, String)> = (self.names.iter())
            .map(|(name, address)| (name.as_str(), address.to_string()))
            .collect();
        let names: Vec<(&str, &str)> = std::iter::once("acme.snowflakecomputing.com")
            .chain(self.config.aliases.iter().chain(others).map(String::as_str))
            .map(|name| (name, address.as_str()))
            .chain(more.iter().map(|(name, at)| (*name, at.as_str())))
            .collect();
        let namespace = Namespace::new(self.folder.path(), &names)?
            .in_cgroup(&self.cgroup.outside())
            .readable_by_others(&self.path("aside"));
        let (program, rest) = words.split_first().context("no program")?;
        let environment = [("HOME", home.as_os_str()), ("TMPDIR", home.as_os_str())];
        let mut command = namespace.command(&environment, program);
        command.args(rest);
        Ok(command)
    }

    /// Starts steps of a driver in a session of the agent's user.
    pub fn start_driver(&self, product: impl Into<Product>, steps: &Value) -> Result<Driver> {
        self.start_driver_as(AGENT_UID, product, steps)
    }

    /// Starts steps of a driver in a session of a user's.
    pub fn start_driver_as(
        &self,
        uid: u32,
        product: impl Into<Product>,
        steps: &Value,
    ) -> Result<Driver> {
        self.start_in(uid, &[], product.into(), steps)
    }

    /// Starts steps of a driver in a session of the agent's user, without some variables that the session has.
    pub fn start_driver_without(
        &self,
        variables: &[&str],
        product: Product,
        steps: &Value,
    ) -> Result<Driver> {
        let unset = variables.iter().flat_map(|name| ["-u", name]);
        let env: Vec<&str> = std::iter::once("env").chain(unset).collect();
        self.start_in(AGENT_UID, &env, product, steps)
    }

    /// Starts steps of a driver in a session of a user's, by a program that starts others.
    fn start_in(
        &self,
        uid: u32,
        starter: &[&str],
        product: Product,
        steps: &Value,
    ) -> Result<Driver> {
        let script = self.path(product.script().unwrap_or_default());
        for name in product
            .script()
            .into_iter()
            .chain(["run_steps.py", "every_cell.py"])
        {
            fs::copy(python::folder("drivers").join(name), self.path(name))?;
        }
        let starter = starter.iter().map(OsString::from);
        let words: Vec<OsString> = starter.chain(product.words(&script)?).collect();
        let (program, arguments) = words.split_first().context("no program")?;
        let mut command = self.session(uid, &[], program)?;
        command.args(arguments).arg(steps.to_string());
        Driver::start(command)
    }

    /// Runs steps of a driver in a session of the agent's user, to its end.
    pub fn drive(&self, product: impl Into<Product>, steps: &Value) -> Result<Finished> {
        self.start_driver(product, steps)?.finish()
    }

    /// Runs an `icecore` command of an operator's.
    pub fn icecore(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(&self.icecore)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()?)
    }

    /// Seals the record into the store.
    pub fn flush(&self) -> Result<()> {
        let control = self.control_socket();
        let output = self.icecore(&["flush", "--control", &control.to_string_lossy()])?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "icecore flush: {errors}");
        Ok(())
    }

    /// Runs a query over the record.
    pub fn query(&self, sql: &str) -> Result<Vec<Value>> {
        store::query(&self.icecore, &self.config.store, self.folder.path(), sql)
    }
}

/// Makes the other accounts of a plan, as the emulator and as the config know them.
fn others(plan: &Plan, folder: &Path) -> Result<Vec<(Account, OtherAccount)>> {
    let make = |planned: &PlannedAccount| {
        let own = folder.join(planned.host);
        fs::create_dir(&own)?;
        let proof = CredentialKind::KeyPair.make(&own)?;
        let account = Account {
            name: planned.name.into(),
            hosts: vec![planned.host.into()],
            user: planned.user.into(),
            role: planned.role.into(),
            warehouse: None,
            credential: proof.registered,
            secondary_roles_none: true,
        };
        let config = OtherAccount {
            host: planned.host.into(),
            aliases: planned.aliases.iter().map(|&name| name.into()).collect(),
            user: planned.user.into(),
            role: planned.role.into(),
            credential: proof.line,
        };
        Ok((account, config))
    };
    plan.accounts.iter().map(make).collect()
}

/// Gives an address of 127.77.0.0/16 that no other world of this process has.
fn account_address() -> Ipv4Addr {
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id().to_be_bytes();
    let third = process.last().copied().unwrap_or_default() | 0x80;
    Ipv4Addr::new(127, 77, third, low.wrapping_add(high).wrapping_add(10))
}

/// Puts the pack in place that lets sessions read and no more.
fn copy_policies(to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    let pack = "read-only.cedar";
    fs::copy(python::folder("../policies").join(pack), to.join(pack))?;
    Ok(())
}
