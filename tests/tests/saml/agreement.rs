//! `xmlsec1` and Icecore agree about signatures, of documents as they were signed and of changed ones.

use icecore_tests::saml::Provider;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use serde_json::json;

use super::second::Bench;
use super::second::Verdict::{Bad, Good, Stricter};

#[test]
fn both_agree_about_what_samlp_signs_and_about_changes_of_it() {
    let mut bench = Bench::new(None);
    let issue = |options| bench.provider.response(options).unwrap();
    let good = issue(json!({}));
    let whole = [
        ("as issued", good.clone(), Good),
        (
            "prefixed",
            issue(json!({ "signatureNamespacePrefix": "ds" })),
            Good,
        ),
        ("both signed", issue(json!({ "signResponse": true })), Good),
        (
            "response signed",
            issue(json!({ "signResponse": true, "signAssertion": false })),
            Good,
        ),
        (
            "SHA-1 signature",
            issue(json!({ "signatureAlgorithm": "rsa-sha1" })),
            Stricter,
        ),
        (
            "SHA-1 digest",
            issue(json!({ "digestAlgorithm": "sha1" })),
            Stricter,
        ),
        (
            "another provider",
            Bench::new(None).provider.response(json!({})).unwrap(),
            Bad,
        ),
        ("a document type", format!("<!DOCTYPE x>{good}"), Stricter),
        (
            "line ends",
            good.replace("<saml:Conditions ", "<saml:Conditions\r\n "),
            Good,
        ),
    ];
    for (what, document, expected) in whole {
        bench.expect(what, &document, expected);
    }
    for (from, to, expected) in [
        // The canonical form is the same.
        (" ID=", "\n   ID=", Good),
        (
            "Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"",
            "Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'",
            Good,
        ),
        (">ada<", ">&#97;d&#x61;<", Good),
        ("acs\"/>", "acs\"></saml:SubjectConfirmationData>", Good),
        (
            "xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"",
            "xmlns:xs=\"urn:x\"",
            Good,
        ),
        // It is another one.
        (">ada<", ">eve<", Bad),
        (">ada<", ">ada <", Bad),
        (">ada<", ">a<b/>da<", Bad),
        (">ada<", ">a<?b?>da<", Bad),
        (">analysts<", ">admins<", Bad),
        ("</saml:Subject>", "</saml:Subject> ", Bad),
        ("NotOnOrAfter=", "Notonorafter=", Bad),
        (
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
            "xmlns:xsi=\"urn:x\"",
            Bad,
        ),
        ("<SignedInfo>", "<SignedInfo Id=\"x\">", Bad),
        ("<DigestValue>", "<DigestValue>AAAA", Bad),
        ("<SignatureValue>", "<SignatureValue>AAAA", Bad),
        ("URI=\"#", "URI=\"#x", Bad),
        // It is the same, but readers may take another text.
        (">ada<", ">a<!-- -->da<", Stricter),
        (">ada<", "><![CDATA[ada]]><", Stricter),
    ] {
        bench.change(&good, "<saml:Assertion", from, to, expected);
    }
    bench.change(
        &good,
        "<samlp:Response",
        " ID=",
        " xmlns:x=\"urn:x\" ID=",
        Good,
    );
    bench.change(
        &good,
        "<KeyInfo>",
        "<X509Certificate>",
        "<X509Certificate>\n",
        Good,
    );
    bench.end();
}

/// An unsigned response with an empty signature in its assertion, to be filled by xmlsec1.
fn template(
    provider: &Provider,
    method: &str,
    digest: &str,
    canonical: &str,
    inside: &str,
) -> String {
    let unsigned = provider
        .response(json!({ "signAssertion": false }))
        .unwrap();
    let (response, assertion) = unsigned.split_once("<saml:Assertion ").unwrap();
    let id = assertion
        .split("ID=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let signature = format!(
        r##"</saml:Issuer><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
          <CanonicalizationMethod Algorithm="{canonical}"/>
          <SignatureMethod Algorithm="http://www.w3.org/{method}"/>
          <Reference URI="#{id}">
            <Transforms>
              <Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
              <Transform Algorithm="{canonical}">{inside}</Transform>
            </Transforms>
            <DigestMethod Algorithm="http://www.w3.org/{digest}"/><DigestValue/>
          </Reference></SignedInfo><SignatureValue/></Signature>"##
    );
    format!(
        "{response}<saml:Assertion {}",
        assertion.replacen("</saml:Issuer>", &signature, 1)
    )
}

#[test]
fn both_agree_about_what_xmlsec1_signs() {
    const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
    const COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
    const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    const LIST: &str = r#"<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs samlp #default"/>"#;
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    for (key, method, digest, canonical, inside, expected) in [
        (
            None,
            "2001/04/xmldsig-more#rsa-sha256",
            "2001/04/xmlenc#sha256",
            EXCLUSIVE,
            "",
            Good,
        ),
        (
            None,
            "2001/04/xmldsig-more#rsa-sha384",
            "2001/04/xmldsig-more#sha384",
            EXCLUSIVE,
            "",
            Good,
        ),
        (
            None,
            "2001/04/xmldsig-more#rsa-sha512",
            "2001/04/xmlenc#sha512",
            EXCLUSIVE,
            LIST,
            Good,
        ),
        (
            Some(&p256),
            "2001/04/xmldsig-more#ecdsa-sha256",
            "2001/04/xmlenc#sha256",
            EXCLUSIVE,
            LIST,
            Good,
        ),
        (
            Some(&p384),
            "2001/04/xmldsig-more#ecdsa-sha384",
            "2001/04/xmldsig-more#sha384",
            EXCLUSIVE,
            "",
            Good,
        ),
        (
            Some(&p256),
            "2001/04/xmldsig-more#ecdsa-sha512",
            "2001/04/xmlenc#sha512",
            EXCLUSIVE,
            "",
            Stricter,
        ),
        (
            None,
            "2000/09/xmldsig#rsa-sha1",
            "2001/04/xmlenc#sha256",
            EXCLUSIVE,
            "",
            Stricter,
        ),
        (
            None,
            "2001/04/xmldsig-more#rsa-sha256",
            "2001/04/xmlenc#sha256",
            COMMENTS,
            "",
            Stricter,
        ),
        (
            None,
            "2001/04/xmldsig-more#rsa-sha256",
            "2001/04/xmlenc#sha256",
            INCLUSIVE,
            "",
            Stricter,
        ),
    ] {
        let mut bench = Bench::new(key);
        let template = template(&bench.provider, method, digest, canonical, inside);
        let document = bench.provider.signed_by_xmlsec(&template).unwrap();
        bench.expect(&format!("{method} {canonical}"), &document, expected);
        bench.expect(
            &format!("{method}, changed"),
            &document.replacen(">ada<", ">eve<", 1),
            Bad,
        );
        bench.end();
    }
}
