//! A recorder and the witness that signs how far its chain has come.

use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::*;
use crate::record::chain::keys::SigningKey;
use crate::record::chain::note::{Checkpoint, Note, NoteKey};
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
    let notes = files(&place.store()).into_iter();
    let notes = notes.filter(|(path, _)| path.extension().is_some_and(|end| end == "note"));
    notes
        .map(|(_, bytes)| {
            let note = Note::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
            assert!(note.verify(key).unwrap().is_some());
            Checkpoint::parse(note.text()).unwrap().size
        })
        .collect()
}

#[test]
fn each_manifest_is_signed_and_what_a_witness_missed_with_the_next() {
    let mut place = Place::new();
    let running = witness(&place, "127.0.0.1:0");
    let key = running.key.clone();
    place.settings.witness = Some(Witness {
        url: running.url.clone(),
        web: Client::offline().unwrap(),
    });
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.flush_blocking().unwrap();
    assert_eq!(signed(&place, &key), [2]);
    let address = running.end();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.flush_blocking().unwrap();
    assert_eq!(signed(&place, &key), [2], "the record goes on without");
    let running = witness(&place, &address);
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    assert_eq!(signed(&place, &key), [2, 5]);
    running.end();
    assert_eq!(place.archive().refused(), [] as [String; 0]);
}
