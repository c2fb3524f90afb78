"""Columns of every Snowflake type with their plain values: the one source of what is served and of what is expected.

Plain values: whole numbers of 10^-scale for numbers, times and instants; days for dates; an instant and minutes for zones.
"""

import json
import random
from dataclasses import dataclass, field

# Rows of each piece: the first is inline, the others are chunks.
PIECES = [100, 120, 80]
ROWS = sum(PIECES)

YEAR_9999 = 253402300799  # 9999-12-31T23:59:59Z
YEAR_1 = -62135596800  # 0001-01-01T00:00:00Z


@dataclass
class Column:
    name: str
    kind: str
    values: list
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    more: dict = field(default_factory=dict)

    @property
    def sql(self):
        """Gives the type as the account's catalogue says it."""
        names = {"fixed": f"NUMBER({self.precision},{self.scale})", "real": "FLOAT", "text": "TEXT"}
        return names.get(self.kind, self.kind.upper())

    def rowtype(self):
        is_text = self.kind in ("text", "binary")
        signs = {"text": 4, "binary": 1}.get(self.kind)
        return {
            "name": self.name, "type": self.kind, "nullable": True, "length": self.length if is_text else None,
            "byteLength": self.length * signs if is_text else None, "precision": self.precision, "scale": self.scale,
            "collation": None, **self.more,
        }


EDGES_OF_TEXT = [
    "", " ", "a", "ab", "abc", "abcd", "naïve café", "日本語テキスト", "\U0001f600\U0001f9ca", "e\u0301", 'say "hi"', "back\\slash\\",
    "a\tb\nc\rd", "\u0001\u001f\u007f", "\u2028\u2029", "[1,\"]\",{}]", "],[", "null", "x" * 5000, "ada@example.com",
    "write to ada.l@mail.example.org, or call", "card 4111 1111 1111 1111 ends", "4111-1111-1111-1112", "</script>", "'; drop table t",
]

EDGES_OF_JSON = [
    "{}", "[]", '{"a":{"b":"hidden","c":1}}', '{"a":{"b":{"deep":[1,2]}},"z":"seen"}', '{"a":[{"b":1},{"b":"two"},{"c":3}]}',
    '{"A":{"B":"other case"}}', '{"a":"flat"}', '{"n":12345678901234567890,"d":1.50,"e":1e30}', '{"q":"\\"\\\\ \\u0001 é \U0001f600"}',
    '{"mail":"ada@example.com","card":4111111111111111,"list":["x","bob@example.org"]}', '{\n  "a": {\n    "b": true\n  }\n}',
]
SCALARS = ["null", "true", "17", "1.25", '"text"', '"ada@example.com"']


def drawn(seed, edges, draw):
    """Mixes edges, nulls and a pool of random values that repeat; no null is in the first row, so that types are seen."""
    choose = random.Random(seed)
    pool = [draw(choose) for _ in range(40)]
    values = edges * 2 + [None] * (ROWS // 9)
    values += [choose.choice(pool) for _ in range(ROWS - len(values))]
    choose.shuffle(values)
    return values[:ROWS]


def numbers(name, precision, scale, edges=()):
    top = 10**precision - 1
    values = drawn(name, [0, 1, -1, top, -top, *edges], lambda choose: choose.randint(-top, top))
    # In the second piece all are small: how wide numbers are differs from one Arrow stream to the next.
    # Connector 5.2.0 makes Arrow of JSON chunk by chunk, and reads numbers of more than 64 bits wrong if some chunk has none.
    for row in range(PIECES[0], PIECES[0] + PIECES[1] if precision <= 18 else PIECES[0]):
        values[row] = values[row] if values[row] is None else values[row] % 100
    return Column(name, "fixed", values, precision, scale)


def instants(name, kind, scale, with_zone=False, step=1):
    """Gives instants from year 1 to 9999, where a driver's 64 bits of nanoseconds hold them; with `step` 1000 they need not."""
    second = 10**scale
    last = YEAR_9999 * second + second - step
    edges = [0, step, -step, -second, 1_709_164_800 * second, 951_782_400 * second + second - step, -second - step]
    edges += [last, YEAR_1 * second] if scale < 9 or step > 1 else [9_223_372_036 * second + 1, -9_000_000_000 * second + 1]
    offsets = [0, 60, -60, 330, -210, 840, -720, 345]
    draw = lambda choose: choose.randint(-2_000_000_000, 4_000_000_000) * second + choose.randrange(second) // step * step  # noqa: E731
    values = drawn(name, edges, draw)
    if step > 1:
        # The connector settles a column's unit batch by batch, by whether an instant is far, and all must agree.
        values[::10] = [last] * len(values[::10])
    if with_zone:
        # The ends of the calendar are no dates in every zone.
        at_end = lambda value: value in (last, YEAR_1 * second)  # noqa: E731
        zone = lambda row, value: 0 if at_end(value) else offsets[row % len(offsets)]  # noqa: E731
        values = [None if value is None else (value, zone(row, value)) for row, value in enumerate(values)]
    return Column(name, kind, values, 0, scale)


def common():
    """Gives the types that every driver reads."""
    day = 86_400
    time = lambda scale: Column(  # noqa: E731
        f"TIME_{scale}", "time",
        drawn(f"time{scale}", [0, 1, day * 10**scale - 1, 3600 * 10**scale], lambda choose: choose.randrange(day * 10**scale)),
        0, scale,
    )
    reals = [0.0, -0.0, 1.5, -2.75, 0.1, 1e-300, 1.7976931348623157e308, 5e-324, float("nan"), float("inf"), float("-inf"), 123.9, -0.5]
    text = lambda name, edges, length: Column(  # noqa: E731
        name, "text", drawn(name, edges, lambda choose: "".join(choose.choices("abcdefgé日\U0001f600 ", k=choose.randint(0, 12)))), length=length
    )
    document = lambda choose: json.dumps({"a": {"b": choose.randrange(9)}, "v": choose.choice("xyz")})  # noqa: E731
    listed = lambda choose: json.dumps([choose.randrange(9), {"a": {"b": choose.choice("xyz")}}])  # noqa: E731
    lists = [edge for edge in EDGES_OF_JSON if edge.startswith("[")] + ['[[{"a":[{"b":"hidden"}]}]]', '["ada@example.com",null]']
    return [
        Column("ID", "fixed", list(range(ROWS)), 18, 0),
        numbers("N2", 2, 0), numbers("N4", 4, 0), numbers("N9", 9, 0, [123456]), numbers("N18", 18, 0, [4111111111111111]),
        numbers("N38", 38, 0, [2**63, -(2**63), 2**63 - 1, 2**127 // 10]), numbers("N10_2", 10, 2, [12345, -999]),
        numbers("N38_10", 38, 10), numbers("N38_37", 38, 37),
        Column("R", "real", drawn("real", reals, lambda choose: choose.uniform(-1e6, 1e6))),
        Column("B", "boolean", drawn("boolean", [True, False], lambda choose: choose.random() < 0.5)),
        text("T", EDGES_OF_TEXT, 16_777_216), text("T8", ["", "12345678", "\U0001f600" * 8], 8),
        Column("D", "date", drawn("date", [0, -1, -719162, 2932896, -25567, 19782, 11016], lambda choose: choose.randint(-30000, 60000))),
        *[time(scale) for scale in (0, 3, 4, 6, 9)],
        *[instants(f"NTZ_{scale}", "timestamp_ntz", scale) for scale in (0, 3, 6, 9)],
        instants("NTZ_9_FAR", "timestamp_ntz", 9, step=1000), instants("TZ_9_FAR", "timestamp_tz", 9, with_zone=True, step=1000),
        *[instants(f"LTZ_{scale}", "timestamp_ltz", scale) for scale in (0, 3, 9)],
        *[instants(f"TZ_{scale}", "timestamp_tz", scale, with_zone=True) for scale in (0, 3, 6, 9)],
        Column("BIN", "binary", drawn("binary", [b"", b"\0", b"\xff" * 3, bytes(range(256)) * 40], lambda choose: choose.randbytes(8)), length=8_388_608),
        Column("V", "variant", drawn("variant", EDGES_OF_JSON + SCALARS, document)),
        Column("O", "object", drawn("object", [edge for edge in EDGES_OF_JSON if edge.lstrip().startswith("{")], document)),
        Column("A", "array", drawn("array", lists, listed)),
        Column("G", "object", drawn("geography", ['{"coordinates":[1.5,-2],"type":"Point"}'], lambda choose: json.dumps({"coordinates": [choose.randint(0, 90), 1], "type": "Point"})), more={"extTypeName": "GEOGRAPHY"}),
    ]


def member(kind, name=None, precision=None, scale=None, length=None):
    told = {"type": kind, "nullable": True, "precision": precision, "scale": scale, "length": length, "byteLength": length, "fixed": False}
    return {"name": name, **told} if name else told


def rare():
    """Gives types that some drivers do not read, each for a table of its own; nothing but null is made of them."""
    of = lambda name, kind, edges, draw, **other: Column(name, kind, drawn(name, edges, draw), **other)  # noqa: E731
    vector = lambda choose: [choose.randint(-9, 9) / 4 for _ in range(3)]  # noqa: E731
    person = lambda choose: {"id": choose.randrange(99), "name": choose.choice(["ada", "", "\U0001f600", None])}  # noqa: E731
    return [
        of("VECTOR", "vector", [[0.0, -1.5, 3.25]], vector, more={"vectorDimension": 3, "fields": [member("real")]}),
        of("DECFLOAT", "decfloat", [(0, 0), (-3, 12345), (20, -7)], lambda choose: (choose.randint(-20, 20), choose.randint(-(10**18), 10**18)), precision=38),
        of("STRUCTURED", "object", [{"id": 1, "name": 'q"\\'}], person, more={"fields": [member("fixed", "id", 38, 0), member("text", "name", length=16)]}),
        of("LIST", "array", [[], [1, None, 3]], lambda choose: [choose.randrange(9)], more={"fields": [member("fixed", None, 38, 0)]}),
        of("MAP", "map", [{}, {"a": 1}], lambda choose: {choose.choice("xyz"): choose.randrange(9)}, more={"fields": [member("text", length=16), member("fixed", None, 38, 0)]}),
        of("MONTHS", "interval_year_month", [0, 1, -13, 119988], lambda choose: choose.randint(-900, 900), precision=0, scale=0),
        of("SPAN", "interval_day_time", [0, 1_000, -1_000_000_000], lambda choose: choose.randint(-(10**15), 10**15) * 1000, precision=5, scale=0),
    ]
