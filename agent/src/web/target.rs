//! An address as typed, read strictly: where to connect, and what to ask for.

use std::fmt;

use hyper::Uri;

use super::WebError;

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In the open.
    Http,
    /// By TLS.
    Https,
}

/// Where a request goes; shown without its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    scheme: Scheme,
    uri: Uri,
    host: String,
}

impl Target {
    /// Reads an absolute address.
    pub(super) fn read(url: &str) -> Result<Self, WebError> {
        let refused = || WebError::Url {
            found: url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        };
        // `Uri` drops a fragment without a word.
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(refused()),
        };
        let authority = uri.authority().ok_or_else(refused)?;
        // What is left of an authority beside its host is its port, or it is none.
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && !authority.as_str().contains('@') && authority.port_u16().is_none() {
            return Err(refused());
        }
        if url.contains('#') || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(WebError::Url {
                // What stands before `@` may be a password.
                found: format!(
                    "{}://{}",
                    uri.scheme_str().unwrap_or_default(),
                    authority.host()
                ),
            });
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
            .to_owned();
        Ok(Self { scheme, uri, host })
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Gives the host's name or address, an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Gives what the `Host` header says.
    pub(super) fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    pub(super) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}{}", self.authority(), self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(url: &str, host: &str, port: u16, asked: &str, shown: &str) {
        let target = Target::read(url).unwrap();
        assert_eq!(
            (target.host(), target.port(), target.path_and_query()),
            (host, port, asked)
        );
        assert_eq!(target.to_string(), shown);
    }

    #[test]
    fn an_address_is_shown_without_its_query() {
        reads(
            "https://idp.example/k?code=x",
            "idp.example",
            443,
            "/k?code=x",
            "https://idp.example/k",
        );
        reads(
            "http://[::1]:8200/v1",
            "::1",
            8200,
            "/v1",
            "http://[::1]:8200/v1",
        );
        reads(
            "https://idp.example",
            "idp.example",
            443,
            "/",
            "https://idp.example/",
        );
    }

    #[test]
    fn what_is_no_plain_address_is_refused_and_no_password_is_shown() {
        for url in [
            "",
            "idp.example",
            "/k",
            "ftp://idp.example/",
            "file:///etc/passwd",
            "https://",
            "https:///k",
            "https://user:hunter2@idp.example/k",
            "https://idp.example/#hunter2",
            "https://idp.example/k#f",
            "https://a b/",
            "https://idp.example:99999/",
        ] {
            let error = Target::read(url).unwrap_err();
            assert!(matches!(error, WebError::Url { .. }), "{url}");
            assert!(!error.to_string().contains("hunter2"), "{url}: {error}");
        }
    }
}
