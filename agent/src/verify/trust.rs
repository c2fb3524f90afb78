//! Whom a verifier believes. Pure.

use crate::config::{self, PinnedKey, TrustFile};
use crate::identity::{Keys, Operator, OperatorIs};
use crate::record::chain::documents::{Genesis, installation_name};
use crate::record::chain::enrolment::{Enrolled, EnrolmentError};
use crate::record::chain::envelope::key_id;
use crate::record::chain::keys::public_key;
use crate::record::chain::note::NoteKey;

/// Keys that are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    installations: Vec<(String, [u8; 32])>,
    /// Those that are believed no more, whoever vouches for them.
    revoked: Vec<[u8; 32]>,
    witnesses: Vec<NoteKey>,
    operators: Vec<Operator>,
}

/// Reads a file that a trust file or a proof names.
pub(super) type Read<'r> = &'r dyn Fn(&str) -> Result<Vec<u8>, String>;

impl Trust {
    /// Reads a trust file's text.
    ///
    /// # Errors
    /// What is wrong with it, or with a file of keys that it names, on one line.
    pub fn read(text: &str, file_of: Read<'_>) -> Result<Self, String> {
        let file = TrustFile::read(text)?;
        let mut trust = Self::default();
        for pinned in file.installation {
            let key = installation_key("installation", &pinned)?;
            trust.installations.push((pinned.name, key));
        }
        for revoked in &file.revoked {
            let key = installation_key("revoked", revoked)?;
            trust.revoked.push(key);
        }
        for pinned in file.witness {
            let key = NoteKey::parse(&pinned.key).ok();
            let Some(key) = key.filter(NoteKey::is_witness) else {
                let name = pinned.name;
                return Err(format!(
                    "witness `{name}`: expected a key as `icecore witness` prints it (`NAME+HASH+KEY`, type 4), found another text"
                ));
            };
            // What a host could sign itself shows nothing of what it left out.
            if trust.installation(key.bytes()).is_some() {
                let name = pinned.name;
                return Err(format!(
                    "witness `{name}`: expected a key of its own, found an installation's"
                ));
            }
            trust.witnesses.push(key);
        }
        for named in file.operator {
            let issuer = named.issuer.clone();
            let operator = operator(named, file_of);
            let operator = operator.map_err(|cause| format!("operator of `{issuer}`: {cause}"))?;
            trust.operators.push(operator);
        }
        Ok(trust)
    }

    /// Gives the name of an installation that is pinned.
    #[must_use]
    pub fn installation(&self, key: &[u8; 32]) -> Option<&str> {
        let mut pinned = self.believed();
        pinned
            .find(|(_, pinned)| pinned == key)
            .map(|(name, _)| name.as_str())
    }

    fn believed(&self) -> impl Iterator<Item = &(String, [u8; 32])> {
        let all = self.installations.iter();
        all.filter(|(_, key)| !self.revoked.contains(key))
    }

    /// Gives the name of the pinned installation that began a chain.
    ///
    /// # Errors
    /// Whose key it is instead.
    pub(crate) fn vouches(&self, genesis: &Genesis) -> Result<&str, String> {
        let key = public_key(&genesis.installation).unwrap_or_default();
        self.installation(&key).ok_or_else(|| {
            let why = match self.revoked.contains(&key) {
                true => ", which is revoked",
                false => "",
            };
            let Genesis {
                installation,
                host_id,
                ..
            } = genesis;
            format!("one of {installation} of host {host_id}{why}")
        })
    }

    /// Lists the installations' keys, each by the name under which it signs checkpoints.
    pub fn installation_keys(&self) -> impl Iterator<Item = (String, [u8; 32])> {
        let keys = self.believed().map(|(_, key)| *key);
        keys.map(|key| (installation_name(&key_id(&key)), key))
    }

    /// Believes the installation of an enrolment too, if an operator vouches for it, for this organisation alone.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn enrol(
        &mut self,
        org: &str,
        key_id: &str,
        enrolled: &[u8],
    ) -> Result<(), EnrolmentError> {
        if self.operators.is_empty() {
            return Ok(());
        }
        let enrolled = Enrolled::read(enrolled)?;
        let (key, enrolment, who) = enrolled.vouched((org, key_id), &self.operators)?;
        if self.installation(&key).is_none() {
            let name = format!("{} (enrolled by {who})", enrolment.host_id);
            self.installations.push((name, key));
        }
        Ok(())
    }

    /// Lists the witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[NoteKey] {
        &self.witnesses
    }
}

fn installation_key(table: &str, named: &PinnedKey) -> Result<[u8; 32], String> {
    public_key(&named.key).ok_or_else(|| {
        let name = &named.name;
        format!("{table} `{name}`: expected a key of 32 bytes in base64, found another text")
    })
}

fn operator(named: config::Operator, file_of: Read<'_>) -> Result<Operator, String> {
    let is = match (named.subject, named.email, named.group) {
        (Some(subject), None, None) => OperatorIs::Subject(subject),
        (None, Some(email), None) => OperatorIs::Email(email),
        (None, None, Some(group)) => OperatorIs::Group(group),
        _ => return Err("expected one of `subject`, `email` and `group`".to_owned()),
    };
    let jwks = match named.jwks.trim_start().starts_with('{') {
        true => named.jwks.into_bytes(),
        false => file_of(&named.jwks).map_err(|cause| format!("`{}`: {cause}", named.jwks))?,
    };
    let keys = Keys::read(&jwks).map_err(|error| error.to_string())?;
    Ok(Operator::new(&named.issuer, &named.audience, is, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(name: &str) -> Result<Vec<u8>, String> {
        Err(format!("no file {name}"))
    }

    #[test]
    fn an_operator_is_one_person_or_group_by_keys_that_are_there() {
        let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let text = format!(
            "[[operator]]\nissuer = \"https://id.acme.test\"\nsubject = \"00u1\"\naudience = \"icecore\"\njwks = '{jwks}'\n"
        );
        assert_eq!(Trust::read(&text, &none).unwrap().operators.len(), 1);
        let in_file = text.replace(jwks, "acme.jwks");
        let read = |name: &str| {
            assert_eq!(name, "acme.jwks");
            Ok(jwks.as_bytes().to_vec())
        };
        assert_eq!(Trust::read(&in_file, &read).unwrap().operators.len(), 1);
        for (text, part) in [
            (in_file, "no file acme.jwks"),
            (
                text.replace("subject", "group = \"g\"\nsubject"),
                "expected one of",
            ),
            (text.replace("subject = \"00u1\"\n", ""), "expected one of"),
            (text.replace("OKP", "oct"), "keys: expected"),
        ] {
            let error = Trust::read(&text, &none).unwrap_err();
            assert!(
                error.starts_with("operator of `https://id.acme.test`: ") && error.contains(part),
                "{error}"
            );
        }
    }

    #[test]
    fn keys_are_pinned_by_name_and_another_text_is_refused() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let witness = NoteKey::witness("w", [7; 32]).to_string();
        let of_host = NoteKey::witness("w", [0; 32]).to_string();
        let text = format!(
            "[[installation]]\nname = \"a\"\nkey = \"{key}\"\n[[witness]]\nname = \"w\"\nkey = \"{witness}\"\n"
        );
        let trust = Trust::read(&text, &none).unwrap();
        assert_eq!(trust.installation(&[0; 32]), Some("a"));
        assert_eq!(trust.installation(&[1; 32]), None);
        assert_eq!(trust.witnesses().len(), 1);
        for (from, to, part) in [
            (key, "AA", "installation `a`"),
            ("[[witness]]", "[[wittness]]", "line 4"),
            (&*witness, "w+0+0", "witness `w`"),
            (&*witness, &*of_host, "a key of its own"),
        ] {
            let error = Trust::read(&text.replace(from, to), &none).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let signer = NoteKey::signer("w", [7; 32]).to_string();
        assert!(Trust::read(&text.replace(&witness, &signer), &none).is_err());
    }
}
