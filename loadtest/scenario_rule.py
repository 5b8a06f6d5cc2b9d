"""The rule that a key of a scenario keeps: what it may be, and how that is told. Pure."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key may be, and what it is for."""

    kind: type
    """``float`` (which a whole number is too), ``int``, ``str``, ``bool``, ``list`` of texts,
    ``dict`` of shares, or ``object`` for a table of whatever the pricer knows."""
    what: str
    low: float | None = None
    high: float | None = None
    above: bool = False
    """Whether ``low`` itself is not allowed."""
    choices: tuple[str, ...] = ()

    def allows(self, value: Any) -> bool:
        """Whether a value as TOML gives it keeps the rule."""
        match self.kind:
            case _ if self.kind in (int, float):
                return self._in_bounds(value)
            case _ if self.kind is list:
                return isinstance(value, list) and all(self._text(each) for each in value)
            case _ if self.kind is dict:
                return (
                    isinstance(value, dict)
                    and bool(value)
                    and all(self._in_bounds(share) for share in value.values())
                )
            case _ if self.kind is object:
                return isinstance(value, dict)
            case _:
                return self._text(value) if self.kind is str else type(value) is self.kind

    def _in_bounds(self, value: Any) -> bool:
        if type(value) not in (int, self.kind if self.kind is int else float):
            return False
        low = self.low is None or (value > self.low if self.above else value >= self.low)
        # A NaN is in no bounds.
        return low and (self.high is None or value <= self.high)

    def _text(self, value: Any) -> bool:
        return isinstance(value, str) and (not self.choices or value in self.choices)

    @property
    def told(self) -> str:
        """The rule in words: ``a number above 0``."""
        if self.choices:
            listed = ", ".join(self.choices)
            return f"a list of {listed}" if self.kind is list else f"one of {listed}"
        kind = {
            float: "a number",
            int: "a whole number",
            str: "a text",
            bool: "true or false",
            list: "a list of texts",
            dict: "a table of shares, as in {european = 80, pvonly = 20}, each a number",
            object: "a table",
        }[self.kind]
        if self.low is None:
            return kind
        bound = f"{kind} {'above' if self.above else 'of at least'} {self.low:g}"
        return bound if self.high is None else f"{bound} and at most {self.high:,.10g}"


def key(default: Any, kind: type, what: str, **bounds: Any) -> Any:
    """A field of a part, with its rule."""
    metadata = {"rule": Rule(kind, what, **bounds)}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)
