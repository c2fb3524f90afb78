//! For whom, until when and by whom: each rule refuses by itself, in an assertion that is signed as it stands.

use super::*;

/// Signs the assertion with `from` changed to `to`, and expects this error.
#[track_caller]
fn without(from: &str, to: &str, expected: &str) {
    assert!(ASSERTION.contains(from), "{from}");
    refuses(signed(&ASSERTION.replace(from, to)), expected);
}

#[test]
fn each_condition_refuses_by_itself() {
    accepts(signed(ASSERTION));
    without(
        "<saml:Conditions",
        "<saml:Advice></saml:Advice><saml:Conditions",
        "`Assertion`: expected only what SAML 2.0 has there and is read, found `Advice`",
    );
    without(
        "<saml:Conditions",
        "text<saml:Conditions",
        "`Assertion`: expected elements alone, found text",
    );
    without(
        ">icecore<",
        ">icecore <",
        "`AudienceRestriction/Audience`: expected `icecore`, found `icecore `",
    );
    without(
        "<saml:Audience>icecore</saml:Audience>",
        "",
        "expected `icecore`, found ``",
    );
    let restriction = "<saml:AudienceRestriction><saml:Audience>icecore</saml:Audience></saml:AudienceRestriction>";
    without(
        restriction,
        "",
        "expected an `AudienceRestriction`, found none",
    );
    without(
        restriction,
        &format!(
            "{restriction}{}",
            restriction.replace(">icecore<", ">other<")
        ),
        "found `other`",
    );
    without(
        restriction,
        &format!("{restriction}<saml:Condition></saml:Condition>"),
        "found `Condition`",
    );
    without(
        "NotBefore=\"2026-11-26T12:00:00Z\"",
        "NotBefore=\"2026-11-26T12:01:31Z\"",
        "`Conditions/@NotBefore`",
    );
    without(
        "T12:10:00Z",
        "T12:00:30Z",
        "`Conditions/@NotOnOrAfter`: expected a time after",
    );
    without("T12:10:00Z", "T12:10:00", "expected a time such as");
    without("T12:10:00Z", " 12:10:00Z", "expected a time such as");
    without("T12:10:00Z", "T12:10:00+09:00", "expected a time such as");
    without(
        "IssueInstant=\"2026-11-26T12:00",
        "IssueInstant=\"2026-11-26T12:05",
        "`Assertion/@IssueInstant`",
    );
    without(
        "Issuer>https://idp.example",
        "Issuer>https://idp.example/",
        "`Assertion/Issuer`",
    );
    without(
        "Version=\"2.0\"",
        "Version=\"1.1\"",
        "expected version `2.0`, found `1.1`",
    );
}

#[test]
fn the_bearer_must_be_confirmed_for_us_and_for_now() {
    without(
        "cm:bearer",
        "cm:sender-vouches",
        "`SubjectConfirmation/@Method`",
    );
    without(
        "example/acs",
        "example/acs2",
        "`SubjectConfirmationData/@Recipient`: expected",
    );
    without(
        " Recipient=\"https://icecore.example/acs\"",
        "",
        "`SubjectConfirmationData/@Recipient`: expected",
    );
    without(
        "T12:05:00Z",
        "T12:00:30Z",
        "`SubjectConfirmationData/@NotOnOrAfter`: expected a time after",
    );
    without(
        " NotOnOrAfter=\"2026-11-26T12:05:00Z\"",
        "",
        "an attribute `NotOnOrAfter`",
    );
    without(
        "T12:05:00Z\"",
        "T12:05:00Z\" NotBefore=\"2026-11-26T12:00:00Z\"",
        "no `NotBefore`",
    );
    without(
        "</saml:SubjectConfirmation>",
        "</saml:SubjectConfirmation><saml:X></saml:X>",
        "found 3 elements",
    );
    without(
        "</saml:SubjectConfirmationData>",
        "<saml:X></saml:X></saml:SubjectConfirmationData>",
        "`SubjectConfirmationData`: expected nothing in it",
    );
    without(
        "</saml:SubjectConfirmation>",
        "<saml:NameID>eve</saml:NameID></saml:SubjectConfirmation>",
        "expected `SubjectConfirmationData` alone",
    );
    without("ada@example.com", "", "`NameID`: expected a text");
    without(
        "ada@example.com",
        "ada@<b></b>example.com",
        "`NameID`: expected text alone",
    );
}

#[test]
fn the_login_at_the_provider_must_be_stated_and_not_be_over() {
    without(
        "T20:00:00Z",
        "T12:00:00Z",
        "`AuthnStatement/@SessionNotOnOrAfter`",
    );
    without("T11:30:00Z", "T12:30:00Z", "`AuthnStatement/@AuthnInstant`");
    without(
        " AuthnInstant=\"2026-11-26T11:30:00Z\"",
        "",
        "an `AuthnStatement` with its `AuthnInstant`",
    );
}

#[test]
fn clocks_may_be_apart_as_far_as_the_leeway_and_no_further() {
    let settings = settings(&[&Signer::rsa()]);
    let message = signed(ASSERTION);
    for (time, is_good) in [
        ("2026-11-26T11:59:29Z", false),
        ("2026-11-26T11:59:30Z", true),
        ("2026-11-26T12:05:29Z", true),
        ("2026-11-26T12:05:30Z", false),
    ] {
        let now = time.parse().unwrap();
        let found = verify(message.as_bytes(), &settings, &mut Seen::new(1), now);
        assert_eq!(found.is_ok(), is_good, "{time}");
    }
}

#[test]
fn a_request_must_be_answered_only_if_one_was_made() {
    let mut settings = settings(&[&Signer::rsa()]);
    let message = signed(ASSERTION);
    for (request, is_good) in [(None, true), (Some("_q7"), true), (Some("_q8"), false)] {
        settings.in_response_to = request.map(str::to_owned);
        let found = verify(message.as_bytes(), &settings, &mut Seen::new(1), now());
        assert_eq!(found.is_ok(), is_good, "{request:?}");
    }
}

#[test]
fn a_response_must_be_ours_and_tell_of_success() {
    let good = response(&signed(ASSERTION));
    accepts(&good);
    for (from, to, expected) in [
        (
            "status:Success",
            "status:AuthnFailed",
            "`StatusCode`: expected success",
        ),
        (
            "Destination=\"https://icecore.example/acs\"",
            "Destination=\"https://x.example\"",
            "`Response/@Destination`",
        ),
        (
            "Version=\"2.0\" IssueInstant",
            "Version=\"1.1\" IssueInstant",
            "`Response`: expected version `2.0`",
        ),
        (
            "<samlp:Status>",
            "<samlp:Extensions/><samlp:Status>",
            "`Response`: expected only what",
        ),
        (
            "2.0:assertion\">https://idp.example",
            "2.0:assertion\">https://x.example",
            "`Response/Issuer`",
        ),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        refuses(changed, expected);
    }
}
