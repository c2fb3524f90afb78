//! The contract against those who rely on it: the page for operators, the rules, the dashboard.

use std::collections::BTreeSet;

use super::*;

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const RULES: &str = include_str!("../../../packaging/prometheus/icecore.rules.yml");
const CASES: &str = include_str!("../../../packaging/prometheus/icecore.rules.test.yml");
const DASHBOARD: &str = include_str!("../../../packaging/grafana/icecore.json");

#[test]
fn names_are_as_prometheus_wants_them() {
    let mut names = BTreeSet::new();
    for family in &FAMILIES {
        let Family {
            name, kind, help, ..
        } = family;
        assert!(names.insert(name), "{name} again");
        assert!(name.starts_with("icecore_"), "{name}");
        assert_eq!(*kind == Counter, name.ends_with("_total"), "{name}");
        assert!(*kind != Histogram || name.ends_with("_seconds"), "{name}");
        assert!(!help.contains('|') && help.ends_with('.'), "{name}");
    }
}

#[test]
fn the_page_for_operators_has_the_same_names() {
    let rows = OPERATIONS
        .lines()
        .filter(|line| line.starts_with("| `icecore_"));
    let told: Vec<String> = rows.map(str::to_owned).collect();
    let own = FAMILIES.iter().map(|family| {
        let labels: Vec<String> = family.labels.iter().map(|one| format!("`{one}`")).collect();
        format!(
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            family.help.trim_end_matches('.')
        )
    });
    let own: Vec<String> = own.collect();
    assert_eq!(told, own);
}

/// Gives the names of ours in a text, those of histograms' parts as the histogram's.
fn named(text: &str) -> BTreeSet<&str> {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == ':';
    let words = text.split(|sign| !is_sign(sign));
    let ours = words.filter(|word| word.starts_with("icecore_") && !word.contains(':'));
    ours.map(|word| {
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| word.strip_suffix(part));
        let is_histogram =
            |name: &&str| Family::named(name).is_some_and(|family| family.kind == Histogram);
        whole.filter(is_histogram).unwrap_or(word)
    })
    .collect()
}

#[track_caller]
fn check_known(text: &str) -> BTreeSet<&str> {
    let names = named(text);
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| Family::named(name).is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    names
}

#[test]
fn rules_name_metrics_that_exist_and_say_what_to_do() {
    assert!(check_known(RULES).len() > 10);
    let alerts: Vec<&str> = RULES.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 15, "{}", alerts.len());
    let mut names = BTreeSet::new();
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        assert!(name.starts_with("Icecore") && names.insert(name), "{name}");
        assert!(
            CASES.contains(&format!("- name: {name}\n")),
            "{name}: no case"
        );
        for key in ["expr:", "severity:", "summary:", "runbook:"] {
            assert!(alert.contains(key), "{name}: no {key}");
        }
    }
}

#[test]
fn the_dashboard_names_metrics_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut named = BTreeSet::new();
    for target in targets {
        let expr = target["expr"].as_str().unwrap();
        let names = check_known(expr);
        assert!(!names.is_empty(), "{expr}");
        named.extend(names);
    }
    assert!(named.len() >= 30, "{named:?}");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
    }
}
