//! What is told of connections to model APIs that are not read, and what follows for later ones.

use std::io;

use rustls::AlertDescription;
use serde_json::json;

use super::counts::Outcome;
use super::taking::{At, Wanted};
use crate::config::OnUntrusted;
use crate::proxy::core::Shared;
use crate::record::event::code;
use crate::record::{Category, Severity};

/// Why a model API is not reached.
pub(super) enum Unreached {
    /// No connection, or it broke.
    Away(io::Error),
    /// TLS did not come about: its certificate is not trusted, or it wants one of its client.
    Untrusted(io::Error),
}

impl Unreached {
    /// Tells whether the model API's certificate is not believed.
    pub(super) fn is_of_certificate(&self) -> bool {
        match self {
            Self::Away(_) => false,
            Self::Untrusted(error) => {
                matches!(of_tls(error), Some(rustls::Error::InvalidCertificate(_)))
            }
        }
    }
}

/// Gives what TLS says of a failure, if it is one of TLS's.
pub(super) fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Tells that a model API is not reached.
pub(super) async fn tell_unreached(shared: &Shared, at: &At<'_>, wanted: &Wanted, why: &Unreached) {
    shared.tap.counts().add(Outcome::Unreached);
    let (expected, error) = match why {
        Unreached::Away(error) => ("a model API that answers", error),
        Unreached::Untrusted(error) => (
            "a certificate that the host's roots or `prompts.ca_file` vouch for",
            error,
        ),
    };
    let then = match (why, wanted.models.on_untrusted()) {
        (Unreached::Untrusted(_), OnUntrusted::Splice) => "carried unread",
        (Unreached::Untrusted(_), OnUntrusted::Fail) | (Unreached::Away(_), _) => "closed",
    };
    tell(
        shared,
        at,
        wanted,
        code::MODEL_UNREACHED,
        (expected, &error.to_string(), then),
    )
    .await;
}

/// Notes that a client did not take our certificate, or may not have: it left in the handshake, or asked nothing after it.
pub(super) async fn untrusted(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    error: Option<&io::Error>,
) {
    let standing = at.session.models();
    let said = match error.and_then(of_tls) {
        Some(rustls::Error::AlertReceived(alert)) => is_about_trust(*alert),
        Some(_) | None => false,
    };
    if !said && !standing.note_silent(&wanted.host, at.peer.pid) {
        let session = at.session.id();
        tracing::debug!(%session, host = wanted.host, ?error, "client left without a question");
        return;
    }
    shared.tap.counts().add(Outcome::Untrusted);
    let then = match wanted.models.on_untrusted() {
        OnUntrusted::Splice => "later connections to this host are carried unread",
        OnUntrusted::Fail => "closed",
    };
    standing.set_unread(&wanted.host);
    let expected = "a client that trusts the session's CAs (`NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE` and their kin)";
    let found = error.map_or_else(
        || "a process that asked nothing on several connections in a row".to_owned(),
        ToString::to_string,
    );
    let told = (expected, found.as_str(), then);
    tell(shared, at, wanted, code::MODEL_UNTRUSTED, told).await;
}

/// Tells whether an alert says that a certificate is not believed (RFC 8446 section 6.2).
fn is_about_trust(alert: AlertDescription) -> bool {
    [
        AlertDescription::UnknownCA,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
    ]
    .contains(&alert)
}

/// Records an event of a host, the first of its code in a session.
async fn tell(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    code: &'static str,
    (expected, found, then): (&str, &str, &str),
) {
    if !at.session.models().is_first(&wanted.host, code) {
        return;
    }
    tracing::info!(session = %at.session.id(), code, pid = at.peer.pid, found, "model call is not read");
    let detail = json!({
        "host": wanted.host,
        "destination": at.destination.to_string(),
        "pid": at.peer.pid,
        "exe": at.peer.exe,
        "expected": expected,
        "found": found,
        "then": then,
    });
    let (severity, category) = (Severity::Low, Category::Net);
    shared
        .event(Some(at.session), code, severity, category, detail)
        .await;
}
