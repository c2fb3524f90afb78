//! CREATE TABLE: clauses and constraints that the parser does not know.
//!
//! Source: Snowflake's reference, "CREATE TABLE", "CREATE TABLE ... CONSTRAINT", "CREATE HYBRID TABLE".

use sqlparser::tokenizer::Token;

use super::words::Words;

/// Settings of a table, each with a value of one word.
const SETTINGS: [&str; 3] = [
    "ROW_TIMESTAMP",
    "ERROR_LOGGING",
    "ICEBERG_DEFAULT_DDL_COLLATION",
];

/// What may stand behind a constraint. No constraint but NOT NULL and those of hybrid tables is enforced.
const PROPERTIES: [&str; 24] = [
    "NOT ENFORCED",
    "NOT DEFERRABLE",
    "INITIALLY DEFERRED",
    "INITIALLY IMMEDIATE",
    "MATCH FULL",
    "MATCH SIMPLE",
    "MATCH PARTIAL",
    "ON DELETE CASCADE",
    "ON DELETE RESTRICT",
    "ON DELETE NO ACTION",
    "ON DELETE SET NULL",
    "ON DELETE SET DEFAULT",
    "ON UPDATE CASCADE",
    "ON UPDATE RESTRICT",
    "ON UPDATE NO ACTION",
    "ON UPDATE SET NULL",
    "ON UPDATE SET DEFAULT",
    "ENFORCED",
    "DEFERRABLE",
    "ENABLE",
    "DISABLE",
    "VALIDATE",
    "NOVALIDATE",
    "RELY",
];

/// Reads a statement that makes a table.
pub(super) fn read(words: &mut Words<'_>, at: usize) {
    if !words.sees(at, "CREATE") {
        return;
    }
    let Some(table) = (at + 1..at + 8).find(|place| words.sees(*place, "TABLE")) else {
        return;
    };
    for place in at + 1..table {
        if words.sees(place, "SCOPED") {
            words.leave_out(place, place + 1);
        } else if words.sees(place, "READ ONLY") {
            words.leave_out(place, place + 2);
        }
    }
    let mut keys: Vec<usize> = Vec::new();
    let mut is_listed = false;
    let mut place = table + 1;
    if words.sees(place, "IF NOT EXISTS") {
        place += 3;
    }
    place = name_end(words, place);
    while place < words.len() && !words.is(place, &Token::SemiColon) && !words.sees(place, "AS") {
        if let Some(end) = words.end_of(place) {
            if !is_listed {
                is_listed = true;
                columns(words, place, end);
                if !keys.is_empty() {
                    words.move_behind(&keys, end);
                }
            }
            place = end + 1;
            continue;
        }
        if !is_listed && words.sees(place, "CLUSTER BY") {
            let open = if words.sees(place + 2, "LINEAR") {
                place + 3
            } else {
                place + 2
            };
            if let Some(end) = words.end_of(open) {
                keys = (place..place + 2).chain(open..=end).collect();
                words.leave_out(place + 2, open);
                place = end + 1;
                continue;
            }
        }
        place = clause(words, place);
    }
}

/// Leaves out a clause; gives the place behind it, or behind a word that is none.
fn clause(words: &mut Words<'_>, at: usize) -> usize {
    let with = if words.sees(at, "WITH") { at + 1 } else { at };
    let end = if words.sees(at, "COPY TAGS") {
        Some(at + 2)
    } else if SETTINGS.iter().any(|setting| words.sees(at, setting)) && words.is(at + 1, &Token::Eq)
    {
        Some(at + 3)
    } else if words.sees(with, "CONTACT") {
        words.end_of(with + 1).map(|end| end + 1)
    } else if words.sees(with, "JOIN POLICY") {
        let name = name_end(words, with + 2);
        let keys = words.sees(name, "ALLOWED JOIN KEYS");
        let keys = words.end_of(name + 3).filter(|_| keys);
        Some(keys.map_or(name, |end| end + 1))
    } else if words.sees(at, "ENTITY KEY") {
        words.end_of(at + 2).map(|end| end + 1)
    } else {
        None
    };
    match end {
        Some(end) => {
            words.leave_out(at, end);
            end
        }
        None => at + 1,
    }
}

/// Gives the place behind a dotted name, or one that IDENTIFIER makes.
fn name_end(words: &Words<'_>, at: usize) -> usize {
    if words.sees(at, "IDENTIFIER") {
        return words.end_of(at + 1).map_or(at + 1, |end| end + 1);
    }
    let mut end = at + 1;
    while words.is(end, &Token::Period) {
        end += 2;
    }
    end
}

/// Reads the columns and constraints between two brackets.
fn columns(words: &mut Words<'_>, open: usize, close: usize) {
    let is_of_names = (open + 1..close).all(|place| match (place - open) % 2 {
        1 => words.is_name(place),
        _ => words.is(place, &Token::Comma),
    });
    let has_query = words.sees(close + 1, "AS")
        || (close + 1..words.len()).any(|place| words.sees(place, "AS"));
    if is_of_names && has_query {
        // Their types are those of the query.
        for place in (open + 1..close).step_by(2) {
            let Some(name) = words.token(place).cloned() else {
                continue;
            };
            words.put(place, vec![name, Token::make_keyword("VARIANT")]);
        }
        return;
    }
    let mut place = open + 1;
    while place < close {
        let begins = words.is(place - 1, &Token::Comma) || place == open + 1;
        let types = ["ARRAY", "OBJECT", "MAP"];
        if begins && types.iter().any(|name| words.sees(place + 1, name)) {
            super::structured_type(words, place + 1);
        }
        if begins && words.sees(place, "INDEX") && words.is_name(place + 1) {
            place = index(words, place, close);
            continue;
        }
        if words.sees(place, "AUTOINCREMENT") || words.sees(place, "IDENTITY") {
            let end = words.end_of(place + 1).map_or(place + 1, |end| end + 1);
            place = counted(words, end);
            continue;
        }
        if words.sees(place, "AS")
            && words.is(place + 1, &Token::LParen)
            && !words.sees(place - 1, "ALWAYS")
        {
            let generated = ["GENERATED", "ALWAYS", "AS"].map(Token::make_keyword);
            words.put(place, generated.to_vec());
        }
        if words.sees(place, "FOREIGN KEY REFERENCES") {
            words.leave_out(place, place + 2);
            place += 2;
        }
        if let Some(end) = constraint_end(words, place) {
            place = end;
            while let Some(property) = PROPERTIES
                .iter()
                .chain(&["NORELY"])
                .find(|property| words.sees(place, property))
            {
                let end = place + property.split(' ').count();
                words.leave_out(place, end);
                place = end;
            }
            continue;
        }
        place = words.end_of(place).unwrap_or(place) + 1;
    }
}

/// Gives the place behind a constraint that begins here.
fn constraint_end(words: &Words<'_>, at: usize) -> Option<usize> {
    let end = if words.sees(at, "PRIMARY KEY") {
        at + 2
    } else if words.sees(at, "UNIQUE") || words.sees(at, "CHECK") {
        at + 1
    } else if words.sees(at, "REFERENCES") {
        name_end(words, at + 1)
    } else {
        return None;
    };
    Some(words.end_of(end).map_or(end, |end| end + 1))
}

/// Leaves out the index of a hybrid table, with the comma before or behind it.
fn index(words: &mut Words<'_>, at: usize, close: usize) -> usize {
    let mut end = words.end_of(at + 2).map_or(at + 1, |end| end + 1);
    if words.sees(end, "INCLUDE") {
        end = words.end_of(end + 1).map_or(end, |end| end + 1);
    }
    // A column may be called so, and have a type with numbers in brackets.
    let of_names = |at| words.is_name(at) || words.is(at, &Token::Comma);
    if !(at + 3..end.saturating_sub(1))
        .all(|at| of_names(at) || words.is(at, &Token::LParen) || words.is(at, &Token::RParen))
    {
        return at + 1;
    }
    if words.is(end, &Token::Comma) {
        words.leave_out(at, end + 1);
        return end + 1;
    }
    if end == close {
        words.leave_out(at - 1, end);
    }
    end
}

/// Leaves out how a column counts.
fn counted(words: &mut Words<'_>, at: usize) -> usize {
    let mut place = at;
    loop {
        let end = if words.sees(place, "ORDER") || words.sees(place, "NOORDER") {
            place + 1
        } else if words.sees(place, "START") || words.sees(place, "INCREMENT") {
            let mut number = place + 1;
            let joins = ["WITH", "BY"].iter().any(|word| words.sees(number, word));
            if joins || words.is(number, &Token::Eq) {
                number += 1;
            }
            if words.is(number, &Token::Minus) {
                number += 1;
            }
            if !matches!(words.token(number), Some(Token::Number(..))) {
                return place;
            }
            number + 1
        } else {
            return place;
        };
        words.leave_out(place, end);
        place = end;
    }
}
