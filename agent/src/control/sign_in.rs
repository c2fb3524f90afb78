//! What is said about an engineer's sign-in: by `icecore login` to the supervisor, and by that to the proxy.
//!
//! The proxy talks to the issuer and holds nothing; the supervisor holds what is under way, one for each connection, and
//! what came of it, one for each user. `icecore login` sees neither tokens nor the words that bind them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{HandedToken, moment};

/// What `icecore login` asks; a part of `Request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInAsk {
    /// Asks at which issuer one signs in.
    Issuer {
        /// Its URL or the config's name of it; may be left out where there is one.
        issuer: Option<String>,
    },
    /// Begins a sign-in; an earlier one of this connection is forgotten.
    Begin {
        /// The config's name of the issuer.
        issuer: String,
        /// How.
        way: Way,
    },
    /// Brings what the browser brought.
    Finish {
        /// The query of the address that it asked for.
        query: HandedToken,
    },
    /// Asks whether the device code was typed in.
    Poll {},
    /// Asks who the caller's user is signed in as.
    Status {},
    /// Forgets it.
    Forget {},
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// By a browser that comes back to this port of 127.0.0.1.
    Browser(u16),
    /// By a code that is typed in at another device.
    Device,
}

impl Way {
    /// Names the address that the browser comes back to (RFC 8252 section 7.3).
    #[must_use]
    pub fn redirect_uri(port: u16) -> String {
        format!("http://127.0.0.1:{port}{CALLBACK_PATH}")
    }
}

/// Path of the address that the browser comes back to.
pub const CALLBACK_PATH: &str = "/callback";

/// What is answered; a part of `Reply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInReply {
    /// At which issuer one signs in.
    Issuer {
        /// The config's name of it.
        name: String,
        /// The port that the browser comes back to; 0 is any.
        port: u16,
    },
    /// The sign-in is under way.
    Begun(Begun),
    /// The code was not typed in yet.
    Waiting {
        /// How long to wait before the next question, in seconds.
        wait_s: u64,
    },
    /// It came to an end, and is kept.
    SignedIn(SignedIn),
    /// Who the caller's user is signed in as.
    Status {
        /// Nobody, if it is not there.
        signed_in: Option<SignedIn>,
    },
    /// Nothing is kept any more.
    Forgotten {
        /// Whether something was.
        was_kept: bool,
    },
}

/// What the engineer is shown to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Begun {
    /// The address that the browser opens.
    Browser {
        /// The address.
        url: String,
        /// What comes back with the answer to this sign-in.
        state: String,
    },
    /// The code to type in.
    Device {
        /// Where.
        verification_uri: String,
        /// The same with the code in it, if the issuer has that.
        complete_uri: Option<String>,
        /// The code.
        user_code: String,
        /// How long to wait before the first question, in seconds.
        wait_s: u64,
        /// How long the code is good, in seconds.
        expires_in_s: u64,
    },
}

/// Who a user is signed in as. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// The config's name of the issuer.
    pub issuer: String,
    /// The subject, as the issuer calls it.
    pub subject: String,
    /// The address or user name that the issuer has for it; for display alone.
    pub shown_name: Option<String>,
    /// Its groups, as the issuer calls them.
    pub groups: Vec<String>,
    /// How many more there are.
    pub groups_left_out: usize,
    /// Until when its token opens sessions.
    #[serde(with = "moment")]
    pub expires_at: DateTime<Utc>,
    /// Whether the issuer gave a token to get the next one by.
    pub is_refreshed: bool,
}

/// A sign-in under way, as the proxy made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pending {
    /// The browser is waited for.
    Browser {
        /// The config's name of the issuer.
        issuer: String,
        /// Where it gives tokens.
        token_endpoint: String,
        /// Whether it says who it is in each answer (RFC 9207).
        is_iss_promised: bool,
        /// The address that the browser comes back to.
        redirect_uri: String,
        /// The words by which the answer is known.
        state: HandedToken,
        /// See `state`.
        nonce: HandedToken,
        /// See `state`.
        verifier: HandedToken,
    },
    /// The code is waited for.
    Device {
        /// The config's name of the issuer.
        issuer: String,
        /// Where it gives tokens.
        token_endpoint: String,
        /// Asks for the tokens.
        device_code: HandedToken,
        /// How long to wait before the next question, in seconds.
        wait_s: u64,
    },
}

/// What the supervisor has the proxy do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInCall {
    /// Begins a sign-in.
    Begin {
        /// The config's name of the issuer.
        issuer: String,
        /// How.
        way: Way,
    },
    /// Goes on with one, by what the browser brought or by a question about the device code.
    GoOn {
        /// Who asks, for the record.
        uid: u32,
        /// What is under way.
        pending: Pending,
        /// What the browser brought.
        query: Option<HandedToken>,
    },
    /// Gets the next token of one that came to an end.
    Refresh {
        /// Who asks, for the record.
        uid: u32,
        /// What is kept.
        kept: Box<KeptSignIn>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInOutcome {
    /// It is under way.
    Begun {
        /// What is held for it.
        pending: Pending,
        /// What the engineer is shown.
        begun: Begun,
    },
    /// The code was not typed in yet.
    Waiting {
        /// What is held for it from here on.
        pending: Pending,
    },
    /// The tokens are there, and the ID token is verified.
    SignedIn(Box<KeptSignIn>),
    /// The issuer gives no further token; only a new sign-in helps.
    Over {
        /// Why, for the user.
        reason: String,
    },
}

/// What is kept of a sign-in. Only the supervisor's memory holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSignIn {
    /// Opens sessions.
    pub id_token: HandedToken,
    /// Gets the next one.
    pub refresh_token: Option<HandedToken>,
    /// What a refreshed token may repeat.
    pub nonce: Option<HandedToken>,
    /// Who it shows.
    pub shown: SignedIn,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::request::{Reply, Request};

    #[test]
    fn steps_have_the_documented_form_and_unknown_members_are_refused() {
        for text in [
            r#"{"ask":"login","step":"issuer","issuer":null}"#,
            r#"{"ask":"login","step":"begin","issuer":"okta","way":{"browser":8250}}"#,
            r#"{"ask":"login","step":"begin","issuer":"okta","way":"device"}"#,
            r#"{"ask":"login","step":"finish","query":"code=c&state=s"}"#,
            r#"{"ask":"login","step":"poll"}"#,
            r#"{"ask":"login","step":"status"}"#,
            r#"{"ask":"login","step":"forget"}"#,
        ] {
            let request: Request = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            let more = text.replacen('{', "{\"uid\":0,", 1);
            assert!(serde_json::from_str::<Request>(&more).is_err(), "{more}");
        }
        let reply = Reply::Login(SignInReply::SignedIn(SignedIn {
            issuer: "okta".to_owned(),
            subject: "00u1".to_owned(),
            shown_name: Some("ada@acme.test".to_owned()),
            groups: vec!["analysts".to_owned()],
            groups_left_out: 0,
            expires_at: DateTime::UNIX_EPOCH,
            is_refreshed: true,
        }));
        let text = serde_json::to_string(&reply).unwrap();
        assert!(
            text.starts_with(r#"{"answer":"login","step":"signed_in","issuer":"okta""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
    }

    #[test]
    fn what_the_browser_brought_is_shown_by_no_debug_text() {
        let ask = SignInAsk::Finish {
            query: HandedToken::new("code=c0de".to_owned()),
        };
        assert!(!format!("{ask:?}").contains("c0de"));
    }
}
