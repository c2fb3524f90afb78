//! A host and people who share a store and nothing else: who is believed, and how requests end.

mod crowded;
mod forged;
mod history;
mod judged_again;
mod shelf;

use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use chrono::TimeDelta;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::approval::fixtures::{group, meaning, request, rules};
use crate::approval::{Answer, Decision, FORMAT_VERSION, Group, Proof, Said};
use crate::identity::tests::Signer;
use crate::record::encryption::Identity;
use crate::replay::{Archive, Readers};
use crate::verify::Trust;

/// A host, its store, and the issuer of the people who answer.
struct Host {
    dir: TempDir,
    store: StoreAt,
    signer: Arc<Signer>,
    recorder: Recorder,
    mailbox: Mailbox,
    asked: KeysAsked,
}

/// How often keys were asked for: those that are held, and others.
type KeysAsked = Arc<[AtomicUsize; 2]>;

fn store(dir: &Path) -> StoreAt {
    StoreAt::read(&format!("file://{}", dir.join("store").display())).unwrap()
}

fn owners() -> Group {
    Group {
        grant_max: Some(std::time::Duration::from_secs(60)),
        ..group(&["okta:ann", "okta:ben"], 1)
    }
}

/// Groups in whose name people decide in these tests.
fn groups() -> Rules {
    let keys = Group {
        proof: crate::approval::Grade::IdpKey,
        ..owners()
    };
    let two = group(&["okta:ann", "okta:ben"], 2);
    let mut rules = rules([("owners", owners()), ("keys", keys), ("two", two)]);
    rules.groups.extend(judged_again::groups());
    rules
}

fn open(
    (dir, at): (&Path, &StoreAt),
    signer: &Arc<Signer>,
    recipients: &[Recipient],
    asked: &KeysAsked,
) -> (Recorder, Mailbox) {
    let clock = Clock::system();
    let mut settings = crate::record::Settings::new(dir.join("state"), store(dir));
    settings.org = "acme".to_owned();
    settings.host_id = "host".to_owned();
    settings.recipients = recipients.to_vec();
    let config = json!({ "config": { "approvals": { "rules": groups() } } }).to_string();
    settings.config_sha256 = crate::record::sha256(config.as_bytes());
    let recorder = Recorder::open(&settings, clock).unwrap();
    for document in [config, signer.jwks()] {
        recorder.keep_evidence(document.as_bytes()).unwrap();
    }
    let (keys, asked) = (Arc::clone(signer), Arc::clone(asked));
    let settings = Settings {
        store: at.clone(),
        rules: Arc::new(groups()),
        recipients: recipients.to_vec(),
        keys: Box::new(move |freshness| {
            asked[usize::from(freshness == Freshness::Looked)].fetch_add(1, Ordering::Relaxed);
            Ok(keys.keys())
        }),
        slack: None,
        herald: Herald::default(),
    };
    let mailbox = Mailbox::open(settings, recorder.clone(), clock).unwrap();
    (recorder, mailbox)
}

impl Host {
    fn new(recipients: &[Recipient]) -> Self {
        let dir = TempDir::new().unwrap();
        let at = store(dir.path());
        Self::of(dir, at, recipients)
    }

    /// Makes a host whose mailbox is not where its record is.
    fn at(at: StoreAt) -> Self {
        Self::of(TempDir::new().unwrap(), at, &[])
    }

    fn of(dir: TempDir, store: StoreAt, recipients: &[Recipient]) -> Self {
        let signer = Arc::new(Signer::ed());
        let asked = KeysAsked::default();
        let (recorder, mailbox) = open((dir.path(), &store), &signer, recipients, &asked);
        Self {
            dir,
            store,
            signer,
            recorder,
            mailbox,
            asked,
        }
    }

    fn keys_asked(&self, freshness: Freshness) -> usize {
        self.asked[usize::from(freshness == Freshness::Looked)].load(Ordering::Relaxed)
    }

    fn request(&self, within_s: i64) -> Request {
        self.request_of("owners", within_s)
    }

    fn request_of(&self, group: &str, within_s: i64) -> Request {
        let mut asked = request(self.mailbox.rules(), "okta:eve", &[group]);
        asked.chain = self.mailbox.chain().to_owned();
        asked.requested_at = Clock::system().now();
        asked.expires_at = asked.requested_at + TimeDelta::seconds(within_s);
        asked
    }

    /// Asks, and waits on a thread of its own.
    fn ask(&self, request: Request) -> JoinHandle<Ended> {
        ask(&self.mailbox, request)
    }

    fn inbox(&self, identities: Vec<Identity>) -> Inbox {
        Inbox::open(&self.store, self.trust(), identities).unwrap()
    }

    fn trust(&self) -> Trust {
        use base64::Engine as _;
        let key = self.recorder.approvals_key().installation;
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let text = format!("[[installation]]\nname = \"h\"\nkey = \"{key}\"\n");
        Trust::read(&text, &|_| Err("none".to_owned())).unwrap()
    }

    fn decision(&self, digest: &str, request: &Request, subject: &str, answer: Answer) -> Decision {
        self.says(digest, request, (subject, answer, None))
    }

    fn granting(&self, digest: &str, request: &Request, grant_s: Option<u64>) -> Decision {
        self.says(digest, request, ("ann", Answer::Approve, grant_s))
    }

    fn says(&self, digest: &str, request: &Request, word: (&str, Answer, Option<u64>)) -> Decision {
        self.says_by(r#"{"alg":"EdDSA","kid":"k1"}"#, digest, request, word)
    }

    /// Says it by a token with this head.
    fn says_by(
        &self,
        head: &str,
        digest: &str,
        request: &Request,
        (subject, answer, grant_s): (&str, Answer, Option<u64>),
    ) -> Decision {
        let now = Clock::system().now();
        let said = Said {
            format_version: FORMAT_VERSION,
            request: request.id,
            digest: digest.to_owned(),
            answer,
            reason: Some("seen".to_owned()),
            grant_s,
            decided_at: now,
            face: "cli".to_owned(),
        };
        let at_s = now.timestamp();
        let claims = json!({
            "iss": "https://id.acme.test", "sub": subject, "aud": "approvals", "iat": at_s,
            "exp": at_s + 300, "auth_time": at_s, "nonce": said.nonce().unwrap(),
        });
        let id_token = self.signer.token(head, &claims.to_string());
        Decision {
            said,
            proof: Proof::IdpPerDecision { id_token },
        }
    }

    /// Checks the record with its approvals: how many agree, and the codes of approvals that do not.
    fn checked_again(&self) -> (u64, Vec<String>) {
        self.recorder.flush_blocking().unwrap();
        let trust = self.trust();
        let asked = crate::verify::Asked {
            trust: Some(&trust),
            from: None,
            to: None,
            chain: None,
            deep: crate::verify::Deep::Rows,
            witnessed: None,
            replay: true,
            now: Clock::system().now(),
            threads: 1,
            done: &|_| {},
        };
        let url = store(self.dir.path()).to_string();
        let report = crate::verify::check(&url, Readers::default(), &asked).unwrap();
        let codes = report
            .findings
            .iter()
            .map(|finding| finding.code.as_str().to_owned());
        let codes = codes.filter(|code| code == "E95").collect();
        (report.checked.approvals_again, codes)
    }

    /// Lists the states of the record's rows, in their order, and the codes of events.
    fn recorded(&self, identities: Vec<Identity>) -> (Vec<String>, Vec<String>, usize) {
        self.recorder.flush_blocking().unwrap();
        let readers = Readers {
            identities,
            ..Readers::default()
        };
        let url = store(self.dir.path()).to_string();
        let archive = Archive::read_scope(&url, readers, &crate::replay::Scope::All).unwrap();
        let mut rows: Vec<_> = archive.table("approvals").iter().collect();
        rows.sort_by_key(|row| row.int("seq"));
        let states = rows.iter().map(|row| row.text("state").unwrap().to_owned());
        let events = archive.table("events").iter();
        let codes = events.filter_map(|row| row.text("event_code"));
        let codes = codes
            .filter(|code| code.starts_with("AP"))
            .map(str::to_owned);
        (
            states.collect(),
            codes.collect(),
            archive.table("approval_texts").len(),
        )
    }
}

fn ask(mailbox: &Mailbox, request: Request) -> JoinHandle<Ended> {
    let mailbox = mailbox.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(mailbox.ask(request, pending()))
    })
}

/// Looks until a request is there.
fn only(inbox: &Inbox) -> Item {
    loop {
        let today = Clock::system().now().date_naive() - TimeDelta::days(1);
        if let Some(item) = inbox.list(today).unwrap_or_default().pop() {
            return item;
        }
        thread::yield_now();
    }
}

fn believed(item: Item) -> Box<Asked> {
    match item {
        Item::Believed(asked) => asked,
        Item::Odd { why, .. } => panic!("{why}"),
    }
}

fn waits(inbox: &Inbox) -> Box<Asked> {
    loop {
        if let Item::Believed(asked) = only(inbox) {
            return asked;
        }
    }
}

fn put(host: &Host, key: &str, bytes: &[u8]) {
    let file = host.dir.path().join("store").join(key);
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_yes_reaches_the_host_that_asked_and_all_of_it_is_recorded() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    assert_eq!((&shown.request, &*shown.installation), (&asked, "h"));
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    let Ended::Approved(approval) = waiting.join().unwrap() else {
        panic!();
    };
    assert_eq!(approval.by(), ["okta:ann"]);
    assert!(approval.covers(&meaning(), Clock::system().now()).is_ok());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(host.mailbox.used(&approval, asked.statement_id))
        .unwrap();
    drop(runtime);
    let ended = loop {
        let again = believed(inbox.again(&shown).unwrap());
        if again.outcome.is_some() {
            break again;
        }
    };
    let outcome = ended.outcome.as_ref().unwrap();
    assert_eq!(
        (outcome.state, &outcome.by),
        (State::Approved, &approval.by())
    );
    let again = inbox.decide(&ended, &decision).unwrap_err();
    assert!(matches!(again, MailboxError::Ended(State::Approved)));
    let (states, events, texts) = host.recorded(Vec::new());
    assert_eq!(states, ["requested", "decision", "approved", "used"]);
    assert_eq!((events.len(), texts), (0, 2));
}

#[test]
fn a_no_an_end_and_a_withdrawal_end_it() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let decision = host.decision(&shown.digest, &asked, "ben", Answer::Deny);
    inbox.decide(&shown, &decision).unwrap();
    let Ended::Denied(told) = waiting.join().unwrap() else {
        panic!();
    };
    assert_eq!(
        (told.by, told.reason.as_deref()),
        (vec!["okta:ben".to_owned()], Some("seen"))
    );
    assert!(matches!(
        host.ask(host.request(0)).join().unwrap(),
        Ended::Expired(_)
    ));
    let (stop, stopped) = channel();
    let (mailbox, asked) = (host.mailbox.clone(), host.request(600));
    let waiting = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let withdrawn = async { drop(spawn_blocking(move || stopped.recv()).await) };
        runtime.block_on(mailbox.ask(asked, withdrawn))
    });
    stop.send(()).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Withdrawn));
    let (states, _, _) = host.recorded(Vec::new());
    let expected = [
        "requested",
        "decision",
        "denied",
        "requested",
        "expired",
        "requested",
        "withdrawn",
    ];
    assert_eq!(states, expected);
}

#[test]
fn a_yes_for_a_while_lets_the_same_run_again_in_its_session_and_nothing_else() {
    let host = Host::new(&[]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let granting = host.granting(&shown.digest, &asked, Some(60));
    inbox.decide(&shown, &granting).unwrap();
    let Ended::Approved(approval) = waiting.join().unwrap() else {
        panic!();
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let use_it =
        |approval: &Approval, by| runtime.block_on(host.mailbox.used(approval, by)).unwrap();
    use_it(&approval, asked.statement_id);
    let mut again = host.request(600);
    again.session_id = asked.session_id;
    let Ended::Approved(second) = host.ask(again.clone()).join().unwrap() else {
        panic!();
    };
    assert_eq!(
        (second.granted_by(), second.by()),
        (Some(asked.id), vec!["okta:ann".to_owned()])
    );
    use_it(&second, again.statement_id);
    assert_eq!(host.checked_again(), (2, Vec::new()));
    // Another session, and another text of a write, are asked about.
    let other = host.request(0);
    assert!(matches!(host.ask(other).join().unwrap(), Ended::Expired(_)));
    let mut wider = host.request(0);
    wider.session_id = asked.session_id;
    wider.meaning.sql = "delete from t where id = 8".to_owned();
    assert!(matches!(host.ask(wider).join().unwrap(), Ended::Expired(_)));
}

#[test]
fn another_process_of_the_host_takes_the_answer_to_what_an_earlier_one_asked() {
    let Host {
        dir,
        store,
        signer,
        recorder,
        mailbox,
        asked: keys_asked,
    } = Host::new(&[]);
    let mut asked = request(mailbox.rules(), "okta:eve", &["owners"]);
    asked.chain = mailbox.chain().to_owned();
    asked.requested_at = Clock::system().now();
    asked.expires_at = asked.requested_at + TimeDelta::seconds(600);
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        // It is asked, and dropped with the process.
        let asking = mailbox.0.put(&asked);
        asking.unwrap();
        drop(runtime);
    }
    drop(mailbox);
    recorder.close_blocking().unwrap();
    drop(recorder);
    let (recorder, mailbox) = open((dir.path(), &store), &signer, &[], &keys_asked);
    let host = Host {
        dir,
        store,
        signer,
        recorder,
        mailbox,
        asked: keys_asked,
    };
    assert_ne!(host.mailbox.chain(), asked.chain);
    let waiting = host.ask(asked.clone());
    let inbox = host.inbox(Vec::new());
    let shown = waits(&inbox);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Deny);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Denied(_)));
    let ended = believed(inbox.again(&shown).unwrap());
    assert_eq!(ended.outcome.unwrap().state, State::Denied);
    // What is over is not asked again.
    let again = host.ask(asked).join().unwrap();
    assert!(
        matches!(again, Ended::Failed(MailboxError::Ended(State::Denied))),
        "{again:?}"
    );
}

#[test]
fn where_the_record_is_encrypted_its_readers_alone_see_what_is_asked() {
    let reader = Identity::random().unwrap();
    let host = Host::new(&[reader.recipient()]);
    let asked = host.request(600);
    let waiting = host.ask(asked.clone());
    let blind = host.inbox(Vec::new());
    let why = loop {
        if let Item::Odd { why, .. } = only(&blind)
            && why.contains("--identity")
        {
            break why;
        }
    };
    assert!(!why.contains("delete"));
    let inbox = host.inbox(vec![reader]);
    let shown = waits(&inbox);
    assert_eq!(shown.request, asked);
    let decision = host.decision(&shown.digest, &asked, "ann", Answer::Approve);
    inbox.decide(&shown, &decision).unwrap();
    assert!(matches!(waiting.join().unwrap(), Ended::Approved(_)));
}
