//! What a page offers when, and that no text of others is markup.

use chrono::TimeDelta;

use super::*;
use crate::approval::{Answer, Decision, FORMAT_VERSION, Outcome, Proof, Request, Said, State};
use crate::inbox::card::Card;
use crate::inbox::card::tests::request as asked;
use crate::inbox::item::{Item, Unbelieved};
use crate::inbox::words::Word;

/// What would be markup, an address that runs, or another's words.
const HOSTILE: &str = "\"></a><script>x</script><img src=x onerror=x>'&lt;\u{202e}";

fn item(request: Request) -> Item {
    Item {
        request: Ok(request),
        signed_by: "~pinned".to_owned(),
        decisions: Vec::new(),
        outcome: None,
    }
}

fn shown(item: &Item, minutes: i64) -> String {
    let request_ = item.believed().unwrap();
    let card = Card::of(request_).unwrap();
    let form = Form {
        token: "t0ken",
        issuer: "https://acme.okta.com",
    };
    let now = asked().requested_at + TimeDelta::minutes(minutes);
    request((item, request_), &card, &form, None, now)
}

fn word(item: &Item, answer: Answer) -> Decision {
    let request = item.believed().unwrap();
    let card = Card::of(request).unwrap();
    let word = Word {
        digest: card.digest.clone(),
        answer,
        reason: Some(HOSTILE.to_owned()),
        grant_s: None,
        face: "web",
    };
    let said: Said =
        crate::inbox::words::said((item, request), &card, word, request.requested_at).unwrap();
    Decision {
        said,
        proof: Proof::IdpPerDecision {
            id_token: "eyJ.secret".to_owned(),
        },
    }
}

#[test]
fn a_request_that_waits_has_buttons_below_all_of_it() {
    let page = shown(&item(asked()), 1);
    let sql = page.find("delete from ~table").unwrap();
    let approve = page.find("value=\"approve\"").unwrap();
    assert!(sql < approve, "{page}");
    assert!(page.contains("name=\"token\" value=\"t0ken\""));
    assert!(page.contains(&Card::of(&asked()).unwrap().digest));
    assert!(page.contains("Signed by ~pinned"), "{page}");
    let claimed = page.find("claimed-box").unwrap();
    assert!(claimed < page.find("~why").unwrap(), "{page}");
}

#[test]
fn a_request_that_has_ended_has_none() {
    assert!(!shown(&item(asked()), 60).contains("<form"));
    let mut ended = item(asked());
    ended.outcome = Some(Outcome {
        format_version: FORMAT_VERSION,
        request: asked().id,
        digest: String::new(),
        state: State::Denied,
        decisions: Vec::new(),
        by: vec![HOSTILE.to_owned()],
        reason: Some(HOSTILE.to_owned()),
        at: asked().requested_at,
    });
    let page = shown(&ended, 1);
    assert!(
        !page.contains("<form") && page.contains("badge block"),
        "{page}"
    );
    obeys_nothing(&page);
}

/// One that is larger than anybody reads can be denied alone.
#[test]
fn what_nobody_can_read_has_no_yes() {
    let mut large = asked();
    large.meaning.sql = "x".repeat(crate::inbox::card::READABLE_MAX_BYTES);
    let page = shown(&item(large), 1);
    assert!(!page.contains("value=\"approve\""));
    assert!(page.contains("value=\"deny\"") && page.contains("No yes is taken"));
}

#[test]
fn what_is_not_believed_is_told_and_leads_nowhere() {
    let forged = Item {
        request: Err(Unbelieved {
            place: format!("acme/v1/approvals/{HOSTILE}"),
            why: HOSTILE.to_owned(),
        }),
        signed_by: String::new(),
        decisions: Vec::new(),
        outcome: None,
    };
    let page = list(&[forged], asked().requested_at);
    obeys_nothing(&page);
    assert!(page.contains("Not believed") && page.contains("Nothing waits"));
    assert!(!page.contains("href=\"r/"), "{page}");
}

#[test]
fn words_of_people_are_shown_without_their_tokens() {
    let mut waiting = item(asked());
    waiting.decisions = vec![
        word(&waiting, Answer::Approve),
        word(&waiting, Answer::Deny),
    ];
    let page = shown(&waiting, 1);
    assert!(page.contains("1 said yes, 1 said no"), "{page}");
    assert!(!page.contains("secret"), "{page}");
    obeys_nothing(&page);
}

/// No markup but the program's own: one script, whose digest the policy has.
#[track_caller]
fn obeys_nothing(page: &str) {
    let scripts = page.matches("<script").count();
    assert!(scripts <= 1 && !page.contains("<img"), "{page}");
    assert!(!page.contains('\u{202e}'), "{page}");
}

#[test]
fn every_text_of_a_page_is_text() {
    let mut hostile = asked();
    hostile.meaning.sql = HOSTILE.to_owned();
    hostile.requester.principal = HOSTILE.to_owned();
    hostile
        .asks
        .iter_mut()
        .for_each(|ask| ask.rule = HOSTILE.to_owned());
    hostile.meaning.kinds = vec![HOSTILE.to_owned()];
    obeys_nothing(&list(&[item(hostile.clone())], asked().requested_at));
    obeys_nothing(&shown(&item(hostile), 1));
    let onward = onward(Answer::Approve, HOSTILE, HOSTILE, HOSTILE);
    assert_eq!(onward.matches("<script").count(), 0, "{onward}");
    obeys_nothing(&onward);
    obeys_nothing(&home_again(HOSTILE, HOSTILE));
    obeys_nothing(&refusal(HOSTILE, HOSTILE, Some(HOSTILE)));
}

#[test]
fn the_policy_allows_the_own_script_and_style_alone() {
    let page = shown(&item(asked()), 1);
    let between = |open: &str, close: &str| {
        let (_, rest) = page.split_once(open).unwrap();
        rest.split_once(close).unwrap().0.to_owned()
    };
    let policy = policy();
    for (name, text) in [
        ("script-src", between("<script>", "</script>")),
        ("style-src", between("<style>", "</style>")),
    ] {
        let hash = STANDARD.encode(sha256(text.as_bytes()));
        assert!(
            policy.contains(&format!("{name} 'sha256-{hash}';")),
            "{policy}"
        );
    }
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    // The policy lets no style of an attribute work, so none is in a page.
    assert!(!page.contains(" style="), "{page}");
}
