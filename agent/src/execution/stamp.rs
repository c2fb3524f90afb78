//! What a statement's request carries beside its text that its client did not say: a query tag, a trace context.
//!
//! Both are random and mean nothing: whoever reads them in Snowflake learns nothing of session, prompt or person, and the
//! record alone leads from them to these. The text that is sent stays the one that was judged.

use std::borrow::Cow;

use uuid::Uuid;

use super::tag::{Tag, Tagging, Tags};
use crate::config;
use crate::prompt::Trace;
use crate::record::StatementRow;
use crate::snowflake::query::QueryRequest;
use crate::upstream::Headers;

/// Longest tag of a client's that is recorded, in characters. Source: Snowflake, "Parameters", `QUERY_TAG`.
const TAG_MAX: usize = 2_000;

/// A request as it is sent.
pub(crate) struct Stamped<'a> {
    /// Its body.
    pub(crate) request: Cow<'a, QueryRequest>,
    /// Its headers.
    pub(crate) headers: Cow<'a, Headers>,
}

/// Writes down what the client itself said: the tag that holds for the statement, and its trace context if it is well-formed.
pub(crate) fn note(row: &mut StatementRow, (request, headers): Asked<'_>, tags: &Tags) {
    let of_login = || match tags.now() {
        Tag::Client(tag) => Some(tag),
        Tag::Unset | Tag::Other | Tag::Unknown => None,
    };
    let tag = request.query_tag().or_else(of_login);
    row.query_tag_client = tag.map(|tag| tag.chars().take(TAG_MAX).collect());
    if let Some(trace) = headers.traceparent().and_then(Trace::read) {
        traced(row, trace, "client");
    }
}

/// A request: its body and its headers.
pub(crate) type Asked<'a> = (&'a QueryRequest, &'a Headers);

/// Adds what is to be added, and writes it down.
pub(crate) fn stamp<'a>(
    settings: config::Stamp,
    row: &mut StatementRow,
    asked: Asked<'a>,
    (tags, tagging): (&Tags, &Tagging),
) -> Stamped<'a> {
    // It may have waited for people since it was noted.
    note(row, asked, tags);
    let (request, headers) = asked;
    let mut stamped = Stamped {
        request: Cow::Borrowed(request),
        headers: Cow::Borrowed(headers),
    };
    let has_none = request.query_tag().is_none() && tags.now() == Tag::Unset;
    // A tag of the request's would hold in all that a statement calls, and hide what that sets.
    if settings.query_tag && has_none && *tagging == Tagging::Keeps {
        let tag = Uuid::new_v4().simple().to_string();
        if let Ok(tagged) = request.tagged(&tag) {
            stamped.request = Cow::Owned(tagged);
            row.query_tag_sent = Some(tag);
        }
    }
    if settings.traceparent && !headers.has_traceparent() {
        let trace = Trace {
            trace_id: Uuid::new_v4().simple().to_string(),
            span_id: Uuid::new_v4()
                .simple()
                .to_string()
                .chars()
                .take(16)
                .collect(),
        };
        // Flags 00: nobody here keeps a trace, so nobody behind is asked to (W3C Trace Context, 3.2.2.5).
        let value = format!("00-{}-{}-00", trace.trace_id, trace.span_id);
        if let Some(more) = headers.with_traceparent(&value) {
            stamped.headers = Cow::Owned(more);
            traced(row, trace, "proxy");
        }
    }
    stamped
}

fn traced(row: &mut StatementRow, trace: Trace, source: &str) {
    row.trace_id = Some(trace.trace_id);
    row.span_id = Some(trace.span_id);
    row.traceparent_source = Some(source.to_owned());
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
