//! Sign-ins by data: words that have their form, answers that are taken, and those that are not.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::snowflake::secret::Secret;

const ISSUER: &str = "https://acme.okta.com";

fn attempt() -> Attempt {
    let mut next = 0;
    Attempt::of(&[0; ATTEMPT_BYTES].map(|byte: u8| {
        next += 1;
        byte + next
    }))
}

#[test]
fn the_challenge_is_that_of_the_standards_example() {
    // RFC 7636, appendix B.
    let attempt = Attempt {
        verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        ..attempt()
    };
    assert_eq!(
        attempt.challenge(),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
}

#[test]
fn the_address_has_all_that_is_asked_and_never_the_verifier() {
    let attempt = attempt();
    let url = attempt.url(
        "https://a.test/auth?tenant=1",
        "id 1",
        "http://127.0.0.1:9/callback",
        "openid groups",
    );
    let expected = format!(
        "https://a.test/auth?tenant=1&response_type=code&client_id=id%201&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback\
         &scope=openid%20groups&state={}&nonce={}&code_challenge={}&code_challenge_method=S256",
        attempt.state,
        attempt.nonce,
        attempt.challenge(),
    );
    assert_eq!(url, expected);
    assert!(!url.contains(&attempt.verifier));
}

fn code(query: &str, promised: Promised) -> Result<String, SignInError> {
    let code = Callback::read(query)?.code("s-1", ISSUER, promised)?;
    Ok(code.reveal().to_owned())
}

#[track_caller]
fn refused(query: &str, promised: Promised, expected: &str) {
    assert_eq!(code(query, promised).unwrap_err().to_string(), expected);
}

#[test]
fn a_code_is_taken_from_the_asked_issuer_in_answer_to_this_attempt_alone() {
    use Promised::{Issuer, Nothing};
    let iss = "iss=https%3A%2F%2Facme.okta.com";
    assert_eq!(
        code("code=a%2Bb&state=s-1&session_state=x", Nothing),
        Ok("a+b".to_owned())
    );
    assert_eq!(
        code(&format!("state=s-1&{iss}&code=c"), Issuer),
        Ok("c".to_owned())
    );
    let state = "expected the `state` of this sign-in, found another";
    refused("code=c&state=s-2", Nothing, state);
    refused("code=c", Nothing, state);
    refused("error=access_denied", Nothing, state);
    let none = format!("expected `iss` {ISSUER:?}, found none, though the issuer promises it");
    refused("code=c&state=s-1", Issuer, &none);
    let other = format!("expected `iss` {ISSUER:?}, found \"https://evil.test\"");
    refused("code=c&state=s-1&iss=https://evil.test", Nothing, &other);
    refused(
        "error=access_denied&state=s-1&error_description=no",
        Nothing,
        "the issuer said `access_denied`",
    );
    refused(
        "error=x%1b%5b31m&code=c&state=s-1",
        Nothing,
        "the issuer said `x31m`",
    );
    for (query, found) in [
        ("code=a&code=b&state=s-1", "one member twice"),
        ("code=a&state=s-1&state=s-1", "one member twice"),
        ("code=%ff&state=s-1", "what is not text"),
        ("state=s-1", "no `code`"),
        ("code=&state=s-1", "no `code`"),
        (&"x".repeat(20_000), "too long a one"),
    ] {
        let expected =
            format!("expected the issuer's answer in the browser's address, found {found}");
        refused(query, Nothing, &expected);
    }
}

#[test]
fn a_device_code_is_asked_about_as_the_standard_says() {
    let body =
        br#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://a.test/device",
        "verification_uri_complete":"javascript:alert(1)","expires_in":900}"#;
    let read = DeviceCode::read(body).unwrap();
    let expected = DeviceCode {
        device_code: Secret::new("d".to_owned()),
        user_code: "WDJB-MJHT".to_owned(),
        verification_uri: "https://a.test/device".to_owned(),
        complete_uri: None,
        expires_in: Duration::from_secs(900),
        interval: Duration::from_secs(5),
    };
    assert_eq!(read, expected);
    let five = Duration::from_secs(5);
    let word = |word| Poll::read(Err(Some(word)), five);
    assert_eq!(word("authorization_pending"), Ok(Poll::Wait(five)));
    assert_eq!(word("slow_down"), Ok(Poll::Wait(five + five)));
    assert_eq!(
        word("access_denied"),
        Err(SignInError::Refused("access_denied".to_owned()))
    );
    assert_eq!(
        word("expired_token").unwrap_err().hint(),
        Some("the code was not typed in in time; start again")
    );
    assert!(Poll::read(Err(None), five).is_err());
    let tokens = Poll::read(
        Ok(br#"{"id_token":"a.b.c","refresh_token":"r","token_type":"Bearer"}"#),
        five,
    );
    let Ok(Poll::Done(tokens)) = tokens else {
        panic!("{tokens:?}")
    };
    assert_eq!(
        (
            tokens.id_token.reveal(),
            tokens.refresh_token.unwrap().reveal()
        ),
        ("a.b.c", "r")
    );
}

#[test]
fn answers_that_are_none_are_refused_and_not_repeated() {
    for body in [
        &b"secret-1"[..],
        br#"{"access_token":"secret-1"}"#,
        br#"{"id_token":"secret-1","id_token":"b"}"#,
        br#"{"id_token":"secret-1 x"}"#,
    ] {
        let error = Tokens::read(body).unwrap_err().to_string();
        assert!(!error.contains("secret-1"), "{error}");
    }
    for body in [
        r#"{"device_code":"d","user_code":"a\u001b[2J","verification_uri":"https://a","expires_in":9}"#,
        r#"{"device_code":"d","user_code":"a","verification_uri":"file:///etc","expires_in":9}"#,
        r#"{"device_code":"d","user_code":"a","verification_uri":"https://a"}"#,
    ] {
        assert!(DeviceCode::read(body.as_bytes()).is_err(), "{body}");
    }
}

fn token(claims: &str) -> Token {
    use base64::Engine as _;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let text = format!(
        "{}.{}.{}",
        part(r#"{"alg":"ES256"}"#),
        part(claims),
        part("s")
    );
    Token::read(&text).unwrap()
}

#[test]
fn an_id_token_answers_our_question_and_is_for_our_client() {
    let check = |claims: &str, nonce| check_id_token(&token(claims), "client", nonce);
    let good = r#"{"iss":"i","aud":["api","client"],"nonce":"n"}"#;
    assert_eq!(check(good, Nonce::Same("n")), Ok(()));
    assert_eq!(check(good, Nonce::Same("m")), Err(SignInError::Nonce));
    assert_eq!(
        check(good, Nonce::SameIfThere("m")),
        Err(SignInError::Nonce)
    );
    assert_eq!(check(good, Nonce::NotSent), Ok(()));
    let without = r#"{"iss":"i","aud":"client"}"#;
    assert_eq!(check(without, Nonce::Same("n")), Err(SignInError::Nonce));
    assert_eq!(check(without, Nonce::SameIfThere("n")), Ok(()));
    assert_eq!(
        check(
            r#"{"iss":"i","aud":"client","nonce":1}"#,
            Nonce::SameIfThere("n")
        ),
        Err(SignInError::Nonce)
    );
    let other = Err(SignInError::Audience("client".to_owned()));
    assert_eq!(
        check(r#"{"iss":"i","aud":"api","nonce":"n"}"#, Nonce::Same("n")),
        other
    );
    assert_eq!(check(r#"{"iss":"i","nonce":"n"}"#, Nonce::Same("n")), other);
}

#[test]
fn the_shown_name_is_what_a_terminal_can_show() {
    assert_eq!(
        shown_name(&token(r#"{"iss":"i","email":"ada@acme.test"}"#)).as_deref(),
        Some("ada@acme.test")
    );
    assert_eq!(
        shown_name(&token(r#"{"iss":"i","email":"a\u001b[2J"}"#)),
        None
    );
}

proptest! {
    /// RFC 7636 section 4.1: 43 to 128 unreserved characters; state and nonce are of the same form.
    #[test]
    fn random_words_have_the_standards_form_and_differ(random in prop::collection::vec(any::<u8>(), ATTEMPT_BYTES)) {
        let random: [u8; ATTEMPT_BYTES] = random.try_into().unwrap();
        let attempt = Attempt::of(&random);
        for word in [&attempt.state, &attempt.nonce, &attempt.verifier] {
            prop_assert_eq!(word.len(), 43);
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
        // Every random byte counts in one word alone.
        for index in 0..ATTEMPT_BYTES {
            let mut other = random;
            other[index] ^= 0xff;
            let other = Attempt::of(&other);
            let changed = [
                other.state != attempt.state, other.nonce != attempt.nonce, other.verifier != attempt.verifier,
            ];
            prop_assert_eq!(changed.iter().filter(|one| **one).count(), 1);
        }
    }

    #[test]
    fn any_answer_is_taken_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), query in ".{0,200}") {
        drop(Tokens::read(&body));
        drop(DeviceCode::read(&body));
        if let Ok(read) = Callback::read(&query) {
            drop(read.code("s", ISSUER, Promised::Nothing));
        }
    }
}
