"""Redis over TLS: what is verified, and what a user is told when it fails (G10)."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from engine.address import Address
from engine.connection import open_redis
from engine.errors import ServerError
from tests.processes import field_at, synthetic
from tests.redis_servers import (
    Authority,
    Certificate,
    answers,
    free_ports,
    needs_openssl,
    needs_redis,
    start,
    tls_options,
)
from tests.waiting import eventually

pytestmark = [needs_redis, needs_openssl]


@dataclass(frozen=True, slots=True)
class Authorities:
    """Two CAs that know nothing of each other, and certificates."""

    ours: Authority
    other: Authority
    server: Certificate
    expired: Certificate
    elsewhere: Certificate
    client: Certificate
    stranger: Certificate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = Authority(folder / "ours"), Authority(folder / "other")
    return Authorities(
        ours,
        other,
        ours.issue("server"),
        ours.issue("expired", days=-1),
        ours.issue("elsewhere", names="DNS:redis.example"),
        ours.issue("client"),
        other.issue("stranger"),
    )


Serve = Callable[..., int]


@pytest.fixture
def serve(tmp_path: Path, made: Authorities) -> Iterator[Serve]:
    """A function that starts a server, and tells its port."""
    with ExitStack() as stack:

        def started(own: Certificate | None, *, clients: bool = False) -> int:
            [port] = free_ports(1)
            options = ["--port", str(port)]
            if own is not None:
                options = tls_options(own, made.ours.file, port, clients=clients)
            folder = tmp_path / f"redis-{port}"
            held = start(folder, *options)
            stack.callback(held.stop, 1.0)
            ready = b"Ready to accept connections"
            eventually(lambda: ready in (folder / "log").read_bytes(), what="a Redis server")
            return port

        yield started


def told(url: str, **settings: str) -> str:
    """What a user is told who connects; empty if all is well."""

    async def main() -> str:
        names = {f"AZFINSIM_REDIS_{name}": value for name, value in settings.items()}
        try:
            async with open_redis(Address.parse(url, names)) as client:
                await client.exists("az:{0}:grid")
        except ServerError as error:
            return str(error)
        return ""

    return anyio.run(main)


@pytest.mark.pain("older-azfinsim-TLS-unverified")
@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("server", ""),
        ("expired", "its certificate has expired"),
        ("elsewhere", "its certificate is for another name than 127.0.0.1"),
        ("stranger", "set AZFINSIM_REDIS_CA_FILE"),
    ],
)
def test_what_is_verified(serve: Serve, made: Authorities, certificate: str, words: str) -> None:
    port = serve(getattr(made, certificate))
    said = told(f"rediss://127.0.0.1:{port}", CA_FILE=str(made.ours.file))
    assert (words in said) if words else said == ""
    # The port and nothing secret.
    assert not words or f"rediss://127.0.0.1:{port}" in said


def test_without_a_ca_only_those_of_the_system_are_known(serve: Serve, made: Authorities) -> None:
    assert "set AZFINSIM_REDIS_CA_FILE" in told(f"rediss://127.0.0.1:{serve(made.server)}")


def test_a_certificate_of_the_clients(serve: Serve, made: Authorities) -> None:
    url = f"rediss://127.0.0.1:{serve(made.server, clients=True)}"
    ca = str(made.ours.file)

    def by(own: Certificate) -> str:
        return told(url, CA_FILE=ca, CERT_FILE=str(own.cert), KEY_FILE=str(own.key))

    assert by(made.client) == ""
    # No more is certain: the server's alert may be lost with the connection.
    assert "set AZFINSIM_REDIS_CERT_FILE and AZFINSIM_REDIS_KEY_FILE" in told(url, CA_FILE=ca)
    assert "does not accept the client's certificate" in by(made.stranger)
    assert "not accept the client's certificate" in by(made.expired)


def test_tls_spoken_to_a_server_without_it(serve: Serve, made: Authorities) -> None:
    url = f"rediss://127.0.0.1:{serve(None)}?socket_connect_timeout=1"
    said = told(url, CA_FILE=str(made.ours.file))
    assert "does not speak TLS at this port" in said


def test_no_tls_spoken_to_a_server_with_it(serve: Serve, made: Authorities) -> None:
    assert "must begin with rediss://" in told(f"redis://127.0.0.1:{serve(made.server)}")


def test_a_job_over_tls(
    serve: Serve, made: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With certificates on both sides: the files are named to one by its surroundings, to the
    other in the URL."""
    port = serve(made.server, clients=True)
    files = {
        "ssl_ca_certs": made.ours.file,
        "ssl_certfile": made.client.cert,
        "ssl_keyfile": made.client.key,
    }
    options = "&".join(f"{name}={path}" for name, path in files.items())
    monkeypatch.setenv("AZFINSIM_REDIS_CA_FILE", str(made.ours.file))
    monkeypatch.setenv("AZFINSIM_REDIS_CERT_FILE", str(made.client.cert))
    monkeypatch.setenv("AZFINSIM_REDIS_KEY_FILE", str(made.client.key))
    with (
        field_at(f"rediss://127.0.0.1:{port}?{options}", tmp_path) as ours,
        field_at(f"rediss://127.0.0.1:{port}", tmp_path) as theirs,
    ):
        ours.fill(200)
        [consumer] = theirs.serve("--slots", "1")
        assert ours.done(ours.submit(synthetic("night"))).well
        assert consumer.end() == 0


@pytest.mark.parametrize("user", ["", ":wrong@", "nobody:right@"])
def test_a_password_that_is_none(tmp_path: Path, user: str) -> None:
    [port] = free_ports(1)
    held = start(tmp_path / "redis", "--port", str(port), "--requirepass", "right")
    try:
        with redis.Redis(port=port, password="right") as client:
            eventually(lambda: answers(client.ping), what="a Redis server")
        said = told(f"redis://{user}127.0.0.1:{port}")
        assert f"the Redis server at redis://127.0.0.1:{port} refuses" in said
        assert "AZFINSIM_REDIS_PASSWORD_FILE" in said
        assert "wrong" not in said
    finally:
        held.stop(1.0)


def test_a_password_that_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer goes on: what it connects with is read anew from its file."""
    [port] = free_ports(1)
    secret, folder = tmp_path / "secret", tmp_path / "redis"
    secret.write_text("first\n")
    held = start(folder, "--port", str(port), "--requirepass", "first")
    client: Any = redis.Redis(port=port, password="first")
    monkeypatch.setenv("AZFINSIM_REDIS_PASSWORD_FILE", str(secret))
    try:
        eventually(lambda: answers(client.ping), what="a Redis server")
        with (
            field_at(f"redis://:second@127.0.0.1:{port}", tmp_path) as ours,
            field_at(f"redis://127.0.0.1:{port}", tmp_path) as theirs,
        ):
            [consumer] = theirs.serve("--slots", "1")
            client.config_set("requirepass", "second")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            eventually(lambda: consumer.events("waiting for the server"), what="it is refused")
            ours.fill(100)
            job = ours.submit(synthetic("night"))
            new = tmp_path / "new"
            new.write_text("second\n")
            shutil.move(new, secret)
            assert ours.done(job).well
            assert consumer.end() == 0
            for word in ("first", "second"):
                assert word not in consumer.log
    finally:
        client.close()
        held.stop(1.0)
