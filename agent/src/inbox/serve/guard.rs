//! Which requests are this server's own: asked of its address, by its own pages. Pure.
//!
//! Any page of any site can have a browser ask a server of this host. Another name that points to 127.0.0.1 (DNS
//! rebinding) shows in `Host`; another site's page in `Origin` and `Sec-Fetch-Site` (Fetch, "Origin header"; Fetch
//! Metadata). There are no cookies, so that a browser brings nothing that would open this server to others.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Path at which the issuer sends the browser back.
const CALLBACK: &str = crate::control::sign_in::CALLBACK_PATH;

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// The link that opens the inbox once.
    Open(&'p str),
    /// The issuer's answer.
    Callback(&'p str),
    /// All requests.
    List,
    /// One request.
    Show(&'p str),
    /// What somebody says to one.
    Say(&'p str),
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("expected a request to `{expected}`, found one to another host")]
    Host { expected: String },
    #[error("expected a form of this server's own pages, found one of elsewhere")]
    Origin,
    #[error("expected GET, or POST where a form is sent")]
    Method,
    #[error("expected an address of this inbox, found another")]
    Unknown,
    #[error("expected a link that nobody has used, found a used one")]
    Used,
    #[error("expected a form as this page has it, found {0}")]
    Form(&'static str),
    #[error("expected a form for the request as it is shown, found one that is not this server's")]
    Token,
    #[error("expected the answer to a login that was begun here within ten minutes, found another")]
    State,
    #[error("{0}")]
    Closed(String),
    #[error("{0}")]
    Failed(String),
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::Token | Self::State => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Used => StatusCode::GONE,
            Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::Closed(_) => StatusCode::CONFLICT,
            Self::Failed(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Says what to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Host { .. } | Self::Origin => {
                "If you came here by a link of another page: it tried to use your inbox. Nothing was done."
            }
            Self::Unknown | Self::Used | Self::Method => {
                "Open the link that stands in the terminal of `icecore approvals serve`; it prints a new one after each use."
            }
            Self::Form(_) | Self::Token => "Go back, load the page again, and send it anew.",
            Self::State => "Go back to the request and begin again.",
            Self::Closed(_) => "Look at the request again.",
            Self::Failed(_) => {
                "Nothing was decided. Try again, or see what the store or the issuer says."
            }
        }
    }
}

/// Where the server listens, and below which path its pages are.
#[derive(Debug)]
pub(super) struct Own {
    /// `127.0.0.1:PORT`.
    pub(super) authority: String,
    /// The first part of every path, which nobody else knows.
    pub(super) secret: String,
}

impl Own {
    /// Finds out what a request is about, if it is one of this server's own.
    ///
    /// # Errors
    /// It comes from elsewhere, or is about nothing here.
    pub(super) fn route<'p>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        path: &'p str,
        query: Option<&'p str>,
    ) -> Result<Route<'p>, Refused> {
        if one(headers, &HOST) != Some(&self.authority) {
            let expected = self.authority.clone();
            return Err(Refused::Host { expected });
        }
        let route = self.find(method, path, query)?;
        let is_from_elsewhere = match &route {
            // The terminal's link and the issuer's answer come from outside, as a page that a person sees.
            Route::Open(_) | Route::Callback(_) => {
                headers.contains_key(MODE) && one(headers, &MODE) != Some("navigate")
            }
            Route::List | Route::Show(_) | Route::Say(_) => {
                let site = one(headers, &SITE);
                headers.contains_key(SITE) && !matches!(site, Some("same-origin" | "none"))
            }
        };
        let origin = format!("http://{}", self.authority);
        let is_own = match (&route, headers.contains_key(ORIGIN)) {
            (Route::Say(_), _) | (_, true) => one(headers, &ORIGIN) == Some(&origin),
            (_, false) => true,
        };
        if is_from_elsewhere || !is_own {
            return Err(Refused::Origin);
        }
        Ok(route)
    }

    fn find<'p>(
        &self,
        method: &Method,
        path: &'p str,
        query: Option<&'p str>,
    ) -> Result<Route<'p>, Refused> {
        let is_get = method == Method::GET;
        if !is_get && method != Method::POST {
            return Err(Refused::Method);
        }
        if path == CALLBACK && is_get {
            return Ok(Route::Callback(query.unwrap_or_default()));
        }
        if let (Some(once), true) = (path.strip_prefix("/open/"), is_get) {
            return Ok(Route::Open(once));
        }
        let own = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let inside = own.filter(|(secret, _)| is_same(secret, &self.secret));
        let (_, inside) = inside.ok_or(Refused::Unknown)?;
        match (inside, inside.strip_prefix("r/"), is_get) {
            ("", _, true) => Ok(Route::List),
            (_, Some(id), true) => Ok(Route::Show(id)),
            (_, Some(id), false) => Ok(Route::Say(id)),
            _ => Err(Refused::Unknown),
        }
    }
}

/// Gives the one value of a header; none where there are several, or it is no text.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Compares a word that nobody else knows, in a time that tells nothing of it.
pub(super) fn is_same(given: &str, own: &str) -> bool {
    let pairs = given.bytes().zip(own.bytes());
    given.len() == own.len() && pairs.fold(0, |unlike, (a, b)| unlike | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own {
            authority: "127.0.0.1:8099".to_owned(),
            secret: "s3cret".to_owned(),
        }
    }

    /// Asks with these headers, written as `name: value` lines.
    #[track_caller]
    fn check(method: Method, headers: &str, path: &str, expected: Result<Route<'_>, Refused>) {
        let pairs = headers.lines().map(|line| line.split_once(": ").unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        assert_eq!(
            own().route(&method, &map, path, query),
            expected,
            "{headers}"
        );
    }

    const HOST: &str = "host: 127.0.0.1:8099";
    const ORIGIN: &str = "host: 127.0.0.1:8099\norigin: http://127.0.0.1:8099";

    #[test]
    fn what_the_servers_own_pages_ask_is_known() {
        let own_site = format!("{ORIGIN}\nsec-fetch-site: same-origin");
        let say = || Ok(Route::Say("01a2"));
        check(Method::GET, HOST, "/s3cret/", Ok(Route::List));
        check(Method::GET, HOST, "/s3cret/r/01a2", Ok(Route::Show("01a2")));
        check(Method::POST, ORIGIN, "/s3cret/r/01a2", say());
        check(Method::POST, &own_site, "/s3cret/r/01a2", say());
        check(Method::GET, HOST, "/open/x", Ok(Route::Open("x")));
        let back = format!("{HOST}\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate");
        let callback = Ok(Route::Callback("code=c"));
        check(Method::GET, &back, "/callback?code=c", callback);
    }

    /// DNS rebinding: the address is right, and the browser thinks that it is another site's.
    #[test]
    fn another_hosts_name_is_refused() {
        let refused = || {
            let expected = "127.0.0.1:8099".to_owned();
            Err(Refused::Host { expected })
        };
        let twice = format!("{HOST}\n{HOST}");
        for headers in [
            "host: evil.test:8099",
            "host: localhost:8099",
            "host: 127.0.0.1",
            "host: 127.0.0.1:8098",
            "origin: http://127.0.0.1:8099",
            &twice,
        ] {
            check(Method::GET, headers, "/s3cret/", refused());
            check(Method::GET, headers, "/callback?code=c&state=s", refused());
        }
    }

    #[test]
    fn another_sites_page_is_refused() {
        let origin = |origin: &str| format!("{HOST}\norigin: {origin}");
        for headers in [
            HOST,
            &origin("https://evil.test"),
            &origin("null"),
            &origin("http://127.0.0.1:8098"),
            &origin("http://localhost:8099"),
            &format!("{ORIGIN}\nsec-fetch-site: cross-site"),
            &format!("{ORIGIN}\nsec-fetch-site: same-site"),
            &format!("{ORIGIN}\norigin: https://evil.test"),
        ] {
            let refused = Err(Refused::Origin);
            check(Method::POST, headers, "/s3cret/r/01a2", refused);
        }
        let image = format!("{HOST}\nsec-fetch-site: cross-site\nsec-fetch-mode: no-cors");
        for path in ["/s3cret/", "/callback?code=c", "/open/x"] {
            check(Method::GET, &image, path, Err(Refused::Origin));
        }
    }

    #[test]
    fn without_the_path_there_is_nothing() {
        for path in [
            "/",
            "/s3cret",
            "/s3cre/",
            "/s3crets/",
            "/S3CRET/",
            "/s3cret/x",
            "//s3cret/",
            "/callback/",
        ] {
            check(Method::GET, HOST, path, Err(Refused::Unknown));
        }
        check(Method::POST, ORIGIN, "/s3cret/", Err(Refused::Unknown));
        let callback = "/callback?code=c";
        check(Method::POST, ORIGIN, callback, Err(Refused::Unknown));
        let method = Err(Refused::Method);
        check(Method::DELETE, ORIGIN, "/s3cret/r/01a2", method);
    }
}
