//! What the next proxy knows of chunks, and what it must not believe.

use std::os::unix::fs::PermissionsExt;

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::execution::{Chunks, Meter, Sought};
use crate::policy::{Plan, Planned, Transform};
use crate::snowflake::answer::Answer;
use crate::snowflake::chunks::{ChunkId, NamedChunk};

/// What opens a chunk.
const CANARIES: [&str; 3] = ["s3.amazonaws.com", "sig-canary", "key-canary"];

/// A host, with what outlives its proxies.
struct Host {
    folder: TempDir,
    key: hmac::Key,
    hash_keys: HashKeys,
    usages: Arc<Usages>,
    session: SessionId,
}

impl Host {
    fn new() -> Self {
        let nowhere = Path::new("/nonexistent");
        Self {
            folder: TempDir::new().unwrap(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]),
            hash_keys: HashKeys::for_tests(),
            usages: Arc::new(Usages::open(nowhere, nowhere, DateTime::UNIX_EPOCH)),
            session: SessionId::new(),
        }
    }

    fn by(&self) -> KeptBy<'_> {
        KeptBy {
            folder: self.folder.path(),
            host: &self.key,
            hash_keys: &self.hash_keys,
            usages: &self.usages,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(self.session.to_string())
    }

    fn meter(&self) -> Meter {
        self.usages.meter_of(self.session, "ada")
    }

    /// The chunks of the next proxy.
    fn next(&self) -> Chunks {
        let chunks = Chunks::default();
        chunks.keep_for_next(self.by(), self.session);
        chunks
    }

    /// Has a proxy name chunks, and gives their names.
    async fn name(&self, chunks: &Chunks, count: usize, masking: Option<Masking>) -> Vec<ChunkId> {
        let named = named(count);
        let ids = named.iter().map(|named| named.id).collect();
        let statement = Some(StatementId::new());
        let (meter, session) = (self.meter(), self.session);
        let kept = chunks.keep(&meter, session, statement, "ACME", (named, masking));
        kept.await;
        ids
    }

    /// Tells which names lead to a chunk of the next proxy.
    fn found(&self, ids: &[ChunkId]) -> Vec<bool> {
        let next = self.next();
        let found = |id| matches!(next.find(self.session, id), Sought::Handle(_));
        ids.iter().map(found).collect()
    }
}

fn named(count: usize) -> Vec<NamedChunk> {
    let chunk = |at| {
        format!(r#"{{"url":"https://b.s3.amazonaws.com/r/{at}?sig=sig-canary","rowCount":{at}}}"#)
    };
    let chunks: Vec<String> = (0..count).map(chunk).collect();
    let text = format!(
        r#"{{"data":{{"chunks":[{}],"chunkHeaders":{{"x-amz-key":"key-canary"}}}},"success":true}}"#,
        chunks.join(",")
    );
    let answer = Answer::read(text.as_bytes()).unwrap();
    answer.write_named("h").unwrap().1
}

fn kept_masking(types: &[&str]) -> KeptMasking {
    let plan = Plan::new(vec![Planned {
        name: Some("EMAIL".to_owned()),
        origins: [].into(),
        mask: Some(Transform::read("hash").unwrap()),
    }]);
    let kept = json!({"plan": plan, "types": types, "form": "Arrow", "hides_minted": false});
    serde_json::from_value(kept).unwrap()
}

/// Shows all that a handle is made of.
fn shown(chunks: &Chunks, session: SessionId, id: &ChunkId) -> Value {
    let Sought::Handle(handle) = chunks.find(session, id) else {
        panic!("no chunk")
    };
    json!({
        "statement": handle.statement,
        "account": handle.account,
        "principal": handle.meter.principal(),
        "host": handle.chunk.host(),
        "chunk": KeptChunks::of([&handle.chunk]),
        "masking": handle.masking.as_ref().map(Masking::kept),
    })
}

#[tokio::test]
async fn the_next_proxy_has_the_same_chunks_masked_as_before_and_no_file_tells_of_them() {
    let host = Host::new();
    let before = host.next();
    let masking = Masking::restore(kept_masking(&["Text"]), &host.hash_keys, host.session).unwrap();
    let mut ids = host.name(&before, 3, Some(masking)).await;
    ids.extend(host.name(&before, 2, None).await);
    let next = host.next();
    for (at, id) in ids.iter().enumerate() {
        let kept = shown(&next, host.session, id);
        assert_eq!(kept, shown(&before, host.session, id));
        assert_eq!(kept["masking"].is_null(), at >= 3, "{kept}");
        assert!(matches!(next.find(SessionId::new(), id), Sought::Foreign));
    }
    let bytes = fs::read(host.file()).unwrap();
    for plain in CANARIES
        .iter()
        .map(|text| text.as_bytes())
        .chain([&b"ACME"[..]])
    {
        assert!(!bytes.windows(plain.len()).any(|part| part == plain));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.file()), 0o600);
    next.forget_session(host.session);
    assert_eq!(host.found(&ids), [false; 5]);
}

#[tokio::test]
async fn a_file_of_another_session_host_or_a_changed_or_cut_one_leads_nowhere() {
    let mut host = Host::new();
    let ids = host.name(&host.next(), 2, None).await;
    let whole = fs::read(host.file()).unwrap();
    assert_eq!(host.found(&ids), [true; 2]);

    let own = std::mem::replace(&mut host.session, SessionId::new());
    fs::write(host.file(), &whole).unwrap();
    assert_eq!(host.found(&ids), [false; 2]);
    host.session = own;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]);
    let key = std::mem::replace(&mut host.key, key);
    assert_eq!(host.found(&ids), [false; 2]);
    host.key = key;
    for at in [0, 4, 40, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(host.file(), changed).unwrap();
        assert_eq!(host.found(&ids), [false; 2], "byte {at}");
    }
    for length in [0, 3, 4, whole.len() - 1] {
        fs::write(host.file(), &whole[..length]).unwrap();
        assert_eq!(host.found(&ids), [false; 2], "{length} bytes");
    }
    // What was cut is off, so that what follows it can be read.
    let other = host.name(&host.next(), 1, None).await;
    assert_eq!(host.found(&other), [true]);
    fs::write(host.file(), &whole).unwrap();
    assert_eq!(host.found(&ids), [true; 2]);
}

#[tokio::test]
async fn chunks_that_cannot_be_masked_as_they_were_are_not_handed_out() {
    let host = Host::new();
    let ids = host.name(&host.next(), 2, None).await;
    let key = SealKey::of(&host.key, Purpose::Chunks, host.session).unwrap();
    let whole = fs::read(host.file()).unwrap();
    let text = key.unseal(&[], &whole[4..]).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    let masked = |masking: Value| {
        let mut record = record.clone();
        record["masking"] = masking;
        let sealed = key
            .seal(&[], Zeroizing::new(serde_json::to_vec(&record).unwrap()))
            .unwrap();
        let length = u32::try_from(sealed.len()).unwrap().to_le_bytes();
        fs::write(host.file(), [&length, sealed.as_slice()].concat()).unwrap();
        host.found(&ids)
    };
    let by = |kept: Value| json!({ "Masked": kept });
    let bare = |types: &[&str], hides_minted: bool| {
        by(
            json!({"plan": Plan::Open, "types": types, "form": "Json", "hides_minted": hides_minted}),
        )
    };
    assert_eq!(masked(by(json!(kept_masking(&["Text"])))), [true; 2]);
    assert_eq!(masked(bare(&["Text"], true)), [true; 2]);
    for masking in [
        by(json!(kept_masking(&[]))),
        by(json!(kept_masking(&["Text", "Text"]))),
        bare(&[], false),
        bare(&["Text"], false),
        bare(&["Real"], true),
        Value::Null,
        json!("Other"),
    ] {
        assert_eq!(masked(masking.clone()), [false; 2], "{masking}");
    }
}

#[tokio::test]
async fn the_oldest_go_where_there_are_twice_as_many_as_a_session_holds() {
    let host = Host::new();
    let chunks = host.next();
    let mut ids = Vec::new();
    let mut sizes = Vec::new();
    for _ in 0..5 {
        let named = host.name(&chunks, CHUNKS_MAX / 2, None).await;
        ids.push(named[0]);
        sizes.push(fs::metadata(host.file()).unwrap().len());
    }
    assert!(sizes[4] < sizes[2], "{sizes:?}");
    ids.extend(host.name(&chunks, 1, None).await);
    // The first of the last two but one made room for the last.
    assert_eq!(host.found(&ids), [false, false, false, false, true, true]);
    assert_eq!(fs::read_dir(host.folder.path()).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let host = Host::new();
        fs::write(host.file(), &bytes).unwrap();
        let (file, kept) = ChunkFile::open(host.by(), host.session).unwrap();
        prop_assert!(kept.iter().all(Vec::is_empty));
        let length: usize = file.records.iter().map(|record| record.bytes).sum();
        prop_assert_eq!(fs::metadata(host.file()).unwrap().len(), length as u64);
    }
}
