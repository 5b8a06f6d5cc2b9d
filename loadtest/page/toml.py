"""A scenario as TOML writes it, for people to read and to run again. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """A document: plain keys first, then a part for each table; None is left out.

    Raises TypeError for a value that TOML does not have.
    """
    plain, parts = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            parts.append(_part(f"[{_key(key)}]", value))
        elif _tables(value):
            parts.extend(_part(f"[[{_key(key)}]]", each) for each in value)
        elif value is not None:
            plain.append(_line(key, value))
    return "\n\n".join(filter(None, ["\n".join(plain), *parts])) + "\n"


def _tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(each, Mapping) for each in value)
    )


def _part(head: str, table: Mapping[str, Any]) -> str:
    return "\n".join([head, *(_line(k, v) for k, v in table.items() if v is not None)])


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case Mapping():
            inner = ", ".join(_line(k, v) for k, v in value.items() if v is not None)
            return f"{{ {inner} }}" if inner else "{}"
        case Sequence():
            return f"[{', '.join(_value(each) for each in value if each is not None)}]"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}: {value!r}")


def _text(text: str) -> str:
    # TOML's escapes are JSON's, and it wants DEL escaped too.
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")
