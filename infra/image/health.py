"""Whether the consumer of this container is well: ``python -m infra.image.health``.

It is if the roster has heard of it within the last ten seconds: then its event loop turns, and it
reaches the server. Exit code 0 if so, 1 if not, 3 if the server cannot be asked.
"""

import os
import socket
import sys

import anyio

from engine.address import URL, Address
from engine.connection import open_redis
from engine.errors import AzfinsimError, leaf
from engine.roster import Roster

PATIENCE = 5.0
"""Seconds."""


async def well(address: Address, host: str) -> bool:
    """Whether a consumer of this host has announced itself; names of consumers begin with it."""
    async with open_redis(address) as redis:
        return any(each.name.startswith(f"{host}-") for each in await Roster(redis).living())


async def main() -> int:
    """The exit code."""
    try:
        with anyio.fail_after(PATIENCE):
            address = Address.parse(os.environ.get(URL, ""), os.environ)
            return 0 if await well(address, socket.gethostname()[:40]) else 1
    except (AzfinsimError, TimeoutError, ExceptionGroup) as error:
        sys.stderr.write(f"{leaf(error)}\n")
        return 3


if __name__ == "__main__":
    sys.exit(anyio.run(main))
