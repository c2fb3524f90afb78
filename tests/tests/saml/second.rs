//! A second opinion of a document's signature: `xmlsec1` beside Icecore, and where the two differ.
//!
//! xmlsec1 verifies that some element was signed, in any form of XML signatures; Icecore that the assertion it reads was
//! signed, in SAML's form. So it may be stricter, which tables say; nothing that xmlsec1 refuses is taken.

use icecore::identity::saml::Settings;
use icecore_tests::saml::Provider;
use rcgen::KeyPair;

use super::{judge, settings};

/// What both say of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both take it.
    Good,
    /// Both refuse it.
    Bad,
    /// xmlsec1 takes it and Icecore does not.
    Stricter,
    /// Icecore takes it and xmlsec1 does not; stands in no table.
    Laxer,
}
fn verdict(document: &str, provider: &Provider, settings: &Settings) -> Verdict {
    match (
        provider.is_signed(document).unwrap(),
        judge(document, settings).is_ok(),
    ) {
        (true, true) => Verdict::Good,
        (false, false) => Verdict::Bad,
        (true, false) => Verdict::Stricter,
        (false, true) => Verdict::Laxer,
    }
}

/// One provider and what it issued.
pub(crate) struct Bench {
    _folder: tempfile::TempDir,
    pub(crate) provider: Provider,
    settings: Settings,
    wrong: Vec<String>,
}

impl Bench {
    pub(crate) fn new(key: Option<&KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = key.map_or_else(
            || Provider::rsa(folder.path()),
            |key| Provider::of(folder.path(), key),
        );
        let provider = made.unwrap();
        let settings = settings(&provider);
        Self {
            _folder: folder,
            provider,
            settings,
            wrong: Vec::new(),
        }
    }

    pub(crate) fn expect(&mut self, what: &str, document: &str, expected: Verdict) {
        let found = verdict(document, &self.provider, &self.settings);
        if found != expected {
            let ours = judge(document, &self.settings)
                .err()
                .map(|error| error.to_string());
            self.wrong.push(format!(
                "{what}: expected {expected:?}, found {found:?} ({ours:?})"
            ));
        }
    }

    /// Expects it of `document` with `from` changed to `to` once, behind `after`.
    pub(crate) fn change(
        &mut self,
        document: &str,
        after: &str,
        from: &str,
        to: &str,
        expected: Verdict,
    ) {
        let (before, rest) = document.split_once(after).expect(after);
        assert!(rest.contains(from), "{from}");
        let changed = format!("{before}{after}{}", rest.replacen(from, to, 1));
        self.expect(&format!("`{from}` to `{to}`"), &changed, expected);
    }

    #[track_caller]
    pub(crate) fn end(&self) {
        assert_eq!(self.wrong, Vec::<String>::new());
    }
}
