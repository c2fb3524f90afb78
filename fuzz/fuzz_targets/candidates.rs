//! Any arguments of any tool give texts that look like SQL, within bounds; a statement that stands in them as a whole is found.

#![no_main]

use icecore::prompt::linking::candidate::candidates;
use icecore::prompt::linking::open::{Calls, Opened, Prepared};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arguments: &[u8]| {
    for tool in [
        "Bash",
        "Write",
        "apply_patch",
        "python",
        "node",
        "mcp__x__query",
    ] {
        let found = candidates(tool, arguments);
        assert!(found.texts().count() <= 128 && found.files().count() <= 32);
        let call = Opened {
            name: tool.to_owned(),
            arguments: arguments.to_vec(),
            ..Opened::default()
        };
        let prepared = Prepared::of(tool, arguments);
        drop(Calls::default().put(&call, prepared, Default::default()));
    }
    let quoted = serde_json::json!({ "sql": format!("select a, {}", String::from_utf8_lossy(arguments).trim()) });
    let sql = quoted["sql"].as_str().expect("a text").trim().to_owned();
    let found = candidates("execute_sql", quoted.to_string().as_bytes());
    // Two marks of holes in a row are one hole.
    let is_marked = sql.contains("zq7hole7qz");
    assert!(is_marked || found.cut().texts > 0 || found.texts().any(|text| text == sql));
});
