//! Which texts of a command would be run.

use crate::prompt::linking::candidate::{HOLE, candidates};

const SQL: &str = "select a from t where b = 7";

fn run(command: &str) -> Vec<String> {
    let arguments = serde_json::json!({ "command": command.replace("SQL", SQL) });
    let found = candidates("Bash", arguments.to_string().as_bytes());
    found.run().map(|text| text.replace(HOLE, "H")).collect()
}

#[track_caller]
fn runs(commands: &[&str]) {
    let missed: Vec<_> = commands
        .iter()
        .filter(|command| !run(command).iter().any(|text| text == SQL))
        .collect();
    assert!(missed.is_empty(), "held: {missed:#?}");
}

#[track_caller]
fn holds(commands: &[&str]) {
    let wrong: Vec<_> = commands
        .iter()
        .filter(|command| run(command).iter().any(|text| text == SQL))
        .collect();
    assert!(wrong.is_empty(), "run: {wrong:#?}");
}

#[test]
fn what_agents_do_to_run_sql_is_run() {
    runs(&[
        // As the real agents of `e2e/tap` do it.
        "python3 /tmp/query.py 'SQL'",
        "uv run --with snowflake-connector-python python query.py 'SQL'",
        "python3 query.py - <<'EOF'\nSQL\nEOF",
        "$QUERY 'SQL'",
        "CLAUDE_CODE_SESSION_ID=another $QUERY 'SQL'",
        "unset CLAUDE_CODE_SESSION_ID; $QUERY 'SQL'",
        "python3 query.py 'SQL'; sleep 5",
        "sleep 2; python3 query.py 'SQL'",
        "(python3 query.py 'select 1 from t'; sleep 1; python3 query.py 'SQL') >/dev/null 2>&1 & sleep 0.1",
        "env HOME=/tmp SNOWFLAKE_HOME=/tmp /opt/venv/bin/python /tmp/query.py 'SQL'",
        // Ordinary ways.
        "cd /repo && snow sql -q 'SQL' --format json 2>&1 | head -50",
        "snow sql -q \"$(cat <<'EOF'\nSQL\nEOF\n)\"",
        "set -euo pipefail\nsnow sql -q 'SQL'",
        "source .env && snow sql -q 'SQL'",
        "which snow && snow sql -q 'SQL'",
        "[ -f .env ] && . ./.env; snow sql -q 'SQL'",
        "if [ -z \"$TOKEN\" ]; then echo missing; exit 1; fi\nsnow sql -q 'SQL'",
        "cd /repo || exit 1; snow sql -q 'SQL'",
        "for i in 1 2 3; do snow sql -q 'SQL' && break; sleep 1; done",
        "until snow sql -q 'SQL'; do sleep 1; done",
        "if ! snow sql -q 'SQL'; then echo failed; fi",
        "q() { snow sql -q \"$1\"; }; q 'SQL'",
        "Q='SQL'; snow sql -q \"$Q\"",
        "export QUERY='SQL'; python3 run_env.py",
        "printf '%s\\n' 'SQL' | tee log.sql | snow sql -i",
        "./q.sh 'SQL'",
        "make q SQL_TEXT='SQL'",
        "timeout 60 bash -c \"snow sql -q 'SQL'\"",
        "sudo -u ci snow sql -q 'SQL'",
        "cat > q.sql <<'X'\nSQL\nX\nsnow sql -f q.sql",
        "cat > q.sh <<'X'\n#!/bin/bash\nsnow sql -q 'SQL'\nX\nchmod +x q.sh && ./q.sh",
        "cat > q.sh <<'X'\nsnow sql -q \"$1\"\nX\nbash q.sh 'SQL'",
        "mkdir -p a && cat > a/q.py <<'X'\ncur.execute('SQL')\nX\ncd a && python3 q.py",
        "cat > Makefile <<'X'\nq:\n\tsnow sql -q 'SQL'\nX\nmake q",
        "while true; do snow sql -q 'SQL'; break; done",
        "i=0; while [ $i -lt 3 ]; do snow sql -q 'SQL'; i=$((i+1)); done",
        "case dev in dev) snow sql -q 'SQL';; esac",
        "dbt show --inline 'SQL'",
        "curl -s https://a.snowflakecomputing.com/api/v2/statements -d '{\"statement\": \"SQL\"}'",
        "echo 'SQL' | snowsql -c dev",
        "snow sql -i < <(echo 'SQL')",
    ]);
}

#[test]
fn what_says_or_keeps_it_holds_it() {
    holds(&[
        "echo 'SQL'",
        "logger 'SQL'",
        "gh pr comment 1 --body 'SQL'",
        "git commit -m 'SQL'",
        "wall 'SQL'",
        "curl https://hooks.example.org -d '{\"text\": \"SQL\"}'",
        "curl https://a.snowflakecomputing.com/api/v2/cortex/inference:complete -d '{\"statement\": \"SQL\"}'",
        "cat <<'X'\nSQL\nX",
        "cat > notes.txt <<'X'\nSQL\nX",
        "echo 'SQL' | wc -c",
        "echo 'SQL' >> history.sql",
        "sqlfluff lint - <<'X'\nSQL\nX",
        "echo 'SQL' | python3 -m sqlparse -",
        "npx sql-formatter <<< 'SQL'",
        "psql -c 'SQL'",
        "sudo -u postgres psql -c 'SQL'",
        "duckdb x.db 'SQL'",
        "bq query 'SQL'",
        "python3 lint_sql.py 'SQL'",
        "./query.sh --dry-run 'SQL'",
        "snow cortex complete 'SQL'",
        "snow sql --help 'SQL'",
        "tmux send-keys \"snow sql -q 'SQL'\" Enter",
        "ssh db 'snow sql -q \"SQL\"'",
        "claude -p 'SQL'",
        "at now <<< \"snow sql -q 'SQL'\"",
        "dbt compile --inline 'SQL'",
        "dbt run --vars '{\"q\": \"SQL\"}'",
        "docker build --build-arg Q='SQL' .",
        "kubectl annotate pod x note='SQL'",
        "terraform plan -var q='SQL'",
        "op item create 'SQL'",
        "make lint Q='SQL'",
        "NOTE='SQL' ./deploy.sh",
        "./deploy.sh --description 'SQL'",
    ]);
}

#[test]
fn what_is_not_reached_is_held() {
    holds(&[
        "false && snow sql -q 'SQL'",
        "true || snow sql -q 'SQL'",
        "if false; then snow sql -q 'SQL'; fi",
        "if true; then ls; else snow sql -q 'SQL'; fi",
        "[ 1 -gt 2 ] && snow sql -q 'SQL'",
        "[[ a == b ]] && snow sql -q 'SQL'",
        "test -n '' && snow sql -q 'SQL'",
        "(( 0 )) && snow sql -q 'SQL'",
        "[ -e /nonexistent ] && snow sql -q 'SQL'",
        "grep -q x /etc/hosts && snow sql -q 'SQL'",
        "! true && snow sql -q 'SQL'",
        "exit 0\nsnow sql -q 'SQL'",
        "exec ls; snow sql -q 'SQL'",
        "set -e; false; snow sql -q 'SQL'",
        "while false; do snow sql -q 'SQL'; done",
        "for x in; do snow sql -q 'SQL'; done",
        "case prod in dev) snow sql -q 'SQL';; esac",
        "q() { snow sql -q 'SQL'; }; ls",
        "q() { return; snow sql -q 'SQL'; }; q",
        "# snow sql -q 'SQL'\nls",
        ": <<'X'\nsnow sql -q 'SQL'\nX",
        "DRY=1; [ -z \"$DRY\" ] && snow sql -q 'SQL'",
        "bash -n <<'X'\nsnow sql -q 'SQL'\nX",
        "trap \"snow sql -q 'SQL'\" INT; ls",
        "while :; do sleep 1; done; snow sql -q 'SQL'",
        "make -n q SQL_TEXT='SQL'",
        "cat > Makefile <<'X'\nq:\n\tsnow sql -q 'SQL'\nlint:\n\tls\nX\nmake lint",
        "snow sql -q 'select 1' <<< 'SQL'",
        "snow sql -q 'SQL' -q 'select 1'",
    ]);
}

#[test]
fn what_becomes_another_text_is_held() {
    holds(&[
        "q='SQL'; q='select 1'; snow sql -q \"$q\"",
        "q='SQL'; . ./env.sh; snow sql -q \"$q\"",
        "q='SQL'; snow sql -q \"${q/a/b}\"",
        "q='SQL'; q+=' or true'; snow sql -q \"$q\"",
        "q='SQL'; read -r q < other; snow sql -q \"$q\"",
        "q='SQL'; unset q; snow sql -q \"$q\"",
        "set -- 'SQL'; set -- 'select 1'; snow sql -q \"$1\"",
        "printf %s 'SQL' | sed 's/a/b/' | snow sql -i",
        "echo 'SQL' | tr a b | snow sql -i",
        "cat > q.sql <<'X'\nSQL\nX\nsed -i s/a/b/ q.sql; snow sql -f q.sql",
        "cat > q.sql <<'X'\nSQL\nX\ncp other.sql q.sql; snow sql -f q.sql",
        "cat > q.sql <<'X'\nSQL\nX\nmv other.sql q.sql && snow sql -f q.sql",
        "cat > q.sql <<'X'\nSQL\nX\nprintf 'select 1' > q.sql; snow sql -f q.sql",
        "cat > q.sql <<'X'\nSQL\nX\nwc -l q.sql; git add q.sql",
        "snow() { command snow sql -q \"${3/a/b}\"; }; snow sql -q 'SQL'",
        "alias snow=echo; snow sql -q 'SQL'",
        "cat > snowsql <<'X'\n#!/bin/bash\necho \"$2\"\nX\nchmod +x snowsql; PATH=.:$PATH snowsql -q 'SQL'",
        "PATH=./bin:$PATH snow sql -q 'SQL'",
        "[ -n \"$A\" ] && q='SQL' || q='select 1'; snow sql -q \"$q\"",
    ]);
}

#[test]
fn texts_flow_by_variables_pipes_and_files() {
    // What is put together is the frame of its parts alone.
    assert_eq!(
        run("T=t; snow sql -q \"select 1 from $T\""),
        ["select 1 from H"]
    );
    assert_eq!(
        run("echo 'select 1 from t' > q.sql; snow sql -q \"$(cat q.sql)\""),
        ["select 1 from t"]
    );
    assert_eq!(
        run("for q in 'select 1 from t' 'select 2 from t'; do snow sql -q \"$q\"; done"),
        ["select 1 from t", "select 2 from t"]
    );
    assert_eq!(
        run("printf 'select %s from t;' 1 2 | snow sql -i"),
        ["select H from t;select H from t;"]
    );
    assert_eq!(run("snow sql -q \"select a from $T\""), ["select a from H"]);
}

#[test]
fn what_a_hostile_text_costs_is_bounded() {
    let long = [
        "f() { f; f; }; f".to_owned(),
        format!(
            "A=xxxxxxxxxxxxxxxx\n{}snow sql -q \"select $A\"",
            "A=$A$A\n".repeat(200)
        ),
        "while :; do echo a | cat; done; ".repeat(500),
        "for x in 1 2 3 4 5 6 7 8 9; do ".repeat(20),
        "eval 'eval \"eval ls\"'; ".repeat(2000),
        "cat > a <<X\nb\nX\n".repeat(3000),
        "echo select 1 from t | xargs -n1 ".repeat(500),
        "set -- a b; f() { f \"$@\" \"$@\"; }; f \"$@\"".to_owned(),
    ];
    for text in long {
        run(&text);
    }
}

#[test]
fn what_may_be_left_out_is_held() {
    holds(&[
        "for q in 'select 1 from t' 'SQL'; do snow sql -q \"$q\"; break; done",
        "set -e\nls no_such_folder\nsnow sql -q 'SQL'",
        "cat > test_q.py <<'P'\ndef test_a():\n    cur.execute('SQL')\nP\npytest -q test_q.py -k other",
        "python3 - <<'P'\ndef run(sql='SQL'):\n    cur.execute(sql)\nrun('select 1 from t')\nP",
        "python3 - <<'P'\nQ = {'a': 'SQL', 'b': 'select 1 from t'}\ncur.execute(Q['b'])\nP",
        "node - <<'J'\nconst all = false;\nconst sql = all ? 'SQL' : 'select 1 from t';\nconn.execute({sqlText: sql});\nJ",
    ]);
    runs(&[
        "for q in 'select 1 from t' 'SQL'; do snow sql -q \"$q\"; sleep 0; done",
        "f=$(mktemp)\ncat > \"$f\" <<'S'\nSQL\nS\nsnow sql -f \"$f\"",
        "python3 - <<'P'\ndef run(sql='SQL'):\n    cur.execute(sql)\nrun()\nP",
        "python3 - <<'P'\nQ = {'a': 'SQL', 'b': 'select 1 from t'}\ncur.execute(Q['a'])\nP",
    ]);
}
