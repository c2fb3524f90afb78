//! Where a session's token comes from, and what of that is kept from the command.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::kept_outside;
use super::token_file::TokenFile;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::control::request::Wanted;
use crate::control::{HandedToken, TOKEN_TEXT_MAX_BYTES};
use crate::web;

/// By these a GitHub job asks its runner for tokens. Source: docs.github.com, "OpenID Connect reference".
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Names where the session's token is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct TokenSource {
    /// Shows who the session acts for by the token in this file: a JWT (OpenID Connect), or a SAML message in base64
    #[arg(long, value_name = "FILE")]
    identity_token_file: Option<PathBuf>,

    /// The same by the token in this variable, which the command does not get
    #[arg(long, value_name = "VARIABLE", conflicts_with = "identity_token_file")]
    identity_token_env: Option<String>,
}

/// A session's token, if it has one, and the variables that the command must not get.
#[derive(Debug)]
pub(in crate::cli) struct Found {
    pub(in crate::cli) token: Option<HandedToken>,
    /// Where fresh ones come.
    pub(super) file: Option<TokenFile>,
    pub(super) removed: Vec<String>,
}

impl TokenSource {
    /// Looks for a token: where the caller says, in the variable that the daemon names, at GitHub's runner.
    ///
    /// Where the command is another user's, that user must not choose which file is read.
    pub(in crate::cli) fn find(
        &self,
        wanted: &Wanted,
        user: Option<&str>,
    ) -> Result<Found, Failure> {
        let named = self.identity_token_env.iter().chain(&wanted.variable);
        let removed = kept_outside::NEVER
            .map(str::to_owned)
            .into_iter()
            .chain(named.cloned());
        let path = self.identity_token_file.clone();
        let file = path.map(|path| TokenFile::read(path, user)).transpose()?;
        let token = match &file {
            Some(file) => Some(file.token().clone()),
            None => self.token(wanted)?,
        };
        Ok(Found {
            token,
            file,
            removed: removed.collect(),
        })
    }

    fn token(&self, wanted: &Wanted) -> Result<Option<HandedToken>, Failure> {
        if let Some(variable) = &self.identity_token_env {
            let Some(value) = env::var_os(variable) else {
                let text = format!(
                    "--identity-token-env: expected a token in `{variable}`, found no such variable"
                );
                return Err(Failure::text(Exit::Usage, text));
            };
            return of_variable(variable, value).map(Some);
        }
        if let Some(variable) = &wanted.variable
            && let Some(value) = env::var_os(variable).filter(|value| !value.is_empty())
        {
            return of_variable(variable, value).map(Some);
        }
        match (
            &wanted.github_audience,
            env::var(GITHUB_URL),
            env::var(GITHUB_TOKEN),
        ) {
            (Some(audience), Ok(url), Ok(bearer)) => of_github(&url, &bearer, audience).map(Some),
            (_, _, _) => Ok(None),
        }
    }
}

fn of_variable(variable: &str, value: OsString) -> Result<HandedToken, Failure> {
    token(&format!("`{variable}`"), value.into_encoded_bytes())
}

/// Takes a text that has a token's form; what it says is for the daemon to judge. Base64, which has no dots, may come in
/// lines, as SAML messages do.
pub(in crate::cli) fn token(place: &str, bytes: Vec<u8>) -> Result<HandedToken, Failure> {
    let wrong = |found: &str| {
        let text = format!(
            "{place}: expected a token of 1 to {TOKEN_TEXT_MAX_BYTES} visible ASCII characters and nothing else, found {found}"
        );
        Failure::text(Exit::Usage, text)
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong("other bytes"))?;
    let mut text = text.trim_end_matches(['\r', '\n']).to_owned();
    if !text.contains('.') {
        text.retain(|letter| !['\r', '\n'].contains(&letter));
    }
    if text.is_empty() {
        return Err(wrong("nothing"));
    }
    if text.len() > TOKEN_TEXT_MAX_BYTES {
        return Err(wrong("more"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("other characters"));
    }
    Ok(HandedToken::new(text))
}

/// What GitHub's runner answers.
#[derive(Deserialize)]
struct Minted {
    value: String,
}

/// Asks GitHub's runner for a token, as its own toolkit does (actions/toolkit, packages/core/src/oidc-utils.ts).
fn of_github(url: &str, bearer: &str, audience: &str) -> Result<HandedToken, Failure> {
    let failed = |cause: String| {
        let text = format!("GitHub Actions gave no identity token: {cause}");
        Failure::text(Exit::Refused, text)
            .hint(Some("the job needs `permissions: id-token: write`"))
    };
    let audience = utf8_percent_encode(audience, NON_ALPHANUMERIC);
    let mut request = web::Request::of_url(format!("{url}&audience={audience}"));
    let mut authorization = HeaderValue::try_from(format!("Bearer {bearer}"))
        .map_err(|_| failed(format!("`{GITHUB_TOKEN}` is no token")))?;
    authorization.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, authorization);
    let tls = web::trust(None).map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let answer = runtime
        .block_on(web::Client::new(tls).send(request))
        .map_err(|error| failed(error.to_string()))?;
    if answer.status != StatusCode::OK {
        return Err(failed(format!("HTTP status {}", answer.status)));
    }
    let minted: Minted = serde_json::from_slice(&answer.body)
        .map_err(|_| failed("its answer has no `value`".to_owned()))?;
    token("GitHub's answer", minted.value.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_visible_characters_in_one_line_or_base64_in_lines() {
        let read = |text: &str| {
            let taken = token("`f`", text.as_bytes().to_vec());
            taken.map(|token| token.reveal().to_owned()).ok()
        };
        assert_eq!(read("a.b.c\n").as_deref(), Some("a.b.c"));
        assert_eq!(
            read("PHNh\r\nbWw+\nIA==\n").as_deref(),
            Some("PHNhbWw+IA==")
        );
        for bad in ["", "\n", "a b", "a.b\n.c", "a\u{e4}", "\u{1b}a"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        let longest = "a".repeat(TOKEN_TEXT_MAX_BYTES);
        assert_eq!(read(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(read(&format!("{longest}a")), None);
    }

    #[test]
    fn variables_with_tokens_stay_outside_whatever_they_are_called() {
        let source = TokenSource {
            identity_token_file: None,
            identity_token_env: None,
        };
        let wanted = Wanted {
            variable: Some("OUR_VARIABLE_OF_NO_ENVIRONMENT".to_owned()),
            github_audience: None,
        };
        let found = source.find(&wanted, None).ok().unwrap();
        assert!(found.token.is_none());
        for name in [
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "CI_JOB_JWT_V2",
            "OUR_VARIABLE_OF_NO_ENVIRONMENT",
        ] {
            assert!(
                found.removed.iter().any(|removed| removed == name),
                "{name}"
            );
        }
    }
}
