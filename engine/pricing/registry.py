"""Finding a pricer by the name that a job gives: an entry point, or ``module:attribute``."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from engine.errors import UsageError
from engine.pricing.pricer import Pricer

GROUP = "azfinsim.pricers"
"""The entry point group in which a package announces its pricers."""


def names() -> list[str]:
    """The names under which installed packages announce pricers."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@cache
def find(name: str) -> Pricer:
    """The pricer of this name.

    Raises UsageError if there is none, it cannot be imported, or it is no pricer.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        found = list(entry_points(group=GROUP, name=name))
        if not found:
            raise UsageError(
                f"algorithm {name[:80]!r} is not known: must be one of {', '.join(names())}, "
                "or module:attribute"
            )
        module, _, attribute = found[0].value.partition(":")
    try:
        pricer = getattr(import_module(module), attribute)
    # A user's module may raise anything at all when it is imported.
    except Exception as error:
        raise UsageError(
            f"algorithm {name[:80]!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for part in ("price", "schema", "version", "releases_gil"):
        if not hasattr(pricer, part):
            raise UsageError(
                f"algorithm {name[:80]!r} is no pricer: it has no {part}; "
                "see engine.pricing.pricer.Pricer"
            )
    return cast(Pricer, pricer)
