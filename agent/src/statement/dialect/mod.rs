//! Snowflake's SQL written so that the parser's grammar takes it: what that lacks and Snowflake has.
//!
//! A closed list of forms, each told by its tokens. What a form leaves out names no object, calls nothing and decides
//! nothing about columns; where it does, the form is read elsewhere too (`command::beside`) or is not on the list. A
//! text with none of them keeps its tokens as they are.
//!
//! Source: Snowflake's reference, the page of the statement or construct that each function names; read 2026-11.

mod copy;
mod table;
mod words;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::Unreadable;
use words::Words;

/// Words at which a form may begin, beside those of whole statements.
const STARTS: [&str; 15] = [
    "DIRECTED",
    "ARRAY",
    "OBJECT",
    "MAP",
    "TIMESTAMP",
    "NTH_VALUE",
    "DATE_PART",
    "MATCH_RECOGNIZE",
    "UNPIVOT",
    "TABLESAMPLE",
    "SAMPLE",
    "LINEAR",
    "UPDATE",
    "INSERT",
    "SEMANTIC_VIEW",
];

/// Writes the tokens of one or more statements as the parser takes them.
pub(super) fn spelled_out(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Unreadable> {
    if !tokens.iter().any(|token| may_begin(&token.token)) {
        return Ok(tokens);
    }
    let mut words = Words::new(&tokens);
    let mut is_first = true;
    let mut opened = Vec::new();
    for at in 0..words.len() {
        if is_first {
            table::read(&mut words, at);
            copy::read(&mut words, at);
        }
        is_first = words.is(at, &Token::SemiColon);
        let around = opened.last().copied();
        match words.token(at) {
            Some(Token::LBrace) => object_of_all(&mut words, at),
            Some(Token::LParen) => opened.push(at),
            Some(Token::RParen) => drop(opened.pop()),
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                let start = STARTS
                    .iter()
                    .find(|start| word.value.eq_ignore_ascii_case(start));
                if let Some(start) = start {
                    form(&mut words, at, start, around);
                }
            }
            Some(_) | None => {}
        }
    }
    let spelled = words.written();
    let tokens = spelled.unwrap_or(tokens);
    // These are signs of row patterns alone, which are gone.
    let is_left = |token: &TokenWithSpan| matches!(token.token, Token::Caret | Token::Pipe);
    if tokens.iter().any(is_left) {
        return Err(Unreadable::Unsupported(
            "a sign that is not of Snowflake's SQL, or a pipe",
        ));
    }
    Ok(tokens)
}

/// Tells whether a form may begin at a token, or a sign stands there that must go.
fn may_begin(token: &Token) -> bool {
    let Token::Word(word) = token else {
        return matches!(token, Token::LBrace | Token::Caret | Token::Pipe);
    };
    let mut starts = STARTS.iter().chain(&["CREATE", "COPY"]);
    word.quote_style.is_none() && starts.any(|start| word.value.eq_ignore_ascii_case(start))
}

/// Tells whether the word before is one of a join's, which no table can be called.
fn is_behind_join_kind(words: &Words<'_>, at: usize) -> bool {
    let kinds = [
        "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL",
    ];
    at.checked_sub(1)
        .is_some_and(|before| kinds.iter().any(|kind| words.sees(before, kind)))
}

fn form(words: &mut Words<'_>, at: usize, start: &str, around: Option<usize>) {
    match start {
        // "Join": a hint that says which side is read first.
        "DIRECTED" if words.sees(at + 1, "JOIN") && is_behind_join_kind(words, at) => {
            words.leave_out(at, at + 1);
        }
        "ARRAY" | "OBJECT" | "MAP" => structured_cast(words, at, around),
        "TIMESTAMP" if words.sees(at + 1, "WITH LOCAL TIME ZONE") => {
            words.leave_out(at + 1, at + 5);
        }
        "NTH_VALUE" => from_which_end(words, at),
        // `DATE_PART(part FROM value)` is `DATE_PART(part, value)`.
        "DATE_PART" if words.is(at + 1, &Token::LParen) && words.sees(at + 3, "FROM") => {
            words.put(at + 3, vec![Token::Comma]);
        }
        "MATCH_RECOGNIZE" => match_recognize(words, at),
        "UNPIVOT" => unpivot(words, at),
        "TABLESAMPLE" | "SAMPLE" => sample(words, at),
        // "Clustering keys": an older way to write `CLUSTER BY (..)`.
        "LINEAR"
            if words.is(at + 1, &Token::LParen) && at >= 2 && words.sees(at - 2, "CLUSTER BY") =>
        {
            words.leave_out(at, at + 1);
        }
        // "MERGE": all columns of the same names, which the parser knows as `*`.
        "UPDATE" if words.sees(at.saturating_sub(1), "THEN UPDATE ALL BY NAME") => {
            words.put(at + 1, vec![Token::make_keyword("SET"), Token::Mul]);
            words.leave_out(at + 2, at + 4);
        }
        "INSERT" if words.sees(at.saturating_sub(1), "THEN INSERT ALL BY NAME") => {
            words.put(at + 1, vec![Token::Mul]);
            words.leave_out(at + 2, at + 4);
        }
        "SEMANTIC_VIEW" => semantic_view(words, at),
        _ => {}
    }
}

/// Writes `{*}` and `{t.*}`, objects of all columns, as the call that they are short for, and `{fn f(..)}` as its call.
///
/// Source: "OBJECT constants": `{*}` is `OBJECT_CONSTRUCT(*)` for what it is made of; ODBC's escapes for functions.
fn object_of_all(words: &mut Words<'_>, at: usize) {
    let Some(end) = words.end_of(at) else { return };
    let is_object = words.is(at + 1, &Token::Mul)
        || (words.is_name(at + 1)
            && words.is(at + 2, &Token::Period)
            && words.is(at + 3, &Token::Mul));
    if is_object {
        let open = vec![Token::make_word("OBJECT_CONSTRUCT", None), Token::LParen];
        words.put(at, open);
        words.put(end, vec![Token::RParen]);
    } else if words.sees(at + 1, "FN") && words.is_name(at + 2) && words.is(at + 3, &Token::LParen)
    {
        words.leave_out(at, at + 2);
        words.leave_out(end, end + 1);
    }
}

/// "Structured data types": `::ARRAY(INT)` and `CAST(.. AS OBJECT(a INT))`.
fn structured_cast(words: &mut Words<'_>, at: usize, around: Option<usize>) {
    let Some(before) = at.checked_sub(1) else {
        return;
    };
    // Behind AS an alias of a table may be called so, with names of columns in the brackets.
    let is_called = |open: usize| {
        let function = open.checked_sub(1);
        function.is_some_and(|at| words.sees(at, "CAST") || words.sees(at, "TRY_CAST"))
    };
    let is_cast = words.sees(before, "AS") && around.is_some_and(is_called);
    if is_cast || words.is(before, &Token::DoubleColon) {
        structured_type(words, at);
    }
}

/// Leaves out what stands in the brackets of a type, if those are types.
fn structured_type(words: &mut Words<'_>, at: usize) {
    let Some(end) = words.end_of(at + 1) else {
        return;
    };
    let is_of_types = (at + 1..=end).all(|inside| {
        matches!(
            words.token(inside),
            Some(Token::Word(_) | Token::Number(..) | Token::Comma | Token::LParen | Token::RParen)
        )
    });
    if !is_of_types {
        return;
    }
    if !words.sees(at, "ARRAY") {
        // The parser reads brackets and signs behind these two as its own forms of them.
        words.put(at, vec![Token::make_keyword("VARIANT")]);
    }
    words.leave_out(at + 1, end + 1);
    for how in ["RENAME FIELDS", "ADD FIELDS"] {
        if words.sees(end + 1, how) {
            words.leave_out(end + 1, end + 3);
        }
    }
}

/// "NTH_VALUE": `NTH_VALUE(a, 2) FROM LAST OVER (..)`.
fn from_which_end(words: &mut Words<'_>, at: usize) {
    let Some(end) = words.end_of(at + 1) else {
        return;
    };
    if !words.sees(end + 1, "FROM FIRST") && !words.sees(end + 1, "FROM LAST") {
        return;
    }
    let nulls = ["IGNORE NULLS", "RESPECT NULLS"];
    let over = if nulls.iter().any(|nulls| words.sees(end + 3, nulls)) {
        end + 5
    } else {
        end + 3
    };
    // A table LAST under the alias OVER has names in its brackets alone.
    let is_window = words.sees(over, "OVER")
        && words.is(over + 1, &Token::LParen)
        && (words.sees(over + 2, "ORDER BY") || words.sees(over + 2, "PARTITION BY"));
    if is_window {
        words.leave_out(end + 1, end + 3);
    }
}

/// "MATCH_RECOGNIZE": of a pattern one symbol stays, since it names no column; so does a measure without its window.
fn match_recognize(words: &mut Words<'_>, at: usize) {
    let Some(end) = words.end_of(at + 1) else {
        return;
    };
    let mut place = at + 2;
    while place < end {
        let is_measured = words.sees(place, "FINAL") || words.sees(place, "RUNNING");
        let begins = words.is(place - 1, &Token::Comma) || words.sees(place - 1, "MEASURES");
        if is_measured && begins && words.is_name(place + 1) && words.is(place + 2, &Token::LParen)
        {
            words.leave_out(place, place + 1);
        }
        if words.sees(place, "PATTERN")
            && let Some(close) = words.end_of(place + 1)
        {
            let symbol = (place + 2..close).find(|inside| words.is_name(*inside));
            // A call of that name has no more clauses behind it.
            let is_pattern = (words.sees(close + 1, "DEFINE") || words.sees(close + 1, "SUBSET"))
                && (place + 2..close).all(|inside| is_of_pattern(words.token(inside)));
            if let (Some(symbol), true) = (symbol, is_pattern) {
                words.leave_out(place + 2, symbol);
                words.leave_out(symbol + 1, close);
            }
            place = close;
        }
        place = words.end_of(place).unwrap_or(place) + 1;
    }
}

fn is_of_pattern(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Placeholder(sign)) => sign == "$" || sign == "?",
        token => matches!(
            token,
            Some(
                Token::Word(_)
                    | Token::Number(..)
                    | Token::Comma
                    | Token::LParen
                    | Token::RParen
                    | Token::LBrace
                    | Token::RBrace
                    | Token::Mul
                    | Token::Plus
                    | Token::Minus
                    | Token::Question
                    | Token::Pipe
                    | Token::Caret
            )
        ),
    }
}

/// "UNPIVOT": what the columns are called among the values, `IN (jan AS 'JANUARY', feb)`.
fn unpivot(words: &mut Words<'_>, at: usize) {
    let open = (at + 1..at + 4).find(|place| words.is(*place, &Token::LParen));
    let Some((open, end)) = open.and_then(|open| Some((open, words.end_of(open)?))) else {
        return;
    };
    let is_list = |place: &usize| words.sees(*place, "IN") && words.is(place + 1, &Token::LParen);
    let list = (open + 1..end).find(is_list);
    let list = list.filter(|list| words.sees(list.saturating_sub(2), "FOR"));
    let Some((list, close)) = list.and_then(|list| Some((list + 1, words.end_of(list + 1)?)))
    else {
        return;
    };
    let mut aliases = Vec::new();
    let mut place = list + 1;
    while place < close {
        let name = place;
        let alias = if words.sees(name + 1, "AS") {
            name + 2
        } else {
            name + 1
        };
        let is_aliased = words.is_name(alias) || words.is_text(alias);
        place = if is_aliased { alias + 1 } else { name + 1 };
        let is_end = place == close || words.is(place, &Token::Comma);
        if !words.is_name(name) || !is_end {
            return;
        }
        aliases.push((name + 1, place));
        place += 1;
    }
    for (from, to) in aliases {
        words.leave_out(from, to);
    }
}

/// "SAMPLE": a number of rows or parts of them, where the parser does not look for it.
fn sample(words: &mut Words<'_>, at: usize) {
    let methods = ["BERNOULLI", "ROW", "SYSTEM", "BLOCK"];
    let has_method = methods.iter().any(|method| words.sees(at + 1, method));
    let open = if has_method { at + 2 } else { at + 1 };
    let Some(end) = words.end_of(open) else {
        return;
    };
    let is_number = matches!(words.token(open + 1), Some(Token::Number(..)))
        && (end == open + 2 || (end == open + 3 && words.sees(open + 2, "ROWS")));
    if !is_number {
        return;
    }
    words.leave_out(at, end + 1);
    let seed = words.sees(end + 1, "SEED") || words.sees(end + 1, "REPEATABLE");
    let seeded = words
        .end_of(end + 2)
        .filter(|close| seed && *close == end + 4);
    if let Some(close) = seeded.filter(|_| matches!(words.token(end + 3), Some(Token::Number(..))))
    {
        words.leave_out(end + 1, close + 1);
    }
}

/// "SEMANTIC_VIEW": what its columns are called in its result, `METRICS orders.revenue AS total`.
fn semantic_view(words: &mut Words<'_>, at: usize) {
    let Some(end) = words.end_of(at + 1) else {
        return;
    };
    let clauses = ["METRICS", "DIMENSIONS", "FACTS"];
    let ends = |words: &Words<'_>, place: usize| {
        place == end
            || words.is(place, &Token::Comma)
            || words.sees(place, "WHERE")
            || clauses.iter().any(|clause| words.sees(place, clause))
    };
    let mut in_list = false;
    let mut place = at + 2;
    while place < end {
        if words.sees(place, "WHERE") {
            in_list = false;
        } else if clauses.iter().any(|clause| words.sees(place, clause)) {
            in_list = true;
        } else if in_list && words.is_name(place) && ends(words, place + 1) {
            let before = place.saturating_sub(1);
            let is_bare = words.is(before, &Token::RParen)
                || words.is(before, &Token::Mul)
                || (words.is_name(before) && !ends(words, before) && !words.sees(before, "AS"));
            if words.sees(before, "AS") {
                words.leave_out(before, place + 1);
            } else if is_bare {
                words.leave_out(place, place + 1);
            }
        }
        place = words.end_of(place).unwrap_or(place) + 1;
    }
}

#[cfg(test)]
mod tests;
