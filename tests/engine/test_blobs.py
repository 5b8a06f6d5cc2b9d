"""Blobs in a folder and in Azurite, and logs on their way there."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from engine import log_stream
from engine.blobs import BLOCK, BlobError, Blobs, Folder, Moved, open_blobs
from engine.credentials import IDENTITY, blocking_credential
from engine.errors import UsageError
from engine.log_stream import LogStream
from engine.spool import _HEAD, Spool
from tests.blob_servers import BlobServer, azurite, certificate, identity, needs_azurite, way_to
from tests.waiting import eventually

SOON = 20.0


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobServer]:
    """Azurite with a container for logs, which is reached by tokens alone."""
    folder = tmp_path_factory.mktemp("azurite")
    made = certificate(folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        identity() as authority,
        azurite(folder, made) as port,
        way_to(port, made) as server,
    ):
        patch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", authority)
        patch.setenv("REQUESTS_CA_BUNDLE", str(made.cert))
        patch.setenv(IDENTITY, "22222222-2222-2222-2222-222222222222")
        account = server.place().rpartition("/logs/")[0]
        with (
            ContainerClient(account, "logs", blocking_credential(os.environ)) as container,
        ):
            container.create_container()
        yield server


@pytest.fixture(params=["folder", pytest.param("azurite", marks=needs_azurite)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Somewhere to write, empty."""
    if request.param == "folder":
        return str(tmp_path / "blobs")
    server: BlobServer = request.getfixturevalue("storage")
    server.fail, server.down = [], False
    return server.place(tmp_path.name)


@pytest.fixture
def blobs(place: str) -> Iterator[Blobs]:
    opened = open_blobs(place, os.environ)
    yield opened
    opened.close()


def content(place: str, name: str) -> bytes:
    """What a blob holds, read by other means than ours."""
    if "://" not in place:
        return Path(place, name).read_bytes()
    account, _, path = place.partition("/logs/")
    with ContainerClient(account, "logs", blocking_credential(os.environ)) as container:
        return container.download_blob(f"{path}/{name}").readall()


def test_appends_follow_one_another(blobs: Blobs, place: str) -> None:
    assert blobs.length("a/b.log") is None
    blobs.append("a/b.log", b"one\n", 0)
    blobs.append("a/b.log", b"two\n", 4)
    assert blobs.length("a/b.log") == 8
    assert content(place, "a/b.log") == b"one\ntwo\n"


@pytest.mark.parametrize("at", [0, 3, 5])
def test_an_append_elsewhere_than_at_the_end_adds_nothing(
    blobs: Blobs, place: str, at: int
) -> None:
    blobs.append("a.log", b"one\n", 0)
    with pytest.raises(Moved):
        blobs.append("a.log", b"two\n", at)
    assert content(place, "a.log") == b"one\n"


def test_a_blob_appears_when_all_of_it_was_written(blobs: Blobs, place: str) -> None:
    data = os.urandom(2 * BLOCK + 17)
    with blobs.writer("x.bin") as writer:
        for start in range(0, len(data), 1_000_003):
            writer.write(data[start : start + 1_000_003])
        assert blobs.length("x.bin") is None
    assert content(place, "x.bin") == data
    with blobs.writer("x.bin") as writer:
        writer.write(b"")
    assert content(place, "x.bin") == b""


def test_one_that_was_not_written_to_its_end_leaves_what_was_there(
    blobs: Blobs, place: str
) -> None:
    with blobs.writer("x.bin") as writer:
        writer.write(b"before")
    writer = blobs.writer("x.bin")
    writer.write(b"a" * (BLOCK + 1))
    writer.__exit__(RuntimeError, RuntimeError(), None)
    assert content(place, "x.bin") == b"before"


@needs_azurite
def test_a_way_that_fails_now_and_then_does_not_spoil_a_blob(storage: BlobServer) -> None:
    blobs = open_blobs(storage.place("flaky"), os.environ)
    data = os.urandom(3 * BLOCK)
    storage.fail = [0, 500, "cut", 0, "deaf", 0, 503]
    with blobs.writer("x.bin") as writer:
        writer.write(data)
    assert not storage.fail
    assert content(storage.place("flaky"), "x.bin") == data


@needs_azurite
def test_a_container_that_is_not_there_is_a_clear_error(storage: BlobServer) -> None:
    blobs = open_blobs(storage.place().replace("/logs/", "/nowhere/"), os.environ)
    with pytest.raises(BlobError, match=r"nowhere/a\.log: ContainerNotFound"):
        blobs.append("a.log", b"one", 0)


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blobs = open_blobs(str(tmp_path / "file"), {})
    with pytest.raises(BlobError, match="file"):
        blobs.append("a/b.log", b"one", 0)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("az://", "names no container"),
        ("az://account", "names no container"),
        ("az://account/Logs", "names no container"),
        ("ftp://account/logs", "must be az://"),
        ("http://127.0.0.1/a/logs", "must be az://"),
        ("https://account.blob.core.windows.net/logs?sv=2025&sig=marked", "no signature"),
        ("https://user:marked@account.blob.core.windows.net/logs", "no key"),
        ("https://marked@account.blob.core.windows.net/logs", "no key"),
        ("https:/account.blob.core.windows.net/logs?sv=2025&sig=marked", "no signature"),
        ("account.blob.core.windows.net/logs?sv=2025&sig=marked", "no signature"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=marked==", "no key"),
        ("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=marked", "no key"),
        ("az://account/logs/sig=marked", "no signature"),
        ("https://[marked/logs?sig=marked", "no signature"),
        ("https://[account/logs", "must be az://"),
    ],
)
def test_a_place_that_is_none_is_a_clear_error(told: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        open_blobs(told, {})
    assert "marked" not in str(caught.value)


Start = Callable[..., LogStream]


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def start(
    place: str, tmp_path: Path, complaints: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """A function that starts a stream of lines, which gathers for a moment only."""
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    started: list[LogStream] = []

    def begin(name: str = "pool/job/task/c", **options: int) -> LogStream:
        blobs = open_blobs(place, os.environ)
        started.append(LogStream(blobs, name, tmp_path / "spool", complaints.append, **options))
        return started[-1]

    yield begin
    for stream in started:
        stream.stop()


def lines(count: int, first: int = 0) -> list[str]:
    return [json.dumps({"event": "done", "number": n}) + "\n" for n in range(first, first + count)]


def stored(place: str, name: str = "pool/job/task/c", most: int = 1000) -> tuple[str, int]:
    """All that a stream has written, and in how many blobs."""
    found = ""
    for number in range(1, most):
        try:
            found += content(place, f"{name}-{number:04}.log").decode()
        except Exception:
            return found, number - 1
    raise AssertionError("blobs without end")


def test_all_lines_arrive_in_order(start: Start, place: str, tmp_path: Path) -> None:
    stream = start()
    for line in lines(5000):
        stream.write(line)
    assert stream.stop()
    assert stored(place) == ("".join(lines(5000)), 1)
    assert not list((tmp_path / "spool").iterdir())


def test_they_arrive_while_it_is_written(start: Start, place: str) -> None:
    stream = start()
    stream.write(lines(1)[0])
    eventually(lambda: stored(place)[0] == lines(1)[0], SOON, "the first line")
    stream.write("two\n")
    eventually(lambda: stored(place)[0].endswith("two\n"), SOON, "the second")
    assert stream.stop()


def test_a_full_blob_is_followed_by_another(start: Start, place: str) -> None:
    stream = start(blocks=3)
    for number, line in enumerate(lines(10)):
        stream.write(line)
        # One block each.
        eventually(lambda n=number: stored(place)[0].count("\n") == n + 1, SOON, "a block")  # type: ignore[misc]
    assert stream.stop()
    assert stored(place) == ("".join(lines(10)), 4)


@needs_azurite
def test_no_line_is_lost_or_doubled_on_a_bad_way(
    storage: BlobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    place = storage.place(tmp_path.name)
    said: list[str] = []
    stream = LogStream(open_blobs(place, os.environ), "c", tmp_path / "spool", said.append)
    storage.fail = [500, "cut", "deaf", 0, 503, "deaf", "deaf", 0, "cut", "deaf"]
    count = 0
    while storage.fail:
        stream.write(lines(1, count)[0])
        count += 1
        threading.Event().wait(0.002)
    stream.write(lines(1, count)[0])
    assert stream.stop()
    assert stored(place, "c") == ("".join(lines(count + 1)), 1)
    assert said


@needs_azurite
def test_what_could_not_be_sent_the_next_process_sends(
    storage: BlobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    monkeypatch.setattr(log_stream, "LAST_WORDS", 0.2)
    place, folder = storage.place(tmp_path.name), tmp_path / "spool"
    stream = LogStream(open_blobs(place, os.environ), "c", folder, lambda _: None)
    stream.write("arrived\n")
    eventually(lambda: stored(place, "c")[0] == "arrived\n", SOON, "the first line")
    storage.fail = ["deaf"]
    stream.write("arrived unheard\n")
    eventually(lambda: "unheard" in stored(place, "c")[0], SOON, "the second line")
    storage.down = True
    stream.write("left\n")
    assert not stream.stop()
    assert len(list(folder.iterdir())) == 1
    storage.down = False
    monkeypatch.setattr(log_stream, "LAST_WORDS", 10.0)
    heir = LogStream(open_blobs(place, os.environ), "d", folder, lambda _: None)
    assert heir.stop()
    assert stored(place, "c") == ("arrived\narrived unheard\nleft\n", 1)
    assert not list(folder.iterdir())


HANGING = """
import sys, threading
from pathlib import Path
from engine.blobs import Folder
from engine.log_stream import LogStream

class Deaf(Folder):
    def append(self, name, data, at):
        super().append(name, data, at)
        print("appended", flush=True)
        threading.Event().wait()

stream = LogStream(Deaf(Path(sys.argv[1])), "c", Path(sys.argv[2]), print)
stream.write("arrived unheard\\n")
sys.stdin.readline()
for number in range(1000):
    stream.write(f"{number}\\n")
sys.stdin.readline()
"""


def test_lines_are_on_disk_while_the_storage_hangs(tmp_path: Path) -> None:
    """A consumer is killed, not one of whose requests was answered: the next sends its lines."""
    folder, place = tmp_path / "spool", tmp_path / "blobs"
    command = [sys.executable, "-c", HANGING, str(place), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"appended\n"
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        [file] = folder.glob("*.spool")
        eventually(lambda: file.read_bytes().endswith(b"\n999\n"), SOON, "all lines on disk")
        process.kill()
    heir = LogStream(open_blobs(str(place), {}), "d", folder, lambda _: None)
    assert heir.stop()
    expected = "arrived unheard\n" + "".join(f"{number}\n" for number in range(1000))
    assert stored(str(place), "c") == (expected, 1)
    assert not list(folder.iterdir())


def test_what_others_have_left_is_taken_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that starts after a long outage has too many files open, and fails."""
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    folder, asked, answer = tmp_path / "spool", threading.Event(), threading.Event()
    for number in range(3):
        with subprocess.Popen([sys.executable, "-c", LEAVING, str(folder), str(number)]) as process:
            assert process.wait() == 0

    class Slow(Folder):
        def append(self, name: str, data: bytes, at: int) -> None:
            asked.set()
            assert answer.wait(SOON)
            super().append(name, data, at)

    stream = LogStream(Slow(tmp_path / "blobs"), "c", folder, lambda _: None)
    assert asked.wait(SOON)
    free = list(Spool.left_in(folder))
    assert len(free) == 2
    for spool in free:
        spool._file.close()
    answer.set()
    assert stream.stop()
    assert len(list((tmp_path / "blobs").iterdir())) == 3
    assert not list(folder.iterdir())


def test_what_cannot_be_sent_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what else was left, nor what is written now; and it is tried again."""
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    monkeypatch.setattr(log_stream, "SLOW", 0.1)
    folder, refused = tmp_path / "spool", {"left-0.log"}
    for number in range(2):
        with subprocess.Popen([sys.executable, "-c", LEAVING, str(folder), str(number)]) as process:
            assert process.wait() == 0
    (folder / "00.spool").mkdir()

    class Refusing(Folder):
        def append(self, name: str, data: bytes, at: int) -> None:
            if name in refused:
                raise BlobError(f"{name}: refused")
            super().append(name, data, at)

    complaints: list[str] = []
    stream = LogStream(Refusing(tmp_path / "blobs"), "c", folder, complaints.append)
    stream.write("now\n")
    sent = ["c-0001.log", "left-1.log"]
    (tmp_path / "blobs").mkdir(exist_ok=True)
    eventually(lambda: sorted(os.listdir(tmp_path / "blobs")) == sent, SOON, "all but one")
    refused.clear()
    eventually(lambda: len(os.listdir(tmp_path / "blobs")) == 3, SOON, "that one, too")
    assert stream.stop()
    assert complaints == ["left-0.log: refused"]


LEAVING = """
import sys
from pathlib import Path
from engine.spool import _HEAD, Spool

Spool.create(Path(sys.argv[1]) / f"{sys.argv[2]}.spool", f"left-{sys.argv[2]}.log").add(b"left\\n")
"""


def test_a_disk_that_takes_nothing_is_complained_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "GATHER", 0.01)
    full, said = threading.Event(), []
    add = Spool.add

    def add_if_there_is_room(spool: Spool, data: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        add(spool, data)

    def complain(why: str) -> None:
        said.append(why)
        stream.write("complained\n")

    monkeypatch.setattr(Spool, "add", add_if_there_is_room)
    place = str(tmp_path / "blobs")
    stream = LogStream(open_blobs(place, {}), "c", tmp_path / "spool", complain)
    full.set()
    stream.write("one\n")
    eventually(lambda: said, SOON, "a complaint")
    stream.write("two\n")
    full.clear()
    eventually(lambda: "are missing here" in stored(place, "c")[0], SOON, "the gap to be told")
    assert stream.stop()
    found = stored(place, "c")[0]
    missing = sum(json.loads(line)["lines"] for line in found.splitlines() if line[0] == "{")
    assert missing + found.count("two") + found.count("complained") == 3
    assert len(said) == 1


def test_a_name_may_be_longer_than_that_of_a_file(start: Start, place: str, tmp_path: Path) -> None:
    name = "/".join(["p" * 64, "j" * 64, "t" * 64, "c" * 57])
    stream = start(name)
    stream.write("one\n")
    assert stream.stop()
    assert stored(place, name) == ("one\n", 1)
    assert not list((tmp_path / "spool").iterdir())


def test_what_is_beyond_the_bound_is_counted(
    start: Start, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "MOST_SPOOLED", 4000)
    stream = start()
    for line in lines(200):
        stream.write(line)
    eventually(lambda: "are missing here" in stored(place)[0], SOON, "the gap to be told")
    stream.write("after\n")
    assert stream.stop()
    found = [json.loads(line) for line in stored(place)[0].splitlines()[:-1]]
    missing = sum(line["lines"] for line in found if "lines" in line)
    assert missing + sum("number" in line for line in found) == 200


def test_a_spool_whose_process_lives_is_left_alone(tmp_path: Path) -> None:
    living = Spool.create(tmp_path / "a.spool", "a")
    living.add(b"mine\n")
    assert not list(Spool.left_in(tmp_path))
    living.close()
    [left] = Spool.left_in(tmp_path)
    assert left.next(100) == b"mine\n"
    left.close()


@pytest.mark.parametrize(
    "damage", [b"", b"what?", b"{}" + b" " * 9000, b'{"blob": "x"}' + b" " * 9000]
)
def test_a_spool_that_is_none_is_thrown_away(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "x.spool").write_bytes(damage)
    assert not list(Spool.left_in(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_spool_moves_with_what_has_not_arrived(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path / "a.spool", "a")
    spool.add(b"one\ntwo\nthree\n")
    assert spool.next(9) == b"one\ntwo\n"
    spool.arrived(4)
    spool.move("b")
    assert (spool.blob, spool.at, spool.next(100)) == ("b", 0, b"two\nthree\n")
    spool.close()
    [left] = Spool.left_in(tmp_path)
    assert (left.blob, left.at, left.next(100)) == ("b", 0, b"two\nthree\n")
    left.close()


def test_a_spool_goes_on_where_its_folder_was_tidied_away(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path / "spools" / "a.spool", "a")
    spool.add(b"one\n")
    shutil.rmtree(tmp_path / "spools")
    spool.move("b")
    assert (spool.blob, spool.next(100)) == ("b", b"one\n")
    spool.close()
    [left] = Spool.left_in(tmp_path / "spools")
    left.close()


def test_a_blob_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    Spool.create(tmp_path / "a.spool", 1024 * "\u00fc").close()
    with pytest.raises(OSError, match="too long"):
        Spool.create(tmp_path / "b.spool", 9000 * "x")
    assert not list(tmp_path.iterdir())


def test_what_a_crash_left_half_made_is_removed(tmp_path: Path) -> None:
    """A process that ends while it makes a spool anew leaves the spool as it was."""
    spool = Spool.create(tmp_path / "a.spool", "a")
    spool.add(b"one\n")
    spool.close()
    (tmp_path / "a.moving").write_bytes((tmp_path / "a.spool").read_bytes()[:-1])
    (tmp_path / "b.moving").write_bytes(b"")
    [left] = Spool.left_in(tmp_path)
    assert left.next(100) == b"one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.spool"]
    left.close()


def test_one_that_is_being_made_is_left_alone(tmp_path: Path) -> None:
    living = Spool.create(tmp_path / "a.spool", "a")
    os.link(living.path, tmp_path / "b.moving")  # Locked, as by its maker.
    assert not list(Spool.left_in(tmp_path))
    assert (tmp_path / "b.moving").exists()
    living.close()


def test_what_has_arrived_takes_no_room_while_lines_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.spool._PIECE", 100)
    spool = Spool.create(tmp_path / "a.spool", "a")
    found = b""
    for number in range(100):
        spool.add(b"%09d\n" % number)
        if number % 7 == 6:
            data = spool.next(60)
            spool.arrived(len(data))
            found += data
            assert spool.path.stat().st_size <= _HEAD + 2 * max(100, len(spool)) + 60
    assert spool.at == len(found)
    spool.close()
    [left] = Spool.left_in(tmp_path)
    found += left.next(10_000)[len(found) - left.at :]
    assert found == b"".join(b"%09d\n" % number for number in range(100))
    left.close()


def test_nothing_is_lost_between_who_adds_and_who_sends(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path / "a.spool", "a")
    expected = b"".join(b"%09d\n" % number for number in range(20_000))

    def add() -> None:
        for start in range(0, len(expected), 10):
            spool.add(expected[start : start + 10])

    adding = threading.Thread(target=add)
    adding.start()
    found = b""
    while adding.is_alive() or len(spool):
        data = spool.next(1000)
        found += data
        spool.arrived(len(data))
    adding.join()
    assert found == expected
    spool.close()
    assert not list(tmp_path.iterdir())
