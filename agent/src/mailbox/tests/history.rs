//! What people are told of how statements like one were decided before.

use super::*;

fn earlier(host: &Host, meaning: &Meaning) -> (Vec<(String, Vec<String>)>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let (earlier, unknown) = runtime.block_on(host.mailbox.earlier(meaning));
    let told = earlier.into_iter().map(|one| (one.state, one.by));
    (told.collect(), unknown)
}

fn again(host: Host, recipients: &[Recipient]) -> Host {
    let Host {
        dir,
        store,
        signer,
        recorder,
        mailbox,
        asked,
    } = host;
    drop(mailbox);
    recorder.close_blocking().unwrap();
    let (recorder, mailbox) = open((dir.path(), &store), &signer, recipients, &asked);
    Host {
        dir,
        store,
        signer,
        recorder,
        mailbox,
        asked,
    }
}

fn deny(host: &Host, identities: Vec<Identity>) -> Meaning {
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(identities);
    let shown = waits(&inbox);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Deny);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Denied(_)));
    asked.meaning
}

#[test]
fn how_the_same_was_decided_is_known_in_the_next_process_too() {
    let host = Host::new(&[]);
    let meaning = deny(&host, Vec::new());
    let ended = host.ask(host.request(0)).join().unwrap();
    assert!(matches!(ended, Ended::Expired(_)));
    let known = [
        ("expired".to_owned(), Vec::new()),
        ("denied".to_owned(), vec!["okta:ann".to_owned()]),
    ];
    assert_eq!(earlier(&host, &meaning), (known.to_vec(), None));
    let of_another = Meaning {
        account: "OTHER".to_owned(),
        ..meaning.clone()
    };
    assert_eq!(earlier(&host, &of_another), (Vec::new(), None));
    let host = again(host, &[]);
    assert_eq!(earlier(&host, &meaning), (known.to_vec(), None));

    // An outcome that this installation did not sign tells nothing.
    let root = host.dir.path().join("store/acme/v1/approvals");
    let day = std::fs::read_dir(root).unwrap().next().unwrap().unwrap();
    for folder in std::fs::read_dir(day.path()).unwrap() {
        std::fs::write(folder.unwrap().path().join("outcome.json"), "{}").unwrap();
    }
    let host = again(host, &[]);
    assert_eq!(earlier(&host, &meaning), (Vec::new(), None));
}

#[test]
fn what_this_host_cannot_read_is_told() {
    let reader = Identity::random().unwrap();
    let recipients = [reader.recipient()];
    let host = Host::new(&recipients);
    let meaning = deny(&host, vec![reader]);
    assert_eq!(earlier(&host, &meaning).0.len(), 1);
    let (known, unknown) = earlier(&again(host, &recipients), &meaning);
    assert_eq!(known, []);
    let unknown = unknown.unwrap();
    assert!(
        unknown.contains("1 requests of before this process"),
        "{unknown}"
    );
}
