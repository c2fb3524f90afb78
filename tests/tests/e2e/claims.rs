//! A token opens one session: two daemons with one store are two hosts.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

use anyhow::{Context, Result};
use icecore_tests::harness::config::PROXY_UID;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::world::{Plan, World};
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::identity::{opens, refuses, world_with};

/// Starts another host that shares a host's store.
fn beside(first: &World, issuer: &Issuer, section: &str) -> Result<World> {
    let mut second = World::without_daemon(&Plan::default())?;
    let (own, shared) = (&second.config.store, &first.config.store);
    let file = second.config_file();
    let config = fs::read_to_string(&file)?;
    let config = config.replace(&own.display().to_string(), &shared.display().to_string());
    let issuer = format!(
        "\n[identity]\n{section}\n[[identity.issuer]]\nname = \"elsewhere\"\nurl = \"{}\"\naudience = \"icecore\"\n",
        issuer.url()
    );
    fs::write(&file, config + &issuer)?;
    second.config.store.clone_from(shared);
    second.start_daemon()?;
    Ok(second)
}

/// What the first host used, neither it nor the second takes again; the second calls the issuer by another name.
#[test]
fn a_token_opens_one_session_of_all_hosts() -> Result<()> {
    let issuer = Issuer::start()?;
    let first = world_with("", &issuer.url(), "")?;
    let second = beside(&first, &issuer, "")?;
    let token = issuer.token(&json!({}))?;
    opens(&first, &token);
    refuses(&first, &token, "expected a token that no session has used");
    let told = refuses(&second, &token, "expected a token that no session has used");
    opens(&second, &issuer.token(&json!({}))?);

    first.flush()?;
    second.flush()?;
    let sessions = first.query(
        "select session_id from sessions where idp_issuer is not null order by opened_at limit 1",
    )?;
    let opened = sessions[0]["session_id"].as_str().context("no session")?;
    assert!(
        told.contains(&format!("session {opened} on host ")),
        "{told}"
    );
    let events = second.query(&format!(
        "select count(*) as n from events where event_code = 'AU002' and detail like '%{opened}%'"
    ))?;
    assert_eq!(events, [json!({ "n": 2 })]);
    // Claims lie beside the record; its readers do not stumble over them.
    let store = format!("file://{}", first.config.store.display());
    let read = first.icecore(&["sessions", "--store", &store])?;
    assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
    Ok(())
}

/// A host that shares a token among its own sessions shares it with no other.
#[test]
fn a_token_of_a_host_is_of_no_other() -> Result<()> {
    let issuer = Issuer::start()?;
    let first = world_with("[identity]\ntoken_use = \"host\"", &issuer.url(), "")?;
    let second = beside(&first, &issuer, "token_use = \"host\"")?;
    let token = issuer.token(&json!({}))?;
    opens(&first, &token);
    opens(&first, &token);
    refuses(
        &second,
        &token,
        "expected a token that no other host has used",
    );
    Ok(())
}

#[test]
fn without_the_store_no_token_opens_a_session() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), "")?;
    let claims = world.config.store.join("identity");
    fs::create_dir_all(&world.config.store)?;
    fs::write(&claims, "not a folder")?;
    let token = issuer.token(&json!({}))?;
    refuses(&world, &token, "to take the token's claim, found: ");
    fs::remove_file(&claims)?;
    opens(&world, &token);
    Ok(())
}

/// A store that hangs is waited for so long and no longer: here one whose claim of the token is a pipe that nobody fills.
#[test]
fn a_store_that_hangs_holds_up_its_own_token_alone() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), "")?;
    let id = digest(&SHA256, b"known");
    let purpose: &[u8] = b"icecore token claim 1\0";
    let claimed = digest(
        &SHA256,
        &[purpose, id.as_ref(), issuer.url().as_bytes()].concat(),
    );
    let name: String = (claimed.as_ref().iter())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = world.config.store.join("identity/claims");
    fs::create_dir_all(&folder)?;
    let pipe = folder.join(format!("{name}.json"));
    assert!(Command::new("mkfifo").arg(&pipe).status()?.success());
    // As if the proxy had made them.
    for made in [&pipe, &folder, &world.config.store.join("identity")] {
        chown(made, Some(PROXY_UID), Some(PROXY_UID))?;
    }
    let token = issuer.token(&json!({ "jti": "known" }))?;
    refuses(
        &world,
        &token,
        "found: no answer within 4 s; no token opens",
    );
    opens(&world, &issuer.token(&json!({}))?);
    Ok(())
}
