//! Events are told on to a collector of OpenTelemetry and to a webhook, under the ids that the record has.

use std::fs;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use icecore_tests::harness::chats::{Chat, Kind, WEBHOOK_SECRET};
use icecore_tests::harness::http::{Asked, Server};
use icecore_tests::harness::world::{Plan, World};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::notices::printed;
use crate::operations::{add, reload, wait};

/// A collector that checks what it gets, and says 503 so often first.
fn collector(events: &Arc<Mutex<Vec<Value>>>, trouble: usize) -> Result<Server> {
    let events = Arc::clone(events);
    let trouble = Mutex::new(trouble);
    Server::start(move |asked: &Asked| {
        if asked.method != "POST"
            || asked.target != "/v1/logs"
            || asked.header("content-type") != "application/json"
            || asked.header("authorization") != "Bearer otel-5b1d"
        {
            return (400, json!({ "message": "not as it should be" }));
        }
        let mut left = trouble.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return (503, json!({}));
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let records = body.pointer("/resourceLogs/0/scopeLogs/0/logRecords");
        let Some(records) = records.and_then(Value::as_array) else {
            return (400, json!({ "message": "no records" }));
        };
        events.lock().unwrap().extend(records.iter().cloned());
        (200, json!({ "partialSuccess": {} }))
    })
}

fn attribute(record: &Value, name: &str) -> Option<String> {
    let attributes = record["attributes"].as_array()?;
    let found = attributes.iter().find(|one| one["key"] == name)?;
    Some(found["value"]["stringValue"].as_str()?.to_owned())
}

#[test]
fn events_are_told_on_under_their_ids_and_outlive_an_outage() -> Result<()> {
    let got = Arc::<Mutex<Vec<Value>>>::default();
    let collector = collector(&got, 2)?;
    let hook = Chat::start(Kind::Webhook, &[(500, None)])?;
    let mut world = World::without_daemon(&Plan::default())?;
    let token = printed("Bearer otel-5b1d");
    let secret = printed(WEBHOOK_SECRET);
    add(
        &world,
        &format!(
            "[[export]]\nkind = \"otlp\"\nname = \"siem\"\nurl = \"{}/v1/logs\"\ncodes = [\"PL\", \"CH\"]\n\
             [[export.header]]\nname = \"authorization\"\nvalue = {token}\n\
             [[export]]\nkind = \"webhook\"\nname = \"pager\"\nurl = \"{}/hook\"\ncodes = [\"PL002\"]\nmin_severity = \"medium\"\nsecret = {secret}\n",
            collector.origin(),
            hook.origin()
        ),
    )?;
    world.start_daemon()?;
    let policies = world.config.policies().join("read-only.cedar");
    let good = fs::read_to_string(&policies)?;
    fs::write(&policies, "permit (principal, action, resource")?;
    assert_eq!(reload(&world, &[])?.status.code(), Some(3));
    let config = world.config_file().display().to_string();
    let refused = world.icecore(&["policy", "reload", "--config", &config])?;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    fs::write(&policies, good)?;
    kill_process(world.daemon()?.supervisor()?, Signal::HUP)?;

    let told = wait("events at the collector", || {
        let got = got.lock().unwrap().clone();
        let loaded = got.iter().filter(|one| one["eventName"] == "icecore.PL001");
        Ok((loaded.count() >= 2).then_some(got))
    })?;
    let hooked = wait("an event at the webhook", || {
        let taken = hook.taken();
        Ok((!taken.is_empty()).then_some(taken))
    })?;
    assert_eq!(hooked.len(), 1, "{hooked:?}");
    let (target, body) = &hooked[0];
    assert_eq!(target, "/hook");
    assert_eq!(body["type"], "icecore.event.PL002");
    // It was sent twice, under one id.
    let ids = hook.ids();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(ids[0], ids[1]);
    assert_eq!(body["data"]["id"], json!(ids[0]));
    assert_eq!(hook.wrong(), Vec::<String>::new());

    world.flush()?;
    let recorded = world.query(
        "select record_id from events where event_code in ('PL001', 'PL002', 'CH001') order by record_id",
    )?;
    let recorded: Vec<&str> = recorded
        .iter()
        .filter_map(|row| row["record_id"].as_str())
        .collect();
    let mut exported: Vec<String> = told
        .iter()
        .filter_map(|record| attribute(record, "icecore.event.id"))
        .collect();
    exported.sort();
    assert_eq!(exported, recorded);
    let severities: Vec<&Value> = told.iter().map(|one| &one["severityNumber"]).collect();
    assert!(severities.contains(&&json!(13)), "{severities:?}");
    Ok(())
}
