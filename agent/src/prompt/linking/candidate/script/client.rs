//! Snowflake's clients, and requests to its API.

use super::super::template::Template;
use super::Shell;
use super::expand::Text;

impl Shell<'_> {
    /// A client of Snowflake's: `snow sql` or `snowsql`. Sources: Snowflake CLI, `snow sql`; SnowSQL, "Connection parameters".
    pub(super) fn client(&mut self, rest: &[Text], is_snow: bool) {
        let (mut queries, mut files): (Vec<Text>, Vec<Text>) = (Vec::new(), Vec::new());
        let mut reads = !is_snow;
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let marked = word.template.marked();
            let (option, value) = match marked.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (
                    option.to_owned(),
                    Some(Text {
                        template: Template::of(value),
                        files: word.files.clone(),
                    }),
                ),
                Some(_) | None => (marked.clone(), None),
            };
            match option.as_str() {
                "-q" | "--query" => queries.extend(value.or_else(|| words.next().cloned())),
                "-f" | "--filename" | "--file" => {
                    files.extend(value.or_else(|| words.next().cloned()))
                }
                "-i" | "--stdin" => reads = true,
                "--help" | "-h" | "--version" | "-v" | "-?" => return,
                "-c" | "-o" | "-D" | "--connection" | "--format" | "-d" | "-s" | "-r" | "-w"
                | "-a" | "-u" | "--option" | "--variable" => {
                    words.next();
                }
                other if other.starts_with("-q") && !other.starts_with("--") => {
                    queries.extend(other.get(2..).map(Text::plain));
                }
                _ => {}
            }
        }
        let is_given = !queries.is_empty() || !files.is_empty();
        // The last one holds.
        if let Some(query) = queries.last() {
            self.give(query);
        }
        for file in &files {
            self.feed(file);
            if file.whole() == Some("-") {
                reads = true;
            }
        }
        if reads && !is_given {
            let input = self.input.clone();
            self.give(&input);
        }
    }

    /// A request: to Snowflake's API for SQL it runs what it holds. Source: Snowflake, "SQL API", `POST /api/v2/statements`.
    pub(super) fn request(&mut self, rest: &[Text]) {
        let is_statements = rest.iter().any(|word| {
            let marked = word.template.marked();
            let is_address = !marked.contains(char::is_whitespace) && !marked.starts_with('-');
            is_address
                && (marked.contains("/api/v2/statements")
                    || marked.contains("/queries/v1/query-request"))
                && (marked.contains("snowflakecomputing") || marked.contains(super::super::HOLE))
        });
        if !is_statements {
            return;
        }
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let marked = word.template.marked();
            let option = marked
                .split_once('=')
                .map_or(marked.as_str(), |(option, _)| option);
            let takes = matches!(
                option,
                "-d" | "--data"
                    | "--data-raw"
                    | "--data-binary"
                    | "--data-ascii"
                    | "--json"
                    | "--post-data"
                    | "--body-data"
                    | "--raw"
            );
            let given = match marked.split_once('=') {
                Some((_, value)) if takes => Some(Text {
                    template: Template::of(value),
                    files: word.files.clone(),
                }),
                Some(_) | None if takes => words.next().cloned(),
                Some(_) | None => None,
            };
            let Some(given) = given else { continue };
            match given.whole().and_then(|given| given.strip_prefix('@')) {
                Some("-") => {
                    let input = self.input.clone();
                    self.give(&input);
                }
                Some(path) => {
                    let path = path.to_owned();
                    self.feed(&Text::plain(&path));
                }
                None => self.give(&given),
            }
        }
    }
}
