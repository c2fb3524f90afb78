//! A request's target without what may be secret in it.

/// Longest value of `alt` that is kept. Google's are `sse`, `json`, `media` and `proto`.
const ALT_BYTES: usize = 16;

/// A request's target in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Stated by a target in absolute form (RFC 9112 section 3.2.2).
    pub(super) authority: Option<&'a str>,
    path: &'a str,
    query: &'a str,
}

impl<'a> Target<'a> {
    pub(super) fn read(target: &'a str) -> Self {
        let target = target.split_once('#').map_or(target, |(before, _)| before);
        let (authority, rest) = match target.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at_checked(at).unwrap_or((rest, ""));
                (Some(authority), rest)
            }
            Some(_) | None => (None, target),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        Self {
            authority,
            path,
            query,
        }
    }

    /// The path, and of the query only `alt`.
    pub(super) fn shown(&self) -> String {
        let alt = self
            .parameters()
            .find(|parameter| parameter.strip_prefix("alt=").is_some_and(is_plain));
        match alt {
            Some(alt) => format!("{}?{alt}", self.path),
            None => self.path.to_owned(),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &'a str> {
        self.query.split('&')
    }
}

/// An authority in lower case, without a user's name and password.
pub(super) fn shown_authority(authority: &str) -> String {
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    host.to_ascii_lowercase()
}

fn is_scheme(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn is_plain(value: &str) -> bool {
    value.len() <= ALT_BYTES && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
