"""Redis by tokens of Entra ID: renewed while a grid works, and away for a while (G4, G10)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from anyio import to_thread
from redis.exceptions import AuthenticationError

from engine.address import Address
from engine.connection import open_redis, passes
from engine.errors import ServerError
from engine.grid import open_grid
from engine.identity import Tokens
from producer import connect_sync
from tests.callers import REALTIME, trades
from tests.entra import CLIENT_ID, Entra, entra_for
from tests.processes import Field, field_at, synthetic
from tests.redis_servers import Nodes, answers, free_ports, needs_redis, start
from tests.waiting import eventually

pytestmark = needs_redis

LIFE = 5.0
"""Seconds that a token lives: it is renewed after 3, and a blocking read lasts half of one."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Any]:
    """Of a server that knows nobody but the admin, and whom he makes."""
    [port] = free_ports(1)
    config = tmp_path / "redis.conf"
    config.write_text('save ""\nuser default off\nuser admin on >admin ~* &* +@all\n')
    held = start(tmp_path / "redis", "--port", str(port), config=config)
    client: Any = redis.Redis(port=port, username="admin", password="admin")
    try:
        eventually(lambda: answers(client.ping), what="a Redis server")
        yield client
    finally:
        client.close()
        held.stop(1.0)


@contextmanager
def known(
    patch: pytest.MonkeyPatch, url: str, folder: Path, *servers: Any, **options: Any
) -> Iterator[tuple[Field, Entra]]:
    """A field whose consumers and commands come by tokens."""
    with entra_for(*servers, **options) as entra, ExitStack() as stack:
        for name, value in entra.environment.items():
            patch.setenv(name, value)
        patch.setenv("AZFINSIM_REDIS_AUTH", "entra")
        patch.setenv("AZFINSIM_IDENTITY", CLIENT_ID)
        partitions = 6 if "cluster" in url else 1
        yield stack.enter_context(field_at(url, folder, partitions)), entra


@pytest.fixture
def alone(
    admin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Field, Entra]]:
    url = f"redis://127.0.0.1:{port_of(admin)}?auth=entra"
    with known(monkeypatch, url, tmp_path, admin, life=LIFE) as made:
        yield made


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Field, Entra]]:
    nodes = Nodes(tmp_path)
    try:
        nodes.start()
        nodes.join()
        url = f"redis://127.0.0.1:{nodes.ports[0]}?cluster=true&auth=entra"
        with known(monkeypatch, url, tmp_path, *nodes.clients, life=LIFE) as made:
            yield made
    finally:
        nodes.close()


def port_of(client: Any) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


def clients(entra: Entra) -> dict[str, str]:
    """Who is connected: the user of each connection, by its server and name."""
    return {
        f"{number} {client['id']}": client["user"]
        for number, server in enumerate(entra.servers)
        for client in server.client_list()
        if client["user"].startswith("oid-")
    }


@pytest.mark.parametrize("grid", ["alone", "cluster"])
def test_a_job_outlasts_its_tokens(request: pytest.FixtureRequest, grid: str) -> None:
    """G1, G4: who works is cut by no renewal, and waits for no server. A connection that has been
    idle since the token before may be."""
    field, entra = request.getfixturevalue(grid)
    field.fill(2_400)
    consumers = field.serve("--slots", "1", count=2)
    job = field.submit(synthetic("night", 5.0, chunk=20))
    eventually(lambda: field.ended(job) > 100, 20, "a job in full swing")
    before = clients(entra)
    progress = field.done(job, 60)
    assert progress.well
    assert progress.counts.priced == 2_400
    after = clients(entra)
    kept = before.keys() & after.keys()
    assert len(kept) >= len(before) / 2
    assert all(before[name] != after[name] for name in kept)
    assert entra.askers == {"", CLIENT_ID}  # By a test here, and by the consumers.
    for consumer in consumers:
        assert not consumer.events("waiting for the server"), consumer.log
        assert consumer.end() == 0


def test_no_token_is_to_be_had_for_a_while(
    alone: tuple[Field, Entra], admin: Any, tmp_path: Path
) -> None:
    """G1, G4: it harms nothing before the last one expires; then consumers wait and say why."""
    theirs, entra = alone
    with field_at(f"redis://admin:admin@127.0.0.1:{port_of(admin)}", tmp_path) as ours:
        ours.fill(800)
        [consumer] = theirs.serve("--slots", "1")
        job = ours.submit(synthetic("night", 10.0, chunk=10))
        eventually(lambda: ours.ended(job) > 50, 20, "a job in full swing")
        entra.refused = True
        eventually(lambda: consumer.events("no new token for Redis"), 20, "it asks in vain")
        assert not consumer.events("waiting for the server")
        so_far = ours.ended(job)
        eventually(lambda: ours.ended(job) > so_far, what="it prices all the same")
        eventually(lambda: consumer.events("waiting for the server"), 20, "its token has expired")
        eventually(lambda: "the token of Entra ID has expired" in consumer.log, 20, "it says so")
        with pytest.raises(ServerError, match=r"nobody is logged in.*AZFINSIM_IDENTITY"):
            theirs.ended(job)
        entra.refused = False
        assert ours.done(job, 60).well
        assert len(consumer.events("a new token for Redis")) == 1
        assert consumer.end() == 0


def test_realtime_calls_outlast_their_tokens(alone: tuple[Field, Entra]) -> None:
    """Of a client from ordinary Python, and of who serves it."""
    field, entra = alone
    [consumer] = field.serve(*REALTIME, "--slots", "1")
    with connect_sync(Address.parse(field.url, {"AZFINSIM_IDENTITY": CLIENT_ID})) as client:
        first = client.price(trades(1)[0], algorithm="synthetic")
        last = len(entra.issued)
        # Two of each, so that the first ones have expired.
        eventually(lambda: len(entra.issued) >= last + 4, 20, "renewals")
        again = client.price(trades(1)[0], algorithm="synthetic")
    assert first.pv == again.pv
    assert not consumer.events("waiting for the server"), consumer.log
    assert consumer.end() == 0


async def test_a_server_that_does_not_know_us(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with entra_for() as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        url = f"redis://127.0.0.1:{port_of(admin)}?auth=entra"
        with pytest.raises(ServerError, match=r"refuses.*needs an access policy assignment"):
            async with open_grid(Address.parse(url)):
                pass


async def test_connections_show_the_newest_token(
    admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is used shows it before its next command; one that is not begins anew."""
    with entra_for(admin) as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        url = f"redis://127.0.0.1:{port_of(admin)}?auth=entra&client_name=desk"
        async with open_redis(Address.parse(url)) as client:
            pool: Any = client.connection_pool
            tokens: Tokens = pool.connection_kwargs["credential_provider"]

            def users() -> dict[str, str]:
                return {c["id"]: c["user"] for c in admin.client_list() if c["name"] == "desk"}

            async with client.pipeline(transaction=True) as both:
                assert await both.ping().ping().execute() == [True, True]
            [name] = users()
            assert users() == {name: "oid-0"}
            await tokens.renew()
            assert users() == {name: "oid-0"}
            # What it says first was queued with the rest.
            async with client.pipeline(transaction=True) as both:
                assert await both.ping().ping().execute() == [True, True]
            assert users() == {name: "oid-1"}
            # Its token ends before it is used again.
            entra.life = 1.0
            await tokens.renew()
            assert await client.ping()
            entra.life = 3600.0
            await tokens.renew()
            await to_thread.run_sync(
                eventually, lambda: "oid-2" not in users().values(), 10.0, "it is cut"
            )
            assert await client.ping()
            assert [name] != list(users())
            assert list(users().values()) == ["oid-3"]


async def test_a_token_is_refused_later(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has taken our rights away: that is told, and waited for."""
    with entra_for(admin) as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        address = Address.parse(f"redis://127.0.0.1:{port_of(admin)}?auth=entra")
        async with open_redis(address) as client:
            tokens: Tokens = client.connection_pool.connection_kwargs["credential_provider"]
            assert await client.ping()
            entra.servers.clear()
            await tokens.renew()
            with pytest.raises(AuthenticationError) as told:
                await client.ping()
            assert passes(told.value)
            entra.servers.append(admin)
            await tokens.renew()
            assert await client.ping()
