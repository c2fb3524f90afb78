//! OTLP in JSON: the mapping of proto3 (opentelemetry-proto, `docs/specification.md`, "JSON Protobuf Encoding").

use std::borrow::Cow;

use serde::Deserialize;

use super::{Record, Signal, Unreadable};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'b> {
    #[serde(borrow, rename = "resourceLogs", alias = "resourceSpans")]
    resources: Vec<Resource<'b>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource<'b> {
    #[serde(borrow, rename = "scopeLogs", alias = "scopeSpans")]
    scopes: Vec<Scope<'b>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scope<'b> {
    #[serde(borrow, rename = "logRecords", alias = "spans")]
    records: Vec<One<'b>>,
}

/// A record of a log, or a span.
#[derive(Default, Deserialize)]
#[serde(default)]
struct One<'b> {
    #[serde(borrow)]
    name: Option<Cow<'b, str>>,
    #[serde(borrow)]
    body: Option<Any<'b>>,
    #[serde(borrow, rename = "eventName")]
    event: Option<Cow<'b, str>>,
    #[serde(borrow)]
    attributes: Vec<Attribute<'b>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attribute<'b> {
    #[serde(borrow)]
    key: Cow<'b, str>,
    #[serde(borrow)]
    value: Option<Any<'b>>,
}

/// A value, if it is a text; all others are read over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Any<'b> {
    #[serde(borrow, rename = "stringValue")]
    text: Option<Cow<'b, str>>,
}

/// Reads a body record by record.
pub(super) fn read(
    signal: Signal,
    body: &[u8],
    take: &mut impl FnMut(Record),
) -> Result<(), Unreadable> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Unreadable::Json {
        line: error.line(),
        column: error.column(),
    })?;
    let scopes = request.resources.into_iter().flat_map(|one| one.scopes);
    for one in scopes.flat_map(|scope| scope.records) {
        let name = match signal {
            Signal::Logs => one.body.and_then(|body| body.text),
            Signal::Traces => one.name,
        };
        let mut record = Record {
            name: name.map(Cow::into_owned),
            event: one.event.map(Cow::into_owned),
            ..Record::default()
        };
        for attribute in one.attributes {
            if let Some(text) = attribute.value.and_then(|value| value.text) {
                record.take(&attribute.key, &text);
            }
        }
        take(record);
    }
    Ok(())
}
