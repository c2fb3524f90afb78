//! Whatever an answer's list of chunks is, the agent gets our addresses alone, one for each chunk, and no key.

#![no_main]

use icecore::snowflake::answer::Answer;
use icecore::snowflake::json::Object;
use libfuzzer_sys::fuzz_target;

const OURS: &str = "https://h.example/icecore/chunks/";
const KEY: &str = "canary-key-7f3a";

/// A list that is good, with what reads its chunks.
const GOOD: &str = r#"[{"url":"https://b.s3.amazonaws.com/r?X-Amz-Signature=canary-key-7f3a","rowCount":2,"uncompressedSize":9,"compressedSize":5},{"url":"https://b.s3.amazonaws.com/s?X-Amz-Signature=canary-key-7f3a","rowCount":1}]"#;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    holds(
        text,
        r#"{"x-amz-server-side-encryption-customer-key":"canary-key-7f3a"}"#,
    );
    holds(GOOD, text);
    if let Some(changed) = changed(bytes) {
        holds(&changed, "null");
    }
});

fn holds(list: &str, headers: &str) {
    let answer = format!(
        r#"{{"data":{{"chunks":{list},"chunkHeaders":{headers},"qrmk":"{KEY}"}},"success":true}}"#
    );
    let Ok(answer) = Answer::read(answer.as_bytes()) else {
        return;
    };
    let Ok((written, named)) = answer.write_named("h.example") else {
        return;
    };
    let written = str::from_utf8(&written).expect("what leaves is text");
    let whole = Object::read(written.as_bytes()).expect("what leaves is JSON");
    let data: Object = whole.read_as("data").expect("it has what came");
    let chunks: Vec<Object> = data.read_as("chunks").unwrap_or_default();
    assert_eq!(chunks.len(), named.len());
    for (chunk, named) in chunks.iter().zip(&named) {
        let url: Option<String> = chunk.read_as("url");
        assert_eq!(url, Some(format!("{OURS}{}", named.id)));
        assert!(!named.chunk.host().is_empty());
    }
    assert!(data.raw("qrmk").is_none() && !written.contains(KEY));
}

/// Puts the text into the good list, in place of some of its own: where and how much the first two bytes say.
fn changed(bytes: &[u8]) -> Option<String> {
    let ([at, length], instead) = bytes.split_first_chunk::<2>()?;
    let at = usize::from(*at) % GOOD.len();
    let behind = (at + usize::from(*length)).min(GOOD.len());
    let instead = str::from_utf8(instead).ok()?;
    Some([GOOD.get(..at)?, instead, GOOD.get(behind..)?].concat())
}
