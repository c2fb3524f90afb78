//! Ends that do not trust each other: what their calls come to, and what is told of it.

use std::fs;

use anyhow::Result;
use icecore_tests::model::Script;
use serde_json::json;

use super::{Bed, HOST, READ, issuers, reload};

#[test]
fn a_client_that_does_not_trust_is_told_and_then_carried_unread() -> Result<()> {
    let bed = Bed::start(READ)?;
    let model = bed.model(&Script::default())?;
    let steps = json!([
        {"step": "1", "call": "messages", "protocol": "http/1.1"},
        {"step": "2", "call": "messages", "protocol": "http/1.1"},
        {"step": "3", "call": "messages", "protocol": "h2"},
    ]);
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &steps)?;
    assert!(lines[0]["error"].is_string(), "{lines:?}");
    assert_eq!(issuers(&lines), ["none", "its own", "its own"], "{lines:?}");
    assert_eq!(model.events("answered")?.len(), 2);
    let told = bed.events("NT006")?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["host"], &told[0]["then"]),
        (
            &json!(HOST),
            &json!("later connections to this host are carried unread")
        )
    );
    // Its twin, in a session of its own, is read: nothing of the other one's is kept for it.
    let (lines, _) = bed.call(&[], &steps)?;
    assert_eq!(issuers(&lines), ["ours"; 3], "{lines:?}");
    let counts = bed.counts()?;
    let of = |outcome: &str| {
        counts.get(&format!(
            "icecore_tap_connections_total{{outcome=\"{outcome}\"}}"
        ))
    };
    assert_eq!((of("read"), of("untrusted"), of("unread")), (3.0, 1.0, 2.0));
    Ok(())
}

#[test]
fn a_client_that_does_not_trust_fails_where_the_config_says_so() -> Result<()> {
    let bed = Bed::start(&format!("{READ}on_untrusted = \"fail\"\n"))?;
    let model = bed.model(&Script::default())?;
    let steps = json!([
        {"step": "1", "call": "messages", "protocol": "http/1.1"},
        {"step": "2", "call": "messages", "protocol": "http/1.1"},
    ]);
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &steps)?;
    assert!(
        lines.iter().all(|line| line["error"].is_string()),
        "{lines:?}"
    );
    assert_eq!(model.events("asked")?.len(), 0);
    let told = bed.events("NT006")?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["then"], "closed");
    Ok(())
}

#[test]
fn a_model_api_that_is_down_or_not_trusted_fails_as_without_us() -> Result<()> {
    // The host's own roots do not know the CA of this test.
    let bed = Bed::start("[prompts]\nproviders = [\"anthropic\"]\n")?;
    let step = json!([{"step": "1", "call": "messages", "protocol": "http/1.1"}]);
    let (lines, _) = bed.call(&[], &step)?;
    assert_eq!(lines[0]["error"], "ECONNRESET", "{lines:?}");
    let told = bed.events("NT007")?;
    assert_eq!(
        (told.len(), &told[0]["then"]),
        (1, &json!("closed")),
        "{told:?}"
    );

    let _model = bed.model(&Script::default())?;
    // It is carried unread from the first call on: whom a client trusts is its own affair.
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &step)?;
    assert_eq!(issuers(&lines), ["its own"], "{lines:?}");
    let (lines, _) = bed.call(&["-u", "NODE_EXTRA_CA_CERTS"], &step)?;
    assert!(
        lines[0]["error"]
            .as_str()
            .is_some_and(|error| error != "ECONNRESET"),
        "{lines:?}"
    );
    let told = bed.events("NT007")?;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[1]["then"], "carried unread");

    let config = fs::read_to_string(bed.world.config_file())?;
    fs::write(
        bed.world.config_file(),
        config + "on_untrusted = \"fail\"\n",
    )?;
    reload(&bed.world)?;
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &step)?;
    assert!(lines[0]["error"].is_string(), "{lines:?}");
    Ok(())
}
