"""What masks make of plain values: an independent reference, in words of its own, of what Icecore does.

A hash's value depends on a key that nobody has; what is expected of it is told by `Hashed`.
"""

import json
import re
from dataclasses import dataclass
from datetime import date

# None is a turn without a mask.
MASKS = [None, "null", "fixed:x", "partial:1:2", "hash", "bucket:10", "month", "year", "json:a.b=null", "detect:email+card"]

JSON_KINDS = ("variant", "object", "array")
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Hashed:
    """A hash of this value, which is equal to that of any equal value and of no other."""

    of: object


def mask_of(column, at, turn):
    return MASKS[(at + turn) % len(MASKS)] if column.name != "ID" else None


def expected(mask, column, value):
    """Gives what is left of a value; a mask that does not fit its type leaves null."""
    if value is None or mask is None:
        return value
    kind, scale = column.kind, column.scale
    name, _, given = mask.partition(":")
    if "fields" in column.more:
        return None
    if name == "fixed" and kind == "text":
        return given
    if name == "partial" and kind == "text":
        front, back = map(int, given.split(":"))
        hidden = len(value) - front - back
        return value[:front] + "*" * hidden + value[len(value) - back :] if hidden > 0 else "*" * len(value)
    if name == "hash" and (kind in ("text", "binary") or kind == "fixed" and scale == 0):
        return Hashed(value)
    if name == "bucket" and kind == "fixed":
        step = int(given) * 10**scale
        return (abs(value) // step * step) * (-1 if value < 0 else 1)
    if name == "bucket" and kind == "real":
        if value != value or value in (float("inf"), float("-inf")):
            return None
        width = float(given)
        # Too large for any width to tell; else whole widths towards zero, and no negative zero.
        return value if abs(value) > 2**53 else int(value / width) * width + 0.0
    if name in ("month", "year") and kind == "date":
        return start_of_day(value, name)
    if name in ("month", "year") and kind.startswith("timestamp"):
        at, offset = value if kind == "timestamp_tz" else (value, 0)
        second = 10**scale
        days = (at // second + offset * 60) // 86400
        start = (start_of_day(days, name) * 86400 - offset * 60) * second
        return (start, offset) if kind == "timestamp_tz" else start
    if name == "json" and kind in JSON_KINDS:
        return json.dumps(without(json.loads(value), ["a", "b"]))
    if name == "detect":
        if kind == "text":
            return found_hidden(value)
        if kind in JSON_KINDS:
            return json.dumps(leaves_hidden(json.loads(value)))
        if kind == "fixed" and scale == 0:
            return value if found_hidden(str(value)) == str(value) else None
    return None


def start_of_day(days, unit):
    day = date.fromordinal(days + EPOCH)
    return (day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)).toordinal() - EPOCH


def without(value, path):
    """Puts null at the end of a path of names, in whatever case; lists on the way are gone through."""
    if not path:
        return None
    if isinstance(value, list):
        return [without(one, path) for one in value]
    if isinstance(value, dict):
        return {name: without(one, path[1:]) if name.lower() == path[0] else one for name, one in value.items()}
    return value


def is_card(digits):
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


def found_hidden(text):
    """Writes stars over the addresses and numbers that the source has, told apart by simpler means than Icecore's."""
    text = re.sub(r"[a-z.]+@[a-z]+(\.[a-z]+)+", lambda found: "*" * len(found[0]), text)
    cards = r"(?<!\d)[2-6](?:[ -]?\d){12,18}(?!\d)"
    return re.sub(cards, lambda found: "*" * len(found[0]) if is_card(re.sub(r"\D", "", found[0])) else found[0], text)


def leaves_hidden(value):
    if isinstance(value, list):
        return [leaves_hidden(one) for one in value]
    if isinstance(value, dict):
        return {name: leaves_hidden(one) for name, one in value.items()}
    if isinstance(value, str):
        return found_hidden(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if found_hidden(str(value)) == str(value) else None
    return value
