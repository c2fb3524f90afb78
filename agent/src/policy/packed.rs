//! Policy files as one document, whose SHA-256 is the bundle's: so the record can keep what its statements name. Pure.
//!
//! Each file is its name and its text, each led by its length in 8 bytes, big endian.

use super::load::Source;

/// Puts policy files into one document.
#[must_use]
pub fn pack(sources: &[Source]) -> Vec<u8> {
    let mut document = Vec::new();
    for part in parts(sources) {
        document.extend_from_slice(&(part.len() as u64).to_be_bytes());
        document.extend_from_slice(part.as_bytes());
    }
    document
}

/// Takes policy files out of a document; none where it is not one.
#[must_use]
pub fn unpack(document: &[u8]) -> Option<Vec<Source>> {
    let mut rest = document;
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (text, after) = after.split_at_checked(length)?;
        rest = after;
        let is_end = rest.is_empty();
        Some((String::from_utf8(text.to_vec()).ok()?, is_end))
    };
    let mut sources = Vec::new();
    let mut is_end = document.is_empty();
    while !is_end {
        let (file, _) = part()?;
        let (text, last) = part()?;
        sources.push(Source { file, text });
        is_end = last;
    }
    Some(sources)
}

fn parts(sources: &[Source]) -> impl Iterator<Item = &String> {
    sources
        .iter()
        .flat_map(|source| [&source.file, &source.text])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Bundle, Names};
    use super::*;
    use crate::identity::Users;

    fn source(file: &str, text: &str) -> Source {
        Source {
            file: file.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_packed_bundle_has_the_bundles_digest() {
        let text = "@id(\"a\") permit (principal, action, resource);";
        let sources = [source("a.cedar", text), source("b.cedar", "")];
        let names = Names {
            accounts: None,
            users: &Users::default(),
            issuers: None,
            approvers: None,
        };
        let bundle = Bundle::load(&sources, &names).unwrap();
        assert_eq!(crate::record::sha256(&pack(&sources)), bundle.sha256());
        assert!(bundle.has_rule("a") && !bundle.has_rule("b"));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(files in prop::collection::vec(("[a-z]{0,3}", "\\PC{0,9}"), 0..4)) {
            let sources: Vec<Source> = files.iter().map(|(file, text)| source(file, text)).collect();
            let told = |sources: &[Source]| -> Vec<(String, String)> {
                sources.iter().map(|source| (source.file.clone(), source.text.clone())).collect()
            };
            prop_assert_eq!(told(&unpack(&pack(&sources)).unwrap()), told(&sources));
        }

        #[test]
        fn any_bytes_are_unpacked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(sources) = unpack(&bytes) {
                prop_assert_eq!(pack(&sources), bytes);
            }
        }
    }
}
