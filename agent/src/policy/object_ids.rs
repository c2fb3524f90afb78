//! Ids of objects in policies: a forbid that names one which no object can have would forbid nothing.

use cedar_policy_core::ast::{Eid, EntityUID};

use super::ask::{id, type_name};
use crate::config::nearest;
use crate::statement::{Class, Path};

/// Says what is wrong with the id of an object, a column or an account, if no question can ever be about it.
///
/// Where the accounts are not known, whatever could be the name of one is good.
pub(super) fn wrong(entity: &EntityUID, accounts: Option<&[&str]>) -> Option<String> {
    let kind = entity.entity_type().to_string();
    let form = form(kind.strip_prefix("Icecore::")?)?;
    let typed: &str = entity.eid().as_ref();
    if can_be(typed, form.len(), accounts) {
        return None;
    }
    let parts = split(typed);
    let account = parts.first().copied().unwrap_or_default();
    let is_account = |known: &[&str]| known.contains(&account);
    let has_form = parts.len() == form.len() && !account.is_empty();
    let expected = match accounts.filter(|known| !is_account(known)) {
        Some(known) if has_form => {
            let listed = known.join("`, `");
            format!("an account of the config (`{listed}`)")
        }
        Some(_) | None => format!("`{}`", form.join(".")),
    };
    let guess = meant(&parts, form.len(), accounts)
        .filter(|meant| meant != typed && can_be(meant, form.len(), accounts))
        .map(|meant| {
            EntityUID::from_components(entity.entity_type().clone(), Eid::new(meant), None)
        })
        .map(|meant| format!(" (did you mean `{meant}`?)"))
        .unwrap_or_default();
    let rule = if has_form && accounts.is_none_or(is_account) {
        "; a name stands in double quotes if it is not plain upper case, and only then"
    } else {
        ""
    };
    Some(format!(
        "expected {expected}, found `{entity}`{guess}{rule}"
    ))
}

/// Says of which parts the ids of a type of entities are; none for what is no object.
fn form(kind: &str) -> Option<Vec<String>> {
    let depth = if kind == "Column" {
        Class::Table.depth() + 1
    } else {
        let mut classes = Class::ALL.into_iter();
        classes.find(|class| type_name(*class) == kind)?.depth()
    };
    let outer = ["DATABASE", "SCHEMA", "TABLE"].map(str::to_owned);
    let mut form = vec!["ACCOUNT".to_owned()];
    form.extend(outer.into_iter().take(depth.saturating_sub(1)));
    form.extend((depth > 0).then(|| kind.to_ascii_uppercase()));
    Some(form)
}

/// Tells whether an object can have this id: whether it reads back as it is written.
fn can_be(typed: &str, parts: usize, accounts: Option<&[&str]>) -> bool {
    // No account's name has a dot.
    let (account, names) = match typed.split_once('.') {
        Some((account, names)) => (account, Some(names)),
        None => (typed, None),
    };
    let is_account = accounts.map_or(!account.is_empty(), |known| known.contains(&account));
    let names: Vec<String> = names
        .map(split)
        .unwrap_or_default()
        .into_iter()
        .map(name)
        .collect();
    let is_written_so = match names.as_slice() {
        [] => typed == account,
        _ => typed == id(account, &Path::new(names.clone())),
    };
    is_account && is_written_so && names.len() + 1 == parts
}

/// Splits at the dots that are in no double quotes.
fn split(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let is_end = |letter| {
        is_quoted ^= letter == '"';
        letter == '.' && !is_quoted
    };
    text.split(is_end).collect()
}

/// Takes a name out of its double quotes.
fn name(part: &str) -> String {
    match quoted(part) {
        Some(name) => name.replace("\"\"", "\""),
        None => part.to_owned(),
    }
}

fn quoted(part: &str) -> Option<&str> {
    part.strip_prefix('"')?.strip_suffix('"')
}

/// Guesses which id was meant: with the account that was left out or mistyped, and names as SQL folds them.
fn meant(parts: &[&str], wanted: usize, accounts: Option<&[&str]>) -> Option<String> {
    let (account, names) = match (parts, accounts) {
        _ if parts.contains(&"") => return None,
        ([typed, names @ ..], Some(known)) if parts.len() == wanted => {
            (nearest_account(typed, known)?, names)
        }
        ([typed, names @ ..], None) if parts.len() == wanted => (*typed, names),
        ([first, ..], Some([account])) if parts.len() + 1 == wanted && first != account => {
            (*account, parts)
        }
        (_, _) => return None,
    };
    if names.is_empty() {
        return Some(account.to_owned());
    }
    let folded = |part: &&str| {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_$".contains(letter);
        if part.chars().all(is_word) {
            part.to_ascii_uppercase()
        } else {
            name(part)
        }
    };
    Some(id(account, &Path::new(names.iter().map(folded).collect())))
}

/// Names the account that was most likely meant.
fn nearest_account<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut same = known.iter().filter(|one| one.eq_ignore_ascii_case(typed));
    same.next().copied().or_else(|| nearest(typed, known))
}

#[cfg(test)]
#[path = "object_ids_tests.rs"]
mod tests;
