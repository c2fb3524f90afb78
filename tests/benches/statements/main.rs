//! What it takes to read and to judge a statement: `cargo bench -p icecore-tests --bench statements`.
//!
//! Nothing here asserts anything about time. Reading is paired with the bare parser on the same text in the same run.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which tells what it took by the real clock"
)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use icecore::clock::Clock;
use icecore::identity::{Principal, Users};
use icecore::policy::{self, Bundle, Names, Source, Usage};
use icecore::snowflake::count::Count;
use icecore::statement::{Catalogue, STACK_BYTES, Scope, Statement};
use icecore_tests::python::folder;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;

mod hostile;

fn main() -> Result<()> {
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    let ended = thread.spawn(measure)?.join();
    ended.map_err(|_| anyhow!("the thread that measures ended early"))?
}

fn measure() -> Result<()> {
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wants = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wants("parse") {
        parse()?;
    }
    if wants("decide") {
        decide()?;
    }
    if wants("hostile") {
        hostile::measure();
    }
    Ok(())
}

/// Reads a text for some time; gives the nanoseconds of each turn, sorted.
fn turns(mut work: impl FnMut()) -> Vec<u64> {
    let end = Instant::now() + Duration::from_millis(400);
    let mut turns = Vec::new();
    while Instant::now() < end || turns.len() < 20 {
        let start = Instant::now();
        work();
        turns.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    turns.sort_unstable();
    turns
}

fn at(turns: &[u64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place among some thousands"
    )]
    let place = ((turns.len() - 1) as f64 * part) as usize;
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a second")]
    let ns = turns.get(place).copied().unwrap_or_default() as f64;
    ns
}

fn parse() -> Result<()> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let corpus = std::fs::read_to_string(folder("src/bench/corpus.sql"))?;
    let statements: Vec<&str> = corpus
        .split(";\n")
        .filter(|text| !text.trim().is_empty())
        .collect();
    texts.push(("a short query".to_owned(), "select ID, CUSTOMER, AMOUNT from ACME_DB.PUBLIC.ORDERS where CUSTOMER = 'ada' order by CREATED_AT desc limit 50".to_owned()));
    let longest = statements.iter().max_by_key(|text| text.len());
    texts.push((
        "the longest of the corpus".to_owned(),
        (*longest.unwrap_or(&"")).to_owned(),
    ));
    texts.push(("a dense one of 4 KiB".to_owned(), dense(4096)));
    let rows: String = (0..4000)
        .map(|row| format!("({row}, 'row {row}', {row}.5)"))
        .collect::<Vec<_>>()
        .join(", ");
    texts.push((
        "4,000 rows of VALUES".to_owned(),
        format!("insert into DB.S.T (A, B, C) values {rows}"),
    ));
    println!("| text | bytes | read us | read ns/byte | bare parser us | ns/byte | ratio |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let catalogue = Catalogue::default();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let row = |name: &str, texts: &[&str]| {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let ours = turns(|| {
            for text in texts {
                drop(black_box(Statement::read_all(text, Count::One, &scope)));
            }
        });
        let bare = turns(|| {
            for text in texts {
                drop(black_box(Parser::parse_sql(&SnowflakeDialect {}, text)));
            }
        });
        let (ours, bare) = (at(&ours, 0.5), at(&bare, 0.5));
        #[expect(clippy::cast_precision_loss, reason = "bytes of a text")]
        let bytes_f = bytes as f64;
        println!(
            "| {name} | {bytes} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} |",
            ours / 1e3,
            ours / bytes_f,
            bare / 1e3,
            bare / bytes_f,
            ours / bare
        );
    };
    row("the proxy's corpus, one by one", &statements);
    for (name, text) in &texts {
        let statement = Statement::read_all(text, Count::One, &scope);
        anyhow::ensure!(
            statement.problem().is_none(),
            "{name}: {:?}",
            statement.problem()
        );
        row(name, &[text.as_str()]);
    }
    Ok(())
}

/// A query with hardly a blank or literal in it.
fn dense(bytes: usize) -> String {
    let mut text = String::from("select a.c0");
    let mut number = 0;
    while text.len() < bytes - 60 {
        number += 1;
        text.push_str(&format!(",a.c{number}+b.d{number}*(a.x-b.y)e{number}"));
    }
    text.push_str(" from DB.S.A a join DB.S.B b on a.k=b.k where a.z>b.z");
    text
}

fn source(file: &str, text: &str) -> Source {
    Source {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

fn decide() -> Result<()> {
    let mut sources = vec![source(
        "read.cedar",
        "@id(\"read\") permit (principal, action in [Icecore::Action::\"read\", Icecore::Action::\"project\", Icecore::Action::\"filter\"], resource in Icecore::Account::\"ACME\");",
    )];
    let rules: String = (0..54)
        .map(|rule| format!("@id(\"deny-{rule}\") forbid (principal, action == Icecore::Action::\"project\", resource) when {{ resource.hasTag(\"PII\") && resource.getTag(\"PII\") == \"class{rule}\" }};\n"))
        .collect();
    sources.push(source("deny.cedar", &rules));
    let users = Users::default();
    let bundle = Bundle::load(
        &sources,
        &Names {
            accounts: None,
            users: &users,
            issuers: None,
            approvers: None,
        },
    )
    .map_err(|problems| anyhow!("{problems:?}"))?;
    let columns: Vec<String> = (0..20)
        .map(|column| format!("\"C{column} TEXT kind=x\""))
        .collect();
    let described = format!(
        "database = \"DB\"\nschema = \"S\"\n[tables]\n\"DB.S.T\" = [{}]\n",
        columns.join(", ")
    );
    let catalogue = Catalogue::described(&described).map_err(anyhow::Error::msg)?;
    let scope = Scope::new(&|_| false).with(&catalogue);
    let list: Vec<String> = (0..20).map(|column| format!("c{column}")).collect();
    let statement = Statement::read(&format!("select {} from t", list.join(", ")), &scope);
    let principal = Principal::host_user("ci".to_owned(), 1000);
    let identity = principal.identity();
    let usage = Usage::unread(Clock::system().now());
    let judge = || policy::explain(&bundle, identity, "ACME", &catalogue, &usage, &statement);
    let start = Instant::now();
    let verdict = judge();
    let first = start.elapsed();
    anyhow::ensure!(verdict.is_allowed(), "{verdict:?}");
    let all = turns(|| drop(black_box(judge())));
    println!("\n| decision, 55 policies, 20 columns | p50 us | p99 us |\n|---|---:|---:|");
    println!("| the first | {:.1} | |", first.as_secs_f64() * 1e6);
    println!(
        "| again | {:.1} | {:.1} |",
        at(&all, 0.5) / 1e3,
        at(&all, 0.99) / 1e3
    );
    Ok(())
}
