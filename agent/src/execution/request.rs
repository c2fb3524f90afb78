//! A request's name here and upstream.

use ring::digest::{Context, SHA256};
use uuid::Uuid;

use crate::id::LoginId;

/// Names a request among those of its session: by its login and the id that the client chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestKey([u8; 16]);

impl RequestKey {
    pub(super) fn new(login: LoginId, request_id: &str) -> Self {
        Self(digest(&[b"key", login.as_bytes(), request_id.as_bytes()]))
    }
}

/// Names a request to Snowflake: by its login, the id that the client chose, and all that gives it its meaning.
///
/// The same request sent again has the same name, by which Snowflake runs it once; no other request has it, whatever id
/// its client chose and however widely Snowflake takes an id to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamId(Uuid);

impl UpstreamId {
    pub(super) fn new(login: LoginId, request_id: &str, meaning: &[u8; 32]) -> Self {
        let parts: [&[u8]; 4] = [
            b"upstream",
            login.as_bytes(),
            request_id.as_bytes(),
            meaning,
        ];
        // In the form of version 4, as every driver's are.
        Self(uuid::Builder::from_random_bytes(digest(&parts)).into_uuid())
    }
}

impl std::fmt::Display for UpstreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// Gives the first half of SHA-256 over parts, each behind its length.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_upstream_is_named_by_its_login_id_and_meaning() {
        let login = LoginId::new();
        let named = UpstreamId::new(login, "r", &[1; 32]);
        assert_eq!(named, UpstreamId::new(login, "r", &[1; 32]));
        for other in [
            UpstreamId::new(LoginId::new(), "r", &[1; 32]),
            UpstreamId::new(login, "s", &[1; 32]),
            UpstreamId::new(login, "r", &[2; 32]),
        ] {
            assert_ne!(named, other);
        }
        let read = Uuid::parse_str(&named.to_string()).unwrap();
        assert_eq!(read.get_version_num(), 4);
    }
}
