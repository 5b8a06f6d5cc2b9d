"""Names that users give to books and jobs. Pure."""

import re

from engine.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(what: str, name: str) -> str:
    """Return ``name`` if it may name ``what`` ("book", "job").

    Raises UsageError otherwise: names become parts of keys, files and Batch task IDs.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{what} {name[:80]!r}: must be 1 to 64 letters, digits, dots, dashes or underscores, "
            "and begin with a letter or digit"
        )
    return name
