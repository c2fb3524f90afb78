//! What others put into a mailbox to keep people from being heard: it is told of, costs little, and every other word counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::documents::CHAINS_MAX;
use super::look::UNCHECKED_MAX;
use super::shelf::Shelf;
use super::*;
use crate::approval::key_nonce;
use crate::id::ApprovalId;

/// Waits until a decision's proof was checked as far as it can be: looks go on.
fn looks(host: &Host) {
    assert!(matches!(
        host.ask(host.request(0)).join().unwrap(),
        Ended::Expired(_)
    ));
}

/// Puts keys with empty parts below a day, and decides another's request of that day.
fn decides_beside(odd: impl Fn(&str, &Folder) -> Vec<String>, told: &[&str]) {
    let shelf = Shelf::start();
    let host = Host::at(shelf.at());
    let asked = host.request(600);
    let folder = Folder::of(&asked);
    let day = folder.as_str().rsplit_once('/').unwrap().0;
    for key in odd(day, &folder) {
        shelf.put(&key, b"x");
    }
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = loop {
        let listed = inbox.list(asked.requested_at.date_naive()).unwrap();
        let mut believed = listed.into_iter().filter_map(|item| match item {
            Item::Believed(asked) => Some(asked),
            Item::Odd { .. } => None,
        });
        if let Some(shown) = believed.next() {
            break shown;
        }
    };
    let listed = inbox.list(asked.requested_at.date_naive()).unwrap();
    let is_odd = |item: &Item| matches!(item, Item::Odd { .. });
    assert!(listed.iter().any(is_odd));
    looks(&host);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Approved(_)));
    assert_eq!(host.recorded(Vec::new()).1, told);
}

#[test]
fn a_key_with_an_empty_part_in_a_folder_keeps_no_other_request_from_being_decided() {
    let other = ApprovalId::new();
    let odd = |day: &str, own: &Folder| {
        vec![
            format!("{day}/{other}/decision-//x"),
            format!("{}//x", own.as_str()),
        ]
    };
    decides_beside(odd, &["AP003"]);
}

#[test]
fn a_key_with_an_empty_part_in_a_day_keeps_no_request_from_being_decided() {
    // The host's listing begins behind it.
    decides_beside(|day, _| vec![format!("{day}//x")], &[]);
}

#[test]
fn an_object_that_cannot_be_read_counts_for_nothing_and_is_told_of_once() {
    let shelf = Shelf::start();
    let host = Host::at(shelf.at());
    let asked = host.request(600);
    let folder = Folder::of(&asked);
    shelf.put_closed(&folder.decision(&"0".repeat(64)), b"{}");
    shelf.put_closed(&folder.genesis("0"), b"{}");
    shelf.put_closed(&folder.outcome(), b"{}");
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    looks(&host);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Approved(_)));
    // The decision, and outcome and genesis, which nobody of this installation signed.
    assert_eq!(host.recorded(Vec::new()).1, ["AP003", "AP003", "AP003"]);
}

#[test]
fn a_proof_is_checked_once_and_an_invented_key_asks_the_issuer_once_for_all_requests() {
    let host = Host::new(&[]);
    let asked = [host.request(600), host.request(600)];
    let waiting: Vec<_> = asked.iter().map(|one| host.ask(one.clone())).collect();
    let inbox = host.inbox(Vec::new());
    let shown = loop {
        let from = asked[0].requested_at.date_naive();
        let listed = inbox.list(from).unwrap_or_default().into_iter();
        let believed = listed.filter_map(|item| match item {
            Item::Believed(asked) => Some(asked),
            Item::Odd { .. } => None,
        });
        let believed: Vec<_> = believed.collect();
        if believed.len() == 2 {
            break believed;
        }
    };
    let mut decided: Vec<_> = asked.iter().collect();
    decided.sort_by_key(|one| one.id);
    for (shown, asked) in shown.iter().zip(&decided) {
        for number in 0..3 {
            let kid = format!("{{\"alg\":\"EdDSA\",\"kid\":\"invented-{number}\"}}");
            let word = ("ann", Answer::Approve, None);
            let forged = host.says_by(&kid, &shown.digest, asked, word);
            inbox.decide(shown, &forged).unwrap();
        }
    }
    for _ in 0..3 {
        looks(&host);
    }
    assert_eq!(host.keys_asked(Freshness::Looked), 1);
    for (shown, asked) in shown.iter().zip(&decided) {
        let decision = host.decision(&shown.digest, asked, "ann", Answer::Approve);
        inbox.decide(shown, &decision).unwrap();
    }
    for waiting in waiting {
        assert!(matches!(waiting.join().unwrap(), Ended::Approved(_)));
    }
    assert_eq!(host.keys_asked(Freshness::Looked), 1);
    // One yes of two that are wanted: looks go on, and nothing is checked again.
    let two = host.request_of("two", 600);
    let waiting = host.ask(two.clone());
    let shown = loop {
        if let Item::Believed(shown) = only(&inbox)
            && shown.request.id == two.id
        {
            break shown;
        }
    };
    let decision = host.decision(&shown.digest, &two, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    let counted = |host: &Host| {
        let (states, _, _) = host.recorded(Vec::new());
        states.iter().filter(|state| *state == "decision").count()
    };
    while counted(&host) < 3 {}
    let held = host.keys_asked(Freshness::Held);
    for _ in 0..3 {
        looks(&host);
    }
    assert_eq!(host.keys_asked(Freshness::Held), held);
    assert!(!waiting.is_finished());
}

#[test]
fn a_word_by_a_key_counts_by_when_the_host_saw_it_and_the_record_agrees() {
    let host = Host::new(&[]);
    let asked = host.request_of("keys", 600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let mut decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    decision.said.decided_at = asked.requested_at - TimeDelta::seconds(30);
    let at_s = decision.said.decided_at.timestamp();
    let claims = json!({
        "iss": "https://id.acme.test", "sub": "ann", "aud": "approvals", "iat": at_s, "exp": at_s + 300,
        "auth_time": at_s, "nonce": key_nonce(pair.public_key().as_ref()),
    });
    let signed = pair.sign(decision.said.nonce().unwrap().as_bytes());
    let head = r#"{"alg":"EdDSA","kid":"k1"}"#;
    decision.proof = Proof::IdpKey {
        id_token: host.signer.token(head, &claims.to_string()),
        key: STANDARD.encode(pair.public_key()),
        signature: STANDARD.encode(signed),
    };
    inbox.decide(&shown, &decision).unwrap();
    let Ended::Approved(approval) = waiting.join().unwrap() else {
        panic!();
    };
    assert!(approval.counted()[0].at >= asked.requested_at);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(host.mailbox.used(&approval, asked.statement_id))
        .unwrap();
    assert_eq!(host.checked_again(), (1, Vec::new()));
}

#[test]
fn invented_geneses_hide_no_request_and_an_outcome_of_any_length_is_not_read() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let folder = Folder::of(&asked);
    for number in 0..CHAINS_MAX {
        put(&host, &folder.genesis(&format!("!{number:02}")), b"{}");
    }
    put(&host, &folder.outcome(), b"");
    let outcome = host.dir.path().join("store").join(folder.outcome());
    let file = std::fs::File::options().write(true).open(outcome).unwrap();
    // More than there is memory: whoever reads it whole ends here.
    file.set_len(1 << 43).unwrap();
    let shown = believed(inbox.again(&shown).unwrap());
    looks(&host);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Deny);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Denied(_)));
    // Of the geneses, of their number, and of the outcome.
    assert_eq!(host.recorded(Vec::new()).1, ["AP003"; 3]);
}

#[test]
fn words_of_a_chat_that_this_host_cannot_check_keep_no_word_from_being_heard() {
    let host = Host::new(&[]);
    let asked = host.request(30);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Deny);
    for number in 0..UNCHECKED_MAX {
        let mut clicked = decision.clone();
        clicked.proof = Proof::Chat {
            service: "slack".to_owned(),
            user: format!("U{number}"),
            message: String::new(),
            signature: String::new(),
            timestamp: String::new(),
        };
        inbox.decide(&shown, &clicked).unwrap();
    }
    // The first of them are read before it.
    looks(&host);
    looks(&host);
    let decision = host.decision(&shown.digest, &asked, "ben", Answer::Deny);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Denied(_)));
    assert!(
        host.recorded(Vec::new())
            .1
            .iter()
            .all(|code| code == "AP001")
    );
}
