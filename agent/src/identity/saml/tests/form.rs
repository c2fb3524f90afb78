//! Signatures of another form than SAML's are refused, though they hold.

use super::*;

/// Signs with a signed info that `edit` changed: the signature is good, its form is not.
#[track_caller]
fn edited(edit: fn(String) -> String, expected: &str) {
    let changed = sign(
        ASSERTION,
        "_a1",
        &Signer::rsa(),
        &Form {
            edit,
            ..Form::default()
        },
    );
    assert_ne!(changed, signed(ASSERTION));
    refuses(changed, expected);
}

#[test]
fn a_reference_is_to_the_whole_element_that_holds_it() {
    edited(
        |info| info.replace("#_a1", ""),
        "`Reference`: expected an attribute `URI`",
    );
    edited(
        |info| info.replace("#_a1", "#_a2"),
        "expected a reference to `#_a1`, found a reference to `#_a2`",
    );
    edited(
        |info| info.replace("#_a1", "#xpointer(id('_a1'))"),
        "expected a reference to `#_a1`",
    );
    edited(
        |info| info.replace(" URI=", " Type=\"x\" URI="),
        "no attribute but `URI`",
    );
    edited(
        |info| doubled(&info, "Reference"),
        "one `Reference`, found 4 elements",
    );
    edited(|info| doubled(&info, "DigestValue"), "found 4 elements");
}

#[test]
fn only_the_two_transforms_of_saml_run() {
    edited(
        |info| doubled(&info, "Transform"),
        "`Transforms`: expected the transforms",
    );
    edited(
        |info| info.replace("xmldsig#enveloped-signature", "xmldsig#base64"),
        "found `http://www.w3.org/2000/09/xmldsig#base64`",
    );
    edited(
        |info| {
            info.replace(
                "\"></ds:Transform><ds:Transform",
                "\"><ds:XPath>1</ds:XPath></ds:Transform><ds:Transform",
            )
        },
        "`Transform`: expected nothing in it",
    );
    edited(
        |info| {
            info.replacen(
                "/2001/10/xml-exc-c14n#",
                "/TR/2001/REC-xml-c14n-20010315",
                1,
            )
        },
        "`CanonicalizationMethod`: expected",
    );
    edited(
        |info| info.replacen("xml-exc-c14n#\"", "xml-exc-c14n#WithComments\"", 1),
        "`CanonicalizationMethod`: expected",
    );
}

#[test]
fn weak_and_keyless_algorithms_are_refused_with_advice() {
    edited(
        |info| {
            info.replace(
                "2001/04/xmldsig-more#rsa-sha256",
                "2000/09/xmldsig#rsa-sha1",
            )
        },
        "xmldsig#rsa-sha1",
    );
    edited(
        |info| info.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
        "xmldsig#sha1",
    );
    edited(
        |info| info.replace("more#rsa-sha256", "more#hmac-sha256"),
        "`SignatureMethod`: expected RSA",
    );
    edited(
        |info| {
            info.replace(
                "</ds:SignatureMethod>",
                "<ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>",
            )
        },
        "`SignatureMethod`: expected nothing in it",
    );
    edited(
        |info| info.replace("</ds:DigestMethod>", "<ds:X></ds:X></ds:DigestMethod>"),
        "`DigestMethod`: expected nothing in it",
    );
    let sha1 = |info: String| info.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1");
    let error = judge(sign(
        ASSERTION,
        "_a1",
        &Signer::rsa(),
        &Form {
            edit: sha1,
            ..Form::default()
        },
    ))
    .unwrap_err();
    assert!(error.hint().unwrap().contains("SHA-256"));
}

#[test]
fn the_key_in_the_message_proves_nothing_and_may_be_absent() {
    let other = Signer::other();
    refuses(
        sign(
            ASSERTION,
            "_a1",
            &other,
            &Form {
                method: "ecdsa-sha256",
                ..Form::default()
            },
        ),
        "metadata, found another",
    );
    let message = signed(ASSERTION);
    let (before, rest) = message.split_once("<ds:KeyInfo>").unwrap();
    let (_, after) = rest.split_once("</ds:KeyInfo>").unwrap();
    accepts(format!("{before}{after}"));
    refuses(
        format!("{before}<ds:Object></ds:Object>{after}"),
        "`Signature`: expected `KeyInfo`, found `Object`",
    );
    refuses(
        message.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object></ds:Object>"),
        "found `Object`",
    );
    refuses(
        doubled(&message, "Signature"),
        "expected one `Signature`, found several",
    );
}

#[test]
fn prefixes_that_are_canonicalized_inclusively_are_taken() {
    let typed = ASSERTION.replace(
        "<saml:AttributeStatement>",
        "<saml:AttributeStatement xmlns:xs=\"urn:xs\">",
    );
    let form = Form {
        prefixes: Some("xs #default unknown"),
        ..Form::default()
    };
    let within = response(&typed).replace(
        "<samlp:Response ",
        "<samlp:Response xmlns:xs=\"urn:outer\" ",
    );
    let message = sign(&within, "_a1", &Signer::rsa(), &form);
    accepts(&message);
    // The outer binding of a listed prefix is signed with the assertion; that of another prefix is not.
    refuses(
        message.replace("urn:outer", "urn:other"),
        "expected the digest",
    );
    let plain = sign(&within, "_a1", &Signer::rsa(), &Form::default());
    accepts(plain.replace("urn:outer", "urn:other"));
}

/// Puts an element's first occurrence there twice.
fn doubled(text: &str, name: &str) -> String {
    let end = format!("</ds:{name}>");
    let starts = [format!("<ds:{name} "), format!("<ds:{name}>")];
    let from = starts.iter().find_map(|start| text.find(start)).unwrap();
    let behind = text.find(&end).unwrap() + end.len();
    let element = text.get(from..behind).unwrap();
    text.replacen(element, &element.repeat(2), 1)
}
