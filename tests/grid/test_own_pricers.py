"""Other products and other people's pricers, from a file of trades to a file of results."""

import csv
import os
import subprocess
import sys

import orjson
import pytest

from engine.job import Job
from tests.processes import Field, prices

OPTION = {
    "product": "european",
    "spot": 1.1,
    "strike": 1.0,
    "vol": 0.1,
    "maturity": 0.5,
    "domestic_rate": 0.02,
    "foreign_rate": 0.01,
    "notional": 1000.0,
}
WARRANT = {
    "spot": 0.9,
    "strike": 0.8,
    "drift": 0.01,
    "vol": 0.08,
    "vol_of_vol": 0.001,
    "rho": 0.0,
    "maturity": 0.2,
    "steps": 10,
    "paths": 50,
    "warrants": 3,
    "notional": 1000.0,
    "start_date": "2017-12-29",
    "end_date": "2018-08-28",
}


def azfinsim(
    field: Field, *arguments: str, told: object = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azfinsim", *arguments],
        env={**os.environ, "AZFINSIM_REDIS_URL": field.url},
        input=b"\n".join(map(orjson.dumps, told)).decode() if isinstance(told, list) else "",
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_book_of_several_products_is_priced_by_several_algorithms(field: Field) -> None:
    """G5: each prices its own and refuses the others by name."""
    book = [
        {"id": 0, "option_type": "call", **OPTION},
        {"id": 1, **WARRANT},
        {"id": 2, "option_type": "put", **OPTION},
        {"id": 3, "product": "swap", "spot": 5, "legs": [[1, 2], [3]]},
        {"id": 4, **OPTION},
        {"id": 5, **OPTION, "option_type": "put", "vol": -1},
    ]
    run = azfinsim(field, "book", "inject", "-", "--json", told=book)
    assert run.returncode == 1
    assert orjson.loads(run.stdout)["written"] == 4
    assert "line 5: option_type is missing: must be call or put" in run.stderr
    assert "line 6: vol is -1: must be a number of at least 0" in run.stderr
    assert orjson.loads(azfinsim(field, "book", "show", "2").stdout) == book[2]
    field.serve("--slots", "1")
    options = field.submit(Job("options", "engine.pricing.european:pricer"))
    warrants = field.submit(Job("warrants", "pvonly"))
    assert field.done(options).counts.priced == 2
    assert field.done(warrants).counts.priced == 1
    assert [record.get("reason") for record in field.records(options)] == [
        None,
        "product is missing: must be european for this algorithm",
        None,
        "product is 'swap': must be european for this algorithm",
    ]
    reasons = [str(record.get("reason")) for record in field.records(warrants)]
    assert [reason[:21] for reason in reasons] == [
        "product is 'european'",
        "None",
        "product is 'european'",
        "product is 'swap': mu",
    ]


def test_figures_of_ones_own_reach_the_files(field: Field) -> None:
    """In NDJSON and, in columns after the others, in CSV; also where only some trades have them."""
    field.fill(250)
    field.serve("--slots", "2")
    job = field.submit(Job("night", "tests.pricers:inventive", chunk=30))
    assert field.done(job).counts.rejected == 10
    lines = azfinsim(field, "job", "results", "night").stdout.splitlines()
    records = [orjson.loads(line) for line in lines]
    assert records[7]["rare"] == 7.0
    assert [name for name in records[8] if name not in ("attempts", "ms")] == [
        *("id", "pv", "weight", "outcome"),
    ]
    text = azfinsim(field, "job", "results", "night", "--format", "csv").stdout
    header, *rows = csv.reader(text.splitlines())
    assert header[-3:] == ["reason", "rare", "weight"]
    assert [rows[at][-2:] for at in (7, 8, 25)] == [["7.0", "4.0"], ["", "4.0"], ["", ""]]
    # Whatever the chunks are (G3).
    again = field.submit(Job("again", "tests.pricers:inventive", chunk=7))
    field.done(again)
    assert prices(field.records(again)) == prices(records)


@pytest.mark.parametrize("algorithm", ["tests.pricers:function", "tests.pricers:coroutine"])
def test_what_is_no_pricer_is_told_when_a_job_is_submitted(field: Field, algorithm: str) -> None:
    field.fill(1)
    run = azfinsim(field, "job", "submit", "--algorithm", algorithm)
    assert run.returncode == 2
    assert "per_trade" in run.stderr
    assert "Traceback" not in run.stderr
