//! What `packaging/store/s3` lets each user do, tried at a store that enforces it.

use std::collections::BTreeMap;

use icecore_tests::stores::MotoS3;
use serde_json::{Value, json};

#[test]
fn a_writer_creates_and_nothing_else_and_each_user_stays_where_he_belongs() {
    let mut moto = MotoS3::start().unwrap();
    let none = json!([]);
    let of = |list: bool, places: [(&str, Value); 8]| -> BTreeMap<String, Value> {
        let places = places.map(|(place, acts)| (place.to_owned(), acts));
        let mut all = BTreeMap::from(places);
        all.insert("list".to_owned(), json!(list));
        all
    };
    let everywhere = |acts: [&Value; 8]| {
        let [own, other, manifest, curated, rows, wrapped, claim, org] = acts.map(Clone::clone);
        [
            ("own", own),
            ("other", other),
            ("manifest", manifest),
            ("curated", curated),
            ("rows", rows),
            ("wrapped", wrapped),
            ("claim", claim),
            ("org", org),
        ]
    };
    let (put, get) = (&json!(["put"]), &json!(["get"]));
    let both = &json!(["put", "get"]);
    let erase = &json!(["get", "delete"]);
    let none = &none;
    let expected = BTreeMap::from([
        (
            "writer",
            of(
                false,
                everywhere([put, put, put, none, put, put, none, none]),
            ),
        ),
        // To ask for the bucket's lock is no right to any object.
        (
            "seer",
            of(
                false,
                everywhere([put, put, put, none, put, put, none, none]),
            ),
        ),
        (
            "one_chain",
            of(
                false,
                everywhere([put, none, none, none, put, put, none, none]),
            ),
        ),
        (
            "claimant",
            of(
                false,
                everywhere([none, none, none, none, none, none, both, none]),
            ),
        ),
        (
            "reader",
            of(
                true,
                everywhere([get, get, get, get, none, none, none, none]),
            ),
        ),
        (
            "compactor",
            of(
                true,
                everywhere([get, get, get, both, get, get, none, none]),
            ),
        ),
        (
            "eraser",
            of(
                true,
                everywhere([none, none, none, none, none, erase, none, none]),
            ),
        ),
    ]);
    let expected = expected
        .into_iter()
        .map(|(user, may)| (user.to_owned(), may));
    assert_eq!(moto.rights().unwrap(), expected.collect());
}
