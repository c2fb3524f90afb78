//! A section of fields: a request's or an answer's head, or trailers. Source: RFC 9113 section 8.3.

use super::super::Reason;
use super::super::fields::Fields;
use super::super::reader::Fingerprint;

/// A section, read.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) fields: Fields,
    pub(super) method: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) path: Option<String>,
    pub(super) protocol: Option<String>,
    status: Option<String>,
    malformed: Option<&'static str>,
    limit_bytes: usize,
}

impl Section {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            ..Self::default()
        }
    }

    /// Takes the next field; beyond the limit, fields are only counted.
    pub(super) fn take(&mut self, name: &[u8], value: &[u8], fingerprint: Option<&Fingerprint>) {
        if self.fields.size_bytes > self.limit_bytes {
            self.fields.count(name, value);
            return;
        }
        let place = match name {
            b":method" => &mut self.method,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" => &mut self.protocol,
            b":status" => &mut self.status,
            b":scheme" => return self.fields.count(name, value),
            _ if name.first() == Some(&b':') => {
                self.malformed = Some("an unknown pseudo field");
                return;
            }
            _ => {
                if name.iter().any(u8::is_ascii_uppercase) {
                    self.malformed = Some("a field's name is not in lower case");
                }
                return self.fields.take(name, value, fingerprint);
            }
        };
        if place.is_some() {
            self.malformed = Some("a pseudo field came twice");
        }
        *place = Some(String::from_utf8_lossy(value).into_owned());
        self.fields.count(name, value);
    }

    /// What is wrong with it, for a request or an answer.
    pub(super) fn check(&self) -> Result<(), Reason> {
        let limit_bytes = self.limit_bytes;
        if self.fields.size_bytes > limit_bytes {
            return Err(Reason::HeadTooLarge { limit_bytes });
        }
        match self.malformed {
            Some(what) => Err(Reason::Head(what)),
            None => Ok(()),
        }
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Result<u16, Reason> {
        let status = self.status.as_deref().filter(|text| text.len() == 3);
        let status = status.and_then(|text| text.parse().ok());
        status
            .filter(|status| (100..1000).contains(status))
            .ok_or(Reason::Head("an answer has no status of three digits"))
    }
}
