//! Which files a config may name, and what is told about those it may not.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::config::Problem;

/// A folder with a config and all that it names, every part of it good.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            dir: TempDir::new().unwrap(),
        };
        fs::create_dir(home.path("policies")).unwrap();
        home.write(
            "policies/a.cedar",
            "permit (principal, action, resource);",
            0o644,
        );
        let key = include_str!("../upstream/credential/keys/plain.pem");
        home.write("key.p8", key, 0o600);
        home.config("");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, mode);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn config(&self, upstream: &str) {
        let dir = self.dir.path().display();
        let text = format!(
            r#"
            [daemon]
            run_dir = "{dir}/run"
            state_dir = "{dir}/state"
            [upstream]
            {upstream}
            [[account]]
            host = "acme.snowflakecomputing.com"
            user = "U"
            role = "R"
            credential = {{ kind = "key-pair", private_key_file = "{dir}/key.p8" }}
            [policy]
            dir = "{dir}/policies"
            [record]
            store = "file://{dir}/store"
            "#
        );
        self.write("icecore.toml", &text, 0o644);
    }

    /// Loads the config, and writes the folder's name as `~`.
    #[track_caller]
    fn check(&self, key: &str, expected: &str, found: &str) {
        let dir = self.dir.path().display().to_string();
        let problems: Vec<Problem> = match Config::load(&self.path("icecore.toml")) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.problems,
        };
        let told: Vec<String> = problems
            .iter()
            .map(|problem| problem.to_string().replace(&dir, "~"))
            .filter(|line| !line.starts_with("capture."))
            .collect();
        assert_eq!(told, [format!("{key}: expected {expected}, found {found}")]);
    }
}

#[test]
fn good_files_are_taken() {
    let home = Home::new();
    if let Err(errors) = Config::load(&home.path("icecore.toml")) {
        let other = |problem: &&Problem| !problem.key.starts_with("capture.");
        assert_eq!(errors.problems.iter().find(other), None);
    }
}

#[test]
fn missing_key_file_is_told() {
    let home = Home::new();
    fs::remove_file(home.path("key.p8")).unwrap();
    home.check(
        "account[0].credential.private_key_file",
        "a readable file",
        "`~/key.p8`, which does not exist",
    );
}

#[test]
fn key_file_that_others_read_is_refused() {
    let home = Home::new();
    home.mode("key.p8", 0o644);
    home.check(
        "account[0].credential.private_key_file",
        "a file that only its owner can read (mode 0600 or 0400)",
        "`~/key.p8` with mode 0644",
    );
}

#[test]
fn key_file_behind_a_link_is_refused() {
    let home = Home::new();
    fs::rename(home.path("key.p8"), home.path("real.p8")).unwrap();
    symlink(home.path("real.p8"), home.path("key.p8")).unwrap();
    home.check(
        "account[0].credential.private_key_file",
        "a path without symbolic links",
        "the link `~/key.p8`",
    );
}

#[test]
fn key_that_no_login_could_use_is_refused() {
    let home = Home::new();
    let key = include_str!("../upstream/credential/keys/pkcs1.pem");
    home.write("key.p8", key, 0o600);
    home.check(
        "account[0].credential.private_key_file",
        "an RSA private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`, or `BEGIN ENCRYPTED PRIVATE KEY` by PBES2 and AES)",
        "`~/key.p8`, which is not PKCS#8 (`openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW` converts it)",
    );
}

#[test]
fn encrypted_key_needs_its_passphrase() {
    let home = Home::new();
    let key = include_str!("../upstream/credential/keys/pbkdf2.pem");
    home.write("key.p8", key, 0o600);
    home.check(
        "account[0].credential.passphrase_file",
        "a file with the passphrase of `~/key.p8`, which is encrypted",
        "nothing",
    );
}

#[test]
fn pins_must_be_on_a_bpf_file_system() {
    let home = Home::new();
    let found = pins(&home.path("pins/below")).unwrap_err().found;
    let expected = format!(
        "`{}`, which is on another",
        home.path("pins/below").display()
    );
    assert_eq!(found, expected);
}

#[test]
fn policies_are_found_whatever_else_is_wrong() {
    let home = Home::new();
    let text = format!("x = 1\n[policy]\ndir = {:?}\n", home.path("policies"));
    home.write("icecore.toml", &text, 0o644);
    let file = home.path("icecore.toml");
    assert!(Config::load(&file).is_err());
    let (found, errors) = Config::for_policies(&file).unwrap();
    assert_eq!(found.dir, home.path("policies"));
    assert_eq!((found.accounts, found.issuers), (None, None));
    let keys: Vec<String> = (errors.unwrap().problems.into_iter())
        .map(|problem| problem.key)
        .collect();
    assert!(keys.contains(&"x".to_owned()), "{keys:?}");
    assert!(keys.contains(&"account".to_owned()), "{keys:?}");
    home.mode("policies", 0o777);
    assert!(Config::for_policies(&file).is_err());
}

#[test]
fn names_for_policies_need_no_file_of_a_credential() {
    let home = Home::new();
    fs::remove_file(home.path("key.p8")).unwrap();
    let (found, errors) = Config::for_policies(&home.path("icecore.toml")).unwrap();
    assert_eq!(found.accounts, Some(vec!["ACME".to_owned()]));
    assert_eq!(found.issuers, Some(vec![]));
    let problems = errors.unwrap().problems;
    let is_of_key = |problem: &Problem| problem.key.starts_with("account[0].credential");
    assert!(problems.iter().any(is_of_key), "{problems:?}");
}

#[test]
fn config_that_others_write_is_refused() {
    let home = Home::new();
    home.mode("icecore.toml", 0o666);
    home.check(
        "file",
        "a path that only its owner can write to",
        "`~/icecore.toml` with mode 0666",
    );
}

#[test]
fn config_that_is_not_there_is_told() {
    let home = Home::new();
    fs::remove_file(home.path("icecore.toml")).unwrap();
    home.check(
        "file",
        "a readable file",
        "`~/icecore.toml`, which does not exist",
    );
}

#[test]
fn policy_folder_must_hold_a_policy() {
    let home = Home::new();
    fs::remove_file(home.path("policies/a.cedar")).unwrap();
    home.check(
        "policy.dir",
        "a folder with at least one `*.cedar` file",
        "`~/policies`, which has none",
    );
}

#[test]
fn policy_folder_that_others_write_is_refused() {
    let home = Home::new();
    home.mode("policies", 0o777);
    home.check(
        "policy.dir",
        "a path that only its owner can write to",
        "`~/policies` with mode 0777",
    );
}

#[test]
fn policy_file_that_others_write_is_refused() {
    let home = Home::new();
    home.mode("policies/a.cedar", 0o664);
    home.check(
        "policy.dir",
        "a path that only its owner can write to",
        "`~/policies/a.cedar` with mode 0664",
    );
}

#[test]
fn roots_must_be_certificates() {
    let home = Home::new();
    home.write("roots.pem", "nothing here", 0o644);
    home.config(&format!("ca_file = {:?}", home.path("roots.pem")));
    home.check(
        "upstream.ca_file",
        "certificates in PEM (`BEGIN CERTIFICATE`)",
        "`~/roots.pem`, which has none that can be read",
    );
}

#[test]
fn state_folder_that_others_write_is_refused() {
    let home = Home::new();
    fs::create_dir(home.path("state")).unwrap();
    home.mode("state", 0o770);
    home.check(
        "daemon.state_dir",
        "a path that only its owner can write to",
        "`~/state` with mode 0770",
    );
}

/// Metadata of a SAML provider of this name, with a certificate for the key that other tests use too.
fn metadata(entity_id: &str) -> String {
    let key =
        rcgen::KeyPair::from_pem(include_str!("../upstream/credential/keys/plain.pem")).unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let pem = certificate.pem();
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    format!(
        "<m:EntityDescriptor xmlns:m='urn:oasis:names:tc:SAML:2.0:metadata' entityID='{entity_id}'><m:IDPSSODescriptor \
         protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'><m:KeyDescriptor><d:X509Certificate \
         xmlns:d='http://www.w3.org/2000/09/xmldsig#'>{lines}</d:X509Certificate></m:KeyDescriptor></m:IDPSSODescriptor>\
         </m:EntityDescriptor>"
    )
}

#[test]
fn metadata_of_saml_providers_is_read_and_each_is_another_one() {
    let home = Home::new();
    let dir = home.dir.path().display();
    let table = |name: &str| {
        format!(
            "[[identity.saml]]\nname = \"{name}\"\nmetadata_file = \"{dir}/{name}.xml\"\naudience = \"i\"\nrecipient = \"r\"\n"
        )
    };
    home.config(&format!("{}{}", table("adfs"), table("okta")));
    home.write("adfs.xml", &metadata("https://adfs.acme.com"), 0o644);
    home.write("okta.xml", &metadata("https://adfs.acme.com"), 0o644);
    home.check(
        "identity.saml[1].metadata_file",
        "the metadata of another provider in each table",
        "`~/okta.xml` of \"https://adfs.acme.com\" again",
    );
    home.write("okta.xml", "<html></html>", 0o644);
    home.check(
        "identity.saml[1].metadata_file",
        "a SAML provider's metadata",
        "`~/okta.xml`: `html`: expected an `EntityDescriptor` of SAML 2.0, of one provider, found `html`",
    );
    home.write("okta.xml", &metadata("https://okta.acme.com"), 0o666);
    home.check(
        "identity.saml[1].metadata_file",
        "a path that only its owner can write to",
        "`~/okta.xml` with mode 0666",
    );
    home.mode("okta.xml", 0o644);
    if let Err(errors) = Config::load(&home.path("icecore.toml")) {
        let other = |problem: &&Problem| !problem.key.starts_with("capture.");
        assert_eq!(errors.problems.iter().find(other), None);
    }
}
