//! Any bytes are an answer or an error, and nothing that works elsewhere is in what leaves.

#![no_main]

use bytes::Bytes;
use icecore::snowflake::answer::Answer;
use icecore::snowflake::gzip::inflate_capped;
use icecore::snowflake::json::Object;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(plain) = inflate_capped(Bytes::copy_from_slice(body), 1 << 20) else { return };
    let Ok(answer) = Answer::read(&plain) else { return };
    let Ok(written) = answer.write() else { return };
    let envelope = Object::read(&written).expect("what leaves is JSON");
    if let Some(data) = envelope.read_as::<Object>("data") {
        assert!(["qrmk", "chunkHeaders"].iter().all(|part| data.raw(part).is_none()));
        assert!(!data.has_content("stageInfo") && !data.has_content("chunks"));
    }
});
