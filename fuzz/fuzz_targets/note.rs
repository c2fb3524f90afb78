//! What is read as a note, a checkpoint, a key or a submission to a witness is written the same, and nothing else is read.

#![no_main]

use icecore::record::chain::note::{Checkpoint, Note, NoteKey};
use icecore::record::chain::witness::Submission;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(Note::parse(&note.to_string()).as_ref(), Ok(&note));
        if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
            assert_eq!(checkpoint.to_string(), note.text());
        }
        let key = NoteKey::signer("icecore/acme/c", [7; 32]);
        assert!(note.verify(&key).is_err(), "nobody signs by chance");
    }
    if let Ok(key) = NoteKey::parse(text) {
        assert_eq!(NoteKey::parse(&key.to_string()), Ok(key));
    }
    if let Some(submission) = Submission::read(text) {
        assert_eq!(submission.to_string(), text);
    }
});
