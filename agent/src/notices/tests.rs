//! What each place gets to read: within its limits, whatever an agent writes, and nothing of it obeyed.

use proptest::prelude::*;
use serde_json::Value;

use super::content::{CUT, Notice};
use super::slack::Posted;
use super::webhook::Signer;
use super::{slack, teams, webhook};
use crate::approval::fixtures::{at, group, request, rules};
use crate::approval::{Counted, Grade, Request, State};
use crate::mailbox::News;

fn asked() -> Request {
    let rules = rules([("owners", group(&["okta:ann"], 1))]);
    request(&rules, "okta:eve", &["owners"])
}

fn news(request: Request, state: State) -> News {
    News {
        digest: request.digest().unwrap(),
        request: request.into(),
        state,
        by: Vec::new(),
        reason: None,
        is_break_glass: false,
        at: at(60),
    }
}

fn notice(news: &News) -> Notice {
    Notice::of(news, true, Some("https://inbox.acme.test/{id}"))
}

fn with_sql(sql: &str) -> News {
    let mut request = asked();
    sql.clone_into(&mut request.meaning.sql);
    news(request, State::Requested)
}

/// Gives all texts of a document that stand under a name.
fn texts<'v>(document: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match document {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str().filter(|_| key == name) {
                    Some(text) => found.push(text),
                    None => texts(member, name, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| texts(one, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn all_texts<'v>(document: &'v Value, name: &str) -> Vec<&'v str> {
    let mut found = Vec::new();
    texts(document, name, &mut found);
    found
}

#[test]
fn a_webhook_is_signed_as_the_specification_has_it() {
    // Source: docs.svix.com, "Verifying webhooks manually", by whom the specification was begun.
    let signer = Signer::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = signer.sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    for other in [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAAA",
        "whsec_?",
    ] {
        assert!(Signer::read(other).is_err(), "{other}");
    }
}

#[test]
fn a_long_statement_is_cut_and_that_is_said() {
    let long = with_sql(&"select 1 -- <&>`\n".repeat(2000));
    let notice = notice(&long);
    assert!(slack::body(&notice, "C1", None).to_string().contains(CUT));
    assert!(teams::body(&notice).to_string().contains(CUT));
    let body = webhook::body(&notice, &long);
    assert_eq!(body["data"]["statement"]["is_whole"], false);
    assert_eq!(body["data"]["statement"]["note"], CUT);

    let short = with_sql("select 1");
    let notice = self::notice(&short);
    assert!(!slack::body(&notice, "C1", None).to_string().contains(CUT));
    assert!(!teams::body(&notice).to_string().contains(CUT));
    assert_eq!(
        webhook::body(&notice, &short)["data"]["statement"]["is_whole"],
        true
    );
}

#[test]
fn no_password_and_on_demand_no_statement_is_told() {
    let news = with_sql("create user u password = 'CANARY-1' comment = 'tell'");
    let whole = notice(&news);
    let least = Notice::of(&news, false, None);
    for (notice, tells) in [(whole, true), (least, false)] {
        for body in [
            slack::body(&notice, "C1", None),
            teams::body(&notice),
            webhook::body(&notice, &news),
        ] {
            let body = body.to_string();
            assert!(!body.contains("CANARY"), "{body}");
            assert_eq!(body.contains("create user"), tells, "{body}");
        }
    }
}

#[test]
fn an_end_says_who_and_how_and_opens_nothing() {
    let mut news = news(asked(), State::Denied);
    news.reason = Some("not today".to_owned());
    news.by = vec![Counted {
        sha256: String::new(),
        answer: crate::approval::Answer::Deny,
        person: "okta:ann".to_owned(),
        groups: ["owners".to_owned()].into(),
        grade: Grade::IdpKey,
        acr: None,
        amr: std::collections::BTreeSet::new(),
        at: at(60),
        reason: None,
        grant_s: None,
        face: "cli".to_owned(),
        keys_sha256: None,
    }];
    let notice = notice(&news);
    let posted = Posted {
        channel: "C2".to_owned(),
        ts: "1.2".to_owned(),
    };
    let message = slack::body(&notice, "C1", Some(&posted));
    assert_eq!(message["channel"], "C2");
    assert_eq!(message["ts"], "1.2");
    for body in [message, teams::body(&notice)] {
        let body = body.to_string();
        assert!(
            body.contains("okta:ann (idp-key, by cli)") && body.contains("not today"),
            "{body}"
        );
        assert!(!body.contains("inbox.acme.test"), "{body}");
    }
    let body = webhook::body(&notice, &news);
    assert_eq!(body["type"], "approval.denied");
    assert_eq!(body["data"]["by"][0]["proof"], "idp-key");
    assert_eq!(body["data"]["inbox_url"], Value::Null);
}

/// Gives the buttons of a message, by their words, with what each says or opens.
fn buttons(notice: &Notice) -> Vec<(String, String)> {
    let message = slack::body(notice, "C1", None);
    let blocks = message["blocks"].as_array().unwrap();
    let actions = blocks.iter().filter(|block| block["type"] == "actions");
    let elements = actions.flat_map(|block| block["elements"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let says = |button: &Value| text(button.get("value").unwrap_or(&button["url"]));
    elements
        .map(|button| (text(&button["text"]["text"]), says(button)))
        .collect()
}

#[test]
fn a_yes_is_offered_where_a_group_takes_a_click_and_the_message_has_all() {
    let chat = |sql: &str| {
        let mut owners = group(&["okta:ann"], 1);
        owners.proof = Grade::Chat;
        let mut request = request(&rules([("owners", owners)]), "okta:eve", &["owners"]);
        sql.clone_into(&mut request.meaning.sql);
        request.meaning.members = [("bindings".to_owned(), "[\"bound\"]".to_owned())].into();
        news(request, State::Requested)
    };
    let words = |notice: &Notice| -> Vec<String> {
        let all = buttons(notice).into_iter();
        all.map(|(word, _)| word).collect()
    };
    let short = chat("delete from t where id = 7");
    let digest = super::content::digest(&short);
    let told = |word: &str, says: String| (word.to_owned(), says);
    let inbox = format!("https://inbox.acme.test/{}", short.request.id);
    let expected = [
        told("Approve", format!("approve:{digest}")),
        told("Deny", format!("deny:{digest}")),
        told("Open the inbox", inbox),
    ];
    assert_eq!(buttons(&notice(&short)), expected);
    let message = slack::body(&notice(&short), "C1", None).to_string();
    for part in ["bound", "filter DB.PUBLIC.T.ID", "LOADER", &digest] {
        assert!(message.contains(part), "no {part} in {message}");
    }

    // Nobody says yes to what was cut, taken out or kept back, and what does not fit into a decision has no buttons.
    let long = chat(&"select 1, ".repeat(1200));
    assert_eq!(words(&notice(&long)), ["Deny", "Open the inbox"]);
    let secret = chat("create user u password = 'CANARY-1'");
    assert_eq!(words(&notice(&secret)), ["Deny", "Open the inbox"]);
    assert_eq!(words(&Notice::of(&short, false, None)), ["Deny"]);
    let wide = chat(&"\u{96ea}".repeat(9000));
    assert_eq!(words(&notice(&wide)), ["Deny", "Open the inbox"]);
    let mut ended = chat("select 1");
    ended.state = State::Approved;
    assert_eq!(words(&notice(&ended)), Vec::<String>::new());
    assert_eq!(words(&notice(&with_sql("select 1"))), ["Open the inbox"]);
}

/// Text as an attacker writes it.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&`*_{!@#|\n\t\u{202e}\u{200b} a-z\\[\\]()]{0,80}",
        ("[`<&\u{202e}雪\u{1f600}\n]", 1000_usize..6000).prop_map(|(one, count)| one.repeat(count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_an_agent_writes_fits_each_place_and_gives_no_orders(text in hostile(), other in hostile(), takes_click: bool) {
        let mut owners = group(&["okta:ann"], 1);
        owners.proof = if takes_click { Grade::Chat } else { Grade::IdpKey };
        let mut request = request(&rules([("owners", owners)]), "okta:eve", &["owners"]);
        request.meaning.sql.clone_from(&text);
        request.claimed.reason = Some(other.clone());
        request.requester.principal.clone_from(&other);
        request.meaning.objects.iter_mut().for_each(|one| one.path.clone_from(&text));
        request.asks.iter_mut().for_each(|ask| ask.reason = Some(text.clone()));
        let state = if takes_click { State::Requested } else { State::Void };
        let mut news = news(request, state);
        news.reason = Some(other);
        let notice = notice(&news);

        let message = slack::body(&notice, "C1", None);
        let blocks = message["blocks"].as_array().unwrap();
        prop_assert!((1..=50).contains(&blocks.len()));
        for block in blocks {
            let shown = block["text"]["text"].as_str().unwrap_or_default();
            let most = if block["type"] == "header" { 150 } else { 3000 };
            prop_assert!(shown.encode_utf16().count() <= most);
            if block["type"] == "section" {
                prop_assert_eq!(shown.matches('`').count(), 6, "one code block: {}", shown);
                prop_assert!(!shown.contains(['<', '>']), "{}", shown);
                prop_assert_eq!(&block["text"]["verbatim"], &Value::Bool(true));
            }
        }
        let own = format!("Icecore: {} (request {})", notice.title, notice.id);
        prop_assert_eq!(message["text"].as_str(), Some(&*own));

        let message = teams::body(&notice);
        prop_assert!(message.to_string().len() < 28_000, "{}", message.to_string().len());
        let blocks = message["attachments"][0]["content"]["body"].as_array().unwrap();
        for block in blocks.iter().filter(|block| block["type"] == "TextBlock") {
            let words = block["text"].as_str().unwrap();
            prop_assert!(words.is_ascii() && !words.contains(['[', '*', '<']), "{}", words);
        }
        for shown in all_texts(&message, "text") {
            prop_assert!(!shown.is_empty() && !shown.contains("{{"), "{}", shown);
            prop_assert!(!shown.chars().any(crate::replay::is_hidden), "{}", shown);
        }

        let body = webhook::body(&notice, &news).to_string();
        prop_assert!(body.len() < 64_000, "{}", body.len());
    }
}
