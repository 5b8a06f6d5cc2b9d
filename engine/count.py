"""Counts as people write them, 500000, 500k, 10M, 1e6, and read them. Pure."""

import re
from decimal import Decimal

_FORM = re.compile(
    # Without a unit, no fraction: 1.0 is no count.
    r"(?P<whole>\d{1,20})|(?P<digits>\d{1,15}(?:\.\d{1,9})?)"
    r"(?:[eE]\+?(?P<power>\d{1,2})|(?P<unit>[kMG]))",
    re.ASCII,
)
_UNITS = {"k": 3, "M": 6, "G": 9}

WAYS = "500000, 500k or 10M"


def parse_count(text: str) -> int | None:
    """The whole number that ``text`` writes, at least 0; None if it writes none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    if found["whole"]:
        return int(found["whole"])
    power = _UNITS[found["unit"]] if found["unit"] else int(found["power"])
    number = Decimal(found["digits"]).scaleb(power)
    return int(number) if number == number.to_integral_value() else None


def plural(many: int, one: str, more: str = "") -> str:
    """``1 fault``, ``2 faults``, ``1,000 tries``."""
    return f"{many:,} {one if many == 1 else more or one + 's'}"
