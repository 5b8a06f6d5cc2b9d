"""``azfinsim infra`` as its user has it, on real servers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from engine import keys
from infra.acl import Role, rules, setuser
from tests.conftest import FreshServer
from tests.processes import field_at


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """``azfinsim infra``, and nothing that the test itself is told."""
    return subprocess.run(
        [sys.executable, "-m", "azfinsim", "infra", *arguments],
        env={"PATH": "/usr/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def checked(url: str, *options: str, **environment: str) -> tuple[int, Any, list[str]]:
    """The exit code, the report, and the subjects of what was found."""
    ended = run("check", "--json", "--redis-url", url, *options, **environment)
    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    return ended.returncode, report, [each["subject"] for each in report["findings"]]


def test_a_good_server_and_its_books(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path / "data")
    with field_at(server.url, tmp_path, partitions=2) as field:
        field.fill(200)
    code, report, subjects = checked(server.url)
    assert (code, subjects, report["good"]) == (0, [], True)
    assert report["books"] == {"default": 200}
    assert report["partitions"] == 2
    ended = run("check", "--redis-url", server.url)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "is Valkey 9." in ended.stderr
    assert "book default: 200 trades" in ended.stderr
    assert "nothing is wrong" in ended.stderr


def test_looking_changes_nothing(fresh_server: FreshServer) -> None:
    server = fresh_server()
    checked(server.url)
    with redis.Redis.from_url(server.url) as client:
        assert client.keys("*") == []


def test_a_bad_server(fresh_server: FreshServer) -> None:
    server = fresh_server(config={"maxmemory": "20mb"})
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    code, report, subjects = checked(server.url, "--trades", "1000000")
    assert (code, subjects) == (1, ["eviction", "memory", "persistence"])
    assert (report["good"], report["bytes_needed"]) == (False, 400_000_000)
    ended = run("check", "--redis-url", server.url)
    assert ended.returncode == 1
    assert "error: the server evicts keys when its memory is full (allkeys-lru)" in ended.stderr
    assert "way out: CONFIG SET maxmemory-policy noeviction" in ended.stderr


def test_a_user_with_few_rights(fresh_server: FreshServer, tmp_path: Path) -> None:
    """What it lacks for its role is named; INFO refused, the rest is told all the same."""
    server = fresh_server()
    secret = tmp_path / "secret"
    secret.write_text("se,cret\n")
    ended = run("acl", "consumer", "--password-file", str(secret))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "se,cret" not in ended.stdout
    told = {"AZFINSIM_REDIS_USERNAME": "consumer", "AZFINSIM_REDIS_PASSWORD_FILE": str(secret)}
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*ended.stdout.split())
        assert checked(server.url, "--role", "consumer", **told)[2] == ["persistence"]
        assert client.acl_log() == []
        code, report, _ = checked(server.url, **told)
        assert code == 1
        [rights] = [each for each in report["findings"] if each["subject"] == "rights"]
        assert rights["what"].startswith("for a producer the user lacks +hkeys +hscan ")
        hidden = " ~az:{*}:book:* ~az:{0}:books ~az:{0}:controller:* ~az:{0}:jobs"
        assert rights["what"].endswith(hidden)
        client.execute_command("ACL", "SETUSER", "consumer", "-info", "-time")
        _, report, subjects = checked(server.url, "--role", "consumer", **told)
        assert subjects == ["rights", "info", "clock"]
        client.execute_command("ACL", "SETUSER", "consumer", "-multi")
        assert "rights" in checked(server.url, "--role", "consumer", **told)[2]


def test_no_server() -> None:
    ended = run("check", "--redis-url", "redis://127.0.0.1:1")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "no Redis server answers at redis://127.0.0.1:1" in ended.stderr


def test_users_are_printed() -> None:
    ended = run("acl")
    assert ended.stdout.splitlines() == [setuser(role, rules(role)) for role in Role]
    assert "nobody can log in as them yet" in ended.stderr
    ended = run("acl", "producer", "--user", "desk", "--cluster", "--aclfile")
    assert ended.stdout.startswith("user desk on ~")
    assert " +cluster|slots " in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["acl", "--user", "desk"], "say which role it has"),
        (["acl", "consumer", "--user", "a b"], "a b"),
        (["acl", "--password-file", "/nosuch"], "cannot read the password in /nosuch"),
        (["check", "--role", "nobody"], "nobody"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_grid_is_named_by_its_key() -> None:
    """The rights are looked for on a key that both roles have."""
    assert all(keys.grid() in rules_of for rules_of in ([r[1:] for r in rules(x)] for x in Role))
