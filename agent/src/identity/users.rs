//! The host's users, by name and number.

use std::fs;

/// The host's list of users, `/etc/passwd`; users that only a directory knows are called by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Users(String);

impl Users {
    /// Reads the list as it is; one that cannot be read has no users.
    #[must_use]
    pub fn read() -> Self {
        let bytes = fs::read("/etc/passwd").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Takes the text of a list. Source: passwd(5).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Names a user; one without a name is named by its number.
    #[must_use]
    pub fn name(&self, uid: u32) -> String {
        let named = self.all().find(|(_, other)| *other == uid);
        named.map_or_else(|| uid.to_string(), |(name, _)| name.to_owned())
    }

    /// Says why no session can be of a user of this name, if none can be now.
    #[must_use]
    pub fn stranger(&self, user: &str) -> Option<String> {
        if self.all().any(|(name, _)| name == user) {
            return None;
        }
        let Ok(uid) = user.parse::<u32>() else {
            return Some("which this host does not have".to_owned());
        };
        let name = self.name(uid);
        (name != user).then(|| format!("who is called `{name}` here"))
    }

    fn all(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_name_and_the_nameless_by_number() {
        let users = Users::parse("root:x:0:0:root:/root:/bin/sh\nci:x:1000:1000::/home/ci:\n");
        assert_eq!((users.name(1000), users.name(7)), ("ci".into(), "7".into()));
        for (user, expected) in [
            ("ci", None),
            ("7", None),
            ("ic", Some("which this host does not have")),
            ("1000", Some("who is called `ci` here")),
        ] {
            assert_eq!(users.stranger(user).as_deref(), expected, "{user}");
        }
    }
}
