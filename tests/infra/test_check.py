"""What is said of a server, by what was seen of it."""

from dataclasses import replace
from typing import Any

import pytest

from infra.acl import Role
from infra.check import Severity, judge
from infra.facts import Facts
from infra.rights import Lacking

GOOD = {
    "redis_version": "7.0.15",
    "maxmemory": 4_000_000_000,
    "maxmemory_policy": "noeviction",
    "total_system_memory": 8_000_000_000,
    "used_memory": 100_000_000,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "role": "master",
    "connected_slaves": 1,
    "min_slaves_good_slaves": 1,
    "cluster_enabled": 0,
}

FACTS = Facts(
    tls=True,
    local=False,
    login=True,
    clustered=False,
    nodes={"n1": GOOD},
    skew=0.1,
    scripts=True,
    partitions=3,
    books={"default": 1},
    rights={Role.CONSUMER: Lacking(), Role.PRODUCER: Lacking()},
)


def found(facts: Facts, trades: int | None = None) -> list[tuple[str, str]]:
    return [(str(each.severity), each.subject) for each in judge(facts, trades)]


def test_of_a_good_one_nothing() -> None:
    assert found(FACTS) == []
    assert found(FACTS, trades=1_000_000) == []


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, [("error", "eviction")]),
        ({"maxmemory_policy": "volatile-ttl"}, [("error", "eviction")]),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, []),
        ({"aof_enabled": 0}, [("warning", "persistence")]),
        ({"aof_last_write_status": "err"}, [("error", "persistence")]),
        ({"aof_last_write_status": "err", "aof_enabled": 0}, [("warning", "persistence")]),
        ({"rdb_last_bgsave_status": "err"}, [("error", "persistence")]),
        ({"role": "slave"}, [("error", "replicas")]),
        ({"min_slaves_good_slaves": None}, [("warning", "replicas")]),
        ({"min_slaves_good_slaves": None, "connected_slaves": 0}, []),
        ({"cluster_enabled": 1}, [("error", "cluster")]),
        ({"used_memory": 3_199_000_000}, []),
        ({"used_memory": 3_201_000_000}, [("warning", "memory")]),
        ({"used_memory": 4_001_000_000}, [("error", "memory")]),
        ({"used_memory": 4_001_000_000, "maxmemory": 0}, []),
        ({"used_memory": 4_001_000_000, "maxmemory": 0, "total_system_memory": 0}, []),
    ],
)
def test_what_info_tells(info: dict[str, Any], said: list[tuple[str, str]]) -> None:
    node = {name: value for name, value in {**GOOD, **info}.items() if value is not None}
    assert found(replace(FACTS, nodes={"n1": node})) == said
    # And so of one bad node among good ones, in which there is more room.
    nodes = {"n0": GOOD, "n1": node}
    subjects = [one for one in found(replace(FACTS, nodes=nodes)) if one[1] != "memory"]
    assert subjects == [one for one in said if one[1] != "memory"]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"tls": False}, [("error", "tls")]),
        ({"login": False}, [("error", "password")]),
        ({"tls": False, "login": False, "local": True}, []),
        ({"skew": 2.1}, [("warning", "clock")]),
        ({"skew": -2.1}, [("warning", "clock")]),
        ({"skew": -1.9}, []),
        ({"skew": None}, [("note", "clock")]),
        ({"nodes": {}}, [("note", "info")]),
        ({"scripts": False}, [("error", "scripts")]),
        ({"scripts": None}, []),
        ({"rights": {Role.CONSUMER: Lacking(("xack",))}}, [("error", "rights")]),
        ({"rights": {Role.CONSUMER: Lacking((), ("az:*",))}}, [("error", "rights")]),
        ({"rights": {Role.CONSUMER: None}}, [("note", "rights")]),
        ({"clustered": True, "cluster": {"cluster_state": "fail"}}, [("error", "cluster")]),
        ({"clustered": True, "cluster": {"cluster_state": "ok"}}, []),
        ({"clustered": True, "spread": {"a": 3, "b": 0}}, [("warning", "partitions")]),
        ({"clustered": True, "spread": {"a": 2, "b": 1}}, []),
        ({"clustered": True, "spread": {"a": 0, "b": 0}, "partitions": None}, []),
    ],
)
def test_what_else_is_seen(seen: dict[str, Any], said: list[tuple[str, str]]) -> None:
    assert found(replace(FACTS, **seen)) == said


def test_a_book_that_does_not_fit_in() -> None:
    [warning] = judge(FACTS, trades=8_000_000)
    assert (warning.severity, warning.subject) == (Severity.WARNING, "memory")
    [error] = judge(FACTS, trades=10_000_000)
    assert error.severity is Severity.ERROR
    assert "100.0 MB of 4.0 GB are used" in error.what
    assert "a book of 10,000,000 trades takes about 4.0 GB" in error.what


def test_the_worst_comes_first_and_each_names_its_way_out() -> None:
    bad = replace(FACTS, tls=False, skew=None, nodes={"n1": {**GOOD, "aof_enabled": 0}})
    findings = judge(bad)
    assert [str(each.severity) for each in findings] == ["error", "warning", "note"]
    assert all(each.what and each.why and each.way_out for each in findings)
