"""``azfinsim price`` as its users call it, with a consumer that prices."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from azfinsim.cli import azfinsim
from engine.edge import run_command
from engine.embedded import EmbeddedServer
from producer import price_plot
from producer.generate import generate
from producer.ndjson import encode_trades
from tests.processes import ROOT, Field, field_at
from tests.producer.commands import Command, Run

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A grid with a book of 20 trades and one consumer."""
    with (
        EmbeddedServer() as server,
        field_at(server.url, tmp_path_factory.mktemp("served")) as field,
    ):
        field.fill(20)
        field.serve("--lane", "realtime", "--slots", "1")
        yield field


@pytest.fixture
def anywhere(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``azfinsim price`` on the server that the environment names."""

    def command(*arguments: str | Path) -> Run:
        monkeypatch.setattr(sys, "argv", ["azfinsim", "price", *map(str, arguments)])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(azfinsim, "azfinsim")
        assert isinstance(ended.value.code, int)
        out, err = capfdbinary.readouterr()
        return Run(ended.value.code, out.decode(), err.decode())

    return command


@pytest.fixture
def price(served: Field, anywhere: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``azfinsim price`` where a consumer serves."""
    monkeypatch.setenv("AZFINSIM_REDIS_URL", served.url)
    return anywhere


@pytest.fixture
def deserted(redis_url: str, anywhere: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``azfinsim price`` where none does."""
    monkeypatch.setenv("AZFINSIM_REDIS_URL", redis_url)
    return anywhere


def lines(text: str) -> list[Any]:
    return [orjson.loads(line) for line in text.splitlines()]


def test_a_price_needs_no_terms(price: Command) -> None:
    run = price("--paths", "500")
    assert run.code == 0
    assert run.out.startswith("PV")
    assert "standard error" in run.out
    assert "pvonly, 500 paths, seed 0" in run.out
    assert "queued" in run.out
    assert run.err == ""


def test_a_price_as_json(price: Command) -> None:
    run = price("--json", "--algorithm", "deltavega", "--paths", "500", "--seed", "3", "--id", "9")
    assert run.code == 0
    report = run.json
    assert (report["id"], report["seed"], report["paths"]) == (9, 3, 500)
    assert {"pv", "se", "delta", "delta_se", "vega", "consumer", "queued_ms"} <= set(report)
    parts = report["queued_ms"] + report["priced_ms"] + report["returned_ms"]
    assert report["total_ms"] == pytest.approx(parts, abs=0.01)


def test_terms_change_the_price(price: Command) -> None:
    asked = [["--spot", "0.8"], ["--spot", "0.9"], ["--set", "spot=0.9"]]
    low, high, same = (price("--json", "--paths", "500", *terms).json["pv"] for terms in asked)
    assert low < high == same


def test_a_trade_of_the_book(price: Command) -> None:
    plain = price("--trade", "7", "--json", "--paths", "500").json
    changed = price("--trade", "7", "--json", "--paths", "500", "--set", "spot=0.95").json
    assert plain["id"] == changed["id"] == 7
    assert changed["pv"] > plain["pv"]
    missing = price("--trade", "999")
    assert (missing.code, missing.out) == (1, "")
    assert "book default holds no trade 999" in missing.err
    assert price("--trade", "7", "--book", "other").code == 2


def test_a_trade_that_is_not_priced(price: Command) -> None:
    told = price("--algorithm", "nosuch")
    assert (told.code, told.out) == (1, "")
    assert "Rejected: algorithm 'nosuch' is not known" in told.err
    as_json = price("--algorithm", "nosuch", "--json")
    assert (as_json.code, as_json.json["outcome"]) == (1, "rejected")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--spot", "-1"], "-1 must be a number above 0"),
        (["--spot", "nan"], "nan must be a number"),
        (["--steps", "1.5"], "1.5 must be a whole number"),
        (["--start-date", "today"], "today must be a date"),
        (["--set", "foo=1"], "foo: no such field"),
        (["--set", "spot"], "must be FIELD=VALUE"),
        (["--ladder", "spot=1:2"], "must be FIELD=FROM:TO:COUNT"),
        (["--ladder", "spot=1:2:3", "--spot", "1"], "spot is given, and laddered"),
        (["--ladder", "a=1:2:3", "--ladder", "b=1:2:3", "--ladder", "c=1:2:3"], "at most two"),
        (["--plot", "x.png"], "--plot draws a ladder"),
        (["--plot", "x.gif", "--ladder", "spot=1:2:3"], "must end in .png or .svg"),
        (["--deadline", "0"], "--deadline"),
        (["--accuracy", "7"], "--accuracy"),
        (["--trade", "7", "--id", "8"], "--id and --trade"),
        (["--order", "input"], "only with a FILE"),
        (["-", "--spot", "0.9"], "--spot and a FILE"),
        (["-", "--json"], "JSON already"),
        (["nosuch.ndjson"], "cannot read nosuch.ndjson"),
    ],
)
def test_what_cannot_be_is_told(price: Command, arguments: list[str], words: str) -> None:
    run = price(*arguments)
    assert (run.code, run.out) == (2, "")
    assert words in run.err
    assert "Traceback" not in run.err


def test_a_ladder_is_a_table_on_the_same_random_numbers(price: Command) -> None:
    run = price("--ladder", "spot=0.8:0.9:3", "--algorithm", "deltavega", "--paths", "500")
    assert run.code == 0
    header, _, *rows = [line.split() for line in run.out.splitlines() if line.strip()]
    assert header == ["spot", "PV", "se", "delta", "vega"]
    assert [row[0] for row in rows] == ["0.8", "0.85", "0.9"]
    assert "3 priced" in run.err
    alone = price("--spot", "0.85", "--algorithm", "deltavega", "--paths", "500", "--json").json
    rungs = price(
        *("--ladder", "spot=0.8:0.9:3", "--algorithm", "deltavega", "--paths", "500", "--json")
    ).json["rungs"]
    assert rungs[1]["pv"] == alone["pv"]
    assert rungs[1]["spot"] == 0.85


def test_a_ladder_with_rungs_that_are_not_priced(price: Command) -> None:
    run = price("--ladder", "vol=0.1:0.2:2", "--algorithm", "nosuch")
    assert run.code == 1
    assert run.out.count("is not known") == 2
    assert "2 rejected" in run.err


@pytest.mark.parametrize(("suffix", "begins"), [("png", PNG), ("svg", b"<?xml")])
def test_ladders_are_drawn(price: Command, tmp_path: Path, suffix: str, begins: bytes) -> None:
    for name, ladders in {
        "one": ["--ladder", "spot=0.7:0.9:3"],
        "two": ["--ladder", "spot=0.7:0.9:3", "--ladder", "vol=0.1:0.2:2"],
    }.items():
        path = tmp_path / f"{name}.{suffix}"
        run = price(*ladders, "--plot", path, "--paths", "500", "--algorithm", "deltavega")
        assert run.code == 0
        assert f"drawn to {path}" in run.err
        assert path.read_bytes().startswith(begins)
    unpriced = tmp_path / f"none.{suffix}"
    arguments = ["--ladder", "spot=0.7:0.9:3", "--algorithm", "nosuch", "--plot", unpriced]
    assert price(*arguments).code == 1
    assert unpriced.read_bytes().startswith(begins)


def test_without_matplotlib_it_says_what_to_install(
    price: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = price("--ladder", "spot=0.7:0.9:3", "--plot", "x.png")
    assert run.code == 2
    assert "pip install 'azfinsim[plot]'" in run.err
    assert price_plot.FORMATS == (".png", ".svg")


HOSTILE = (
    b"""{"id": 1, "spot": 0.9}

not json
[1]
{"id": "x"}
{"id": -1}
{"spot": NaN}
\xff\xfe
"""
    + b'{"a":' * 3000
    + b"1"
    + b"}" * 3000
    + b"\n"
)


def test_each_line_of_a_file_is_answered(price: Command, tmp_path: Path) -> None:
    """Bad ones too, by line, and blank ones not at all; plain or gzip."""
    path = tmp_path / "trades.ndjson"
    path.write_bytes(HOSTILE + encode_trades(generate(1, 0, 5)))
    run = price(path, "--paths", "100", "--order", "input")
    assert run.code == 1
    found = lines(run.out)
    assert [record["line"] for record in found] == [1, *range(3, 15)]
    assert [record["outcome"] for record in found] == ["rejected"] * 8 + ["priced"] * 5
    assert all(record["reason"] for record in found[:8])
    assert [record["id"] for record in found[8:]] == list(range(5))
    assert "13 trades" in run.err
    assert "8 rejected, 5 priced" in run.err


def test_answers_come_as_they_are_ready(price: Command, tmp_path: Path) -> None:
    path = tmp_path / "trades.ndjson"
    path.write_bytes(encode_trades(generate(1, 0, 1200)))
    run = price(path, "--algorithm", "synthetic")
    assert run.code == 0
    assert sorted(record["line"] for record in lines(run.out)) == list(range(1, 1201))


def process(field: Field, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "azfinsim", "price", *arguments],
        cwd=ROOT,
        env={**os.environ, "AZFINSIM_REDIS_URL": field.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def test_a_pipe_is_answered_line_by_line(served: Field) -> None:
    """Each answer comes before the next line is written: nobody waits for more input."""
    with process(served, "-", "--algorithm", "synthetic") as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stderr is not None
        for number in range(3):
            run.stdin.write(encode_trades(generate(1, number, 1)))
            run.stdin.flush()
            assert orjson.loads(run.stdout.readline())["id"] == number
        run.stdin.write(b"x" * 2**21 + b"\n" + encode_trades(generate(1, 7, 1)).rstrip())
        run.stdin.close()
        rest = [orjson.loads(line) for line in run.stdout]
        assert {record["line"]: record["outcome"] for record in rest} == {
            4: "rejected",
            5: "priced",
        }
        assert run.wait(20) == 1
        assert b"Traceback" not in run.stderr.read()


def test_a_reader_that_leaves_is_no_failure(served: Field, tmp_path: Path) -> None:
    path = tmp_path / "trades.ndjson"
    path.write_bytes(encode_trades(generate(1, 0, 5000)))
    with process(served, str(path), "--algorithm", "synthetic") as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.wait(20) == 0
        assert run.stderr.read() == b""


@pytest.mark.parametrize("form", [[], ["--ladder", "spot=0.8:0.9:3"], ["FILE"]])
def test_without_a_consumer_it_says_what_to_start(
    deserted: Command, tmp_path: Path, form: list[str]
) -> None:
    path = tmp_path / "trades.ndjson"
    path.write_bytes(encode_trades(generate(1, 0, 5)))
    run = deserted(*(str(path) if part == "FILE" else part for part in form))
    assert (run.code, run.out) == (3, "")
    assert "start one with `azfinsim consume --lane realtime`" in run.err
