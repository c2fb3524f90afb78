//! Signature wrapping with what a real provider signed: the eight known forms, which move the signed part elsewhere.
//!
//! Where that is inside of the signature, xmlsec1 refuses too: the enveloped signature transform takes it away.

use serde_json::json;

use super::second::Bench;
use super::second::Verdict::{Bad, Stricter};

#[test]
fn no_wrapped_message_is_taken_though_xmlsec1_takes_some() {
    let mut bench = Bench::new(None);
    let good = bench.provider.response(json!({})).unwrap();
    let cut = |document: &str, start: &str, end: &str| {
        let behind = document.split_once(start).expect(start).1;
        format!("{start}{}{end}", behind.split_once(end).expect(end).0)
    };
    let assertion = cut(&good, "<saml:Assertion ", "</saml:Assertion>");
    let signature = cut(&assertion, "<Signature ", "</Signature>");
    let bare = assertion.replace(&signature, "");
    let id = cut(&bare, " ID=\"", "\"");
    let forged = bare
        .replace(">ada<", ">eve<")
        .replace(&id, " ID=\"_forged\"");
    let holding =
        |inside: &str| forged.replacen("</saml:Issuer>", &format!("</saml:Issuer>{inside}"), 1);
    let within = |inside: &str| signature.replace("</Signature>", &format!("{inside}</Signature>"));
    for (what, instead, expected) in [
        ("XSW3", format!("{forged}{assertion}"), Stricter),
        (
            "XSW4",
            forged.replace(
                "</saml:Assertion>",
                &format!("{assertion}</saml:Assertion>"),
            ),
            Stricter,
        ),
        ("XSW5", format!("{}{bare}", holding(&signature)), Stricter),
        ("XSW6", holding(&within(&bare)), Bad),
        (
            "XSW7",
            format!("<samlp:Extensions>{forged}</samlp:Extensions>{assertion}"),
            Stricter,
        ),
        (
            "XSW8",
            holding(&within(&format!("<Object>{bare}</Object>"))),
            Bad,
        ),
        (
            "one id twice",
            format!("{}{assertion}", forged.replace(" ID=\"_forged\"", &id)),
            Bad,
        ),
    ] {
        bench.expect(what, &good.replace(&assertion, &instead), expected);
    }
    let outer = bench
        .provider
        .response(json!({ "signResponse": true, "signAssertion": false }))
        .unwrap();
    let signature = cut(&outer, "<Signature ", "</Signature>");
    let bare = outer.replace(&signature, "");
    let (response_id, assertion_id) = (
        cut(&bare, " ID=\"", "\""),
        cut(&bare, "Version=\"2.0\" ID=\"", "\""),
    );
    let forged = bare
        .replace(">ada<", ">eve<")
        .replace(&response_id, " ID=\"_forged\"")
        .replace(&assertion_id, "Version=\"2.0\" ID=\"_forged2\"");
    let holding =
        |inside: &str| forged.replacen("</saml:Issuer>", &format!("</saml:Issuer>{inside}"), 1);
    let enveloping = signature.replace(
        "</Signature>",
        &format!("<Object>{bare}</Object></Signature>"),
    );
    bench.expect("XSW1", &holding(&enveloping), Bad);
    bench.expect("XSW2", &holding(&format!("{bare}{signature}")), Stricter);
    bench.end();
}
