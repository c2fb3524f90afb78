//! What a record rests on beside its rows: the config and the issuers' keys, kept under their digests.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::world::World;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::identity::{READ, opens, start, token_file, world_with};

const SECTION: &str = "# CANARY-of-a-comment\n[identity]\nallow_same_uid = true";

/// The trust file that pins the world's host.
pub(crate) fn trust_file(world: &World) -> Result<String> {
    let config = world.config_file();
    let pinned = world.icecore(&["enroll", "--pin", "--config", &config.to_string_lossy()])?;
    let file = world.path("trust.toml");
    fs::write(&file, pinned.stdout)?;
    Ok(file.to_string_lossy().into_owned())
}

/// Verifies the world's store, and gives the codes of what is not explained.
pub(crate) fn verified(world: &World, more: &[&str]) -> Result<(i32, BTreeSet<String>, Value)> {
    let store = format!("file://{}", world.config.store.display());
    let asked = [
        &["verify", "--deep", "--json", "--store", store.as_str()][..],
        more,
    ];
    let output = world.icecore(&asked.concat())?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let findings = report["findings"].as_array().context("no findings")?;
    let unexplained = findings.iter().filter(|one| one["explained"].is_null());
    let codes = unexplained.filter_map(|one| one["code"].as_str().map(str::to_owned));
    let code = output.status.code().context("no exit code")?;
    Ok((code, codes.collect(), report))
}

/// Reads a document by its digest.
fn document(world: &World, sha256: &str) -> Result<Vec<u8>> {
    let path = format!("default/v1/evidence/{}", sha256.to_lowercase());
    fs::read(world.config.store.join(&path)).context(path)
}

#[test]
fn each_login_names_the_keys_that_proved_it_and_each_genesis_its_config() -> Result<()> {
    let issuer = Issuer::start()?;
    let mut world = world_with(SECTION, &issuer.url(), "")?;
    let token = token_file(
        &world,
        &issuer.token(&json!({ "groups": ["analysts"], "jti": "1" }))?,
    )?;
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": READ}]);
    let driven = start(&world, &[], &["--identity-token-file", &token], &steps)?.finish()?;
    worked(&driven, &["connect", "sql"]);
    issuer.rotate("key-2")?;
    opens(&world, &issuer.token(&json!({ "jti": "2" }))?);
    world.flush()?;

    let of = "select distinct hex(idp_keys_sha256) as keys from";
    let sessions = world.query(&format!(
        "{of} sessions_all where idp_subject is not null order by min(opened_at) over (partition by idp_keys_sha256)"
    ))?;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let logins = world.query(&format!("{of} logins"))?;
    assert_eq!(logins.len(), 1, "{logins:?}");
    let clocks = world.query(
        "select distinct clock_ahead_ms, clock_synchronized is not null as told from logins",
    )?;
    assert_eq!(clocks, [json!({ "clock_ahead_ms": 0, "told": true })]);
    let mut ids = BTreeSet::new();
    for row in &sessions {
        let keys = document(&world, row["keys"].as_str().context("no keys")?)?;
        let keys: Value = serde_json::from_slice(&keys)?;
        ids.extend(keys["keys"][0]["kid"].as_str().map(str::to_owned));
    }
    assert_eq!(ids, ["key-1", "key-2"].map(str::to_owned).into());
    let keys = document(&world, logins[0]["keys"].as_str().context("no keys")?)?;
    assert!(String::from_utf8(keys)?.contains("key-1"));

    let genesis = world.query(
        "select detail->>'config_sha256' as config from events where event_code = 'CH001'",
    )?;
    let config = document(&world, genesis[0]["config"].as_str().context("no config")?)?;
    let config = String::from_utf8(config)?;
    let key_file = world.config.key_file.display().to_string();
    assert!(config.contains(&key_file), "{config}");
    let key = fs::read_to_string(&world.config.key_file)?;
    let secret = key.lines().nth(1).context("no key")?;
    for left_out in ["CANARY", secret] {
        assert!(!config.contains(left_out), "{config}");
    }

    world.daemon()?.terminate()?;
    let trust = trust_file(&world)?;
    let (code, codes, report) = verified(&world, &["--trust", &trust])?;
    assert_eq!((code, codes), (0, BTreeSet::new()), "{report:#}");
    // Whoever takes them away is found, and so is one that is another.
    let sha256 = logins[0]["keys"].as_str().context("no keys")?;
    let path = format!("default/v1/evidence/{}", sha256.to_lowercase());
    let path = world.config.store.join(path);
    let bytes = fs::read(&path)?;
    fs::write(&path, [&bytes[..], b"\n"].concat())?;
    let (code, codes, _) = verified(&world, &["--trust", &trust])?;
    assert_eq!((code, codes), (1, ["E41".to_owned()].into()));
    fs::remove_file(&path)?;
    let (code, codes, _) = verified(&world, &["--trust", &trust])?;
    assert_eq!((code, codes), (1, ["E40".to_owned()].into()));
    Ok(())
}
