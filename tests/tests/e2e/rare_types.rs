//! Types that some drivers do not read: where one does, its values are right, and null once they are masked.

use anyhow::Result;
use icecore_tests::drivers::Product;
use icecore_tests::emulator::Tuning;

use crate::every_type::{Read, compare, masking_world, steps};

/// All of them, as tables are called.
const TYPES: [&str; 7] = [
    "VECTOR",
    "DECFLOAT",
    "STRUCTURED",
    "LIST",
    "MAP",
    "MONTHS",
    "SPAN",
];

/// Reads types, each in a table of its own, masked and not; gives those that the driver reads, by form.
fn read(product: Product, types: &[&str]) -> Result<Vec<String>> {
    let world = masking_world(Tuning::default())?;
    let tables: Vec<String> = types
        .iter()
        .flat_map(|name| ["", "_NULL"].map(|end| format!("RARE_{name}{end}")))
        .collect();
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let (steps, reads) = steps(product, &tables, "rare");
    let finished = world.drive(product, &steps)?;
    let (mut good, mut masked) = (Vec::new(), Vec::new());
    let (mut compared, mut failed) = (Vec::new(), Vec::new());
    for read in reads {
        let step = finished.step(&read.file)?;
        match (step["ok"] == true, read.table.ends_with("_NULL")) {
            (true, false) => good.push(name(&read)),
            (true, true) => masked.push(name(&read)),
            (false, _) => {
                failed.push(step.to_string());
                continue;
            }
        }
        compared.push((read, "rare".to_owned()));
    }
    // What a driver reads it reads masked and not, but for what connector 4 makes of DECFLOAT in Arrow: it takes a text without an
    // end for a C string when it looks the type's name up (`convertIfNeeded`), so that bytes behind it decide.
    let is_by_chance = |name: &str| {
        matches!(product, Product::Connector4)
            && ["ARROW-arrow-DECFLOAT", "ARROW-pandas-DECFLOAT"].contains(&name)
    };
    let told = |names: &[String]| -> Vec<String> {
        let told = names.iter().filter(|name| !is_by_chance(name));
        told.cloned().collect()
    };
    assert_eq!(told(&good), told(&masked), "{failed:#?}");
    compare(&world, &compared)?;
    Ok(good)
}

/// Names a read by the form of the result, the driver's own form, and the type.
fn name(read: &Read) -> String {
    let name = read.file.replace("rare-", "").replace("RARE_", "");
    name.replace("_NULL", "").replace(".json", "")
}

#[track_caller]
fn check(product: Product, types: &[&str], expected: &[&str]) -> Result<()> {
    let good = read(product, types)?;
    let missing: Vec<&&str> = expected
        .iter()
        .filter(|name| !good.iter().any(|good| good == **name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} not among {good:?}");
    Ok(())
}

/// What both connectors read at least.
const CONNECTORS: [&str; 7] = [
    "ARROW-rows-VECTOR",
    "ARROW-arrow-VECTOR",
    "ARROW-rows-DECFLOAT",
    "ARROW-rows-STRUCTURED",
    "ARROW-arrow-STRUCTURED",
    "ARROW-rows-LIST",
    "ARROW-arrow-LIST",
];

#[test]
fn connector_4_reads_rare_types() -> Result<()> {
    check(Product::Connector4, &TYPES, &CONNECTORS)
}

#[test]
fn connector_5_reads_rare_types() -> Result<()> {
    // At a map in an Arrow result 5.2.0 ends the process.
    let types: Vec<&str> = TYPES.into_iter().filter(|name| *name != "MAP").collect();
    check(Product::Connector5, &types, &CONNECTORS)
}

#[test]
fn node_reads_rare_types() -> Result<()> {
    // At structured objects 3.3.0 never ends.
    check(
        Product::Node,
        &["VECTOR", "DECFLOAT"],
        &["JSON-node-VECTOR", "JSON-node-DECFLOAT"],
    )
}

#[test]
fn adbc_reads_rare_types() -> Result<()> {
    let all = TYPES.map(|name| format!("ARROW-arrow-{name}"));
    check(Product::Adbc, &TYPES, &all.each_ref().map(String::as_str))
}
