//! Logins in which the driver brings another credential than a password, and SQL errors straight and through Icecore.

use std::ffi::OsStr;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use icecore_tests::drivers::Product;
use icecore_tests::emulator::Credential;
use icecore_tests::harness::certificates::{Certificates, LoginKey};
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::gate::{Gate, GateOptions};
use icecore_tests::harness::namespace::Namespace;
use icecore_tests::harness::programs;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asserts::all_executed_is_recorded;

/// Whatever token the driver holds, the host's credential goes out; nothing of the driver's does.
#[test]
fn connectors_log_in_whatever_token_they_bring() -> Result<()> {
    const TOKEN: &str = "dummy-token-of-the-agents-9b2f";
    let world = World::start(&Plan::default())?;
    let mut steps = Vec::new();
    for authenticator in ["oauth", "PROGRAMMATIC_ACCESS_TOKEN"] {
        let settings = json!({"authenticator": authenticator, "token": TOKEN});
        steps.extend([
            json!({"do": "connect", "name": authenticator, "settings": settings}),
            json!({"do": "sql", "sql": "select 1"}),
            json!({"do": "close"}),
        ]);
    }
    for generation in Generation::ALL {
        let finished = world.drive(generation, &json!(steps))?;
        assert_eq!(finished.steps.len(), steps.len(), "{}", finished.output);
        assert!(
            finished.steps.iter().all(|step| step["ok"] == true),
            "{}",
            finished.output
        );
    }
    for request in world.gate.events(Some("request"))? {
        assert!(!request.to_string().contains(TOKEN), "{request}");
    }
    all_executed_is_recorded(&world)?;
    Ok(())
}

/// It never logs in: a token and a session id of its own come with each request.
#[test]
fn connector_4_works_with_a_pat_and_an_external_session() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let settings = json!({
        "authenticator": "PAT_WITH_EXTERNAL_SESSION",
        "token": "dummy-token-of-the-agents-9b2f",
        "external_session_id": "0f3a6f0e-6f6e-4d55-8a3b-3f1f6b1d2c4a",
    });
    let finished = world.drive(
        Generation::Four,
        &json!([
            {"do": "connect", "settings": settings},
            {"do": "sql", "name": "read", "sql": "select customer from orders where id = 2"},
            {"do": "sql", "name": "refused", "sql": "delete from orders"},
        ]),
    )?;
    assert_eq!(
        finished.step("read")?["first"],
        json!(["grace"]),
        "{}",
        finished.output
    );
    crate::asserts::refused(finished.step("refused")?);
    assert_eq!(
        world.gate.events(Some("login"))?.len(),
        1,
        "{}",
        finished.output
    );
    all_executed_is_recorded(&world)?;
    Ok(())
}

/// A browser is of no use here; the driver says so at once, in Icecore's words.
#[test]
fn connector_4_is_told_that_no_browser_is_needed() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let settings = json!({"authenticator": "externalbrowser"});
    let finished = world.drive(
        Generation::Four,
        &json!([{"do": "connect", "settings": settings}]),
    )?;
    crate::asserts::failed_clearly(finished.step("connect")?, "needs no login of its own");
    assert_eq!(world.gate.events(Some("request"))?.len(), 0);
    Ok(())
}

/// Code, SQL state and text of an SQL error are what the same driver shows without Icecore.
#[test]
fn sql_errors_are_the_same_straight_and_through() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let straight = Straight::start()?;
    let steps = json!([
        {"do": "connect"},
        {"do": "sql", "name": "table", "sql": "select * from no_such_table"},
        {"do": "sql", "name": "column", "sql": "select no_such_column from orders"},
        {"do": "sql", "name": "division", "sql": "select cast('a' as int)"},
    ]);
    for generation in Generation::ALL {
        let through = world.drive(generation, &steps)?;
        let straight = straight.start_driver(generation, &steps)?.finish()?;
        for name in ["table", "column", "division"] {
            let (through, straight) = (through.step(name)?, straight.step(name)?);
            assert_eq!(through["ok"], false, "{through}");
            assert_eq!(told(through), told(straight), "{generation:?}");
        }
    }
    Ok(())
}

/// What a person reads of an error, without the ids that differ each time.
fn told(step: &Value) -> [Value; 4] {
    let message = step["message"].as_str().unwrap_or_default();
    let text = message.split(" (request_id=").next().unwrap_or_default();
    [
        &step["error"],
        &step["errno"],
        &step["sqlstate"],
        &json!(text),
    ]
    .map(Value::clone)
}

/// An emulator that a driver meets without Icecore.
struct Straight {
    folder: TempDir,
    certificates: Certificates,
    key: LoginKey,
    gate: Gate,
}

impl Straight {
    fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let certificates = Certificates::make(folder.path(), "upstream")?;
        let key = LoginKey::make(folder.path())?;
        let [.., process] = std::process::id().to_be_bytes();
        let options = GateOptions {
            listen: SocketAddr::from(([127, 79, process, 1], 443)),
            secondary_roles_none: false,
            credential: Credential::KeyPair {
                public_key_pem: key.public_pem.clone(),
            },
            ..GateOptions::default()
        };
        let program = programs::built()?.join("icecore-emulator");
        let gate = Gate::start(
            &program,
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

    fn start_driver(&self, generation: Generation, steps: &Value) -> Result<Driver> {
        let address = self.gate.address().ip().to_string();
        let names = [("acme.snowflakecomputing.com", address.as_str())];
        let namespace = Namespace::new(self.folder.path(), &names)?;
        let ca = self.certificates.ca_file.as_os_str();
        let environment: [(&str, &OsStr); 4] = [
            ("SSL_CERT_FILE", ca),
            ("REQUESTS_CA_BUNDLE", ca),
            ("HOME", self.folder.path().as_os_str()),
            ("TEST_PRIVATE_KEY", self.key.private_file.as_os_str()),
        ];
        let product = Product::from(generation);
        let script =
            icecore_tests::python::folder("drivers").join(product.script().context("no script")?);
        let words = product.words(&script)?;
        let (program, arguments) = words.split_first().context("no program")?;
        let mut command = namespace.command(&environment, program);
        command.args(arguments).arg(steps.to_string());
        Driver::start(command)
    }
}
