//! Raw HTTP clients in a session: what they send, and how their answers are read.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::world::{AGENT_UID, World};
use icecore_tests::python::{self, Generation};
use serde_json::{Value, json};

/// Starts requests in a session of the agent's user; see `drivers/raw.py`.
pub(crate) fn start(world: &World, steps: &Value) -> Result<Driver> {
    let script = world.path("raw.py");
    fs::copy(python::folder("drivers").join("raw.py"), &script)?;
    let python = python::interpreter(Generation::Four)?;
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    command.arg(script).arg(steps.to_string());
    Driver::start(command)
}

/// Sends requests in a session of the agent's user, to the last one.
pub(crate) fn send(world: &World, steps: &Value) -> Result<Finished> {
    start(world, steps)?.finish()
}

/// A login with a password that is worth nothing; its step is `login`.
pub(crate) fn login() -> Value {
    json!({
        "name": "login",
        "target": "/session/v1/login-request?requestId=11111111-1111-4111-8111-111111111111&roleName=ANALYST",
        "headers": {"Authorization": "Basic", "User-Agent": "PythonConnector/4.8.1"},
        "body": {"data": {
            "CLIENT_APP_ID": "PythonConnector", "CLIENT_APP_VERSION": "4.8.1", "ACCOUNT_NAME": "ACME",
            "LOGIN_NAME": "agent", "PASSWORD": "dummy-password-3b1c", "SESSION_PARAMETERS": {},
        }},
    })
}

/// The headers of a request of that login.
pub(crate) fn token() -> Value {
    json!({"Authorization": "Snowflake Token=\"${login/body/data/token}\""})
}

/// Makes a request of another login's: of that whose step has this name.
pub(crate) fn by(login: &str, mut step: Value) -> Value {
    let token = format!("Snowflake Token=\"${{{login}/body/data/token}}\"");
    step["headers"] = json!({ "Authorization": token });
    step
}

/// One more login, under a name of its own.
pub(crate) fn login_as(name: &str) -> Value {
    let mut login = login();
    login["name"] = name.into();
    login
}

/// A statement of that login under a request id.
pub(crate) fn statement(name: &str, request_id: &str, sql: &str) -> Value {
    json!({
        "name": name,
        "target": format!("/queries/v1/query-request?requestId={request_id}"),
        "headers": token(),
        "body": {"sqlText": sql, "asyncExec": false, "sequenceId": 1},
    })
}

/// The body of a step's answer.
#[track_caller]
pub(crate) fn body<'a>(finished: &'a Finished, name: &str) -> &'a Value {
    let step = finished.step(name).unwrap();
    assert_eq!(step["ok"], true, "{step}");
    &step["body"]
}
