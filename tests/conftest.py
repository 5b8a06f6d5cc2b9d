"""Fixtures for every room: real servers.

What may live here: what more than one room's tests need.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import hypothesis
import pytest
import redis

from engine.embedded import EmbeddedServer, ServerSettings

# The same examples each time, so that CI fails for a change and not for a draw.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, what a machine lacks is a fault of CI: a test that is skipped fails."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI may not: {report.longrepr}"
    return report


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that users run on; trio, which others may have installed, is none of ours."""
    return ("asyncio", {"use_uvloop": True})


FreshServer = Callable[..., EmbeddedServer]


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A server for the whole run, on a unix socket. Do not configure it: take a fresh one."""
    with EmbeddedServer() as shared:
        yield shared


@pytest.fixture
def redis_url(server: EmbeddedServer) -> str:
    """The URL of the run's server, empty at the start of each test."""
    server.start()  # nothing, unless a test before has killed it
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
def fresh_server() -> Iterator[FreshServer]:
    """A function that starts a server with the given fields of ServerSettings."""
    with ExitStack() as started:

        def start(**settings: Any) -> EmbeddedServer:
            return started.enter_context(EmbeddedServer(ServerSettings(**settings)))

        yield start
