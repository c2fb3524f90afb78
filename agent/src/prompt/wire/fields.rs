//! What a head's fields say: what is kept, how the body is coded and framed, which credentials it carries.

use super::kept::{self, Headers};
use super::reader::Fingerprint;
use super::target::Target;

/// Credentials of one request that are told apart.
const CREDENTIALS: usize = 4;

/// What RFC 7541 section 4.1 adds to a field's length; used for HTTP/1.1 too.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// A body's stated length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Length {
    #[default]
    Unsaid,
    Bytes(u64),
    /// Said twice and not alike, or not a number.
    Doubtful,
}

/// What was read of a head's fields.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) headers: Headers,
    pub(super) length: Length,
    pub(super) content_encoding: Option<String>,
    pub(super) transfer_encoding: Option<String>,
    pub(super) upgrade: Option<String>,
    pub(super) extensions: Option<String>,
    pub(super) host: Option<String>,
    pub(super) hosts: usize,
    /// The client waits for `100 Continue` before its body. Source: RFC 9110 section 10.1.1.
    pub(super) expects: bool,
    pub(super) credentials: Vec<[u8; 32]>,
    /// Lengths of all fields with `FIELD_OVERHEAD_BYTES` for each.
    pub(super) size_bytes: usize,
}

impl Fields {
    /// Takes one field.
    pub(super) fn take(&mut self, name: &[u8], value: &[u8], fingerprint: Option<&Fingerprint>) {
        self.count(name, value);
        let Ok(name) = str::from_utf8(name) else {
            return;
        };
        let name = name.to_ascii_lowercase();
        let value = value.trim_ascii();
        self.headers.take(&name, value);
        if let Some(credential) = kept::credential(&name, value) {
            self.credential(credential, fingerprint);
        }
        match name.as_str() {
            "content-length" => self.length = self.length.and(value),
            "content-encoding" => append(&mut self.content_encoding, value),
            "transfer-encoding" => append(&mut self.transfer_encoding, value),
            "upgrade" => append(&mut self.upgrade, value),
            "sec-websocket-extensions" => append(&mut self.extensions, value),
            "expect" => self.expects = value.eq_ignore_ascii_case(b"100-continue"),
            "host" => {
                self.hosts = self.hosts.saturating_add(1);
                self.host = Some(String::from_utf8_lossy(value).into_owned());
            }
            _ => {}
        }
    }

    /// Counts a field's length.
    pub(super) fn count(&mut self, name: &[u8], value: &[u8]) {
        let bytes = name.len().saturating_add(value.len());
        let bytes = bytes.saturating_add(FIELD_OVERHEAD_BYTES);
        self.size_bytes = self.size_bytes.saturating_add(bytes);
    }

    /// Takes the credentials of a target's query.
    pub(super) fn take_query(&mut self, target: &Target<'_>, fingerprint: Option<&Fingerprint>) {
        for credential in target.parameters().filter_map(kept::credential_in_query) {
            self.credential(credential, fingerprint);
        }
    }

    fn credential(&mut self, credential: &[u8], fingerprint: Option<&Fingerprint>) {
        let Some(fingerprint) = fingerprint else {
            return;
        };
        if self.credentials.len() >= CREDENTIALS {
            return;
        }
        let fingerprint = fingerprint(credential);
        if !self.credentials.contains(&fingerprint) {
            self.credentials.push(fingerprint);
        }
    }
}

impl Length {
    fn and(self, value: &[u8]) -> Self {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        match (self, number) {
            (Self::Unsaid, Some(bytes)) if digits => Self::Bytes(bytes),
            // The same once more: RFC 9110 section 8.6.
            (Self::Bytes(before), Some(bytes)) if digits && before == bytes => self,
            (Self::Unsaid | Self::Bytes(_) | Self::Doubtful, _) => Self::Doubtful,
        }
    }
}

/// A field that came more than once is one list. Source: RFC 9110 section 5.2.
fn append(list: &mut Option<String>, value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    match list {
        Some(list) => {
            list.push_str(", ");
            list.push_str(&value);
        }
        None => *list = Some(value.into_owned()),
    }
}
