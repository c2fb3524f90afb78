//! The answer to a login or a renewal: real tokens stay here, opaque ones go in their place.

use std::time::Duration;

use super::current::Current;
use super::json::Object;
use super::login::LoginError;
use super::secret::Secret;

/// Tokens that Snowflake gave, with their lives.
#[derive(Clone, Debug)]
pub struct RealTokens {
    /// Sent with every request.
    pub session: Secret,
    /// Renews the session token.
    pub master: Secret,
    /// How long the session token lives.
    pub session_validity: Duration,
    /// How long the master token lives.
    pub master_validity: Duration,
}

/// Where a login or a renewal keeps its tokens and their lives.
#[derive(Debug)]
struct TokenFields {
    session: &'static str,
    master: &'static str,
    session_validity: &'static str,
    master_validity: &'static str,
}

const LOGIN_FIELDS: TokenFields = TokenFields {
    session: "token",
    master: "masterToken",
    session_validity: "validityInSeconds",
    master_validity: "masterValidityInSeconds",
};

const RENEWAL_FIELDS: TokenFields = TokenFields {
    session: "sessionToken",
    master: "masterToken",
    session_validity: "validityInSecondsST",
    master_validity: "validityInSecondsMT",
};

/// Parameters whose value answers set, to a login and to statements, so that bound values stay inline where they are judged.
///
/// Source: protocol reference 2.2; fakesnow does the same.
const SET_PARAMETERS: [(&str, i64); 1] = [("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", 0)];

/// The `data` of a login or renewal that succeeded, real tokens taken out.
#[derive(Debug)]
pub struct GrantedLogin {
    data: Object,
    fields: &'static TokenFields,
    tokens: RealTokens,
}

impl GrantedLogin {
    /// Reads the `data` of a login's answer.
    ///
    /// # Errors
    /// A token or its life is absent or of another shape.
    pub fn read_login(mut data: Object) -> Result<Self, LoginError> {
        let tokens = read_tokens(&data, &LOGIN_FIELDS)?;
        for minted in ["idToken", "mfaToken", "remMeToken"] {
            if data.raw(minted).is_some() {
                data.set(minted, &())?;
            }
        }
        set_parameters(&mut data)?;
        Ok(Self {
            data,
            fields: &LOGIN_FIELDS,
            tokens,
        })
    }

    /// Reads the `data` of a renewal's answer.
    ///
    /// # Errors
    /// A token or its life is absent or of another shape.
    pub fn read_renewal(data: Object) -> Result<Self, LoginError> {
        let tokens = read_tokens(&data, &RENEWAL_FIELDS)?;
        Ok(Self {
            data,
            fields: &RENEWAL_FIELDS,
            tokens,
        })
    }

    /// Gives the real tokens.
    #[must_use]
    pub fn tokens(&self) -> &RealTokens {
        &self.tokens
    }

    /// Gives Snowflake's number of the login.
    #[must_use]
    pub fn sf_session_id(&self) -> Option<i64> {
        self.data.read_as("sessionId")
    }

    /// Tells the database and schema that the login begins in.
    #[must_use]
    pub fn current(&self) -> Current {
        Current::of_login(&self.data)
    }

    /// Writes the `data` for the client, with opaque tokens where the real ones stood.
    ///
    /// # Errors
    /// None in practice: every value was JSON when it came in.
    pub fn write(mut self, session: &Secret, master: &Secret) -> Result<Object, serde_json::Error> {
        self.data.set(self.fields.session, session.reveal())?;
        self.data.set(self.fields.master, master.reveal())?;
        Ok(self.data)
    }
}

fn read_tokens(data: &Object, fields: &'static TokenFields) -> Result<RealTokens, LoginError> {
    let token = |part| {
        data.read_as::<String>(part)
            .filter(|token| !token.is_empty())
            .map(Secret::new)
            .ok_or(LoginError::Shape {
                part,
                expected: "a token in the answer",
            })
    };
    let seconds = |part| {
        data.read_as::<u64>(part)
            .map(Duration::from_secs)
            .ok_or(LoginError::Shape {
                part,
                expected: "a number of seconds in the answer",
            })
    };
    Ok(RealTokens {
        session: token(fields.session)?,
        master: token(fields.master)?,
        session_validity: seconds(fields.session_validity)?,
        master_validity: seconds(fields.master_validity)?,
    })
}

/// Sets the parameters again where an answer to a statement repeats what its login has: drivers take them over.
///
/// Source: protocol reference 2.2; Python connector 4, `_update_parameters`; gosnowflake, `populateSessionParameters`.
///
/// # Errors
/// `parameters` is no list of objects.
pub(super) fn keep_parameters(data: &mut Object) -> Result<(), serde_json::Error> {
    if data.has_content("parameters") {
        set_parameters(data)
    } else {
        Ok(())
    }
}

fn set_parameters(data: &mut Object) -> Result<(), serde_json::Error> {
    let mut parameters: Vec<Object> = match data.raw("parameters").map(|raw| raw.get()) {
        None | Some("null") => Vec::new(),
        Some(text) => serde_json::from_str(text)?,
    };
    for (name, value) in SET_PARAMETERS {
        parameters.retain(|parameter| parameter.read_as::<String>("name").as_deref() != Some(name));
        let mut parameter = Object::default();
        parameter.set("name", name)?;
        parameter.set("value", &value)?;
        parameters.push(parameter);
    }
    data.set("parameters", &parameters)?;
    Ok(())
}
