//! What leaves of the host's CAs are good for.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

fn verify(ca: &Ca, name: &str) -> Result<(), String> {
    let leaf = ca.leaf(name, Utc::now()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let server = ServerName::try_from(name.to_owned()).unwrap();
    verifier
        .verify_server_cert(
            &leaf.cert[0],
            &leaf.cert[1..],
            &server,
            &[],
            UnixTime::now(),
        )
        .map(|_| ())
        .map_err(|error| error.to_string())
}

#[test]
fn a_leaf_for_a_snowflake_name_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::open(folder.path(), "host", Utc::now()).unwrap();
    verify(&ca, "acme.snowflakecomputing.com").unwrap();
    assert!(
        verify(&ca, "login.example.com")
            .unwrap_err()
            .contains("NameConstraint")
    );
    assert!(
        verify(&ca, "127.0.0.1")
            .unwrap_err()
            .contains("NameConstraint")
    );
}

#[test]
fn a_ca_is_read_again_and_its_key_is_kept_close() {
    let folder = tempfile::tempdir().unwrap();
    let first = Ca::open(folder.path(), "host", Utc::now()).unwrap();
    let second = Ca::open(folder.path(), "host", Utc::now()).unwrap();
    assert_eq!(first.root, second.root);
    let mode = |name: &str| {
        fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("ca.key"), mode("ca.pem")), (0o600, 0o644));
}

#[test]
fn a_damaged_ca_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(Ca::open(folder.path(), "host", Utc::now()).unwrap());
    fs::remove_file(folder.path().join("ca.key")).unwrap();
    assert!(matches!(
        Ca::open(folder.path(), "host", Utc::now()),
        Err(CaError::Half(_))
    ));
    fs::write(folder.path().join("ca.key"), "rubbish").unwrap();
    assert!(matches!(
        Ca::open(folder.path(), "host", Utc::now()),
        Err(CaError::Content { .. })
    ));
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_ca_of_model_apis_is_good_for_these_alone() {
    let folder = tempfile::tempdir().unwrap();
    let list = names(&["api.anthropic.com", "openai.azure.com"]);
    let (id, ca) = Ca::of_models(folder.path(), "host", &list, Utc::now()).unwrap();
    verify(&ca, "api.anthropic.com").unwrap();
    verify(&ca, "acme.openai.azure.com").unwrap();
    for other in [
        "acme.snowflakecomputing.com",
        "api.openai.com",
        "anthropic.com",
        "azure.com",
        "127.0.0.1",
    ] {
        let told = verify(&ca, other).unwrap_err();
        assert!(told.contains("NameConstraint"), "{other}: {told}");
    }
    let again = Ca::of_models(folder.path(), "host", &list, Utc::now()).unwrap();
    assert_eq!((again.0.as_str(), &again.1.root), (id.as_str(), &ca.root));
    assert_eq!(Ca::kept(folder.path(), &id).unwrap().root, ca.root);
    let file = folder.path().join(models_certificate(&id).unwrap());
    assert!(
        fs::read_to_string(file)
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
}

#[test]
fn another_list_has_another_ca_and_snowflake_is_never_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let of = |list: &[&str]| Ca::of_models(folder.path(), "host", &names(list), Utc::now());
    let (one, _) = of(&["a.example"]).unwrap();
    let (other, wide) = of(&["a.example", "com"]).unwrap();
    assert_ne!(one, other);
    // The config refuses such a list; its root would not be good for Snowflake's names even so.
    verify(&wide, "api.openai.com").unwrap();
    assert!(verify(&wide, "acme.snowflakecomputing.com").is_err());
    // Constraints without a permitted name would permit all.
    assert!(of(&[]).is_err());
    for id in ["../ca", "", "0123456789abcdeF", "0123456789abcde"] {
        assert!(Ca::kept(folder.path(), id).is_err(), "{id}");
        assert_eq!(models_certificate(id), None, "{id}");
    }
    assert!(Ca::kept(folder.path(), "0123456789abcdef").is_err());
}
