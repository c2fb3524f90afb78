"""How agents bring SQL to a driver through programs of their own, given inline."""

import json
import re

from shells import double, here, single

CONNECT = "import snowflake.connector\nconn = snowflake.connector.connect(connection_name='dev')\ncur = conn.cursor()\n"


def triple(text):
    return '"""' + text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').replace("\"", "\\\"" if text.endswith('"') else "\"") + '"""'


def literal(text):
    return repr(text)


def pieces(text, dice):
    """Cuts a text at blanks, into literals one below the other."""
    words = re.split(r"(?<= )", text)
    cuts = sorted(dice.sample(range(1, len(words)), min(2, len(words) - 1))) if len(words) > 1 else []
    parts, at = [], 0
    for cut in cuts + [len(words)]:
        parts.append("".join(words[at:cut]))
        at = cut
    return [json.dumps(part, ensure_ascii=False) if "\n" not in part else repr(part) for part in parts]


def indented(text, by="    "):
    return "\n".join(by + line for line in text.split("\n"))


def script(body, dice):
    """Gives a program to Python in one of the ways that agents use."""
    start = dice.choice(["python3 - ", "python - ", "uv run --with snowflake-connector-python python - ", "cd /tmp/shop && python3 "])
    tag = dice.choice(["PY", "EOF", "PYEOF"])
    return f"{start}<<'{tag}'\n{body}\n{tag}"


def node(body):
    return f"node - <<'JS'\n{body}\nJS"


NODE = "const snowflake = require('snowflake-sdk');\nconst c = snowflake.createConnection({ account: 'a' });\nc.connect(() => {});\n"


def template(text):
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${") + "`"


def dedented(s):
    return f"import textwrap\n{CONNECT}def main():\n    sql = textwrap.dedent(r'''\n{indented(s)}\n    ''').strip()\n    cur.execute(sql)\n    print(cur.fetchall())\nmain()"


DIRECT = {
    "py, triple quotes": lambda s, d: script(f"{CONNECT}cur.execute({triple(s)})\nfor row in cur:\n    print(row)", d),
    "py, indented": lambda s, d: script(f"{CONNECT}sql = '''\n{indented(s.replace(chr(92), chr(92) * 2))}\n'''\nprint(cur.execute(sql).fetchall())", d) if "'''" not in s else script(f"{CONNECT}cur.execute({literal(s)})", d),
    "py, dedent": lambda s, d: script(dedented(s), d) if not s.endswith("'") and "'''" not in s else script(f"{CONNECT}cur.execute({literal(s)})", d),
    "py, raw": lambda s, d: script(f"{CONNECT}print(cur.execute(r'''{s}''').fetchone())", d) if not s.endswith("'") and "'''" not in s else script(f"{CONNECT}cur.execute({literal(s)})", d),
    "py, literals in a row": lambda s, d: script(f"{CONNECT}cur.execute(\n    " + "\n    ".join(pieces(s, d)) + "\n)\nprint(cur.fetchall())", d),
    "py, literals added": lambda s, d: script(f"{CONNECT}q = " + " + ".join(pieces(s, d)) + "\nprint(cur.execute(q).fetchall())", d),
    "py, continued line": lambda s, d: script(f"{CONNECT}q = " + " \\\n    ".join(pieces(s, d)) + "\ncur.execute(q)\nprint(len(cur.fetchall()))", d),
    "py -c, double": lambda s, d: f"python3 -c {double(CONNECT + f'print(cur.execute({literal(s)}).fetchall())')}",
    "py -c, single": lambda s, d: f"python3 -c {single('import snowflake.connector as sf; print(sf.connect().cursor().execute(' + literal(s) + ').fetchall())')}",
    "pandas": lambda s, d: script(f"import pandas as pd\nfrom snowflake.connector import connect\ndf = pd.read_sql({triple(s)}, connect())\nprint(df)", d),
    "snowpark": lambda s, d: script(f"from snowflake.snowpark import Session\nsession = Session.builder.configs({{}}).create()\nprint(session.sql({triple(s)}).collect())", d),
    "sqlalchemy": lambda s, d: script(f"from sqlalchemy import create_engine, text\nwith create_engine('snowflake://').connect() as c:\n    c.execute(text({triple(s)}))", d),
    "subprocess": lambda s, d: script(f"import subprocess\nprint(subprocess.run(['snow', 'sql', '-q', {literal(s)}], capture_output=True, text=True).stdout)", d),
    "py, dictionary": lambda s, d: script(f"{CONNECT}QUERIES = {{\n    'a': {triple(s)},\n}}\nfor name, q in QUERIES.items():\n    print(name, cur.execute(q).fetchall())", d),
    "py, thread": lambda s, d: script(f"{CONNECT}from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool:\n    print(list(pool.map(lambda q: conn.cursor().execute(q).fetchall(), [{literal(s)}])))", d),
    "py, writes and runs": lambda s, d: script(f"from pathlib import Path\nimport subprocess\nPath('q.sql').write_text({triple(s)})\nprint(subprocess.run(['snow', 'sql', '-f', 'q.sql'], capture_output=True, text=True).stdout)", d),
    "py, file at once": lambda s, d: f"mkdir -p tools\ncat > tools/ask.py <<'EOF'\n{CONNECT}\nif __name__ == '__main__':\n    print(cur.execute({triple(s)}).fetchall())\nEOF\npython3 tools/ask.py",
    "node, template": lambda s, d: node(f"{NODE}c.execute({{ sqlText: {template(s)}, complete: (err, stmt, rows) => console.log(rows) }});"),
    "node -e": lambda s, d: f"node -e {single(NODE + 'c.execute({ sqlText: ' + json.dumps(s, ensure_ascii=False) + ', complete: (e, st, rows) => console.log(JSON.stringify(rows)) });')}",
    "node, literals added": lambda s, d: node(f"{NODE}const q =\n  " + " +\n  ".join(json.dumps(json.loads(part) if part[0] == '"' and chr(10) not in part else eval(part), ensure_ascii=False) for part in pieces(s, d)) + ";\nc.execute({ sqlText: q, complete: (e, st, rows) => console.log(rows.length) });"),
    "node, file at once": lambda s, d: f"cat > ask.mjs <<'EOF'\nimport snowflake from 'snowflake-sdk';\nconst connection = snowflake.createConnection({{}});\nawait connection.connectAsync();\nconst sqlText = {template(s)};\nconnection.execute({{ sqlText, complete: (e, st, rows) => console.table(rows) }});\nEOF\nnode ask.mjs",
}


def number(dice):
    return dice.randint(2, 9999)


# Parts of the SQL come from values, or it is put together.
INDIRECT = {
    "py, f-string": lambda w, d: script(f"{CONNECT}table, low = 'web.clicks', {number(d)}\nprint(cur.execute(f\"select device, count(*) from {{table}} where score > {{low}} group by 1 order by 2\").fetchall())", d),
    "py, f-strings in a row": lambda w, d: script(f"{CONNECT}T = 'iot.readings'\nq = (\n    f'select device, avg(latency_ms) as ms '\n    f'from {{T}} '\n    f'where batch_no = {number(d)} group by 1'\n)\ncur.execute(q)", d),
    "py, format": lambda w, d: script(f"{CONNECT}q = 'select segment, owner_id from {{t}} where score between {{a}} and {{b}}'\nprint(cur.execute(q.format(t='crm.contacts', a=3, b={number(d)})).fetchall())", d),
    "py, percent": lambda w, d: script(f"{CONNECT}q = \"select vat_rate, gross from %s where owner_id = %d\" % ('billing.invoices', {number(d)})\nprint(cur.execute(q).fetchall())", d),
    "py, %s": lambda w, d: script(f"{CONNECT}cur.execute('select gross, vat_rate from billing.invoices where country_iso = %s and owner_id = %s', ('{d.choice(['DE', 'AT'])}', {number(d)}))\nprint(cur.fetchall())", d),
    "py, %(name)s": lambda w, d: script(f"{CONNECT}cur.execute('update crm.contacts set segment = %(s)s where owner_id = %(o)s', {{'s': 'gold', 'o': {number(d)}}})", d),
    "py, list of values": lambda w, d: script(f"{CONNECT}ids = [{number(d)}, {number(d)}, {number(d)}]\nmarks = ', '.join(['%s'] * len(ids))\ncur.execute(f'select order_ts, net_eur from shop.public.orders where owner_id in ({{marks}})', ids)", d),
    "py, executemany": lambda w, d: script(f"{CONNECT}cur.executemany('insert into risk.alerts (owner_id, score) values (%s, %s)', [({number(d)}, 1), ({number(d)}, 2)])", d),
    "py, joined": lambda w, d: script(f"{CONNECT}cols = ['device', 'latency_ms', 'score']\nparts = ['select ' + ', '.join(cols), 'from iot.readings', 'where batch_no = {number(d)}', 'limit 50']\ncur.execute('\\n'.join(parts))", d),
    "py, replaced": lambda w, d: script(f"{CONNECT}q = 'select device, score from {{{{t}}}} where batch_no = {{{{n}}}} order by device'\ncur.execute(q.replace('{{{{t}}}}', 'web.clicks').replace('{{{{n}}}}', '{number(d)}'))", d),
    "py, loop": lambda w, d: script(f"{CONNECT}for day in range(1, 4):\n    cur.execute(f\"select count(*), sum(net_eur) from shop.public.orders where closed_on = '2025-05-0{{day}}' and score > {number(d)}\")\n    print(cur.fetchone())", d),
    "py, added up": lambda w, d: script(f"{CONNECT}q = 'select segment, count(*) from crm.contacts'\nwhere = []\nwhere.append('score > {number(d)}')\nwhere.append(\"country_iso = 'DE'\")\nq += ' where ' + ' and '.join(where)\nq += ' group by 1'\ncur.execute(q)", d),
    "pandas, params": lambda w, d: script(f"import pandas as pd\nfrom snowflake.connector import connect\nprint(pd.read_sql('select device, score from web.clicks where batch_no = %(n)s and device <> %(d)s', connect(), params={{'n': {number(d)}, 'd': 'tv'}}))", d),
    "snowpark, frames": lambda w, d: script(f"from snowflake.snowpark import Session\ns = Session.builder.configs({{}}).create()\ns.table('web.clicks').filter('score > {number(d)}').show()", d),
    "sqlalchemy, names": lambda w, d: script(f"from sqlalchemy import create_engine, text\nwith create_engine('snowflake://').begin() as c:\n    c.execute(text('select gross from billing.invoices where owner_id = :o and country_iso = :c'), {{'o': {number(d)}, 'c': 'FR'}})", d),
    "node, template with values": lambda w, d: node(f"{NODE}const t = 'ops.shipments', n = {number(d)};\nc.execute({{ sqlText: `select sku_code, closed_on from ${{t}} where batch_no = ${{n}} limit 20`, complete: () => {{}} }});"),
    "node, loop": lambda w, d: node(f"{NODE}for (const n of [{number(d)}, {number(d)}]) c.execute({{ sqlText: 'select score from risk.alerts where device is not null and owner_id = ' + n, complete: () => {{}} }});"),
}
