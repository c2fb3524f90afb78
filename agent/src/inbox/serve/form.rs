//! What a page's form sends, read strictly. Pure.

use percent_encoding::percent_decode_str;
use ring::hmac;

use super::guard::{Refused, is_same};
use crate::approval::Answer;
use crate::id::ApprovalId;
use crate::inbox::words::{GRANT_MAX_S, REASON_MAX};
use crate::record::hex;

/// What somebody says by a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) token: String,
    pub(super) digest: String,
    pub(super) answer: Answer,
    pub(super) reason: Option<String>,
    pub(super) grant_s: Option<u64>,
}

impl Sent {
    /// Reads a body (`application/x-www-form-urlencoded`).
    pub(super) fn read(body: &[u8]) -> Result<Self, Refused> {
        let body = std::str::from_utf8(body).map_err(|_| Refused::Form("what is not text"))?;
        let [mut token, mut digest, mut answer, mut reason, mut grant] = [const { None }; 5];
        for pair in body.split('&') {
            let (name, value) = pair.split_once('=').ok_or(Refused::Form("no value"))?;
            let place = match name {
                "token" => &mut token,
                "digest" => &mut digest,
                "answer" => &mut answer,
                "reason" => &mut reason,
                "grant" => &mut grant,
                _ => return Err(Refused::Form("a field of another name")),
            };
            if place.replace(decoded(value)?).is_some() {
                return Err(Refused::Form("a field twice"));
            }
        }
        let answer = match answer.as_deref() {
            Some("approve") => Answer::Approve,
            Some("deny") => Answer::Deny,
            _ => return Err(Refused::Form("neither a yes nor a no")),
        };
        let reason = reason.map(|reason: String| reason.trim().to_owned());
        let reason = reason.filter(|reason| !reason.is_empty());
        let length = reason.as_ref().map_or(0, |reason| reason.chars().count());
        if length > REASON_MAX {
            return Err(Refused::Form("a reason that is too long"));
        }
        if answer == Answer::Deny && reason.is_none() {
            return Err(Refused::Form("a no without a reason"));
        }
        let grant_s = match (answer, grant.as_deref()) {
            (Answer::Deny, _) | (_, None | Some("")) => None,
            (Answer::Approve, Some(text)) => Some(grant_of(text)?),
        };
        Ok(Self {
            token: token.ok_or(Refused::Form("none of its words"))?,
            digest: digest.ok_or(Refused::Form("none of its words"))?,
            answer,
            reason,
            grant_s,
        })
    }
}

fn grant_of(text: &str) -> Result<u64, Refused> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds| (1..=GRANT_MAX_S).contains(seconds));
    seconds.ok_or(Refused::Form("a grant of another time"))
}

fn decoded(value: &str) -> Result<String, Refused> {
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8();
    // A browser sends line breaks of a text as CR LF (HTML, "constructing the entry list").
    text.map(|text| text.replace("\r\n", "\n"))
        .map_err(|_| Refused::Form("what is not text"))
}

/// Makes the words by which this server knows its own forms: each is of one request as it was shown.
pub(super) struct Tokens(pub(super) hmac::Key);

impl Tokens {
    pub(super) fn of(&self, id: ApprovalId, digest: &str) -> String {
        let message = format!("{id} {digest}");
        hex(hmac::sign(&self.0, message.as_bytes()).as_ref())
    }

    pub(super) fn check(&self, sent: &Sent, id: ApprovalId) -> Result<(), Refused> {
        match is_same(&sent.token, &self.of(id, &sent.digest)) {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_the_page_is_read() {
        let body = b"token=t&digest=d&reason=+fine%0D%0Aso+%C3%BC+&grant=1800&answer=approve";
        let expected = Sent {
            token: "t".to_owned(),
            digest: "d".to_owned(),
            answer: Answer::Approve,
            reason: Some("fine\nso \u{fc}".to_owned()),
            grant_s: Some(1800),
        };
        assert_eq!(Sent::read(body), Ok(expected));
    }

    #[track_caller]
    fn refused(more: &str, found: &'static str) {
        let body = format!("token=t&digest=d&{more}");
        let read = Sent::read(body.as_bytes());
        assert_eq!(read, Err(Refused::Form(found)), "{body}");
    }

    #[test]
    fn another_form_is_refused() {
        refused("answer=maybe", "neither a yes nor a no");
        refused("answer=approve&answer=deny", "a field twice");
        refused("answer=deny&reason=+", "a no without a reason");
        refused("answer=approve&x=1", "a field of another name");
        refused("answer=approve&grant=-1", "a grant of another time");
        refused("answer=approve&grant=9999999", "a grant of another time");
        refused("answer=approve&reason=%ff", "what is not text");
        let long = format!("answer=approve&reason={}", "x".repeat(2001));
        refused(&long, "a reason that is too long");
        for body in ["token=t&answer=approve", "digest=d&answer=approve"] {
            let read = Sent::read(body.as_bytes());
            assert_eq!(read, Err(Refused::Form("none of its words")), "{body}");
        }
    }

    #[test]
    fn a_forms_word_is_of_one_request_as_it_was_shown() {
        let of = |byte: u8| Tokens(hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]));
        let (own, elsewhere) = (of(7), of(8));
        let (one, other) = (ApprovalId::new(), ApprovalId::new());
        let sent = |token: &str, digest: &str| {
            let body = format!("token={token}&digest={digest}&answer=approve");
            Sent::read(body.as_bytes()).unwrap()
        };
        let token = own.of(one, "d1");
        assert_eq!(own.check(&sent(&token, "d1"), one), Ok(()));
        for (token, digest, id) in [
            (&*token, "d2", one),
            (&*token, "d1", other),
            ("", "d1", one),
        ] {
            let checked = own.check(&sent(token, digest), id);
            assert_eq!(checked, Err(Refused::Token));
        }
        let checked = elsewhere.check(&sent(&token, "d1"), one);
        assert_eq!(checked, Err(Refused::Token));
    }
}
