//! What documents are read at all: elements and text, not too much of either, in the one way that all parsers read.

use super::*;

#[test]
fn line_ends_are_line_feeds_wherever_they_stand() {
    // XML 1.0, 2.11 and 3.3.3: the signature is over what a parser makes of them.
    let lines = ASSERTION
        .replace("<saml:Conditions ", "\n<saml:Conditions ")
        .replace(
            "<saml:Attribute Name=\"groups\"",
            "<saml:Attribute FriendlyName=\"a\nb\" Name=\"groups\"",
        );
    let message = signed(&lines);
    assert_eq!(accepts(message.replace('\n', "\r\n")), accepts(&message));
    refuses(message.replace('\n', "&#13;\n"), "expected the digest");
}

#[test]
fn what_signatures_leave_out_or_parsers_read_differently_is_refused() {
    let message = signed(&ASSERTION.replace("ada@example.com", "ada@example.com.evil.example"));
    accepts(&message);
    refuses(
        message.replace(".com.evil", ".com<!---->.evil"),
        "found a comment",
    );
    refuses(
        message.replace(".com.evil", ".com<?x?>.evil"),
        "found a processing instruction",
    );
    refuses(
        message.replace(".com.evil", ".com<![CDATA[.]]>evil"),
        "found a CDATA section",
    );
    refuses(
        format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{message}"),
        "found a document type declaration",
    );
    refuses(
        format!("<?xml version=\"1.0\" encoding=\"utf-7\"?>{message}"),
        "other than of XML 1.0 in UTF-8",
    );
    refuses(
        format!("<?xml version=\"1.1\"?>{message}"),
        "other than of XML 1.0 in UTF-8",
    );
    let wide: Vec<u8> = format!("\u{feff}{message}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    refuses(wide, "expected XML in UTF-8");
    refuses("<a", "expected well-formed XML");
    refuses("PGE+", "expected XML in UTF-8");
}

#[test]
fn too_much_of_anything_is_refused_before_it_costs_time() {
    refuses(
        format!("<a>{}</a>", " ".repeat(256 << 10)),
        "at most 262144 bytes",
    );
    refuses(
        format!("{}{}", "<a>".repeat(40), "</a>".repeat(40)),
        "at most 32 levels",
    );
    refuses(
        format!("<a>{}</a>", "<b/>".repeat(17 << 10)),
        "expected well-formed XML, found: nodes limit",
    );
    let attributes: String = (0..9000).map(|number| format!(" a{number}=''")).collect();
    refuses(format!("<a{attributes}/>"), "at most 8192 attributes");
    let message = sign(
        ASSERTION,
        "_a1",
        &Signer::rsa(),
        &Form {
            prefixes: Some("a b"),
            ..Form::default()
        },
    );
    refuses(
        message.replace("\"a b\"", &format!("\"{}\"", "a ".repeat(33))),
        "at most 32 prefixes in a list",
    );
    let namespaces: String = (0..33)
        .map(|number| format!(" xmlns:a{number}='u'"))
        .collect();
    refuses(format!("<a{namespaces}/>"), "expected one `Assertion`");
    refuses(
        format!("<a b='>'{namespaces}><c{namespaces}/></a>"),
        "at most 64 namespaces",
    );
    let siblings =
        format!("<b{namespaces}/>").repeat(2) + &format!("<b{namespaces}></b>").repeat(2);
    refuses(format!("<a>{siblings}</a>"), "expected one `Assertion`");
    refuses(
        format!("{}{}", "<a>".repeat(32), "</a>".repeat(32)),
        "expected one `Assertion`",
    );
}
