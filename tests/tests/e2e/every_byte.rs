//! Columns that no mask is on leave as they came, byte for byte, beside masked ones, inline and in chunks.

use std::fs;

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::every_type::{masking_world, reference};
use crate::piece;

/// Asks for ten tables in both forms by hand and keeps what comes: what is inline, and each chunk.
const KEEP: &str = r#"
import base64, os, requests, uuid
c = connect()

def keep(name, content):
    with open(os.path.join(os.environ["HOME"], name), "wb") as file:
        file.write(content)

for turn in range(10):
    for form in ("ARROW", "JSON"):
        at = f"https://{HOST}/queries/v1/query-request?requestId={uuid.uuid4()}"
        said = requests.post(at, headers={"Authorization": f'Snowflake Token="{c.rest.token}"', "Accept": "application/snowflake"},
            json={"sqlText": f"select * from ACME_DB.PUBLIC.EVERY_MIXED_{turn}", "parameters": {"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": form}})
        data = said.json()["data"]
        if form == "ARROW":
            keep(f"{turn}-{form}-0", base64.b64decode(data["rowsetBase64"]))
        for number, chunk in enumerate(data["chunks"], start=1):
            link = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(), timeout=60)
            link.request("GET", chunk["url"].removeprefix(f"https://{HOST}"))
            body = link.getresponse().read()
            if form == "JSON" and len(body) > chunk["uncompressedSize"]:
                tell("longer", turn=turn, told=chunk["uncompressedSize"], found=len(body))
            keep(f"{turn}-{form}-{number}", body)
tell("kept")
"#;

#[test]
fn unmasked_columns_are_equal_to_the_byte() -> Result<()> {
    let world = masking_world(Tuning::default())?;
    let finished = piece::run(&world, Generation::Four, KEEP)?;
    finished.step("kept")?;
    // JDBC sizes its buffers by what is told.
    assert!(finished.step("longer").is_err(), "{}", finished.output);
    let mut reads = Vec::new();
    for turn in 0..10 {
        for (form, ending) in [("ARROW", "arrow"), ("JSON", "json")] {
            for piece in 0..3 {
                // Rows of JSON that are inline were written anew by the emulator: nobody has the bytes that came.
                if (form, piece) != ("JSON", 0) {
                    reads.push(json!({
                        "served": world.path("home").join(format!("{turn}-{form}-{piece}")),
                        "stored": world.path(&format!("every_type/mixed/{piece}.{ending}")),
                        "form": form, "table": format!("EVERY_MIXED_{turn}"),
                    }));
                }
            }
        }
    }
    let file = world.path("bytes.json");
    fs::write(&file, Value::from(reads).to_string())?;
    let told: Value = serde_json::from_str(&reference("same.py", &[file.as_os_str()])?)?;
    assert_eq!(told["differences"], json!([]));
    assert!(told["compared"].as_u64() > Some(200), "{told}");
    Ok(())
}
