//! `icecore check --connect`: what it logs in as, what it warns of, and how it ends.

use anyhow::Result;
use icecore_tests::emulator::{Credential, SecondaryRoles, Tuning};
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

fn check(world: &World) -> Result<(Option<i32>, Value, String)> {
    let config = world.config_file();
    let arguments = [
        "check",
        "--connect",
        "--json",
        "--config",
        &config.to_string_lossy(),
    ];
    let output = world.icecore(&arguments)?;
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), told, errors))
}

#[test]
fn a_login_is_tried_and_what_its_user_may_do_is_told() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(code, Some(0), "{errors}");
    let account = &told["accounts"][0];
    for (member, expected) in [
        ("outcome", json!("logged_in")),
        ("auth", json!("keypair")),
        ("role", json!("ANALYST")),
        ("warehouse", json!("WH")),
        ("roles", json!(["ANALYST", "LOADER"])),
        ("network_policy", json!("")),
        ("access_tokens", json!(0)),
    ] {
        assert_eq!(account[member], expected, "{member}: {account}");
    }
    let warnings = account["warnings"].to_string();
    for part in [
        "it holds 2 roles (ANALYST, LOADER)",
        "no network policy holds for it",
    ] {
        assert!(
            warnings.contains(part) && errors.contains(part),
            "{part}: {warnings}"
        );
    }
    // It logs out again.
    assert_eq!(world.gate.events(Some("closed"))?.len(), 1);
    Ok(())
}

#[test]
fn a_refused_login_and_a_silent_account_end_differently() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let pat = Credential::Pat {
        token: "another".to_owned(),
    };
    world.gate.rotate("ACME", &pat)?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(
        (code, &told["accounts"][0]["outcome"]),
        (Some(1), &json!("refused")),
        "{errors}"
    );

    let text = std::fs::read_to_string(world.config_file())?;
    let address = world.config.upstream.to_string();
    // Nobody listens on port 1 of loopback.
    std::fs::write(world.config_file(), text.replace(&address, "127.0.0.1:1"))?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(
        (code, &told["accounts"][0]["outcome"]),
        (Some(4), &json!("unreachable")),
        "{errors}"
    );
    world.daemon = None;
    Ok(())
}

#[test]
fn a_login_that_keeps_secondary_roles_is_told() -> Result<()> {
    let tuning = Tuning {
        secondary_roles: SecondaryRoles::Never,
        ..Tuning::default()
    };
    let world = World::without_daemon(&Plan {
        tuning,
        ..Plan::default()
    })?;
    let (code, told, errors) = check(&world)?;
    assert_eq!(code, Some(1), "{errors}");
    let reason = told["accounts"][0]["reason"].to_string();
    assert!(reason.contains("secondary roles `LOADER`"), "{reason}");
    Ok(())
}
