//! What a verified assertion says.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::attributes::{self, Described};
use super::conditions;
use super::element::form;
use super::element::{
    DS, SAML, attribute, children, is, one, required, stated, stranger, time, version,
};
use super::signature::Signed;
use super::{Moment, SamlError, Settings};

/// Format of a subject's name whose format is not stated. Source: SAML 2.0 core 2.2.2.
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// A verified assertion; made only by [`super::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    issuer: String,
    id: String,
    subject: NameId,
    described: Described,
    authenticated_at: DateTime<Utc>,
    not_on_or_after: DateTime<Utc>,
    session_not_on_or_after: Option<DateTime<Utc>>,
}

/// The subject's name at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameId {
    /// The name, sign for sign.
    pub value: String,
    /// What kind of name it is, as a URI; `transient` ones are others at each login.
    pub format: String,
}

impl Assertion {
    /// Reads a signed assertion and holds it against the settings.
    pub(super) fn read(
        signed: Signed<'_, '_>,
        settings: &Settings,
        moment: Moment,
    ) -> Result<Self, SamlError> {
        let element = signed.element();
        version(element)?;
        let parts = children(element)?;
        let known = [
            "Issuer",
            "Subject",
            "Conditions",
            "AuthnStatement",
            "AttributeStatement",
        ];
        let is_known = |part: Node<'_, '_>| {
            is(part, DS, "Signature") || known.iter().any(|name| is(part, SAML, name))
        };
        if let Some(other) = parts.iter().find(|part| !is_known(**part)) {
            return Err(stranger(element, *other));
        }
        let issuer = stated(one(element, &parts, SAML, "Issuer")?)?;
        settings
            .provider
            .require_issuer("Assertion/Issuer", issuer)?;
        if let Some(issued_at) = time(element, "IssueInstant")? {
            moment.not_before("Assertion/@IssueInstant", issued_at)?;
        }
        let (subject, confirmed_until) =
            confirmed(one(element, &parts, SAML, "Subject")?, settings, moment)?;
        let conditions = one(element, &parts, SAML, "Conditions")?;
        let held_until = conditions::hold(conditions, &settings.audience, moment)?;
        let (authenticated_at, session_not_on_or_after) = authenticated(element, &parts, moment)?;
        let statements = parts
            .iter()
            .filter(|part| is(**part, SAML, "AttributeStatement"));
        Ok(Self {
            issuer: issuer.to_owned(),
            id: required(element, "ID")?.to_owned(),
            subject,
            described: attributes::read(statements.copied(), &settings.attributes)?,
            authenticated_at,
            not_on_or_after: held_until.map_or(confirmed_until, |until| until.min(confirmed_until)),
            session_not_on_or_after,
        })
    }

    /// Gives the provider's entity id.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Gives the assertion's id, which its provider uses once.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives the subject.
    #[must_use]
    pub fn subject(&self) -> &NameId {
        &self.subject
    }

    /// Gives the subject's groups; none without a name for them in the settings.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.described.groups
    }

    /// Gives what the subject is called, if the settings name an attribute.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.described.user.as_deref()
    }

    /// Gives all attributes, each with its values.
    #[must_use]
    pub fn attributes(&self) -> &BTreeMap<String, Vec<String>> {
        &self.described.all
    }

    /// Tells when the subject last proved itself to the provider; of several times the earliest.
    #[must_use]
    pub fn authenticated_at(&self) -> DateTime<Utc> {
        self.authenticated_at
    }

    /// Tells until when the assertion may be handed in, leeway not counted: often some minutes.
    #[must_use]
    pub fn not_on_or_after(&self) -> DateTime<Utc> {
        self.not_on_or_after
    }

    /// Tells when what was begun with the assertion must end, if the provider says so.
    #[must_use]
    pub fn session_not_on_or_after(&self) -> Option<DateTime<Utc>> {
        self.session_not_on_or_after
    }
}

/// Reads who the subject is, and until when that may be shown.
fn confirmed(
    subject: Node<'_, '_>,
    settings: &Settings,
    moment: Moment,
) -> Result<(NameId, DateTime<Utc>), SamlError> {
    let parts = children(subject)?;
    let [name, confirmation] = parts.as_slice() else {
        let found = format!("{} elements", parts.len());
        return Err(form(
            subject,
            "one `NameID` and one `SubjectConfirmation`",
            &found,
        ));
    };
    let name = one(subject, &[*name], SAML, "NameID")?;
    let confirmation = one(subject, &[*confirmation], SAML, "SubjectConfirmation")?;
    let until = conditions::confirm(
        confirmation,
        &settings.recipient,
        settings.in_response_to.as_deref(),
        moment,
    )?;
    let name_id = NameId {
        value: stated(name)?.to_owned(),
        format: attribute(name, "Format").unwrap_or(UNSPECIFIED).to_owned(),
    };
    Ok((name_id, until))
}

/// Reads since when the subject is logged in at the provider, and until when at most.
fn authenticated(
    assertion: Node<'_, '_>,
    parts: &[Node<'_, '_>],
    moment: Moment,
) -> Result<(DateTime<Utc>, Option<DateTime<Utc>>), SamlError> {
    let mut since: Option<DateTime<Utc>> = None;
    let mut until: Option<DateTime<Utc>> = None;
    for statement in parts
        .iter()
        .filter(|part| is(**part, SAML, "AuthnStatement"))
    {
        since = since
            .into_iter()
            .chain(time(*statement, "AuthnInstant")?)
            .min();
        until = until
            .into_iter()
            .chain(time(*statement, "SessionNotOnOrAfter")?)
            .min();
    }
    let since = since.ok_or_else(|| {
        form(
            assertion,
            "an `AuthnStatement` with its `AuthnInstant`",
            "none",
        )
    })?;
    moment.not_before("AuthnStatement/@AuthnInstant", since)?;
    if let Some(until) = until {
        moment.not_on_or_after("AuthnStatement/@SessionNotOnOrAfter", until)?;
    }
    Ok((since, until))
}
