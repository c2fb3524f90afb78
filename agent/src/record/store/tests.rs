//! The store's laws on a folder of this host; `tests/tests/store` has the clouds.

use std::fs;

use tempfile::TempDir;

use super::list::Listed;
use super::*;

fn store(folder: &TempDir) -> Store {
    let url = format!("file://{}", folder.path().display());
    Store::create(&StoreAt::read(&url).unwrap()).unwrap()
}

fn keys(listed: impl Iterator<Item = Result<Listed, RecordError>>) -> Vec<String> {
    listed.map(|one| one.unwrap().key).collect()
}

#[test]
fn a_key_has_the_bytes_that_it_was_first_put_with() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    store.put("a/genesis.json", b"one".to_vec()).unwrap();
    store.put("a/genesis.json", b"one".to_vec()).unwrap();
    let refused = store.put("a/genesis.json", b"two".to_vec()).unwrap_err();
    assert!(refused.to_string().contains("other bytes"), "{refused}");
    assert_eq!(
        store.put_first("a/genesis.json", vec![]).unwrap().unwrap(),
        "one"
    );
    assert_eq!(store.get("a/genesis.json").unwrap(), "one");
    // What others put there may have any length, and is not read.
    let file = fs::File::options()
        .write(true)
        .open(folder.path().join("a/genesis.json"));
    file.unwrap().set_len(1 << 43).unwrap();
    let refused = store.put("a/genesis.json", b"one".to_vec()).unwrap_err();
    assert!(refused.to_string().contains("other bytes"), "{refused}");
}

#[test]
fn a_listing_is_in_order_and_begins_where_it_is_told() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    for key in ["c/2/x", "c/10/x", "c/1/y", "c/1/x", "d/x", "cc/x"] {
        store.put(key, key.as_bytes().to_vec()).unwrap();
    }
    let all = ["c/1/x", "c/1/y", "c/10/x", "c/2/x", "cc/x", "d/x"];
    assert_eq!(keys(store.list("", None).unwrap()), all);
    assert_eq!(
        keys(store.list("c/", Some("c/1/y")).unwrap()),
        ["c/10/x", "c/2/x"]
    );
    assert_eq!(keys(store.list("absent", None).unwrap()), [] as [&str; 0]);
    assert_eq!(store.folders("").unwrap(), ["c", "cc", "d"]);
    assert_eq!(store.folders("c").unwrap(), ["1", "10", "2"]);
    assert_eq!(store.folders("absent").unwrap(), [] as [&str; 0]);
    let names = all.map(str::to_owned).to_vec();
    let fetched = store
        .get_many(names)
        .map(|(key, bytes)| (key, bytes.unwrap()));
    for (key, bytes) in fetched {
        assert_eq!(key.as_bytes(), bytes);
    }
    let size = store
        .list("d", None)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .size_bytes;
    assert_eq!(size, 3);
}

#[test]
fn an_object_has_the_address_that_duckdb_reads() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b");
    assert_eq!(store(&folder).address("a/b"), path.to_str().unwrap());
    for (url, address) in [
        ("s3://bucket/x/", "s3://bucket/x/a/b"),
        ("gs://bucket", "gs://bucket/a/b"),
    ] {
        let at = StoreAt::read(url).unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        let store = Store {
            url: url.to_owned(),
            address: at.url.to_string(),
            place: Place::Cloud,
            objects: Arc::new(object_store::memory::InMemory::new()),
            put_within: Duration::MAX,
            runtime,
        };
        assert_eq!(store.address("a/b"), address);
    }
}

#[test]
fn a_name_tells_its_bytes_only_by_their_hash() {
    let hash = sha256(b"x");
    let text = hex(&hash);
    let begin: String = text.chars().take(16).collect();
    assert!(carries(&format!("evidence/{text}"), &hash));
    assert!(carries(&format!("c/m-00000001-{}.json", begin), &hash));
    assert!(carries(&format!("t/c-1-2-{}.parquet", begin), &hash));
    assert!(!carries("chains/c/genesis.json", &hash));
    assert!(!carries(&format!("{text}/genesis.json"), &hash));
    assert!(!carries(&format!("c-{}x.json", begin), &hash));
}

#[test]
fn files_are_for_their_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    store(&folder).put("a/b", vec![1]).unwrap();
    let mode = |path: &str| {
        fs::metadata(folder.path().join(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!((mode("a") & 0o777, mode("a/b") & 0o777), (0o700, 0o600));
}

#[test]
fn the_eraser_deletes_wrapped_keys_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    let eraser = Eraser::open(&StoreAt::read(&store.url).unwrap()).unwrap();
    for key in [
        "o/v1/keys/2026-11/k",
        "o/v1/keys",
        "o/v1/t1/keys/x",
        "/v1/keys/x",
    ] {
        let outcome = eraser.delete(key);
        assert_eq!(outcome.is_ok(), key == "o/v1/keys/2026-11/k", "{key}");
    }
    let key = "o/v1/keys/2026-11/k";
    store.put(key, vec![1]).unwrap();
    eraser.delete(key).unwrap();
    assert!(store.get(key).is_err());
}

#[test]
fn an_object_is_read_up_to_a_length_whatever_was_listed() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    for (key, bytes) in [("o/three", &b"abc"[..]), ("o/four", b"abcd")] {
        store.put(key, bytes.to_vec()).unwrap();
    }
    let read = |key| store.get_at_most(key, 3).unwrap();
    assert_eq!(read("o/three").as_deref(), Some(&b"abc"[..]));
    assert_eq!(read("o/four"), None);
    assert!(store.get_at_most("o/none", 3).is_err());
}
