//! An event for any program, as Standard Webhooks want a body: `type`, `timestamp` and `data`. Pure.

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::About;
use super::otlp::{cut, detail};
use crate::record::SeenEvent;

/// Writes the body.
pub(super) fn body(event: &SeenEvent, about: &About) -> Value {
    json!({
        "type": format!("icecore.event.{}", event.code),
        "timestamp": DateTime::from_timestamp_micros(event.ts_us),
        "data": {
            "id": event.record_id,
            "code": event.code,
            "severity": event.severity,
            "category": event.category,
            "recovered": event.is_recovered,
            "org": about.org,
            "host_id": about.host_id,
            "chain": event.chain,
            "seq": event.seq,
            "session_id": event.session_id,
            "statement_id": event.statement_id,
            "pid": event.pid,
            "dst_host": event.dst_host.as_deref().map(cut),
            "detail": shorter(detail(event)),
        },
    })
}

/// Cuts long texts.
fn shorter(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(cut(&text)),
        Value::Array(values) => values.into_iter().map(shorter).collect(),
        Value::Object(members) => {
            let shorter = members
                .into_iter()
                .map(|(key, value)| (cut(&key), shorter(value)));
            Value::Object(shorter.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}
