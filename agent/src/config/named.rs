//! What a config names that the proxy reads or runs: the supervisor opens these for it, and nothing else.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::is_policy;
use super::problem::Problems;
use super::{CommandSource, Config, Credential, Export, SecretAt, Source, StoreIdentity};
use crate::identity::KeySource;

/// Where systemd puts a unit's credentials. Source: systemd.exec(5), `LoadCredential=`.
pub(crate) const SYSTEMD_FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// Variables of the daemon that name a file of AWS credentials.
/// Source: AWS SDKs and Tools Reference Guide, "Environment variables".
const AWS_FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE"];

/// The files, the folder and the commands that a config names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    files: BTreeSet<PathBuf>,
    policies: PathBuf,
    commands: Vec<CommandSource>,
}

impl Named {
    /// Tells whether the config names this file.
    pub(crate) fn has_file(&self, path: &Path) -> bool {
        self.files.contains(path) || path.parent() == Some(&self.policies) && is_policy(path)
    }

    /// Tells whether the config names this folder as one to be listed.
    pub(crate) fn has_folder(&self, path: &Path) -> bool {
        path == self.policies
    }

    /// Finds the command with these words.
    pub(crate) fn command(&self, argv: &[String]) -> Option<&CommandSource> {
        self.commands.iter().find(|command| command.argv == argv)
    }
}

impl Config {
    /// Lists what it names.
    pub(crate) fn named(&self) -> Named {
        self.named_by(|variable| env::var_os(variable))
    }

    /// Lists each file that it names and that a job must not read, by the daemon's variables. What is public, or a folder of the
    /// daemon's that others go through, is taken out by name: what a later setting names is secret until it is here too.
    pub(crate) fn secret_files(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> BTreeSet<PathBuf> {
        let mut files = self.named_by(variable).files;
        for public in self.public() {
            files.remove(public);
        }
        files
    }

    /// Gives the places that it names and that others may open.
    fn public(&self) -> impl Iterator<Item = &Path> {
        let folders = [
            &self.source,
            &self.daemon.run_dir,
            &self.daemon.state_dir,
            &self.capture.root,
            &self.policy.dir,
        ];
        let roots = [
            &self.upstream.ca_file,
            &self.identity.ca_file,
            &self.record.store_options.ca_file,
        ];
        let approvers = self.approvals.iter().map(|all| &all.rules.issuer.keys);
        let issuers = self.identity.issuers.iter().map(|issuer| &issuer.keys);
        let keys = issuers.chain(approvers).filter_map(|keys| match keys {
            KeySource::File(file) => Some(file),
            KeySource::Discovery | KeySource::Url(_) => None,
        });
        let providers = self.identity.providers.iter();
        let metadata = providers.map(|provider| &provider.metadata_file);
        let of_sources = self.secrets().filter_map(|at| match &at.source {
            Source::Vault(vault) => vault.ca_file.as_deref(),
            Source::Command(command) => command.argv.first().map(Path::new),
            Source::File(_) | Source::Systemd(_) | Source::Env(_) | Source::Aws(_) => None,
        });
        (folders.into_iter())
            .chain(roots.into_iter().flatten())
            .chain(keys)
            .chain(metadata)
            .map(PathBuf::as_path)
            .chain(of_sources)
    }

    /// Tells whether secrets are in systemd's folder of the daemon's credentials.
    pub(crate) fn has_systemd_secrets(&self) -> bool {
        self.secrets()
            .any(|at| matches!(at.source, Source::Systemd(_)))
    }

    fn named_by(&self, variable: impl Fn(&str) -> Option<OsString>) -> Named {
        let mut named = Named {
            policies: self.policy.dir.clone(),
            ..Named::default()
        };
        // A config whose values cannot be written has no document either, and no proxy starts with it.
        paths(
            &serde_json::to_value(self).unwrap_or_default(),
            &mut named.files,
        );
        let of_aws = AWS_FILES.into_iter().filter_map(&variable);
        named.files.extend(of_aws.map(PathBuf::from));
        for SecretAt { source, .. } in self.secrets() {
            match source {
                Source::Systemd(name) => {
                    let folder = variable(SYSTEMD_FOLDER).map(PathBuf::from);
                    named.files.extend(folder.map(|folder| folder.join(name)));
                }
                Source::Command(command) => named.commands.push(command.clone()),
                // Paths of these are among the values.
                Source::File(_) | Source::Env(_) | Source::Vault(_) | Source::Aws(_) => {}
            }
        }
        named
    }

    /// Lists what the file that it was read from names at this moment; none if that is not good.
    pub(crate) fn named_now(&self) -> Option<Named> {
        let problems = Problems::default();
        let config = Self::read(&self.source, &problems)?;
        let named = config.named();
        problems.settle(&self.source, named).ok()
    }

    /// Gives every secret that it says the place of.
    fn secrets(&self) -> impl Iterator<Item = &SecretAt> {
        let of_accounts = self.accounts.iter().flat_map(|account| {
            let of_grants = account
                .grants
                .iter()
                .filter_map(|grant| grant.credential.as_ref());
            std::iter::once(&account.credential)
                .chain(of_grants)
                .flat_map(Credential::secrets)
        });
        let of_clients = (self.identity.sign_ins.iter())
            .chain(self.approvals.iter().flat_map(|all| &all.sign_in))
            .filter_map(|client| client.client_secret.as_ref());
        let of_chats = self.approvals.iter().flat_map(|approvals| {
            let told = approvals.notify.iter().map(|notify| notify.to.secret());
            approvals.slack.iter().chain(told)
        });
        let of_store = match &self.record.store_options.identity {
            StoreIdentity::Secret(secret) => Some(secret),
            StoreIdentity::Host | StoreIdentity::Environment => None,
        };
        let of_exports = self.exports.iter().flat_map(Export::secrets);
        (of_accounts.chain(of_clients))
            .chain(of_chats)
            .chain(of_exports)
            .chain(of_store)
    }
}

impl Credential {
    /// Gives its secrets.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretAt> {
        let (first, second) = match self {
            Self::KeyPair {
                private_key,
                passphrase,
            } => (Some(private_key), passphrase.as_ref()),
            Self::Pat(at) | Self::OAuth(at) | Self::Password(at) | Self::WorkloadOidc(at) => {
                (Some(at), None)
            }
            Self::OAuthGrant(grant) => (grant.client_secret.as_ref(), grant.refresh_token.as_ref()),
            Self::WorkloadAws { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// Collects each text that is an absolute path, whatever key it stands under.
fn paths(value: &Value, into: &mut BTreeSet<PathBuf>) {
    match value {
        Value::String(text) if text.starts_with('/') => {
            into.insert(PathBuf::from(text));
        }
        Value::Array(values) => values.iter().for_each(|value| paths(value, into)),
        Value::Object(members) => members.values().for_each(|value| paths(value, into)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;
    use super::*;

    const ALL: &str = r#"
[policy]
dir = "/etc/icecore/policies"
[upstream]
ca_file = "/etc/icecore/ca.pem"
[[identity.issuer]]
name = "okta"
url = "https://id.acme.test"
audience = "icecore"
login = { client_id = "0oa1", client_secret = { source = "command", argv = ["/bin/print", "login"] } }
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "key-pair", private_key_file = "/keys/acme.p8", passphrase = { source = "command", argv = ["/bin/print", "passphrase"] } }
[[account]]
host = "c.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token = { source = "vault", address = "https://vault.acme.test", path = "snowflake/acme", field = "token", role_id = "r", secret_id_file = "/keys/secret-id" } }
"#;

    #[test]
    fn what_the_config_names_is_named_and_nothing_beside_it() {
        let named = read_for_tests(ALL).named();
        for file in [
            "/keys/acme.p8",
            "/keys/secret-id",
            "/etc/icecore/ca.pem",
            "/etc/icecore/policies/read-only.cedar",
        ] {
            assert!(named.has_file(Path::new(file)), "{file}");
        }
        for file in [
            "/etc/shadow",
            "/keys/other.p8",
            "/keys/../etc/shadow",
            "/etc/icecore/policies/a/b.cedar",
            "/etc/icecore/policies/shadow",
        ] {
            assert!(!named.has_file(Path::new(file)), "{file}");
        }
        assert!(named.has_folder(Path::new("/etc/icecore/policies")));
        assert!(!named.has_folder(Path::new("/etc/icecore")));
        let argv = |words: [&str; 2]| words.map(str::to_owned);
        assert!(named.command(&argv(["/bin/print", "login"])).is_some());
        assert!(named.command(&argv(["/bin/print", "passphrase"])).is_some());
        assert!(named.command(&argv(["/bin/print", "shadow"])).is_none());
    }

    #[test]
    fn what_is_secret_is_all_that_is_named_but_what_is_public() {
        const MORE: &str = r#"
[[account]]
host = "d.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token = { source = "vault", address = "https://vault.acme.test", path = "snowflake/acme", field = "token", token_file = "/keys/vault", ca_file = "/etc/vault.pem" } }
[[account]]
host = "e.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token = { source = "systemd", name = "pat" } }
[[identity.issuer]]
name = "keys"
url = "https://keys.acme.test"
audience = "icecore"
jwks_file = "/etc/jwks.json"
[[identity.saml]]
name = "saml"
metadata_file = "/etc/idp.xml"
audience = "https://icecore.acme.test"
recipient = "https://icecore.acme.test/acs"
[[export]]
kind = "webhook"
name = "siem"
url = "https://siem.acme.test/in"
secret_file = "/keys/webhook"
"#;
        let config = read_for_tests(&format!("{ALL}{MORE}"));
        assert!(config.has_systemd_secrets());
        let variable = |name: &str| match name {
            SYSTEMD_FOLDER => Some("/run/credentials/icecore.service".into()),
            "AWS_SHARED_CREDENTIALS_FILE" => Some("/keys/aws".into()),
            _ => None,
        };
        let mut found = config.secret_files(variable);
        found.remove(&config.capture.pin_dir);
        let expected = [
            "/keys/acme.p8",
            "/keys/aws",
            "/keys/secret-id",
            "/keys/vault",
            "/keys/webhook",
            "/run/credentials/icecore.service/pat",
        ];
        assert_eq!(found, expected.map(PathBuf::from).into());
    }
}
