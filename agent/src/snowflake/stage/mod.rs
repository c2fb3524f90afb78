//! What opens a stage's storage, in an answer to PUT or GET: it works for whoever holds it, and never leaves.

use super::json::Object;

/// Members of an answer that open a stage's storage, or decrypt what is there.
///
/// Source: protocol reference 4.5; gosnowflake `query.go`, which reads `uploadInfo` too.
const KEYS: [&str; 4] = [
    "stageInfo",
    "uploadInfo",
    "presignedUrls",
    "encryptionMaterial",
];

/// Finds what opens a stage's storage in an answer's `data`, however its letters are cased: Go's parser folds them.
pub(super) fn key_in(data: &Object) -> Option<&'static str> {
    let has_content = |key: &str| data.has_content(key);
    data.members()
        .filter(|(name, _)| has_content(name))
        .find_map(|(name, _)| {
            let same = |key: &&&str| key.eq_ignore_ascii_case(name);
            KEYS.iter().find(same).copied()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let data = Object::read(text.as_bytes()).unwrap();
        assert_eq!(key_in(&data), expected, "{text}");
    }

    #[test]
    fn a_stage_key_is_found_by_any_of_its_names() {
        check(r#"{"stageInfo":{"creds":{}}}"#, Some("stageInfo"));
        check(r#"{"a":1,"STAGEINFO":{"creds":{}}}"#, Some("stageInfo"));
        check(
            r#"{"stageInfo":null,"uploadInfo":{"a":1}}"#,
            Some("uploadInfo"),
        );
        check(r#"{"presignedUrls":["https://b"]}"#, Some("presignedUrls"));
        check(
            r#"{"encryptionMaterial":[{"queryStageMasterKey":"k"}]}"#,
            Some("encryptionMaterial"),
        );
        check(
            r#"{"stageInfo":null,"presignedUrls":[],"rowset":[["stageInfo"]]}"#,
            None,
        );
    }
}
