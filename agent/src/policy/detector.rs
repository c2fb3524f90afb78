//! Forms of values that a rule may name: `mask:detect:email+card`.

use std::collections::BTreeSet;
use std::fmt;

/// A form of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// Addresses of e-mail.
    Email,
    /// Telephone numbers, with a country's code or in North America's form.
    Phone,
    /// Numbers of payment cards (Luhn).
    Card,
    /// Numbers of bank accounts (ISO 13616, remainder of 97).
    Iban,
    /// Numbers of persons whose check digits fit, in eight countries' forms.
    Person,
    /// Addresses of hosts, IPv4 and IPv6.
    Ip,
    /// Keys of clouds and of services.
    Key,
    /// Signed tokens (RFC 7519).
    Jwt,
    /// Keys and certificates (RFC 7468).
    Pem,
    /// Snowflake's tokens, and addresses that are signed.
    Snowflake,
    /// Credentials that Snowflake mints, which no rule names: they are hidden in every result.
    Minted,
}

impl Detector {
    /// All that rules may name.
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::Person,
        Self::Ip,
        Self::Key,
        Self::Jwt,
        Self::Pem,
        Self::Snowflake,
    ];

    /// Gives the word by which rules name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Person => "person",
            Self::Ip => "ip",
            Self::Key => "key",
            Self::Jwt => "jwt",
            Self::Pem => "pem",
            Self::Snowflake => "snowflake",
            Self::Minted => "minted",
        }
    }
}

/// Detectors that a rule names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Detectors(BTreeSet<Detector>);

impl Detectors {
    /// Reads names joined by `+`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let find = |name: &str| Detector::ALL.into_iter().find(|one| one.name() == name);
        let all: Option<BTreeSet<Detector>> = text.split('+').map(find).collect();
        all.map(Self).ok_or(
            "`detect:` and names joined by `+`: email, phone, card, iban, person, ip, key, jwt, pem, snowflake",
        )
    }

    /// Gives what finds credentials that Snowflake mints.
    #[must_use]
    pub fn minted() -> Self {
        Self(BTreeSet::from([Detector::Minted]))
    }

    /// Gives them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Detector> {
        self.0.iter().copied()
    }
}

/// Writes them as `read` takes them.
impl fmt::Display for Detectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, one) in self.0.iter().enumerate() {
            let plus = if number > 0 { "+" } else { "" };
            write!(f, "{plus}{}", one.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["email", "email+card+snowflake"] {
            assert_eq!(
                Detectors::read(text).map(|read| read.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "email+", "mail", "EMAIL", "email,card", "minted"] {
            assert!(Detectors::read(text).is_err(), "{text}");
        }
    }
}
