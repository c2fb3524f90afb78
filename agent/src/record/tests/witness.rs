//! A recorder and the witness that signs how far its chain has come.

use std::io::{self, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::*;
use crate::record::chain::documents::{installation_name, origin};
use crate::record::chain::keys::SigningKey;
use crate::record::chain::note::{Checkpoint, Note, NoteKey};
use crate::record::chain::tree::{self, Tree};
use crate::record::chain::witness::{Submission, add_checkpoint};
use crate::record::witnessing::{Asking, Witnessing};
use crate::verify::Trust;
use crate::web::Client;
use crate::witness::{Listening, State, serve};

/// A witness in this process, at a place that it keeps when it is gone.
struct Running {
    key: NoteKey,
    url: String,
    stop: oneshot::Sender<()>,
    serving: thread::JoinHandle<()>,
}

fn witness(place: &Place, address: &str) -> Running {
    let key = SigningKey::of_installation(&place.settings.state_dir).unwrap();
    let text = format!(
        "[[installation]]\nname = \"here\"\nkey = \"{}\"\n",
        key.public_text()
    );
    let trust = Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap();
    let state = State::open(&place.dir.path().join("witness"), "w", trust).unwrap();
    let key = state.public();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bound = runtime.block_on(Listening::bind(address.parse().unwrap(), None));
    let listening = bound.unwrap();
    let url = format!("http://{}", listening.address().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = serve(listening, state, Clock::system()) => {}
                _ = stopped => {}
            }
        });
    });
    Running {
        key,
        url,
        stop,
        serving,
    }
}

impl Running {
    fn end(self) -> String {
        drop(self.stop);
        self.serving.join().unwrap();
        self.url.trim_start_matches("http://").to_owned()
    }
}

/// The sizes of the chains that a witness signed and the store has, in the order of their manifests.
fn signed(place: &Place, key: &NoteKey) -> Vec<u64> {
    // Others come and go in the store while this looks.
    let listed = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_unstable();
        paths
    };
    let chains = listed(place.store().join("default/v1/chains")).into_iter();
    let notes = chains.flat_map(listed);
    let notes = notes.filter(|path| path.extension().is_some_and(|end| end == "note"));
    notes
        .map(|path| {
            let bytes = fs::read(path).unwrap();
            let note = Note::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
            assert!(note.verify(key).unwrap().is_some());
            Checkpoint::parse(note.text()).unwrap().size
        })
        .collect()
}

/// Waits until a witness's signatures are in the store: the record does not wait for them.
#[track_caller]
fn wait_for(place: &Place, key: &NoteKey, sizes: &[u64]) {
    for _ in 0..6_000 {
        if signed(place, key) == sizes {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("expected {sizes:?}, found {:?}", signed(place, key));
}

fn asks(url: &str) -> Option<Witness> {
    Some(Witness {
        url: url.to_owned(),
        web: Client::offline().unwrap(),
    })
}

#[test]
fn each_manifest_is_signed_and_what_a_witness_missed_when_it_is_back() {
    let mut place = Place::new();
    let running = witness(&place, "127.0.0.1:0");
    let key = running.key.clone();
    place.settings.witness = asks(&running.url);
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.flush_blocking().unwrap();
    wait_for(&place, &key, &[2]);
    let address = running.end();
    for _ in 0..2 {
        put(&recorder, vec![end(StatementId::new())]);
        recorder.flush_blocking().unwrap();
    }
    assert_eq!(signed(&place, &key), [2], "the record goes on without");
    let running = witness(&place, &address);
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    let sizes = signed(&place, &key);
    assert_eq!((sizes.first(), sizes.last()), (Some(&2), Some(&6)));
    running.end();
    assert_eq!(place.archive().refused(), [] as [String; 0]);
}

#[test]
fn a_flush_does_not_wait_for_a_witness_that_does_not_answer() {
    let mut place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    place.settings.witness = asks(&url);
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.flush_blocking().unwrap();
    let (mut asking, _) = silent.accept().unwrap();
    let mut bytes = [0; 4096];
    assert_ne!(asking.read(&mut bytes).unwrap(), 0);
    asking.set_nonblocking(true).unwrap();
    let goes_on = loop {
        match asking.read(&mut bytes) {
            Ok(0) => break false,
            Ok(_) => {}
            Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
        }
    };
    assert!(goes_on, "the question was over before the flush returned");
    drop((asking, silent));
    recorder.close_blocking().unwrap();
}

/// A chain that is told to a witness without a recorder: its checkpoints by what they are of.
struct Told<'a> {
    place: &'a Place,
    chain: Arc<str>,
    tree: Tree,
}

impl Told<'_> {
    fn note(&mut self, leaves: &[tree::Hash]) -> String {
        self.tree.extend(leaves.iter().copied());
        let mut note = Note::new(&Checkpoint {
            origin: origin("default", &self.chain),
            size: self.tree.size(),
            root: self.tree.root(),
        });
        let key = SigningKey::of_installation(&self.place.settings.state_dir).unwrap();
        note.sign(&installation_name(&key.id()), key.pair());
        note.to_string()
    }
}

impl<'a> Told<'a> {
    /// Begins a chain, and what tells a witness of it.
    fn begin(place: &'a Place) -> (Self, Witnessing, Asking) {
        let told = Self {
            place,
            chain: uuid::Uuid::now_v7().to_string().into(),
            tree: Tree::default(),
        };
        let spool = Spool::open(&place.settings.state_dir).unwrap();
        let begun =
            Witnessing::begin(&place.settings, &spool, &told.chain, &Arc::default()).unwrap();
        let (witnessing, asking) = begun.unwrap();
        (told, witnessing, asking)
    }
}

#[test]
fn a_signature_that_the_store_does_not_take_is_kept_for_it() {
    let mut place = Place::new();
    let running = witness(&place, "127.0.0.1:0");
    place.settings.witness = asks(&running.url);
    place.take_store_away();
    let (mut told, mut witnessing, asking) = Told::begin(&place);
    let leaves = [tree::leaf(b"a"), tree::leaf(b"b")];
    witnessing.take(0, &leaves, &told.note(&leaves));
    witnessing.stored();
    drop(witnessing);
    asking.run();
    place.give_store_back();
    // The next process stores it, and has its own chain signed.
    place.open().close_blocking().unwrap();
    assert_eq!(signed(&place, &running.key), [2, 2]);
    assert_eq!(
        files(&place.settings.state_dir.join("spool/witnessed")).len(),
        0
    );
    running.end();
}

#[test]
fn a_checkpoint_that_was_signed_while_the_answer_was_lost_is_signed_again() {
    let mut place = Place::new();
    let running = witness(&place, "127.0.0.1:0");
    place.settings.witness = asks(&running.url);
    fs::create_dir(place.store()).unwrap();
    let (mut told, mut witnessing, asking) = Told::begin(&place);
    let leaves = [tree::leaf(b"a"), tree::leaf(b"b"), tree::leaf(b"c")];
    let note = told.note(&leaves);
    let lost = Submission {
        old_size: 0,
        proof: Vec::new(),
        note: note.clone(),
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let web = Client::offline().unwrap();
    let answered = runtime.block_on(add_checkpoint(&web, &running.url, &lost));
    answered.unwrap();
    let asking = thread::spawn(move || asking.run());
    witnessing.take(0, &leaves, &note);
    witnessing.stored();
    wait_for(&place, &running.key, &[3]);
    let more = [tree::leaf(b"d")];
    witnessing.take(1, &more, &told.note(&more));
    witnessing.stored();
    drop(witnessing);
    asking.join().unwrap();
    assert_eq!(signed(&place, &running.key), [3, 4]);
    running.end();
}
