//! Events as log records of OpenTelemetry, in JSON. Pure.
//!
//! Source: opentelemetry-proto 1.7, `ExportLogsServiceRequest` and `LogRecord`, in the JSON form of OTLP 1.7: names in
//! lowerCamelCase, 64-bit numbers as texts. What a session chose is a value, never a name.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::About;
use crate::record::SeenEvent;

/// Longest text of an event that is told, in characters.
pub(super) const TEXT_MAX: usize = 4096;

/// How deep an event's facts are told.
const DEPTH_MAX: usize = 8;

/// Writes a request.
pub(super) fn body(events: &[Arc<SeenEvent>], about: &About) -> Value {
    let records: Vec<Value> = events.iter().map(|event| record(event)).collect();
    let resource = [
        ("service.name", Value::from("icecore")),
        ("service.version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("host.id", Value::from(about.host_id.as_str())),
        ("icecore.org", Value::from(about.org.as_str())),
    ];
    json!({
        "resourceLogs": [{
            "resource": { "attributes": attributes(&resource) },
            "scopeLogs": [{
                "scope": { "name": "icecore.events", "version": env!("CARGO_PKG_VERSION") },
                "logRecords": records,
            }],
        }],
    })
}

/// Reads how many records a collector did not take, which are not to be sent again (`ExportLogsPartialSuccess`).
pub(super) fn rejected(answer: &[u8]) -> usize {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = answer
        .get("partialSuccess")
        .and_then(|partial| partial.get("rejectedLogRecords"));
    let number = match rejected {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    usize::try_from(number.unwrap_or(0)).unwrap_or(usize::MAX)
}

fn record(event: &SeenEvent) -> Value {
    let named = [
        ("icecore.event.id", Value::from(event.record_id.as_str())),
        ("icecore.event.code", Value::from(event.code.as_str())),
        (
            "icecore.event.category",
            Value::from(event.category.as_str()),
        ),
        ("icecore.event.recovered", Value::from(event.is_recovered)),
        ("icecore.chain", Value::from(event.chain.as_str())),
        ("icecore.seq", Value::from(event.seq)),
        ("icecore.session", Value::from(event.session_id.as_str())),
        (
            "icecore.statement",
            Value::from(event.statement_id.as_deref()),
        ),
        ("process.pid", Value::from(event.pid)),
        (
            "icecore.destination",
            Value::from(event.dst_host.as_deref()),
        ),
    ];
    let (number, text) = severity(event.severity);
    let nanos = (i128::from(event.ts_us) * 1000).to_string();
    json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("icecore.{}", event.code),
        "body": any(&detail(event), 0),
        "attributes": attributes(&named),
    })
}

/// Gives an event's facts.
pub(super) fn detail(event: &SeenEvent) -> Value {
    let text = event.detail.as_deref().unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_default()
}

/// Gives OpenTelemetry's severity of an OCSF severity. Source: opentelemetry.io, "Logs Data Model", Severity Fields.
fn severity(ocsf: i64) -> (u32, &'static str) {
    match ocsf {
        2 => (10, "LOW"),
        3 => (13, "MEDIUM"),
        4 => (17, "HIGH"),
        5 => (21, "CRITICAL"),
        _ => (9, "INFORMATIONAL"),
    }
}

fn attributes(named: &[(&str, Value)]) -> Vec<Value> {
    let set = named.iter().filter(|(_, value)| !value.is_null());
    set.map(|(key, value)| json!({ "key": key, "value": any(value, 0) }))
        .collect()
}

/// Writes a value as `AnyValue`.
fn any(value: &Value, depth: usize) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(truth) => json!({ "boolValue": truth }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => json!({ "intValue": whole.to_string() }),
            (None, Some(real)) => json!({ "doubleValue": real }),
            (None, None) => json!({ "stringValue": number.to_string() }),
        },
        Value::String(text) => json!({ "stringValue": cut(text) }),
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => {
            json!({ "stringValue": cut(&value.to_string()) })
        }
        Value::Array(values) => {
            let values: Vec<Value> = values.iter().map(|value| any(value, depth + 1)).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Value::Object(members) => json!({ "kvlistValue": { "values": list(members, depth) } }),
    }
}

fn list(members: &Map<String, Value>, depth: usize) -> Vec<Value> {
    members
        .iter()
        .map(|(key, value)| json!({ "key": cut(key), "value": any(value, depth + 1) }))
        .collect()
}

/// Cuts a text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
