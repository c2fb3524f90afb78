//! What gives a statement its meaning: put together of its text, of where its login is, and of what the account says that
//! its names lead to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::canonical::{self, CanonicalError};
use super::request::{Claimed, Meaning, Touched};
use crate::policy;
use crate::statement::{Catalogue, Class, Found, Path, RelationFacts, Statement};

/// What is done to an object that a statement does not name, and on which one that it names rests.
const BEHIND: &str = "behind";

/// How an open transaction is told beside parameters; none is called so.
const TRANSACTION: &str = "(transaction)";

/// Longest reason that is taken from a text, in characters.
const REASON_MAX_CHARACTERS: usize = 500;

/// Where a login is, and what its own statements have made of its session, in Snowflake's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The user that it is.
    pub user: String,
    /// Its role.
    pub role: Option<String>,
    /// Its secondary roles.
    pub secondary_roles: Vec<String>,
    /// Its warehouse.
    pub warehouse: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// Its schema.
    pub schema: Option<String>,
    /// Parameters that are set in its session.
    pub parameters: BTreeMap<String, String>,
    /// Variables of its session.
    pub variables: BTreeMap<String, String>,
    /// Whether a transaction is open in it.
    pub in_transaction: bool,
}

impl Meaning {
    /// Makes the meaning of a statement that was read by a catalogue; `members` are those of its request beside the text.
    ///
    /// # Errors
    /// What the account says has no canonical form.
    pub fn of(
        statement: &Statement,
        (account, catalogue): (&str, &Catalogue),
        place: Place,
        members: BTreeMap<String, String>,
        policies_sha256: &[u8; 32],
    ) -> Result<Self, CanonicalError> {
        let parts = match statement.parts() {
            [] => std::slice::from_ref(statement),
            parts => parts,
        };
        let mut parameters = place.parameters;
        if place.in_transaction {
            parameters.insert(TRANSACTION.to_owned(), "open".to_owned());
        }
        let mut columns = BTreeSet::new();
        for meaning in parts.iter().filter_map(Statement::meaning) {
            let used = meaning.columns().iter();
            columns.extend(used.map(|used| format!("{} {}", used.how.name(), used.column)));
        }
        Ok(Self {
            account: account.to_owned(),
            user: place.user,
            role: place.role,
            secondary_roles: place.secondary_roles,
            warehouse: place.warehouse,
            database: place.database,
            schema: place.schema,
            sql: statement.text().to_owned(),
            kinds: parts
                .iter()
                .map(|part| part.kind().name().to_owned())
                .collect(),
            members,
            parameters,
            variables: place.variables,
            objects: touched(parts, account, catalogue)?,
            columns: columns.into_iter().collect(),
            policies_sha256: canonical::hex(policies_sha256),
        })
    }
}

/// Lists what statements do to which objects, and what those rest on.
fn touched(
    parts: &[Statement],
    account: &str,
    catalogue: &Catalogue,
) -> Result<Vec<Touched>, CanonicalError> {
    let mut all = BTreeSet::new();
    let mut named: BTreeSet<&Path> = BTreeSet::new();
    let asked: Vec<_> = parts.iter().flat_map(policy::questions).collect();
    for access in &asked {
        let object = &access.object;
        let facts = match catalogue.relation(object.path()) {
            Found::Relation(facts) if object.is_settled() => {
                named.insert(object.path());
                Some(facts)
            }
            Found::Relation(_) | Found::Unknown => None,
        };
        let path = match (object.class(), object.is_settled()) {
            (Class::Account, _) => account.to_owned(),
            (_, true) => object.path().to_string(),
            (_, false) => format!("?.{}", object.path()),
        };
        all.insert(Touched {
            action: access.action.name().to_owned(),
            class: object.class().name().to_owned(),
            path,
            definition_sha256: facts.map(definition).transpose()?,
        });
    }
    let behind = catalogue.relations.iter();
    for (path, facts) in behind.filter(|(path, _)| !named.contains(path)) {
        all.insert(Touched {
            action: BEHIND.to_owned(),
            class: facts.class.name().to_owned(),
            path: path.to_string(),
            definition_sha256: Some(definition(facts)?),
        });
    }
    Ok(all.into_iter().collect())
}

/// Gives the digest of what the account says that a relation is.
fn definition(facts: &RelationFacts) -> Result<String, CanonicalError> {
    let columns = facts.columns.iter().map(
        |column| json!({ "name": column.name, "type": column.data_type, "tags": column.tags }),
    );
    let document = json!({
        "class": facts.class.name(),
        "columns": columns.collect::<Vec<_>>(),
        "text": facts.text,
    });
    Ok(canonical::hex(&canonical::digest(
        "icecore relation 1",
        &document,
    )?))
}

impl Claimed {
    /// Takes what the agent says of a statement: in a comment of its own line, `-- reason: ...`, or by the session's label
    /// `reason`.
    #[must_use]
    pub fn of(sql: &str, labels: BTreeMap<String, String>) -> Self {
        let comment = sql.lines().find_map(|line| {
            let said = line.trim_start().strip_prefix("--")?.trim_start();
            let (word, reason) = said.split_once(':')?;
            let reason = reason.trim();
            (word.eq_ignore_ascii_case("reason") && !reason.is_empty()).then_some(reason)
        });
        let reason = comment.or_else(|| labels.get("reason").map(String::as_str));
        Self {
            reason: reason.map(|reason| reason.chars().take(REASON_MAX_CHARACTERS).collect()),
            labels,
            prompt: None,
        }
    }
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;
