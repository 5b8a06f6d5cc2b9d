"""What a Batch autoscale formula comes to: the part of the language that ours uses.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling. Understood: assignments, numbers,
``+ - * /``, comparisons, ``? :``, the functions below, ``GetSample`` by count or time,
``GetSamplePercent``, and intervals of time. Batch takes a sample every 30 s.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAMPLE_EVERY = 30.0
"""Seconds."""

Thunk = Callable[[], Any]
"""Evaluates a piece of a formula, once it is known which branch is taken."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\$?[A-Za-z_]\w*)|([<>=!]=|[-+*/<>?:(),.=;]))")
_INTERVALS = {"TimeInterval_Second": 1.0, "TimeInterval_Minute": 60.0}
_WORDS = frozenset({"requeue", "terminate", "taskcompletion", "retaineddata"})
_LEVELS: Sequence[Mapping[str, Callable[[Any, Any], Any]]] = (
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
)
"""What binds least comes first."""


class FormulaError(ValueError):
    """The formula cannot be read or evaluated. Batch leaves a pool as it is then."""


class Interval(float):
    """Seconds: ``GetSample`` takes them as a time, and a plain number as a count."""

    def __mul__(self, other: float) -> "Interval":
        return Interval(float(self) * other)

    __rmul__ = __mul__


@dataclass(frozen=True)
class Metric:
    """What Batch has seen of one, the newest last; None where it missed a sample."""

    seen: Sequence[float | None]

    def GetSample(self, asked: float) -> list[float]:  # As the language has it.
        if isinstance(asked, Interval):
            found = [value for value in self._within(asked) if value is not None]
        else:
            found = [value for value in self.seen if value is not None][-int(asked) :]
        if not found:
            raise FormulaError("there are no samples")
        return found

    def GetSamplePercent(self, span: Interval) -> float:  # Likewise.
        there = sum(value is not None for value in self._within(span))
        return 100.0 * there / (span / SAMPLE_EVERY)

    def _within(self, span: Interval) -> Sequence[float | None]:
        return self.seen[-int(span / SAMPLE_EVERY) :]


_FUNCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "avg": lambda values: sum(values) / len(values),
    "max": max,
    "min": min,
    # Which way halves go is not documented. Ours never comes to one for a whole number of tasks.
    "round": lambda values: float(math.floor(values[0] + 0.5)),
}


def evaluate(formula: str, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """All variables that the formula sets. Raises FormulaError."""
    return _Reader(formula, metrics).run()


class _Reader:
    def __init__(self, formula: str, metrics: Mapping[str, Metric]) -> None:
        bare = re.sub(r"//[^\n]*", "", formula).strip()
        self._tokens = []
        at = 0
        while at < len(bare):
            found = _TOKEN.match(bare, at)
            if found is None:
                raise FormulaError(f"cannot read {bare[at : at + 20]!r}")
            self._tokens.append(found[1] or found[2])
            at = found.end()
        self._metrics = metrics
        self._set: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        while self._tokens:
            name = self._take()
            self._take("=")
            self._set[name] = self._choice()()
            self._take(";")
        return self._set

    def _take(self, wanted: str | None = None) -> str:
        if not self._tokens or wanted not in (None, self._tokens[0]):
            raise FormulaError(f"{wanted!r} must stand before {self._tokens[:5]}")
        return self._tokens.pop(0)

    def _next_is(self, *tokens: str) -> bool:
        return bool(self._tokens) and self._tokens[0] in tokens

    def _choice(self) -> Thunk:
        told = self._binary(0)
        if not self._next_is("?"):
            return told
        self._take("?")
        yes = self._choice()
        self._take(":")
        no = self._choice()
        return lambda: yes() if told() else no()

    def _binary(self, level: int) -> Thunk:
        if level == len(_LEVELS):
            return self._atom()
        left = self._binary(level + 1)
        while self._next_is(*_LEVELS[level]):
            left = _joined(_LEVELS[level][self._take()], left, self._binary(level + 1))
        return left

    def _atom(self) -> Thunk:
        token = self._take()
        if token == "(":
            inner = self._choice()
            self._take(")")
            return inner
        if token[0].isdigit():
            return lambda: float(token)
        if token in _INTERVALS:
            return lambda: Interval(_INTERVALS[token])
        if token in _WORDS:
            return lambda: token
        if token in _FUNCTIONS:
            return _called(lambda values: _FUNCTIONS[token](_flat(values)), self._arguments())
        if self._next_is("."):
            self._take(".")
            method = getattr(self._metrics[token], self._take())
            return _called(lambda values: method(*values), self._arguments())
        return lambda: self._set[token]

    def _arguments(self) -> list[Thunk]:
        self._take("(")
        told = [self._choice()]
        while self._next_is(","):
            self._take(",")
            told.append(self._choice())
        self._take(")")
        return told


def _joined(how: Callable[[Any, Any], Any], left: Thunk, right: Thunk) -> Thunk:
    return lambda: how(left(), right())


def _called(function: Callable[[list[Any]], Any], arguments: list[Thunk]) -> Thunk:
    return lambda: function([argument() for argument in arguments])


def _flat(values: Sequence[Any]) -> list[float]:
    """As the language passes vectors: all their values in one row."""
    return [each for value in values for each in (value if isinstance(value, list) else [value])]
