//! The canonical form that signatures are made over, by the cases of its specification.

use roxmltree::Document;
use ua_cryptography_xml_c14n::{Algorithm, canonicalize};

/// Canonicalizes the first element of this name, with these prefixes inclusively.
#[track_caller]
fn check(xml: &str, name: &str, prefixes: &[&str], expected: &str) {
    let document = Document::parse(xml).unwrap();
    let element = document
        .descendants()
        .find(|node| node.tag_name().name() == name)
        .unwrap();
    let found = canonicalize(element, Algorithm::Exclusive, prefixes, None);
    assert_eq!(String::from_utf8(found).unwrap(), expected);
}

#[test]
fn an_element_is_the_same_wherever_it_stands() {
    // Exclusive XML Canonicalization 1.0, 2.2: both envelopes give this form of `elem2`.
    let expected = "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\n     <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff>\n   </n1:elem2>";
    let first = "<n0:local xmlns:n0=\"foo:bar\" xmlns:n3=\"ftp://example.org\">\n   <n1:elem2 xmlns:n1=\"http://example.net\"\n             xml:lang=\"en\">\n     <n3:stuff xmlns:n3=\"ftp://example.org\"/>\n   </n1:elem2>\n</n0:local>";
    let second = "<n2:pdu xmlns:n1=\"http://example.com\"\n            xmlns:n2=\"http://foo.example\"\n            xml:lang=\"fr\"\n            xml:space=\"retain\">\n   <n1:elem2 xmlns:n1=\"http://example.net\"\n             xml:lang=\"en\">\n     <n3:stuff xmlns:n3=\"ftp://example.org\"/>\n   </n1:elem2>\n</n2:pdu>";
    check(first, "elem2", &[], expected);
    check(second, "elem2", &[], expected);
}

#[test]
fn prefixes_are_written_where_they_are_used_or_listed() {
    let xml = "<a xmlns=\"u:0\" xmlns:p=\"u:1\" xmlns:q=\"u:2\"><p:b q:z='1' y='2'><c xmlns=''/></p:b></a>";
    check(
        xml,
        "b",
        &[],
        "<p:b xmlns:p=\"u:1\" xmlns:q=\"u:2\" y=\"2\" q:z=\"1\"><c></c></p:b>",
    );
    check(
        xml,
        "b",
        &["#default"],
        "<p:b xmlns=\"u:0\" xmlns:p=\"u:1\" xmlns:q=\"u:2\" y=\"2\" q:z=\"1\"><c xmlns=\"\"></c></p:b>",
    );
    check(xml, "c", &["p", "unknown"], "<c xmlns:p=\"u:1\"></c>");
}

#[test]
fn start_and_end_tags_and_characters_have_one_form() {
    // Canonical XML 1.0, 3.3 and 3.4, without what needs a DTD.
    check("<e1   />", "e1", &[], "<e1></e1>");
    check(
        "<e3   name = \"elem3\"   id=\"elem3\"   />",
        "e3",
        &[],
        "<e3 id=\"elem3\" name=\"elem3\"></e3>",
    );
    check(
        "<e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\" xmlns:b=\"http://www.ietf.org\" xmlns:a=\"http://www.w3.org\" xmlns=\"http://example.org\"/>",
        "e5",
        &[],
        "<e5 xmlns=\"http://example.org\" xmlns:a=\"http://www.w3.org\" xmlns:b=\"http://www.ietf.org\" attr=\"I'm\" attr2=\"all\" b:attr=\"sorted\" a:attr=\"out\"></e5>",
    );
    check(
        "<text>First line&#x0d;&#10;Second line</text>",
        "text",
        &[],
        "<text>First line&#xD;\nSecond line</text>",
    );
    check("<value>&#x32;</value>", "value", &[], "<value>2</value>");
    check(
        "<compute expr='value>\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"'>valid</compute>",
        "compute",
        &[],
        "<compute expr=\"value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ?&quot;valid&quot;:&quot;error&quot;\">valid</compute>",
    );
    check(
        "<norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>",
        "norm",
        &[],
        "<norm attr=\" '    &#xD;&#xA;&#x9;   ' \"></norm>",
    );
}
