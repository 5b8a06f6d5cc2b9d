"""Redis by tokens of Entra ID: renewed while a grid works, and away for a while (G4, G10)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from anyio import to_thread
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from engine.address import Address
from engine.connection import open_redis, passes
from engine.errors import ServerError
from engine.grid import open_grid
from engine.identity import Token, Tokens
from producer import connect_sync
from tests.callers import REALTIME, trades
from tests.entra import CLIENT_ID, Entra, entra_for
from tests.processes import Field, field_at, synthetic
from tests.redis_servers import (
    Authority,
    Nodes,
    answers,
    free_ports,
    needs_openssl,
    needs_redis,
    start,
    tls_options,
)
from tests.waiting import eventually

pytest.importorskip("azure.identity.aio", reason="azure-identity is not installed")

pytestmark = [needs_redis, needs_openssl]

LIFE = 5.0
"""Seconds that a token lives: it is renewed after 3, and a blocking read lasts half of one."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@dataclass(frozen=True, slots=True)
class Server:
    """It knows nobody but the admin, and whom he makes."""

    port: int
    """In clear, for the admin and for tests that are not of a whole grid."""
    tls: str
    """Its URL, as Azure has it."""
    admin: Any

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}?auth=entra"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port, tls_port = free_ports(2)
    authority = Authority(tmp_path / "ca")
    # Of those, the first closes the other port.
    tls = tls_options(authority.issue("server"), authority.file, tls_port)[2:]
    config = tmp_path / "redis.conf"
    config.write_text('save ""\nuser default off\nuser admin on >admin ~* &* +@all\n')
    held = start(tmp_path / "redis", "--port", str(port), *tls, config=config)
    client: Any = redis.Redis(port=port, username="admin", password="admin")
    url = f"rediss://127.0.0.1:{tls_port}?auth=entra&ssl_ca_certs={authority.file}"
    try:
        eventually(lambda: answers(client.ping), what="a Redis server")
        yield Server(port, url, client)
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
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Field, Entra]]:
    with known(monkeypatch, server.tls, tmp_path, server.admin, life=LIFE) as made:
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
    alone: tuple[Field, Entra], server: Server, tmp_path: Path
) -> None:
    """G1, G4: it harms nothing before the last one expires; then consumers wait and say why."""
    theirs, entra = alone
    with field_at(f"redis://admin:admin@127.0.0.1:{server.port}", tmp_path) as ours:
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


async def test_a_server_that_does_not_know_us(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with entra_for() as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ServerError, match=r"refuses.*needs an access policy assignment"):
            async with open_grid(Address.parse(server.url)):
                pass


async def twice(client: Redis) -> list[Any]:
    """Two commands in one transaction."""
    async with client.pipeline(transaction=True) as both:
        both.get("x")
        both.get("x")
        answers: list[Any] = await both.execute()
        return answers


async def test_connections_show_the_newest_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is used shows it before its next command; one that is not begins anew."""
    with entra_for(server.admin) as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        async with open_redis(Address.parse(f"{server.url}&client_name=desk")) as client:
            pool: Any = client.connection_pool
            tokens: Tokens = pool.connection_kwargs["credential_provider"]

            def users() -> dict[str, str]:
                return {
                    c["id"]: c["user"] for c in server.admin.client_list() if c["name"] == "desk"
                }

            assert await twice(client) == [None, None]
            [name] = users()
            assert users() == {name: "oid-0"}
            await tokens.renew()
            assert users() == {name: "oid-0"}
            assert await twice(client) == [None, None]
            assert users() == {name: "oid-1"}
            # One that was idle for long is left, though its server may not have cut it.
            for writer in tokens._shown:
                tokens._shown[writer] = Token("oid-1", "", 0.0)
            assert await twice(client) == [None, None]
            [other] = users()
            assert name != other
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
            assert list(users().values()) == ["oid-3"]


async def test_a_token_is_refused_later(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has taken our rights away: that is told, and waited for."""
    with entra_for(server.admin) as entra:
        for name, value in entra.environment.items():
            monkeypatch.setenv(name, value)
        address = Address.parse(server.url)
        async with open_redis(address) as client:
            tokens: Tokens = client.connection_pool.connection_kwargs["credential_provider"]
            assert await client.ping()
            entra.servers.clear()
            await tokens.renew()
            pool: Any = client.connection_pool
            connection = await pool.get_connection()
            with pytest.raises(AuthenticationError):
                await connection.send_command("PING")
            # It would go on as who it was before.
            assert not connection.is_connected
            await pool.release(connection)
            with pytest.raises(AuthenticationError) as told:
                await client.ping()
            assert passes(told.value)
            entra.servers.append(server.admin)
            await tokens.renew()
            assert await client.ping()
