//! What is inside the binary: every crate that is linked into it, as CycloneDX.
//!
//! Source: CycloneDX 1.5, JSON schema; package URLs by the purl specification, type `cargo`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Release, TARGET, output};
use crate::command::{cargo, root};

/// Writes `icecore-<version>.cdx.json`.
pub(super) fn build(release: &Release) -> Result<PathBuf> {
    let text = output(
        cargo(&["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", TARGET]),
    )?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let bill = bill(&metadata, &checksums(&lock)?, &release.version)?;
    let file = release
        .out
        .join(format!("icecore-{}.cdx.json", release.version));
    fs::write(&file, format!("{bill:#}\n"))
        .with_context(|| format!("write `{}`", file.display()))?;
    Ok(file)
}

/// Gives each locked package's SHA-256 by name and version.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = lock.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |package: &toml::Value, key: &str| {
        package
            .get(key)
            .and_then(toml::Value::as_str)
            .map(str::to_owned)
    };
    let sums = packages.context("Cargo.lock: no packages")?.iter();
    Ok(sums
        .filter_map(|one| {
            Some((
                (text(one, "name")?, text(one, "version")?),
                text(one, "checksum")?,
            ))
        })
        .collect())
}

/// Writes the bill: what the agent needs when it runs, and what each of these needs.
fn bill(
    metadata: &Value,
    checksums: &BTreeMap<(String, String), String>,
    version: &str,
) -> Result<Value> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let packages: BTreeMap<String, Value> = list(metadata.get("packages"))
        .into_iter()
        .map(|package| (text(&package, "id"), package))
        .collect();
    let needs: BTreeMap<String, Vec<String>> = list(metadata.pointer("/resolve/nodes"))
        .iter()
        .map(|node| (text(node, "id"), linked(node)))
        .collect();
    let agent = packages
        .iter()
        .find(|(_, package)| text(package, "name") == "icecore")
        .map(|(id, _)| id.clone())
        .context("cargo metadata: expected a package `icecore`, found none")?;

    let mut inside = BTreeSet::new();
    let mut open = vec![agent.clone()];
    while let Some(id) = open.pop() {
        if inside.insert(id.clone()) {
            open.extend(needs.get(&id).into_iter().flatten().cloned());
        }
    }
    let reference = |id: &String| {
        let package = packages.get(id).cloned().unwrap_or_default();
        format!(
            "pkg:cargo/{}@{}",
            text(&package, "name"),
            text(&package, "version")
        )
    };
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &inside {
        let on: BTreeSet<String> = needs.get(id).into_iter().flatten().map(reference).collect();
        dependencies.push(json!({ "ref": reference(id), "dependsOn": on }));
        let package = packages.get(id).cloned().unwrap_or_default();
        if *id == agent {
            continue;
        }
        let (name, version) = (text(&package, "name"), text(&package, "version"));
        let mut component = json!({
            "type": "library", "bom-ref": reference(id), "purl": reference(id), "name": name, "version": version,
        });
        let whole = component
            .as_object_mut()
            .context("a component is an object")?;
        // Cargo's older form has `/` for OR (the Cargo book, "The license field").
        let licence = text(&package, "license").replace('/', " OR ");
        if !licence.is_empty() {
            whole.insert("licenses".into(), json!([{ "expression": licence }]));
        }
        if let Some(sum) = checksums.get(&(name, version)) {
            whole.insert(
                "hashes".into(),
                json!([{ "alg": "SHA-256", "content": sum }]),
            );
        }
        components.push(component);
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": reference(&agent), "name": "icecore", "version": version,
            "licenses": [{ "expression": "Apache-2.0" }],
        } },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Lists what a package is linked with: neither what only builds it nor what only tests it.
fn linked(node: &Value) -> Vec<String> {
    let deps = node.get("deps").and_then(Value::as_array);
    let is_normal = |dep: &&Value| {
        let kinds = dep.get("dep_kinds").and_then(Value::as_array);
        kinds.is_some_and(|kinds| {
            kinds
                .iter()
                .any(|kind| kind.get("kind").is_some_and(Value::is_null))
        })
    };
    deps.into_iter()
        .flatten()
        .filter(is_normal)
        .filter_map(|dep| Some(dep.get("pkg")?.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_what_builds_or_tests_is_not() {
        let package = |id: &str, name: &str| json!({ "id": id, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let dep = |id: &str, kind: Value| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("a", "icecore"), package("b", "ring"), package("c", "cc"), package("d", "proptest")],
            "resolve": { "nodes": [
                { "id": "a", "deps": [dep("b", Value::Null), dep("d", json!("dev"))] },
                { "id": "b", "deps": [dep("c", json!("build"))] },
            ] },
        });
        let sums =
            checksums("[[package]]\nname = \"ring\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n")
                .unwrap();
        let bill = bill(&metadata, &sums, "0.1.0").unwrap();
        let only = &bill["components"];
        assert_eq!(only.as_array().unwrap().len(), 1, "{only}");
        assert_eq!(only[0]["purl"], "pkg:cargo/ring@1.0.0");
        assert_eq!(only[0]["hashes"][0]["content"], "ab");
        assert_eq!(only[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(
            bill["dependencies"][0]["dependsOn"],
            json!(["pkg:cargo/ring@1.0.0"])
        );
    }
}
