//! Texts that are made to take long: how long until each is read or refused.

use std::time::Instant;

use icecore::snowflake::count::Count;
use icecore::statement::{Catalogue, Scope, Statement};

/// A kind of text, made of a number of parts.
type Made = (&'static str, fn(usize) -> String);

const FORMS: &[Made] = &[
    ("brackets in a select list", |n| {
        format!("select {}1{}", "(".repeat(n), ")".repeat(n))
    }),
    ("open brackets alone", |n| {
        format!("select {}", "(".repeat(n))
    }),
    ("open brackets in FROM", |n| {
        format!("select * from {}", "(".repeat(n))
    }),
    ("brackets in FROM", |n| {
        format!("select * from {}t{}", "(".repeat(n), ")".repeat(n))
    }),
    ("select in brackets", |n| {
        format!("{}select 1{}", "(".repeat(n), ")".repeat(n))
    }),
    ("select ((( of queries", |n| {
        format!("select {}select 1{}", "(".repeat(n), ")".repeat(n))
    }),
    ("queries in FROM", |n| {
        format!(
            "{}t{}",
            "select * from (select * from ".repeat(n),
            ")".repeat(n)
        )
    }),
    ("queries in lists", |n| {
        format!("{}1{}", "select (".repeat(n), ")".repeat(n))
    }),
    ("queries under EXISTS", |n| {
        format!(
            "{}select 1{}",
            "select 1 where exists (".repeat(n),
            ")".repeat(n)
        )
    }),
    ("queries in IN", |n| {
        format!(
            "{}select 1{}",
            "select a from t where a in (".repeat(n),
            ")".repeat(n)
        )
    }),
    ("CASE in CASE", |n| {
        format!(
            "select {}1{}",
            "case when a then ".repeat(n),
            " end".repeat(n)
        )
    }),
    ("CASE in WHEN", |n| {
        format!(
            "select {}1{}",
            "case when ".repeat(n),
            " then 1 end".repeat(n)
        )
    }),
    ("arrays", |n| {
        format!("select {}1{}", "[".repeat(n), "]".repeat(n))
    }),
    ("objects", |n| {
        format!("select {}1{}", "{'a': ".repeat(n), "}".repeat(n))
    }),
    ("open braces", |n| format!("select {}", "{".repeat(n))),
    ("NOT", |n| format!("select {}a from t", "not ".repeat(n))),
    ("minus", |n| format!("select {}a from t", "- ".repeat(n))),
    ("plus", |n| format!("select {}a from t", "+".repeat(n))),
    ("functions", |n| {
        format!("select {}1{}", "upper(".repeat(n), ")".repeat(n))
    }),
    ("casts", |n| format!("select a{}", "::int".repeat(n))),
    ("cast in cast", |n| {
        format!("select {}1{}", "cast(".repeat(n), " as int)".repeat(n))
    }),
    ("nested types", |n| {
        format!("select a::{}int{}", "array(".repeat(n), ")".repeat(n))
    }),
    ("nested object types", |n| {
        format!(
            "create table t (a {}int{})",
            "object(a ".repeat(n),
            ")".repeat(n)
        )
    }),
    ("lambdas", |n| {
        format!("select filter(a, {}1)", "x -> ".repeat(n))
    }),
    ("tuples of lambdas", |n| {
        format!("select {}", "(a, ".repeat(n))
    }),
    ("WITH in WITH", |n| {
        format!(
            "{}select 1{}",
            "with a as (".repeat(n),
            ") select * from a".repeat(n)
        )
    }),
    ("chains of WITH", |n| {
        let members: Vec<String> = (1..n)
            .map(|at| format!("a{at} as (select * from a{0} x, a{0} y)", at - 1))
            .collect();
        format!(
            "with a0 as (select 1 as c){}{} select * from a{}",
            if n > 1 { ", " } else { "" },
            members.join(", "),
            n.saturating_sub(1)
        )
    }),
    ("recursions in recursions", |n| {
        format!(
            "{}select 1 c{}",
            "with recursive r as (select 1 c union all ".repeat(n),
            " union all select c from r) select c from r".repeat(n)
        )
    }),
    ("UNION ALL", |n| {
        format!("select a from t{}", " union all select a from t".repeat(n))
    }),
    ("UNION in brackets", |n| {
        format!("{}select 1{}", "(select 1 union ".repeat(n), ")".repeat(n))
    }),
    ("AND", |n| {
        format!("select 1 from t where a = 1{}", " and a = 1".repeat(n))
    }),
    ("OR of columns", |n| {
        format!("select 1 from t where a{}", " or b".repeat(n))
    }),
    ("concatenation", |n| {
        format!("select a{} from t", "||b".repeat(n))
    }),
    ("IN of literals", |n| {
        format!("select 1 from t where a in (1{})", ",1".repeat(n))
    }),
    ("IN of columns", |n| {
        format!("select 1 from t where a in (b{})", ",b".repeat(n))
    }),
    ("joins", |n| {
        format!("select * from t{}", " join u on a = b".repeat(n))
    }),
    ("joins by USING", |n| {
        format!("select * from t{}", " join u using (a)".repeat(n))
    }),
    ("natural joins", |n| {
        format!("select * from t{}", " natural join u".repeat(n))
    }),
    ("joins in brackets", |n| {
        format!("select 1 from {}t{}", "(t join ".repeat(n), ")".repeat(n))
    }),
    ("commas in FROM", |n| {
        format!("select * from t{}", ", t".repeat(n))
    }),
    ("columns", |n| format!("select a{} from t", ", a".repeat(n))),
    ("windows", |n| {
        format!("select {}1 from t", "sum(a) over (order by b), ".repeat(n))
    }),
    ("lateral FLATTEN", |n| {
        format!(
            "select * from t{}",
            ", lateral flatten(input => a) f".repeat(n)
        )
    }),
    ("PIVOT", |n| {
        format!(
            "select * from t{}",
            " pivot(sum(a) for b in ('c'))".repeat(n)
        )
    }),
    ("UNPIVOT in UNPIVOT", |n| {
        format!("select * from {}", "unpivot(a for b in (c d, ".repeat(n))
    }),
    ("MATCH_RECOGNIZE", |n| {
        format!("select * from t {}", "match_recognize(pattern(a ".repeat(n))
    }),
    ("paths", |n| {
        format!("select a:b{} from t", "[0].c".repeat(n))
    }),
    ("dots", |n| format!("select a{} from t", ".b".repeat(n))),
    ("blocks", |n| {
        format!("{}select 1;{}", "begin ".repeat(n), " end;".repeat(n))
    }),
    ("IF in IF", |n| {
        format!(
            "begin {}return 1; {}end",
            "if (a) then ".repeat(n),
            "end if; ".repeat(n)
        )
    }),
    ("statements of a block", |n| {
        format!("begin {}end", "select a from t; ".repeat(n))
    }),
    ("LET", |n| format!("begin {}end", "let a := 1; ".repeat(n))),
    ("EXECUTE IMMEDIATE", |n| {
        let mut text = "select 1".to_owned();
        for _ in 0..n {
            if text.len() > 400_000 {
                break;
            }
            text = format!(
                "execute immediate '{}'",
                text.replace('\\', "\\\\").replace('\'', "''")
            );
        }
        text
    }),
    ("procedures in procedures", |n| {
        let mut text = "select 1".to_owned();
        for at in 0..n {
            if text.len() > 400_000 {
                break;
            }
            text = format!(
                "create procedure p{at}() returns int language sql as '{}'",
                text.replace('\\', "\\\\").replace('\'', "''")
            );
        }
        text
    }),
    ("EXPLAIN", |n| format!("{}select 1", "explain ".repeat(n))),
    ("EXPLAIN USING", |n| {
        format!("{}select 1", "explain using text ".repeat(n))
    }),
    ("statements", |n| "select 1;".repeat(n)),
    ("semicolons", |n| ";".repeat(n)),
    ("quotes", |n| "'".repeat(n)),
    ("double quotes", |n| "\"".repeat(n)),
    ("dollars", |n| "$".repeat(n)),
    ("comments", |n| "/**/".repeat(n)),
    ("open comments", |n| "/*".repeat(n)),
    ("lines", |n| format!("select 1{}", "\n".repeat(n))),
    ("CREATE TABLE", |n| {
        format!(
            "create table t (a int{})",
            ", b int default 1 unique".repeat(n)
        )
    }),
    ("CREATE FUNCTION in tables", |n| "create ".repeat(n)),
    ("AS BEGIN", |n| {
        format!("create task {}", "as begin ".repeat(n))
    }),
    ("GRANT TO", |n| {
        format!("grant role a {}", "to role b ".repeat(n))
    }),
    ("SAMPLE", |n| {
        format!("select * from t {}", "sample (".repeat(n))
    }),
    ("SEMANTIC_VIEW", |n| {
        format!("select * from {}", "semantic_view(metrics a b ".repeat(n))
    }),
    ("COPY", |n| {
        format!("copy into t from @s {}", "a = (".repeat(n))
    }),
    ("VALUES", |n| {
        format!("insert into t values (1){}", ", (1)".repeat(n))
    }),
    ("MERGE", |n| {
        format!(
            "merge into t using s on a = b{}",
            " when matched then update set c = d".repeat(n)
        )
    }),
    ("BETWEEN", |n| {
        format!("select a{}", " between 1 and a".repeat(n))
    }),
    ("LIKE", |n| format!("select a{}", " like a".repeat(n))),
    ("IS NULL", |n| format!("select a{}", " is null".repeat(n))),
    ("INTERVAL", |n| format!("select {}1", "interval ".repeat(n))),
    ("DATE", |n| format!("select {}'x'", "date ".repeat(n))),
    ("EXTRACT", |n| {
        format!("select {}", "extract(year from ".repeat(n))
    }),
    ("brackets of subscripts", |n| {
        format!("select a{}1{}", "[a".repeat(n), "]".repeat(n))
    }),
    ("PRIOR", |n| {
        format!("select {}a from t connect by a = b", "prior ".repeat(n))
    }),
    ("TABLE(", |n| {
        format!("select * from {}", "table(".repeat(n))
    }),
    ("LATERAL (", |n| {
        format!("select * from {}", "lateral (".repeat(n))
    }),
    ("VALUES (", |n| {
        format!("select * from {}", "(values (".repeat(n))
    }),
    ("select x (", |n| {
        format!("select {}", "a (select ".repeat(n))
    }),
    ("case (", |n| format!("select {}", "case (".repeat(n))),
    ("in ((", |n| format!("select a in {}", "((".repeat(n))),
    ("( with", |n| format!("select {}", "(with a as ".repeat(n))),
    ("from ( a join (", |n| {
        format!("select * from {}", "(a join ".repeat(n))
    }),
    ("views on views", |_| "select * from v15".to_owned()),
];

/// Reads each form in sizes from some parts to a megabyte, and prints the longest for each way that it ends.
pub(super) fn measure() {
    println!("\n| text | longest refused, ms (bytes) | why | longest read, ms (bytes) |");
    println!("|---|---:|---|---:|");
    let catalogue = views();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let (mut slowest_refusal, mut slowest) = (0.0_f64, 0.0_f64);
    for (name, made) in FORMS {
        let unit = made(2).len().saturating_sub(made(1).len()).max(1);
        let most = (1_000_000 / unit).max(4);
        let mut refused: Option<(f64, usize, String)> = None;
        let mut read: Option<(f64, usize)> = None;
        for parts in [
            4, 12, 20, 28, 40, 60, 90, 110, 150, 400, 1_500, 6_000, 24_000, 100_000, most,
        ] {
            if parts > most {
                continue;
            }
            let text = made(parts);
            let start = Instant::now();
            let statement = Statement::read_all(&text, Count::Any, &scope);
            let ms = start.elapsed().as_secs_f64() * 1e3;
            match statement.problem() {
                Some(problem) if refused.as_ref().is_none_or(|(known, ..)| ms > *known) => {
                    refused = Some((ms, text.len(), problem.to_owned()));
                }
                None if read.as_ref().is_none_or(|(known, _)| ms > *known) => {
                    read = Some((ms, text.len()));
                }
                Some(_) | None => {}
            }
        }
        slowest_refusal = slowest_refusal.max(refused.as_ref().map_or(0.0, |(ms, ..)| *ms));
        slowest = slowest.max(read.as_ref().map_or(0.0, |(ms, _)| *ms));
        let (ms, bytes, why) = refused.unwrap_or_default();
        let why: String = why.chars().take(60).collect();
        let (read_ms, read_bytes) = read.unwrap_or_default();
        println!("| {name} | {ms:.2} ({bytes}) | {why} | {read_ms:.2} ({read_bytes}) |");
    }
    println!("slowest refusal {slowest_refusal:.1} ms, slowest read {slowest:.1} ms");
}

/// Views each of which rests on the one before, twice.
fn views() -> Catalogue {
    let mut text = "database = \"DB\"\nschema = \"S\"\n[tables]\n\"DB.S.T\" = [\"A TEXT\"]\n[views]\n\"DB.S.V0\" = { text = \"select a from t\", columns = [\"A TEXT\"] }\n".to_owned();
    for at in 1..16 {
        text.push_str(&format!("\"DB.S.V{at}\" = {{ text = \"select x.a from v{0} x, v{0} y\", columns = [\"A TEXT\"] }}\n", at - 1));
    }
    Catalogue::described(&text).unwrap_or_default()
}
