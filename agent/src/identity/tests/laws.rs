//! Laws: nothing but a good token is taken, and any bytes give a value or an error.

use super::*;

/// A claim's or header member's name and another value for it.
fn change() -> impl Strategy<Value = (bool, String, Value)> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,4}", 0..3).prop_map(Value::from),
    ];
    let known = [
        "iss", "sub", "aud", "iat", "nbf", "exp", "groups", "jti", "alg", "typ", "kid",
    ];
    let name = prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "[a-z]{1,6}"
    ];
    (any::<bool>(), name, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_token_with_one_other_byte_is_taken(at in any::<prop::sample::Index>(), other in any::<u8>()) {
        let signer = Signer::ec();
        let good = signer.token(&header("ES256"), &claims().to_string());
        prop_assert!(judge(&issuer(), &signer.keys(), &good).is_ok());
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = other;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assert_eq!(judge(&issuer(), &signer.keys(), &changed).is_ok(), changed == good);
    }

    #[test]
    fn no_token_with_another_claim_or_header_is_taken((of_header, name, value) in change()) {
        let signer = Signer::ec();
        let good = signer.token(&header("ES256"), &claims().to_string());
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        let place = usize::from(!of_header);
        let mut object: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[place]).unwrap()).unwrap();
        object[name] = value;
        parts[place] = encode(object.to_string());
        let changed = parts.join(".");
        prop_assert_eq!(judge(&issuer(), &signer.keys(), &changed).is_ok(), changed == good);
    }

    #[test]
    fn any_text_gives_a_token_or_an_error(text in "[A-Za-z0-9_.=-]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(Token::read(&text));
        drop(Token::read(&format!("{}.{}.{}", encode(&bytes), encode(&bytes), text)));
        drop(Keys::read(&bytes));
    }
}
