//! Whom a verifier believes. Pure.

use crate::config::TrustFile;
use crate::record::chain::documents::installation_name;
use crate::record::chain::envelope::key_id;
use crate::record::chain::keys::public_key;
use crate::record::chain::note::NoteKey;

/// Keys that are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    installations: Vec<(String, [u8; 32])>,
    witnesses: Vec<NoteKey>,
}

impl Trust {
    /// Reads a trust file's text.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn read(text: &str) -> Result<Self, String> {
        let file = TrustFile::read(text)?;
        let mut trust = Self::default();
        for pinned in file.installation {
            let Some(key) = public_key(&pinned.key) else {
                let name = pinned.name;
                return Err(format!(
                    "installation `{name}`: expected a key of 32 bytes in base64, found another text"
                ));
            };
            trust.installations.push((pinned.name, key));
        }
        for pinned in file.witness {
            let key = NoteKey::parse(&pinned.key).ok();
            let Some(key) = key.filter(NoteKey::is_witness) else {
                let name = pinned.name;
                return Err(format!(
                    "witness `{name}`: expected a key as `icecore witness` prints it (`NAME+HASH+KEY`, type 4), found another text"
                ));
            };
            trust.witnesses.push(key);
        }
        if let Some(operator) = file.operator.first() {
            return Err(format!(
                "operator of `{}`: enrolments are not read by this version; pin each installation instead",
                operator.issuer
            ));
        }
        Ok(trust)
    }

    /// Gives the name of an installation that is pinned.
    #[must_use]
    pub fn installation(&self, key: &[u8; 32]) -> Option<&str> {
        let mut pinned = self.installations.iter();
        pinned
            .find(|(_, pinned)| pinned == key)
            .map(|(name, _)| name.as_str())
    }

    /// Lists the installations' keys, each by the name under which it signs checkpoints.
    pub fn installation_keys(&self) -> impl Iterator<Item = (String, [u8; 32])> {
        let keys = self.installations.iter().map(|(_, key)| *key);
        keys.map(|key| (installation_name(&key_id(&key)), key))
    }

    /// Lists the witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[NoteKey] {
        &self.witnesses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned_by_name_and_another_text_is_refused() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let witness = NoteKey::witness("w", [7; 32]).to_string();
        let text = format!(
            "[[installation]]\nname = \"a\"\nkey = \"{key}\"\n[[witness]]\nname = \"w\"\nkey = \"{witness}\"\n"
        );
        let trust = Trust::read(&text).unwrap();
        assert_eq!(trust.installation(&[0; 32]), Some("a"));
        assert_eq!(trust.installation(&[1; 32]), None);
        assert_eq!(trust.witnesses().len(), 1);
        for (from, to, part) in [
            (key, "AA", "installation `a`"),
            ("[[witness]]", "[[wittness]]", "line 4"),
            (&*witness, "w+0+0", "witness `w`"),
        ] {
            let error = Trust::read(&text.replace(from, to)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let signer = NoteKey::signer("w", [7; 32]).to_string();
        assert!(Trust::read(&text.replace(&witness, &signer)).is_err());
    }
}
