"""Finding a pricer by the name that a job gives: an entry point, or ``module:attribute``."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from engine.errors import UsageError
from engine.pricing.pricer import Pricer
from engine.trade import Term

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
        parts = {part: getattr(pricer, part, None) for part in _PARTS}
    # A user's module may raise anything at all when it is imported, sys.exit() included.
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"algorithm {name[:80]!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if isinstance(pricer, type):
        raise UsageError(
            f"algorithm {name[:80]!r} is a class: must be an object of it, such as "
            f"`pricer = {pricer.__name__}()`"
        )
    for part, fits in _PARTS.items():
        if not fits(parts[part]):
            raise UsageError(
                f"algorithm {name[:80]!r} is no pricer: it has no {part} as it should be; "
                "see engine.pricing.pricer.Pricer"
            )
    return cast(Pricer, pricer)


def _is_schema(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(field, str) and isinstance(term, Term) for field, term in value.items()
    )


_PARTS: Mapping[str, Callable[[object], bool]] = {
    "price": callable,
    "schema": _is_schema,
    "version": lambda value: isinstance(value, str),
    "releases_gil": lambda value: isinstance(value, bool),
}
"""What a pricer has, and what that must be."""
