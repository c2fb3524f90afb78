//! What calls do with a text, by their names.

use super::super::source::Language;

/// Words of names that run SQL or a command. Sources: PEP 249; the drivers of Node, Go, JDBC, R's DBI and PHP's PDO; the
/// languages' own functions that start programs.
const RUN: [&str; 22] = [
    "run",
    "sql",
    "system",
    "call",
    "invoke",
    "prepare",
    "qx",
    "cmd",
    "command",
    "statement",
    "output",
    "getoutput",
    "process",
    "passthru",
    "communicate",
    "snow",
    "snowsql",
    "select",
    "sqlquery",
    "snowflake",
    "runquery",
    "perform",
];

/// Words that begin like these do too.
const RUN_STARTS: [&str; 5] = ["exec", "quer", "spawn", "popen", "dbget"];

/// Words of names that do another thing with a text than to run it.
const OTHER: [&str; 123] = [
    "print",
    "println",
    "printf",
    "puts",
    "echo",
    "say",
    "cat",
    "pprint",
    "pp",
    "write",
    "writeln",
    "log",
    "logger",
    "logging",
    "console",
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "critical",
    "exception",
    "notice",
    "trace",
    "len",
    "length",
    "count",
    "size",
    "str",
    "repr",
    "hash",
    "md5",
    "sha1",
    "sha256",
    "digest",
    "crc32",
    "explain",
    "format",
    "fmt",
    "parse",
    "tokenize",
    "lex",
    "transpile",
    "translate",
    "lint",
    "validate",
    "check",
    "verify",
    "escape",
    "quote",
    "unquote",
    "encode",
    "decode",
    "replace",
    "sub",
    "gsub",
    "split",
    "match",
    "search",
    "find",
    "findall",
    "test",
    "compile",
    "dump",
    "dumps",
    "loads",
    "save",
    "store",
    "append",
    "push",
    "add",
    "insert",
    "set",
    "comment",
    "post",
    "send",
    "mail",
    "message",
    "notify",
    "publish",
    "assert",
    "equal",
    "equals",
    "expect",
    "raise",
    "throw",
    "die",
    "fail",
    "abort",
    "describe",
    "history",
    "cache",
    "memo",
    "note",
    "upper",
    "lower",
    "title",
    "index",
    "startswith",
    "endswith",
    "contains",
    "includes",
    "indexof",
    "strlen",
    "nchar",
    "substr",
    "slice",
    "argument",
    "option",
    "help",
    "usage",
    "document",
    "json",
    "yaml",
    "pickle",
    "csv",
    "diff",
    "preview",
    "dry",
    "mock",
    "patch",
    "stub",
    "fake",
];

/// Names, anywhere in a dotted one, of what runs no SQL of Snowflake's.
const OTHER_ROOTS: [&str; 50] = [
    "pyspark",
    "SparkSession",
    "databricks",
    "sqlglot",
    "sqlparse",
    "sqlfluff",
    "sqlfmt",
    "sqllineage",
    "sqlite3",
    "sqlite",
    "better",
    "duckdb",
    "psycopg",
    "psycopg2",
    "asyncpg",
    "pg8000",
    "pymysql",
    "mysql",
    "MySQLdb",
    "mariadb",
    "pymssql",
    "clickhouse_connect",
    "clickhouse_driver",
    "bigquery",
    "redshift_connector",
    "pymongo",
    "redis",
    "cassandra",
    "trino",
    "pyhive",
    "spark",
    "polars",
    "datafusion",
    "ibis",
    "re",
    "json",
    "JSON",
    "hashlib",
    "crypto",
    "logging",
    "logger",
    "log",
    "console",
    "Math",
    "difflib",
    "shlex",
    "mock",
    "Mock",
    "MagicMock",
    "pg",
];

/// Names that give on what they are given, or make it ready: `text(sql)`, `sql.strip()`.
const SAME: [&str; 40] = [
    "strip",
    "rstrip",
    "lstrip",
    "trim",
    "trimEnd",
    "trimStart",
    "encode",
    "toString",
    "to_s",
    "freeze",
    "chomp",
    "squish",
    "stripIndent",
    "strip_heredoc",
    "dedent",
    "text",
    "read",
    "read_text",
    "items",
    "values",
    "keys",
    "get",
    "readFileSync",
    "open",
    "Path",
    "file",
    "load",
    "list",
    "tuple",
    "dict",
    "iter",
    "entries",
    "forEach",
    "map",
    "each",
    "body",
    "decode",
    "sqlText",
    "sort",
    "as_str",
];

/// Parts a name into its words: `read_sql`, `executeQuery`, `dbGetQuery`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        let begins = letter.is_uppercase() && was_lower;
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Tells whether a call of this name runs what it is given.
pub(super) fn runs_by_name(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| {
        RUN.contains(&word.as_str()) || RUN_STARTS.iter().any(|start| word.starts_with(start))
    })
}

/// Tells whether a call of this name does another thing.
pub(super) fn is_other(name: &str) -> bool {
    if matches!(
        name,
        "check_output"
            | "check_call"
            | "dbSendQuery"
            | "dbSendStatement"
            | "send_query"
            | "set_query"
            | "execute_and_fetch"
    ) {
        return false;
    }
    words(name)
        .iter()
        .any(|word| OTHER.contains(&word.as_str()))
}

/// Tells whether a name is of what runs no SQL of Snowflake's.
pub(super) fn is_other_root(name: &str) -> bool {
    OTHER_ROOTS.contains(&name)
}

/// Tells whether a text is the address of another database. Source: SQLAlchemy's names of dialects.
pub(super) fn is_other_address(text: &str) -> bool {
    let others = [
        "postgres",
        "mysql",
        "mariadb",
        "sqlite",
        "mssql",
        "oracle",
        "duckdb",
        "bigquery",
        "redshift",
        "trino",
        "presto",
        "clickhouse",
        "databricks",
        "hive",
        "cockroachdb",
    ];
    text.contains("://") && others.iter().any(|other| text.starts_with(other))
}

/// Tells whether a method leaves a text as it is, or nearly.
pub(super) fn is_same(name: &str) -> bool {
    SAME.contains(&name)
}

/// Tells whether a program's option has it read a program and run nothing. Sources: the programs' manuals.
pub(in crate::prompt::linking::candidate) fn only_checks(language: Language, option: &str) -> bool {
    match language {
        Language::Python => matches!(option, "--help" | "--version" | "-V" | "-h"),
        Language::JavaScript => matches!(
            option,
            "--check" | "-c" | "--help" | "--version" | "-v" | "-h"
        ),
        Language::Perl | Language::Ruby => {
            matches!(option, "-c" | "--help" | "--version" | "-v" | "-cw" | "-wc")
        }
        Language::Php => matches!(option, "-l" | "--syntax-check" | "-h" | "-v" | "--help"),
        Language::Go => matches!(
            option,
            "build"
                | "vet"
                | "fmt"
                | "doc"
                | "version"
                | "help"
                | "list"
                | "mod"
                | "get"
                | "install"
        ),
        Language::R | Language::Java | Language::Tcl | Language::PowerShell | Language::Other => {
            matches!(option, "--help" | "--version" | "-h")
        }
    }
}

/// Tells whether a program is given in the word behind an option.
pub(in crate::prompt::linking::candidate) fn takes_code(language: Language, option: &str) -> bool {
    let is_short = |letter: char| {
        let letters = option.strip_prefix('-').unwrap_or_default();
        !letters.starts_with('-') && letters.ends_with(letter) && letters.len() <= 4
    };
    match language {
        Language::Python => is_short('c'),
        Language::JavaScript => {
            matches!(option, "-e" | "--eval" | "-p" | "--print" | "-pe" | "eval")
        }
        Language::Perl => is_short('e') || is_short('E'),
        Language::Ruby | Language::R | Language::Other | Language::Java => is_short('e'),
        Language::Php => is_short('r'),
        Language::Tcl => is_short('c'),
        Language::PowerShell => {
            let option = option.to_ascii_lowercase();
            matches!(option.as_str(), "-command" | "-c" | "/c")
        }
        Language::Go => false,
    }
}

/// Tells whether an option takes a word that is no program.
pub(in crate::prompt::linking::candidate) fn takes_word(language: Language, option: &str) -> bool {
    match language {
        Language::Python => matches!(option, "-W" | "-X" | "--check-hash-based-pycs"),
        Language::JavaScript => matches!(
            option,
            "-r" | "--require" | "--import" | "--loader" | "--env-file"
        ),
        Language::Perl | Language::Ruby => matches!(option, "-I" | "-M" | "-r"),
        Language::Php => matches!(option, "-d" | "-c" | "-z"),
        Language::Java => matches!(option, "-cp" | "-classpath" | "--class-path" | "-m"),
        Language::R | Language::Go | Language::Tcl | Language::PowerShell | Language::Other => {
            false
        }
    }
}
