"""The realtime client while its server or its consumers come and go (G4)."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from engine import keys
from engine.connection import Address
from engine.errors import NoConsumers, TimedOut
from engine.grid import Grid, open_grid
from engine.job import Lane
from producer import client_roles, connect
from producer.client import Client
from producer.client_post import Post
from tests.conftest import FreshServer
from tests.producer.responders import NAME, left_behind, present, priced, responding, take

SOON = 10.0


async def until(happened: Callable[[], object]) -> None:
    with anyio.fail_after(SOON):
        while not happened():  # noqa: ASYNC110 - nobody sets an event
            await anyio.sleep(0.002)


async def sent(client: Client, count: int) -> None:
    """Wait until so many calls of the client are known to be queued, and who serves them."""
    await until(lambda: client._post.served)
    await until(
        lambda: sum(call.entry_id is not None for call in client._post.open.values()) == count
    )


async def queued(grid: Grid, count: int) -> None:
    """Wait until so many calls are queued or in hand."""
    with anyio.fail_after(SOON):
        while (await grid.calls.backlog([Lane.REALTIME]))[Lane.REALTIME] != count:  # noqa: ASYNC110 - nobody sets an event
            await anyio.sleep(0.002)


async def test_calls_outlast_a_restart_of_the_server(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    """With its append-only file: what was queued before is answered after."""
    server = fresh_server(directory=tmp_path, port=0, config={"appendfsync": "always"})
    async with open_grid(Address.parse(server.url)) as grid:
        await grid.calls.ensure_groups([Lane.REALTIME])
        await present(grid)
        async with connect(server.url) as client:
            calls = [asyncio.create_task(client.price({"id": n}, deadline=30)) for n in range(100)]
            await sent(client, 100)
            await to_thread.run_sync(server.kill)
            more = asyncio.create_task(client.price({"id": 100}, deadline=30))
            await until(lambda: client._post.trouble)
            await to_thread.run_sync(server.start)
            async with responding(server.url):
                results = await asyncio.gather(*calls, more)
    assert [result.id for result in results] == list(range(101))


async def test_calls_that_the_server_has_lost_are_sent_again(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that comes back empty; nobody is on its roster either, for a while."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.05)
    await grid.calls.ensure_groups([Lane.REALTIME])
    await present(grid)
    async with connect(redis_url) as client:
        calls = [asyncio.create_task(client.price({"id": n}, deadline=30)) for n in range(100)]
        await sent(client, 100)
        before = {call.entry_id for call in client._post.open.values()}
        lost = [key async for key in grid.redis.scan_iter("az:*") if key != keys.grid().encode()]
        await grid.redis.delete(*lost)
        await until(
            lambda: not before & {call.entry_id or "0" for call in client._post.open.values()}
        )
        async with responding(redis_url):
            results = await asyncio.gather(*calls)
    assert [result.id for result in results] == list(range(100))


async def test_what_is_handed_back_is_not_sent_again(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one who leaves: it is in the stream under another name, by which it can be withdrawn."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.02)
    await grid.calls.ensure_groups([Lane.REALTIME])
    await present(grid)
    looks = 0
    look = client_roles._send_again

    async def counted(post: Post) -> None:
        nonlocal looks
        await look(post)
        looks += 1

    monkeypatch.setattr(client_roles, "_send_again", counted)
    async with connect(redis_url) as client:
        calls = [asyncio.create_task(client.price({"id": n}, deadline=30)) for n in range(20)]
        await sent(client, 20)
        await grid.calls.hand_back(NAME, await take(grid))
        seen = looks
        await until(lambda: looks > seen + 3)
        assert (await grid.calls.backlog([Lane.REALTIME]))[Lane.REALTIME] == 20
        calls[0].cancel()
        await queued(grid, 19)
        again = await take(grid)
        calls[1].cancel()
        await asyncio.wait(calls[:2])
        # What nobody waits for any more is not left to be priced.
        await grid.calls.hand_back(NAME, again)
        await queued(grid, 18)
        await grid.calls.answer([(call, priced(call)) for call in await take(grid)])
        assert [result.id for result in await asyncio.gather(*calls[2:])] == list(range(2, 20))


async def test_a_server_whose_clock_is_behind_is_heard(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that took over without the replies: it names its own by its clock."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.05)
    async with responding(redis_url), connect(redis_url) as client:
        assert (await client.price({"id": 1})).id == 1
        milliseconds, _, _ = client._post.after.partition("-")
        client._post.after = f"{int(milliseconds) + 3_600_000}-0"
        assert (await client.price({"id": 2}, deadline=10)).id == 2


async def test_a_server_that_hangs_keeps_nobody_beyond_his_deadline(
    fresh_server: FreshServer,
) -> None:
    """Frozen, it neither answers nor refuses; leaving does not wait for it either."""
    server = fresh_server()
    assert server.pid is not None
    async with open_grid(Address.parse(server.url)) as grid:
        await present(grid)
    began = 0.0
    try:
        async with connect(server.url) as client:
            os.kill(server.pid, signal.SIGSTOP)
            began = anyio.current_time()
            with pytest.raises(TimedOut):
                await client.price({"id": 1}, deadline=0.3)
            assert anyio.current_time() - began < 0.8
            began = anyio.current_time()
        assert anyio.current_time() - began < 3.0
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_a_consumer_that_is_leaving_answers_what_it_has_taken(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not taken is told that nobody serves; and withdrawn."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(client_roles, "ABSENCE", 0.1)
    await grid.calls.ensure_groups([Lane.REALTIME])
    await present(grid)
    async with connect(redis_url) as client:
        taken = asyncio.create_task(client.price({"id": 1}, deadline=30))
        await sent(client, 1)
        [call] = await take(grid)
        await present(grid, draining=True)
        with pytest.raises(NoConsumers):
            await client.price({"id": 2}, deadline=30)
        assert not taken.done()
        await grid.calls.answer([(call, priced(call))])
        assert (await taken).id == 1
    assert await left_behind(grid) == []


async def test_the_last_consumer_is_gone(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls under way are told so too, long before their deadline."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(client_roles, "ABSENCE", 0.1)
    await present(grid)
    async with connect(redis_url) as client:
        call = asyncio.create_task(client.price({"id": 1}, deadline=60))
        await sent(client, 1)
        await grid.roster.leave(NAME)
        with anyio.fail_after(SOON), pytest.raises(NoConsumers):
            await call


async def test_consumers_may_be_away_for_a_moment(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those just seen are not gone yet: another may be starting, or the roster was lost."""
    monkeypatch.setattr(client_roles, "LOOK_EVERY", 0.02)
    await present(grid)
    async with connect(redis_url) as client:
        looks = 0
        look = client_roles._present

        async def counted(post: Post) -> object:
            nonlocal looks
            found = await look(post)
            looks += not found
            return found

        monkeypatch.setattr(client_roles, "_present", counted)
        call = asyncio.create_task(client.price({"id": 1}, deadline=60))
        await sent(client, 1)
        await grid.roster.leave(NAME)
        await until(lambda: looks >= 5)
        async with responding(redis_url):
            assert (await call).id == 1
