//! The authorization endpoint of the small issuer: somebody whom a test names is logged in at once, as the standard says.
//!
//! Source: OpenID Connect Core sections 3.1.2 and 3.1.3, RFC 7636.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Who is logged in where the issuer asks, and the codes that were given for that.
#[derive(Debug, Default)]
pub(super) struct Authorizations {
    /// Claims of the person; none says no.
    pub(super) person: Option<Value>,
    codes: BTreeMap<String, Asked>,
    given: u32,
}

/// What was asked for.
#[derive(Debug)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    nonce: String,
    challenge: String,
    claims: Value,
}

impl Authorizations {
    /// Answers the browser: gives the address that it goes to.
    pub(super) fn authorize(&mut self, issuer: &str, query: &str, now_s: u64) -> Result<String> {
        let asked = fields(query);
        let field = |name: &str| {
            let value = asked.get(name).cloned();
            value.with_context(|| format!("no `{name}` in {query}"))
        };
        let (redirect_uri, state) = (field("redirect_uri")?, field("state")?);
        ensure!(field("code_challenge_method")? == "S256", "{query}");
        ensure!(field("response_type")? == "code", "{query}");
        let back = |more: String| format!("{redirect_uri}?state={state}&iss={issuer}&{more}");
        let Some(person) = &self.person else {
            return Ok(back("error=access_denied".into()));
        };
        let mut claims = person.clone();
        if let Some(members) = claims.as_object_mut() {
            // `max_age=0` asks for a login; one who is asked for nothing was logged in long before.
            let is_asked = asked.get("max_age").is_some_and(|age| age == "0");
            let ago = if is_asked { 0 } else { 86_400 };
            members.entry("auth_time").or_insert(json!(now_s - ago));
            if let Some(acr) = asked
                .get("acr_values")
                .and_then(|all| all.split(' ').next())
            {
                members.entry("acr").or_insert(json!(acr));
            }
        }
        self.given += 1;
        let code = format!("code-{}", self.given);
        let asked = Asked {
            client_id: field("client_id")?,
            nonce: field("nonce")?,
            challenge: field("code_challenge")?,
            redirect_uri: redirect_uri.clone(),
            claims,
        };
        self.codes.insert(code.clone(), asked);
        Ok(back(format!("code={code}")))
    }

    /// Answers the client: gives the ID token's claims for a code, once; none for a code that was not given here.
    pub(super) fn redeem(&mut self, form: &str) -> Result<Option<Value>> {
        let sent = fields(form);
        let Some(asked) = sent.get("code").and_then(|code| self.codes.remove(code)) else {
            return Ok(None);
        };
        let verifier = sent.get("code_verifier").context("no verifier")?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        ensure!(challenge == asked.challenge, "another verifier");
        ensure!(
            sent.get("redirect_uri") == Some(&asked.redirect_uri),
            "{form}"
        );
        ensure!(sent.get("client_id") == Some(&asked.client_id), "{form}");
        let mut claims = json!({ "aud": asked.client_id, "nonce": asked.nonce });
        if let (Some(all), Some(person)) = (claims.as_object_mut(), asked.claims.as_object()) {
            all.extend(person.clone());
        }
        Ok(Some(claims))
    }
}

fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

/// Undoes the percent escapes of a value.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match (
            first,
            code.and_then(|code| u8::from_str_radix(code, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
