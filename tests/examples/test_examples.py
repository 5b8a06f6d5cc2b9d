"""The examples: each prices what it says, alone and as a job on consumers."""

import math
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.blocks import Trades
from engine.contract import assert_pricer
from engine.job import Job
from engine.pricing.pricer import Request
from engine.pricing.warrant import pvonly
from examples import forward
from producer.generate import generate
from tests.processes import Field, field_at

FORWARD = {
    "spot": 1.1,
    "strike": 1.0,
    "maturity": 2.0,
    "notional": 1000,
    "domestic_rate": 0.03,
    "foreign_rate": 0.01,
}


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    """An empty grid, and a place for consumers, which run where ``examples`` lies."""
    with field_at(redis_url, tmp_path) as made:
        yield made


def test_a_forward_is_worth_its_discounted_flows() -> None:
    [record] = assert_pricer(forward.pricer, [FORWARD])
    assert record["pv"] == pytest.approx(1000 * (1.1 * math.exp(-0.02) - math.exp(-0.06)))
    assert record["fair_strike"] == pytest.approx(1.1 * math.exp(0.04))
    [record, _] = assert_pricer(forward.pricer, [{**FORWARD, "strike": "1"}, FORWARD])
    assert record["reason"] == "strike is '1': must be a number above 0"


def warrants(**terms: float) -> list[dict[str, Any]]:
    book = generate(2, 0, 40)
    return [{**book.row(row), **terms} for row in range(40)]


@pytest.mark.parametrize("terms", [{}, {"steps": 12}, {"maturity": 2.0, "drift": -0.02}])
def test_quantlib_agrees_with_our_simulation(terms: dict[str, float]) -> None:
    pytest.importorskip("QuantLib", reason="QuantLib is not installed")
    from examples.quantlib_warrant import pricer

    trades = warrants(**terms)
    theirs = assert_pricer(pricer, trades)
    ours = assert_pricer(pvonly, trades, Request(seed=4, paths=20_000))
    for their, our in zip(theirs, ours, strict=True):
        # Four standard errors, and what the correction of the barrier leaves.
        assert abs(their["pv"] - our["pv"]) < 4 * our["se"] + 5e-3 * our["pv"]
        assert their["vanilla_pv"] >= their["pv"]


def test_quantlib_at_the_edges() -> None:
    pytest.importorskip("QuantLib", reason="QuantLib is not installed")
    from examples.quantlib_warrant import pricer

    below, still = warrants(spot=0.5, strike=0.6)[0], {**warrants(vol=0)[0], "id": 1}
    knocked_out, rejected = assert_pricer(pricer, [below, still])
    assert knocked_out["pv"] == 0.0
    assert rejected["reason"] == "vol is 0: must be a number above 0"


def test_quantlib_prices_a_job_on_consumers(field: Field) -> None:
    """In processes of the slots: its objects are not for threads."""
    pytest.importorskip("QuantLib", reason="QuantLib is not installed")
    field.fill(300)
    [consumer] = field.serve("--slots", "2")
    theirs = field.submit(Job("theirs", "examples.quantlib_warrant:pricer", chunk=20))
    ours = field.submit(Job("ours", "pvonly", paths=2000))
    assert field.done(theirs).well
    assert field.done(ours).well
    assert len(consumer.children()) == 2
    for their, our in zip(field.records(theirs), field.records(ours), strict=True):
        assert abs(their["pv"] - our["pv"]) < 5 * our["se"] + 5e-3 * our["pv"]


AT_ONCE = 8


class Service(socketserver.ThreadingTCPServer):
    """The vendor: a price for a line of JSON, when several have asked; odd ones for two trades."""

    daemon_threads = True
    request_queue_size = 64
    several = threading.Barrier(AT_ONCE)


class Answer(socketserver.StreamRequestHandler):
    server: Service

    def handle(self) -> None:
        trade = orjson.loads(self.rfile.readline())
        if trade["id"] < AT_ONCE:
            self.server.several.wait(20)
        if trade["id"] == 3:
            self.wfile.write(b"503 sorry\n")
        elif trade["id"] != 4:
            figures = {"pv": trade["spot"] - trade["strike"], "vendor_id": trade["id"]}
            self.wfile.write(orjson.dumps(figures) + b"\n")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("PRICING_SERVICE", "127.0.0.1:{1}".format(*server.server_address))
        yield server
        server.shutdown()
        thread.join()


def test_a_vendors_service_prices_a_job_on_consumers(field: Field, service: Service) -> None:
    """Several trades at a time; G5: what it answers badly, or not at all, is rejected alone."""
    book = generate(1, 0, 60)
    field.put(Trades(book.ids, {name: book.columns[name] for name in ("spot", "strike")}))
    field.serve("--slots", "1")
    job = field.submit(Job("night", "examples.vendor:pricer"))
    counts = field.done(job).counts
    records = field.records(job)
    assert (counts.priced, counts.rejected) == (58, 2)
    assert records[3]["reason"].startswith("JSONDecodeError: ")
    assert records[4]["reason"].startswith(("IncompleteRead", "EndOfStream", "BrokenResource"))
    fifth: dict[str, Any] = book.row(5)
    assert records[5]["pv"] == fifth["spot"] - fifth["strike"]
    assert records[5]["vendor_id"] == 5.0


HOUSE = """
from engine.adapters import per_trade
from engine.trade import Kind, Term

@per_trade(schema={"spot": Term(Kind.NUMBER)}, version="1")
def pricer(trade):
    return {"pv": trade["spot"], "house_figure": trade["id"]}
"""


def test_a_file_in_the_working_folder_prices_the_demo(tmp_path: Path) -> None:
    """As the console script runs: without the working folder in its path."""
    (tmp_path / "house.py").write_text(HOUSE)
    # What would break everything, if it came first.
    (tmp_path / "consumer.py").write_text("1 / 0")
    command = [sys.executable, "-P", "-m", "azfinsim", "demo", "--json", "--trades", "250"]
    run = subprocess.run(
        [*command, "--algorithm", "house:pricer", "--consumers", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert orjson.loads(run.stdout)["priced"] == 250
