"""Users with least rights: they can do all that is ours to do, and nothing else (G10)."""

import re
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import redis

from azfinsim.top import look as top
from engine import keys
from engine.drop import drop
from engine.job import Job, Lane
from infra.acl import RIGHTS, Role, rules, setuser
from infra.controller.lead import Lead
from infra.controller.look import Lookout
from infra.controller.model import Decision
from infra.pool.consumers import Count
from infra.rights import Lacking, lacking
from producer import connect_sync
from producer.generate import generate
from tests.processes import Field, field_at, synthetic
from tests.redis_servers import answers, free_ports, needs_redis, start
from tests.waiting import eventually

pytestmark = needs_redis

SECRET = "se,cr:et"


@dataclass(slots=True)
class Server:
    """A server with a user for each role; consumers come by TCP and producers by its socket."""

    admin: Any
    port: int
    socket: Path

    def url(self, role: Role) -> str:
        user = f"{role}:{SECRET}"
        if role is Role.CONSUMER:
            return f"redis://{user}@127.0.0.1:{self.port}"
        return f"unix://{user}@{self.socket}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    [port] = free_ports(1)
    path = tmp_path / "redis" / "socket"
    options = ("--port", str(port), "--unixsocket", str(path), "--requirepass", "of-the-admin")
    held = start(tmp_path / "redis", *options)
    admin: Any = redis.Redis(unix_socket_path=str(path), password="of-the-admin")
    try:
        eventually(lambda: answers(admin.ping), what="a Redis server")
        for role in Role:
            allow(admin, role, rules(role, password=SECRET))
        yield Server(admin, port, path)
    finally:
        admin.close()
        held.stop(1.0)


def allow(admin: Any, role: Role, told: list[str]) -> None:
    admin.execute_command(*setuser(role, told).split(" "))


@dataclass(slots=True)
class Used:
    """What each role was seen to use."""

    commands: dict[Role, set[str]] = field(default_factory=lambda: {r: set() for r in Role})
    keys: dict[Role, set[str]] = field(default_factory=lambda: {r: set() for r in Role})

    def note(self, role: Role, words: list[str]) -> None:
        command = words[0].lower()
        if command in ("xgroup", "xinfo", "script", "cluster"):
            command += f"|{words[1].lower()}"
        if command not in ("hello", "auth"):  # which everybody may
            self.commands[role].add(command)
        self.keys[role].update(word for word in words if word.startswith("az:{"))


_LINE = re.compile(r"\S+ \[\d+ (?P<client>[^]]+)\] (?P<words>.*)", re.DOTALL)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def listen(connection: Any, used: Used, end: str) -> None:
    """Note what a server monitors until somebody echoes ``end``."""
    caller = Role.PRODUCER
    while True:
        line = _LINE.fullmatch(connection.read_response().decode(errors="replace"))
        assert line
        words = _WORD.findall(line["words"])
        if words[-1] == end:
            return
        if line["client"] != "lua":
            caller = Role.PRODUCER if line["client"].startswith("unix:") else Role.CONSUMER
        used.note(caller, words)


@contextmanager
def watching(server: Server) -> Iterator[Used]:
    """Note what is used while the body runs; what a script does counts as its caller's."""
    used, end = Used(), secrets.token_hex()
    connection = server.admin.connection_pool.make_connection()
    connection.connect()
    connection.send_command("MONITOR")
    connection.read_response()
    # Of a silent server: the body may well take longer than a client's usual patience.
    connection._sock.settimeout(60)
    thread = threading.Thread(target=listen, args=(connection, used, end))
    thread.start()
    try:
        yield used
    finally:
        server.admin.echo(end)
        thread.join(10)
        connection.disconnect()
    assert not thread.is_alive()


def test_nothing_more_and_nothing_less_is_needed(server: Server, tmp_path: Path) -> None:
    """All that consumers and producers do is done once, and then compared with what they may."""
    with ExitStack() as stack:
        used = stack.enter_context(watching(server))
        ours = stack.enter_context(field_at(server.url(Role.PRODUCER), tmp_path))
        theirs = stack.enter_context(field_at(server.url(Role.CONSUMER), tmp_path))
        price_all(ours, theirs)
        books_and_jobs(ours)
        for role, at in ((Role.PRODUCER, ours), (Role.CONSUMER, theirs)):
            assert not found_lacking(at, role)
    assert server.admin.acl_log() == []
    # Whoever uses one more, or one less, says so in infra/acl.py.
    for role in Role:
        assert used.commands[role] == RIGHTS[role].commands, role
        for pattern in RIGHTS[role].keys:
            others = RIGHTS[role].keys - {pattern}
            assert any(
                matches(key, pattern) and not any(matches(key, other) for other in others)
                for key in used.keys[role]
            ), (role, pattern)


def price_all(ours: Field, theirs: Field) -> None:
    """Jobs, jobs that follow them, realtime calls; consumers that die and that leave."""
    ours.fill(1_000)
    first = ours.submit(synthetic("first", 1.0, chunk=5))
    after = ours.submit(synthetic("after", after="first"))
    lost = ours.submit(synthetic("lost", after="first", chunk=7))
    lanes = ("--lane", "realtime,high,bulk", "--slots", "1", "--lease", "0.5")
    [dying] = theirs.serve(*lanes)
    # While nobody else is on the roster who might have that pricer.
    assert ours.done(ours.submit(Job("none", "nosuch", lane=Lane.HIGH))).counts.rejected
    eventually(lambda: ours.ended(first) > 20, what="a job in full swing")
    dying.end(signal.SIGKILL)
    [staying] = theirs.serve(*lanes, "--crew", "night-1/1")
    ours.run(lambda grid: grid.roster.dismiss("night-1", ["2"], "another"))
    ours.cancel(lost)
    never = ours.submit(synthetic("never", after="lost"))
    ours.run(lambda grid: top.Lookout(grid).look())
    eventually(lambda: staying.events("took over entries of a consumer that is gone"), 20)
    with connect_sync(ours.url) as client:
        client.price(generate(1, 0, 1).row(0), algorithm="synthetic", deadline=20)
    ours.run(lambda grid: grid.redis.xadd(keys.stream(0, Lane.BULK), {"no": "entry"}))
    assert ours.done(first).well
    assert ours.done(after).well
    ours.done(never)
    ours.resume(lost)
    assert ours.done(lost).well
    options = {"id": 0, "how": "exit"}
    deadly = Job("dead", "tests.pricers:deadly", trades="0:1", options=options)
    assert ours.done(ours.submit(deadly)).counts.dead
    ours.run(lambda grid: grid.calls.withdraw(0, "1-1"))
    slow = ours.submit(Job("slow", "tests.pricers:sleepy", chunk=5, options={"seconds": 0.05}))
    eventually(lambda: ours.ended(slow) > 5, what="a job in full swing")
    assert staying.end() == 0
    assert ours.cancel(slow).counts.cancelled


def books_and_jobs(ours: Field) -> None:
    """What the commands of books and jobs do besides."""

    async def work(grid: Any) -> None:
        assert await grid.cache.count("default") == 1_000
        assert await grid.cache.remove("default", 7)
        assert "slow" in await grid.jobs.names()
        slow = await grid.jobs.get("slow")
        await drop(grid, await grid.jobs.progress(slow))
        await grid.redis.zadd(keys.jobs(), {"expired": 1.0})
        assert "expired" not in await grid.jobs.names()
        assert await grid.cache.drop("default") == 999
        for lane in (Lane.BULK, Lane.REALTIME):
            lead = Lead(grid.redis, str(lane), 60.0)
            assert await lead.take()
            await Lookout(grid, lane).look(Count())
            assert await lead.record(await lead.history(), Decision(0.0, 1))
            await lead.resign()

    ours.run(work)


def found_lacking(at: Field, role: Role) -> Lacking:
    found = at.run(lambda grid: lacking(grid.redis, role))
    assert found is not None
    return found


def matches(key: str, pattern: str) -> bool:
    return fnmatchcase(key, pattern.replace("[", "[[]"))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "CONFIG GET requirepass",
        "ACL LIST",
        "KEYS *",
        "MONITOR",
        "SHUTDOWN",
        "EVAL return(1) 0",
        "GET other:key",
        "SMEMBERS az:{0}:other",
        "HGETALL {az:{0}:grid}",
    ],
)
def test_what_nobody_may(server: Server, role: Role, command: str) -> None:
    server.admin.set("other:key", "x")
    with (
        redis.Redis.from_url(server.url(role)) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split(" "))


@pytest.mark.parametrize("role", Role)
def test_what_is_taken_away_is_found_lacking(server: Server, role: Role, tmp_path: Path) -> None:
    """One by one, all commands and all keys."""
    rights = RIGHTS[role]
    with field_at(server.url(role), tmp_path) as at:
        at.run(lambda grid: grid.jobs.any_held())
        for command in sorted(rights.commands - {"multi", "exec", "hgetall", "info"}):
            server.admin.execute_command("ACL", "SETUSER", role, f"-{command}")
            found = found_lacking(at, role)
            assert found.commands == (command,)
            server.admin.execute_command("ACL", "SETUSER", role, f"+{command}")
        for pattern in sorted(rights.keys - {keys.grid()}):
            told = [rule for rule in rules(role, password=SECRET) if rule != f"~{pattern}"]
            allow(server.admin, role, told)
            found = found_lacking(at, role)
            assert (found.commands, found.keys) == ((), (pattern,))


def test_a_user_without_a_password_cannot_log_in(server: Server) -> None:
    allow(server.admin, Role.CONSUMER, rules(Role.CONSUMER))
    with (
        redis.Redis.from_url(server.url(Role.CONSUMER)) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.exists(keys.grid())
