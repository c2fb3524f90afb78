//! What others put beside a request, and what a recorder that was tampered with says of one: none of it counts.

use super::*;

/// Others may write beside a request: nothing of that counts, and it is told of.
#[test]
fn what_others_put_beside_a_request_neither_approves_nor_refuses_it() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let folder = Folder::of(&asked);
    put(&host, &format!("{}/notes.txt", folder.as_str()), b"x");
    put(&host, &folder.decision(&"0".repeat(64)), b"{}");
    put(&host, &folder.outcome(), b"{}");
    // Signed, but by another's key; by the one who asks; of another request; without the nonce.
    let other = Host::new(&[]);
    let forged = other.decision(&shown.digest, &asked, "ann", Answer::Approve);
    let own = host.decision(&shown.digest, &asked, "eve", Answer::Approve);
    let elsewhere = host.decision(&"0".repeat(64), &asked, "ann", Answer::Approve);
    let mut changed = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    changed.said.reason = Some("another".to_owned());
    for decision in [forged, own, elsewhere, changed] {
        inbox.decide(&shown, &decision).unwrap();
    }
    // They are all judged by the time at which this no is.
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Deny);
    while host.recorded(Vec::new()).1.len() < 7 {}
    assert!(!waiting.is_finished());
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Denied(_)));
    let (states, mut events, _) = host.recorded(Vec::new());
    assert_eq!(states, ["requested", "decision", "denied"]);
    events.sort_unstable();
    assert_eq!(
        events,
        [
            "AP001", "AP001", "AP001", "AP001", "AP003", "AP003", "AP003"
        ]
    );
}

#[test]
fn a_request_of_nobody_pinned_is_none_that_can_be_decided() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let _waiting = host.ask(asked.clone());
    let shown = waits(&host.inbox(Vec::new()));
    let nobody = Inbox::open(&store(host.dir.path()), Trust::default(), Vec::new()).unwrap();
    let Item::Odd { why, .. } = only(&nobody) else {
        panic!();
    };
    assert!(why.contains("installation is pinned"), "{why}");
    // A writer of the store changes what is asked, or asks in the name of the host.
    let folder = Folder::of(&asked);
    let file = host.dir.path().join("store").join(folder.request());
    let text = std::fs::read(&file).unwrap();
    let other = Host::new(&[]);
    let forged = envelope::seal(&asked, other.recorder.approvals_key().key.pair()).unwrap();
    put(&host, &folder.request(), &forged);
    let item = host.inbox(Vec::new()).again(&shown).unwrap();
    assert!(matches!(item, Item::Odd { .. }), "{item:?}");
    // And elsewhere than it was put it is none either.
    let elsewhere = folder.as_str().replace("dt=", "dt=9");
    std::fs::create_dir_all(host.dir.path().join("store").join(&elsewhere)).unwrap();
    put(&host, &format!("{elsewhere}/request.json"), &text);
    let genesis = std::fs::read(
        host.dir
            .path()
            .join("store")
            .join(folder.genesis(&asked.chain)),
    );
    put(
        &host,
        &format!("{elsewhere}/genesis-{}.json", asked.chain),
        &genesis.unwrap(),
    );
    let Item::Odd { why, .. } = only(&host.inbox(Vec::new())) else {
        panic!();
    };
    assert!(why.contains("expected it in the folder"), "{why}");
}

#[test]
fn an_approval_is_checked_again_by_what_the_record_has_of_it_and_a_forged_one_is_found() {
    let host = Host::new(&[]);
    let inbox = host.inbox(Vec::new());
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let shown = waits(&inbox);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    let Ended::Approved(approval) = waiting.join().unwrap() else {
        panic!();
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(host.mailbox.used(&approval, asked.statement_id))
        .unwrap();
    assert_eq!(host.checked_again(), (1, Vec::new()));
    // A recorder that was tampered with says that Ann approved another request too.
    let forged = host.request(600);
    let rows = Rows {
        recorder: &host.recorder,
        request: &forged,
        digest: forged.digest().unwrap(),
    };
    let other = Host::new(&[]);
    let word = other.decision(&hex(&rows.digest), &forged, "ann", Answer::Approve);
    let text = serde_json::to_string(&word).unwrap();
    let mut counted = approval.counted()[0].clone();
    counted.sha256 = hex(&crate::record::sha256(text.as_bytes()));
    let mut all = rows.requested().unwrap();
    all.extend(rows.decision(&counted, counted.at, &text));
    all.push(rows.used(&approval, forged.statement_id, Clock::system().now()));
    let _receipt = host.recorder.commit_blocking(all).unwrap();
    assert_eq!(host.checked_again(), (1, vec!["E95".to_owned()]));
}
