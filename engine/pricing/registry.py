"""Finding a pricer by the name that a job gives: an entry point, or ``module:attribute``."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.metadata import entry_points
from types import ModuleType
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
    """The pricer of this name; its module may also lie in the working folder.

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
        pricer = _attribute(_imported(module), attribute)
        parts = {part: getattr(pricer, part, None) for part in _PARTS}
    # A user's module may raise anything at all when it is imported, sys.exit() included.
    except (Exception, SystemExit) as error:
        hint = _hint(error, module)
        raise UsageError(
            f"algorithm {name[:80]!r} cannot be imported: {type(error).__name__}: {error}{hint}"
        ) from error
    for part, fits in _PARTS.items():
        if isinstance(pricer, type) or not fits(parts[part]):
            raise UsageError(f"algorithm {name[:80]!r} is {_instead(pricer, part)}")
    return cast(Pricer, pricer)


def _imported(module: str) -> ModuleType:
    """The module, as Python finds it, or else in the working folder.

    Last, since a file of the user's must not take the place of a module that we import.
    """
    with suppress(OSError):  # There may be no working folder any more.
        if (here := os.getcwd()) not in sys.path:
            sys.path.append(here)
    invalidate_caches()  # It may have been put there since it was last looked for.
    return import_module(module)


def _attribute(module: ModuleType, attribute: str) -> object:
    try:
        return getattr(module, attribute)
    except AttributeError:
        # The file too: it may be another module of that name, such as the library's `test`.
        where = getattr(module, "__file__", None) or "built into Python"
        raise AttributeError(f"{module.__name__} ({where}) has no {attribute!r}") from None


def _hint(error: BaseException, module: str) -> str:
    """Where to put a module that is not found."""
    top = module.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or error.name != top:
        return ""
    return (
        f"; {top} must be installed, or lie in the working folder or in one that PYTHONPATH names, "
        "both where jobs are submitted and where consumers run"
    )


def _instead(pricer: object, part: str) -> str:
    """What something is that is no pricer, for want of a part."""
    if isinstance(pricer, type):
        return f"a class: must be an object of it, such as `pricer = {pricer.__name__}()`"
    if inspect.isfunction(pricer):
        return (
            "a plain function: `@per_trade(schema=..., version=...)` of engine.adapters makes it "
            "a pricer"
        )
    if part == "price" and inspect.iscoroutinefunction(getattr(pricer, part, None)):
        return (
            "no pricer: its price is a coroutine function; `per_trade` of engine.adapters makes a "
            "pricer of one that prices a single trade"
        )
    return f"no pricer: it has no {part} as it should be; see engine.pricing.pricer.Pricer"


def _is_schema(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(field, str) and isinstance(term, Term) for field, term in value.items()
    )


_PARTS: Mapping[str, Callable[[object], bool]] = {
    "price": lambda value: callable(value) and not inspect.iscoroutinefunction(value),
    "schema": _is_schema,
    "version": lambda value: isinstance(value, str),
    "releases_gil": lambda value: isinstance(value, bool),
}
"""What a pricer has, and what that must be."""
