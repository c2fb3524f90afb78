//! A chunk from storage is delivered only once it is masked.

use icecore::id::{SessionId, StatementId};
use icecore::record::{Recorder, deliver_chunk};
use icecore::upstream::UnmaskedChunk;

fn leak(recorder: &Recorder, unmasked: UnmaskedChunk) {
    let _reply = deliver_chunk(recorder, SessionId::new(), StatementId::new(), unmasked, |_| {});
}

fn main() {}
