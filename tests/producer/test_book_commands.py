"""``azfinsim book`` as its users call it."""

import gzip
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from azfinsim.cli import azfinsim
from engine import keys
from engine.edge import run_command
from producer.generate import generate, generate_european
from producer.ndjson import encode_trades
from tests.conftest import FreshServer
from tests.waiting import eventually

OLDER = Path(__file__).parent.parent / "data" / "older-trades-1000.gz"

BAD = {"id": 5, "spot": 1}


class Run:
    """What one command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """What stands on standard output, which must be one JSON object on one line."""
        assert self.out.count("\n") == 1
        return orjson.loads(self.out)


Command = Callable[..., Run]


@pytest.fixture
def offline(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``azfinsim book`` where nobody has said which server."""
    monkeypatch.delenv("AZFINSIM_REDIS_URL", raising=False)

    def command(*arguments: str | Path, stdin: bytes = b"") -> Run:
        monkeypatch.setattr(sys, "argv", ["azfinsim", "book", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(azfinsim, "azfinsim")
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, *capfd.readouterr())

    return command


@pytest.fixture
def book(offline: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``azfinsim book`` against an empty server."""
    monkeypatch.setenv("AZFINSIM_REDIS_URL", redis_url)
    return offline


def lines(text: str | bytes) -> list[Any]:
    return [orjson.loads(line) for line in text.splitlines()]


def rows(seed: int, first: int, count: int) -> list[Any]:
    return lines(encode_trades(generate(seed, first, count)))


def test_generate_puts_trades_in_and_tells(book: Command) -> None:
    run = book("generate", "--count", "250", "--seed", "3", "--first", "50", "--json")
    assert run.code == 0
    report = run.json
    assert report.pop("seconds") >= 0
    assert report.pop("trades_per_second") > 0
    assert report == {"book": "default", "trades": 250, "seed": 3, "written": 250}
    assert lines(book("export").out) == rows(3, 50, 250)


def test_generate_makes_options_that_can_be_priced_as_such(book: Command) -> None:
    run = book("generate", "--count", "250", "--seed", "3", "--product", "european", "--json")
    assert (run.code, run.json["written"]) == (0, 250)
    options = generate_european(3, 0, 250)
    assert lines(book("export").out) == [options.row(row) for row in range(250)]


def test_generate_replaces_what_it_makes_and_leaves_the_rest(book: Command) -> None:
    book("generate", "--count", "300", "--seed", "1")
    run = book("generate", "--count", "100", "--first", "150", "--seed", "2")
    assert (run.code, run.out) == (0, "")
    assert "100 trades written" in run.err
    assert "it holds 300 trades now" in run.err
    expected = rows(1, 0, 150) + rows(2, 150, 100) + rows(1, 250, 50)
    assert lines(book("export").out) == expected


@pytest.mark.parametrize("name", ["book.ndjson", "book.ndjson.gz"])
def test_generate_to_a_file_needs_no_server(offline: Command, tmp_path: Path, name: str) -> None:
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    run = offline("generate", "--count", "2100", "--seed", "3", "--to", path, "--json")
    assert run.code == 0
    assert (run.json["file"], run.json["written"]) == (str(path), 2100)
    assert offline("generate", "--count", "2100", "--seed", "3", "--to", again).code == 0
    data = path.read_bytes()
    assert data == again.read_bytes()
    assert lines(gzip.decompress(data) if name.endswith(".gz") else data) == rows(3, 0, 2100)
    assert sorted(tmp_path.iterdir()) == sorted([path, again])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["generate", "--count", "5"], 3, "Start one with `azfinsim serve`"),
        (["inject", "file"], 3, "Start one with `azfinsim serve`"),
        (["generate", "--count", "0"], 2, "--count"),
        (["generate", "--seed", "-1"], 2, "--seed"),
        (["generate", "--first", str(2**53), "--count", "2"], 2, "highest trade ID"),
        (["generate", "--book", "a b"], 2, "must be 1 to 64"),
        (["generate", "--to", "/nowhere/file"], 2, "cannot write /nowhere/file: No such file"),
        (["generate", "--to", "/"], 2, "cannot write /: "),
        (["generate", "--redis-url", "http://x"], 2, "must be redis://"),
        (["show", "-5", "--redis-url", "redis://x"], 2, ""),
        (["generate", "--redis-url", "unix:///nowhere"], 3, "no Redis server answers"),
        (["generate", "--redis-url", "redis://u:secret@h"], 2, "holds a password"),
    ],
)
def test_wrong_usage_is_told(offline: Command, arguments: list[str], code: int, words: str) -> None:
    run = offline(*arguments)
    assert (run.code, run.out) == (code, "")
    assert words in run.err
    assert "Traceback" not in run.err
    assert "secret" not in run.err


@pytest.mark.parametrize("zipped", [False, True])
def test_the_older_data_set_goes_in(book: Command, tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "older"
    path.write_bytes(OLDER.read_bytes() if zipped else gzip.decompress(OLDER.read_bytes()))
    run = book("inject", path, "--json")
    assert run.code == 0
    counts = {"trades": 1000, "written": 1000, "rejected": 0, "duplicates": 0}
    assert counts.items() <= run.json.items()
    assert book("show", "999", "--json").json == {
        "id": 999,
        "spot": 0.9045075730866041,
        "strike": 0.7750644117073625,
        "drift": 0.01707041762560683,
        "vol": 0.06950174920356789,
        "vol_of_vol": 0.00154807378604,
        "rho": 0.000038413221829,
        "maturity": 0.2,
        "steps": 172,
        "paths": 10000,
        "warrants": 43978,
        "notional": 969.1950514827760799,
        "start_date": "2017-12-29",
        "end_date": "2018-08-28",
    }


def test_an_exported_book_is_injected_as_it_was(book: Command, tmp_path: Path) -> None:
    path = tmp_path / "book.ndjson.gz"
    book("generate", "--count", "450", "--seed", "3")
    exported = book("export", path, "--json")
    assert (exported.code, exported.json["written"]) == (0, 450)
    assert book("inject", path, "--book", "other").code == 0
    assert book("export", "--book", "other").out == book("export").out
    assert book("list", "--json").json == {
        "books": [{"book": "default", "trades": 450}, {"book": "other", "trades": 450}]
    }
    assert "450  other" in book("list").err


def test_trades_may_come_from_standard_input(book: Command) -> None:
    run = book("inject", "-", "--json", stdin=encode_trades(generate(3, 0, 30)))
    assert (run.code, run.json["written"], run.json["file"]) == (0, 30, "standard input")


def test_bad_records_are_told_and_kept_out(book: Command, tmp_path: Path) -> None:
    faults = tmp_path / "faults.ndjson"
    good = rows(3, 0, 3)
    data = b"\n".join(map(orjson.dumps, [good[0], {**good[1], "vol": -0.1}, good[2]])) + b"\nx\n"
    run = book("inject", "-", "--faults", faults, "--json", stdin=data)
    assert run.code == 1
    assert (run.json["written"], run.json["rejected"], run.json["trades"]) == (2, 2, 2)
    assert "line 2: vol is -0.1: must be a number of at least 0\n" in run.err
    assert "line 4: begins with 'x': must be a JSON object" in run.err
    first, second = lines(faults.read_bytes())
    assert first == {
        "line": 2,
        "field": "vol",
        "value": -0.1,
        "problem": "vol is -0.1: must be a number of at least 0",
    }
    assert (second["line"], second["field"]) == (4, None)


def test_a_file_without_a_good_record_makes_no_book(book: Command) -> None:
    data = orjson.dumps(BAD)
    assert book("inject", "-", stdin=data).code == 1
    assert book("list", "--json").json == {"books": []}
    book("generate", "--count", "3")
    assert book("inject", "-", "--json", stdin=data).json["trades"] == 3


def test_a_book_that_is_misspelt_is_guessed(book: Command) -> None:
    book("generate", "--count", "3", "--book", "overnight")
    assert "did you mean overnight?" in book("show", "1", "--book", "overnihgt").err
    assert "did you mean" not in book("show", "1", "--book", "intraday").err


def test_of_many_faults_the_first_are_told(book: Command, tmp_path: Path) -> None:
    data = b"\n".join([orjson.dumps(BAD)] * 1050)
    run = book("inject", "-", stdin=data)
    assert (run.code, run.out) == (1, "")
    assert run.err.count("strike is missing") == 20
    assert "… and 1,030 more; --faults FILE keeps them all" in run.err
    assert "1,050 records kept out" in run.err
    faults = tmp_path / "faults.ndjson.gz"
    assert "--faults" not in book("inject", "-", "--faults", faults, stdin=data).err
    assert len(lines(gzip.decompress(faults.read_bytes()))) == 1050


def test_of_two_trades_with_one_id_the_later_counts(book: Command) -> None:
    data = encode_trades(generate(1, 0, 2500)) + encode_trades(generate(2, 100, 50))
    run = book("inject", "-", "--json", stdin=data)
    assert run.code == 0
    assert (run.json["written"], run.json["duplicates"], run.json["trades"]) == (2550, 50, 2500)
    assert lines(book("export", "--trades", "99:52").out) == [
        *rows(1, 99, 1),
        *rows(2, 100, 50),
        *rows(1, 150, 1),
    ]
    assert "50 of them replaced" in book("inject", "-", stdin=data).err


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b\x08rubbish", "damaged gzip data"),
        (bytes(range(256)) * 10, "holds no trades"),
        (b'[{"id":1}]', "holds no trades"),
    ],
)
def test_files_of_another_kind_are_refused(
    book: Command, tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(data)
    run = book("inject", path, "--json")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: {path} ")
    assert words in run.err


def test_files_that_cannot_be_read_are_told(book: Command, tmp_path: Path) -> None:
    missing = book("inject", tmp_path / "missing")
    assert missing.code == 2
    assert missing.err == f"error: cannot read {tmp_path / 'missing'}: No such file or directory\n"
    directory = book("inject", tmp_path)
    assert (directory.code, directory.err) == (
        2,
        f"error: cannot read {tmp_path}: Is a directory\n",
    )


def test_a_file_that_the_system_refuses_is_told(book: Command, tmp_path: Path) -> None:
    path = tmp_path / "circle"
    path.symlink_to(path)
    run = book("inject", path)
    assert (run.code, run.err) == (
        2,
        f"error: cannot read {path}: Too many levels of symbolic links\n",
    )


def test_a_file_that_breaks_off_goes_in_as_far_as_it_can_be_read(
    book: Command, tmp_path: Path
) -> None:
    path = tmp_path / "older.gz"
    path.write_bytes(OLDER.read_bytes()[:20_000])
    run = book("inject", path, "--json")
    assert (run.code, run.json["rejected"]) == (1, 1)
    assert 0 < run.json["written"] == run.json["trades"] < 1000
    assert "damaged gzip data" in run.err


def test_export_writes_a_range_in_order(book: Command, tmp_path: Path) -> None:
    path = tmp_path / "part"
    data = encode_trades(generate(3, 0, 400)).splitlines(keepends=True)
    book("inject", "-", stdin=b"".join(data[::-1]))
    run = book("export", path, "--trades", "95:120", "--json")
    assert (run.code, run.json["written"]) == (0, 120)
    assert lines(path.read_bytes()) == rows(3, 95, 120)
    assert book("export", path, "--trades", "90000:5", "--json").json["written"] == 0
    assert path.read_bytes() == b""
    assert book("export", "--trades", "5").code == 2
    assert "name a FILE" in book("export", "--json").err


def test_export_tells_what_is_damaged(book: Command, redis_url: str) -> None:
    book("generate", "--count", "3")
    with redis.Redis.from_url(redis_url) as client:
        stored = client.hget(keys.blocks(0, "default"), "0")
        assert isinstance(stored, bytes)
        client.hset(keys.blocks(0, "default"), "0", stored.replace(b"[1,", b"{1,"))
    run = book("export")
    assert run.code == 1
    assert [row["id"] for row in lines(run.out)] == [0, 2]
    assert "damaged in the cache: line 3: is not a JSON array" in run.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told(book: Command, tmp_path: Path) -> None:
    book("generate", "--count", "3000")
    full = "No space left on device\n"
    assert book("export", "/dev/full").err == f"error: cannot write /dev/full: {full}"
    run = book("generate", "--count", "10", "--to", "/dev/full")
    assert (run.code, run.err) == (2, f"error: cannot write /dev/full: {full}")
    run = book("inject", "-", "--faults", "/dev/full", stdin=orjson.dumps(BAD))
    assert run.err.endswith(f"error: cannot write /dev/full: {full}")
    zipped = tmp_path / "full.gz"
    zipped.symlink_to("/dev/full")
    assert full in book("export", zipped).err


def test_what_fails_leaves_the_old_file(offline: Command, tmp_path: Path) -> None:
    path = tmp_path / "book"
    path.write_text("old")
    assert offline("export", path, "--redis-url", "unix:///nowhere").code == 3
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_show_prints_a_trade(book: Command) -> None:
    book("generate", "--count", "20", "--seed", "3")
    [trade] = rows(3, 7, 1)
    assert book("show", "7", "--json").json == trade
    people = book("show", "7")
    assert people.out.count("\n") == 16
    assert orjson.loads(people.out) == trade


def test_what_is_not_there_is_told(book: Command) -> None:
    book("generate", "--count", "20")
    run = book("show", "20", "--json")
    assert (run.code, run.err) == (1, "book default holds no trade 20\n")
    assert run.json == {"book": "default", "id": 20, "found": False}
    for command in (["show", "5"], ["export"], ["drop", "5"], ["drop", "--yes"]):
        run = book(*command, "--book", "other")
        assert (run.code, run.out) == (2, "")
        assert run.err.startswith("error: there is no book other: ")


def test_drop_takes_out_one_trade(book: Command) -> None:
    book("generate", "--count", "20")
    assert book("drop", "7", "--json").json == {"book": "default", "dropped": 1, "trades": 19}
    again = book("drop", "7", "--json")
    assert (again.code, again.json["dropped"]) == (1, 0)
    assert "it holds 19 trades now" in book("drop", "7").err


def test_drop_of_a_book_asks_first(book: Command) -> None:
    book("generate", "--count", "20")
    unasked = book("drop")
    assert (unasked.code, "say --yes" in unasked.err) == (2, True)
    dropped = book("drop", "--yes", "--json")
    assert dropped.json == {"book": "default", "dropped": 20, "trades": 0}
    assert book("list", "--json").json == {"books": []}
    assert "no books" in book("list").err


def test_a_full_server_is_told(
    offline: Command, fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fresh_server(config={"maxmemory": "5mb"})
    monkeypatch.setenv("AZFINSIM_REDIS_URL", server.url)
    run = offline("generate", "--count", "100000")
    assert run.code == 3
    assert "is full (its maxmemory is reached)" in run.err
    assert "Traceback" not in run.err


def producer(*arguments: str, url: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """``python -m producer book`` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "producer", "book", *arguments],
        env={**os.environ, "AZFINSIM_REDIS_URL": url},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_server_that_dies_meanwhile_is_told(fresh_server: FreshServer) -> None:
    server = fresh_server()
    with producer("generate", "--count", "3000000", url=server.url) as made:
        with redis.Redis.from_url(server.url) as client:
            eventually(lambda: client.hlen(keys.blocks(0, "default")), what="the first blocks")
        server.kill()
        _, told = made.communicate(timeout=30)
    assert made.returncode == 3
    assert b"no Redis server answers at" in told
    assert b"Traceback" not in told


def test_as_a_process_it_writes_to_a_pipe_that_closes(redis_url: str) -> None:
    with producer("generate", "--count", "20000", url=redis_url) as made:
        _, told = made.communicate(timeout=30)
    assert made.returncode == 0, told
    with producer("export", url=redis_url) as exporting:
        assert exporting.stdout is not None
        assert exporting.stderr is not None
        assert orjson.loads(exporting.stdout.readline())["id"] == 0
        exporting.stdout.close()
        assert exporting.stderr.read() == b""
    assert exporting.returncode == 0


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 130, 20)])
def test_on_a_terminal_drop_takes_an_answer(
    book: Command, redis_url: str, answer: bytes, code: int, left: int
) -> None:
    book("generate", "--count", "20")
    master, terminal = pty.openpty()
    try:
        with producer("drop", url=redis_url, stdin=terminal) as dropping:
            os.write(master, answer)
            _, told = dropping.communicate(timeout=30)
    finally:
        os.close(master)
        os.close(terminal)
    assert dropping.returncode == code
    assert b"Drop book default with its 20 trades?" in told
    assert sum(each["trades"] for each in book("list", "--json").json["books"]) == left
