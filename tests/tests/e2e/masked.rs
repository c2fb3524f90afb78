//! Masked columns: by every way in which a result leaves, and beside columns that are as they were.

use std::fs;

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::search;
use icecore_tests::harness::world::World;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue::{CANARY, world_of};
use crate::piece;
use crate::raw;
use crate::v2::{get, submit};

/// The mails of customers are hashed; everything else may be done, also to join and count them.
const HASHED: &str = r#"
@id("all") permit (principal, action, resource);
@id("join") @masked_use("join count_distinct argument")
permit (principal, action == Icecore::Action::"filter", resource);
@id("mask-pii") @remedy("mask:hash") @reason("mails are hashed")
forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

/// Rows of customers, of which the first was there before.
const ROWS: u64 = 5001;

const FILL: &str = "insert into customers select n + 2, 'name ' || n, 'canary-' || n || '@x.example' \
                    from acme_db.public.numbers where n < 5000";

fn filled() -> Result<World> {
    let tuning = Tuning {
        chunk_rows: 1000,
        partition_rows: 2000,
        ..Tuning::default()
    };
    let world = world_of(HASHED, CANARY, tuning)?;
    let steps = json!([{"do": "sql", "name": "fill", "sql": FILL}]);
    worked(&world.drive(Generation::Four, &steps)?, &["fill"]);
    Ok(world)
}

/// Reads by every door of a cursor, and tells what it saw.
const READ: &str = r#"
import re
is_hash = re.compile("^[0-9a-f]{32}$").match
seen = {}
for form in ("ARROW", "JSON"):
    with connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}) as c:
        at = c.cursor()
        described = at.describe("select email, id, name from customers order by id")
        at.execute("select email, id, name from customers order by id")
        rows = at.fetchall()
        first = at.sfqid
        told = at.description
        tell(form, rows=len(rows), hashed=all(is_hash(r[0]) for r in rows), distinct=len({r[0] for r in rows}),
             ids=[r[1] for r in rows] == list(range(1, len(rows) + 1)), names=sum(r[2].startswith("name ") for r in rows),
             same_type=[(d.name, d.type_code, d.internal_size, d.is_nullable) for d in described]
                       == [(d.name, d.type_code, d.internal_size, d.is_nullable) for d in told], size=told[0].internal_size)
        seen[form] = [r[0] for r in rows]
        at.get_results_from_sfqid(first)
        again = at.fetchall()
        tell("by id " + form, same=[r[0] for r in again] == seen[form])
        at.execute(f"select * from table(result_scan('{first}'))")
        tell("scan " + form, same=[r[0] for r in at.fetchall()] == seen[form])
        at.execute("select contact as c, person from contacts where person = 'ada'")
        tell("view " + form, hashed=at.fetchone()[0] == seen[form][0])
        at.execute("select email from customers where id = 1 union all select 'canary-mail-51ce'")
        tell("chosen " + form, rows=[r[0] for r in at.fetchall()])
        at.execute("select email || '' as x, id from customers where id < 3 order by id")
        tell("made " + form, rows=at.fetchall())
        at.execute_async("select id, email from customers where id = 2")
        at.get_results_from_sfqid(at.sfqid)
        tell("async " + form, rows=[list(r) for r in at.fetchall()] == [[2, seen[form][1]]])
        at.execute("select 1; select email from customers where id = 3", num_statements=2)
        at.nextset()
        tell("batch " + form, same=at.fetchall()[0][0] == seen[form][2])
        at.execute("select count(*), count(distinct a.email) from customers a join customers b on a.email = b.email")
        tell("join " + form, counts=list(at.fetchone()))
    if form == "ARROW":
        with connect() as c:
            table = c.cursor().execute("select id, email from customers order by id").fetch_arrow_all()
            tell("table", same=table.column(1).to_pylist() == seen[form], rows=table.num_rows)
tell("both", same=seen["ARROW"] == seen["JSON"])
"#;

#[test]
fn both_connectors_read_hashes_by_every_way_and_the_rest_as_it_is() -> Result<()> {
    let world = filled()?;
    for generation in Generation::ALL {
        let finished = piece::run(&world, generation, READ)?;
        let leaked = finished.output.contains("canary-mail-51ce\"")
            || finished.output.contains("@x.example");
        assert!(!leaked, "{}", finished.output);
        for form in ["ARROW", "JSON"] {
            let step = finished.step(form)?;
            assert_eq!(
                (&step["rows"], &step["distinct"], &step["names"]),
                (&json!(ROWS), &json!(ROWS), &json!(ROWS - 1)),
                "{step}"
            );
            for fact in ["hashed", "ids", "same_type"] {
                assert_eq!(step[fact], true, "{fact}: {step}");
            }
            for (way, fact) in [
                ("by id", "same"),
                ("scan", "same"),
                ("view", "hashed"),
                ("async", "rows"),
                ("batch", "same"),
            ] {
                let step = finished.step(&format!("{way} {form}"))?;
                assert_eq!(step[fact], true, "{way}: {step}");
            }
            // Of what an agent chose beside it, and of what was made of it, nothing is kept.
            let chosen = finished.step(&format!("chosen {form}"))?;
            assert_eq!(chosen["rows"], json!([null, null]), "{chosen}");
            let made = finished.step(&format!("made {form}"))?;
            assert_eq!(made["rows"], json!([[null, 1], [null, 2]]), "{made}");
            let join = finished.step(&format!("join {form}"))?;
            assert_eq!(join["counts"], json!([ROWS, ROWS]), "{join}");
        }
        assert_eq!(finished.step("table")?["same"], true);
        assert_eq!(finished.step("both")?["same"], true);
    }
    world.flush()?;
    let masked = world.query(
        "select sum(masked_cells)::bigint cells, bool_and(upstream_mac <> delivered_mac) differ from results \
         where chunk_index >= 0",
    )?;
    assert_eq!(masked[0]["differ"], true, "{masked:?}");
    assert!(masked[0]["cells"].as_i64() > Some(10_000), "{masked:?}");
    Ok(())
}

/// Reads two batches of results, is stopped, reads the others, and compares all with the same results read at once.
const INTERRUPTED: &str = r#"
import re
is_hash = re.compile("^[0-9a-f]{32}$").match
MASKED = "select id, email, name from customers order by id"
BARE = "select n, 'name ' || n from numbers order by n"

def rows(batches):
    return [tuple(row) for batch in batches for row in batch.create_iter()]

def begin(form, sql):
    c = connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form})
    batches = c.cursor().execute(sql).get_result_batches()
    return c, sql, rows(batches[:2]), batches[2:]

begun = {(kind, form): begin(form, sql) for form in ("ARROW", "JSON") for kind, sql in (("masked", MASKED), ("bare", BARE))}
pause()
for (kind, form), (c, sql, read, left) in begun.items():
    later = rows(left)
    with connect(session_parameters={"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}) as fresh:
        again = fresh.cursor().execute(sql).fetchall()
    tell(f"{kind} {form}", rows=len(read) + len(later), later=len(later), same=read + later == again,
         hashed=all(is_hash(row[1]) for row in later), named=later[-1][-1])
"#;

#[test]
fn a_result_that_is_half_read_is_read_on_from_the_next_proxy() -> Result<()> {
    let mut world = filled()?;
    let mut driver = piece::start(&world, Generation::Four, INTERRUPTED)?;
    driver.expect("pause")?;
    let kept = world.config.proxy_dir().join("chunks");
    let files: Vec<_> = fs::read_dir(&kept)?.collect::<std::io::Result<_>>()?;
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].metadata()?.len() > 4 * 3000, "{files:?}");
    let secrets = world.gate.canaries()?;
    for name in ["presigned_url", "chunk_key"] {
        assert!(secrets.iter().any(|(found, _)| found == name), "no {name}");
    }
    let found = search::find(&world.config.run_dir(), &secrets, &[])?;
    assert_eq!(found, Vec::<String>::new());
    world.replace_proxy()?;
    driver.go_on()?;
    for form in ["ARROW", "JSON"] {
        let masked = driver.expect(&format!("masked {form}"))?;
        assert_eq!(masked["rows"], ROWS, "{masked}");
        assert!(masked["later"].as_u64() > Some(1000), "{masked}");
        assert_eq!(
            (&masked["same"], &masked["hashed"]),
            (&json!(true), &json!(true)),
            "{masked}"
        );
        let bare = driver.expect(&format!("bare {form}"))?;
        assert_eq!(
            (&bare["rows"], &bare["same"]),
            (&json!(20_000), &json!(true)),
            "{bare}"
        );
        assert_eq!(bare["named"], "name 19999", "{bare}");
    }
    let finished = driver.finish()?;
    assert!(
        !finished.output.contains("@x.example"),
        "{}",
        finished.output
    );
    world.flush()?;
    assert_eq!(fs::read_dir(&kept)?.count(), 0, "the session is over");
    Ok(())
}

#[test]
fn the_sql_api_reads_the_same_hashes_partition_by_partition() -> Result<()> {
    let world = filled()?;
    let rows = "select id, email from acme_db.public.customers order by id";
    let one = "select email from acme_db.public.customers where id = 1";
    let steps = json!([
        submit("one", "requestId=33333333-3333-4333-8333-333333333331", one),
        submit(
            "api",
            "requestId=33333333-3333-4333-8333-333333333332",
            rows
        ),
        get(
            "second",
            "/api/v2/statements/${api/body/statementHandle}?partition=1"
        ),
        get(
            "last",
            "/api/v2/statements/${api/body/statementHandle}?partition=2"
        ),
    ]);
    let finished = raw::send(&world, &steps)?;
    assert!(!finished.output.contains("canary-"), "{}", finished.output);
    let first = raw::body(&finished, "api");
    assert_eq!(
        first["data"][0][1],
        raw::body(&finished, "one")["data"][0][0]
    );
    assert_eq!(
        first["resultSetMetaData"]["rowType"][1]["nullable"], true,
        "{first}"
    );
    let mut read: Vec<Value> = Vec::new();
    for part in ["api", "second", "last"] {
        let body = raw::body(&finished, part);
        let Some(rows) = body["data"].as_array() else {
            panic!("{part}: {body}");
        };
        assert!(
            rows.iter()
                .all(|row| row[1].as_str().is_some_and(|hash| hash.len() == 32))
        );
        read.extend(rows.iter().map(|row| row[0].clone()));
    }
    let ids: Vec<Value> = (1..=read.len()).map(|id| json!(id.to_string())).collect();
    assert_eq!(read, ids);
    Ok(())
}
