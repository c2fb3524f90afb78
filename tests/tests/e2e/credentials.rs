//! Every kind of credential and every form of host, through the proxy: the emulator takes the injected one alone.

use anyhow::Result;
use icecore_tests::emulator::Credential;
use icecore_tests::harness::credential::CredentialKind;
use icecore_tests::harness::world::{Plan, PlannedAccount, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;

#[test]
fn each_kind_of_credential_logs_in_for_the_agent() -> Result<()> {
    for kind in CredentialKind::ALL {
        let world = World::start(&Plan {
            credential: kind,
            ..Plan::default()
        })?;
        let steps = json!([{"do": "connect"}, {"do": "sql", "sql": "select 1"}, {"do": "close"}]);
        for generation in Generation::ALL {
            let finished = world.drive(generation, &steps)?;
            worked(&finished, &["connect", "sql", "close"]);
        }
        assert!(
            world.gate.events(Some("login_refused"))?.is_empty(),
            "{kind:?}"
        );
        world.flush()?;
        let logins = world.query("select distinct auth_injected, credential_ref from logins")?;
        let [login] = logins.as_slice() else {
            panic!("{kind:?}: {logins:?}");
        };
        let expected = match kind {
            CredentialKind::KeyPair | CredentialKind::EncryptedKeyPair => "keypair",
            CredentialKind::Pat => "pat",
            CredentialKind::Password => "password",
            CredentialKind::OAuth => "oauth",
        };
        assert_eq!(login["auth_injected"], expected);
    }
    Ok(())
}

/// A token is read anew for each login: the old one is worth nothing once its owner has rotated it.
#[test]
fn a_rotated_token_is_used_without_a_restart() -> Result<()> {
    let world = World::start(&Plan {
        credential: CredentialKind::Pat,
        ..Plan::default()
    })?;
    let steps = json!([{"do": "connect", "login_timeout": 5}]);
    worked(&world.drive(Generation::Four, &steps)?, &["connect"]);
    let token = "pat-rotated-77aa".to_owned();
    world.gate.rotate(
        "ACME",
        &Credential::Pat {
            token: token.clone(),
        },
    )?;
    let refused = world.drive(Generation::Four, &steps)?;
    assert_eq!(refused.step("connect")?["ok"], false);
    std::fs::write(&world.config.key_file, &token)?;
    worked(&world.drive(Generation::Four, &steps)?, &["connect"]);
    Ok(())
}

/// Hosts of three forms, each with the name that its JWT must say; none opens with another one's key.
#[test]
fn accounts_under_hosts_of_every_form_are_logged_in_to() -> Result<()> {
    let account = |host, name, user| PlannedAccount {
        host,
        name,
        aliases: Vec::new(),
        user,
        role: "READER",
    };
    let world = World::start(&Plan {
        accounts: vec![
            account(
                "xy12345.eu-central-1.snowflakecomputing.com",
                "XY12345",
                "LOCATOR_SVC",
            ),
            account(
                "myorg-acct.privatelink.snowflakecomputing.com",
                "MYORG-ACCT",
                "ORG_SVC",
            ),
            account(
                "acct-f00d.global.snowflakecomputing.com",
                "ACCT",
                "GLOBAL_SVC",
            ),
        ],
        ..Plan::default()
    })?;
    for planned in &world.config.others {
        let steps =
            json!([{"do": "connect", "host": planned.host}, {"do": "sql", "sql": "select 7"}]);
        let finished = world.drive(Generation::Four, &steps)?;
        worked(&finished, &["connect", "sql"]);
    }
    assert!(world.gate.events(Some("login_refused"))?.is_empty());
    world.flush()?;
    let users = world.query("select distinct sf_user as name from logins order by 1")?;
    let names: Vec<_> = users.iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["GLOBAL_SVC", "LOCATOR_SVC", "ORG_SVC"]);
    Ok(())
}
