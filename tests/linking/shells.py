"""How agents bring SQL to a client through a shell. Each way: its name, whether the SQL stands in the command, the command."""

import base64
import json
import shlex

single = shlex.quote


def double(text):
    for letter in "\\\"$`":
        text = text.replace(letter, "\\" + letter)
    return f'"{text}"'


def ansi(text):
    return "$'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def here(text, tag="SQL"):
    return f"<<'{tag}'\n{text}\n{tag}"


# The whole SQL stands in the command, however it is quoted.
DIRECT = {
    "snow, double quotes": lambda s, d: f"snow sql -q {double(s)} --format json",
    "snow, single quotes": lambda s, d: f"cd /tmp/shop && snow sql --query {single(s)} -c dev 2>&1 | tail -n 40",
    "snow, $'..'": lambda s, d: f"snow sql -q {ansi(s)}",
    "snow, lines": lambda s, d: f"snow sql \\\n  --connection dev \\\n  --format csv \\\n  --query {double(s)}",
    "snow, cat in quotes": lambda s, d: f"snow sql -q \"$(cat {here(s)}\n)\"",
    "snow, query=": lambda s, d: f"snow sql --query={double(s)} -x",
    "snowsql, options": lambda s, d: f"snowsql -c dev -o output_format=csv -o header=false -q {double(s)} > out.csv && wc -l out.csv",
    "variable": lambda s, d: f"Q={single(s)}\nsnow sql -q \"$Q\"",
    "variable, exported": lambda s, d: f"export QUERY={double(s)}; python3 run_env.py",
    "variable of one command": lambda s, d: f"QUERY={double(s)} python3 run_env.py",
    "variable, read": lambda s, d: f"read -r -d '' Q {here(s, 'END')}\nsnow sql -q \"$Q\" -c dev",
    "here-string": lambda s, d: f"snow sql -i <<< {double(s)}",
    "here-document": lambda s, d: f"snow sql --stdin {here(s + ';')}",
    "here-document, tabs": lambda s, d: "snowsql <<-SQL\n" + "\n".join("\t" + line for line in s.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`").split("\n")) + "\n\tSQL",
    "echo into": lambda s, d: f"echo {single(s)} | snow sql -i",
    "printf into": lambda s, d: f"printf '%s\\n' {double(s)} | snowsql -o quiet=true",
    "cat into": lambda s, d: f"cat <<'EOF' | snowsql -o friendly=false -c dev\n{s}\nEOF",
    "file at once, cat": lambda s, d: f"mkdir -p sql && cat > sql/q.sql {here(s, 'EOF')}\nsnow sql -f sql/q.sql",
    "file at once, tee": lambda s, d: f"tee q.sql > /dev/null {here(s)}\nsnow sql -f q.sql",
    "file at once, echo": lambda s, d: f"echo {single(s)} > /tmp/shop/q.sql && snow sql --filename q.sql; rm q.sql",
    "file at once, cat of it": lambda s, d: f"cat > q.sql {here(s)}\nsnow sql -q \"$(cat q.sql)\"",
    "file at once, redirected": lambda s, d: f"cat > q.sql {here(s)}\nsnow sql -i < q.sql",
    "function": lambda s, d: f"q() {{ snow sql -q \"$1\" --format json; }}\nq {double(s)}",
    "list": lambda s, d: f"for q in {double(s)}; do snow sql -q \"$q\"; done",
    "array": lambda s, d: f"queries=(\n  {single(s)}\n)\nfor q in \"${{queries[@]}}\"; do echo \"== $q\"; snow sql -q \"$q\"; done",
    "bash -c": lambda s, d: f"timeout 60 bash -c {single('snow sql -q ' + double(s))}",
    "env, timeout": lambda s, d: f"env SNOWFLAKE_HOME=/tmp/shop timeout 90 snow sql -q {single(s)} || echo failed",
    "uv run": lambda s, d: f"uv run snow sql -q {double(s)}",
    "background, waited for": lambda s, d: f"snow sql -q {double(s)} > out.txt 2>&1 &\nwait; cat out.txt",
    "jq of a document": lambda s, d: f"jq -r .sql <<< {single(json.dumps({'sql': s}, ensure_ascii=d.random() < 0.5))} | snow sql -i",
    "document at once": lambda s, d: f"cat > q.json {here(json.dumps({'queries': [{'name': 'a', 'sql': s}]}, indent=2, ensure_ascii=False), 'EOF')}\npython3 run_json.py q.json",
    "yaml at once": lambda s, d: "cat > checks.yml <<'EOF'\nchecks:\n  - name: a\n    sql: |\n" + "\n".join("      " + line for line in s.split("\n")) + "\nEOF\npython3 run_yaml.py checks.yml",
    "job's script, argument": lambda s, d: f"python3 run.py {double(s)}",
    "job's script, --sql": lambda s, d: f"poetry run python3 run.py --sql {single(s)}",
    "make at once": lambda s, d: "cat > Makefile <<'EOF'\nq:\n\t@snow sql -q " + single(s.replace("\n", " ")).replace("$", "$$") + "\nEOF\nmake -s q" if "--" not in s and "//" not in s else f"snow sql -q {single(s)}",
    "subshell": lambda s, d: f"(cd /tmp && snow sql -q {double(s)}) 2>/dev/null",
    "condition": lambda s, d: f"if snow sql -q {double(s)} | grep -q example; then echo yes; else echo no; fi",
}

# What of the SQL stands in the command is not all of it, or is coded.
INDIRECT = {
    "base64": lambda w, d: f"echo {base64.b64encode(w.read().encode()).decode()} | base64 -d | snow sql -i",
    "loop of names": lambda w, d: "for t in crm.contacts web.clicks ops.shipments; do snow sql -q \"select count(*) as n, max(score) from $t where batch_no > %d\"; done" % d.randint(2, 9999),
    "loop of numbers": lambda w, d: "for i in $(seq 1 3); do snow sql -q \"select net_eur, gross from finance.ledger_entries where owner_id = $i and score < %d\"; done" % d.randint(2, 9999),
    "lines of a document": lambda w, d: "while IFS=, read -r a b; do snowsql -q \"update crm.contacts set segment = '$b' where owner_id = $a\"; done <<'EOF'\n%d,gold\n%d,tin\nEOF" % (d.randint(2, 9999), d.randint(2, 9999)),
    "xargs": lambda w, d: "printf '%%s\\n' orders refunds | xargs -I{} snow sql -q \"describe table shop.public.{}_%d\"" % d.randint(2, 999),
    "snow, variables": lambda w, d: f"snow sql -q \"select score, device from <% t %> where batch_no = <% n %>\" -D t=web.clicks -D n={d.randint(2, 9999)}",
    "snowsql, variables": lambda w, d: f"snowsql -o variable_substitution=true -D tab=risk.alerts -D n={d.randint(2, 9999)} -q 'select score, closed_on from &tab where owner_id = &n'",
    "jq builds it": lambda w, d: "jq -rn --arg t iot.readings --argjson n %d '\"select device, latency_ms from \\($t) where batch_no = \\($n)\"' | snow sql -i" % d.randint(2, 9999),
    "sed of a template": lambda w, d: "echo 'select device, score from __T__ where batch_no = __N__' | sed -e 's/__T__/web.clicks/' -e 's/__N__/%d/' | snow sql -i" % d.randint(2, 9999),
    "variable in it": lambda w, d: "D=%d; T=crm.contacts\nsnow sql -q \"select owner_id, segment from ${T} where score > $D order by 1\"" % d.randint(2, 9999),
    "date in it": lambda w, d: "snow sql -q \"select sum(net_eur) from finance.ledger_entries where closed_on = '$(date -d 2025-03-%02d +%%F)' and score > %d\"" % (d.randint(1, 28), d.randint(2, 9999)),
    "awk builds it": lambda w, d: "awk 'BEGIN { for (i = 1; i <= 2; i++) printf \"delete from risk.alerts where batch_no = %%d;\\n\", i + %d }' | snow sql -i" % d.randint(2, 9999),
    "job's report": lambda w, d: f"python3 report.py --table shop.public.orders --since 2025-{d.randint(1, 12):02d}-{d.randint(1, 28):02d}",
}
