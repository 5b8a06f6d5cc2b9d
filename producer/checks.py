"""Whether the records of a file are good trades, judged by column. Pure."""

import math
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from engine.blocks import Trades, from_rows
from engine.trade import DEFAULT_PRODUCT, ID, PRODUCTS, Fault, check
from producer.load import Batch, Rejected
from producer.records import Fields

Numbered = tuple[int, Fields]
"""A record, and the number of its line."""


def checked(records: Sequence[Numbered], unread: Sequence[Rejected], size: int) -> Batch:
    """The good trades in the order of their records, and what is wrong with the others.

    Of a product that we do not know only the ID is checked, and that its numbers are finite.
    ``unread`` are the lines among them that are no records, ``size`` is the bytes of all.
    """
    ids: list[Any] = [fields.get("id") for _, fields in records]
    trades = from_rows([fields for _, fields in records], ids)
    faults: dict[int, Fault] = {}
    for product, rows in _by_product(trades).items():
        some = trades if len(rows) == len(ids) else trades.at(rows)
        found = _faults(product, some)
        faults |= {rows[fault.row]: fault for fault in found}
    if faults:
        trades = trades.at([row for row in range(len(ids)) if row not in faults])
    rejected = [
        Rejected(records[row][0], str(fault), fault.field, fault.value)
        for row, fault in faults.items()
    ]
    return Batch(trades, tuple(sorted([*unread, *rejected], key=attrgetter("line"))), size)


def _by_product(trades: Trades) -> Mapping[str | None, Sequence[int]]:
    """The rows of each product; under None those whose product is no name."""
    every = range(len(trades.ids))
    if "product" not in trades.columns:
        return {DEFAULT_PRODUCT: every}
    rows: dict[str | None, list[int]] = {}
    for row, product in enumerate(trades.columns["product"]):
        name = DEFAULT_PRODUCT if product is None else product
        rows.setdefault(name if isinstance(name, str) else None, []).append(row)
    return rows


def _faults(product: str | None, trades: Trades) -> Sequence[Fault]:
    """What is wrong with trades of one product, at most one fault a trade."""
    count = len(trades.ids)
    if product is None:
        values = trades.columns["product"]
        return [Fault(row, "product", values[row], "the name of a product") for row in range(count)]
    schema = {"id": ID, **PRODUCTS.get(product, {})}
    faults = check({"id": trades.ids, **trades.columns}, schema, count).faults
    return faults if product in PRODUCTS else [*faults, *_infinite(trades)]


def _infinite(trades: Trades) -> list[Fault]:
    return [
        Fault(row, name, value, "a finite number")
        for name, values in trades.columns.items()
        for row, value in enumerate(values)
        if isinstance(value, float) and not math.isfinite(value)
    ]
