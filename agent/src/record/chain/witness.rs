//! What a chain says to a witness, and hears from it (C2SP `tlog-witness.md`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use zeroize::Zeroizing;

use super::note::{Note, NoteError};
use super::tree::Hash;
use crate::web::{self, WebError};

/// Most hashes of a proof: a tree has at most 2^63 leaves.
const PROOF_MAX: usize = 63;

/// A checkpoint for a witness, and the proof that it goes on from the one that the witness knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// How many leaves the witness knows.
    pub old_size: u64,
    /// See [`super::tree::consistency`].
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl Submission {
    /// Reads the body of a request; none where it is not one.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let (old, mut rest) = body.strip_prefix("old ")?.split_once('\n')?;
        let old_size: u64 = old.parse().ok()?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            if line.is_empty() {
                break;
            }
            proof.push(STANDARD.decode(line).ok()?.try_into().ok()?);
        }
        let is_canonical = old_size.to_string() == old;
        (is_canonical && proof.len() <= PROOF_MAX).then(|| Self {
            old_size,
            proof,
            note: rest.to_owned(),
        })
    }
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why a witness did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// It knows another size of the chain: the proof must go on from that.
    #[error("the witness knows {size} rows of the chain")]
    Known {
        /// How many leaves it knows.
        size: u64,
    },
    /// It does not take the checkpoint.
    #[error("the witness answered with HTTP status {status}: {text}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        text: String,
    },
    /// What it answered is not signatures.
    #[error("the witness did not answer with signatures")]
    Answer(#[from] NoteError),
    /// It cannot be reached.
    #[error("the witness cannot be reached")]
    Web(#[from] WebError),
}

/// Has a witness sign a checkpoint, and gives the lines of its signatures.
///
/// # Errors
/// It knows another size, does not take the checkpoint, or cannot be reached.
pub async fn add_checkpoint(
    web: &web::Client,
    url: &str,
    submission: &Submission,
) -> Result<String, AddError> {
    let mut request = web::Request::of_url(format!("{}/add-checkpoint", url.trim_end_matches('/')));
    request.method = Method::POST;
    request.body = Zeroizing::new(submission.to_string().into_bytes());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    request.headers.insert(CONTENT_TYPE, plain);
    let answer = web.send(request).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status {
        StatusCode::OK => {
            Note::parse(&submission.note)?.add(&text)?;
            Ok(text)
        }
        StatusCode::CONFLICT if let Ok(size) = text.trim_end().parse() => {
            Err(AddError::Known { size })
        }
        status => Err(AddError::Refused {
            status: status.as_u16(),
            text: text.chars().take(200).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_submission_reads_back_equal(old_size in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..5), note in "[a-z\n]{0,20}") {
            let submission = Submission { old_size, proof, note };
            prop_assert_eq!(Submission::read(&submission.to_string()), Some(submission));
        }

        #[test]
        fn what_is_read_as_a_submission_is_written_the_same(body in "old [+0-9]{1,3}\n([A-Za-z0-9+/]{43}=\n){0,2}\n?[a-z\n]{0,9}") {
            if let Some(submission) = Submission::read(&body) {
                prop_assert_eq!(submission.to_string(), body);
            }
        }
    }

    #[test]
    fn too_long_a_proof_is_refused() {
        let submission = |count| Submission {
            old_size: 1,
            proof: vec![[0; 32]; count],
            note: String::new(),
        };
        assert!(Submission::read(&submission(63).to_string()).is_some());
        assert!(Submission::read(&submission(64).to_string()).is_none());
    }
}
