//! Ends that do not trust each other: what their calls come to, and what is told of it.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::Script;
use serde_json::{Value, json};

use super::{Bed, HOST, READ, issuers, reload};

/// Calls so often, one after the other, by the client of Node, which leaves after the handshake where it does not trust.
fn calls(times: usize) -> Value {
    let step = |number| json!({"step": number, "call": "messages", "protocol": if number % 2 == 0 { "h2" } else { "http/1.1" }});
    (0..times).map(step).collect()
}

#[test]
fn a_client_that_leaves_without_a_word_is_told_and_then_carried_unread() -> Result<()> {
    let bed = Bed::start(READ)?;
    let model = bed.model(&Script::default())?;
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &calls(5))?;
    let expected = ["none", "none", "none", "its own", "its own"];
    assert_eq!(issuers(&lines), expected, "{lines:?}");
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
    let (lines, _) = bed.call(&[], &calls(5))?;
    assert_eq!(issuers(&lines), ["ours"; 5], "{lines:?}");
    let counts = bed.counts()?;
    let of = |outcome: &str| {
        counts.get(&format!(
            "icecore_tap_connections_total{{outcome=\"{outcome}\"}}"
        ))
    };
    assert_eq!((of("read"), of("untrusted"), of("unread")), (5.0, 1.0, 2.0));
    Ok(())
}

/// OpenSSL looks at a certificate in the handshake, and says what it thinks of it.
const PYTHON: &str = r#"
import json, ssl, sys, time, urllib.error, urllib.request
for number in range(2):
    # Its word arrives after the client is done with the connection.
    time.sleep(number)
    try:
        urllib.request.urlopen("https://api.anthropic.com/", timeout=20)
    except urllib.error.HTTPError as error:
        print(json.dumps(error.code))
    except urllib.error.URLError as error:
        print(json.dumps(type(error.reason).__name__))
"#;

#[test]
fn a_client_that_says_so_is_carried_unread_at_once() -> Result<()> {
    let bed = Bed::start(READ)?;
    let _model = bed.model(&Script::default())?;
    let run = |variable: &str| -> Result<String> {
        let mut command = bed.world.session(AGENT_UID, &["-q"], "env".as_ref())?;
        let output = command.args([variable, "python3", "-c", PYTHON]).output()?;
        // Who is read is told with `--quiet` too.
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains("icecore: notice: "), "{log}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let file = format!("SSL_CERT_FILE={}", bed.certificates.ca_file.display());
    assert_eq!(run(&file)?, "\"SSLCertVerificationError\"\n404\n");
    let told = bed.events("NT006")?;
    assert_eq!(told.len(), 1, "{told:?}");
    let found = told[0]["found"].as_str().unwrap_or_default();
    assert!(found.contains("UnknownCA"), "{found}");
    assert_eq!(run("X=y")?, "404\n404\n");
    assert_eq!(bed.events("NT006")?.len(), 1);
    Ok(())
}

#[test]
fn a_client_that_does_not_trust_fails_where_the_config_says_so() -> Result<()> {
    let bed = Bed::start(&format!("{READ}on_untrusted = \"fail\"\n"))?;
    let model = bed.model(&Script::default())?;
    let (lines, _) = bed.call(&[&bed.upstream_ca()], &calls(5))?;
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
