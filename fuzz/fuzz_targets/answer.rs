//! Any bytes are an answer or an error, and nothing that works elsewhere is in what leaves.

#![no_main]

use bytes::Bytes;
use icecore::snowflake::answer::Answer;
use icecore::snowflake::gzip::{Inflater, inflate_capped};
use icecore::snowflake::json::Object;
use icecore::snowflake::route::QueryId;
use icecore::snowflake::v2;
use libfuzzer_sys::fuzz_target;

const OURS: &str = "https://h.example/icecore/chunks/";

fuzz_target!(|body: &[u8]| {
    let plain = inflate_capped(Bytes::copy_from_slice(body), 1 << 20);
    streams_alike(body, plain.as_ref().ok());
    let Ok(plain) = plain else { return };
    if let Ok(answer) = Answer::read(&plain)
        && let Ok(written) = answer.write()
        && let Some(data) = data(&written)
    {
        assert!(["qrmk", "chunkHeaders"].iter().all(|part| data.raw(part).is_none()));
        assert!(!data.has_content("stageInfo") && !data.has_content("chunks"));
    }
    if let Ok(answer) = Answer::read(&plain)
        && let Ok((written, named)) = answer.write_named("h.example")
        && let Some(data) = data(&written)
    {
        let chunks: Vec<Object> = data.read_as("chunks").unwrap_or_default();
        assert_eq!(chunks.len(), named.len());
        for chunk in chunks {
            assert!(chunk.read_as::<String>("url").is_some_and(|url| url.starts_with(OURS)));
        }
    }
    of_the_sql_api(&plain);
});

fn of_the_sql_api(plain: &Bytes) {
    let own = QueryId::parse("01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11").expect("an id");
    if let Ok(answer) = v2::Answer::read(200, None, plain)
        && let Ok(written) = answer.write(own)
    {
        let body = Object::read(written.text()).expect("what leaves is JSON");
        let elsewhere = ["stageInfo", "presignedUrls", "encryptionMaterial", "chunks", "chunkHeaders", "qrmk", "token"];
        assert!(elsewhere.iter().all(|part| !body.has_content(part)));
        let url: Option<String> = body.read_as("statementStatusUrl");
        assert!(url.is_none_or(|url| url.is_empty() || url == format!("/api/v2/statements/{own}")));
    }
}

fn data(written: &[u8]) -> Option<Object> {
    Object::read(written).expect("what leaves is JSON").read_as("data")
}

/// A body in pieces inflates to the same bytes as the body at once.
fn streams_alike(body: &[u8], plain: Option<&Bytes>) {
    let mut inflater = Inflater::new(1 << 20);
    let mut found = Vec::new();
    for piece in body.chunks(7) {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            let Ok(window) = inflater.feed(&mut piece) else { return };
            found.extend_from_slice(&window);
        }
    }
    if let (Ok(last), Some(plain)) = (inflater.finish(), plain) {
        found.extend_from_slice(&last);
        assert_eq!(found, plain.as_ref());
    }
}
