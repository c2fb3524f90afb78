//! For whom and until when an assertion is good.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::Moment;
use super::element::{
    SAML, attribute, children, empty, form, is, one, required, stated, stranger, time,
};
use super::error::{SamlError, shown};

/// Source: SAML 2.0 profiles 3.3.
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// Makes sure that the conditions hold, and gives the time until when they do.
///
/// An audience must be stated, and every restriction must name ours; a condition that is not known does not hold.
/// Every assertion is used once, whether it says so or not. Source: SAML 2.0 core 2.5.1.
pub(super) fn hold(
    conditions: Node<'_, '_>,
    audience: &str,
    moment: Moment,
) -> Result<Option<DateTime<Utc>>, SamlError> {
    if let Some(from) = time(conditions, "NotBefore")? {
        moment.not_before("Conditions/@NotBefore", from)?;
    }
    let until = time(conditions, "NotOnOrAfter")?;
    if let Some(until) = until {
        moment.not_on_or_after("Conditions/@NotOnOrAfter", until)?;
    }
    let mut is_restricted = false;
    for condition in children(conditions)? {
        if is(condition, SAML, "AudienceRestriction") {
            is_restricted = true;
            restrict(condition, audience)?;
        } else if !is(condition, SAML, "OneTimeUse") && !is(condition, SAML, "ProxyRestriction") {
            return Err(stranger(conditions, condition));
        }
    }
    if !is_restricted {
        return Err(form(conditions, "an `AudienceRestriction`", "none"));
    }
    Ok(until)
}

fn restrict(restriction: Node<'_, '_>, audience: &str) -> Result<(), SamlError> {
    let mut named = Vec::new();
    for element in children(restriction)? {
        if !is(element, SAML, "Audience") {
            return Err(stranger(restriction, element));
        }
        named.push(stated(element)?);
    }
    if !named.contains(&audience) {
        return Err(SamlError::Differs {
            place: "AudienceRestriction/Audience",
            expected: audience.to_owned(),
            found: format!("`{}`", shown(&named.join("`, `"))),
        });
    }
    Ok(())
}

/// Makes sure that whoever brings the assertion to us may do so, and gives the time until when.
///
/// Recipient and time must be stated. Source: SAML 2.0 profiles 4.1.4.2 and 4.1.4.3.
pub(super) fn confirm(
    confirmation: Node<'_, '_>,
    recipient: &str,
    in_response_to: Option<&str>,
    moment: Moment,
) -> Result<DateTime<Utc>, SamlError> {
    let method = required(confirmation, "Method")?;
    if method != BEARER {
        return Err(differs("SubjectConfirmation/@Method", BEARER, Some(method)));
    }
    let parts = children(confirmation)?;
    let data = one(confirmation, &parts, SAML, "SubjectConfirmationData")?;
    if parts.len() != 1 {
        return Err(form(
            confirmation,
            "`SubjectConfirmationData` alone",
            "more",
        ));
    }
    empty(data)?;
    if attribute(data, "NotBefore").is_some() {
        return Err(form(data, "no `NotBefore`", "one"));
    }
    let found = attribute(data, "Recipient");
    if found != Some(recipient) {
        return Err(differs(
            "SubjectConfirmationData/@Recipient",
            recipient,
            found,
        ));
    }
    let until = time(data, "NotOnOrAfter")?
        .ok_or_else(|| form(data, "an attribute `NotOnOrAfter`", "none"))?;
    moment.not_on_or_after("SubjectConfirmationData/@NotOnOrAfter", until)?;
    let found = attribute(data, "InResponseTo");
    if let Some(request) = in_response_to
        && found != Some(request)
    {
        return Err(differs(
            "SubjectConfirmationData/@InResponseTo",
            request,
            found,
        ));
    }
    Ok(until)
}

fn differs(place: &'static str, expected: &str, found: Option<&str>) -> SamlError {
    let found = found.map_or_else(|| "none".to_owned(), |found| format!("`{}`", shown(found)));
    SamlError::Differs {
        place,
        expected: expected.to_owned(),
        found,
    }
}
