//! Statements as models write them, and the ways in which clients and formatters write them again.

use super::world::Dice;

const TABLES: [&str; 12] = [
    "orders",
    "customers",
    "analytics.public.events",
    "line_items",
    "\"Mixed Case\"",
    "raw.stripe.charges",
    "users",
    "sessions",
    "dim_date",
    "inventory",
    "payments",
    "support_tickets",
];
const COLUMNS: [&str; 14] = [
    "id",
    "amount",
    "region",
    "created_at",
    "status",
    "email",
    "customer_id",
    "sku",
    "quantity",
    "country",
    "\"Total\"",
    "plan",
    "currency",
    "channel",
];
const WORDS: [&str; 12] = [
    "EMEA",
    "it''s",
    "open",
    "São Paulo",
    "50%",
    "a;b",
    "x--y",
    "paid",
    "2024-01-31",
    "C:\\\\tmp",
    "\"quoted\"",
    "{x}",
];

fn literal(dice: &mut Dice) -> String {
    if dice.chance(50) {
        dice.below(100_000).to_string()
    } else {
        format!("'{}'", dice.of(&WORDS))
    }
}

fn condition(dice: &mut Dice) -> String {
    let column = dice.of(&COLUMNS);
    match dice.below(5) {
        0 => format!(
            "{column} in ({}, {}, {})",
            literal(dice),
            literal(dice),
            literal(dice)
        ),
        1 => format!("{column} between {} and {}", literal(dice), literal(dice)),
        2 => format!("{column} is not null"),
        _ => format!(
            "{column} {} {}",
            dice.of(&["=", ">", "<>", "<="]),
            literal(dice)
        ),
    }
}

fn columns(dice: &mut Dice) -> String {
    let count = 1 + dice.below(4);
    let columns: Vec<&str> = (0..count).map(|_| dice.of(&COLUMNS)).collect();
    columns.join(", ")
}

fn query(dice: &mut Dice) -> String {
    let mut sql = match dice.below(5) {
        0 => format!("select count(*) from {}", dice.of(&TABLES)),
        1 => format!(
            "select {}, sum(amount) as total from {} group by {}",
            dice.of(&COLUMNS),
            dice.of(&TABLES),
            1
        ),
        2 => format!(
            "select a.{}, b.{} from {} a join {} b on a.id = b.id",
            dice.of(&["id", "region"]),
            dice.of(&["status", "plan"]),
            dice.of(&TABLES),
            dice.of(&TABLES)
        ),
        _ => format!("select {} from {}", columns(dice), dice.of(&TABLES)),
    };
    if !sql.contains("group by") {
        sql.push_str(&format!(" where {}", condition(dice)));
        if dice.chance(40) {
            sql.push_str(&format!(" {} {}", dice.of(&["and", "or"]), condition(dice)));
        }
        if dice.chance(30) {
            sql.push_str(&format!(
                " order by {} desc limit {}",
                1,
                1 + dice.below(500)
            ));
        }
    }
    sql
}

/// Writes a statement; some have comments and lines.
pub(super) fn statement(dice: &mut Dice) -> String {
    let sql = match dice.below(12) {
        0 => format!(
            "insert into {} ({}, id) values ({}, {})",
            dice.of(&TABLES),
            "status",
            literal(dice),
            literal(dice)
        ),
        1 => format!(
            "update {} set status = {} where {}",
            dice.of(&TABLES),
            literal(dice),
            condition(dice)
        ),
        2 => format!("with recent as ({}) select * from recent", query(dice)),
        3 => format!(
            "create or replace table t_{} as {}",
            dice.below(100),
            query(dice)
        ),
        4 => format!("show tables like 'x{}%'", dice.below(1000)),
        5 => format!("delete from {} where {}", dice.of(&TABLES), condition(dice)),
        _ => query(dice),
    };
    match dice.below(6) {
        0 => sql
            .replace(" from ", "\nfrom ")
            .replace(" where ", "\n  where "),
        1 => format!("-- what was asked for\n{sql}"),
        2 => keywords(&sql),
        _ => sql,
    }
}

/// Writes a query: what is read alone.
pub(super) fn read(dice: &mut Dice) -> String {
    query(dice)
}

/// Writes keywords in upper case, outside of quotes.
fn keywords(sql: &str) -> String {
    let words = [
        "select",
        "from",
        "where",
        "and",
        "or",
        "group by",
        "order by",
        "limit",
        "insert into",
        "values",
        "join",
        "on",
        "update",
        "set",
    ];
    let mut parts: Vec<String> = sql.split('\'').map(str::to_owned).collect();
    for part in parts.iter_mut().step_by(2) {
        for word in words {
            *part = part.replace(&format!("{word} "), &format!("{} ", word.to_uppercase()));
        }
    }
    parts.join("'")
}

/// Writes a statement as another hand would, with the same meaning.
pub(super) fn reformatted(sql: &str, dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => format!("{sql};"),
        1 => sql.replace(" from ", "\n    from ").replace(", ", ",\n  "),
        2 => format!("\n\t{sql}\n"),
        3 => keywords(sql),
        4 => format!("/* app: report */ {sql}"),
        _ => format!("{sql} -- by the client"),
    }
}

/// Writes another statement about other things.
pub(super) fn other(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => "select ssn, full_name, salary from hr.private.people".to_owned(),
        1 => format!("select * from secrets.keys where id = {}", dice.below(1000)),
        2 => format!(
            "create table public.copy_{} as select * from hr.private.people",
            dice.below(1000)
        ),
        3 => format!("grant role accountadmin to user u{}", dice.below(1000)),
        _ => format!(
            "copy into @leak/{} from hr.private.people",
            dice.below(1000)
        ),
    }
}

/// Quotes a text for a shell.
pub(super) fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) fn double(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}

/// Quotes a text for Python, as `repr` does.
pub(super) fn python(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter == quote || letter == '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push(quote);
    quoted
}
