//! What each detector finds, and what only looks like it.

use proptest::prelude::*;

use super::*;

fn hidden(names: &str, text: &str) -> String {
    let found = Detectors::read(names).unwrap().hide(text);
    found.unwrap_or_else(|| text.to_owned())
}

#[test]
fn every_pattern_can_be_read() {
    for detector in Detector::ALL {
        assert!(
            detector.regex().is_some(),
            "{detector:?}: {:?}",
            Regex::new(detector.pattern())
        );
    }
}

#[test]
fn what_has_the_form_is_hidden_and_what_stands_around_it_is_not() {
    for (name, text, expected) in [
        (
            "email",
            "mail jürgen.o'neil+x@mail.example.co.uk now",
            "mail ********************************** now",
        ),
        (
            "phone",
            "call +49 (30) 1234-5678!",
            "call ******************!",
        ),
        (
            "phone",
            "(555) 123-4567, 555.123.4567",
            "**************, ************",
        ),
        (
            "card",
            "4111 1111 1111 1111, 5500-0000-0000-0004",
            "*******************, *******************",
        ),
        ("card", "x378282246310005", "x378282246310005"),
        ("card", "378282246310005.", "***************."),
        (
            "iban",
            "DE89 3704 0044 0532 0130 00",
            "***************************",
        ),
        ("iban", "gb82west12345698765432", "**********************"),
        (
            "person",
            "12345678Z and X1234567L",
            "********* and *********",
        ),
        ("person", "RSSMRA85T10A562S", "****************"),
        ("person", "2 55 08 14 168 025 38", "*********************"),
        ("person", "529.982.247-25", "**************"),
        ("person", "44051401359", "***********"),
        ("person", "86095742719", "***********"),
        ("person", "811218-9876", "***********"),
        ("person", "131052-308T", "***********"),
        (
            "ip",
            "from 10.1.2.3 to 2001:db8::1",
            "from ******** to ***********",
        ),
        ("key", "id AKIAIOSFODNN7EXAMPLE", "id ********************"),
        (
            "key",
            "AccountKey=abcdefghijklmnopqrstuvwx==;x",
            "AccountKey=**************************;x",
        ),
        (
            "jwt",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
            "*****************************************",
        ),
        (
            "pem",
            "-----BEGIN PRIVATE KEY-----\nMII",
            "*******************************",
        ),
        (
            "snowflake",
            "t=ver:1-hint:12-abc+/=",
            "t=********************",
        ),
        (
            "snowflake",
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=1 ok",
            "********************************************** ok",
        ),
    ] {
        assert_eq!(hidden(name, text), expected, "{name}");
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for (name, text) in [
        ("email", "a@b and @c.d"),
        ("phone", "order 5551234567, 2026-11-26 10:00"),
        ("card", "4111 1111 1111 1112"),
        ("card", "0000000000000000"),
        ("iban", "DE89 3704 0044 0532 0130 01"),
        ("person", "12345678A"),
        ("person", "44051401358"),
        ("person", "111.111.111-11"),
        ("person", "2 55 08 14 168 025 39"),
        ("ip", "version 1.2.3, at 10:20:30, ::"),
        ("key", "AKIA and sk-short"),
        ("jwt", "eyJ.eyJ.x"),
        ("pem", "BEGIN PRIVATE KEY"),
        ("snowflake", "https://example.com/?page=2"),
    ] {
        assert_eq!(hidden(name, text), text, "{name}");
    }
}

proptest! {
    #[test]
    fn no_text_grows_or_breaks(text in "[-0-9a-zA-Z@.:+() ü]{0,60}") {
        let all = Detector::ALL.map(Detector::name).join("+");
        let out = hidden(&all, &text);
        prop_assert_eq!(out.chars().count(), text.chars().count());
    }

    #[test]
    fn a_value_is_found_wherever_it_stands(before in "[a-z ]{0,10}", behind in "[ ,;][a-z ]{0,10}") {
        let text = format!("{before} jo@example.com{behind} 4111111111111111 DE89370400440532013000");
        let out = hidden("email+card+iban", &text);
        prop_assert!(!out.contains("jo@") && !out.contains("4111") && !out.contains("DE89"), "{out}");
    }
}
