//! One attempt to sign in by the browser: its three random words, and the address that the browser opens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};

/// What is escaped in a query: all but the unreserved characters (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Random bytes of one attempt: 256 bits a word.
pub const BYTES: usize = 96;

/// The words by which the answer to an attempt is known; all three are random, none is shown by another.
pub struct Attempt {
    /// Comes back in the browser's address: the answer is to this attempt (RFC 6749 section 10.12).
    pub state: String,
    /// Comes back in the ID token: so is the token.
    pub nonce: String,
    /// Goes to the token endpoint alone: who brings the code is who asked (RFC 7636).
    pub verifier: String,
}

impl Attempt {
    /// Makes an attempt of random bytes.
    #[must_use]
    pub fn of(random: &[u8; BYTES]) -> Self {
        let (state, rest) = random.split_at(BYTES / 3);
        let (nonce, verifier) = rest.split_at(BYTES / 3);
        let word = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            state: word(state),
            nonce: word(nonce),
            verifier: word(verifier),
        }
    }

    /// Makes an attempt whose ID token repeats a nonce that says what it is for.
    #[must_use]
    pub fn about(nonce: String, random: &[u8; BYTES]) -> Self {
        Self {
            nonce,
            ..Self::of(random)
        }
    }

    /// Gives what the issuer is told of the verifier (RFC 7636 section 4.2, `S256`).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    /// Writes the address that the browser opens.
    #[must_use]
    pub fn url(&self, endpoint: &str, client_id: &str, redirect_uri: &str, scope: &str) -> String {
        self.url_with(endpoint, client_id, redirect_uri, scope, &[])
    }

    /// Writes the address, with more that is asked of the issuer (OpenID Connect Core, section 3.1.2.1).
    #[must_use]
    pub fn url_with(
        &self,
        endpoint: &str,
        client_id: &str,
        redirect_uri: &str,
        scope: &str,
        more: &[(&str, &str)],
    ) -> String {
        let challenge = self.challenge();
        let pairs = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", scope),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let written: Vec<String> = pairs
            .iter()
            .chain(more)
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
            .collect();
        // A query that the endpoint has itself stays (RFC 6749 section 3.1).
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{joint}{}", written.join("&"))
    }
}
