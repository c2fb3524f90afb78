//! Signature wrapping: a really signed message whose signed part is moved, so that a reader takes a forged one.
//!
//! The eight forms are those of "On Breaking SAML: Be Whoever You Want to Be" (Somorovsky and others, 2012) as SAML
//! Raider numbers them. In each of them the signature still holds over the element that it names.

use super::signature::Signed;
use super::*;

/// A signed message in its pieces.
struct Pieces {
    message: String,
    signature: String,
    assertion: String,
}

/// A response whose own signature or whose assertion's is good, as the twin shows.
fn pieces(id: &str) -> Pieces {
    let message = sign(&response(ASSERTION), id, &Signer::rsa(), &Form::default());
    assert_eq!(accepts(&message).subject().value, "ada@example.com");
    let cut = |start: &str, end: &str| {
        let from = message.find(start).unwrap();
        let behind = message.find(end).unwrap() + end.len();
        message.get(from..behind).unwrap().to_owned()
    };
    let signature = cut("<ds:Signature ", "</ds:Signature>");
    let assertion = cut("<saml:Assertion ", "</saml:Assertion>");
    Pieces {
        message,
        signature,
        assertion,
    }
}

/// Makes another subject of it, under another id unless that shall stay.
fn forged(text: &str) -> String {
    text.replace("ada@example.com", "eve@example.com")
        .replace("\"_a1\"", "\"_e1\"")
        .replace("\"_r1\"", "\"_e2\"")
}

fn put_into_signature(signature: &str, inside: &str) -> String {
    signature.replace("</ds:Signature>", &format!("{inside}</ds:Signature>"))
}

#[test]
fn xsw1_and_2_another_response_around_the_signed_one() {
    let whole = pieces("_r1");
    let bare = whole.message.replace(&whole.signature, "");
    let forged = forged(&bare);
    let issuer_end = "</saml:Issuer>";
    let enveloping = put_into_signature(&whole.signature, &bare);
    refuses(
        forged.replacen(issuer_end, &format!("{issuer_end}{enveloping}"), 1),
        "expected one `Assertion`, found 2",
    );
    let detached = format!("{bare}{}", whole.signature);
    refuses(
        forged.replacen(issuer_end, &format!("{issuer_end}{detached}"), 1),
        "expected one `Assertion`, found 2",
    );
}

#[test]
fn xsw3_and_4_a_forged_assertion_beside_or_around_the_signed_one() {
    let whole = pieces("_a1");
    let forged = forged(&whole.assertion.replace(&whole.signature, ""));
    let beside = format!("{forged}{}", whole.assertion);
    refuses(
        whole.message.replace(&whole.assertion, &beside),
        "expected one `Assertion`, found 2",
    );
    let around = forged.replace(
        "</saml:Assertion>",
        &format!("{}</saml:Assertion>", whole.assertion),
    );
    refuses(
        whole.message.replace(&whole.assertion, &around),
        "expected one `Assertion`, found 2",
    );
}

#[test]
fn xsw5_and_6_the_signature_in_the_forged_assertion() {
    let whole = pieces("_a1");
    let bare = whole.assertion.replace(&whole.signature, "");
    let beside = format!("{}{bare}", forged(&whole.assertion));
    refuses(
        whole.message.replace(&whole.assertion, &beside),
        "expected one `Assertion`, found 2",
    );
    let signature = put_into_signature(&whole.signature, &bare);
    let inside = forged(&whole.assertion).replace(&forged(&whole.signature), &signature);
    refuses(
        whole.message.replace(&whole.assertion, &inside),
        "expected one `Assertion`, found 2",
    );
}

#[test]
fn xsw7_and_8_the_other_assertion_in_extensions_or_an_object() {
    let whole = pieces("_a1");
    let copied = whole
        .assertion
        .replace(&whole.signature, "")
        .replace("ada@", "eve@");
    let extended = format!(
        "<samlp:Extensions>{copied}</samlp:Extensions>{}",
        whole.assertion
    );
    refuses(
        whole.message.replace(&whole.assertion, &extended),
        "expected every id once, found `_a1` twice",
    );
    let bare = whole.assertion.replace(&whole.signature, "");
    let object = put_into_signature(&whole.signature, &format!("<ds:Object>{bare}</ds:Object>"));
    let inside = forged(&whole.assertion).replace(&forged(&whole.signature), &object);
    refuses(
        whole.message.replace(&whole.assertion, &inside),
        "expected one `Assertion`, found 2",
    );
}

#[test]
fn a_signature_over_something_else_covers_no_assertion() {
    let whole = pieces("_a1");
    // The signed element under another name, so that one assertion is left; what it held stands in the message.
    let renamed = whole
        .assertion
        .replace("saml:Assertion", "saml:Evidence")
        .replace(&whole.signature, "");
    let forged = forged(&whole.assertion).replace(&forged(&whole.signature), &whole.signature);
    let message = whole
        .message
        .replace(&whole.assertion, &format!("{forged}{renamed}"));
    refuses(message, "`Response`: expected only what SAML 2.0 has there");
    // Alone, the signature is refused for what it names.
    refuses(
        forged,
        "expected a reference to `#_e1`, found a reference to `#_a1`",
    );
    let elsewhere = whole.message.replace(&whole.signature, "").replace(
        "<samlp:Status>",
        &format!("<samlp:Status>{}", whole.signature),
    );
    refuses(
        elsewhere,
        "`Status`: expected signatures in the response and the assertion alone",
    );
}

#[test]
fn an_assertion_of_another_namespace_or_place_is_none() {
    let message = signed(ASSERTION);
    refuses(
        message.replace("SAML:2.0:assertion", "SAML:1.0:assertion"),
        "an `Assertion` of SAML 2.0",
    );
    refuses(
        format!("<x>{message}</x>"),
        "an `Assertion` of SAML 2.0, alone or in a `Response`, found one elsewhere",
    );
    refuses(
        response(&format!("<x>{message}</x>")),
        "found one elsewhere",
    );
    refuses(
        response(&message.replace("saml:Assertion", "saml:EncryptedAssertion")),
        "found an encrypted element",
    );
    refuses(response(""), "expected one `Assertion`, found 0");
}

#[test]
fn a_signed_element_covers_its_children_and_nothing_else() {
    let message = sign(
        &response(ASSERTION),
        "_r1",
        &Signer::rsa(),
        &Form::default(),
    );
    let document = roxmltree::Document::parse(&message).unwrap();
    let settings = settings(&[&Signer::rsa()]);
    let root = Signed::verify(document.root_element(), settings.provider.keys()).unwrap();
    let named = |name| {
        document
            .descendants()
            .find(|node| node.tag_name().name() == name)
            .unwrap()
    };
    assert_eq!(
        root.child(named("Assertion")).unwrap().element(),
        named("Assertion")
    );
    assert!(root.child(named("Subject")).is_none());
    assert!(root.child(named("Signature")).is_none());
}
