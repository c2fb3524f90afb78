//! Values that a keyed hash does not hide: of which there are so few that an agent can have all of them hashed beside.

use cedar_policy::Policy;
use cedar_policy_core::ast::{ExprKind, Literal, Policy as Tree};

use super::transform::{HashScope, Transform};

/// Words of names and tags by which such values are known.
const FEW: [&str; 26] = [
    "AGE",
    "BIRTH",
    "BIRTHDATE",
    "BIRTHDAY",
    "BOOLEAN",
    "CARD",
    "CVC",
    "CVV",
    "DOB",
    "FAX",
    "FLAG",
    "GENDER",
    "MOBILE",
    "NATIONAL",
    "PAN",
    "PHONE",
    "PIN",
    "POSTAL",
    "POSTCODE",
    "SALARY",
    "SEX",
    "SOCIAL",
    "SSN",
    "TELEPHONE",
    "ZIP",
    "ZIPCODE",
];

/// Finds the word by which a name or a tag's value says that its values are few.
pub(super) fn few(name: &str) -> Option<&'static str> {
    let mut words = name.split(|sign: char| !sign.is_ascii_alphanumeric());
    words.find_map(|word| FEW.into_iter().find(|few| word.eq_ignore_ascii_case(few)))
}

/// Says what is wrong with a policy that hashes, if anything: values that are few, or a scope that lasts without saying
/// why that is safe.
pub(super) fn wrong(policy: &Policy, transform: &Transform) -> Option<String> {
    let mut scopes = transform.hashes();
    let first = scopes.next()?;
    if (scopes.any(|scope| scope == HashScope::Host) || first == HashScope::Host)
        && policy.annotation("high_entropy").is_none_or(str::is_empty)
    {
        return Some(
            "expected `@high_entropy(\"why\")` beside `hash:host`, whose hashes are alike in all sessions, found none"
                .to_owned(),
        );
    }
    let tree: &Tree = policy.as_ref();
    let condition = tree.condition();
    let named = condition.subexpressions().find_map(|part| {
        let ExprKind::Lit(literal) = part.expr_kind() else {
            return None;
        };
        let text = match literal {
            Literal::String(text) => text.to_string(),
            Literal::EntityUID(entity) => {
                let id: &str = entity.eid().as_ref();
                id.rsplit('.').next().unwrap_or_default().to_owned()
            }
            Literal::Bool(_) | Literal::Long(_) => return None,
        };
        few(&text).map(|word| (text, word))
    });
    let at_place = || {
        let names = transform.places().flat_map(|(path, _)| path.iter());
        names
            .filter_map(|name| Some((name.clone(), few(name)?)))
            .next()
    };
    let (text, word) = named.or_else(at_place)?;
    Some(format!(
        "expected `mask:null`, `mask:partial:FRONT:BACK` or the like for {text:?}, found a hash: there are so few values of \
         {word} that whoever has some hashed finds all others"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_names_and_not_in_parts_of_words() {
        for name in ["SSN", "home_phone", "Birth-Date", "CARD_NUMBER"] {
            assert!(few(name).is_some(), "{name}");
        }
        for name in ["EMAIL", "PASSENGER", "DISCARDED", "PAGE", "SPINE", ""] {
            assert!(few(name).is_none(), "{name}");
        }
    }
}
