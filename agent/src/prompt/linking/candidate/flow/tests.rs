//! Which texts of a program would be run.

use super::super::source::Language;
use super::*;

const SQL: &str = "select a from t where b = 7";

fn run(language: Language, source: &str) -> Vec<String> {
    let flow = follow(&source.replace("SQL", SQL), language);
    let run = flow.texts.iter().filter(|(_, is_run)| *is_run);
    run.map(|(text, _)| text.marked().trim().to_owned())
        .collect()
}

#[track_caller]
fn runs(language: Language, sources: &[&str]) {
    let missed: Vec<_> = sources
        .iter()
        .filter(|source| !run(language, source).iter().any(|text| text == SQL))
        .collect();
    assert!(missed.is_empty(), "held: {missed:#?}");
}

#[track_caller]
fn holds(language: Language, sources: &[&str]) {
    let wrong: Vec<_> = sources
        .iter()
        .filter(|source| run(language, source).iter().any(|text| text == SQL))
        .collect();
    assert!(wrong.is_empty(), "run: {wrong:#?}");
}

#[test]
fn what_python_gives_to_a_call_that_runs_it_is_run() {
    runs(
        Language::Python,
        &[
            "cur.execute('SQL')",
            "import x; c = x.connect().cursor(); c.execute('SQL'); print(c.fetchall())",
            "print(conn.cursor().execute('SQL').fetchall())",
            "QUERY = '''\n    SQL\n'''\ncur.execute(QUERY)",
            "def main():\n    sql = 'SQL'\n    cur.execute(sql)\nmain()",
            "def main():\n    cur.execute(QQ)\nQQ = 'SQL'\nmain()",
            "if __name__ == '__main__':\n    cur.execute('SQL')",
            "import subprocess\nsubprocess.run(['snow', 'sql', '-q', 'SQL'])",
            "with connect() as c:\n    c.execute(text('SQL'))",
            "QUERIES = {\n    'a': 'SQL',\n}\nfor name, q in QUERIES.items():\n    print(cur.execute(q).fetchall())",
            "print(list(pool.map(lambda q: conn.cursor().execute(q).fetchall(), ['SQL'])))",
            "class R:\n    sql = 'SQL'\n    def run(self): return conn.execute(self.sql)\nprint(R().run())",
            "class Q(unittest.TestCase):\n    QQ = 'SQL'\n\n    def test_rows(self):\n        c.execute(self.QQ)\n\n    def test_other(self):\n        self.assertTrue(1)",
            "def q(s):\n    return cur.execute(s)\nq('SQL')",
            "def sql():\n    return 'SQL'\ncur.execute(sql())",
            "Path('q.sql').write_text('SQL')\nsubprocess.run(['snow', 'sql', '-f', 'q.sql'])",
            "with open('q.sql', 'w') as f:\n    f.write('SQL')\nsubprocess.run(['snow', 'sql', '-f', 'q.sql'])",
            "try:\n    cur.execute('SQL')\nexcept Exception as e:\n    print(e)",
            "df = pd.read_sql('SQL', conn)",
            "print(conn.execute((q := 'SQL')).fetchall(), len(q))",
            "sql: str = 'SQL'\ncur.execute(sql)",
            "cur.execute(\n    'select a '\n    'from t where b = 7'\n)",
            "@app.command()\ndef go():\n    cur.execute('SQL')\napp()",
            "p = Popen(['snow', 'sql', '-i'], stdin=PIPE)\np.communicate('SQL')",
        ],
    );
}

#[test]
fn what_python_does_another_thing_with_is_held() {
    holds(
        Language::Python,
        &[
            "print('SQL')",
            "QQ = 'SQL'; print(len(QQ))",
            "'''SQL'''\nprint(1)",
            "def f():\n    'SQL'\n    cur.execute('select 1')\nf()",
            "if False:\n    cur.execute('SQL')",
            "if 0: cur.execute('SQL')",
            "if len(sys.argv) > 5:\n    cur.execute('SQL')",
            "while False:\n    cur.execute('SQL')",
            "def later():\n    cur.execute('SQL')\nprint('ok')",
            "try:\n    a()\nexcept E:\n    cur.execute('SQL')",
            "sys.exit(0)\ncur.execute('SQL')",
            "def f():\n    return 1\n    cur.execute('SQL')\nf()",
            "sql = 'SQL'\nsql = open('o.sql').read()\ncur.execute(sql)",
            "q = 'SQL'\nq = q[:4]\ncur.execute(q)",
            "q = 'SQL'\nq += ' or true'\ncur.execute(q)",
            "cur.execute('SQL'.replace('a', 'b'))",
            "q = 'SQL'\ncur.execute(q.replace('a', 'b'))",
            "q = 'SQL'\ncur.execute('explain ' + q)",
            "q = 'SQL'\nif x:\n    q = 'select 1'\ncur.execute(q)",
            "import sqlglot; print(sqlglot.transpile('SQL', read='snowflake'))",
            "import sqlite3\nc = sqlite3.connect('x')\nc.execute('SQL')",
            "import duckdb\nduckdb.sql('SQL')",
            "import duckdb as d\nd.sql('SQL')",
            "from psycopg2 import connect\ncur = connect().cursor()\ncur.execute('SQL')",
            "logging.info('SQL')",
            "json.dumps({'sql': 'SQL'})",
            "hashlib.sha256(b'SQL')",
            "requests.post('https://hooks.example.org', json={'text': 'SQL'})",
            "subprocess.run(['echo', 'SQL'])",
            "subprocess.run(['psql', '-c', 'SQL'])",
            "open('notes.sql', 'w').write('SQL')",
            "raise ValueError('SQL')",
            "for x in []:\n    cur.execute('SQL')",
            "cur.execute('insert into notes values (%s) from x', ('SQL',))",
            "q = 'SQL'\ncur.execute('update t set note = %s where a = 1', [q])",
            "assert q != 'SQL'",
            "False and cur.execute('SQL')",
            "True or cur.execute('SQL')",
            "cur.execute('SQL') if False else None",
            "x = lambda: 1\n# cur.execute('SQL')",
            "mock.execute('SQL')",
        ],
    );
}

#[test]
fn other_languages_are_followed_too() {
    runs(
        Language::JavaScript,
        &[
            "c.execute({ sqlText: `SQL`, complete: (e, st, rows) => console.log(rows) });",
            "const sqlText = 'SQL';\nc.execute({ sqlText, complete: () => {} });",
            "for (const sqlText of ['SQL']) c.execute({sqlText, complete: (e) => console.log(e)})",
            "const q =\n  'select a ' +\n  'from t where b = 7';\nc.execute({ sqlText: q });",
            "console.log(execFileSync('snow', ['sql', '-q', 'SQL']).toString());",
            "async function main() {\n  await c.execute('SQL')\n}\nmain()",
            "['SQL'].forEach(q => c.execute({sqlText: q}))",
            "connection.connect((err) => {\n  connection.execute({sqlText: 'SQL'});\n});",
        ],
    );
    holds(
        Language::JavaScript,
        &[
            "const q = 'SQL'; console.log(q.length)",
            "const q = 'SQL';\nc.execute({sqlText: q.replace('=', '>=')})",
            "if (false) c.execute({sqlText: 'SQL'})",
            "if (false) { c.execute({sqlText: 'SQL'}) }",
            "function later() { c.execute({sqlText: 'SQL'}) }\nconsole.log(1)",
            "process.exit(0);\nc.execute({sqlText: 'SQL'})",
            "false && c.execute({sqlText: 'SQL'})",
            "let q = 'SQL'; q = 'select 1'; c.execute({sqlText: q})",
            "console.log(JSON.stringify({sql: 'SQL'}))",
            "module.exports = { q: 'SQL' }",
        ],
    );
    runs(
        Language::Perl,
        &[
            "system(qw(snow sql -q), q{SQL}) == 0 or die",
            "my $sql = <<'X';\nSQL\nX\nchomp $sql;\nsystem('snow', 'sql', '-q', $sql);",
            "open(my $p, '|-', 'snow sql -i') or die;\nprint $p <<'X';\nSQL\nX\nclose $p;",
            "system 'snow', 'sql', '-q', 'SQL';",
        ],
    );
    holds(
        Language::Perl,
        &[
            "my $q = q{SQL}; print length $q",
            "$_ = q{SQL}; s/a/b/; system(qw(snow sql -q), $_)",
            "print 'SQL';",
            "system('echo', 'SQL');",
            "system('snow', 'sql', '-q', 'SQL') if 0;",
        ],
    );
    runs(
        Language::R,
        &[
            "print(DBI::dbGetQuery(con, \"SQL\"))",
            "con <- dbConnect(odbc())\nprint(dbGetQuery(con, r\"(SQL)\"))",
            "sql <- 'SQL'\ndbGetQuery(con, sql)",
        ],
    );
    holds(
        Language::R,
        &["cat('SQL')", "nchar('SQL')", "sql <- 'SQL'\nprint(sql)"],
    );
    runs(
        Language::Go,
        &["func main() {\n\tdb, _ := sql.Open(\"snowflake\", dsn())\n\tdb.Query(`SQL`)\n}"],
    );
    holds(
        Language::Go,
        &[
            "func main() {\n\tfmt.Println(`SQL`)\n}",
            "func other() {\n\tdb.Query(`SQL`)\n}\nfunc main() {}",
        ],
    );
    runs(
        Language::Java,
        &[
            "public class Q {\n  public static void main(String[] a) throws Exception {\n    String sql = \"SQL\";\n    new ProcessBuilder(\"snow\", \"sql\", \"-q\", sql).inheritIO().start().waitFor();\n  }\n}",
            "int main(void) {\n  const char *sql = \"SQL\";\n  return execlp(\"snow\", \"snow\", \"sql\", \"-q\", sql, (char *)0);\n}",
        ],
    );
    runs(
        Language::Tcl,
        &["set sql \"SQL\"\nputs [exec snow sql -q $sql]"],
    );
    holds(Language::Tcl, &["set sql \"SQL\"\nputs $sql"]);
    runs(
        Language::Ruby,
        &[
            "conn.run \"SQL\"",
            "system('snow', 'sql', '-q', 'SQL')",
            "sql = <<~QQ\n  SQL\nQQ\nputs client.query(sql)",
        ],
    );
    holds(
        Language::Ruby,
        &["puts \"SQL\"", "sql = 'SQL'\nputs sql.length"],
    );
    runs(
        Language::Php,
        &[
            "<?php $rows = $pdo->query('SQL')->fetchAll();",
            "$sql = 'SQL'; odbc_exec($c, $sql);",
        ],
    );
    holds(Language::Php, &["echo 'SQL';", "echo strlen('SQL');"]);
    runs(
        Language::PowerShell,
        &[
            "snow sql -q 'SQL'",
            "$sql = @'\nSQL\n'@\n$sql | snow sql -i",
            "& snow sql -q @'\r\nSQL\r\n'@",
        ],
    );
    holds(
        Language::PowerShell,
        &["Write-Host 'SQL'", "$sql = 'SQL'\n$sql.Length"],
    );
}

#[test]
fn what_a_hostile_program_costs_is_bounded() {
    for part in [
        "f(",
        "[",
        "{",
        "a.map(",
        "if x: ",
        "def f(a):\n ",
        "x = 'a' + ",
        "q = q\n",
        "(a)(b)",
        "a.b.c.d(",
        "with a as b:\n",
    ] {
        for language in [
            Language::Python,
            Language::JavaScript,
            Language::Perl,
            Language::Tcl,
            Language::PowerShell,
        ] {
            drop(follow(&part.repeat(4000), language));
        }
    }
}
