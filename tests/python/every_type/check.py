"""Compares what drivers showed with what is expected of it: `check.py READS` prints a JSON list of differences.

`READS` is a JSON list of reads: `file` that `drivers/every_cell.py` wrote, `table`, `as` (the driver's form), `session`.
"""

import json
import math
import sys
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation, getcontext

from columns import ROWS, common, rare
from make import cell
from masks import JSON_KINDS, Hashed, expected, mask_of

EPOCH = datetime(1970, 1, 1)
# The usual 28 digits would round.
getcontext().prec = 80
UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def seconds(text, kind):
    """Gives seconds since 1970, or since midnight, and the digits behind the point that the driver's type has."""
    unit, colon, number = text.partition(":")
    if colon and unit in UNITS:
        return Decimal(number).scaleb(-UNITS[unit]), UNITS[unit]
    if kind == "time":
        at = time.fromisoformat(text)
        return Decimal((at.hour * 60 + at.minute) * 60 + at.second) + Decimal(at.microsecond).scaleb(-6), 6
    at = datetime.fromisoformat(text)
    since = (at.astimezone(timezone.utc).replace(tzinfo=None) if at.tzinfo else at) - EPOCH
    return Decimal(since // timedelta(microseconds=1)).scaleb(-6), 6


def is_same(column, value, text, form):
    """Tells whether a driver's text is a value, as far as its form can say it."""
    if value is None or text is None:
        # pandas has one word for null and for what is no number.
        return value is None and text is None or form == "pandas" and (value is None and text == "nan" or text is None and value != value)
    kind, scale = column.kind, column.scale
    if form == "cells":
        # As they came, byte for byte, but what is JSON, and truth, which has words of its own.
        if kind == "boolean":
            return text == ("true" if value else "false")
        return json.loads(cell(column, value)) == json.loads(text) if kind in JSON_KINDS else cell(column, value) == text
    if kind == "fixed":
        exact = Decimal(value).scaleb(-scale)
        return Decimal(text) == exact or form in ("pandas", "double") and float(text) == float(exact)
    if kind == "real":
        found = float(text)
        is_zero = value == 0 and math.copysign(1, found) == math.copysign(1, value) or value != 0
        return found == value and is_zero or found != found and value != value or abs(value) > 2**53 and math.isclose(found, value)
    if kind == "boolean":
        return text.lower() in (("true", "1") if value else ("false", "0"))
    if kind == "date":
        text = text.removesuffix("T00:00:00")
        return text == (str(value) if text.lstrip("-").isdigit() else (EPOCH + timedelta(days=value)).date().isoformat())
    if kind == "binary":
        return text.upper() == value.hex().upper()
    if kind == "time" or kind.startswith("timestamp"):
        instant, offset = value if kind == "timestamp_tz" else (value, 0)
        found, digits = seconds(text, kind)
        exact = Decimal(instant // 10 ** max(scale - digits, 0)).scaleb(-min(scale, digits))
        told = datetime.fromisoformat(text).utcoffset() if kind == "timestamp_tz" and text[2:3] != ":" and text[1:2] != ":" else None
        return found == exact and (told is None or told == timedelta(minutes=offset))
    if kind in JSON_KINDS and isinstance(value, str):
        return json.loads(text, parse_float=Decimal) == json.loads(value, parse_float=Decimal) or form == "node" and json.loads(text, parse_int=float) == json.loads(value, parse_int=float)
    if kind == "decfloat":
        if text.startswith("{"):
            parts = json.loads(text)
            return (parts["exponent"], int.from_bytes(bytes.fromhex(parts["significand"]), "big", signed=True)) == value
        return Decimal(text) == Decimal(cell(column, value))
    if isinstance(value, (list, dict)):
        found = json.loads(text)
        if form == "pandas" and isinstance(found, list) and kind == "array":
            found = [None if one is None or one != one else one for one in found]
        return (dict(found) if kind == "map" else found) == value
    if kind == "interval_year_month":
        years, _, months = text.lstrip("+-").partition("-")
        told = (int(years) * 12 + int(months)) * (-1 if text.startswith("-") else 1) if months else int(float(text))
        return told == value
    if kind == "interval_day_time":
        # Connector 4.8.1 makes zeros of them in Arrow tables and pandas.
        return form in ("arrow", "pandas") or text in (str(value), f"us:{value // 1000}", f"ns:{value}")
    return text == value


def is_hash(column, text):
    if column.kind == "fixed":
        return text.lstrip("-").isdigit() and abs(int(text)) < 10**15
    return len(text) == 32 and all(sign in "0123456789abcdef" for sign in text.lower())


def check(read, hashes):
    with open(read["file"]) as file:
        found = json.load(file)
    table = read["table"]
    if table.startswith("RARE_"):
        name = table.removeprefix("RARE_").removesuffix("_NULL")
        columns = [common()[0], *[column for column in rare() if column.name == name]]
        masks = [None, "null" if table.endswith("_NULL") else None]
    else:
        columns = common()
        turn = table.rpartition("_")[2]
        masks = [mask_of(column, at, int(turn)) if turn.isdigit() else None for at, column in enumerate(columns)]
    names = [column.name for column in columns]
    if found["names"] != names:
        return [f"columns {found['names']}"]
    wrong = []
    for column, mask, texts in zip(columns, masks, found["columns"]):
        of_column = []
        # A masked double may be spelled in another way.
        form = "rows" if mask and column.kind == "real" and read["as"] == "cells" else read["as"]
        if len(texts) != ROWS:
            of_column.append(f"{len(texts)} rows")
        for row, (value, text) in enumerate(zip(column.values, texts)):
            wanted = expected(mask, column, value)
            try:
                if isinstance(wanted, Hashed):
                    known = hashes.setdefault((read["session"], column.name), {})
                    if read["as"] == "pandas" and column.kind == "fixed" and wanted.of in known:
                        # It makes doubles of whole numbers where some are null.
                        good = float(text) == float(known[wanted.of])
                    else:
                        good = text is not None and is_hash(column, text) and known.setdefault(wanted.of, text.lower()) == text.lower()
                else:
                    good = is_same(column, wanted, text, form)
            except (ValueError, InvalidOperation, TypeError, AttributeError, OverflowError) as error:
                good, text = False, f"{text!r} ({error!r})"
            if not good:
                of_column.append(f"row {row}: expected {wanted!r:.200}, found {text!r:.200}")
        if of_column and column.name not in read["skip"]:
            wrong.append(f"{column.name} under {mask}: {len(of_column)} cells, such as {of_column[0]}")
    return wrong


def main(reads):
    hashes, wrong = {}, []
    for read in reads:
        wrong += [f"{read['table']} as {read['as']} of {read['file'].rpartition('/')[2]}: {text}" for text in check(read, hashes)]
    for (session, name), known in hashes.items():
        if len(set(known.values())) != len(known):
            wrong.append(f"{name} in {session}: two values have one hash")
        for (other, other_name), others in hashes.items():
            if other != session and name == other_name and (both := [of for of in known if known[of] == others.get(of)]):
                wrong.append(f"{name}: {len(both)} values have one hash in {session} and in {other}")
    print(json.dumps({"differences": wrong, "hashed": sum(map(len, hashes.values()))}))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
