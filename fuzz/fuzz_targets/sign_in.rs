//! Any query that a browser brings, and any answer of an issuer's endpoints, is read or refused.

#![no_main]

use std::time::Duration;

use icecore::identity::sign_in::{Callback, DeviceCode, Poll, Promised};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(query) = std::str::from_utf8(bytes)
        && let Ok(read) = Callback::read(query)
    {
        let _ = read.code("s", "https://acme.okta.com", Promised::Nothing);
    }
    let _ = DeviceCode::read(bytes);
    let _ = Poll::read(Ok(bytes), Duration::from_secs(5));
});
