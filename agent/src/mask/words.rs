//! What Snowflake says of a statement that uses hidden values: its own fixed words, and nothing else.
//!
//! Errors that arise while rows are read quote values: of those only the form is told, with `?` in each place. What
//! the statement's text holds is no exception there: it may list guesses, and the error would say which is right. Errors
//! of compilation come before any row is read; of those stays what is a word of such messages or of the text.

use std::collections::BTreeSet;

/// What is told of an error in no known form.
const UNTOLD: &str = "Snowflake refused or failed this statement; its words are withheld by Icecore, since they may hold values that are masked (see the code and the query id)";

/// How errors of compilation begin.
const COMPILATION: [&str; 2] = ["SQL compilation error", "SQL access control error"];

/// Forms of errors that arise while a statement runs; `?` stands for what differs.
///
/// Source: messages of Snowflake's as its documentation, its drivers' tests and public threads quote them, read 2026-11.
const FORMS: [&str; 42] = [
    "Numeric value '?' is not recognized",
    "Numeric value '?' is out of range",
    "Boolean value '?' is not recognized",
    "Date '?' is not recognized",
    "Time '?' is not recognized",
    "Timestamp '?' is not recognized",
    "Can't parse '?' as date with format '?'",
    "Can't parse '?' as time with format '?'",
    "Can't parse '?' as timestamp with format '?'",
    "Too many digits for number '?'",
    "Number out of representable range: type ?, value ?",
    "Failed to cast variant value ? to ?",
    "Failed to cast parsed value ? to ?",
    "Error parsing JSON: ?",
    "Error parsing XML: ?",
    "Error parsing array: ?",
    "String '?' is too long and would be truncated",
    "String is too long and would be truncated",
    "String '?' cannot be inserted because it's bigger than column size",
    "Max LOB size (?) exceeded, actual size of parsed column is ?",
    "Array size exceeds allowed limit",
    "The following string is not a legal hex-encoded value: '?'",
    "The following string is not a legal base64-encoded value: '?'",
    "Invalid UTF8 detected in string '?'",
    "Invalid UTF8 detected while decoding '?'",
    "Invalid regular expression: '?', ?",
    "Invalid regular expression: '?'",
    "Invalid floating point operation: ?",
    "Invalid parameter value: ? for parameter '?'",
    "Division by zero",
    "Single-row subquery returns more than one row.",
    "NULL result in a non-nullable column",
    "DML operation to table ? failed on column ? with error: ?",
    "Duplicate row detected during DML action?",
    "Duplicate field key '?'",
    "Recursion exceeded max iteration count (?)",
    "Statement reached its statement or warehouse timeout of ? second(s) and was canceled.",
    "SQL execution canceled",
    "Statement executed successfully.",
    "Query execution in progress.?",
    "Asynchronous execution in progress. Use provided query id to perform query monitoring and management.",
    "Multiple statements executed successfully. To retrieve the results for individual statements, use query ids in statementHandles field.",
];

/// Words of errors of compilation. Source: as above.
const WORDS: &str = "a access account action after aggregate already all ambiguous an and any are argument arguments array as at authorized be \
    before between but by call cannot clause column columns compilation compile conflicting contains control correlated count \
    create current data database date defined does drop duplicate either empty error evaluated exceeds exist exists expanded \
    expected expecting expression expressions failed failure file for format found from function functions group has have \
    identifier identifiers in incompatible inside insufficient integer into invalid is it join know known length limit line \
    list match maximum missing more must name named names near nested no not number object of on one only operate operation \
    operator or order outside parameter parsing permission pivot position privileges procedure qualify query recursive \
    reached reference referenced required requires result role row rows same schema select selected session set specified sql stage \
    statement string subquery such supported syntax table tables than that the then this to too type types unable \
    unexpected union unknown unsupported use used user using valid value values variable view warehouse where which window with within \
    binary boolean double fixed float number object real text time timestamp varchar variant";

/// Gives what may be told of an error or a message; `text` is the statement's own, where it is known.
#[must_use]
pub fn quiet(message: &str, text: Option<&str>) -> String {
    if COMPILATION.iter().any(|start| message.starts_with(start)) {
        return known_words(message, text.unwrap_or_default());
    }
    let message = message.trim();
    let form = FORMS.iter().find(|form| has_form(message, form));
    form.map_or(UNTOLD, |form| form).to_owned()
}

/// Tells whether a message has a form: its parts in this order, the first and the last at the ends.
fn has_form(message: &str, form: &str) -> bool {
    let mut parts = form.split('?');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = message.strip_prefix(first) else {
        return false;
    };
    let mut is_over = false;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        is_over = part.is_empty();
    }
    is_over || rest.is_empty()
}

/// Puts `?` for each word that is neither one of such messages nor one of the statement's text.
fn known_words(message: &str, text: &str) -> String {
    let own: BTreeSet<String> = words(text).map(str::to_lowercase).collect();
    let fixed: BTreeSet<&str> = WORDS.split_ascii_whitespace().collect();
    let mut told = String::with_capacity(message.len());
    let mut rest = message;
    let mut before = String::new();
    while !rest.is_empty() {
        let length = rest.find(|sign| !is_of_word(sign)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length);
        if word.is_empty() {
            let mut signs = behind.chars();
            told.extend(signs.next().filter(|sign| sign.is_ascii()));
            rest = signs.as_str();
            continue;
        }
        let folded = word.to_lowercase();
        let is_place = matches!(before.as_str(), "line" | "position")
            && word.len() <= 9
            && word.bytes().all(|digit| digit.is_ascii_digit());
        let is_known = is_place || fixed.contains(folded.as_str()) || own.contains(&folded);
        told.push_str(if is_known { word } else { "?" });
        before = folded;
        rest = behind;
    }
    told
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign| !is_of_word(sign))
        .filter(|word| !word.is_empty())
}

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '$')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_what_rows_hold_only_the_form_is_told() {
        let text = Some("select email::number from t -- jo@example.com");
        for (message, told) in [
            (
                "Numeric value 'jo@example.com' is not recognized",
                "Numeric value '?' is not recognized",
            ),
            (
                "Duplicate row detected during DML action\nRow Values: [1, \"jo\", 3]",
                "Duplicate row detected during DML action?",
            ),
            (
                "Failed to cast variant value {\"a\":\"jo\"} to FIXED",
                "Failed to cast variant value ? to ?",
            ),
            ("Division by zero", "Division by zero"),
            ("Python Interpreter Error:\njo@example.com", UNTOLD),
            ("Numeric value 'x' is not recognized: jo", UNTOLD),
            ("", UNTOLD),
        ] {
            assert_eq!(quiet(message, text), told);
        }
    }

    #[test]
    fn what_is_wrong_with_the_text_is_told_in_words_of_the_text() {
        let text = Some("select emial from customers where id = 7");
        for (message, told) in [
            (
                "SQL compilation error: error line 1 at position 7\ninvalid identifier 'EMIAL'",
                "SQL compilation error: error line 1 at position 7\ninvalid identifier 'EMIAL'",
            ),
            (
                "SQL compilation error:\nObject 'DB.S.CUSTOMERS' does not exist or not authorized.",
                "SQL compilation error:\nObject '?.?.CUSTOMERS' does not exist or not authorized.",
            ),
            (
                "SQL compilation error: invalid value 'grace@example.com' 1815",
                "SQL compilation error: invalid value '?@?.?' ?",
            ),
        ] {
            assert_eq!(quiet(message, text), told);
        }
        assert_eq!(
            quiet("SQL compilation error: invalid identifier 'X'", None),
            "SQL compilation error: invalid identifier '?'"
        );
    }

    proptest! {
        /// Whatever stands where a form has a hole, and whatever guesses the text holds.
        #[test]
        fn no_value_is_in_what_is_told_of_a_form(
            form in prop::sample::select(FORMS.to_vec()),
            value in "[a-z0-9@.'\" ]{0,6}zq[a-z0-9@.'\" ]{0,6}",
        ) {
            let message = form.replace('?', &value);
            let text = format!("select '{value}'");
            let told = quiet(&message, Some(&text));
            prop_assert!(!told.contains("zq"), "{told}");
        }

        #[test]
        fn no_value_is_in_what_is_told_of_a_compilation(
            before in "[a-z '\"\\[(]{0,20}",
            value in "zq[a-z0-9]{1,8}",
            behind in "[a-z '\"\\])]{0,20}",
        ) {
            let message = format!("SQL compilation error: {before}{value}{behind}");
            for message in [&message, message.trim_start_matches("SQL compilation error: ")] {
                prop_assert!(!quiet(message, Some("select 1")).contains("zq"), "{message}");
            }
        }

        #[test]
        fn any_message_gives_a_text(message in ".{0,60}", text in ".{0,30}") {
            let told = quiet(&message, Some(&text));
            prop_assert!(!told.is_empty());
            let compiled = quiet(&format!("SQL compilation error: {message}"), Some(&text));
            prop_assert!(compiled.starts_with("SQL compilation error: "));
        }
    }
}
