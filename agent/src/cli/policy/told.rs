//! What `icecore policy explain` prints of a text: for people, or as JSON.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::policy::{self, Detector, Hold, Verdict};
use crate::replay::terminal;
use crate::statement::{Access, Class, ColumnUse, Meaning, Output, OutputColumn, Statement};

/// What is printed of a text.
pub(super) struct Told<'s> {
    sql: &'s str,
    pub(super) verdict: Verdict,
    /// The detectors that find something in the text.
    found: Vec<&'static str>,
    meant: Meant,
    /// Of a text of several statements.
    statements: Vec<Meant>,
}

/// What one statement means.
#[derive(Serialize)]
struct Meant {
    understood: bool,
    kind: &'static str,
    objects: Vec<Done>,
    columns: Vec<Used>,
    output: Option<Vec<Given>>,
    doubts: Vec<&'static str>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Done {
    action: &'static str,
    class: &'static str,
    name: String,
    is_settled: bool,
}

#[derive(Serialize)]
struct Used {
    r#use: &'static str,
    name: String,
}

#[derive(Serialize)]
struct Given {
    name: Option<String>,
    from: Vec<String>,
    is_bare: bool,
}

impl Meant {
    fn of(statement: &Statement, account: &str) -> Self {
        let done = |access: &Access| Done {
            action: access.action.name(),
            class: access.object.class().name(),
            name: if access.object.class() == Class::Account {
                account.to_owned()
            } else {
                access.object.path().to_string()
            },
            is_settled: access.object.is_settled(),
        };
        let used = |found: &ColumnUse| Used {
            r#use: found.how.name(),
            name: found.column.to_string(),
        };
        let given = |column: &OutputColumn| Given {
            name: column.name.clone(),
            from: column.from.iter().map(ToString::to_string).collect(),
            is_bare: column.is_bare,
        };
        let meaning = statement.meaning();
        let told = meaning.into_iter();
        Self {
            understood: statement.problem().is_none(),
            kind: statement.kind().name(),
            objects: policy::questions(statement).iter().map(done).collect(),
            columns: told.clone().flat_map(Meaning::columns).map(used).collect(),
            output: meaning.and_then(|meaning| match meaning.output() {
                Output::Unknown(_) => None,
                Output::Known(columns) => Some(columns.iter().map(given).collect()),
            }),
            doubts: told.flat_map(Meaning::doubts).copied().collect(),
            problem: statement.problem().map(str::to_owned),
        }
    }
}

impl<'s> Told<'s> {
    /// Takes what the policies say of a text, what it holds, and what it means.
    pub(super) fn new(
        sql: &'s str,
        (verdict, found): (Verdict, BTreeSet<Detector>),
        statement: &Statement,
        account: &str,
    ) -> Self {
        let of_part = |part| Meant::of(part, account);
        Self {
            sql,
            verdict,
            found: found.into_iter().map(Detector::name).collect(),
            meant: Meant::of(statement, account),
            statements: statement.parts().iter().map(of_part).collect(),
        }
    }

    /// Writes one line of JSON.
    pub(super) fn json(&self) -> String {
        in_one_line(&self.value().to_string())
    }

    fn value(&self) -> Value {
        let Verdict {
            rules,
            holds,
            flags,
            masks,
            result,
            reason,
        } = &self.verdict;
        let mut told = json!({
            "sql": self.sql,
            "verdict": self.verdict.word(),
            "rules": rules,
            "holds": holds.iter().map(held).collect::<Vec<Value>>(),
            "flags": flags,
            "masks": masks,
            "result": result,
            "reason": reason,
            "found": self.found,
        });
        if let (Some(told), Value::Object(meant)) = (told.as_object_mut(), json!(self.meant)) {
            told.extend(meant);
            if !self.statements.is_empty() {
                told.insert("statements".to_owned(), json!(self.statements));
            }
        }
        told
    }

    /// Writes for people; what the statement holds is escaped for a terminal.
    pub(super) fn shown(&self) -> String {
        let Self { verdict, meant, .. } = self;
        let rules = verdict.rules.join(", ");
        let mut lines = vec![format!("{:9} {rules}", verdict.word())];
        if let Some(reason) = &verdict.reason {
            lines.push(format!("reason    {reason}"));
        }
        let groups = verdict.groups().into_iter();
        lines.extend(listed("asks", groups.map(str::to_owned)));
        if self.statements.is_empty() {
            lines.extend(meant.lines());
        }
        for (number, part) in (1..).zip(&self.statements) {
            lines.push(format!("statement {number} of {}", self.statements.len()));
            lines.extend(part.lines().map(|line| format!("  {line}")));
        }
        let masks = verdict.masks.iter();
        lines.extend(listed(
            "masks",
            masks.map(|(column, mask)| format!("{column} {mask}")),
        ));
        let result = verdict.result.iter();
        let result: Vec<&str> = result.map(|mask| mask.as_deref().unwrap_or("-")).collect();
        lines.extend(listed(
            "result",
            Some(result.join(", "))
                .into_iter()
                .filter(|all| !all.is_empty()),
        ));
        lines.extend(listed("found", self.found.iter().map(ToString::to_string)));
        lines.extend(listed("flags", verdict.flags.iter().cloned()));
        let lines: Vec<String> = lines.iter().map(|line| terminal(line)).collect();
        lines.join("\n")
    }

    /// Writes for people, the text first: one of many.
    pub(super) fn shown_with_sql(&self) -> String {
        let sql = terminal(&format!("sql       {}", self.sql.trim()));
        format!("{sql}\n{}\n", self.shown())
    }
}

impl Meant {
    fn lines(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.iter().map(Done::told);
        let column = |used: &Used| format!("{} {}", used.r#use, used.name);
        let columns = self.columns.iter().map(column);
        let doubts = self.doubts.iter().map(ToString::to_string);
        let lines = [format!("kind      {}", self.kind)].into_iter();
        lines
            .chain(listed("objects", objects))
            .chain(listed("columns", columns))
            .chain(listed("doubts", doubts))
    }
}

impl Done {
    fn told(&self) -> String {
        let unsettled = if self.is_settled || self.name.is_empty() {
            ""
        } else {
            "?."
        };
        format!("{} {} {unsettled}{}", self.action, self.class, self.name)
    }
}

fn held(hold: &Hold) -> Value {
    json!({ "rule": hold.rule, "group": hold.group, "reason": hold.reason })
}

/// Writes some lines, the first behind a word.
fn listed(head: &str, all: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let head = move |place| if place == 0 { head } else { "" };
    (0..)
        .zip(all)
        .map(move |(place, line)| format!("{:9} {line}", head(place)))
}

/// Escapes what a reader may take for the end of a line, or a terminal for a change of direction.
fn in_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        if letter.is_control() || turns {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn json_stays_in_its_line_and_direction() {
        let told = serde_json::json!({ "sql": "a\u{85}b\u{2028}c\u{202e}d\u{e9}" }).to_string();
        let line = in_one_line(&told);
        assert_eq!(line, "{\"sql\":\"a\\u0085b\\u2028c\\u202ed\u{e9}\"}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["sql"], "a\u{85}b\u{2028}c\u{202e}d\u{e9}");
    }
}
