//! What `make` and `npm` run: the recipes of a target, the scripts of a package.

use super::documents;

/// Most targets that one leads to.
const TARGETS_MAX: usize = 16;

/// One rule of a Makefile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) targets: Vec<String>,
    pub(super) needs: Vec<String>,
    pub(super) recipe: String,
}

/// Lists the rules. Source: GNU make, "Rule Syntax".
pub(super) fn rules(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut is_own = false;
    for line in text.lines() {
        if line.starts_with('\t') {
            if let Some(rule) = rules.last_mut().filter(|_| is_own) {
                rule.recipe.push_str(line);
                rule.recipe.push('\n');
            }
            continue;
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        is_own = false;
        let Some((targets, rest)) = line.split_once(':') else {
            continue;
        };
        if rest.starts_with('=') || targets.contains('=') {
            continue;
        }
        let (needs, first) = rest.split_once(';').unwrap_or((rest, ""));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let recipe = if first.is_empty() {
            String::new()
        } else {
            format!("\t{}\n", first.trim())
        };
        rules.push(Rule {
            targets: words(targets),
            needs: words(needs),
            recipe,
        });
        is_own = true;
    }
    rules
}

/// Gives what a target's recipes hand to a shell, those that it needs before; of the first rule where none is named.
pub(super) fn of_target(text: &str, target: &str) -> String {
    let rules = rules(text);
    let first = rules
        .iter()
        .find_map(|rule| rule.targets.iter().find(|target| !target.starts_with('.')));
    let mut open = vec![if target.is_empty() {
        first.cloned().unwrap_or_default()
    } else {
        target.to_owned()
    }];
    let mut done: Vec<String> = Vec::new();
    let mut shell = String::new();
    while let Some(target) = open.pop() {
        if done.contains(&target) || done.len() >= TARGETS_MAX {
            continue;
        }
        for rule in rules.iter().filter(|rule| rule.targets.contains(&target)) {
            shell.insert_str(0, &documents::recipes(&rule.recipe));
            open.extend(rule.needs.iter().cloned());
        }
        done.push(target);
    }
    shell
}

/// Lists the scripts of a package with their names.
pub(super) fn scripts(text: &str) -> Vec<(String, String)> {
    let document: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let scripts = document
        .as_ref()
        .and_then(|document| document.get("scripts")?.as_object());
    let scripts = scripts.into_iter().flatten();
    scripts
        .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_runs_its_recipes_and_those_that_it_needs() {
        let text = "X = 1\n.PHONY: a b\na: b\n\t@one\n\nb:\n\t-two\nc: ; three\n";
        assert_eq!(of_target(text, "a"), "two\none\n");
        assert_eq!(of_target(text, ""), "two\none\n");
        assert_eq!(of_target(text, "c"), "three\n");
        assert_eq!(of_target(text, "x"), "");
    }

    #[test]
    fn scripts_of_a_package_have_names() {
        let text = r#"{"scripts":{"q":"snow sql"}}"#;
        assert_eq!(scripts(text), [("q".to_owned(), "snow sql".to_owned())]);
        assert_eq!(scripts("{"), []);
    }
}
