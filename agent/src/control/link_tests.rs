//! Both ends of the conversation between supervisor and proxy, in one process.

use std::io::{Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use chrono::DateTime;

use super::*;
use crate::connection::peer::Traced;
use crate::control::reload::{ConfigReload, PolicySet};
use crate::control::supervisor_link::receive_handover_on;
use crate::control::{
    Asker, Declined, Enforcement, HandedToken, Keeper, Leftover, ModelsRead, Proof,
    SEALED_LOGIN_MAX_BYTES, Scope, SessionHandler, TOKEN_TEXT_MAX_BYTES, Wanted,
};
use crate::id::{LoginId, SessionId};

/// Refuses root's sessions, panics about uid 13's, and keeps what it was told.
#[derive(Default)]
struct Proxy {
    told: Mutex<Vec<String>>,
}

impl Proxy {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
    }
}

impl SessionHandler for Proxy {
    fn counted(&self, _: Stats) {}

    fn settle(&self, facts: SessionFacts) -> Result<Settled, String> {
        let sealed = match facts.proof {
            Proof::Token(token) => Some(format!("seal of {}", token.reveal())),
            Proof::Absent | Proof::Kept(_) | Proof::Sealed(_) => None,
        };
        Ok(Settled {
            sealed,
            ..Settled::default()
        })
    }

    fn opened(&self, facts: SessionFacts) -> Result<(), String> {
        match facts.uid {
            0 => Err("spool is full".to_owned()),
            13 => panic!("a bug"),
            uid => {
                self.tell(format!("opened {uid} {}", facts.labels.len()));
                Ok(())
            }
        }
    }

    fn identified(&self, fresh: FreshToken) -> Result<Settled, String> {
        let sealed = Some(format!("seal of {}", fresh.token.reveal()));
        Ok(Settled {
            sealed,
            ..Settled::default()
        })
    }

    fn restored(&self, kept: KeptLogin) -> Result<(), String> {
        let sealed = kept.sealed.ok_or("nothing")?;
        self.tell(format!("restored {} bytes", sealed.len()));
        Ok(())
    }

    fn all_told(&self) -> Result<(), String> {
        self.tell("all told");
        Ok(())
    }

    fn closed(&self, end: SessionEnd) -> Result<SessionSummary, String> {
        self.tell(format!("closed {} {}", end.reason, end.leftovers.len()));
        Ok(SessionSummary {
            statements: 3,
            ..SessionSummary::default()
        })
    }

    fn sign_in(&self, _call: SignInCall) -> Result<SignInOutcome, String> {
        Err("no issuer is there".to_owned())
    }

    fn observed(&self, all: Vec<Observed>) -> Result<(), String> {
        self.tell(format!("observed {}", all.len()));
        Ok(())
    }

    fn listen(&self, network: u64, listeners: Vec<TcpListener>) -> Result<(), String> {
        if listeners.is_empty() {
            return Err("nothing to listen on".to_owned());
        }
        for listener in listeners {
            let at = listener.local_addr().map_err(|error| error.to_string())?;
            self.tell(format!("listens in {network} on {}", at.ip()));
        }
        Ok(())
    }

    fn unlisten(&self, network: u64) {
        self.tell(format!("listens in {network} no more"));
    }

    fn flush(&self) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self) -> Result<Reload, String> {
        let set = PolicySet {
            policies: 1,
            sha256: "ab".to_owned(),
        };
        Ok(Reload::NotGood {
            problems: vec!["a problem".to_owned()],
            still: set,
        })
    }

    fn reload_config(&self) -> Result<ConfigReload, String> {
        Ok(ConfigReload::NeedsRestart {
            keys: vec!["record.store".to_owned()],
            still: "ab".to_owned(),
        })
    }

    fn set_log(&self, level: &str) -> bool {
        level == "debug"
    }

    fn let_finish(&self, within: Duration) -> usize {
        self.tell(format!("let finish {within:?}"));
        2
    }

    fn pause(&self, within: Duration) -> Result<(), String> {
        self.tell(format!("pause {within:?}"));
        Err("2 statements were under way".to_owned())
    }

    fn drain(&self, grace: Duration) {
        self.tell(format!("drain {grace:?}"));
    }
}

struct Both {
    link: Arc<ProxyLink>,
    keeper: Keeper,
    kept: Receiver<KeptLogin>,
    proxy: Arc<Proxy>,
    serving: JoinHandle<io::Result<()>>,
    listening: JoinHandle<Result<(), ControlError>>,
}

fn both() -> Both {
    let (link, theirs) = ProxyLink::pair().unwrap();
    let handover = Handover {
        config: PathBuf::from("/c.toml"),
        listeners: vec![TcpListener::bind("127.0.0.1:0").unwrap()],
        destinations: packet::pair().unwrap().0,
        heartbeat: packet::pair().unwrap().0,
        is_next: true,
        waits: false,
    };
    link.hand_over(&handover).unwrap();
    let (received, supervisor, keeper) = receive_handover_on(theirs).unwrap();
    assert_eq!(received.config, handover.config);
    assert!(received.is_next);
    assert_eq!(
        received.listeners[0].local_addr().unwrap(),
        handover.listeners[0].local_addr().unwrap()
    );
    let proxy = Arc::new(Proxy::default());
    let handler: Arc<dyn SessionHandler> = proxy.clone();
    let serving = thread::spawn(move || supervisor.serve(handler));
    let link = Arc::new(link);
    let (say, ready) = mpsc::channel();
    let (keep, kept) = mpsc::channel();
    let listener = Arc::clone(&link);
    let listening = thread::spawn(move || {
        listener.listen(|heard| match heard {
            Heard::Ready => say.send(()).unwrap(),
            Heard::Keep(login) => keep.send(login).unwrap(),
            Heard::Lend(request) => lend(&request),
            Heard::Prepared | Heard::Closed => panic!("not yet"),
        })
    });
    ready.recv().unwrap();
    Both {
        link,
        keeper,
        kept,
        proxy,
        serving,
        listening,
    }
}

/// Opens one file, knows one process, runs nothing, and leaves some without an answer.
fn lend(request: &Request) {
    match &request.wanted {
        Wanted::File(path) if path.ends_with("named") => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"secret").unwrap();
            file.rewind().unwrap();
            request.answer(Ok(file.as_fd())).unwrap();
        }
        Wanted::File(_) => {}
        Wanted::Process { pid, .. } => request
            .tell(Traced {
                start_ns: Some(i64::from(*pid)),
                ..Traced::default()
            })
            .unwrap(),
        Wanted::Environment(_) => {}
        Wanted::Folder(_) | Wanted::Output(_) | Wanted::Socket { .. } => {
            let declined = Declined {
                expected: "what the config names".to_owned(),
                found: "another".to_owned(),
            };
            request.answer(Err(declined)).unwrap();
        }
    }
}

#[test]
fn what_is_lent_comes_as_a_descriptor_and_what_is_not_with_the_reason() {
    let (link, theirs) = ProxyLink::pair().unwrap();
    let handover = Handover {
        config: PathBuf::from("/c.toml"),
        listeners: Vec::new(),
        destinations: packet::pair().unwrap().0,
        heartbeat: packet::pair().unwrap().0,
        is_next: false,
        waits: false,
    };
    link.hand_over(&handover).unwrap();
    let (_, supervisor, keeper) = receive_handover_on(theirs).unwrap();
    let borrower = supervisor.borrower();
    // Before the proxy says that it is ready: it reads its config by it.
    let listening = thread::spawn(move || {
        link.listen(|heard| match heard {
            Heard::Lend(request) => lend(&request),
            Heard::Prepared | Heard::Ready | Heard::Closed | Heard::Keep(_) => {
                panic!("nothing else was said")
            }
        })
    });
    let mut text = String::new();
    let mut file = borrower.file(Path::new("/etc/named")).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "secret");
    assert_eq!(borrower.process(42, 0).unwrap().start_ns, Some(42));
    let declined = borrower.folder(Path::new("/etc")).unwrap_err();
    assert_eq!(declined.found, "another");
    // A request that is dropped unanswered is known at once, not after the time that it may take.
    let declined = borrower.file(Path::new("/etc/shadow")).unwrap_err();
    assert_eq!(declined.found, "the other end is gone");
    drop((supervisor, borrower, keeper));
    listening.join().unwrap().unwrap();
}

#[test]
fn listeners_of_a_network_reach_the_proxy() {
    let both = both();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    both.link.listen_in(7, &[listener]).unwrap();
    let refused = both.link.listen_in(8, &[]).unwrap_err();
    assert!(refused.is_of_one(), "{refused}");
    both.link.unlisten(7).unwrap();
    let told = both.proxy.told.lock().unwrap().clone();
    assert_eq!(told, ["listens in 7 on 127.0.0.1", "listens in 7 no more"]);
}

fn facts(uid: u32) -> SessionFacts {
    SessionFacts {
        id: SessionId::new(),
        nonce: u64::MAX,
        cgroup_id: u64::MAX - 1,
        uid,
        user: "ci".to_owned(),
        caller: Some(Asker {
            uid: 0,
            user: "root".to_owned(),
        }),
        by_login: false,
        shares_uid: Some("its caller has".to_owned()),
        allow_same_uid: true,
        scope: Scope::Command,
        pid: 7,
        start_ns: 1,
        exe: "/usr/bin/env".to_owned(),
        argv_sha256: [255; 32],
        labels: [("k".to_owned(), "v\u{1b}".to_owned())].into(),
        claimed_job: None,
        opened_at: DateTime::from_timestamp_nanos(1_234_567_890_123_456_789),
        resumed: false,
        enforcement: Enforcement::Advisory,
        proof: Proof::Absent,
        models: Some(ModelsRead {
            ca: Some("0123456789abcdef".to_owned()),
            hosts: vec!["api.anthropic.com".to_owned()],
            capture: "link_only".to_owned(),
            days: 90,
            telemetry: true,
            lineage_unseen: true,
        }),
        models_unread: vec!["api.openai.com".to_owned()],
        prompts: vec![[7; 32]],
    }
}

#[test]
fn facts_read_back_exactly() {
    let facts = facts(1000);
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<SessionFacts>(&text).unwrap(), facts);
}

#[test]
fn sessions_are_told_and_summed_up() {
    let both = both();
    both.link.opened(facts(1000)).unwrap();
    let summary = both
        .link
        .closed(SessionEnd {
            id: SessionId::new(),
            reason: "exited 0".to_owned(),
            leftovers: vec![Leftover {
                pid: 1,
                comm: "sleep".to_owned(),
            }],
            cpu_us: Some(1),
        })
        .unwrap();
    assert_eq!(summary.statements, 3);
    assert_eq!(
        *both.proxy.told.lock().unwrap(),
        ["opened 1000 1", "closed exited 0 1"]
    );
}

#[test]
fn the_longest_token_reaches_the_proxy_and_its_seal_comes_back() {
    let token = "t".repeat(TOKEN_TEXT_MAX_BYTES);
    let facts = SessionFacts {
        proof: Proof::Token(HandedToken::new(token.clone())),
        ..facts(1000)
    };
    let shown = format!("{facts:?}");
    assert!(!shown.contains("ttt"), "{shown}");
    let settled = both().link.settle(facts).unwrap();
    assert_eq!(settled.sealed, Some(format!("seal of {token}")));
}

fn login(sealed: Option<String>) -> KeptLogin {
    KeptLogin {
        session: SessionId::new(),
        login: LoginId::new(),
        sealed,
    }
}

/// What is kept is there when `keep` returns, the longest too, and reaches the next proxy.
#[test]
fn the_longest_login_is_kept_and_handed_back() {
    let mut both = both();
    let longest = login(Some("s".repeat(SEALED_LOGIN_MAX_BYTES)));
    let over = login(None);
    for kept in [&longest, &over] {
        both.keeper.keep(kept.clone()).unwrap();
        assert_eq!(both.kept.try_recv().as_ref(), Ok(kept));
    }
    let longer = login(Some("s".repeat(SEALED_LOGIN_MAX_BYTES + 1)));
    assert!(matches!(
        both.keeper.keep(longer),
        Err(ControlError::TooLong { .. })
    ));
    both.link.restored(longest).unwrap();
    let told = format!("restored {SEALED_LOGIN_MAX_BYTES} bytes");
    assert_eq!(*both.proxy.told.lock().unwrap(), [told]);
    let refused = both.link.restored(over).unwrap_err();
    assert_eq!(refused.to_string(), "nothing");
}

/// A proxy whose supervisor is gone is not held up by what nobody keeps.
#[test]
fn nothing_is_kept_by_a_supervisor_that_is_gone() {
    let mut both = both();
    both.link.drain(Duration::ZERO).unwrap();
    both.serving.join().unwrap().unwrap();
    let kept = both.keeper.keep(login(None));
    assert!(matches!(kept, Err(ControlError::Gone)), "{kept:?}");
}

#[test]
fn refusals_come_back_in_the_proxys_words() {
    let error = both().link.opened(facts(0)).unwrap_err();
    assert_eq!(error.to_string(), "spool is full");
}

#[test]
fn panic_of_a_handler_is_an_answer() {
    let both = both();
    let error = both.link.opened(facts(13)).unwrap_err();
    assert_eq!(error.to_string(), "the proxy failed; this is a bug");
    both.link.opened(facts(1000)).unwrap();
}

#[test]
fn drain_ends_the_conversation() {
    let both = both();
    both.link.drain(Duration::from_millis(20)).unwrap();
    both.serving.join().unwrap().unwrap();
    both.listening.join().unwrap().unwrap();
    assert!(matches!(both.link.flush(), Err(LinkError::Gone)));
    assert_eq!(*both.proxy.told.lock().unwrap(), ["drain 20ms"]);
}

#[test]
fn what_was_observed_is_handed_on() {
    let both = both();
    let lost = Observed::HeartbeatLost { lasted_ms: 3 };
    both.link.observed(vec![lost.clone(), lost]).unwrap();
    assert_eq!(*both.proxy.told.lock().unwrap(), ["observed 2"]);
}

#[test]
fn what_does_not_come_to_rest_is_told() {
    let both = both();
    let second = Duration::from_secs(1);
    assert_eq!(both.link.let_finish(second).unwrap(), 2);
    let error = both.link.pause(second).unwrap_err();
    assert!(error.is_of_one(), "{error:?}");
    assert_eq!(error.to_string(), "2 statements were under way");
    assert_eq!(
        *both.proxy.told.lock().unwrap(),
        ["let finish 1s", "pause 1s"]
    );
}

#[test]
fn a_proxy_that_waits_goes_on_when_it_is_told_and_says_when_it_is_done() {
    let (link, theirs) = ProxyLink::pair().unwrap();
    let handover = Handover {
        config: PathBuf::from("/c.toml"),
        listeners: Vec::new(),
        destinations: packet::pair().unwrap().0,
        heartbeat: packet::pair().unwrap().0,
        is_next: true,
        waits: true,
    };
    link.hand_over(&handover).unwrap();
    let (received, supervisor, _keeper) = receive_handover_on(theirs).unwrap();
    assert!(received.waits);
    let proxy = thread::spawn(move || {
        supervisor.wait_for_turn().unwrap();
        let parting = supervisor.parting();
        drop(supervisor);
        parting.closed().unwrap();
        // Heard as long as the supervisor holds its end, and no longer.
        let was_heard = parting.is_heard(Duration::from_millis(20));
        (was_heard, parting)
    });
    let mut heard = Vec::new();
    let said = |link: &ProxyLink| packet::receive::<FromProxy>(&link.socket).unwrap().0;
    heard.push(format!("{:?}", said(&link)));
    link.go().unwrap();
    heard.push(format!("{:?}", said(&link)));
    assert_eq!(heard, ["Prepared", "Closed"]);
    let (was_heard, parting) = proxy.join().unwrap();
    assert!(was_heard);
    let lifeline = link.lifeline().unwrap();
    drop(link);
    assert!(parting.is_heard(Duration::from_millis(20)));
    drop(lifeline);
    assert!(!parting.is_heard(Duration::from_secs(5)));
}

#[test]
fn descriptors_must_be_those_announced() {
    let (one, other) = packet::pair().unwrap();
    let message = ToProxy::Handover {
        config: PathBuf::from("/c"),
        listeners: 2,
        is_next: false,
        waits: false,
    };
    packet::send(&one, &message, &[one.as_fd()]).unwrap();
    let error = receive_handover_on(other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected 3 descriptors with the handover, found 1"
    );
}
