//! Laws of reading: nothing panics, printing keeps the meaning, names of one's own change nothing, and no column is lost.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Catalogue, Scope, Statement, Use};

const ACCOUNT: &str = r#"
database = "DB"
schema = "S"
[tables]
"DB.S.T" = ["A TEXT", "B TEXT", "C TEXT"]
"DB.S.U" = ["A TEXT", "D TEXT", "E TEXT"]
[views]
"DB.S.V" = { text = "create view v as select a, b || c as f from t", columns = ["A TEXT", "F TEXT"] }
"#;

fn read(text: &str) -> Statement {
    let catalogue = Catalogue::described(ACCOUNT).unwrap();
    Statement::read(text, &Scope::new(&|_| false).with(&catalogue))
}

/// A query of two columns.
#[derive(Clone, Debug)]
struct Query {
    from: Rows,
    joined: Option<Rows>,
    /// Of which rows, and which of their columns.
    picks: [(bool, usize); 2],
    is_made: bool,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Rows {
    Table(&'static str, &'static [&'static str]),
    Of(Box<Query>),
}

#[derive(Clone, Debug)]
enum Shape {
    Plain,
    Member,
    Star,
    Union(Box<Query>),
    Listed,
}

/// Writes a query with the names that a prefix begins; gives its text, its columns' names and what they are made of.
struct Writer<'p> {
    prefix: &'p str,
    made: usize,
}

type Written = (String, Vec<(String, BTreeSet<String>)>);

impl Writer<'_> {
    fn name(&mut self) -> String {
        self.made += 1;
        format!("{}{}", self.prefix, self.made)
    }

    fn rows(&mut self, rows: &Rows) -> Written {
        match rows {
            Rows::Table(name, columns) => {
                let of = |column: &&str| {
                    let path = format!("DB.S.{}.{}", name.to_uppercase(), column.to_uppercase());
                    ((*column).to_owned(), BTreeSet::from([path]))
                };
                ((*name).to_owned(), columns.iter().map(of).collect())
            }
            Rows::Of(query) => {
                let (text, columns) = self.query(query);
                (format!("({text})"), columns)
            }
        }
    }

    fn query(&mut self, query: &Query) -> Written {
        let mut sources = Vec::new();
        for rows in std::iter::once(&query.from).chain(&query.joined) {
            let (text, columns) = self.rows(rows);
            sources.push((text, self.name(), columns));
        }
        let picked: Vec<_> = query
            .picks
            .iter()
            .map(|(second, column)| {
                let source = &sources[usize::from(*second) % sources.len()];
                let (name, from) = &source.2[column % source.2.len()];
                let value = format!("{}.{name}", source.1);
                let value = if query.is_made {
                    format!("upper({value})")
                } else {
                    value
                };
                (value, self.prefix.to_owned(), from.clone())
            })
            .collect();
        let columns: Vec<(String, BTreeSet<String>)> = picked
            .iter()
            .map(|(_, _, from)| (self.name(), from.clone()))
            .collect();
        let from: Vec<String> = sources
            .iter()
            .map(|(text, alias, _)| format!("{text} as {alias}"))
            .collect();
        let from = from.join(" cross join ");
        let list: Vec<String> = picked
            .iter()
            .zip(&columns)
            .map(|((value, ..), (name, _))| format!("{value} as {name}"))
            .collect();
        let text = format!("select {} from {from}", list.join(", "));
        match &query.shape {
            Shape::Plain => (text, columns),
            Shape::Member => {
                let member = self.name();
                (
                    format!("with {member} as ({text}) select * from {member}"),
                    columns,
                )
            }
            Shape::Star => (format!("select * from ({text})"), columns),
            Shape::Union(other) => {
                let (other, more) = self.query(other);
                let both = columns.into_iter().zip(more);
                let both = both.map(|((name, mut from), (_, more))| {
                    from.extend(more);
                    (name, from)
                });
                (format!("{text} union all ({other})"), both.collect())
            }
            Shape::Listed => {
                let alias = self.name();
                let names = [self.name(), self.name()];
                let text = format!(
                    "select {alias}.$2 as {0}2, {alias}.{0} as {1}2 from ({text}) as {alias} ({0}, {1})",
                    names[0], names[1]
                );
                let mut columns = columns;
                columns.swap(0, 1);
                columns[0].0 = format!("{}2", names[0]);
                columns[1].0 = format!("{}2", names[1]);
                (text, columns)
            }
        }
    }
}

fn query() -> impl Strategy<Value = Query> {
    let table = || {
        prop::sample::select(vec![
            Rows::Table("t", &["a", "b", "c"]),
            Rows::Table("u", &["a", "d", "e"]),
        ])
    };
    let of = |from: BoxedStrategy<Rows>, more: BoxedStrategy<Shape>| {
        let picks = [(any::<bool>(), 0..3_usize), (any::<bool>(), 0..3_usize)];
        let parts = (
            from.clone(),
            prop::option::of(from),
            picks,
            any::<bool>(),
            more,
        );
        parts.prop_map(|(from, joined, picks, is_made, shape)| Query {
            from,
            joined,
            picks,
            is_made,
            shape,
        })
    };
    let shapes = vec![Shape::Plain, Shape::Member, Shape::Star, Shape::Listed];
    let simple = prop::sample::select(shapes);
    let leaf = of(table().boxed(), simple.clone().boxed());
    leaf.prop_recursive(4, 16, 3, move |inner| {
        let nested = inner.clone().prop_map(|query| Rows::Of(Box::new(query)));
        let union = inner.prop_map(|query| Shape::Union(Box::new(query)));
        let from = prop_oneof![table(), nested].boxed();
        of(from, prop_oneof![3 => simple.clone(), 1 => union].boxed())
    })
}

/// Words and signs that statements are made of, and some that break them.
fn soup() -> impl Strategy<Value = String> {
    let words = "select from where t u v a b c * ( ) , . .. ; ' \" $$ $1 t.$2 :: : => -> ->> := = != < || + - / @ @st @~ % { } [ ] \
        ? ! -- /* */ // join on using natural lateral union all with recursive as over partition by order group having qualify \
        pivot unpivot for in match_recognize define pattern measures connect prior start level flatten table identifier \
        values insert into update set delete merge when matched then create or replace alter drop view function procedure task \
        language sql returns begin end declare let if else case loop do while return execute immediate using call show describe \
        grant to role revoke copy file_format put get list remove file:///a use database schema explain text like clone at before \
        directed array object map cast timestamp nth_value date_part semantic_view metrics dimensions sample linear cluster \
        primary key unique index include autoincrement clone copy tags contact all name dynamic refresh self execute project fn ^ ? \
        policy masking tag references default 'x' 'it''s' '\\x41' \"Q\" \"$1\" 1 2.5 null true cast exclude rename ilike replace";
    let words: Vec<&'static str> = words.split_whitespace().collect();
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.join(" "))
}

fn uses(statement: &Statement) -> BTreeSet<String> {
    let meaning = statement.meaning().unwrap();
    let columns = meaning.columns().iter().map(ToString::to_string);
    let accesses = meaning.accesses().iter().map(ToString::to_string);
    columns.chain(accesses).collect()
}

proptest! {
    #[test]
    fn no_words_break_the_reader(text in soup()) {
        drop(read(&text));
        drop(read(&format!("create {text}")));
        drop(read(&format!("begin {text}; end")));
        drop(read(&format!("select {text}")));
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,60}") {
        drop(read(&text));
        drop(read(&format!("select '{text}', \"{text}\" from t")));
    }

    #[test]
    fn every_column_that_a_query_gives_is_told(query in query()) {
        let (text, columns) = Writer { prefix: "n", made: 0 }.query(&query);
        let statement = read(&text);
        prop_assert_eq!(statement.problem(), None, "{}", text);
        let told: BTreeSet<String> = statement
            .meaning()
            .unwrap()
            .columns()
            .iter()
            .filter(|found| found.how == Use::Project)
            .map(|found| found.column.to_string())
            .collect();
        let truth: BTreeSet<String> = columns.into_iter().flat_map(|(_, from)| from).collect();
        prop_assert_eq!(told, truth, "{}", text);
    }

    #[test]
    fn names_of_ones_own_change_nothing(query in query()) {
        let told = |prefix: &str| {
            let (text, _) = Writer { prefix, made: 0 }.query(&query);
            uses(&read(&text))
        };
        // Names like those of columns, and like those of tables of another schema.
        prop_assert_eq!(told("n"), told("\u{5f}x"));
        prop_assert_eq!(told("n"), told("value"));
    }

    #[test]
    fn a_printed_query_means_the_same(query in query()) {
        let (text, _) = Writer { prefix: "n", made: 0 }.query(&query);
        let first = read(&text);
        let printed = first.normalized().unwrap();
        let second = read(printed);
        prop_assert_eq!(second.problem(), None, "{}", printed);
        prop_assert_eq!(first.kind(), second.kind());
        prop_assert_eq!(uses(&first), uses(&second), "{}", printed);
    }
}
