//! Scripts whose SQL no model wrote, run by Claude Code unmodified, two at once: what comes back in a tool's result tells which of
//! them a statement is of. What a result has from elsewhere tells nothing.

use std::fs;

use anyhow::Result;
use icecore_tests::drivers::Product;
use icecore_tests::model::Script;
use icecore_tests::python;
use serde_json::{Value, json};

use super::{Bed, READ};

const ECHO: i64 = 256;

/// Gives SQL whose rows do not stand in it.
fn rows(name: &str) -> String {
    format!(
        "select md5(n) as {name} from (select '1' as n union all select '2' union all select '3' union all select '4') as t"
    )
}

fn bash(command: &str) -> Value {
    json!({"name": "Bash", "input": {"command": command, "description": "Runs it"}})
}

#[test]
fn rows_and_errors_that_come_back_tell_whose_they_are_and_copies_do_not() -> Result<()> {
    let bed = Bed::start(READ)?;
    let script = bed.world.path("query.py");
    fs::copy(python::folder("drivers").join("query.py"), &script)?;
    let words = Product::Connector4.words(&script)?;
    let words: Vec<String> = (words.iter())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let query = words.join(" ");
    let home = bed.world.path("home");
    for (name, line) in [
        (
            "shown.sh",
            format!("{query} \"{}\" | tee kept", rows("SHOWN")),
        ),
        (
            "silent.sh",
            format!("{query} 'select 701 as A' > silent; echo fine"),
        ),
        (
            "again.sh",
            format!("{query} \"{}\" > again; echo fine", rows("AGAIN")),
        ),
        (
            "refused.sh",
            format!("{query} 'delete from ORDERS where 1 = 702'"),
        ),
        (
            "failing.sh",
            format!("{query} 'select 703 + \"NO_SUCH_COLUMN\" as A'"),
        ),
    ] {
        fs::write(home.join(name), line)?;
    }
    let _model = bed.model(&Script {
        turns: vec![
            json!({"text": "I look.", "tools": [bash("sh shown.sh"), bash("sh silent.sh")]}),
            // What an earlier result said is said again, while another statement is answered the same.
            json!({"tools": [bash("cat kept"), bash("sh again.sh")]}),
            json!({"tools": [bash("sh refused.sh"), bash("sh silent.sh")]}),
            json!({"tools": [bash("sh silent.sh"), bash("sh failing.sh")]}),
            json!({"text": "Done."}),
        ],
        keep_bodies: true,
        ..Script::default()
    })?;
    let output = bed.claude("how many are there?", "Bash")?.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("Done."),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    bed.world.flush()?;
    // Each with its links in the order in which they were made.
    let links = |like: &str| {
        let sql = format!(
            "select k.grade, k.method, k.evidence, k.tool_call_id, k.supersedes, k.link_id from links k \
             join statement_texts t using (statement_id) where t.sql_text like '{like}' order by k.link_id"
        );
        bed.world.query(&sql)
    };
    let told = |link: &Value| {
        let text = |name: &str| link[name].as_str().unwrap_or_default().to_owned();
        let is_echo = link["evidence"].as_i64().unwrap_or_default() & ECHO != 0;
        (text("grade"), text("method"), text("tool_call_id"), is_echo)
    };
    let of = |grade: &str, method: &str, call: &str, is_echo| {
        (
            grade.to_owned(),
            method.to_owned(),
            call.to_owned(),
            is_echo,
        )
    };
    for (like, call) in [
        ("%as SHOWN%", "toolu_0_0"),
        ("delete%702", "toolu_2_0"),
        ("select 703%", "toolu_3_1"),
    ] {
        let links = links(like)?;
        let found: Vec<_> = links.iter().map(told).collect();
        let expected = [of("D", "time", "", false), of("C", "echo", call, true)];
        assert_eq!(found, expected, "{like}: {links:#?}\n{said}");
        assert_eq!(links[1]["supersedes"], links[0]["link_id"], "{links:#?}");
    }
    for like in ["%as AGAIN%", "select 701 as A"] {
        let links = links(like)?;
        assert!(!links.is_empty(), "{like}: {said}");
        for link in &links {
            assert_eq!(told(link), of("D", "time", "", false), "{like}: {links:#?}");
        }
    }
    // No value is written down but where the record keeps statements and rows.
    let of_one = "c4ca4238a0b923820dcc509a6f75849b";
    assert!(said.contains(of_one), "{said}");
    let log = fs::read_to_string(bed.world.path("daemon.log"))?;
    assert!(!log.contains(of_one), "a row is in the log");
    Ok(())
}
