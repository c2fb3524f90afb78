//! What gives a credential that Snowflake mints: functions and commands whose answer is one, or holds one.
//!
//! What makes one that lasts, or gives the secrets of a client, is refused where the text is read: a token that is made
//! and hidden would be good for nobody and stay. An address of a file, which others may want to see made, is followed
//! instead as if it were a column of the function's, which functions do not have otherwise: so it is told wherever it
//! goes, and hidden where it ends in a result. No policy lifts that (invariant 6). What a function of somebody else's
//! gives is told by its form alone, where results are masked.
//!
//! Source: Snowflake's reference, the pages of these functions, "ALTER USER", "ALTER USER .. ADD PROGRAMMATIC ACCESS
//! TOKEN" and "..  ROTATE ..", read 2026-11.

use std::collections::BTreeSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Statement;
use super::meaning::Column;
use super::object::{Class, Object, Path};

/// Functions that give the address of a file, which is good for whoever has it.
const ADDRESSES: [&str; 3] = [
    "GET_PRESIGNED_URL",
    "BUILD_SCOPED_FILE_URL",
    "FL_GET_SCOPED_FILE_URL",
];

/// Functions whose value is a token or a secret, or leads to one.
const MAKERS: [&str; 5] = [
    "SYSTEM$GENERATE_SCIM_ACCESS_TOKEN",
    "SYSTEM$ISSUE_WORKLOAD_IDENTITY_FEDERATION_TOKEN",
    "SYSTEM$SHOW_OAUTH_CLIENT_SECRETS",
    "SYSTEM$START_OAUTH_FLOW",
    "SYSTEM$FINISH_OAUTH_FLOW",
];

/// Words by which system functions that are newer than the list say that they give one.
const WORDS: [&str; 6] = [
    "GENERATE_",
    "_TOKEN",
    "SECRET",
    "CREDENTIAL",
    "PASSWORD",
    "PRIVATE_KEY",
];

/// What ALTER USER does where its answer is a token, a passcode, or an address that stands for one.
const OF_USERS: [&[&str]; 7] = [
    &["ADD", "PROGRAMMATIC", "ACCESS", "TOKEN"],
    &["ROTATE", "PROGRAMMATIC", "ACCESS", "TOKEN"],
    &["ADD", "PAT"],
    &["ROTATE", "PAT"],
    &["RESET", "PASSWORD"],
    &["ENROLL", "MFA"],
    &["ADD", "MFA", "METHOD"],
];

impl Column {
    /// Gives what stands for the address that a function gives, by the function's folded names.
    pub(super) fn minted(function: &[String]) -> Option<Self> {
        let name = function.last()?;
        let is_address = ADDRESSES.contains(&name.as_str());
        is_address.then(|| Self::minted_by(name))
    }

    /// Gives what stands for the credential that something gives.
    pub(super) fn minted_by(what: &str) -> Self {
        Self {
            object: Object::new(Class::Function, Path::new(vec![what.to_owned()])),
            name: None,
        }
    }

    /// Tells whether it stands for a credential that Snowflake mints.
    #[must_use]
    pub fn is_minted(&self) -> bool {
        self.object.class() == Class::Function
    }
}

impl Statement {
    /// Tells whether a text that could not be read names what gives a credential.
    #[must_use]
    pub fn may_mint(&self) -> bool {
        let text = self.text().to_ascii_uppercase();
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '$');
        let words: BTreeSet<&str> = text.split(|sign| !is_sign(sign)).collect();
        let of_users = ["PAT", "PROGRAMMATIC", "RESET", "MFA"];
        let mut all = words.iter();
        all.any(|word| ADDRESSES.contains(word) || maker(word).is_some())
            || (words.contains("USER") && of_users.iter().any(|word| words.contains(word)))
    }
}

/// Finds the first thing among a text's tokens that makes a credential or gives a secret.
#[expect(clippy::wildcard_enum_match_arm, reason = "only words count")]
pub(super) fn made(tokens: &[TokenWithSpan]) -> Option<&'static str> {
    let words: Vec<&str> = tokens
        .iter()
        .filter_map(|token| match &token.token {
            Token::Word(word) => Some(word.value.as_str()),
            Token::Whitespace(_) => None,
            _ => Some(""),
        })
        .collect();
    let found = words
        .iter()
        .find_map(|word| maker(&word.to_ascii_uppercase()));
    let holds = |wanted: &[&str]| {
        words.windows(wanted.len()).any(|here| {
            let mut pairs = here.iter().zip(wanted);
            pairs.all(|(found, wanted)| found.eq_ignore_ascii_case(wanted))
        })
    };
    let of_user = holds(&["ALTER", "USER"]) && OF_USERS.iter().any(|wanted| holds(wanted));
    found.or_else(|| of_user.then_some("ALTER USER"))
}

/// Says by which name a function, by its folded name, makes a credential or gives a secret.
fn maker(name: &str) -> Option<&'static str> {
    let of_system = name.strip_prefix("SYSTEM$")?;
    let listed = MAKERS.into_iter().find(|maker| *maker == name);
    let says = || WORDS.into_iter().find(|word| of_system.contains(word));
    listed.or_else(says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Scope;

    fn read(sql: &str) -> Statement {
        Statement::read(sql, &Scope::new(&|_| false))
    }

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let statement = read(sql);
        let meaning = statement.meaning().unwrap_or_else(|| panic!("{sql}"));
        let uses: Vec<&str> = (meaning.minted().iter())
            .map(|found| found.how.name())
            .collect();
        assert_eq!(uses, expected, "{sql}");
    }

    #[test]
    fn an_address_is_followed_to_where_it_goes() {
        let url = "get_presigned_url(@s, 'f')";
        for (sql, uses) in [
            (format!("select {url} as u from t"), &["project"] as &[_]),
            (format!("select u from (select {url} u)"), &["project"]),
            (
                format!("with x as (select {url} u) select u from x"),
                &["project"],
            ),
            (format!("select 'a' union all select {url}"), &["project"]),
            (format!("select lower({url})"), &["project", "argument"]),
            (format!("select {url}::varchar"), &["project", "argument"]),
            (format!("select 1 where {url} like 'h%'"), &["where"]),
            (format!("create table x as select {url} u"), &["store"]),
            (format!("create view x as select {url} u"), &["store"]),
            (format!("insert into x select {url}"), &["store"]),
            (format!("set v = {url}"), &["store"]),
            (format!("call p({url})"), &["store"]),
            (format!("copy into @s from (select {url})"), &["store"]),
        ] {
            check(&sql, uses);
        }
        check("select get_stage_location(@s) from t", &[]);
    }

    #[test]
    fn an_address_is_one_in_every_form_of_call() {
        for sql in [
            "select \"GET_PRESIGNED_URL\"(@s, 'f')",
            "select identifier('get_presigned_url')(@s, 'f')",
            "select build_scoped_file_url(@s, 'f')",
            "select * from table(fl_get_scoped_file_url(1))",
            "call get_presigned_url(@s, 'f')",
            "execute immediate 'select get_presigned_url(@s, ''f'')'",
        ] {
            check(sql, &["project"]);
        }
    }

    #[test]
    fn what_makes_a_credential_is_not_read() {
        for sql in [
            "select system$generate_scim_access_token('X')",
            "select \"SYSTEM$SHOW_OAUTH_CLIENT_SECRETS\"('X')",
            "select * from table(system$issue_workload_identity_federation_token('s', 'a'))",
            "select system$get_what_comes_next_token('X')",
            "call system$start_oauth_flow('d.s.x')",
            "alter user u add programmatic access token t",
            "alter user if exists u add pat t role_restriction = 'R'",
            "alter user add pat t",
            "alter user u rotate programmatic access token t",
            "alter user u reset password",
            "alter user u add mfa method otp count = 3",
        ] {
            let statement = read(sql);
            let problem = statement.problem().unwrap_or_default();
            assert!(problem.contains("credential"), "{sql}: {problem}");
            assert!(statement.may_mint(), "{sql}");
        }
        for sql in [
            "alter user u modify pat t rename to v",
            "alter user u remove pat t",
            "alter user u set comment = 'add pat t'",
            "select system$wait(1), system$typeof(1)",
        ] {
            check(sql, &[]);
        }
    }

    #[test]
    fn what_cannot_be_read_may_name_one() {
        for sql in [
            "selec get_presigned_url(@s, 'f')",
            "alter /* */ user u add /* */ pat t !",
            "? System$Generate_SCIM_access_token",
        ] {
            assert!(read(sql).may_mint(), "{sql}");
        }
        assert!(!read("selec token, secret from user_pat").may_mint());
    }
}
