//! Every kind of credential opens its account and nothing else does; accounts know nothing of each other.

use anyhow::Result;
use icecore_tests::emulator::{Account, Credential, Endpoint, FaultKind, Tuning};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn each_kind_of_credential_logs_in_and_no_other_does() -> Result<()> {
    let secret = "right-credential-5d2f".to_owned();
    for (last, credential, right, code) in [
        (
            40,
            Credential::Pat {
                token: secret.clone(),
            },
            r#"authenticator="PROGRAMMATIC_ACCESS_TOKEN", token="#,
            394_400,
        ),
        (
            41,
            Credential::Oauth {
                token: secret.clone(),
            },
            r#"authenticator="OAUTH", token="#,
            390_303,
        ),
        (
            42,
            Credential::Password {
                password: secret.clone(),
            },
            "password=",
            390_100,
        ),
    ] {
        let bench = Bench::with(last, |options| options.credential = credential.clone())?;
        for generation in Generation::ALL {
            let finished = bench.piece(
                generation,
                &format!(
                    r#"
with connect({right}"{secret}") as c:
    tell("right", row=c.cursor().execute("select 1").fetchone()[0])
failure("wrong", lambda: connect({right}"other", login_timeout=5))
failure("key", lambda: connect(login_timeout=5))
"#
                ),
            )?;
            assert_eq!(finished.step("right")?["row"], 1);
            for name in ["wrong", "key"] {
                let step = finished.step(name)?;
                assert_ne!(step["message"], "it worked", "{generation:?}: {step}");
            }
            let wrong = finished.step("wrong")?["message"].to_string();
            assert!(wrong.contains(&code.to_string()), "{generation:?}: {wrong}");
        }
    }
    Ok(())
}

#[test]
fn a_rotated_credential_closes_the_door_to_the_old_one() -> Result<()> {
    let pat = |token: &str| Credential::Pat {
        token: token.into(),
    };
    let bench = Bench::with(43, |options| options.credential = pat("before"))?;
    let piece = |token: &str| {
        format!(
            r#"
failure("login", lambda: connect(authenticator="PROGRAMMATIC_ACCESS_TOKEN", token="{token}", login_timeout=5))
"#
        )
    };
    let login = |token: &str| -> Result<_> {
        let finished = bench.piece(Generation::Four, &piece(token))?;
        Ok(finished.step("login")?["message"].clone())
    };
    assert_eq!(login("before")?, "it worked");
    bench.gate.rotate("ACME", &pat("after"))?;
    assert_ne!(login("before")?, "it worked");
    assert_eq!(login("after")?, "it worked");
    Ok(())
}

/// One emulator serves two accounts: neither's credential, token nor query id is worth anything at the other.
#[test]
fn accounts_are_apart() -> Result<()> {
    let other = Account {
        name: "OTHER".into(),
        hosts: vec!["other.snowflakecomputing.com".into()],
        user: "OTHER_SVC".into(),
        role: "READER".into(),
        warehouse: None,
        credential: Credential::Password {
            password: "other-password".into(),
        },
        secondary_roles_none: false,
    };
    let bench = Bench::with(44, |options| options.others = vec![other])?;
    let finished = bench.piece(
        Generation::Four,
        r#"
import requests
there = dict(account="other", host="other.snowflakecomputing.com", user="OTHER_SVC", role="READER", warehouse=None, password="other-password")
mine, theirs = connect(), connect(**there)
at = theirs.cursor().execute("select 7")
tell("theirs", row=at.fetchone()[0], role=theirs.role)
def ask(host, token):
    answer = requests.get(f"https://{host}.snowflakecomputing.com/queries/{at.sfqid}/result", headers={"Authorization": f'Snowflake Token="{token}"'})
    return answer.json()["code"]
tell("codes", theirs=ask("other", theirs.rest.token), token=ask("acme", theirs.rest.token), id=ask("acme", mine.rest.token))
failure("login", lambda: connect(**{**there, "account": "acme", "host": "acme.snowflakecomputing.com", "login_timeout": 5}))
"#,
    )?;
    let theirs = json!({"step": "theirs", "row": 7, "role": "READER"});
    assert_eq!(finished.step("theirs")?, &theirs);
    let codes = json!({"step": "codes", "theirs": null, "token": "390104", "id": "000612"});
    assert_eq!(finished.step("codes")?, &codes);
    assert_ne!(finished.step("login")?["message"], "it worked");
    Ok(())
}

#[test]
fn the_session_header_is_given_and_can_be_demanded() -> Result<()> {
    let tuning = Tuning {
        sticky_needed: true,
        ..Tuning::default()
    };
    let bench = Bench::new(45, tuning)?;
    let finished = bench.piece(
        Generation::Four,
        r#"
import requests
c = connect()
at = "https://acme.snowflakecomputing.com/session/heartbeat"
token = {"Authorization": f'Snowflake Token="{c.rest.token}"'}
without = requests.post(at, headers=token, json={})
header = without.headers["x-snowflake-session"]
with_it = requests.post(at, headers={**token, "x-snowflake-session": header}, json={})
other = requests.post(at, headers={**token, "x-snowflake-session": "srv-0"}, json={})
tell("header", without=without.json()["code"], right=with_it.json()["success"], other=other.json()["code"])
os._exit(0)
"#,
    )?;
    let header = json!({"step": "header", "without": "390104", "right": true, "other": "390104"});
    assert_eq!(finished.step("header")?, &header);
    Ok(())
}

/// Faults in Snowflake's own forms, as drivers meet them: an envelope with a status, and a page.
#[test]
fn faults_come_in_an_envelope_or_as_a_page() -> Result<()> {
    let bench = Bench::new(46, Tuning::default())?;
    let envelope = FaultKind::Failure {
        status: 401,
        code: "390104".into(),
        message: "User must login again to access the service.".into(),
    };
    bench.gate.plant(Endpoint::Query, envelope)?;
    bench.gate.plant(Endpoint::Query, FaultKind::Html(503))?;
    let finished = bench.piece(
        Generation::Four,
        r#"
import requests
c = connect()
def ask():
    answer = requests.post("https://acme.snowflakecomputing.com/queries/v1/query-request?requestId=1",
        headers={"Authorization": f'Snowflake Token="{c.rest.token}"'}, json={"sqlText": "select 1"})
    return [answer.status_code, answer.headers["Content-Type"], "390104" in answer.text]
tell("told", answers=[ask(), ask(), ask()])
"#,
    )?;
    assert_eq!(
        finished.step("told")?["answers"],
        json!([
            [401, "application/json", true],
            [503, "text/html", false],
            [200, "application/json", false]
        ])
    );
    Ok(())
}
