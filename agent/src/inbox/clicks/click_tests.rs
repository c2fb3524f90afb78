//! What a click is read as: words that hosts check, and nothing where the form is another.

use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::approval::fixtures::at;

fn headers(timestamp: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-slack-request-timestamp", timestamp),
        ("x-slack-signature", signature),
    ] {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    headers
}

fn body(payload: &Value) -> Vec<u8> {
    let text = payload.to_string();
    format!("payload={}", utf8_percent_encode(&text, NON_ALPHANUMERIC)).into_bytes()
}

/// Reads a message that was sent so many seconds before.
fn read(payload: &Value, ago_s: i64) -> Result<Click, &'static str> {
    let sent = (at(0).timestamp() - ago_s).to_string();
    Click::read(&headers(&sent, "v0=ab"), &body(payload), at(0))
}

fn pressed(button: &Value) -> Value {
    json!({ "type": "block_actions", "user": { "id": "U1" }, "actions": [button] })
}

#[test]
fn a_click_is_a_word_in_the_form_that_hosts_check() {
    let digest = "ab".repeat(32);
    let payload = pressed(&json!({ "value": format!("deny:{digest}") }));
    let Ok(Click::Word(word)) = read(&payload, 10) else {
        panic!("no word");
    };
    let request = ApprovalId::new();
    let decision = word.clone().about(request);
    assert_eq!(
        decision,
        word.about(request),
        "the same message, the same document"
    );
    let said = &decision.said;
    assert_eq!((said.answer, &said.digest), (Answer::Deny, &digest));
    assert_eq!((said.request, said.decided_at), (request, at(-10)));
    let Proof::Chat { user, message, .. } = &decision.proof else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (&**user, STANDARD.decode(message).unwrap()),
        ("U1", body(&payload))
    );
}

#[test]
fn what_is_no_click_of_now_on_one_button_is_refused() {
    let digest = "ab".repeat(32);
    let yes = json!({ "value": format!("approve:{digest}") });
    assert_eq!(
        read(&pressed(&json!({ "url": "https://a.test" })), 0),
        Ok(Click::Other)
    );
    assert!(read(&pressed(&yes), 301).is_err(), "old");
    assert!(read(&pressed(&yes), -301).is_err(), "of the future");
    for value in [
        "approve:",
        "yes",
        &format!("maybe:{digest}"),
        &format!("approve:{digest}0"),
    ] {
        assert!(
            read(&pressed(&json!({ "value": value })), 0).is_err(),
            "{value}"
        );
    }
    for (pointer, other) in [
        ("type", json!("view_submission")),
        ("actions", json!([yes, yes])),
        ("user", json!({})),
    ] {
        let mut payload = pressed(&yes);
        payload[pointer] = other;
        assert!(read(&payload, 0).is_err(), "{pointer}");
    }
    let mut unsigned = headers(&at(0).timestamp().to_string(), "v0=ab");
    unsigned.append("x-slack-signature", HeaderValue::from_static("v0=cd"));
    assert!(Click::read(&unsigned, &body(&pressed(&yes)), at(0)).is_err());
}

proptest! {
    #[test]
    fn any_message_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), timestamp in "[0-9-]{0,20}") {
        drop(Click::read(&headers(&timestamp, "v0="), &body, at(0)));
    }
}
