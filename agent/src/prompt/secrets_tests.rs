//! What is taken out of a text, and what stays.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let clean = clean(text);
    assert_eq!(clean.text, expected);
    let marks = expected.matches(MARK).count();
    let counted: u32 = clean.redactions.values().sum();
    assert_eq!(counted as usize, marks);
}

#[test]
fn each_form_is_marked_and_what_stands_around_it_stays() {
    for (text, expected) in [
        ("use AKIAIOSFODNN7EXAMPLE now", "use [redacted:key] now"),
        (
            "token ghp_abcdefghijklmnopqrstuvwxyz0123456789.",
            "token [redacted:key].",
        ),
        ("glpat-abcdefghijklmnopqrst", "[redacted:key]"),
        ("xoxb-123456789012-abcdef", "[redacted:key]"),
        ("AIzaSyA-1234567890123456789012345678901", "[redacted:key]"),
        ("ya29.a0AfH6SMBx1234567890abcdef", "[redacted:key]"),
        ("eyJhbGciOiJub25l.eyJzdWIiOiIxMjM0.sig", "[redacted:jwt]"),
        (
            "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nthanks",
            "[redacted:pem]\nthanks",
        ),
        ("ver:1-hint:1036-ETMsDgAAAXk+/AbC==", "[redacted:snowflake]"),
        (
            "postgres://joe:s3cr3t@db/x",
            "postgres://joe:[redacted:password]@db/x",
        ),
        (
            "Server=x;Password=s3cr3t;Encrypt=1",
            "Server=x;Password=[redacted:password];Encrypt=1",
        ),
        (
            "export PGPASSWORD=s3cr3t && psql",
            "export PGPASSWORD=[redacted:password] && psql",
        ),
        (
            "SNOWFLAKE_PASSWORD: s3cr3t\nROLE: R",
            "SNOWFLAKE_PASSWORD: [redacted:password]\nROLE: R",
        ),
        (
            "snowsql --password s3cr3t -q 'select 1'",
            "snowsql --password [redacted:password] -q 'select 1'",
        ),
        (
            "curl -H 'Authorization: Bearer abcdef123456' x",
            "curl -H 'Authorization: Bearer [redacted:header]' x",
        ),
        (
            "curl -H \"X-Api-Key: abcdef123456\" x",
            "curl -H \"X-Api-Key: [redacted:header]\" x",
        ),
        (
            r#"connect(user="u", password="s3cr3t", role="r")"#,
            r#"connect(user="u", password="[redacted:password]", role="r")"#,
        ),
        (
            r#"{"command":"connect(password=\"s3cr3t\")"}"#,
            r#"{"command":"connect(password=\"[redacted:password]\")"}"#,
        ),
        (
            r#"{"client_secret":"s3cr3t"}"#,
            r#"{"client_secret":"[redacted:password]"}"#,
        ),
        (
            "PASSWORD=a$b&c(d)e next",
            "PASSWORD=[redacted:password] next",
        ),
        (
            r#"run(["snowsql", "--password", "hunter2"])"#,
            r#"run(["snowsql", "--password", "[redacted:password]"])"#,
        ),
        (
            "run '--password' 'hunter2'",
            "run '--password' '[redacted:password]'",
        ),
        (
            r#"{"command":["snowsql","--password","hunter2"#,
            r#"{"command":["snowsql","--password","[redacted:password]"#,
        ),
        (
            "snowsql --password '$ecr3t' -q x",
            "snowsql --password '[redacted:password]' -q x",
        ),
        ("password='$ecr3t'", "password='[redacted:password]'"),
        (r#"password="$ecr3t""#, r#"password="[redacted:password]""#),
        ("--password %ecr3t x", "--password [redacted:password] x"),
        ("PASSWORD=$1$saltandhash", "PASSWORD=[redacted:password]"),
        (
            "the password is hunter22, ok",
            "the password is [redacted:password], ok",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn keys_of_model_apis_are_marked() {
    for front in ["sk-ant-api03-", "sk-ant-oat01-", "sk-proj-", "sk-"] {
        check(
            &format!("key {front}{},", "aB3_".repeat(6)),
            "key [redacted:key],",
        );
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "",
        "how many rows are in orders?",
        "select a from t where password = b.password and pwd is null",
        "password=os.environ[\"P\"]",
        "password=$SNOWFLAKE_PASSWORD",
        "password=\"$SNOWFLAKE_PASSWORD\"",
        "password=\"${pw:-none}\" --token $(cat token)",
        "password: ${{ secrets.PASSWORD }}",
        "password=%(password)s and --password %PASSWORD% /x",
        "the password is not in the file",
        "password: null",
        "api_key = None",
        "password: ********",
        "primary_key: id",
        "--token-limit 500",
        "the secret of good SQL is a short list of columns",
    ] {
        check(text, text);
    }
}

#[test]
fn a_json_text_stays_one() {
    for (text, expected) in [
        (r#"{"command": "echo  1"}"#, r#"{"command": "echo  1"}"#),
        (
            r#"{"command": "snowsql --password s3cr3t"}"#,
            r#"{"command":"snowsql --password [redacted:password]"}"#,
        ),
        (
            r#"{"command":["snowsql","--password","hunter2","-q","select 1"]}"#,
            r#"{"command":["snowsql","--password","[redacted:password]","-q","select 1"]}"#,
        ),
        (
            r#"["--password",12345678,"--token","$TOKEN","--pwd","it's \"mine\""]"#,
            r#"["--password","[redacted:password]","--token","$TOKEN","--pwd","[redacted:password]"]"#,
        ),
        (
            r#"{"password":"$ecr3t"}"#,
            r#"{"password":"[redacted:password]"}"#,
        ),
        (
            r#"{"n":1,"password":"it's \"quoted\" s3cr3t"}"#,
            r#"{"n":1,"password":"[redacted:password]"}"#,
        ),
        (
            r#"{"api_key":12345678}"#,
            r#"{"api_key":"[redacted:password]"}"#,
        ),
        (
            r#"[{"a":["AKIAIOSFODNN7EXAMPLE"]}]"#,
            r#"[{"a":["[redacted:key]"]}]"#,
        ),
        (
            r#"{"password":null,"row_count":12345678}"#,
            r#"{"password":null,"row_count":12345678}"#,
        ),
        (
            r#"{"password":"s3cr3t"#,
            r#""{\"password\":\"[redacted:password]""#,
        ),
        ("", r#""""#),
    ] {
        let clean = clean_json(text);
        assert_eq!(clean.text, expected);
        let marks = expected.matches(MARK).count();
        assert_eq!(
            clean.redactions.values().sum::<u32>() as usize,
            marks,
            "{text}"
        );
    }
}

#[test]
fn secrets_are_counted_by_kind_and_marks_are_not_marked_again() {
    let once = clean("AKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLF password=abcdef");
    let counts: Vec<(&str, u32)> = once
        .redactions
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(counts, [("key", 2), ("password", 1)]);
    let twice = clean(&once.text);
    assert_eq!((twice.text, twice.redactions.len()), (once.text, 0));
}

#[test]
fn a_long_text_takes_linear_time() {
    for piece in [
        "password ",
        "password=",
        "://a:",
        "-----BEGIN A-----",
        "eyJ",
        "a=",
        "authorization: bearer ",
        "'\\\"",
        "_token_",
    ] {
        let text = piece.repeat((256 << 10) / piece.len());
        drop(clean(&text));
    }
}

proptest! {
    #[test]
    fn any_text_is_looked_at(text in "(?s).{0,300}") {
        drop(clean(&text));
    }

    #[test]
    fn any_json_stays_json(text in "(?s)[{}\\[\\]\":,pwd=1 a-z']{0,60}", password in "[a-z\"'\\\\ ]{4,20}") {
        let whole = serde_json::json!({"password": password, "text": text}).to_string();
        for text in [&text, &whole] {
            let clean = clean_json(text);
            prop_assert!(
                serde_json::from_str::<Value>(&clean.text).is_ok(),
                "{}",
                clean.text
            );
        }
    }

    #[test]
    fn a_secret_leaves_nothing_of_itself(before in "[a-z '(=:\"]{0,30}", key in "(AKIA[A-Z0-9]{16}|sk-ant-api03-[A-Za-z0-9]{20})", after in "[') ;\"]{0,3}") {
        let out = clean(&format!("{before} {key}{after}"));
        prop_assert!(!out.text.contains(&key), "{}", out.text);
    }

    #[test]
    fn a_variables_value_leaves_nothing_of_itself(name in "[A-Z_]{0,9}(PASSWORD|SECRET_KEY|ACCESS_TOKEN|API_KEY)", value in "[A-Za-z0-9+/]{12,40}", between in "(=|: |=\"|: '| = )") {
        let out = clean(&format!("export {name}{between}{value}\nnext"));
        prop_assert!(!out.text.contains(&value), "{}", out.text);
    }
}
