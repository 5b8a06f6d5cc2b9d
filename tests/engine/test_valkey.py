"""What the Valkey program is told and how it is known: ports, configuration, the wheel."""

import random
import socket
from types import SimpleNamespace

import psutil
import pytest
import redis

from engine.embedded import EmbeddedServer, PortTaken
from engine.errors import ServerError
from tests.conftest import FreshServer


def port_of(server: EmbeddedServer) -> int:
    return int(server.url.rsplit(":")[-1].removesuffix("/0"))


def test_free_ports_on_the_loopback_only(fresh_server: FreshServer) -> None:
    one, other = fresh_server(port=0), fresh_server(port=0)
    assert one.url != other.url
    listening = psutil.Process(one.pid).net_connections()
    assert {connection.laddr for connection in listening} == {("127.0.0.1", port_of(one))}


def test_a_free_port_that_is_not_free_after_all(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fresh_server(port=0)
    ports = iter([port_of(one), port_of(one), random.randrange(20_000, 32_768)])
    monkeypatch.setattr("random.choice", lambda _: next(ports))
    other = fresh_server(port=0)
    assert other.pid != one.pid
    assert other.url != one.url


def test_a_port_taken_by_another_server(fresh_server: FreshServer) -> None:
    port = port_of(fresh_server(port=0))
    with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken"):
        fresh_server(port=port)


def test_a_port_taken_by_something_mute(fresh_server: FreshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(PortTaken):
        fresh_server(port=mute.getsockname()[1])


@pytest.mark.parametrize("wheel", [None, SimpleNamespace(submodule_search_locations=["/none"])])
def test_no_server_for_this_platform(
    wheel: object, fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: wheel)
    with pytest.raises(ServerError, match="no embedded server for this machine"):
        fresh_server()


def test_a_locale_that_the_machine_lacks(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    assert fresh_server().running


def test_configuration_of_one_s_own(fresh_server: FreshServer) -> None:
    server = fresh_server(
        config={
            "maxmemory": "10mb",
            "maxmemory-policy": "allkeys-lru",
            "bind": "0.0.0.0",
            "client-output-buffer-limit": "normal 1mb 2mb 3",
        }
    )
    with redis.Redis.from_url(server.url, decode_responses=True) as connected:
        assert connected.config_get("maxmemory")["maxmemory"] == str(10 * 2**20)
        assert connected.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert connected.config_get("bind")["bind"] == "127.0.0.1"
        limits = connected.config_get("client-output-buffer-limit")
        assert "normal 1048576 2097152 3" in str(limits["client-output-buffer-limit"])


def test_a_client_cannot_debug_or_load_or_move_the_data(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connected:
        for command in ("DEBUG JMAP", "MODULE LOAD /x.so", "CONFIG SET dir /"):
            with pytest.raises(redis.ResponseError):
                connected.execute_command(*command.split())
