//! The emulator as a process of a test: started, told what to do wrong, and read.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::certificates::Certificates;
use crate::emulator::{
    Account, Credential, Described, Endpoint, Fault, FaultKind, Planted, Ready, Settings, Tag,
    Tuning,
};
use crate::python::{self, Generation};

/// How the statements begin that are Icecore's own: its looks at logins and catalogues.
const OWN_LOOK: &str = "/* icecore ";

/// Tables and values that are there before the first login; the values are searched for where they must not be.
pub const SETUP: [&str; 5] = [
    "create table ACME_DB.PUBLIC.ORDERS (ID int, CUSTOMER varchar, AMOUNT number(10,2))",
    "insert into ACME_DB.PUBLIC.ORDERS values (1, 'ada', 12.50), (2, 'grace', 99.99), (3, 'edsger', 7.00)",
    "create table ACME_DB.PUBLIC.PAYROLL (NAME varchar, SALARY int)",
    "insert into ACME_DB.PUBLIC.PAYROLL values ('canary-salary-7f3a9c', 123456)",
    "create table ACME_DB.PUBLIC.NUMBERS as select seq4() as N from table(generator(rowcount => 20000))",
];

/// A running emulator; it ends when this value is dropped.
#[derive(Debug)]
pub struct Gate {
    child: Child,
    ready: Ready,
    journal_file: PathBuf,
    canaries_file: PathBuf,
    errors_file: PathBuf,
}

/// What differs from one emulator to the next.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// Where its TLS listener binds; port 0 asks for a free one.
    pub listen: SocketAddr,
    /// Waiting times.
    pub tuning: Tuning,
    /// Whether logins must say `SECONDARY_ROLES: NONE`; only a driver without a proxy before it may not.
    pub secondary_roles_none: bool,
    /// What opens the account.
    pub credential: Credential,
    /// Users and roles that this credential opens too.
    pub roles: Vec<(&'static str, &'static str)>,
    /// Other accounts that the emulator serves too.
    pub others: Vec<Account>,
}

impl Default for GateOptions {
    /// Any free port of an address that nothing redirects, and a strict login that no credential opens.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 77, 0, 1], 0)),
            tuning: Tuning::default(),
            secondary_roles_none: true,
            credential: Credential::Pat {
                token: String::new(),
            },
            roles: Vec::new(),
            others: Vec::new(),
        }
    }
}

impl Gate {
    /// Starts an emulator whose files are in `folder` and waits until it takes connections.
    pub fn start(
        program: &Path,
        folder: &Path,
        certificates: &Certificates,
        options: &GateOptions,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let acme = Account {
            name: "ACME".into(),
            hosts: vec!["acme.snowflakecomputing.com".into()],
            user: "ICECORE_SVC".into(),
            role: "ANALYST".into(),
            warehouse: Some("WH".into()),
            credential: options.credential.clone(),
            secondary_roles_none: options.secondary_roles_none,
        };
        let more = options.roles.iter().map(|&(user, role)| Account {
            user: user.into(),
            role: role.into(),
            ..acme.clone()
        });
        let accounts: Vec<Account> = std::iter::once(acme.clone()).chain(more).collect();
        let settings = Settings {
            listen: options.listen,
            admin: SocketAddr::from(([127, 77, 0, 2], 0)),
            certificate_file: certificates.chain_file.clone(),
            private_key_file: certificates.key_file.clone(),
            python: python::interpreter(Generation::Four)?,
            fakesnow_script: python::folder("python").join("serve_fakesnow.py"),
            fakesnow_socket: folder.join("fakesnow.sock"),
            journal_file: folder.join("journal.jsonl"),
            canaries_file: folder.join("canaries.jsonl"),
            accounts: accounts
                .into_iter()
                .chain(options.others.iter().cloned())
                .collect(),
            setup: SETUP.map(str::to_owned).to_vec(),
            tuning: options.tuning,
        };
        let file = folder.join("settings.json");
        fs::write(&file, serde_json::to_string_pretty(&settings)?)?;
        let errors_file = folder.join("stderr.txt");
        let errors = fs::File::create(&errors_file)?;
        let mut child = Command::new(program)
            .arg("--settings")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("start `{}`", program.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().context("no stdout")?;
        BufReader::new(out).read_line(&mut line)?;
        let ready = serde_json::from_str(&line).with_context(|| {
            let errors = fs::read_to_string(&errors_file).unwrap_or_default();
            format!("the emulator did not start: {errors}")
        });
        Ok(Self {
            ready: ready.inspect_err(|_| stop(&mut child))?,
            child,
            journal_file: settings.journal_file,
            canaries_file: settings.canaries_file,
            errors_file,
        })
    }

    /// Tells where the emulator takes TLS connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.ready.listen
    }

    /// Tells the emulator's process id.
    pub fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("no process id")
    }

    /// Makes the next answer of an endpoint go wrong.
    pub fn plant(&self, on: Endpoint, kind: FaultKind) -> Result<()> {
        self.plant_times(on, kind, 1)
    }

    /// Makes the next `times` answers of an endpoint go wrong.
    pub fn plant_times(&self, on: Endpoint, kind: FaultKind, times: u32) -> Result<()> {
        self.post("/fault", &json!(Fault { on, times, kind }))
    }

    /// Takes away the faults that are still to come.
    pub fn clear_faults(&self) -> Result<()> {
        self.post("/clear", &Value::Null)
    }

    /// Ends the life of every session token; the master tokens stay good.
    pub fn expire_tokens(&self) -> Result<()> {
        self.post("/expire", &Value::Null)
    }

    /// Registers another credential for an account, as its owner does who rotates it.
    pub fn rotate(&self, account: &str, credential: &Credential) -> Result<()> {
        self.post("/rotate", &json!([account, credential]))
    }

    /// Changes waiting times and sizes.
    pub fn tune(&self, tuning: Tuning) -> Result<()> {
        self.post("/tuning", &json!(tuning))
    }

    /// Sets the tags of columns, in place of those that were set before.
    pub fn set_tags(&self, tags: &[Tag]) -> Result<()> {
        self.post("/tags", &json!(tags))
    }

    /// Has the account tell of objects beside its own.
    pub fn describe(&self, objects: &[Described]) -> Result<()> {
        self.post("/described", &json!(objects))
    }

    /// Has the account hold tables that a test wrote.
    pub fn hold(&self, tables: &[Planted]) -> Result<()> {
        self.post("/planted", &json!(tables))
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let mut stream = TcpStream::connect(self.ready.admin)?;
        let body = body.to_string();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        Ok(())
    }

    /// Gives the journal's events, all or those of one name.
    pub fn events(&self, name: Option<&str>) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.journal_file)?;
        let mut events = Vec::new();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line)?;
            if name.is_none_or(|name| event.get("event").and_then(Value::as_str) == Some(name)) {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Gives the texts of the statements that were executed, in order, but for Icecore's own.
    pub fn executed(&self) -> Result<Vec<String>> {
        let events = self.events(Some("executed"))?;
        let texts = events.iter().filter_map(|event| event.get("sql")?.as_str());
        let of_sessions = texts.filter(|sql| !sql.starts_with(OWN_LOOK));
        Ok(of_sessions.map(str::to_owned).collect())
    }

    /// Gives every secret that passed through the emulator.
    pub fn canaries(&self) -> Result<Vec<(String, String)>> {
        let text = fs::read_to_string(&self.canaries_file)?;
        let mut canaries = Vec::new();
        for line in text.lines() {
            let canary: Value = serde_json::from_str(line)?;
            let part = |key| canary.get(key).and_then(Value::as_str).unwrap_or_default();
            canaries.push((part("name").to_owned(), part("value").to_owned()));
        }
        Ok(canaries)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            let errors = fs::read_to_string(&self.errors_file).unwrap_or_default();
            eprintln!("the emulator ended before its test ({status}): {errors}");
            // Whatever the test asserted, an emulator that panics shows nothing.
            assert!(
                std::thread::panicking(),
                "the emulator ended before its test"
            );
        }
        stop(&mut self.child);
    }
}

/// Asks a child to end and waits for it; fakesnow ends with the emulator.
fn stop(child: &mut Child) {
    let asked = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
    if asked && child.wait().is_err() {
        eprintln!("emulator {} could not be waited for", child.id());
    }
}
