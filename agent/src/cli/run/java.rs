//! A Java virtual machine's trust: a key store with the session's roots, and the option that names it.
//!
//! The store is in Java's own JKS form: it holds certificates without any encryption, and every JVM since 1.2 reads it,
//! whatever its default type is (security property `keystore.type.compat`, JEP 229). Crates that write such stores bring
//! a PKCS#12 library and a second source of random numbers for what takes forty lines.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The variable that every JVM reads its options from (JVM Tool Interface, "JAVA_TOOL_OPTIONS").
pub(super) const VARIABLE: &str = "JAVA_TOOL_OPTIONS";

/// Variables from which JVMs take options that win over those of `JAVA_TOOL_OPTIONS`.
/// Source: `java` manual, "JDK_JAVA_OPTIONS"; HotSpot, `Arguments::parse`.
const STRONGER: [&str; 2] = ["JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];

/// Begins every option about the trust store: the store, its type, provider and password.
const TRUST_STORE: &str = "-Djavax.net.ssl.trustStore";

/// First bytes of a JKS file and its version. Source: OpenJDK, `sun.security.provider.JavaKeyStore`.
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;

/// Tag of an entry that is a trusted certificate. Source: as above.
const TRUSTED_CERTIFICATE: u32 = 2;

/// Mixed into the digest at the end. Source: as above, `getPreKeyedHash`.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// What the digest is keyed with; no secret, but what Java's own store of roots has.
const PASSWORD: &str = "changeit";

/// Names the caller's variable that already chooses a trust store, if there is one.
pub(super) fn chosen_by(caller: impl Fn(&str) -> Option<OsString>) -> Option<&'static str> {
    [VARIABLE].into_iter().chain(STRONGER).find(|name| {
        caller(name).is_some_and(|value| value.to_string_lossy().contains(TRUST_STORE))
    })
}

/// Adds the option that names a trust store to the caller's options.
pub(super) fn options(caller: Option<&OsStr>, store: &Path) -> OsString {
    let mut options = OsString::new();
    if let Some(caller) = caller {
        options.push(caller);
        options.push(" ");
    }
    options.push(TRUST_STORE);
    options.push("=");
    // Quotes keep a path with blanks together (HotSpot, `Arguments::parse_options_buffer`).
    let quote = match store.to_string_lossy() {
        path if !path.contains(char::is_whitespace) => "",
        path if path.contains('"') => "'",
        _ => "\"",
    };
    options.push(quote);
    options.push(store);
    options.push(quote);
    options
}

/// Writes a key store with every certificate of some PEM texts, each once; what is no certificate is left out.
pub(super) fn key_store(pems: &[&[u8]]) -> Vec<u8> {
    let certificates: BTreeSet<Vec<u8>> = pems
        .iter()
        .flat_map(|pem| CertificateDer::pem_slice_iter(pem).flatten())
        .map(|certificate| certificate.to_vec())
        .collect();
    let mut store = Vec::new();
    put_u32(&mut store, MAGIC);
    put_u32(&mut store, VERSION);
    put_u32(&mut store, length(certificates.len()));
    for (number, certificate) in certificates.iter().enumerate() {
        put_u32(&mut store, TRUSTED_CERTIFICATE);
        put_text(&mut store, &format!("root-{number}"));
        // When it was added, in milliseconds: nobody asks.
        store.extend_from_slice(&0_u64.to_be_bytes());
        put_text(&mut store, "X.509");
        put_u32(&mut store, length(certificate.len()));
        store.extend_from_slice(certificate);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        digest.update(&unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend_from_slice(digest.finish().as_ref());
    store
}

/// Files of roots are far below 4 GiB, so this never saturates.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn put_u32(store: &mut Vec<u8>, number: u32) {
    store.extend_from_slice(&number.to_be_bytes());
}

/// Writes a short ASCII text (`java.io.DataOutput.writeUTF`).
fn put_text(store: &mut Vec<u8>, text: &str) {
    let bytes = u16::try_from(text.len()).unwrap_or_default();
    store.extend_from_slice(&bytes.to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(content: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn store_has_every_certificate_once() {
        let roots = pem("AAAA") + "a comment\n" + &pem("BBBB") + &pem("AAAA");
        let store = key_store(&[roots.as_bytes(), pem("CCCC").as_bytes()]);
        assert_eq!(
            store.get(..12),
            Some([0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 3].as_slice())
        );
        // Header, three entries of tag, alias, date, type, length and three bytes, SHA-1.
        assert_eq!(store.len(), 12 + 3 * (4 + 8 + 8 + 7 + 4 + 3) + 20);
    }

    #[test]
    fn empty_store_is_the_one_that_keytool_knows() {
        // SHA-1 of "changeit" in UTF-16, the whitener and the header, computed by Python's hashlib.
        let digest: String = key_store(&[])
            .iter()
            .skip(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digest, "e2686e45fb43dfa4d992dd41ceb6b21c6330d792");
    }

    #[track_caller]
    fn check(caller: Option<&str>, store: &str, expected: &str) {
        let found = options(caller.map(OsStr::new), Path::new(store));
        assert_eq!(found, expected);
    }

    #[test]
    fn callers_options_stay_and_paths_with_blanks_are_quoted() {
        check(None, "/t/j", "-Djavax.net.ssl.trustStore=/t/j");
        check(
            Some("-Xmx1g"),
            "/t/j",
            "-Xmx1g -Djavax.net.ssl.trustStore=/t/j",
        );
        check(None, "/t t/j", "-Djavax.net.ssl.trustStore=\"/t t/j\"");
        check(None, "/t\" t/j", "-Djavax.net.ssl.trustStore='/t\" t/j'");
    }

    #[test]
    fn callers_own_store_is_found_wherever_it_is_set() {
        let with = |name: &'static str, value: &'static str| {
            chosen_by(move |asked| (asked == name).then(|| value.into()))
        };
        let store = "-Xmx1g -Djavax.net.ssl.trustStore=/own";
        for name in [VARIABLE, "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
            assert_eq!(with(name, store), Some(name));
        }
        assert_eq!(
            with(VARIABLE, "-Djavax.net.ssl.trustStoreType=BCFKS"),
            Some(VARIABLE)
        );
        assert_eq!(with(VARIABLE, "-Xmx1g"), None);
        assert_eq!(with("OTHER", store), None);
    }
}
