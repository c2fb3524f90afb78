//! Any bytes are an assertion or an error, and no change of a signed message asserts something else.
//!
//! `assertion/` holds what npm samlp 8.0 issued and published of itself.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use icecore::identity::saml::{
    Assertion, AttributeNames, Provider, SamlError, Seen, Settings, verify,
};
use libfuzzer_sys::fuzz_target;

const MESSAGE: &str = include_str!("../assertion/response.xml");
const METADATA: &str = include_str!("../assertion/metadata.xml");
const NOW: &str = "2026-11-26T13:32:49.836Z";

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    provider: Provider::read(METADATA.as_bytes()).expect("samlp's metadata is read"),
    audience: "icecore".into(),
    recipient: "https://icecore.example/acs".into(),
    in_response_to: None,
    leeway: Duration::from_secs(30),
    attributes: AttributeNames {
        groups: Some("http://schemas.passportjs.com/groups".into()),
        user: None,
    },
});
static GOOD: LazyLock<Assertion> =
    LazyLock::new(|| judge(MESSAGE.as_bytes()).expect("samlp's assertion is good"));

fuzz_target!(|bytes: &[u8]| {
    holds(bytes);
    if let Some(changed) = changed(bytes) {
        holds(&changed);
    }
    let _read_or_refused = Provider::read(bytes);
});

fn judge(message: &[u8]) -> Result<Assertion, SamlError> {
    verify(
        message,
        &SETTINGS,
        &mut Seen::new(1),
        NOW.parse().expect("a time"),
    )
}

fn holds(message: &[u8]) {
    if let Ok(found) = judge(message) {
        assert_eq!(found, *GOOD);
    }
}

/// Puts the bytes into the message, in place of some of its own: where and how many the first four say.
fn changed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (place, instead) = bytes.split_first_chunk::<4>()?;
    let [at, length] = [[place[0], place[1]], [place[2], place[3]]].map(u16::from_le_bytes);
    let at = usize::from(at) % MESSAGE.len();
    let behind = (at + usize::from(length)).min(MESSAGE.len());
    Some(
        [
            &MESSAGE.as_bytes()[..at],
            instead,
            &MESSAGE.as_bytes()[behind..],
        ]
        .concat(),
    )
}
