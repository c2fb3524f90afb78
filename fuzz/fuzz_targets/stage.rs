//! Whatever an answer to PUT or GET is, what opens the stage outside of its session does not leave.

#![no_main]

use icecore::snowflake::answer::Answer;
use icecore::snowflake::json::Object;
use icecore::snowflake::stage::Moves;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "canary-key-7f3a";

/// Good answers; the keys stand before what drivers are told.
const GOOD: [&str; 4] = [
    r#"{"data":{"stageInfo":{"locationType":"S3","location":"b/p/","region":"us-west-2","creds":{"AWS_KEY_ID":"AKIA1","AWS_SECRET_KEY":"canary-key-7f3a","AWS_TOKEN":"canary-key-7f3a"}},"encryptionMaterial":{"queryStageMasterKey":"canary-key-7f3a","queryId":"q","smkId":1},"command":"UPLOAD","src_locations":["/tmp/a*"],"parallel":4,"overwrite":false},"success":true}"#,
    r#"{"data":{"stageInfo":{"locationType":"AZURE","location":"c/p/","storageAccount":"a","endPoint":"blob.core.windows.net","creds":{"AZURE_SAS_TOKEN":"?sig=canary-key-7f3a"}},"encryptionMaterial":[{"queryStageMasterKey":"canary-key-7f3a","queryId":"q","smkId":1},null],"command":"DOWNLOAD","src_locations":["a.csv","d/b.csv"],"localLocation":"/tmp/in/"},"success":true}"#,
    r#"{"data":{"stageInfo":{"locationType":"GCS","location":"b/p/","presignedUrl":"https://x/?canary-key-7f3a","creds":{"GCS_ACCESS_TOKEN":"canary-key-7f3a"}},"presignedUrls":["https://x/?canary-key-7f3a"],"command":"DOWNLOAD","src_locations":["a.csv"],"localLocation":"/tmp/in"},"success":true}"#,
    r#"{"data":{"uploadInfo":{"creds":{"GCS_ACCESS_TOKEN":"canary-key-7f3a"}},"stageInfo":{"locationType":"LOCAL_FS","location":"canary-key-7f3a"},"command":"UPLOAD","src_locations":["/tmp/a*"]},"success":true}"#,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    holds(bytes);
    let good = GOOD[usize::from(*which) % GOOD.len()];
    holds(good.as_bytes());
    if let Some(changed) = changed(good, bytes) {
        holds(&changed);
    }
});

fn holds(answer: &[u8]) {
    for moves in [
        Moves::Put("/tmp/a*".to_owned()),
        Moves::Get("/tmp/in/".to_owned()),
    ] {
        let Ok(mut answer) = Answer::read(answer) else {
            return;
        };
        let Ok(named) = answer.name_stage(&moves, "h.example") else {
            continue;
        };
        for name in ["a", "a.csv", "d/b.csv", "../a", "", "ab.gz"] {
            if let Some(file) = named.as_ref().and_then(|named| named.stage.find(name)) {
                assert_eq!(file.name, name);
            }
        }
        // Drivers read `data` alone.
        if let Ok((written, _)) = answer.write_named("h.example")
            && let Some(data) = Object::read(&written)
                .expect("what leaves is JSON")
                .raw("data")
        {
            assert!(!data.get().contains(KEY));
        }
    }
}

/// Puts the bytes into a good answer, in place of some of its own: where and how many the first three say.
fn changed(good: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let ([low, high, length], instead) = bytes.split_first_chunk::<3>()?;
    let at = usize::from(u16::from_le_bytes([*low, *high])) % good.len();
    let behind = (at + usize::from(*length % 32)).min(good.len());
    Some([&good.as_bytes()[..at], instead, &good.as_bytes()[behind..]].concat())
}
