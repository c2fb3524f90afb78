//! Ways to log in that the agent has no need of: SAML, browser, OAuth. Each is answered in the form its callers show.

use serde_json::json;

use super::door::{Door, Received};
use crate::record::{Category, Severity};
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::Endpoint;

/// Code of the event that a session tried to log in by itself.
const OWN_LOGIN: &str = "AU004";

/// What every one of these callers is told.
const TEXT: &str = "Icecore: this job needs no login of its own; connect with any password and the default authenticator (no `authenticator` setting), and Icecore logs in with the host's credential";

impl Door {
    /// Tells a client that logs in by itself what to do instead, and records that it tried.
    pub(super) async fn own_login(&self, received: &Received) -> Body {
        let detail = json!({ "path": received.path, "pid": self.peer.pid, "exe": self.peer.exe });
        let shared = &self.core.shared;
        shared
            .event(
                Some(&self.session),
                OWN_LOGIN,
                Severity::Low,
                Category::Auth,
                detail,
            )
            .await;
        told(&received.endpoint)
    }
}

fn told(endpoint: &Endpoint) -> Body {
    match endpoint {
        // RFC 6749 section 5.2, which RFC 7009 section 2.2.1 refers to.
        Endpoint::OauthToken => Body::new(
            400,
            json!({ "error": "unauthorized_client", "error_description": TEXT })
                .to_string()
                .into(),
        ),
        // A person reads it; a redirect back to the driver would be one that Icecore does not give.
        Endpoint::LoginPage => Body::page(
            403,
            format!("<!doctype html><title>Icecore</title><p>{TEXT}.</p>\n"),
        ),
        Endpoint::Authenticator
        | Endpoint::Login
        | Endpoint::Renew
        | Endpoint::Heartbeat
        | Endpoint::Close
        | Endpoint::Query
        | Endpoint::Result(_)
        | Endpoint::Monitoring(_)
        | Endpoint::AbortRequest
        | Endpoint::AbortQuery(_)
        | Endpoint::Chunk(_)
        | Endpoint::File(_)
        | Endpoint::Submit
        | Endpoint::Status(_)
        | Endpoint::Cancel(_)
        | Endpoint::Telemetry
        | Endpoint::Mcp
        | Endpoint::McpOther => Form::V1.plain_error(code::LOGIN_REFUSED, TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_is_told_in_the_form_it_shows() {
        let text = |endpoint| {
            let body = told(&endpoint);
            let text = String::from_utf8(body.text().to_vec()).unwrap();
            assert!(text.contains("needs no login of its own"), "{text}");
            (body.status(), text)
        };
        let (status, body) = text(Endpoint::Authenticator);
        assert!(
            status == 200 && body.contains(r#""code":"390100""#),
            "{body}"
        );
        let (status, body) = text(Endpoint::OauthToken);
        assert!(
            status == 400 && body.contains(r#""error":"unauthorized_client""#),
            "{body}"
        );
        let (status, body) = text(Endpoint::LoginPage);
        assert!(
            status == 403 && body.starts_with("<!doctype html>"),
            "{body}"
        );
    }
}
