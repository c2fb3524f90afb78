//! What is carried: bytes as they were sent, at once, by the protocol that both ends speak, for those whom the config names.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::Script;
use serde_json::{Value, json};

use super::{Bed, HOST, OTHER, READ, issuers, reload};

#[test]
fn calls_arrive_unchanged_and_at_once_by_both_protocols() -> Result<()> {
    let bed = Bed::start(READ)?;
    let say = "All is well in the warehouse. ".repeat(40);
    let mut expected_read = 0;
    for encoding in [None, Some("gzip"), Some("br")] {
        let model = bed.model(&Script {
            turns: vec![json!({"text": say, "tools": [{"name": "Bash", "input": {"command": "snow sql -q 'select 1'"}}]})],
            encoding,
            ..Script::default()
        })?;
        let mut steps = Vec::new();
        for protocol in ["http/1.1", "h2"] {
            steps.push(json!({"step": "messages", "call": "messages", "protocol": protocol}));
            steps.push(json!({"step": "responses", "call": "messages", "path": "/v1/responses", "protocol": protocol}));
            if encoding.is_none() {
                steps.push(json!({"step": "sink", "call": "sink", "bytes": 32 << 20, "protocol": protocol}));
                steps.push(json!({"step": "large", "call": "large", "bytes": 8 << 20, "protocol": protocol}));
                steps.push(
                    json!({"step": "paced", "call": "paced", "events": 40, "protocol": protocol}),
                );
            }
        }
        expected_read += steps.len();
        let (lines, log) = bed.call(&[], &json!(steps))?;
        assert!(
            lines.iter().all(|line| line["error"].is_null()),
            "{lines:#?}"
        );
        let notice = "icecore: notice: calls to the model APIs api.anthropic.com are read in this session; prompts and tool calls that led to a Snowflake statement are kept for 90 days";
        assert!(log.contains(notice), "{log}");
        let answered = model.events("answered")?;
        let asked = model.events("asked")?;
        let of_streams = lines.iter().filter(|line| line["sha256"].is_string());
        let mut count = 0;
        for (line, answered) in of_streams.zip(&answered) {
            assert_eq!(line["sha256"], answered["sha256"]);
            assert_eq!(line["coding"], json!(encoding));
            count += 1;
        }
        assert_eq!((count, answered.len()), (4, 4));
        let versions: Vec<&str> = answered
            .iter()
            .filter_map(|one| one["http"].as_str())
            .collect();
        assert_eq!(versions, ["1.1", "1.1", "2.0", "2.0"]);
        for line in &lines {
            match line["step"].as_str() {
                Some("paced") => assert_eq!(line["events"], 40),
                Some("sink" | "large") => assert_eq!(line["same"], true, "{line}"),
                _ => {
                    let sent = &line["sent_sha256"];
                    assert!(asked.iter().any(|one| one["sha256"] == *sent), "{line}");
                }
            }
        }
        let shown: Vec<&str> = issuers(&lines)
            .into_iter()
            .filter(|one| *one != "none")
            .collect();
        assert!(
            !shown.is_empty() && shown.iter().all(|one| *one == "ours"),
            "{lines:#?}"
        );
        drop(model);
    }
    let counts = bed.counts()?;
    assert_eq!(
        counts.get(r#"icecore_tap_connections_total{outcome="read"}"#),
        expected_read as f64
    );
    let up = counts.get(r#"icecore_tap_bytes_total{direction="up"}"#);
    let down = counts.get(r#"icecore_tap_bytes_total{direction="down"}"#);
    assert!(
        up > f64::from(64 << 20) && down > f64::from(16 << 20),
        "{up} {down}"
    );
    let told = bed.events("PT001")?;
    // One of the harness's own, which looks whether sessions are taken, is among them.
    assert!(told.len() >= 3, "{told:?}");
    assert_eq!(told[0]["hosts"], json!([HOST]));
    assert_eq!(told[0]["capture"], "link_only");
    assert_eq!(bed.events("NT006")?, Vec::<Value>::new());
    assert_eq!(bed.events("NT007")?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn a_protocol_that_the_model_api_lacks_is_offered_to_nobody() -> Result<()> {
    let bed = Bed::start(READ)?;
    let model = bed.model(&Script {
        only_http1: true,
        ..Script::default()
    })?;
    let (lines, _) = bed.call(
        &[],
        &json!([
            {"step": "1", "call": "messages", "protocol": "http/1.1"},
            {"step": "2", "call": "messages", "protocol": "h2"},
            {"step": "3", "call": "broken", "protocol": "http/1.1"},
        ]),
    )?;
    assert_eq!(issuers(&lines)[0], "ours");
    assert!(lines[1]["error"].is_string(), "{lines:?}");
    assert_eq!(lines[2]["broken"], true, "{lines:?}");
    assert_eq!(model.events("answered")?.len(), 1);
    Ok(())
}

/// A list that changes has another CA; a session goes on with the one that it was told to trust, and with no more hosts.
#[test]
fn a_list_that_changes_leaves_running_sessions_as_they_are() -> Result<()> {
    let bed = Bed::start(READ)?;
    let _model = bed.model(&Script::default())?;
    let steps = json!([
        {"step": "1", "call": "messages", "protocol": "http/1.1"},
        {"step": "2", "call": "messages", "protocol": "http/1.1", "host": OTHER},
    ]);
    let both = "NODE_EXTRA_CA_CERTS=\"$BOTH\"";
    let client = bed.command(&[], &steps)?;
    let words: Vec<String> = client
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let [.., node, script, steps_text] = words.as_slice() else {
        anyhow::bail!("no words");
    };
    let shell = format!(
        "BOTH={home}/both.pem; cat \"$NODE_EXTRA_CA_CERTS\" {ca} > $BOTH; \
         {both} {node} {script} '{steps_text}'; echo ready; read line; {both} {node} {script} '{steps_text}'",
        home = bed.world.path("home").display(),
        ca = bed.certificates.ca_file.display(),
    );
    let mut old = bed
        .world
        .session(AGENT_UID, &[], "sh".as_ref())?
        .args(["-c", &shell])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::new(old.stdout.take().context("no stdout")?);
    let mut before = Vec::new();
    loop {
        let mut line = String::new();
        out.read_line(&mut line)?;
        if line == "ready\n" {
            break;
        }
        before.push(serde_json::from_str::<Value>(&line).with_context(|| format!("{line:?}"))?);
    }
    assert_eq!(issuers(&before), ["ours", "its own"], "{before:?}");

    let config = fs::read_to_string(bed.world.config_file())?;
    let more = format!("[[prompts.host]]\nname = \"{OTHER}\"\napi = \"messages\"\n");
    fs::write(bed.world.config_file(), config + &more)?;
    reload(&bed.world)?;
    let (lines, log) = bed.call(&[], &steps)?;
    assert_eq!(issuers(&lines), ["ours"; 2], "{lines:?}");
    assert!(
        log.contains("api.anthropic.com, llm.acme.example are read"),
        "{log}"
    );

    old.stdin
        .take()
        .context("no stdin")?
        .write_all(b"go on\n")?;
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    let after: serde_json::Result<Vec<Value>> = rest.lines().map(serde_json::from_str).collect();
    let after = after.with_context(|| rest.clone())?;
    assert_eq!(issuers(&after), ["ours", "its own"], "{after:?}");
    assert!(old.wait()?.success());
    let cas = bed.world.config.state_dir().join("ca");
    let kept: Vec<PathBuf> = fs::read_dir(cas)?
        .map(|one| Ok(one?.path()))
        .collect::<Result<_>>()?;
    let roots = kept.iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("models-") && name.ends_with(".pem")
    });
    assert_eq!(roots.count(), 2, "{kept:?}");
    Ok(())
}

#[test]
fn nothing_is_read_that_the_config_does_not_name() -> Result<()> {
    let bed = Bed::start("")?;
    let model = bed.model(&Script::default())?;
    let steps = json!([{"step": "1", "call": "messages", "protocol": "h2"}]);
    let (lines, log) = bed.call(&[&bed.upstream_ca()], &steps)?;
    assert_eq!(issuers(&lines), ["its own"], "{lines:?}");
    assert!(!log.contains("notice"), "{log}");
    assert_eq!(model.events("answered")?.len(), 1);
    assert_eq!(bed.events("PT001")?, Vec::<Value>::new());
    // Plain HTTP is read where host and port are named, and has no certificate of ours.
    let plain = bed.model(&Script {
        plain: true,
        ..Script::default()
    })?;
    let config = fs::read_to_string(bed.world.config_file())?;
    let more = format!("[[prompts.host]]\nname = \"{OTHER}\"\napi = \"messages\"\nplain = true\n");
    fs::write(bed.world.config_file(), config + &more)?;
    reload(&bed.world)?;
    let steps = json!([
        {"step": "1", "call": "messages", "protocol": "http/1.1", "plain": true, "host": OTHER},
        {"step": "2", "call": "sink", "bytes": 1 << 20, "protocol": "http/1.1", "plain": true, "host": HOST},
    ]);
    let (lines, _) = bed.call(&[], &steps)?;
    assert_eq!(lines[0]["sha256"], plain.events("answered")?[0]["sha256"]);
    assert_eq!(lines[1]["same"], true, "{lines:?}");
    let counts = bed.counts()?;
    assert_eq!(
        counts.get(r#"icecore_tap_connections_total{outcome="read"}"#),
        1.0
    );
    Ok(())
}
