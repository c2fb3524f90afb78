//! What programs do with a text that they are given, by their names. One that is not listed may run it: a whole statement is
//! its argument.

use super::super::source::Language;

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Runs commands of a shell.
    Shell,
    /// Runs programs of a language.
    Program(Language),
    /// A client of Snowflake's.
    Snow,
    Snowsql,
    /// Sends requests.
    Http,
    /// Runs another program, whose words stand behind its own.
    Wraps,
    /// Runs another program once for what it reads.
    Xargs,
    Find,
    /// Runs the recipes of a file.
    Make,
    Npm,
    /// Makes a program of a source.
    Compiles,
    Dbt,
    Notebook,
    /// Writes what it reads.
    Cat,
    Tee,
    Jq,
    Awk,
    /// Writes what it makes of what it reads.
    Filters,
    /// Writes into files, or over them.
    Edits,
    Patch,
    /// Tells something of what it is given.
    Tests,
    /// Does another thing with a text than to run it.
    Holds,
    Unknown,
}

/// Filters: each gives another text than it was given, or may.
const FILTERS: [&str; 36] = [
    "sed", "gsed", "tr", "cut", "head", "tail", "sort", "uniq", "rev", "tac", "fold", "fmt", "nl",
    "paste", "column", "expand", "unexpand", "iconv", "base64", "base32", "xxd", "od", "hexdump",
    "gzip", "gunzip", "zcat", "bzip2", "xz", "zstd", "openssl", "envsubst", "sponge", "strings",
    "shuf", "split", "dos2unix",
];

/// Programs that run no SQL of Snowflake's: they say, search, count, check, keep or convert, or ask another database or a
/// model. Sources: the programs' manuals.
const HOLDS: [&str; 143] = [
    // Messages and notes.
    "logger",
    "wall",
    "write",
    "mail",
    "mailx",
    "mutt",
    "sendmail",
    "msmtp",
    "swaks",
    "notify-send",
    "terminal-notifier",
    "osascript",
    "say",
    "espeak",
    "banner",
    "figlet",
    "toilet",
    "cowsay",
    "lolcat",
    "slack",
    "slackcat",
    "systemd-cat",
    "zenity",
    "dialog",
    "whiptail",
    "kdialog",
    "xmessage",
    "gum",
    "pbcopy",
    "xclip",
    "xsel",
    "wl-copy",
    "clip",
    "tmux",
    "screen",
    "script",
    "at",
    "batch",
    "crontab",
    "todo",
    "task",
    "jrnl",
    "nb",
    "ntfy",
    "apprise",
    "telegram-send",
    "signal-cli",
    "matrix-commander",
    "discord",
    // Forges and histories.
    "git",
    "gh",
    "glab",
    "hub",
    "hg",
    "svn",
    "jj",
    "fossil",
    "bzr",
    "tea",
    "jira",
    "linear",
    "acli",
    // Looking at files.
    "wc",
    "ls",
    "stat",
    "file",
    "du",
    "df",
    "tree",
    "less",
    "more",
    "most",
    "pygmentize",
    "highlight",
    "glow",
    "mdcat",
    "vim",
    "vi",
    "nvim",
    "nano",
    "emacs",
    "code",
    "open",
    "xdg-open",
    "md5sum",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shasum",
    "b2sum",
    "b3sum",
    "md5",
    "cksum",
    "sum",
    "gpg",
    "age",
    "minisign",
    "cloc",
    "tokei",
    "wdiff",
    // Checks and formats.
    "sqlfluff",
    "sqlglot",
    "sqlfmt",
    "sql-formatter",
    "pg_format",
    "sqlformat",
    "sqlparse",
    "sqlint",
    "sqllint",
    "sql-lint",
    "sqruff",
    "prettier",
    "black",
    "ruff",
    "flake8",
    "pylint",
    "mypy",
    "shellcheck",
    "shfmt",
    "eslint",
    "yamllint",
    "jsonlint",
    "squawk",
    "sqlcheck",
    "soda-lint",
    "isort",
    "sqlmesh-lint",
    "aspell",
    "hunspell",
    // Other databases.
    "psql",
    "pgcli",
    "mysql",
    "mariadb",
    "mycli",
    "sqlite3",
    "sqlite",
    "litecli",
    "sqlite-utils",
    "duckdb",
    "clickhouse",
    "clickhouse-client",
];
/// More of them.
const HOLDS_TOO: [&str; 66] = [
    "clickhouse-local",
    "bq",
    "trino",
    "presto",
    "beeline",
    "hive",
    "impala-shell",
    "spark-sql",
    "sqlcmd",
    "mssql-cli",
    "sqlplus",
    "mongosh",
    "mongo",
    "redis-cli",
    "cqlsh",
    "influx",
    "db2",
    "isql-fb",
    "databricks",
    "dbsqlcli",
    "athenacli",
    "aws",
    "gcloud",
    "az",
    "gsutil",
    "octosql",
    "dsq",
    "textql",
    "datafusion-cli",
    "trdsql",
    "cockroach",
    "surreal",
    "rpk",
    "kcat",
    "kafka-console-producer",
    "kcat",
    "psqldef",
    "yugabyte",
    "ysqlsh",
    "vsql",
    "nzsql",
    "bteq",
    "hdbsql",
    "questdb",
    "chdb",
    "steampipe",
    "q",
    // Models and their agents.
    "llm",
    "claude",
    "codex",
    "gemini",
    "ollama",
    "aider",
    "opencode",
    "goose",
    "sgpt",
    "mods",
    "fabric",
    "chatgpt",
    "aichat",
    "copilot",
    // Elsewhere.
    "ssh",
    "scp",
    "rsync",
    "sftp",
    "nc",
];

/// Programs that set up, plan and keep, and run no text of SQL that they are given.
const SETS_UP: [&str; 22] = [
    "terraform",
    "tofu",
    "terragrunt",
    "helm",
    "helmfile",
    "ansible",
    "pulumi",
    "packer",
    "vagrant",
    "consul",
    "etcdctl",
    "vault",
    "airflow",
    "prefect",
    "dagster",
    "kustomize",
    "skaffold",
    "argocd",
    "flyctl",
    "heroku",
    "vercel",
    "wrangler",
];

/// Tells what a program does, by its name.
pub(super) fn kind(name: &str) -> Kind {
    let is_version = |letter: char| letter.is_ascii_digit() || letter == '.';
    let base = name.trim_end_matches(is_version).trim_end_matches('-');
    match base {
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "mksh" | "rbash" => Kind::Shell,
        "python" | "pypy" | "ipython" | "py" => Kind::Program(Language::Python),
        "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" => {
            Kind::Program(Language::JavaScript)
        }
        "perl" => Kind::Program(Language::Perl),
        "Rscript" | "R" | "r" | "littler" => Kind::Program(Language::R),
        "ruby" | "irb" | "jruby" => Kind::Program(Language::Ruby),
        "php" => Kind::Program(Language::Php),
        "go" => Kind::Program(Language::Go),
        "java" | "jshell" | "groovy" | "scala" | "scala-cli" | "kotlin" | "kotlinc" | "dotnet"
        | "dotnet-script" | "jbang" => Kind::Program(Language::Java),
        "gcc" | "cc" | "clang" | "g++" | "c++" | "clang++" | "tcc" | "rustc" | "ghc" => {
            Kind::Compiles
        }
        "javac" => Kind::Holds,
        "tclsh" | "tclsh8." | "wish" | "expect" => Kind::Program(Language::Tcl),
        "lua" | "luajit" | "julia" | "crystal" | "swift" | "elixir" | "nim" | "osascript" => {
            Kind::Program(Language::Other)
        }
        "pwsh" | "powershell" => Kind::Program(Language::PowerShell),
        "snow" => Kind::Snow,
        "snowsql" => Kind::Snowsql,
        "curl" | "wget" | "http" | "https" | "xh" | "curlie" | "httpie" => Kind::Http,
        "env" | "timeout" | "nice" | "ionice" | "nohup" | "setsid" | "stdbuf" | "time"
        | "gtimeout" | "command" | "builtin" | "sudo" | "doas" | "chrt" | "taskset"
        | "unbuffer" | "strace" | "ltrace" | "uv" | "uvx" | "pipx" | "poetry" | "pdm"
        | "pipenv" | "hatch" | "rye" | "pixi" | "conda" | "mamba" | "micromamba" | "tox"
        | "nox" | "npx" | "bunx" | "direnv" | "op" | "doppler" | "aws-vault" | "dotenv"
        | "dotenvx" | "mise" | "asdf" | "docker" | "podman" | "nerdctl" | "kubectl" | "oc"
        | "coproc" | "caffeinate" | "watch" | "retry" | "flock" | "chronic" | "ts" | "prlimit"
        | "firejail" | "bwrap" | "unshare" | "nsenter" | "systemd-run" | "parallel" | "entr"
        | "hyperfine" | "chroot" | "faketime" | "busybox" | "winpty" | "rlwrap" | "xvfb-run"
        | "devbox" | "nix" | "chamber" | "infisical" | "teller" | "envchain" | "rtx" => Kind::Wraps,
        "xargs" | "gxargs" => Kind::Xargs,
        "find" | "fd" | "fdfind" => Kind::Find,
        "make" | "gmake" | "just" => Kind::Make,
        "npm" | "yarn" | "pnpm" => Kind::Npm,
        "dbt" | "dbtf" => Kind::Dbt,
        "jupyter" | "papermill" | "jupyter-nbconvert" | "nbconvert" => Kind::Notebook,
        "cat" | "bat" | "batcat" => Kind::Cat,
        "tee" | "pv" => Kind::Tee,
        "jq" | "gojq" | "jaq" => Kind::Jq,
        "awk" | "gawk" | "mawk" | "nawk" => Kind::Awk,
        "cp" | "mv" | "ln" | "install" | "rm" | "truncate" | "dd" | "unlink" | "shred"
        | "patch" => Kind::Edits,
        "apply_patch" | "applypatch" => Kind::Patch,
        "grep" | "egrep" | "fgrep" | "rg" | "ag" | "ack" | "zgrep" | "diff" | "cmp" | "comm"
        | "pgrep" | "expr" | "nslookup" | "ping" | "pidof" | "look" => Kind::Tests,
        "yq" | "gron" | "xmllint" | "mlr" | "xsv" | "csvcut" | "csvsql" | "dasel" | "fx" => {
            Kind::Filters
        }
        "mkdir" | "touch" | "chmod" | "chown" | "date" | "seq" | "yes" | "sleep" | "pwd"
        | "whoami" | "id" | "uname" | "hostname" | "printenv" | "kill" | "pkill" | "killall"
        | "man" | "tldr" | "tar" | "zip" | "unzip" | "pip" | "apt" | "apt-get" | "brew"
        | "cargo" | "bc" | "dc" | "factor" | "basename" | "dirname" | "realpath" | "readlink"
        | "mktemp" | "test" | "true" | "false" | "cal" | "clear" | "tput" | "reset" | "rmdir"
        | "lsof" | "ps" | "top" | "htop" | "free" | "uptime" | "which" | "whereis" | "type"
        | "sync" | "stty" | "tty" | "nbstripout" | "jupytext" => Kind::Holds,
        _ if FILTERS.contains(&name) || FILTERS.contains(&base) => Kind::Filters,
        _ if HOLDS.contains(&name) || HOLDS_TOO.contains(&name) || SETS_UP.contains(&name) => {
            Kind::Holds
        }
        _ => Kind::Unknown,
    }
}

/// Tells whether a program is known to do another thing with a text than to run it.
pub(in crate::prompt::linking::candidate) fn holds(name: &str) -> bool {
    matches!(
        kind(name),
        Kind::Holds
            | Kind::Cat
            | Kind::Tee
            | Kind::Filters
            | Kind::Tests
            | Kind::Edits
            | Kind::Jq
            | Kind::Awk
    ) || matches!(name, "echo" | "printf" | "print" | "true" | ":")
}

/// Tells whether an option asks a program for less than to run what it is given.
pub(super) fn only_looks(option: &str) -> bool {
    matches!(
        option,
        "--help"
            | "-h"
            | "--version"
            | "--dry-run"
            | "--dryrun"
            | "--dry"
            | "--noop"
            | "--no-op"
            | "--no-run"
            | "--no-exec"
            | "--check"
            | "--check-only"
            | "--lint"
            | "--explain"
            | "--explain-only"
            | "--validate"
            | "--validate-only"
            | "--verify-only"
            | "--parse"
            | "--parse-only"
            | "--syntax"
            | "--syntax-only"
            | "--compile-only"
            | "--print"
            | "--print-only"
            | "--show-only"
            | "--format-only"
            | "--fmt"
            | "--test-only"
            | "--estimate"
            | "--cost"
            | "--preview"
            | "--plan"
            | "--comment"
            | "--message"
            | "--note"
    )
}

/// Words of programs' names that say what else they do with a text: `lint-sql`, `save_query.py`.
const OTHER_WORDS: [&str; 36] = [
    "estimate",
    "style",
    "cost",
    "size",
    "tokenize",
    "diff",
    "pretty",
    "normalize",
    "escape",
    "highlight",
    "lint",
    "fmt",
    "format",
    "formatter",
    "check",
    "validate",
    "explain",
    "parse",
    "save",
    "store",
    "log",
    "note",
    "notes",
    "notify",
    "post",
    "send",
    "comment",
    "search",
    "grep",
    "hash",
    "echo",
    "print",
    "count",
    "count_tokens",
    "tokens",
    "slack",
];

/// Tells whether a program's or a script's name says that it does another thing with a text than to run it.
pub(super) fn is_named_otherwise(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.split_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let mut words = stem.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| OTHER_WORDS.contains(&word))
}
