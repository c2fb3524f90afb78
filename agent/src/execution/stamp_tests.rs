//! What is added to requests, and what is not.

use hyper::header::HeaderMap;

use super::*;

const BOTH: config::Stamp = config::Stamp {
    query_tag: true,
    traceparent: true,
};

const THEIRS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(parameters: &str) -> QueryRequest {
    let body = format!(r#"{{"sqlText":"select 1","parameters":{parameters}}}"#);
    QueryRequest::read(body.as_bytes(), 1000).unwrap()
}

fn headers(traceparent: Option<&str>) -> Headers {
    let mut headers = HeaderMap::new();
    if let Some(value) = traceparent {
        headers.insert("traceparent", value.parse().unwrap());
    }
    Headers::pick(&headers)
}

fn stamped(
    settings: config::Stamp,
    asked: Asked<'_>,
    tags: &Tags,
    tagging: &Tagging,
) -> (String, Option<String>, StatementRow) {
    let mut row = StatementRow::default();
    let stamped = stamp(settings, &mut row, asked, (tags, tagging));
    assert_eq!(stamped.request.sql_text(), asked.0.sql_text());
    let body = String::from_utf8(stamped.request.write(Some(1)).unwrap()).unwrap();
    let sent = stamped.headers.traceparent().map(str::to_owned);
    (body, sent, row)
}

#[test]
fn what_nobody_said_is_random_and_on_record() {
    let tags = Tags::new(None, Tag::Unset);
    let (request, headers) = (request("{}"), headers(None));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let (body, sent, row) = stamped(BOTH, (&request, &headers), &tags, &Tagging::Keeps);
        let tag = row.query_tag_sent.unwrap();
        assert!(body.contains(&format!(r#""QUERY_TAG":"{tag}""#)), "{body}");
        assert!(
            tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{tag}"
        );
        assert_eq!(row.query_tag_client, None);
        let trace = Trace::read(&sent.unwrap()).unwrap();
        assert_eq!(row.trace_id.as_deref(), Some(trace.trace_id.as_str()));
        assert_eq!(row.span_id.as_deref(), Some(trace.span_id.as_str()));
        assert_eq!(row.traceparent_source.as_deref(), Some("proxy"));
        assert!(seen.insert(tag) && seen.insert(trace.trace_id) && seen.insert(trace.span_id));
    }
}

#[test]
fn nothing_is_added_where_it_is_off_and_the_clients_own_is_on_record() {
    let off = config::Stamp::default();
    let tags = Tags::new(None, Tag::Unset);
    let (request, theirs) = (request(r#"{"query_tag":"mine"}"#), headers(Some(THEIRS)));
    let plain = String::from_utf8(request.write(Some(1)).unwrap()).unwrap();
    for settings in [off, BOTH] {
        let (body, sent, row) = stamped(settings, (&request, &theirs), &tags, &Tagging::Keeps);
        assert_eq!(
            (body.as_str(), sent.as_deref()),
            (plain.as_str(), Some(THEIRS))
        );
        assert_eq!(row.query_tag_client.as_deref(), Some("mine"));
        assert_eq!(row.query_tag_sent, None);
        assert_eq!(
            row.trace_id.as_deref(),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
        assert_eq!(row.traceparent_source.as_deref(), Some("client"));
    }
    let none = headers(None);
    let (_, sent, row) = stamped(off, (&request, &none), &tags, &Tagging::Keeps);
    assert_eq!((sent, row.trace_id), (None, None));
}

#[test]
fn a_tag_is_added_only_where_it_is_known_that_nobody_set_one() {
    let (request, headers) = (request("null"), headers(None));
    let tagged = |tags: Tags, tagging: Tagging| {
        let (_, _, row) = stamped(BOTH, (&request, &headers), &tags, &tagging);
        (row.query_tag_sent.is_some(), row.query_tag_client)
    };
    let unset = || Tags::new(None, Tag::Unset);
    assert_eq!(tagged(unset(), Tagging::Keeps), (true, None));
    for tagging in [
        Tagging::Untold,
        Tagging::Shows,
        Tagging::Unsets,
        Tagging::Sets("x".to_owned()),
    ] {
        assert_eq!(tagged(unset(), tagging), (false, None));
    }
    for default in [Tag::Other, Tag::Unknown] {
        assert_eq!(
            tagged(Tags::new(None, default), Tagging::Keeps),
            (false, None)
        );
    }
    let own = Tags::new(Some("dbt".to_owned()), Tag::Unset);
    assert_eq!(tagged(own, Tagging::Keeps), (false, Some("dbt".to_owned())));
    let empty = Tags::new(Some(String::new()), Tag::Unset);
    assert_eq!(tagged(empty, Tagging::Keeps), (false, Some(String::new())));
}

#[test]
fn a_trace_context_that_is_none_is_passed_on_and_not_believed() {
    let tags = Tags::new(None, Tag::Unset);
    let request = request("{}");
    let bad = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let (_, sent, row) = stamped(
        BOTH,
        (&request, &headers(Some(bad))),
        &tags,
        &Tagging::Keeps,
    );
    assert_eq!(sent.as_deref(), Some(bad));
    assert_eq!((row.trace_id, row.traceparent_source), (None, None));
}
