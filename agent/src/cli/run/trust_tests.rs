//! What a session's programs trust, and what becomes of the caller's own settings.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;

const ROOT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
const OURS: &str = "-----BEGIN CERTIFICATE-----\nOURS\n-----END CERTIFICATE-----\n";

/// A caller with a home of files and variables that name them.
struct Caller {
    home: TempDir,
    variables: BTreeMap<String, OsString>,
}

impl Caller {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let variables = [("TMPDIR".to_owned(), home.path().into())].into();
        Self { home, variables }
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn trust(&self) -> Trust {
        let caller = |name: &str| self.variables.get(name).cloned();
        Trust::write(OURS, SessionId::new(), caller, Clock::system().now()).unwrap()
    }
}

#[track_caller]
fn value(trust: &Trust, name: &str) -> Option<OsString> {
    let mut values = trust.variables.iter().filter(|(other, _)| *other == name);
    let value = values.next().map(|(_, value)| value.clone());
    assert!(values.next().is_none(), "{name} is set twice");
    value
}

#[track_caller]
fn text(trust: &Trust, name: &str) -> String {
    fs::read_to_string(value(trust, name).unwrap()).unwrap()
}

#[test]
fn callers_own_bundle_is_the_base() {
    let mut caller = Caller::new();
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        let own = caller.file(name, ROOT);
        caller.set(name, own);
    }
    let trust = caller.trust();
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        assert_eq!(text(&trust, name), format!("{ROOT}\n{OURS}"));
    }
    assert_eq!(value(&trust, "CURL_CA_BUNDLE"), None);
    assert_eq!(trust.warnings, [] as [&str; 0]);
}

#[test]
fn nothing_but_certificates_leaves_a_file_that_a_variable_names() {
    let key = "-----BEGIN PRIVATE KEY-----\nSECRET==\n-----END PRIVATE KEY-----\n";
    let mut caller = Caller::new();
    let combined = caller.file("combined.pem", &format!("{key}{ROOT}\nnote\n{key}"));
    let alone = caller.file("key.p8", key);
    caller.set("REQUESTS_CA_BUNDLE", combined);
    caller.set("SSL_CERT_FILE", &alone);
    caller.set("NODE_EXTRA_CA_CERTS", &alone);
    let trust = caller.trust();
    assert_eq!(
        text(&trust, "REQUESTS_CA_BUNDLE"),
        format!("{ROOT}\n{OURS}")
    );
    assert_eq!(text(&trust, "NODE_EXTRA_CA_CERTS"), OURS);
    for entry in fs::read_dir(&trust.folder).unwrap() {
        let written = fs::read(entry.unwrap().path()).unwrap();
        assert!(!written.windows(6).any(|part| part == b"SECRET"));
    }
    let told = |name: &str| {
        let line = format!(
            "{name} names `{}`, which cannot be read: it holds no certificate in PEM form",
            alone.display()
        );
        trust.warnings.contains(&line)
    };
    assert!(told("SSL_CERT_FILE") && told("NODE_EXTRA_CA_CERTS"));
}

#[test]
fn curls_bundle_is_the_base_of_both() {
    let mut caller = Caller::new();
    let own = caller.file("curl", ROOT);
    caller.set("CURL_CA_BUNDLE", own);
    let trust = caller.trust();
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        assert_eq!(text(&trust, name), format!("{ROOT}\n{OURS}"));
    }
}

#[test]
fn node_gets_ours_alone_where_the_caller_has_none() {
    assert_eq!(text(&Caller::new().trust(), "NODE_EXTRA_CA_CERTS"), OURS);
}

#[test]
fn unreadable_bundle_is_told_and_the_hosts_roots_are_taken() {
    let mut caller = Caller::new();
    caller.set("SSL_CERT_FILE", "/absent.pem");
    let trust = caller.trust();
    assert!(text(&trust, "SSL_CERT_FILE").ends_with(OURS));
    assert!(
        trust
            .warnings
            .iter()
            .any(|line| line.starts_with("SSL_CERT_FILE names `/absent.pem`"))
    );
}

#[test]
fn folders_of_roots_are_read_each_root_once() {
    let mut caller = Caller::new();
    let folder = caller.home.path().join("roots");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.pem"), ROOT).unwrap();
    symlink(folder.join("a.pem"), folder.join("0f1e.0")).unwrap();
    fs::write(folder.join("README"), "not a root").unwrap();
    caller.set("REQUESTS_CA_BUNDLE", folder);
    assert_eq!(
        text(&caller.trust(), "REQUESTS_CA_BUNDLE"),
        format!("{ROOT}\n{OURS}")
    );
}

#[test]
fn files_are_the_callers_alone_and_go_at_the_end() {
    let caller = Caller::new();
    let trust = caller.trust();
    let folder = trust.folder.clone();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    drop(trust);
    assert!(!folder.exists());
}

#[test]
fn gos_revocation_server_is_off_unless_the_caller_chose() {
    let name = "SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED";
    let mut caller = Caller::new();
    assert_eq!(value(&caller.trust(), name), Some("false".into()));
    caller.set(name, "true");
    assert_eq!(value(&caller.trust(), name), None);
}

#[test]
fn jvms_get_a_store_beside_the_callers_options() {
    let mut caller = Caller::new();
    caller.set("JAVA_TOOL_OPTIONS", "-Xmx1g");
    let trust = caller.trust();
    let store = trust.folder.join("java.jks");
    let expected = format!("-Xmx1g -Djavax.net.ssl.trustStore={}", store.display());
    assert_eq!(value(&trust, "JAVA_TOOL_OPTIONS"), Some(expected.into()));
    assert!(
        fs::read(store)
            .unwrap()
            .starts_with(&[0xfe, 0xed, 0xfe, 0xed])
    );
}

#[test]
fn callers_own_jvm_store_is_left_alone() {
    let mut caller = Caller::new();
    caller.set("_JAVA_OPTIONS", "-Djavax.net.ssl.trustStore=/own.jks");
    let trust = caller.trust();
    assert_eq!(value(&trust, "JAVA_TOOL_OPTIONS"), None);
    assert!(!trust.folder.join("java.jks").exists());
}

#[test]
fn every_file_of_a_session_can_be_swept() {
    let mut caller = Caller::new();
    caller.set("CURL_CA_BUNDLE", "/absent.pem");
    let trust = caller.trust();
    let mut names: Vec<_> = fs::read_dir(&trust.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let mut known = FILES.to_vec();
    known.sort_unstable();
    assert_eq!(names, known);
}

/// Whoever took the proxy over chooses the text.
#[test]
fn nothing_but_certificates_is_taken_of_the_ca() {
    let now = Clock::system().now();
    let home = TempDir::new().unwrap();
    let caller = |name: &str| (name == "TMPDIR").then(|| home.path().into());
    let more = format!("root:SECRET:20000::\n{OURS}daemon:SECRET:20000::\n");
    let trust = Trust::write(&more, SessionId::new(), caller, now).unwrap();
    assert_eq!(text(&trust, "NODE_EXTRA_CA_CERTS"), OURS);
    for entry in fs::read_dir(&trust.folder).unwrap() {
        let written = fs::read(entry.unwrap().path()).unwrap();
        assert!(!written.windows(6).any(|part| part == b"SECRET"));
    }
    let error = Trust::write("root:SECRET:20000::", SessionId::new(), caller, now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the daemon's CA: it holds no certificate in PEM form"
    );
}
