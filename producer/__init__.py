"""Fills the cache with books of trades, submits jobs over them, fetches results, asks for prices.

Imports the engine and no other room. Only the modules named ``*_commands``, and what says that only
they import it, read the environment, print or exit.

``from producer import connect, connect_sync`` is the way to realtime prices from Python.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.client import connect as connect
    from producer.client_sync import connect_sync as connect_sync

_HOMES = {"connect": "producer.client", "connect_sync": "producer.client_sync"}


def __getattr__(name: str) -> Any:
    """Import the client when it is asked for: the rest of the room needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
