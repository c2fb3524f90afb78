//! An emulator with nothing before it, and the clients that meet it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use icecore_tests::emulator::{CHUNK_HOST, Credential, Tuning};
use icecore_tests::harness::certificates::{Certificates, LoginKey};
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::gate::{Gate, GateOptions};
use icecore_tests::harness::namespace::Namespace;
use icecore_tests::python::{self, Generation};
use serde_json::Value;
use tempfile::TempDir;

/// An emulator on an address of its own, and what a client needs to reach it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) certificates: Certificates,
    pub(crate) key: LoginKey,
    pub(crate) gate: Gate,
}

impl Bench {
    /// Starts an emulator on port 443 of an address that no other test and no other run uses.
    pub(crate) fn new(last: u8, tuning: Tuning) -> Result<Self> {
        Self::with(last, |options| options.tuning = tuning)
    }

    /// Starts an emulator with other options.
    pub(crate) fn with(last: u8, change: impl FnOnce(&mut GateOptions)) -> Result<Self> {
        let folder = TempDir::new()?;
        let certificates = Certificates::make(folder.path(), "upstream")?;
        let key = LoginKey::make(folder.path())?;
        let [.., process] = std::process::id().to_be_bytes();
        let mut options = GateOptions {
            listen: SocketAddr::from(([127, 78, process, last], 443)),
            secondary_roles_none: false,
            credential: Credential::KeyPair {
                public_key_pem: key.public_pem.clone(),
            },
            ..GateOptions::default()
        };
        change(&mut options);
        let gate = Gate::start(
            Path::new(env!("CARGO_BIN_EXE_icecore-emulator")),
            &folder.path().join("gate"),
            &certificates,
            &options,
        )?;
        Ok(Self {
            folder,
            certificates,
            key,
            gate,
        })
    }

    /// Starts steps of a Python connector.
    pub(crate) fn start(&self, generation: Generation, steps: &Value) -> Result<Driver> {
        self.python(generation, "steps.py", &steps.to_string())
    }

    /// Runs steps of a Python connector to their end.
    pub(crate) fn run(&self, generation: Generation, steps: &Value) -> Result<Finished> {
        self.start(generation, steps)?.finish()
    }

    /// Runs a piece of Python with a connector at hand; it must end well.
    pub(crate) fn piece(&self, generation: Generation, piece: &str) -> Result<Finished> {
        let finished = self.python(generation, "straight.py", piece)?.finish()?;
        println!("{generation:?}: {}", finished.output);
        let refused = self.gate.events(Some("login_refused"))?;
        ensure!(
            finished.status.success(),
            "{generation:?}: {}; refused logins: {refused:?}",
            finished.output
        );
        Ok(finished)
    }

    /// Starts one of the scripts with its argument.
    pub(crate) fn python(
        &self,
        generation: Generation,
        script: &str,
        argument: &str,
    ) -> Result<Driver> {
        let address = self.gate.address().ip().to_string();
        let namespace = Namespace::new(
            self.folder.path(),
            &[
                ("acme.snowflakecomputing.com", &address),
                ("other.snowflakecomputing.com", &address),
                (CHUNK_HOST, &address),
            ],
        )?;
        let ca = self.certificates.ca_file.as_os_str();
        let home = self.folder.path().as_os_str();
        let environment: [(&str, &OsStr); 4] = [
            ("SSL_CERT_FILE", ca),
            ("REQUESTS_CA_BUNDLE", ca),
            ("HOME", home),
            ("TEST_PRIVATE_KEY", self.key.private_file.as_os_str()),
        ];
        let python = python::interpreter(generation)?;
        let mut command = namespace.command(&environment, python.as_os_str());
        command
            .arg(python::folder("drivers").join(script))
            .arg(argument);
        Driver::start(command)
    }
}
