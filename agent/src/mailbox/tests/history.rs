//! What people are told of how statements like one were decided before.

use super::documents::CHAINS_MAX;
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
    // What ends without anybody's word pushes no word out of sight.
    for _ in 0..6 {
        let ended = host.ask(host.request(0)).join().unwrap();
        assert!(matches!(ended, Ended::Expired(_)));
    }
    let known = [("denied".to_owned(), vec!["okta:ann".to_owned()])];
    assert_eq!(earlier(&host, &meaning), (known.to_vec(), None));
    let of_another = Meaning {
        account: "OTHER".to_owned(),
        ..meaning.clone()
    };
    assert_eq!(earlier(&host, &of_another), (Vec::new(), None));
    // Nor do invented geneses that are before the real one, or a request that is too long.
    let root = host.dir.path().join("store/acme/v1/approvals");
    let day = std::fs::read_dir(root).unwrap().next().unwrap().unwrap();
    let folders = || std::fs::read_dir(day.path()).unwrap();
    for folder in folders() {
        let folder = folder.unwrap().path();
        for number in 0..CHAINS_MAX {
            std::fs::write(folder.join(format!("genesis-!{number:02}.json")), "{}").unwrap();
        }
    }
    let first = folders().next().unwrap().unwrap().path();
    let long = day.path().join(crate::id::ApprovalId::new().to_string());
    std::fs::create_dir(&long).unwrap();
    for name in ["outcome.json", "genesis-!00.json"] {
        std::fs::copy(first.join(name), long.join(name)).unwrap();
    }
    let file = std::fs::File::create(long.join("request.json")).unwrap();
    file.set_len(1 << 43).unwrap();
    let host = again(host, &[]);
    assert_eq!(earlier(&host, &meaning), (known.to_vec(), None));

    // An outcome that this installation did not sign tells nothing.
    for folder in folders() {
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
