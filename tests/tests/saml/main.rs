//! SAML by real implementations: what npm `samlp` issues, and whether `xmlsec1` agrees about signatures.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod issued;
#[cfg(test)]
mod second;
#[cfg(test)]
mod wrapping;

#[cfg(test)]
use std::time::Duration;

use icecore::clock::Clock;
use icecore::identity::saml::{self, Assertion, AttributeNames, SamlError, Seen, Settings};
use icecore_tests::saml::Provider;

/// What a host is told of the provider: its own metadata, and our names.
#[cfg(test)]
fn settings(provider: &Provider) -> Settings {
    let claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
    Settings {
        provider: saml::Provider::read(provider.metadata().unwrap().as_bytes()).unwrap(),
        audience: "icecore".into(),
        recipient: "https://icecore.example/acs".into(),
        in_response_to: None,
        leeway: Duration::from_secs(30),
        attributes: AttributeNames {
            groups: Some("http://schemas.passportjs.com/groups".into()),
            user: Some(format!("{claims}/name")),
        },
    }
}

#[cfg(test)]
fn judge(message: &str, settings: &Settings) -> Result<Assertion, SamlError> {
    saml::verify(
        message.as_bytes(),
        settings,
        &mut Seen::new(1),
        Clock::system().now(),
    )
}
