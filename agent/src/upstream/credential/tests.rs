//! Credentials from their files: each kind, what is told of a bad file, and what a change of a file does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn key(&self, name: &str) -> PathBuf {
        let text = fs::read_to_string(format!("src/upstream/credential/keys/{name}.pem")).unwrap();
        self.write(&format!("{name}.p8"), &text)
    }

    /// Gives the flaws of a credential, the folder's name as `~`.
    fn flaws(&self, source: config::Credential) -> Vec<String> {
        let folder = self.0.path().display().to_string();
        flaws(&source)
            .iter()
            .map(|flaw| flaw.to_string().replace(&folder, "~"))
            .collect()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn present(credential: &Credential) -> Result<Presented, CredentialError> {
    block_on(credential.present("ACME", "SVC", DateTime::UNIX_EPOCH))
}

fn open(source: config::Credential) -> Credential {
    Credential::new(&source, &web::Client::offline().unwrap()).unwrap()
}

fn at(setting: &'static str, path: PathBuf) -> config::SecretAt {
    config::SecretAt {
        setting,
        source: config::Source::File(path),
    }
}

fn key_pair(key: PathBuf, phrase: Option<PathBuf>) -> config::Credential {
    config::Credential::KeyPair {
        private_key: at("private_key_file", key),
        passphrase: phrase.map(|phrase| at("passphrase_file", phrase)),
    }
}

fn pat(token_file: PathBuf) -> config::Credential {
    config::Credential::Pat(at("token_file", token_file))
}

#[track_caller]
fn shows(source: config::Credential, kind: &str, secret: Option<&str>, reference: &str) {
    let presented = present(&open(source)).unwrap();
    assert_eq!(presented.proof.kind(), kind);
    assert_eq!(presented.reference, reference);
    let (Proof::Jwt(held)
    | Proof::Pat(held)
    | Proof::OAuth(held)
    | Proof::Password(held)
    | Proof::Workload(_, held)) = presented.proof;
    if let Some(secret) = secret {
        assert_eq!(held.reveal(), secret);
    }
}

#[test]
fn each_kind_shows_its_proof_and_where_it_is_from() {
    let home = Home::new();
    let token_file = home.write("token", "pat-1\n");
    let path = token_file.display().to_string();
    shows(pat(token_file.clone()), "pat", Some("pat-1"), &path);
    let oauth = config::Credential::OAuth(at("token_file", token_file));
    shows(oauth, "oauth", Some("pat-1"), &path);
    let password_file = home.write("password", "open sesame\n");
    let path = password_file.display().to_string();
    let password = config::Credential::Password(at("password_file", password_file));
    shows(password, "password", Some("open sesame"), &path);
    let phrase = home.write("phrase", "correct-horse\n");
    let key_pair = key_pair(home.key("pbkdf2"), Some(phrase));
    let fingerprint = "SHA256:OMMQFb/P1arYibUl56Fhmf6JhTDydtB+aZYx5oJfKd0=";
    shows(key_pair, "keypair", None, fingerprint);
}

#[test]
fn a_changed_file_is_the_next_logins_credential() {
    let home = Home::new();
    let token_file = home.write("token", "old");
    let credential = open(pat(token_file));
    home.write("token", "new");
    let Proof::Pat(token) = present(&credential).unwrap().proof else {
        panic!("another kind");
    };
    assert_eq!(token.reveal(), "new");
    home.write("token", "");
    let error = present(&credential).map(|_| ()).unwrap_err();
    assert!(
        error.to_string().ends_with("/token`, which is empty"),
        "{error}"
    );
}

#[test]
fn a_key_of_the_same_bytes_is_not_opened_again_and_another_is() {
    let home = Home::new();
    let phrase = home.write("phrase", "correct-horse");
    let credential = open(key_pair(home.key("pbkdf2"), Some(phrase)));
    let Kind::KeyPair {
        private_key,
        passphrase,
    } = &credential.kind
    else {
        panic!("another kind");
    };
    let pair = || block_on(credential.pair(private_key, passphrase.as_ref()));
    assert!(Arc::ptr_eq(&pair().unwrap(), &pair().unwrap()));
    home.write("phrase", "another");
    assert!(pair().is_err());
    home.write("phrase", "correct-horse");
    fs::copy(home.key("scrypt"), home.0.path().join("pbkdf2.p8")).unwrap();
    assert!(pair().is_ok());
}

#[test]
fn flaws_name_the_setting_and_never_the_content() {
    let home = Home::new();
    let one = "token_file: expected a file with one token of visible ASCII characters and nothing else, found `~/token`, which";
    for (text, why) in [
        ("", "is empty"),
        ("se\ncret", "has more than one line"),
        (
            "se cret",
            "has other characters than a token's (visible ASCII)",
        ),
        ("-----BEGIN", "has a PEM block, which is no token"),
    ] {
        let found = home.flaws(pat(home.write("token", text)));
        assert_eq!(found, [format!("{one} {why}")]);
    }
    let open = home.write("token", "secret");
    fs::set_permissions(&open, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        home.flaws(pat(open)),
        [
            "token_file: expected a file that only its owner can read (mode 0600 or 0400), found `~/token` with mode 0640"
        ]
    );
}

#[test]
fn key_and_passphrase_are_both_told() {
    let home = Home::new();
    let pair = |key: PathBuf, passphrase_file| home.flaws(key_pair(key, passphrase_file));
    let absent = home.0.path().join("absent");
    assert_eq!(
        pair(absent.clone(), Some(absent)),
        [
            "private_key_file: expected a readable file, found `~/absent`, which does not exist",
            "passphrase_file: expected a readable file, found `~/absent`, which does not exist",
        ]
    );
    assert_eq!(
        pair(home.key("plain"), Some(home.write("phrase", "x"))),
        [
            "passphrase_file: expected nothing, since `~/plain.p8` is not encrypted, found `~/phrase`"
        ]
    );
    assert_eq!(
        pair(home.key("scrypt"), None),
        [
            "passphrase_file: expected a file with the passphrase of `~/scrypt.p8`, which is encrypted, found nothing"
        ]
    );
    assert_eq!(
        pair(home.key("scrypt"), Some(home.write("phrase", "x"))),
        [
            "passphrase_file: expected the passphrase of `~/scrypt.p8`, found `~/phrase` with another one"
        ]
    );
}

#[test]
fn a_look_at_the_config_asks_nobody_for_a_token() {
    let home = Home::new();
    let grant = |client_secret| {
        config::Credential::OAuthGrant(config::OAuthGrant {
            // Asking would fail: nobody listens there.
            token_url: "http://127.0.0.1:1/token".to_owned(),
            client_id: "icecore".to_owned(),
            scope: None,
            client_secret: Some(at("client_secret_file", client_secret)),
            refresh_token: None,
        })
    };
    let none = Vec::<String>::new();
    assert_eq!(home.flaws(grant(home.write("secret", "s"))), none);
    let told = home.flaws(grant(home.write("secret", "")));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("found `~/secret`, which is empty"),
        "{told:?}"
    );
    let region = "eu-central-1".to_owned();
    assert_eq!(home.flaws(config::Credential::WorkloadAws { region }), none);
}
