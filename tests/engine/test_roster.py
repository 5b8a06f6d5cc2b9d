"""Who is on the roster, and what is known of one of an older version."""

import dataclasses

import orjson
import pytest

from engine.connection import Address
from engine.grid import open_grid
from engine.roster import Presence

ONE = Presence("one", ["bulk"], 2, 4711, 5, True, {"a": "b"}, "night/1", "host", 1, 2.5, 10**8)


def test_what_is_said_is_read() -> None:
    assert Presence.from_json(orjson.dumps(dataclasses.asdict(ONE))) == ONE


def test_one_of_an_older_version_says_less() -> None:
    """Consumers of both versions serve side by side while a pool is renewed."""
    said = dataclasses.asdict(ONE)
    older = {name: said[name] for name in said if name not in ("host", "busy", "rate", "memory")}
    read = Presence.from_json(orjson.dumps(older))
    assert read == dataclasses.replace(ONE, host="", busy=None, rate=None, memory=None)


@pytest.mark.parametrize(
    ("name", "value"), [("busy", True), ("rate", "1"), ("memory", 1.5), ("host", None)]
)
def test_what_is_of_another_type_is_no_announcement(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="no consumer's announcement"):
        Presence.from_json(orjson.dumps({**dataclasses.asdict(ONE), name: value}))


async def test_since_when_a_consumer_is_silent(redis_url: str) -> None:
    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.roster.announce(ONE)
        [silent, gone] = await grid.roster.silences(["one", "nobody"])
        assert silent is not None
        assert 0 <= silent < 5
        assert gone is None
