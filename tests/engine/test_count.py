"""Counts as people write them."""

import click
import pytest

from engine.count import parse_count, plural
from engine.edge import Count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("0", 0), ("500000", 500_000), ("10k", 10_000), ("1.5M", 1_500_000)),
        *(("2G", 2_000_000_000), ("1e4", 10_000), ("2.5E+3", 2_500)),
    ],
)
def test_a_count_is_read(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "1.0", "1.2345k", "10m", "1 k", "1e", "e4", "٣", "1_000", "9" * 5000]
)
def test_what_is_no_count_is_none(text: str) -> None:
    assert parse_count(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("many", "such as 500000, 500k or 10M"), ("0", "at least 1 "), ("11k", "at most 10,000")],
)
def test_an_option_tells_what_it_takes(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        Count(1, 10_000).convert(text, None, None)
    assert Count(1, 10_000).convert("10k", None, None) == 10_000


def test_words_for_a_number_of_things() -> None:
    assert plural(1, "fault") == "1 fault"
    assert plural(0, "fault") == "0 faults"
    assert plural(2000, "try", "tries") == "2,000 tries"
