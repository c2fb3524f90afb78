//! What a witness signs, what it refuses, and what it knows after a restart.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use chrono::Utc;
use rustix::net;
use tokio::runtime::Builder;

use super::super::{Listening, latest, serve};
use super::*;
use crate::clock::Clock;
use crate::record::chain::documents::installation_name;
use crate::record::chain::range::Range;
use crate::record::chain::tree::{Hash, leaf};
use crate::record::chain::witness::{AddError, add_checkpoint};
use crate::web::Client;

struct Chain {
    origin: String,
    key: SigningKey,
    leaves: Vec<Hash>,
}

impl Chain {
    fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            key: SigningKey::make().unwrap(),
            leaves: (0..9_u8).map(|number| leaf(&[number])).collect(),
        }
    }

    fn trust(&self) -> Trust {
        self.trust_for("")
    }

    fn trust_for(&self, orgs: &str) -> Trust {
        let key = self.key.public_text();
        let text = format!("[[installation]]\nname = \"a\"\nkey = \"{key}\"\n{orgs}");
        Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap()
    }

    fn tree(&self, size: usize) -> Tree {
        let mut tree = Tree::default();
        tree.extend(self.leaves[..size].iter().copied());
        tree
    }

    fn submission(&self, old: usize, new: usize) -> Submission {
        let mut note = Note::new(&Checkpoint {
            origin: self.origin.clone(),
            size: new as u64,
            root: self.tree(new).root(),
        });
        note.sign(&installation_name(&self.key.id()), self.key.pair());
        let mut since = Range::after(old as u64);
        since.extend(&self.leaves[old..new.max(old)]);
        Submission {
            old_size: old as u64,
            proof: since.consistency(&self.tree(old)),
            note: note.to_string(),
        }
    }
}

fn add(state: &mut State, submission: &Submission) -> Result<String, Refused> {
    state.add(submission.to_string().as_bytes(), 7)
}

#[test]
fn a_chain_goes_on_and_never_back_or_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new("icecore/acme/c");
    let own = dir.path().join("witness");
    let mut state = State::open(&own, "w", chain.trust()).unwrap();
    assert_eq!(
        fs::metadata(&own).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let line = add(&mut state, &chain.submission(0, 3)).unwrap();
    let submission = chain.submission(3, 7);
    let mut note = Note::parse(&submission.note).unwrap();
    note.add(&add(&mut state, &submission).unwrap()).unwrap();
    assert_eq!(note.verify(&state.public()), Ok(Some(7)));
    assert!(note.add(&line).is_ok(), "a line is a signature's");
    // Again, and the answer comes again.
    assert!(add(&mut state, &chain.submission(7, 7)).is_ok());
    for (old, new, refused) in [
        (3, 7, Refused::Size(7)),
        (0, 9, Refused::Size(7)),
        (7, 3, Refused::Form),
    ] {
        assert_eq!(add(&mut state, &chain.submission(old, new)), Err(refused));
    }
    let other = Chain::new("icecore/acme/c");
    assert_eq!(
        add(&mut state, &other.submission(7, 9)),
        Err(Refused::Untrusted)
    );
    let mut forked = Chain {
        leaves: chain.leaves.clone(),
        ..Chain::new("icecore/acme/c")
    };
    forked.leaves[2] = leaf(b"x");
    forked.key = chain.key;
    assert_eq!(
        add(&mut state, &forked.submission(7, 9)),
        Err(Refused::Proof)
    );
    assert_eq!(
        add(&mut state, &forked.submission(7, 7)),
        Err(Refused::Root)
    );
    for origin in [
        "acme/c",
        "icecore/installation/c",
        "icecore/c",
        "icecore/a/b/c",
        "icecore//c",
        "icecore/acme/",
    ] {
        forked.origin = origin.to_owned();
        assert_eq!(
            add(&mut state, &forked.submission(0, 1)),
            Err(Refused::Origin),
            "{origin}"
        );
    }
    assert_eq!(state.add(b"old x", 7), Err(Refused::Form));
}

#[test]
fn what_was_signed_is_known_after_a_restart_and_must_not_have_changed() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new("icecore/acme/c");
    let mut state = State::open(dir.path(), "w", chain.trust()).unwrap();
    add(&mut state, &chain.submission(0, 3)).unwrap();
    let second = State::open(dir.path(), "w", chain.trust());
    assert!(second.unwrap_err().to_string().contains("another witness"));
    let key = state.public();
    drop(state);
    let mut state = State::open(dir.path(), "w", chain.trust()).unwrap();
    assert_eq!(state.public(), key);
    assert_eq!(
        add(&mut state, &chain.submission(0, 7)),
        Err(Refused::Size(3))
    );
    add(&mut state, &chain.submission(3, 7)).unwrap();
    drop(state);
    let name = format!("{}.note", hex(&sha256(b"icecore/acme/c")));
    let path = dir.path().join(name);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\n7\n", "\n6\n")).unwrap();
    assert!(State::open(dir.path(), "w", chain.trust()).is_err());
}

#[test]
fn an_installation_is_of_the_organisations_of_its_pin_or_else_of_its_first_chains() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new("icecore/acme/c");
    let (unbound, bound) = (chain.trust(), chain.trust_for("orgs = [\"beta\"]\n"));
    let mut begin = |state: &mut State, origin: &str| {
        chain.origin = origin.to_owned();
        add(state, &chain.submission(0, 3)).map(drop)
    };
    let mut state = State::open(dir.path(), "w", unbound.clone()).unwrap();
    assert_eq!(begin(&mut state, "icecore/acme/c"), Ok(()));
    assert_eq!(begin(&mut state, "icecore/acme/d"), Ok(()));
    assert_eq!(begin(&mut state, "icecore/beta/c"), Err(Refused::Org));
    drop(state);
    let mut state = State::open(dir.path(), "w", unbound).unwrap();
    assert_eq!(begin(&mut state, "icecore/beta/c"), Err(Refused::Org));
    assert_eq!(begin(&mut state, "icecore/acme/e"), Ok(()));
    drop(state);
    // The pin's word is the last one, also on a chain that was begun before.
    let mut state = State::open(dir.path(), "w", bound).unwrap();
    assert_eq!(begin(&mut state, "icecore/beta/c"), Ok(()));
    assert_eq!(begin(&mut state, "icecore/acme/e"), Err(Refused::Org));
}

#[test]
fn a_revoked_installation_goes_no_further_and_what_it_did_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new("icecore/acme/c");
    let mut state = State::open(dir.path(), "w", chain.trust()).unwrap();
    add(&mut state, &chain.submission(0, 3)).unwrap();
    drop(state);
    // Another host is trusted since, and takes over nothing.
    let mut other = Chain::new("icecore/acme/c");
    other.leaves.clone_from(&chain.leaves);
    let mut state = State::open(dir.path(), "w", other.trust()).unwrap();
    assert_eq!(state.page(None).0.len(), 1);
    for late in [&chain, &other] {
        let refused = add(&mut state, &late.submission(3, 7));
        assert_eq!(refused, Err(Refused::Untrusted));
    }
}

#[test]
fn an_installation_that_runs_wild_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new("icecore/acme/c");
    let mut state = State::open(dir.path(), "w", chain.trust()).unwrap();
    let mut outcomes = (0..601).map(|_| add(&mut state, &chain.submission(9, 7)));
    assert!(
        outcomes
            .by_ref()
            .take(600)
            .all(|one| one == Err(Refused::Form))
    );
    assert_eq!(outcomes.next(), Some(Err(Refused::Pace)));
    drop(outcomes);
    assert_eq!(add(&mut state, &chain.submission(0, 3)), Err(Refused::Pace));
    let notes = fs::read_dir(dir.path()).unwrap();
    let is_note = |path: &Path| path.extension().is_some_and(|end| end == "note");
    assert_eq!(
        notes
            .filter(|one| is_note(&one.as_ref().unwrap().path()))
            .count(),
        0
    );
    let later = state.add(chain.submission(0, 3).to_string().as_bytes(), 67);
    assert!(later.is_ok(), "{later:?}");
}

/// Connects from an address of this host; what comes is waited for less long than a whole connection may take.
fn dial(to: SocketAddr, from: &str) -> TcpStream {
    let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None).unwrap();
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    net::bind(&socket, &from).unwrap();
    net::connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        Ok(_) | Err(_) => text,
    }
}

#[test]
fn a_recorder_and_a_verifier_reach_it_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new("icecore/acme/c");
    let state = State::open(dir.path(), "w", chain.trust()).unwrap();
    let key = state.public();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let listening = runtime.block_on(async {
        let abroad = Listening::bind("0.0.0.0:0".parse().unwrap(), None).await;
        assert!(abroad.is_err(), "plain, and not of this host");
        Listening::bind("127.0.0.1:0".parse().unwrap(), None)
            .await
            .unwrap()
    });
    let address = listening.address().unwrap();
    let url = format!("http://{address}");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = serve(listening, state, Clock::system()) => {}
                _ = stopped => {}
            }
        });
    });
    let asking = Builder::new_current_thread().enable_all().build().unwrap();
    let web = Client::offline().unwrap();
    asking.block_on(async {
        let first = chain.submission(0, 3);
        let lines = add_checkpoint(&web, &url, &first).await.unwrap();
        let mut note = Note::parse(&first.note).unwrap();
        note.add(&lines).unwrap();
        let time_s = note.verify(&key).unwrap().unwrap();
        assert!(time_s.abs_diff(u64::try_from(Utc::now().timestamp()).unwrap()) < 100);
        let again = add_checkpoint(&web, &url, &chain.submission(0, 7)).await;
        assert_eq!(again, Err(AddError::Known { size: 3 }));
        let mut unsigned = chain.submission(3, 7);
        unsigned.note = Note::parse(&unsigned.note)
            .unwrap()
            .to_string()
            .replace("7", "8");
        let refused = add_checkpoint(&web, &url, &unsigned).await;
        assert!(
            matches!(
                refused,
                Err(AddError::Refused {
                    status: 400 | 403,
                    ..
                })
            ),
            "{refused:?}"
        );
        assert_eq!(latest(&web, &url).await, Ok(vec![note.to_string()]));
        let long = Submission {
            note: "x".repeat(70_000),
            ..chain.submission(3, 7)
        };
        let refused = add_checkpoint(&web, &url, &long).await;
        assert!(refused.is_err(), "{refused:?}");
    });
    // One address holds some connections, for a while, and keeps nobody else out.
    let held: Vec<TcpStream> = (0..32).map(|_| dial(address, "127.0.0.2")).collect();
    let mut other = dial(address, "127.0.0.3");
    other.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(&mut other).starts_with("HTTP/1.0 404"));
    let mut later = held.into_iter();
    assert_eq!(rest(&mut later.next_back().unwrap()), "", "one too many");
    assert_eq!(
        rest(&mut later.next().unwrap()),
        "",
        "nothing was asked in time"
    );
    stop.send(()).unwrap();
    serving.join().unwrap();
}
