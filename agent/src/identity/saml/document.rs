//! Bytes to a tree of elements and text, and nothing else: no DTD, no comments, few enough parts to be read quickly.

use std::collections::BTreeSet;

use roxmltree::{Document, ParsingOptions};

use super::error::{SamlError, shown};

/// Largest XML, in bytes; responses with hundreds of groups have some 100 KiB.
pub const XML_MAX_BYTES: usize = 256 << 10;

/// Deepest nesting of elements; SAML's own is about ten.
const LEVELS_MAX: usize = 32;

/// Most elements and texts.
const NODES_MAX: u32 = 16 << 10;

/// Most `=`, so most attributes and namespaces: the parser compares those of one element with each other.
const EQUALS_MAX: usize = 8 << 10;

/// Most namespaces that hold for one element, each declaration counted. The parser compares and copies them for each
/// element below: 4,000 of each took it 35 s.
const NAMESPACES_MAX: usize = 64;

/// What opens parts of XML other than elements and text. A well-formed document has `<!` and `<?` nowhere else.
const CONSTRUCTS: [(&str, &str); 4] = [
    ("<!--", "a comment"),
    ("<![", "a CDATA section"),
    ("<!", "a document type declaration"),
    ("<?", "a processing instruction"),
];

/// The text of a document that may be parsed.
#[derive(Debug)]
pub(super) struct Text(String);

impl Text {
    /// Takes XML in UTF-8.
    ///
    /// Signatures leave comments out, so that readers disagree where a text ends; entities and other encodings make
    /// one document two. Nothing of them is in what providers send, and all are refused before anything is parsed.
    pub(super) fn read(xml: &[u8]) -> Result<Self, SamlError> {
        if xml.len() > XML_MAX_BYTES {
            return Err(SamlError::TooLarge {
                found: xml.len(),
                max: XML_MAX_BYTES,
            });
        }
        let text = std::str::from_utf8(xml).map_err(|_| SamlError::NotXml)?;
        let text = text.strip_prefix(BOM).unwrap_or(text).trim_ascii();
        let text = undeclared(text)?.trim_ascii_start();
        if !text.starts_with('<') {
            return Err(SamlError::NotXml);
        }
        for (start, what) in CONSTRUCTS {
            if text.contains(start) {
                return Err(SamlError::Construct(what));
            }
        }
        if text.bytes().filter(|byte| *byte == b'=').count() > EQUALS_MAX {
            return Err(SamlError::Crowded {
                what: "attributes",
                max: EQUALS_MAX,
            });
        }
        require_shallow(text)?;
        Ok(Self(text.to_owned()))
    }

    /// Parses it: elements and text, and every id once, whichever attribute states it.
    pub(super) fn parse(&self) -> Result<Document<'_>, SamlError> {
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&self.0, options)
            .map_err(|error| SamlError::Malformed(shown(&error.to_string())))?;
        let mut ids = BTreeSet::new();
        for node in document.descendants() {
            for id in node
                .attributes()
                .filter(|attribute| attribute.name().eq_ignore_ascii_case("id"))
            {
                if !ids.insert(id.value()) {
                    return Err(SamlError::RepeatedId(shown(id.value())));
                }
            }
        }
        Ok(document)
    }
}

/// The mark that some programs begin a file with.
const BOM: &str = "\u{feff}";

/// Cuts the XML declaration off, which may state XML 1.0 and UTF-8 only.
fn undeclared(text: &str) -> Result<&str, SamlError> {
    let Some(rest) = text.strip_prefix("<?xml") else {
        return Ok(text);
    };
    let other = SamlError::Construct("a declaration other than of XML 1.0 in UTF-8");
    let Some((declaration, rest)) = rest.split_once("?>") else {
        return Err(other);
    };
    let known = [
        "version=\"1.0\"",
        "encoding=\"utf-8\"",
        "standalone=\"yes\"",
        "standalone=\"no\"",
    ];
    let declaration = declaration.replace('\'', "\"").to_ascii_lowercase();
    if !declaration
        .split_ascii_whitespace()
        .all(|word| known.contains(&word))
    {
        return Err(other);
    }
    Ok(rest)
}

/// Makes sure that no element is deep and none has many namespaces, before the parser works on them.
///
/// Tags are found by their brackets, as the parser does: comments and the like are not in the text any more. Where a
/// text is not well-formed the two may differ, and the parser stops.
fn require_shallow(text: &str) -> Result<(), SamlError> {
    let mut namespaces_of_open = Vec::new();
    let mut rest = text;
    while let Some((_, from_tag)) = rest.split_once('<') {
        let (tag, after) = split_tag(from_tag);
        rest = after;
        if tag.starts_with('/') {
            namespaces_of_open.pop();
            continue;
        }
        let inherited = namespaces_of_open.last().copied().unwrap_or(0);
        let namespaces = inherited + tag.matches("xmlns").count();
        if namespaces > NAMESPACES_MAX {
            return Err(SamlError::Crowded {
                what: "namespaces",
                max: NAMESPACES_MAX,
            });
        }
        if namespaces_of_open.len() >= LEVELS_MAX {
            return Err(SamlError::Crowded {
                what: "levels",
                max: LEVELS_MAX,
            });
        }
        if !tag.ends_with('/') {
            namespaces_of_open.push(namespaces);
        }
    }
    Ok(())
}

/// Splits at the end of a tag, which is not in quotes.
fn split_tag(from_tag: &str) -> (&str, &str) {
    let mut quote = None;
    let end = from_tag.find(|sign| match quote {
        Some(open) => {
            if sign == open {
                quote = None;
            }
            false
        }
        None => {
            if sign == '"' || sign == '\'' {
                quote = Some(sign);
            }
            sign == '>'
        }
    });
    end.map_or((from_tag, ""), |end| from_tag.split_at(end))
}
